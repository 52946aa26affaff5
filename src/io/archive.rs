//! ZIP archives from untrusted sources: all entries are checked before unpacking.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zip::ZipArchive;
use zip::result::{ZipError, ZipResult};

use super::place::is_plain;

/// Limits of an archive; larger archives are refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Number of files and folders.
    pub entries: usize,
    /// Total unpacked bytes.
    pub bytes: u64,
    /// Unpacked bytes per packed byte, for files above 1 MiB.
    pub ratio: u64,
}

/// Bytes of the central directory per entry; longer than usual names.
const DIRECTORY_BYTES: u64 = 256;

/// File of which only `left` more bytes can be read.
struct LimitedFile {
    file: BufReader<File>,
    left: Arc<AtomicU64>,
}

impl Read for LimitedFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        let left = self.left.load(Ordering::Relaxed).checked_sub(read as u64);
        let too_long = || io::Error::other("the central directory is too large");
        self.left.store(left.ok_or_else(too_long)?, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for LimitedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Files up to this size in bytes may have any compression ratio.
const ANY_RATIO_BYTES: u64 = 1 << 20;

/// Reason why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive cannot be opened, or a file in it cannot be written.
    #[error("`{}`", path.display())]
    Io {
        /// Archive, or file being written.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file is not a ZIP archive, is damaged, or uses an unknown method.
    #[error("`{}` is not a usable ZIP archive", path.display())]
    Malformed {
        /// Path of the archive.
        path: PathBuf,
        /// Error of the zip crate.
        source: ZipError,
    },
    /// An entry is an absolute path, leaves the target by `..`, is a symbolic link, or has a
    /// duplicate name.
    #[error("entry `{name}` {problem}")]
    Unsafe {
        /// Name of the entry.
        name: String,
        /// Problem.
        problem: &'static str,
    },
    /// The archive exceeds one of its [`Limits`].
    #[error("{what}: {got}, more than the limit of {limit}")]
    TooLarge {
        /// Quantity.
        what: String,
        /// Value.
        got: u64,
        /// Limit.
        limit: u64,
    },
    /// There is no entry of this name.
    #[error("no entry `{name}`")]
    Missing {
        /// Requested name.
        name: String,
    },
}

/// Result of [`Archive::extract`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtractSummary {
    /// Number of files.
    pub files: usize,
    /// Number of bytes.
    pub bytes: u64,
}

/// Archive whose entries are all safe to unpack.
pub struct Archive {
    path: PathBuf,
    limits: Limits,
    zip: ZipArchive<LimitedFile>,
    /// File names in archive order.
    names: Vec<String>,
}

