//! `cxr-crossval`: judges the way of training, not one model on one test set.
//!
//! Every film is predicted by heads that have seen neither it nor another film
//! of its group, in several ways of dealing groups into folds. What is chosen
//! (threshold, temperature) is chosen on training folds only: on predictions of
//! heads that have not seen the fold it is then judged on.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use clap::ValueEnum;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Stage;
use crate::artifact::Document;
use crate::artifact::array::read_array;
use crate::artifact::crossval::{
    Calibration, CrossValidation, Fold, OutOfFoldRow, Spread, Threshold, write_predictions,
};
use crate::artifact::features::Features;
use crate::artifact::groups::{Grouping, read_groups};
use crate::artifact::index::Index;
use crate::artifact::metrics::{Judge, Score};
use crate::artifact::model::Model;
use crate::artifact::predictions::{Prediction, Predictions};
use crate::artifact::split::Split;
use crate::cli::{Context, Failure, Outcome, ResultExt};
use crate::dataset::split::{Folds, SplitError, stratified_group_kfold};
use crate::head::{FitError, FitSettings, OutOfFold, cross_fit};
use crate::metrics::{Temperature, Undefined, called, for_sensitivity, predicted, youden};
use crate::pipeline::{Input, Job};
use crate::rng::derive;

/// `cxr-crossval`.
#[derive(Debug)]
pub struct Crossval;

/// How a film comes to be called positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Where that is the most probable class.
    Probable,
    /// Above the threshold with the highest Youden's J.
    Youden,
    /// Above the highest threshold that gives the wanted sensitivity.
    Sensitivity,
}

crate::settings! {
    /// Settings of `cxr-crossval`: `[crossval]` in `pipeline.toml`.
    pub struct Settings {
        /// Parts of the films, each predicted by a head trained on the others; 3 at least
        folds: usize = 5,
        /// Ways of dealing the films into folds
        repeats: usize = 5,
        /// Heads for each of them and each fold
        seeds: usize = 1,
        /// What tells which films show one person: `patient`, their ids, or `link`, what cxr-link found
        groups: Grouping = Grouping::Patient,
        /// How a film comes to be called positive
        threshold: Rule = Rule::Probable,
        /// Wanted sensitivity, with `threshold = "sensitivity"`
        sensitivity: f64 = 0.9,
        /// Class that sensitivity asks for; `covid` where there is one, if not given
        positive: String = String::new(),
        /// Share of positive films where the model would be used, for predictive values
        prevalence: f64 = 0.05,
        /// Resamples of groups for the intervals of scores; 0 for none
        resamples: usize = 1000,
    }
}

/// Arguments of `cxr-crossval`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

impl Stage for Crossval {
    const NAME: &'static str = "crossval";
    const ABOUT: &'static str = "Cross-validate the training, persons kept together";
    const READS: &'static str =
        "features.npy, index.csv, model.json for how to train; groups.csv with `groups = \"link\"`";
    const WRITES: &'static str = "crossval.json, predictions.csv";
    const AFTER: &'static [&'static str] = &["preprocess", "link", "split", "extract", "train"];
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-crossval --groups link", "Five folds, five times, no person torn"),
        ("cxr-crossval --threshold sensitivity --sensitivity 0.95", "What finding 95 % costs"),
        ("cxr-crossval --repeats 1 --seeds 30", "How much of the spread is the head's luck"),
    ];
    const SHOW: bool = true;
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        let mut inputs = vec![
            ctx.input("preprocess", "index.csv"),
            ctx.input("split", "split.json"),
            ctx.input("extract", "features.json"),
            ctx.input("extract", "features.npy"),
            ctx.input("train", "model.json"),
        ];
        inputs.extend(settings.groups.files().iter().map(|name| ctx.input("link", name)));
        Ok(inputs)
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let job = Self::begin(ctx, &settings)?;
        let films = Films::read(ctx, &job, &settings)?;
        let runs = films.runs(ctx, &settings)?;
        let judged = films.judge(&settings, ctx.seed, &runs, &job);
        let rows: Vec<OutOfFoldRow> = runs.iter().flat_map(|run| films.rows(run)).collect();
        write_predictions(&job.path("predictions.csv")?, &films.index.classes, &rows)?;
        judged.write(&job.path("crossval.json")?)?;
        job.publish()?;
        Ok(Outcome::new(&Summary(judged)))
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        for (name, value, least) in
            [("folds", self.folds, 3), ("repeats", self.repeats, 1), ("seeds", self.seeds, 1)]
        {
            if value < least {
                let error = format!("`{name}` is {value}, expected at least {least}");
                return Err(Failure::usage(error));
            }
        }
        for (name, share) in [("sensitivity", self.sensitivity), ("prevalence", self.prevalence)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Failure::usage(format!("`{name}` is {share}, expected 0 to 1")));
            }
        }
        Ok(())
    }

    /// The threshold on the positive class, chosen on `tuning`.
    fn choose(&self, truth: &[bool], scores: &[f64]) -> Result<Option<f64>, Undefined> {
        let point = match self.threshold {
            Rule::Probable => return Ok(None),
            Rule::Youden => youden(truth, scores)?,
            Rule::Sensitivity => for_sensitivity(truth, scores, self.sensitivity)?,
        };
        Ok(Some(point.threshold))
    }
}

