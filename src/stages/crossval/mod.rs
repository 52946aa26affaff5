//! `cxr-crossval`: judges the way of training, not one model on one test set.
//!
//! Every film is predicted by heads that have seen neither it nor another film
//! of its group, in several ways of dealing groups into folds. What is chosen
//! (threshold, temperature) is chosen on training folds only: on predictions of
//! heads that have not seen the fold it is then judged on.
//!
//! Heads learn from upright films. There are rotations of the split's training films
//! only; those of all films would take the net as many times longer as there are
//! rotations. `crossval.json` says `trained_on: upright`.

mod films;
mod judge;
mod summary;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use self::films::Films;
use self::summary::Summary;
use super::check::Check;
use super::{Stage, upstream, uses};
use crate::artifact::Document;
use crate::artifact::crossval::{OutOfFoldRow, write_predictions};
use crate::artifact::groups::Grouping;
use crate::cli::{Context, Failure, Flag, Outcome, in_range};
use crate::metrics::{Undefined, for_sensitivity, youden};
use crate::pipeline::Input;

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
        /// Class whose detection sensitivity measures; else `positive` of `pipeline.toml`, or the only class with a finding
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
    const USES: &'static [Flag] = uses!(Seed, Threads);
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
        in_range("folds", self.folds, 3..=1000)?;
        in_range("repeats", self.repeats, 1..=1000)?;
        in_range("seeds", self.seeds, 1..=1000)?;
        in_range("resamples", self.resamples, 0..=100_000)?;
        in_range("sensitivity", self.sensitivity, 0.0..=1.0)?;
        in_range("prevalence", self.prevalence, 0.0..=1.0)
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
