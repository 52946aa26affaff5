//! The films of a dataset folder: `dataset/<class>/…`, however deep.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::image::{DecodeError, Film, decode};
use crate::io::staging::RECORD;

/// The folder beside the classes that holds what the builders draw from.
pub const SOURCES: &str = "sources";

/// Files beside the films that are none: what builders and file managers write.
const COMPANIONS: [&str; 5] = ["ledger.csv", RECORD, "README.md", "Thumbs.db", "desktop.ini"];

/// Why a dataset folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilmsError {
    /// The folder is not there.
    #[error("there is no dataset folder `{}`", path.display())]
    Missing {
        /// The dataset folder.
        path: PathBuf,
    },
    /// It holds no folder that could be a class.
    #[error("`{}` holds no class folder", path.display())]
    NoClass {
        /// The dataset folder.
        path: PathBuf,
    },
    /// A class folder holds no file that could be a film.
    #[error("the class folder `{}` holds no film", path.display())]
    EmptyClass {
        /// The class folder.
        path: PathBuf,
    },
    /// A folder cannot be listed.
    #[error("cannot list `{}`", path.display())]
    Unlistable {
        /// The dataset folder.
        path: PathBuf,
        /// What the system said.
        source: walkdir::Error,
    },
}

/// A file that may be a film; only its content tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Relative to the dataset folder, `/` between folders: `covid/a/x.jpg`.
    pub path: String,
    /// Where it lies.
    pub file: PathBuf,
    /// Why it cannot even be opened, if so.
    pub objection: Option<&'static str>,
}

impl Candidate {
    fn new(dataset: &Path, file: PathBuf, objection: Option<&'static str>) -> Self {
        let below = file.strip_prefix(dataset).expect("the walk stays below");
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        let path = parts.join("/");
        let unnamed = below.to_str().is_none().then_some("the name is not UTF-8");
        Self { path, objection: objection.or(unnamed), file }
    }

