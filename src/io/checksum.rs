//! Checksums as published beside downloads.

use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Checksum in lower-case hexadecimal digits. Displayed as `md5:…` or `sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// 32 digits; detects accidental changes, not forgeries.
    Md5(String),
    /// 64 digits.
    Sha256(String),
}

impl Checksum {
    /// Returns the MD5 of a file, read as a stream.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn md5(path: &Path) -> io::Result<Self> {
        digest::<Md5>(path).map(Checksum::Md5)
    }

    /// Returns the SHA-256 of a file, read as a stream.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn sha256(path: &Path) -> io::Result<Self> {
        digest::<Sha256>(path).map(Checksum::Sha256)
    }

    /// Returns the checksum of a file with the same algorithm.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn same_of(&self, path: &Path) -> io::Result<Self> {
        match self {
            Checksum::Md5(_) => Self::md5(path),
            Checksum::Sha256(_) => Self::sha256(path),
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Checksum::Md5(digits) => write!(f, "md5:{digits}"),
            Checksum::Sha256(digits) => write!(f, "sha256:{digits}"),
        }
    }
}

fn digest<D: Digest>(path: &Path) -> io::Result<String> {
    let (mut hasher, mut reader) = (D::new(), BufReader::with_capacity(1 << 16, File::open(path)?));
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            break;
        }
        hasher.update(bytes);
        let read = bytes.len();
        reader.consume(read);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn digests_equal_those_of_coreutils() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"abc").unwrap();
        let md5 = Checksum::md5(file.path()).unwrap();
        assert_eq!(md5.to_string(), "md5:900150983cd24fb0d6963f7d28e17f72");
        let sha = Checksum::sha256(file.path()).unwrap();
        assert_eq!(
            sha.to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(sha.same_of(file.path()).unwrap(), sha);
    }
}
