//! Advisory lock between processes, on a separate lock file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use super::atomic::{FileError, at};

/// Waits for the lock file `path`, which is created if needed, and locks it until the returned
/// file is dropped or the process ends. Calls `on_wait` once if another process holds the lock.
///
/// # Errors
/// If the file cannot be created, or the file system does not support locks.
pub fn exclusive(path: &Path, on_wait: impl FnOnce()) -> Result<File, FileError> {
    let folder = path.parent().unwrap_or(path);
    at("create", folder, fs::create_dir_all(folder))?;
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = at("create", path, file)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            on_wait();
            at("lock", path, file.lock())?;
        }
        Err(TryLockError::Error(error)) => at("lock", path, Err(error))?,
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    #[test]
    fn second_lock_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/lock");
        let first = exclusive(&path, || panic!("the lock is free")).unwrap();
        let released = AtomicBool::new(false);
        let (notify, waiting) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            let second = scope.spawn(|| {
                let _held = exclusive(&path, || notify.send(()).unwrap()).unwrap();
                assert!(released.load(Ordering::SeqCst));
            });
            waiting.recv().unwrap();
            released.store(true, Ordering::SeqCst);
            drop(first);
            second.join().unwrap();
        });
    }
}
