//! `metadata.csv` of ieee8023/covid-chestxray-dataset, in any of its historical versions.
//!
//! Columns are found by normalised name (trimmed, lower case, blanks as
//! underscores), never by position; the file changed its header 21 times in a year.

use std::path::{Path, PathBuf};

use crate::io::bounded;
use crate::io::table::{self, NotATable, Table};

/// Maximum file size in bytes. The published file has 0.5 MB.
pub const MAX_BYTES: u64 = 16 << 20;

/// Maximum number of rows. The published file has 950.
pub const MAX_ROWS: usize = 250_000;

/// Required columns: the published name, then the aliases accepted in edited files.
const REQUIRED: [&[&str]; 3] = [
    &["patientid", "patient_id", "patient"],
    &["finding", "findings"],
    &["filename", "file_name", "file"],
];

/// Error of reading a `metadata.csv`.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The file does not exist.
    #[error("`{}` does not exist", path.display())]
    Missing {
        /// Path of the file.
        path: PathBuf,
    },
    /// The file exists but cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The content is not a CSV table.
    #[error("`{}` is not a CSV file: {why}", path.display())]
    NotCsv {
        /// Path of the file.
        path: PathBuf,
        /// Description of the content.
        why: &'static str,
    },
    /// The header lacks a required column.
    #[error("`{}` has no column `{}`; it has {}", path.display(), missing.join("`, `"), quoted(found))]
    MissingColumns {
        /// Path of the file.
        path: PathBuf,
        /// Names of the required columns that are missing.
        missing: Vec<String>,
        /// Normalised column names of the header.
        found: Vec<String>,
    },
}

impl MetadataError {
    /// Returns the error for an I/O error on the file at `path`.
    pub fn of_reading(path: &Path, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::NotFound => Self::Missing { path: path.into() },
            _ => Self::Unreadable { path: path.into(), source },
        }
    }
}

/// One row with trimmed cells. A cell is `None` if the column is absent, the row is too short
/// or the cell is blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Row number from 1; the header and empty lines are not counted.
    pub number: usize,
    /// Patient ID as text (`311a`).
    pub patient: Option<String>,
    /// Sex as written in the file (`M`, `F`).
    pub sex: Option<String>,
    /// Age in years as written in the file.
    pub age: Option<String>,
    /// Finding: a name, a path (`Pneumonia/Viral/COVID-19`) or a list (`COVID-19, ARDS`).
    pub finding: Option<String>,
    /// Projection: `PA`, `AP Supine`, `L`, …
    pub view: Option<String>,
    /// `X-ray` or `CT`.
    pub modality: Option<String>,
    /// `images` or `volumes`.
    pub folder: Option<String>,
    /// File name of the image in its folder. Untrusted input.
    pub filename: Option<String>,
}

/// A parsed `metadata.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Normalised column names in header order, without unnamed columns.
    pub columns: Vec<String>,
    /// All rows, in the order of the file.
    pub rows: Vec<Row>,
    /// Notes for the user about irregularities of the file.
    pub notes: Vec<String>,
}

impl Metadata {
    /// Returns whether the header has a column with this normalised name.
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|c| c == column)
    }
}

/// Reads a `metadata.csv`.
///
/// Accepts LF and CRLF, quoted line breaks, empty lines, rows of any length and the delimiters
/// and encodings that spreadsheets write: see [`Table`].
///
/// # Errors
/// See [`MetadataError`].
pub fn read(path: &Path) -> Result<Metadata, MetadataError> {
    let bytes = bounded::read(path, MAX_BYTES);
    parse(&bytes.map_err(|source| MetadataError::of_reading(path, source))?, path)
}

