//! The artifacts of one profile in a folder, as `cxr compare` and `cxr diff` read them: only
//! files that are what their stages wrote, and that belong together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::artifact::index::Index;
use crate::artifact::record::Record;
use crate::artifact::{ArtifactError, MAX_DOCUMENT};
use crate::cli::{Failure, ResultExt, shell_word};
use crate::io::bounded;
use crate::io::staging::{RECORD, recover};
use crate::pipeline::Lineage;
use crate::stages::STAGES;

/// The stages whose files are read, and those between them.
const READ: [&str; 9] =
    ["preprocess", "link", "split", "extract", "train", "crossval", "evaluate", "explain", "audit"];

/// The files that are read.
const FILES: [&str; 5] = [
    "preprocess/index.csv",
    "split/split.json",
    "evaluate/metrics.json",
    "crossval/crossval.json",
    "audit/audit.json",
];

/// The artifacts of one profile.
#[derive(Debug)]
pub struct Artifacts {
    /// What the user calls it.
    name: String,
    folder: PathBuf,
    lineage: Lineage,
}

impl Artifacts {
    /// The artifacts in `folder`, which warnings call `name`.
    ///
    /// # Errors
    /// If no stage has written there.
    pub fn open(name: &str, folder: &Path) -> Result<Self, Failure> {
        if !is_of_a_profile(folder) {
            return Err(no_profile(folder));
        }
        let lineage = Lineage::read(&READ, |stage| folder.join(stage));
        Ok(Self { name: name.to_owned(), folder: folder.to_owned(), lineage })
    }

    /// The stages whose files are of another run and not read, each as a warning.
    pub fn warnings(&self) -> Vec<String> {
        let warning = |(stage, why): (&str, &str)| {
            format!(
                "`{}` without what `cxr {stage}` wrote: {why}; run `{}` again",
                self.name,
                self.command(stage)
            )
        };
        self.lineage.left_out().map(warning).collect()
    }

    /// Whether the files of `stage` are of another run and not read.
    pub fn leaves_out(&self, stage: &str) -> bool {
        !self.lineage.belongs(stage)
    }

    /// A file such as `split/split.json`; none if it is not there or left out.
    ///
    /// # Errors
    /// If it is not what its stage put on record.
    pub fn file(&self, name: &str) -> Result<Option<PathBuf>, Failure> {
        let (stage, file) = name.split_once('/').unwrap_or(("", name));
        let folder = self.folder.join(stage);
        recover(&folder)?;
        if self.leaves_out(stage) || !folder.join(file).is_file() {
            return Ok(None);
        }
        Record::check_file(&folder, file).map_err(|error| self.unusable(stage, error))?;
        Ok(Some(folder.join(file)))
    }

    /// A JSON file; null as [`Artifacts::file`] is none.
    ///
    /// # Errors
    /// As [`Artifacts::file`], and if it is not valid JSON.
    pub fn document(&self, name: &str) -> Result<Value, Failure> {
        let Some(path) = self.file(name)? else { return Ok(Value::Null) };
        serde_json::from_slice(&bounded::read(&path, MAX_DOCUMENT)?)
            .context(format!("`{}` is not valid JSON", path.display()))
            .hint("remove it, and let `cxr run` make it anew")
    }

    /// The table of images; none as [`Artifacts::file`].
    ///
    /// # Errors
    /// As [`Artifacts::file`], and if it cannot be used.
    pub fn index(&self) -> Result<Option<Index>, Failure> {
        let read =
            |path: PathBuf| Index::read(&path).map_err(|error| self.unusable("preprocess", error));
        self.file(FILES[0])?.map(read).transpose()
    }

    fn unusable(&self, stage: &str, error: ArtifactError) -> Failure {
        let other_way = error.hint();
        let failure =
            Failure::from(error).hint(format_args!("run `{}` again", self.command(stage)));
        other_way.into_iter().fold(failure, Failure::hint)
    }

    /// The command that makes the files of `stage`.
    fn command(&self, stage: &str) -> String {
        let profile = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let mut command = format!("cxr {stage} --profile {}", shell_word(profile));
        let artifacts = self.folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(artifacts) = artifacts.filter(|parent| *parent != Path::new("artifacts")) {
            command += &format!(" --artifacts {}", shell_word(artifacts.display()));
        }
        command
    }
}

/// The paths of images with the BLAKE3 of their files.
pub fn hashes(index: &Index) -> BTreeMap<String, String> {
    index.rows.iter().map(|image| (image.path.clone(), image.hash.clone())).collect()
}

fn is_of_a_profile(folder: &Path) -> bool {
    STAGES.iter().any(|stage| folder.join(stage.name).join(RECORD).is_file())
        || FILES.iter().any(|file| folder.join(file).is_file())
}

fn no_profile(folder: &Path) -> Failure {
    let failure = Failure::new(format_args!(
        "`{}` is not the artifacts folder of a profile: no stage has written there",
        folder.display()
    ));
    let mut below: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_of_a_profile(path))
        .collect();
    below.sort();
    match &below[..] {
        [] => failure.hint("give the folder of a profile, such as `artifacts/tutorial`"),
        found => {
            let found: Vec<_> = found.iter().map(|path| format!("`{}`", path.display())).collect();
            failure.hint(format_args!("give the folder of one profile: {}", found.join(", ")))
        }
    }
}
