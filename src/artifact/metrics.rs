//! `evaluate/metrics.json`: what a set of predictions is worth.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::Document;
use super::predictions::{Prediction, Predictions};
use crate::metrics::{
    Binary, Confusion, Rate, Undefined, average_precision, bootstrap, brier, brier_multiclass,
    expected_calibration_error, log_loss, one_vs_rest, roc_auc,
};
use crate::rng::{Rng, derive};

/// Parts of 0 to 1 that the calibration error is taken over.
const BINS: usize = 15;

/// Everything `cxr` says of predictions in figures. Intervals hold 95 %.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// `cxr.metrics/1`; filled in when written.
    #[serde(default)]
    pub schema: String,
    /// The classes' names, in the order of `confusion`.
    pub classes: Vec<String>,
    /// The class that sensitivity and all binary scores ask for.
    pub positive: String,
    /// Films judged.
    pub films: usize,
    /// Patients on them, as far as known.
    pub patients: usize,
    /// Films whose patient is not known.
    pub unknown: usize,
    /// Rows of truth, columns of prediction.
    pub confusion: Confusion,
    /// Films whose class was named.
    pub accuracy: Rate,
    /// Positive films that were found.
    pub sensitivity: Rate,
    /// Other films that were not taken for positive.
    pub specificity: Rate,
    /// Films called positive that are.
    pub ppv: Rate,
    /// Films not called positive that are not.
    pub npv: Rate,
    /// Each class against the rest.
    pub by_class: BTreeMap<String, ClassMetrics>,
    /// Scores with intervals by bootstrap over patients, by name.
    pub scores: BTreeMap<String, Score>,
    /// The share of positive films for which `ppv_at_prevalence` and
    /// `npv_at_prevalence` among the scores hold.
    pub prevalence: f64,
}

impl Document for Metrics {
    const KIND: &'static str = "set of metrics";
    const SCHEMA: &'static str = "cxr.metrics/1";
}

/// One class against the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Films of the class.
    pub films: usize,
    /// Patients on them, as far as known.
    pub patients: usize,
    /// Films of the class that were found.
    pub sensitivity: Rate,
    /// Other films that were not taken for it.
    pub specificity: Rate,
    /// Films taken for it that are of it.
    pub ppv: Rate,
    /// Films not taken for it that are not of it.
    pub npv: Rate,
}

/// A figure with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Its value on all films; none if it is undefined.
    pub value: Option<f64>,
    /// Lower end of the interval; none if there is none.
    pub low: Option<f64>,
    /// Upper end of the interval; none if there is none.
    pub high: Option<f64>,
    /// Why the value or the interval is missing; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub undefined: String,
}

/// What the figures depend on beside the predictions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judge {
    /// The positive class, as a position in the classes.
    pub positive: usize,
    /// The share of positive films to state predictive values for, 0 to 1.
    pub prevalence: f64,
    /// Bootstrap resamples; 0 for no intervals.
    pub resamples: usize,
    /// The pipeline's seed.
    pub seed: u64,
}

impl Judge {
    /// Judges predictions. A film of an unknown patient counts as a patient of
    /// its own where patients are drawn.
    pub fn judge(&self, predictions: &Predictions) -> Metrics {
        let films = Films::new(predictions, self);
        let confusion = films.confusion();
        let binary = confusion.against_rest(self.positive);
        let clusters = clusters(&predictions.rows);
        let scores =
            SCORES.iter().filter(|score| films.classes > 2 || !score.0.starts_with("macro"));
        let of_class = |(class, name): (usize, &String)| {
            let of_class: Vec<_> = predictions.rows.iter().filter(|r| r.truth == class).collect();
            let binary = confusion.against_rest(class);
            let metrics = ClassMetrics {
                films: of_class.len(),
                patients: patients(of_class.iter().copied()),
                sensitivity: binary.sensitivity(),
                specificity: binary.specificity(),
                ppv: binary.ppv(),
                npv: binary.npv(),
            };
            (name.clone(), metrics)
        };
        Metrics {
            schema: Metrics::SCHEMA.to_owned(),
            classes: predictions.classes.clone(),
            positive: predictions.classes[self.positive].clone(),
            films: predictions.rows.len(),
            patients: patients(&predictions.rows),
            unknown: predictions.rows.iter().filter(|row| row.patient.is_empty()).count(),
            accuracy: confusion.accuracy(),
            sensitivity: binary.sensitivity(),
            specificity: binary.specificity(),
            ppv: binary.ppv(),
            npv: binary.npv(),
            by_class: predictions.classes.iter().enumerate().map(of_class).collect(),
            scores: scores
                .map(|(name, score)| ((*name).to_owned(), self.score(&films, &clusters, *score)))
                .collect(),
            prevalence: self.prevalence,
            confusion,
        }
    }

