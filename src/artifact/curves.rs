//! ROC, precision-recall and calibration curves of one class against the rest, with pointwise
//! 95 % intervals; part of `metrics.json` and `crossval.json`.
//!
//! Every point is a proportion of images. Its interval is Wilson's, with the number of patients
//! on these images as the sample size.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::metrics::{self, Rate, UndefinedMetric};

/// Largest number of points per curve; longer curves are thinned evenly and keep both ends.
const MAX_POINTS: usize = 1000;
/// Number of equal-width bins of the calibration curve.
const BINS: usize = 10;

/// One class against the rest for all images; slices of equal length.
#[derive(Clone, Copy)]
pub struct OneVsRest<'a> {
    /// Whether the image has the class.
    pub truth: &'a [bool],
    /// Predicted probability of the class.
    pub scores: &'a [f64],
    /// Index of the patient.
    pub patients: &'a [usize],
}

/// Receiver operating characteristic, from the highest threshold down. Equals scikit-learn's
/// `roc_curve(…, drop_intermediate=False)`, thinned to 1000 points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RocCurve {
    /// False positive rate: 1 - specificity.
    pub fpr: Vec<f64>,
    /// True positive rate: sensitivity.
    pub tpr: Vec<f64>,
    /// Lower end of the interval of the sensitivity.
    pub low: Vec<f64>,
    /// Upper end of that interval.
    pub high: Vec<f64>,
    /// Lowest probability at which an image is predicted positive; none at the first point,
    /// where no image is.
    pub thresholds: Vec<Option<f64>>,
}

/// Precision-recall curve, from the lowest threshold up. Equals scikit-learn's
/// `precision_recall_curve`, thinned to 1000 points. The last point (precision 1, recall 0) has
/// no threshold, and the interval from 1 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallCurve {
    /// Positive predictive value.
    pub precision: Vec<f64>,
    /// Sensitivity.
    pub recall: Vec<f64>,
    /// Lower end of the interval of the precision.
    pub low: Vec<f64>,
    /// Upper end of that interval.
    pub high: Vec<f64>,
    /// Lowest probability at which an image is predicted positive; none at the last point.
    pub thresholds: Vec<Option<f64>>,
}

/// Bin of the calibration curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Lower bound of the probability.
    pub from: f64,
    /// Upper bound of the probability, excluded except in the last bin.
    pub to: f64,
    /// Mean predicted probability; none without images.
    pub predicted: Option<f64>,
    /// Proportion of images with the class.
    pub observed: Rate,
}

