//! Precision against recall.

use super::axis::Axis;
use super::canvas::{Canvas, Marker, Stroke};
use super::legend::{self, Corner, Key, legend};
use super::panel::{PLAIN, Panel, heading};
use super::theme::{BLUE, MUTED, VERMILLION, faded};
use super::{Estimate, Figure};

/// Precision against sensitivity over all thresholds.
#[derive(Clone, Debug)]
pub struct PrecisionRecall {
    /// Name of the positive class.
    pub positive: String,
    /// `(recall, precision)`, recall ascending; drawn as steps, since precision
    /// between two thresholds is not on a straight line.
    pub curve: Vec<(f64, f64)>,
    /// Average precision.
    pub average: Estimate,
    /// `(recall, low, high)` of the confidence band, if known.
    pub band: Option<Vec<(f64, f64, f64)>>,
    /// Share of positive films: the precision of chance.
    pub prevalence: f64,
    /// `(recall, precision)` at the threshold in use.
    pub operating: Option<(f64, f64)>,
}

impl Figure for PrecisionRecall {
    fn name(&self) -> &str {
        "precision-recall"
    }

    fn size(&self) -> (u32, u32) {
        (520, 548)
    }

    fn title(&self) -> String {
        "Precision and recall".into()
    }

    fn description(&self) -> String {
        format!(
            "Precision against recall for {}; average precision {}, where chance is {:.2}.",
            self.positive,
            self.average.text(),
            self.prevalence
        )
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let average = self.average.text();
        let note = format!("Average precision {average}; positive class: {}", self.positive);
        let space = heading(canvas, &self.title(), &note);
        let x = Axis::unit("Recall (sensitivity)");
        let y = Axis::unit("Precision (positive predictive value)");
        let panel = Panel::square(canvas, space, x, y, &PLAIN);

        let mut entries = Vec::new();
        if let Some(band) = &self.band {
            let fill = faded(BLUE, 0.18);
            let band: Vec<_> = band.iter().map(|&(x, low, high)| (x, (low, high))).collect();
            let band = steps(&band).into_iter().map(|(x, (low, high))| (x, low, high));
            panel.band(canvas, &band.collect::<Vec<_>>(), fill);
            entries.push((Key::Patch(fill), "95 % confidence band".to_owned()));
        }
        let chance = Stroke::new(MUTED, 1.4).dashed();
        panel.line(canvas, &[(0.0, self.prevalence), (1.0, self.prevalence)], &chance);
        let stroke = Stroke::new(BLUE, 2.4);
        panel.line(canvas, &steps(&self.curve), &stroke);
        entries.insert(0, (Key::Line(stroke), "model".to_owned()));
        let share = format!("chance (prevalence {:.2})", self.prevalence);
        entries.push((Key::Line(chance), share));
        if let Some((x, y)) = self.operating {
            canvas.marker(panel.at(x, y), 5.0, Marker::Diamond, VERMILLION);
            entries.push((Key::Point(Marker::Diamond, VERMILLION), "threshold in use".to_owned()));
        }
        legend(canvas, panel.area, Corner::LowerLeft, &legend::PLAIN, &entries);
    }
}

/// Holds each precision back to the recall before it, as average precision does.
fn steps<T: Copy>(curve: &[(f64, T)]) -> Vec<(f64, T)> {
    let mut points = Vec::with_capacity(2 * curve.len());
    let mut before = None;
    for &(recall, precision) in curve {
        points.extend(before.map(|before| (before, precision)));
        points.push((recall, precision));
        before = Some(recall);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_steps_at_each_recall() {
        let curve = [(0.0, 1.0), (0.5, 1.0), (1.0, 0.5)];
        let expected = [(0.0, 1.0), (0.0, 1.0), (0.5, 1.0), (0.5, 0.5), (1.0, 0.5)];
        assert_eq!(steps(&curve), expected);
    }
}
