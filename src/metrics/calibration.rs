//! Calibration metrics: Brier score, log loss, reliability diagram, expected calibration error.

use ndarray::ArrayView2;

use super::{UndefinedMetric, check_finite, pairwise_sum, predicted, summation::mean};

/// Brier score (1950): mean squared difference between the probability of the
/// positive class and the outcome, from 0 (best) to 1. `truth` and `probabilities`
/// are `[images]`. Equals scikit-learn's `brier_score_loss`.
///
/// # Errors
///
/// If there are no images, or a probability is not finite.
pub fn brier(truth: &[bool], probabilities: &[f64]) -> Result<f64, UndefinedMetric> {
    assert_eq!(truth.len(), probabilities.len(), "one probability per image");
    check_finite(probabilities)?;
    let squared_error = |(t, p): (&bool, &f64)| {
        let (t, p) = (f64::from(u8::from(*t)), *p);
        ((1.0 - t) - (1.0 - p)).powi(2) + (t - p).powi(2)
    };
    let squares: Vec<f64> = truth.iter().zip(probabilities).map(squared_error).collect();
    if squares.is_empty() { Err(UndefinedMetric::NoImages) } else { Ok(0.5 * mean(&squares)) }
}

/// Multiclass Brier score: squared error summed over the classes, averaged over the
/// images, from 0 (best) to 2. With two classes it is halved and equals [`brier`].
/// `truth` is `[images]`, `probabilities` `[images, classes]`. Equals scikit-learn's
/// `brier_score_loss` of a matrix.
///
/// # Errors
///
/// If there are no images, or a probability is not finite.
pub fn brier_multiclass(
    truth: &[usize],
    probabilities: ArrayView2<f64>,
) -> Result<f64, UndefinedMetric> {
    assert_eq!(truth.len(), probabilities.nrows(), "one row of probabilities per image");
    check_finite(probabilities)?;
    let square = |(&t, row): (&usize, ndarray::ArrayView1<f64>)| {
        let distance = |(class, p): (usize, &f64)| (f64::from(u8::from(class == t)) - p).powi(2);
        row.iter().enumerate().map(distance).sum()
    };
    let squares: Vec<f64> = truth.iter().zip(probabilities.outer_iter()).map(square).collect();
    let scale = if probabilities.ncols() < 3 { 0.5 } else { 1.0 };
    if squares.is_empty() { Err(UndefinedMetric::NoImages) } else { Ok(scale * mean(&squares)) }
}

/// Log loss: mean of `-ln p` over the images, where `p` is the probability of the
/// true class, clipped to [ε, 1 - ε] with ε = `f64::EPSILON`. `truth` is `[images]`,
/// `probabilities` `[images, classes]`. Equals scikit-learn's `log_loss`.
///
/// # Errors
///
/// If there are no images, or a probability is not finite.
pub fn log_loss(truth: &[usize], probabilities: ArrayView2<f64>) -> Result<f64, UndefinedMetric> {
    assert_eq!(truth.len(), probabilities.nrows(), "one row of probabilities per image");
    check_finite(probabilities)?;
    let negative_log = |(i, &t): (usize, &usize)| {
        -probabilities[[i, t]].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
    };
    let losses: Vec<f64> = truth.iter().enumerate().map(negative_log).collect();
    if losses.is_empty() { Err(UndefinedMetric::NoImages) } else { Ok(mean(&losses)) }
}

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Number of images, at least 1.
    pub images: usize,
    /// Mean confidence of these images.
    pub confidence: f64,
    /// Proportion of these images that are correctly classified.
    pub accuracy: f64,
}

