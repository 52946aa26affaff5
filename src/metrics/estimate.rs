//! A metric's value with its confidence interval.

use serde::{Deserialize, Serialize};

use super::{Bounds, Method, Rate, ReplacementReason, UndefinedMetric};

/// Value of a metric with its 95 % interval and sample sizes. Computed once, when
/// predictions are evaluated; reports and plots read the stored estimate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Value on all images; `None` if undefined.
    pub value: Option<f64>,
    /// Lower bound of the interval, if there is an interval.
    pub low: Option<f64>,
    /// Upper bound of the interval, if there is an interval.
    pub high: Option<f64>,
    /// Method that computed the interval, if there is an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Reason why the bootstrap interval was replaced, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<ReplacementReason>,
    /// Number of images in the denominator: for a sensitivity, the positive images.
    #[serde(default)]
    pub images: usize,
    /// Number of patients of these images; an image without patient ID counts as one
    /// patient.
    #[serde(default)]
    pub patients: usize,
    /// Reason why the value or the interval is missing; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub undefined: String,
}

impl Estimate {
    /// Creates an estimate with a value but no interval; `undefined` is the reason.
    pub fn without_interval(value: f64, undefined: impl Into<String>) -> Self {
        Self { value: Some(value), undefined: undefined.into(), ..Self::default() }
    }

    /// Creates an estimate without a value.
    pub fn undefined(reason: UndefinedMetric) -> Self {
        Self { undefined: reason.to_string(), ..Self::default() }
    }

    /// Creates an estimate from a value and its interval.
    pub fn bounded(value: f64, bounds: Bounds) -> Self {
        let Bounds { low, high, method, because } = bounds;
        let (low, high, method) = (Some(low), Some(high), Some(method));
        Self { value: Some(value), low, high, method, because, ..Self::default() }
    }

    /// Creates an estimate from a proportion; `method` computed its interval. If the
    /// proportion is undefined, `reason` is stored instead.
    pub fn from_proportion(rate: &Rate, method: Method, reason: UndefinedMetric) -> Self {
        let Some(value) = rate.value else { return Self::undefined(reason) };
        Self::bounded(value, Bounds { low: rate.low, high: rate.high, method, because: None })
    }

    /// Text that follows the interval in reports: its method, and the reason why it is not
    /// the bootstrap's. `None` without an interval.
    pub fn method_text(&self) -> Option<String> {
        let method = self.method?.text();
        Some(match self.because {
            Some(because) => format!("{method}, because {}", because.text()),
            None => method.to_owned(),
        })
    }

    /// Returns this estimate with the numbers of images and patients set.
    #[must_use]
    pub fn of(self, images: usize, patients: usize) -> Self {
        Self { images, patients, ..self }
    }

    /// Lower and upper bound of the interval, if there is an interval.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.low.zip(self.high)
    }

    /// Formats as `0.94 (95 % CI 0.88 to 0.98)` with `digits` decimal places.
    pub fn text(&self, digits: usize) -> String {
        self.format_interval(digits, "95 % CI ")
    }

    /// Formats as `0.94 (0.88 to 0.98)`, for tables whose heading names the interval.
    pub fn brief(&self, digits: usize) -> String {
        self.format_interval(digits, "")
    }

    fn format_interval(&self, digits: usize, label: &str) -> String {
        match (self.value, self.interval()) {
            (None, _) => "undefined".to_owned(),
            (Some(value), None) => format!("{value:.digits$} (no interval)"),
            (Some(value), Some((low, high))) => {
                format!("{value:.digits$} ({label}{low:.digits$} to {high:.digits$})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_formatted_with_their_interval() {
        let all_correct = Rate::new(5, 5);
        let estimate =
            Estimate::from_proportion(&all_correct, Method::Wilson, UndefinedMetric::NoPositives);
        assert_eq!(estimate.text(2), "1.00 (95 % CI 0.57 to 1.00)");
        assert_eq!(estimate.brief(3), "1.000 (0.566 to 1.000)");
        let none = Estimate::from_proportion(
            &Rate::new(0, 0),
            Method::Wilson,
            UndefinedMetric::NoPositives,
        );
        assert_eq!((none.text(2).as_str(), none.interval()), ("undefined", None));
        assert_eq!(none.undefined, "no image is positive");
        assert_eq!(estimate.method_text().unwrap(), "Wilson's method");
        let because = Some(ReplacementReason::AtAnEnd);
        let how = Estimate { method: Some(Method::Newcombe), because, ..estimate }.method_text();
        let stated = "Newcombe's method, because the bootstrap interval reaches 0 or 1";
        assert_eq!(how.as_deref(), Some(stated));
        assert_eq!(none.method_text(), None);
        let without = Estimate::without_interval(1.0, "too few errors");
        assert_eq!(without.text(2), "1.00 (no interval)");
    }
}
