//! `link/groups.csv`, `link/links.csv` and `link/link.json`: which films show one
//! person, and what says so.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ArtifactError, Document, read_csv};
use crate::dataset::link::Conflict;

/// A line of `groups.csv`: the group of one film.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Row of the film in `index.csv`; counts from 0, without gaps.
    pub row: usize,
    /// Relative to the dataset folder.
    pub path: String,
    /// Its class.
    pub class: String,
    /// The person: patient ids joined by `+`, else `film:` and a path.
    pub group: String,
    /// What ties it to others of its group, joined by `; `; empty for a film alone.
    pub evidence: String,
}

/// A line of `links.csv`: two films of one person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRow {
    /// Row of the one.
    pub a: usize,
    /// Row of the other, above `a`.
    pub b: usize,
    /// `patient id`, `kaggle name`, `name series`, `same file`, `near duplicate`.
    pub evidence: String,
    /// For a near duplicate `same`, or which of `mirrored`, `negative`, `cropped` and
    /// `rotated` hold, joined by spaces; empty for other evidence.
    pub relation: String,
    /// The id, the hash, or how alike the pictures are.
    pub detail: String,
}

/// `link.json`: what linking found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Linked {
    /// `cxr.link/1`; filled in when written.
    #[serde(default)]
    pub schema: String,
    /// Films looked at.
    pub films: usize,
    /// Groups they fall into.
    pub groups: usize,
    /// Links by evidence.
    pub links: BTreeMap<String, usize>,
    /// Patient ids that turned out to be one person.
    pub merged: Vec<Vec<String>>,
    /// Groups whose films are of several classes.
    pub conflicts: Vec<Conflict>,
    /// BLAKE3 of the `index.csv` that the row numbers refer to.
    pub index: String,
}

impl Document for Linked {
    const KIND: &'static str = "account of links";
    const SCHEMA: &'static str = "cxr.link/1";
}

/// What tells which films show one person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grouping {
    /// The patient ids of `index.csv`.
    #[default]
    Patient,
    /// What `cxr-link` found: ids, names, files and pictures.
    Link,
}

/// A word that names no [`Grouping`].
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
    /// The files of `cxr-link` that it rests on.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Self::Patient => &[],
            Self::Link => &["groups.csv", "link.json"],
        }
    }
}

/// Reads `groups.csv`, made of the `films` films of the index whose file hashes
/// to `index`, as `link.json` beside it says: the group of every film, by row.
pub fn read_groups(path: &Path, index: &str, films: usize) -> Result<Vec<String>, ArtifactError> {
    let rows: Vec<GroupRow> = read_csv("table of groups", path)?;
    let linked = Linked::read(&path.with_file_name("link.json"))?;
    let misplaced = rows.iter().enumerate().find(|(i, r)| r.row != *i || r.group.is_empty());
    let reason = match misplaced {
        _ if linked.index != index || rows.len() != films => {
            "it was made from another `index.csv`".to_owned()
        }
        Some((i, _)) => format!("line {} has no group of row {i}", i + 2),
        None => return Ok(rows.into_iter().map(|row| row.group).collect()),
    };
    Err(ArtifactError::Malformed { kind: "table of groups", path: path.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::write_csv;

    #[test]
    fn groups_come_back_in_the_order_of_the_films() {
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
            films: 2,
            groups: 2,
            links: BTreeMap::new(),
            merged: vec![],
            conflicts: vec![],
            index: "ab".into(),
        };
        linked.write(&dir.path().join("link.json")).unwrap();
        write_csv(&path, &[row(0, "cohen:1"), row(1, "film:covid/1.png")]).unwrap();
        assert_eq!(read_groups(&path, "ab", 2).unwrap(), ["cohen:1", "film:covid/1.png"]);
        let refused = |index, films| read_groups(&path, index, films).unwrap_err().to_string();
        assert!(refused("cd", 2).ends_with("it was made from another `index.csv`"));
        assert!(refused("ab", 3).ends_with("it was made from another `index.csv`"));
        write_csv(&path, &[row(1, "cohen:1")]).unwrap();
        assert!(refused("ab", 1).ends_with("line 2 has no group of row 0"));
    }

    #[test]
    fn groupings_are_named() {
        for grouping in [Grouping::Patient, Grouping::Link] {
            assert_eq!(grouping.to_string().parse(), Ok(grouping));
        }
        assert_eq!("x".parse::<Grouping>(), Err(UnknownGrouping("x".into())));
    }
}