/// Reliability diagram: images grouped by confidence (probability of the predicted
/// class) into `bins` bins of equal width; empty bins are left out. `truth` is
/// `[images]`, `probabilities` `[images, classes]`, in [0, 1].
///
/// # Errors
///
/// If a probability is not finite.
///
/// # Panics
///
/// If `bins` is 0.
pub fn reliability(
    truth: &[usize],
    probabilities: ArrayView2<f64>,
    bins: usize,
) -> Result<Vec<Bin>, UndefinedMetric> {
    assert_eq!(truth.len(), probabilities.nrows(), "one row of probabilities per image");
    assert!(bins > 0, "at least one bin");
    check_finite(probabilities)?;
    let mut images_by_bin = vec![(vec![], 0); bins];
    for (i, (&t, predicted_class)) in truth.iter().zip(predicted(probabilities)).enumerate() {
        let confidence = probabilities[[i, predicted_class]];
        let (confidences, correct) =
            &mut images_by_bin[((confidence * bins as f64) as usize).min(bins - 1)];
        confidences.push(confidence);
        *correct += usize::from(predicted_class == t);
    }
    let filled = images_by_bin.into_iter().filter(|(confidences, _)| !confidences.is_empty());
    Ok(filled
        .map(|(confidences, correct)| Bin {
            images: confidences.len(),
            confidence: mean(&confidences),
            accuracy: correct as f64 / confidences.len() as f64,
        })
        .collect())
}

/// Expected calibration error (Guo et al. 2017), from 0 to 1: mean over the images of
/// the difference between confidence and accuracy of their [`reliability`] bin.
///
/// # Errors
///
/// If there are no images, or a probability is not finite.
///
/// # Panics
///
/// If `bins` is 0.
pub fn expected_calibration_error(
    truth: &[usize],
    probabilities: ArrayView2<f64>,
    bins: usize,
) -> Result<f64, UndefinedMetric> {
    if truth.is_empty() {
        return Err(UndefinedMetric::NoImages);
    }
    let weighted = |bin: &Bin| bin.images as f64 * (bin.confidence - bin.accuracy).abs();
    let errors: Vec<f64> = reliability(truth, probabilities, bins)?.iter().map(weighted).collect();
    Ok(pairwise_sum(&errors) / truth.len() as f64)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr2};

    use super::*;
    use crate::metrics::golden::{Golden, assert_close};

    #[test]
    fn calibration_metrics_equal_scikit_learn() {
        for case in Golden::load().predictions {
            let p = case.probabilities();
            assert_close(log_loss(&case.y, p.view()).unwrap(), case.number("log_loss"), 1e-15);
            assert_close(
                brier_multiclass(&case.y, p.view()).unwrap(),
                case.number("brier_multiclass"),
                1e-15,
            );
            let ece = expected_calibration_error(&case.y, p.view(), 15).unwrap();
            assert_close(ece, case.number("ece_15"), 1e-14);
            if case.classes == 2 {
                let covid: Vec<bool> = case.y.iter().map(|y| *y == 0).collect();
                assert_eq!(brier(&covid, &p.column(0).to_vec()), Ok(case.number("brier")));
            }
        }
    }

    #[test]
    fn reliability_groups_images_by_confidence() {
        let p = arr2(&[[1.0, 0.0], [0.9, 0.1], [0.35, 0.65], [0.5, 0.5]]);
        let bins = reliability(&[0, 1, 1, 0], p.view(), 2).unwrap();
        assert_eq!(bins.len(), 1);
        assert_eq!((bins[0].images, bins[0].accuracy), (4, 0.75));
        assert_close(bins[0].confidence, 3.05 / 4.0, 1e-15);
        assert_eq!(reliability(&[0, 1, 1, 0], p.view(), 10).unwrap().len(), 3);
    }

    #[test]
    fn log_loss_of_a_certain_error_is_finite() {
        let loss = log_loss(&[1], arr2(&[[1.0, 0.0]]).view()).unwrap();
        assert_close(loss, -f64::EPSILON.ln(), 1e-12);
    }

    #[test]
    fn undefined_cases_are_reported() {
        let none = Array2::zeros((0, 2));
        assert_eq!(brier(&[], &[]), Err(UndefinedMetric::NoImages));
        assert_eq!(brier_multiclass(&[], none.view()), Err(UndefinedMetric::NoImages));
        assert_eq!(log_loss(&[], none.view()), Err(UndefinedMetric::NoImages));
        assert_eq!(
            expected_calibration_error(&[], none.view(), 15),
            Err(UndefinedMetric::NoImages)
        );
        assert_eq!(brier(&[true], &[f64::NAN]), Err(UndefinedMetric::NotFinite));
        assert_eq!(
            log_loss(&[0], arr2(&[[f64::NAN, 0.5]]).view()),
            Err(UndefinedMetric::NotFinite)
        );
    }
}
