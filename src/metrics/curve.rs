use ndarray::ArrayView2;

use super::{Undefined, finite, pairwise_sum, summation::mean};

/// The receiver operating characteristic, a point for each distinct score from
/// the highest down, before them the point (0, 0) at an infinite threshold.
/// Equals scikit-learn's `roc_curve(…, drop_intermediate=False)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Roc {
    /// The share of negatives at or above the threshold: 1 - specificity.
    pub fpr: Vec<f64>,
    /// The share of positives at or above the threshold: sensitivity.
    pub tpr: Vec<f64>,
    /// A film is called positive if its score is at least this.
    pub thresholds: Vec<f64>,
}

impl Roc {
    /// The curve of `scores` against `truth`, both `[films]`. Undefined without
    /// a positive and a negative film, or where a score is not finite.
    pub fn new(truth: &[bool], scores: &[f64]) -> Result<Self, Undefined> {
        let steps = Steps::new(truth, scores)?;
        steps.both_classes()?;
        let shares = |counts: &[u64], of: u64| {
            std::iter::once(&0).chain(counts).map(|&count| count as f64 / of as f64).collect()
        };
        Ok(Self {
            fpr: shares(&steps.fp, steps.negatives),
            tpr: shares(&steps.tp, steps.positives),
            thresholds: std::iter::once(f64::INFINITY).chain(steps.thresholds).collect(),
        })
    }
}

/// The precision-recall curve, from the lowest threshold up, closed by the point
/// of precision 1 and recall 0, which has no threshold. Equals scikit-learn's
/// `precision_recall_curve`.
#[derive(Clone, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// The share of films at or above the threshold that is positive.
    pub precision: Vec<f64>,
    /// The share of positives at or above the threshold.
    pub recall: Vec<f64>,
    /// One fewer than the points.
    pub thresholds: Vec<f64>,
}

impl PrecisionRecall {
    /// The curve of `scores` against `truth`, both `[films]`. Undefined without
    /// a positive film, or where a score is not finite.
    pub fn new(truth: &[bool], scores: &[f64]) -> Result<Self, Undefined> {
        let steps = Steps::new(truth, scores)?;
        if steps.positives == 0 {
            return Err(Undefined::NoPositives);
        }
        let share = |part: u64, whole: u64| part as f64 / whole as f64;
        let counts = || steps.tp.iter().zip(&steps.fp).rev();
        Ok(Self {
            precision: counts().map(|(&tp, &fp)| share(tp, tp + fp)).chain([1.0]).collect(),
            recall: counts().map(|(&tp, _)| share(tp, steps.positives)).chain([0.0]).collect(),
            thresholds: steps.thresholds.iter().rev().copied().collect(),
        })
    }
}

/// The area under the ROC curve: how often a positive film scores above a
/// negative one, ties counting one half (Hanley and McNeil 1982). Computed from
/// counts, so rounded once; within an ulp or two of scikit-learn's `roc_auc_score`.
pub fn roc_auc(truth: &[bool], scores: &[f64]) -> Result<f64, Undefined> {
    let steps = Steps::new(truth, scores)?;
    let pairs = steps.both_classes()?;
    Ok(steps.twice_wins() as f64 / (2 * pairs) as f64)
}

/// The area under the ROC curve over pairs of films of one stratum, `strata[i]` being
/// that of film `i`: [`roc_auc`] where there is but one.
///
/// Scores of two classifiers cannot be ranked against each other. Out of folds, the
/// classifier that has seen fewer positives is tested on more of them, so that without
/// any signal pooled scores give an area below 0.5 (Parker, Günter and Bedo 2007;
/// Forman and Scholz 2010). With folds for strata the expectation is 0.5.
pub fn roc_auc_within(truth: &[bool], scores: &[f64], strata: &[usize]) -> Result<f64, Undefined> {
    assert_eq!(truth.len(), strata.len(), "a stratum for each film");
    let mut films: Vec<usize> = (0..truth.len()).collect();
    films.sort_unstable_by_key(|film| strata[*film]);
    let (mut twice_wins, mut pairs) = (0, 0);
    let (mut positives, mut negatives) = (0, 0);
    for stratum in films.chunk_by(|a, b| strata[*a] == strata[*b]) {
        let truth: Vec<bool> = stratum.iter().map(|film| truth[*film]).collect();
        let scores: Vec<f64> = stratum.iter().map(|film| scores[*film]).collect();
        let steps = Steps::new(&truth, &scores)?;
        twice_wins += steps.twice_wins();
        pairs += steps.positives * steps.negatives;
        positives += steps.positives;
        negatives += steps.negatives;
    }
    match (positives, negatives, pairs) {
        (0, 0, _) => Err(Undefined::NoFilms),
        (0, _, _) => Err(Undefined::NoPositives),
        (_, 0, _) => Err(Undefined::NoNegatives),
        (_, _, 0) => Err(Undefined::NoPairs),
        _ => Ok(twice_wins as f64 / (2 * pairs) as f64),
    }
}

