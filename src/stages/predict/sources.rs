//! Which films are meant: files, folders, patterns, or paths on stdin.

use std::ffi::OsString;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::cli::ui::one_line;
use crate::cli::{Failure, ResultExt};
use crate::dataset::films;

/// A file that may be a film.
#[derive(Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it lies.
    pub path: PathBuf,
    /// The user said that it is one: it was not met in a folder or by a pattern.
    pub named: bool,
    /// It was met in a DICOM file-set, where only DICOM is a film.
    pub in_file_set: bool,
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

    /// Looks for the films, in a thread that is never more than `ahead` films ahead.
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
    /// Hands on each film until `take` has had enough; says whether it has not.
    fn each(self, follow_links: bool, take: &mut dyn FnMut(Found) -> bool) -> bool {
        match self {
            Self::Path(path) => below(path, true, follow_links, take),
            Self::Pattern(paths, text) => {
                let mut any = false;
                for found in paths {
                    any = true;
                    let more = match found {
                        Ok(path) => below(path, false, follow_links, take),
                        Err(e) => take(Err(one_line(e))),
                    };
                    if !more {
                        return false;
                    }
                }
                any || take(Err(format!("nothing is called `{}`", one_line(text))))
            }
            Self::Stdin => lines(std::io::stdin().lock(), follow_links, take),
        }
    }
}

fn below(
    path: PathBuf,
    named: bool,
    follow_links: bool,
    take: &mut dyn FnMut(Found) -> bool,
) -> bool {
    if !path.is_dir() {
        return take(Ok(Candidate { path, named, in_file_set: false }));
    }
    let mut any = false;
    for found in films::below(&path, follow_links) {
        any = true;
        let candidate = |(path, in_file_set)| Candidate { path, named: false, in_file_set };
        if !take(found.map(candidate).map_err(one_line)) {
            return false;
        }
    }
    any || take(Err(format!("`{}` holds no film", one_line(path.display()))))
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
        if !path.is_empty() && !below(native(path), true, follow_links, take) {
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
            std::fs::write(path(name), b"film").unwrap();
        }
        std::fs::create_dir(path("empty")).unwrap();
        // A file is taken at its name before that is taken for a pattern.
        let films =
            found(vec![path("c.jpg"), path("b"), path("*.png"), path("a[1].png"), path("gone")]);
        let names = ["c.jpg", "b/1.png", "b/2.png", "b/deep/0.png", "a[1].png", "a[1].png", "gone"];
        let (paths, named): (Vec<_>, Vec<_>) =
            films.into_iter().map(|film| film.map(|f| (f.path, f.named)).unwrap()).unzip();
        assert_eq!(paths, names.map(path));
        assert_eq!(named, [true, false, false, false, false, true, true]);
        let errors = found(vec![path("*.tif"), path("empty")]);
        assert!(errors.len() == 2 && errors.iter().all(Result::is_err), "{errors:?}");
        assert_eq!(Sources::new(vec!["a/***".into()], false).err().unwrap().kind.code(), 2);
    }

    #[test]
    fn stdin_is_a_path_a_line() {
        let mut films = Vec::new();
        let mut take = |film: Found| {
            films.push(film.unwrap().path);
            true
        };
        assert!(lines(&b"gone/a b.png\r\n\n\xff.png\nlast"[..], false, &mut take));
        assert_eq!(films.len(), 3);
        assert_eq!((&*films[0], &*films[2]), (Path::new("gone/a b.png"), Path::new("last")));
        let endless = vec![b'a'; 1 << 17];
        let mut errors = 0;
        assert!(!lines(&endless[..], false, &mut |film| {
            errors += usize::from(film.is_err());
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
