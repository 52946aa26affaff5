//! `dataset/<class>/selection.csv`: selection log with one row per row or file of a source.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use csv::StringRecord;
use serde::{Deserialize, Serialize};

use super::{ArtifactError, MAX_FILE, read_bytes, write_csv};
use crate::dataset::identity::Identity;
use crate::dataset::verdict::Verdict;
use crate::io::place::is_formula;
use crate::io::table::Table;

/// File name of a selection log in the class folder.
pub const FILE: &str = "selection.csv";

/// File name of a selection log until version 0.1.
pub const FORMER_FILE: &str = "ledger.csv";

/// Whether a row was kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The image is in the folder.
    #[default]
    Kept,
    /// The row has no image.
    Dropped,
}

/// One row or file of a source. Unknown texts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectionLogRow {
    /// Row number from 1, without gaps, in the order of the source.
    pub row: usize,
    /// File name in the source. Not trusted as a path.
    pub file: String,
    /// Finding according to the source.
    pub finding: String,
    /// Projection.
    pub view: String,
    /// `X-ray` or `CT`.
    pub modality: String,
    /// Patient ID, unique over all sources.
    pub patient: String,
    /// Evidence for `patient`: see [`crate::dataset::identity::Evidence`].
    pub evidence: String,
    /// Sex of the patient as written in the source; absent in logs of earlier versions.
    #[serde(default)]
    pub sex: String,
    /// Age of the patient in years as written in the source; absent in logs of earlier
    /// versions.
    #[serde(default)]
    pub age: String,
    /// Collection of the image.
    pub source: String,
    /// Kept or dropped.
    pub status: Status,
    /// Exclusion reason: see [`crate::dataset::verdict::Reason`].
    pub reason: String,
    /// File name of a kept image in the folder, without directories.
    #[serde(alias = "film")]
    pub image: String,
}

impl SelectionLogRow {
    /// Sets the patient and the evidence.
    #[must_use]
    pub fn identified(self, identity: Option<Identity>) -> Self {
        let Some(Identity { key, evidence }) = identity else { return self };
        Self { patient: key, evidence: evidence.to_string(), ..self }
    }

    /// Sets the status, and the reason or the file name of the kept image.
    #[must_use]
    pub fn with_status(self, verdict: Verdict, image: &str) -> Self {
        match verdict {
            Verdict::Kept => Self { status: Status::Kept, image: image.into(), ..self },
            Verdict::Dropped(reason) => {
                Self { status: Status::Dropped, reason: reason.to_string(), ..self }
            }
        }
    }
}

/// Selection log of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectionLog {
    /// One row per row or file of the source.
    pub rows: Vec<SelectionLogRow>,
    /// Differences from the original format, if a spreadsheet program has saved the file.
    pub notes: Vec<String>,
}

impl SelectionLog {
    /// Reads `selection.csv`. Accepts the changes of spreadsheet programs. Rows must be numbered
    /// 1, 2, 3, …; kept rows must have a unique image name and no reason, dropped rows the
    /// reverse.
    ///
    /// # Errors
    /// See [`ArtifactError`].
    pub fn read(path: &Path) -> Result<Self, ArtifactError> {
        let bytes = read_bytes("selection log", path, MAX_FILE)?;
        let malformed = |reason| ArtifactError::Malformed {
            kind: "selection log",
            path: path.to_owned(),
            reason,
        };
        let mut table = Table::parse(&bytes).map_err(|e| malformed(e.to_string()))?;
        let header = StringRecord::from(table.header.clone());
        let mut parsed = Ok(Vec::new());
        let read = table.for_each_row(usize::MAX, |_, record| {
            if let Ok(rows) = &mut parsed {
                match record.deserialize::<SelectionLogRow>(Some(&header)) {
                    Ok(row) => rows.push(row),
                    Err(error) => parsed = Err(error),
                }
            }
        });
        read.map_err(|e| malformed(e.to_string()))?;
        let rows = parsed.map_err(|e| malformed(e.to_string()))?;
        let mut images = BTreeSet::new();
        for (i, row) in rows.iter().enumerate() {
            let is_kept = row.status == Status::Kept;
            let is_file_name = !row.image.contains(['/', '\\']) && row.image != "..";
            let reason = if row.row != i + 1 {
                format!("line {} has the row number {}, expected {}", i + 2, row.row, i + 1)
            } else if is_kept != row.reason.is_empty() || is_kept == row.image.is_empty() {
                format!("line {} must have either an image or an exclusion reason", i + 2)
            } else if !is_file_name || (is_kept && !images.insert(&row.image)) {
                format!("line {} has an invalid or repeated image name: `{}`", i + 2, row.image)
            } else if [&row.patient, &row.source].into_iter().any(|cell| is_formula(cell)) {
                format!("line {} has a patient or source that starts like a formula", i + 2)
            } else {
                continue;
            };
            return Err(malformed(reason));
        }
        Ok(Self { rows, notes: table.notes })
    }

