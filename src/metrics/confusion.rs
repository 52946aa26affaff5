//! Confusion matrix, the metrics computed from it, and the predicted class.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::{Rate, UndefinedMetric, summation::mean};

/// Confusion matrix: row = true class, column = predicted class, as scikit-learn's
/// `confusion_matrix`. Serialises to its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confusion(Vec<Vec<u64>>);

impl Confusion {
    /// Counts the images by true and predicted class; both slices are `[images]`.
    ///
    /// # Panics
    ///
    /// If a class is not below `classes`, or the slices differ in length.
    pub fn new(truth: &[usize], predicted: &[usize], classes: usize) -> Self {
        assert_eq!(truth.len(), predicted.len(), "one prediction per image");
        let mut rows = vec![vec![0; classes]; classes];
        for (&t, &p) in truth.iter().zip(predicted) {
            rows[t][p] += 1;
        }
        Self(rows)
    }

    /// Counts, one row per true class.
    pub fn rows(&self) -> &[Vec<u64>] {
        &self.0
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.0.len()
    }

    /// Number of images.
    pub fn images(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    /// Two-by-two table of class `positive` against the rest.
    pub fn one_vs_rest_table(&self, positive: usize) -> Binary {
        let tp = self.0[positive][positive];
        let (actual, predicted) = (self.actual(positive), self.predicted(positive));
        Binary {
            tp,
            fn_: actual - tp,
            fp: predicted - tp,
            tn: self.images() + tp - actual - predicted,
        }
    }

    /// Proportion of correctly classified images.
    pub fn accuracy(&self) -> Rate {
        Rate::new(self.correct(), self.images())
    }

    /// Balanced accuracy: mean of the sensitivities of the classes. Classes without
    /// images are ignored, as in scikit-learn.
    ///
    /// # Errors
    ///
    /// If there are no images.
    pub fn balanced_accuracy(&self) -> Result<f64, UndefinedMetric> {
        let sensitivities: Vec<f64> = (0..self.classes())
            .filter_map(|c| self.one_vs_rest_table(c).sensitivity().value)
            .collect();
        if sensitivities.is_empty() {
            Err(UndefinedMetric::NoImages)
        } else {
            Ok(mean(&sensitivities))
        }
    }

    /// Unweighted mean of the F1 scores of the classes.
    ///
    /// # Errors
    ///
    /// If the F1 score of a class is undefined, or there are no classes.
    pub fn macro_f1(&self) -> Result<f64, UndefinedMetric> {
        let f1: Vec<f64> = (0..self.classes())
            .map(|c| self.one_vs_rest_table(c).f1())
            .collect::<Result<_, _>>()?;
        if f1.is_empty() { Err(UndefinedMetric::NoImages) } else { Ok(mean(&f1)) }
    }

    /// Matthews correlation coefficient, from -1 to 1, for any number of classes
    /// (Gorodkin 2004).
    ///
    /// # Errors
    ///
    /// If all images or all predictions belong to one class.
    pub fn mcc(&self) -> Result<f64, UndefinedMetric> {
        let images = self.images() as f64;
        let actual = |c| self.actual(c) as f64;
        let predicted = |c| self.predicted(c) as f64;
        let sum = |term: &dyn Fn(usize) -> f64| (0..self.classes()).map(term).sum::<f64>();
        let covariance = self.correct() as f64 * images - sum(&|c| actual(c) * predicted(c));
        let truth_variance = images * images - sum(&|c| actual(c) * actual(c));
        let prediction_variance = images * images - sum(&|c| predicted(c) * predicted(c));
        let product = prediction_variance * truth_variance;
        if product == 0.0 {
            Err(UndefinedMetric::OneClass)
        } else {
            Ok(covariance / product.sqrt())
        }
    }

    /// Number of images of class `c`.
    fn actual(&self, c: usize) -> u64 {
        self.0[c].iter().sum()
    }

    /// Number of images predicted as class `c`.
    fn predicted(&self, c: usize) -> u64 {
        self.0.iter().map(|row| row[c]).sum()
    }

    fn correct(&self) -> u64 {
        (0..self.classes()).map(|c| self.0[c][c]).sum()
    }
}

/// Two-by-two table of one class, the positive class, against the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binary {
    /// True positives: positive images predicted positive.
    pub tp: u64,
    /// False negatives: positive images predicted negative.
    pub fn_: u64,
    /// False positives: negative images predicted positive.
    pub fp: u64,
    /// True negatives: negative images predicted negative.
    pub tn: u64,
}

