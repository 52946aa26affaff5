//! Pseudonyms for the patient IDs of DICOM images.

use crate::image::Patient;

/// Minimum length in bytes of a secret, so that it cannot be found by brute force.
pub const LEAST_SECRET: usize = 16;

/// Form in which patient IDs are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatientIdFormat {
    /// BLAKE3 hash, keyed if a key is given. Without a key, anyone who can list a hospital's
    /// patient IDs can find the ID of a hash by hashing them all.
    Hashed(Option<Key>),
    /// Unchanged patient ID.
    Plain,
    /// No patient ID.
    None,
}

/// Hash key derived from a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// Derives the key from a secret; `None` if the secret has fewer than [`LEAST_SECRET`] bytes.
    pub fn new(secret: &[u8]) -> Option<Self> {
        let key = || Self(blake3::derive_key("cxr 2026-11 keys of patient numbers", secret));
        (secret.len() >= LEAST_SECRET).then(key)
    }
}

impl PatientIdFormat {
    /// Returns the patient's key in tables, unique over all sources: `dicom:` and 16 hexadecimal
    /// digits, or `dicom:` with issuer and ID; empty if the patient is unknown.
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
