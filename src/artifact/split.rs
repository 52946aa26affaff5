//! `split/split.json`: rows of the training, validation and test sets.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ArtifactError, Document};
use crate::dataset::split::Copies;

/// Split of the images of `index.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// `cxr.split/2`; set when written. `cxr.split/1` had no validation set.
    #[serde(default)]
    pub schema: String,
    /// Method: `image`, `group`, `source`, `folder`, or `parts` if the data set has its own
    /// split.
    pub method: String,
    /// Seed of the random split.
    pub seed: u64,
    /// Requested proportion of test images.
    pub test_size: f64,
    /// Requested proportion of the training set for validation; 0 for none.
    pub validation_size: f64,
    /// Row numbers of the training set, in random order.
    pub train: Vec<usize>,
    /// Row numbers of the validation set, in random order; whole groups. If empty, the test set
    /// is used for validation, as in the tutorial.
    pub validation: Vec<usize>,
    /// Row numbers of the test set, in random order.
    pub test: Vec<usize>,
    /// Number of groups in each set.
    #[serde(default)]
    pub groups: GroupCount,
    /// Sorted groups that cross the split (leakage); empty if the sets are disjoint. The
    /// `unknown` images without patient ID are checked for near duplicates if `groups.by` is
    /// `link`, else not at all.
    pub leaking: Vec<String>,
    /// Number of images without patient ID.
    pub unknown: usize,
    /// Images whose files are equal byte for byte; none in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<Copies>,
    /// BLAKE3 hash of the `index.csv` of the row numbers.
    pub index: String,
}

/// Number of groups, i.e. patients, in each set. An image without patient ID is a group of its
/// own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCount {
    /// Source of the groups: `patient`, the IDs of `index.csv`, or `link`.
    pub by: String,
    /// Groups with training images.
    pub train: usize,
    /// Groups with validation images.
    pub validation: usize,
    /// Groups with test images.
    pub test: usize,
    /// Groups with test images and training or validation images.
    pub both: usize,
}

impl Document for Split {
    const KIND: &'static str = "split";
    const SCHEMA: &'static str = "cxr.split/2";

    fn check(&self) -> Result<(), String> {
        let mut rows: Vec<_> = self.rows().collect();
        rows.sort();
        match rows.windows(2).find(|w| w[0] == w[1]) {
            Some(repeated) => Err(format!("row {} occurs twice", repeated[0])),
            None if self.train.is_empty() || self.test.is_empty() => {
                Err("the training or the test set is empty".into())
            }
            None => Ok(()),
        }
    }
}

impl Split {
    /// Returns all rows of the split.
    fn rows(&self) -> impl Iterator<Item = &usize> {
        self.train.iter().chain(&self.validation).chain(&self.test)
    }

    /// Returns the rows of the validation curve: the validation set, else the test set.
    pub fn validated(&self) -> &[usize] {
        if self.validation.is_empty() { &self.test } else { &self.validation }
    }

    /// Reads the split of an index of `images` images with the file hash `index`.
    ///
    /// # Errors
    /// If the file is missing or malformed, or belongs to another index.
    pub fn read_for(path: &Path, index: &str, images: usize) -> Result<Self, ArtifactError> {
        let split = Self::read(path)?;
        let out_of_range = split.rows().copied().find(|row| *row >= images);
        let reason = match out_of_range {
            _ if split.index != index => "the file was made from another `index.csv`".to_owned(),
            Some(row) => format!("row {row} is not among the {images} rows of `index.csv`"),
            None => return Ok(split),
        };
        Err(ArtifactError::Malformed { kind: Self::KIND, path: path.to_owned(), reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_survives_a_round_trip_and_invalid_splits_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("split.json");
        let mut split = Split {
            schema: Split::SCHEMA.into(),
            method: "image".into(),
            seed: 42,
            test_size: 0.2,
            validation_size: 0.0,
            train: vec![3, 0],
            validation: vec![],
            test: vec![1],
            groups: GroupCount { by: "patient".into(), train: 2, validation: 0, test: 1, both: 0 },
            leaking: vec![],
            unknown: 0,
            copies: Some(Copies { in_training: vec![1], ..Copies::default() }),
            index: "ab".into(),
        };
        split.write(&path).unwrap();
        assert_eq!(Split::read(&path).unwrap(), split);
        let read_for =
            |index, images| Split::read_for(&path, index, images).map_err(|e| e.to_string());
        assert_eq!(read_for("ab", 4).unwrap().validated(), [1]);
        assert!(read_for("cd", 4).unwrap_err().contains("made from another `index.csv`"));
        assert!(read_for("ab", 3).unwrap_err().contains("row 3 is not among the 3 rows"));
        split.test.push(3);
        split.write(&path).unwrap();
        let error = Split::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("is not a usable split: row 3 occurs twice"), "{error}");
        (split.test, split.validation) = (vec![1], vec![4]);
        split.write(&path).unwrap();
        assert_eq!(read_for("ab", 5).unwrap().validated(), [4]);
        assert!(read_for("ab", 4).unwrap_err().contains("row 4 is not among the 4 rows"));
        crate::io::atomic::write(&path, b"{\"schema\": \"cxr.split/1\"}").unwrap();
        let error = Split::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("has the schema `cxr.split/1`, expected `cxr.split/2`"), "{error}");
    }
}