    fn score(&self, films: &Films, clusters: &[usize], score: ScoreOf) -> Score {
        let value = match score(films) {
            Ok(value) => value,
            Err(reason) => {
                let undefined = reason.to_string();
                return Score { value: None, low: None, high: None, undefined };
            }
        };
        if self.resamples == 0 {
            return Score { value: Some(value), low: None, high: None, undefined: String::new() };
        }
        let draws = |resample| {
            let mut rng = Rng::new(derive(self.seed, "evaluate", "bootstrap", resample));
            move |n| rng.index(n)
        };
        let statistic = |rows: &[usize]| score(&films.select(rows));
        let (low, high, undefined) =
            match bootstrap(clusters, self.resamples, 0.95, draws, statistic) {
                Ok(interval) => (Some(interval.low), Some(interval.high), String::new()),
                Err(reason) => (None, None, reason.to_string()),
            };
        Score { value: Some(value), low, high, undefined }
    }
}

type ScoreOf = fn(&Films) -> Result<f64, Undefined>;

/// Every score; those called `macro_…` for more than two classes only.
const SCORES: &[(&str, ScoreOf)] = &[
    ("accuracy", |f| f.confusion().accuracy().value.ok_or(Undefined::NoFilms)),
    ("average_precision", |f| average_precision(&f.is_positive(), &f.of_positive())),
    ("balanced_accuracy", |f| f.confusion().balanced_accuracy()),
    ("brier", |f| brier(&f.is_positive(), &f.of_positive())),
    ("expected_calibration_error", |f| {
        expected_calibration_error(&f.truth, f.probabilities.view(), BINS)
    }),
    ("f1", |f| f.binary().f1()),
    ("log_loss", |f| log_loss(&f.truth, f.probabilities.view())),
    ("macro_average_precision", |f| {
        one_vs_rest(&f.truth, f.probabilities.view(), average_precision)
    }),
    ("macro_brier", |f| brier_multiclass(&f.truth, f.probabilities.view())),
    ("macro_f1", |f| f.confusion().macro_f1()),
    ("macro_roc_auc", |f| one_vs_rest(&f.truth, f.probabilities.view(), roc_auc)),
    ("mcc", |f| f.confusion().mcc()),
    ("npv_at_prevalence", |f| f.binary().npv_at(f.prevalence)),
    ("ppv_at_prevalence", |f| f.binary().ppv_at(f.prevalence)),
    ("roc_auc", |f| roc_auc(&f.is_positive(), &f.of_positive())),
    ("sensitivity", |f| f.binary().sensitivity().value.ok_or(Undefined::NoPositives)),
    ("specificity", |f| f.binary().specificity().value.ok_or(Undefined::NoNegatives)),
];

/// Predictions as the metrics take them.
struct Films {
    classes: usize,
    positive: usize,
    prevalence: f64,
    truth: Vec<usize>,
    predicted: Vec<usize>,
    /// `[films, classes]`
    probabilities: Array2<f64>,
}