impl Binary {
    /// Sensitivity: proportion of positive images predicted positive. Scikit-learn's
    /// recall.
    pub fn sensitivity(&self) -> Rate {
        Rate::new(self.tp, self.tp + self.fn_)
    }

    /// Specificity: proportion of negative images predicted negative.
    pub fn specificity(&self) -> Rate {
        Rate::new(self.tn, self.tn + self.fp)
    }

    /// Positive predictive value in this sample: proportion of the images predicted
    /// positive that are positive. Scikit-learn's precision.
    pub fn ppv(&self) -> Rate {
        Rate::new(self.tp, self.tp + self.fp)
    }

    /// Negative predictive value in this sample: proportion of the images predicted
    /// negative that are negative.
    pub fn npv(&self) -> Rate {
        Rate::new(self.tn, self.tn + self.fn_)
    }

    /// F1 score: harmonic mean of sensitivity and positive predictive value.
    ///
    /// # Errors
    ///
    /// If no image is positive or predicted positive.
    pub fn f1(&self) -> Result<f64, UndefinedMetric> {
        let all = 2 * self.tp + self.fp + self.fn_;
        if all == 0 {
            Err(UndefinedMetric::NoPositives)
        } else {
            Ok(2.0 * self.tp as f64 / all as f64)
        }
    }

    /// Positive predictive value at a `prevalence` (0 to 1) of the positive class, by
    /// Bayes' rule.
    ///
    /// # Errors
    ///
    /// If sensitivity or specificity is undefined, or no image is predicted positive.
    pub fn ppv_at(&self, prevalence: f64) -> Result<f64, UndefinedMetric> {
        let (sensitivity, specificity) = self.sensitivity_and_specificity()?;
        let ppv = ppv_of(sensitivity, specificity, prevalence);
        if ppv.is_nan() { Err(UndefinedMetric::NonePredictedPositive) } else { Ok(ppv) }
    }

    /// Negative predictive value at a `prevalence` (0 to 1) of the positive class, by
    /// Bayes' rule.
    ///
    /// # Errors
    ///
    /// If sensitivity or specificity is undefined, or no image is predicted negative.
    pub fn npv_at(&self, prevalence: f64) -> Result<f64, UndefinedMetric> {
        let (sensitivity, specificity) = self.sensitivity_and_specificity()?;
        let npv = npv_of(sensitivity, specificity, prevalence);
        if npv.is_nan() { Err(UndefinedMetric::NonePredictedNegative) } else { Ok(npv) }
    }

    fn sensitivity_and_specificity(&self) -> Result<(f64, f64), UndefinedMetric> {
        Ok((
            self.sensitivity().value.ok_or(UndefinedMetric::NoPositives)?,
            self.specificity().value.ok_or(UndefinedMetric::NoNegatives)?,
        ))
    }
}

/// Positive predictive value by Bayes' rule. All values are in [0, 1]; NaN if no
/// image is predicted positive.
pub fn ppv_of(sensitivity: f64, specificity: f64, prevalence: f64) -> f64 {
    let true_positives = sensitivity * prevalence;
    true_positives / (true_positives + (1.0 - specificity) * (1.0 - prevalence))
}

/// Negative predictive value by Bayes' rule. All values are in [0, 1]; NaN if no
/// image is predicted negative.
pub fn npv_of(sensitivity: f64, specificity: f64, prevalence: f64) -> f64 {
    let true_negatives = specificity * (1.0 - prevalence);
    true_negatives / (true_negatives + (1.0 - sensitivity) * prevalence)
}

