//! Content hashes: BLAKE3 as 64 hexadecimal digits.

use std::fs::File;
use std::io;
use std::path::Path;

use super::atomic::{FileError, at};

/// Returns the hash of `bytes`.
pub fn bytes(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Returns the hash of a file's content, read as a stream.
///
/// # Errors
/// If the file cannot be read, or is not a regular file: devices may be endless.
pub fn file(path: &Path) -> Result<String, FileError> {
    let mut hasher = blake3::Hasher::new();
    let mut file = at("read", path, File::open(path))?;
    if !at("read", path, file.metadata())?.is_file() {
        return at("read", path, Err(io::Error::other("the path is not a regular file")));
    }
    at("read", path, io::copy(&mut file, &mut hasher))?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn file_hash_equals_hash_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        crate::io::atomic::write(&path, b"image").unwrap();
        assert_eq!(super::file(&path).unwrap(), super::bytes(b"image"));
        assert_ne!(super::bytes(b"image"), super::bytes(b"images"));
        let endless = super::file(std::path::Path::new("/dev/zero"));
        assert!(!cfg!(unix) || endless.is_err());
    }
}
