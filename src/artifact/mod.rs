//! The files between the stages: one module per kind, with its struct, its
//! schema, `read` and `write`.
//!
//! JSON artifacts carry `schema: "cxr.<kind>/<major>"`; keys are sorted, paths
//! are relative, there is no clock: same inputs, same bytes.

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
pub mod ledger;
pub mod metrics;
pub mod model;
pub mod predictions;
pub mod provenance;
pub mod record;
pub mod selection;
pub mod split;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::io::atomic::{self, FileError};
use crate::io::{bounded, decimal};

/// The largest JSON document that is read: a record of half a million films.
pub const MAX_DOCUMENT: u64 = 64 << 20;

/// The largest table or head that is read: a table of two million lines.
pub const MAX_FILE: u64 = 256 << 20;

/// Why an artifact cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It is not there.
    #[error("there is no {kind} at `{}`", path.display())]
    Missing {
        /// What was wanted: `index`, `split`.
        kind: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// The file system said no.
    #[error(transparent)]
    File(#[from] FileError),
    /// It was written by another version, or is another kind of file.
    #[error("`{}` has the schema `{got}`, expected `{expected}`", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// What this program reads.
        expected: &'static str,
        /// What the file says.
        got: String,
    },
    /// Its content makes no sense.
    #[error("`{}` is not a usable {kind}: {reason}", path.display())]
    Malformed {
        /// What was wanted.
        kind: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where there is one.
        reason: String,
    },
}

/// Reads a file's bytes, at most `limit`; a missing file is [`ArtifactError::Missing`].
pub fn read_bytes(kind: &'static str, path: &Path, limit: u64) -> Result<Vec<u8>, ArtifactError> {
    match bounded::read(path, limit) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(ArtifactError::Missing { kind, path: path.to_owned() })
        }
        other => Ok(atomic::at("read", path, other)?),
    }
}

/// A JSON document with a `schema` field.
pub trait Document: Serialize + DeserializeOwned {
    /// What it is, in a word: `split`.
    const KIND: &'static str;
    /// `cxr.<kind>/<major>`.
    const SCHEMA: &'static str;

    /// Checks what types cannot: ranges, lengths that must agree.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Reads and checks the document.
    fn read(path: &Path) -> Result<Self, ArtifactError> {
        /// All that is read before it is known what the rest means.
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

    /// The bytes of the file: indented, keys sorted, the schema filled in.
    fn to_json(&self) -> String {
        let mut value = decimal::to_value(self);
        value["schema"] = Self::SCHEMA.into();
        serde_json::to_string_pretty(&value).expect("JSON values serialise") + "\n"
    }

    /// Writes the document, whole or not at all.
    fn write(&self, path: &Path) -> Result<(), ArtifactError> {
        Ok(atomic::write(path, self.to_json().as_bytes())?)
    }
}

/// Reads a CSV artifact whose columns are the fields of `T`.
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

/// Writes rows as CSV, whole or not at all. The header is there without rows, too: it is
/// the header of the default row.
pub fn write_csv<T: Serialize + Default>(path: &Path, rows: &[T]) -> Result<(), ArtifactError> {
    let table = |rows: &[T]| {
        let mut out = csv::Writer::from_writer(Vec::new());
        rows.iter().for_each(|row| out.serialize(row).expect("rows are flat records"));
        out.into_inner().expect("a vector takes every byte")
    };
    let bytes = match rows {
        [] => {
            let mut header = table(&[T::default()]);
            let end = header.iter().position(|byte| *byte == b'\n').expect("a header is a line");
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
    fn a_table_without_rows_has_the_header_of_one_with_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table.csv");
        let header = |rows: &[ledger::LedgerRow]| {
            write_csv(&path, rows).unwrap();
            std::fs::read_to_string(&path).unwrap().lines().next().unwrap().to_owned()
        };
        let row = ledger::LedgerRow { row: 7, file: "a\nb".into(), ..Default::default() };
        assert_eq!(header(&[]), header(&[row]));
        assert!(header(&[]).starts_with("row,file,finding,"));
        write_csv::<explanation::Line>(&path, &[]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let header = "path,class,predicted,probability,outside,pooled_black,unpooled_black\n";
        assert_eq!(text, header);
        assert_eq!(read_csv::<explanation::Line>("table", &path).unwrap(), []);
    }

    #[test]
    fn numbers_come_back_to_the_last_bit() {
        for text in ["0.92547933851068592", "2.2250738585072014e-308", "123456.78901234567"] {
            let exact: f64 = text.parse().unwrap();
            let read: f64 = serde_json::from_str(text).unwrap();
            assert_eq!(read.to_bits(), exact.to_bits(), "{text}");
            let written = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<f64>(&written).unwrap().to_bits(), exact.to_bits());
        }
    }
}
