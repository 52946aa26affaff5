//! Source, patient, sex and age of images, from selection logs, a table of patients, or paths.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ArtifactError;
use super::selection_log::{self, SelectionLog};
use crate::dataset::demographics;
use crate::dataset::identity::{self, Identity, KaggleName};
use crate::dataset::images::Candidate;
use crate::dataset::metadata::MetadataError;
use crate::dataset::patient_table::{Columns, JoinCounts, Known, Match, PatientTable};
use crate::dataset::phantom;

/// Reason why the provenance cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    /// A selection log is not usable.
    #[error(transparent)]
    SelectionLog(#[from] ArtifactError),
    /// The table of patients is not usable.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Provenance of one image; unknown texts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Patient ID, unique over all sources.
    pub patient: String,
    /// Collection of the image.
    pub source: String,
    /// Sex of the patient: `F` or `M`.
    pub sex: &'static str,
    /// Age of the patient in years.
    pub age: String,
}

/// Provenance of the images of a data set.
#[derive(Debug, Default)]
pub struct Provenance {
    /// From selection logs, by path relative to the dataset folder.
    selection_logs: BTreeMap<String, Origin>,
    /// From the table of patients, by path relative to the dataset folder.
    table: BTreeMap<String, Origin>,
    /// Counts of the join of images and table rows; none without a table.
    pub joined: Option<JoinCounts>,
    /// Warnings about the input files.
    pub notes: Vec<String>,
}

impl Provenance {
    /// Returns the sorted paths of the selection logs in the class folders of `dataset`.
    pub fn selection_logs(dataset: &Path, images: &[Candidate]) -> Vec<PathBuf> {
        let class_images = images.iter().filter(|image| image.depth > 0);
        let mut folders: Vec<_> =
            class_images.map(|image| dataset.join(image.class_folder())).collect();
        folders.dedup();
        let find_log = |folder: &PathBuf| {
            let names = [selection_log::FILE, selection_log::FORMER_FILE];
            names.map(|name| folder.join(name)).into_iter().find(|path| path.is_file())
        };
        folders.iter().filter_map(find_log).collect()
    }

    /// Reads `selection_logs` in the class folders of `dataset` and, if given, a
    /// table of the patients of `images`.
    ///
    /// # Errors
    /// See [`ProvenanceError`].
    pub fn read(
        dataset: &Path,
        selection_logs: &[PathBuf],
        table: Option<(&Path, Columns<'_>)>,
        images: &[Candidate],
    ) -> Result<Self, ProvenanceError> {
        let mut provenance = Self::default();
        for path in selection_logs {
            let folder = path.parent().and_then(|folder| folder.strip_prefix(dataset).ok());
            let folder = folder.expect("selection logs are in class folders").to_string_lossy();
            let selection_log = SelectionLog::read(path)?;
            provenance.note(path, &selection_log.notes);
            for row in selection_log.kept() {
                let image = format!("{folder}/{}", row.image);
                let origin = Origin {
                    patient: row.patient.clone(),
                    source: row.source.clone(),
                    sex: demographics::sex(&row.sex),
                    age: demographics::age(&row.age),
                };
                provenance.selection_logs.insert(image, origin);
            }
        }
        let Some((path, columns)) = table else { return Ok(provenance) };
        let table = PatientTable::read(path, columns)?;
        provenance.note(path, &table.notes);
        let paths: Vec<&str> = images.iter().map(|image| image.path.as_str()).collect();
        let (matches, counts) = table.join(&paths);
        for (path, matched) in paths.into_iter().zip(matches) {
            let Match::Row(Known { patient, sex, age }) = matched else { continue };
            let source = if table.is_cohen { "covid-chestxray-dataset" } else { source_of(path) };
            let patient = patient.unwrap_or_default();
            let origin = Origin { patient, source: source.into(), sex, age };
            provenance.table.insert(path.to_owned(), origin);
        }
        provenance.joined = Some(counts);
        Ok(provenance)
    }

    fn note(&mut self, path: &Path, notes: &[String]) {
        self.notes.extend(notes.iter().map(|note| format!("`{}`: {note}", path.display())));
    }

    /// Returns the provenance of `image` from its selection log, else the table, else its path.
    /// For DICOM, `header` is the patient ID of the header, empty if unknown. It takes
    /// precedence over the path, because viewers export images of many patients under the same
    /// names.
    pub fn of(&self, image: &Candidate, header: Option<String>) -> Origin {
        let origin = self.selection_logs.get(&image.path).or_else(|| self.table.get(&image.path));
        match (origin.cloned(), header) {
            (Some(known), Some(patient)) if known.patient.is_empty() => Origin { patient, ..known },
            (Some(known), _) => known,
            (None, Some(patient)) => Origin { patient, ..Origin::default() },
            (None, None) => Origin {
                patient: key(identity::from_path(&image.path)),
                source: source_of(&image.path).into(),
                ..Origin::default()
            },
        }
    }
}

/// Returns the collection that uses such paths; empty if unknown.
fn source_of(path: &str) -> &'static str {
    match path.rsplit('/').next().unwrap_or_default() {
        name if phantom::is_phantom(name) => phantom::SOURCE,
        name if KaggleName::parse(name).is_some() => "chest_xray",
        _ => identity::source_from_path(path),
    }
}

fn key(identity: Option<Identity>) -> String {
    identity.map_or_else(String::new, |identity| identity.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phantoms_are_recognised_by_name() {
        let origin = |name: &str| {
            let path = format!("normal/{name}");
            let file = path.clone().into();
            let image = Candidate { path, file, ..Candidate::default() };
            let Origin { patient, source, .. } = Provenance::default().of(&image, None);
            (patient, source)
        };
        let expected = |patient: &str, source: &str| (patient.to_owned(), source.to_owned());
        assert_eq!(origin("IM-0001-0001.jpeg"), expected("kaggle:IM-0001", "chest_xray"));
        let phantom = origin("phantom-IM-0001-0001.png");
        assert_eq!(phantom, expected("phantom:IM-0001", phantom::SOURCE));
        assert_eq!(origin("x.png").1, "");
    }
}
