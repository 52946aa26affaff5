//! ROC and precision-recall curves, the areas under them, and one-vs-rest averages.

use ndarray::ArrayView2;

use super::{UndefinedMetric, check_finite, pairwise_sum, summation::mean};

/// Receiver operating characteristic: the point (0, 0) at an infinite threshold, then
/// one point per distinct score, in descending order. Equals scikit-learn's
/// `roc_curve(…, drop_intermediate=False)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Roc {
    /// False positive rate, 1 - specificity, at each threshold.
    pub fpr: Vec<f64>,
    /// True positive rate, sensitivity, at each threshold.
    pub tpr: Vec<f64>,
    /// An image is predicted positive if its score is at least the threshold.
    pub thresholds: Vec<f64>,
}

impl Roc {
    /// Computes the curve of `scores` against `truth`, both `[images]`.
    ///
    /// # Errors
    ///
    /// If no image is positive or no image is negative, or a score is not finite.
    pub fn new(truth: &[bool], scores: &[f64]) -> Result<Self, UndefinedMetric> {
        let counts = CumulativeCounts::new(truth, scores)?;
        counts.count_pairs()?;
        let rates = |counts: &[u64], total: u64| {
            std::iter::once(&0).chain(counts).map(|&count| count as f64 / total as f64).collect()
        };
        Ok(Self {
            fpr: rates(&counts.fp, counts.negatives),
            tpr: rates(&counts.tp, counts.positives),
            thresholds: std::iter::once(f64::INFINITY).chain(counts.thresholds).collect(),
        })
    }
}

/// Precision-recall curve: one point per distinct score, in ascending order, then the
/// point with precision 1 and recall 0, which has no threshold. Equals scikit-learn's
/// `precision_recall_curve`.
#[derive(Clone, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// Proportion of images at or above the threshold that are positive.
    pub precision: Vec<f64>,
    /// Proportion of positive images at or above the threshold.
    pub recall: Vec<f64>,
    /// Thresholds; one fewer than points.
    pub thresholds: Vec<f64>,
}

impl PrecisionRecall {
    /// Computes the curve of `scores` against `truth`, both `[images]`.
    ///
    /// # Errors
    ///
    /// If no image is positive, or a score is not finite.
    pub fn new(truth: &[bool], scores: &[f64]) -> Result<Self, UndefinedMetric> {
        let counts = CumulativeCounts::new(truth, scores)?;
        if counts.positives == 0 {
            return Err(UndefinedMetric::NoPositives);
        }
        let ratio = |part: u64, whole: u64| part as f64 / whole as f64;
        let ascending = || counts.tp.iter().zip(&counts.fp).rev();
        Ok(Self {
            precision: ascending().map(|(&tp, &fp)| ratio(tp, tp + fp)).chain([1.0]).collect(),
            recall: ascending().map(|(&tp, _)| ratio(tp, counts.positives)).chain([0.0]).collect(),
            thresholds: counts.thresholds.iter().rev().copied().collect(),
        })
    }
}

/// Area under the ROC curve: probability that a positive image scores above a negative
/// image, ties counted as 0.5 (Hanley and McNeil 1982). Equals scikit-learn's
/// `roc_auc_score` up to rounding (1 or 2 ulp).
///
/// # Errors
///
/// If no image is positive or no image is negative, or a score is not finite.
///
/// # Examples
///
/// ```
/// // One of four pairs is in the wrong order.
/// let auc = cxr::metrics::roc_auc(&[false, false, true, true], &[0.1, 0.4, 0.35, 0.8])?;
/// assert_eq!(auc, 0.75);
/// # Ok::<(), cxr::metrics::UndefinedMetric>(())
/// ```
pub fn roc_auc(truth: &[bool], scores: &[f64]) -> Result<f64, UndefinedMetric> {
    let counts = CumulativeCounts::new(truth, scores)?;
    let pairs = counts.count_pairs()?;
    Ok(counts.twice_wins() as f64 / (2 * pairs) as f64)
}

