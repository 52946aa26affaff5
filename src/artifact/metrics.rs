//! `evaluate/metrics.json`: what a set of predictions is worth.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::Document;
use super::curves::{CalibrationBin, OneVsRest, PrecisionRecallCurve, RocCurve};
use super::groups::Grouping;
use super::index::is_alone;
use super::predictions::Predictions;
use crate::metrics::{
    Binary, Confusion, Estimate, Fallback, Interval, Method, Rate, Undefined, average_precision,
    bootstrap, brier, brier_multiclass, expected_calibration_error, log_loss, npv_of, one_vs_rest,
    ppv_of, roc_auc,
};
use crate::rng::{Rng, derive};

/// Parts of 0 to 1 that the calibration error is taken over.
const BINS: usize = 15;

/// Everything `cxr` says of predictions in figures. Intervals hold 95 %; those of rates
/// count groups of films, one of each patient, as witnesses, not films.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// `cxr.metrics/2`; filled in when written.
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
    /// Scores by name. Intervals of accuracy, sensitivity and specificity as above, of the
    /// others by bootstrap over patients, or, where that fails, in closed form.
    pub scores: BTreeMap<String, Estimate>,
    /// The share of positive films for which `ppv_at_prevalence` and
    /// `npv_at_prevalence` among the scores hold.
    pub prevalence: f64,
}

impl Document for Metrics {
    const KIND: &'static str = "set of metrics";
    const SCHEMA: &'static str = "cxr.metrics/2";
}