/// What is cross-validated.
struct Films {
    index: Index,
    labels: Vec<usize>,
    features: Array2<f32>,
    /// The group of each film.
    groups: Vec<String>,
    positive: usize,
    training: FitSettings,
}

/// All films predicted once.
struct Run {
    repeat: usize,
    seed: usize,
    folds: Folds,
    /// Of each fold, where there is one.
    thresholds: Vec<Option<f64>>,
    /// Of each film.
    predicted: Vec<usize>,
    probabilities: Array2<f64>,
    /// Scaled by the temperature that suits the other folds.
    calibrated: Array2<f64>,
}

impl Films {
    /// Reads the artifacts and checks that they belong together.
    fn read(ctx: &Context, job: &Job, settings: &Settings) -> Result<Self, Failure> {
        let index = ctx.read("preprocess", "index.csv", Index::read)?;
        let (hash, films) = (&job.inputs()["preprocess/index.csv"], index.rows.len());
        ctx.read("split", "split.json", |path| Split::read_for(path, hash, films))?;
        let features = ctx.read("extract", "features.json", Features::read)?;
        if features.split != job.inputs()["split/split.json"] {
            let error = Failure::new("the features were made from another split");
            return Err(error.hint(ctx.rerun("extract")));
        }
        let model = ctx.read("train", "model.json", Model::read)?;
        let shape = [films, features.extractor.width];
        let features: Array2<f32> = ctx.read("extract", "features.npy", |path| {
            read_array("table of features", path, &shape)
        })?;
        if let Some(row) = features.outer_iter().position(|f| f.iter().any(|v| !v.is_finite())) {
            let path = &index.rows[row].path;
            let error = Failure::new(format!("the features of `{path}` are not finite"));
            return Err(error.hint(ctx.rerun("extract")));
        }
        let groups = match settings.groups {
            Grouping::Patient => index.patients(),
            Grouping::Link => {
                let read = |path: &Path| read_groups(path, hash, films);
                ctx.read("link", "groups.csv", read)?.into_iter().map(Some).collect()
            }
        };
        // A film of an unknown patient is a group of its own.
        let alone = |(group, row): (Option<String>, usize)| {
            group.unwrap_or_else(|| format!("film:{}", index.rows[row].path))
        };
        Ok(Self {
            positive: positive(&settings.positive, &index.classes)?,
            groups: groups.into_iter().zip(0..).map(alone).collect(),
            labels: index.labels(),
            features,
            training: FitSettings {
                epochs: model.training.epochs,
                batch_size: model.training.batch_size,
                learning_rate: model.training.learning_rate as f32,
                hidden: model.architecture.hidden,
                dropout: model.training.dropout as f32,
                loss: model.training.loss,
            },
            index,
        })
    }

    /// Every run, in parallel.
    fn runs(&self, ctx: &Context, settings: &Settings) -> Result<Vec<Run>, Failure> {
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
        for (fold, (rows, probabilities)) in unseen.tuning.iter().enumerate() {
            let truth: Vec<usize> = rows.iter().map(|row| self.labels[*row]).collect();
            let is_positive: Vec<bool> = truth.iter().map(|t| *t == self.positive).collect();
            let scores = probabilities.column(self.positive).to_vec();
            let threshold =
                settings.choose(&is_positive, &scores).context("cannot choose a threshold")?;
            let temperature = Temperature::fit(&truth, probabilities.view());
            for row in folds.split(fold).test {
                let of_film = unseen.probabilities.row(row);
                if let Some(threshold) = threshold {
                    calls[row] = called(
                        of_film.as_slice().expect("rows are contiguous"),
                        Some((self.positive, threshold)),
                    );
                }
                if let Ok(temperature) = temperature {
                    let scaled = temperature.apply(of_film.insert_axis(Axis(0)));
                    calibrated.row_mut(row).assign(&scaled.row(0));
                }
            }
            thresholds.push(threshold);
        }
        let probabilities = unseen.probabilities;
        Ok(Run { repeat, seed, folds, thresholds, predicted: calls, probabilities, calibrated })
    }

