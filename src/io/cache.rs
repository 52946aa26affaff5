//! Numbers that are dear to compute, kept by the hash of all that determines
//! them. An entry is never changed: another input is another key.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::atomic::{self, FileError, at};

/// A folder of entries: `<first two digits of the key>/<key>`, each the BLAKE3 of
/// its numbers, 32 bytes, then the numbers, f32 little-endian.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

/// What a [`Cache`] knows of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// The numbers.
    Hit(Vec<f32>),
    /// Nothing.
    Miss,
    /// A file that does not match its checksum or the length asked for.
    Corrupt(PathBuf),
}

impl Cache {
    /// The cache in `folder`, which is made when first written to.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The entry of `key`, a hexadecimal hash, if it is whole and holds `len`
    /// numbers.
    ///
    /// # Errors
    ///
    /// When a file that exists cannot be read.
    pub fn get(&self, key: &str, len: usize) -> Result<Entry, FileError> {
        let path = self.path(key);
        let bytes = match fs::read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Entry::Miss),
            read => at("read", &path, read)?,
        };
        match bytes.split_first_chunk() {
            Some((sum, data)) if data.len() == 4 * len && blake3::hash(data) == *sum => {
                let numbers = data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
                Ok(Entry::Hit(numbers.collect()))
            }
            _ => Ok(Entry::Corrupt(path)),
        }
    }

    /// Keeps `numbers` under `key`, in place of what was there.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn put(&self, key: &str, numbers: &[f32]) -> Result<(), FileError> {
        let data: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let sum = blake3::hash(&data);
        atomic::write(&self.path(key), &[sum.as_bytes(), &data[..]].concat())
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(&key[..2]).join(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().join("features"));
        let numbers = vec![1.5, f32::MIN_POSITIVE, -0.0];
        assert_eq!(cache.get("abc", 3).unwrap(), Entry::Miss);
        cache.put("abc", &numbers).unwrap();
        assert_eq!(cache.get("abc", 3).unwrap(), Entry::Hit(numbers.clone()));
        let path = dir.path().join("features/ab/abc");
        let corrupt = Entry::Corrupt(path.clone());
        assert_eq!(cache.get("abc", 2).unwrap(), corrupt);
        let good = fs::read(&path).unwrap();
        for at in [0, 31, 32, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            atomic::write(&path, &bad).unwrap();
            assert_eq!(cache.get("abc", 3).unwrap(), corrupt, "bit flipped in byte {at}");
        }
        for length in [0, 31, good.len() - 1] {
            atomic::write(&path, &good[..length]).unwrap();
            assert_eq!(cache.get("abc", 3).unwrap(), corrupt, "cut to {length} bytes");
        }
        cache.put("abc", &numbers).unwrap();
        assert_eq!(cache.get("abc", 3).unwrap(), Entry::Hit(numbers));
    }
}
