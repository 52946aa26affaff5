//! `evaluate/metrics.json`: performance metrics of a set of predictions.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::Document;
use super::curves::{CalibrationBin, OneVsRest, PrecisionRecallCurve, RocCurve};
use super::groups::Grouping;
use super::index::is_single_image_group;
use super::predictions::Predictions;
use crate::metrics::{
    Binary, Bounds, Confusion, Estimate, Fallback, Interval, Method, Rate, ReplacementReason,
    UndefinedMetric, average_precision, bootstrap, brier, brier_multiclass,
    expected_calibration_error, log_loss, npv_of, one_vs_rest, ppv_of, roc_auc,
};
use crate::rng::{Rng, derive};

/// Number of bins of the calibration error.
const BINS: usize = 15;

/// Performance metrics with 95 % confidence intervals. For the intervals of rates, the
/// effective sample size is the number of groups (patients), not of images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// `cxr.metrics/3`; set when written.
    #[serde(default)]
    pub schema: String,
    /// Class names in the order of `confusion`.
    pub classes: Vec<String>,
    /// Positive class of sensitivity and all binary scores.
    pub positive: String,
    /// Number of evaluated images.
    #[serde(alias = "films")] // In bundles of version 1.
    pub images: usize,
    /// Number of known patients.
    pub patients: usize,
    /// Source of the groups: `patient`, the IDs of `index.csv`, or `link`.
    #[serde(default)]
    pub grouped_by: Grouping,
    /// Number of images without patient ID.
    pub unknown: usize,
    /// Confusion matrix: rows are true, columns predicted classes.
    pub confusion: Confusion,
    /// Proportion of correctly classified images.
    pub accuracy: Rate,
    /// Proportion of positive images predicted positive.
    pub sensitivity: Rate,
    /// Proportion of negative images predicted negative.
    pub specificity: Rate,
    /// Positive predictive value: proportion of positive predictions that are correct.
    pub ppv: Rate,
    /// Negative predictive value: proportion of negative predictions that are correct.
    pub npv: Rate,
    /// Metrics of each class against the rest.
    pub by_class: BTreeMap<String, ClassMetrics>,
    /// Scores by name. Accuracy, sensitivity and specificity have the same intervals as above;
    /// the others have patient-level bootstrap intervals or, where the bootstrap fails,
    /// closed-form ones.
    pub scores: BTreeMap<String, Estimate>,
    /// Prevalence of the positive class, 0 to 1, assumed for `ppv_at_prevalence` and
    /// `npv_at_prevalence`.
    pub prevalence: f64,
}

impl Document for Metrics {
    const KIND: &'static str = "set of metrics";
    const SCHEMA: &'static str = "cxr.metrics/3";
}

/// Metrics of one class against the rest. Bundles of earlier versions have no areas and curves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Number of images of the class.
    #[serde(alias = "films")] // In bundles of version 1.
    pub images: usize,
    /// Number of known patients on these images.
    pub patients: usize,
    /// Proportion of images of the class predicted as the class.
    pub sensitivity: Rate,
    /// Proportion of other images predicted as another class.
    pub specificity: Rate,
    /// Positive predictive value of the class.
    pub ppv: Rate,
    /// Negative predictive value of the class.
    pub npv: Rate,
    /// Area under the ROC curve.
    #[serde(default)]
    pub roc_auc: Estimate,
    /// Average precision.
    #[serde(default)]
    pub average_precision: Estimate,
    /// Brier score of the predicted probabilities of the class.
    #[serde(default)]
    pub brier: Estimate,
    /// ROC curve; none if undefined.
    #[serde(default)]
    pub roc: Option<RocCurve>,
    /// Precision-recall curve; none if undefined.
    #[serde(default)]
    pub precision_recall: Option<PrecisionRecallCurve>,
    /// Calibration curve.
    #[serde(default)]
    pub calibration: Vec<CalibrationBin>,
}

