//! One execution of a stage: what it reads is hashed, what it writes is staged,
//! and both are put on record when it succeeds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::artifact::{Document, record::Record};
use crate::io::atomic::{FileError, RECORD, Staging};
use crate::io::hash;

/// A stage at work. Nothing of it is seen before [`Job::publish`].
#[derive(Debug)]
pub struct Job {
    staging: Staging,
    folder: PathBuf,
    record: Record,
}

impl Job {
    /// Starts the stage `stage`, which writes to `folder` with these settings.
    pub fn begin(
        stage: &str,
        folder: &Path,
        settings: &impl Serialize,
        seed: u64,
    ) -> Result<Self, FileError> {
        let params = serde_json::to_value(settings).expect("settings serialise");
        let record = Record {
            schema: Record::SCHEMA.to_owned(),
            stage: stage.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            params,
            seed,
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
        };
        Ok(Self { staging: Staging::begin(folder)?, folder: folder.to_owned(), record })
    }

    /// Puts the file `path` on record as the input `name`, such as
    /// `split/split.json`; returns its hash.
    pub fn input(&mut self, name: &str, path: &Path) -> Result<String, FileError> {
        let hash = hash::file(path)?;
        self.input_hashed(name, &hash);
        Ok(hash)
    }

    /// Puts an input on record whose hash is known.
    pub fn input_hashed(&mut self, name: &str, hash: &str) {
        self.record.inputs.insert(name.to_owned(), hash.to_owned());
    }

    /// The inputs on record so far: name and hash.
    pub fn inputs(&self) -> &BTreeMap<String, String> {
        &self.record.inputs
    }

    /// Where to write the file that will be `name` in the stage's folder.
    pub fn path(&self, name: &str) -> Result<PathBuf, FileError> {
        self.staging.path(name)
    }

    /// Opens the file that will be `name` in the stage's folder.
    pub fn create(&self, name: &str) -> Result<BufWriter<File>, FileError> {
        self.staging.create(name)
    }

    /// The stage's folder, which holds the last good output until
    /// [`Job::publish`].
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts the files in place, all or none, and removes those of the last
    /// execution that this one does not write.
    pub fn publish(mut self) -> Result<(), FileError> {
        let former = Record::read(&self.folder.join(RECORD)).map(|r| r.outputs).unwrap_or_default();
        for name in self.staging.files()? {
            let hash = hash::file(&self.staging.path(&name)?)?;
            self.record.outputs.insert(name, hash);
        }
        let record = self.staging.path(RECORD)?;
        crate::io::atomic::write(&record, self.record.to_json().as_bytes())?;
        self.staging.publish(&former.into_keys().collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_job_records_what_it_read_and_wrote_and_removes_what_it_no_longer_writes() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("train");
        let input = dir.path().join("split.json");
        crate::io::atomic::write(&input, b"{}").unwrap();
        for (file, other) in [("a", "b"), ("b", "a")] {
            let mut job = Job::begin("train", &folder, &[1], 42).unwrap();
            job.input("split/split.json", &input).unwrap();
            job.create(file).unwrap().write_all(b"x").unwrap();
            job.publish().unwrap();
            assert!(folder.join(file).exists() && !folder.join(other).exists());
        }
        let record = Record::read(&folder.join(RECORD)).unwrap();
        assert_eq!(record.inputs["split/split.json"], hash::bytes(b"{}"));
        assert_eq!(record.outputs["b"], hash::bytes(b"x"));
    }
}
