//! `preprocess/index.csv`: one row per image in `images.npy`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ArtifactError, read_csv, write_csv};

/// One image: row `row` of `images.npy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRow {
    /// Row number from 0, without gaps.
    pub row: usize,
    /// Path relative to the dataset folder, with `/`: `covid/x.jpg`.
    pub path: String,
    /// Name of the class folder.
    pub class: String,
    /// Patient ID, unique over all sources; empty if unknown.
    pub patient: String,
    /// Collection of the image; empty if unknown.
    pub source: String,
    /// Width of the original in pixels.
    pub width: u32,
    /// Height of the original in pixels.
    pub height: u32,
    /// Pixel mode of the original with PIL's names: `L`, `RGB`, `RGBA`, `P`; `L12` for grey
    /// levels of 12 bits.
    pub mode: String,
    /// File size in bytes.
    pub bytes: u64,
    /// BLAKE3 hash of the file.
    pub hash: String,
    /// DICOM modality: `CR`, `DX`, …. This and the following DICOM fields are empty for other
    /// formats.
    #[serde(default)]
    pub modality: String,
    /// DICOM view: `PA`, `AP`, `LL`, …; `OTHER` for an unknown value.
    #[serde(default)]
    pub view: String,
    /// DICOM laterality: `L`, `R`, `B` or `U`.
    #[serde(default)]
    pub laterality: String,
    /// DICOM photometric interpretation: `MONOCHROME1`, `MONOCHROME2`, …
    #[serde(default)]
    pub photometric: String,
    /// Part of the data set, by folder name: `train`; empty if there are no parts.
    #[serde(default)]
    pub part: String,
    /// Sex of the patient, `F` or `M`, from a selection log; empty if unknown.
    #[serde(default)]
    pub sex: String,
    /// Age of the patient in years, from a selection log; empty if unknown.
    #[serde(default)]
    pub age: String,
}

/// Images of a data set, sorted by path (bytewise).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// One row per image.
    pub rows: Vec<IndexRow>,
    /// Sorted class names; labels and probabilities use their positions.
    pub classes: Vec<String>,
}

impl Index {
    /// Creates an index; the order of `rows` is kept.
    pub fn new(rows: Vec<IndexRow>) -> Self {
        let mut classes: Vec<_> = rows.iter().map(|r| r.class.clone()).collect();
        classes.sort();
        classes.dedup();
        Self { rows, classes }
    }

    /// Reads `index.csv`.
    ///
    /// # Errors
    /// If the file is missing or malformed, has no rows, or the rows are not numbered 0, 1, 2,
    /// ….
    pub fn read(path: &Path) -> Result<Self, ArtifactError> {
        let rows: Vec<IndexRow> = read_csv("index", path)?;
        let reason = match rows.iter().enumerate().find(|(i, r)| r.row != *i) {
            Some((i, r)) => format!("line {} has the row number {}, expected {i}", i + 2, r.row),
            None if rows.is_empty() => "the table has no images".to_owned(),
            None => return Ok(Self::new(rows)),
        };
        Err(ArtifactError::Malformed { kind: "index", path: path.to_owned(), reason })
    }

    /// Writes `index.csv`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ArtifactError> {
        write_csv(path, &self.rows)
    }

    /// Returns the class of every image as a position in `classes`.
    pub fn labels(&self) -> Vec<usize> {
        let position =
            |class| self.classes.binary_search(class).expect("every class is in the list");
        self.rows.iter().map(|r| position(&r.class)).collect()
    }

    /// Returns the patient of every image; none if unknown.
    pub fn patients(&self) -> Vec<Option<String>> {
        let is_known = |patient: &String| !patient.is_empty();
        self.rows.iter().map(|r| Some(r.patient.clone()).filter(is_known)).collect()
    }
}

/// Returns the group of an image without patient ID: a group of one image.
pub fn alone(path: &str) -> String {
    format!("image:{path}")
}

/// Whether a group comes from [`alone`].
pub fn is_single_image_group(group: &str) -> bool {
    group.starts_with("image:")
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
    fn index_without_dicom_columns_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.csv");
        let text = "row,path,class,patient,source,width,height,mode,bytes,hash\n\
                    0,covid/x.png,covid,,,10,20,L,5,ab\n";
        crate::io::atomic::write(&path, text.as_bytes()).unwrap();
        assert_eq!(Index::read(&path).unwrap().rows[0].view, "");
    }

    #[test]
    fn index_survives_a_round_trip_and_labels_follow_sorted_classes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.csv");
        let index = Index::new(vec![row(0, "normal"), row(1, "covid"), row(2, "normal")]);
        index.write(&path).unwrap();
        assert_eq!(Index::read(&path).unwrap(), index);
        assert_eq!(index.labels(), [1, 0, 1]);
    }

    #[test]
    fn gaps_and_missing_files_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.csv");
        assert!(matches!(Index::read(&path), Err(ArtifactError::Missing { .. })));
        Index::new(vec![row(1, "covid")]).write(&path).unwrap();
        let error = Index::read(&path).unwrap_err().to_string();
        assert!(error.contains("line 2 has the row number 1, expected 0"), "{error}");
    }
}
