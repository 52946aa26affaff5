//! The images of a dataset folder: `dataset/<class>/…`, however deep, or
//! `dataset/<part>/<class>/…`, as [`Layout`] recognises it.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};

use clap::ValueEnum;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use walkdir::{DirEntry, WalkDir};

use super::layout::{Choice, Exclusion, Layout, NoClasses};
use super::masks;
use crate::image::{DecodeError, Depth, Film, MAX_MEMORY, decode_admitted, is_dicom, is_picture};
use crate::io::bounded;
use crate::io::place::is_formula;
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
    /// A class folder is a link, and the dataset is not where it ends.
    #[error("the class folder `{}` is a link that leaves the dataset", path.display())]
    Leaves {
        /// The class folder.
        path: PathBuf,
    },
    /// A class folder's name begins as a formula does, which spreadsheets would run.
    #[error("the name of the class folder `{}` begins as a formula does", path.display())]
    Formula {
        /// The class folder.
        path: PathBuf,
    },
    /// Its folders are parts of a data set or kinds of files, without classes inside.
    #[error("the folders `{}` of `{}` are no classes by their names, and hold no class folders", names.join("`, `"), path.display())]
    NotClasses {
        /// The dataset folder.
        path: PathBuf,
        /// The folders' names.
        names: Vec<String>,
    },
    /// A class folder's name would steer a terminal, or break a line.
    #[error("the name of the class folder {path:?} holds control characters")]
    Control {
        /// The class folder.
        path: PathBuf,
    },
    /// It holds more files than any set of films, as links in a circle make it seem.
    #[error("`{}` holds more than {MAX_FILES} files", path.display())]
    TooMany {
        /// The dataset folder.
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

/// A file that may be an image; only its content tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Relative to the dataset folder, `/` between folders: `covid/a/x.jpg`.
    pub path: String,
    /// Where it lies.
    pub file: PathBuf,
    /// Whether it lies in a DICOM file-set, where only DICOM is a film.
    pub in_file_set: bool,
    /// Why it cannot even be opened, if so.
    pub objection: Option<&'static str>,
    /// Its class: the class folder's name. Empty if it lies in none.
    pub class: String,
    /// How many folders of `path` lead to the class folder, that included.
    pub depth: usize,
    /// The part of the data set, by the name of its folder (`train`); empty if none.
    pub part: String,
    /// The collection, by the name of its folder, if the data set has several.
    pub collection: String,
    /// Why it is not among the images of its class, though it may be read, if so.
    pub exclusion: Option<Exclusion>,
    /// Whether another file of its class has its name in another folder, or a name that
    /// this one begins with.
    pub has_namesake: bool,
}

impl Candidate {
    fn new(
        dataset: &Path,
        file: PathBuf,
        in_file_set: bool,
        objection: Option<&'static str>,
    ) -> Self {
        let below = file.strip_prefix(dataset).expect("the walk stays below");
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        let path = parts.join("/");
        let unnamed = match below.to_str() {
            None => Some("the name is not UTF-8"),
            Some(name) if name.contains(char::is_control) => {
                Some("the name holds control characters")
            }
            Some(_) => None,
        };
        Self { path, objection: objection.or(unnamed), in_file_set, file, ..Self::default() }
    }

    /// The class; empty if it lies in no class folder.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// The class folder's path, relative to the dataset folder.
    pub fn class_folder(&self) -> &str {
        &self.path[..self.class_end()]
    }

    /// The path below the class folder.
    pub fn name(&self) -> &str {
        self.path[self.class_end()..].trim_start_matches('/')
    }

    fn class_end(&self) -> usize {
        let ends = self.path.match_indices('/').map(|(i, _)| i);
        match self.depth {
            0 => 0,
            depth => ends.clone().nth(depth - 1).unwrap_or(self.path.len()),
        }
    }
}

/// How a dataset folder is listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether links that leave the folder are followed.
    pub follow_links: bool,
    /// How its folders are taken.
    pub layout: Choice,
    /// Whether masks are images like others.
    pub keep_masks: bool,
}

