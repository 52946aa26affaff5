//! Printed summary of `cxr-preprocess`.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::MISFILED;
use super::arranged::Arranged;
use crate::artifact::index::Index;
use crate::dataset::patient_table::JoinCounts;

/// Numbers of files.
pub struct Counts {
    /// Unusable files.
    pub skipped: usize,
    /// Intact files that are not images.
    pub no_images: usize,
    /// Images with notes of the decoder.
    pub with_notes: usize,
}

/// Printed summary.
#[derive(Debug, Serialize)]
pub struct Summary {
    folder: PathBuf,
    images: usize,
    /// Number of images with notes in `selection.csv`.
    with_notes: usize,
    skipped: usize,
    /// Number of files of DICOM exports that are not radiographs: directories, reports, slices,
    /// viewers.
    no_images: usize,
    /// Number of images excluded from the normal class as pneumonia.
    misfiled: usize,
    /// Layout of the data set and excluded files.
    #[serde(flatten)]
    arranged: Arranged,
    /// Numbers of matched rows and images of the patient table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JoinCounts>,
    classes: Vec<Class>,
}

#[derive(Debug, Serialize)]
struct Class {
    name: String,
    images: usize,
    /// Number of known patients.
    patients: usize,
    /// Number of images without patient ID.
    unknown: usize,
}

impl Summary {
    /// Returns the summary of `index`, without a patient table.
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
        writeln!(f, "{images} images read, {skipped} unusable files excluded")?;
        if *no_images > 0 {
            writeln!(f, "{no_images} also excluded: files of DICOM exports that are not images")?;
        }
        for line in arranged.lines() {
            writeln!(f, "{line}")?;
        }
        if *with_notes > 0 {
            writeln!(
                f,
                "{with_notes} decoded with notes: see the column `notes` of `selection.csv`"
            )?;
        }
        if let Some(JoinCounts { rows, rows_matched, images, images_matched, .. }) = metadata {
            writeln!(
                f,
                "patient table: {images_matched} of {images} images, {rows_matched} of {rows} \
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
