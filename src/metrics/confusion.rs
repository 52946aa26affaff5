use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::{Rate, Undefined, summation::mean};

/// How often each class was taken for each: row the truth, column the
/// prediction, as scikit-learn's `confusion_matrix`. Serialises to its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confusion(Vec<Vec<u64>>);

impl Confusion {
    /// Counts the films of `classes` classes.
    ///
    /// # Panics
    ///
    /// If a class is not below `classes`.
    pub fn new(truth: &[usize], predicted: &[usize], classes: usize) -> Self {
        assert_eq!(truth.len(), predicted.len(), "a prediction for each film");
        let mut rows = vec![vec![0; classes]; classes];
        for (&t, &p) in truth.iter().zip(predicted) {
            rows[t][p] += 1;
        }
        Self(rows)
    }

    /// The counts, a row for each true class.
    pub fn rows(&self) -> &[Vec<u64>] {
        &self.0
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.0.len()
    }

    /// Number of films.
    pub fn films(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    /// The table of class `positive` against the rest.
    pub fn against_rest(&self, positive: usize) -> Binary {
        let tp = self.0[positive][positive];
        let r#true = self.truly(positive);
        let named = self.named(positive);
        Binary { tp, fn_: r#true - tp, fp: named - tp, tn: self.films() + tp - r#true - named }
    }

    /// The share of films whose class was named.
    pub fn accuracy(&self) -> Rate {
        Rate::new(self.correct(), self.films())
    }

    /// The mean over classes of the share of its films that was found; classes
    /// without films are left out, as in scikit-learn.
    pub fn balanced_accuracy(&self) -> Result<f64, Undefined> {
        let found: Vec<f64> =
            (0..self.classes()).filter_map(|c| self.against_rest(c).sensitivity().value).collect();
        if found.is_empty() { Err(Undefined::NoFilms) } else { Ok(mean(&found)) }
    }

    /// The unweighted mean of the classes' F1; undefined where one of them is.
    pub fn macro_f1(&self) -> Result<f64, Undefined> {
        let f1: Vec<f64> =
            (0..self.classes()).map(|c| self.against_rest(c).f1()).collect::<Result<_, _>>()?;
        if f1.is_empty() { Err(Undefined::NoFilms) } else { Ok(mean(&f1)) }
    }

    /// Matthews' correlation coefficient, for any number of classes
    /// (Gorodkin 2004).
    pub fn mcc(&self) -> Result<f64, Undefined> {
        let films = self.films() as f64;
        let truly = |c| self.truly(c) as f64;
        let named = |c| self.named(c) as f64;
        let sum = |term: &dyn Fn(usize) -> f64| (0..self.classes()).map(term).sum::<f64>();
        let covariance = self.correct() as f64 * films - sum(&|c| truly(c) * named(c));
        let of_truth = films * films - sum(&|c| truly(c) * truly(c));
        let of_predictions = films * films - sum(&|c| named(c) * named(c));
        let product = of_predictions * of_truth;
        if product == 0.0 { Err(Undefined::OneClass) } else { Ok(covariance / product.sqrt()) }
    }

    /// Number of films of class `c`.
    pub(super) fn truly(&self, c: usize) -> u64 {
        self.0[c].iter().sum()
    }

    /// Number of films taken for class `c`.
    pub(super) fn named(&self, c: usize) -> u64 {
        self.0.iter().map(|row| row[c]).sum()
    }

    fn correct(&self) -> u64 {
        (0..self.classes()).map(|c| self.0[c][c]).sum()
    }
}

/// The four counts of one class, the positive one, against the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Positive films called positive.
    pub tp: u64,
    /// Positive films called negative.
    pub fn_: u64,
    /// Negative films called positive.
    pub fp: u64,
    /// Negative films called negative.
    pub tn: u64,
}

impl Binary {
    /// The share of positive films that was found; scikit-learn's recall.
    pub fn sensitivity(&self) -> Rate {
        Rate::new(self.tp, self.tp + self.fn_)
    }

    /// The share of negative films that was called negative.
    pub fn specificity(&self) -> Rate {
        Rate::new(self.tn, self.tn + self.fp)
    }

    /// The share of films called positive that is so, among these films: the
    /// positive predictive value, scikit-learn's precision.
    pub fn ppv(&self) -> Rate {
        Rate::new(self.tp, self.tp + self.fp)
    }

    /// The share of films called negative that is so, among these films: the
    /// negative predictive value.
    pub fn npv(&self) -> Rate {
        Rate::new(self.tn, self.tn + self.fn_)
    }

    /// The harmonic mean of sensitivity and positive predictive value.
    pub fn f1(&self) -> Result<f64, Undefined> {
        let all = 2 * self.tp + self.fp + self.fn_;
        if all == 0 { Err(Undefined::NoPositives) } else { Ok(2.0 * self.tp as f64 / all as f64) }
    }

    /// The positive predictive value where a share `prevalence` (0 to 1) of all
    /// films is positive, by Bayes' rule.
    pub fn ppv_at(&self, prevalence: f64) -> Result<f64, Undefined> {
        let (sensitivity, specificity) = self.shares()?;
        let ppv = ppv_of(sensitivity, specificity, prevalence);
        if ppv.is_nan() { Err(Undefined::NonePredictedPositive) } else { Ok(ppv) }
    }

