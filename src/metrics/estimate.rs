use serde::{Deserialize, Serialize};

use super::{Method, Rate, Undefined};

/// A metric's value with its 95 % interval, and what both rest on. It is computed once,
/// where predictions are evaluated; whatever shows it reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Its value on all images; none if it is undefined.
    pub value: Option<f64>,
    /// Lower end of the interval; none if there is none.
    pub low: Option<f64>,
    /// Upper end of the interval; none if there is none.
    pub high: Option<f64>,
    /// How the interval was found; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Images that it is of: of a sensitivity, the positive ones.
    #[serde(default)]
    pub images: usize,
    /// Patients on them; an image of an unknown patient counts as one.
    #[serde(default)]
    pub patients: usize,
    /// Why the value or the interval is missing; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub undefined: String,
}

impl Estimate {
    /// A value without an interval.
    pub fn without_interval(value: f64, undefined: impl Into<String>) -> Self {
        Self { value: Some(value), undefined: undefined.into(), ..Self::default() }
    }

    /// No value, for this reason.
    pub fn undefined(reason: Undefined) -> Self {
        Self { undefined: reason.to_string(), ..Self::default() }
    }

    /// A proportion whose interval was found by `method`; without images it is undefined
    /// for the `reason`.
    pub fn of_rate(rate: &Rate, method: Method, reason: Undefined) -> Self {
        let Some(value) = rate.value else { return Self::undefined(reason) };
        let (low, high) = (Some(rate.low), Some(rate.high));
        Self { value: Some(value), low, high, method: Some(method), ..Self::default() }
    }

    /// The same, of so many images and patients.
    #[must_use]
    pub fn of(self, images: usize, patients: usize) -> Self {
        Self { images, patients, ..self }
    }

    /// Both ends of the interval, if there is one.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.low.zip(self.high)
    }

    /// `0.94 (95 % CI 0.88 to 0.98)`, with so many digits after the point.
    pub fn text(&self, digits: usize) -> String {
        self.with_interval(digits, "95 % CI ")
    }

    /// `0.94 (0.88 to 0.98)`, where it is known what the brackets hold.
    pub fn brief(&self, digits: usize) -> String {
        self.with_interval(digits, "")
    }

    fn with_interval(&self, digits: usize, what: &str) -> String {
        match (self.value, self.interval()) {
            (None, _) => "undefined".to_owned(),
            (Some(value), None) => format!("{value:.digits$} (no interval)"),
            (Some(value), Some((low, high))) => {
                format!("{value:.digits$} ({what}{low:.digits$} to {high:.digits$})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_one_way() {
        let all_correct = Rate::new(5, 5);
        let estimate = Estimate::of_rate(&all_correct, Method::Wilson, Undefined::NoPositives);
        assert_eq!(estimate.text(2), "1.00 (95 % CI 0.57 to 1.00)");
        assert_eq!(estimate.brief(3), "1.000 (0.566 to 1.000)");
        let none = Estimate::of_rate(&Rate::new(0, 0), Method::Wilson, Undefined::NoPositives);
        assert_eq!((none.text(2).as_str(), none.interval()), ("undefined", None));
        assert_eq!(none.undefined, "no film is positive");
        let without = Estimate::without_interval(1.0, "too few errors");
        assert_eq!(without.text(2), "1.00 (no interval)");
    }
}
