//! What a bundle says of its model.

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

/// What a bundle says of its model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `cxr.bundle/2`.
    pub schema: String,
    /// The version of the program that wrote it.
    pub program: String,
    /// Class order, preprocessing, architecture, training, and the hashes of the
    /// files it was trained from.
    pub model: Model,
    /// How samples of more than 8 bits become levels, in training and for new images.
    /// Bundles without it are of models that were trained with [`Depth::File`].
    #[serde(default)]
    pub depth: Depth,
    /// How a film is called, here as in `metrics`.
    pub decision: Decision,
    /// What mends the probabilities (Guo et al. 2017), if the cross-validation shows that it
    /// does.
    pub temperature: Option<f64>,
    /// The frozen net.
    pub backbone: BackboneRef,
    /// The films it was trained on.
    pub training: Training,
    /// What it was worth on its test films, with intervals.
    pub metrics: Option<Metrics>,
    /// What its data can show.
    pub audit: Option<AuditSummary>,
    /// The out-of-distribution score: its limit, its expected and its measured
    /// false-positive rate.
    pub out_of_distribution: Option<Reference>,
    /// The model card, in Markdown.
    pub card: Option<String>,
    /// BLAKE3 of the bytes of each tensor.
    pub tensors: BTreeMap<String, String>,
}

/// How probabilities become a class. Models that are assembled here name the most
/// probable one, as `cxr-evaluate` does: its figures are what their users are told.
/// Thresholds of the cross-validation were chosen on folds that hold the test films, for
/// heads of folds, and would call films otherwise than those figures count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// `probable`, the most probable class; or how the threshold was chosen,
    /// `youden` or `sensitivity`.
    pub rule: String,
    /// The class that is looked for, if one is.
    pub positive: Option<String>,
    /// A film is called positive from this probability on.
    pub threshold: Option<f64>,
}

/// A frozen net by name and content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackboneRef {
    /// `vgg16`.
    pub name: String,
    /// Fingerprint of its weights.
    pub fingerprint: String,
    /// Whether they are in the file.
    pub embedded: bool,
    /// Whose they are.
    pub licence: String,
}

/// The films that a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// BLAKE3 of the `index.csv` that lists them with their own hashes.
    pub index: Option<String>,
    /// BLAKE3 of the `split.json` that says which of them trained.
    pub split: Option<String>,
    /// Training films of each class; empty if the list is no longer there.
    pub films: BTreeMap<String, usize>,
}

/// The audit in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditSummary {
    /// What follows for the model.
    pub verdict: Verdict,
    /// What was measured, by name.
    pub figures: BTreeMap<String, Option<f64>>,
    /// What else was found.
    pub findings: Vec<Finding>,
}

impl Decision {
    /// The most probable class.
    pub fn probable(positive: Option<String>) -> Self {
        Self { rule: "probable".to_owned(), positive, threshold: None }
    }

    /// The class of a film, as a position among `classes`: the positive one from the
    /// threshold on, else the most probable of the others; without a threshold the
    /// most probable of all.
    pub fn call(&self, classes: &[String], probabilities: &[f64]) -> usize {
        let positive = self.positive.as_ref().and_then(|p| classes.iter().position(|c| c == p));
        called(probabilities, positive.zip(self.threshold))
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.positive, self.threshold) {
            (Some(class), Some(threshold)) => {
                write!(f, "{class} from a probability of {threshold:.3} on ({})", self.rule)
            }
            _ => write!(f, "the most probable class"),
        }
    }
}

impl AuditSummary {
    /// Whether the audit failed: the figures do not mean what they seem to.
    pub fn failed(&self) -> bool {
        matches!(self.verdict.answer, Answer::Shortcut | Answer::NothingLearnt)
    }
}

impl Manifest {
    /// Checks what types cannot.
    pub(super) fn check(&self) -> Result<(), String> {
        Document::check(&self.model)?;
        let Decision { positive, threshold, .. } = &self.decision;
        match (positive, threshold) {
            (Some(class), _) if !self.model.classes.contains(class) => {
                Err(format!("its positive class `{class}` is none of its classes"))
            }
            (None, Some(_)) => Err("it has a threshold for no class".to_owned()),
            (_, Some(threshold)) if !threshold.is_finite() => {
                Err(format!("its threshold is {threshold}"))
            }
            _ if self.temperature.is_some_and(|t| !(t.is_finite() && t > 0.0)) => {
                Err("its temperature is not above 0".to_owned())
            }
            _ if self.model.extractor.side == 0
                || !self.model.extractor.side.is_multiple_of(32) =>
            {
                Err(format!("films of {} pixels a side", self.model.extractor.side))
            }
            _ if self.model.extractor.side > MAX_SIDE => {
                Err(format!("films of {} pixels a side", self.model.extractor.side))
            }
            _ if self.backbone.name != self.model.extractor.backbone
                || self.backbone.fingerprint != self.model.extractor.weights =>
            {
                Err("its backbone is not the one that its head was trained on".to_owned())
            }
            _ => self.out_of_distribution.as_ref().map_or(Ok(()), Reference::check),
        }
    }
}

/// Films of more pixels a side would need more memory than a bundle may ask for.
const MAX_SIDE: usize = 2048;
