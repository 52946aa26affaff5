//! What `cxr-preprocess` states of the folders of a data set, and of files that are no
//! images of a class.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::MISFILED;
use crate::cli::Context;
use crate::dataset::images::Candidate;
use crate::dataset::layout::{Exclusion, Layout};
use crate::dataset::{masks, words};

/// How the data set is arranged, for the summary.
#[derive(Debug, Default, Serialize)]
pub struct Arranged {
    /// The parts in which it comes, sorted; none if its folders are the classes only.
    pub parts: Vec<String>,
    /// The classes, if they are not the folders of the dataset folder.
    pub classes_inside: Vec<String>,
    /// Files left out by reason, unusable ones not counted.
    pub left_out: BTreeMap<&'static str, usize>,
    /// Whether no name tells which folders are the classes.
    #[serde(skip)]
    uncertain: bool,
}

impl Arranged {
    /// What `layout` and the images say.
    pub fn new(layout: &Layout, images: &[Candidate]) -> Self {
        let distinct = |of: fn(&Candidate) -> &String| -> Vec<String> {
            let all: BTreeSet<&String> = images.iter().map(of).collect();
            all.into_iter().filter(|name| !name.is_empty()).cloned().collect()
        };
        Self {
            parts: distinct(|image| &image.part),
            classes_inside: if layout.is_plain() { vec![] } else { distinct(|image| &image.class) },
            left_out: BTreeMap::new(),
            uncertain: layout.uncertain,
        }
    }

    /// States which folders are parts and which are classes, if the data set is not plain.
    pub fn warn(&self, ctx: &Context) {
        let dataset = ctx.paths.dataset.display();
        let Self { parts, classes_inside, uncertain, .. } = self;
        let what = match (parts.is_empty(), classes_inside.is_empty()) {
            (true, true) => return,
            (true, false) => format!("the classes of `{dataset}` are {}", list(classes_inside)),
            (false, true) => {
                format!("the classes of `{dataset}` come in parts, each a folder: {}", list(parts))
            }
            (false, false) => format!(
                "`{dataset}` comes in parts, {}; the classes are inside: {}",
                list(parts),
                list(classes_inside)
            ),
        };
        match uncertain {
            true => ctx.ui.warn(format_args!(
                "{what}; that is a guess, as every folder holds the same folders: `--layout \
                 class-folders` takes the outer folders as the classes"
            )),
            false => ctx.ui.note(what),
        }
    }

    /// Counts what is left out, with the masks that were found `by_pixels`, and warns of it.
    pub fn left_out(
        &mut self,
        ctx: &Context,
        left_out: &[(Candidate, &'static str)],
        by_pixels: usize,
    ) {
        for (_, reason) in left_out {
            *self.left_out.entry(*reason).or_default() += 1;
        }
        if by_pixels > 0 {
            self.left_out.insert(masks::BY_PIXELS, by_pixels);
        }
        let of_mask =
            [Exclusion::MaskByFolder.text(), Exclusion::MaskByName.text(), masks::BY_PIXELS];
        let masks: usize = of_mask.iter().filter_map(|reason| self.left_out.get(reason)).sum();
        if masks > 0 {
            ctx.ui.warn(format_args!(
                "{masks} masks that lie with the images are left out, and named in the selection \
                 log: `--masks keep` takes them for images"
            ));
        }
        for exclusion in [Exclusion::NoClass, Exclusion::BesideParts] {
            if let Some(files) = self.left_out.get(exclusion.text()) {
                ctx.ui.warn(format_args!(
                    "{files} files are left out: {}; the selection log names them",
                    exclusion.text()
                ));
            }
        }
    }

    /// The lines of the summary.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.parts.is_empty() {
            lines.push(format!("parts of the data set: {}", list(&self.parts)));
        }
        for (reason, count) in &self.left_out {
            lines.push(match *reason {
                MISFILED => {
                    format!("{count} left out as well: pneumonia by name, in a class of normals")
                }
                reason => format!("{count} left out as well: {reason}"),
            });
        }
        lines
    }
}

/// The collection that an image comes from: the one `known`, else the folder around its
/// part, else its part where that is neither a side of a split nor a fold.
pub fn source(known: String, image: &Candidate) -> String {
    match (known.is_empty(), image.collection.is_empty()) {
        (false, _) => known,
        (true, false) => image.collection.clone(),
        (true, true) if words::part(&image.part).is_none() => image.part.clone(),
        (true, true) => known,
    }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