/// The files of a dataset folder.
#[derive(Debug)]
pub struct Listing {
    /// Every file that may be an image, sorted bytewise by path; those with an
    /// exclusion too.
    pub candidates: Vec<Candidate>,
    /// The roles of its folders.
    pub layout: Layout,
}

/// Lists the candidates of every class.
///
/// Folders are classes, but for `sources`, `__MACOSX` and hidden ones, unless
/// [`Layout::recognise`] finds the classes inside. Hidden files (`.DS_Store`,
/// `._x.jpeg`), `ledger.csv`, `README.md` and the like are left out at any depth; all
/// else is listed, whatever its name. What is no image of a class, such as a mask, has an
/// exclusion; what cannot be read has an objection.
///
/// `dataset` itself may be a link. A link below it is followed where it ends in it;
/// where it ends elsewhere, only if `follow_links`: what was unpacked from elsewhere
/// must not make films of any folder of this machine. Of several links to a folder
/// within a class, the first is followed.
///
/// # Errors
/// See [`FilmsError`].
pub fn list(dataset: &Path, options: &Options) -> Result<Listing, FilmsError> {
    let (mut candidates, classes) = walk(dataset, options.follow_links)?;
    let paths = candidates.iter().map(|candidate| candidate.path.as_str());
    let layout = Layout::recognise(paths, options.layout)
        .map_err(|NoClasses { names }| FilmsError::NotClasses { path: dataset.into(), names })?;
    place(&mut candidates, &layout);
    check_classes(dataset, &candidates, &classes, &layout)?;
    if !options.keep_masks {
        masks::mark(&mut candidates);
    }
    candidates.par_iter_mut().for_each(probe);
    Ok(Listing { candidates, layout })
}

/// Enters the class and the part of every candidate, or why it has none.
fn place(candidates: &mut [Candidate], layout: &Layout) {
    let mut spelled: BTreeMap<String, String> = BTreeMap::new();
    for i in 0..candidates.len() {
        let path = candidates[i].path.clone();
        let place = match layout.place(&path) {
            Ok(place) => place,
            Err(exclusion) => {
                candidates[i].exclusion = Some(exclusion);
                continue;
            }
        };
        let twin = place.twin.and_then(|twin| {
            let at = candidates.binary_search_by(|other| other.path.as_str().cmp(&twin)).ok()?;
            same_content(&candidates[i].file, &candidates[at].file).then_some(())
        });
        let class = path.split('/').nth(place.depth - 1).unwrap_or_default();
        let class = match layout.is_plain() {
            true => class.to_owned(),
            // `Normal` of one part is `NORMAL` of another.
            false => spelled.entry(class.to_lowercase()).or_insert(class.to_owned()).clone(),
        };
        let candidate = &mut candidates[i];
        candidate.class = class;
        candidate.depth = place.depth;
        candidate.part = place.part;
        candidate.collection = place.collection;
        candidate.exclusion = twin.map(|()| Exclusion::NestedCopy);
    }
}

/// Whether two files have the same length and the same beginning.
fn same_content(a: &Path, b: &Path) -> bool {
    const BEGINNING: u64 = 4096;
    let length = |path: &Path| std::fs::metadata(path).ok().map(|meta| meta.len());
    let beginning = |path: &Path| bounded::prefix(path, BEGINNING).ok();
    length(a).is_some() && length(a) == length(b) && beginning(a) == beginning(b)
}

/// Checks the names of the classes, and that each has a file.
fn check_classes(
    dataset: &Path,
    candidates: &[Candidate],
    folders: &[PathBuf],
    layout: &Layout,
) -> Result<(), FilmsError> {
    if layout.is_plain() {
        let has_file = |class: &Path| candidates.iter().any(|c| c.file.starts_with(class));
        return match folders.iter().find(|class| !has_file(class)) {
            Some(path) => Err(FilmsError::EmptyClass { path: path.clone() }),
            None => Ok(()),
        };
    }
    for candidate in candidates.iter().filter(|candidate| candidate.exclusion.is_none()) {
        let path = || dataset.join(candidate.class_folder());
        if candidate.class.contains(char::is_control) {
            return Err(FilmsError::Control { path: path() });
        }
        if is_formula(&candidate.class) {
            return Err(FilmsError::Formula { path: path() });
        }
    }
    match candidates.iter().any(|candidate| candidate.exclusion.is_none()) {
        true => Ok(()),
        false => Err(FilmsError::NoClass { path: dataset.into() }),
    }
}