/// One class against the rest. A bundle of an earlier program has no areas and curves.
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
    /// Area under its ROC curve.
    #[serde(default)]
    pub roc_auc: Estimate,
    /// Its average precision.
    #[serde(default)]
    pub average_precision: Estimate,
    /// Brier score of its predicted probabilities.
    #[serde(default)]
    pub brier: Estimate,
    /// Sensitivity against false positive rate; none where it is undefined.
    #[serde(default)]
    pub roc: Option<RocCurve>,
    /// Precision against sensitivity; none where it is undefined.
    #[serde(default)]
    pub precision_recall: Option<PrecisionRecallCurve>,
    /// Observed proportion against predicted probability.
    #[serde(default)]
    pub calibration: Vec<CalibrationBin>,
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
        let accuracy = self.proportion(&films, Films::accuracy, films.groups_of(|_| true));
        let by_class: BTreeMap<String, (ClassMetrics, [Estimate; 2])> = (0..films.classes)
            .map(|class| (predictions.classes[class].clone(), self.class(&films, class, groups)))
            .collect();
        let name = &predictions.classes[self.positive];
        let (positive, [sensitivity, specificity]) = &by_class[name];
        let images = films.truth.len() / self.runs;
        let mut scores = BTreeMap::from([
            (
                "accuracy".to_owned(),
                Estimate::of_rate(&accuracy.rate, accuracy.method, Undefined::NoFilms)
                    .of(images, accuracy.patients),
            ),
            ("average_precision".to_owned(), positive.average_precision.clone()),
            ("brier".to_owned(), positive.brier.clone()),
            ("roc_auc".to_owned(), positive.roc_auc.clone()),
            ("sensitivity".to_owned(), sensitivity.clone()),
            ("specificity".to_owned(), specificity.clone()),
        ]);
        let others =
            SCORES.iter().filter(|score| films.classes > 2 || !score.0.starts_with("macro"));
        scores.extend(
            others.map(|(name, of, fallback)| {
                ((*name).to_owned(), self.score(&films, *of, *fallback))
            }),
        );
        Metrics {
            schema: Metrics::SCHEMA.to_owned(),
            classes: predictions.classes.clone(),
            positive: name.clone(),
            films: predictions.rows.len(),
            patients: patients(groups),
            grouped_by,
            unknown: groups.iter().filter(|group| is_alone(group)).count(),
            accuracy: accuracy.rate,
            sensitivity: positive.sensitivity,
            specificity: positive.specificity,
            ppv: positive.ppv,
            npv: positive.npv,
            by_class: by_class.into_iter().map(|(name, (class, _))| (name, class)).collect(),
            scores,
            prevalence: self.prevalence,
            confusion,
        }
    }

    /// A class against the rest, and the estimates of its sensitivity and specificity.
    fn class(
        &self,
        films: &Films,
        class: usize,
        groups: &[String],
    ) -> (ClassMetrics, [Estimate; 2]) {
        let films = &films.of_class(class);
        let rows = || (0..groups.len()).filter(|row| films.truth[*row] == class);
        let of =
            |which: fn(&Films) -> Rate, patients: usize| self.proportion(films, which, patients);
        let predicted = |is_class: bool| {
            films.groups_with(&films.predicted, |named| (named == class) == is_class)
        };
        let sensitivity = of(Films::sensitivity, films.groups_of(|truth| truth == class));
        let specificity = of(Films::specificity, films.groups_of(|truth| truth != class));
        let images = rows().count() / self.runs;
        let others = films.truth.len() / self.runs - images;
        let estimates = [
            Estimate::of_rate(&sensitivity.rate, sensitivity.method, Undefined::NoPositives)
                .of(images, sensitivity.patients),
            Estimate::of_rate(&specificity.rate, specificity.method, Undefined::NoNegatives)
                .of(others, specificity.patients),
        ];
        let (truth, scores) = (films.is_positive(), films.of_positive());
        let curves = OneVsRest { truth: &truth, scores: &scores, patients: &films.groups };
        let [roc_auc, average_precision, brier] =
            CLASS_SCORES.map(|(score, fallback)| self.score(films, score, fallback));
        let metrics = ClassMetrics {
            films: images,
            patients: patients(rows().map(|row| &groups[row])),
            sensitivity: sensitivity.rate,
            specificity: specificity.rate,
            ppv: of(Films::ppv, predicted(true)).rate,
            npv: of(Films::npv, predicted(false)).rate,
            roc_auc,
            average_precision,
            brier,
            roc: curves.roc().ok(),
            precision_recall: curves.precision_recall().ok(),
            calibration: curves.calibration(),
        };
        (metrics, estimates)
    }

    /// A proportion of images on which there are so many `patients`. If each image is
    /// predicted once, its interval is Wilson's, of as many patients; else resamples of
    /// patients take all predictions of their images.
    fn proportion(&self, films: &Films, of: fn(&Films) -> Rate, patients: usize) -> Proportion {
        let rate = of(films);
        let wilson =
            Proportion { rate: rate.of_groups(patients), method: Method::Wilson, patients };
        let Some(value) = rate.value.filter(|_| self.runs > 1 && self.resamples > 0) else {
            return wilson;
        };
        let statistic = |films: &Films| of(films).value.ok_or(Undefined::NoFilms);
        match Fallback::Share(patients).or(value, self.bootstrap(films, statistic)) {
            Ok((low, high, method)) => {
                Proportion { rate: Rate { low, high, ..rate }, method, ..wilson }
            }
            Err(_) => wilson,
        }
    }

    fn score(&self, films: &Films, score: ScoreOf, fallback: FallbackOf) -> Estimate {
        let (images, patients) = (films.truth.len() / self.runs, films.groups_of(|_| true));
        let value = match score(films) {
            Ok(value) => value,
            Err(reason) => return Estimate::undefined(reason),
        };
        let alone = Estimate { value: Some(value), images, patients, ..Estimate::default() };
        if self.resamples == 0 {
            return alone;
        }
        match fallback(films).or(value, self.bootstrap(films, score)) {
            Ok((low, high, method)) => {
                Estimate { low: Some(low), high: Some(high), method: Some(method), ..alone }
            }
            Err(reason) => Estimate { undefined: reason.to_string(), ..alone },
        }
    }

    fn bootstrap(
        &self,
        films: &Films,
        statistic: impl Fn(&Films) -> Result<f64, Undefined> + Sync,
    ) -> Result<Interval, Undefined> {
        let draws = |resample| {
            let mut rng = Rng::new(derive(self.seed, "evaluate", "bootstrap", resample));
            move |n| rng.index(n)
        };
        let of_rows = |rows: &[usize]| statistic(&films.select(rows));
        bootstrap(&films.groups, self.resamples, 0.95, draws, of_rows)
    }
}

