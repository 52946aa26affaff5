//! Patient IDs of DICOM images: form in the output, and warnings about re-identification.

use std::ops::AddAssign;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::Settings;
use crate::cli::{Context, Failure, ResultExt};
use crate::dataset::dicom::{Key, LEAST_SECRET, PatientIdFormat};
use crate::image::Patient;
use crate::io::bounded;

/// Form of the DICOM patient IDs in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Patients {
    /// Hash of the patient ID.
    Hashed,
    /// Unchanged patient ID.
    Plain,
    /// No patient ID.
    None,
}

/// Returns the path of the key file; none if no key is used.
pub fn key(ctx: &Context, settings: &Settings) -> Option<PathBuf> {
    let used = settings.patients == Patients::Hashed && !settings.patient_key.is_empty();
    used.then(|| ctx.paths.expand(&settings.patient_key))
}

/// Maximum number of bytes of a key file.
const MAX_SECRET: u64 = 1 << 16;

/// Returns the form of patient IDs by the settings.
///
/// # Errors
/// If the key file cannot be read or is too short.
pub fn naming(ctx: &Context, settings: &Settings) -> Result<PatientIdFormat, Failure> {
    let hint = "create a key with `head -c 32 /dev/urandom > key`, and keep it secret";
    Ok(match (settings.patients, key(ctx, settings)) {
        (Patients::None, _) => PatientIdFormat::None,
        (Patients::Plain, _) => PatientIdFormat::Plain,
        (Patients::Hashed, None) => PatientIdFormat::Hashed(None),
        (Patients::Hashed, Some(path)) => {
            let secret = bounded::read(&path, MAX_SECRET)
                .context(format!("cannot read the key file `{}`", path.display()))
                .hint(hint)?;
            let key = Key::new(&secret).ok_or_else(|| {
                let path = path.display();
                let error = format!("the key file `{path}` has fewer than {LEAST_SECRET} bytes");
                Failure::new(error).hint(hint)
            })?;
            PatientIdFormat::Hashed(Some(key))
        }
    })
}

/// Numbers of DICOM images from which the patient may be identified.
#[derive(Debug, Default)]
pub struct Seen {
    /// Images with a patient ID or its hash in the index.
    named: usize,
    /// Images whose path, which is in the index, contains the patient's name or ID.
    in_path: usize,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.named += other.named;
        self.in_path += other.in_path;
    }
}

impl Seen {
    /// Returns the counts of one image; `path` is its path below the class folder.
    pub fn of(patient: Option<&Patient>, named: Option<&str>, path: &str) -> Self {
        Self {
            named: named.is_some_and(|named| !named.is_empty()).into(),
            in_path: patient.is_some_and(|patient| patient.is_named_in(path)).into(),
        }
    }

    /// Warns if patients can be identified from the index.
    pub fn warn(&self, ctx: &Context, naming: &PatientIdFormat) {
        if self.named > 0 && *naming == PatientIdFormat::Hashed(None) {
            ctx.ui.warn(
                "the patient IDs are hashed without a key: anyone who can list the IDs can \
                 identify the patients; give a file of secret bytes with `--patient-key`",
            );
        }
        if self.in_path > 0 {
            let images = self.in_path;
            ctx.ui.warn(format_args!(
                "the paths of {images} images contain the patient's name or ID, and index.csv, \
                 selection.csv and the report contain paths: rename folders and files first, for \
                 example to `covid/0001/1.dcm`"
            ));
        }
    }
}
