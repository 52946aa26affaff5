//! Images that are probed, and their folds.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array2;
use rayon::prelude::*;

use super::Settings;
use super::folds::FoldAssignment;
use crate::artifact::index::Index;
use crate::audit::inputs::{Attributes, attributes, rim, thumbnail};
use crate::audit::{Deal, Probe, ProbeEvaluation};
use crate::dataset::split::stratified_group_kfold;
use crate::io::npy::{NpyError, Reader};
use crate::metrics::cramers_v;
use crate::rng::{Rng, derive};

/// Images that are probed, with their folds.
pub struct Images {
    /// Rows of the index, ascending.
    pub rows: Vec<usize>,
    /// Classes and groups of the images.
    pub evaluation: ProbeEvaluation,
    /// Index of each image's source.
    sources: Vec<usize>,
    /// Fold of each image, for each repeat; or the reason why no folds can be assigned.
    pub folds: Result<Vec<Vec<usize>>, String>,
}

impl Images {
    /// All images of the index, or if they exceed [`Settings::images`], those of a random sample
    /// of groups. The first group of the sample is taken in full, even if it exceeds the limit.
    pub fn sample(
        index: &Index,
        assignment: &FoldAssignment,
        settings: &Settings,
        seed: u64,
    ) -> Self {
        let mut by_group: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (row, group) in assignment.groups.iter().enumerate() {
            by_group.entry(group).or_default().push(row);
        }
        let mut groups: Vec<Vec<usize>> = by_group.into_values().collect();
        if index.rows.len() > settings.images {
            Rng::new(derive(seed, "audit", "patients", 0)).shuffle(&mut groups);
        }
        let mut rows = Vec::new();
        for images in groups {
            if rows.is_empty() || rows.len() + images.len() <= settings.images {
                rows.extend(images);
            }
        }
        rows.sort_unstable();
        Self::new(index, rows, assignment, settings, seed)
    }

    fn new(
        index: &Index,
        rows: Vec<usize>,
        assignment: &FoldAssignment,
        settings: &Settings,
        seed: u64,
    ) -> Self {
        let truth = ranks(rows.iter().map(|row| index.rows[*row].class.as_str()));
        let groups = ranks(rows.iter().map(|row| assignment.groups[*row].as_str()));
        let sources = ranks(rows.iter().map(|row| index.rows[*row].source.as_str()));
        let groups_in = |class: usize| {
            let images = truth.iter().zip(&groups).filter(|(c, _)| **c == class);
            images.map(|(_, group)| group).collect::<BTreeSet<_>>().len()
        };
        let classes = truth.iter().max().map_or(0, |last| last + 1);
        let least = (0..classes).map(groups_in).min().unwrap_or(0);
        let folds = match (least, assignment.folds(&rows)) {
            (0 | 1, _) => Err("a class has fewer than two patients".to_owned()),
            (_, Some(folds)) => Ok(folds),
            (least, None) => {
                stratified_group_kfold(&truth, &groups, settings.folds.min(least), seed)
                    .map(|folds| vec![folds.test_folds().to_vec()])
                    .map_err(|e| e.to_string())
            }
        };
        let evaluation =
            ProbeEvaluation { truth, classes, groups, resamples: settings.resamples, seed };
        Self { rows, evaluation, sources, folds }
    }

    /// The images of each source; images of unknown source are left out.
    pub fn by_source(
        &self,
        index: &Index,
        assignment: &FoldAssignment,
        settings: &Settings,
        seed: u64,
    ) -> BTreeMap<String, Self> {
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for &row in &self.rows {
            rows.entry(&index.rows[row].source).or_default().push(row);
        }
        rows.remove("");
        let subset = |(source, rows): (&str, Vec<usize>)| {
            (source.to_owned(), Self::new(index, rows, assignment, settings, seed))
        };
        rows.into_iter().map(subset).collect()
    }

