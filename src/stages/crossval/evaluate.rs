//! Evaluation of the out-of-fold predictions.

use std::collections::BTreeMap;

use clap::ValueEnum;
use ndarray::{Array2, Axis};

use super::images::{Images, Run};
use super::{Rule, Settings};
use crate::artifact::Document;
use crate::artifact::crossval::{Calibration, CrossValidation, Fold, Spread, Threshold};
use crate::artifact::metrics::{Evaluation, Metrics};
use crate::artifact::predictions::{Prediction, Predictions};
use crate::metrics::Temperature;
use crate::pipeline::Job;

/// Metrics without intervals; none where undefined.
type Values = BTreeMap<String, Option<f64>>;

impl Images {
    /// Computes the metrics of all runs, pooled, by fold and by run.
    pub fn evaluate(
        &self,
        settings: &Settings,
        seed: u64,
        runs: &[Run],
        job: &Job,
    ) -> CrossValidation {
        let classes = &self.index.classes;
        let evaluate =
            |runs: usize, resamples: usize, images: Vec<(usize, Prediction)>| -> Metrics {
                let (positive, prevalence) = (self.positive, settings.prevalence);
                let evaluation = Evaluation { positive, prevalence, resamples, seed, runs };
                let groups: Vec<String> =
                    images.iter().map(|(row, _)| self.groups[*row].clone()).collect();
                let rows = images.into_iter().map(|(_, prediction)| prediction).collect();
                let predictions = Predictions { classes: classes.clone(), rows };
                evaluation.evaluate(&predictions, &groups, settings.groups)
            };
        let values = |runs: usize, images: Vec<(usize, Prediction)>| -> Values {
            evaluate(runs, 0, images)
                .scores
                .into_iter()
                .map(|(name, score)| (name, score.value))
                .collect()
        };
        let predictions = |run: &Run, rows: &[usize]| -> Vec<(usize, Prediction)> {
            let predict =
                |row: &usize| (*row, self.prediction(run, *row, run.probabilities.view()));
            rows.iter().map(predict).collect()
        };
        let all: Vec<usize> = (0..self.labels.len()).collect();
        let by_fold: Vec<Fold> = runs
            .iter()
            .flat_map(|run| (0..settings.folds).map(move |fold| (run, fold)))
            .map(|(run, fold)| {
                let rows = run.folds.split(fold).test;
                let (repeat, seed, images) = (run.repeat, run.seed, rows.len());
                let scores = values(1, predictions(run, &rows));
                Fold { repeat, seed, fold, images, threshold: run.thresholds[fold], scores }
            })
            .collect();
        let by_run: Vec<_> = runs.iter().map(|run| values(1, predictions(run, &all))).collect();
        let pooled = runs.iter().flat_map(|run| predictions(run, &all)).collect();
        let pooled = evaluate(runs.len(), settings.resamples, pooled);
        let mut groups = self.groups.clone();
        groups.sort_unstable();
        groups.dedup();
        let spreads = |values: &[&Values]| -> BTreeMap<String, Spread> {
            let spread = |name: &String| Spread::of(values.iter().map(|scores| scores[name]));
            pooled.scores.keys().map(|name| (name.clone(), spread(name))).collect()
        };
        CrossValidation {
            schema: CrossValidation::SCHEMA.to_owned(),
            classes: classes.clone(),
            positive: classes[self.positive].clone(),
            images: self.labels.len(),
            groups: groups.len(),
            grouped_by: settings.groups,
            folds: settings.folds,
            repeats: settings.repeats,
            seeds: settings.seeds,
            trained_on: "unrotated".into(),
            threshold: Threshold {
                rule: value_name(settings.threshold),
                wanted: (settings.threshold == Rule::Sensitivity).then_some(settings.sensitivity),
                chosen: (settings.threshold != Rule::Argmax)
                    .then(|| Spread::of(by_fold.iter().map(|fold| fold.threshold))),
            },
            across_folds: spreads(&by_fold.iter().map(|fold| &fold.scores).collect::<Vec<_>>()),
            across_runs: spreads(&by_run.iter().collect::<Vec<_>>()),
            calibration: self.calibration(runs, values),
            by_fold,
            pooled: pooled.scores,
            by_class: pooled.by_class,
            confusion: pooled.confusion,
            index: job.inputs()["preprocess/index.csv"].clone(),
        }
    }

    /// Fits a temperature on all out-of-fold predictions; `after` scales each fold by a
    /// temperature that was fitted on the other folds.
    fn calibration(
        &self,
        runs: &[Run],
        values: impl Fn(usize, Vec<(usize, Prediction)>) -> Values,
    ) -> Calibration {
        let scores = |probabilities: fn(&Run) -> &Array2<f64>| {
            let predictions = runs.iter().flat_map(|run| {
                let predict =
                    move |row| (row, self.prediction(run, row, probabilities(run).view()));
                (0..self.labels.len()).map(predict)
            });
            let mut scores = values(runs.len(), predictions.collect());
            scores.retain(|name, _| CALIBRATION.contains(&name.as_str()));
            scores
        };
        let views: Vec<_> = runs.iter().map(|run| run.probabilities.view()).collect();
        let pooled = ndarray::concatenate(Axis(0), &views).expect("every run has all images");
        let fitted = Temperature::fit(&self.labels.repeat(runs.len()), pooled.view());
        Calibration {
            temperature: fitted.ok().map(|temperature| temperature.0),
            undefined: fitted.err().map_or(String::new(), |reason| reason.to_string()),
            before: scores(|run| &run.probabilities),
            after: scores(|run| &run.calibrated),
            unscaled: runs.iter().map(|run| run.unscaled).sum(),
        }
    }
}

/// Metrics that a temperature changes.
const CALIBRATION: [&str; 3] = ["brier", "expected_calibration_error", "log_loss"];

/// Name of a value on the command line.
fn value_name(value: impl ValueEnum) -> String {
    value.to_possible_value().expect("every variant has a name").get_name().to_owned()
}
