//! Summary and warnings of `cxr-preprocess` about the layout of a data set and excluded files.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::MISFILED;
use crate::cli::Context;
use crate::dataset::images::Candidate;
use crate::dataset::layout::{Exclusion, Layout};
use crate::dataset::{masks, words};

/// Layout of the data set, for the summary.
#[derive(Debug, Default, Serialize)]
pub struct Arranged {
    /// Names of the parts, sorted; empty if the data set has no parts.
    pub parts: Vec<String>,
    /// Names of the classes; empty if the top-level folders are the classes.
    pub classes_inside: Vec<String>,
    /// Number of excluded files by reason, without unusable files.
    pub left_out: BTreeMap<&'static str, usize>,
    /// Whether the classes were recognised by tree structure only, not by names.
    #[serde(skip)]
    uncertain: bool,
}

impl Arranged {
    /// Returns the summary of `layout`, without excluded files.
    pub fn new(layout: &Layout, images: &[Candidate]) -> Self {
        let distinct = |name: fn(&Candidate) -> &String| -> Vec<String> {
            let all: BTreeSet<&String> = images.iter().map(name).collect();
            all.into_iter().filter(|name| !name.is_empty()).cloned().collect()
        };
        Self {
            parts: distinct(|image| &image.part),
            classes_inside: if layout.is_plain() { vec![] } else { distinct(|image| &image.class) },
            left_out: BTreeMap::new(),
            uncertain: layout.uncertain,
        }
    }

    /// Reports which folders are parts and which are classes, unless top-level folders are the
    /// classes.
    pub fn warn(&self, ctx: &Context) {
        let dataset = ctx.paths.dataset.display();
        let Self { parts, classes_inside, uncertain, .. } = self;
        let text = match (parts.is_empty(), classes_inside.is_empty()) {
            (true, true) => return,
            (true, false) => format!("the classes of `{dataset}` are {}", list(classes_inside)),
            (false, true) => {
                format!("the class folders of `{dataset}` contain parts: {}", list(parts))
            }
            (false, false) => format!(
                "`{dataset}` has the parts {}, with the classes {}",
                list(parts),
                list(classes_inside)
            ),
        };
        match uncertain {
            true => ctx.ui.warn(format_args!(
                "{text}; this is a guess, because all top-level folders contain the same folders; \
                 if the top-level folders are the classes: `--layout class-folders`"
            )),
            false => ctx.ui.note(text),
        }
    }

    /// Counts the excluded files, with the number of masks found by pixels, and warns of them.
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
        let mask_reasons =
            [Exclusion::MaskByFolder.text(), Exclusion::MaskByName.text(), masks::BY_PIXELS];
        let masks: usize = mask_reasons.iter().filter_map(|reason| self.left_out.get(reason)).sum();
        if masks > 0 {
            ctx.ui.warn(format_args!(
                "{masks} segmentation masks are excluded, see `selection.csv`; `--masks keep` \
                 treats them as images"
            ));
        }
        for exclusion in [Exclusion::NoClass, Exclusion::OutsideParts] {
            if let Some(files) = self.left_out.get(exclusion.text()) {
                ctx.ui.warn(format_args!(
                    "{files} files are excluded ({}), see `selection.csv`",
                    exclusion.text()
                ));
            }
        }
    }

    /// Returns the lines of the summary.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.parts.is_empty() {
            lines.push(format!("parts of the data set: {}", list(&self.parts)));
        }
        for (reason, count) in &self.left_out {
            lines.push(match *reason {
                MISFILED => {
                    format!("{count} also excluded: pneumonia by file name, in the normal class")
                }
                reason => format!("{count} also excluded: {reason}"),
            });
        }
        lines
    }
}

/// Returns the source of an image: `known`, else the collection folder that contains the part,
/// else the part if its name is neither a set of a split nor a fold.
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
