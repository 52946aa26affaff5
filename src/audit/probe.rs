//! Probes of the shortcut audit and their evaluation.
//!
use std::collections::BTreeSet;

use ndarray::{Array2, ArrayView2, Axis, concatenate};
use serde::{Deserialize, Serialize};

use super::Kernel;
use crate::metrics::{
    Bounds, Fallback, Method, UndefinedMetric, bootstrap, one_vs_rest, roc_auc_within,
};
use crate::rng::{Rng, derive};

/// Names of the probes in the order of the summary, with their inputs.
pub const PROBES: [(&str, &str); 7] = [
    ("model", "the whole image"),
    ("attributes", "file attributes alone"),
    ("border-pixels", "the outermost pixels alone"),
    ("border", "the border, centre blacked out"),
    ("centre", "the centre, border blacked out"),
    ("thumbnail", "a thumbnail of 16 x 16"),
    ("shuffled", "shuffled labels"),
];

/// Performance of one probe: macro one-vs-rest ROC AUC over pairs of images of the same fold,
/// with a 95 % confidence interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// AUC from 0 to 1; none if undefined.
    pub auc: Option<f64>,
    /// Lower end of the interval; none if undefined.
    pub low: Option<f64>,
    /// Upper end of the interval; none if undefined.
    pub high: Option<f64>,
    /// Method of the interval; none without an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Number of evaluated images.
    pub n: usize,
    /// Reason why a metric is missing; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub undefined: String,
}

impl Probe {
    /// Returns a probe of `n` images without metrics, with the reason.
    pub fn undefined(n: usize, reason: impl ToString) -> Self {
        Self { n, undefined: reason.to_string(), ..Self::default() }
    }
}

/// Images on which probes are evaluated.
#[derive(Debug, Clone)]
pub struct ProbeEvaluation {
    /// Class of each image.
    pub truth: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
    /// Group index of each image; one group is one patient.
    pub groups: Vec<usize>,
    /// Number of bootstrap resamples of groups; 0 for no interval.
    pub resamples: usize,
    /// Seed of the pipeline.
    pub seed: u64,
}

/// Out-of-fold scores of one fold assignment: no classifier was trained on the fold that it
/// scores.
#[derive(Debug, Clone)]
pub struct Deal<'a> {
    /// Fold of each image, from 0.
    pub folds: &'a [usize],
    /// Scores `[images, classes]`, comparable within a fold only.
    pub scores: Array2<f64>,
}

impl ProbeEvaluation {
    /// Returns the AUC over the pairs of all repeats and folds, with an interval from the
    /// bootstrap over groups.
    pub fn evaluate(&self, deals: &[Deal<'_>]) -> Probe {
        let n = self.truth.len();
        let all: Vec<usize> = (0..n).collect();
        let probe = match auc_of(&self.truth, deals, &all) {
            Ok(auc) => Probe { auc: Some(auc), n, ..Probe::default() },
            Err(reason) => return Probe::undefined(n, reason),
        };
        if self.resamples == 0 {
            return probe;
        }
        let sample_groups = |resample| {
            let mut rng = Rng::new(derive(self.seed, "audit", "bootstrap", resample));
            move |n| rng.index(n)
        };
        let statistic = |rows: &[usize]| auc_of(&self.truth, deals, rows);
        let interval = bootstrap(&self.groups, self.resamples, 0.95, sample_groups, statistic);
        match self.fallback().or(probe.auc.unwrap_or_default(), interval) {
            Ok(Bounds { low, high, method, .. }) => {
                Probe { low: Some(low), high: Some(high), method: Some(method), ..probe }
            }
            Err(reason) => Probe { undefined: reason.to_string(), ..probe },
        }
    }

    /// Fallback for the class with the fewest groups against the rest.
    fn fallback(&self) -> Fallback {
        let count_groups = |matches: &dyn Fn(usize) -> bool| {
            let images = self.truth.iter().zip(&self.groups).filter(|(truth, _)| matches(**truth));
            images.map(|(_, group)| group).collect::<BTreeSet<_>>().len()
        };
        let class_and_rest =
            |class| (count_groups(&|truth| truth == class), count_groups(&|truth| truth != class));
        let (positives, negatives) = (0..self.classes).map(class_and_rest).min().unwrap_or((0, 0));
        Fallback::Area { positives, negatives }
    }

    /// Returns the cross-validated scores of `kernel`.
    pub fn deal<'a>(&self, kernel: &Kernel, folds: &'a [usize]) -> Deal<'a> {
        Deal { folds, scores: kernel.out_of_fold(&self.targets(), folds) }
    }

    /// Returns regression targets `[images, classes]`: 1 for the image's class, else -1.
    pub fn targets(&self) -> Array2<f64> {
        let shape = (self.truth.len(), self.classes);
        Array2::from_shape_fn(shape, |(image, class)| target(self.truth[image], class))
    }
}

pub(super) fn target(label: usize, class: usize) -> f64 {
    if label == class { 1.0 } else { -1.0 }
}

