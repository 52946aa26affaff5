//! `audit/audit.json`: shortcut probes, their interpretation, and other findings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Document;
use super::groups::Grouping;
use crate::audit::{Finding, Probe, Verdict};

/// Results of the shortcut audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// `cxr.audit/2`; set when written.
    #[serde(default)]
    pub schema: String,
    /// Number of images in the audit; a random sample of patients if the data set is larger
    /// than the limit.
    pub images: usize,
    /// Number of groups of images; folds do not cross groups.
    pub groups: usize,
    /// Source of the groups: `patient` or `link`.
    pub grouped_by: Grouping,
    /// Number of folds of the cross-validation.
    pub folds: usize,
    /// Number of repeats of the cross-validation.
    pub repeats: usize,
    /// Source of the fold assignment: `audit`, or `crossval`, whose predictions are then the
    /// model's.
    pub folds_from: String,
    /// Probes by name: `model` (the whole image), `border` and `centre` (with the same backbone
    /// and head), `border-pixels`, `thumbnail`, `attributes` (with a kernel classifier), and
    /// `shuffled` (labels permuted between groups).
    pub probes: BTreeMap<String, Probe>,
    /// Upper 97.5 % point of the permutation null of the highest AUC among the probes without
    /// lungs; none if labels were not permuted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_auc_null: Option<f64>,
    /// Location of the saliency of the explained images; none without explained images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saliency: Option<Saliency>,
    /// Cramér's V of class and source; none if there is only one source.
    pub cramers_v: Option<f64>,
    /// Probes trained and tested within each source that has several classes.
    pub within_source: BTreeMap<String, BTreeMap<String, Probe>>,
    /// Result of the audit.
    pub verdict: Verdict,
    /// Other limitations of the data or the evaluation.
    pub findings: Vec<Finding>,
}

/// Location of the saliency of the explained images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Saliency {
    /// Mean proportion of an image's saliency outside its centre, from 0 to 1.
    pub outside: f64,
    /// That proportion if the saliency were uniform over the cells that the head pools.
    pub even: f64,
}

impl Document for Audit {
    const KIND: &'static str = "audit";
    const SCHEMA: &'static str = "cxr.audit/2";
}

impl Audit {
    /// Metrics that conditions may name: `<probe>-auc`, `cramers-v` and `saliency-outside`.
    pub fn figures(&self) -> BTreeMap<String, Option<f64>> {
        let probes = self.probes.iter().map(|(name, probe)| (format!("{name}-auc"), probe.auc));
        let others = [
            ("cramers-v".to_owned(), self.cramers_v),
            ("saliency-outside".to_owned(), self.saliency.map(|saliency| saliency.outside)),
        ];
        probes.chain(others).collect()
    }
}
