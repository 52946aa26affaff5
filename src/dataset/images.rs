//! Listing and reading of the images of a dataset folder: `dataset/<class>/…` at any depth, or
//! `dataset/<part>/<class>/…`, as recognised by [`Layout`].

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
use crate::image::{
    CONSTANT, ChosenDepth, DecodeError, Image, MAX_MEMORY, decode_admitted, is_dicom, is_picture,
    objection_to_raw_values,
};
use crate::io::bounded;
use crate::io::place::is_formula;
use crate::io::staging::RECORD;

/// Top-level folder with the inputs of `cxr-build-covid` and `cxr-sample-normal`; not a class.
pub const SOURCES: &str = "sources";

/// Files written by commands and file managers, which are not images.
const COMPANIONS: [&str; 6] =
    ["selection.csv", "ledger.csv", RECORD, "README.md", "Thumbs.db", "desktop.ini"];

/// Error of listing a dataset folder.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The folder does not exist.
    #[error("there is no dataset folder `{}`", path.display())]
    Missing {
        /// The dataset folder.
        path: PathBuf,
    },
    /// The dataset folder contains no class folder.
    #[error("`{}` contains no class folder", path.display())]
    NoClass {
        /// The dataset folder.
        path: PathBuf,
    },
    /// A class folder contains no candidate image.
    #[error("the class folder `{}` contains no images", path.display())]
    EmptyClass {
        /// The class folder.
        path: PathBuf,
    },
    /// A class folder is a link to a target outside the dataset.
    #[error("the class folder `{}` is a link to a target outside the dataset", path.display())]
    Leaves {
        /// The class folder.
        path: PathBuf,
    },
    /// The name of a class folder begins like a formula, which spreadsheets would execute.
    #[error("the name of the class folder `{}` begins like a formula", path.display())]
    Formula {
        /// The class folder.
        path: PathBuf,
    },
    /// The top-level folders are not classes (for example `train`) and contain no class folders.
    #[error("the folders `{}` of `{}` do not have class names and contain no class folders", names.join("`, `"), path.display())]
    NotClasses {
        /// The dataset folder.
        path: PathBuf,
        /// Names of the folders.
        names: Vec<String>,
    },
    /// The name of a class folder contains control characters.
    #[error("the name of the class folder {path:?} contains control characters")]
    Control {
        /// The class folder.
        path: PathBuf,
    },
    /// The dataset folder contains too many files, possibly because of circular links.
    #[error("`{}` contains more than {MAX_FILES} files", path.display())]
    TooMany {
        /// The dataset folder.
        path: PathBuf,
    },
    /// A folder cannot be listed.
    #[error("cannot list `{}`", path.display())]
    Unlistable {
        /// The dataset folder.
        path: PathBuf,
        /// Error of the operating system.
        source: walkdir::Error,
    },
}

/// File that may be an image, before its content is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Path relative to the dataset folder, with `/`: `covid/a/x.jpg`.
    pub path: String,
    /// Path on disk.
    pub file: PathBuf,
    /// Whether the file is in a DICOM file-set, where only DICOM files are images.
    pub in_file_set: bool,
    /// Reason why the file cannot be opened, if any.
    pub objection: Option<&'static str>,
    /// Name of the class folder; empty if the file is in no class folder.
    pub class: String,
    /// Number of components of `path` up to and including the class folder.
    pub depth: usize,
    /// Folder name of the data set's part (`train`); empty if there is none.
    pub part: String,
    /// Folder name of the collection; empty if there is only one.
    pub collection: String,
    /// Exclusion reason of a readable file that is not an image of its class.
    pub exclusion: Option<Exclusion>,
    /// Whether the class has a file of the same name in another folder, or a file whose name is a
    /// prefix of this file's name.
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
        let invalid_name = match below.to_str() {
            None => Some("the name is not UTF-8"),
            Some(name) if name.contains(char::is_control) => {
                Some("the name contains control characters")
            }
            Some(_) => None,
        };
        Self { path, objection: objection.or(invalid_name), in_file_set, file, ..Self::default() }
    }

    /// Name of the class; empty if the file is in no class folder.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// Path of the class folder, relative to the dataset folder.
    pub fn class_folder(&self) -> &str {
        &self.path[..self.class_end()]
    }

    /// Path of the file, relative to the class folder.
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

