use serde::{Deserialize, Serialize};

/// The 97.5 % quantile of the standard normal distribution.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// A share of films, with its 95 % interval after Wilson (1927), equal to
/// scipy's `binomtest(hits, of).proportion_ci(0.95, "wilson")`.
///
/// Serialises to `{value, low, high, hits, of}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// `hits / of`; none where `of` is 0.
    pub value: Option<f64>,
    /// Lower end of the interval; 0 where `of` is 0.
    pub low: f64,
    /// Upper end of the interval; 1 where `of` is 0.
    pub high: f64,
    /// Films that count.
    pub hits: u64,
    /// Films in question.
    pub of: u64,
}

impl Rate {
    /// `hits` out of `of` films.
    ///
    /// # Panics
    ///
    /// If there are more hits than films.
    pub fn new(hits: u64, of: u64) -> Self {
        assert!(hits <= of, "{hits} hits out of {of}");
        if of == 0 {
            return Self { value: None, low: 0.0, high: 1.0, hits, of };
        }
        let value = hits as f64 / of as f64;
        let (low, high) = wilson(value, of as f64);
        Self { value: Some(value), low, high, hits, of }
    }

    /// The same share, with the interval of as many independent witnesses as there are
    /// `groups` of films, one of each patient: on the safe side, since films of one
    /// patient may tell more than one film does.
    pub fn of_groups(self, groups: usize) -> Self {
        let Some(value) = self.value.filter(|_| groups > 0) else { return self };
        let (low, high) = wilson(value, groups as f64);
        Self { low, high, ..self }
    }
}

/// Wilson's 95 % interval of a share `p` of `n`.
pub(super) fn wilson(p: f64, n: f64) -> (f64, f64) {
    let scale = 1.0 / (1.0 + Z * Z / n);
    let centre = scale * (p + Z * Z / (2.0 * n));
    let half = scale * Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let low = if p == 0.0 { 0.0 } else { centre - half };
    let high = if p == 1.0 { 1.0 } else { centre + half };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{Golden, assert_close};

    #[test]
    fn equals_scipy() {
        for case in Golden::load().wilson {
            let rate = Rate::new(case.hits, case.of);
            assert_close(rate.low, case.low.0, 1e-15);
            assert_close(rate.high, case.high.0, 1e-15);
        }
    }

    #[test]
    fn nothing_is_known_of_no_films() {
        let rate = Rate::new(0, 0);
        assert_eq!((rate.value, rate.low, rate.high), (None, 0.0, 1.0));
    }

    #[test]
    fn films_of_few_patients_tell_as_little_as_the_patients() {
        let rate = Rate::new(29, 30).of_groups(18);
        assert_eq!((rate.value, rate.hits, rate.of), (Some(29.0 / 30.0), 29, 30));
        assert_close(rate.low, 0.773_217_128_978_401_1, 1e-12);
        assert_close(rate.high, 0.995_962_262_284_718_6, 1e-12);
        assert_eq!(Rate::new(29, 30).of_groups(30), Rate::new(29, 30));
        assert_eq!(Rate::new(0, 0).of_groups(0), Rate::new(0, 0));
    }

    #[test]
    fn serialises_to_five_fields() {
        let text = serde_json::to_string(&Rate::new(5, 5)).unwrap();
        assert_eq!(text, r#"{"value":1.0,"low":0.5655175352168254,"high":1.0,"hits":5,"of":5}"#);
    }
}
