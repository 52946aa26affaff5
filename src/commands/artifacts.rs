//! Artifacts of one profile, as read by `cxr compare` and `cxr diff`: only unchanged files of
//! one consistent run.

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

/// Stages whose files are read, and the stages between them.
const READ: [&str; 9] =
    ["preprocess", "link", "split", "extract", "train", "crossval", "evaluate", "explain", "audit"];

/// Files that are read.
const FILES: [&str; 5] = [
    "preprocess/index.csv",
    "split/split.json",
    "evaluate/metrics.json",
    "crossval/crossval.json",
    "audit/audit.json",
];

/// Artifacts of one profile.
#[derive(Debug)]
pub struct Artifacts {
    /// Profile name or folder, as typed by the user.
    name: String,
    folder: PathBuf,
    lineage: Lineage,
}

impl Artifacts {
    /// Opens the artifacts in `folder`; warnings use `name` for them.
    ///
    /// # Errors
    /// If no stage has written to `folder`.
    pub fn open(name: &str, folder: &Path) -> Result<Self, Failure> {
        if !is_profile_folder(folder) {
            return Err(not_a_profile_folder(folder));
        }
        let lineage = Lineage::read(&READ, |stage| folder.join(stage));
        Ok(Self { name: name.to_owned(), folder: folder.to_owned(), lineage })
    }

    /// One warning for each stage whose files are of another run and are not read.
    pub fn warnings(&self) -> Vec<String> {
        let warning = |(stage, why): (&str, &str)| {
            format!(
                "`{}`: the output of `cxr {stage}` is left out: {why}; run `{}` again",
                self.name,
                self.command(stage)
            )
        };
        self.lineage.left_out().map(warning).collect()
    }

    /// Returns true if the files of `stage` are of another run and are not read.
    pub fn leaves_out(&self, stage: &str) -> bool {
        !self.lineage.belongs(stage)
    }

    /// Path of a file such as `split/split.json`; `None` if it is missing or left out.
    ///
    /// # Errors
    /// If the file differs from the record of its stage.
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

    /// Content of a JSON file; null where [`Artifacts::file`] returns `None`.
    ///
    /// # Errors
    /// As [`Artifacts::file`], and if the file is not valid JSON.
    pub fn document(&self, name: &str) -> Result<Value, Failure> {
        let Some(path) = self.file(name)? else { return Ok(Value::Null) };
        serde_json::from_slice(&bounded::read(&path, MAX_DOCUMENT)?)
            .context(format!("`{}` is not valid JSON", path.display()))
            .hint("remove the file, and create it again with `cxr run`")
    }

    /// Table of images; `None` where [`Artifacts::file`] returns `None`.
    ///
    /// # Errors
    /// As [`Artifacts::file`], and if the table is malformed.
    pub fn index(&self) -> Result<Option<Index>, Failure> {
        let read =
            |path: PathBuf| Index::read(&path).map_err(|error| self.unusable("preprocess", error));
        self.file(FILES[0])?.map(read).transpose()
    }

    fn unusable(&self, stage: &str, error: ArtifactError) -> Failure {
        let more_hint = error.hint();
        let failure =
            Failure::from(error).hint(format_args!("run `{}` again", self.command(stage)));
        more_hint.into_iter().fold(failure, Failure::hint)
    }

    /// Command that creates the files of `stage`.
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

/// BLAKE3 hash of each image file, by the path of the image.
pub fn hashes(index: &Index) -> BTreeMap<String, String> {
    index.rows.iter().map(|image| (image.path.clone(), image.hash.clone())).collect()
}

fn is_profile_folder(folder: &Path) -> bool {
    STAGES.iter().any(|stage| folder.join(stage.name).join(RECORD).is_file())
        || FILES.iter().any(|file| folder.join(file).is_file())
}

fn not_a_profile_folder(folder: &Path) -> Failure {
    let failure = Failure::new(format_args!(
        "`{}` is not the artifacts folder of a profile: no stage has written there",
        folder.display()
    ));
    let mut profiles: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_profile_folder(path))
        .collect();
    profiles.sort();
    match &profiles[..] {
        [] => failure.hint("give the folder of a profile, such as `artifacts/tutorial`"),
        found => {
            let found: Vec<_> = found.iter().map(|path| format!("`{}`", path.display())).collect();
            failure.hint(format_args!("give the folder of one profile: {}", found.join(", ")))
        }
    }
}
