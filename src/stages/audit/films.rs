use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array2;
use rayon::prelude::*;

use super::Settings;
use super::deals::Deals;
use crate::artifact::index::Index;
use crate::audit::inputs::{Attributes, attributes, rim, thumbnail};
use crate::audit::{Deal, Judge, Probe};
use crate::dataset::split::stratified_group_kfold;
use crate::io::npy::{NpyError, Reader};
use crate::metrics::cramers_v;
use crate::rng::{Rng, derive};

/// Films that are probed, and how they are dealt into folds.
pub struct Films {
    /// Their rows in the index, ascending.
    pub rows: Vec<usize>,
    /// What is known of them.
    pub judge: Judge,
    /// The number of the source of each.
    sources: Vec<usize>,
    /// The fold of each, once for each way of dealing; or why they cannot be dealt.
    pub folds: Result<Vec<Vec<usize>>, String>,
}

impl Films {
    /// All films of the index, or those of so many groups, drawn with `seed`, as
    /// make [`Settings::films`].
    pub fn draw(index: &Index, deals: &Deals, settings: &Settings, seed: u64) -> Self {
        let mut of_group: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (row, group) in deals.groups.iter().enumerate() {
            of_group.entry(group).or_default().push(row);
        }
        let mut groups: Vec<Vec<usize>> = of_group.into_values().collect();
        if index.rows.len() > settings.films {
            Rng::new(derive(seed, "audit", "patients", 0)).shuffle(&mut groups);
        }
        let mut rows = Vec::new();
        for films in groups {
            if rows.is_empty() || rows.len() + films.len() <= settings.films {
                rows.extend(films);
            }
        }
        rows.sort_unstable();
        Self::of(index, rows, deals, settings, seed)
    }

    fn of(index: &Index, rows: Vec<usize>, deals: &Deals, settings: &Settings, seed: u64) -> Self {
        let truth = numbers(rows.iter().map(|row| index.rows[*row].class.as_str()));
        let groups = numbers(rows.iter().map(|row| deals.groups[*row].as_str()));
        let sources = numbers(rows.iter().map(|row| index.rows[*row].source.as_str()));
        let of_class = |class: usize| {
            let films = truth.iter().zip(&groups).filter(|(c, _)| **c == class);
            films.map(|(_, group)| group).collect::<BTreeSet<_>>().len()
        };
        let classes = truth.iter().max().map_or(0, |last| last + 1);
        let least = (0..classes).map(of_class).min().unwrap_or(0);
        let folds = match (least, deals.folds(&rows)) {
            (0 | 1, _) => Err("a class shows fewer than two patients".to_owned()),
            (_, Some(folds)) => Ok(folds),
            (least, None) => {
                stratified_group_kfold(&truth, &groups, settings.folds.min(least), seed)
                    .map(|folds| vec![folds.of_films().to_vec()])
                    .map_err(|e| e.to_string())
            }
        };
        let judge = Judge { truth, classes, groups, resamples: settings.resamples, seed };
        Self { rows, judge, sources, folds }
    }

    /// The films of each source that has a name.
    pub fn by_source(
        &self,
        index: &Index,
        deals: &Deals,
        settings: &Settings,
        seed: u64,
    ) -> BTreeMap<String, Self> {
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for &row in &self.rows {
            rows.entry(&index.rows[row].source).or_default().push(row);
        }
        rows.remove("");
        let films = |(source, rows): (&str, Vec<usize>)| {
            (source.to_owned(), Self::of(index, rows, deals, settings, seed))
        };
        rows.into_iter().map(films).collect()
    }

    /// Number of folds; 0 if there are none.
    pub fn fold_count(&self) -> usize {
        let folds = self.folds.iter().flatten().flatten();
        folds.max().map_or(0, |last| last + 1)
    }

    /// Ways in which the films are dealt.
    pub fn repeats(&self) -> usize {
        self.folds.as_ref().map_or(0, Vec::len)
    }

    /// Groups that the films fall into.
    pub fn groups(&self) -> usize {
        self.judge.groups.iter().max().map_or(0, |last| last + 1)
    }

    /// What is found by `scores`, which scores the films dealt into such folds, each by
    /// what has not seen its fold; undefined if there are no folds.
    pub fn probe<E: ToString>(
        &self,
        scores: impl Fn(usize, &[usize]) -> Result<Array2<f64>, E> + Sync,
    ) -> Probe {
        let deals = match &self.folds {
            Ok(deals) => deals,
            Err(reason) => return Probe::undefined(self.rows.len(), reason),
        };
        let score = |(number, folds): (usize, &Vec<usize>)| scores(number, folds);
        let scores: Result<Vec<_>, E> = deals.iter().enumerate().map(score).collect();
        match scores {
            Ok(scores) => {
                let deals = deals.iter().zip(scores);
                let deals = deals.map(|(folds, scores)| Deal { folds, scores });
                self.judge.judge(&deals.collect::<Vec<_>>())
            }
            Err(reason) => Probe::undefined(self.rows.len(), reason),
        }
    }

    /// Cramér's V of class and source; none if all films are of one of either.
    pub fn cramers_v(&self) -> Option<f64> {
        let sources = self.sources.iter().max().map_or(0, |last| last + 1);
        let mut table = vec![vec![0; sources]; self.judge.classes];
        for (class, source) in self.judge.truth.iter().zip(&self.sources) {
            table[*class][*source] += 1;
        }
        cramers_v(&table).ok()
    }

    /// The inputs of the probe of file attributes.
    pub fn attributes(&self, index: &Index) -> Array2<f64> {
        let file = |row: &usize| {
            let row = &index.rows[*row];
            let words = [&row.mode, &row.modality, &row.view, &row.photometric];
            let words = words.map(String::as_str);
            Attributes { width: row.width, height: row.height, bytes: row.bytes, words }
        };
        attributes(&self.rows.iter().map(file).collect::<Vec<_>>())
    }

    /// The inputs of the probes of the rim and of the thumbnail.
    pub fn pixels(&self, images: &mut Reader<u8>) -> Result<(Array2<f64>, Array2<f64>), NpyError> {
        const BATCH: usize = 64;
        let (height, width) = (images.shape()[1], images.shape()[2]);
        let (mut rims, mut thumbnails) = (Vec::new(), Vec::new());
        for rows in self.rows.chunks(BATCH) {
            let films: Result<Vec<_>, _> =
                rows.iter().map(|row| images.read(*row..row + 1)).collect();
            let seen = films?.into_par_iter().map(|pixels| {
                let film = ndarray::Array3::from_shape_vec((height, width, 3), pixels)
                    .expect("a film of the shape that the file states");
                (rim(film.view()), thumbnail(film.view()))
            });
            for (rim, thumbnail) in seen.collect::<Vec<_>>() {
                rims.extend(rim);
                thumbnails.extend(thumbnail);
            }
        }
        let table = |values: Vec<f64>| {
            let films = self.rows.len();
            Array2::from_shape_vec((films, values.len() / films.max(1)), values)
                .expect("as many numbers for each film")
        };
        Ok((table(rims), table(thumbnails)))
    }
}

/// The rank of each item's value among the distinct ones.
fn numbers<T: Ord + Clone>(items: impl Iterator<Item = T>) -> Vec<usize> {
    let items: Vec<T> = items.collect();
    let distinct: Vec<T> = items.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let rank = |item| distinct.binary_search(item).expect("every item is among the values");
    items.iter().map(rank).collect()
}