/// Enters an objection if the first byte cannot be read.
fn probe(candidate: &mut Candidate) {
    if candidate.objection.is_some() || candidate.exclusion.is_some() {
        return;
    }
    candidate.objection =
        bounded::prefix(&candidate.file, 1).err().map(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => "there is no permission to read it",
            _ => "it cannot be read",
        });
}

/// Every file below the folders of `dataset`, sorted bytewise by path, and these folders.
fn walk(dataset: &Path, follow_links: bool) -> Result<(Vec<Candidate>, Vec<PathBuf>), FilmsError> {
    if !dataset.is_dir() {
        return Err(FilmsError::Missing { path: dataset.into() });
    }
    let mut candidates = Vec::new();
    let mut classes = Vec::new();
    let mut walk = Walk::new(dataset, follow_links);
    walk.has_classes = true;
    for entry in walk {
        let (path, depth, in_file_set, objection) = match entry {
            Ok(Met { entry, leaves, in_file_set }) => {
                let (kind, depth) = (entry.file_type(), entry.depth());
                let path = entry.into_path();
                if kind.is_dir() && depth == 1 {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    match is_formula(&name) {
                        _ if name.contains(char::is_control) => {
                            return Err(FilmsError::Control { path });
                        }
                        _ if leaves => return Err(FilmsError::Leaves { path }),
                        true => return Err(FilmsError::Formula { path }),
                        false => classes.push(path),
                    }
                    continue;
                }
                let objection = match kind {
                    _ if leaves => Some(LEAVES),
                    kind if kind.is_dir() => continue,
                    kind => (!kind.is_file()).then_some("neither a file nor a folder"),
                };
                (path, depth, in_file_set, objection)
            }
            Err(source) => {
                let path = source.path().unwrap_or(dataset).to_owned();
                match link_error(&source) {
                    None => return Err(FilmsError::Unlistable { path, source }),
                    objection => (path, source.depth(), false, objection),
                }
            }
        };
        // What lies beside the class folders belongs to none.
        if depth > 1 {
            candidates.push(Candidate::new(dataset, path, in_file_set, objection));
        }
        if candidates.len() > MAX_FILES {
            return Err(FilmsError::TooMany { path: dataset.into() });
        }
    }
    candidates.sort_by(|a, b| a.path.cmp(&b.path));
    if classes.is_empty() {
        return Err(FilmsError::NoClass { path: dataset.into() });
    }
    Ok((candidates, classes))
}

/// Every file below `folder` that may be a film, and whether it lies in a DICOM
/// file-set, in order of names, found as it is asked for; an error tells what cannot be
/// listed or followed. What [`list`] leaves out is left out, but for `sources`, and links
/// are followed as it does.
pub fn below(
    folder: &Path,
    follow_links: bool,
) -> impl Iterator<Item = Result<(PathBuf, bool), String>> {
    Walk::new(folder, follow_links).filter_map(|met| match met {
        Ok(Met { entry, leaves: true, .. }) => {
            Some(Err(format!("`{}` is {LEAVES}", entry.path().display())))
        }
        Ok(Met { entry, in_file_set, .. }) => {
            entry.file_type().is_file().then(|| Ok((entry.into_path(), in_file_set)))
        }
        Err(error) => Some(Err(error.to_string())),
    })
}

/// What is said of a link that is not followed.
pub const LEAVES: &str = "a link that leaves the folder";

/// The most files that a dataset may hold: ten times the largest set of films.
const MAX_FILES: usize = 4_000_000;

