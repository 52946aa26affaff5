//! One run at a time in an artifacts folder: a lock that names its owner and
//! dies with it.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::io::atomic::{FileError, at};

/// As much of a lock file as is read.
const MAX_BYTES: u64 = 1 << 20;

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// Its command line.
    pub command: String,
    /// When it took the lock, in seconds since 1970.
    pub since: u64,
}

/// Why the lock was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file system said no.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another run held it for too long.
    #[error("`{}` is in use by {owner} and was not freed within {waited} s", folder.display())]
    Busy {
        /// The artifacts folder.
        folder: PathBuf,
        /// Who holds it, in words.
        owner: String,
        /// How long this run waited.
        waited: u64,
    },
}

/// The lock of an artifacts folder, held until dropped. The operating system
/// frees it when the process ends in whatever way.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Takes the lock, waiting up to `timeout`; calls `waiting` once, with the
    /// owner in words, before it waits.
    pub fn acquire(
        folder: &Path,
        timeout: Duration,
        waiting: impl FnOnce(&str),
    ) -> Result<Self, LockError> {
        at("create", folder, std::fs::create_dir_all(folder))?;
        let path = folder.join(".lock");
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = at("open", &path, open)?;
        let started = Instant::now();
        let mut waiting = Some(waiting);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => {
                    return Err(at::<()>("lock", &path, Err(e)).expect_err("it is one").into());
                }
            }
            if started.elapsed() >= timeout {
                let (folder, owner) = (folder.to_owned(), owner(&mut file));
                return Err(LockError::Busy { folder, owner, waited: timeout.as_secs() });
            }
            if let Some(waiting) = waiting.take() {
                waiting(&owner(&mut file));
            }
            thread::sleep(Duration::from_millis(50));
        }
        let mut lock = Self { file };
        at("write", &path, lock.sign())?;
        Ok(lock)
    }

    fn sign(&mut self) -> io::Result<()> {
        let command: Vec<_> = std::env::args().collect();
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (pid, since) = (std::process::id(), since.as_secs());
        let owner = Owner { pid, command: command.join(" "), since };
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(serde_json::to_string(&owner)?.as_bytes())
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The name would mislead the next one who looks; the lock itself goes
        // with the file handle.
        let _ = self.file.set_len(0);
    }
}

/// The owner in words, as far as the file tells.
fn owner(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(MAX_BYTES).read_to_string(&mut text));
    match read.ok().and_then(|_| serde_json::from_str::<Owner>(&text).ok()) {
        Some(owner) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let held = now.as_secs().saturating_sub(owner.since);
            format!("process {} (`{}`, since {held} s)", owner.pid, owner.command)
        }
        None => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_waits_names_the_owner_and_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let held = RunLock::acquire(dir.path(), Duration::ZERO, |_| panic!("it is free")).unwrap();
        let mut seen = String::new();
        let wait = Duration::from_millis(120);
        let busy = RunLock::acquire(dir.path(), wait, |owner| seen = owner.to_owned());
        assert!(seen.contains(&format!("process {}", std::process::id())), "{seen}");
        assert!(matches!(busy, Err(LockError::Busy { .. })));
        drop(held);
        RunLock::acquire(dir.path(), Duration::ZERO, |_| panic!("it is free")).unwrap();
    }

    #[test]
    fn what_a_dead_owner_left_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let left = br#"{"pid": 1, "command": "cxr run", "since": 0}"#;
        crate::io::atomic::write(&dir.path().join(".lock"), left).unwrap();
        RunLock::acquire(dir.path(), Duration::ZERO, |_| panic!("it is free")).unwrap();
    }
}