/// Settings of the evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// Positive class as a position in the classes.
    pub positive: usize,
    /// Prevalence of the positive class for predictive values, 0 to 1.
    pub prevalence: f64,
    /// Number of bootstrap resamples; 0 for no intervals.
    pub resamples: usize,
    /// Seed of the pipeline.
    pub seed: u64,
    /// Number of predictions per image; the rows of one run follow those of the previous run.
    /// The calibration error is the mean over runs, because pooling would underestimate it:
    /// opposite errors of the runs would cancel.
    pub runs: usize,
}

impl Evaluation {
    /// Evaluates predictions of images in `groups`, one group per patient, from the source
    /// `grouped_by`. An image without patient ID is a group of its own, as in
    /// [`Predictions::patients`].
    pub fn evaluate(
        &self,
        predictions: &Predictions,
        groups: &[String],
        grouped_by: Grouping,
    ) -> Metrics {
        let images = Images::new(predictions, groups, self);
        let confusion = images.confusion();
        let accuracy = self.proportion(&images, Images::accuracy, images.groups_of(|_| true));
        let by_class: BTreeMap<String, (ClassMetrics, [Estimate; 2])> = (0..images.classes)
            .map(|class| (predictions.classes[class].clone(), self.class(&images, class, groups)))
            .collect();
        let name = &predictions.classes[self.positive];
        let (positive, [sensitivity, specificity]) = &by_class[name];
        let n_images = images.truth.len() / self.runs;
        let mut scores = BTreeMap::from([
            ("accuracy".to_owned(), accuracy.estimate(n_images, UndefinedMetric::NoImages)),
            ("average_precision".to_owned(), positive.average_precision.clone()),
            ("brier".to_owned(), positive.brier.clone()),
            ("roc_auc".to_owned(), positive.roc_auc.clone()),
            ("sensitivity".to_owned(), sensitivity.clone()),
            ("specificity".to_owned(), specificity.clone()),
        ]);
        let others =
            SCORES.iter().filter(|score| images.classes > 2 || !score.0.starts_with("macro"));
        scores.extend(others.map(|(name, score, fallback)| {
            ((*name).to_owned(), self.score(&images, *score, *fallback))
        }));
        Metrics {
            schema: Metrics::SCHEMA.to_owned(),
            classes: predictions.classes.clone(),
            positive: name.clone(),
            images: predictions.rows.len(),
            patients: patients(groups),
            grouped_by,
            unknown: groups.iter().filter(|group| is_single_image_group(group)).count(),
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

    /// Returns the metrics of a class against the rest, with the estimates of its sensitivity
    /// and specificity.
    fn class(
        &self,
        images: &Images,
        class: usize,
        groups: &[String],
    ) -> (ClassMetrics, [Estimate; 2]) {
        let images = &images.with_positive(class);
        let rows = || (0..groups.len()).filter(|row| images.truth[*row] == class);
        let rate = |rate_of: fn(&Images) -> Rate, patients: usize| {
            self.proportion(images, rate_of, patients)
        };
        let predicted = |is_class: bool| {
            images.groups_with(&images.predicted, |predicted| (predicted == class) == is_class)
        };
        let sensitivity = rate(Images::sensitivity, images.groups_of(|truth| truth == class));
        let specificity = rate(Images::specificity, images.groups_of(|truth| truth != class));
        let n_positives = rows().count() / self.runs;
        let n_negatives = images.truth.len() / self.runs - n_positives;
        let estimates = [
            sensitivity.estimate(n_positives, UndefinedMetric::NoPositives),
            specificity.estimate(n_negatives, UndefinedMetric::NoNegatives),
        ];
        let (truth, scores) = (images.is_positive(), images.positive_scores());
        let curves = OneVsRest { truth: &truth, scores: &scores, patients: &images.groups };
        let [roc_auc, average_precision, brier] =
            CLASS_SCORES.map(|(score, fallback)| self.score(images, score, fallback));
        let metrics = ClassMetrics {
            images: n_positives,
            patients: patients(rows().map(|row| &groups[row])),
            sensitivity: sensitivity.rate,
            specificity: specificity.rate,
            ppv: rate(Images::ppv, predicted(true)).rate,
            npv: rate(Images::npv, predicted(false)).rate,
            roc_auc,
            average_precision,
            brier,
            roc: curves.roc().ok(),
            precision_recall: curves.precision_recall().ok(),
            calibration: curves.calibration(),
        };
        (metrics, estimates)
    }

    /// Returns a proportion of images with its interval. With one prediction per image:
    /// Wilson's interval with `patients` as sample size; else the patient-level bootstrap over
    /// all predictions.
    fn proportion(
        &self,
        images: &Images,
        rate_of: fn(&Images) -> Rate,
        patients: usize,
    ) -> Proportion {
        let rate = rate_of(images);
        let wilson = Proportion {
            rate: rate.with_effective_sample_size(patients),
            method: Method::Wilson,
            because: None,
            patients,
        };
        let Some(value) = rate.value.filter(|_| self.runs > 1 && self.resamples > 0) else {
            return wilson;
        };
        let statistic = |images: &Images| rate_of(images).value.ok_or(UndefinedMetric::NoImages);
        match Fallback::Share(patients).or(value, self.bootstrap(images, statistic)) {
            Ok(Bounds { low, high, method, because }) => {
                Proportion { rate: Rate { low, high, ..rate }, method, because, ..wilson }
            }
            Err(_) => wilson,
        }
    }

    fn score(&self, images: &Images, score: ScoreOf, fallback: FallbackOf) -> Estimate {
        let (n_images, patients) = (images.truth.len() / self.runs, images.groups_of(|_| true));
        let value = match score(images) {
            Ok(value) => value,
            Err(reason) => return Estimate::undefined(reason),
        };
        if self.resamples == 0 {
            return Estimate::without_interval(value, "").of(n_images, patients);
        }
        match fallback(images).or(value, self.bootstrap(images, score)) {
            Ok(bounds) => Estimate::bounded(value, bounds),
            Err(reason) => Estimate::without_interval(value, reason.to_string()),
        }
        .of(n_images, patients)
    }

    fn bootstrap(
        &self,
        images: &Images,
        statistic: impl Fn(&Images) -> Result<f64, UndefinedMetric> + Sync,
    ) -> Result<Interval, UndefinedMetric> {
        let sample_groups = |resample| {
            let mut rng = Rng::new(derive(self.seed, "evaluate", "bootstrap", resample));
            move |n| rng.index(n)
        };
        let resampled_statistic = |rows: &[usize]| statistic(&images.select(rows));
        bootstrap(&images.groups, self.resamples, 0.95, sample_groups, resampled_statistic)
    }
}

/// Proportion with its interval and the number of patients.
#[derive(Clone, Copy)]
struct Proportion {
    rate: Rate,
    method: Method,
    because: Option<ReplacementReason>,
    patients: usize,
}

impl Proportion {
    /// As the estimate of so many `images`; without images it is undefined for the `reason`.
    fn estimate(&self, images: usize, reason: UndefinedMetric) -> Estimate {
        let estimate = Estimate::from_proportion(&self.rate, self.method, reason);
        Estimate { because: self.because, ..estimate }.of(images, self.patients)
    }
}

type ScoreOf = fn(&Images) -> Result<f64, UndefinedMetric>;
type FallbackOf = fn(&Images) -> Fallback;

const NO_FALLBACK: FallbackOf = |_| Fallback::None;
/// For scores with a maximum of 1.
const UP_TO_1: FallbackOf = |_| Fallback::Omit;

/// Scores of a class against the rest: ROC AUC, average precision, Brier score.
const CLASS_SCORES: [(ScoreOf, FallbackOf); 3] = [
    (
        |f| roc_auc(&f.is_positive(), &f.positive_scores()),
        |f| Fallback::Area {
            positives: f.groups_of(|class| class == f.positive),
            negatives: f.groups_of(|class| class != f.positive),
        },
    ),
    (|f| average_precision(&f.is_positive(), &f.positive_scores()), UP_TO_1),
    (|f| brier(&f.is_positive(), &f.positive_scores()), NO_FALLBACK),
];

/// All other scores, with the fallback for a failed bootstrap. The scores `macro_…` need more
/// than two classes.
const SCORES: &[(&str, ScoreOf, FallbackOf)] = &[
    (
        "balanced_accuracy",
        |f| f.confusion().balanced_accuracy(),
        |f| Fallback::Share(f.fewest_groups().0),
    ),
    ("expected_calibration_error", Images::calibration_error, NO_FALLBACK),
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

/// Predictions as arrays.
#[derive(Clone)]
struct Images {
    classes: usize,
    positive: usize,
    prevalence: f64,
    truth: Vec<usize>,
    predicted: Vec<usize>,
    /// Probabilities `[images, classes]`.
    probabilities: Array2<f64>,
    /// Group index of each prediction, in order of appearance.
    groups: Vec<usize>,
    /// Run of each prediction.
    run: Vec<usize>,
    runs: usize,
}

impl Images {
    fn new(predictions: &Predictions, groups: &[String], evaluation: &Evaluation) -> Self {
        let Predictions { classes, rows } = predictions;
        assert_eq!(rows.len(), groups.len(), "one group per image");
        let mut numbers = BTreeMap::new();
        let mut number = |group| {
            let next = numbers.len();
            *numbers.entry(group).or_insert(next)
        };
        let probabilities = rows.iter().flat_map(|row| row.probabilities.iter().copied()).collect();
        Self {
            classes: classes.len(),
            positive: evaluation.positive,
            prevalence: evaluation.prevalence,
            truth: rows.iter().map(|row| row.truth).collect(),
            predicted: rows.iter().map(|row| row.predicted).collect(),
            probabilities: Array2::from_shape_vec((rows.len(), classes.len()), probabilities)
                .expect("one probability per class"),
            groups: groups.iter().map(&mut number).collect(),
            run: (0..rows.len()).map(|row| row * evaluation.runs / rows.len()).collect(),
            runs: evaluation.runs,
        }
    }

    /// Returns a copy with another positive class.
    fn with_positive(&self, positive: usize) -> Self {
        Self { positive, ..self.clone() }
    }

    fn select(&self, rows: &[usize]) -> Self {
        let select_rows = |values: &[usize]| rows.iter().map(|row| values[*row]).collect();
        Self {
            truth: select_rows(&self.truth),
            predicted: select_rows(&self.predicted),
            probabilities: self.probabilities.select(Axis(0), rows),
            groups: select_rows(&self.groups),
            run: select_rows(&self.run),
            ..*self
        }
    }

    /// Returns the expected calibration error, averaged over runs.
    fn calibration_error(&self) -> Result<f64, UndefinedMetric> {
        let error_of_run = |run: usize| {
            let rows: Vec<usize> =
                (0..self.run.len()).filter(|row| self.run[*row] == run).collect();
            let truth: Vec<usize> = rows.iter().map(|row| self.truth[*row]).collect();
            let probabilities = self.probabilities.select(Axis(0), &rows);
            expected_calibration_error(&truth, probabilities.view(), BINS)
        };
        let errors = (0..self.runs).map(error_of_run).collect::<Result<Vec<f64>, _>>()?;
        Ok(errors.iter().sum::<f64>() / self.runs as f64)
    }

    fn confusion(&self) -> Confusion {
        Confusion::new(&self.truth, &self.predicted, self.classes)
    }

    fn binary(&self) -> Binary {
        self.confusion().one_vs_rest_table(self.positive)
    }

    /// Returns the fallback interval of a predictive value, computed from the interval ends of
    /// sensitivity and specificity.
    fn predictive(&self, value: fn(f64, f64, f64) -> f64) -> Fallback {
        let rates = [
            self.sensitivity()
                .with_effective_sample_size(self.groups_of(|class| class == self.positive)),
            self.specificity()
                .with_effective_sample_size(self.groups_of(|class| class != self.positive)),
        ];
        let value_at =
            |end: fn(&Rate) -> f64| value(end(&rates[0]), end(&rates[1]), self.prevalence);
        let certain = rates.iter().any(|rate| matches!(rate.value, Some(0.0 | 1.0)));
        Fallback::Ends { low: value_at(|rate| rate.low), high: value_at(|rate| rate.high), certain }
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

    /// Returns the number of groups with an image whose true class satisfies `class`.
    fn groups_of(&self, class: impl Fn(usize) -> bool) -> usize {
        self.groups_with(&self.truth, class)
    }

    /// Returns the number of groups with an image whose class in `classes` satisfies `class`.
    fn groups_with(&self, classes: &[usize], class: impl Fn(usize) -> bool) -> usize {
        let images =
            classes.iter().zip(&self.groups).filter(|(image_class, _)| class(**image_class));
        images.map(|(_, group)| group).collect::<BTreeSet<_>>().len()
    }

    /// Returns the number of groups of the class with the fewest groups, and of the rest.
    fn fewest_groups(&self) -> (usize, usize) {
        let class_and_rest =
            |class| (self.groups_of(|c| c == class), self.groups_of(|c| c != class));
        (0..self.classes).map(class_and_rest).min().unwrap_or((0, 0))
    }

    fn is_positive(&self) -> Vec<bool> {
        self.truth.iter().map(|class| *class == self.positive).collect()
    }

    fn positive_scores(&self) -> Vec<f64> {
        self.probabilities.column(self.positive).to_vec()
    }
}

/// Returns the number of known patients.
fn patients<'a>(groups: impl IntoIterator<Item = &'a String>) -> usize {
    let known = groups.into_iter().filter(|group| !is_single_image_group(group));
    known.collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::predictions::Prediction;

    const EVALUATION: Evaluation =
        Evaluation { positive: 0, prevalence: 0.1, resamples: 500, seed: 42, runs: 1 };

    fn evaluate(evaluation: Evaluation, predictions: &Predictions) -> Metrics {
        evaluation.evaluate(predictions, &predictions.patients(), Grouping::Patient)
    }

    /// Published run of the tutorial, with two images per patient.
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
    fn metrics_of_the_tutorial() {
        let metrics = evaluate(EVALUATION, &tutorial());
        assert_eq!(metrics.confusion.rows(), [[5, 0], [1, 4]]);
        assert_eq!(metrics.accuracy.value, Some(0.9));
        assert_eq!((metrics.sensitivity.value, metrics.specificity.value), (Some(1.0), Some(0.8)));
        assert_eq!((metrics.images, metrics.patients, metrics.unknown), (10, 5, 1));
        let normal = &metrics.by_class["normal"];
        assert_eq!((normal.images, normal.patients, normal.sensitivity.hits), (5, 3, 4));
        let auc = &metrics.scores["roc_auc"];
        assert_eq!(auc.value, Some(23.0 / 25.0));
        assert!(auc.low < auc.value && auc.value < auc.high && auc.undefined.is_empty());
        let ppv = metrics.scores["ppv_at_prevalence"].value.unwrap();
        assert!((ppv - 0.1 / (0.1 + 0.2 * 0.9)).abs() < 1e-12);
        assert!(!metrics.scores.contains_key("macro_f1"));
    }

    /// The errors of the two runs are opposite, so that the pooled predictions are calibrated.
    #[test]
    fn calibration_error_is_the_mean_over_runs() {
        // The first image is classified correctly in both runs, the others in the first only.
        let row = |i: usize| {
            let (image, truth) = (i % 8, i % 2);
            let (predicted, p) = match (image, i < 8) {
                (0, _) => (truth, 0.62),
                (_, true) => (truth, 0.52),
                (_, false) => (1 - truth, 0.52),
            };
            Prediction {
                path: format!("{image}.png"),
                patient: format!("p{image}"),
                truth,
                predicted,
                probabilities: if predicted == 0 { vec![p, 1.0 - p] } else { vec![1.0 - p, p] },
            }
        };
        let classes = vec!["covid".into(), "normal".into()];
        let predictions = Predictions { classes, rows: (0..16).map(row).collect() };
        let error = |runs| {
            let metrics = evaluate(Evaluation { runs, ..EVALUATION }, &predictions);
            metrics.scores["expected_calibration_error"].clone()
        };
        assert!((error(1).value.unwrap() - (7.0 * 0.02 + 0.38) / 8.0).abs() < 1e-12);
        assert!((error(2).value.unwrap() - (7.0 * 0.50 + 0.38) / 8.0).abs() < 1e-12);
        assert!(error(2).low.unwrap() > 0.4, "resamples: {:?}", error(2));
    }

    #[test]
    fn undefined_scores_have_a_reason() {
        let mut predictions = tutorial();
        predictions.rows.truncate(5);
        let metrics = evaluate(EVALUATION, &predictions);
        assert_eq!((metrics.specificity.value, metrics.specificity.of), (None, 0));
        let expected = Estimate::undefined(UndefinedMetric::NoNegatives);
        assert_eq!(metrics.scores["roc_auc"], expected);
        predictions.rows.truncate(1);
        let estimate = evaluate(EVALUATION, &predictions);
        let loss = &estimate.scores["log_loss"];
        assert_eq!((loss.value.is_some(), loss.low), (true, None));
        assert_eq!(loss.undefined, "there is only one patient");
        // Wilson's interval needs no resamples.
        assert_eq!(estimate.scores["accuracy"].low, Some(Rate::new(1, 1).low));
        let quick = Evaluation { resamples: 0, ..EVALUATION };
        assert_eq!(evaluate(quick, &tutorial()).scores["roc_auc"].low, None);
    }

    #[test]
    fn metrics_survive_a_round_trip_with_stable_fields() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.json");
        let metrics = evaluate(Evaluation { resamples: 0, ..EVALUATION }, &tutorial());
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
        let metrics =
            evaluate(Evaluation { positive: 1, resamples: 0, ..EVALUATION }, &predictions);
        assert_eq!(metrics.positive, "covid");
        let truth: Vec<usize> = (0..30).map(|i| i % 3).collect();
        let p = Array2::from_shape_fn((30, 3), |(i, k)| predictions.rows[i].probabilities[k]);
        let expected = one_vs_rest(&truth, p.view(), roc_auc).unwrap();
        assert_eq!(metrics.scores["macro_roc_auc"].value, Some(expected));
    }

    /// Parses a float of `tests/golden/metrics.json`, stored as text to be exact.
    fn number(value: &serde_json::Value) -> f64 {
        value.as_str().expect("floats are text").parse().expect("a float")
    }

    /// Metrics of the predictions of a case of `tests/golden/metrics.json`.
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
        let predicted_classes = crate::metrics::predicted(p.view()).into_iter().enumerate();
        let predictions = Predictions { classes, rows: predicted_classes.map(row).collect() };
        evaluate(Evaluation { resamples: 0, ..EVALUATION }, &predictions)
    }

    /// For two and three classes.
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
        let positive_scores = ["accuracy", "sensitivity", "specificity"].len() + CLASS_SCORES.len();
        assert_eq!(seen.len(), SCORES.len() + positive_scores);
    }

