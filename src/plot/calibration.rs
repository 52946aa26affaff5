//! Reliability: are probabilities what they say?

use super::axis::Axis;
use super::canvas::{Canvas, Marker, Rect, Stroke};
use super::legend::{self, Corner, Key, legend};
use super::panel::{PLAIN, Panel, heading};
use super::theme::{BLUE, MUTED, WHITE, mixed};
use super::{Estimate, Figure, counted};

/// Films whose predicted probability falls between two values.
#[derive(Clone, Debug)]
pub struct Bin {
    /// Least probability of the bin.
    pub from: f64,
    /// Greatest probability of the bin.
    pub to: f64,
    /// Number of films.
    pub count: usize,
    /// Mean predicted probability of its films; unused without any.
    pub predicted: f64,
    /// Share of positive films with its interval; unused without any.
    pub observed: Estimate,
}

/// Observed against predicted probability, over a histogram of the predictions.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Name of the positive class.
    pub positive: String,
    /// The bins, ascending.
    pub bins: Vec<Bin>,
    /// Measures of the miscalibration, such as `("Brier score", 0.08)`.
    pub summary: Vec<(String, f64)>,
}

const HISTOGRAM: f64 = 105.0;

impl Calibration {
    fn films(&self) -> usize {
        self.bins.iter().map(|bin| bin.count).sum()
    }

    fn summary(&self) -> String {
        self.summary.iter().map(|(name, value)| format!(", {name} {value:.3}")).collect()
    }
}

impl Figure for Calibration {
    fn name(&self) -> &str {
        "calibration"
    }

    fn size(&self) -> (u32, u32) {
        (520, 664)
    }

    fn title(&self) -> String {
        "Calibration".into()
    }

    fn description(&self) -> String {
        let bins: Vec<_> = self
            .bins
            .iter()
            .filter(|bin| bin.count > 0)
            .map(|bin| {
                format!(
                    "predicted {:.2}, observed {:.2} of {}",
                    bin.predicted, bin.observed.value, bin.count
                )
            })
            .collect();
        format!("Predicted and observed share of {}: {}.", self.positive, bins.join("; "))
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let films = counted(self.films(), "film");
        let note = format!("{films}{}; positive class: {}", self.summary(), self.positive);
        let space = heading(canvas, &self.title(), &note);
        let split = space.y1 - HISTOGRAM - 45.0;
        let upper = Rect { y1: split, ..space };
        let share = format!("Observed share of {}", self.positive);
        let panel = Panel::square(canvas, upper, Axis::unit(""), Axis::unit(&share), &PLAIN);

        let ideal = Stroke::new(MUTED, 1.4).dashed();
        panel.line(canvas, &[(0.0, 0.0), (1.0, 1.0)], &ideal);
        let filled = || self.bins.iter().filter(|bin| bin.count > 0);
        let points: Vec<_> = filled().map(|bin| (bin.predicted, bin.observed.value)).collect();
        let stroke = Stroke::new(BLUE, 1.6);
        if points.len() > 1 {
            panel.line(canvas, &points, &stroke);
        }
        for bin in filled() {
            let low = panel.at(bin.predicted, bin.observed.low);
            let high = panel.at(bin.predicted, bin.observed.high);
            canvas.line(&[low, high], &stroke);
            for (x, y) in [low, high] {
                canvas.line(&[(x - 4.0, y), (x + 4.0, y)], &stroke);
            }
        }
        for &(x, y) in &points {
            canvas.marker(panel.at(x, y), 4.5, Marker::Disc, BLUE);
        }
        let entries = [
            (Key::Point(Marker::Disc, BLUE), "bin, with 95 % interval".to_owned()),
            (Key::Line(ideal), "perfectly calibrated".to_owned()),
        ];
        legend(canvas, panel.area, Corner::UpperLeft, &legend::PLAIN, &entries);
        self.histogram(canvas, panel.area, space.y1);
    }
}

impl Calibration {
    /// Bars of the bins' counts below the panel at `above`, down to `bottom`.
    fn histogram(&self, canvas: &mut Canvas<'_>, above: Rect, bottom: f64) {
        let most = self.bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1) as f64;
        let area = Rect { y0: above.y1 + 30.0, y1: bottom - 34.0, ..above };
        let x = Axis::unit(&format!("Predicted probability of {}", self.positive));
        let y = Axis::new(0.0, 1.08 * most, 3, "Films").whole(3);
        let panel = Panel::on(canvas, area, x, y, &PLAIN);
        for bin in self.bins.iter().filter(|bin| bin.count > 0) {
            let (x0, y0) = panel.at(bin.from, bin.count as f64);
            let (x1, y1) = panel.at(bin.to, 0.0);
            let bar = Rect { x0: x0 + 1.0, y0, x1: x1 - 1.0, y1 };
            canvas.rect(bar, mixed(WHITE, BLUE, 0.6));
        }
    }
}
