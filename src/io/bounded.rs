//! Reading of whole files up to a size limit. Pipes are read; devices, which may be endless,
//! are refused.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Reads the file at `path`.
///
/// # Errors
///
/// Errors of the system; [`ErrorKind::FileTooLarge`] beyond `limit` bytes.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    // Fail before reading if the size is known; pipes report 0.
    let size = file.metadata()?.len();
    if size > limit {
        return Err(too_large(limit));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve(usize::try_from(size).unwrap_or(0)).map_err(|_| no_memory(size))?;
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

/// Reads at most `length` bytes from the start of the file at `path`.
///
/// # Errors
///
/// Errors of the system.
pub fn prefix(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the file at `path` as UTF-8.
///
/// # Errors
///
/// As [`read`], and [`ErrorKind::InvalidData`] for invalid UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|e| io::Error::new(ErrorKind::InvalidData, e))
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            return Err(io::Error::new(
                ErrorKind::IsADirectory,
                "the path is a folder, not a file",
            ));
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "the path is a device, not a file",
            ));
        }
    }
    Ok(file)
}

/// Error of a failed allocation.
pub(super) fn no_memory(bytes: u64) -> io::Error {
    let text = format!("out of memory: {bytes} bytes are needed");
    io::Error::new(ErrorKind::OutOfMemory, text)
}

fn too_large(limit: u64) -> io::Error {
    let text = format!("the file is larger than the limit of {limit} bytes");
    io::Error::new(ErrorKind::FileTooLarge, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::atomic;

    #[test]
    fn files_up_to_the_limit_are_read_and_larger_ones_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        atomic::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(prefix(&path, 2).unwrap(), b"12");
        assert_eq!(prefix(&path, 9).unwrap(), b"12345");
        let error = read(&path, 4).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "the file is larger than the limit of 4 bytes");
        atomic::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 4).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(read(&dir.path().join("none"), 4).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn folders_and_devices_are_refused() {
        let error = read(&std::env::temp_dir(), 1000).unwrap_err();
        assert_eq!(error.to_string(), "the path is a folder, not a file");
        let error = read(Path::new("/dev/zero"), 1000).unwrap_err();
        assert_eq!(error.to_string(), "the path is a device, not a file");
        // A pipe reports no size.
        let (reading, mut writing) = io::pipe().unwrap();
        io::Write::write_all(&mut writing, &[0; 1001]).unwrap();
        drop(writing);
        use std::os::fd::AsRawFd;
        let path = format!("/dev/fd/{}", reading.as_raw_fd());
        let error = read(Path::new(&path), 1000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }
}