/// Options of [`list`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether links to targets outside the dataset folder are followed.
    pub follow_links: bool,
    /// Interpretation of the top-level folders.
    pub layout: Choice,
    /// Whether masks are treated as images.
    pub keep_masks: bool,
}

/// Files of a dataset folder.
#[derive(Debug)]
pub struct Listing {
    /// Every file that may be an image, excluded files included, sorted bytewise by path.
    pub candidates: Vec<Candidate>,
    /// Roles of the folders.
    pub layout: Layout,
}

/// Lists the candidates of every class.
///
/// Top-level folders are classes, except `sources`, `__MACOSX` and hidden folders, unless
/// [`Layout::recognise`] finds the classes inside them. Hidden files (`.DS_Store`, `._x.jpeg`),
/// `selection.csv`, `README.md` and the like are skipped at any depth; all other files are listed,
/// whatever their names. Files that are not images of a class, such as masks, have an
/// `exclusion`; unreadable files have an `objection`.
///
/// `dataset` itself may be a link. Links below `dataset` are followed only to targets inside
/// `dataset`, so that an unpacked archive cannot include other folders of this machine;
/// `follow_links` removes this limit. Of several links to one folder within a class, only the
/// first is followed.
///
/// # Errors
/// See [`ImagesError`].
pub fn list(dataset: &Path, options: &Options) -> Result<Listing, ImagesError> {
    let (mut candidates, classes) = find_candidates(dataset, options.follow_links)?;
    let paths = candidates.iter().map(|candidate| candidate.path.as_str());
    let layout = Layout::recognise(paths, options.layout)
        .map_err(|NoClasses { names }| ImagesError::NotClasses { path: dataset.into(), names })?;
    assign_classes(&mut candidates, &layout);
    check_classes(dataset, &candidates, &classes, &layout)?;
    if !options.keep_masks {
        masks::mark(&mut candidates);
    }
    candidates.par_iter_mut().for_each(check_readable);
    Ok(Listing { candidates, layout })
}

/// Sets the class and part of every candidate, or the exclusion reason.
fn assign_classes(candidates: &mut [Candidate], layout: &Layout) {
    let mut spellings: BTreeMap<String, String> = BTreeMap::new();
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
            let original =
                candidates.binary_search_by(|other| other.path.as_str().cmp(&twin)).ok()?;
            is_same_content(&candidates[i].file, &candidates[original].file).then_some(())
        });
        let class = path.split('/').nth(place.depth - 1).unwrap_or_default();
        let class = match layout.is_plain() {
            true => class.to_owned(),
            // `Normal` and `NORMAL` in different parts are one class.
            false => spellings.entry(class.to_lowercase()).or_insert(class.to_owned()).clone(),
        };
        let candidate = &mut candidates[i];
        candidate.class = class;
        candidate.depth = place.depth;
        candidate.part = place.part;
        candidate.collection = place.collection;
        candidate.exclusion = twin.map(|()| Exclusion::NestedCopy);
    }
}

/// Returns whether two files have the same length and the same first 4 KiB.
fn is_same_content(a: &Path, b: &Path) -> bool {
    const PREFIX: u64 = 4096;
    let length = |path: &Path| std::fs::metadata(path).ok().map(|meta| meta.len());
    let prefix = |path: &Path| bounded::prefix(path, PREFIX).ok();
    length(a).is_some() && length(a) == length(b) && prefix(a) == prefix(b)
}

