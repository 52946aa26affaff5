//! Histograms of the predicted probabilities by true class.

use super::axis::Axis;
use super::chart::{self, BORDER, PLAIN, Stroke, heading, mesh};
use super::page::{Area, Drawn, px};
use super::text::{HPos, VPos};
use super::theme::{CLASSES, HEADING, INK, LABEL, MUTED, SMALL, WHITE, mixed};
use super::{Figure, counted};
use plotters::prelude::*;

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
/// Height of the label of the horizontal axis.
const AXIS: f64 = 18.0;
/// Height of the strip of single predictions, in units of the highest bar.
const RUG: f64 = 0.14;

impl Scores {
    fn row(&self) -> f64 {
        if self.classes.len() <= FEW { ROWS.0 } else { ROWS.1 }
    }

    fn threshold(&self) -> String {
        match self.threshold {
            Threshold::One(at) => format!("dashed: decision threshold {at:.2}"),
            Threshold::PerFold(low, high) => {
                format!("dashed: decision thresholds of the folds, {low:.2} to {high:.2}")
            }
            Threshold::Argmax => "grey: images of the other classes".to_owned(),
        }
    }

    /// `21 predictions, 20 predicted as covid`.
    fn count(&self, class: &ClassScores) -> String {
        let positive = self.positive.as_ref().unwrap_or(&class.class);
        let all = counted(class.scores.len(), "prediction");
        format!("{all}, {} predicted as {}", class.predicted, SMALL.fit(positive, 160.0))
    }
}

impl Figure for Scores {
    fn name(&self) -> &str {
        "scores"
    }

    fn size(&self) -> (u32, u32) {
        (640, (chart::HEADING + self.row() * self.classes.len() as f64 + AXIS + BORDER) as u32)
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

    fn draw(&self, page: &Area<'_>) -> Drawn {
        let note = format!("Ticks: single predictions; {}", self.threshold());
        let area = heading(page, &self.title(), &note)?;
        let (rows, below) = area.split_vertically(px(self.row() * self.classes.len() as f64));
        let most = self.classes.iter().flat_map(|class| histogram(&class.scores)).max();
        let most = most.unwrap_or(0).max(1) as f64;
        let areas = rows.split_evenly((self.classes.len().max(1), 1));
        for (i, (class, area)) in self.classes.iter().zip(&areas).enumerate() {
            self.draw_row(area, class, CLASSES[i % CLASSES.len()], most)?;
        }
        let label = match &self.positive {
            Some(positive) => format!("Predicted probability of {positive}"),
            None => "Predicted probability of the row's class".to_owned(),
        };
        let middle = (px(LEFT) + below.dim_in_pixel().0 as i32) / 2;
        let style = LABEL.anchored(HPos::Center, VPos::Top);
        below.draw_text(&LABEL.fit(&label, 500.0), &style, (middle, px(2.0)))
    }
}

/// Room to the left of a row in pixels.
const LEFT: f64 = 52.0;

impl Scores {
    /// Draws the histogram of a class, where the highest bar of all classes has `most`
    /// predictions.
    fn draw_row(&self, area: &Area<'_>, class: &ClassScores, color: RGBAColor, most: f64) -> Drawn {
        let name = HEADING.fit(&class.class, 240.0);
        let after = LEFT + HEADING.width(&name) + 10.0;
        let count = SMALL.fit(&self.count(class), 604.0 - after);
        for (font, text, x) in [(HEADING, name, LEFT), (SMALL, count, after)] {
            area.draw_text(&text, &font.anchored(HPos::Left, VPos::Center), (px(x), px(9.0)))?;
        }
        let counts = Axis::whole(0.0..1.05 * most, 5);
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(20.0))
            .margin_right(px(10.0))
            .x_label_area_size(px(24.0))
            .y_label_area_size(px(LEFT))
            .build_cartesian_2d(Axis::unit(), Axis { range: -RUG * most..1.05 * most, ..counts })?;
        let label = if self.row() < ROWS.0 { "" } else { "Predictions" };
        mesh(&mut chart, PLAIN, ["", label])?.draw()?;

        // plotters' `Histogram` draws its bars in no fixed order.
        let shade = mixed(WHITE, color, 0.75);
        let shade = if class.rest.is_empty() { shade } else { shade.mix(0.8) };
        for (scores, fill) in [(&class.rest, MUTED.mix(0.3)), (&class.scores, shade)] {
            let bar = |(bin, count): (usize, usize)| {
                let [from, to] = [bin, bin + 1].map(|bin| bin as f64 / BINS as f64);
                let corners = [(from, (count as f64).min(most)), (to, 0.0)];
                let mut bar = Rectangle::new(corners, fill.filled());
                bar.set_margin(0, 0, px(1.0) as u32, px(1.0) as u32);
                bar
            };
            let bins = histogram(scores).into_iter().enumerate();
            chart.draw_series(bins.filter(|(_, count)| *count > 0).map(bar))?;
        }
        let tick = |&score: &f64| {
            let ends = [(score, -0.2 * RUG * most), (score, -0.9 * RUG * most)];
            PathElement::new(ends, Stroke::new(color, 1.0).style())
        };
        chart.draw_series(class.scores.iter().map(tick))?;
        let thresholds = match self.threshold {
            Threshold::One(at) => vec![at],
            Threshold::PerFold(low, high) => vec![low, high],
            Threshold::Argmax => vec![],
        };
        let dashed = Stroke::new(INK, 1.4).dashed();
        thresholds.into_iter().try_for_each(|at| {
            chart::line(&mut chart, &[(at, 1.05 * most), (at, -RUG * most)], dashed)
        })
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