    /// Number of folds; 0 if none can be assigned.
    pub fn fold_count(&self) -> usize {
        let folds = self.folds.iter().flatten().flatten();
        folds.max().map_or(0, |last| last + 1)
    }

    /// Number of fold assignments.
    pub fn repeats(&self) -> usize {
        self.folds.as_ref().map_or(0, Vec::len)
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.evaluation.groups.iter().max().map_or(0, |last| last + 1)
    }

    /// Performance of a probe; undefined without folds. `scores(repeat, folds)` returns
    /// out-of-fold scores `[images, classes]`.
    pub fn probe<E: ToString>(
        &self,
        scores: impl Fn(usize, &[usize]) -> Result<Array2<f64>, E> + Sync,
    ) -> Probe {
        let assignments = match &self.folds {
            Ok(assignments) => assignments,
            Err(reason) => return Probe::undefined(self.rows.len(), reason),
        };
        let score = |(repeat, folds): (usize, &Vec<usize>)| scores(repeat, folds);
        let scores: Result<Vec<_>, E> = assignments.iter().enumerate().map(score).collect();
        match scores {
            Ok(scores) => {
                let scored = assignments.iter().zip(scores);
                let scored = scored.map(|(folds, scores)| Deal { folds, scores });
                self.evaluation.evaluate(&scored.collect::<Vec<_>>())
            }
            Err(reason) => Probe::undefined(self.rows.len(), reason),
        }
    }

    /// Cramér's V of class and source; none if there is only one class or one source.
    pub fn cramers_v(&self) -> Option<f64> {
        let sources = self.sources.iter().max().map_or(0, |last| last + 1);
        let mut table = vec![vec![0; sources]; self.evaluation.classes];
        for (class, source) in self.evaluation.truth.iter().zip(&self.sources) {
            table[*class][*source] += 1;
        }
        cramers_v(&table).ok()
    }

    /// Inputs of the probe of file attributes `[images, attributes]`.
    pub fn attributes(&self, index: &Index) -> Array2<f64> {
        let file = |row: &usize| {
            let row = &index.rows[*row];
            let words = [&row.mode, &row.modality, &row.view, &row.photometric];
            let words = words.map(String::as_str);
            Attributes { width: row.width, height: row.height, bytes: row.bytes, words }
        };
        attributes(&self.rows.iter().map(file).collect::<Vec<_>>())
    }

    /// Inputs of the probes of the border pixels and of the thumbnail, each `[images, pixels]`.
    pub fn pixels(&self, images: &mut Reader<u8>) -> Result<(Array2<f64>, Array2<f64>), NpyError> {
        const BATCH: usize = 64;
        let (height, width) = (images.shape()[1], images.shape()[2]);
        let (mut borders, mut thumbnails) = (Vec::new(), Vec::new());
        for rows in self.rows.chunks(BATCH) {
            let batch: Result<Vec<_>, _> =
                rows.iter().map(|row| images.read(*row..row + 1)).collect();
            let inputs = batch?.into_par_iter().map(|pixels| {
                let pixels = ndarray::Array3::from_shape_vec((height, width, 3), pixels)
                    .expect("an image of the file's shape");
                (rim(pixels.view()), thumbnail(pixels.view()))
            });
            for (border, thumbnail) in inputs.collect::<Vec<_>>() {
                borders.extend(border);
                thumbnails.extend(thumbnail);
            }
        }
        let table = |values: Vec<f64>| {
            let count = self.rows.len();
            Array2::from_shape_vec((count, values.len() / count.max(1)), values)
                .expect("equally many values for each image")
        };
        Ok((table(borders), table(thumbnails)))
    }
}

/// Ranks of the items among the distinct values, from 0.
fn ranks<T: Ord + Clone>(items: impl Iterator<Item = T>) -> Vec<usize> {
    let items: Vec<T> = items.collect();
    let distinct: Vec<T> = items.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let rank = |item| distinct.binary_search(item).expect("every item is a distinct value");
    items.iter().map(rank).collect()
}
