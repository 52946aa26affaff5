//! Decision thresholds: Youden's J, and a given sensitivity.

use super::{Roc, UndefinedMetric};

/// Threshold with the sensitivity and specificity on the images it was chosen on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// An image is predicted positive if its score is at least the threshold.
    pub threshold: f64,
    /// Proportion of positive images predicted positive.
    pub sensitivity: f64,
    /// Proportion of negative images predicted negative.
    pub specificity: f64,
}

impl OperatingPoint {
    /// Youden's J (1950): sensitivity + specificity - 1, from -1 to 1.
    pub fn j(&self) -> f64 {
        self.sensitivity + self.specificity - 1.0
    }
}

/// Threshold with the highest Youden's J; the highest threshold wins ties. Choose it on
/// training images only. `truth` and `scores` are `[images]`.
///
/// # Errors
///
/// If no image is positive or no image is negative, or a score is not finite.
pub fn youden_threshold(truth: &[bool], scores: &[f64]) -> Result<OperatingPoint, UndefinedMetric> {
    let best = operating_points(truth, scores)?
        .into_iter()
        .reduce(|best, point| if point.j() > best.j() { point } else { best });
    best.ok_or(UndefinedMetric::NoImages)
}

/// Highest threshold with a sensitivity of at least `wanted` (0 to 1); its specificity is
/// the highest possible. Choose it on training images only.
///
/// # Errors
///
/// If no image is positive or no image is negative, or a score is not finite.
///
/// # Panics
///
/// If `wanted` is not in [0, 1].
pub fn threshold_for_sensitivity(
    truth: &[bool],
    scores: &[f64],
    wanted: f64,
) -> Result<OperatingPoint, UndefinedMetric> {
    assert!((0.0..=1.0).contains(&wanted), "sensitivity must be in [0, 1], got {wanted}");
    let points = operating_points(truth, scores)?;
    points.into_iter().find(|point| point.sensitivity >= wanted).ok_or(UndefinedMetric::NoImages)
}

/// One point per distinct score, in descending order.
fn operating_points(
    truth: &[bool],
    scores: &[f64],
) -> Result<Vec<OperatingPoint>, UndefinedMetric> {
    let Roc { fpr, tpr, thresholds } = Roc::new(truth, scores)?;
    let point = |i: usize| OperatingPoint {
        threshold: thresholds[i],
        sensitivity: tpr[i],
        specificity: 1.0 - fpr[i],
    };
    Ok((1..thresholds.len()).map(point).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sensitivity_and_specificity(images: &[(bool, f64)], threshold: f64) -> (f64, f64) {
        let recall = |class: bool| {
            let predicted: Vec<bool> =
                images.iter().filter(|i| i.0 == class).map(|i| i.1 >= threshold).collect();
            predicted.iter().filter(|p| **p == class).count() as f64 / predicted.len() as f64
        };
        (recall(true), recall(false))
    }

    proptest! {
        /// Compared with an exhaustive search over all scores.
        #[test]
        fn chosen_thresholds_are_optimal(samples in prop::collection::vec((any::<bool>(), 0..9u8), 2..40), wanted in 0.0..=1.0) {
            let images: Vec<(bool, f64)> = samples.iter().map(|&(t, s)| (t, f64::from(s) / 8.0)).collect();
            let (truth, scores): (Vec<bool>, Vec<f64>) = images.iter().copied().unzip();
            prop_assume!(truth.contains(&true) && truth.contains(&false));
            let best = youden_threshold(&truth, &scores).unwrap();
            let safe = threshold_for_sensitivity(&truth, &scores, wanted).unwrap();
            for point in [best, safe] {
                let (sensitivity, specificity) = sensitivity_and_specificity(&images, point.threshold);
                prop_assert_eq!(point.sensitivity, sensitivity);
                prop_assert!((point.specificity - specificity).abs() < 1e-12);
            }
            prop_assert!(safe.sensitivity >= wanted);
            for &score in &scores {
                let (sensitivity, specificity) = sensitivity_and_specificity(&images, score);
                prop_assert!(sensitivity + specificity - 1.0 <= best.j() + 1e-12);
                prop_assert!(sensitivity < wanted || score <= safe.threshold);
            }
        }
    }

    #[test]
    fn one_class_has_no_threshold() {
        assert_eq!(youden_threshold(&[true, true], &[0.1, 0.2]), Err(UndefinedMetric::NoNegatives));
        assert_eq!(
            threshold_for_sensitivity(&[false], &[0.1], 0.9),
            Err(UndefinedMetric::NoPositives)
        );
    }
}
