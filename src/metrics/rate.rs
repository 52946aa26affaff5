//! A proportion of images with Wilson's confidence interval.

use serde::{Deserialize, Serialize};

/// 97.5 % quantile of the standard normal distribution.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// Proportion of images with Wilson's 95 % interval (1927). Equals scipy's
/// `binomtest(hits, of).proportion_ci(0.95, "wilson")`.
///
/// Serialises to `{value, low, high, hits, of}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// `hits / of`; `None` if `of` is 0.
    pub value: Option<f64>,
    /// Lower bound of the interval; 0 if `of` is 0.
    pub low: f64,
    /// Upper bound of the interval; 1 if `of` is 0.
    pub high: f64,
    /// Numerator: number of images that have the property.
    pub hits: u64,
    /// Denominator: number of images.
    pub of: u64,
}

impl Rate {
    /// Proportion of `hits` among `of` images, with its interval.
    ///
    /// # Panics
    ///
    /// If `hits` is greater than `of`.
    pub fn new(hits: u64, of: u64) -> Self {
        assert!(hits <= of, "{hits} hits out of {of}");
        if of == 0 {
            return Self { value: None, low: 0.0, high: 1.0, hits, of };
        }
        let value = hits as f64 / of as f64;
        let (low, high) = wilson(value, of as f64);
        Self { value: Some(value), low, high, hits, of }
    }

    /// Returns the same proportion with the interval for an effective sample size of
    /// `groups` (patients). This is conservative: the images of a patient carry at least
    /// as much information as one image. Unchanged if `groups` is 0.
    pub fn with_effective_sample_size(self, groups: usize) -> Self {
        let Some(value) = self.value.filter(|_| groups > 0) else { return self };
        let (low, high) = wilson(value, groups as f64);
        Self { low, high, ..self }
    }
}

/// Lower and upper bound of Wilson's 95 % interval of a proportion `p` of `n`.
pub(super) fn wilson(p: f64, n: f64) -> (f64, f64) {
    let scale = 1.0 / (1.0 + Z * Z / n);
    let center = scale * (p + Z * Z / (2.0 * n));
    let half_width = scale * Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let low = if p == 0.0 { 0.0 } else { center - half_width };
    let high = if p == 1.0 { 1.0 } else { center + half_width };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{Golden, assert_close};

    #[test]
    fn wilson_equals_scipy() {
        for case in Golden::load().wilson {
            let rate = Rate::new(case.hits, case.of);
            assert_close(rate.low, case.low.0, 1e-15);
            assert_close(rate.high, case.high.0, 1e-15);
        }
    }

    #[test]
    fn the_interval_of_no_images_is_0_to_1() {
        let rate = Rate::new(0, 0);
        assert_eq!((rate.value, rate.low, rate.high), (None, 0.0, 1.0));
    }

    #[test]
    fn the_interval_widens_with_fewer_patients() {
        let rate = Rate::new(29, 30).with_effective_sample_size(18);
        assert_eq!((rate.value, rate.hits, rate.of), (Some(29.0 / 30.0), 29, 30));
        assert_close(rate.low, 0.773_217_128_978_401_1, 1e-12);
        assert_close(rate.high, 0.995_962_262_284_718_6, 1e-12);
        assert_eq!(Rate::new(29, 30).with_effective_sample_size(30), Rate::new(29, 30));
        assert_eq!(Rate::new(0, 0).with_effective_sample_size(0), Rate::new(0, 0));
    }

    #[test]
    fn serialises_to_five_fields() {
        let text = serde_json::to_string(&Rate::new(5, 5)).unwrap();
        assert_eq!(text, r#"{"value":1.0,"low":0.5655175352168254,"high":1.0,"hits":5,"of":5}"#);
    }
}
