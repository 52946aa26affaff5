//! Sets of files that change as one: a folder filled beside its target, then
//! merged into it with one rename as the point of no return.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use super::atomic::{FileError, at, parent, write};
use super::{bounded, hash, place};

/// A folder being filled beside its target, published as a whole.
///
/// Dropped without [`Staging::publish`], it vanishes and the target is as it
/// was. Publishing renames the finished folder to `.<target>.ready`, which is
/// the point of no return, then moves its files into the target one by one. A
/// process killed in between leaves the ready folder, and the next
/// [`recover`] finishes the move, so a set of files changes as one.
#[derive(Debug)]
pub struct Staging {
    folder: Temporary,
    target: PathBuf,
}

/// A temporary folder beside a target. Its lock tells other processes, also those in other
/// containers, that its owner is alive.
#[derive(Debug)]
pub struct Temporary {
    folder: TempDir,
    _lock: Option<File>,
}

impl Temporary {
    /// The folder, which is removed when this is dropped.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Holds, inside a ready folder, the names to remove from the target.
const OBSOLETE: &str = ".obsolete.json";

/// The largest such list that is read.
const MAX_LIST: u64 = 64 << 20;

impl Staging {
    /// Starts filling a folder that will be merged into `target`. Finishes a
    /// publication that was cut off, and sweeps what killed runs left behind.
    pub fn begin(target: &Path) -> Result<Self, FileError> {
        recover(target)?;
        let folder = parent(target);
        at("create", folder, fs::create_dir_all(folder))?;
        if target.exists() {
            // Better now than after hours of work.
            at("write to", target, tempfile::tempfile_in(target))?;
        }
        sweep(target);
        Ok(Self { folder: temporary(target)?, target: target.to_owned() })
    }

    /// A folder for temporary files, beside the target and removed when dropped.
    pub fn scratch(&self) -> Result<Temporary, FileError> {
        temporary(&self.target)
    }

    /// Where to write the file that will be `name` in the target. Missing
    /// folders of a nested `name` are made.
    pub fn path(&self, name: impl AsRef<Path>) -> Result<PathBuf, FileError> {
        let path = self.folder.path().join(name);
        let folder = parent(&path);
        at("create", folder, fs::create_dir_all(folder))?;
        Ok(path)
    }

    /// Opens the file that will be `name` in the target.
    #[expect(clippy::disallowed_methods, reason = "a staged file is not in place yet")]
    pub fn create(&self, name: impl AsRef<Path>) -> Result<BufWriter<File>, FileError> {
        let path = self.path(name)?;
        Ok(BufWriter::new(at("create", &path, File::create(&path))?))
    }

    /// Copies `from` to what will be `name` in the target.
    #[expect(clippy::disallowed_methods, reason = "a staged file is not in place yet")]
    pub fn copy(&self, from: &Path, name: impl AsRef<Path>) -> Result<(), FileError> {
        let path = self.path(name)?;
        at("copy", from, fs::copy(from, &path)).map(drop)
    }

    /// The names of the files so far, sorted, with `/` between folders.
    pub fn files(&self) -> Result<Vec<String>, FileError> {
        let staged = self.folder.path();
        let files = at("read", staged, list(staged))?;
        Ok(files.iter().map(|f| f.to_string_lossy().replace('\\', "/")).collect())
    }

