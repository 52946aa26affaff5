//! Precision against recall.

use super::Figure;
use super::curves::{self, ClassCurve};
use super::page::{Area, Drawn};
use crate::metrics::Estimate;
use plotters::prelude::*;

/// Precision against sensitivity over all thresholds: of the positive class, or of each of
/// more than two classes against the rest.
#[derive(Clone, Debug)]
pub struct PrecisionRecall {
    /// What the predictions are of: `test set, 42 images`.
    pub on: String,
    /// The curves, recall ascending; drawn as steps, since precision between two
    /// thresholds is not on a straight line.
    pub curves: Vec<ClassCurve>,
    /// Mean of the average precisions of all classes, where there are more than two.
    pub mean: Option<Estimate>,
}

impl Figure for PrecisionRecall {
    fn name(&self) -> &str {
        "precision-recall"
    }

    fn size(&self) -> (u32, u32) {
        curves::SIZE
    }

    fn title(&self) -> String {
        format!("Precision and recall: {}", self.on)
    }

    fn description(&self) -> String {
        let curve = |c: &ClassCurve| {
            format!("{} {}, where chance is {:.2}", c.class, c.area.text(2), c.prevalence)
        };
        let mean = self.mean.iter().map(|mean| format!("mean of all classes {}", mean.text(2)));
        let areas: Vec<_> = self.curves.iter().map(curve).chain(mean).collect();
        format!(
            "Precision against recall of each class against the rest. Average precision: {}.",
            areas.join("; ")
        )
    }

    fn draw(&self, page: &Area<'_>) -> Drawn {
        let measure = ["Average precision", "average precision"];
        let mut chart = curves::chart(
            page,
            &self.title(),
            &curves::subtitle(&self.curves, self.mean.as_ref(), measure),
            ["Recall (sensitivity)", "Precision (positive predictive value)"],
        )?;
        let chance = match &self.curves[..] {
            [one] => {
                let line = vec![(0.0, one.prevalence), (1.0, one.prevalence)];
                vec![(line, format!("chance (prevalence {:.2})", one.prevalence))]
            }
            _ => Vec::new(),
        };
        let corner = SeriesLabelPosition::LowerLeft;
        curves::draw(&mut chart, corner, &self.curves, steps, &chance)
    }
}

/// Holds each precision back to the recall before it, as average precision does.
fn steps(curve: &[(f64, f64)]) -> Vec<(f64, f64)> {
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
