//! `evaluate/metrics.json`: what a set of predictions is worth.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::Document;
use super::groups::Grouping;
use super::index::is_alone;
use super::predictions::Predictions;
use crate::metrics::{
    Binary, Confusion, Fallback, Method, Rate, Undefined, average_precision, bootstrap, brier,
    brier_multiclass, expected_calibration_error, log_loss, npv_of, one_vs_rest, ppv_of, roc_auc,
};
use crate::rng::{Rng, derive};

/// Parts of 0 to 1 that the calibration error is taken over.
const BINS: usize = 15;

/// Everything `cxr` says of predictions in figures. Intervals hold 95 %; those of rates
/// count groups of films, one of each patient, as witnesses, not films.
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
    /// What tells them: `patient`, the ids of `index.csv`, or `link`.
    #[serde(default)]
    pub grouped_by: Grouping,
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
    /// Scores with intervals by bootstrap over patients, or, where that fails, in
    /// closed form; by name.
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Its value on all films; none if it is undefined.
    pub value: Option<f64>,
    /// Lower end of the interval; none if there is none.
    pub low: Option<f64>,
    /// Upper end of the interval; none if there is none.
    pub high: Option<f64>,
    /// How the interval was found; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
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
    /// How often every film is predicted, all films of a run after those of the one
    /// before. A calibration error is the mean over runs: pooled, each film would count
    /// so many times in its bin, and chance would hide in numbers.
    pub runs: usize,
}

impl Judge {
    /// Judges predictions, of films that fall into `groups` of one patient each, as
    /// `grouped_by` tells them: a film of an unknown patient is a group of its own,
    /// as in [`Predictions::patients`].
    pub fn judge(
        &self,
        predictions: &Predictions,
        groups: &[String],
        grouped_by: Grouping,
    ) -> Metrics {
        let films = Films::new(predictions, groups, self);
        let confusion = films.confusion();
        let scores =
            SCORES.iter().filter(|score| films.classes > 2 || !score.0.starts_with("macro"));
        let of_class = |(class, name): (usize, &String)| {
            let of_class = || (0..groups.len()).filter(|film| films.truth[*film] == class);
            let metrics = ClassMetrics {
                films: of_class().count(),
                patients: patients(of_class().map(|film| &groups[film])),
                sensitivity: films.sensitivity(class),
                specificity: films.specificity(class),
                ppv: films.ppv(class),
                npv: films.npv(class),
            };
            (name.clone(), metrics)
        };
        Metrics {
            schema: Metrics::SCHEMA.to_owned(),
            classes: predictions.classes.clone(),
            positive: predictions.classes[self.positive].clone(),
            films: predictions.rows.len(),
            patients: patients(groups),
            grouped_by,
            unknown: groups.iter().filter(|group| is_alone(group)).count(),
            accuracy: confusion.accuracy().of_groups(films.groups_of(|_| true)),
            sensitivity: films.sensitivity(self.positive),
            specificity: films.specificity(self.positive),
            ppv: films.ppv(self.positive),
            npv: films.npv(self.positive),
            by_class: predictions.classes.iter().enumerate().map(of_class).collect(),
            scores: scores
                .map(|(name, of, fallback)| {
                    ((*name).to_owned(), self.score(&films, *of, *fallback))
                })
                .collect(),
            prevalence: self.prevalence,
            confusion,
        }
    }

    fn score(&self, films: &Films, score: ScoreOf, fallback: FallbackOf) -> Score {
        let value = match score(films) {
            Ok(value) => value,
            Err(reason) => return Score { undefined: reason.to_string(), ..Score::default() },
        };
        let score_alone = Score { value: Some(value), ..Score::default() };
        if self.resamples == 0 {
            return score_alone;
        }
        let draws = |resample| {
            let mut rng = Rng::new(derive(self.seed, "evaluate", "bootstrap", resample));
            move |n| rng.index(n)
        };
        let statistic = |rows: &[usize]| score(&films.select(rows));
        let interval = bootstrap(&films.groups, self.resamples, 0.95, draws, statistic);
        match fallback(films).or(value, interval) {
            Ok((low, high, method)) => {
                Score { low: Some(low), high: Some(high), method: Some(method), ..score_alone }
            }
            Err(reason) => Score { undefined: reason.to_string(), ..score_alone },
        }
    }
}

