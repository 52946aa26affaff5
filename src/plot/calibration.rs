//! Reliability: are probabilities what they say?

use super::Figure;
use super::axis::Axis;
use super::canvas::{Canvas, Marker, Rect, Stroke};
use super::curves::{has_band, stroke};
use super::legend::{self, Corner, Key, legend};
use super::panel::{PLAIN, Panel, heading};
use super::theme::{MUTED, WHITE, mixed};
use crate::metrics::{Estimate, Rate};

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

const HISTOGRAM: f64 = 105.0;

impl Figure for Calibration {
    fn name(&self) -> &str {
        "calibration"
    }

    fn size(&self) -> (u32, u32) {
        (520, 664)
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

    fn draw(&self, canvas: &mut Canvas<'_>) {
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
        let space = heading(canvas, &self.title(), &note);
        let split = space.y1 - HISTOGRAM - 45.0;
        let upper = Rect { y1: split, ..space };
        let panel = Panel::square(canvas, upper, Axis::unit(""), Axis::unit(&label), &PLAIN);

        let ideal = Stroke::new(MUTED, 1.4).dashed();
        panel.line(canvas, &[(0.0, 0.0), (1.0, 1.0)], &ideal);
        let count = self.classes.len();
        let mut entries = Vec::new();
        for (i, class) in self.classes.iter().enumerate() {
            let stroke = Stroke { width: 1.6, ..stroke(i, count) };
            let points: Vec<_> = class.filled().map(|(bin, y)| (bin.predicted, y)).collect();
            if points.len() > 1 {
                panel.line(canvas, &points, &stroke);
            }
            for (bin, _) in class.filled().filter(|_| has_band(count)) {
                let low = panel.at(bin.predicted, bin.observed.low);
                let high = panel.at(bin.predicted, bin.observed.high);
                let whisker = Stroke { dash: &[], ..stroke };
                canvas.line(&[low, high], &whisker);
                for (x, y) in [low, high] {
                    canvas.line(&[(x - 4.0, y), (x + 4.0, y)], &whisker);
                }
            }
            for &(x, y) in &points {
                canvas.marker(panel.at(x, y), 4.5, Marker::Disc, stroke.color);
            }
            let name = match count {
                1 => "bin, with 95 % interval".to_owned(),
                _ => legend::PLAIN.text().fit(&class.class, 200.0),
            };
            entries.push((Key::Point(Marker::Disc, stroke.color), name));
        }
        entries.push((Key::Line(ideal), "perfectly calibrated".to_owned()));
        legend(canvas, panel.area, Corner::UpperLeft, &legend::PLAIN, &entries);
        self.histogram(canvas, panel.area, space.y1);
    }
}

impl Calibration {
    /// Bars of the bins' counts below the panel at `above`, down to `bottom`; classes
    /// stand side by side in a bin.
    fn histogram(&self, canvas: &mut Canvas<'_>, above: Rect, bottom: f64) {
        let bins = self.classes.iter().flat_map(|class| &class.bins);
        let most = bins.map(Bin::count).max().unwrap_or(0).max(1) as f64;
        let area = Rect { y0: above.y1 + 30.0, y1: bottom - 34.0, ..above };
        let label = match &self.classes[..] {
            [one] => format!("Predicted probability of {}", one.class),
            _ => "Predicted probability of the class".to_owned(),
        };
        let y = Axis::new(0.0, 1.08 * most, 3, "Predictions").whole(3);
        let panel = Panel::on(canvas, area, Axis::unit(&label), y, &PLAIN);
        let count = self.classes.len();
        for (i, class) in self.classes.iter().enumerate() {
            let color = mixed(WHITE, stroke(i, count).color, 0.6);
            for bin in class.bins.iter().filter(|bin| bin.count() > 0) {
                let width = (bin.to - bin.from) / count as f64;
                let from = bin.from + i as f64 * width;
                let (x0, y0) = panel.at(from, bin.count() as f64);
                let (x1, y1) = panel.at(from + width, 0.0);
                let gap = if count == 1 { 1.0 } else { 0.3 };
                canvas.rect(Rect { x0: x0 + gap, y0, x1: x1 - gap, y1 }, color);
            }
        }
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