    /// Writes `selection.csv`. Texts of the source that a spreadsheet would evaluate as a formula
    /// are prefixed with an apostrophe.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ArtifactError> {
        let escape_formula = |cell: &String| match is_formula(cell) {
            true => format!("'{cell}"),
            false => cell.clone(),
        };
        let row = |row: &SelectionLogRow| SelectionLogRow {
            file: escape_formula(&row.file),
            finding: escape_formula(&row.finding),
            view: escape_formula(&row.view),
            modality: escape_formula(&row.modality),
            sex: escape_formula(&row.sex),
            age: escape_formula(&row.age),
            ..row.clone()
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        write_csv(path, &rows)
    }

    /// Rows with an image in the folder.
    pub fn kept(&self) -> impl Iterator<Item = &SelectionLogRow> {
        self.rows.iter().filter(|row| row.status == Status::Kept)
    }

    /// Returns the counts of the log.
    pub fn counts(&self) -> Counts {
        let mut dropped = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.status == Status::Dropped) {
            *dropped.entry(row.reason.clone()).or_insert(0) += 1;
        }
        let patients: BTreeSet<_> = self.kept().map(|row| &row.patient).collect();
        let unknown = self.kept().filter(|row| row.patient.is_empty()).count();
        Counts {
            rows: self.rows.len(),
            kept: self.kept().count(),
            patients: patients.len() - usize::from(unknown > 0),
            of_unknown_patients: unknown,
            dropped,
        }
    }
}

