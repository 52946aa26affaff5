//! `cxr-evaluate`: performance of the model on the test images.

use std::fmt;

use ndarray::{Array2, Axis};
use serde::Serialize;

use super::check::Check;
use super::{Stage, stage_inputs, uses};
use crate::artifact::groups::Grouping;
use crate::artifact::index::Index;
use crate::artifact::metrics::{ClassMetrics, Evaluation, Metrics};
use crate::artifact::predictions::{Prediction, Predictions};
use crate::artifact::{ArtifactError, Document};
use crate::cli::{Context, Failure, Flag, Outcome, in_range};
use crate::head::Head;
use crate::io::decimal::widen;
use crate::metrics::{Estimate, Rate, classification_report, predicted};
use crate::pipeline::{Input, Job};

/// `cxr-evaluate`.
pub struct Evaluate;

crate::settings! {
    /// Settings of `cxr-evaluate`: `[evaluate]` in `pipeline.toml`.
    pub struct Settings {
        /// Positive class, for sensitivity and all binary metrics; else `positive` of `pipeline.toml`, or the only class with a finding
        positive: String = String::new(),
        /// Proportion of positive images in the intended use, from 0 to 1, for predictive values
        prevalence: f64 = 0.05,
        /// Source of the patient groups: `patient` (patient IDs) or `link` (patient linkage by cxr-link)
        groups: Grouping = Grouping::Patient,
        /// Bootstrap resamples of patients for the confidence intervals; 0: no intervals
        resamples: usize = 2000,
        /// Exit with code 3 if the accuracy is below this value, from 0 to 1
        min_accuracy: f64 = 0.0,
        /// Exit with code 3 if the sensitivity is below this value, from 0 to 1
        min_sensitivity: f64 = 0.0,
        /// Exit with code 3 if the specificity is below this value, from 0 to 1
        min_specificity: f64 = 0.0,
    }
}

/// Arguments of `cxr-evaluate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

impl Stage for Evaluate {
    const NAME: &'static str = "evaluate";
    const ABOUT: &'static str = "Evaluate the model on the test images";
    const READS: &'static str = "model.safetensors, features.npy, split.json, index.csv; groups.csv with `groups = \"link\"`";
    const WRITES: &'static str = "metrics.json, predictions.csv";
    const AFTER: &'static [&'static str] = &["preprocess", "link", "split", "extract", "train"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-evaluate --profile tutorial", "As in the tutorial, with confidence intervals"),
        ("cxr-evaluate --min-sensitivity 0.9", "In CI: exit code 3 if the sensitivity is too low"),
        ("cxr-evaluate --positive pneumonia --prevalence 0.2", "Another positive class"),
    ];
    const SHOW: bool = true;
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        let mut inputs = vec![
            ctx.input("preprocess", "index.csv"),
            ctx.input("split", "split.json"),
            ctx.input("extract", "features.npy"),
            ctx.input("train", "model.json"),
            ctx.input("train", "model.safetensors"),
        ];
        inputs.extend(stage_inputs::links(ctx, settings.groups));
        Ok(inputs)
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
        check.positive(&settings.positive);
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let mut job = Self::begin(ctx, &settings)?;
        let index = stage_inputs::index(ctx)?;
        let positive = stage_inputs::positive(&settings.positive, &index.classes)?;
        let split = stage_inputs::split(ctx, &job, &index)?;
        let rows = sorted(&split.test);
        let predictions = predict(ctx, &job, &index, &rows)?;
        let groups = stage_inputs::groups(ctx, &job, &index, settings.groups)?;
        let groups: Vec<String> = rows.iter().map(|row| groups[*row].clone()).collect();
        let evaluation = Evaluation {
            positive,
            prevalence: settings.prevalence,
            resamples: settings.resamples,
            seed: ctx.seed,
            runs: 1,
        };
        let metrics = evaluation.evaluate(&predictions, &groups, settings.groups);
        predictions.write(&job.path("predictions.csv")?)?;
        metrics.write(&job.path("metrics.json")?)?;
        let failed_gates = settings.failed_gates(&metrics);
        job.answer(&failed_gates);
        job.publish()?;

        let names: Vec<&str> = metrics.classes.iter().map(String::as_str).collect();
        let summary = Summary {
            report: classification_report(&metrics.confusion, &names),
            leaking: split.leaking.len(),
            metrics,
        };
        failed_gates.iter().for_each(|gate| ctx.ui.warn(gate));
        let outcome = Outcome::new(&summary).headline(summary.headline());
        Ok(if failed_gates.is_empty() { outcome } else { outcome.answer_no() })
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("resamples", self.resamples, 0..=100_000)?;
        in_range("prevalence", self.prevalence, 0.0..=1.0)?;
        in_range("min-accuracy", self.min_accuracy, 0.0..=1.0)?;
        in_range("min-sensitivity", self.min_sensitivity, 0.0..=1.0)?;
        in_range("min-specificity", self.min_specificity, 0.0..=1.0)
    }

    /// Returns a message for each metric below its minimum; an undefined metric counts as 0.
    fn failed_gates(&self, metrics: &Metrics) -> Vec<String> {
        let gates = [
            ("accuracy", metrics.accuracy, self.min_accuracy),
            ("sensitivity", metrics.sensitivity, self.min_sensitivity),
            ("specificity", metrics.specificity, self.min_specificity),
        ];
        let failed = gates.iter().filter(|(_, rate, min)| rate.value.unwrap_or(0.0) < *min);
        failed
            .map(|(name, rate, min)| match rate.value {
                Some(value) => format!("{name} is {value:.4}, expected at least {min}"),
                None => format!("{name} is undefined, expected at least {min}"),
            })
            .collect()
    }
}