/// Parses the bytes of a `metadata.csv`; `path` is used in error messages only.
///
/// # Errors
/// See [`MetadataError`].
pub fn parse(bytes: &[u8], path: &Path) -> Result<Metadata, MetadataError> {
    let not_csv = |error: NotATable| MetadataError::NotCsv { path: path.into(), why: error.0 };
    let mut table = Table::parse(bytes).map_err(not_csv)?;
    let header: Vec<String> = table.header.iter().map(|name| normalised(name)).collect();
    let index = |names: &[&str]| {
        names.iter().find_map(|name| header.iter().position(|column| column == name))
    };
    let missing: Vec<_> = REQUIRED
        .iter()
        .filter(|names| index(names).is_none())
        .map(|names| names[0].to_owned())
        .collect();
    let columns: Vec<_> = header.iter().filter(|c| !c.is_empty()).cloned().collect();
    if !missing.is_empty() {
        return Err(MetadataError::MissingColumns { path: path.into(), missing, found: columns });
    }
    let [patient, finding, filename] = REQUIRED.map(index);
    let [sex, age, view, modality, folder] =
        ["sex", "age", "view", "modality", "folder"].map(|name| index(&[name]));

    let mut rows = Vec::new();
    let read = table.for_each_row(MAX_ROWS, |number, record| {
        let cell = |column| table::cell(record, column).map(String::from);
        rows.push(Row {
            number,
            patient: cell(patient),
            sex: cell(sex),
            age: cell(age),
            finding: cell(finding),
            view: cell(view),
            modality: cell(modality),
            folder: cell(folder),
            filename: cell(filename),
        });
    });
    read.map_err(not_csv)?;
    Ok(Metadata { columns, rows, notes: table.notes })
}

/// Normalises a column name: trimmed, lower case, blanks as underscores.
pub fn normalised(name: &str) -> String {
    name.trim().to_lowercase().split_whitespace().collect::<Vec<_>>().join("_")
}

