//! One axis: its range, its ticks and its label.

/// A range of values, the values that get a tick, and what they are.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Value at the left or lower end.
    pub min: f64,
    /// Value at the right or upper end.
    pub max: f64,
    /// Values with their labels, ascending.
    pub ticks: Vec<(f64, String)>,
    /// What is measured, with its unit; may be empty.
    pub label: String,
}

impl Axis {
    /// An axis over all finite `values`, five per cent wider at both ends as
    /// matplotlib draws it, with about `count` round ticks.
    pub fn over(values: impl Iterator<Item = f64>, count: usize, label: &str) -> Self {
        let (low, high) = values
            .filter(|v| v.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = match high - low {
            span if span > 0.0 => (low - 0.05 * span, high + 0.05 * span),
            0.0 => (low - 0.5, high + 0.5),
            _ => (0.0, 1.0),
        };
        Self::new(low, high, count, label)
    }

    /// An axis from `min` to `max` with about `count` round ticks.
    pub fn new(min: f64, max: f64, count: usize, label: &str) -> Self {
        Self { min, max, ticks: ticks(min, max, step(max - min, count)), label: label.into() }
    }

    /// The same for values that are whole numbers.
    pub fn whole(self, count: usize) -> Self {
        let step = step(self.max - self.min, count).max(1.0).ceil();
        Self { ticks: ticks(self.min, self.max, step), ..self }
    }

    /// An axis from 0 to 1 with a tick every 0.2, for shares and probabilities.
    pub fn unit(label: &str) -> Self {
        Self { min: 0.0, max: 1.0, ticks: ticks(0.0, 1.0, 0.2), label: label.into() }
    }

    /// Where `value` lies between the ends: 0 at `min`, 1 at `max`.
    pub fn share(&self, value: f64) -> f64 {
        (value - self.min) / (self.max - self.min)
    }
}

/// The smallest of 1, 2, 2.5, 5 x 10^k that makes at most `count` steps of `span`.
fn step(span: f64, count: usize) -> f64 {
    let rough = span / count as f64;
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 2.5, 5.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|&step| step >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

fn ticks(min: f64, max: f64, step: f64) -> Vec<(f64, String)> {
    let slack = 1e-9;
    let first = (min / step - slack).ceil() as i64;
    let last = (max / step + slack).floor() as i64;
    let decimals = (0..=12).find(|&d| is_whole(step * 10f64.powi(d))).unwrap_or(12) as usize;
    (first..=last)
        .map(|i| {
            let value = i as f64 * step;
            (value, format!("{value:.decimals$}").replace('-', "−"))
        })
        .collect()
}

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> String {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(labels(&Axis::unit("")), "0.0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(labels(&Axis::new(-1.2, 25.2, 6, "")), "0 5 10 15 20 25");
        assert_eq!(labels(&Axis::new(0.31, 0.94, 5, "")), "0.4 0.6 0.8");
        assert_eq!(labels(&Axis::new(-0.5, 0.5, 4, "")), "−0.50 −0.25 0.00 0.25 0.50");
    }

    #[test]
    fn whole_axes_have_no_fractions() {
        assert_eq!(labels(&Axis::over([0.0, 2.0].into_iter(), 8, "").whole(8)), "0 1 2");
        assert_eq!(labels(&Axis::over([0.0].into_iter(), 8, "").whole(8)), "0");
    }

    #[test]
    fn values_without_spread_or_none_still_make_an_axis() {
        for values in [vec![], vec![f64::NAN], vec![3.0, 3.0]] {
            let axis = Axis::over(values.into_iter(), 5, "");
            assert!(axis.max > axis.min && !axis.ticks.is_empty(), "{axis:?}");
        }
        let axis = Axis::over([0.0, 10.0].into_iter(), 5, "");
        assert_eq!((axis.min, axis.max), (-0.5, 10.5));
        assert_eq!(axis.share(10.5), 1.0);
    }
}
