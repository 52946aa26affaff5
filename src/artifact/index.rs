//! `preprocess/index.csv`: a line per film in `images.npy`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ArtifactError, read_csv, write_csv};

/// One film: row `row` of `images.npy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRow {
    /// Counts from 0, without gaps.
    pub row: usize,
    /// Relative to the dataset folder, `/` between folders: `covid/x.jpg`.
    pub path: String,
    /// The class folder's name.
    pub class: String,
    /// Who is on it, unique over all sources; empty if unknown.
    pub patient: String,
    /// Which collection it comes from; empty if unknown.
    pub source: String,
    /// Width of the original, in pixels.
    pub width: u32,
    /// Height of the original, in pixels.
    pub height: u32,
    /// Pixel mode of the original, as PIL names it: `L`, `RGB`, `RGBA`, `P`; `L12`
    /// where grey has 12 bits.
    pub mode: String,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub hash: String,
    /// `CR`, `DX`, …; this and what follows is what the header of a DICOM film says,
    /// in fixed words, and empty for others.
    #[serde(default)]
    pub modality: String,
    /// `PA`, `AP`, `LL`, …; `OTHER` for a text that is no view.
    #[serde(default)]
    pub view: String,
    /// `L`, `R`, `B` or `U`.
    #[serde(default)]
    pub laterality: String,
    /// `MONOCHROME1`, `MONOCHROME2`, …
    #[serde(default)]
    pub photometric: String,
    /// The part of the data set that it comes in, by the name of the folder: `train`;
    /// empty if the data set has no parts.
    #[serde(default)]
    pub part: String,
    /// The patient's sex, `F` or `M`, from a ledger; empty if unknown.
    #[serde(default)]
    pub sex: String,
    /// The patient's age in years, from a ledger; empty if unknown.
    #[serde(default)]
    pub age: String,
}

/// The films of a dataset, sorted by path (bytewise).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// A row per film.
    pub rows: Vec<IndexRow>,
    /// The classes' names, sorted: class `k` of every label and probability.
    pub classes: Vec<String>,
}

impl Index {
    /// From rows, whose order is kept.
    pub fn new(rows: Vec<IndexRow>) -> Self {
        let mut classes: Vec<_> = rows.iter().map(|r| r.class.clone()).collect();
        classes.sort();
        classes.dedup();
        Self { rows, classes }
    }

    /// Reads `index.csv`; rows must be numbered 0, 1, 2, …
    pub fn read(path: &Path) -> Result<Self, ArtifactError> {
        let rows: Vec<IndexRow> = read_csv("index", path)?;
        let reason = match rows.iter().enumerate().find(|(i, r)| r.row != *i) {
            Some((i, r)) => format!("line {} has the row number {}, expected {i}", i + 2, r.row),
            None if rows.is_empty() => "it lists no film".to_owned(),
            None => return Ok(Self::new(rows)),
        };
        Err(ArtifactError::Malformed { kind: "index", path: path.to_owned(), reason })
    }

    /// Writes `index.csv`.
    pub fn write(&self, path: &Path) -> Result<(), ArtifactError> {
        write_csv(path, &self.rows)
    }

    /// The class of every film, as a position in `classes`.
    pub fn labels(&self) -> Vec<usize> {
        let position = |class| self.classes.binary_search(class).expect("classes are collected");
        self.rows.iter().map(|r| position(&r.class)).collect()
    }

    /// The patient of every film, where known.
    pub fn patients(&self) -> Vec<Option<String>> {
        let known = |patient: &String| !patient.is_empty();
        self.rows.iter().map(|r| Some(r.patient.clone()).filter(known)).collect()
    }
}

/// The group of a film of nobody known: one of its own.
pub fn alone(path: &str) -> String {
    format!("film:{path}")
}

/// Whether a group is one of [`alone`].
pub fn is_alone(group: &str) -> bool {
    group.starts_with("film:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(row: usize, class: &str) -> IndexRow {
        IndexRow {
            row,
            path: format!("{class}/{row}, \"odd\".png"),
            class: class.into(),
            patient: String::new(),
            source: "phantom".into(),
            width: 10,
            height: 20,
            mode: "L".into(),
            bytes: 5,
            hash: "ab".into(),
            ..IndexRow::default()
        }
    }

    #[test]
    fn an_index_of_before_dicom_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.csv");
        let text = "row,path,class,patient,source,width,height,mode,bytes,hash\n\
                    0,covid/x.png,covid,,,10,20,L,5,ab\n";
        crate::io::atomic::write(&path, text.as_bytes()).unwrap();
        assert_eq!(Index::read(&path).unwrap().rows[0].view, "");
    }

    #[test]
    fn an_index_comes_back_and_labels_follow_sorted_classes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.csv");
        let index = Index::new(vec![row(0, "normal"), row(1, "covid"), row(2, "normal")]);
        index.write(&path).unwrap();
        assert_eq!(Index::read(&path).unwrap(), index);
        assert_eq!(index.labels(), [1, 0, 1]);
    }

    #[test]
    fn gaps_and_missing_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.csv");
        assert!(matches!(Index::read(&path), Err(ArtifactError::Missing { .. })));
        Index::new(vec![row(1, "covid")]).write(&path).unwrap();
        let error = Index::read(&path).unwrap_err().to_string();
        assert!(error.contains("line 2 has the row number 1, expected 0"), "{error}");
    }
}