/// AUC of the images `rows`, which may repeat; `truth` is indexed by image.
pub(super) fn auc_of(
    truth: &[usize],
    deals: &[Deal<'_>],
    rows: &[usize],
) -> Result<f64, UndefinedMetric> {
    let truth: Vec<usize> = deals.iter().flat_map(|_| rows.iter().map(|row| truth[*row])).collect();
    let strata_and_scores = |(number, deal): (usize, &Deal<'_>)| {
        let stratum = |row: &usize| number + deals.len() * deal.folds[*row];
        (rows.iter().map(stratum).collect(), deal.scores.select(Axis(0), rows))
    };
    let (strata, scores): (Vec<Vec<usize>>, Vec<_>) =
        deals.iter().enumerate().map(strata_and_scores).unzip();
    let scores: Vec<_> = scores.iter().map(|scores| scores.view()).collect();
    let scores = concatenate(Axis(0), &scores).map_err(|_| UndefinedMetric::NoImages)?;
    auc(&truth, scores.view(), &strata.concat())
}

fn auc(truth: &[usize], scores: ArrayView2<f64>, strata: &[usize]) -> Result<f64, UndefinedMetric> {
    one_vs_rest(truth, scores, |truth, scores| roc_auc_within(truth, scores, strata))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(n: usize, classes: usize) -> ProbeEvaluation {
        ProbeEvaluation {
            truth: (0..n).map(|i| i % classes).collect(),
            classes,
            groups: (0..n).map(|i| i / 2).collect(),
            resamples: 200,
            seed: 42,
        }
    }

    /// Noise; `signal` times the class index is added to the first column.
    fn inputs(evaluation: &ProbeEvaluation, signal: f64) -> Array2<f64> {
        let mut rng = Rng::new(3);
        let mut noise = || rng.uniform(-1.0, 1.0);
        Array2::from_shape_fn((evaluation.truth.len(), 4), |(i, j)| {
            noise() + if j == 0 { signal * evaluation.truth[i] as f64 } else { 0.0 }
        })
    }

    #[test]
    fn informative_inputs_reach_high_auc_and_noise_does_not() {
        for classes in [2, 3] {
            let evaluation = evaluation(90, classes);
            let folds: Vec<usize> = evaluation.groups.iter().map(|group| group % 5).collect();
            let probe = |signal| {
                let kernel = Kernel::gaussian(&inputs(&evaluation, signal));
                (evaluation.evaluate(&[evaluation.deal(&kernel, &folds)]), kernel)
            };
            let (informative, kernel) = probe(4.0);
            assert!(informative.auc > Some(0.95) && informative.low > Some(0.9), "{informative:?}");
            assert!(informative.low <= informative.auc && informative.auc <= informative.high);
            let (noise, _) = probe(0.0);
            assert!(noise.low < Some(0.5) && noise.high > Some(0.5), "{noise:?}");
            let shuffled = evaluation.shuffled(&kernel, &[folds], 40);
            assert!(shuffled.low < Some(0.5) && shuffled.high > Some(0.5), "{shuffled:?}");
            assert!((shuffled.auc.unwrap() - 0.5).abs() < 0.06, "{shuffled:?}");
        }
    }

    #[test]
    fn undefined_auc_has_a_reason() {
        let evaluation = ProbeEvaluation {
            truth: vec![0, 0],
            classes: 2,
            groups: vec![0, 1],
            ..evaluation(2, 2)
        };
        let probe = evaluation.evaluate(&[Deal { folds: &[0, 1], scores: evaluation.targets() }]);
        assert_eq!((probe.auc, probe.n), (None, 2));
        assert_eq!(probe.undefined, "no image is negative");
    }

    /// Balanced classes and uninformative inputs. Pooled over folds, the AUC lies far below
    /// 0.5: a fold with more images of a class is scored by a classifier that has seen fewer of
    /// that class. A single binary feature is the worst case.
    #[test]
    fn uninformative_inputs_reach_auc_one_half() {
        let (mut within, mut pooled) = (Vec::new(), Vec::new());
        for set in 0..60 {
            let evaluation =
                ProbeEvaluation { resamples: 0, groups: (0..32).collect(), ..evaluation(32, 2) };
            let mut rng = Rng::new(100 + set);
            let inputs = Array2::from_shape_fn((32, 1), |_| f64::from(u8::from(rng.f64() < 0.2)));
            let mut order: Vec<usize> = (0..32).collect();
            rng.shuffle(&mut order);
            let folds: Vec<usize> = order.iter().map(|place| place % 8).collect();
            let deal = evaluation.deal(&Kernel::gaussian(&inputs), &folds);
            within.push(evaluation.evaluate(std::slice::from_ref(&deal)).auc.unwrap());
            pooled.push(evaluation.evaluate(&[Deal { folds: &[0; 32], ..deal }]).auc.unwrap());
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean(&within) - 0.5).abs() < 0.03, "{}", mean(&within));
        assert!(mean(&pooled) < 0.42, "pooling is biased: {}", mean(&pooled));
    }

    /// Compared with the mean over two repeats with equally many pairs.
    #[test]
    fn repeats_are_pooled() {
        let evaluation = ProbeEvaluation { resamples: 0, ..evaluation(8, 2) };
        let folds = [0, 0, 0, 0, 1, 1, 1, 1];
        let scores = |swap: usize| {
            Array2::from_shape_fn((8, 2), |(image, class)| {
                let informative = image % 2 == class && image >= swap;
                f64::from(u8::from(informative)) + image as f64 * 0.01
            })
        };
        let deal = |swap| Deal { folds: &folds, scores: scores(swap) };
        let probe = |swap| evaluation.evaluate(&[deal(swap)]).auc.unwrap();
        let pooled = evaluation.evaluate(&[deal(0), deal(4)]).auc.unwrap();
        assert!(probe(0) > probe(4));
        assert!((pooled - (probe(0) + probe(4)) / 2.0).abs() < 1e-12);
    }
}
