//! Cache of content hashes: a file is considered unchanged since it was hashed if size,
//! modification time, change time and inode are unchanged.
//!
//! Restoring the modification time (`touch -d`, `cp -p`, `rsync -t`) does not hide a change:
//! the change time cannot be set, and a replaced file has another inode. Not detected are
//! changes below the file system or with the system clock set back, and edits of the cache
//! file; [`StatCache::rehash`] reads every file. A copied, moved or restored file is read
//! again, which only costs time.
//!
//! The cache file is in the user's cache folder of this machine, not among the artifacts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::atomic::{FileError, at, parent};
use super::bounded;
use super::cache::user_cache;
use super::hash;
use super::place::real;

/// Minimum age of a change for a hash to be cached: a younger file may change again without new
/// times. File systems have a time resolution of at most 10 ms.
const MIN_AGE: Duration = Duration::from_millis(20);

/// Minimum age on file systems with a resolution of seconds; FAT has 2 s.
const MIN_AGE_SECONDS: Duration = Duration::from_secs(3);

/// Largest cache file in bytes, for a million files.
const MAX_BYTES: u64 = 256 << 20;

/// State of a file that changes with its content. Times in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stat {
    size: u64,
    modified: i128,
    /// Change time, set by the system on every change of content, times, name or permissions; 0
    /// if not supported.
    changed: i128,
    /// Inode; 0 if not supported.
    inode: u64,
}

/// Hashes of files by path and [`Stat`].
#[derive(Debug, Default)]
pub struct StatCache {
    store: Option<PathBuf>,
    known: BTreeMap<PathBuf, (Stat, String)>,
    unsaved: bool,
}

impl StatCache {
    /// Opens the cache `name` in `$XDG_CACHE_HOME/cxr/stat` or `~/.cache/cxr/stat`. Without
    /// such a folder the cache is not saved.
    pub fn open(name: &Path) -> Self {
        let mut cache = Self::rehash(name);
        let bytes = cache.store.as_ref().and_then(|store| bounded::read(store, MAX_BYTES).ok());
        let known = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        cache.known = known.unwrap_or_default();
        cache
    }

    /// Opens the cache `name` without its entries: every file is read again.
    pub fn rehash(name: &Path) -> Self {
        let id = hash::bytes(real(name).as_os_str().as_encoded_bytes());
        let store = user_cache(|name| std::env::var_os(name))
            .map(|d| d.join("cxr/stat").join(&id[..32]).with_extension("json"));
        Self { store, ..Self::default() }
    }

    /// Returns the BLAKE3 hash of every file, in order. Reads changed files only, in parallel.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn hashes(&mut self, paths: &[&Path]) -> Result<Vec<String>, FileError> {
        self.each_hash(paths).into_iter().collect()
    }

    /// Returns as [`Self::hashes`], with an error for each file that cannot be read.
    pub fn each_hash(&mut self, paths: &[&Path]) -> Vec<Result<String, FileError>> {
        let folders: BTreeSet<&Path> = paths.iter().map(|path| parent(path)).collect();
        let folders: BTreeMap<&Path, PathBuf> =
            folders.into_iter().map(|folder| (folder, real(folder))).collect();
        let found: Vec<Result<_, FileError>> = paths
            .par_iter()
            .map(|path| {
                let name = path.file_name().unwrap_or_default();
                let absolute = folders[parent(path)].join(name);
                let before = at("read", path, stat(path))?;
                if let Some((then, hash)) = self.known.get(&absolute)
                    && *then == before
                {
                    return Ok((absolute, None, hash.clone()));
                }
                Ok((absolute, Some(before), hash::file(path)?))
            })
            .collect();
        let mut keep = |(path, fresh, hash): (PathBuf, Option<Stat>, String)| {
            if let Some(stat) = fresh {
                self.keep(path, stat, hash.clone());
            }
            hash
        };
        found.into_iter().map(|found| found.map(&mut keep)).collect()
    }

    /// Adds hashes that were computed before the files were moved into `folder`. Waits until
    /// later changes are visible in the files' times.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn learn<'a>(
        &mut self,
        folder: &Path,
        files: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<(), FileError> {
        thread::sleep(MIN_AGE);
        for (name, hash) in files {
            let path = folder.join(name);
            let stat = at("read", &path, stat(&path))?;
            let absolute = real(parent(&path)).join(path.file_name().unwrap_or_default());
            self.keep(absolute, stat, hash.to_owned());
        }
        Ok(())
    }

    fn keep(&mut self, path: PathBuf, stat: Stat, hash: String) {
        // Programs can set a modification time in the future.
        let latest = if stat.changed == 0 { stat.modified } else { stat.changed };
        let step = if stat.changed % 1_000_000_000 == 0 { MIN_AGE_SECONDS } else { MIN_AGE };
        if latest < nanoseconds(SystemTime::now()) - step.as_nanos() as i128 {
            self.known.insert(path, (stat, hash));
            self.unsaved = true;
        }
    }

    /// Saves the hashes of files that still exist. Errors are ignored: the files are then read
    /// again.
    pub fn save(&mut self) {
        if let Some(store) = self.store.as_ref().filter(|_| self.unsaved) {
            self.known.retain(|path, _| path.exists());
            let bytes = serde_json::to_vec(&self.known).expect("paths and numbers serialise");
            let _ = super::atomic::write(store, &bytes);
            self.unsaved = false;
        }
    }
}

