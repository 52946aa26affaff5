//! Atomic update of a set of files in a folder.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use super::atomic::{FileError, TEMPORARY, at, parent, write};
use super::{bounded, hash, place};

/// Temporary folder whose files are published into a target folder together.
///
/// Dropped without [`Staging::publish`], it is removed and the target is unchanged. Publishing
/// renames the complete folder to `.<target>.ready` and then moves its files into the target
/// one by one. After the rename the update cannot be lost: if the process is killed, the next
/// [`recover`] completes the moves.
#[derive(Debug)]
pub struct Staging {
    folder: Temporary,
    target: PathBuf,
}

/// Temporary folder beside a target. Its lock shows other processes, also in other containers,
/// that its owner is running.
#[derive(Debug)]
pub struct Temporary {
    folder: TempDir,
    _lock: Option<File>,
}

impl Temporary {
    /// Returns the path of the folder, which is removed on drop.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// File in a ready folder with the names to remove from the target.
const OBSOLETE: &str = ".obsolete.json";

/// Largest size in bytes of that file.
const MAX_LIST: u64 = 64 << 20;

impl Staging {
    /// Creates a temporary folder for files of `target`. Completes an interrupted publication
    /// and removes temporary folders of killed processes.
    ///
    /// # Errors
    /// If the target or its parent is not writable.
    pub fn begin(target: &Path) -> Result<Self, FileError> {
        recover(target)?;
        let folder = parent(target);
        at("create", folder, fs::create_dir_all(folder))?;
        if target.exists() {
            // Fail now rather than after hours of work.
            at("write to", target, tempfile::tempfile_in(target))?;
        }
        sweep(target);
        Ok(Self { folder: temporary(target)?, target: target.to_owned() })
    }

    /// Creates a folder for temporary files beside the target, removed on drop.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn scratch(&self) -> Result<Temporary, FileError> {
        temporary(&self.target)
    }

    /// Returns the temporary path of the file `name` of the target. Creates the folders of a
    /// nested `name`.
    ///
    /// # Errors
    /// If a folder cannot be created.
    pub fn path(&self, name: impl AsRef<Path>) -> Result<PathBuf, FileError> {
        let path = self.folder.path().join(name);
        let folder = parent(&path);
        at("create", folder, fs::create_dir_all(folder))?;
        Ok(path)
    }

    /// Creates the temporary file for `name` of the target.
    ///
    /// # Errors
    /// If the file cannot be created.
    #[expect(clippy::disallowed_methods, reason = "the file is temporary")]
    pub fn create(&self, name: impl AsRef<Path>) -> Result<BufWriter<File>, FileError> {
        let path = self.path(name)?;
        Ok(BufWriter::new(at("create", &path, File::create(&path))?))
    }

    /// Copies `from` to the temporary file for `name` of the target.
    ///
    /// # Errors
    /// If the file cannot be copied.
    #[expect(clippy::disallowed_methods, reason = "the file is temporary")]
    pub fn copy(&self, from: &Path, name: impl AsRef<Path>) -> Result<(), FileError> {
        let path = self.path(name)?;
        at("copy", from, fs::copy(from, &path)).map(drop)
    }

