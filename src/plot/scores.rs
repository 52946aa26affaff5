//! How the scores of each class are spread.

use super::axis::Axis;
use super::canvas::{Canvas, Rect, Stroke};
use super::panel::{BORDER, HEADING, PLAIN, Panel, heading};
use super::text::Text;
use super::theme::{CLASSES, INK, SMALL, WHITE, mixed};
use super::{Figure, counted};

/// The scores of the films of one class.
#[derive(Clone, Debug)]
pub struct ClassScores {
    /// Name of the class.
    pub class: String,
    /// Predicted probability of the positive class of each film.
    pub scores: Vec<f64>,
}

/// A histogram of the scores per true class, with every film as a tick below it
/// and the threshold across all.
#[derive(Clone, Debug)]
pub struct Scores {
    /// Name of the positive class.
    pub positive: String,
    /// The true classes.
    pub classes: Vec<ClassScores>,
    /// Scores of at least this are called positive.
    pub threshold: f64,
}

const BINS: usize = 20;
const ROW: f64 = 128.0;
/// Share of the panel below zero, where the films are.
const RUG: f64 = 0.14;
const CLASS: Text = Text::new(12.0, INK).bold();

impl Scores {
    fn above(&self, class: &ClassScores) -> usize {
        class.scores.iter().filter(|&&score| score >= self.threshold).count()
    }
}

impl Figure for Scores {
    fn name(&self) -> &str {
        "scores"
    }

    fn size(&self) -> (u32, u32) {
        (640, (HEADING + ROW * self.classes.len() as f64 + BORDER + 4.0) as u32)
    }

    fn title(&self) -> String {
        "Scores by true class".into()
    }

    fn description(&self) -> String {
        let classes: Vec<_> = self
            .classes
            .iter()
            .map(|class| {
                let of = counted(class.scores.len(), "film");
                format!("{} of {of} of {}", self.above(class), class.class)
            })
            .collect();
        format!(
            "Predicted probability of {}; at or above the threshold of {:.2}: {}.",
            self.positive,
            self.threshold,
            classes.join(", ")
        )
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let note = format!("Each tick is a film. Dashed: the threshold, {:.2}", self.threshold);
        let space = heading(canvas, &self.title(), &note);
        let histograms: Vec<_> = self.classes.iter().map(|c| histogram(&c.scores)).collect();
        let most = histograms.iter().flatten().copied().max().unwrap_or(0).max(1) as f64;
        let left = space.x0 + 48.0;
        for (i, (class, bins)) in self.classes.iter().zip(&histograms).enumerate() {
            let color = CLASSES[i % CLASSES.len()];
            let top = space.y0 + ROW * i as f64;
            let area = Rect { x0: left, y0: top + 20.0, x1: space.x1 - 8.0, y1: top + ROW - 28.0 };
            let last = i + 1 == self.classes.len();
            let label = format!("Predicted probability of {}", self.positive);
            let mut x = Axis::unit(if last { &label } else { "" });
            x.ticks.iter_mut().filter(|_| !last).for_each(|(_, label)| label.clear());
            let mut y = Axis::new(0.0, 1.05 * most, 3, "Films").whole(3);
            y.min = -RUG * most;
            let panel = Panel::on(canvas, area, x, y, &PLAIN);

            let name = CLASS.fit(&class.class, 280.0);
            canvas.text((left, top + 13.0), &name, &CLASS);
            let films = counted(class.scores.len(), "film");
            let note = format!("{films}, {} at or above the threshold", self.above(class));
            canvas.text((left + CLASS.width(&name) + 10.0, top + 13.0), &note, &SMALL);
            for (bin, &count) in bins.iter().enumerate().filter(|(_, count)| **count > 0) {
                let (x0, y0) = panel.at(bin as f64 / BINS as f64, count as f64);
                let (x1, y1) = panel.at((bin + 1) as f64 / BINS as f64, 0.0);
                let bar = Rect { x0: x0 + 1.0, y0, x1: x1 - 1.0, y1 };
                canvas.rect(bar, mixed(WHITE, color, 0.75));
            }
            for &score in &class.scores {
                let (x, y) = panel.at(score, 0.0);
                canvas.line(&[(x, y + 2.0), (x, area.y1 - 1.0)], &Stroke::new(color, 1.0));
            }
            let (x, _) = panel.at(self.threshold, 0.0);
            canvas.line(&[(x, area.y0), (x, area.y1)], &Stroke::new(INK, 1.4).dashed());
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
