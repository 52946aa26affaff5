//! What the stages share that put films into a folder of the user's.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::artifact::claim::claim;
use crate::artifact::ledger::{Counts, Ledger};
use crate::cli::{Failure, ResultExt};
use crate::dataset::phantom;
use crate::io::place::real;

/// Whether the folder may hold other files.
#[derive(Debug, clap::Args)]
pub struct Force {
    /// Write to a folder that holds other files; those with the same names are replaced
    #[arg(long)]
    force: bool,
}

impl Force {
    /// Not forced: what `cxr run` starts.
    pub const NO: Self = Self { force: false };

    /// Refuses an output `folder` inside the folder of the `source`, whose files it would
    /// add to; then as [`Force::claim`].
    pub fn claim_apart(&self, folder: &Path, source: &Path, stage: &str) -> Result<(), Failure> {
        if real(folder).starts_with(real(source)) {
            let (folder, source) = (folder.display(), source.display());
            let error = format!("the output folder `{folder}` is inside the source `{source}`");
            return Err(Failure::usage(error).hint("choose another folder with `--output`"));
        }
        self.claim(folder, stage)
    }

    /// Refuses a folder that holds files which `stage` did not write, unless forced.
    pub fn claim(&self, folder: &Path, stage: &str) -> Result<(), Failure> {
        if self.force {
            return Ok(());
        }
        claim(folder, stage)
            .hint("choose another folder with `--output`, or write into this one with `--force`")
    }
}

/// The films in a folder, and what became of the others.
#[derive(Debug, Serialize)]
pub struct Collected {
    folder: PathBuf,
    synthetic: bool,
    #[serde(flatten)]
    counts: Counts,
}

impl Collected {
    /// What `ledger` says of `folder`.
    pub fn new(folder: PathBuf, ledger: &Ledger) -> Self {
        let synthetic = ledger.kept().any(|row| row.source == phantom::SOURCE);
        Self { folder, synthetic, counts: ledger.counts() }
    }
}

impl fmt::Display for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, synthetic, counts } = self;
        let synthetic = if *synthetic { ", synthetic" } else { "" };
        write!(f, "{}: {} films{synthetic}\n{counts}", folder.display(), counts.kept)
    }
}