    /// The film `row` with the probabilities of a run, its group for a patient.
    fn prediction(&self, run: &Run, row: usize, probabilities: ArrayView2<f64>) -> Prediction {
        Prediction {
            path: self.index.rows[row].path.clone(),
            patient: self.groups[row].clone(),
            truth: self.labels[row],
            predicted: run.predicted[row],
            probabilities: probabilities.row(row).to_vec(),
        }
    }

    /// The lines of `predictions.csv` of a run.
    fn rows(&self, run: &Run) -> Vec<OutOfFoldRow> {
        let line = |row: usize| OutOfFoldRow {
            film: Prediction {
                patient: self.index.rows[row].patient.clone(),
                ..self.prediction(run, row, run.probabilities.view())
            },
            group: self.groups[row].clone(),
            repeat: run.repeat,
            seed: run.seed,
            fold: run.folds.of_films()[row],
        };
        (0..self.labels.len()).map(line).collect()
    }

    fn judge(&self, settings: &Settings, seed: u64, runs: &[Run], job: &Job) -> CrossValidation {
        let classes = &self.index.classes;
        let judge = |resamples: usize, rows: Vec<Prediction>| -> BTreeMap<String, Score> {
            let (positive, prevalence) = (self.positive, settings.prevalence);
            let judge = Judge { positive, prevalence, resamples, seed };
            judge.judge(&Predictions { classes: classes.clone(), rows }).scores
        };
        let values = |rows: Vec<Prediction>| -> BTreeMap<String, Option<f64>> {
            judge(0, rows).into_iter().map(|(name, score)| (name, score.value)).collect()
        };
        let of = |run: &Run, rows: &[usize]| -> Vec<Prediction> {
            rows.iter().map(|row| self.prediction(run, *row, run.probabilities.view())).collect()
        };
        let all: Vec<usize> = (0..self.labels.len()).collect();
        let by_fold: Vec<Fold> = runs
            .iter()
            .flat_map(|run| (0..settings.folds).map(move |fold| (run, fold)))
            .map(|(run, fold)| {
                let rows = run.folds.split(fold).test;
                let (repeat, seed, films) = (run.repeat, run.seed, rows.len());
                let scores = values(of(run, &rows));
                Fold { repeat, seed, fold, films, threshold: run.thresholds[fold], scores }
            })
            .collect();
        let of_runs: Vec<_> = runs.iter().map(|run| values(of(run, &all))).collect();
        let pooled = judge(settings.resamples, runs.iter().flat_map(|run| of(run, &all)).collect());
        let mut groups = self.groups.clone();
        groups.sort_unstable();
        groups.dedup();
        let spread = |of: &[&BTreeMap<String, Option<f64>>]| -> BTreeMap<String, Spread> {
            let spread = |name: &String| Spread::of(of.iter().map(|scores| scores[name]));
            pooled.keys().map(|name| (name.clone(), spread(name))).collect()
        };
        CrossValidation {
            schema: CrossValidation::SCHEMA.to_owned(),
            classes: classes.clone(),
            positive: classes[self.positive].clone(),
            films: self.labels.len(),
            groups: groups.len(),
            grouped_by: settings.groups.to_string(),
            folds: settings.folds,
            repeats: settings.repeats,
            seeds: settings.seeds,
            trained_on: "upright".into(),
            threshold: Threshold {
                rule: name(settings.threshold),
                wanted: (settings.threshold == Rule::Sensitivity).then_some(settings.sensitivity),
                chosen: (settings.threshold != Rule::Probable)
                    .then(|| Spread::of(by_fold.iter().map(|fold| fold.threshold))),
            },
            across_folds: spread(&by_fold.iter().map(|fold| &fold.scores).collect::<Vec<_>>()),
            across_runs: spread(&of_runs.iter().collect::<Vec<_>>()),
            calibration: self.calibration(runs, values),
            by_fold,
            pooled,
            index: job.inputs()["preprocess/index.csv"].clone(),
        }
    }

