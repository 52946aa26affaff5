//! Predictions and estimates of the figures: cross-validation if it has run, else test set.

use std::collections::BTreeMap;

use super::super::stage_inputs;
use super::Settings;
use crate::artifact::Document;
use crate::artifact::crossval::{self, CrossValidation, Spread};
use crate::artifact::metrics::{ClassMetrics, Metrics};
use crate::artifact::predictions::Predictions;
use crate::cli::{Context, Failure};
use crate::metrics::{Confusion, Estimate};
use crate::plot::Threshold;

/// Predictions and stored estimates of `cxr-crossval`, or of `cxr-evaluate` if there is no
/// cross-validation. No estimate is recomputed.
pub struct Evaluated {
    /// Evaluated images as text, such as `test set, 42 images`.
    pub on: String,
    pub predictions: Predictions,
    pub confusion: Confusion,
    pub by_class: BTreeMap<String, ClassMetrics>,
    pub scores: BTreeMap<String, Estimate>,
    /// Index of the positive class.
    pub positive: usize,
    pub threshold: Threshold,
    /// Number of predicted images.
    pub images: usize,
}

impl Evaluated {
    /// Reads the out-of-fold predictions if there is a cross-validation; else takes those of
    /// `test`.
    ///
    /// # Errors
    /// If an artifact is invalid, the estimates are not those of the predictions, or the positive
    /// class does not exist.
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
        let positive = stage_inputs::positive(&settings.positive, &evaluated.predictions.classes)?;
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
            // For two classes, argmax is a threshold of 0.5.
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

    /// Checks that the estimates are those of the predictions.
    fn check(&self, ctx: &Context, stage: &str) -> Result<(), Failure> {
        let rows = &self.predictions.rows;
        let (truth, predicted): (Vec<_>, Vec<_>) =
            rows.iter().map(|row| (row.truth, row.predicted)).unzip();
        let classes = self.predictions.classes.len();
        let consistent = self.confusion == Confusion::new(&truth, &predicted, classes)
            && self.predictions.classes.iter().all(|class| self.by_class.contains_key(class));
        if consistent {
            return Ok(());
        }
        let error = format!("the predictions of `cxr {stage}` are not those of its estimates");
        Err(Failure::new(error).hint(ctx.rerun(stage)))
    }

    /// Returns the classes with a curve: the positive class of two classes, else every class.
    pub fn drawn(&self) -> Vec<usize> {
        match self.predictions.classes.len() {
            0..=2 => vec![self.positive],
            classes => (0..classes).collect(),
        }
    }

    /// Returns name and one-vs-rest estimates of a class.
    pub fn class(&self, class: usize) -> (&str, &ClassMetrics) {
        let name = &self.predictions.classes[class];
        (name, &self.by_class[name])
    }
}

fn position(classes: &[String], name: &str) -> usize {
    classes.iter().position(|class| class == name).unwrap_or(0)
}