type ScoreOf = fn(&Films) -> Result<f64, Undefined>;
type FallbackOf = fn(&Films) -> Fallback;

const NO_FALLBACK: FallbackOf = |_| Fallback::None;
/// Of scores that are 1 at best.
const UP_TO_1: FallbackOf = |_| Fallback::Omit;

/// Every score, and what gives its interval where the bootstrap fails; those called
/// `macro_…` for more than two classes only.
const SCORES: &[(&str, ScoreOf, FallbackOf)] = &[
    (
        "accuracy",
        |f| f.confusion().accuracy().value.ok_or(Undefined::NoFilms),
        |f| Fallback::Share(f.groups_of(|_| true)),
    ),
    ("average_precision", |f| average_precision(&f.is_positive(), &f.of_positive()), UP_TO_1),
    (
        "balanced_accuracy",
        |f| f.confusion().balanced_accuracy(),
        |f| Fallback::Share(f.fewest_groups().0),
    ),
    ("brier", |f| brier(&f.is_positive(), &f.of_positive()), NO_FALLBACK),
    ("expected_calibration_error", Films::calibration_error, NO_FALLBACK),
    ("f1", |f| f.binary().f1(), UP_TO_1),
    ("log_loss", |f| log_loss(&f.truth, f.probabilities.view()), NO_FALLBACK),
    (
        "macro_average_precision",
        |f| one_vs_rest(&f.truth, f.probabilities.view(), average_precision),
        UP_TO_1,
    ),
    ("macro_brier", |f| brier_multiclass(&f.truth, f.probabilities.view()), NO_FALLBACK),
    ("macro_f1", |f| f.confusion().macro_f1(), UP_TO_1),
    (
        "macro_roc_auc",
        |f| one_vs_rest(&f.truth, f.probabilities.view(), roc_auc),
        |f| {
            let (positives, negatives) = f.fewest_groups();
            Fallback::Area { positives, negatives }
        },
    ),
    ("mcc", |f| f.confusion().mcc(), UP_TO_1),
    ("npv_at_prevalence", |f| f.binary().npv_at(f.prevalence), |f| f.predictive(npv_of)),
    ("ppv_at_prevalence", |f| f.binary().ppv_at(f.prevalence), |f| f.predictive(ppv_of)),
    (
        "roc_auc",
        |f| roc_auc(&f.is_positive(), &f.of_positive()),
        |f| Fallback::Area {
            positives: f.groups_of(|class| class == f.positive),
            negatives: f.groups_of(|class| class != f.positive),
        },
    ),
    (
        "sensitivity",
        |f| f.binary().sensitivity().value.ok_or(Undefined::NoPositives),
        |f| Fallback::Share(f.groups_of(|class| class == f.positive)),
    ),
    (
        "specificity",
        |f| f.binary().specificity().value.ok_or(Undefined::NoNegatives),
        |f| Fallback::Share(f.groups_of(|class| class != f.positive)),
    ),
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
    /// The number of each film's group, in the order in which they appear.
    groups: Vec<usize>,
    /// The run of each prediction.
    run: Vec<usize>,
    runs: usize,
}

