//! ZIP archives from elsewhere: looked through before anything is unpacked.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zip::ZipArchive;
use zip::result::{ZipError, ZipResult};

use super::place::is_plain;

/// What an archive may hold at most; more is refused, not cut off.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Files and folders.
    pub entries: usize,
    /// Bytes of all unpacked files together.
    pub bytes: u64,
    /// Unpacked bytes per packed byte, for files beyond 1 MiB.
    pub ratio: u64,
}

/// Bytes that the list of entries may take for each of them; names are shorter than that.
const LISTED: u64 = 256;

/// A file of which `left` more bytes may be read.
struct Metered {
    file: BufReader<File>,
    left: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        let left = self.left.load(Ordering::Relaxed).checked_sub(read as u64);
        let too_long = || io::Error::other("its list of entries is too long");
        self.left.store(left.ok_or_else(too_long)?, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Files up to this size may have any ratio: a mebibyte is no bomb.
const SMALL: u64 = 1 << 20;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive cannot be opened, or a file in it cannot be written.
    #[error("`{}`", path.display())]
    Io {
        /// The archive, or the file being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are no ZIP archive, are damaged, or use a method unknown here.
    #[error("`{}` is not a usable ZIP archive", path.display())]
    Malformed {
        /// The archive.
        path: PathBuf,
        /// What the zip crate found.
        source: ZipError,
    },
    /// An entry is an absolute path, leads out of the target by `..`, is a
    /// symbolic link, or shares its name with another.
    #[error("entry `{name}` {why}")]
    Unsafe {
        /// The entry's name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The archive is beyond one of its [`Limits`].
    #[error("{what}: {got}, more than the limit of {limit}")]
    TooLarge {
        /// What was counted.
        what: String,
        /// The count.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// No entry of this name.
    #[error("no entry `{name}`")]
    Missing {
        /// The name asked for.
        name: String,
    },
}

/// What [`Archive::extract`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extracted {
    /// Files written.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// An archive whose every entry was found safe to unpack.
pub struct Archive {
    path: PathBuf,
    limits: Limits,
    zip: ZipArchive<Metered>,
    /// The files, in archive order.
    names: Vec<String>,
}

impl Archive {
    /// Opens an archive and looks at all its entries, unpacking none.
    ///
    /// # Errors
    ///
    /// [`Error::Unsafe`] and [`Error::TooLarge`] if any entry is unsafe or the
    /// declared sizes pass the limits, whether or not it is ever asked for.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::Io { path: path.into(), source })?;
        let malformed = |source| Error::Malformed { path: path.into(), source };
        // The list of entries is held in memory; what they hold is not.
        let left = Arc::new(AtomicU64::new(SMALL + LISTED * limits.entries as u64));
        let file = Metered { file: BufReader::new(file), left: Arc::clone(&left) };
        let zip = ZipArchive::new(file).map_err(malformed)?;
        left.store(u64::MAX, Ordering::Relaxed);
        too_large("entries of the archive", zip.len() as u64, limits.entries as u64)?;
        let (names, bytes) = survey(&zip).map_err(malformed)??;
        too_large("unpacked bytes of the archive", bytes, limits.bytes)?;
        Ok(Archive { path: path.into(), limits, zip, names })
    }

    /// The names of the files, without folders, in archive order; each is a
    /// relative path of plain components.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The declared bytes of the files that a plan for [`Archive::extract`] takes.
    pub fn size_of(&self, plan: &BTreeMap<String, PathBuf>) -> u64 {
        let index = |name: &String| self.zip.index_for_name(name);
        let entries = plan.keys().filter_map(|name| self.zip.by_index_data(index(name)?).ok());
        entries.map(|entry| entry.size()).sum()
    }

    /// The contents of one file.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::Malformed`] (a wrong checksum among others),
    /// and [`Error::TooLarge`] if it holds more than `limit` bytes, or more
    /// than its ratio allows.
    pub fn read(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.unpack(name, limit, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes files into the folder `into`: `plan` gives each entry's path there.
    /// Folders are made as needed; no existing file is replaced. On an error the
    /// files written so far stay: unpack into a temporary folder.
    ///
    /// `progress` is told the bytes written so far.
    ///
    /// # Errors
    ///
    /// As [`Archive::read`], and [`Error::Io`] if a file exists or cannot be
    /// written.
    pub fn extract(
        &mut self,
        plan: &BTreeMap<String, PathBuf>,
        into: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Extracted, Error> {
        let mut done = Extracted::default();
        for (name, relative) in plan {
            if !is_plain(relative) {
                let why = "would be written outside its folder";
                return Err(Error::Unsafe { name: name.clone(), why });
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

    /// Unpacks one file into `sink`, trusting no declared size.
    fn unpack(&mut self, name: &str, limit: u64, sink: &mut dyn Write) -> Result<u64, Error> {
        let malformed = |source| Error::Malformed { path: self.path.clone(), source };
        let file = match self.zip.by_name(name) {
            Err(ZipError::FileNotFound) => return Err(Error::Missing { name: name.into() }),
            file => file.map_err(malformed)?,
        };
        let limit = limit.min(SMALL.max(file.compressed_size().saturating_mul(self.limits.ratio)));
        let io = |source| Error::Io { path: self.path.join(name), source };
        let written = io::copy(&mut file.take(limit.saturating_add(1)), sink).map_err(io)?;
        too_large(&format!("unpacked bytes of `{name}`"), written, limit)?;
        Ok(written)
    }
}

/// The files and their declared bytes, if every entry is safe.
fn survey(zip: &ZipArchive<Metered>) -> ZipResult<Result<(Vec<String>, u64), Error>> {
    let (mut names, mut bytes) = (Vec::new(), 0u64);
    let unsafe_entry = |name: &str, why| Ok(Err(Error::Unsafe { name: name.into(), why }));
    if zip.has_duplicate_names() {
        return unsafe_entry("?", "shares its name with another");
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

    fn saved(bytes: &[u8]) -> (TempDir, PathBuf) {
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
        let (folder, path) = saved(bytes);
        Archive::open(&path, LIMITS).map(|archive| (folder, archive))
    }

    #[test]
    fn planned_files_are_written_and_others_left() {
        let (folder, mut archive) = open(&pack(&[("top/a", b"AA"), ("top/b", b"B")])).unwrap();
        assert_eq!(archive.names(), ["top/a", "top/b"]);
        assert_eq!(archive.read("top/b", 1).unwrap(), b"B");
        let plan = BTreeMap::from([("top/a".to_owned(), PathBuf::from("deep/er/a"))]);
        let into = folder.path().join("into");
        let mut seen = Vec::new();
        let done = archive.extract(&plan, &into, &mut |bytes| seen.push(bytes)).unwrap();
        assert_eq!((done, seen), (Extracted { files: 1, bytes: 2 }, vec![2]));
        assert_eq!(fs::read(into.join("deep/er/a")).unwrap(), b"AA");
        assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
        // What is there is not replaced.
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
    fn limits_hold() {
        let names: Vec<String> = (0..11).map(|i| i.to_string()).collect();
        let many: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b""[..])).collect();
        assert!(matches!(open(&pack(&many)).err(), Some(Error::TooLarge { .. })));
        // So many that not even the list is read.
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
    fn a_size_that_lies_does_not_pass() {
        // The declared size, four bytes at offset 24 of the central directory.
        let mut bytes = pack(&[("bomb", &vec![0u8; 3 << 20])]);
        let central = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        bytes[central + 24..central + 28].copy_from_slice(&10u32.to_le_bytes());
        if let Ok((_folder, mut archive)) = open(&bytes) {
            assert!(archive.read("bomb", 4 << 20).is_err());
        }
    }

    #[test]
    fn what_is_no_zip_is_refused() {
        assert!(matches!(open(b"not a zip").err(), Some(Error::Malformed { .. })));
        assert!(matches!(
            Archive::open(Path::new("/nowhere.zip"), LIMITS).err(),
            Some(Error::Io { .. })
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damage_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut bytes = pack(&[("a/b", b"hello hello hello"), ("c", b"")]);
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok((_folder, mut archive)) = open(&bytes) {
                for name in archive.names().to_vec() {
                    let _ = archive.read(&name, 100);
                }
            }
        }
    }
}