    /// Puts every file in place and removes the `obsolete` ones (names relative
    /// to the target) that this publication does not bring again.
    pub fn publish(self, obsolete: &[String]) -> Result<(), FileError> {
        let staged = self.folder.path();
        let files: BTreeSet<String> = self.files()?.into_iter().collect();
        for file in &files {
            let path = staged.join(file);
            at("flush", &path, File::open(&path).and_then(|f| f.sync_all()))?;
        }
        let gone: Vec<_> = obsolete.iter().filter(|o| !files.contains(*o)).collect();
        let list = serde_json::to_vec(&gone).expect("strings serialise");
        write(&staged.join(OBSOLETE), &list)?;
        let _held = lock(parent(&self.target));
        // One that was cut off comes first, or its files would be in the way of these.
        finish(&self.target)?;
        let ready = ready(&self.target);
        live().remove(self.folder.path());
        let Temporary { folder, _lock } = self.folder;
        let staged = folder.keep();
        #[expect(clippy::disallowed_methods, reason = "this module is the home of renames")]
        let renamed = fs::rename(&staged, &ready);
        if renamed.is_err() {
            let _ = fs::remove_dir_all(&staged);
        }
        at("publish", &self.target, renamed)?;
        finish(&self.target)
    }
}

/// Makes a folder beside `target` whose name holds the id of this process, so that
/// [`sweep`] and [`abandon`] find it.
fn temporary(target: &Path) -> Result<Temporary, FileError> {
    let prefix = format!("{}{}-", beside(target, "tmp"), std::process::id());
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent(target));
    let folder = at("create a folder beside", target, folder)?;
    live().insert(folder.path().to_owned());
    let _lock = File::open(folder.path()).ok().filter(|handle| handle.try_lock().is_ok());
    Ok(Temporary { folder, _lock })
}

/// Waits until no other process publishes in `folder`, and keeps others waiting until
/// dropped. None where the system has no locks on folders.
fn lock(folder: &Path) -> Option<File> {
    let handle = File::open(folder).ok()?;
    handle.lock().ok()?;
    Some(handle)
}

/// The staging folders of this process, for [`abandon`].
fn live() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every staging folder of this process: for a process that is told to
/// stop. Publications under way are left to [`recover`].
pub fn abandon() {
    for folder in std::mem::take(&mut *live()) {
        let _ = fs::remove_dir_all(folder);
    }
}

/// Finishes the publication of `target` if one was cut off; else does nothing. Waits for
/// one that is under way.
pub fn recover(target: &Path) -> Result<(), FileError> {
    if !ready(target).is_dir() {
        return Ok(());
    }
    let _held = lock(parent(target));
    finish(target)
}

/// As [`recover`], by the one who holds the lock.
fn finish(target: &Path) -> Result<(), FileError> {
    let ready = ready(target);
    if !ready.is_dir() {
        return Ok(());
    }
    let mut files = at("read", &ready, list(&ready))?;
    // The record is the commit mark of a stage: it goes last.
    files.sort_by_key(|f| (f.file_name().is_some_and(|n| n == RECORD), f.clone()));
    for file in files.iter().filter(|f| *f != Path::new(OBSOLETE)) {
        let link = || io::Error::other("it lies behind a link, which may lead anywhere");
        let to = at("write", &target.join(file), place::below(target, file).ok_or_else(link))?;
        let folder = parent(&to);
        at("create", folder, fs::create_dir_all(folder))?;
        #[expect(clippy::disallowed_methods, reason = "this module is the home of renames")]
        at("replace", &to, fs::rename(ready.join(file), &to))?;
    }
    let obsolete = bounded::read(&ready.join(OBSOLETE), MAX_LIST).unwrap_or_default();
    for name in serde_json::from_slice::<Vec<String>>(&obsolete).unwrap_or_default() {
        let Some(path) = place::below(target, Path::new(&name)) else { continue };
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return at("remove", &path, Err(e)),
            _ => remove_empty(parent(&path), target),
        }
    }
    at("remove", &ready, fs::remove_dir_all(&ready))
}

/// The name of a stage's record, which marks its other files as complete.
pub const RECORD: &str = "record.json";

fn ready(target: &Path) -> PathBuf {
    parent(target).join(beside(target, "ready"))
}

/// `.train.tmp` for `artifacts/tutorial/train`. A name that would become too long for the
/// file system is replaced by its hash.
fn beside(target: &Path, what: &str) -> String {
    let name = target.file_name().unwrap_or_default();
    if name.len() > MAX_NAME {
        return format!(".{}.{what}", hash::bytes(name.as_encoded_bytes()));
    }
    format!(".{}.{what}", name.to_string_lossy())
}

/// The longest name that is part of another: file systems take 255 bytes, and invalid
/// UTF-8 becomes three times as long.
const MAX_NAME: usize = 70;

/// Every file below `folder`, relative to it.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_dir() {
            files.push(entry.path().strip_prefix(folder).expect("below folder").to_owned());
        }
    }
    Ok(files)
}

