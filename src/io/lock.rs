//! One process at a time, across programs: an advisory lock on a file of its own.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use super::atomic::{FileError, at};

/// Waits for `path`, an empty file made as needed, to be free, and holds it
/// until the returned value is dropped; a process that dies lets go of it.
/// `on_wait` is called once if another holds it.
///
/// # Errors
/// If the file cannot be made or the file system knows no locks.
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
    fn the_second_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/lock");
        let first = exclusive(&path, || panic!("nobody else is here")).unwrap();
        let released = AtomicBool::new(false);
        let (told, waits) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            let second = scope.spawn(|| {
                let _held = exclusive(&path, || told.send(()).unwrap()).unwrap();
                assert!(released.load(Ordering::SeqCst));
            });
            waits.recv().unwrap();
            released.store(true, Ordering::SeqCst);
            drop(first);
            second.join().unwrap();
        });
    }
}
