use ndarray::{Array2, ArrayView2};

use super::{Undefined, finite};

/// Temperature scaling (Guo et al. 2017): one number that divides the
/// logarithms of all probabilities before they are made to add up to 1 again.
/// Above 1 it makes the classifier less sure; the class it names stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Temperature(pub f64);

impl Temperature {
    /// The temperature with the lowest log loss on these films, which must not
    /// be the films it is then judged on. `truth` is `[films]`, `probabilities`
    /// `[films, classes]`, read as at least the epsilon of `f64`.
    pub fn fit(truth: &[usize], probabilities: ArrayView2<f64>) -> Result<Self, Undefined> {
        const LARGEST: f64 = 100.0;
        assert_eq!(truth.len(), probabilities.nrows(), "a row of probabilities for each film");
        if truth.is_empty() {
            return Err(Undefined::NoFilms);
        }
        finite(probabilities)?;
        let logits = logits(probabilities);
        // The loss is convex in 1 / temperature: its slope rises and changes sign once.
        let slope = |inverse: f64| -> f64 {
            let films = truth.iter().zip(logits.outer_iter());
            films
                .map(|(&t, z)| {
                    expectation(z.as_slice().expect("rows are contiguous"), inverse) - z[t]
                })
                .sum()
        };
        let (mut low, mut high) = (1.0 / LARGEST, LARGEST);
        if slope(low) >= 0.0 || slope(high) <= 0.0 {
            return Err(Undefined::NoTemperature);
        }
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return Ok(Self(1.0 / middle));
            }
            if slope(middle) < 0.0 { low = middle } else { high = middle }
        }
    }

    /// The scaled probabilities `[films, classes]`.
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
    let natural = |p: &f64| p.max(f64::EPSILON).ln();
    let values = probabilities.iter().map(natural).collect();
    Array2::from_shape_vec(probabilities.dim(), values).expect("as many values as before")
}

/// The mean of `logits` under the probabilities they give at `1 / inverse`.
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
    fn equals_a_minimiser_of_scipy() {
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
    fn says_where_none_fits() {
        let p = arr2(&[[0.9, 0.1], [0.2, 0.8]]);
        assert_eq!(Temperature::fit(&[0, 1], p.view()), Err(Undefined::NoTemperature));
        assert_eq!(Temperature::fit(&[1, 0], p.view()), Err(Undefined::NoTemperature));
        assert_eq!(Temperature::fit(&[], Array2::zeros((0, 2)).view()), Err(Undefined::NoFilms));
    }
}
