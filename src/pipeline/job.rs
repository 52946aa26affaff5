//! One execution of a stage: inputs are hashed, outputs are staged, and both are recorded on
//! success.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Paths, lockfile};

use crate::artifact::{Document, record::Record};
use crate::io::atomic::{FileError, at};
use crate::io::decimal;
use crate::io::hash;
use crate::io::staging::{RECORD, Staging, Temporary};
use crate::io::stat::StatCache;

/// File that a stage reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// Name in the record: `split/split.json`, `dataset/covid/x.jpg`.
    pub name: String,
    /// Path of the file.
    pub path: PathBuf,
    /// True if the stage continues when the file cannot be read, as for images. An unreadable
    /// file is not recorded.
    pub optional: bool,
}

impl Input {
    /// Creates a required input.
    pub fn file(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), path: path.into(), optional: false }
    }

    /// Makes the input optional.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// BLAKE3 hash of each input, by name. Omits optional inputs that cannot be read.
    ///
    /// # Errors
    /// If a required input cannot be read.
    pub fn hashes(
        inputs: &[&Self],
        stats: &mut StatCache,
    ) -> Result<BTreeMap<String, String>, FileError> {
        let paths: Vec<&Path> = inputs.iter().map(|input| input.path.as_path()).collect();
        let hashes = inputs.iter().zip(stats.each_hash(&paths));
        let read = hashes.filter(|(input, hash)| hash.is_ok() || !input.optional);
        read.map(|(input, hash)| Ok((input.name.clone(), hash?))).collect()
    }

    /// Lists the files in `folder`, recursively, as `<name>/<path>`, sorted; omits hidden files and
    /// folders.
    ///
    /// # Errors
    /// If `folder` cannot be read.
    pub fn folder(name: &str, folder: &Path) -> Result<Vec<Self>, FileError> {
        let hidden =
            |e: &walkdir::DirEntry| e.depth() > 0 && e.file_name().as_encoded_bytes()[0] == b'.';
        let mut inputs = Vec::new();
        for entry in walkdir::WalkDir::new(folder).into_iter().filter_entry(|e| !hidden(e)) {
            let entry = at("read", folder, entry.map_err(Into::into))?;
            if !entry.file_type().is_dir() {
                let below = entry.path().strip_prefix(folder).expect("below folder");
                let name = format!("{name}/{}", below.to_string_lossy().replace('\\', "/"));
                inputs.push(Self::file(name, entry.into_path()));
            }
        }
        inputs.sort();
        Ok(inputs)
    }
}

/// Execution of a stage. Its files are visible only after [`Job::publish`].
#[derive(Debug)]
pub struct Job {
    staging: Staging,
    folder: PathBuf,
    record: Record,
    stats: StatCache,
    lock: Option<Paths>,
}

impl Job {
    /// Starts the stage `stage`, which reads `inputs` and writes to `folder`. `seed` is `None` if
    /// the stage makes no random choices.
    ///
    /// # Errors
    /// If an input cannot be read, or a folder cannot be created.
    pub fn begin(
        stage: &str,
        folder: &Path,
        settings: &impl Serialize,
        seed: Option<u64>,
        inputs: &[Input],
    ) -> Result<Self, FileError> {
        let params = decimal::to_value(&settings);
        let mut stats = StatCache::open(folder);
        let inputs = Input::hashes(&inputs.iter().collect::<Vec<_>>(), &mut stats)?;
        let record = Record {
            schema: Record::SCHEMA.to_owned(),
            stage: stage.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            params,
            seed,
            dataset: None,
            inputs,
            outputs: BTreeMap::new(),
            hand: toml::Table::new(),
            missed: Vec::new(),
        };
        Ok(Self {
            staging: Staging::begin(folder)?,
            folder: folder.to_owned(),
            record,
            stats,
            lock: None,
        })
    }

    /// Records the overrides, which `cxr run` keeps.
    #[must_use]
    pub fn by_hand(mut self, settings: toml::Table) -> Self {
        self.record.hand = settings;
        self
    }

    /// Records the folder of the data set, a path or a template.
    #[must_use]
    pub fn on_dataset(mut self, dataset: Option<&str>) -> Self {
        self.record.dataset = dataset.map(str::to_owned);
        self
    }

    /// Also records the execution in the `pipeline.lock` of these folders.
    #[must_use]
    pub fn locked_in(self, paths: &Paths) -> Self {
        Self { lock: Some(paths.clone()), ..self }
    }

    /// BLAKE3 hashes of the recorded inputs, by name.
    pub fn inputs(&self) -> &BTreeMap<String, String> {
        &self.record.inputs
    }

    /// Staging path of the output `name`.
    ///
    /// # Errors
    /// If its folder cannot be created.
    pub fn path(&self, name: &str) -> Result<PathBuf, FileError> {
        self.staging.path(name)
    }

    /// Creates the output `name` in the staging folder.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(&self, name: &str) -> Result<BufWriter<File>, FileError> {
        self.staging.create(name)
    }

    /// Creates a folder for temporary files next to the stage's folder; removed when dropped.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn scratch(&self) -> Result<Temporary, FileError> {
        self.staging.scratch()
    }

    /// Folder of the stage, which contains the previous output until [`Job::publish`].
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Records the conditions that are not met; an empty list means exit code 0, not 3.
    pub fn answer(&mut self, missed: &[String]) {
        self.record.missed = missed.to_vec();
    }

    /// Publishes all files at once, and removes files of the previous execution that were not
    /// written again.
    ///
    /// # Errors
    /// If a file cannot be read, written or moved.
    pub fn publish(mut self) -> Result<(), FileError> {
        let previous =
            Record::read(&self.folder.join(RECORD)).map(|r| r.outputs).unwrap_or_default();
        for name in self.staging.files()? {
            let hash = hash::file(&self.staging.path(&name)?)?;
            self.record.outputs.insert(name, hash);
        }
        let record = self.staging.path(RECORD)?;
        crate::io::atomic::write(&record, self.record.to_json().as_bytes())?;
        self.staging.publish(&previous.into_keys().collect::<Vec<_>>())?;
        self.stats.learn(&self.folder, &self.record.outputs)?;
        self.stats.save();
        match &self.lock {
            Some(paths) => lockfile::enter(&paths.artifacts, &paths.profile, &self.record),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_job_records_inputs_and_outputs_and_removes_old_outputs() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("train");
        let input = dir.path().join("split.json");
        crate::io::atomic::write(&input, b"{}").unwrap();
        for (file, other) in [("a", "b"), ("b", "a")] {
            let inputs = [Input::file("split/split.json", &input)];
            let job = Job::begin("train", &folder, &[1], Some(42), &inputs).unwrap();
            job.create(file).unwrap().write_all(b"x").unwrap();
            job.publish().unwrap();
            assert!(folder.join(file).exists() && !folder.join(other).exists());
        }
        let record = Record::read(&folder.join(RECORD)).unwrap();
        assert_eq!(record.inputs["split/split.json"], hash::bytes(b"{}"));
        assert_eq!(record.outputs["b"], hash::bytes(b"x"));
    }
}
