//! What `cxr-preprocess` says at its end.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::artifact::index::Index;
use crate::dataset::patient_table::JoinCounts;

/// Files that are not among the films.
pub struct LeftOut {
    /// Unusable ones.
    pub skipped: usize,
    /// Sound ones that are no films.
    pub no_films: usize,
    /// Pneumonia among normals.
    pub misfiled: usize,
}

#[derive(Debug, Serialize)]
pub struct Summary {
    folder: PathBuf,
    films: usize,
    /// Images that were decoded with doubts: those with notes in `ledger.csv`.
    with_notes: usize,
    skipped: usize,
    /// Of DICOM exports, what is no film: directories, reports, slices, viewers.
    no_films: usize,
    /// Films left out as pneumonia among normals.
    misfiled: usize,
    /// How the images and the rows of the table of patients came together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JoinCounts>,
    classes: Vec<Class>,
}

#[derive(Debug, Serialize)]
struct Class {
    name: String,
    films: usize,
    /// Known persons.
    patients: usize,
    /// Films of unknown persons.
    unknown: usize,
}

impl Summary {
    pub fn new(folder: PathBuf, index: &Index, with_notes: usize, left_out: LeftOut) -> Self {
        let LeftOut { skipped, no_films, misfiled } = left_out;
        let class = |name: &String| {
            let films = || index.rows.iter().filter(|row| row.class == *name);
            let mut patients: Vec<_> = films().map(|row| &row.patient).collect();
            let unknown = patients.iter().filter(|patient| patient.is_empty()).count();
            patients.retain(|patient| !patient.is_empty());
            patients.sort();
            patients.dedup();
            Class { name: name.clone(), films: films().count(), patients: patients.len(), unknown }
        };
        let classes = index.classes.iter().map(class).collect();
        let metadata = None;
        let films = index.rows.len();
        Self { folder, films, with_notes, skipped, no_films, misfiled, metadata, classes }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { films, with_notes, skipped, no_films, misfiled, metadata, classes, .. } = self;
        writeln!(f, "{films} films read, {skipped} files left out")?;
        if *no_films > 0 {
            writeln!(f, "{no_films} set aside as well: what DICOM exports hold beside films")?;
        }
        if *misfiled > 0 {
            writeln!(f, "{misfiled} left out as well: pneumonia by name, in a class of normals")?;
        }
        if *with_notes > 0 {
            writeln!(
                f,
                "{with_notes} decoded with doubts: see the column `notes` of `ledger.csv`"
            )?;
        }
        if let Some(JoinCounts { rows, rows_matched, images, images_matched, .. }) = metadata {
            writeln!(
                f,
                "table of patients: {images_matched} of {images} images, {rows_matched} of {rows} \
                 rows matched"
            )?;
        }
        let width = classes.iter().map(|c| c.name.chars().count()).max().unwrap_or(0).max(5);
        writeln!(f, "{:width$}  {:>6}  {:>8}  {:>7}", "class", "films", "patients", "unknown")?;
        for Class { name, films, patients, unknown } in classes {
            writeln!(f, "{name:width$}  {films:>6}  {patients:>8}  {unknown:>7}")?;
        }
        Ok(())
    }
}