impl OneVsRest<'_> {
    /// Returns the ROC curve.
    ///
    /// # Errors
    ///
    /// If there is no image of the class or none of the rest.
    pub fn roc(&self) -> Result<RocCurve, UndefinedMetric> {
        let metrics::Roc { fpr, tpr, thresholds } = metrics::Roc::new(self.truth, self.scores)?;
        let positives = self.truth.iter().filter(|positive| **positive).count();
        let patients =
            count_patients((0..self.truth.len()).filter(|i| self.truth[*i]), self.patients);
        let interval = |i: usize| {
            let hits = (tpr[i] * positives as f64).round() as u64;
            Rate::new(hits, positives as u64).with_effective_sample_size(patients)
        };
        let points = thinned(tpr.len());
        Ok(RocCurve {
            fpr: points.iter().map(|i| fpr[*i]).collect(),
            tpr: points.iter().map(|i| tpr[*i]).collect(),
            low: points.iter().map(|i| interval(*i).low).collect(),
            high: points.iter().map(|i| interval(*i).high).collect(),
            thresholds: points.iter().map(|i| finite(thresholds[*i])).collect(),
        })
    }

    /// Returns the precision-recall curve.
    ///
    /// # Errors
    ///
    /// If there is no image of the class.
    pub fn precision_recall(&self) -> Result<PrecisionRecallCurve, UndefinedMetric> {
        let curve = metrics::PrecisionRecall::new(self.truth, self.scores)?;
        let metrics::PrecisionRecall { precision, recall, thresholds } = curve;
        let mut intervals = self.precision_intervals(&thresholds);
        intervals.push((1.0, 1.0));
        let points = thinned(precision.len());
        Ok(PrecisionRecallCurve {
            precision: points.iter().map(|i| precision[*i]).collect(),
            recall: points.iter().map(|i| recall[*i]).collect(),
            low: points.iter().map(|i| intervals[*i].0).collect(),
            high: points.iter().map(|i| intervals[*i].1).collect(),
            thresholds: points.iter().map(|i| thresholds.get(*i).copied()).collect(),
        })
    }

    /// Returns the interval of the precision at each of the ascending `thresholds`.
    fn precision_intervals(&self, thresholds: &[f64]) -> Vec<(f64, f64)> {
        let mut by_score: Vec<usize> = (0..self.scores.len()).collect();
        by_score.sort_unstable_by(|a, b| self.scores[*b].total_cmp(&self.scores[*a]));
        let mut rest = by_score.into_iter().peekable();
        let (mut hits, mut predicted, mut patients) = (0, 0, BTreeSet::new());
        let mut intervals: Vec<(f64, f64)> = thresholds
            .iter()
            .rev()
            .map(|threshold| {
                while let Some(image) = rest.next_if(|image| self.scores[*image] >= *threshold) {
                    hits += u64::from(self.truth[image]);
                    predicted += 1;
                    patients.insert(self.patients[image]);
                }
                let rate = Rate::new(hits, predicted).with_effective_sample_size(patients.len());
                (rate.low, rate.high)
            })
            .collect();
        intervals.reverse();
        intervals
    }

    /// Returns the calibration curve with ten equal-width bins.
    pub fn calibration(&self) -> Vec<CalibrationBin> {
        let bin_of_score = |score: f64| ((score * BINS as f64) as usize).min(BINS - 1);
        let bin = |bin: usize| {
            let members: Vec<usize> =
                (0..self.scores.len()).filter(|i| bin_of_score(self.scores[*i]) == bin).collect();
            let hits = members.iter().filter(|i| self.truth[**i]).count();
            let sum: f64 = members.iter().map(|i| self.scores[*i]).sum();
            let patients = count_patients(members.iter().copied(), self.patients);
            CalibrationBin {
                from: bin as f64 / BINS as f64,
                to: (bin + 1) as f64 / BINS as f64,
                predicted: (!members.is_empty()).then(|| sum / members.len() as f64),
                observed: Rate::new(hits as u64, members.len() as u64)
                    .with_effective_sample_size(patients),
            }
        };
        (0..BINS).map(bin).collect()
    }
}

fn count_patients(images: impl Iterator<Item = usize>, patients: &[usize]) -> usize {
    images.map(|image| patients[image]).collect::<BTreeSet<_>>().len()
}

fn finite(threshold: f64) -> Option<f64> {
    Some(threshold).filter(|t| t.is_finite())
}

/// Returns the positions of the points to write out of `count`.
fn thinned(count: usize) -> Vec<usize> {
    match count {
        0..=MAX_POINTS => (0..count).collect(),
        _ => (0..MAX_POINTS).map(|i| i * (count - 1) / (MAX_POINTS - 1)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_use_the_number_of_patients() {
        // Four positive images of two patients, two negative ones of one patient.
        let curves = OneVsRest {
            truth: &[true, true, true, true, false, false],
            scores: &[0.9, 0.8, 0.7, 0.3, 0.6, 0.2],
            patients: &[0, 0, 1, 1, 2, 2],
        };
        let roc = curves.roc().unwrap();
        assert_eq!(roc.tpr[3], 0.75);
        let expected = Rate::new(3, 4).with_effective_sample_size(2);
        assert_eq!((roc.low[3], roc.high[3]), (expected.low, expected.high));
        assert_eq!((roc.thresholds[0], roc.thresholds[1]), (None, Some(0.9)));
        let pr = curves.precision_recall().unwrap();
        // From 0.6 on: four images of three patients, three of them positive.
        let point = pr.thresholds.iter().position(|t| *t == Some(0.6)).unwrap();
        let expected = Rate::new(3, 4).with_effective_sample_size(3);
        assert_eq!(
            (pr.precision[point], pr.low[point], pr.high[point]),
            (0.75, expected.low, expected.high)
        );
        let bins = curves.calibration();
        assert_eq!(bins.len(), BINS);
        assert_eq!(
            (bins[9].observed.hits, bins[9].observed.of, bins[9].predicted),
            (1, 1, Some(0.9))
        );
        assert_eq!((bins[0].observed.of, bins[0].predicted), (0, None));
    }

    #[test]
    fn long_curves_keep_their_ends() {
        for count in [1, 2, MAX_POINTS, MAX_POINTS + 1, 123_456] {
            let points = thinned(count);
            assert_eq!((points[0], *points.last().unwrap()), (0, count - 1));
            assert_eq!(points.len(), count.min(MAX_POINTS));
            assert!(points.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
