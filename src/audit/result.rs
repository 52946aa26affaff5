//! Result of the shortcut audit.
//!
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Probe;

/// Names and descriptions of the probes whose input has no lungs.
pub const LUNG_FREE: [(&str, &str); 3] = [
    ("attributes", "file attributes"),
    ("border", "the border with the centre blacked out"),
    ("border-pixels", "the outermost pixels"),
];

/// Outcome of the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The AUC of a probe without lungs exceeds 0.5 by at least half as much as the model's.
    Shortcut,
    /// No probe without lungs does.
    NoShortcut,
    /// The model is not shown to be better than chance.
    NothingLearnt,
    /// There are too few images to decide.
    Unknown,
}

impl Answer {
    /// Name of the outcome in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Shortcut => "shortcut",
            Self::NoShortcut => "no-shortcut",
            Self::NothingLearnt => "nothing-learnt",
            Self::Unknown => "unknown",
        }
    }
}

/// Outcome of the audit with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Outcome.
    pub answer: Answer,
    /// Explanation in a sentence, with AUCs.
    pub text: String,
}

const CHANCE: f64 = 0.5;
/// Source of the model's AUC: cross-validated heads, not the model itself on its test images.
const RETRAINED: &str = "retrained classifier heads";
/// Proportion of the model's AUC gain over chance from which a probe is a shortcut.
const MIN_PROPORTION: f64 = 0.5;

/// AUC of a probe without lungs.
#[derive(Clone, Copy)]
struct LungFree {
    auc: f64,
    /// Whether the AUC is above chance and above the permutation null.
    significant: bool,
    words: &'static str,
}

impl LungFree {
    /// Returns a sentence such as "the border alone reaches AUC 0.97, retrained classifier
    /// heads reach 0.98 in the same cross-validation".
    fn describe(&self, model: f64) -> String {
        let reach = if self.words.starts_with("the border") { "reaches" } else { "reach" };
        format!(
            "{} alone {reach} AUC {:.2}, {RETRAINED} reach {model:.2} in the same cross-validation",
            self.words, self.auc
        )
    }
}