/// Checks that every class of a plain layout has a file, or the class names of other layouts.
fn check_classes(
    dataset: &Path,
    candidates: &[Candidate],
    folders: &[PathBuf],
    layout: &Layout,
) -> Result<(), ImagesError> {
    if layout.is_plain() {
        let has_file = |class: &Path| candidates.iter().any(|c| c.file.starts_with(class));
        return match folders.iter().find(|class| !has_file(class)) {
            Some(path) => Err(ImagesError::EmptyClass { path: path.clone() }),
            None => Ok(()),
        };
    }
    for candidate in candidates.iter().filter(|candidate| candidate.exclusion.is_none()) {
        let path = || dataset.join(candidate.class_folder());
        if candidate.class.contains(char::is_control) {
            return Err(ImagesError::Control { path: path() });
        }
        if is_formula(&candidate.class) {
            return Err(ImagesError::Formula { path: path() });
        }
    }
    match candidates.iter().any(|candidate| candidate.exclusion.is_none()) {
        true => Ok(()),
        false => Err(ImagesError::NoClass { path: dataset.into() }),
    }
}

/// Sets the objection of a candidate whose first byte cannot be read.
fn check_readable(candidate: &mut Candidate) {
    if candidate.objection.is_some() || candidate.exclusion.is_some() {
        return;
    }
    candidate.objection =
        bounded::prefix(&candidate.file, 1).err().map(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => "permission to read the file is denied",
            _ => "the file cannot be read",
        });
}

/// Returns every file below the top-level folders of `dataset`, sorted bytewise by path, and
/// these folders.
fn find_candidates(
    dataset: &Path,
    follow_links: bool,
) -> Result<(Vec<Candidate>, Vec<PathBuf>), ImagesError> {
    if !dataset.is_dir() {
        return Err(ImagesError::Missing { path: dataset.into() });
    }
    let mut candidates = Vec::new();
    let mut classes = Vec::new();
    let mut walk = Walk::new(dataset, follow_links);
    walk.has_classes = true;
    for entry in walk {
        let (path, depth, in_file_set, objection) = match entry {
            Ok(Visited { entry, is_outside, in_file_set }) => {
                let (kind, depth) = (entry.file_type(), entry.depth());
                let path = entry.into_path();
                if kind.is_dir() && depth == 1 {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    match is_formula(&name) {
                        _ if name.contains(char::is_control) => {
                            return Err(ImagesError::Control { path });
                        }
                        _ if is_outside => return Err(ImagesError::Leaves { path }),
                        true => return Err(ImagesError::Formula { path }),
                        false => classes.push(path),
                    }
                    continue;
                }
                let objection = match kind {
                    _ if is_outside => Some(LEAVES),
                    kind if kind.is_dir() => continue,
                    kind => (!kind.is_file()).then_some("neither a file nor a folder"),
                };
                (path, depth, in_file_set, objection)
            }
            Err(source) => {
                let path = source.path().unwrap_or(dataset).to_owned();
                match link_error(&source) {
                    None => return Err(ImagesError::Unlistable { path, source }),
                    objection => (path, source.depth(), false, objection),
                }
            }
        };
        // Top-level files belong to no class.
        if depth > 1 {
            candidates.push(Candidate::new(dataset, path, in_file_set, objection));
        }
        if candidates.len() > MAX_FILES {
            return Err(ImagesError::TooMany { path: dataset.into() });
        }
    }
    candidates.sort_by(|a, b| a.path.cmp(&b.path));
    if classes.is_empty() {
        return Err(ImagesError::NoClass { path: dataset.into() });
    }
    Ok((candidates, classes))
}

/// Returns an iterator over the files below `folder` that may be images, each with a flag for
/// files in a DICOM file-set, in order of names.
///
/// Skips files and follows links as [`list`] does, but includes `sources`. Entries that cannot be
/// listed or followed are errors.
pub fn below(
    folder: &Path,
    follow_links: bool,
) -> impl Iterator<Item = Result<(PathBuf, bool), String>> {
    Walk::new(folder, follow_links).filter_map(|visited| match visited {
        Ok(Visited { entry, is_outside: true, .. }) => {
            Some(Err(format!("`{}` is {LEAVES}", entry.path().display())))
        }
        Ok(Visited { entry, in_file_set, .. }) => {
            entry.file_type().is_file().then(|| Ok((entry.into_path(), in_file_set)))
        }
        Err(error) => Some(Err(error.to_string())),
    })
}

/// Exclusion reason of a link that is not followed.
pub const LEAVES: &str = "a link to a target outside the folder";

/// Maximum number of files in a dataset: ten times the largest public set of radiographs.
const MAX_FILES: usize = 4_000_000;

