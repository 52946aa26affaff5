//! Out-of-fold predictions of all images.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::super::stage_inputs;
use super::Settings;
use crate::artifact::Document;
use crate::artifact::crossval::OutOfFoldRow;
use crate::artifact::index::Index;
use crate::artifact::model::Model;
use crate::artifact::predictions::Prediction;
use crate::cli::{Context, Failure, ResultExt};
use crate::dataset::split::{Folds, SplitError, stratified_group_kfold};
use crate::head::{FitError, FitSettings, OutOfFoldPredictions, cross_fit};
use crate::metrics::{Temperature, called, predicted};
use crate::pipeline::Job;
use crate::rng::derive;

/// Images that are cross-validated.
pub struct Images {
    pub index: Index,
    pub labels: Vec<usize>,
    /// Features `[images, width]`.
    features: Array2<f32>,
    /// Group of each image.
    pub groups: Vec<String>,
    /// Index of the positive class.
    pub positive: usize,
    training: FitSettings,
}

/// One repeat with one seed: each image is predicted once.
pub struct Run {
    pub repeat: usize,
    pub seed: usize,
    pub folds: Folds,
    /// Threshold of each fold; none with the rule `argmax`.
    pub thresholds: Vec<Option<f64>>,
    /// Predicted class of each image.
    pub predicted: Vec<usize>,
    /// Out-of-fold probabilities `[images, classes]`.
    pub probabilities: Array2<f64>,
    /// The probabilities, scaled by a temperature that was fitted on the other folds.
    pub calibrated: Array2<f64>,
    /// Number of folds without a temperature; their `calibrated` rows are not scaled.
    pub unscaled: usize,
}

impl Images {
    /// Reads the artifacts and checks that they belong together.
    pub fn read(ctx: &Context, job: &Job, settings: &Settings) -> Result<Self, Failure> {
        let index = stage_inputs::index(ctx)?;
        stage_inputs::split(ctx, job, &index)?;
        let features = stage_inputs::features(ctx, job)?;
        let model = ctx.read("train", "model.json", Model::read)?;
        Ok(Self {
            positive: stage_inputs::positive(&settings.positive, &index.classes)?,
            groups: stage_inputs::groups(ctx, job, &index, settings.groups)?,
            labels: index.labels(),
            features: stage_inputs::table(ctx, &index, &features)?,
            training: model.fit_settings(),
            index,
        })
    }

    /// Trains the heads and predicts the images, one run for each repeat and seed.
    pub fn runs(&self, ctx: &Context, settings: &Settings) -> Result<Vec<Run>, Failure> {
        let classes: Vec<&str> = self.index.rows.iter().map(|image| image.class.as_str()).collect();
        let assign_folds = |repeat: usize| {
            let seed = ctx.seed.wrapping_add(repeat as u64);
            stratified_group_kfold(&classes, &self.groups, settings.folds, seed)
        };
        let assignments = (0..settings.repeats).map(assign_folds);
        let assignments: Vec<Folds> =
            assignments.collect::<Result<_, _>>().map_err(explain_split)?;
        let runs: Vec<_> = (0..settings.repeats)
            .flat_map(|repeat| (0..settings.seeds).map(move |seed| (repeat, seed)))
            .collect();
        let bar = ctx.ui.progress("cross-validating", runs.len(), "runs");
        let run = |&(repeat, seed): &(usize, usize)| {
            let folds = assignments[repeat].clone();
            let seed_of = |a: usize, b: usize| {
                let purpose = format!("repeat {repeat} seed {seed} without {a} and {b}");
                derive(ctx.seed, "crossval", &purpose, 0)
            };
            let (labels, classes) = (&self.labels, self.index.classes.len());
            let fold_of = folds.test_folds();
            let out_of_fold = cross_fit(
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
            self.tune(settings, repeat, seed, folds, out_of_fold)
        };
        runs.par_iter().map(run).collect()
    }

    /// Predicts the classes and calibrates the probabilities of each fold, with a threshold and a
    /// temperature that were chosen on the other folds.
    fn tune(
        &self,
        settings: &Settings,
        repeat: usize,
        seed: usize,
        folds: Folds,
        out_of_fold: OutOfFoldPredictions,
    ) -> Result<Run, Failure> {
        let mut calibrated = out_of_fold.probabilities.clone();
        let mut classes = predicted(out_of_fold.probabilities.view());
        let mut thresholds = Vec::new();
        let mut unscaled = 0;
        for (fold, (rows, probabilities)) in out_of_fold.tuning.iter().enumerate() {
            let truth: Vec<usize> = rows.iter().map(|row| self.labels[*row]).collect();
            let is_positive: Vec<bool> = truth.iter().map(|t| *t == self.positive).collect();
            let scores = probabilities.column(self.positive).to_vec();
            let threshold =
                settings.choose(&is_positive, &scores).context("cannot choose a threshold")?;
            let temperature = Temperature::fit(&truth, probabilities.view());
            unscaled += usize::from(temperature.is_err());
            for row in folds.split(fold).test {
                let row_probabilities = out_of_fold.probabilities.row(row);
                if threshold.is_some() {
                    let slice = row_probabilities.as_slice().expect("rows are contiguous");
                    classes[row] = called(slice, threshold.map(|value| (self.positive, value)));
                }
                if let Ok(temperature) = temperature {
                    let scaled = temperature.apply(row_probabilities.insert_axis(Axis(0)));
                    calibrated.row_mut(row).assign(&scaled.row(0));
                }
            }
            thresholds.push(threshold);
        }
        Ok(Run {
            repeat,
            seed,
            folds,
            thresholds,
            predicted: classes,
            probabilities: out_of_fold.probabilities,
            calibrated,
            unscaled,
        })
    }

    /// Prediction of the image `row` in a run, with its row of `probabilities`.
    pub fn prediction(&self, run: &Run, row: usize, probabilities: ArrayView2<f64>) -> Prediction {
        Prediction {
            path: self.index.rows[row].path.clone(),
            patient: self.index.rows[row].patient.clone(),
            truth: self.labels[row],
            predicted: run.predicted[row],
            probabilities: probabilities.row(row).to_vec(),
        }
    }

    /// Rows of `predictions.csv` for a run.
    pub fn rows(&self, run: &Run) -> Vec<OutOfFoldRow> {
        let csv_row = |row: usize| OutOfFoldRow {
            image: self.prediction(run, row, run.probabilities.view()),
            group: self.groups[row].clone(),
            repeat: run.repeat,
            seed: run.seed,
            fold: run.folds.test_folds()[row],
        };
        (0..self.labels.len()).map(csv_row).collect()
    }
}

fn explain_split(error: SplitError) -> Failure {
    Failure::from(error).hint("add images of more patients, or use fewer `--folds`")
}

fn explain_fit(error: FitError) -> Failure {
    let hint = match error {
        FitError::TooFewImages { .. } => "add images, or train with a smaller `--batch-size`",
        FitError::Diverged { .. } => "train with a lower `--learning-rate`",
        other => return other.into(),
    };
    Failure::from(error).hint(hint)
}
