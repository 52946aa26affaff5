//! Which images are meant: files, folders, patterns, or paths on stdin.
//!
//! All files of a folder or of a pattern are listed before the first of them is read: whether a
//! file is a mask depends on the images beside it.

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
    /// Where it lies.
    pub path: PathBuf,
    /// The user said that it is one: it was not met in a folder or by a pattern.
    pub named: bool,
    /// It was met in a DICOM file-set, where only DICOM is an image.
    pub in_file_set: bool,
    /// Why it is a mask by its name or its folder, if so.
    pub exclusion: Option<Exclusion>,
    /// Whether another file has its name, in another folder.
    pub has_namesake: bool,
}

impl Candidate {
    fn new(path: PathBuf, named: bool, in_file_set: bool) -> Self {
        Self { path, named, in_file_set, exclusion: None, has_namesake: false }
    }
}

/// A candidate, or why there is none.
pub type Found = Result<Candidate, String>;

/// What was named on the command line.
pub struct Sources {
    named: Vec<Source>,
    /// Whether links out of a named folder are followed.
    follow_links: bool,
}

enum Source {
    /// A file or a folder, perhaps one that is not there.
    Path(PathBuf),
    /// A pattern with what it was made from.
    Pattern(Box<glob::Paths>, String),
    Stdin,
}

/// The longest path that is read from stdin; no system has longer ones.
const LONGEST: u64 = 1 << 16;

impl Sources {
    /// Sorts out what `named` means. What exists is no pattern, whatever its name.
    ///
    /// # Errors
    /// For a malformed pattern.
    pub fn new(named: Vec<PathBuf>, follow_links: bool) -> Result<Self, Failure> {
        let source = |path: PathBuf| {
            if path == Path::new("-") {
                return Ok(Source::Stdin);
            }
            match path.to_str() {
                Some(text) if text.contains(['*', '?', '[']) && !path.exists() => {
                    let found = glob::glob(text)
                        .context(format!("`{text}` is no pattern"))
                        .usage()
                        .hint("`*` stands for any characters, `?` for one, `**` for any folders")?;
                    Ok(Source::Pattern(Box::new(found), text.to_owned()))
                }
                _ => Ok(Source::Path(path)),
            }
        };
        let named = named.into_iter().map(source).collect::<Result<_, Failure>>()?;
        Ok(Self { named, follow_links })
    }

    /// Looks for the images, in a thread that is never more than `ahead` images ahead.
    pub fn find(self, ahead: usize) -> Receiver<Found> {
        let (send, receive) = sync_channel(ahead);
        thread::spawn(move || {
            for source in self.named {
                if !source.each(self.follow_links, &mut |found| send.send(found).is_ok()) {
                    return;
                }
            }
        });
        receive
    }
}

impl Source {
    /// Hands on each image until `take` has had enough; says whether it has not.
    fn each(self, follow_links: bool, take: &mut dyn FnMut(Found) -> bool) -> bool {
        match self {
            Self::Path(path) => below(path, follow_links, take),
            Self::Pattern(paths, text) => {
                let list = |found| match found {
                    Ok(path) => listed(path, false, follow_links),
                    Err(e) => vec![Err(one_line(e))],
                };
                let mut found: Vec<Found> = paths.flat_map(list).collect();
                if found.is_empty() {
                    found.push(Err(format!("nothing is called `{}`", one_line(&text))));
                }
                // The folders that every match lies in are no folders of masks.
                let fixed = text.split(['*', '?', '[']).next().unwrap_or_default();
                let root = fixed.rsplit_once('/').map_or("", |(folder, _)| folder);
                mark_masks(Path::new(root), &mut found);
                found.into_iter().all(take)
            }
            Self::Stdin => lines(std::io::stdin().lock(), follow_links, take),
        }
    }
}

/// Hands on a file that was named, or the files below a folder.
fn below(path: PathBuf, follow_links: bool, take: &mut dyn FnMut(Found) -> bool) -> bool {
    let mut found = listed(path.clone(), true, follow_links);
    mark_masks(&path, &mut found);
    found.into_iter().all(take)
}

