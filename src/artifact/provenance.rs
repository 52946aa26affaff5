//! Where films come from and who is on them: from the ledgers that lie beside
//! them, a `metadata.csv`, or their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ArtifactError;
use super::ledger::{self, Ledger};
use crate::dataset::films::Candidate;
use crate::dataset::identity::{self, Identity, KaggleName};
use crate::dataset::metadata::{self, MetadataError};
use crate::dataset::phantom;

/// Why what is known of the films could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    /// A ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] ArtifactError),
    /// The `metadata.csv` cannot be used.
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
}

/// What is known of the films of a dataset.
#[derive(Debug, Default)]
pub struct Provenance {
    /// By path relative to the dataset folder.
    ledgers: BTreeMap<String, Origin>,
    /// By file name.
    metadata: BTreeMap<String, Origin>,
}

impl Provenance {
    /// The ledgers that lie in the class folders of `dataset`, sorted.
    pub fn ledgers(dataset: &Path, films: &[Candidate]) -> Vec<PathBuf> {
        let mut ledgers: Vec<_> =
            films.iter().map(|film| dataset.join(film.class()).join(ledger::FILE)).collect();
        ledgers.dedup();
        ledgers.retain(|path| path.is_file());
        ledgers
    }

    /// Reads `ledgers` and, if there is one, a `metadata.csv` in the layout of
    /// the covid-chestxray-dataset.
    ///
    /// # Errors
    /// See [`ProvenanceError`].
    pub fn read(ledgers: &[PathBuf], metadata: Option<&Path>) -> Result<Self, ProvenanceError> {
        let mut known = Self::default();
        for path in ledgers {
            let class = path.parent().and_then(Path::file_name).unwrap_or_default();
            for row in Ledger::read(path)?.kept() {
                let film = format!("{}/{}", class.to_string_lossy(), row.film);
                let origin = Origin { patient: row.patient.clone(), source: row.source.clone() };
                known.ledgers.insert(film, origin);
            }
        }
        for row in metadata.map(metadata::read).transpose()?.into_iter().flat_map(|m| m.rows) {
            let patient = row.patient.as_deref().and_then(identity::from_patient_id);
            if let Some(file) = row.filename {
                let origin =
                    Origin { patient: key(patient), source: "covid-chestxray-dataset".into() };
                known.metadata.entry(file).or_insert(origin);
            }
        }
        Ok(known)
    }

    /// What is known of `film`: its ledger's word, else that of the
    /// `metadata.csv`, else what its name gives away. A film that is DICOM has a
    /// `header`, the patient or nobody, which stands before its name: viewers export
    /// many persons' films under the same names.
    pub fn of(&self, film: &Candidate, header: Option<String>) -> Origin {
        let name = film.path.rsplit('/').next().unwrap_or_default();
        let known = self.ledgers.get(&film.path).or_else(|| self.metadata.get(name));
        match (known.cloned(), header) {
            (Some(known), Some(patient)) if known.patient.is_empty() => Origin { patient, ..known },
            (Some(known), _) => known,
            (None, Some(patient)) => Origin { patient, source: String::new() },
            (None, None) => {
                Origin { patient: key(identity::from_name(name)), source: source_of(name).into() }
            }
        }
    }
}

/// The collection that a file name is typical of.
fn source_of(name: &str) -> &'static str {
    match name {
        name if phantom::is_phantom(name) => phantom::SOURCE,
        name if KaggleName::parse(name).is_some() => "chest_xray",
        _ => "",
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
            let film = Candidate { path, file, in_file_set: false, objection: None };
            let Origin { patient, source } = Provenance::default().of(&film, None);
            (patient, source)
        };
        let expected = |patient: &str, source: &str| (patient.to_owned(), source.to_owned());
        assert_eq!(origin("IM-0001-0001.jpeg"), expected("kaggle:IM-0001", "chest_xray"));
        let phantom = origin("phantom-IM-0001-0001.png");
        assert_eq!(phantom, expected("phantom:IM-0001", phantom::SOURCE));
        assert_eq!(origin("x.png").1, "");
    }
}
