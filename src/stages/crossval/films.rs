//! Films, and heads that predict them unseen.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::super::upstream;
use super::Settings;
use crate::artifact::Document;
use crate::artifact::crossval::OutOfFoldRow;
use crate::artifact::index::Index;
use crate::artifact::model::Model;
use crate::artifact::predictions::Prediction;
use crate::cli::{Context, Failure, ResultExt};
use crate::dataset::split::{Folds, SplitError, stratified_group_kfold};
use crate::head::{FitError, FitSettings, OutOfFold, cross_fit};
use crate::metrics::{Temperature, called, predicted};
use crate::pipeline::Job;
use crate::rng::derive;

/// What is cross-validated.
pub struct Films {
    pub index: Index,
    pub labels: Vec<usize>,
    features: Array2<f32>,
    /// The group of each film.
    pub groups: Vec<String>,
    pub positive: usize,
    training: FitSettings,
}

/// All films predicted once.
pub struct Run {
    pub repeat: usize,
    pub seed: usize,
    pub folds: Folds,
    /// Of each fold, where there is one.
    pub thresholds: Vec<Option<f64>>,
    /// Of each film.
    pub predicted: Vec<usize>,
    pub probabilities: Array2<f64>,
    /// Scaled by the temperature that suits the other folds.
    pub calibrated: Array2<f64>,
    /// Folds that no temperature suits, `calibrated` as they were predicted.
    pub unscaled: usize,
}

impl Films {
    /// Reads the artifacts and checks that they belong together.
    pub fn read(ctx: &Context, job: &Job, settings: &Settings) -> Result<Self, Failure> {
        let index = upstream::index(ctx)?;
        upstream::split(ctx, job, &index)?;
        let features = upstream::features(ctx, job)?;
        let model = ctx.read("train", "model.json", Model::read)?;
        Ok(Self {
            positive: upstream::positive(&settings.positive, &index.classes)?,
            groups: upstream::groups(ctx, job, &index, settings.groups)?,
            labels: index.labels(),
            features: upstream::table(ctx, &index, &features)?,
            training: model.fit_settings(),
            index,
        })
    }

    /// Every run, in parallel.
    pub fn runs(&self, ctx: &Context, settings: &Settings) -> Result<Vec<Run>, Failure> {
        let classes: Vec<&str> = self.index.rows.iter().map(|film| film.class.as_str()).collect();
        let deal = |repeat: usize| {
            let seed = ctx.seed.wrapping_add(repeat as u64);
            stratified_group_kfold(&classes, &self.groups, settings.folds, seed)
        };
        let dealt: Vec<Folds> =
            (0..settings.repeats).map(deal).collect::<Result<_, _>>().map_err(explain_split)?;
        let runs: Vec<_> = (0..settings.repeats)
            .flat_map(|repeat| (0..settings.seeds).map(move |seed| (repeat, seed)))
            .collect();
        let bar = ctx.ui.progress("cross-validate", runs.len(), "runs");
        let run = |&(repeat, seed): &(usize, usize)| {
            let folds = dealt[repeat].clone();
            let seed_of = |a: usize, b: usize| {
                let purpose = format!("repeat {repeat} seed {seed} without {a} and {b}");
                derive(ctx.seed, "crossval", &purpose, 0)
            };
            let (labels, classes) = (&self.labels, self.index.classes.len());
            let fold_of = folds.of_films();
            let unseen = cross_fit(
                self.features.view(),
                labels,
                classes,
                fold_of,
                settings.folds,
                &self.training,
                seed_of,
            )
            .map_err(explain_fit)?;
            bar.add(1);
            self.tune(settings, repeat, seed, folds, unseen)
        };
        runs.par_iter().map(run).collect()
    }

    /// Calls the films, each fold by what suits the others.
    fn tune(
        &self,
        settings: &Settings,
        repeat: usize,
        seed: usize,
        folds: Folds,
        unseen: OutOfFold,
    ) -> Result<Run, Failure> {
        let mut calibrated = unseen.probabilities.clone();
        let mut calls = predicted(unseen.probabilities.view());
        let mut thresholds = Vec::new();
        let mut unscaled = 0;
        for (fold, (rows, probabilities)) in unseen.tuning.iter().enumerate() {
            let truth: Vec<usize> = rows.iter().map(|row| self.labels[*row]).collect();
            let is_positive: Vec<bool> = truth.iter().map(|t| *t == self.positive).collect();
            let scores = probabilities.column(self.positive).to_vec();
            let threshold =
                settings.choose(&is_positive, &scores).context("cannot choose a threshold")?;
            let temperature = Temperature::fit(&truth, probabilities.view());
            unscaled += usize::from(temperature.is_err());
            for row in folds.split(fold).test {
                let of_film = unseen.probabilities.row(row);
                if threshold.is_some() {
                    let of_film = of_film.as_slice().expect("rows are contiguous");
                    calls[row] = called(of_film, threshold.map(|at| (self.positive, at)));
                }
                if let Ok(temperature) = temperature {
                    let scaled = temperature.apply(of_film.insert_axis(Axis(0)));
                    calibrated.row_mut(row).assign(&scaled.row(0));
                }
            }
            thresholds.push(threshold);
        }
        let probabilities = unseen.probabilities;
        Ok(Run {
            repeat,
            seed,
            folds,
            thresholds,
            predicted: calls,
            probabilities,
            calibrated,
            unscaled,
        })
    }

    /// The film `row` with the probabilities of a run.
    pub fn prediction(&self, run: &Run, row: usize, probabilities: ArrayView2<f64>) -> Prediction {
        Prediction {
            path: self.index.rows[row].path.clone(),
            patient: self.index.rows[row].patient.clone(),
            truth: self.labels[row],
            predicted: run.predicted[row],
            probabilities: probabilities.row(row).to_vec(),
        }
    }

    /// The lines of `predictions.csv` of a run.
    pub fn rows(&self, run: &Run) -> Vec<OutOfFoldRow> {
        let line = |row: usize| OutOfFoldRow {
            film: self.prediction(run, row, run.probabilities.view()),
            group: self.groups[row].clone(),
            repeat: run.repeat,
            seed: run.seed,
            fold: run.folds.of_films()[row],
        };
        (0..self.labels.len()).map(line).collect()
    }
}

fn explain_split(error: SplitError) -> Failure {
    Failure::from(error).hint("add films of more persons, or take fewer `--folds`")
}

fn explain_fit(error: FitError) -> Failure {
    let hint = match error {
        FitError::TooFewFilms { .. } => "add films, or train with a smaller `--batch-size`",
        FitError::Diverged { .. } => "train with a lower `--learning-rate`",
        other => return other.into(),
    };
    Failure::from(error).hint(hint)
}
