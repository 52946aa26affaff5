//! `preprocess/selection.csv`: selection log with one row per file of the dataset folder.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::selection_log::Status;
use super::{ArtifactError, read_csv, write_csv};

/// Separator of the notes of one image.
const SEPARATOR: &str = "; ";

/// One file of the dataset folder and its treatment by preprocessing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectionRow {
    /// Path below the dataset folder: `covid/a.dcm`.
    pub path: String,
    /// Class of the file; empty outside the class folders.
    pub class: String,
    /// Kept as an image, or dropped.
    pub status: Status,
    /// Exclusion reason; empty for a kept image.
    pub reason: String,
    /// Warnings of the decoder for a kept image, joined by `; `; empty if there are none.
    pub notes: String,
}

impl SelectionRow {
    /// Creates the row of a kept image with the notes of its decoder.
    pub fn kept(path: String, class: String, notes: &[String]) -> Self {
        let notes = notes.join(SEPARATOR);
        Self { path, class, status: Status::Kept, reason: String::new(), notes }
    }

    /// Creates the row of a dropped file.
    pub fn dropped(path: String, class: String, reason: String) -> Self {
        Self { path, class, status: Status::Dropped, reason, notes: String::new() }
    }
}

/// Reads the selection log.
///
/// # Errors
/// If the file cannot be read or lacks a column. Logs of versions without `notes` or `class`
/// are refused: a missing column does not mean that there were no warnings.
pub fn read(path: &Path) -> Result<Vec<SelectionRow>, ArtifactError> {
    read_csv("selection log", path)
}

/// Writes the selection log.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, rows: &[SelectionRow]) -> Result<(), ArtifactError> {
    write_csv(path, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_a_round_trip_and_logs_without_notes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("selection.csv");
        let notes = ["the window is flat".to_owned(), "levels 0 to 9".to_owned()];
        let rows = [
            SelectionRow::kept("a/x.dcm".into(), "a".into(), &notes),
            SelectionRow::kept("a/y.png".into(), "a".into(), &[]),
            SelectionRow::dropped("a/z.png".into(), "a".into(), "the file is empty".into()),
        ];
        assert_eq!(rows[0].notes, "the window is flat; levels 0 to 9");
        write(&path, &rows).unwrap();
        assert_eq!(read(&path).unwrap(), rows);
        crate::io::atomic::write(&path, b"path,status,reason\na/x.dcm,kept,\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("is not a usable selection log"), "{error}");
    }
}