/// The file that makes a folder the root of a DICOM file-set (PS3.10, 8.6), such as a CD
/// from a hospital: it lists the files that belong to it, and all else below, a viewer
/// and its pictures, is no film. Some systems write names in small letters.
const FILE_SET: [&str; 2] = ["DICOMDIR", "dicomdir"];

/// All that may be a film or a folder of films; links out of `root` are not followed.
struct Walk {
    entries: walkdir::IntoIter,
    /// None where links may lead anywhere.
    root: Option<PathBuf>,
    /// Whether its folders are classes, with [`SOURCES`] beside them.
    has_classes: bool,
    /// The folders that links led to, in this class: links to links to links would make
    /// films without end.
    linked: HashSet<PathBuf>,
    /// How deep the file-set's folder lies in which the walk is.
    file_set: Option<usize>,
}

/// What the walk meets.
struct Met {
    entry: DirEntry,
    /// It is a link out of the root.
    leaves: bool,
    in_file_set: bool,
}

impl Walk {
    fn new(folder: &Path, follow_links: bool) -> Self {
        // A folder without a canonical path cannot be listed, which the walk will tell.
        let root = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self {
            entries: WalkDir::new(folder).sort_by_file_name().follow_links(true).into_iter(),
            root: (!follow_links).then_some(root),
            has_classes: false,
            linked: HashSet::new(),
            file_set: None,
        }
    }

    /// Whether `entry`, met after all above it, lies in a file-set.
    fn in_file_set(&mut self, entry: &DirEntry) -> bool {
        self.file_set = self.file_set.filter(|depth| entry.depth() > *depth);
        let in_file_set = self.file_set.is_some();
        let begins = || FILE_SET.iter().any(|name| entry.path().join(name).is_file());
        if !in_file_set && entry.file_type().is_dir() && begins() {
            self.file_set = Some(entry.depth());
        }
        in_file_set
    }

    /// Whether `entry` is a link out of the root, and whether one to a folder that another
    /// link has led to already.
    fn link(&mut self, entry: &DirEntry) -> (bool, bool) {
        let is_class = self.has_classes && entry.depth() == 1;
        if is_class {
            self.linked.clear();
        }
        if entry.depth() == 0 || !entry.path_is_symlink() {
            return (false, false);
        }
        let end = entry.path().canonicalize().unwrap_or_default();
        let leaves = self.root.as_ref().is_some_and(|root| !end.starts_with(root));
        let is_folder = !leaves && !is_class && entry.file_type().is_dir();
        (leaves, is_folder && !self.linked.insert(end))
    }

    fn is_wanted(&self, entry: &DirEntry) -> bool {
        let name = entry.file_name().to_string_lossy();
        let is_source = self.has_classes && entry.depth() == 1 && name == SOURCES;
        let companion = match entry.file_type().is_dir() {
            true => name == "__MACOSX" || is_source,
            false => COMPANIONS.contains(&&*name),
        };
        entry.depth() == 0 || !(name.starts_with('.') || companion)
    }
}

impl Iterator for Walk {
    type Item = walkdir::Result<Met>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.entries.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            let wanted = self.is_wanted(&entry);
            let (leaves, again) = if wanted { self.link(&entry) } else { (false, false) };
            if entry.file_type().is_dir() && (leaves || again || !wanted) {
                self.entries.skip_current_dir();
            }
            if wanted && !again {
                let in_file_set = !leaves && self.in_file_set(&entry);
                return Some(Ok(Met { entry, leaves, in_file_set }));
            }
        }
    }
}

/// The largest file that is read: twice the largest film, uncompressed.
const MAX_BYTES: u64 = 1 << 29;

