//! Whether a folder that users may keep files in is a stage's to write to.

use std::path::{Path, PathBuf};

use super::{Document, record::Record};
use crate::io::atomic::{FileError, at};
use crate::io::staging::{RECORD, recover};

/// Why a folder is not written to.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// It holds files that the stage did not write.
    #[error("`{}` is not empty and was not made by `cxr-{stage}`", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// The stage that wanted to write.
        stage: String,
    },
    /// It cannot be looked into.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Makes sure that `folder` is absent, empty but for hidden files, or has the record of
/// an earlier run of `stage`.
pub fn claim(folder: &Path, stage: &str) -> Result<(), ClaimError> {
    recover(folder)?;
    if !folder.exists() {
        return Ok(());
    }
    let mut empty = true;
    for entry in at("read", folder, std::fs::read_dir(folder))? {
        let name = at("read", folder, entry)?.file_name();
        empty &= name.as_encoded_bytes()[0] == b'.';
    }
    let ours = || Record::read(&folder.join(RECORD)).is_ok_and(|record| record.stage == stage);
    if empty || ours() {
        return Ok(());
    }
    Err(ClaimError::Foreign { folder: folder.to_owned(), stage: stage.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::atomic;

    fn record(folder: &Path) {
        let record = Record {
            schema: Record::SCHEMA.into(),
            stage: "build-covid".into(),
            program: "0".into(),
            params: serde_json::Value::Null,
            seed: Some(42),
            inputs: [].into(),
            outputs: [].into(),
            hand: toml::Table::new(),
            missed: Vec::new(),
        };
        record.write(&folder.join(RECORD)).unwrap();
    }

    #[test]
    fn a_stage_writes_to_new_empty_and_its_own_folders_only() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("covid");
        assert!(claim(&folder, "build-covid").is_ok(), "absent");
        atomic::write(&folder.join(".gitkeep"), b"").unwrap();
        assert!(claim(&folder, "build-covid").is_ok(), "hidden files only");
        record(&folder);
        atomic::write(&folder.join("notes.txt"), b"").unwrap();
        assert!(claim(&folder, "build-covid").is_ok(), "its own");
        let error = claim(&folder, "sample-normal").unwrap_err();
        assert!(matches!(error, ClaimError::Foreign { .. }), "another stage's: {error}");
        std::fs::remove_file(folder.join(RECORD)).unwrap();
        let error = claim(&folder, "build-covid").unwrap_err();
        assert!(matches!(error, ClaimError::Foreign { .. }), "the user's: {error}");
        let error = claim(&folder.join("notes.txt"), "build-covid").unwrap_err();
        assert!(matches!(error, ClaimError::File(_)), "a file: {error}");
    }
}
