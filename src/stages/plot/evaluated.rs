//! The predictions that the report's first figures are of, with their stored estimates.

use std::collections::BTreeMap;

use super::super::upstream;
use super::Settings;
use crate::artifact::Document;
use crate::artifact::crossval::{self, CrossValidation, Spread};
use crate::artifact::metrics::{ClassMetrics, Metrics};
use crate::artifact::predictions::Predictions;
use crate::cli::{Context, Failure};
use crate::metrics::{Confusion, Estimate};
use crate::plot::Threshold;

/// Predictions and their estimates, as they were computed by `cxr-crossval`, or, where it
/// has not run, by `cxr-evaluate`. Nothing here is computed anew.
pub struct Evaluated {
    /// What the predictions are of, in words: `test set, 42 images`.
    pub on: String,
    pub predictions: Predictions,
    pub confusion: Confusion,
    pub by_class: BTreeMap<String, ClassMetrics>,
    pub scores: BTreeMap<String, Estimate>,
    /// The positive class, as a position in the classes.
    pub positive: usize,
    pub threshold: Threshold,
    /// Images that were predicted.
    pub images: usize,
}

impl Evaluated {
    /// The out-of-fold predictions of all images if there is a cross-validation, else the
    /// `test` predictions.
    pub fn read(
        ctx: &Context,
        settings: &Settings,
        crossval: Option<&CrossValidation>,
        test: &Predictions,
    ) -> Result<Self, Failure> {
        let evaluated = match crossval {
            Some(crossval) => Self::out_of_fold(ctx, crossval)?,
            None => Self::test(ctx, test)?,
        };
        evaluated.check(ctx, if crossval.is_some() { "crossval" } else { "evaluate" })?;
        if settings.positive.is_empty() {
            return Ok(evaluated);
        }
        let positive = upstream::positive(&settings.positive, &evaluated.predictions.classes)?;
        Ok(Self { positive, ..evaluated })
    }

    fn test(ctx: &Context, predictions: &Predictions) -> Result<Self, Failure> {
        let metrics = ctx.read("evaluate", "metrics.json", Metrics::read)?;
        let classes = predictions.classes.len();
        Ok(Self {
            on: format!("test set, {} images", metrics.images),
            predictions: predictions.clone(),
            positive: position(&predictions.classes, &metrics.positive),
            confusion: metrics.confusion,
            by_class: metrics.by_class,
            scores: metrics.scores,
            // Of two classes, the more probable one is predicted.
            threshold: if classes == 2 { Threshold::One(0.5) } else { Threshold::Argmax },
            images: metrics.images,
        })
    }

    fn out_of_fold(ctx: &Context, crossval: &CrossValidation) -> Result<Self, Failure> {
        let predictions = ctx.read("crossval", crossval::PREDICTIONS, Predictions::read)?;
        let threshold = match (&crossval.threshold.chosen, predictions.classes.len()) {
            (Some(Spread { min: Some(low), max: Some(high), .. }), 2) => {
                Threshold::PerFold(*low, *high)
            }
            (None, 2) => Threshold::One(0.5),
            _ => Threshold::Argmax,
        };
        Ok(Self {
            on: format!("cross-validation, {} images", crossval.images),
            positive: position(&predictions.classes, &crossval.positive),
            predictions,
            confusion: crossval.confusion.clone(),
            by_class: crossval.by_class.clone(),
            scores: crossval.pooled.clone(),
            threshold,
            images: crossval.images,
        })
    }

    /// Refuses estimates of other predictions than those that are there.
    fn check(&self, ctx: &Context, stage: &str) -> Result<(), Failure> {
        let rows = &self.predictions.rows;
        let (truth, predicted): (Vec<_>, Vec<_>) =
            rows.iter().map(|row| (row.truth, row.predicted)).unzip();
        let classes = self.predictions.classes.len();
        let belong = self.confusion == Confusion::new(&truth, &predicted, classes)
            && self.predictions.classes.iter().all(|class| self.by_class.contains_key(class));
        if belong {
            return Ok(());
        }
        let error = format!("the predictions of `cxr {stage}` are not those of its estimates");
        Err(Failure::new(error).hint(ctx.rerun(stage)))
    }

    /// The classes whose curves are drawn: the positive one of two, else each.
    pub fn drawn(&self) -> Vec<usize> {
        match self.predictions.classes.len() {
            0..=2 => vec![self.positive],
            classes => (0..classes).collect(),
        }
    }

    /// A class, and its estimates against the rest.
    pub fn class(&self, class: usize) -> (&str, &ClassMetrics) {
        let name = &self.predictions.classes[class];
        (name, &self.by_class[name])
    }
}

fn position(classes: &[String], name: &str) -> usize {
    classes.iter().position(|class| class == name).unwrap_or(0)
}