    /// Returns the sorted names of the files so far, with `/` between folders.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn files(&self) -> Result<Vec<String>, FileError> {
        let staged = self.folder.path();
        let files = at("read", staged, list(staged))?;
        Ok(files.iter().map(|f| f.to_string_lossy().replace('\\', "/")).collect())
    }

    /// Publishes all files, and removes the `obsolete` files (names relative to the target)
    /// that are not among them.
    ///
    /// # Errors
    /// If a file cannot be flushed, moved or removed.
    pub fn publish(self, obsolete: &[String]) -> Result<(), FileError> {
        let staged = self.folder.path();
        let files: BTreeSet<String> = self.files()?.into_iter().collect();
        for file in &files {
            let path = staged.join(file);
            at("flush", &path, File::open(&path).and_then(|f| f.sync_all()))?;
        }
        let removed: Vec<_> = obsolete.iter().filter(|o| !files.contains(*o)).collect();
        let list = serde_json::to_vec(&removed).expect("strings serialise");
        write(&staged.join(OBSOLETE), &list)?;
        let _held = lock(parent(&self.target));
        // An interrupted publication must be completed first: its files would conflict with
        // these.
        finish(&self.target)?;
        let ready = ready(&self.target);
        temporary_folders().remove(self.folder.path());
        let Temporary { folder, _lock } = self.folder;
        let staged = folder.keep();
        #[expect(clippy::disallowed_methods, reason = "this module renames files")]
        let renamed = fs::rename(&staged, &ready);
        if renamed.is_err() {
            let _ = fs::remove_dir_all(&staged);
        }
        at("publish", &self.target, renamed)?;
        finish(&self.target)
    }
}

/// Creates a folder beside `target` with this process's ID in its name, for [`sweep`] and
/// [`abandon`].
fn temporary(target: &Path) -> Result<Temporary, FileError> {
    let prefix = format!("{}{}-", hidden_name(target, "tmp"), std::process::id());
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent(target));
    let folder = at("create a folder beside", target, folder)?;
    temporary_folders().insert(folder.path().to_owned());
    let _lock = File::open(folder.path()).ok().filter(|handle| handle.try_lock().is_ok());
    Ok(Temporary { folder, _lock })
}

/// Waits until no other process publishes in `folder`, and locks it until dropped. None if the
/// system does not support locks on folders.
fn lock(folder: &Path) -> Option<File> {
    let handle = File::open(folder).ok()?;
    handle.lock().ok()?;
    Some(handle)
}

/// Temporary folders of this process, for [`abandon`].
fn temporary_folders() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all temporary folders of this process, when it is asked to stop. Publications in
/// progress are left to [`recover`].
pub fn abandon() {
    for folder in std::mem::take(&mut *temporary_folders()) {
        let _ = fs::remove_dir_all(folder);
    }
}

/// Completes an interrupted publication of `target`, if any. Waits for a publication in
/// progress.
///
/// # Errors
/// If a file cannot be moved or removed.
pub fn recover(target: &Path) -> Result<(), FileError> {
    if !ready(target).is_dir() {
        return Ok(());
    }
    let _held = lock(parent(target));
    finish(target)
}

