//! Temperature scaling of predicted probabilities.

use ndarray::{Array2, ArrayView2};

use super::{UndefinedMetric, check_finite};

/// Temperature of temperature scaling (Guo et al. 2017). The logits (logarithms of the
/// probabilities) are divided by the temperature before the softmax. A temperature above
/// 1 lowers the confidence; the predicted class does not change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Temperature(pub f64);

impl Temperature {
    /// Fits the temperature, in [0.01, 100], that minimises the log loss. Do not evaluate
    /// it on the same images. `truth` is `[images]`, `probabilities` `[images, classes]`,
    /// clipped to at least `f64::EPSILON`.
    ///
    /// # Errors
    ///
    /// If there are no images, a probability is not finite, or the log loss has no minimum
    /// in this range.
    pub fn fit(truth: &[usize], probabilities: ArrayView2<f64>) -> Result<Self, UndefinedMetric> {
        const LARGEST: f64 = 100.0;
        assert_eq!(truth.len(), probabilities.nrows(), "one row of probabilities per image");
        if truth.is_empty() {
            return Err(UndefinedMetric::NoImages);
        }
        check_finite(probabilities)?;
        let logits = logits(probabilities);
        // The loss is convex in 1 / temperature, so its slope has one root: bisection.
        let slope = |inverse: f64| -> f64 {
            let images = truth.iter().zip(logits.outer_iter());
            images
                .map(|(&t, z)| {
                    expectation(z.as_slice().expect("rows are contiguous"), inverse) - z[t]
                })
                .sum()
        };
        let (mut low, mut high) = (1.0 / LARGEST, LARGEST);
        if slope(low) >= 0.0 || slope(high) <= 0.0 {
            return Err(UndefinedMetric::NoTemperature);
        }
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return Ok(Self(1.0 / middle));
            }
            if slope(middle) < 0.0 { low = middle } else { high = middle }
        }
    }

    /// Scales probabilities `[images, classes]`.
    pub fn apply(&self, probabilities: ArrayView2<f64>) -> Array2<f64> {
        let mut scaled = logits(probabilities) / self.0;
        for mut row in scaled.outer_iter_mut() {
            let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.mapv_inplace(|z| (z - highest).exp());
            let sum = row.sum();
            row /= sum;
        }
        scaled
    }
}

fn logits(probabilities: ArrayView2<f64>) -> Array2<f64> {
    let clipped_ln = |p: &f64| p.max(f64::EPSILON).ln();
    let values = probabilities.iter().map(clipped_ln).collect();
    Array2::from_shape_vec(probabilities.dim(), values).expect("as many values as before")
}

/// Mean of `logits`, weighted by their softmax at temperature `1 / inverse`.
fn expectation(logits: &[f64], inverse: f64) -> f64 {
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights = logits.iter().map(|z| ((z - highest) * inverse).exp());
    let (mut sum, mut total) = (0.0, 0.0);
    for (weight, z) in weights.zip(logits) {
        sum += weight * z;
        total += weight;
    }
    sum / total
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;
    use crate::metrics::{
        golden::{Golden, assert_close},
        log_loss, predicted,
    };

    #[test]
    fn fit_equals_the_minimum_found_by_scipy() {
        for case in Golden::load().predictions {
            let p = case.probabilities();
            let temperature = Temperature::fit(&case.y, p.view()).unwrap();
            assert_close(temperature.0, case.number("temperature"), 1e-6 * temperature.0);
            let loss = |t: f64| log_loss(&case.y, Temperature(t).apply(p.view()).view()).unwrap();
            assert!(loss(temperature.0) < loss(temperature.0 * 1.01));
            assert!(loss(temperature.0) < loss(temperature.0 * 0.99));
            let scaled = temperature.apply(p.view());
            assert_eq!(predicted(scaled.view()), predicted(p.view()));
        }
    }

    #[test]
    fn a_temperature_of_one_changes_nothing() {
        let p = arr2(&[[0.25, 0.75], [0.9, 0.1]]);
        let same = Temperature(1.0).apply(p.view());
        same.iter().zip(&p).for_each(|(a, b)| assert_close(*a, *b, 1e-15));
    }

    #[test]
    fn undefined_cases_are_reported() {
        let p = arr2(&[[0.9, 0.1], [0.2, 0.8]]);
        assert_eq!(Temperature::fit(&[0, 1], p.view()), Err(UndefinedMetric::NoTemperature));
        assert_eq!(Temperature::fit(&[1, 0], p.view()), Err(UndefinedMetric::NoTemperature));
        assert_eq!(
            Temperature::fit(&[], Array2::zeros((0, 2)).view()),
            Err(UndefinedMetric::NoImages)
        );
    }
}