/// Precision averaged over the films that are positive, each at its own score
/// (Zhu 2004). Equals scikit-learn's `average_precision_score`.
pub fn average_precision(truth: &[bool], scores: &[f64]) -> Result<f64, Undefined> {
    let PrecisionRecall { precision, recall, .. } = PrecisionRecall::new(truth, scores)?;
    let steps: Vec<f64> =
        recall.windows(2).zip(&precision).map(|(r, p)| (r[1] - r[0]) * p).collect();
    // Ten steps of a tenth may add up to more than 1.
    Ok((-pairwise_sum(&steps)).min(1.0))
}

/// The unweighted mean over classes of a `metric` of each class against the
/// rest, as scikit-learn's `multi_class="ovr"`. `truth` is `[films]`,
/// `probabilities` `[films, classes]`; undefined where a class has no film.
pub fn one_vs_rest(
    truth: &[usize],
    probabilities: ArrayView2<f64>,
    metric: impl Fn(&[bool], &[f64]) -> Result<f64, Undefined>,
) -> Result<f64, Undefined> {
    let of_class = |class: usize| {
        let is_class: Vec<bool> = truth.iter().map(|t| *t == class).collect();
        if !is_class.contains(&true) {
            return Err(Undefined::EmptyClass(class));
        }
        metric(&is_class, &probabilities.column(class).to_vec())
    };
    let values = (0..probabilities.ncols()).map(of_class).collect::<Result<Vec<f64>, _>>()?;
    if values.is_empty() { Err(Undefined::NoFilms) } else { Ok(mean(&values)) }
}

/// How many films score at or above each distinct score, from the highest down.
struct Steps {
    thresholds: Vec<f64>,
    /// Positive films at or above the threshold.
    tp: Vec<u64>,
    /// Negative films at or above the threshold.
    fp: Vec<u64>,
    positives: u64,
    negatives: u64,
}

impl Steps {
    fn new(truth: &[bool], scores: &[f64]) -> Result<Self, Undefined> {
        assert_eq!(truth.len(), scores.len(), "a score for each film");
        finite(scores)?;
        let mut films: Vec<(f64, bool)> =
            scores.iter().copied().zip(truth.iter().copied()).collect();
        films.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut steps =
            Self { thresholds: vec![], tp: vec![], fp: vec![], positives: 0, negatives: 0 };
        for tied in films.chunk_by(|a, b| a.0 == b.0) {
            let positive = tied.iter().filter(|film| film.1).count() as u64;
            steps.positives += positive;
            steps.negatives += tied.len() as u64 - positive;
            steps.thresholds.push(tied[0].0);
            steps.tp.push(steps.positives);
            steps.fp.push(steps.negatives);
        }
        Ok(steps)
    }

    /// Twice the number of pairs in which the positive film scores above the negative
    /// one, once where they tie.
    fn twice_wins(&self) -> u64 {
        let (mut twice_wins, mut tp_before, mut fp_before) = (0, 0, 0);
        for (&tp, &fp) in self.tp.iter().zip(&self.fp) {
            twice_wins += (fp - fp_before) * (tp + tp_before);
            (tp_before, fp_before) = (tp, fp);
        }
        twice_wins
    }

