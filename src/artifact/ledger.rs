//! `dataset/<class>/ledger.csv`: what became of every row or file of a source.

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

/// The name of a ledger in the folder of its class.
pub const FILE: &str = "ledger.csv";

/// Kept or dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The film lies in the folder.
    #[default]
    Kept,
    /// It does not.
    Dropped,
}

/// One row or file of a source. Text is empty where nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Counts from 1, without gaps, in the order of the source.
    pub row: usize,
    /// The file as the source names it. Not to be trusted.
    pub file: String,
    /// What the source says the film shows.
    pub finding: String,
    /// The projection.
    pub view: String,
    /// `X-ray` or `CT`.
    pub modality: String,
    /// Who is on it, unique over all sources.
    pub patient: String,
    /// What `patient` rests on: see [`crate::dataset::identity::Evidence`].
    pub evidence: String,
    /// The patient's sex, as the source writes it; ledgers of earlier versions lack it.
    #[serde(default)]
    pub sex: String,
    /// The patient's age in years, as the source writes it; as `sex`.
    #[serde(default)]
    pub age: String,
    /// The collection it comes from.
    pub source: String,
    /// Kept or dropped.
    pub status: Status,
    /// Why it was dropped: see [`crate::dataset::verdict::Reason`].
    pub reason: String,
    /// The film's name in the folder, a plain file name, if it was kept.
    pub film: String,
}

impl LedgerRow {
    /// Enters who is on the film.
    #[must_use]
    pub fn identified(self, identity: Option<Identity>) -> Self {
        let Some(Identity { key, evidence }) = identity else { return self };
        Self { patient: key, evidence: evidence.to_string(), ..self }
    }

    /// Enters what became of it; `film` is its name if it was kept.
    #[must_use]
    pub fn judged(self, verdict: Verdict, film: &str) -> Self {
        match verdict {
            Verdict::Kept => Self { status: Status::Kept, film: film.into(), ..self },
            Verdict::Dropped(reason) => {
                Self { status: Status::Dropped, reason: reason.to_string(), ..self }
            }
        }
    }
}

/// The rows of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// A row per row or file of the source.
    pub rows: Vec<LedgerRow>,
    /// How the file differs from the one that was written, if a spreadsheet saved it
    /// again.
    pub notes: Vec<String>,
}

impl Ledger {
    /// Reads `ledger.csv`: rows are numbered 1, 2, 3, …, and exactly the kept ones
    /// have a film, each another one, and no reason. People open ledgers in
    /// spreadsheets, so a ledger is read as a table from elsewhere.
    ///
    /// # Errors
    /// See [`ArtifactError`].
    pub fn read(path: &Path) -> Result<Self, ArtifactError> {
        let bytes = read_bytes("ledger", path, MAX_FILE)?;
        let malformed =
            |reason| ArtifactError::Malformed { kind: "ledger", path: path.to_owned(), reason };
        let mut table = Table::parse(&bytes).map_err(|e| malformed(e.to_string()))?;
        let header = StringRecord::from(table.header.clone());
        let mut parsed = Ok(Vec::new());
        let read = table.for_each_row(usize::MAX, |_, record| {
            if let Ok(rows) = &mut parsed {
                match record.deserialize::<LedgerRow>(Some(&header)) {
                    Ok(row) => rows.push(row),
                    Err(error) => parsed = Err(error),
                }
            }
        });
        read.map_err(|e| malformed(e.to_string()))?;
        let rows = parsed.map_err(|e| malformed(e.to_string()))?;
        let mut films = BTreeSet::new();
        for (i, row) in rows.iter().enumerate() {
            let kept = row.status == Status::Kept;
            let plain = !row.film.contains(['/', '\\']) && row.film != "..";
            let reason = if row.row != i + 1 {
                format!("line {} has the row number {}, expected {}", i + 2, row.row, i + 1)
            } else if kept != row.reason.is_empty() || kept == row.film.is_empty() {
                format!("line {} is neither kept with a film nor dropped for a reason", i + 2)
            } else if !plain || (kept && !films.insert(&row.film)) {
                format!("line {} has no film of its own: `{}`", i + 2, row.film)
            } else if [&row.patient, &row.source].into_iter().any(|cell| is_formula(cell)) {
                format!("line {} has a patient or source that begins as a formula does", i + 2)
            } else {
                continue;
            };
            return Err(malformed(reason));
        }
        Ok(Self { rows, notes: table.notes })
    }

