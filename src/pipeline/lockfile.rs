//! `pipeline.lock`: versions, settings and hashes of all stages that have run, for people and
//! version control. Sorted, and rewritten only on change.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::artifact::record::Record;
use crate::io::atomic::{self, FileError};
use crate::io::{bounded, hash, lock};

/// Name of the file in the artifacts folder.
pub const NAME: &str = "pipeline.lock";

const SCHEMA: &str = "cxr.pipeline-lock/1";

/// Maximum size of a lock file in bytes; all stages of a profile take 20 kB.
const MAX_BYTES: u64 = 16 << 20;

/// Maximum number of files listed per folder; more files are summarised in one line.
const LISTED: usize = 20;

/// Stages that have run, by profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockFile {
    schema: String,
    /// Entries by profile and stage.
    #[serde(default)]
    profile: BTreeMap<String, BTreeMap<String, Entry>>,
}

/// Last successful execution of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    key: String,
    program: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    params: toml::Table,
    inputs: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
}

/// Adds an execution to the lock file of `artifacts`.
///
/// # Errors
/// If the file cannot be written.
pub fn enter(artifacts: &Path, profile: &str, record: &Record) -> Result<(), FileError> {
    let entry = Entry {
        key: record.key(),
        program: record.program.clone(),
        seed: record.seed,
        params: toml::Table::try_from(&record.params).unwrap_or_default(),
        inputs: grouped(&record.inputs),
        outputs: grouped(&record.outputs),
    };
    edit(artifacts, |profiles| {
        profiles.entry(profile.to_owned()).or_default().insert(record.stage.clone(), entry);
    })
}

/// Removes a stage from the lock file of `artifacts`.
///
/// # Errors
/// If the file cannot be written.
pub fn remove(artifacts: &Path, profile: &str, stage: &str) -> Result<(), FileError> {
    edit(artifacts, |profiles| {
        if let Some(stages) = profiles.get_mut(profile) {
            stages.remove(stage);
        }
        profiles.retain(|_, stages| !stages.is_empty());
    })
}

/// Edits the file, one process at a time. Replaces an unreadable file: its content is also in
/// the records.
fn edit(
    artifacts: &Path,
    change: impl FnOnce(&mut BTreeMap<String, BTreeMap<String, Entry>>),
) -> Result<(), FileError> {
    let path = artifacts.join(NAME);
    let _guard = lock::exclusive(&artifacts.join(".pipeline.lock.guard"), || {})?;
    let text = bounded::read_text(&path, MAX_BYTES).unwrap_or_default();
    let mut file = toml::from_str(&text)
        .ok()
        .filter(|f: &LockFile| f.schema == SCHEMA)
        .unwrap_or_else(|| LockFile { schema: SCHEMA.to_owned(), profile: BTreeMap::new() });
    change(&mut file.profile);
    let new = format!(
        "# Versions, settings and hashes of these artifacts. Written by cxr; edits are lost.\n{}",
        toml::to_string(&file).expect("tables of strings serialise")
    );
    if new == text { Ok(()) } else { atomic::write(&path, new.as_bytes()) }
}

/// Summarises folders of more than [`LISTED`] files in one line: the number of files, and the
/// hash of their names and hashes.
fn grouped(files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut folders: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for (name, hash) in files {
        let folder = name.split_once('/').map_or("", |(folder, _)| folder);
        folders.entry(folder).or_default().insert(name, hash);
    }
    let mut lines = BTreeMap::new();
    for (folder, files) in folders {
        if files.len() > LISTED {
            let list: String =
                files.iter().map(|(name, hash)| format!("{name} {hash}\n")).collect();
            let line = format!("{} files, {}", files.len(), hash::bytes(list.as_bytes()));
            lines.insert(format!("{folder}/"), line);
        } else {
            lines.extend(files.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(stage: &str, images: usize) -> Record {
        Record {
            schema: String::new(),
            stage: stage.into(),
            program: "0.1.0".into(),
            params: serde_json::json!({"epochs": 25, "method": "image"}),
            seed: Some(42),
            dataset: None,
            inputs: (0..images).map(|i| (format!("dataset/{i:02}.png"), format!("{i}"))).collect(),
            outputs: BTreeMap::from([("index.csv".into(), "ab".into())]),
            hand: toml::Table::new(),
            missed: Vec::new(),
        }
    }

    #[test]
    fn the_file_is_sorted_grouped_and_rewritten_only_on_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        enter(dir.path(), "tutorial", &record("train", 2)).unwrap();
        enter(dir.path(), "demo", &record("preprocess", 30)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let find = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what} in {text}"));
        assert!(find("[profile.demo.preprocess]") < find("[profile.tutorial.train]"));
        assert!(text.contains("\"dataset/\" = \"30 files, "), "{text}");
        assert!(text.contains("\"dataset/01.png\" = \"1\""), "{text}");
        let written = std::fs::metadata(&path).unwrap().modified().unwrap();
        enter(dir.path(), "demo", &record("preprocess", 30)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), written);
        enter(dir.path(), "demo", &record("preprocess", 31)).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("31 files"));
    }
}