/// Removes the folders from `folder` up to (not including) `top` that are empty.
pub fn remove_empty(mut folder: &Path, top: &Path) {
    while folder != top && folder.starts_with(top) && fs::remove_dir(folder).is_ok() {
        folder = parent(folder);
    }
}

/// Removes staging folders of `target` whose process is gone.
pub fn sweep(target: &Path) {
    let prefix = beside(target, "tmp");
    for entry in fs::read_dir(parent(target)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(&prefix).and_then(|rest| rest.split('-').next()?.parse().ok());
        if pid.is_some_and(|pid| !alive(pid)) && !is_locked(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a living process, maybe one whose id means nothing here, has locked `folder`.
fn is_locked(folder: &Path) -> bool {
    let tried = File::open(folder).map(|handle| handle.try_lock());
    matches!(tried, Ok(Err(TryLockError::WouldBlock)))
}

/// Whether a process with this id runs.
pub fn alive(pid: i32) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return false };
    // A process of another user answers `permission denied`: it is alive.
    rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_dropped_staging_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("train");
        write(&target.join("model"), b"good").unwrap();
        let staging = Staging::begin(&target).unwrap();
        staging.create("model").unwrap().write_all(b"bad").unwrap();
        drop(staging);
        assert_eq!(fs::read(target.join("model")).unwrap(), b"good");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn publishing_replaces_ours_and_keeps_the_users_files() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("covid");
        for name in ["notes.txt", "old/a.png", "b.png"] {
            write(&target.join(name), b"1").unwrap();
        }
        let staging = Staging::begin(&target).unwrap();
        staging.create("b.png").unwrap().write_all(b"2").unwrap();
        staging.publish(&["old/a.png".into(), "b.png".into()]).unwrap();
        assert_eq!(list(&target).unwrap(), [Path::new("b.png"), Path::new("notes.txt")]);
        assert_eq!(fs::read(target.join("b.png")).unwrap(), b"2");
        assert!(!target.join("old").exists());
    }

    #[test]
    fn a_publication_cut_off_is_finished_later() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("train");
        write(&target.join("a"), b"old").unwrap();
        write(&target.join("gone"), b"old").unwrap();
        write(&dir.path().join(".train.ready/b"), b"new").unwrap();
        write(&dir.path().join(".train.ready").join(OBSOLETE), b"[\"gone\"]").unwrap();
        recover(&target).unwrap();
        assert_eq!(list(&target).unwrap(), [Path::new("a"), Path::new("b")]);
        assert!(!dir.path().join(".train.ready").exists());
    }

    #[test]
    fn targets_may_have_names_as_long_as_the_file_system_takes() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a".repeat(255), "ä".repeat(127)] {
            let staging = Staging::begin(&dir.path().join(&name)).unwrap();
            staging.create("x").unwrap();
            staging.publish(&[]).unwrap();
            assert!(dir.path().join(name).join("x").exists());
        }
    }

    #[test]
    fn publications_of_one_target_take_turns() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("train");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let target = &target;
                scope.spawn(move || {
                    for _ in 0..5 {
                        let staging = Staging::begin(target).unwrap();
                        for name in ["a", "b", "c"] {
                            write!(staging.create(name).unwrap(), "{number}").unwrap();
                        }
                        staging.publish(&[]).unwrap();
                    }
                });
            }
        });
        let [a, b, c] = ["a", "b", "c"].map(|name| fs::read(target.join(name)).unwrap());
        assert!(a == b && b == c);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn litter_of_dead_processes_is_swept_and_of_live_ones_kept() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("train");
        let dead = dir.path().join(format!(".train.tmp{}-x", i32::MAX));
        let live = dir.path().join(format!(".train.tmp{}-x", std::process::id()));
        fs::create_dir_all(&dead).unwrap();
        fs::create_dir_all(&live).unwrap();
        drop(Staging::begin(&target).unwrap());
        assert!(!dead.exists() && live.exists());
        // Of a process in another container, whose id is nobody's here.
        fs::create_dir_all(&dead).unwrap();
        let handle = File::open(&dead).unwrap();
        handle.lock().unwrap();
        sweep(&target);
        assert!(dead.exists());
        drop(handle);
        sweep(&target);
        assert!(!dead.exists());
    }
}