    /// Writes `ledger.csv`. What the source says, in its own words, is put so that no
    /// spreadsheet runs it: after an apostrophe.
    pub fn write(&self, path: &Path) -> Result<(), ArtifactError> {
        let inert = |cell: &String| match is_formula(cell) {
            true => format!("'{cell}"),
            false => cell.clone(),
        };
        let row = |row: &LedgerRow| LedgerRow {
            file: inert(&row.file),
            finding: inert(&row.finding),
            view: inert(&row.view),
            modality: inert(&row.modality),
            sex: inert(&row.sex),
            age: inert(&row.age),
            ..row.clone()
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        write_csv(path, &rows)
    }

    /// The rows whose films lie in the folder.
    pub fn kept(&self) -> impl Iterator<Item = &LedgerRow> {
        self.rows.iter().filter(|row| row.status == Status::Kept)
    }

    /// The counts, which add up.
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

/// How many rows were kept, and how many dropped for each reason:
/// `rows = kept + sum(dropped)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows of the source.
    pub rows: usize,
    /// Films kept.
    pub kept: usize,
    /// Known persons on the films kept.
    pub patients: usize,
    /// Films kept that nothing tells the person of.
    pub of_unknown_patients: usize,
    /// Rows dropped, by reason.
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
            (known, unknown) => writeln!(f, "{known} patients, and {unknown} of unknown ones")?,
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

    fn row(row: usize) -> LedgerRow {
        LedgerRow {
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
            film: String::new(),
        }
    }

    fn example() -> Ledger {
        let dropped = |n: usize, reason| row(n).judged(Verdict::Dropped(reason), "");
        let kept = |n: usize, film| row(n).judged(Verdict::Kept, film);
        Ledger {
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
    fn a_ledger_comes_back_and_its_counts_add_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let ledger = example();
        ledger.write(&path).unwrap();
        let read = Ledger::read(&path).unwrap();
        let inert = |row: &LedgerRow| LedgerRow { age: "'=65".into(), ..row.clone() };
        assert_eq!(read.rows, ledger.rows.iter().map(inert).collect::<Vec<_>>());
        let counts = ledger.counts();
        assert_eq!((counts.rows, counts.kept), (6, 3));
        assert_eq!(counts.rows, counts.kept + counts.dropped.values().sum::<usize>());
        insta::assert_snapshot!(counts, @r"
          rows of the source                6
          kept                              3  of 1 patients, and 1 of unknown ones
          dropped                           3
            other view                      2
            no file                         1
        ");
    }

    #[test]
    fn a_ledger_that_excel_has_saved_is_read_and_that_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        example().write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let mut excel = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
        reader.records().for_each(|record| excel.write_record(&record.unwrap()).unwrap());
        crate::io::atomic::write(&path, &excel.into_inner().unwrap()).unwrap();
        let ledger = Ledger::read(&path).unwrap();
        let inert = |row: &LedgerRow| LedgerRow { age: "'=65".into(), ..row.clone() };
        assert_eq!(ledger.rows, example().rows.iter().map(inert).collect::<Vec<_>>());
        assert_eq!(ledger.notes, ["its columns are separated by semicolons"]);
    }

    #[test]
    fn a_ledger_of_before_sex_and_age_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let text = "row,file,finding,view,modality,patient,evidence,source,status,reason,film\n\
                    1,a.png,COVID-19,PA,X-ray,,,cohen,kept,,a.png\n";
        crate::io::atomic::write(&path, text.as_bytes()).unwrap();
        let row = &Ledger::read(&path).unwrap().rows[0];
        assert_eq!((row.sex.as_str(), row.age.as_str()), ("", ""));
    }

    #[test]
    fn rows_that_contradict_themselves_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        type Spoil = fn(&mut LedgerRow);
        let error = |spoil: Spoil| {
            let mut ledger = example();
            spoil(&mut ledger.rows[2]);
            ledger.write(&path).unwrap();
            Ledger::read(&path).unwrap_err().to_string()
        };
        let cases: [(Spoil, &str); 6] = [
            (|row| row.row = 7, "line 4 has the row number 7, expected 3"),
            (|row| row.reason = "no file".into(), "line 4 is neither kept"),
            (|row| row.film.clear(), "line 4 is neither kept"),
            (|row| row.status = Status::Dropped, "line 4 is neither kept"),
            (|row| row.film = "a.png".into(), "line 4 has no film of its own: `a.png`"),
            (|row| row.film = "../a.png".into(), "line 4 has no film of its own: `../a.png`"),
        ];
        for (spoil, expected) in cases {
            let error = error(spoil);
            assert!(error.contains(expected), "{error}");
        }
    }
}
