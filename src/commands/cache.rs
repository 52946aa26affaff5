//! `cxr cache`: size and pruning of the feature cache.

use std::fmt;

use clap::{Arg, ArgMatches, Command, value_parser};
use serde::Serialize;

use crate::cli::{Context, Failure, Outcome};
use crate::io::cache::Cache;

/// Arguments of `cxr cache`.
pub fn command() -> Command {
    let limit = Arg::new("max-size")
        .long("max-size")
        .value_name("MIB")
        .value_parser(value_parser!(u64))
        .default_value("0")
        .help("Size to keep, in MiB: the newest entries");
    Command::new("cache")
        .about("Show the size of the feature cache, or prune it")
        .subcommand(Command::new("prune").about("Remove the oldest entries").arg(limit))
        .after_help(
            "`cxr-extract` also prunes the cache, to `cache-limit` of `pipeline.toml`.\n\nExamples:\n  \
             # Show the size\n  cxr cache\n  # Keep only 100 MiB\n  cxr cache prune --max-size 100",
        )
}

#[derive(Debug, Serialize)]
struct Summary {
    folder: String,
    /// Each image has one entry for itself and its rotated copies, and one for its masked
    /// copies, per combination of settings.
    entries: usize,
    bytes: u64,
    removed: usize,
    removed_bytes: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        if self.removed > 0 {
            writeln!(f, "removed {} entries, {:.1} MiB", self.removed, mib(self.removed_bytes))?;
        }
        write!(f, "{}: {} entries, {:.1} MiB", self.folder, self.entries, mib(self.bytes))
    }
}

/// Prints the size of the cache, after pruning it if requested.
///
/// # Errors
/// If the cache cannot be read or pruned.
pub fn run(ctx: &Context, matches: &ArgMatches) -> Result<Outcome, Failure> {
    let folder = ctx.paths.features_cache();
    let cache = Cache::new(&folder);
    let (removed, removed_bytes) = match matches.subcommand_matches("prune") {
        Some(prune) => {
            let limit: u64 = *prune.get_one("max-size").expect("it has a default");
            cache.prune(limit.saturating_mul(1 << 20))?
        }
        None => (0, 0),
    };
    let (entries, bytes) = cache.size()?;
    let folder = folder.display().to_string();
    Ok(Outcome::new(&Summary { folder, entries, bytes, removed, removed_bytes }))
}
