//! Arguments of `cxr-predict`: files, folders, patterns, or paths on stdin.
//!
//! All files of a folder or pattern are listed before the first file is read, because the
//! detection of masks compares the names of all files.

use std::ffi::OsString;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::cli::ui::one_line;
use crate::cli::{Failure, ResultExt};
use crate::dataset::layout::Exclusion;
use crate::dataset::{images, masks};

/// A file that may be an image.
#[derive(Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Path of the file.
    pub path: PathBuf,
    /// Whether the file was an argument, not a file of a folder or pattern.
    pub named: bool,
    /// Whether the file is in a DICOM file-set, where only DICOM files are images.
    pub in_file_set: bool,
    /// Exclusion reason of a mask, by file name or folder.
    pub exclusion: Option<Exclusion>,
    /// Whether a file in another folder has the same name.
    pub has_namesake: bool,
}

impl Candidate {
    fn new(path: PathBuf, named: bool, in_file_set: bool) -> Self {
        Self { path, named, in_file_set, exclusion: None, has_namesake: false }
    }
}

/// A candidate, or an error message.
pub type Found = Result<Candidate, String>;

/// Arguments of the command line.
pub struct Sources {
    args: Vec<Source>,
    /// Whether links to files outside a given folder are followed.
    follow_links: bool,
}

enum Source {
    /// A file or folder, which may not exist.
    Path(PathBuf),
    /// A pattern, parsed and as text.
    Pattern(Box<glob::Paths>, String),
    Stdin,
}

/// Maximum number of bytes of a line on stdin; paths are shorter on all systems.
const MAX_LINE: u64 = 1 << 16;

impl Sources {
    /// Parses arguments. An existing path is not a pattern, even if its name has `*`, `?` or `[`.
    ///
    /// # Errors
    /// If a pattern is malformed.
    pub fn new(args: Vec<PathBuf>, follow_links: bool) -> Result<Self, Failure> {
        let source = |path: PathBuf| {
            if path == Path::new("-") {
                return Ok(Source::Stdin);
            }
            match path.to_str() {
                Some(text) if text.contains(['*', '?', '[']) && !path.exists() => {
                    let found = glob::glob(text)
                        .context(format!("the pattern `{text}` is malformed"))
                        .usage()
                        .hint("`*` matches any characters, `?` one character, `**` any folders")?;
                    Ok(Source::Pattern(Box::new(found), text.to_owned()))
                }
                _ => Ok(Source::Path(path)),
            }
        };
        let args = args.into_iter().map(source).collect::<Result<_, Failure>>()?;
        Ok(Self { args, follow_links })
    }

    /// Finds the images in another thread, which waits when `ahead` images have not been received.
    pub fn find(self, ahead: usize) -> Receiver<Found> {
        let (send, receive) = sync_channel(ahead);
        thread::spawn(move || {
            for source in self.args {
                if !source.for_each(self.follow_links, &mut |found| send.send(found).is_ok()) {
                    return;
                }
            }
        });
        receive
    }
}

impl Source {
    /// Calls `take` with each image until it returns false. Returns false if stopped.
    fn for_each(self, follow_links: bool, take: &mut dyn FnMut(Found) -> bool) -> bool {
        match self {
            Self::Path(path) => take_path(path, follow_links, take),
            Self::Pattern(paths, text) => {
                let list = |found| match found {
                    Ok(path) => list_path(path, false, follow_links),
                    Err(e) => vec![Err(one_line(e))],
                };
                let mut found: Vec<Found> = paths.flat_map(list).collect();
                if found.is_empty() {
                    found.push(Err(format!("no file matches `{}`", one_line(&text))));
                }
                // All matches are below the folders before the first wildcard: no mask folders.
                let fixed = text.split(['*', '?', '[']).next().unwrap_or_default();
                let root = fixed.rsplit_once('/').map_or("", |(folder, _)| folder);
                mark_masks(Path::new(root), &mut found);
                found.into_iter().all(take)
            }
            Self::Stdin => take_lines(std::io::stdin().lock(), follow_links, take),
        }
    }
}

/// Calls `take` with the file at `path`, or with the files below this folder.
fn take_path(path: PathBuf, follow_links: bool, take: &mut dyn FnMut(Found) -> bool) -> bool {
    let mut found = list_path(path.clone(), true, follow_links);
    mark_masks(&path, &mut found);
    found.into_iter().all(take)
}

/// Returns the file at `path`, or the files below this folder.
fn list_path(path: PathBuf, named: bool, follow_links: bool) -> Vec<Found> {
    if !path.is_dir() {
        return vec![Ok(Candidate::new(path, named, false))];
    }
    let candidate = |(path, in_file_set)| Candidate::new(path, false, in_file_set);
    let found = images::below(&path, follow_links);
    let found: Vec<Found> = found.map(|found| found.map(candidate).map_err(one_line)).collect();
    match found.is_empty() {
        true => vec![Err(format!("the folder `{}` contains no images", one_line(path.display())))],
        false => found,
    }
}

