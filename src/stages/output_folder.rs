//! Shared parts of the stages that write images to a folder of the user.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::artifact::claim::claim;
use crate::artifact::selection_log::{Counts, SelectionLog};
use crate::cli::{Failure, ResultExt};
use crate::dataset::phantom;
use crate::io::place::real;

/// Flag `--force` of stages that write to a folder of the user.
#[derive(Debug, clap::Args)]
pub struct Force {
    /// Write to a folder that holds other files; files of the same name are replaced
    #[arg(long)]
    force: bool,
}

impl Force {
    /// Without `--force`, as in `cxr run`.
    pub const NO: Self = Self { force: false };

    /// Calls [`Force::claim`] unless `folder` is inside the folder `source`.
    ///
    /// # Errors
    /// If `folder` is inside `source`, or as [`Force::claim`].
    pub fn claim_apart(&self, folder: &Path, source: &Path, stage: &str) -> Result<(), Failure> {
        if real(folder).starts_with(real(source)) {
            let (folder, source) = (folder.display(), source.display());
            let error = format!("the output folder `{folder}` is inside the source `{source}`");
            return Err(Failure::usage(error).hint("choose another folder with `--output`"));
        }
        self.claim(folder, stage)
    }

    /// Checks that `stage` may write to `folder`.
    ///
    /// # Errors
    /// Without `--force`, if `folder` holds files that `stage` did not write.
    pub fn claim(&self, folder: &Path, stage: &str) -> Result<(), Failure> {
        if self.force {
            return Ok(());
        }
        claim(folder, stage)
            .hint("choose another folder with `--output`, or write to this one with `--force`")
    }
}

/// Printed summary of the images in an output folder and of the dropped ones.
#[derive(Debug, Serialize)]
pub struct OutputSummary {
    folder: PathBuf,
    synthetic: bool,
    #[serde(flatten)]
    counts: Counts,
}

impl OutputSummary {
    /// Summary of the selection log `selection log` of `folder`.
    pub fn new(folder: PathBuf, selection_log: &SelectionLog) -> Self {
        let synthetic = selection_log.kept().any(|row| row.source == phantom::SOURCE);
        Self { folder, synthetic, counts: selection_log.counts() }
    }
}

impl fmt::Display for OutputSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, synthetic, counts } = self;
        let synthetic = if *synthetic { ", synthetic" } else { "" };
        write!(f, "{}: {} images{synthetic}\n{counts}", folder.display(), counts.kept)
    }
}
