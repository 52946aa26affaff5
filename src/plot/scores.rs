//! How the predicted probabilities of each class are spread.

use super::axis::Axis;
use super::canvas::{Canvas, Rect, Stroke};
use super::panel::{BORDER, HEADING, PLAIN, Panel, heading};
use super::text::Text;
use super::theme::{CLASSES, INK, MUTED, SMALL, WHITE, faded, mixed};
use super::{Figure, counted};

/// The predictions of the images of one class.
#[derive(Clone, Debug)]
pub struct ClassScores {
    /// Name of the class.
    pub class: String,
    /// Predicted probability of each prediction: of the positive class, or, of more than
    /// two classes, of this one.
    pub scores: Vec<f64>,
    /// The same probability of the images of other classes; empty for two classes.
    pub rest: Vec<f64>,
    /// How many of `scores` are predicted as the class that the probability is of.
    pub predicted: usize,
}

/// From which probability on an image is predicted as the positive class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// One for all images.
    One(f64),
    /// Chosen for each fold of a cross-validation: the least and the greatest.
    PerFold(f64, f64),
    /// None: of several classes, the most probable one is predicted.
    Argmax,
}

/// A histogram of the probabilities per true class, with every prediction as a tick below
/// it and the threshold across all.
#[derive(Clone, Debug)]
pub struct Scores {
    /// What the predictions are of: `test set, 42 images`.
    pub on: String,
    /// The class that the probabilities are of; none if it is each row's own.
    pub positive: Option<String>,
    /// The true classes.
    pub classes: Vec<ClassScores>,
    /// The threshold.
    pub threshold: Threshold,
}

const BINS: usize = 20;
/// Height of a row in pixels, of few classes and of more.
const ROWS: (f64, f64) = (128.0, 96.0);
/// The most classes with rows of full height.
const FEW: usize = 4;
/// Share of the panel below zero, where the predictions are.
const RUG: f64 = 0.14;
const CLASS: Text = Text::new(12.0, INK).bold();

impl Scores {
    fn row(&self) -> f64 {
        if self.classes.len() <= FEW { ROWS.0 } else { ROWS.1 }
    }

    fn threshold(&self) -> String {
        match self.threshold {
            Threshold::One(at) => format!("dashed: the threshold, {at:.2}"),
            Threshold::PerFold(low, high) => {
                format!("dashed: the thresholds of the folds, {low:.2} to {high:.2}")
            }
            Threshold::Argmax => "grey: images of the other classes".to_owned(),
        }
    }

    /// `21 predictions, 20 predicted as covid`.
    fn count(&self, class: &ClassScores) -> String {
        let positive = self.positive.as_ref().unwrap_or(&class.class);
        let all = counted(class.scores.len(), "prediction");
        format!("{all}, {} predicted as {}", class.predicted, CLASS.fit(positive, 160.0))
    }
}

impl Figure for Scores {
    fn name(&self) -> &str {
        "scores"
    }

    fn size(&self) -> (u32, u32) {
        (640, (HEADING + self.row() * self.classes.len() as f64 + BORDER + 4.0) as u32)
    }

    fn title(&self) -> String {
        format!("Probabilities by true class: {}", self.on)
    }

    fn description(&self) -> String {
        let class = |class: &ClassScores| format!("{}: {}", class.class, self.count(class));
        let classes: Vec<_> = self.classes.iter().map(class).collect();
        let of = self.positive.as_deref().unwrap_or("each true class");
        format!("Predicted probability of {of}; {}. {}.", self.threshold(), classes.join("; "))
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let note = format!("Each tick is a prediction; {}", self.threshold());
        let space = heading(canvas, &self.title(), &note);
        let row = self.row();
        let histograms: Vec<_> = self.classes.iter().map(|c| histogram(&c.scores)).collect();
        let others: Vec<_> = self.classes.iter().map(|c| histogram(&c.rest)).collect();
        let most = histograms.iter().flatten().copied().max().unwrap_or(0).max(1) as f64;
        let left = space.x0 + 48.0;
        for (i, (class, bins)) in self.classes.iter().zip(&histograms).enumerate() {
            let color = CLASSES[i % CLASSES.len()];
            let top = space.y0 + row * i as f64;
            let area = Rect { x0: left, y0: top + 20.0, x1: space.x1 - 8.0, y1: top + row - 28.0 };
            let last = i + 1 == self.classes.len();
            let label = match &self.positive {
                Some(positive) => format!("Predicted probability of {positive}"),
                None => "Predicted probability of the row's class".to_owned(),
            };
            let mut x = Axis::unit(if last { &label } else { "" });
            x.ticks.iter_mut().filter(|_| !last).for_each(|(_, label)| label.clear());
            let label = if row < ROWS.0 { "" } else { "Predictions" };
            let mut y = Axis::new(0.0, 1.05 * most, 3, label).whole(3);
            y.min = -RUG * most;
            let panel = Panel::on(canvas, area, x, y, &PLAIN);

            let name = CLASS.fit(&class.class, 240.0);
            canvas.text((left, top + 13.0), &name, &CLASS);
            let after = left + CLASS.width(&name) + 10.0;
            let note = SMALL.fit(&self.count(class), area.x1 - after);
            canvas.text((after, top + 13.0), &note, &SMALL);
            let mut bars = |bins: &[usize; BINS], fill| {
                for (bin, &count) in bins.iter().enumerate().filter(|(_, count)| **count > 0) {
                    let (x0, y0) = panel.at(bin as f64 / BINS as f64, (count as f64).min(most));
                    let (x1, y1) = panel.at((bin + 1) as f64 / BINS as f64, 0.0);
                    canvas.rect(Rect { x0: x0 + 1.0, y0, x1: x1 - 1.0, y1 }, fill);
                }
            };
            bars(&others[i], faded(MUTED, 0.3));
            bars(
                bins,
                faded(mixed(WHITE, color, 0.75), if class.rest.is_empty() { 1.0 } else { 0.8 }),
            );
            for &score in &class.scores {
                let (x, y) = panel.at(score, 0.0);
                canvas.line(&[(x, y + 2.0), (x, area.y1 - 1.0)], &Stroke::new(color, 1.0));
            }
            let at = match self.threshold {
                Threshold::One(at) => vec![at],
                Threshold::PerFold(low, high) => vec![low, high],
                Threshold::Argmax => vec![],
            };
            for at in at {
                let (x, _) = panel.at(at, 0.0);
                canvas.line(&[(x, area.y0), (x, area.y1)], &Stroke::new(INK, 1.4).dashed());
            }
        }
    }
}

/// Counts in equal bins from 0 to 1; 1 falls into the last.
fn histogram(scores: &[f64]) -> [usize; BINS] {
    let mut bins = [0; BINS];
    for score in scores {
        bins[((score * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_have_a_bin() {
        let bins = histogram(&[0.0, 0.04, 0.05, 0.5, 1.0]);
        assert_eq!((bins[0], bins[1], bins[10], bins[19]), (2, 1, 1, 1));
    }
}
