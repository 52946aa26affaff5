//! Who is on DICOM images: what is written of it, and what is said of the risk.

use std::ops::AddAssign;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::Settings;
use crate::cli::{Context, Failure, ResultExt};
use crate::dataset::dicom::{Key, LEAST_SECRET, Naming};
use crate::image::Patient;
use crate::io::bounded;

/// What is written for the patients of DICOM images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Patients {
    /// A hash of the number.
    Hashed,
    /// The number.
    Plain,
    /// Nothing.
    None,
}

/// The file of the key, if it is used.
pub fn key(ctx: &Context, settings: &Settings) -> Option<PathBuf> {
    let used = settings.patients == Patients::Hashed && !settings.patient_key.is_empty();
    used.then(|| ctx.paths.expand(&settings.patient_key))
}

/// The most bytes that a key may have.
const MOST_SECRET: u64 = 1 << 16;

/// What the settings ask for.
pub fn naming(ctx: &Context, settings: &Settings) -> Result<Naming, Failure> {
    let hint = "make one with `head -c 32 /dev/urandom > key`, and keep it secret";
    Ok(match (settings.patients, key(ctx, settings)) {
        (Patients::None, _) => Naming::None,
        (Patients::Plain, _) => Naming::Plain,
        (Patients::Hashed, None) => Naming::Hashed(None),
        (Patients::Hashed, Some(path)) => {
            let secret = bounded::read(&path, MOST_SECRET)
                .context(format!("cannot read the key `{}`", path.display()))
                .hint(hint)?;
            let key = Key::new(&secret).ok_or_else(|| {
                let path = path.display();
                let error = format!("the key `{path}` has fewer than {LEAST_SECRET} bytes");
                Failure::new(error).hint(hint)
            })?;
            Naming::Hashed(Some(key))
        }
    })
}

/// How many images tell who is on them.
#[derive(Debug, Default)]
pub struct Seen {
    /// By a key in the index.
    named: usize,
    /// By their path, which stands in the index too.
    in_path: usize,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.named += other.named;
        self.in_path += other.in_path;
    }
}

impl Seen {
    /// Of one image, whose path below its class is `path`.
    pub fn of(patient: Option<&Patient>, named: Option<&str>, path: &str) -> Self {
        Self {
            named: named.is_some_and(|named| !named.is_empty()).into(),
            in_path: patient.is_some_and(|patient| patient.is_named_in(path)).into(),
        }
    }

    /// Warns of what can be read from the index.
    pub fn warn(&self, ctx: &Context, naming: &Naming) {
        if self.named > 0 && *naming == Naming::Hashed(None) {
            ctx.ui.warn(
                "the patients' numbers are hashed without a key: who can list the numbers can \
                 find them; name a file of secret bytes with `--patient-key`",
            );
        }
        if self.in_path > 0 {
            let images = self.in_path;
            ctx.ui.warn(format_args!(
                "the paths of {images} images hold the name or number of the patient, and index.csv, \
                 selection.csv and the report show paths: give folders and files other names first, \
                 such as `covid/0001/1.dcm`"
            ));
        }
    }
}