/// Number of kept rows, and of dropped rows per reason: `rows = kept + sum(dropped)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Number of rows of the source.
    pub rows: usize,
    /// Number of kept images.
    pub kept: usize,
    /// Number of known patients on the kept images.
    pub patients: usize,
    /// Number of kept images without patient ID.
    pub of_unknown_patients: usize,
    /// Number of dropped rows per reason.
    pub dropped: BTreeMap<String, usize>,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut dropped: Vec<_> = self.dropped.iter().collect();
        dropped.sort_by_key(|&(_, &count)| std::cmp::Reverse(count));
        writeln!(f, "  {:<28} {:>6}", "rows of the source", self.rows)?;
        write!(f, "  {:<28} {:>6}  of ", "kept", self.kept)?;
        match (self.patients, self.of_unknown_patients) {
            (known, 0) => writeln!(f, "{known} patients")?,
            (0, _) => writeln!(f, "unknown patients")?,
            (known, unknown) => writeln!(f, "{known} patients, {unknown} without patient ID")?,
        }
        writeln!(f, "  {:<28} {:>6}", "dropped", self.rows - self.kept)?;
        for (reason, count) in dropped {
            writeln!(f, "    {reason:<26} {count:>6}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::identity;
    use crate::dataset::verdict::Reason;

    fn row(row: usize) -> SelectionLogRow {
        SelectionLogRow {
            row,
            file: "images/a, \"odd\".png".into(),
            finding: "COVID-19, ARDS".into(),
            view: "PA".into(),
            modality: "X-ray".into(),
            patient: String::new(),
            evidence: String::new(),
            sex: "F".into(),
            age: "=65".into(),
            source: "cohen".into(),
            status: Status::Dropped,
            reason: String::new(),
            image: String::new(),
        }
    }

    fn example() -> SelectionLog {
        let dropped = |n: usize, reason| row(n).with_status(Verdict::Dropped(reason), "");
        let kept = |n: usize, image| row(n).with_status(Verdict::Kept, image);
        SelectionLog {
            rows: vec![
                dropped(1, Reason::NoFile),
                kept(2, "a.png").identified(identity::from_patient_id("7")),
                kept(3, "b.png").identified(identity::from_patient_id("7")),
                kept(4, "c.png"),
                dropped(5, Reason::OtherView),
                dropped(6, Reason::OtherView),
            ],
            notes: vec![],
        }
    }

    #[test]
    fn log_survives_a_round_trip_and_its_counts_add_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let selection_log = example();
        selection_log.write(&path).unwrap();
        let read = SelectionLog::read(&path).unwrap();
        let escape_formula =
            |row: &SelectionLogRow| SelectionLogRow { age: "'=65".into(), ..row.clone() };
        assert_eq!(read.rows, selection_log.rows.iter().map(escape_formula).collect::<Vec<_>>());
        let counts = selection_log.counts();
        assert_eq!((counts.rows, counts.kept), (6, 3));
        assert_eq!(counts.rows, counts.kept + counts.dropped.values().sum::<usize>());
        insta::assert_snapshot!(counts, @r"
          rows of the source                6
          kept                              3  of 1 patients, 1 without patient ID
          dropped                           3
            other view                      2
            no file                         1
        ");
    }

    #[test]
    fn log_saved_by_excel_is_read_with_a_note() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        example().write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let mut excel = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
        reader.records().for_each(|record| excel.write_record(&record.unwrap()).unwrap());
        crate::io::atomic::write(&path, &excel.into_inner().unwrap()).unwrap();
        let selection_log = SelectionLog::read(&path).unwrap();
        let escape_formula =
            |row: &SelectionLogRow| SelectionLogRow { age: "'=65".into(), ..row.clone() };
        assert_eq!(
            selection_log.rows,
            example().rows.iter().map(escape_formula).collect::<Vec<_>>()
        );
        assert_eq!(selection_log.notes, ["the columns are separated by semicolons"]);
    }

    #[test]
    fn log_of_version_0_1_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let text = "row,file,finding,view,modality,patient,evidence,source,status,reason,film\n\
                    1,a.png,COVID-19,PA,X-ray,,,cohen,kept,,a.png\n";
        crate::io::atomic::write(&path, text.as_bytes()).unwrap();
        let row = &SelectionLog::read(&path).unwrap().rows[0];
        assert_eq!(row.image, "a.png");
        assert_eq!((row.sex.as_str(), row.age.as_str()), ("", ""));
    }

    #[test]
    fn inconsistent_rows_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        type Change = fn(&mut SelectionLogRow);
        let error = |change: Change| {
            let mut selection_log = example();
            change(&mut selection_log.rows[2]);
            selection_log.write(&path).unwrap();
            SelectionLog::read(&path).unwrap_err().to_string()
        };
        let cases: [(Change, &str); 6] = [
            (|row| row.row = 7, "line 4 has the row number 7, expected 3"),
            (|row| row.reason = "no file".into(), "line 4 must have either"),
            (|row| row.image.clear(), "line 4 must have either"),
            (|row| row.status = Status::Dropped, "line 4 must have either"),
            (
                |row| row.image = "a.png".into(),
                "line 4 has an invalid or repeated image name: `a.png`",
            ),
            (
                |row| row.image = "../a.png".into(),
                "line 4 has an invalid or repeated image name: `../a.png`",
            ),
        ];
        for (change, expected) in cases {
            let error = error(change);
            assert!(error.contains(expected), "{error}");
        }
    }
}
