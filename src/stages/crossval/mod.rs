//! `cxr-crossval`: repeated cross-validation of the training, with all images of a patient in
//! one fold.
//!
//! Threshold and temperature are chosen on the training folds only, from predictions of heads
//! that were not trained on the images they predict.
//!
//! Heads are trained on unrotated images (`trained_on: unrotated` in `crossval.json`): `cxr extract`
//! rotates the training images of the split only. Rotating all images would multiply the time of
//! the backbone by the number of rotations.

mod evaluate;
mod images;
mod summary;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use self::images::Images;
use self::summary::Summary;
use super::check::Check;
use super::{Stage, stage_inputs, uses};
use crate::artifact::Document;
use crate::artifact::crossval::{OutOfFoldRow, write_predictions};
use crate::artifact::groups::Grouping;
use crate::cli::{Context, Failure, Flag, Outcome, in_range};
use crate::metrics::{UndefinedMetric, threshold_for_sensitivity, youden_threshold};
use crate::pipeline::Input;

/// `cxr-crossval`.
#[derive(Debug)]
pub struct Crossval;

/// Rule by which an image is predicted as positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The positive class has the highest probability (argmax).
    Argmax,
    /// The probability reaches the threshold with the highest Youden's J.
    Youden,
    /// The probability reaches the highest threshold with the required sensitivity.
    Sensitivity,
}

crate::settings! {
    /// Settings of `cxr-crossval`: `[crossval]` in `pipeline.toml`.
    pub struct Settings {
        /// Number of folds, at least 3
        folds: usize = 5,
        /// Repeats of the cross-validation, each with another fold assignment
        repeats: usize = 5,
        /// Number of heads per repeat and fold, each with another seed
        seeds: usize = 1,
        /// Source of the patient groups: `patient` (patient IDs) or `link` (patient linkage by cxr-link)
        groups: Grouping = Grouping::Patient,
        /// Decision rule: `argmax`, or a threshold by `youden` or `sensitivity`
        threshold: Rule = Rule::Argmax,
        /// Required sensitivity, from 0 to 1, with `threshold = "sensitivity"`
        sensitivity: f64 = 0.9,
        /// Positive class, for sensitivity and all binary metrics; else `positive` of `pipeline.toml`, or the only class with a finding
        positive: String = String::new(),
        /// Proportion of positive images in the intended use, from 0 to 1, for predictive values
        prevalence: f64 = 0.05,
        /// Bootstrap resamples of patients for the confidence intervals; 0: no intervals
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
    const ABOUT: &'static str = "Cross-validate the training at patient level";
    const READS: &'static str =
        "features.npy, index.csv, model.json (settings); groups.csv with `groups = \"link\"`";
    const WRITES: &'static str = "crossval.json, predictions.csv";
    const AFTER: &'static [&'static str] = &["preprocess", "link", "split", "extract", "train"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-crossval --groups link", "Five folds, five repeats, by linked patients"),
        ("cxr-crossval --threshold sensitivity --sensitivity 0.95", "Threshold by sensitivity"),
        ("cxr-crossval --repeats 1 --seeds 30", "Variation between seeds of the head"),
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
        let job = Self::begin(ctx, &settings)?;
        let images = Images::read(ctx, &job, &settings)?;
        let runs = images.runs(ctx, &settings)?;
        let results = images.evaluate(&settings, ctx.seed, &runs, &job);
        let rows: Vec<OutOfFoldRow> = runs.iter().flat_map(|run| images.rows(run)).collect();
        write_predictions(&job.path("predictions.csv")?, &images.index.classes, &rows)?;
        results.write(&job.path("crossval.json")?)?;
        job.publish()?;
        Ok(Outcome::new(&Summary(results)))
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("folds", self.folds, 3..=1000)?;
        in_range("repeats", self.repeats, 1..=1000)?;
        in_range("seeds", self.seeds, 1..=1000)?;
        in_range("resamples", self.resamples, 0..=100_000)?;
        in_range("sensitivity", self.sensitivity, 0.0..=1.0)?;
        in_range("prevalence", self.prevalence, 0.0..=1.0)
    }

    /// Chooses the threshold from out-of-fold `scores` of the positive class; none for argmax.
    fn choose(&self, truth: &[bool], scores: &[f64]) -> Result<Option<f64>, UndefinedMetric> {
        let point = match self.threshold {
            Rule::Argmax => return Ok(None),
            Rule::Youden => youden_threshold(truth, scores)?,
            Rule::Sensitivity => threshold_for_sensitivity(truth, scores, self.sensitivity)?,
        };
        Ok(Some(point.threshold))
    }
}
