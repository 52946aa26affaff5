//! `audit/audit.json`: how well the class is predicted without the lungs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Document;
use super::groups::Grouping;
use crate::audit::{Finding, Probe, Verdict};

/// The probes, what they mean, and what else was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// `cxr.audit/1`; filled in when written.
    #[serde(default)]
    pub schema: String,
    /// Films of the audit; where there are more than it takes, a draw of patients.
    pub films: usize,
    /// Groups that they fall into, of which none is torn by a fold.
    pub groups: usize,
    /// What tells the groups: `patient` or `link`.
    pub grouped_by: Grouping,
    /// Folds that each probe is tested on in turn.
    pub folds: usize,
    /// Ways in which the films are dealt into folds.
    pub repeats: usize,
    /// Who dealt them: `audit`, or `crossval`, whose predictions are the model's then.
    pub dealt_by: String,
    /// Each probe by what it sees: `model` (the whole film), `border` and `centre`
    /// (through the same net and head), `border-pixels`, `thumbnail`, `attributes`
    /// (a kernel classifier), and labels `shuffled` among the groups.
    pub probes: BTreeMap<String, Probe>,
    /// The area that the best of the probes without lungs stays below in 97.5 % of the
    /// times that the labels are shuffled among the groups; none if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub luck: Option<f64>,
    /// Where the heat of the explained films lies; none without such films.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heat: Option<Heat>,
    /// Cramér's V of class and source; none if there is but one.
    pub cramers_v: Option<f64>,
    /// Probes on the films of each source that holds several classes, by
    /// classifiers that learn from this source alone.
    pub within_source: BTreeMap<String, BTreeMap<String, Probe>>,
    /// What follows for the model.
    pub verdict: Verdict,
    /// What else makes the figures worth less than they look.
    pub findings: Vec<Finding>,
}

/// Where the heat lies that explains the model's answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Heat {
    /// Mean share of a film's heat that lies outside its centre.
    pub outside: f64,
    /// That share if the heat lay evenly over the cells that the head reads.
    pub even: f64,
}

impl Document for Audit {
    const KIND: &'static str = "audit";
    const SCHEMA: &'static str = "cxr.audit/1";
}

impl Audit {
    /// The figures that conditions may name: `<probe>-auc`, `cramers-v` and `heat-outside`.
    pub fn figures(&self) -> BTreeMap<String, Option<f64>> {
        let probes = self.probes.iter().map(|(name, probe)| (format!("{name}-auc"), probe.auc));
        let others = [
            ("cramers-v".to_owned(), self.cramers_v),
            ("heat-outside".to_owned(), self.heat.map(|heat| heat.outside)),
        ];
        probes.chain(others).collect()
    }
}
