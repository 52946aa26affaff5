//! The receiver operating characteristic.

use super::Figure;
use super::curves::{self, ClassCurve};
use super::page::{Area, Drawn};
use crate::metrics::Estimate;
use plotters::prelude::*;

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
        curves::SIZE
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

    fn draw(&self, page: &Area<'_>) -> Drawn {
        let mut chart = curves::chart(
            page,
            &self.title(),
            &curves::subtitle(&self.curves, self.mean.as_ref(), ["AUC", "AUC"]),
            ["False positive rate (1 − specificity)", "True positive rate (sensitivity)"],
        )?;
        let chance = [(vec![(0.0, 0.0), (1.0, 1.0)], "chance (AUC 0.50)".to_owned())];
        let corner = SeriesLabelPosition::LowerRight;
        curves::draw(&mut chart, corner, &self.curves, <[_]>::to_vec, &chance)
    }
}