fn sorted(rows: &[usize]) -> Vec<usize> {
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    rows
}

/// Predicts the images `rows`.
fn predict(
    ctx: &Context,
    job: &Job,
    index: &Index,
    rows: &[usize],
) -> Result<Predictions, Failure> {
    let head = head(ctx, job, index)?;
    let shape = [index.rows.len(), head.inputs()];
    let features: Array2<f32> = stage_inputs::array(ctx, "features.npy", &shape)?;
    let probabilities = head.predict(features.select(Axis(0), rows).view()).mapv(widen);
    if let Some(image) = probabilities.outer_iter().position(|p| p.iter().any(|p| p.is_nan())) {
        let path = &index.rows[rows[image]].path;
        let error = Failure::new(format_args!("the predicted probabilities of `{path}` are NaN"));
        return Err(error.hint(ctx.rerun("train")));
    }
    let (labels, argmax) = (index.labels(), predicted(probabilities.view()));
    let rows = rows.iter().zip(argmax).zip(probabilities.outer_iter());
    let rows = rows.map(|((&row, predicted), probabilities)| Prediction {
        path: index.rows[row].path.clone(),
        patient: index.rows[row].patient.clone(),
        truth: labels[row],
        predicted,
        probabilities: probabilities.to_vec(),
    });
    Ok(Predictions { classes: index.classes.clone(), rows: rows.collect() })
}

/// Reads the model's head. Fails if the model was trained from other images, features or another
/// split: test images might be its training images.
fn head(ctx: &Context, job: &Job, index: &Index) -> Result<Head, Failure> {
    let model = stage_inputs::trained(ctx, job)?;
    ctx.read("train", "model.safetensors", |path| {
        let head = model.head(path)?;
        match (head.classes(), index.classes.len()) {
            (got, expected) if got != expected => Err(ArtifactError::Malformed {
                kind: "head",
                path: path.to_owned(),
                reason: format!("it has {got} classes, expected {expected}"),
            }),
            _ => Ok(head),
        }
    })
}