impl Films {
    fn new(predictions: &Predictions, judge: &Judge) -> Self {
        let Predictions { classes, rows } = predictions;
        let probabilities = rows.iter().flat_map(|row| row.probabilities.iter().copied()).collect();
        Self {
            classes: classes.len(),
            positive: judge.positive,
            prevalence: judge.prevalence,
            truth: rows.iter().map(|row| row.truth).collect(),
            predicted: rows.iter().map(|row| row.predicted).collect(),
            probabilities: Array2::from_shape_vec((rows.len(), classes.len()), probabilities)
                .expect("a probability for each class"),
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        let pick = |values: &[usize]| rows.iter().map(|row| values[*row]).collect();
        Self {
            truth: pick(&self.truth),
            predicted: pick(&self.predicted),
            probabilities: self.probabilities.select(Axis(0), rows),
            ..*self
        }
    }

    fn confusion(&self) -> Confusion {
        Confusion::new(&self.truth, &self.predicted, self.classes)
    }

    fn binary(&self) -> Binary {
        self.confusion().against_rest(self.positive)
    }

    fn is_positive(&self) -> Vec<bool> {
        self.truth.iter().map(|class| *class == self.positive).collect()
    }

    fn of_positive(&self) -> Vec<f64> {
        self.probabilities.column(self.positive).to_vec()
    }
}

/// The number of each film's patient, in the order in which they appear.
fn clusters(rows: &[Prediction]) -> Vec<usize> {
    let mut numbers = BTreeMap::new();
    let mut number = |row| {
        let next = numbers.len();
        *numbers.entry(patient_or_film(row)).or_insert(next)
    };
    rows.iter().map(&mut number).collect()
}

fn patient_or_film(row: &Prediction) -> (bool, &str) {
    match row.patient.as_str() {
        "" => (false, &row.path),
        patient => (true, patient),
    }
}

fn patients<'a>(rows: impl IntoIterator<Item = &'a Prediction>) -> usize {
    let known = rows.into_iter().map(|row| row.patient.as_str()).filter(|p| !p.is_empty());
    known.collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUDGE: Judge = Judge { positive: 0, prevalence: 0.1, resamples: 500, seed: 42 };

    /// The published run of the tutorial, two films a patient.
    fn tutorial() -> Predictions {
        let row = |i: usize| {
            let covid = [0.9, 0.8, 0.7, 0.6, 0.55, 0.65, 0.4, 0.3, 0.2, 0.1][i];
            Prediction {
                path: format!("{i}.png"),
                patient: if i == 9 { String::new() } else { format!("p{}", i / 2) },
                truth: i / 5,
                predicted: usize::from(covid < 0.5),
                probabilities: vec![covid, 1.0 - covid],
            }
        };
        Predictions {
            classes: vec!["covid".into(), "normal".into()],
            rows: (0..10).map(row).collect(),
        }
    }

    #[test]
    fn the_tutorials_figures() {
        let metrics = JUDGE.judge(&tutorial());
        assert_eq!(metrics.confusion.rows(), [[5, 0], [1, 4]]);
        assert_eq!(metrics.accuracy.value, Some(0.9));
        assert_eq!((metrics.sensitivity.value, metrics.specificity.value), (Some(1.0), Some(0.8)));
        assert_eq!((metrics.films, metrics.patients, metrics.unknown), (10, 5, 1));
        let normal = &metrics.by_class["normal"];
        assert_eq!((normal.films, normal.patients, normal.sensitivity.hits), (5, 3, 4));
        let auc = &metrics.scores["roc_auc"];
        assert_eq!(auc.value, Some(23.0 / 25.0));
        assert!(auc.low < auc.value && auc.value < auc.high && auc.undefined.is_empty());
        let ppv = metrics.scores["ppv_at_prevalence"].value.unwrap();
        assert!((ppv - 0.1 / (0.1 + 0.2 * 0.9)).abs() < 1e-12);
        assert!(!metrics.scores.contains_key("macro_f1"));
    }

    #[test]
    fn undefined_is_said() {
        let mut predictions = tutorial();
        predictions.rows.truncate(5);
        let metrics = JUDGE.judge(&predictions);
        assert_eq!((metrics.specificity.value, metrics.specificity.of), (None, 0));
        let expected = Score {
            value: None,
            low: None,
            high: None,
            undefined: "no film is negative".to_owned(),
        };
        assert_eq!(metrics.scores["roc_auc"], expected);
        predictions.rows.truncate(1);
        let accuracy = &JUDGE.judge(&predictions).scores["accuracy"];
        assert_eq!((accuracy.value, accuracy.low), (Some(1.0), None));
        assert_eq!(accuracy.undefined, "there is only one patient");
        let quick = Judge { resamples: 0, ..JUDGE };
        assert_eq!(quick.judge(&tutorial()).scores["roc_auc"].low, None);
    }

    #[test]
    fn comes_back_and_has_the_contracts_fields() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.json");
        let metrics = Judge { resamples: 0, ..JUDGE }.judge(&tutorial());
        metrics.write(&path).unwrap();
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(json["confusion"], serde_json::json!([[5, 0], [1, 4]]));
        let rate = json["sensitivity"].as_object().unwrap();
        assert_eq!(rate.keys().collect::<Vec<_>>(), ["high", "hits", "low", "of", "value"]);
        let back = Metrics::read(&path).unwrap();
        assert_eq!(back.confusion, metrics.confusion);
    }

    #[test]
    fn three_classes_have_macro_scores() {
        let row = |i: usize| {
            let mut probabilities = vec![0.2; 3];
            probabilities[i * i % 5 % 3] = 0.6;
            Prediction {
                path: format!("{i}.png"),
                patient: String::new(),
                truth: i % 3,
                predicted: i * i % 5 % 3,
                probabilities,
            }
        };
        let classes = ["bacteria", "covid", "normal"].map(str::to_owned).to_vec();
        let predictions = Predictions { classes, rows: (0..30).map(row).collect() };
        let metrics = Judge { positive: 1, resamples: 0, ..JUDGE }.judge(&predictions);
        assert_eq!(metrics.positive, "covid");
        let truth: Vec<usize> = (0..30).map(|i| i % 3).collect();
        let p = Array2::from_shape_fn((30, 3), |(i, k)| predictions.rows[i].probabilities[k]);
        let expected = one_vs_rest(&truth, p.view(), roc_auc).unwrap();
        assert_eq!(metrics.scores["macro_roc_auc"].value, Some(expected));
    }
}
