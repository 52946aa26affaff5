//! Atomic writes: all files are written to a temporary file beside the target, flushed, and
//! renamed. Readers see the old or the new file, never a partial one, and a failed write
//! changes nothing. Symbolic links are replaced, devices and pipes are not.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Failed file operation.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct FileError {
    /// Operation as a verb: `write`, `create`, `read`.
    pub action: &'static str,
    /// File or folder.
    pub path: PathBuf,
    /// Error of the operating system.
    pub source: io::Error,
}

/// Adds the operation and the path to an I/O error.
///
/// # Errors
/// The error of `result`.
pub fn at<T>(action: &'static str, path: &Path, result: io::Result<T>) -> Result<T, FileError> {
    result.map_err(|source| FileError { action, path: path.to_owned(), source })
}

/// Prefix of the names of incomplete files; the process ID follows.
pub(super) const TEMPORARY: &str = ".tmp-";

/// Writes `bytes` to `path` atomically. Creates missing parent folders.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_with(path, |out| out.write_all(bytes))
}

/// Writes the output of `fill` to `path` atomically. Creates missing parent folders.
///
/// # Errors
/// If the file cannot be written or `fill` fails; `path` is then unchanged.
pub fn write_with(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), FileError> {
    let folder = parent(path);
    at("create", folder, fs::create_dir_all(folder))?;
    at("write", path, replace(path, folder, fill))
}

fn replace(
    path: &Path,
    folder: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    // A rename would replace `/dev/null` or a pipe in use by a regular file. `/dev/stdout` is a
    // link to such a target.
    let is_special = |link: PathBuf| {
        link.starts_with("/proc") || (link.starts_with("/dev") && !link.starts_with("/dev/shm"))
    };
    if fs::metadata(path).is_ok_and(|metadata| !(metadata.is_file() || metadata.is_dir()))
        || fs::read_link(path).is_ok_and(is_special)
    {
        let text = "the path is a device or a pipe, which is not replaced";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let prefix = format!("{TEMPORARY}{}-", std::process::id());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666)); // less the umask
    }
    let temporary = builder.tempfile_in(folder)?;
    // Tells other processes, also those in other containers, that the writer is running.
    let _ = temporary.as_file().try_lock();
    let mut out = BufWriter::new(temporary);
    {
        let mut file = BufWriter::new(out.get_ref().as_file().try_clone()?);
        fill(&mut file)?;
        file.flush()?;
    }
    out.flush()?;
    let temporary = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Copies the file `from` to `to` atomically.
///
/// # Errors
/// If a file cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<(), FileError> {
    let mut source = at("read", from, File::open(from))?;
    write_with(to, |out| io::copy(&mut source, out).map(drop))
}

/// Returns the parent folder of `path`; `.` for a bare name.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_writes_keep_the_old_file_and_leave_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write(&path, b"old").unwrap();
        let failed = write_with(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), format!("cannot write `{}`", path.display()));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn sockets_and_links_to_them_are_not_replaced() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let [socket, link, out] = ["socket", "link", "out"].map(|name| dir.path().join(name));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        symlink(&socket, &link).unwrap();
        symlink("/proc/self/exe", &out).unwrap();
        for path in [&socket, &link, &out] {
            let error = write(path, b"bytes").unwrap_err();
            assert!(
                error.source.to_string().starts_with("the path is a device or a pipe"),
                "{error}"
            );
        }
        assert!(fs::metadata(&socket).unwrap().file_type().is_socket() && link.is_symlink());
    }
}