    /// The negative predictive value where a share `prevalence` (0 to 1) of all
    /// films is positive, by Bayes' rule.
    pub fn npv_at(&self, prevalence: f64) -> Result<f64, Undefined> {
        let (sensitivity, specificity) = self.shares()?;
        let npv = npv_of(sensitivity, specificity, prevalence);
        if npv.is_nan() { Err(Undefined::NonePredictedNegative) } else { Ok(npv) }
    }

    fn shares(&self) -> Result<(f64, f64), Undefined> {
        Ok((
            self.sensitivity().value.ok_or(Undefined::NoPositives)?,
            self.specificity().value.ok_or(Undefined::NoNegatives)?,
        ))
    }
}

/// The positive predictive value by Bayes' rule; not a number if nothing is called
/// positive.
pub fn ppv_of(sensitivity: f64, specificity: f64, prevalence: f64) -> f64 {
    let right = sensitivity * prevalence;
    right / (right + (1.0 - specificity) * (1.0 - prevalence))
}

/// The negative predictive value by Bayes' rule; not a number if nothing is called
/// negative.
pub fn npv_of(sensitivity: f64, specificity: f64, prevalence: f64) -> f64 {
    let right = specificity * (1.0 - prevalence);
    right / (right + (1.0 - sensitivity) * prevalence)
}

/// The most probable class of each film, the first among equals, from
/// `probabilities` `[films, classes]`.
///
/// # Panics
///
/// If there are no classes.
pub fn predicted(probabilities: ArrayView2<f64>) -> Vec<usize> {
    let first_maximum = |row: ndarray::ArrayView1<f64>| {
        (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
    };
    assert!(probabilities.ncols() > 0, "a film needs a class");
    probabilities.outer_iter().map(first_maximum).collect()
}

/// The class of a film with these `probabilities`: without a threshold the most
/// probable one, the first among equals; with a class and its threshold, that class
/// from the threshold on, else the most probable of the others.
///
/// # Panics
///
/// If there are no classes, or no others.
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
        .expect("a film needs a class")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{Golden, assert_close};

    #[test]
    fn equals_scikit_learn() {
        for case in Golden::load().predictions {
            let p = case.probabilities();
            let confusion = Confusion::new(&case.y, &predicted(p.view()), case.classes);
            assert_eq!(confusion.rows(), case.confusion);
            assert_eq!(confusion.balanced_accuracy(), Ok(case.number("balanced_accuracy")));
            assert_close(confusion.mcc().unwrap(), case.number("mcc"), 1e-15);
            if case.classes == 2 {
                let covid = confusion.against_rest(0);
                assert_eq!(covid.f1(), Ok(case.number("f1")));
                assert_eq!(covid.ppv().value, Some(case.number("precision")));
                assert_eq!(covid.sensitivity().value, Some(case.number("recall")));
            }
        }
    }

    /// The published run of the tutorial.
    #[test]
    fn counts_the_tutorials_films() {
        let truth = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
        let named = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
        let confusion = Confusion::new(&truth, &named, 2);
        assert_eq!(confusion.accuracy().value, Some(0.9));
        let covid = confusion.against_rest(0);
        assert_eq!(covid, Binary { tp: 5, fn_: 0, fp: 1, tn: 4 });
        assert_eq!(covid.sensitivity().value, Some(1.0));
        assert_eq!(covid.specificity().value, Some(0.8));
        assert_eq!(covid.npv().value, Some(1.0));
        assert_close(covid.ppv_at(0.5).unwrap(), covid.ppv().value.unwrap(), 1e-15);
        assert_close(covid.ppv_at(0.01).unwrap(), 0.01 / (0.01 + 0.2 * 0.99), 1e-15);
        assert_close(covid.npv_at(0.01).unwrap(), 1.0, 1e-15);
    }

    #[test]
    fn says_what_is_undefined() {
        let one = Confusion::new(&[1, 1], &[1, 1], 2);
        assert_eq!(one.mcc(), Err(Undefined::OneClass));
        assert_eq!(one.balanced_accuracy(), Ok(1.0));
        assert_eq!(one.against_rest(0).f1(), Err(Undefined::NoPositives));
        assert_eq!(one.against_rest(0).sensitivity().value, None);
        assert_eq!(one.against_rest(0).ppv_at(0.1), Err(Undefined::NoPositives));
        assert_eq!(one.against_rest(1).npv_at(0.1), Err(Undefined::NoNegatives));
        assert_eq!(Confusion::new(&[], &[], 2).balanced_accuracy(), Err(Undefined::NoFilms));
        let blind = Binary { tp: 0, fn_: 3, fp: 0, tn: 4 };
        assert_eq!(blind.ppv_at(0.1), Err(Undefined::NonePredictedPositive));
        let eager = Binary { tp: 3, fn_: 0, fp: 4, tn: 0 };
        assert_eq!(eager.npv_at(0.1), Err(Undefined::NonePredictedNegative));
    }
}