impl Archive {
    /// Opens an archive and checks all entries without unpacking.
    ///
    /// # Errors
    ///
    /// [`Error::Unsafe`] and [`Error::TooLarge`] if any entry is unsafe or the declared sizes
    /// exceed the limits.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::Io { path: path.into(), source })?;
        let malformed = |source| Error::Malformed { path: path.into(), source };
        // The central directory is held in memory, the content is not.
        let left =
            Arc::new(AtomicU64::new(ANY_RATIO_BYTES + DIRECTORY_BYTES * limits.entries as u64));
        let file = LimitedFile { file: BufReader::new(file), left: Arc::clone(&left) };
        let zip = ZipArchive::new(file).map_err(malformed)?;
        left.store(u64::MAX, Ordering::Relaxed);
        too_large("entries of the archive", zip.len() as u64, limits.entries as u64)?;
        let (names, bytes) = check_entries(&zip).map_err(malformed)??;
        too_large("unpacked bytes of the archive", bytes, limits.bytes)?;
        Ok(Archive { path: path.into(), limits, zip, names })
    }

    /// Returns the names of the files, without folders, in archive order. Each is a plain
    /// relative path.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the total declared size in bytes of the files of a `plan` for
    /// [`Archive::extract`].
    pub fn size_of(&self, plan: &BTreeMap<String, PathBuf>) -> u64 {
        let index = |name: &String| self.zip.index_for_name(name);
        let entries = plan.keys().filter_map(|name| self.zip.by_index_data(index(name)?).ok());
        entries.map(|entry| entry.size()).sum()
    }

    /// Unpacks one file into memory.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`]; [`Error::Malformed`], also for a wrong checksum; [`Error::TooLarge`]
    /// if the file exceeds `limit` bytes or the compression ratio.
    pub fn read(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.unpack(name, limit, &mut bytes)?;
        Ok(bytes)
    }

    /// Unpacks files into the folder `into`; `plan` maps entry names to relative paths. Creates
    /// folders as needed and replaces no file. After an error, files written so far remain:
    /// unpack into a temporary folder.
    ///
    /// `progress` receives the number of bytes written so far.
    ///
    /// # Errors
    ///
    /// As [`Archive::read`], and [`Error::Io`] if a file exists or cannot be written.
    pub fn extract(
        &mut self,
        plan: &BTreeMap<String, PathBuf>,
        into: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ExtractSummary, Error> {
        let mut done = ExtractSummary::default();
        for (name, relative) in plan {
            if !is_plain(relative) {
                let problem = "would be written outside the folder";
                return Err(Error::Unsafe { name: name.clone(), problem });
            }
            let path = into.join(relative);
            let io = |source| Error::Io { path: path.clone(), source };
            fs::create_dir_all(path.parent().unwrap_or(into)).map_err(io)?;
            let mut file =
                OpenOptions::new().write(true).create_new(true).open(&path).map_err(io)?;
            done.bytes += self.unpack(name, self.limits.bytes - done.bytes, &mut file)?;
            done.files += 1;
            progress(done.bytes);
        }
        Ok(done)
    }

    /// Unpacks one file into `sink` without trusting declared sizes.
    fn unpack(&mut self, name: &str, limit: u64, sink: &mut dyn Write) -> Result<u64, Error> {
        let malformed = |source| Error::Malformed { path: self.path.clone(), source };
        let file = match self.zip.by_name(name) {
            Err(ZipError::FileNotFound) => return Err(Error::Missing { name: name.into() }),
            file => file.map_err(malformed)?,
        };
        let limit = limit
            .min(ANY_RATIO_BYTES.max(file.compressed_size().saturating_mul(self.limits.ratio)));
        let io = |source| Error::Io { path: self.path.join(name), source };
        let written = io::copy(&mut file.take(limit.saturating_add(1)), sink).map_err(io)?;
        too_large(&format!("unpacked bytes of `{name}`"), written, limit)?;
        Ok(written)
    }
}

/// Returns the files and their total declared size, if every entry is safe.
fn check_entries(zip: &ZipArchive<LimitedFile>) -> ZipResult<Result<(Vec<String>, u64), Error>> {
    let (mut names, mut bytes) = (Vec::new(), 0u64);
    let unsafe_entry = |name: &str, problem| Ok(Err(Error::Unsafe { name: name.into(), problem }));
    if zip.has_duplicate_names() {
        return unsafe_entry("?", "has the same name as another entry");
    }
    for index in 0..zip.len() {
        let entry = zip.by_index_data(index)?;
        let name = entry.name()?;
        if entry.is_symlink() {
            return unsafe_entry(&name, "is a symbolic link");
        }
        if !is_plain(Path::new(&*name)) || name.contains(['\0', '\\']) {
            return unsafe_entry(&name, "is not a plain relative path");
        }
        bytes = bytes.saturating_add(entry.size());
        if !entry.is_dir() {
            names.push(name.into_owned());
        }
    }
    Ok(Ok((names, bytes)))
}

