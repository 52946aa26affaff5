//! Cache of computed numbers. The key of an entry is a hash of everything that determines the
//! numbers, so entries never change.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::SystemTime;

use super::atomic::{self, FileError, at};
use super::bounded;
use super::staging::is_half_written;

/// Folder of entries `<first two digits of the key>/<key>`. An entry consists of the BLAKE3
/// hash of the rest (32 bytes), the key, and the numbers as little-endian f32. The key detects
/// entries copied to another path.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

/// Length of a BLAKE3 hash in bytes.
const HASH: usize = 32;

/// Result of a look-up in a [`Cache`].
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Stored numbers.
    Hit(Vec<f32>),
    /// There is no entry.
    Miss,
    /// The entry is not usable: its path and the reason.
    Unusable(PathBuf, String),
}

impl Cache {
    /// Opens the cache in `folder`, which is created by the first write.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Looks up `key`, a hexadecimal hash, with `len` numbers. Unreadable or damaged files are
    /// [`Entry::Unusable`], not errors, since the numbers can be computed again.
    pub fn get(&self, key: &str, len: usize) -> Entry {
        let path = self.path(key);
        let length = HASH + key.len() + 4 * len;
        let bytes = match bounded::read(&path, length as u64) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Entry::Miss,
            Err(e) => return Entry::Unusable(path, e.to_string()),
        };
        let reason = match bytes.split_first_chunk::<HASH>() {
            Some((checksum, rest)) if blake3::hash(rest) == *checksum => {
                match rest.strip_prefix(key.as_bytes()) {
                    Some(data) if data.len() == 4 * len => {
                        let numbers = data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
                        return Entry::Hit(numbers.collect());
                    }
                    Some(data) => {
                        format!("the entry has {} numbers, expected {len}", data.len() / 4)
                    }
                    None => "the entry belongs to another key".to_owned(),
                }
            }
            _ => "the checksum does not match".to_owned(),
        };
        Entry::Unusable(path, reason)
    }

    /// Stores `numbers` under `key`. Replaces an existing entry.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn put(&self, key: &str, numbers: &[f32]) -> Result<(), FileError> {
        let mut bytes = vec![0; HASH];
        bytes.extend(key.bytes());
        bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
        let checksum = blake3::hash(&bytes[HASH..]);
        bytes[..HASH].copy_from_slice(checksum.as_bytes());
        atomic::write(&self.path(key), &bytes)
    }

    /// Returns the number of files and their total size in bytes, including partial files of
    /// killed processes.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn size(&self) -> Result<(usize, u64), FileError> {
        let files = self.files()?;
        Ok((files.len(), files.iter().map(|f| f.bytes).sum()))
    }

    /// Removes the oldest files until at most `limit` bytes are left. Returns the number of
    /// removed files and bytes.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or a file cannot be removed.
    pub fn prune(&self, limit: u64) -> Result<(usize, u64), FileError> {
        let mut files = self.files()?;
        files.retain(|file| !is_half_written(&file.path) || fs::remove_file(&file.path).is_err());
        files.sort_by_key(|f| f.written);
        let mut left: u64 = files.iter().map(|f| f.bytes).sum();
        let mut removed = (0, 0);
        for file in files {
            if left <= limit {
                break;
            }
            at("remove", &file.path, fs::remove_file(&file.path))?;
            left -= file.bytes;
            removed = (removed.0 + 1, removed.1 + file.bytes);
        }
        Ok(removed)
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

/// File of the cache.
struct Stored {
    path: PathBuf,
    bytes: u64,
    written: SystemTime,
}

/// Returns the cache folder of the user: `$XDG_CACHE_HOME`, if absolute as the XDG
/// specification requires, else `~/.cache`. `variable` reads the environment.
pub fn user_cache(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = path("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    cache.or_else(|| Some(path("HOME")?.join(".cache")))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures are written directly")]
mod tests {
    use std::path::Path;

    use super::*;

    #[track_caller]
    fn assert_unusable(entry: Entry, path: &Path, reason: &str) {
        let Entry::Unusable(unusable, why) = entry else { panic!("{entry:?}") };
        assert_eq!(unusable, path);
        assert!(why.contains(reason), "{why}");
    }

    #[test]
    fn damaged_entries_are_unusable() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().join("features"));
        let numbers = vec![1.5, f32::MIN_POSITIVE, -0.0];
        assert_eq!(cache.get("abc", 3), Entry::Miss);
        cache.put("abc", &numbers).unwrap();
        assert_eq!(cache.get("abc", 3), Entry::Hit(numbers.clone()));
        let path = dir.path().join("features/ab/abc");
        assert_unusable(cache.get("abc", 2), &path, "larger than the limit");
        assert_unusable(cache.get("abc", 4), &path, "the entry has 3 numbers, expected 4");
        let good = fs::read(&path).unwrap();
        for position in [0, 31, 32, good.len() - 1] {
            let mut bad = good.clone();
            bad[position] ^= 1;
            atomic::write(&path, &bad).unwrap();
            assert_unusable(cache.get("abc", 3), &path, "checksum");
        }
        for length in [0, 31, good.len() - 1] {
            atomic::write(&path, &good[..length]).unwrap();
            assert_unusable(cache.get("abc", 3), &path, "checksum");
        }
        cache.put("abc", &numbers).unwrap();
        assert_eq!(cache.get("abc", 3), Entry::Hit(numbers));
    }

    #[test]
    fn entries_of_another_key_are_unusable() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        cache.put("abc", &[1.0]).unwrap();
        cache.put("abd", &[2.0]).unwrap();
        fs::copy(cache.path("abc"), cache.path("abd")).unwrap();
        assert_unusable(cache.get("abd", 1), &cache.path("abd"), "belongs to another key");
    }

    #[test]
    fn folders_in_place_of_entries_are_unusable() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        fs::create_dir_all(cache.path("abc")).unwrap();
        assert_unusable(cache.get("abc", 1), &cache.path("abc"), "is a folder");
        let cache = Cache::new(dir.path().join("file"));
        atomic::write(&dir.path().join("file"), b"x").unwrap();
        assert!(matches!(cache.get("abc", 1), Entry::Unusable(..)));
        assert!(cache.put("abc", &[1.0]).is_err());
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
        assert_eq!(cache.size().unwrap(), (3, 3 * 39));
        assert_eq!(cache.prune(80).unwrap(), (1, 39));
        assert_eq!(cache.get("aaa", 1), Entry::Miss);
        assert_eq!(cache.prune(39).unwrap(), (1, 39));
        assert_eq!(cache.get("bbb", 1), Entry::Hit(vec![1.0]));
    }
}
