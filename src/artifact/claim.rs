//! Protection of the user's files: checks that a stage may write to a folder.

use std::path::{Path, PathBuf};

use super::{Document, record::Record};
use crate::io::atomic::{FileError, at};
use crate::io::staging::{RECORD, recover};

/// Reason why a folder is not written to.
#[derive(Debug, thiserror::Error)]
pub enum OwnershipError {
    /// The folder has files that the stage did not write.
    #[error("`{}` is not empty and was not made by `cxr-{stage}`", folder.display())]
    Foreign {
        /// Path of the folder.
        folder: PathBuf,
        /// Name of the stage.
        stage: String,
    },
    /// The folder cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Checks that `folder` does not exist, is empty except for hidden files, or has the record of
/// an earlier run of `stage`.
///
/// # Errors
/// See [`OwnershipError`].
pub fn claim(folder: &Path, stage: &str) -> Result<(), OwnershipError> {
    recover(folder)?;
    if !folder.exists() {
        return Ok(());
    }
    let mut is_empty = true;
    for entry in at("read", folder, std::fs::read_dir(folder))? {
        let name = at("read", folder, entry)?.file_name();
        is_empty &= name.as_encoded_bytes()[0] == b'.';
    }
    let is_of_stage =
        || Record::read(&folder.join(RECORD)).is_ok_and(|record| record.stage == stage);
    if is_empty || is_of_stage() {
        return Ok(());
    }
    Err(OwnershipError::Foreign { folder: folder.to_owned(), stage: stage.to_owned() })
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
            dataset: None,
            inputs: [].into(),
            outputs: [].into(),
            hand: toml::Table::new(),
            missed: Vec::new(),
        };
        record.write(&folder.join(RECORD)).unwrap();
    }

    #[test]
    fn only_new_empty_and_own_folders_are_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("covid");
        assert!(claim(&folder, "build-covid").is_ok(), "absent");
        atomic::write(&folder.join(".gitkeep"), b"").unwrap();
        assert!(claim(&folder, "build-covid").is_ok(), "hidden files only");
        record(&folder);
        atomic::write(&folder.join("notes.txt"), b"").unwrap();
        assert!(claim(&folder, "build-covid").is_ok(), "a folder of the stage");
        let error = claim(&folder, "sample-normal").unwrap_err();
        assert!(
            matches!(error, OwnershipError::Foreign { .. }),
            "a folder of another stage: {error}"
        );
        std::fs::remove_file(folder.join(RECORD)).unwrap();
        let error = claim(&folder, "build-covid").unwrap_err();
        assert!(
            matches!(error, OwnershipError::Foreign { .. }),
            "a folder without record: {error}"
        );
        let error = claim(&folder.join("notes.txt"), "build-covid").unwrap_err();
        assert!(matches!(error, OwnershipError::File(_)), "a file: {error}");
    }
}
