//! The only way files are put in place: a temporary file or folder beside the
//! target, flushed, then renamed. A reader sees the old file or the new one,
//! never a half of either, and a run that fails leaves what was there. Links are
//! replaced, devices and pipes are not.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file operation that failed: what was tried, on which path, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct FileError {
    /// What was tried, as a verb: `write`, `create`, `read`.
    pub action: &'static str,
    /// The file or folder it was tried on.
    pub path: PathBuf,
    /// The operating system's answer.
    pub source: io::Error,
}

/// Adds the action and the path to an I/O error.
pub fn at<T>(action: &'static str, path: &Path, result: io::Result<T>) -> Result<T, FileError> {
    result.map_err(|source| FileError { action, path: path.to_owned(), source })
}

/// Writes `bytes` to `path`, whole or not at all; makes missing parent folders.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_with(path, |out| out.write_all(bytes))
}

/// Writes what `fill` produces to `path`, whole or not at all; makes missing
/// parent folders. An error of `fill` leaves `path` as it was.
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
    // A rename would put a file in place of `/dev/null`, or of a pipe that somebody reads.
    // `/dev/stdout` leads to whatever that is.
    let special = |link: PathBuf| {
        link.starts_with("/proc") || (link.starts_with("/dev") && !link.starts_with("/dev/shm"))
    };
    if fs::metadata(path).is_ok_and(|there| !(there.is_file() || there.is_dir()))
        || fs::read_link(path).is_ok_and(special)
    {
        let text = "a device or a pipe is there, which no file replaces";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmp-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666)); // less the umask
    }
    let mut out = BufWriter::new(builder.tempfile_in(folder)?);
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

/// Copies the file `from` to `to`, whole or not at all.
pub fn copy(from: &Path, to: &Path) -> Result<(), FileError> {
    let mut source = at("read", from, File::open(from))?;
    write_with(to, |out| io::copy(&mut source, out).map(drop))
}

/// The folder that holds `path`; `.` for a bare name.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
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
    fn no_file_replaces_a_socket_or_what_leads_to_one() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let [socket, link, out] = ["socket", "link", "out"].map(|name| dir.path().join(name));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        symlink(&socket, &link).unwrap();
        symlink("/proc/self/exe", &out).unwrap();
        for path in [&socket, &link, &out] {
            let error = write(path, b"bytes").unwrap_err();
            assert!(error.source.to_string().starts_with("a device or a pipe"), "{error}");
        }
        assert!(fs::metadata(&socket).unwrap().file_type().is_socket() && link.is_symlink());
    }
}
