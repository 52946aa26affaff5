//! What the patients of DICOM films are called in an index.

use crate::image::Patient;

/// The least bytes of a secret that cannot be found by trying.
pub const LEAST_SECRET: usize = 16;

/// What is written for a patient's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// Its BLAKE3, with a key if there is one: without, who has the numbers of a
    /// hospital finds whose hash it is by hashing them all.
    Hashed(Option<Key>),
    /// The number as it stands.
    Plain,
    /// Nothing.
    None,
}

/// A key made from a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// The key of a secret; `None` if it has fewer than [`LEAST_SECRET`] bytes.
    pub fn new(secret: &[u8]) -> Option<Self> {
        let key = || Self(blake3::derive_key("cxr 2026-11 keys of patient numbers", secret));
        (secret.len() >= LEAST_SECRET).then(key)
    }
}

impl Naming {
    /// The patient's name in tables, unique over all sources: `dicom:` and 16
    /// hexadecimal digits, or the number with its issuer; empty if nobody is known.
    pub fn of(&self, patient: Option<&Patient>) -> String {
        let Some((patient, id)) = patient.and_then(|patient| Some((patient, patient.id()?))) else {
            return String::new();
        };
        let whole = format!("{}\0{id}", patient.issuer());
        let hash = match self {
            Self::None => return String::new(),
            Self::Plain => {
                let issuer = Some(patient.issuer()).filter(|issuer| !issuer.is_empty());
                let parts = ["dicom"].into_iter().chain(issuer).chain([id]);
                let plain = parts.collect::<Vec<_>>().join(":");
                return plain.chars().filter(|c| !c.is_control()).collect();
            }
            Self::Hashed(None) => blake3::hash(whole.as_bytes()),
            Self::Hashed(Some(key)) => blake3::keyed_hash(&key.0, whole.as_bytes()),
        };
        format!("dicom:{}", &hash.to_hex()[..16])
    }
}