/// A proportion with its interval, of so many patients.
#[derive(Clone, Copy)]
struct Proportion {
    rate: Rate,
    method: Method,
    patients: usize,
}

type ScoreOf = fn(&Films) -> Result<f64, Undefined>;
type FallbackOf = fn(&Films) -> Fallback;

const NO_FALLBACK: FallbackOf = |_| Fallback::None;
/// Of scores that are 1 at best.
const UP_TO_1: FallbackOf = |_| Fallback::Omit;

/// Scores of one class against the rest: ROC AUC, average precision, Brier score.
const CLASS_SCORES: [(ScoreOf, FallbackOf); 3] = [
    (
        |f| roc_auc(&f.is_positive(), &f.of_positive()),
        |f| Fallback::Area {
            positives: f.groups_of(|class| class == f.positive),
            negatives: f.groups_of(|class| class != f.positive),
        },
    ),
    (|f| average_precision(&f.is_positive(), &f.of_positive()), UP_TO_1),
    (|f| brier(&f.is_positive(), &f.of_positive()), NO_FALLBACK),
];

/// Every other score, and what gives its interval where the bootstrap fails; those called
/// `macro_…` for more than two classes only.
const SCORES: &[(&str, ScoreOf, FallbackOf)] = &[
    (
        "balanced_accuracy",
        |f| f.confusion().balanced_accuracy(),
        |f| Fallback::Share(f.fewest_groups().0),
    ),
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
];