/// Like [`recover`]; the caller holds the lock.
fn finish(target: &Path) -> Result<(), FileError> {
    let ready = ready(target);
    if !ready.is_dir() {
        return Ok(());
    }
    let mut files = at("read", &ready, list(&ready))?;
    // The record marks the outputs of a stage as complete, so it is moved last.
    files.sort_by_key(|f| (f.file_name().is_some_and(|n| n == RECORD), f.clone()));
    for file in files.iter().filter(|f| *f != Path::new(OBSOLETE)) {
        let link = || io::Error::other("a parent folder is a symbolic link");
        let to = at("write", &target.join(file), place::below(target, file).ok_or_else(link))?;
        let folder = parent(&to);
        at("create", folder, fs::create_dir_all(folder))?;
        #[expect(clippy::disallowed_methods, reason = "this module renames files")]
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

/// Name of a stage's record, which marks the other files as complete.
pub const RECORD: &str = "record.json";

fn ready(target: &Path) -> PathBuf {
    parent(target).join(hidden_name(target, "ready"))
}

/// Returns `.train.tmp` for `artifacts/tutorial/train`. A name too long for the file system is
/// replaced by its hash.
fn hidden_name(target: &Path, what: &str) -> String {
    let name = target.file_name().unwrap_or_default();
    if name.len() > MAX_NAME {
        return format!(".{}.{what}", hash::bytes(name.as_encoded_bytes()));
    }
    format!(".{}.{what}", name.to_string_lossy())
}

/// Longest name in bytes that is extended: file systems allow 255 bytes, and replaced invalid
/// UTF-8 is three times as long.
const MAX_NAME: usize = 70;

/// Returns every file below `folder`, relative to it.
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

/// Removes empty folders from `folder` up to but excluding `top`.
pub fn remove_empty(mut folder: &Path, top: &Path) {
    while folder != top && folder.starts_with(top) && fs::remove_dir(folder).is_ok() {
        folder = parent(folder);
    }
}

/// Removes temporary folders of `target` whose process has ended, and incomplete files of
/// such processes in `target` and in its parent folder.
pub fn sweep(target: &Path) {
    let prefix = hidden_name(target, "tmp");
    for entry in fs::read_dir(parent(target)).into_iter().flatten().flatten() {
        if is_left(&entry.path(), &prefix) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    [target, parent(target)].into_iter().for_each(sweep_files);
}

/// Removes incomplete files in `folder` whose process has ended.
pub fn sweep_files(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_half_written(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Returns true for an incomplete file whose process has ended.
pub fn is_half_written(path: &Path) -> bool {
    is_left(path, TEMPORARY) && path.is_file()
}

/// Returns true if the name of `path` is `prefix` and the ID of a process that has ended.
fn is_left(path: &Path, prefix: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let pid = name.strip_prefix(prefix).and_then(|rest| rest.split('-').next()?.parse().ok());
    pid.is_some_and(|pid| !is_running(pid)) && !is_locked(path)
}

/// Returns true if a running process has locked `path`, possibly in another container.
fn is_locked(path: &Path) -> bool {
    let tried = File::open(path).map(|handle| handle.try_lock());
    matches!(tried, Ok(Err(TryLockError::WouldBlock)))
}

/// Whether a process with this ID is running.
pub fn is_running(pid: i32) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return false };
    // `permission denied` means that the process of another user is running.
    rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn dropping_changes_nothing() {
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
    fn publishing_replaces_outputs_and_keeps_other_files() {
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
    fn interrupted_publications_are_completed_later() {
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
    fn longest_target_names_are_supported() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a".repeat(255), "ä".repeat(127)] {
            let staging = Staging::begin(&dir.path().join(&name)).unwrap();
            staging.create("x").unwrap();
            staging.publish(&[]).unwrap();
            assert!(dir.path().join(name).join("x").exists());
        }
    }

    #[test]
    fn publications_of_one_target_are_serialised() {
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
    fn incomplete_files_of_dead_processes_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("train");
        let name = |pid: i32| format!("{TEMPORARY}{pid}-x");
        let own = i32::try_from(std::process::id()).unwrap();
        for folder in [dir.path(), &target] {
            for name in [name(i32::MAX), name(own), format!("{TEMPORARY}x"), "model".into()] {
                write(&folder.join(name), b"x").unwrap();
            }
        }
        sweep(&target);
        for folder in [dir.path(), &target] {
            let left = |name: &str| folder.join(name).exists();
            assert!(!left(&name(i32::MAX)) && left(&name(own)) && left("model"));
            assert!(left(&format!("{TEMPORARY}x")), "a file of somebody else's");
        }
        // The name of a file that is being written holds the id of its process.
        crate::io::atomic::write_with(&target.join("model"), |_| {
            let names = list(&target)?;
            let own = name(own).trim_end_matches('x').to_owned();
            let is_own = |path: &PathBuf| path.to_string_lossy().starts_with(&own);
            assert_eq!(names.iter().filter(|path| is_own(path)).count(), 2, "{names:?}");
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn only_folders_of_dead_processes_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("train");
        let dead = dir.path().join(format!(".train.tmp{}-x", i32::MAX));
        let live = dir.path().join(format!(".train.tmp{}-x", std::process::id()));
        fs::create_dir_all(&dead).unwrap();
        fs::create_dir_all(&live).unwrap();
        drop(Staging::begin(&target).unwrap());
        assert!(!dead.exists() && live.exists());
        // A process in another container: its ID does not exist here.
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