/// Stratified area under the ROC curve: only pairs of images of the same stratum are
/// compared. `strata[i]` is the stratum of image `i`. Equals [`roc_auc`] if there is
/// one stratum.
///
/// Scores of different classifiers are not comparable. In cross-validation, a fold
/// with more positives is scored by a classifier trained on fewer positives, so the
/// area of pooled scores is below 0.5 if there is no signal (Parker, Günter and Bedo
/// 2007; Forman and Scholz 2010). With folds as strata its expectation is 0.5.
///
/// # Errors
///
/// If no stratum has both a positive and a negative image, or a score is not finite.
pub fn roc_auc_within(
    truth: &[bool],
    scores: &[f64],
    strata: &[usize],
) -> Result<f64, UndefinedMetric> {
    assert_eq!(truth.len(), strata.len(), "one stratum per image");
    let mut images: Vec<usize> = (0..truth.len()).collect();
    images.sort_unstable_by_key(|image| strata[*image]);
    let (mut twice_wins, mut pairs) = (0, 0);
    let (mut positives, mut negatives) = (0, 0);
    for stratum in images.chunk_by(|a, b| strata[*a] == strata[*b]) {
        let truth: Vec<bool> = stratum.iter().map(|image| truth[*image]).collect();
        let scores: Vec<f64> = stratum.iter().map(|image| scores[*image]).collect();
        let counts = CumulativeCounts::new(&truth, &scores)?;
        twice_wins += counts.twice_wins();
        pairs += counts.positives * counts.negatives;
        positives += counts.positives;
        negatives += counts.negatives;
    }
    match (positives, negatives, pairs) {
        (0, 0, _) => Err(UndefinedMetric::NoImages),
        (0, _, _) => Err(UndefinedMetric::NoPositives),
        (_, 0, _) => Err(UndefinedMetric::NoNegatives),
        (_, _, 0) => Err(UndefinedMetric::NoPairs),
        _ => Ok(twice_wins as f64 / (2 * pairs) as f64),
    }
}

/// Average precision: mean over the positive images of the precision at their score
/// (Zhu 2004). Equals scikit-learn's `average_precision_score`.
///
/// # Errors
///
/// If no image is positive, or a score is not finite.
///
/// # Examples
///
/// ```
/// let truth = [false, false, true, true];
/// let ap = cxr::metrics::average_precision(&truth, &[0.1, 0.4, 0.35, 0.8])?;
/// assert!((ap - 5.0 / 6.0).abs() < 1e-15);
/// # Ok::<(), cxr::metrics::UndefinedMetric>(())
/// ```
pub fn average_precision(truth: &[bool], scores: &[f64]) -> Result<f64, UndefinedMetric> {
    let PrecisionRecall { precision, recall, .. } = PrecisionRecall::new(truth, scores)?;
    let terms: Vec<f64> =
        recall.windows(2).zip(&precision).map(|(r, p)| (r[1] - r[0]) * p).collect();
    // Rounding may give a sum above 1.
    Ok((-pairwise_sum(&terms)).min(1.0))
}

/// Unweighted mean over the classes of a one-vs-rest `metric`, as scikit-learn's
/// `multi_class="ovr"`. `truth` is `[images]`, `probabilities` `[images, classes]`.
///
/// # Errors
///
/// If a class has no images, there are no classes, or the metric is undefined.
pub fn one_vs_rest(
    truth: &[usize],
    probabilities: ArrayView2<f64>,
    metric: impl Fn(&[bool], &[f64]) -> Result<f64, UndefinedMetric>,
) -> Result<f64, UndefinedMetric> {
    let class_metric = |class: usize| {
        let is_class: Vec<bool> = truth.iter().map(|t| *t == class).collect();
        if !is_class.contains(&true) {
            return Err(UndefinedMetric::EmptyClass(class));
        }
        metric(&is_class, &probabilities.column(class).to_vec())
    };
    let values = (0..probabilities.ncols()).map(class_metric).collect::<Result<Vec<f64>, _>>()?;
    if values.is_empty() { Err(UndefinedMetric::NoImages) } else { Ok(mean(&values)) }
}