/// The file at `path`, or the files below that folder.
fn listed(path: PathBuf, named: bool, follow_links: bool) -> Vec<Found> {
    if !path.is_dir() {
        return vec![Ok(Candidate::new(path, named, false))];
    }
    let candidate = |(path, in_file_set)| Candidate::new(path, false, in_file_set);
    let found = images::below(&path, follow_links);
    let found: Vec<Found> = found.map(|found| found.map(candidate).map_err(one_line)).collect();
    match found.is_empty() {
        true => vec![Err(format!("`{}` holds no image", one_line(path.display())))],
        false => found,
    }
}

/// Marks the masks among files that were not named, by the rules for a class of a data set
/// ([`masks::mark`]): `root` is the folder that was named.
fn mark_masks(root: &Path, found: &mut [Found]) {
    let mut met: Vec<&mut Candidate> = found.iter_mut().flatten().filter(|c| !c.named).collect();
    let of_class = |candidate: &&mut Candidate| {
        let below = candidate.path.strip_prefix(root).unwrap_or(&candidate.path);
        let folders: Vec<_> = below.iter().map(|name| name.to_string_lossy()).collect();
        images::Candidate { path: folders.join("/"), ..images::Candidate::default() }
    };
    let mut of_class: Vec<images::Candidate> = met.iter().map(of_class).collect();
    masks::mark(&mut of_class);
    for (candidate, marked) in met.iter_mut().zip(of_class) {
        candidate.exclusion = marked.exclusion;
        candidate.has_namesake = marked.has_namesake;
    }
}

/// A path a line; empty lines are left out.
fn lines(mut input: impl BufRead, follow_links: bool, take: &mut dyn FnMut(Found) -> bool) -> bool {
    loop {
        let mut line = Vec::new();
        match (&mut input).take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) => return take(Err(format!("cannot read standard input: {e}"))),
        }
        let end = line.ends_with(b"\n");
        if !end && line.len() as u64 == LONGEST {
            take(Err("a line on standard input is longer than any path".to_owned()));
            return false;
        }
        let path = line.strip_suffix(b"\n").unwrap_or(&line);
        let path = path.strip_suffix(b"\r").unwrap_or(path);
        if !path.is_empty() && !below(native(path), follow_links, take) {
            return false;
        }
    }
}

#[cfg(unix)]
fn native(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes.to_vec()).into()
}

#[cfg(not(unix))]
fn native(bytes: &[u8]) -> PathBuf {
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
        // A file is taken at its name before that is taken for a pattern.
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
    fn masks_beside_images_are_marked_unless_they_are_named() {
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
        let wanted = [
            ("a/z.png", None, true),
            ("b/z.png", None, true),
            ("masks/y.png", Some(Exclusion::MaskByFolder), false),
            ("only_mask.png", None, false),
            ("x.png", None, false),
            ("x_mask.png", Some(Exclusion::MaskByName), true),
        ];
        assert_eq!(all, wanted.map(|(name, why, twin)| (name.to_owned(), why, twin)));
        let with = |named: &str| marked(named).iter().filter(|(_, why, _)| why.is_some()).count();
        assert_eq!([with("*.png"), with("*/*.png"), with("**/*.png")], [1, 1, 2]);
        // A file or a folder that is named is meant.
        assert_eq!([with("x_mask.png"), with("masks"), with("masks/*.png")], [0; 3]);
    }

    #[test]
    fn stdin_is_a_path_a_line() {
        let mut images = Vec::new();
        let mut take = |image: Found| {
            images.push(image.unwrap().path);
            true
        };
        assert!(lines(&b"gone/a b.png\r\n\n\xff.png\nlast"[..], false, &mut take));
        assert_eq!(images.len(), 3);
        assert_eq!((&*images[0], &*images[2]), (Path::new("gone/a b.png"), Path::new("last")));
        let endless = vec![b'a'; 1 << 17];
        let mut errors = 0;
        assert!(!lines(&endless[..], false, &mut |image| {
            errors += usize::from(image.is_err());
            true
        }));
        assert_eq!(errors, 1);
    }

    #[test]
    fn who_has_had_enough_gets_no_more() {
        let mut seen = 0;
        let mut take = |_| {
            seen += 1;
            seen < 2
        };
        assert!(!lines(&b"a\nb\nc\n"[..], false, &mut take));
        assert_eq!(seen, 2);
    }
}