#[derive(Debug, Serialize)]
struct Summary {
    #[serde(flatten)]
    metrics: Metrics,
    /// Table as of scikit-learn's `classification_report`.
    report: String,
    /// Number of patients in both training and test set.
    leaking: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metrics, report, leaking } = self;
        writeln!(f, "{report}")?;
        write_confusion(f, metrics)?;
        writeln!(f)?;
        // With several classes, these metrics are of the positive class against the rest.
        let suffix = match metrics.classes.len() {
            0..=2 => String::new(),
            _ => format!(" of {}", metrics.positive),
        };
        let pad = PAD + suffix.chars().count();
        write_rate(f, "acc", pad, &metrics.accuracy)?;
        write_rate(f, &format!("sensitivity{suffix}"), pad, &metrics.sensitivity)?;
        write_rate(f, &format!("specificity{suffix}"), pad, &metrics.specificity)?;
        write_score(f, &format!("roc auc{suffix}"), pad, &metrics.scores["roc_auc"])?;
        if let Some(mean) = metrics.scores.get("macro_roc_auc") {
            write_score(f, "mean roc auc", pad, mean)?;
        }
        writeln!(f)?;
        let counts = |images, patients| {
            let images = counted(images, "image", "images");
            format!("{images} of {}", counted(patients, "patient", "patients"))
        };
        for class in &metrics.classes {
            let ClassMetrics { images, patients, ref roc_auc, .. } = metrics.by_class[class];
            let role = if *class == metrics.positive { ", the positive class" } else { "" };
            write!(f, "{class}: {}{role}", counts(images, patients))?;
            match metrics.classes.len() {
                0..=2 => writeln!(f)?,
                _ => writeln!(f, "; roc auc against the rest {}", roc_auc.brief(4))?,
            }
        }
        write!(f, "all: {}", counts(metrics.images, metrics.patients))?;
        if metrics.unknown > 0 {
            write!(f, ", {} without patient ID", metrics.unknown)?;
        }
        if metrics.grouped_by == Grouping::Link {
            write!(f, ", patients linked by cxr-link")?;
        }
        if metrics.patients + metrics.unknown < metrics.images {
            write!(f, "\nsample size of the intervals: number of patients, not of images")?;
        }
        if *leaking > 0 {
            let patients = counted(*leaking, "patient is", "patients are");
            write!(
                f,
                "\n{patients} in both the training and the test set: the test performance is \
                 overestimated"
            )?;
        }
        Ok(())
    }
}

impl Summary {
    /// Returns the accuracy as one line.
    fn headline(&self) -> String {
        let Rate { value, low, high, hits, of } = self.metrics.accuracy;
        let value = value.map_or("undefined".to_owned(), |value| format!("{value:.4}"));
        format!("acc {value}, {hits} of {of} images, 95 % interval {low:.2} to {high:.2}")
    }
}

fn write_confusion(f: &mut fmt::Formatter<'_>, metrics: &Metrics) -> fmt::Result {
    const CORNER: &str = "truth \\ predicted";
    let names = metrics.classes.iter().map(|class| class.chars().count());
    let width = names.max().unwrap_or(0).max(6) + 2;
    write!(f, "{CORNER}")?;
    metrics.classes.iter().try_for_each(|class| write!(f, "{class:>width$}"))?;
    writeln!(f)?;
    for (class, row) in metrics.classes.iter().zip(metrics.confusion.rows()) {
        write!(f, "{class:>corner$}", corner = CORNER.len())?;
        row.iter().try_for_each(|count| write!(f, "{count:>width$}"))?;
        writeln!(f)?;
    }
    Ok(())
}

fn write_rate(f: &mut fmt::Formatter<'_>, name: &str, pad: usize, rate: &Rate) -> fmt::Result {
    let Rate { value, low, high, hits, of } = rate;
    match value {
        Some(value) => writeln!(
            f,
            "{name}: {value:.4}{:pad$}  95 % interval {low:.4} to {high:.4}, {hits} of {of}",
            "",
            pad = pad - name.chars().count()
        ),
        None => writeln!(f, "{name}: undefined, 0 of 0 images"),
    }
}

fn write_score(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    pad: usize,
    score: &Estimate,
) -> fmt::Result {
    let Estimate { value, low, high, undefined, .. } = score;
    let Some(value) = value else { return writeln!(f, "{name}: undefined, {undefined}") };
    write!(f, "{name}: {value:.4}")?;
    match low.zip(*high) {
        Some((low, high)) => writeln!(
            f,
            "{:pad$}  95 % interval {low:.4} to {high:.4}, {}",
            "",
            score.method_text().unwrap_or_default(),
            pad = pad - name.chars().count()
        ),
        None => writeln!(f),
    }
}

/// Length of the longest name of a metric.
const PAD: usize = "sensitivity".len();

fn counted(n: usize, singular: &str, plural: &str) -> String {
    format!("{n} {}", if n == 1 { singular } else { plural })
}