/// Cumulative counts of images by descending score.
struct CumulativeCounts {
    /// Distinct scores, in descending order.
    thresholds: Vec<f64>,
    /// Number of positive images at or above each threshold.
    tp: Vec<u64>,
    /// Number of negative images at or above each threshold.
    fp: Vec<u64>,
    positives: u64,
    negatives: u64,
}

impl CumulativeCounts {
    fn new(truth: &[bool], scores: &[f64]) -> Result<Self, UndefinedMetric> {
        assert_eq!(truth.len(), scores.len(), "one score per image");
        check_finite(scores)?;
        let mut images: Vec<(f64, bool)> =
            scores.iter().copied().zip(truth.iter().copied()).collect();
        images.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut counts =
            Self { thresholds: vec![], tp: vec![], fp: vec![], positives: 0, negatives: 0 };
        for tied in images.chunk_by(|a, b| a.0 == b.0) {
            let positive = tied.iter().filter(|image| image.1).count() as u64;
            counts.positives += positive;
            counts.negatives += tied.len() as u64 - positive;
            counts.thresholds.push(tied[0].0);
            counts.tp.push(counts.positives);
            counts.fp.push(counts.negatives);
        }
        Ok(counts)
    }

    /// Number of pairs in which the positive image scores above the negative image,
    /// times 2, plus the number of ties: an integer, so exact.
    fn twice_wins(&self) -> u64 {
        let (mut twice_wins, mut tp_before, mut fp_before) = (0, 0, 0);
        for (&tp, &fp) in self.tp.iter().zip(&self.fp) {
            twice_wins += (fp - fp_before) * (tp + tp_before);
            (tp_before, fp_before) = (tp, fp);
        }
        twice_wins
    }