/// Names of the file that marks the root of a DICOM file-set (PS3.10, 8.6), such as a hospital's
/// CD. Other files of the file-set, such as a viewer and its icons, are not radiographs.
const FILE_SET: [&str; 2] = ["DICOMDIR", "dicomdir"];

/// Walk over files and folders that may be or contain images.
struct Walk {
    entries: walkdir::IntoIter,
    /// Folder that links must not leave; `None` allows any target.
    root: Option<PathBuf>,
    /// Whether the top-level folders are classes, except [`SOURCES`].
    has_classes: bool,
    /// Targets of the links followed in the current class; prevents endless chains of links.
    linked: HashSet<PathBuf>,
    /// Depth of the enclosing file-set's root.
    file_set: Option<usize>,
}

/// Entry of a [`Walk`].
struct Visited {
    entry: DirEntry,
    /// Whether the entry is a link to a target outside the root.
    is_outside: bool,
    in_file_set: bool,
}

impl Walk {
    fn new(folder: &Path, follow_links: bool) -> Self {
        // A folder without a canonical path cannot be listed: the walk returns the error.
        let root = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self {
            entries: WalkDir::new(folder).sort_by_file_name().follow_links(true).into_iter(),
            root: (!follow_links).then_some(root),
            has_classes: false,
            linked: HashSet::new(),
            file_set: None,
        }
    }

    /// Returns whether `entry` is in a file-set. Must be called for parents first.
    fn in_file_set(&mut self, entry: &DirEntry) -> bool {
        self.file_set = self.file_set.filter(|depth| entry.depth() > *depth);
        let in_file_set = self.file_set.is_some();
        let is_root = || FILE_SET.iter().any(|name| entry.path().join(name).is_file());
        if !in_file_set && entry.file_type().is_dir() && is_root() {
            self.file_set = Some(entry.depth());
        }
        in_file_set
    }

    /// Returns whether `entry` is a link to a target outside the root, and whether it is a link to
    /// a folder that another link already leads to.
    fn check_link(&mut self, entry: &DirEntry) -> (bool, bool) {
        let is_class = self.has_classes && entry.depth() == 1;
        if is_class {
            self.linked.clear();
        }
        if entry.depth() == 0 || !entry.path_is_symlink() {
            return (false, false);
        }
        let target = entry.path().canonicalize().unwrap_or_default();
        let is_outside = self.root.as_ref().is_some_and(|root| !target.starts_with(root));
        let is_folder = !is_outside && !is_class && entry.file_type().is_dir();
        (is_outside, is_folder && !self.linked.insert(target))
    }

    fn is_wanted(&self, entry: &DirEntry) -> bool {
        let name = entry.file_name().to_string_lossy();
        let is_source = self.has_classes && entry.depth() == 1 && name == SOURCES;
        let is_skipped = match entry.file_type().is_dir() {
            true => name == "__MACOSX" || is_source,
            false => COMPANIONS.contains(&&*name),
        };
        entry.depth() == 0 || !(name.starts_with('.') || is_skipped)
    }
}

impl Iterator for Walk {
    type Item = walkdir::Result<Visited>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.entries.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            let wanted = self.is_wanted(&entry);
            let (is_outside, repeated) =
                if wanted { self.check_link(&entry) } else { (false, false) };
            if entry.file_type().is_dir() && (is_outside || repeated || !wanted) {
                self.entries.skip_current_dir();
            }
            if wanted && !repeated {
                let in_file_set = !is_outside && self.in_file_set(&entry);
                return Some(Ok(Visited { entry, is_outside, in_file_set }));
            }
        }
    }
}

/// Maximum file size in bytes: twice the largest uncompressed radiograph.
const MAX_BYTES: u64 = 1 << 29;