    /// The number of pairs of a positive and a negative film; at least one.
    fn both_classes(&self) -> Result<u64, Undefined> {
        match (self.positives, self.negatives) {
            (0, 0) => Err(Undefined::NoFilms),
            (0, _) => Err(Undefined::NoPositives),
            (_, 0) => Err(Undefined::NoNegatives),
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
    fn equals_scikit_learn() {
        for case in Golden::load().predictions {
            let p = case.probabilities();
            let covid: Vec<bool> = case.y.iter().map(|y| *y == 0).collect();
            let scores = p.column(0).to_vec();
            let of = |metric: fn(&[bool], &[f64]) -> Result<f64, Undefined>| {
                if case.classes == 2 {
                    metric(&covid, &scores)
                } else {
                    one_vs_rest(&case.y, p.view(), metric)
                }
            };
            assert_close(of(roc_auc).unwrap(), case.number("roc_auc"), 1e-15);
            assert_close(of(average_precision).unwrap(), case.number("average_precision"), 1e-15);
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
    fn says_what_is_undefined() {
        assert_eq!(roc_auc(&[], &[]), Err(Undefined::NoFilms));
        assert_eq!(roc_auc(&[true], &[0.5]), Err(Undefined::NoNegatives));
        assert_eq!(roc_auc(&[false], &[0.5]), Err(Undefined::NoPositives));
        assert_eq!(roc_auc(&[true, false], &[0.5, f64::NAN]), Err(Undefined::NotFinite));
        assert_eq!(average_precision(&[false], &[0.5]), Err(Undefined::NoPositives));
        let p = ndarray::arr2(&[[0.5, 0.2, 0.3]]);
        assert_eq!(one_vs_rest(&[2], p.view(), roc_auc), Err(Undefined::EmptyClass(0)));
    }

    proptest! {
        /// The definition: all pairs of a positive and a negative film.
        #[test]
        fn auc_counts_the_pairs_won(films in prop::collection::vec((any::<bool>(), 0..12u8), 2..60)) {
            let (truth, scores): (Vec<bool>, Vec<f64>) =
                films.iter().map(|&(t, s)| (t, f64::from(s) - 6.0)).unzip();
            let (mut won, mut pairs) = (0.0, 0.0);
            for (i, j) in (0..films.len()).flat_map(|i| (0..films.len()).map(move |j| (i, j))) {
                if truth[i] && !truth[j] {
                    pairs += 1.0;
                    won += if scores[i] > scores[j] { 1.0 } else if scores[i] == scores[j] { 0.5 } else { 0.0 };
                }
            }
            match roc_auc(&truth, &scores) {
                Ok(auc) => prop_assert!((auc - won / pairs).abs() < 1e-12),
                Err(_) => prop_assert_eq!(pairs, 0.0),
            }
        }

        /// The definition: all such pairs of one stratum.
        #[test]
        fn auc_within_strata_counts_their_pairs(
            films in prop::collection::vec((any::<bool>(), 0..9u8, 0..4usize), 2..40)
        ) {
            let truth: Vec<bool> = films.iter().map(|film| film.0).collect();
            let scores: Vec<f64> = films.iter().map(|film| f64::from(film.1)).collect();
            let strata: Vec<usize> = films.iter().map(|film| film.2).collect();
            let (mut won, mut pairs) = (0.0, 0.0);
            for (a, b) in films.iter().flat_map(|a| films.iter().map(move |b| (a, b))) {
                if a.0 && !b.0 && a.2 == b.2 {
                    pairs += 1.0;
                    won += if a.1 > b.1 { 1.0 } else if a.1 == b.1 { 0.5 } else { 0.0 };
                }
            }
            match roc_auc_within(&truth, &scores, &strata) {
                Ok(auc) => prop_assert!((auc - won / pairs).abs() < 1e-12),
                Err(_) => prop_assert_eq!(pairs, 0.0),
            }
            let one = vec![7; films.len()];
            prop_assert_eq!(roc_auc_within(&truth, &scores, &one), roc_auc(&truth, &scores));
        }

        /// The definition: precision at the score of each positive film, averaged.
        #[test]
        fn average_precision_averages(films in prop::collection::vec((any::<bool>(), 0..12u8), 1..60)) {
            let (truth, scores): (Vec<bool>, Vec<f64>) =
                films.iter().map(|&(t, s)| (t, f64::from(s))).unzip();
            let precision_at = |least: f64| {
                let called: Vec<bool> =
                    (0..films.len()).filter(|i| scores[*i] >= least).map(|i| truth[i]).collect();
                called.iter().filter(|t| **t).count() as f64 / called.len() as f64
            };
            let own: Vec<f64> =
                (0..films.len()).filter(|i| truth[*i]).map(|i| precision_at(scores[i])).collect();
            match average_precision(&truth, &scores) {
                Ok(ap) => prop_assert!((ap - own.iter().sum::<f64>() / own.len() as f64).abs() < 1e-12),
                Err(_) => prop_assert!(own.is_empty()),
            }
        }
    }
}
