use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Probe;

/// The probes that see nothing of the lungs, by name, and what each sees in words.
pub const LUNG_FREE: [(&str, &str); 3] = [
    ("attributes", "file attributes"),
    ("border", "the border with the centre blacked out"),
    ("border-pixels", "the outermost pixels"),
];

/// What the probes say of the data, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// A probe without lungs makes at least half of what the model makes over chance.
    Shortcut,
    /// None does.
    NoShortcut,
    /// The model itself is not shown to be better than chance.
    NothingLearnt,
    /// There are too few films to tell.
    Unknown,
}

impl Answer {
    /// As it stands in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Shortcut => "shortcut",
            Self::NoShortcut => "no-shortcut",
            Self::NothingLearnt => "nothing-learnt",
            Self::Unknown => "unknown",
        }
    }
}

/// What the probes say of the data, with the figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub answer: Answer,
    /// In a sentence.
    pub text: String,
}

const CHANCE: f64 = 0.5;
/// Whose area stands for the model's: not the model's own on its test films.
const RETRAINED: &str = "heads trained as the model was";
/// The share of the model's gain over chance from which a probe is a shortcut.
const SHARE: f64 = 0.5;

/// A probe without lungs that has an area.
#[derive(Clone, Copy)]
struct Seen {
    auc: f64,
    /// Whether it is no luck.
    sure: bool,
    words: &'static str,
}

impl Seen {
    /// "the border alone reaches AUC 0.97, heads trained as the model was reach 0.98 in the
    /// same cross-validation".
    fn reached(&self, model: f64) -> String {
        let reach = if self.words.starts_with("the border") { "reaches" } else { "reach" };
        format!(
            "{} alone {reach} AUC {:.2}, {RETRAINED} reach {model:.2} in the same cross-validation",
            self.words, self.auc
        )
    }
}

