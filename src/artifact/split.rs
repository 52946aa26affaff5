//! `split/split.json`: which films train, validate and test.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ArtifactError, Document};
use crate::dataset::split::Copies;

/// A split of the films of `index.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// `cxr.split/2`; filled in when written. `cxr.split/1` had no validation part.
    #[serde(default)]
    pub schema: String,
    /// How it was made: `image`, `group`, `source`, `folder`; `parts` if the data set came
    /// with it.
    pub method: String,
    /// The seed of the draw.
    pub seed: u64,
    /// The share of films asked for as test.
    pub test_size: f64,
    /// The proportion of the training part set aside for validation; 0 for none.
    pub validation_size: f64,
    /// Row numbers to train on, in the order of the draw.
    pub train: Vec<usize>,
    /// Row numbers to validate on, in the order of the draw: whole groups. If empty, the
    /// test films validate too, as in the tutorial.
    pub validation: Vec<usize>,
    /// Row numbers to test on, in the order of the draw.
    pub test: Vec<usize>,
    /// The groups counted: the sides are disjoint if none is on both.
    #[serde(default)]
    pub groups: GroupCount,
    /// Groups with films on both sides, sorted: none if the sides are disjoint.
    /// Films without a known patient, counted in `unknown`, are checked by their
    /// pictures where `groups.by` is `link`, else not at all.
    pub leaking: Vec<String>,
    /// Films whose patient is not known.
    pub unknown: usize,
    /// Images whose files are equal byte for byte; none in a file of before they were
    /// counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<Copies>,
    /// BLAKE3 of the `index.csv` that the row numbers refer to.
    pub index: String,
}

/// How many groups of films, each of one person, a split deals with. A film of
/// an unknown person is a group of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCount {
    /// What tells them: `patient`, the ids of `index.csv`, or `link`.
    pub by: String,
    /// With films to train on.
    pub train: usize,
    /// With films to validate on.
    pub validation: usize,
    /// With films to test on.
    pub test: usize,
    /// With films in the test and among those to train or validate on.
    pub both: usize,
}

impl Document for Split {
    const KIND: &'static str = "split";
    const SCHEMA: &'static str = "cxr.split/2";

    fn check(&self) -> Result<(), String> {
        let mut rows: Vec<_> = self.rows().collect();
        rows.sort();
        match rows.windows(2).find(|w| w[0] == w[1]) {
            Some(twice) => Err(format!("row {} stands in it twice", twice[0])),
            None if self.train.is_empty() || self.test.is_empty() => {
                Err("one of its sides is empty".into())
            }
            None => Ok(()),
        }
    }
}

impl Split {
    /// Every row of the split.
    fn rows(&self) -> impl Iterator<Item = &usize> {
        self.train.iter().chain(&self.validation).chain(&self.test)
    }

    /// The rows of the validation curve: those set aside for it, else the test films.
    pub fn validated(&self) -> &[usize] {
        if self.validation.is_empty() { &self.test } else { &self.validation }
    }

    /// Reads the split of an index of `films` films whose file hashes to `index`.
    pub fn read_for(path: &Path, index: &str, films: usize) -> Result<Self, ArtifactError> {
        let split = Self::read(path)?;
        let beyond = split.rows().copied().find(|row| *row >= films);
        let reason = match beyond {
            _ if split.index != index => "it was made from another `index.csv`".to_owned(),
            Some(row) => format!("row {row} is not among the {films} of `index.csv`"),
            None => return Ok(split),
        };
        Err(ArtifactError::Malformed { kind: Self::KIND, path: path.to_owned(), reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_comes_back_and_wrong_ones_are_refused() {
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
            |index, films| Split::read_for(&path, index, films).map_err(|e| e.to_string());
        assert_eq!(read_for("ab", 4).unwrap().validated(), [1]);
        assert!(read_for("cd", 4).unwrap_err().contains("made from another `index.csv`"));
        assert!(read_for("ab", 3).unwrap_err().contains("row 3 is not among the 3"));
        split.test.push(3);
        split.write(&path).unwrap();
        let error = Split::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("is not a usable split: row 3 stands in it twice"), "{error}");
        (split.test, split.validation) = (vec![1], vec![4]);
        split.write(&path).unwrap();
        assert_eq!(read_for("ab", 5).unwrap().validated(), [4]);
        assert!(read_for("ab", 4).unwrap_err().contains("row 4 is not among the 4"));
        crate::io::atomic::write(&path, b"{\"schema\": \"cxr.split/1\"}").unwrap();
        let error = Split::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("has the schema `cxr.split/1`, expected `cxr.split/2`"), "{error}");
    }
}
