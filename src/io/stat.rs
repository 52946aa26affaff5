//! Content hashes without reading: a file whose size and modification time are
//! as they were when it was hashed is taken to be the same.
//!
//! The known hashes are a shortcut of this machine, kept in the user's cache
//! folder, never among the artifacts: lost or wrong entries cost time only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::atomic::{FileError, at};
use super::bounded;
use super::cache::user_cache;
use super::hash;

/// A file changed this shortly before it was hashed may change again without a
/// new modification time, so its hash is not kept.
const RACY: Duration = Duration::from_millis(100);

/// The largest store that is read: of a million files.
const MAX_BYTES: u64 = 256 << 20;

/// What identifies a file's content cheaply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stat {
    size: u64,
    /// Nanoseconds since 1970.
    modified: u128,
}

/// The hashes of files, by their size and modification time.
#[derive(Debug, Default)]
pub struct StatCache {
    store: Option<PathBuf>,
    known: BTreeMap<PathBuf, (Stat, String)>,
    changed: bool,
}

impl StatCache {
    /// The cache called `name`, in `$XDG_CACHE_HOME/cxr/stat` or
    /// `~/.cache/cxr/stat`. Without such a folder nothing is remembered.
    pub fn open(name: &Path) -> Self {
        let absolute = std::path::absolute(name).unwrap_or_else(|_| name.to_owned());
        let id = hash::bytes(absolute.as_os_str().as_encoded_bytes());
        let store = user_cache(|name| std::env::var_os(name))
            .map(|d| d.join("cxr/stat").join(&id[..32]).with_extension("json"));
        let known = store.as_ref().and_then(|s| bounded::read(s, MAX_BYTES).ok());
        let known = known.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        Self { store, known, changed: false }
    }

    /// The BLAKE3 of every file, in order; only those that changed are read, in
    /// parallel.
    pub fn hashes(&mut self, paths: &[&Path]) -> Result<Vec<String>, FileError> {
        let found: Vec<(PathBuf, Option<Stat>, String)> = paths
            .par_iter()
            .map(|path| {
                let absolute = at("find", path, std::path::absolute(path))?;
                let stat = at("read", path, stat(path))?;
                if let Some((then, hash)) = self.known.get(&absolute)
                    && *then == stat
                {
                    return Ok((absolute, None, hash.clone()));
                }
                Ok((absolute, Some(stat), hash::file(path)?))
            })
            .collect::<Result<_, FileError>>()?;
        let mut hashes = Vec::with_capacity(found.len());
        for (path, fresh, hash) in found {
            if let Some(stat) = fresh {
                self.keep(path, stat, hash.clone());
            }
            hashes.push(hash);
        }
        Ok(hashes)
    }

    /// Takes the hash of a file from someone who has just computed it.
    pub fn learn(&mut self, path: &Path, hash: &str) -> Result<(), FileError> {
        let absolute = at("find", path, std::path::absolute(path))?;
        let stat = at("read", path, stat(path))?;
        self.keep(absolute, stat, hash.to_owned());
        Ok(())
    }

    fn keep(&mut self, path: PathBuf, stat: Stat, hash: String) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if stat.modified < now.saturating_sub(RACY).as_nanos() {
            self.known.insert(path, (stat, hash));
            self.changed = true;
        }
    }

    /// Keeps what was learnt, for files that still exist. Failing to is no
    /// error: it only costs time later.
    pub fn save(&mut self) {
        if let Some(store) = self.store.as_ref().filter(|_| self.changed) {
            self.known.retain(|path, _| path.exists());
            let bytes = serde_json::to_vec(&self.known).expect("paths and numbers serialise");
            let _ = super::atomic::write(store, &bytes);
            self.changed = false;
        }
    }
}

fn stat(path: &Path) -> std::io::Result<Stat> {
    let meta = std::fs::metadata(path)?;
    let modified = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Stat { size: meta.len(), modified: modified.as_nanos() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_files_are_read_again_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        super::super::atomic::write(&a, b"one").unwrap();
        super::super::atomic::write(&b, b"two").unwrap();
        let old = SystemTime::now() - Duration::from_secs(60);
        for path in [&a, &b] {
            std::fs::File::options().append(true).open(path).unwrap().set_modified(old).unwrap();
        }
        let mut cache =
            StatCache { store: Some(dir.path().join("s/x.json")), ..Default::default() };
        let first = cache.hashes(&[&a, &b]).unwrap();
        assert_eq!(first, [hash::bytes(b"one"), hash::bytes(b"two")]);
        cache.save();
        let kept = std::fs::read(dir.path().join("s/x.json")).unwrap();
        cache.known = serde_json::from_slice(&kept).unwrap();
        assert_eq!(cache.known.len(), 2);
        // A planted hash shows that the file is not read while its stat agrees.
        for (_, hash) in cache.known.values_mut() {
            *hash = "planted".into();
        }
        super::super::atomic::write(&b, b"TWO").unwrap();
        assert_eq!(cache.hashes(&[&a, &b]).unwrap(), ["planted".into(), hash::bytes(b"TWO")]);
    }
}
