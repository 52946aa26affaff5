//! `cxr cache`: the features kept from earlier extractions.

use std::fmt;

use clap::{Arg, ArgMatches, Command, value_parser};
use serde::Serialize;

use crate::cli::{Context, Failure, Outcome};
use crate::io::cache::Cache;

/// The arguments of `cxr cache`.
pub fn command() -> Command {
    let limit = Arg::new("max-size")
        .long("max-size")
        .value_name("MIB")
        .value_parser(value_parser!(u64))
        .default_value("0")
        .help("Keep the latest, up to so many mebibytes");
    Command::new("cache")
        .about("Show or prune the features kept from earlier extractions")
        .subcommand(Command::new("prune").about("Remove the oldest").arg(limit))
        .after_help(
            "Every `cxr-extract` also prunes to `cache-limit` of `pipeline.toml`.\n\nExamples:\n  \
             # How large is it?\n  cxr cache\n  # Make room\n  cxr cache prune --max-size 100",
        )
}

#[derive(Debug, Serialize)]
struct Summary {
    folder: String,
    /// An image has one for itself and its rotated copies and one for its masked copies, of
    /// every combination of settings that was used.
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

/// Shows the cache; `prune` makes it smaller first.
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
