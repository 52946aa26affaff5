//! Whether the stages of a run can work: asked of all before the first one starts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::Table;

use super::{Entry, upstream};
use crate::artifact::index::Index;
use crate::backbone::Weights;
use crate::cli::{Context, Failure, Kind, ResultExt};
use crate::dataset::positive::{COVID, positive};

/// The images of a data set.
#[derive(Debug)]
pub struct Listed {
    /// A row for each image.
    pub index: Index,
    /// Whether the images have been read; else the rows hold what the names of files and
    /// folders tell: path, class and part of each file that may be an image.
    pub read: bool,
}

/// Collects what would make stages fail, and what the user should know before they run.
#[derive(Debug)]
pub struct Check<'a> {
    /// The choices of the user.
    pub ctx: &'a Context,
    /// The classes of the data set, sorted; `None` where they are not known before the run.
    pub classes: Option<Vec<String>>,
    /// Images that will be read; `None` if they are not known, or none will be.
    pub images: Option<usize>,
    /// All images; `None` where they are not known before the run.
    pub listed: Option<Listed>,
    /// The stage that is asked.
    stage: Option<&'static Entry>,
    problems: Vec<Failure>,
    notes: BTreeSet<String>,
    /// Files of weights that have been read.
    weights: BTreeSet<PathBuf>,
}

impl<'a> Check<'a> {
    /// Of a data set with `classes`, of which so many `images` will be read.
    pub fn new(ctx: &'a Context, classes: Option<Vec<String>>, images: Option<usize>) -> Self {
        let (problems, notes, weights) = Default::default();
        Self { ctx, classes, images, listed: None, stage: None, problems, notes, weights }
    }

    /// Asks `stage`, with these settings kept of its last run by hand.
    pub fn ask(&mut self, stage: &'static Entry, hand: &Table) {
        self.stage = Some(stage);
        (stage.check)(self, hand);
    }

    /// Notes the failure, if it is one that was not noted yet.
    pub fn expect<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(failure) => {
                let text = |failure: &Failure| format!("{:#}", failure.error);
                if self.problems.iter().all(|known| text(known) != text(&failure)) {
                    self.problems.push(match self.stage {
                        Some(stage) => failure.for_run(stage.name, &(stage.defaults)()),
                        None => failure,
                    });
                }
                None
            }
        }
    }

    /// The positive class must be one of the classes.
    pub fn positive(&mut self, wanted: &str) {
        let Some(classes) = self.classes.clone() else { return };
        if let Some(class) = self.expect(upstream::positive(wanted, &classes))
            && wanted.is_empty()
            && classes[class] != COVID
        {
            self.notes.insert(format!(
                "positive class: `{}`, the only class with a finding by its name; `--positive` \
                 chooses another",
                classes[class]
            ));
        }
    }

    /// A data set has at least two classes.
    pub fn two_classes(&mut self) {
        if let Some([class]) = self.classes.as_deref() {
            let error = format!("all images are of one class, `{class}`");
            self.problems.push(
                Failure::new(error).hint("the dataset needs a folder for each class, two at least"),
            );
        }
    }

    /// The positive class of figures that need none if there are more than two classes.
    pub fn positive_of_two(&mut self, wanted: &str) {
        let classes = self.classes.as_deref().unwrap_or_default();
        if wanted.is_empty() && classes.len() > 2 && positive(wanted, classes).is_err() {
            return;
        }
        self.positive(wanted);
    }

    /// The file of weights must be there and hold those of VGG16.
    pub fn weights(&mut self, wanted: &str) {
        let Some(path) = self.expect(upstream::weights_file(self.ctx, wanted)) else { return };
        if self.weights.insert(path.clone()) {
            let read = Weights::read(&path)
                .hint("name another file with `--weights`, or run `cxr fetch weights`");
            self.expect(read);
        }
    }

    /// The disk of `folder` must have room for `bytes`.
    pub fn room(&mut self, folder: &Path, bytes: u64) {
        let Some(existing) = existing(folder) else { return };
        // Where the system does not tell, the stage will.
        let Ok(stat) = rustix::fs::statvfs(existing) else { return };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < bytes {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            let error = format!(
                "the disk of `{}` has {} MiB free, and {} MiB are needed",
                existing.display(),
                mib(free),
                mib(bytes)
            );
            let failure = Failure::new(error).hint("free some space there");
            self.problems.push(failure.hint("choose a folder on another disk with `--artifacts`"));
        }
    }

    /// The folder of a stage, or the first above it that is there, must be a folder that
    /// can be written to.
    pub fn writable(&mut self, folder: &Path) {
        let Some(existing) = existing(folder) else { return };
        let error = match existing.is_dir() {
            false => format!("`{}` is a file, and a folder is needed there", existing.display()),
            true if rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_err() => {
                format!("the folder `{}` cannot be written to", existing.display())
            }
            true => return,
        };
        let failure = Failure::new(error);
        self.expect(Err::<(), _>(
            failure.hint("check its permissions, or choose another folder with `--artifacts`"),
        ));
    }

    /// What was found: the notes; an error with all problems, if there are any.
    ///
    /// # Errors
    /// All problems together: a wrong request if each of them is one.
    pub fn finish(self) -> Result<BTreeSet<String>, Failure> {
        let Self { mut problems, notes, .. } = self;
        if problems.len() < 2 {
            return match problems.pop() {
                Some(failure) => Err(failure),
                None => Ok(notes),
            };
        }
        let mut text = format!("{} problems, found before the first stage", problems.len());
        let mut hints: Vec<String> = Vec::new();
        let kind = problems.iter().map(|p| p.kind).find(|kind| *kind != Kind::Usage);
        for problem in problems {
            text += &format!("\n  {:#}", problem.error);
            for hint in problem.hints {
                if !hints.contains(&hint) {
                    hints.push(hint);
                }
            }
        }
        let failure = Failure::new(text);
        Err(Failure { kind: kind.unwrap_or(Kind::Usage), hints, ..failure })
    }
}

/// The folder itself, or the first above it that is there.
fn existing(folder: &Path) -> Option<&Path> {
    // The last ancestor of a relative path is empty.
    let ancestors = folder.ancestors();
    ancestors
        .map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p })
        .find(|p| p.exists())
}