fn quoted(names: &[String]) -> String {
    if names.is_empty() { "no named column".into() } else { format!("`{}`", names.join("`, `")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::table::MAX_COLUMNS;

    fn parsed(bytes: &[u8]) -> Result<Metadata, MetadataError> {
        parse(bytes, Path::new("metadata.csv"))
    }

    #[test]
    fn columns_are_found_by_normalised_name() {
        let table = b"Patientid,offset,Finding , filename,doi, url,clinical notes,\r\n311a,0,COVID-19 ,a.jpg,,,x,\r\n";
        let metadata = parsed(table).unwrap();
        assert_eq!(
            metadata.columns,
            ["patientid", "offset", "finding", "filename", "doi", "url", "clinical_notes"]
        );
        assert!(metadata.has("clinical_notes") && !metadata.has("view"));
        assert_eq!(
            metadata.rows,
            [Row {
                number: 1,
                patient: Some("311a".into()),
                sex: None,
                age: None,
                finding: Some("COVID-19".into()),
                view: None,
                modality: None,
                folder: None,
                filename: Some("a.jpg".into()),
            }]
        );
        assert_eq!(metadata.notes, [""; 0]);
    }

    #[test]
    fn quoted_breaks_empty_lines_and_ragged_rows_are_accepted() {
        let table = b"patientid,finding,filename,notes\n1,\"COVID-19,\nARDS\",a.jpg,\"two\r\nlines\"\n\n2,SARS\n3,SARS,b.jpg,,,\n";
        let metadata = parsed(table).unwrap();
        let seen: Vec<_> =
            metadata.rows.iter().map(|r| (r.number, r.filename.as_deref())).collect();
        assert_eq!(seen, [(1, Some("a.jpg")), (2, None), (3, Some("b.jpg"))]);
        assert_eq!(metadata.rows[0].finding.as_deref(), Some("COVID-19,\nARDS"));
        assert_eq!(metadata.notes, ["2 of 3 rows have more or fewer cells than the header"]);
    }

    #[test]
    fn too_many_rows_or_columns_are_refused() {
        let rows = |n: usize| {
            parsed(format!("patientid,finding,filename\n{}", "1\n".repeat(n)).as_bytes())
        };
        assert_eq!(rows(MAX_ROWS).unwrap().rows.len(), MAX_ROWS);
        assert!(rows(MAX_ROWS + 1).unwrap_err().to_string().contains("more rows"));
        let wide = format!("patientid,finding,filename{}\n", ",".repeat(MAX_COLUMNS));
        assert!(parsed(wide.as_bytes()).unwrap_err().to_string().contains("more columns"));
    }

    #[test]
    fn an_unclosed_quotation_mark_is_noted() {
        let metadata =
            parsed(b"patientid,finding,filename\n1,\"SARS,a.jpg\n2,SARS,b.jpg\n").unwrap();
        assert_eq!(metadata.rows.len(), 1);
        assert!(metadata.notes[0].contains("is not closed"), "{:?}", metadata.notes);
    }

    #[test]
    fn other_encodings_are_read_and_noted() {
        let latin = parsed(b"patientid,finding,filename\n1,SARS,caf\xe9.jpg\xa0\n").unwrap();
        assert_eq!(latin.rows[0].filename.as_deref(), Some("caf\u{e9}.jpg"));
        assert_eq!(latin.notes, ["not UTF-8 (byte 37): read as windows-1252"]);
        let marked = parsed(b"\xef\xbb\xbfpatientid,finding,filename\n1,SARS,a.jpg\n").unwrap();
        assert!(marked.has("patientid") && marked.notes.is_empty());
        let wide: Vec<u8> = "\u{feff}patientid,finding,filename\n1,SARS,a.jpg\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let wide = parsed(&wide).unwrap();
        assert_eq!(wide.rows[0].filename.as_deref(), Some("a.jpg"));
        assert_eq!(wide.notes, ["read as UTF-16LE"]);
    }

    #[test]
    fn column_aliases_are_accepted() {
        let rows = parsed(b"Patient ID;Finding;File Name\n7;SARS;a.jpg\n").unwrap().rows;
        assert_eq!(
            (rows[0].patient.as_deref(), rows[0].filename.as_deref()),
            (Some("7"), Some("a.jpg"))
        );
        // The published name has precedence over an alias.
        let rows = parsed(b"patient,patientid,finding,filename\nx,7,SARS,a.jpg\n").unwrap().rows;
        assert_eq!(rows[0].patient.as_deref(), Some("7"));
    }

    #[test]
    fn each_kind_of_invalid_file_has_its_error() {
        let error = |bytes: &[u8]| parsed(bytes).unwrap_err().to_string();
        assert_eq!(error(b""), "`metadata.csv` is not a CSV file: it is empty");
        assert_eq!(error(b"\x89PNG\0\0"), "`metadata.csv` is not a CSV file: it holds binary data");
        assert_eq!(
            error(b"<!DOCTYPE html>"),
            "`metadata.csv` is not a CSV file: it looks like a web page"
        );
        assert_eq!(
            error(b"Subject,finding,\n1,SARS\n"),
            "`metadata.csv` has no column `patientid`, `filename`; it has `subject`, `finding`"
        );
        let folder = tempfile::tempdir().unwrap();
        let missing = read(&folder.path().join("metadata.csv")).unwrap_err();
        assert!(matches!(missing, MetadataError::Missing { .. }), "{missing}");
        let unreadable = read(folder.path()).unwrap_err();
        assert!(matches!(unreadable, MetadataError::Unreadable { .. }), "{unreadable}");
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs ../shared")]
    fn every_historical_version_is_read() {
        let shared = crate::testing::shared("data/cohen");
        let rows = |name: &str| {
            let metadata = read(&shared.join(name)).unwrap();
            assert!(
                metadata.rows.iter().all(|r| r.patient.is_some() && r.filename.is_some()),
                "{name}"
            );
            (metadata.rows.len(), metadata.notes)
        };
        assert_eq!(rows("metadata.csv"), (751, vec![]));
        assert_eq!(rows("metadata-history/2020-03-11.csv"), (49, vec![]));
        assert_eq!(rows("metadata-history/2020-03-14.csv"), (68, vec![]));
        assert_eq!(rows("metadata-history/2020-03-28.csv"), (207, vec![]));
        assert_eq!(rows("metadata-history/2020-04-01.csv"), (279, vec![]));
        assert_eq!(rows("metadata-history/2020-10-schema.csv"), (751, vec![]));
        let note = "not UTF-8 (byte 442647): read as windows-1252".to_string();
        assert_eq!(rows("metadata-history/not-utf8.csv"), (751, vec![note]));
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs ../shared")]
    fn every_historical_header_is_parsed() {
        let path = crate::testing::shared("data/cohen/metadata-history/headers.tsv");
        let headers = std::fs::read_to_string(path).unwrap();
        for line in headers.lines() {
            let (day, header) = line.split_once('\t').unwrap();
            let metadata = parsed(header.as_bytes()).unwrap_or_else(|e| panic!("{day}: {e}"));
            assert!(metadata.rows.is_empty() && metadata.columns.len() >= 8, "{day}");
        }
        assert_eq!(headers.lines().count(), 21);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parsed(&bytes);
            let mut table = b"patientid,finding,filename\n".to_vec();
            table.extend(&bytes);
            let _ = parsed(&table);
        }
    }
}
