//! Checks of all stages of a run before the first stage starts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::Table;

use super::{Entry, stage_inputs};
use crate::artifact::index::Index;
use crate::backbone::Weights;
use crate::cli::{Context, Failure, Kind, ResultExt};
use crate::dataset::positive::{COVID, positive};

/// Images of a data set.
#[derive(Debug)]
pub struct Listed {
    /// One row per image.
    pub index: Index,
    /// Whether the images have been read. If not, a row is a file that may be an image, and has
    /// only a path, a class and a part, from the names of files and folders.
    pub read: bool,
}

/// Problems that would make stages fail, and notes for the user, found before a run.
#[derive(Debug)]
pub struct Check<'a> {
    /// Context of the run.
    pub ctx: &'a Context,
    /// Classes of the data set, sorted; `None` if they are not known before the run.
    pub classes: Option<Vec<String>>,
    /// Number of images that the run will read; `None` if unknown or zero.
    pub images: Option<usize>,
    /// All images; `None` if they are not known before the run.
    pub listed: Option<Listed>,
    /// Stage that is being checked.
    stage: Option<&'static Entry>,
    problems: Vec<Failure>,
    notes: BTreeSet<String>,
    /// Weights files that have been read.
    weights: BTreeSet<PathBuf>,
}

impl<'a> Check<'a> {
    /// Returns a check without problems. `classes` and `images` are as in the fields.
    pub fn new(ctx: &'a Context, classes: Option<Vec<String>>, images: Option<usize>) -> Self {
        let (problems, notes, weights) = Default::default();
        Self { ctx, classes, images, listed: None, stage: None, problems, notes, weights }
    }

    /// Checks `stage`; `hand` holds settings that `cxr run` keeps from flags of an earlier run.
    pub fn ask(&mut self, stage: &'static Entry, hand: &Table) {
        self.stage = Some(stage);
        (stage.check)(self, hand);
    }

    /// Returns the value, or collects the failure unless one with the same text was collected.
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

    /// Checks that the positive class is one of the classes.
    pub fn positive(&mut self, wanted: &str) {
        let Some(classes) = self.classes.clone() else { return };
        if let Some(class) = self.expect(stage_inputs::positive(wanted, &classes))
            && wanted.is_empty()
            && classes[class] != COVID
        {
            self.notes.insert(format!(
                "positive class: `{}`, the only class whose name indicates a finding; choose \
                 another with `--positive`",
                classes[class]
            ));
        }
    }

    /// Checks that the data set has at least two classes.
    pub fn two_classes(&mut self) {
        if let Some([class]) = self.classes.as_deref() {
            let error = format!("all images are of one class, `{class}`");
            self.problems
                .push(Failure::new(error).hint("the dataset needs at least two class folders"));
        }
    }

    /// Checks the positive class of figures, which need none if there are more than two classes.
    pub fn positive_of_two(&mut self, wanted: &str) {
        let classes = self.classes.as_deref().unwrap_or_default();
        if wanted.is_empty() && classes.len() > 2 && positive(wanted, classes).is_err() {
            return;
        }
        self.positive(wanted);
    }

    /// Checks that the weights file exists and contains the weights of VGG16.
    pub fn weights(&mut self, wanted: &str) {
        let Some(path) = self.expect(stage_inputs::weights_file(self.ctx, wanted)) else { return };
        if self.weights.insert(path.clone()) {
            let read = Weights::read(&path)
                .hint("name another file with `--weights`, or run `cxr fetch weights`");
            self.expect(read);
        }
    }

    /// Checks that the disk of `folder` has `bytes` free.
    pub fn room(&mut self, folder: &Path, bytes: u64) {
        let Some(existing) = nearest_existing(folder) else { return };
        // If the system reports no free space, the stage itself reports a full disk.
        let Ok(stat) = rustix::fs::statvfs(existing) else { return };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < bytes {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            let error = format!(
                "the disk of `{}` has {} MiB free, {} MiB are needed",
                existing.display(),
                mib(free),
                mib(bytes)
            );
            let failure = Failure::new(error).hint("free some space on this disk");
            self.problems.push(failure.hint("choose a folder on another disk with `--artifacts`"));
        }
    }

    /// Checks that the output folder of a stage, or its nearest existing ancestor, is a writable
    /// folder.
    pub fn writable(&mut self, folder: &Path) {
        let Some(existing) = nearest_existing(folder) else { return };
        let error = match existing.is_dir() {
            false => format!("`{}` is a file, expected a folder", existing.display()),
            true if rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_err() => {
                format!("the folder `{}` is not writable", existing.display())
            }
            true => return,
        };
        let failure = Failure::new(error);
        self.expect(Err::<(), _>(
            failure.hint("check its permissions, or choose another folder with `--artifacts`"),
        ));
    }

    /// Returns the notes.
    ///
    /// # Errors
    /// All problems in one failure; a usage error if each problem is a usage error.
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

/// Returns the folder itself, or its nearest existing ancestor.
fn nearest_existing(folder: &Path) -> Option<&Path> {
    // The last ancestor of a relative path is empty.
    let ancestors = folder.ancestors();
    ancestors
        .map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p })
        .find(|p| p.exists())
}
