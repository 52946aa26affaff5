//! What `cxr-preprocess` says at its end.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::MISFILED;
use super::arranged::Arranged;
use crate::artifact::index::Index;
use crate::dataset::patient_table::JoinCounts;

/// What was counted while reading.
pub struct Counts {
    /// Unusable files.
    pub skipped: usize,
    /// Sound files that are no images.
    pub no_images: usize,
    /// Images that were decoded with doubts.
    pub with_notes: usize,
}

#[derive(Debug, Serialize)]
pub struct Summary {
    folder: PathBuf,
    images: usize,
    /// Images that were decoded with doubts: those with notes in `selection.csv`.
    with_notes: usize,
    skipped: usize,
    /// Of DICOM exports, what is no image: directories, reports, slices, viewers.
    no_images: usize,
    /// Images left out as pneumonia among normals.
    misfiled: usize,
    /// How the data set is arranged, and what is no image of a class.
    #[serde(flatten)]
    arranged: Arranged,
    /// How the images and the rows of the table of patients came together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JoinCounts>,
    classes: Vec<Class>,
}

#[derive(Debug, Serialize)]
struct Class {
    name: String,
    images: usize,
    /// Known patients.
    patients: usize,
    /// Images of unknown patients.
    unknown: usize,
}

impl Summary {
    pub fn new(folder: PathBuf, index: &Index, counts: Counts, arranged: Arranged) -> Self {
        let Counts { skipped, no_images, with_notes } = counts;
        let class = |name: &String| {
            let images = || index.rows.iter().filter(|row| row.class == *name);
            let mut patients: Vec<_> = images().map(|row| &row.patient).collect();
            let unknown = patients.iter().filter(|patient| patient.is_empty()).count();
            patients.retain(|patient| !patient.is_empty());
            patients.sort();
            patients.dedup();
            Class {
                name: name.clone(),
                images: images().count(),
                patients: patients.len(),
                unknown,
            }
        };
        let classes = index.classes.iter().map(class).collect();
        Self {
            folder,
            images: index.rows.len(),
            with_notes,
            skipped,
            no_images,
            misfiled: arranged.left_out.get(MISFILED).copied().unwrap_or_default(),
            arranged,
            metadata: None,
            classes,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, with_notes, skipped, no_images, arranged, metadata, classes, .. } = self;
        writeln!(f, "{images} images read, {skipped} files left out")?;
        if *no_images > 0 {
            writeln!(f, "{no_images} set aside as well: what DICOM exports hold beside images")?;
        }
        for line in arranged.lines() {
            writeln!(f, "{line}")?;
        }
        if *with_notes > 0 {
            writeln!(
                f,
                "{with_notes} decoded with doubts: see the column `notes` of `selection.csv`"
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
        writeln!(f, "{:width$}  {:>6}  {:>8}  {:>7}", "class", "images", "patients", "unknown")?;
        for Class { name, images, patients, unknown } in classes {
            writeln!(f, "{name:width$}  {images:>6}  {patients:>8}  {unknown:>7}")?;
        }
        Ok(())
    }
}