/// Error of reading an image.
#[derive(Debug, thiserror::Error)]
pub enum UnusableImage {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
    /// The file is larger than the limit.
    #[error("the file has {0} bytes, at most {MAX_BYTES} are allowed")]
    TooLarge(u64),
    /// A file of a DICOM file-set is not DICOM.
    #[error("not a radiograph: non-DICOM file below a DICOMDIR")]
    NotDicomInFileSet {
        /// Whether the file is an image: an icon of a viewer, or a misplaced radiograph.
        picture: bool,
    },
    /// All pixels have the same grey level. The notes of the decoder may tell the reason.
    #[error("every pixel has the same level{}", in_brackets(.0))]
    ConstantImages(Vec<String>),
    /// The file cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

fn in_brackets(notes: &[String]) -> String {
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) }
}

impl UnusableImage {
    /// Returns whether the file is intact but not a radiograph: PACS exports also contain
    /// directories, reports, slices and viewers.
    pub fn is_not_a_radiograph(&self) -> bool {
        matches!(
            self,
            Self::NotDicomInFileSet { .. } | Self::Decode(DecodeError::NotARadiograph { .. })
        )
    }
}

/// Treatment of images whose pixels all have the same level: failed exports, wrong windows, test
/// images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConstantImages {
    /// treat the image as unusable
    Exclude,
    /// use the image, with a note
    Keep,
}

/// Decoded image with its file. Holds a memory reservation until dropped; a thread must not open
/// a second image meanwhile.
pub struct Opened {
    /// Content of the file.
    pub bytes: Vec<u8>,
    /// The decoded image.
    pub image: Image,
    _reservation: Reservation,
}

/// Reads and decodes an image; in a DICOM file-set, DICOM files only.
///
/// Waits until enough memory is free if other threads hold large images: files above 64 MiB are
/// read one at a time.
///
/// # Errors
/// See [`UnusableImage`].
pub fn open(
    file: &Path,
    in_file_set: bool,
    constant: ConstantImages,
    depth: impl Into<ChosenDepth>,
) -> Result<Opened, UnusableImage> {
    if in_file_set {
        let mut start = Vec::new();
        File::open(file)?.take(132).read_to_end(&mut start)?;
        // An incompletely copied file is empty or zeros, and may have been a radiograph.
        if start.iter().any(|byte| *byte != 0) && !is_dicom(&start) {
            return Err(UnusableImage::NotDicomInFileSet { picture: is_picture(&start) });
        }
    }
    let size = std::fs::metadata(file)?.len();
    if size > MAX_BYTES {
        return Err(UnusableImage::TooLarge(size));
    }
    let mut reservation = (size > LARGE).then(|| MEMORY.reserve(MAX_MEMORY));
    let bytes = bounded::read(file, MAX_BYTES)?;
    let image = decode_admitted(&bytes, depth, &mut |bytes| {
        reservation.get_or_insert_with(|| MEMORY.reserve(bytes));
    });
    let image = image.map_err(|error| match error {
        DecodeError::NotAnImage => objection_to_raw_values(&bytes, file).unwrap_or(error),
        error => error,
    })?;
    if constant == ConstantImages::Exclude && image.is_constant() {
        let is_news = |note: &String| note != CONSTANT;
        return Err(UnusableImage::ConstantImages(
            image.notes.into_iter().filter(is_news).collect(),
        ));
    }
    let reservation = reservation.expect("decoding reserves memory");
    Ok(Opened { bytes, image, _reservation: reservation })
}

/// Size in bytes above which files are read one at a time: twice an uncompressed radiograph.
const LARGE: u64 = 1 << 26;

/// Memory budget for images, shared by all threads.
static MEMORY: MemoryBudget =
    MemoryBudget { available: Mutex::new(MAX_MEMORY), freed: Condvar::new() };

struct MemoryBudget {
    available: Mutex<u64>,
    freed: Condvar,
}

impl MemoryBudget {
    /// Reserves `bytes`, at most [`MAX_MEMORY`]; waits until they are available.
    fn reserve(&'static self, bytes: u64) -> Reservation {
        let available = self.available.lock().expect("no holder panics");
        let mut available = self
            .freed
            .wait_while(available, |available| *available < bytes)
            .expect("no holder panics");
        *available -= bytes;
        Reservation { bytes }
    }
}

/// Reserved memory, released when dropped.
struct Reservation {
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *MEMORY.available.lock().expect("no holder panics") += self.bytes;
        MEMORY.freed.notify_all();
    }
}

