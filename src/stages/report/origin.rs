//! Origin of the images, patient linkage and split.

use std::collections::{BTreeMap, BTreeSet};

use super::{Files, READER};
use crate::artifact::Document;
use crate::artifact::groups;
use crate::artifact::index::{Index, IndexRow};
use crate::artifact::record::Record;
use crate::artifact::selection::SelectionRow;
use crate::artifact::selection_log::{self, SelectionLog, Status};
use crate::cli::{Context, Failure, ResultExt};
use crate::io::hash;
use crate::io::staging::RECORD;
use crate::report::{ClassImages, Count, Demographics, Doubt, Doubts, Linked, Source, Split};

/// Returns the selection of each class that has a selection log.
///
/// # Errors
/// If a selection log is invalid or cannot be read.
pub fn sources(ctx: &Context, index: &Index) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    let inputs = Record::read(&ctx.artifact(READER, RECORD)).map(|record| record.inputs);
    let Some(dataset) = ctx.paths_of(READER).map(|paths| paths.dataset) else {
        return Ok(sources);
    };
    for class in &index.classes {
        let path = dataset.join(class).join(selection_log::FILE);
        let name = format!("dataset/{class}/{}", selection_log::FILE);
        if !path.exists() {
            if inputs.as_ref().is_ok_and(|inputs| inputs.contains_key(&name)) {
                ctx.ui.warn(format_args!(
                    "cannot find `{}`, an input of `cxr preprocess`",
                    path.display()
                ));
            }
            continue;
        }
        // Another selection log does not describe the images that were read.
        if let Ok(inputs) = &inputs
            && inputs.get(&name) != Some(&hash::file(&path)?)
        {
            ctx.ui.warn(format_args!(
                "`{}` is left out: the preprocessed data set has another selection log; {} again",
                path.display(),
                ctx.rerun("preprocess")
            ));
            continue;
        }
        let selection_log =
            SelectionLog::read(&path).hint("build the class folder again, or remove the file")?;
        let counts = selection_log.counts();
        sources.push(Source {
            class: class.clone(),
            rows: counts.rows,
            kept: counts.kept,
            patients: counts.patients,
            unknown: counts.of_unknown_patients,
            dropped: sort_counts(counts.dropped),
        });
    }
    Ok(sources)
}

/// Returns the images with decoding notes; `None` without `selection.csv` of the preprocessing.
pub fn doubts(files: &Files) -> Option<Doubts> {
    let selection = files.selection.as_ref()?;
    let rows = || selection.iter().filter(|row| !row.notes.is_empty());
    let doubt = |row: &SelectionRow| Doubt { path: row.path.clone(), notes: row.notes.clone() };
    Some(Doubts {
        images: rows().count(),
        listed: rows().take(Doubts::LISTED).map(doubt).collect(),
    })
}

/// Returns the images of each class and of each set.
pub fn images(files: &Files) -> Vec<ClassImages> {
    let rows = &files.index.rows;
    let count = |set: &[usize], class: &str| {
        set.iter().filter(|row| rows.get(**row).is_some_and(|r| r.class == class)).count()
    };
    let class_images = |class: &String| {
        let images: Vec<&IndexRow> = rows.iter().filter(|row| row.class == *class).collect();
        let patients: BTreeSet<&str> =
            images.iter().map(|image| image.patient.as_str()).filter(|p| !p.is_empty()).collect();
        let excluded = files
            .selection
            .iter()
            .flatten()
            .filter(|e| e.status == Status::Dropped && e.class == *class);
        let unreadable = tally(excluded.map(|entry| entry.reason.as_str()));
        let dropped: usize = unreadable.iter().map(|reason| reason.count).sum();
        ClassImages {
            class: class.clone(),
            files: images.len() + dropped,
            unreadable,
            images: images.len(),
            patients: patients.len(),
            unknown: images.iter().filter(|image| image.patient.is_empty()).count(),
            sources: tally(images.iter().map(|image| image.source.as_str())),
            demographics: Demographics::of(
                images.iter().map(|image| (image.sex.as_str(), image.age.as_str())),
            ),
            train: files.split.as_ref().map_or(0, |split| count(&split.train, class)),
            validation: files.split.as_ref().map_or(0, |split| count(&split.validation, class)),
            test: files.split.as_ref().map_or(0, |split| count(&split.test, class)),
        }
    };
    files.index.classes.iter().map(class_images).collect()
}

/// Returns the split; `None` if `cxr split` has not run.
pub fn split(files: &Files) -> Option<Split> {
    let split = files.split.as_ref()?;
    let leaking = |row: &&usize| {
        files.index.rows.get(**row).is_some_and(|r| split.leaking.contains(&r.patient))
    };
    let copies = split.copies.clone().unwrap_or_default();
    let path =
        |row: &usize| files.index.rows.get(*row).map_or_else(String::new, |r| r.path.clone());
    let equal = |rows: &Vec<usize>| rows.iter().map(path).collect::<Vec<_>>().join(" is ");
    Some(Split {
        method: split.method.clone(),
        seed: split.seed,
        by: split.groups.by.clone(),
        train: split.train.len(),
        validation: split.validation.len(),
        test: split.test.len(),
        test_size: split.test_size,
        leaking: split.leaking.clone(),
        leaked_images: split.test.iter().filter(leaking).count(),
        unknown: split.unknown,
        copies: copies.in_training.iter().map(path).collect(),
        copies_in_classes: copies.in_classes.iter().map(equal).collect(),
    })
}

/// Returns the summary of the patient linkage.
pub fn linked(linked: &groups::Linked) -> Linked {
    Linked {
        images: linked.images,
        groups: linked.groups,
        links: sort_counts(linked.links.clone()),
        merged: linked.merged.iter().map(|ids| ids.join(" and ")).collect(),
        conflicts: linked.conflicts.len(),
    }
}

/// Sorts counts, the largest first.
fn sort_counts(counts: BTreeMap<String, usize>) -> Vec<Count> {
    let mut counts: Vec<Count> =
        counts.into_iter().map(|(what, count)| Count { what, count }).collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.count));
    counts
}

/// Counts equal items, the most frequent first.
fn tally<'a>(items: impl Iterator<Item = &'a str>) -> Vec<Count> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item.to_owned()).or_insert(0) += 1;
    }
    sort_counts(counts)
}