/// Top-1 class (argmax) of each row of `probabilities` `[images, classes]`; the first
/// class wins ties.
///
/// # Panics
///
/// If there are no classes.
pub fn predicted(probabilities: ArrayView2<f64>) -> Vec<usize> {
    let argmax = |row: ndarray::ArrayView1<f64>| {
        (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
    };
    assert!(probabilities.ncols() > 0, "at least one class");
    probabilities.outer_iter().map(argmax).collect()
}

/// Predicted class of one image. Without a `threshold`, the argmax of `probabilities`.
/// With a class and its threshold, this class if its probability is at least the
/// threshold, otherwise the argmax of the other classes. The first class wins ties.
///
/// # Panics
///
/// If there is no class to choose from.
pub fn called(probabilities: &[f64], threshold: Option<(usize, f64)>) -> usize {
    let positive = threshold.map(|(class, _)| class);
    if let Some((class, threshold)) = threshold
        && probabilities[class] >= threshold
    {
        return class;
    }
    (0..probabilities.len())
        .filter(|class| Some(*class) != positive)
        .reduce(|a, b| if probabilities[b] > probabilities[a] { b } else { a })
        .expect("at least one class")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{Golden, assert_close};

    #[test]
    fn confusion_metrics_equal_scikit_learn() {
        for case in Golden::load().predictions {
            let p = case.probabilities();
            let confusion = Confusion::new(&case.y, &predicted(p.view()), case.classes);
            assert_eq!(confusion.rows(), case.confusion);
            assert_eq!(confusion.balanced_accuracy(), Ok(case.number("balanced_accuracy")));
            assert_close(confusion.mcc().unwrap(), case.number("mcc"), 1e-15);
            if case.classes == 2 {
                let covid = confusion.one_vs_rest_table(0);
                assert_eq!(covid.f1(), Ok(case.number("f1")));
                assert_eq!(covid.ppv().value, Some(case.number("precision")));
                assert_eq!(covid.sensitivity().value, Some(case.number("recall")));
            }
        }
    }

    /// The published run of the tutorial.
    #[test]
    fn metrics_equal_the_tutorial() {
        let truth = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
        let predicted = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
        let confusion = Confusion::new(&truth, &predicted, 2);
        assert_eq!(confusion.accuracy().value, Some(0.9));
        let covid = confusion.one_vs_rest_table(0);
        assert_eq!(covid, Binary { tp: 5, fn_: 0, fp: 1, tn: 4 });
        assert_eq!(covid.sensitivity().value, Some(1.0));
        assert_eq!(covid.specificity().value, Some(0.8));
        assert_eq!(covid.npv().value, Some(1.0));
        assert_close(covid.ppv_at(0.5).unwrap(), covid.ppv().value.unwrap(), 1e-15);
        assert_close(covid.ppv_at(0.01).unwrap(), 0.01 / (0.01 + 0.2 * 0.99), 1e-15);
        assert_close(covid.npv_at(0.01).unwrap(), 1.0, 1e-15);
    }

    #[test]
    fn undefined_cases_are_reported() {
        let normal_only = Confusion::new(&[1, 1], &[1, 1], 2);
        assert_eq!(normal_only.mcc(), Err(UndefinedMetric::OneClass));
        assert_eq!(normal_only.balanced_accuracy(), Ok(1.0));
        assert_eq!(normal_only.one_vs_rest_table(0).f1(), Err(UndefinedMetric::NoPositives));
        assert_eq!(normal_only.one_vs_rest_table(0).sensitivity().value, None);
        assert_eq!(normal_only.one_vs_rest_table(0).ppv_at(0.1), Err(UndefinedMetric::NoPositives));
        assert_eq!(normal_only.one_vs_rest_table(1).npv_at(0.1), Err(UndefinedMetric::NoNegatives));
        assert_eq!(Confusion::new(&[], &[], 2).balanced_accuracy(), Err(UndefinedMetric::NoImages));
        let never_positive = Binary { tp: 0, fn_: 3, fp: 0, tn: 4 };
        assert_eq!(never_positive.ppv_at(0.1), Err(UndefinedMetric::NonePredictedPositive));
        let never_negative = Binary { tp: 3, fn_: 0, fp: 4, tn: 0 };
        assert_eq!(never_negative.npv_at(0.1), Err(UndefinedMetric::NonePredictedNegative));
    }
}
