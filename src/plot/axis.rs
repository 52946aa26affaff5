//! An axis: a coordinate of plotters with its ticks and their labels.

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::{RangedCoordf64, RangedCoordi64};
use std::ops::Range;

/// A range of values, and the values that have a tick, with their labels.
#[derive(Clone, Debug)]
pub struct Axis {
    /// From the left or lower to the right or upper end.
    pub range: Range<f64>,
    /// Values and labels.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis with at most `ticks` round ticks.
    pub fn new(range: Range<f64>, ticks: usize) -> Self {
        let values = RangedCoordf64::from(range.clone()).key_points(ticks);
        let step = values.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1.0);
        let is_whole = |value: f64| (value - value.round()).abs() < 1e-6;
        let decimals = (0..=12).find(|&d| is_whole(step * 10f64.powi(d))).unwrap_or(12) as usize;
        let label = |value: f64| (value, format!("{value:.decimals$}"));
        Self { range, ticks: values.into_iter().map(label).collect() }
    }

    /// An axis of whole numbers with at most `ticks` ticks.
    pub fn whole(range: Range<f64>, ticks: usize) -> Self {
        let whole = range.start.ceil() as i64..range.end.floor() as i64;
        let values = RangedCoordi64::from(whole).key_points(ticks);
        let label = |value: i64| (value as f64, value.to_string());
        Self { range, ticks: values.into_iter().map(label).collect() }
    }

    /// An axis from 0 to 1 with a tick every 0.2, for rates and probabilities.
    pub fn unit() -> Self {
        Self::new(0.0..1.0, 6)
    }

    /// An axis of named rows or columns, each 1 wide.
    pub fn named(names: impl IntoIterator<Item = String>) -> Self {
        let names = names.into_iter().enumerate();
        let ticks: Vec<_> = names.map(|(i, name)| (i as f64 + 0.5, name)).collect();
        Self { range: 0.0..ticks.len().max(1) as f64, ticks }
    }

    /// The same from the upper to the lower end.
    pub fn reversed(self) -> Self {
        Self { range: self.range.end..self.range.start, ..self }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range.clone()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // The light points would be ticks between the ticks.
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|(value, _)| *value).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(tick, _)| tick == value);
        tick.map_or_else(String::new, |(_, label)| label.clone())
    }
}

/// The range of all finite `values`, five per cent wider at both ends, as in matplotlib.
pub fn padded(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    match high - low {
        span if span > 0.0 => low - 0.05 * span..high + 0.05 * span,
        0.0 => low - 0.5..high + 0.5,
        _ => 0.0..1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> String {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(labels(&Axis::unit()), "0.0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(labels(&Axis::new(-1.2..25.2, 8)), "0 5 10 15 20 25");
        assert_eq!(labels(&Axis::new(0.31..0.94, 5)), "0.4 0.6 0.8");
        assert_eq!(labels(&Axis::new(-0.5..0.5, 3)), "-0.5 0.0 0.5");
    }

    #[test]
    fn whole_axes_have_no_fractions() {
        assert_eq!(labels(&Axis::whole(padded([0.0, 2.0].into_iter()), 8)), "0 1 2");
        assert_eq!(labels(&Axis::whole(padded([0.0].into_iter()), 8)), "0");
        assert_eq!(labels(&Axis::whole(-1.2..25.2, 8)), "0 5 10 15 20 25");
    }

    #[test]
    fn values_without_spread_or_none_still_make_an_axis() {
        for values in [vec![], vec![f64::NAN], vec![3.0, 3.0]] {
            let axis = Axis::new(padded(values.into_iter()), 5);
            assert!(axis.range.end > axis.range.start && !axis.ticks.is_empty(), "{axis:?}");
        }
        assert_eq!(padded([0.0, 10.0].into_iter()), -0.5..10.5);
    }

    #[test]
    fn rows_run_from_the_upper_end() {
        let rows = Axis::named(["a".to_owned(), "b".to_owned()]).reversed();
        assert_eq!(rows.format_ext(&0.5), "a");
        assert!(rows.map(&0.5, (0, 100)) > rows.map(&1.5, (0, 100)));
    }
}
