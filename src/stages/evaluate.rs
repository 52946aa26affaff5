//! `cxr-evaluate`: judges the model on the test images.

use std::fmt;

use ndarray::{Array2, Axis};
use serde::Serialize;

use super::check::Check;
use super::{Stage, upstream, uses};
use crate::artifact::groups::Grouping;
use crate::artifact::index::Index;
use crate::artifact::metrics::{ClassMetrics, Judge, Metrics};
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
        /// Class whose detection sensitivity measures; else `positive` of `pipeline.toml`, or the only class with a finding
        positive: String = String::new(),
        /// Share of positive images where the model would be used, for predictive values
        prevalence: f64 = 0.05,
        /// What tells which images show one patient: `patient`, their ids, or `link`, what cxr-link found
        groups: Grouping = Grouping::Patient,
        /// Resamples of patients for the intervals of scores; 0 for none
        resamples: usize = 2000,
        /// Exit with code 3 below this accuracy
        min_accuracy: f64 = 0.0,
        /// Exit with code 3 below this sensitivity
        min_sensitivity: f64 = 0.0,
        /// Exit with code 3 below this specificity
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
    const ABOUT: &'static str = "Judge the model on the test images";
    const READS: &'static str = "model.safetensors, features.npy, split.json, index.csv; groups.csv with `groups = \"link\"`";
    const WRITES: &'static str = "metrics.json, predictions.csv";
    const AFTER: &'static [&'static str] = &["preprocess", "link", "split", "extract", "train"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-evaluate --profile tutorial", "As the tutorial does, with intervals"),
        ("cxr-evaluate --min-sensitivity 0.9", "In CI: exit code 3 if too few are found"),
        ("cxr-evaluate --positive pneumonia --prevalence 0.2", "Another question"),
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
        inputs.extend(upstream::links(ctx, settings.groups));
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
        let index = upstream::index(ctx)?;
        let positive = upstream::positive(&settings.positive, &index.classes)?;
        let split = upstream::split(ctx, &job, &index)?;
        let rows = sorted(&split.test);
        let predictions = predict(ctx, &job, &index, &rows)?;
        let groups = upstream::groups(ctx, &job, &index, settings.groups)?;
        let groups: Vec<String> = rows.iter().map(|row| groups[*row].clone()).collect();
        let judge = Judge {
            positive,
            prevalence: settings.prevalence,
            resamples: settings.resamples,
            seed: ctx.seed,
            runs: 1,
        };
        let metrics = judge.judge(&predictions, &groups, settings.groups);
        predictions.write(&job.path("predictions.csv")?)?;
        metrics.write(&job.path("metrics.json")?)?;
        let missed = settings.missed(&metrics);
        job.answer(&missed);
        job.publish()?;

        let names: Vec<&str> = metrics.classes.iter().map(String::as_str).collect();
        let summary = Summary {
            report: classification_report(&metrics.confusion, &names),
            leaking: split.leaking.len(),
            metrics,
        };
        missed.iter().for_each(|missed| ctx.ui.warn(missed));
        let outcome = Outcome::new(&summary).headline(summary.headline());
        Ok(if missed.is_empty() { outcome } else { outcome.answer_no() })
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

    /// The wanted values that are not reached; what is undefined is not.
    fn missed(&self, metrics: &Metrics) -> Vec<String> {
        let wanted = [
            ("accuracy", metrics.accuracy, self.min_accuracy),
            ("sensitivity", metrics.sensitivity, self.min_sensitivity),
            ("specificity", metrics.specificity, self.min_specificity),
        ];
        let missed = wanted.iter().filter(|(_, got, least)| got.value.unwrap_or(0.0) < *least);
        missed
            .map(|(name, got, least)| match got.value {
                Some(value) => format!("{name} is {value:.4}, wanted at least {least}"),
                None => format!("{name} is undefined, wanted at least {least}"),
            })
            .collect()
    }
}

fn sorted(rows: &[usize]) -> Vec<usize> {
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    rows
}

/// What the model says of the images `rows`.
fn predict(
    ctx: &Context,
    job: &Job,
    index: &Index,
    rows: &[usize],
) -> Result<Predictions, Failure> {
    let head = head(ctx, job, index)?;
    let shape = [index.rows.len(), head.inputs()];
    let features: Array2<f32> = upstream::array(ctx, "features.npy", &shape)?;
    let probabilities = head.predict(features.select(Axis(0), rows).view()).mapv(widen);
    if let Some(image) = probabilities.outer_iter().position(|p| p.iter().any(|p| p.is_nan())) {
        let path = &index.rows[rows[image]].path;
        let error = Failure::new(format_args!("the model has no probabilities for `{path}`"));
        return Err(error.hint(ctx.rerun("train")));
    }
    let (labels, named) = (index.labels(), predicted(probabilities.view()));
    let rows = rows.iter().zip(named).zip(probabilities.outer_iter());
    let rows = rows.map(|((&row, predicted), probabilities)| Prediction {
        path: index.rows[row].path.clone(),
        patient: index.rows[row].patient.clone(),
        truth: labels[row],
        predicted,
        probabilities: probabilities.to_vec(),
    });
    Ok(Predictions { classes: index.classes.clone(), rows: rows.collect() })
}