impl Verdict {
    /// Holds the [`LUNG_FREE`] among `probes` against `model`, which stands among
    /// them by that name. A probe counts only if its interval lies above chance, and
    /// it above `luck`, which the best of them reaches with labels dealt anew
    /// ([`best_by_luck`](super::best_by_luck)): an interval of the films does not know
    /// how much a classifier varies with the films that it has learnt from, nor that
    /// several were asked. The model must lie above what `shuffled` labels reach.
    pub fn of(probes: &BTreeMap<String, Probe>, luck: Option<f64>) -> Self {
        let verdict = |answer, text| Self { answer, text };
        let above = |probe: &Probe, luck: Option<f64>| {
            let luck = luck.unwrap_or(CHANCE);
            probe.low.unwrap_or(0.0) > CHANCE && probe.auc.is_some_and(|auc| auc > luck)
        };
        let seen = LUNG_FREE.into_iter().filter_map(|(name, words)| {
            let probe = probes.get(name)?;
            Some(Seen { auc: probe.auc?, sure: above(probe, luck), words })
        });
        // The first of equals.
        let higher = |best: Seen, next: Seen| if next.auc > best.auc { next } else { best };
        let sure = seen.clone().filter(|probe| probe.sure).reduce(higher);
        let model = probes.get("model");
        let (Some(auc), Some(best)) = (model.and_then(|probe| probe.auc), seen.reduce(higher))
        else {
            let reason = |name| probes.get(name).map(|p| p.undefined.as_str()).unwrap_or_default();
            let reason =
                [reason("model"), reason("attributes")].into_iter().find(|r| !r.is_empty());
            let reason = reason.unwrap_or("nothing was probed");
            return verdict(
                Answer::Unknown,
                format!("what the model reads cannot be told: {reason}"),
            );
        };
        let near = |probe: &Seen| probe.auc - CHANCE >= SHARE * (auc - CHANCE);
        if let Some(probe) = sure.filter(near) {
            let reached = probe.reached(auc);
            let text = format!("{reached}: this data cannot show that the model reads lungs");
            return verdict(Answer::Shortcut, text);
        }
        let by_luck = probes.get("shuffled").and_then(|probe| probe.high);
        if !model.is_some_and(|model| above(model, by_luck)) {
            let text = format!(
                "{RETRAINED} reach AUC {auc:.2} in cross-validation, which may be chance: there \
                 is nothing to explain"
            );
            return verdict(Answer::NothingLearnt, text);
        }
        let reached = if near(&best) {
            format!("{}, which may be luck on so few films", best.reached(auc))
        } else {
            let best = best.auc;
            format!(
                "no probe without the lungs exceeds AUC {best:.2}, {RETRAINED} reach {auc:.2} in \
                 the same cross-validation"
            )
        };
        let text =
            format!("{reached}: no shortcut was found, which does not prove that there is none");
        verdict(Answer::NoShortcut, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(figures: &[(&str, f64, f64)]) -> Verdict {
        with_luck(figures, None)
    }

    fn with_luck(figures: &[(&str, f64, f64)], luck: Option<f64>) -> Verdict {
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
        Verdict::of(&figures.iter().map(probe).collect(), luck)
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
        let text = "the border with the centre blacked out alone reaches AUC 0.97, heads trained \
                    as the model was reach 0.98 in the same cross-validation: this data cannot show that the model reads lungs";
        assert_eq!(verdict.text, text);
    }

    #[test]
    fn chance_and_small_gains_are_none() {
        let of = |border, low| {
            verdict(&[("model", 0.98, 0.9), ("border", border, low), ("thumbnail", 1.0, 1.0)])
        };
        assert_eq!(of(0.8, 0.48).answer, Answer::NoShortcut, "its interval holds chance");
        assert_eq!(of(0.6, 0.55).answer, Answer::NoShortcut, "it makes little");
        assert_eq!(of(0.8, 0.55).answer, Answer::Shortcut);
        let of = |border| with_luck(&[("model", 0.98, 0.9), ("border", border, 0.55)], Some(0.85));
        assert_eq!(of(0.8).answer, Answer::NoShortcut, "luck reaches as much");
        assert_eq!(of(0.9).answer, Answer::Shortcut);
        let text = "the border with the centre blacked out alone reaches AUC 0.80, heads trained \
                    as the model was reach 0.98 in the same cross-validation, which may be luck on so few films: no shortcut was found, which does \
                    not prove that there is none";
        assert_eq!(of(0.8).text, text);
    }

    #[test]
    fn an_unsure_probe_does_not_hide_a_sure_one() {
        let probes = [("model", 0.88, 0.63), ("border", 0.78, 0.46), ("attributes", 0.76, 0.55)];
        let of = |luck| with_luck(&probes, Some(luck));
        assert_eq!(of(0.74).answer, Answer::Shortcut);
        assert!(of(0.74).text.starts_with("file attributes alone reach AUC 0.76, heads"));
        assert_eq!(of(0.77).answer, Answer::NoShortcut);
        assert!(of(0.77).text.starts_with("the border with the centre blacked out alone reaches"));
    }

    #[test]
    fn a_model_within_the_reach_of_shuffled_labels_has_learnt_nothing() {
        let of = |model| {
            verdict(&[("model", model, 0.6), ("border", 0.5, 0.4), ("shuffled", 0.5, 0.3)]).answer
        };
        assert_eq!((of(0.8), of(0.9)), (Answer::NothingLearnt, Answer::NoShortcut));
    }

    #[test]
    fn nothing_learnt_and_nothing_known_are_said() {
        let answer = |figures: &[_]| verdict(figures).answer;
        assert_eq!(answer(&[("model", 0.6, 0.4), ("border", 0.5, 0.4)]), Answer::NothingLearnt);
        assert_eq!(answer(&[("model", 0.6, 0.4)]), Answer::Unknown);
        let few = Probe::undefined(3, "class `a` has 1 patient");
        let verdict = Verdict::of(&BTreeMap::from([("model".into(), few)]), None);
        assert_eq!(verdict.text, "what the model reads cannot be told: class `a` has 1 patient");
    }
}
