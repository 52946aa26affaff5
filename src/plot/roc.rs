//! The receiver operating characteristic.

use super::axis::Axis;
use super::canvas::{Canvas, Marker, Stroke};
use super::legend::{self, Corner, Key, legend};
use super::panel::{PLAIN, Panel, heading};
use super::theme::{BLUE, MUTED, VERMILLION, faded};
use super::{Estimate, Figure};

/// Sensitivity against false positive rate over all thresholds.
#[derive(Clone, Debug)]
pub struct Roc {
    /// Name of the positive class.
    pub positive: String,
    /// `(false positive rate, sensitivity)` from (0, 0) to (1, 1).
    pub curve: Vec<(f64, f64)>,
    /// Area under the curve.
    pub auc: Estimate,
    /// `(false positive rate, low, high)` of the confidence band, if known.
    pub band: Option<Vec<(f64, f64, f64)>>,
    /// `(false positive rate, sensitivity)` at the threshold in use.
    pub operating: Option<(f64, f64)>,
}

impl Figure for Roc {
    fn name(&self) -> &str {
        "roc"
    }

    fn size(&self) -> (u32, u32) {
        (520, 548)
    }

    fn title(&self) -> String {
        "ROC curve".into()
    }

    fn description(&self) -> String {
        format!(
            "Sensitivity for {} against false positive rate; area under the curve {}, \
             where chance is 0.5.",
            self.positive,
            self.auc.text()
        )
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let note = format!("AUC {}; positive class: {}", self.auc.text(), self.positive);
        let space = heading(canvas, &self.title(), &note);
        let x = Axis::unit("False positive rate (1 − specificity)");
        let y = Axis::unit("True positive rate (sensitivity)");
        let panel = Panel::square(canvas, space, x, y, &PLAIN);

        let mut entries = Vec::new();
        if let Some(band) = &self.band {
            let fill = faded(BLUE, 0.18);
            panel.band(canvas, band, fill);
            entries.push((Key::Patch(fill), "95 % confidence band".to_owned()));
        }
        let chance = Stroke::new(MUTED, 1.4).dashed();
        panel.line(canvas, &[(0.0, 0.0), (1.0, 1.0)], &chance);
        let stroke = Stroke::new(BLUE, 2.4);
        panel.line(canvas, &self.curve, &stroke);
        entries.insert(0, (Key::Line(stroke), "model".to_owned()));
        entries.push((Key::Line(chance), "chance (AUC 0.50)".to_owned()));
        if let Some((x, y)) = self.operating {
            canvas.marker(panel.at(x, y), 5.0, Marker::Diamond, VERMILLION);
            entries.push((Key::Point(Marker::Diamond, VERMILLION), "threshold in use".to_owned()));
        }
        legend(canvas, panel.area, Corner::LowerRight, &legend::PLAIN, &entries);
    }
}
