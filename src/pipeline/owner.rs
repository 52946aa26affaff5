//! Lock of an artifacts folder, for one run at a time. The lock file names its owner.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::io::atomic::{FileError, at};

/// Maximum number of bytes read from a lock file.
const MAX_BYTES: u64 = 1 << 20;

/// Process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// Command line.
    pub command: String,
    /// Time of acquisition, in seconds since 1970.
    pub since: u64,
}

/// Error of acquiring the lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The lock file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another run holds the lock.
    #[error("`{}` is used by {owner} and was not freed within {waited} s", folder.display())]
    Busy {
        /// Artifacts folder.
        folder: PathBuf,
        /// Description of the owner.
        owner: String,
        /// Waiting time in seconds.
        waited: u64,
    },
}

/// Lock of an artifacts folder, held until dropped. The operating system also frees the lock if
/// the process is killed.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Acquires the lock, waiting up to `timeout`. Calls `waiting` once before it waits, with a
    /// description of the owner.
    ///
    /// # Errors
    /// If another run holds the lock for longer, or the lock file cannot be used.
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
                let (folder, owner) = (folder.to_owned(), describe_owner(&mut file));
                return Err(LockError::Busy { folder, owner, waited: timeout.as_secs() });
            }
            if let Some(waiting) = waiting.take() {
                waiting(&describe_owner(&mut file));
            }
            thread::sleep(Duration::from_millis(50));
        }
        let mut lock = Self { file };
        at("write", &path, lock.write_owner())?;
        Ok(lock)
    }

    fn write_owner(&mut self) -> io::Result<()> {
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
        // Removes the name of the owner; closing the file frees the lock.
        let _ = self.file.set_len(0);
    }
}

/// Describes the owner named in the lock file.
fn describe_owner(file: &mut File) -> String {
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
    fn a_second_run_waits_names_the_owner_and_gives_up() {
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
    fn the_file_of_a_dead_owner_is_not_a_lock() {
        let dir = tempfile::tempdir().unwrap();
        let left = br#"{"pid": 1, "command": "cxr run", "since": 0}"#;
        crate::io::atomic::write(&dir.path().join(".lock"), left).unwrap();
        RunLock::acquire(dir.path(), Duration::ZERO, |_| panic!("it is free")).unwrap();
    }
}
