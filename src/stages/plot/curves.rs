//! Figures of the predictions of two classes, one of them positive.

use std::collections::BTreeMap;

use super::{Drawing, Settings};
use crate::artifact::predictions::Predictions;
use crate::metrics::{self, Rate, Undefined};
use crate::plot::{Bin, Calibration, ClassScores, Estimate, PrecisionRecall, Roc, Scores};
use crate::rng::{Rng, derive};

/// Least films of each class for a curve over thresholds.
const LEAST_OF_CLASS: usize = 5;
/// Least films for a calibration figure.
const LEAST_CALIBRATION: usize = 20;
/// Resamples of a bootstrap interval.
const RESAMPLES: usize = 1000;
/// Of two classes the more probable one is named.
const THRESHOLD: f64 = 0.5;

/// Draws a figure with a seed for its intervals, or says why it would say nothing.
pub type Curve = fn(&TwoClasses, &Settings, u64) -> Result<Drawing<'static>, String>;

/// The films of two classes, one of them positive.
pub struct TwoClasses {
    positive: String,
    negative: String,
    /// Whether each film is positive, and is called so.
    truth: Vec<bool>,
    called: Vec<bool>,
    /// The probability of the positive class.
    scores: Vec<f64>,
    /// A number for each film's patient; unknown ones are patients of their own.
    patients: Vec<usize>,
}

impl TwoClasses {
    /// `positive` against the other of two classes.
    pub fn new(films: &Predictions, positive: &str) -> Result<Self, String> {
        if films.classes.len() != 2 {
            return Err(format!("it is of two classes, and there are {}", films.classes.len()));
        }
        let class = films.classes.iter().position(|class| class == positive);
        let class = class.ok_or_else(|| {
            let [a, b] = [0, 1].map(|i| &films.classes[i]);
            format!("no class is called `{positive}`: choose `{a}` or `{b}` with `--positive`")
        })?;
        let mut numbers = BTreeMap::new();
        let patients = films.rows.iter().enumerate().map(|(row, film)| {
            let own = film.patient.is_empty().then_some(row);
            let next = numbers.len();
            *numbers.entry((film.patient.as_str(), own)).or_insert(next)
        });
        Ok(Self {
            patients: patients.collect(),
            positive: positive.to_owned(),
            negative: films.classes[1 - class].clone(),
            truth: films.rows.iter().map(|film| film.truth == class).collect(),
            called: films.rows.iter().map(|film| film.predicted == class).collect(),
            scores: films.rows.iter().map(|film| film.probabilities[class]).collect(),
        })
    }

    /// Refuses a curve over too few films of a class.
    fn enough(&self) -> Result<(), String> {
        let positives = self.positives();
        let counts = [(&self.positive, positives), (&self.negative, self.truth.len() - positives)];
        match counts.into_iter().find(|&(_, films)| films < LEAST_OF_CLASS) {
            Some((class, films)) => {
                Err(format!("`{class}` has {films} test films, fewer than {LEAST_OF_CLASS}"))
            }
            None => Ok(()),
        }
    }

    fn positives(&self) -> usize {
        self.truth.iter().filter(|&&positive| positive).count()
    }

    fn against_rest(&self) -> metrics::Binary {
        let number = |flags: &[bool]| flags.iter().map(|&f| usize::from(f)).collect::<Vec<_>>();
        metrics::Confusion::new(&number(&self.truth), &number(&self.called), 2).against_rest(1)
    }

    /// `metric` of all films, with its bootstrap interval over patients.
    fn estimate(
        &self,
        purpose: &str,
        seed: u64,
        metric: fn(&[bool], &[f64]) -> Result<f64, Undefined>,
    ) -> Result<Estimate, String> {
        let draws = |resample| {
            let mut rng = Rng::new(derive(seed, "plot", purpose, resample));
            move |n| rng.index(n)
        };
        let of_rows = |rows: &[usize]| {
            let truth: Vec<_> = rows.iter().map(|&row| self.truth[row]).collect();
            let scores: Vec<_> = rows.iter().map(|&row| self.scores[row]).collect();
            metric(&truth, &scores)
        };
        let value = metric(&self.truth, &self.scores);
        let interval = metrics::bootstrap(&self.patients, RESAMPLES, 0.95, draws, of_rows);
        let interval = interval.map_err(|e| e.to_string())?;
        let value = value.map_err(|e| e.to_string())?;
        Ok(Estimate { value, low: interval.low, high: interval.high })
    }
}

