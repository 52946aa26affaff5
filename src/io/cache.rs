//! Numbers that are dear to compute, kept by the hash of all that determines
//! them. An entry is never changed: another input is another key.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::SystemTime;

use super::atomic::{self, FileError, at};
use super::bounded;

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
        let bytes = match bounded::read(&path, 32 + 4 * len as u64) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Entry::Miss),
            Err(e) if e.kind() == ErrorKind::FileTooLarge => return Ok(Entry::Corrupt(path)),
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

    /// The number of files and their size in bytes, what a killed process left
    /// half written included.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn size(&self) -> Result<(usize, u64), FileError> {
        let files = self.files()?;
        Ok((files.len(), files.iter().map(|f| f.bytes).sum()))
    }

    /// Removes the files that were written longest ago until at most `limit`
    /// bytes are left. Returns what went: files and bytes.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read or a file not removed.
    pub fn prune(&self, limit: u64) -> Result<(usize, u64), FileError> {
        let mut files = self.files()?;
        files.sort_by_key(|f| f.written);
        let mut left: u64 = files.iter().map(|f| f.bytes).sum();
        let mut gone = (0, 0);
        for file in files {
            if left <= limit {
                break;
            }
            at("remove", &file.path, fs::remove_file(&file.path))?;
            left -= file.bytes;
            gone = (gone.0 + 1, gone.1 + file.bytes);
        }
        Ok(gone)
    }

    fn files(&self) -> Result<Vec<Stored>, FileError> {
        let mut files = Vec::new();
        if !self.folder.exists() {
            return Ok(files);
        }
        for entry in walkdir::WalkDir::new(&self.folder).sort_by_file_name() {
            let entry = at("read", &self.folder, entry.map_err(Into::into))?;
            if entry.file_type().is_file() {
                let meta = at("read", entry.path(), entry.metadata().map_err(Into::into))?;
                let written = at("read", entry.path(), meta.modified())?;
                files.push(Stored { path: entry.into_path(), bytes: meta.len(), written });
            }
        }
        Ok(files)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(&key[..2]).join(key)
    }
}

/// A file of the cache.
struct Stored {
    path: PathBuf,
    bytes: u64,
    written: SystemTime,
}

/// The folder of this machine's user for files that can be made again:
/// `$XDG_CACHE_HOME`, else `~/.cache`. As the XDG specification asks, a relative
/// path in the first counts for nothing. `variable` reads the environment.
pub fn user_cache(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = path("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    cache.or_else(|| Some(path("HOME")?.join(".cache")))
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

    #[test]
    fn pruning_removes_the_oldest_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        assert_eq!(cache.size().unwrap(), (0, 0));
        for (age, key) in [(3, "aaa"), (1, "bbb"), (2, "ccc")] {
            cache.put(key, &[1.0]).unwrap();
            let file = fs::File::options().append(true).open(cache.path(key)).unwrap();
            let then = SystemTime::now() - std::time::Duration::from_secs(age * 60);
            file.set_modified(then).unwrap();
        }
        assert_eq!(cache.size().unwrap(), (3, 3 * 36));
        assert_eq!(cache.prune(80).unwrap(), (1, 36));
        assert_eq!(cache.get("aaa", 1).unwrap(), Entry::Miss);
        assert_eq!(cache.prune(36).unwrap(), (1, 36));
        assert_eq!(cache.get("bbb", 1).unwrap(), Entry::Hit(vec![1.0]));
    }
}