/// Marks masks among the files below the given folder `root`, by the rules for a class of a data
/// set ([`masks::mark`]).
fn mark_masks(root: &Path, found: &mut [Found]) {
    let mut listed: Vec<&mut Candidate> = found.iter_mut().flatten().filter(|c| !c.named).collect();
    let in_class = |candidate: &&mut Candidate| {
        let relative = candidate.path.strip_prefix(root).unwrap_or(&candidate.path);
        let parts: Vec<_> = relative.iter().map(|name| name.to_string_lossy()).collect();
        images::Candidate { path: parts.join("/"), ..images::Candidate::default() }
    };
    let mut in_class: Vec<images::Candidate> = listed.iter().map(in_class).collect();
    masks::mark(&mut in_class);
    for (candidate, marked) in listed.iter_mut().zip(in_class) {
        candidate.exclusion = marked.exclusion;
        candidate.has_namesake = marked.has_namesake;
    }
}

/// Calls `take` with the images at the paths in `input`, one path per line; skips empty lines.
fn take_lines(
    mut input: impl BufRead,
    follow_links: bool,
    take: &mut dyn FnMut(Found) -> bool,
) -> bool {
    loop {
        let mut line = Vec::new();
        match (&mut input).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) => return take(Err(format!("cannot read standard input: {e}"))),
        }
        let is_complete = line.ends_with(b"\n");
        if !is_complete && line.len() as u64 == MAX_LINE {
            take(Err(format!("a line on standard input is longer than {MAX_LINE} bytes")));
            return false;
        }
        let path = line.strip_suffix(b"\n").unwrap_or(&line);
        let path = path.strip_suffix(b"\r").unwrap_or(path);
        if !path.is_empty() && !take_path(path_from_bytes(path), follow_links, take) {
            return false;
        }
    }
}

#[cfg(unix)]
fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes.to_vec()).into()
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    OsString::from(String::from_utf8_lossy(bytes).into_owned()).into()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures are written directly")]
mod tests {
    use super::*;

    fn found(sources: Vec<PathBuf>) -> Vec<Found> {
        Sources::new(sources, false).unwrap().find(2).into_iter().collect()
    }

    #[test]
    fn files_folders_and_patterns_keep_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["b/2.png", "b/1.png", "b/deep/0.png", "b/.hidden", "a[1].png", "c.jpg"] {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), b"image").unwrap();
        }
        std::fs::create_dir(path("empty")).unwrap();
        // An existing file `a[1].png` is not a pattern.
        let images =
            found(vec![path("c.jpg"), path("b"), path("*.png"), path("a[1].png"), path("gone")]);
        let names = ["c.jpg", "b/1.png", "b/2.png", "b/deep/0.png", "a[1].png", "a[1].png", "gone"];
        let (paths, named): (Vec<_>, Vec<_>) =
            images.into_iter().map(|image| image.map(|f| (f.path, f.named)).unwrap()).unzip();
        assert_eq!(paths, names.map(path));
        assert_eq!(named, [true, false, false, false, false, true, true]);
        let errors = found(vec![path("*.tif"), path("empty")]);
        assert!(errors.len() == 2 && errors.iter().all(Result::is_err), "{errors:?}");
        assert_eq!(Sources::new(vec!["a/***".into()], false).err().unwrap().kind.code(), 2);
    }

    #[test]
    fn masks_are_marked_unless_they_are_arguments() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["x.png", "x_mask.png", "masks/y.png", "a/z.png", "b/z.png", "only_mask.png"] {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), b"image").unwrap();
        }
        let marked = |named: &str| -> Vec<(String, Option<Exclusion>, bool)> {
            let name = |path: &Path| path.strip_prefix(&dir).unwrap().display().to_string();
            let found = found(vec![path(named)]).into_iter().map(Result::unwrap);
            found.map(|c| (name(&c.path), c.exclusion, c.has_namesake)).collect()
        };
        let all = marked("");
        let expected = [
            ("a/z.png", None, true),
            ("b/z.png", None, true),
            ("masks/y.png", Some(Exclusion::MaskByFolder), false),
            ("only_mask.png", None, false),
            ("x.png", None, false),
            ("x_mask.png", Some(Exclusion::MaskByName), true),
        ];
        assert_eq!(all, expected.map(|(name, reason, twin)| (name.to_owned(), reason, twin)));
        let count =
            |arg: &str| marked(arg).iter().filter(|(_, reason, _)| reason.is_some()).count();
        assert_eq!([count("*.png"), count("*/*.png"), count("**/*.png")], [1, 1, 2]);
        // A file or folder that is an argument is not excluded.
        assert_eq!([count("x_mask.png"), count("masks"), count("masks/*.png")], [0; 3]);
    }

    #[test]
    fn stdin_has_one_path_per_line() {
        let mut images = Vec::new();
        let mut take = |image: Found| {
            images.push(image.unwrap().path);
            true
        };
        assert!(take_lines(&b"gone/a b.png\r\n\n\xff.png\nlast"[..], false, &mut take));
        assert_eq!(images.len(), 3);
        assert_eq!((&*images[0], &*images[2]), (Path::new("gone/a b.png"), Path::new("last")));
        let endless = vec![b'a'; 1 << 17];
        let mut errors = 0;
        assert!(!take_lines(&endless[..], false, &mut |image| {
            errors += usize::from(image.is_err());
            true
        }));
        assert_eq!(errors, 1);
    }

    #[test]
    fn iteration_stops_when_take_returns_false() {
        let mut seen = 0;
        let mut take = |_| {
            seen += 1;
            seen < 2
        };
        assert!(!take_lines(&b"a\nb\nc\n"[..], false, &mut take));
        assert_eq!(seen, 2);
    }
}
