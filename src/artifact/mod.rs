//! Files exchanged between the stages: one module per kind, with its type, schema, `read` and
//! `write`.
//!
//! JSON artifacts have the field `schema: "cxr.<kind>/<major>"`. Keys are sorted, paths are
//! relative and there are no timestamps, so that equal inputs give equal bytes.

pub mod array;
pub mod audit;
pub mod claim;
pub mod crossval;
pub mod curves;
pub mod explanation;
pub mod features;
pub mod groups;
pub mod history;
pub mod index;
pub mod metrics;
pub mod model;
pub mod predictions;
pub mod provenance;
pub mod record;
pub mod selection;
pub mod selection_log;
pub mod split;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::io::atomic::{self, FileError};
use crate::io::{bounded, decimal};

/// Largest JSON document in bytes that is read: a record of half a million images.
pub const MAX_DOCUMENT: u64 = 64 << 20;

/// Largest table or head in bytes that is read: a table of two million rows.
pub const MAX_FILE: u64 = 256 << 20;

/// Reason why an artifact cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file does not exist.
    #[error("there is no {kind} at `{}`", path.display())]
    Missing {
        /// Kind of artifact: `index`, `split`.
        kind: &'static str,
        /// Expected path.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file was written by another version or is of another kind.
    #[error("`{}` has the schema `{got}`, expected `{expected}`", path.display())]
    Schema {
        /// Path of the file.
        path: PathBuf,
        /// Schema of this version.
        expected: &'static str,
        /// Schema of the file.
        got: String,
    },
    /// The content is invalid.
    #[error("`{}` is not a usable {kind}: {reason}", path.display())]
    Malformed {
        /// Kind of artifact.
        kind: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Problem, with the line number if there is one.
        reason: String,
    },
    /// It is not what its stage put on record.
    #[error("`{}` is not what `cxr-{stage}` wrote: its content has changed", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// The stage that wrote it.
        stage: String,
        /// The record that has another hash of it.
        record: PathBuf,
    },
}

impl ArtifactError {
    /// The way out that does not make the file anew, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Changed { record, .. } => Some(format!(
                "to use a file that you changed on purpose, remove `{}`",
                record.display()
            )),
            _ => None,
        }
    }
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// [`ArtifactError::Missing`] if the file does not exist, else [`ArtifactError::File`].
pub fn read_bytes(kind: &'static str, path: &Path, limit: u64) -> Result<Vec<u8>, ArtifactError> {
    match bounded::read(path, limit) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(ArtifactError::Missing { kind, path: path.to_owned() })
        }
        other => Ok(atomic::at("read", path, other)?),
    }
}

/// JSON document with a `schema` field.
pub trait Document: Serialize + DeserializeOwned {
    /// Kind of document in messages: `split`.
    const KIND: &'static str;
    /// `cxr.<kind>/<major>`.
    const SCHEMA: &'static str;

    /// Checks constraints that the types do not express.
    ///
    /// # Errors
    /// Description of the violated constraint.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Reads and checks the document.
    ///
    /// # Errors
    /// See [`ArtifactError`].
    fn read(path: &Path) -> Result<Self, ArtifactError> {
        /// Read before the rest, whose meaning depends on the schema.
        #[derive(Deserialize)]
        struct Head {
            #[serde(default)]
            schema: Option<serde_json::Value>,
        }
        let bytes = read_bytes(Self::KIND, path, MAX_DOCUMENT)?;
        let malformed =
            |reason| ArtifactError::Malformed { kind: Self::KIND, path: path.to_owned(), reason };
        let parse = |e: serde_json::Error| malformed(e.to_string());
        let head: Head = serde_json::from_slice(&bytes).map_err(parse)?;
        let schema = head.schema.as_ref().and_then(serde_json::Value::as_str).unwrap_or("none");
        if schema != Self::SCHEMA {
            let (expected, got) = (Self::SCHEMA, schema.to_owned());
            return Err(ArtifactError::Schema { path: path.to_owned(), expected, got });
        }
        let document: Self = serde_json::from_slice(&bytes).map_err(parse)?;
        document.check().map_err(malformed)?;
        Ok(document)
    }

    /// Returns the text of the file: indented, with sorted keys and the schema set.
    fn to_json(&self) -> String {
        let mut value = decimal::to_value(self);
        value["schema"] = Self::SCHEMA.into();
        serde_json::to_string_pretty(&value).expect("JSON values serialise") + "\n"
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    fn write(&self, path: &Path) -> Result<(), ArtifactError> {
        Ok(atomic::write(path, self.to_json().as_bytes())?)
    }
}

/// Reads a CSV artifact whose columns are the fields of `T`.
///
/// # Errors
/// See [`ArtifactError`].
pub fn read_csv<T: DeserializeOwned>(
    kind: &'static str,
    path: &Path,
) -> Result<Vec<T>, ArtifactError> {
    let bytes = read_bytes(kind, path, MAX_FILE)?;
    let rows: Result<_, csv::Error> =
        csv::Reader::from_reader(bytes.as_slice()).deserialize().collect();
    rows.map_err(|e| ArtifactError::Malformed {
        kind,
        path: path.to_owned(),
        reason: e.to_string(),
    })
}

/// Writes rows as CSV atomically. Without rows, writes the header only, taken from the default
/// row.
///
/// # Errors
/// If the file cannot be written.
pub fn write_csv<T: Serialize + Default>(path: &Path, rows: &[T]) -> Result<(), ArtifactError> {
    let table = |rows: &[T]| {
        let mut out = csv::Writer::from_writer(Vec::new());
        rows.iter().for_each(|row| out.serialize(row).expect("rows are flat records"));
        out.into_inner().expect("writing to memory")
    };
    let bytes = match rows {
        [] => {
            let mut header = table(&[T::default()]);
            let end = header
                .iter()
                .position(|byte| *byte == b'\n')
                .expect("the header ends with a newline");
            header.truncate(end + 1);
            header
        }
        rows => table(rows),
    };
    Ok(atomic::write(path, &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_tables_have_the_same_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table.csv");
        let header = |rows: &[selection_log::SelectionLogRow]| {
            write_csv(&path, rows).unwrap();
            std::fs::read_to_string(&path).unwrap().lines().next().unwrap().to_owned()
        };
        let row =
            selection_log::SelectionLogRow { row: 7, file: "a\nb".into(), ..Default::default() };
        assert_eq!(header(&[]), header(&[row]));
        assert!(header(&[]).starts_with("row,file,finding,"));
        write_csv::<explanation::Line>(&path, &[]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let header = "path,class,predicted,probability,outside,pooled_black,unpooled_black\n";
        assert_eq!(text, header);
        assert_eq!(read_csv::<explanation::Line>("table", &path).unwrap(), []);
    }

    #[test]
    fn floats_survive_a_round_trip_exactly() {
        for text in ["0.92547933851068592", "2.2250738585072014e-308", "123456.78901234567"] {
            let exact: f64 = text.parse().unwrap();
            let read: f64 = serde_json::from_str(text).unwrap();
            assert_eq!(read.to_bits(), exact.to_bits(), "{text}");
            let written = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<f64>(&written).unwrap().to_bits(), exact.to_bits());
        }
    }
}
