//! Where images come from and who is on them (patient, sex, age): from the ledgers that lie
//! beside them, a table of patients, or their paths.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ArtifactError;
use super::ledger::{self, Ledger};
use crate::dataset::demographics;
use crate::dataset::films::Candidate;
use crate::dataset::identity::{self, Identity, KaggleName};
use crate::dataset::metadata::MetadataError;
use crate::dataset::patient_table::{Columns, JoinCounts, Known, Match, PatientTable};
use crate::dataset::phantom;

/// Why what is known of the films could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    /// A ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] ArtifactError),
    /// The table of patients cannot be used.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// What is known of a film; text is empty where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Who is on it, unique over all sources.
    pub patient: String,
    /// The collection it comes from.
    pub source: String,
    /// The patient's sex: `F` or `M`.
    pub sex: &'static str,
    /// The patient's age in years.
    pub age: String,
}

/// What is known of the images of a dataset.
#[derive(Debug, Default)]
pub struct Provenance {
    /// By path relative to the dataset folder.
    ledgers: BTreeMap<String, Origin>,
    /// By path relative to the dataset folder.
    table: BTreeMap<String, Origin>,
    /// How the images and the table's rows came together, if there is a table.
    pub joined: Option<JoinCounts>,
    /// What had to be forgiven while reading, with the file.
    pub notes: Vec<String>,
}

impl Provenance {
    /// The ledgers that lie in the class folders of `dataset`, sorted.
    pub fn ledgers(dataset: &Path, films: &[Candidate]) -> Vec<PathBuf> {
        let in_class = films.iter().filter(|film| film.depth > 0);
        let mut ledgers: Vec<_> =
            in_class.map(|film| dataset.join(film.class_folder()).join(ledger::FILE)).collect();
        ledgers.dedup();
        ledgers.retain(|path| path.is_file());
        ledgers
    }

    /// Reads `ledgers`, in the class folders of `dataset`, and, if there is one, a table of
    /// the patients of `films`.
    ///
    /// # Errors
    /// See [`ProvenanceError`].
    pub fn read(
        dataset: &Path,
        ledgers: &[PathBuf],
        table: Option<(&Path, Columns<'_>)>,
        films: &[Candidate],
    ) -> Result<Self, ProvenanceError> {
        let mut known = Self::default();
        for path in ledgers {
            let folder = path.parent().and_then(|folder| folder.strip_prefix(dataset).ok());
            let folder = folder.expect("ledgers lie in class folders").to_string_lossy();
            let ledger = Ledger::read(path)?;
            known.note(path, &ledger.notes);
            for row in ledger.kept() {
                let film = format!("{folder}/{}", row.film);
                let origin = Origin {
                    patient: row.patient.clone(),
                    source: row.source.clone(),
                    sex: demographics::sex(&row.sex),
                    age: demographics::age(&row.age),
                };
                known.ledgers.insert(film, origin);
            }
        }
        let Some((path, columns)) = table else { return Ok(known) };
        let table = PatientTable::read(path, columns)?;
        known.note(path, &table.notes);
        let paths: Vec<&str> = films.iter().map(|film| film.path.as_str()).collect();
        let (matches, counts) = table.join(&paths);
        for (path, of) in paths.into_iter().zip(matches) {
            let Match::Row(Known { patient, sex, age }) = of else { continue };
            let source = if table.is_cohen { "covid-chestxray-dataset" } else { source_of(path) };
            let patient = patient.unwrap_or_default();
            let origin = Origin { patient, source: source.into(), sex, age };
            known.table.insert(path.to_owned(), origin);
        }
        known.joined = Some(counts);
        Ok(known)
    }

    fn note(&mut self, path: &Path, notes: &[String]) {
        self.notes.extend(notes.iter().map(|note| format!("`{}`: {note}", path.display())));
    }

    /// What is known of `film`: its ledger's word, else that of the table, else what its
    /// path gives away. An image that is DICOM has a `header`, the patient or nobody,
    /// which stands before its path: viewers export many patients' images under the
    /// same names.
    pub fn of(&self, film: &Candidate, header: Option<String>) -> Origin {
        let known = self.ledgers.get(&film.path).or_else(|| self.table.get(&film.path));
        match (known.cloned(), header) {
            (Some(known), Some(patient)) if known.patient.is_empty() => Origin { patient, ..known },
            (Some(known), _) => known,
            (None, Some(patient)) => Origin { patient, ..Origin::default() },
            (None, None) => Origin {
                patient: key(identity::from_path(&film.path)),
                source: source_of(&film.path).into(),
                ..Origin::default()
            },
        }
    }
}

/// The collection that a path is typical of; empty if none.
fn source_of(path: &str) -> &'static str {
    match path.rsplit('/').next().unwrap_or_default() {
        name if phantom::is_phantom(name) => phantom::SOURCE,
        name if KaggleName::parse(name).is_some() => "chest_xray",
        _ => identity::source_of_path(path),
    }
}

fn key(identity: Option<Identity>) -> String {
    identity.map_or_else(String::new, |identity| identity.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_alone_tell_phantoms_from_films() {
        let origin = |name: &str| {
            let path = format!("normal/{name}");
            let file = path.clone().into();
            let film = Candidate { path, file, ..Candidate::default() };
            let Origin { patient, source, .. } = Provenance::default().of(&film, None);
            (patient, source)
        };
        let expected = |patient: &str, source: &str| (patient.to_owned(), source.to_owned());
        assert_eq!(origin("IM-0001-0001.jpeg"), expected("kaggle:IM-0001", "chest_xray"));
        let phantom = origin("phantom-IM-0001-0001.png");
        assert_eq!(phantom, expected("phantom:IM-0001", phantom::SOURCE));
        assert_eq!(origin("x.png").1, "");
    }
}
