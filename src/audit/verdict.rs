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
/// The share of the model's gain over chance from which a probe is a shortcut.
const SHARE: f64 = 0.5;

impl Verdict {
    /// Holds the [`LUNG_FREE`] among `probes` against `model`, which stands among
    /// them by that name. A probe counts only if its interval lies above chance, and
    /// it above what `shuffled` labels reach: an interval of the films does not know
    /// how much a classifier varies with the films that it has learnt from.
    pub fn of(probes: &BTreeMap<String, Probe>) -> Self {
        let verdict = |answer, text| Self { answer, text };
        let by_luck = probes.get("shuffled").and_then(|probe| probe.high).unwrap_or(CHANCE);
        let above_chance = |probe: &Probe| {
            probe.low.unwrap_or(0.0) > CHANCE && probe.auc.is_some_and(|auc| auc > by_luck)
        };
        let auc = |name: &str| probes.get(name).and_then(|probe| probe.auc);
        let seen = LUNG_FREE.into_iter().filter_map(|(name, words)| {
            let probe = probes.get(name)?;
            Some((probe.auc?, above_chance(probe), words))
        });
        // The highest; the first of equals.
        let best = seen.reduce(|best, next| if next.0 > best.0 { next } else { best });
        let (Some(model), Some((best, sure, words))) = (auc("model"), best) else {
            let reason = |name| probes.get(name).map(|p| p.undefined.as_str()).unwrap_or_default();
            let reason =
                [reason("model"), reason("attributes")].into_iter().find(|r| !r.is_empty());
            let reason = reason.unwrap_or("nothing was probed");
            return verdict(
                Answer::Unknown,
                format!("what the model reads cannot be told: {reason}"),
            );
        };
        if sure && best - CHANCE >= SHARE * (model - CHANCE) {
            let text = format!(
                "{words} alone {} AUC {best:.2} of the model's {model:.2}: \
                 this data cannot show that the model reads lungs",
                if words.starts_with("the border") { "reaches" } else { "reach" },
            );
            return verdict(Answer::Shortcut, text);
        }
        if !above_chance(&probes["model"]) {
            let text =
                format!("the model's AUC of {model:.2} may be chance: there is nothing to explain");
            return verdict(Answer::NothingLearnt, text);
        }
        let text = format!(
            "without the lungs no more than AUC {best:.2} is reached of the model's {model:.2}: \
             no shortcut was found, which does not prove that there is none"
        );
        verdict(Answer::NoShortcut, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(figures: &[(&str, f64, f64)]) -> Verdict {
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
        Verdict::of(&figures.iter().map(probe).collect())
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
        let text = "the border with the centre blacked out alone reaches AUC 0.97 of the model's \
                    0.98: this data cannot show that the model reads lungs";
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
        let of = |border| {
            verdict(&[("model", 0.98, 0.9), ("border", border, 0.55), ("shuffled", 0.5, 0.3)])
        };
        assert_eq!(of(0.8).answer, Answer::NoShortcut, "shuffled labels reach as much");
        assert_eq!(of(0.9).answer, Answer::Shortcut);
    }

    #[test]
    fn nothing_learnt_and_nothing_known_are_said() {
        let answer = |figures: &[_]| verdict(figures).answer;
        assert_eq!(answer(&[("model", 0.6, 0.4), ("border", 0.5, 0.4)]), Answer::NothingLearnt);
        assert_eq!(answer(&[("model", 0.6, 0.4)]), Answer::Unknown);
        let few = Probe::undefined(3, "class `a` has 1 patient");
        let verdict = Verdict::of(&BTreeMap::from([("model".into(), few)]));
        assert_eq!(verdict.text, "what the model reads cannot be told: class `a` has 1 patient");
    }
}
