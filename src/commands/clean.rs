//! `cxr clean`: removes the unchanged files that the stages of a profile wrote.

use std::fmt;
use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;

use super::{plan, select};
use crate::artifact::Document;
use crate::artifact::record::Record;
use crate::cli::{Context, Failure, Outcome};
use crate::io::atomic::{FileError, at};
use crate::io::staging::{RECORD, recover, remove_empty, sweep, sweep_files};
use crate::io::{hash, place};
use crate::pipeline::lockfile;
use crate::stages::Entry;

/// Arguments of `cxr clean`.
pub fn command() -> Command {
    Command::new("clean")
        .about("Remove the files that the stages of the profile wrote")
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Show what would be removed; remove nothing"),
        )
        .args(select::args())
        .after_help(
            "Files that were changed since a stage wrote them are kept and listed.\n\nExamples:\n  \
             # Remove all files of the demo\n  cxr clean --profile demo\n  \
             # Remove the model and all files made from it\n  cxr clean --from train",
        )
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    removed: Vec<String>,
    kept: Vec<String>,
    dry_run: bool,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.kept {
            writeln!(f, "kept, because it was changed: {name}")?;
        }
        let verb = if self.dry_run { "would remove" } else { "removed" };
        write!(f, "{verb} {} files", self.removed.len())
    }
}

/// Removes the recorded files of the chosen stages, unless they were changed.
///
/// # Errors
/// For an unknown stage, a flag without effect, or a file that cannot be removed.
pub fn run(ctx: &Context, matches: &ArgMatches) -> Result<Outcome, Failure> {
    let stages = select::choose(&plan::stages(ctx)?, matches)?;
    check_dataset(ctx, &stages)?;
    let dry_run = matches.get_flag("dry-run");
    let mut summary = Summary { dry_run, ..Summary::default() };
    if !dry_run {
        sweep_files(&ctx.paths.artifacts);
    }
    // Last stage first: if interrupted, no stage is left without its inputs.
    for stage in stages.iter().rev() {
        let folder = (stage.folder)(ctx)?;
        recover(&folder)?;
        if !dry_run {
            sweep(&folder);
        }
        let Ok(record) = Record::read(&folder.join(RECORD)) else { continue };
        clean(&folder, &record, &mut summary)?;
        if !dry_run {
            lockfile::remove(&ctx.paths.artifacts, &ctx.config.profile, stage.name)?;
        }
    }
    Ok(Outcome::new(&summary))
}

/// Refuses `--dataset` if no chosen stage writes into the data set.
fn check_dataset(ctx: &Context, stages: &[&'static Entry]) -> Result<(), Failure> {
    let within = |stage: &&&Entry| {
        (stage.folder)(ctx).is_ok_and(|folder| folder.starts_with(&ctx.paths.dataset))
    };
    if ctx.globals.dataset.is_none() || stages.iter().any(|stage| within(&stage)) {
        return Ok(());
    }
    let profile = &ctx.config.profile;
    let error = format!(
        "`--dataset` has no effect: no stage to clean in the profile `{profile}` writes into the \
         data set"
    );
    Err(Failure::usage(error).hint("leave out the flag: `cxr clean` never removes your own images"))
}

fn clean(folder: &Path, record: &Record, summary: &mut Summary) -> Result<(), FileError> {
    // The record goes first, so that a half-removed stage counts as never run.
    remove(&folder.join(RECORD), folder, summary)?;
    for (name, hash) in &record.outputs {
        let Some(path) = place::below(folder, Path::new(name)).filter(|path| path.is_file()) else {
            continue;
        };
        if hash::file(&path)? == *hash {
            remove(&path, folder, summary)?;
        } else {
            summary.kept.push(path.display().to_string());
        }
    }
    // `remove_dir` removes only empty folders.
    if !summary.dry_run && fs::remove_dir(folder).is_ok() {
        let _ = folder.parent().map(fs::remove_dir);
    }
    Ok(())
}

fn remove(path: &Path, folder: &Path, summary: &mut Summary) -> Result<(), FileError> {
    if !summary.dry_run {
        at("remove", path, fs::remove_file(path))?;
        remove_empty(path.parent().unwrap_or(folder), folder);
    }
    summary.removed.push(path.display().to_string());
    Ok(())
}
