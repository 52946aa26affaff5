//! `record.json`: inputs, settings and outputs of the last successful run of a stage.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ArtifactError, Document};
use crate::io::staging::RECORD;
use crate::io::stat::StatCache;
use crate::io::{hash, place};

/// Successful run of a stage. Written last into the folder of the outputs: if the record
/// exists, the outputs are complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `cxr.record/1`.
    pub schema: String,
    /// Name of the stage.
    pub stage: String,
    /// Version of the program.
    pub program: String,
    /// Settings of the run.
    pub params: serde_json::Value,
    /// Seed of the pipeline; none if the stage is deterministic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Folder of the data set as given, a path or a template; none if the stage does not use
    /// the data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// BLAKE3 hash of every file read, by name.
    pub inputs: BTreeMap<String, String>,
    /// BLAKE3 hash of every file written, by name relative to the stage's folder.
    pub outputs: BTreeMap<String, String>,
    /// Settings from the command line that differ from `pipeline.toml`, including `seed`.
    /// `cxr run` keeps them.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub hand: toml::Table,
    /// Explanations of the failed gates (exit code 3). They remain valid while the stage is up
    /// to date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
}

impl Document for Record {
    const KIND: &'static str = "record";
    const SCHEMA: &'static str = "cxr.record/1";

    fn check(&self) -> Result<(), String> {
        // A later run deletes outputs that it does not write again.
        match self.outputs.keys().find(|name| !place::is_plain(Path::new(name))) {
            Some(name) => Err(format!("the output `{name}` is outside the folder")),
            None => Ok(()),
        }
    }
}

impl Record {
    /// Reads the record in the `folder` of a stage; none if it does not exist.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn find(folder: &Path) -> Result<Option<Self>, ArtifactError> {
        match Self::read(&folder.join(RECORD)) {
            Err(ArtifactError::Missing { .. }) => Ok(None),
            read => read.map(Some),
        }
    }

    /// Compares the BLAKE3 hash `now` of the file `name` in the record's `folder` with the
    /// recorded hash. A file without a recorded hash passes.
    ///
    /// # Errors
    /// [`ArtifactError::Changed`].
    pub fn check_output(&self, folder: &Path, name: &str, now: &str) -> Result<(), ArtifactError> {
        match self.outputs.get(name) {
            Some(written) if written != now => Err(ArtifactError::Changed {
                path: folder.join(name),
                stage: self.stage.clone(),
                record: folder.join(RECORD),
            }),
            _ => Ok(()),
        }
    }

    /// Compares the file `name` in the `folder` of a stage with the record of the stage.
    /// Passes if the file, the record or the recorded hash is missing.
    ///
    /// # Errors
    /// [`ArtifactError::Changed`]; if the record or the file cannot be read.
    pub fn check_file(folder: &Path, name: &str) -> Result<(), ArtifactError> {
        let path = folder.join(name);
        let Some(record) = Self::find(folder)?.filter(|_| path.is_file()) else { return Ok(()) };
        if !record.outputs.contains_key(name) {
            return Ok(());
        }
        let mut stats = StatCache::open(folder);
        let now = stats.hashes(&[&path])?;
        stats.save();
        record.check_output(folder, name, &now[0])
    }

    /// Returns the cache key: runs with equal keys write equal files. BLAKE3 hash of stage,
    /// program version, settings, seed, and names and hashes of the inputs.
    pub fn key(&self) -> String {
        let key_parts =
            serde_json::json!([self.stage, self.program, self.params, self.seed, self.inputs]);
        hash::bytes(key_parts.to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        let check = |name: &str| Record::check_file(folder, name);
        crate::io::atomic::write(&folder.join("a"), b"written").unwrap();
        assert!(check("a").is_ok(), "without a record");
        let record = Record {
            schema: String::new(),
            stage: "train".into(),
            program: "0".into(),
            params: serde_json::Value::Null,
            seed: None,
            dataset: None,
            inputs: [].into(),
            outputs: [("a".to_owned(), hash::bytes(b"written"))].into(),
            hand: toml::Table::new(),
            missed: Vec::new(),
        };
        record.write(&folder.join(RECORD)).unwrap();
        assert!(check("a").is_ok() && check("b").is_ok());
        crate::io::atomic::write(&folder.join("a"), b"changed").unwrap();
        let error = check("a").unwrap_err();
        let text = format!("`{}` is not what `cxr-train` wrote", folder.join("a").display());
        assert!(error.to_string().starts_with(&text), "{error}");
        assert!(error.hint().unwrap().ends_with("record.json`"));
        crate::io::atomic::write(&folder.join(RECORD), b"{").unwrap();
        assert!(matches!(check("a"), Err(ArtifactError::Malformed { .. })));
    }

    #[test]
    fn outputs_outside_the_folder_are_refused() {
        let record_with_output = |name: &str| Record {
            schema: Record::SCHEMA.into(),
            stage: "train".into(),
            program: "0".into(),
            params: serde_json::Value::Null,
            seed: Some(42),
            dataset: None,
            inputs: [].into(),
            outputs: [(name.to_owned(), "00".to_owned())].into(),
            hand: toml::Table::new(),
            missed: Vec::new(),
        };
        assert_eq!(record_with_output("a/b.png").check(), Ok(()));
        for name in ["../x", "/etc/passwd", "a/../../x", "", "."] {
            assert!(record_with_output(name).check().is_err(), "{name}");
        }
    }
}
