//! `link/groups.csv`, `link/links.csv` and `link/link.json`: patient linkage, i.e. groups of
//! images of one patient, and the evidence.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ArtifactError, Document, read_csv};
use crate::dataset::link::Conflict;

/// Row of `groups.csv`: the group of one image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Row of the image in `index.csv`, from 0, without gaps.
    pub row: usize,
    /// Path relative to the dataset folder.
    pub path: String,
    /// Class of the image.
    pub class: String,
    /// Group of the patient: patient IDs joined by `+`, else `image:` and a path.
    pub group: String,
    /// Evidence of the links to other images of the group, joined by `; `; empty for a group of
    /// one image.
    pub evidence: String,
}

/// Row of `links.csv`: two images of one patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRow {
    /// Row of the first image.
    pub a: usize,
    /// Row of the second image, greater than `a`.
    pub b: usize,
    /// `patient id`, `kaggle name`, `name series`, `same file`, `near duplicate`.
    pub evidence: String,
    /// Relation of a near duplicate: `same`, or those of `mirrored`, `negative`, `cropped` and
    /// `rotated` that hold, joined by spaces. Empty for other evidence.
    pub relation: String,
    /// Patient ID, hash, or similarity of the images.
    pub detail: String,
}

/// `link.json`: summary of the patient linkage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Linked {
    /// `cxr.link/2`; set when written.
    #[serde(default)]
    pub schema: String,
    /// Number of images.
    pub images: usize,
    /// Number of groups.
    pub groups: usize,
    /// Number of links by evidence.
    pub links: BTreeMap<String, usize>,
    /// Patient IDs that belong to the same patient.
    pub merged: Vec<Vec<String>>,
    /// Groups with images of several classes.
    pub conflicts: Vec<Conflict>,
    /// BLAKE3 hash of the `index.csv` of the row numbers.
    pub index: String,
}

impl Document for Linked {
    const KIND: &'static str = "patient linkage";
    const SCHEMA: &'static str = "cxr.link/2";
}

/// Source of the groups of images of one patient.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grouping {
    /// Patient IDs of `index.csv`.
    #[default]
    Patient,
    /// Patient linkage by `cxr-link`: IDs, names, files and near duplicates.
    Link,
}

/// Name that is not a [`Grouping`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown grouping `{0}`, expected `patient` or `link`")]
pub struct UnknownGrouping(String);

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Patient => "patient",
            Self::Link => "link",
        })
    }
}

impl FromStr for Grouping {
    type Err = UnknownGrouping;

    fn from_str(text: &str) -> Result<Self, UnknownGrouping> {
        match text {
            "patient" => Ok(Self::Patient),
            "link" => Ok(Self::Link),
            other => Err(UnknownGrouping(other.to_owned())),
        }
    }
}

impl Grouping {
    /// Returns the files of `cxr-link` that the grouping needs.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Self::Patient => &[],
            Self::Link => &["groups.csv", "link.json"],
        }
    }
}

/// Reads `groups.csv` with the `link.json` beside it, and returns the group of every image by
/// row. The index must have `images` images and the file hash `index`.
///
/// # Errors
/// If a file is missing or malformed, or belongs to another index.
pub fn read_groups(path: &Path, index: &str, images: usize) -> Result<Vec<String>, ArtifactError> {
    let rows: Vec<GroupRow> = read_csv("table of groups", path)?;
    let linked = Linked::read(&path.with_file_name("link.json"))?;
    let misplaced = rows.iter().enumerate().find(|(i, r)| r.row != *i || r.group.is_empty());
    let reason = match misplaced {
        _ if linked.index != index || rows.len() != images => {
            "the file was made from another `index.csv`".to_owned()
        }
        Some((i, _)) => format!("line {} has no group for row {i}", i + 2),
        None => return Ok(rows.into_iter().map(|row| row.group).collect()),
    };
    Err(ArtifactError::Malformed { kind: "table of groups", path: path.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::write_csv;

    #[test]
    fn groups_are_in_the_order_of_the_images() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("groups.csv");
        let row = |row: usize, group: &str| GroupRow {
            row,
            path: format!("covid/{row}.png"),
            class: "covid".into(),
            group: group.into(),
            evidence: String::new(),
        };
        let linked = Linked {
            schema: String::new(),
            images: 2,
            groups: 2,
            links: BTreeMap::new(),
            merged: vec![],
            conflicts: vec![],
            index: "ab".into(),
        };
        linked.write(&dir.path().join("link.json")).unwrap();
        write_csv(&path, &[row(0, "cohen:1"), row(1, "image:covid/1.png")]).unwrap();
        assert_eq!(read_groups(&path, "ab", 2).unwrap(), ["cohen:1", "image:covid/1.png"]);
        let refused = |index, images| read_groups(&path, index, images).unwrap_err().to_string();
        assert!(refused("cd", 2).ends_with("the file was made from another `index.csv`"));
        assert!(refused("ab", 3).ends_with("the file was made from another `index.csv`"));
        write_csv(&path, &[row(1, "cohen:1")]).unwrap();
        assert!(refused("ab", 1).ends_with("line 2 has no group for row 0"));
    }

    #[test]
    fn groupings_survive_a_round_trip() {
        for grouping in [Grouping::Patient, Grouping::Link] {
            assert_eq!(grouping.to_string().parse(), Ok(grouping));
        }
        assert_eq!("x".parse::<Grouping>(), Err(UnknownGrouping("x".into())));
    }
}