impl Verdict {
    /// Compares the [`LUNG_FREE`] among `probes` with the probe named `model`.
    ///
    /// A probe counts only if its interval lies above 0.5 and its AUC above `max_auc_null`, the upper
    /// bound of the permutation null of the best probe ([`max_auc_null`](super::max_auc_null)).
    /// The interval alone is too narrow: it covers neither the variation of the training images
    /// nor the choice of the best of several probes. The model's AUC must lie above the
    /// interval of `shuffled` labels.
    pub fn of(probes: &BTreeMap<String, Probe>, max_auc_null: Option<f64>) -> Self {
        let verdict = |answer, text| Self { answer, text };
        let above = |probe: &Probe, max_auc_null: Option<f64>| {
            let max_auc_null = max_auc_null.unwrap_or(CHANCE);
            probe.low.unwrap_or(0.0) > CHANCE && probe.auc.is_some_and(|auc| auc > max_auc_null)
        };
        let lung_free = LUNG_FREE.into_iter().filter_map(|(name, words)| {
            let probe = probes.get(name)?;
            Some(LungFree { auc: probe.auc?, significant: above(probe, max_auc_null), words })
        });
        // Ties go to the first probe.
        let higher = |best: LungFree, next: LungFree| if next.auc > best.auc { next } else { best };
        let significant = lung_free.clone().filter(|probe| probe.significant).reduce(higher);
        let model = probes.get("model");
        let (Some(auc), Some(best)) = (model.and_then(|probe| probe.auc), lung_free.reduce(higher))
        else {
            let reason = |name| probes.get(name).map(|p| p.undefined.as_str()).unwrap_or_default();
            let reason =
                [reason("model"), reason("attributes")].into_iter().find(|r| !r.is_empty());
            let reason = reason.unwrap_or("no probe was evaluated");
            return verdict(Answer::Unknown, format!("shortcuts cannot be assessed: {reason}"));
        };
        let near = |probe: &LungFree| probe.auc - CHANCE >= MIN_PROPORTION * (auc - CHANCE);
        if let Some(probe) = significant.filter(near) {
            let summary = probe.describe(auc);
            let text = format!("{summary}: this data cannot show that the model uses the lungs");
            return verdict(Answer::Shortcut, text);
        }
        let shuffled_high = probes.get("shuffled").and_then(|probe| probe.high);
        if !model.is_some_and(|model| above(model, shuffled_high)) {
            let text = format!(
                "{RETRAINED} reach AUC {auc:.2} in cross-validation, which may be chance: \
                 the model is not shown to have learnt anything"
            );
            return verdict(Answer::NothingLearnt, text);
        }
        let summary = if near(&best) {
            format!("{}, which may be chance with so few images", best.describe(auc))
        } else {
            let best = best.auc;
            format!(
                "no probe without the lungs exceeds AUC {best:.2}, {RETRAINED} reach {auc:.2} in \
                 the same cross-validation"
            )
        };
        let text =
            format!("{summary}: no shortcut was found, which does not prove that there is none");
        verdict(Answer::NoShortcut, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(aucs: &[(&str, f64, f64)]) -> Verdict {
        verdict_with_null(aucs, None)
    }

    fn verdict_with_null(aucs: &[(&str, f64, f64)], max_auc_null: Option<f64>) -> Verdict {
        let probe = |&(name, auc, low): &(&str, f64, f64)| {
            let probe = Probe {
                auc: Some(auc),
                low: Some(low),
                high: Some((auc + 0.35).min(1.0)),
                n: 50,
                ..Probe::default()
            };
            (name.to_owned(), probe)
        };
        Verdict::of(&aucs.iter().map(probe).collect(), max_auc_null)
    }

    #[test]
    fn a_probe_near_the_model_is_a_shortcut() {
        let verdict = verdict(&[
            ("model", 0.98, 0.9),
            ("attributes", 0.6, 0.4),
            ("border", 0.97, 0.9),
            ("thumbnail", 1.0, 1.0),
        ]);
        assert_eq!(verdict.answer, Answer::Shortcut);
        let text = "the border with the centre blacked out alone reaches AUC 0.97, \
                    retrained classifier heads reach 0.98 in the same cross-validation: this \
                    data cannot show that the model uses the lungs";
        assert_eq!(verdict.text, text);
    }

    #[test]
    fn small_or_insignificant_gains_are_not_shortcuts() {
        let outcome = |border, low| {
            verdict(&[("model", 0.98, 0.9), ("border", border, low), ("thumbnail", 1.0, 1.0)])
        };
        assert_eq!(outcome(0.8, 0.48).answer, Answer::NoShortcut, "the interval includes 0.5");
        assert_eq!(outcome(0.6, 0.55).answer, Answer::NoShortcut, "the gain over chance is small");
        assert_eq!(outcome(0.8, 0.55).answer, Answer::Shortcut);
        let result = |border| {
            verdict_with_null(&[("model", 0.98, 0.9), ("border", border, 0.55)], Some(0.85))
        };
        assert_eq!(result(0.8).answer, Answer::NoShortcut, "the AUC is below the permutation null");
        assert_eq!(result(0.9).answer, Answer::Shortcut);
        let text = "the border with the centre blacked out alone reaches AUC 0.80, \
                    retrained classifier heads reach 0.98 in the same cross-validation, which \
                    may be chance with so few images: no shortcut was found, which does not \
                    prove that there is none";
        assert_eq!(result(0.8).text, text);
    }

    #[test]
    fn insignificant_best_probe_does_not_hide_a_significant_one() {
        let probes = [("model", 0.88, 0.63), ("border", 0.78, 0.46), ("attributes", 0.76, 0.55)];
        let result = |max_auc_null| verdict_with_null(&probes, Some(max_auc_null));
        assert_eq!(result(0.74).answer, Answer::Shortcut);
        assert!(result(0.74).text.starts_with("file attributes alone reach AUC 0.76, retrained"));
        assert_eq!(result(0.77).answer, Answer::NoShortcut);
        assert!(
            result(0.77).text.starts_with("the border with the centre blacked out alone reaches")
        );
    }

    #[test]
    fn model_within_the_shuffled_interval_has_learnt_nothing() {
        let result = |model| {
            verdict(&[("model", model, 0.6), ("border", 0.5, 0.4), ("shuffled", 0.5, 0.3)]).answer
        };
        assert_eq!((result(0.8), result(0.9)), (Answer::NothingLearnt, Answer::NoShortcut));
    }

    #[test]
    fn nothing_learnt_and_unknown_are_reported() {
        let answer = |aucs: &[_]| verdict(aucs).answer;
        assert_eq!(answer(&[("model", 0.6, 0.4), ("border", 0.5, 0.4)]), Answer::NothingLearnt);
        assert_eq!(answer(&[("model", 0.6, 0.4)]), Answer::Unknown);
        let few = Probe::undefined(3, "class `a` has 1 patient");
        let verdict = Verdict::of(&BTreeMap::from([("model".into(), few)]), None);
        assert_eq!(verdict.text, "shortcuts cannot be assessed: class `a` has 1 patient");
    }
}