/// Sensitivity against false alarms.
pub fn roc(films: &TwoClasses, _: &Settings, seed: u64) -> Result<Drawing<'static>, String> {
    films.enough()?;
    let roc = metrics::Roc::new(&films.truth, &films.scores).map_err(|e| e.to_string())?;
    let curve: Vec<_> = roc.fpr.into_iter().zip(roc.tpr).collect();
    let positives = films.positives() as u64;
    let band = curve.iter().map(|&(fpr, tpr)| {
        let rate = Rate::new((tpr * positives as f64).round() as u64, positives);
        (fpr, rate.low, rate.high)
    });
    let called = films.against_rest();
    let specificity = called.specificity().value;
    Ok(Box::new(Roc {
        positive: films.positive.clone(),
        band: Some(band.collect()),
        auc: films.estimate("auc", seed, metrics::roc_auc)?,
        operating: specificity.map(|s| 1.0 - s).zip(called.sensitivity().value),
        curve,
    }))
}

/// Precision against sensitivity.
pub fn precision_recall(
    films: &TwoClasses,
    _: &Settings,
    seed: u64,
) -> Result<Drawing<'static>, String> {
    films.enough()?;
    let curve = metrics::PrecisionRecall::new(&films.truth, &films.scores);
    let curve = curve.map_err(|e| e.to_string())?;
    let band = curve.thresholds.iter().zip(&curve.recall).rev().map(|(&threshold, &recall)| {
        let above = |(_, score): &(&bool, &f64)| **score >= threshold;
        let called = || films.truth.iter().zip(&films.scores).filter(above);
        let hits = called().filter(|(positive, _)| **positive).count();
        let rate = Rate::new(hits as u64, called().count() as u64);
        (recall, rate.low, rate.high)
    });
    let called = films.against_rest();
    Ok(Box::new(PrecisionRecall {
        positive: films.positive.clone(),
        band: Some(band.collect()),
        average: films.estimate("average-precision", seed, metrics::average_precision)?,
        prevalence: films.positives() as f64 / films.truth.len() as f64,
        operating: called.sensitivity().value.zip(called.ppv().value),
        curve: curve.recall.into_iter().zip(curve.precision).rev().collect(),
    }))
}

/// Predicted probability against what came true.
pub fn calibration(
    films: &TwoClasses,
    settings: &Settings,
    _: u64,
) -> Result<Drawing<'static>, String> {
    let count = films.truth.len();
    if count < LEAST_CALIBRATION {
        return Err(format!("there are {count} test films, fewer than {LEAST_CALIBRATION}"));
    }
    let brier = metrics::brier(&films.truth, &films.scores).map_err(|e| e.to_string())?;
    let parts = settings.bins as f64;
    let bin = |i: usize| {
        let within = |score: f64| ((score * parts) as usize).min(settings.bins - 1) == i;
        let members = || films.scores.iter().zip(&films.truth).filter(|(score, _)| within(**score));
        let count = members().count();
        let observed = Rate::new(members().filter(|(_, t)| **t).count() as u64, count as u64);
        Bin {
            from: i as f64 / parts,
            to: (i + 1) as f64 / parts,
            count,
            predicted: members().map(|(score, _)| score).sum::<f64>() / count.max(1) as f64,
            observed: Estimate {
                value: observed.value.unwrap_or(0.0),
                low: observed.low,
                high: observed.high,
            },
        }
    };
    Ok(Box::new(Calibration {
        positive: films.positive.clone(),
        bins: (0..settings.bins).map(bin).collect(),
        summary: vec![("Brier score".into(), brier)],
    }))
}

/// The probabilities of each class.
pub fn scores(films: &TwoClasses, _: &Settings, _: u64) -> Result<Drawing<'static>, String> {
    let of = |class: &str, positive: bool| ClassScores {
        class: class.to_owned(),
        scores: films
            .scores
            .iter()
            .zip(&films.truth)
            .filter(|(_, truth)| **truth == positive)
            .map(|(score, _)| *score)
            .collect(),
    };
    Ok(Box::new(Scores {
        positive: films.positive.clone(),
        threshold: THRESHOLD,
        classes: vec![of(&films.positive, true), of(&films.negative, false)],
    }))
}