/// Why a file is not used as a film.
#[derive(Debug, thiserror::Error)]
pub enum UnusableFilm {
    /// The system does not let it be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// No film is so large.
    #[error("its {0} bytes are more than the {MAX_BYTES} allowed")]
    TooLarge(u64),
    /// It lies in a DICOM file-set.
    #[error("no film: not DICOM, below a DICOMDIR")]
    BesideDicom {
        /// It is a picture, of a viewer, or else a film that came here otherwise.
        picture: bool,
    },
    /// There is nothing to see.
    #[error("every pixel has the same level")]
    Constant,
    /// It holds no picture.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl UnusableFilm {
    /// Whether the file is sound and no film: a PACS exports directories, reports,
    /// slices and viewers beside the films.
    pub fn is_no_film(&self) -> bool {
        matches!(self, Self::BesideDicom { .. } | Self::Decode(DecodeError::NotAFilm { .. }))
    }
}

/// What becomes of an image all of whose pixels have the same level: a failed export, a
/// window that shows nothing, a test picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Constant {
    /// It is unusable.
    Exclude,
    /// It is used, with a note.
    Keep,
}

/// A film that was read. As long as it lives, others may wait for its memory, so none is
/// opened beside it in one thread.
pub struct Opened {
    /// The file's.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub film: Film,
    _share: Share,
}

/// Reads a film. Of a DICOM file-set only DICOM is taken for films. It waits while the
/// films that other threads have opened take the memory that this one needs: large ones
/// are read one after another.
///
/// # Errors
/// See [`UnusableFilm`].
pub fn open(
    file: &Path,
    in_file_set: bool,
    constant: Constant,
    depth: Depth,
) -> Result<Opened, UnusableFilm> {
    if in_file_set {
        let mut start = Vec::new();
        File::open(file)?.take(132).read_to_end(&mut start)?;
        // What was not copied whole is empty, or zeros, and was perhaps a film.
        if start.iter().any(|byte| *byte != 0) && !is_dicom(&start) {
            return Err(UnusableFilm::BesideDicom { picture: is_picture(&start) });
        }
    }
    let size = std::fs::metadata(file)?.len();
    if size > MAX_BYTES {
        return Err(UnusableFilm::TooLarge(size));
    }
    let mut share = (size > LARGE).then(|| MEMORY.take(MAX_MEMORY));
    let bytes = bounded::read(file, MAX_BYTES)?;
    let film = decode_admitted(&bytes, depth, &mut |bytes| {
        share.get_or_insert_with(|| MEMORY.take(bytes));
    })?;
    if constant == Constant::Exclude && film.is_constant() {
        return Err(UnusableFilm::Constant);
    }
    let share = share.expect("decoding asks for memory");
    Ok(Opened { bytes, film, _share: share })
}

/// Files of so many bytes are read one at a time: twice an uncompressed film.
const LARGE: u64 = 1 << 26;

/// The memory for films, of all threads.
static MEMORY: Memory = Memory { left: Mutex::new(MAX_MEMORY), freed: Condvar::new() };

struct Memory {
    left: Mutex<u64>,
    freed: Condvar,
}

impl Memory {
    /// Takes `bytes`, at most [`MAX_MEMORY`], as soon as so many are left.
    fn take(&'static self, bytes: u64) -> Share {
        let left = self.left.lock().expect("no holder panics");
        let mut left = self.freed.wait_while(left, |left| *left < bytes).expect("no holder panics");
        *left -= bytes;
        Share { bytes }
    }
}

/// Memory that was taken.
struct Share {
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        *MEMORY.left.lock().expect("no holder panics") += self.bytes;
        MEMORY.freed.notify_all();
    }
}