    /// ROC and precision-recall curves of three classes, with their areas.
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
                let class_metrics = &metrics.by_class[class];
                for (got, name) in [
                    (&class_metrics.roc_auc, "roc_auc"),
                    (&class_metrics.average_precision, "average_precision"),
                    (&class_metrics.brier, "brier"),
                ] {
                    assert!((got.value.unwrap() - number(&golden[name])).abs() < 1e-14, "{name}");
                }
                let column = |name: &str, i: usize| -> Vec<f64> {
                    golden[name][i].as_array().unwrap().iter().map(number).collect()
                };
                let defined = |thresholds: &[Option<f64>]| -> Vec<f64> {
                    thresholds.iter().filter_map(|threshold| *threshold).collect()
                };
                let roc = class_metrics.roc.as_ref().unwrap();
                assert_eq!((&roc.fpr, &roc.tpr), (&column("roc", 0), &column("roc", 1)));
                assert_eq!(defined(&roc.thresholds), column("roc", 2)[1..]);
                let pr = class_metrics.precision_recall.as_ref().unwrap();
                assert_eq!((&pr.precision, &pr.recall), (&column("pr", 0), &column("pr", 1)));
                assert_eq!(defined(&pr.thresholds), column("pr", 2));
                let inside = |(y, (low, high)): (&f64, (&f64, &f64))| {
                    *low <= *y + 1e-12 && *y <= *high + 1e-12
                };
                assert!(roc.tpr.iter().zip(roc.low.iter().zip(&roc.high)).all(inside));
                assert!(pr.precision.iter().zip(pr.low.iter().zip(&pr.high)).all(inside));
            }
        }
    }

    /// Values that occur twice in the file, with one and with several runs.
    #[test]
    fn repeated_values_agree() {
        let full = tutorial();
        let mut twice = full.clone();
        twice.rows.extend(full.rows.iter().cloned());
        for (predictions, runs) in [(&full, 1), (&twice, 2)] {
            let metrics = evaluate(Evaluation { runs, ..EVALUATION }, predictions);
            let positive = &metrics.by_class[&metrics.positive];
            assert_eq!(positive.images, 5, "images, not predictions");
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
                    let rate_values = (rate.value, Some(rate.low), Some(rate.high));
                    assert_eq!((score.value, score.low, score.high), rate_values, "{name}");
                }
            }
        }
    }

    /// Test sets of one class, one image, or one predicted class.
    #[test]
    fn missing_values_have_a_reason_and_values_are_finite() {
        let full = tutorial();
        let subset = |images: std::ops::Range<usize>| Predictions {
            rows: full.rows[images].to_vec(),
            ..full.clone()
        };
        let mut all_positive = full.clone();
        all_positive.rows.iter_mut().for_each(|row| row.predicted = 0);
        for predictions in
            [subset(0..0), subset(0..1), subset(5..10), subset(0..5), all_positive, full.clone()]
        {
            let metrics = evaluate(Evaluation { resamples: 50, ..EVALUATION }, &predictions);
            for (name, score) in &metrics.scores {
                let numbers = [score.value, score.low, score.high];
                assert!(numbers.into_iter().flatten().all(f64::is_finite), "{name}: {score:?}");
                let missing = score.value.is_none() || score.low.is_none();
                assert_eq!(missing, !score.undefined.is_empty(), "{name}: {score:?}");
                assert_eq!(score.low.is_some(), score.method.is_some(), "{name}: {score:?}");
            }
        }
    }

    /// The intervals reflect the small number of patients.
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
        let metrics =
            evaluate(EVALUATION, &Predictions { classes, rows: (0..20).map(row).collect() });
        let score = |name: &str| &metrics.scores[name];
        let auc = score("roc_auc");
        assert_eq!(
            (auc.value, auc.high, auc.method),
            (Some(1.0), Some(1.0), Some(Method::Newcombe))
        );
        // Newcombe (2006) for five patients per class, not ten images.
        assert!((auc.low.unwrap() - 0.642_702_823_931_041_2).abs() < 1e-9, "{auc:?}");
        for (name, patients) in [("accuracy", 10), ("sensitivity", 5), ("balanced_accuracy", 5)] {
            let score = score(name);
            assert_eq!(score.method, Some(Method::Wilson), "{name}");
            assert_eq!(score.low, Some(Rate::new(patients, patients).low), "{name}");
        }
        let mcc = score("mcc");
        assert_eq!((mcc.value, mcc.low), (Some(1.0), None));
        assert!(mcc.undefined.starts_with("the bootstrap interval reaches 1"));
        // From Wilson's lower limit 0.5655 of five patients per class, at prevalence 0.1.
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