    fn calibration(
        &self,
        runs: &[Run],
        values: impl Fn(Vec<Prediction>) -> BTreeMap<String, Option<f64>>,
    ) -> Calibration {
        let scores = |of: fn(&Run) -> &Array2<f64>| {
            let rows = runs.iter().flat_map(|run| {
                (0..self.labels.len()).map(move |row| self.prediction(run, row, of(run).view()))
            });
            let mut scores = values(rows.collect());
            scores.retain(|name, _| CALIBRATION.contains(&name.as_str()));
            scores
        };
        let views: Vec<_> = runs.iter().map(|run| run.probabilities.view()).collect();
        let pooled = ndarray::concatenate(Axis(0), &views).expect("every run has every film");
        let fitted = Temperature::fit(&self.labels.repeat(runs.len()), pooled.view());
        Calibration {
            temperature: fitted.ok().map(|temperature| temperature.0),
            undefined: fitted.err().map_or(String::new(), |reason| reason.to_string()),
            before: scores(|run| &run.probabilities),
            after: scores(|run| &run.calibrated),
        }
    }
}

/// The scores that a temperature changes.
const CALIBRATION: [&str; 3] = ["brier", "expected_calibration_error", "log_loss"];

/// The position of the positive class.
fn positive(wanted: &str, classes: &[String]) -> Result<usize, Failure> {
    let name = if wanted.is_empty() { "covid" } else { wanted };
    classes.iter().position(|class| class == name).ok_or_else(|| {
        let choices: Vec<String> = classes.iter().map(|c| format!("`--positive {c}`")).collect();
        Failure::usage(format_args!("there is no class `{name}`"))
            .hint(format_args!("say {}", choices.join(" or ")))
    })
}

fn explain_split(error: SplitError) -> Failure {
    Failure::from(error).hint("add films of more persons, or take fewer `--folds`")
}

fn explain_fit(error: FitError) -> Failure {
    let few = matches!(error, FitError::TooFewFilms { .. });
    let failure = Failure::from(error);
    if few { failure.hint("add films, or train with a smaller `--batch-size`") } else { failure }
}

/// The name of a choice, as on the command line.
fn name(choice: impl ValueEnum) -> String {
    choice.to_possible_value().expect("every choice has a name").get_name().to_owned()
}

#[derive(Debug, Serialize)]
struct Summary(CrossValidation);

/// The scores on the screen, and what they are called there.
const SHOWN: [(&str, &str); 6] = [
    ("accuracy", "acc"),
    ("balanced_accuracy", "balanced acc"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("roc_auc", "roc auc"),
    ("expected_calibration_error", "calibration err"),
];

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(CrossValidation { films, groups, folds, repeats, seeds, threshold, .. }) = self;
        let Self(CrossValidation { pooled, across_folds, calibration, grouped_by, .. }) = self;
        let heads = if *seeds == 1 { "head" } else { "heads" };
        writeln!(
            f,
            "{films} films of {groups} groups (by {grouped_by}), {folds} folds, dealt {repeats} \
             times, {seeds} {heads} each, trained on upright films"
        )?;
        let digits = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.4}"));
        writeln!(f, "{:15}  pooled  95 % interval     mean of folds  sd", "")?;
        for (key, name) in SHOWN {
            let (Score { value, low, high, .. }, folds) = (&pooled[key], &across_folds[key]);
            let interval = format!("{} to {}", digits(*low), digits(*high));
            let (value, mean, sd) = (digits(*value), digits(folds.mean), digits(folds.sd));
            writeln!(f, "{name:15}  {value:6}  {interval:16}  {mean:13}  {sd}")?;
        }
        if let Some(Spread { min, max, .. }) = &threshold.chosen {
            let (rule, min, max) = (&threshold.rule, digits(*min), digits(*max));
            writeln!(f, "threshold by {rule}, chosen on training folds: {min} to {max}")?;
        }
        let error = |of: &BTreeMap<String, Option<f64>>| digits(of["expected_calibration_error"]);
        let (before, after) = (error(&calibration.before), error(&calibration.after));
        match calibration.temperature {
            Some(t) => write!(f, "temperature {t:.2}: calibration error {before}, scaled {after}"),
            None => write!(f, "no temperature: {}", calibration.undefined),
        }
    }
}