/// What is wrong with a link that cannot be followed; `None` for other errors.
fn link_error(error: &walkdir::Error) -> Option<&'static str> {
    match error.io_error() {
        None => Some("a link to a folder above it"),
        Some(e) if e.kind() == io::ErrorKind::NotFound => Some("a link to nowhere"),
        Some(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            Some("a link that leads to itself")
        }
        Some(_) => None,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures are written directly")]
mod tests {
    use super::*;

    fn list(dataset: &Path, follow_links: bool) -> Result<Vec<Candidate>, FilmsError> {
        let options = Options { follow_links, ..Options::default() };
        super::list(dataset, &options).map(|listing| listing.candidates)
    }

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
        let films = list(dir.path(), false).unwrap();
        let paths: Vec<_> = films.iter().map(|film| film.path.as_str()).collect();
        assert_eq!(paths, ["a-b/x.png", "a/Z.jpg", "a/deep/er/x", "a/y.jpeg", "b/x.png"]);
        assert_eq!((films[2].class(), films[2].name()), ("a", "deep/er/x"));
        assert!(films.iter().all(|film| film.objection.is_none() && film.file.is_file()));
    }

    #[test]
    fn unusable_folders_are_named() {
        let message = |dir: &Path| list(dir, false).unwrap_err().to_string();
        let dir = dataset(&["README.md", "sources/x/y.png"]);
        assert!(message(dir.path()).ends_with("holds no class folder"));
        assert!(message(&dir.path().join("none")).starts_with("there is no dataset folder"));
        let dir = dataset(&["a/x.png", "b/ledger.csv"]);
        assert!(message(dir.path()).contains("/b` holds no film"));
        let dir = dataset(&["=cmd|x/x.png"]);
        assert!(message(dir.path()).contains("begins as a formula does"));
        let dir = dataset(&["a\nerror: b/x.png"]);
        assert!(message(dir.path()).contains("/a\\nerror: b\" holds control characters"));
    }

    #[test]
    fn file_sets_end_where_their_folder_does() {
        let dir = dataset(&[
            "a/cd1/DICOMDIR",
            "a/cd1/IMAGES/IM1",
            "a/cd1/VIEWER/logo.png",
            "a/cd2/dicomdir/x.png",
            "a/x.png",
            "b/y.png",
        ]);
        let films = list(dir.path(), false).unwrap();
        let of_set = |films: &[Candidate]| -> Vec<_> {
            films.iter().filter(|film| film.in_file_set).map(|film| film.path.clone()).collect()
        };
        assert_eq!(of_set(&films), ["a/cd1/DICOMDIR", "a/cd1/IMAGES/IM1", "a/cd1/VIEWER/logo.png"]);
        assert_eq!(films.len(), 6);
        let met = below(dir.path(), false).map(|found| found.unwrap().1);
        assert_eq!(met.collect::<Vec<_>>(), [true, true, true, false, false, false]);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_links_to_links_end() {
        use std::os::unix::fs::symlink;
        let dir = dataset(&["a/0/", "a/20/x.png", "sources/y.png"]);
        for i in 0..20 {
            let folder = dir.path().join(format!("a/{i}"));
            std::fs::create_dir_all(&folder).unwrap();
            for name in ["l", "m"] {
                symlink(format!("../{}", i + 1), folder.join(name)).unwrap();
            }
        }
        std::fs::create_dir(dir.path().join("b")).unwrap();
        symlink("../a/20", dir.path().join("b/z")).unwrap();
        symlink("../a/20", dir.path().join("b/y")).unwrap();
        let films = list(dir.path(), false).unwrap();
        let paths: Vec<_> = films.iter().map(|film| film.path.as_str()).collect();
        let deepest = format!("a/0/{}x.png", "l/".repeat(20));
        assert_eq!(paths, [deepest.as_str(), "a/20/x.png", "b/y/x.png"]);
        // With the one of `sources`, and one less: `b` has nothing new.
        assert_eq!(below(dir.path(), false).map(Result::unwrap).count(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn links_within_are_followed_and_others_on_request_only() {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;
        let elsewhere = dataset(&["films/x.png"]);
        let dir = dataset(&["a/x.png", "sources/y/z.png"]);
        symlink(elsewhere.path().join("films/x.png"), dir.path().join("a/out.png")).unwrap();
        symlink(elsewhere.path().join("films"), dir.path().join("a/out")).unwrap();
        symlink("../sources/y", dir.path().join("a/within")).unwrap();
        symlink("nowhere.png", dir.path().join("a/broken.png")).unwrap();
        symlink("..", dir.path().join("a/loop")).unwrap();
        let odd = std::ffi::OsStr::from_bytes(b"a/\xff.png");
        std::fs::write(dir.path().join(odd), b"film").unwrap();
        std::fs::write(dir.path().join("a/\u{1b}[2J.png"), b"film").unwrap();
        let found = |dataset: &Path, follow_links: bool| -> Vec<_> {
            let films = list(dataset, follow_links).unwrap();
            films.into_iter().map(|film| (film.path, film.objection)).collect()
        };
        let expected = [
            ("a/\u{1b}[2J.png", Some("the name holds control characters")),
            ("a/broken.png", Some("a link to nowhere")),
            ("a/loop", Some("a link to a folder above it")),
            ("a/out", Some(LEAVES)),
            ("a/out.png", Some(LEAVES)),
            ("a/within/z.png", None),
            ("a/x.png", None),
            ("a/\u{fffd}.png", Some("the name is not UTF-8")),
        ];
        let expected = expected.map(|(path, objection)| (path.to_owned(), objection));
        assert_eq!(found(dir.path(), false), expected);
        let all = found(dir.path(), true);
        assert!(all.contains(&("a/out/x.png".to_owned(), None)), "{all:?}");
        assert!(all.contains(&("a/out.png".to_owned(), None)), "{all:?}");
        let refused = below(dir.path(), false).filter_map(Result::err);
        assert_eq!(refused.filter(|error| error.ends_with(LEAVES)).count(), 2);
        // The folder that was named may be a link itself; a class may not, unasked.
        let named = elsewhere.path().join("named");
        symlink(dir.path(), &named).unwrap();
        assert_eq!(found(&named, false), expected);
        symlink(elsewhere.path().join("films"), dir.path().join("b")).unwrap();
        let error = list(dir.path(), false).unwrap_err();
        assert!(matches!(error, FilmsError::Leaves { .. }), "{error}");
        assert!(found(dir.path(), true).contains(&("b/x.png".to_owned(), None)));
    }

    #[test]
    fn a_nested_copy_is_left_out_file_by_file() {
        let dir = dataset(&[
            "chest_xray/train/NORMAL/1.jpeg",
            "chest_xray/train/PNEUMONIA/2.jpeg",
            "chest_xray/val/Normal/3.jpeg",
            "chest_xray/chest_xray/train/NORMAL/1.jpeg",
            "chest_xray/chest_xray/train/PNEUMONIA/2.jpeg",
            "chest_xray/chest_xray/val/NORMAL/3.jpeg",
            "__MACOSX/chest_xray/train/NORMAL/._1.jpeg",
        ]);
        // One file of the copy has other content.
        std::fs::write(dir.path().join("chest_xray/chest_xray/train/NORMAL/1.jpeg"), "x").unwrap();
        let films = list(dir.path(), false).unwrap();
        let told: Vec<_> = films
            .iter()
            .map(|film| (film.class(), film.part.as_str(), film.exclusion.map(Exclusion::text)))
            .collect();
        let copy = Some("nested copy of the data set");
        assert_eq!(
            told,
            [
                ("NORMAL", "train", None),
                ("PNEUMONIA", "train", copy),
                ("NORMAL", "val", None),
                ("NORMAL", "train", None),
                ("PNEUMONIA", "train", None),
                ("NORMAL", "val", None),
            ]
        );
        assert_eq!(films[0].class_folder(), "chest_xray/chest_xray/train/NORMAL");
        assert_eq!((films[3].name(), films[5].class_folder()), ("1.jpeg", "chest_xray/val/Normal"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_cannot_be_read_has_an_objection() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = dataset(&["a/x.png", "a/closed.png", "b/y.png"]);
        // It can be opened, and its first page is not there, for root either.
        symlink("/proc/self/mem", dir.path().join("a/mem.png")).unwrap();
        let closed = dir.path().join("a/closed.png");
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
        let is_root = File::open(&closed).is_ok();
        let objections: Vec<_> =
            list(dir.path(), true).unwrap().into_iter().map(|film| film.objection).collect();
        let denied = (!is_root).then_some("there is no permission to read it");
        assert_eq!(objections, [denied, Some("it cannot be read"), None, None]);
    }
}