/// The model's head, if the model belongs to these images, this split (else it
/// might be judged on images it learned from) and these features.
fn head(ctx: &Context, job: &Job, index: &Index) -> Result<Head, Failure> {
    let model = upstream::trained(ctx, job)?;
    ctx.read("train", "model.safetensors", |path| {
        let head = model.head(path)?;
        match (head.classes(), index.classes.len()) {
            (got, expected) if got != expected => Err(ArtifactError::Malformed {
                kind: "head",
                path: path.to_owned(),
                reason: format!("it tells {got} classes apart, expected {expected}"),
            }),
            _ => Ok(head),
        }
    })
}

#[derive(Debug, Serialize)]
struct Summary {
    #[serde(flatten)]
    metrics: Metrics,
    /// scikit-learn's table.
    report: String,
    /// Patients on both sides of the split.
    leaking: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metrics, report, leaking } = self;
        writeln!(f, "{report}")?;
        confusion(f, metrics)?;
        writeln!(f)?;
        // Of several classes, these are of the positive one against the others.
        let of = match metrics.classes.len() {
            0..=2 => String::new(),
            _ => format!(" of {}", metrics.positive),
        };
        let pad = PAD + of.chars().count();
        rate(f, "acc", pad, &metrics.accuracy)?;
        rate(f, &format!("sensitivity{of}"), pad, &metrics.sensitivity)?;
        rate(f, &format!("specificity{of}"), pad, &metrics.specificity)?;
        score(f, &format!("roc auc{of}"), pad, &metrics.scores["roc_auc"])?;
        if let Some(mean) = metrics.scores.get("macro_roc_auc") {
            score(f, "mean roc auc", pad, mean)?;
        }
        writeln!(f)?;
        let of = |images, patients| {
            let images = counted(images, "image", "images");
            format!("{images} of {}", counted(patients, "patient", "patients"))
        };
        for class in &metrics.classes {
            let ClassMetrics { images, patients, ref roc_auc, .. } = metrics.by_class[class];
            let sign = if *class == metrics.positive { ", the positive class" } else { "" };
            write!(f, "{class}: {}{sign}", of(images, patients))?;
            match metrics.classes.len() {
                0..=2 => writeln!(f)?,
                _ => writeln!(f, "; roc auc against the rest {}", roc_auc.brief(4))?,
            }
        }
        write!(f, "all: {}", of(metrics.images, metrics.patients))?;
        if metrics.unknown > 0 {
            write!(f, ", {} of no known patient", metrics.unknown)?;
        }
        if metrics.grouped_by == Grouping::Link {
            write!(f, ", told apart by cxr-link")?;
        }
        if metrics.patients + metrics.unknown < metrics.images {
            write!(f, "\nintervals are of as many patients, not of as many images")?;
        }
        if *leaking > 0 {
            let patients = counted(*leaking, "patient stands", "patients stand");
            write!(f, "\n{patients} in training, too: expect less of new patients")?;
        }
        Ok(())
    }
}

impl Summary {
    /// The accuracy in a line.
    fn headline(&self) -> String {
        let Rate { value, low, high, hits, of } = self.metrics.accuracy;
        let value = value.map_or("undefined".to_owned(), |value| format!("{value:.4}"));
        format!("acc {value}, {hits} of {of} images, 95 % interval {low:.2} to {high:.2}")
    }
}

fn confusion(f: &mut fmt::Formatter<'_>, metrics: &Metrics) -> fmt::Result {
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

fn rate(f: &mut fmt::Formatter<'_>, name: &str, pad: usize, rate: &Rate) -> fmt::Result {
    let Rate { value, low, high, hits, of } = rate;
    match value {
        Some(value) => writeln!(
            f,
            "{name}: {value:.4}{:pad$}  95 % interval {low:.4} to {high:.4}, {hits} of {of}",
            "",
            pad = pad - name.chars().count()
        ),
        None => writeln!(f, "{name}: undefined, there is no such image"),
    }
}

fn score(f: &mut fmt::Formatter<'_>, name: &str, pad: usize, score: &Estimate) -> fmt::Result {
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

/// The length of the longest name of a figure.
const PAD: usize = "sensitivity".len();

fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