impl Films {
    fn new(predictions: &Predictions, groups: &[String], judge: &Judge) -> Self {
        let Predictions { classes, rows } = predictions;
        assert_eq!(rows.len(), groups.len(), "a group for each film");
        let mut numbers = BTreeMap::new();
        let mut number = |group| {
            let next = numbers.len();
            *numbers.entry(group).or_insert(next)
        };
        let probabilities = rows.iter().flat_map(|row| row.probabilities.iter().copied()).collect();
        Self {
            classes: classes.len(),
            positive: judge.positive,
            prevalence: judge.prevalence,
            truth: rows.iter().map(|row| row.truth).collect(),
            predicted: rows.iter().map(|row| row.predicted).collect(),
            probabilities: Array2::from_shape_vec((rows.len(), classes.len()), probabilities)
                .expect("a probability for each class"),
            groups: groups.iter().map(&mut number).collect(),
            run: (0..rows.len()).map(|row| row * judge.runs / rows.len()).collect(),
            runs: judge.runs,
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        let pick = |values: &[usize]| rows.iter().map(|row| values[*row]).collect();
        Self {
            truth: pick(&self.truth),
            predicted: pick(&self.predicted),
            probabilities: self.probabilities.select(Axis(0), rows),
            groups: pick(&self.groups),
            run: pick(&self.run),
            ..*self
        }
    }

    /// The expected calibration error, the mean over runs.
    fn calibration_error(&self) -> Result<f64, Undefined> {
        let of_run = |run: usize| {
            let rows: Vec<usize> =
                (0..self.run.len()).filter(|row| self.run[*row] == run).collect();
            let truth: Vec<usize> = rows.iter().map(|row| self.truth[*row]).collect();
            let probabilities = self.probabilities.select(Axis(0), &rows);
            expected_calibration_error(&truth, probabilities.view(), BINS)
        };
        let errors = (0..self.runs).map(of_run).collect::<Result<Vec<f64>, _>>()?;
        Ok(errors.iter().sum::<f64>() / self.runs as f64)
    }

    fn confusion(&self) -> Confusion {
        Confusion::new(&self.truth, &self.predicted, self.classes)
    }

    fn binary(&self) -> Binary {
        self.confusion().against_rest(self.positive)
    }

    /// What gives the interval of a predictive value, from sensitivity and specificity.
    fn predictive(&self, of: fn(f64, f64, f64) -> f64) -> Fallback {
        let shares = [self.sensitivity(self.positive), self.specificity(self.positive)];
        let at = |end: fn(&Rate) -> f64| of(end(&shares[0]), end(&shares[1]), self.prevalence);
        let certain = shares.iter().any(|rate| matches!(rate.value, Some(0.0 | 1.0)));
        Fallback::Ends { low: at(|rate| rate.low), high: at(|rate| rate.high), certain }
    }

    fn sensitivity(&self, class: usize) -> Rate {
        let rate = self.confusion().against_rest(class).sensitivity();
        rate.of_groups(self.groups_of(|truth| truth == class))
    }

    fn specificity(&self, class: usize) -> Rate {
        let rate = self.confusion().against_rest(class).specificity();
        rate.of_groups(self.groups_of(|truth| truth != class))
    }

    fn ppv(&self, class: usize) -> Rate {
        let rate = self.confusion().against_rest(class).ppv();
        rate.of_groups(self.groups_with(&self.predicted, |named| named == class))
    }

    fn npv(&self, class: usize) -> Rate {
        let rate = self.confusion().against_rest(class).npv();
        rate.of_groups(self.groups_with(&self.predicted, |named| named != class))
    }

    /// Groups with a film of such a class.
    fn groups_of(&self, class: impl Fn(usize) -> bool) -> usize {
        self.groups_with(&self.truth, class)
    }

    /// Groups with a film whose class, of `classes`, is such a one.
    fn groups_with(&self, classes: &[usize], class: impl Fn(usize) -> bool) -> usize {
        let films = classes.iter().zip(&self.groups).filter(|(of_film, _)| class(**of_film));
        films.map(|(_, group)| group).collect::<BTreeSet<_>>().len()
    }

    /// Groups with a film of the class that has the fewest, and those with another.
    fn fewest_groups(&self) -> (usize, usize) {
        let of = |class| (self.groups_of(|c| c == class), self.groups_of(|c| c != class));
        (0..self.classes).map(of).min().unwrap_or((0, 0))
    }

    fn is_positive(&self) -> Vec<bool> {
        self.truth.iter().map(|class| *class == self.positive).collect()
    }

    fn of_positive(&self) -> Vec<f64> {
        self.probabilities.column(self.positive).to_vec()
    }
}

/// Groups of known patients.
fn patients<'a>(groups: impl IntoIterator<Item = &'a String>) -> usize {
    let known = groups.into_iter().filter(|group| !is_alone(group));
    known.collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::predictions::Prediction;

    const JUDGE: Judge = Judge { positive: 0, prevalence: 0.1, resamples: 500, seed: 42, runs: 1 };

    fn judge(judge: Judge, predictions: &Predictions) -> Metrics {
        judge.judge(predictions, &predictions.patients(), Grouping::Patient)
    }

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
        let metrics = judge(JUDGE, &tutorial());
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

    /// Two runs that err to opposite sides are not well calibrated, though their pool is.
    #[test]
    fn the_calibration_error_of_runs_is_their_mean() {
        // The first film is named rightly in both runs, the others in the first alone.
        let row = |i: usize| {
            let (film, truth) = (i % 8, i % 2);
            let (predicted, p) = match (film, i < 8) {
                (0, _) => (truth, 0.62),
                (_, true) => (truth, 0.52),
                (_, false) => (1 - truth, 0.52),
            };
            Prediction {
                path: format!("{film}.png"),
                patient: format!("p{film}"),
                truth,
                predicted,
                probabilities: if predicted == 0 { vec![p, 1.0 - p] } else { vec![1.0 - p, p] },
            }
        };
        let classes = vec!["covid".into(), "normal".into()];
        let predictions = Predictions { classes, rows: (0..16).map(row).collect() };
        let error = |runs| {
            let metrics = judge(Judge { runs, ..JUDGE }, &predictions);
            metrics.scores["expected_calibration_error"].clone()
        };
        assert!((error(1).value.unwrap() - (7.0 * 0.02 + 0.38) / 8.0).abs() < 1e-12);
        assert!((error(2).value.unwrap() - (7.0 * 0.50 + 0.38) / 8.0).abs() < 1e-12);
        assert!(error(2).low.unwrap() > 0.4, "the resamples, too: {:?}", error(2));
    }

    #[test]
    fn undefined_is_said() {
        let mut predictions = tutorial();
        predictions.rows.truncate(5);
        let metrics = judge(JUDGE, &predictions);
        assert_eq!((metrics.specificity.value, metrics.specificity.of), (None, 0));
        let expected = Score { undefined: "no film is negative".to_owned(), ..Score::default() };
        assert_eq!(metrics.scores["roc_auc"], expected);
        predictions.rows.truncate(1);
        let accuracy = &judge(JUDGE, &predictions).scores["accuracy"];
        assert_eq!((accuracy.value, accuracy.low), (Some(1.0), None));
        assert_eq!(accuracy.undefined, "there is only one patient");
        let quick = Judge { resamples: 0, ..JUDGE };
        assert_eq!(judge(quick, &tutorial()).scores["roc_auc"].low, None);
    }

    #[test]
    fn comes_back_and_has_the_contracts_fields() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.json");
        let metrics = judge(Judge { resamples: 0, ..JUDGE }, &tutorial());
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
        let metrics = judge(Judge { positive: 1, resamples: 0, ..JUDGE }, &predictions);
        assert_eq!(metrics.positive, "covid");
        let truth: Vec<usize> = (0..30).map(|i| i % 3).collect();
        let p = Array2::from_shape_fn((30, 3), |(i, k)| predictions.rows[i].probabilities[k]);
        let expected = one_vs_rest(&truth, p.view(), roc_auc).unwrap();
        assert_eq!(metrics.scores["macro_roc_auc"].value, Some(expected));
    }

    /// A float of `tests/golden/metrics.json`, written as text for exact reading.
    fn number(value: &serde_json::Value) -> f64 {
        value.as_str().expect("floats are text").parse().expect("a float")
    }

    /// Every score of the artifact against scikit-learn's, for two classes and three.
    #[test]
    fn every_score_equals_scikit_learn() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/metrics.json")).unwrap();
        let mut seen = BTreeSet::new();
        for case in golden["predictions"].as_array().unwrap() {
            let classes: Vec<String> = serde_json::from_value(case["names"].clone()).unwrap();
            let truth: Vec<usize> = serde_json::from_value(case["y"].clone()).unwrap();
            let values: Vec<f64> = case["p"].as_array().unwrap().iter().map(number).collect();
            let p = Array2::from_shape_vec((truth.len(), classes.len()), values).unwrap();
            let row = |(i, predicted): (usize, usize)| Prediction {
                path: i.to_string(),
                patient: String::new(),
                truth: truth[i],
                predicted,
                probabilities: p.row(i).to_vec(),
            };
            let named = crate::metrics::predicted(p.view()).into_iter().enumerate();
            let predictions =
                Predictions { classes: classes.clone(), rows: named.map(row).collect() };
            let metrics = judge(Judge { resamples: 0, ..JUDGE }, &predictions);
            let (all, first) = (&case["numbers"], &case["of_first"]);
            for (name, score) in &metrics.scores {
                let golden = match name.as_str() {
                    "accuracy" | "balanced_accuracy" | "log_loss" | "macro_f1" | "mcc" => {
                        &all[name]
                    }
                    "expected_calibration_error" => &all["ece_15"],
                    "macro_average_precision" => &all["average_precision"],
                    "macro_brier" => &all["brier_multiclass"],
                    "macro_roc_auc" => &all["roc_auc"],
                    _ => &first[name],
                };
                let (got, expected) = (score.value.unwrap(), number(golden));
                assert!((got - expected).abs() < 1e-14, "{name}: {got} against {expected}");
                seen.insert(name.clone());
            }
            for (rate, name) in [(metrics.ppv, "ppv"), (metrics.npv, "npv")] {
                assert!((rate.value.unwrap() - number(&first[name])).abs() < 1e-14, "{name}");
            }
        }
        assert_eq!(seen.len(), SCORES.len());
    }

    /// A test set of one class, one film, one answer: what has no value has a reason.
    #[test]
    fn what_has_no_value_has_a_reason_and_nothing_is_not_a_number() {
        let full = tutorial();
        let cut = |films: std::ops::Range<usize>| Predictions {
            rows: full.rows[films].to_vec(),
            ..full.clone()
        };
        let mut eager = full.clone();
        eager.rows.iter_mut().for_each(|row| row.predicted = 0);
        for predictions in [cut(0..0), cut(0..1), cut(5..10), cut(0..5), eager, full.clone()] {
            let metrics = judge(Judge { resamples: 50, ..JUDGE }, &predictions);
            for (name, score) in &metrics.scores {
                let numbers = [score.value, score.low, score.high];
                assert!(numbers.into_iter().flatten().all(f64::is_finite), "{name}: {score:?}");
                let missing = score.value.is_none() || score.low.is_none();
                assert_eq!(missing, !score.undefined.is_empty(), "{name}: {score:?}");
                assert_eq!(score.low.is_some(), score.method.is_some(), "{name}: {score:?}");
            }
        }
    }

    /// All right is not surely right: five patients of a class tell little.
    #[test]
    fn perfect_scores_have_intervals() {
        let row = |i: usize| Prediction {
            path: format!("{i}.png"),
            patient: format!("p{}", i / 2),
            truth: i / 10,
            predicted: i / 10,
            probabilities: if i < 10 { vec![0.9, 0.1] } else { vec![0.2, 0.8] },
        };
        let classes = vec!["covid".into(), "normal".into()];
        let metrics = judge(JUDGE, &Predictions { classes, rows: (0..20).map(row).collect() });
        let score = |name: &str| &metrics.scores[name];
        let auc = score("roc_auc");
        assert_eq!(
            (auc.value, auc.high, auc.method),
            (Some(1.0), Some(1.0), Some(Method::Newcombe))
        );
        // Newcombe (2006) on five patients of each class, not ten films.
        assert!((auc.low.unwrap() - 0.642_702_823_931_041_2).abs() < 1e-9, "{auc:?}");
        for (name, patients) in [("accuracy", 10), ("sensitivity", 5), ("balanced_accuracy", 5)] {
            let score = score(name);
            assert_eq!(score.method, Some(Method::Wilson), "{name}");
            assert_eq!(score.low, Some(Rate::new(patients, patients).low), "{name}");
        }
        let mcc = score("mcc");
        assert_eq!((mcc.value, mcc.low), (Some(1.0), None));
        assert!(mcc.undefined.starts_with("many resamples have no error"));
        // From Wilson's 0.5655 of five patients of each class, where one film of ten is positive.
        let ppv = score("ppv_at_prevalence");
        let low = 0.565_517_535_216_825_4;
        let expected = 0.1 * low / (0.1 * low + 0.9 * (1.0 - low));
        assert!((ppv.low.unwrap() - expected).abs() < 1e-12, "{ppv:?}");
        assert_eq!((ppv.value, ppv.high, ppv.method), (Some(1.0), Some(1.0), Some(Method::Wilson)));
        let npv = score("npv_at_prevalence");
        let expected = 0.9 * low / (0.9 * low + 0.1 * (1.0 - low));
        assert!((npv.low.unwrap() - expected).abs() < 1e-12, "{npv:?}");
    }
}
