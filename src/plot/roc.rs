//! The receiver operating characteristic.

use super::Figure;
use super::axis::Axis;
use super::canvas::Canvas;
use super::curves::{self, ClassCurve};
use super::legend::Corner;
use super::panel::{PLAIN, Panel, heading};
use crate::metrics::Estimate;

/// Sensitivity against false positive rate over all thresholds: of the positive class, or
/// of each of more than two classes against the rest.
#[derive(Clone, Debug)]
pub struct Roc {
    /// What the predictions are of: `test set, 42 images`.
    pub on: String,
    /// The curves, from (0, 0) to (1, 1).
    pub curves: Vec<ClassCurve>,
    /// Mean of the areas of all classes, where there are more than two.
    pub mean: Option<Estimate>,
}

impl Figure for Roc {
    fn name(&self) -> &str {
        "roc"
    }

    fn size(&self) -> (u32, u32) {
        (520, 548)
    }

    fn title(&self) -> String {
        format!("ROC curve: {}", self.on)
    }

    fn description(&self) -> String {
        let curves = self.curves.iter().map(|c| format!("{} {}", c.class, c.area.text(2)));
        let mean = self.mean.iter().map(|mean| format!("mean of all classes {}", mean.text(2)));
        let areas: Vec<_> = curves.chain(mean).collect();
        format!(
            "Sensitivity against false positive rate of each class against the rest. Area under \
             the curve, where chance is 0.5: {}.",
            areas.join("; ")
        )
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let note = match (&self.curves[..], &self.mean) {
            ([one], None) => format!("AUC {}; positive class: {}", one.area.text(2), one.class),
            (_, Some(mean)) => format!("Each class against the rest; mean AUC {}", mean.text(2)),
            _ => "AUC of each class against the rest".to_owned(),
        };
        let space = heading(canvas, &self.title(), &note);
        let x = Axis::unit("False positive rate (1 − specificity)");
        let y = Axis::unit("True positive rate (sensitivity)");
        let panel = Panel::square(canvas, space, x, y, &PLAIN);
        let chance = [(vec![(0.0, 0.0), (1.0, 1.0)], "chance (AUC 0.50)".to_owned())];
        let corner = Corner::LowerRight;
        curves::draw(canvas, &panel, corner, &self.curves, <[_]>::to_vec, &chance);
    }
}