fn too_large(what: &str, got: u64, limit: u64) -> Result<(), Error> {
    if got > limit {
        return Err(Error::TooLarge { what: what.into(), got, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;
    use tempfile::TempDir;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    const LIMITS: Limits = Limits { entries: 10, bytes: 4 << 20, ratio: 100 };

    fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn write_archive(bytes: &[u8]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut file| file.write_all(bytes))
            .unwrap();
        (folder, path)
    }

    fn open(bytes: &[u8]) -> Result<(TempDir, Archive), Error> {
        let (folder, path) = write_archive(bytes);
        Archive::open(&path, LIMITS).map(|archive| (folder, archive))
    }

    #[test]
    fn only_planned_files_are_written() {
        let (folder, mut archive) = open(&pack(&[("top/a", b"AA"), ("top/b", b"B")])).unwrap();
        assert_eq!(archive.names(), ["top/a", "top/b"]);
        assert_eq!(archive.read("top/b", 1).unwrap(), b"B");
        let plan = BTreeMap::from([("top/a".to_owned(), PathBuf::from("deep/er/a"))]);
        let into = folder.path().join("into");
        let mut seen = Vec::new();
        let done = archive.extract(&plan, &into, &mut |bytes| seen.push(bytes)).unwrap();
        assert_eq!((done, seen), (ExtractSummary { files: 1, bytes: 2 }, vec![2]));
        assert_eq!(fs::read(into.join("deep/er/a")).unwrap(), b"AA");
        assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
        // Existing files are not replaced.
        let error = archive.extract(&plan, &into, &mut |_| ()).unwrap_err();
        assert!(
            matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
        );
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["../a", "a/../../b", "/etc/a", "a\\..\\b", "a/./../b"] {
            let error = open(&pack(&[("good", b""), (name, b"x")])).err().unwrap();
            assert!(matches!(error, Error::Unsafe { .. }), "{name}: {error}");
        }
        let (folder, mut archive) = open(&pack(&[("a", b"")])).unwrap();
        let plan = BTreeMap::from([("a".to_owned(), PathBuf::from("../out"))]);
        let error = archive.extract(&plan, &folder.path().join("into"), &mut |_| ()).unwrap_err();
        assert!(matches!(error, Error::Unsafe { .. }));
        assert!(!folder.path().join("out").exists());
    }

    #[test]
    fn links_are_refused() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink("link", "/etc", SimpleFileOptions::default()).unwrap();
        let error = open(&zip.finish().unwrap().into_inner()).err().unwrap();
        assert_eq!(error.to_string(), "entry `link` is a symbolic link");
    }

    #[test]
    fn limits_are_enforced() {
        let names: Vec<String> = (0..11).map(|i| i.to_string()).collect();
        let many: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b""[..])).collect();
        assert!(matches!(open(&pack(&many)).err(), Some(Error::TooLarge { .. })));
        // So many that not even the central directory is read.
        let names: Vec<String> = (0..30_000).map(|i| i.to_string()).collect();
        let many: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b""[..])).collect();
        assert!(matches!(open(&pack(&many)).err(), Some(Error::Malformed { .. })));
        let big = vec![1u8; 5 << 20];
        assert!(matches!(open(&pack(&[("big", &big)])).err(), Some(Error::TooLarge { .. })));
        let bomb = vec![0u8; 3 << 20];
        let (_folder, mut archive) = open(&pack(&[("bomb", &bomb)])).unwrap();
        assert!(matches!(archive.read("bomb", 4 << 20), Err(Error::TooLarge { .. })));
        let (_folder, mut archive) = open(&pack(&[("a", b"1234")])).unwrap();
        assert!(matches!(archive.read("a", 3), Err(Error::TooLarge { .. })));
        assert!(matches!(archive.read("b", 3), Err(Error::Missing { .. })));
    }

    #[test]
    fn wrong_declared_sizes_are_detected() {
        // The declared size, four bytes at offset 24 of the central directory.
        let mut bytes = pack(&[("bomb", &vec![0u8; 3 << 20])]);
        let central = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        bytes[central + 24..central + 28].copy_from_slice(&10u32.to_le_bytes());
        if let Ok((_folder, mut archive)) = open(&bytes) {
            assert!(archive.read("bomb", 4 << 20).is_err());
        }
    }

    #[test]
    fn other_files_are_refused() {
        assert!(matches!(open(b"not a zip").err(), Some(Error::Malformed { .. })));
        assert!(matches!(
            Archive::open(Path::new("/nowhere.zip"), LIMITS).err(),
            Some(Error::Io { .. })
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_archives_do_not_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut bytes = pack(&[("a/b", b"hello hello hello"), ("c", b"")]);
            for (position, value) in changes {
                let position = position.index(bytes.len());
                bytes[position] = value;
            }
            if let Ok((_folder, mut archive)) = open(&bytes) {
                for name in archive.names().to_vec() {
                    let _ = archive.read(&name, 100);
                }
            }
        }
    }
}