/// Predictions as the metrics take them.
#[derive(Clone)]
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

    /// The same, with another class as the positive one.
    fn of_class(&self, positive: usize) -> Self {
        Self { positive, ..self.clone() }
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
        let shares = [
            self.sensitivity().of_groups(self.groups_of(|class| class == self.positive)),
            self.specificity().of_groups(self.groups_of(|class| class != self.positive)),
        ];
        let at = |end: fn(&Rate) -> f64| of(end(&shares[0]), end(&shares[1]), self.prevalence);
        let certain = shares.iter().any(|rate| matches!(rate.value, Some(0.0 | 1.0)));
        Fallback::Ends { low: at(|rate| rate.low), high: at(|rate| rate.high), certain }
    }

    fn accuracy(&self) -> Rate {
        self.confusion().accuracy()
    }

    fn sensitivity(&self) -> Rate {
        self.binary().sensitivity()
    }

    fn specificity(&self) -> Rate {
        self.binary().specificity()
    }

    fn ppv(&self) -> Rate {
        self.binary().ppv()
    }

    fn npv(&self) -> Rate {
        self.binary().npv()
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
        let expected = Estimate::undefined(Undefined::NoNegatives);
        assert_eq!(metrics.scores["roc_auc"], expected);
        predictions.rows.truncate(1);
        let alone = judge(JUDGE, &predictions);
        let loss = &alone.scores["log_loss"];
        assert_eq!((loss.value.is_some(), loss.low), (true, None));
        assert_eq!(loss.undefined, "there is only one patient");
        // Wilson's interval needs no resamples.
        assert_eq!(alone.scores["accuracy"].low, Some(Rate::new(1, 1).low));
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

    /// The predictions of a case of `tests/golden/metrics.json`, and their metrics.
    fn case_metrics(case: &serde_json::Value) -> Metrics {
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
        let predictions = Predictions { classes, rows: named.map(row).collect() };
        judge(Judge { resamples: 0, ..JUDGE }, &predictions)
    }

    /// Every score of the artifact against scikit-learn's, for two classes and three.
    #[test]
    fn every_score_equals_scikit_learn() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/metrics.json")).unwrap();
        let mut seen = BTreeSet::new();
        for case in golden["predictions"].as_array().unwrap() {
            let metrics = case_metrics(case);
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
        let of_positive = ["accuracy", "sensitivity", "specificity"].len() + CLASS_SCORES.len();
        assert_eq!(seen.len(), SCORES.len() + of_positive);
    }

    /// The curves of each of three classes against the rest, and what is under them.
    #[test]
    fn one_vs_rest_equals_scikit_learn() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/metrics.json")).unwrap();
        let with_curves = |case: &&serde_json::Value| {
            case["one_vs_rest"].as_array().is_some_and(|classes| !classes.is_empty())
        };
        let cases: Vec<_> =
            golden["predictions"].as_array().unwrap().iter().filter(with_curves).collect();
        assert!(!cases.is_empty());
        for case in cases {
            let metrics = case_metrics(case);
            for (class, golden) in
                metrics.classes.iter().zip(case["one_vs_rest"].as_array().unwrap())
            {
                let of = &metrics.by_class[class];
                for (got, name) in [
                    (&of.roc_auc, "roc_auc"),
                    (&of.average_precision, "average_precision"),
                    (&of.brier, "brier"),
                ] {
                    assert!((got.value.unwrap() - number(&golden[name])).abs() < 1e-14, "{name}");
                }
                let column = |name: &str, i: usize| -> Vec<f64> {
                    golden[name][i].as_array().unwrap().iter().map(number).collect()
                };
                let known = |thresholds: &[Option<f64>]| -> Vec<f64> {
                    thresholds.iter().filter_map(|threshold| *threshold).collect()
                };
                let roc = of.roc.as_ref().unwrap();
                assert_eq!((&roc.fpr, &roc.tpr), (&column("roc", 0), &column("roc", 1)));
                assert_eq!(known(&roc.thresholds), column("roc", 2)[1..]);
                let pr = of.precision_recall.as_ref().unwrap();
                assert_eq!((&pr.precision, &pr.recall), (&column("pr", 0), &column("pr", 1)));
                assert_eq!(known(&pr.thresholds), column("pr", 2));
                let inside = |(y, (low, high)): (&f64, (&f64, &f64))| {
                    *low <= *y + 1e-12 && *y <= *high + 1e-12
                };
                assert!(roc.tpr.iter().zip(roc.low.iter().zip(&roc.high)).all(inside));
                assert!(pr.precision.iter().zip(pr.low.iter().zip(&pr.high)).all(inside));
            }
        }
    }

    /// What is in the artifact twice is one estimate, of predictions in one run and in
    /// several.
    #[test]
    fn what_is_there_twice_is_one_estimate() {
        let full = tutorial();
        let mut twice = full.clone();
        twice.rows.extend(full.rows.iter().cloned());
        for (predictions, runs) in [(&full, 1), (&twice, 2)] {
            let metrics = judge(Judge { runs, ..JUDGE }, predictions);
            let positive = &metrics.by_class[&metrics.positive];
            assert_eq!(positive.films, 5, "images, not predictions");
            for (name, estimate) in [
                ("roc_auc", &positive.roc_auc),
                ("average_precision", &positive.average_precision),
                ("brier", &positive.brier),
            ] {
                assert_eq!(&metrics.scores[name], estimate, "{name}");
            }
            for (name, rates) in [
                ("accuracy", [metrics.accuracy; 2]),
                ("sensitivity", [metrics.sensitivity, positive.sensitivity]),
                ("specificity", [metrics.specificity, positive.specificity]),
            ] {
                for rate in rates {
                    let score = &metrics.scores[name];
                    let of_rate = (rate.value, Some(rate.low), Some(rate.high));
                    assert_eq!((score.value, score.low, score.high), of_rate, "{name}");
                }
            }
        }
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
