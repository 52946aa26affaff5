//! Manifest of a bundle: description of the model.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ood::Reference;
use crate::artifact::Document;
use crate::artifact::metrics::Metrics;
use crate::artifact::model::Model;
use crate::audit::{Answer, Finding, Verdict};
use crate::image::Depth;
use crate::metrics::called;

/// Description of the model of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `cxr.bundle/2`.
    pub schema: String,
    /// Version of the program that wrote the bundle.
    pub program: String,
    /// Class order, preprocessing, architecture, training, and hashes of the input files.
    pub model: Model,
    /// Conversion of samples of more than 8 bits to 8-bit levels, in training and prediction.
    /// Bundles without this field have models trained with [`Depth::File`].
    #[serde(default)]
    pub depth: Depth,
    /// Decision rule, as used for `metrics`.
    pub decision: Decision,
    /// Temperature of the calibration (Guo et al. 2017), if the cross-validation shows that it
    /// improves the probabilities.
    pub temperature: Option<f64>,
    /// Frozen backbone.
    pub backbone: BackboneRef,
    /// Training images.
    pub training: Training,
    /// Performance on the test images, with intervals.
    pub metrics: Option<Metrics>,
    /// Result of the shortcut audit.
    pub audit: Option<AuditSummary>,
    /// Out-of-distribution score: limit, and expected and measured false-positive rate.
    pub out_of_distribution: Option<Reference>,
    /// Model card in Markdown.
    pub card: Option<String>,
    /// BLAKE3 hash of the bytes of each tensor, by name.
    pub tensors: BTreeMap<String, String>,
}

/// Rule from probabilities to a class. Assembled bundles use the most probable class (argmax),
/// like `cxr-evaluate`, so that its metrics apply. The thresholds of the cross-validation do
/// not: they were chosen on folds that include the test images, for the heads of the folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// `argmax`, or the method of the threshold: `youden` or `sensitivity`.
    pub rule: String,
    /// Positive class, if any.
    pub positive: Option<String>,
    /// Lowest probability of the positive class at which an image is predicted positive.
    pub threshold: Option<f64>,
}

/// Name and fingerprint of a frozen backbone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackboneRef {
    /// `vgg16`.
    pub name: String,
    /// Fingerprint of the weights.
    pub fingerprint: String,
    /// Whether the weights are in the bundle.
    pub embedded: bool,
    /// Licence and owner of the weights.
    pub licence: String,
}

/// Training images of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// BLAKE3 hash of `index.csv`, which lists the images with their hashes.
    pub index: Option<String>,
    /// BLAKE3 hash of `split.json`, which lists the training images.
    pub split: Option<String>,
    /// Number of training images per class; empty if `index.csv` or `split.json` is gone or
    /// changed.
    #[serde(alias = "films")] // In bundles of version 1.
    pub images: BTreeMap<String, usize>,
}

/// Summary of the shortcut audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditSummary {
    /// Result of the audit.
    pub verdict: Verdict,
    /// Metrics by name; none if undefined.
    pub figures: BTreeMap<String, Option<f64>>,
    /// Other findings.
    pub findings: Vec<Finding>,
}

impl Decision {
    /// Returns the argmax rule.
    pub fn argmax(positive: Option<String>) -> Self {
        Self { rule: "argmax".to_owned(), positive, threshold: None }
    }

    /// Returns the predicted class as an index into `classes`: the positive class if its
    /// probability reaches the threshold, else the most probable other class. Without a
    /// threshold: argmax.
    pub fn call(&self, classes: &[String], probabilities: &[f64]) -> usize {
        let positive = self.positive.as_ref().and_then(|p| classes.iter().position(|c| c == p));
        called(probabilities, positive.zip(self.threshold))
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.positive, self.threshold) {
            (Some(class), Some(threshold)) => {
                write!(f, "{class} if its probability is at least {threshold:.3} ({})", self.rule)
            }
            _ => write!(f, "the most probable class"),
        }
    }
}

impl AuditSummary {
    /// Whether the audit failed: the model may use a shortcut, or is not better than chance.
    pub fn failed(&self) -> bool {
        matches!(self.verdict.answer, Answer::Shortcut | Answer::NothingLearnt)
    }
}

impl Manifest {
    /// Checks constraints that the types do not express.
    pub(super) fn check(&self) -> Result<(), String> {
        Document::check(&self.model)?;
        let Decision { positive, threshold, .. } = &self.decision;
        match (positive, threshold) {
            (Some(class), _) if !self.model.classes.contains(class) => {
                Err(format!("the positive class `{class}` is not among the classes"))
            }
            (None, Some(_)) => Err("there is a threshold but no positive class".to_owned()),
            (_, Some(threshold)) if !threshold.is_finite() => {
                Err(format!("the threshold is {threshold}, expected a finite number"))
            }
            _ if self.temperature.is_some_and(|t| !(t.is_finite() && t > 0.0)) => {
                Err("the temperature is not above 0".to_owned())
            }
            _ if !(32..=MAX_SIDE).contains(&self.model.extractor.side)
                || !self.model.extractor.side.is_multiple_of(32) =>
            {
                Err(format!(
                    "the image side is {} pixels, expected a multiple of 32 up to {MAX_SIDE}",
                    self.model.extractor.side
                ))
            }
            _ if self.backbone.name != self.model.extractor.backbone
                || self.backbone.fingerprint != self.model.extractor.weights =>
            {
                Err("the backbone is not the one that the head was trained on".to_owned())
            }
            _ => self.out_of_distribution.as_ref().map_or(Ok(()), Reference::check),
        }
    }
}

/// Largest accepted image side in pixels: limits the memory that a bundle can require.
const MAX_SIDE: usize = 2048;
