//! The calibration curve (reliability diagram).

use super::Figure;
use super::axis::Axis;
use super::chart::{self, BELOW, Key, PLAIN, Stroke, heading, mesh};
use super::curves::{has_band, stroke};
use super::page::{Area, Drawn, px};
use super::theme::{MUTED, WHITE, mixed};
use crate::metrics::{Estimate, Rate};
use plotters::prelude::*;

/// Predictions whose probability falls between two values.
#[derive(Clone, Debug)]
pub struct Bin {
    /// Least probability of the bin.
    pub from: f64,
    /// Greatest probability of the bin.
    pub to: f64,
    /// Mean predicted probability; unused without predictions.
    pub predicted: f64,
    /// Proportion of positive predictions with its interval.
    pub observed: Rate,
}

impl Bin {
    fn count(&self) -> u64 {
        self.observed.of
    }
}

/// The bins of one class against the rest.
#[derive(Clone, Debug)]
pub struct ClassBins {
    /// Name of the class.
    pub class: String,
    /// The bins, ascending.
    pub bins: Vec<Bin>,
}

impl ClassBins {
    /// Mean predicted and observed proportion of the bins that hold predictions.
    fn filled(&self) -> impl Iterator<Item = (&Bin, f64)> {
        self.bins.iter().filter_map(|bin| Some((bin, bin.observed.value?)))
    }
}

/// Observed against predicted probability, over a histogram of the predictions: of the
/// positive class, or of each of more than two classes against the rest.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// What the predictions are of: `test set, 42 images`.
    pub on: String,
    /// The classes.
    pub classes: Vec<ClassBins>,
    /// Brier score of the positive class, or of all of more than two classes.
    pub brier: Estimate,
}

/// Room to the left of both charts, and to the right, in pixels.
const LEFT: f64 = 54.0;
const RIGHT: f64 = 12.0;
/// Height of the upper chart with its tick labels: it is square.
const UPPER: f64 = 418.0 + 26.0;

impl Figure for Calibration {
    fn name(&self) -> &str {
        "calibration"
    }

    fn size(&self) -> (u32, u32) {
        (520, 666)
    }

    fn title(&self) -> String {
        format!("Calibration: {}", self.on)
    }

    fn description(&self) -> String {
        let class = |class: &ClassBins| {
            let bin = |(bin, observed): (&Bin, f64)| {
                let (predicted, count) = (bin.predicted, bin.count());
                format!("predicted {predicted:.2}, observed {observed:.2} of {count}")
            };
            let bins: Vec<_> = class.filled().map(bin).collect();
            format!("Predicted and observed proportion of {}: {}.", class.class, bins.join("; "))
        };
        self.classes.iter().map(class).collect::<Vec<_>>().join(" ")
    }

    fn draw(&self, page: &Area<'_>) -> Drawn {
        let brier = self.brier.text(3);
        let (note, label) = match &self.classes[..] {
            [one] => (
                format!("Brier score {brier}; positive class: {}", one.class),
                format!("Observed proportion of {}", one.class),
            ),
            _ => (
                format!("Each class against the rest; Brier score of all classes {brier}"),
                "Observed proportion of the class".to_owned(),
            ),
        };
        let (upper, lower) = heading(page, &self.title(), &note)?.split_vertically(px(UPPER));
        let mut chart = ChartBuilder::on(&upper)
            .margin_right(px(RIGHT))
            .x_label_area_size(px(26.0))
            .y_label_area_size(px(LEFT))
            .build_cartesian_2d(Axis::unit(), Axis::unit())?;
        mesh(&mut chart, PLAIN, ["", &label])?.draw()?;

        let ideal = Stroke::new(MUTED, 1.4).dashed();
        chart::line(&mut chart, &[(0.0, 0.0), (1.0, 1.0)], ideal)?;
        let count = self.classes.len();
        let mut entries = Vec::new();
        for (i, class) in self.classes.iter().enumerate() {
            let stroke = Stroke { width: 1.6, ..stroke(i, count) };
            let points: Vec<_> = class.filled().map(|(bin, y)| (bin.predicted, y)).collect();
            if points.len() > 1 {
                chart::line(&mut chart, &points, stroke)?;
            }
            let error_bar = |(bin, y): (&Bin, f64)| {
                let Rate { low, high, .. } = bin.observed;
                ErrorBar::new_vertical(bin.predicted, low, y, high, stroke.style(), px(8.0) as u32)
            };
            chart.draw_series(class.filled().filter(|_| has_band(count)).map(error_bar))?;
            chart.draw_series(PointSeries::<_, _, Circle<_, _>, _>::new(
                points,
                px(4.5),
                stroke.color.filled(),
            ))?;
            let name = match count {
                1 => "bin, with 95 % interval".to_owned(),
                _ => PLAIN.small.fit(&class.class, 200.0),
            };
            entries.push((Key::Dot(stroke.color), name));
        }
        entries.push((Key::Line(ideal), "perfectly calibrated".to_owned()));
        chart::legend(&mut chart, SeriesLabelPosition::UpperLeft, PLAIN, entries)?;
        self.histogram(&lower)
    }
}

impl Calibration {
    /// Bars of the numbers of predictions per bin; the classes are side by side in a bin.
    fn histogram(&self, area: &Area<'_>) -> Drawn {
        let bins = self.classes.iter().flat_map(|class| &class.bins);
        let most = bins.map(Bin::count).max().unwrap_or(0).max(1) as f64;
        let label = match &self.classes[..] {
            [one] => format!("Predicted probability of {}", one.class),
            _ => "Predicted probability of the class".to_owned(),
        };
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(10.0))
            .margin_right(px(RIGHT))
            .x_label_area_size(px(BELOW))
            .y_label_area_size(px(LEFT))
            .build_cartesian_2d(Axis::unit(), Axis::whole(0.0..1.08 * most, 4))?;
        mesh(&mut chart, PLAIN, [&label, "Predictions"])?.draw()?;
        let count = self.classes.len();
        let gap = px(if count == 1 { 1.0 } else { 0.3 }) as u32;
        for (i, class) in self.classes.iter().enumerate() {
            let color = mixed(WHITE, stroke(i, count).color, 0.6);
            let bar = |bin: &Bin| {
                let width = (bin.to - bin.from) / count as f64;
                let from = bin.from + i as f64 * width;
                let corners = [(from, bin.count() as f64), (from + width, 0.0)];
                let mut bar = Rectangle::new(corners, color.filled());
                bar.set_margin(0, 0, gap, gap);
                bar
            };
            chart.draw_series(class.bins.iter().filter(|bin| bin.count() > 0).map(bar))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_bins_are_not_drawn() {
        let bin = |from: f64, hits, of| Bin {
            from,
            to: from + 0.5,
            predicted: from + 0.25,
            observed: Rate::new(hits, of),
        };
        let class = ClassBins { class: "covid".into(), bins: vec![bin(0.0, 0, 0), bin(0.5, 3, 4)] };
        let filled: Vec<_> = class.filled().map(|(bin, y)| (bin.predicted, y)).collect();
        assert_eq!(filled, [(0.75, 0.75)]);
    }
}