/// Returns the reason why a link cannot be followed; `None` for other errors.
fn link_error(error: &walkdir::Error) -> Option<&'static str> {
    match error.io_error() {
        None => Some("a link to a parent folder"),
        Some(e) if e.kind() == io::ErrorKind::NotFound => Some("a broken link"),
        Some(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            Some("a link to itself")
        }
        Some(_) => None,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures are written directly")]
mod tests {
    use super::*;

    fn list(dataset: &Path, follow_links: bool) -> Result<Vec<Candidate>, ImagesError> {
        let options = Options { follow_links, ..Options::default() };
        super::list(dataset, &options).map(|listing| listing.candidates)
    }

    fn dataset(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if !file.ends_with('/') {
                std::fs::write(path, b"image").unwrap();
            }
        }
        dir
    }

    #[test]
    fn images_are_listed_at_any_depth_and_sorted_bytewise() {
        let dir = dataset(&[
            "b/x.png",
            "a-b/x.png",
            "a/y.jpeg",
            "a/Z.jpg",
            "a/deep/er/x",
            "a/selection.csv",
            "a/record.json",
            "a/README.md",
            "a/.DS_Store",
            "a/deep/._y.jpeg",
            "a/__MACOSX/y.jpeg",
            "sources/covid/x.png",
            ".git/x.png",
            "metadata.csv",
        ]);
        let images = list(dir.path(), false).unwrap();
        let paths: Vec<_> = images.iter().map(|image| image.path.as_str()).collect();
        assert_eq!(paths, ["a-b/x.png", "a/Z.jpg", "a/deep/er/x", "a/y.jpeg", "b/x.png"]);
        assert_eq!((images[2].class(), images[2].name()), ("a", "deep/er/x"));
        assert!(images.iter().all(|image| image.objection.is_none() && image.file.is_file()));
    }

    #[test]
    fn unusable_folders_are_errors() {
        let message = |dir: &Path| list(dir, false).unwrap_err().to_string();
        let dir = dataset(&["README.md", "sources/x/y.png"]);
        assert!(message(dir.path()).ends_with("contains no class folder"));
        assert!(message(&dir.path().join("none")).starts_with("there is no dataset folder"));
        let dir = dataset(&["a/x.png", "b/selection.csv"]);
        assert!(message(dir.path()).contains("/b` contains no images"));
        let dir = dataset(&["=cmd|x/x.png"]);
        assert!(message(dir.path()).contains("begins like a formula"));
        let dir = dataset(&["a\nerror: b/x.png"]);
        assert!(message(dir.path()).contains("/a\\nerror: b\" contains control characters"));
    }

    #[test]
    fn file_sets_end_with_their_folder() {
        let dir = dataset(&[
            "a/cd1/DICOMDIR",
            "a/cd1/IMAGES/IM1",
            "a/cd1/VIEWER/logo.png",
            "a/cd2/dicomdir/x.png",
            "a/x.png",
            "b/y.png",
        ]);
        let images = list(dir.path(), false).unwrap();
        let in_file_set: Vec<_> = images
            .iter()
            .filter(|image| image.in_file_set)
            .map(|image| image.path.as_str())
            .collect();
        assert_eq!(in_file_set, ["a/cd1/DICOMDIR", "a/cd1/IMAGES/IM1", "a/cd1/VIEWER/logo.png"]);
        assert_eq!(images.len(), 6);
        let flags = below(dir.path(), false).map(|found| found.unwrap().1);
        assert_eq!(flags.collect::<Vec<_>>(), [true, true, true, false, false, false]);
    }

    #[cfg(unix)]
    #[test]
    fn chains_of_links_end() {
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
        let images = list(dir.path(), false).unwrap();
        let paths: Vec<_> = images.iter().map(|image| image.path.as_str()).collect();
        let deepest = format!("a/0/{}x.png", "l/".repeat(20));
        assert_eq!(paths, [deepest.as_str(), "a/20/x.png", "b/y/x.png"]);
        // `sources/y.png` is included; `b` adds nothing, because `a` has the same target.
        assert_eq!(below(dir.path(), false).map(Result::unwrap).count(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_outside_targets_are_followed_on_request_only() {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;
        let elsewhere = dataset(&["images/x.png"]);
        let dir = dataset(&["a/x.png", "sources/y/z.png"]);
        symlink(elsewhere.path().join("images/x.png"), dir.path().join("a/out.png")).unwrap();
        symlink(elsewhere.path().join("images"), dir.path().join("a/out")).unwrap();
        symlink("../sources/y", dir.path().join("a/within")).unwrap();
        symlink("nowhere.png", dir.path().join("a/broken.png")).unwrap();
        symlink("..", dir.path().join("a/loop")).unwrap();
        let odd = std::ffi::OsStr::from_bytes(b"a/\xff.png");
        std::fs::write(dir.path().join(odd), b"image").unwrap();
        std::fs::write(dir.path().join("a/\u{1b}[2J.png"), b"image").unwrap();
        let found = |dataset: &Path, follow_links: bool| -> Vec<_> {
            let images = list(dataset, follow_links).unwrap();
            images.into_iter().map(|image| (image.path, image.objection)).collect()
        };
        let expected = [
            ("a/\u{1b}[2J.png", Some("the name contains control characters")),
            ("a/broken.png", Some("a broken link")),
            ("a/loop", Some("a link to a parent folder")),
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
        // The dataset folder may be a link to anywhere; a class folder may not by default.
        let named = elsewhere.path().join("named");
        symlink(dir.path(), &named).unwrap();
        assert_eq!(found(&named, false), expected);
        symlink(elsewhere.path().join("images"), dir.path().join("b")).unwrap();
        let error = list(dir.path(), false).unwrap_err();
        assert!(matches!(error, ImagesError::Leaves { .. }), "{error}");
        assert!(found(dir.path(), true).contains(&("b/x.png".to_owned(), None)));
    }

    #[test]
    fn a_nested_copy_is_excluded_file_by_file() {
        let dir = dataset(&[
            "chest_xray/train/NORMAL/1.jpeg",
            "chest_xray/train/PNEUMONIA/2.jpeg",
            "chest_xray/val/Normal/3.jpeg",
            "chest_xray/chest_xray/train/NORMAL/1.jpeg",
            "chest_xray/chest_xray/train/PNEUMONIA/2.jpeg",
            "chest_xray/chest_xray/val/NORMAL/3.jpeg",
            "__MACOSX/chest_xray/train/NORMAL/._1.jpeg",
        ]);
        // One file of the copy has different content.
        std::fs::write(dir.path().join("chest_xray/chest_xray/train/NORMAL/1.jpeg"), "x").unwrap();
        let images = list(dir.path(), false).unwrap();
        let listed: Vec<_> = images
            .iter()
            .map(|image| (image.class(), image.part.as_str(), image.exclusion.map(Exclusion::text)))
            .collect();
        let copy = Some("nested copy of the data set");
        assert_eq!(
            listed,
            [
                ("NORMAL", "train", None),
                ("PNEUMONIA", "train", copy),
                ("NORMAL", "val", None),
                ("NORMAL", "train", None),
                ("PNEUMONIA", "train", None),
                ("NORMAL", "val", None),
            ]
        );
        assert_eq!(images[0].class_folder(), "chest_xray/chest_xray/train/NORMAL");
        assert_eq!(
            (images[3].name(), images[5].class_folder()),
            ("1.jpeg", "chest_xray/val/Normal")
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_cannot_be_read_has_an_objection() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = dataset(&["a/x.png", "a/closed.png", "b/y.png"]);
        // `/proc/self/mem` can be opened, but its first page cannot be read, not even by root.
        symlink("/proc/self/mem", dir.path().join("a/mem.png")).unwrap();
        let closed = dir.path().join("a/closed.png");
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
        let is_root = File::open(&closed).is_ok();
        let objections: Vec<_> =
            list(dir.path(), true).unwrap().into_iter().map(|image| image.objection).collect();
        let denied = (!is_root).then_some("permission to read the file is denied");
        assert_eq!(objections, [denied, Some("the file cannot be read"), None, None]);
    }
}