fn stat(path: &Path) -> std::io::Result<Stat> {
    let meta = std::fs::metadata(path)?;
    #[cfg(unix)]
    let (changed, inode) = {
        use std::os::unix::fs::MetadataExt;
        let changed = i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
        (changed, meta.ino())
    };
    #[cfg(not(unix))]
    let (changed, inode) = (0, 0);
    Ok(Stat { size: meta.len(), modified: nanoseconds(meta.modified()?), changed, inode })
}

/// Returns nanoseconds since 1970, negative before.
fn nanoseconds(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_files_are_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        super::super::atomic::write(&a, b"one").unwrap();
        super::super::atomic::write(&b, b"two").unwrap();
        thread::sleep(2 * MIN_AGE);
        let mut cache =
            StatCache { store: Some(dir.path().join("s/x.json")), ..Default::default() };
        let first = cache.hashes(&[&a, &b]).unwrap();
        assert_eq!(first, [hash::bytes(b"one"), hash::bytes(b"two")]);
        cache.save();
        let kept = std::fs::read(dir.path().join("s/x.json")).unwrap();
        cache.known = serde_json::from_slice(&kept).unwrap();
        assert_eq!(cache.known.len(), 2);
        // A planted hash shows that the file is not read while its state is unchanged.
        for (_, hash) in cache.known.values_mut() {
            *hash = "planted".into();
        }
        super::super::atomic::write(&b, b"TWO").unwrap();
        assert_eq!(cache.hashes(&[&a, &b]).unwrap(), ["planted".into(), hash::bytes(b"TWO")]);
        // Same file, other path.
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        let other_path = dir.path().join("folder/../a");
        assert_eq!(cache.hashes(&[&other_path]).unwrap(), ["planted"]);
    }

    #[cfg(unix)]
    #[test]
    fn restoring_size_and_time_does_not_hide_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        super::super::atomic::write(&path, b"one").unwrap();
        thread::sleep(2 * MIN_AGE);
        let mut cache = StatCache::default();
        cache.hashes(&[&path]).unwrap();
        assert_eq!(cache.known.len(), 1);
        let restore = |time| {
            let file = std::fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(time).unwrap();
        };
        let time = std::fs::metadata(&path).unwrap().modified().unwrap();
        // In place, like a hex editor.
        let mut file = std::fs::File::options().write(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, b"two").unwrap();
        drop(file);
        restore(time);
        assert_eq!(cache.hashes(&[&path]).unwrap(), [hash::bytes(b"two")]);
        thread::sleep(2 * MIN_AGE);
        cache.hashes(&[&path]).unwrap();
        // Replaced by another file, like `cp -p` and `rsync -t`.
        super::super::atomic::write(&path, b"six").unwrap();
        restore(time);
        assert_eq!(cache.hashes(&[&path]).unwrap(), [hash::bytes(b"six")]);
    }

    #[test]
    fn recently_changed_files_are_not_cached() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        super::super::atomic::write(&path, b"one").unwrap();
        let mut cache = StatCache::default();
        cache.hashes(&[&path]).unwrap();
        assert!(cache.known.is_empty());
        let (name, hash) = ("a".to_owned(), hash::bytes(b"one"));
        cache.learn(dir.path(), [(&name, &hash)]).unwrap();
        assert_eq!(cache.known.len(), 1);
    }
}