    /// Number of pairs of a positive and a negative image; an error if there are none.
    fn count_pairs(&self) -> Result<u64, UndefinedMetric> {
        match (self.positives, self.negatives) {
            (0, 0) => Err(UndefinedMetric::NoImages),
            (0, _) => Err(UndefinedMetric::NoPositives),
            (_, 0) => Err(UndefinedMetric::NoNegatives),
            (positives, negatives) => Ok(positives * negatives),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::golden::{Golden, assert_close};

    #[test]
    fn curves_equal_scikit_learn() {
        for case in Golden::load().predictions {
            let p = case.probabilities();
            let covid: Vec<bool> = case.y.iter().map(|y| *y == 0).collect();
            let scores = p.column(0).to_vec();
            let evaluate = |metric: fn(&[bool], &[f64]) -> Result<f64, UndefinedMetric>| {
                if case.classes == 2 {
                    metric(&covid, &scores)
                } else {
                    one_vs_rest(&case.y, p.view(), metric)
                }
            };
            assert_close(evaluate(roc_auc).unwrap(), case.number("roc_auc"), 1e-15);
            assert_close(
                evaluate(average_precision).unwrap(),
                case.number("average_precision"),
                1e-15,
            );
            if let Some([fpr, tpr, thresholds]) = case.curve(&case.roc) {
                assert_eq!(Roc::new(&covid, &scores), Ok(Roc { fpr, tpr, thresholds }));
            }
            if let Some([precision, recall, thresholds]) = case.curve(&case.pr) {
                let expected = PrecisionRecall { precision, recall, thresholds };
                assert_eq!(PrecisionRecall::new(&covid, &scores), Ok(expected));
            }
        }
    }

    #[test]
    fn undefined_cases_are_reported() {
        assert_eq!(roc_auc(&[], &[]), Err(UndefinedMetric::NoImages));
        assert_eq!(roc_auc(&[true], &[0.5]), Err(UndefinedMetric::NoNegatives));
        assert_eq!(roc_auc(&[false], &[0.5]), Err(UndefinedMetric::NoPositives));
        assert_eq!(roc_auc(&[true, false], &[0.5, f64::NAN]), Err(UndefinedMetric::NotFinite));
        assert_eq!(average_precision(&[false], &[0.5]), Err(UndefinedMetric::NoPositives));
        let p = ndarray::arr2(&[[0.5, 0.2, 0.3]]);
        assert_eq!(one_vs_rest(&[2], p.view(), roc_auc), Err(UndefinedMetric::EmptyClass(0)));
    }

    proptest! {
        /// By definition: over all pairs of a positive and a negative image.
        #[test]
        fn auc_is_the_proportion_of_concordant_pairs(images in prop::collection::vec((any::<bool>(), 0..12u8), 2..60)) {
            let (truth, scores): (Vec<bool>, Vec<f64>) =
                images.iter().map(|&(t, s)| (t, f64::from(s) - 6.0)).unzip();
            let (mut concordant, mut pairs) = (0.0, 0.0);
            for (i, j) in (0..images.len()).flat_map(|i| (0..images.len()).map(move |j| (i, j))) {
                if truth[i] && !truth[j] {
                    pairs += 1.0;
                    concordant += if scores[i] > scores[j] { 1.0 } else if scores[i] == scores[j] { 0.5 } else { 0.0 };
                }
            }
            match roc_auc(&truth, &scores) {
                Ok(auc) => prop_assert!((auc - concordant / pairs).abs() < 1e-12),
                Err(_) => prop_assert_eq!(pairs, 0.0),
            }
        }

        /// By definition: over all such pairs of the same stratum.
        #[test]
        fn stratified_auc_counts_pairs_within_strata(
            images in prop::collection::vec((any::<bool>(), 0..9u8, 0..4usize), 2..40)
        ) {
            let truth: Vec<bool> = images.iter().map(|image| image.0).collect();
            let scores: Vec<f64> = images.iter().map(|image| f64::from(image.1)).collect();
            let strata: Vec<usize> = images.iter().map(|image| image.2).collect();
            let (mut concordant, mut pairs) = (0.0, 0.0);
            for (a, b) in images.iter().flat_map(|a| images.iter().map(move |b| (a, b))) {
                if a.0 && !b.0 && a.2 == b.2 {
                    pairs += 1.0;
                    concordant += if a.1 > b.1 { 1.0 } else if a.1 == b.1 { 0.5 } else { 0.0 };
                }
            }
            match roc_auc_within(&truth, &scores, &strata) {
                Ok(auc) => prop_assert!((auc - concordant / pairs).abs() < 1e-12),
                Err(_) => prop_assert_eq!(pairs, 0.0),
            }
            let one = vec![7; images.len()];
            prop_assert_eq!(roc_auc_within(&truth, &scores, &one), roc_auc(&truth, &scores));
        }

        /// By definition: mean precision at the scores of the positive images.
        #[test]
        fn average_precision_is_the_mean_over_positive_images(images in prop::collection::vec((any::<bool>(), 0..12u8), 1..60)) {
            let (truth, scores): (Vec<bool>, Vec<f64>) =
                images.iter().map(|&(t, s)| (t, f64::from(s))).unzip();
            let precision_at = |threshold: f64| {
                let predicted_positive: Vec<bool> =
                    (0..images.len()).filter(|i| scores[*i] >= threshold).map(|i| truth[i]).collect();
                predicted_positive.iter().filter(|t| **t).count() as f64 / predicted_positive.len() as f64
            };
            let precisions: Vec<f64> =
                (0..images.len()).filter(|i| truth[*i]).map(|i| precision_at(scores[i])).collect();
            match average_precision(&truth, &scores) {
                Ok(ap) => prop_assert!((ap - precisions.iter().sum::<f64>() / precisions.len() as f64).abs() < 1e-12),
                Err(_) => prop_assert!(precisions.is_empty()),
            }
        }
    }
}