    /// The class folder's name.
    pub fn class(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// The path below the class folder.
    pub fn name(&self) -> &str {
        self.path.split_once('/').map_or("", |(_, name)| name)
    }
}

/// Lists the candidates of every class, sorted bytewise by [`Candidate::path`].
///
/// Every folder of `dataset` is a class, but for `sources`, `__MACOSX` and
/// hidden ones. Hidden files (`.DS_Store`, `._x.jpeg`), `ledger.csv`,
/// `README.md` and the like are left out at any depth; all else is listed,
/// whatever its name. Links are followed, within and out of the folder.
///
/// # Errors
/// See [`FilmsError`].
pub fn list(dataset: &Path) -> Result<Vec<Candidate>, FilmsError> {
    if !dataset.is_dir() {
        return Err(FilmsError::Missing { path: dataset.into() });
    }
    let mut candidates = Vec::new();
    let mut classes = Vec::new();
    for entry in WalkDir::new(dataset).follow_links(true).into_iter().filter_entry(is_wanted) {
        let (path, depth, objection) = match entry {
            Ok(entry) => {
                let kind = entry.file_type();
                if kind.is_dir() {
                    if entry.depth() == 1 {
                        classes.push(entry.into_path());
                    }
                    continue;
                }
                let objection = (!kind.is_file()).then_some("neither a file nor a folder");
                (entry.path().to_owned(), entry.depth(), objection)
            }
            Err(source) => {
                let path = source.path().unwrap_or(dataset).to_owned();
                match link_error(&source) {
                    None => return Err(FilmsError::Unlistable { path, source }),
                    objection => (path, source.depth(), objection),
                }
            }
        };
        // What lies beside the class folders belongs to none.
        if depth > 1 {
            candidates.push(Candidate::new(dataset, path, objection));
        }
    }
    candidates.sort_by(|a, b| a.path.cmp(&b.path));
    if classes.is_empty() {
        return Err(FilmsError::NoClass { path: dataset.into() });
    }
    match classes.into_iter().find(|class| !candidates.iter().any(|c| c.file.starts_with(class))) {
        Some(path) => Err(FilmsError::EmptyClass { path }),
        None => Ok(candidates),
    }
}

/// Every file below `folder` that may be a film, in order of names, found as it is
/// asked for; an error names what cannot be listed or followed. What [`list`] leaves
/// out is left out.
pub fn below(folder: &Path) -> impl Iterator<Item = Result<PathBuf, walkdir::Error>> {
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    let files = walk.into_iter().filter_entry(is_wanted);
    let files = files.filter(|entry| entry.as_ref().map_or(true, |e| e.file_type().is_file()));
    files.map(|entry| entry.map(DirEntry::into_path))
}

/// The largest file that is read: twenty times the largest film in uncompressed
/// 16 bits.
const MAX_BYTES: u64 = 1 << 30;

/// Why a file is not used as a film.
#[derive(Debug, thiserror::Error)]
pub enum UnusableFilm {
    /// The system does not let it be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// No film is so large.
    #[error("its {0} bytes are more than the {MAX_BYTES} allowed")]
    TooLarge(u64),
    /// It holds no picture.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Reads a film: the bytes of its file, and its pixels.
///
/// # Errors
/// See [`UnusableFilm`].
pub fn open(file: &Path) -> Result<(Vec<u8>, Film), UnusableFilm> {
    let size = std::fs::metadata(file)?.len();
    if size > MAX_BYTES {
        return Err(UnusableFilm::TooLarge(size));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    File::open(file)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    let film = decode(&bytes)?;
    Ok((bytes, film))
}

fn is_wanted(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    let companion = match entry.file_type().is_dir() {
        true => name == "__MACOSX" || (entry.depth() == 1 && name == SOURCES),
        false => COMPANIONS.contains(&&*name),
    };
    entry.depth() == 0 || !(name.starts_with('.') || companion)
}

/// What is wrong with a link that cannot be followed; `None` for other errors.
fn link_error(error: &walkdir::Error) -> Option<&'static str> {
    match error.io_error() {
        None => Some("a link to a folder above it"),
        Some(e) if e.kind() == io::ErrorKind::NotFound => Some("a link to nowhere"),
        Some(_) => None,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures are written directly")]
mod tests {
    use super::*;

    fn dataset(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if !file.ends_with('/') {
                std::fs::write(path, b"film").unwrap();
            }
        }
        dir
    }

    #[test]
    fn films_are_found_at_any_depth_and_sorted_bytewise() {
        let dir = dataset(&[
            "b/x.png",
            "a-b/x.png",
            "a/y.jpeg",
            "a/Z.jpg",
            "a/deep/er/x",
            "a/ledger.csv",
            "a/record.json",
            "a/README.md",
            "a/.DS_Store",
            "a/deep/._y.jpeg",
            "a/__MACOSX/y.jpeg",
            "sources/covid/x.png",
            ".git/x.png",
            "metadata.csv",
        ]);
        let films = list(dir.path()).unwrap();
        let paths: Vec<_> = films.iter().map(|film| film.path.as_str()).collect();
        assert_eq!(paths, ["a-b/x.png", "a/Z.jpg", "a/deep/er/x", "a/y.jpeg", "b/x.png"]);
        assert_eq!((films[2].class(), films[2].name()), ("a", "deep/er/x"));
        assert!(films.iter().all(|film| film.objection.is_none() && film.file.is_file()));
    }

    #[test]
    fn unusable_folders_are_named() {
        let message = |dir: &Path| list(dir).unwrap_err().to_string();
        let dir = dataset(&["README.md", "sources/x/y.png"]);
        assert!(message(dir.path()).ends_with("holds no class folder"));
        assert!(message(&dir.path().join("none")).starts_with("there is no dataset folder"));
        let dir = dataset(&["a/x.png", "b/ledger.csv"]);
        assert!(message(dir.path()).contains("/b` holds no film"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_bad_ones_objected_to() {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;
        let elsewhere = dataset(&["films/x.png"]);
        let dir = dataset(&["a/x.png"]);
        symlink(elsewhere.path().join("films"), dir.path().join("b")).unwrap();
        symlink("nowhere.png", dir.path().join("a/broken.png")).unwrap();
        symlink("..", dir.path().join("a/loop")).unwrap();
        let odd = std::ffi::OsStr::from_bytes(b"a/\xff.png");
        std::fs::write(dir.path().join(odd), b"film").unwrap();
        let films = list(dir.path()).unwrap();
        let found: Vec<_> = films.iter().map(|f| (f.path.as_str(), f.objection)).collect();
        let expected = [
            ("a/broken.png", Some("a link to nowhere")),
            ("a/loop", Some("a link to a folder above it")),
            ("a/x.png", None),
            ("a/\u{fffd}.png", Some("the name is not UTF-8")),
            ("b/x.png", None),
        ];
        assert_eq!(found, expected);
    }
}
