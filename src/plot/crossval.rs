//! The spread of scores over the folds of a cross-validation.

use super::axis::Axis;
use super::canvas::{Canvas, Marker, Rect, Stroke};
use super::legend::{Key, row};
use super::panel::{BORDER, HEADING, PLAIN, Panel, heading};
use super::text::Text;
use super::theme::{BLUE, INK, VERMILLION, WHITE, mixed};
use super::{Figure, counted};
use crate::metrics::Estimate;

/// One measure over all folds.
#[derive(Clone, Debug)]
pub struct FoldScores {
    /// Name of the measure, such as `AUC`.
    pub measure: String,
    /// Its value in each fold, 0 to 1; not finite where a fold has none.
    pub folds: Vec<f64>,
    /// Its value on all images, each predicted out of fold, with its interval.
    pub all: Estimate,
}

/// A row per measure: its folds as dots, all images together as a diamond with its
/// interval.
#[derive(Clone, Debug)]
pub struct CrossValidation {
    /// What the predictions are of: `209 images, 5 predictions each`.
    pub on: String,
    /// The measures.
    pub measures: Vec<FoldScores>,
}

const ROW: f64 = 58.0;
const NAME: Text = Text::new(12.0, INK);
const VALUE: Text = Text::new(11.0, INK);
const DOT: f64 = 3.6;
/// Room for a row's dots, of any number on top of each other.
const STACK: f64 = 28.0;
/// The longest that a measure's name may be.
const LONGEST: f64 = 200.0;

impl Figure for CrossValidation {
    fn name(&self) -> &str {
        "crossval"
    }

    fn size(&self) -> (u32, u32) {
        (640, (HEADING + 18.0 + ROW * self.measures.len() as f64 + 36.0 + BORDER) as u32)
    }

    fn title(&self) -> String {
        format!("Cross-validation: {}", self.on)
    }

    fn description(&self) -> String {
        let measures: Vec<_> =
            self.measures.iter().map(|m| format!("{} {}", m.measure, m.all.text(2))).collect();
        format!("All images, each predicted out of fold: {}.", measures.join("; "))
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let folds = self.measures.iter().map(|m| m.folds.len()).max().unwrap_or(0);
        let note =
            format!("{}, and all images together with 95 % interval", counted(folds, "fold"));
        let space = heading(canvas, &self.title(), &note);
        let fold = mixed(WHITE, BLUE, 0.7);
        row(
            canvas,
            (space.x0 - 6.0, space.y0),
            &[
                (Key::Point(Marker::Disc, fold), "fold"),
                (Key::Point(Marker::Diamond, VERMILLION), "all images"),
            ],
        );

        let names = self.measures.iter().map(|m| NAME.width(&m.measure)).fold(0.0, f64::max);
        let values = self.measures.iter().map(|m| VALUE.width(&m.all.brief(2))).fold(0.0, f64::max);
        let area = Rect {
            x0: space.x0 + names.min(LONGEST) + 12.0,
            y0: space.y0 + 18.0,
            x1: space.x1 - values - 12.0,
            y1: space.y1 - 36.0,
        };
        let count = self.measures.len().max(1) as f64;
        let rows = Axis { min: count, max: 0.0, ticks: Vec::new(), label: String::new() };
        let of = |m: &FoldScores| m.folds.iter().copied().chain(m.all.low).collect::<Vec<_>>();
        let lows = self.measures.iter().flat_map(of);
        let least = lows.filter(|low| low.is_finite()).fold(0.9, f64::min);
        let least = ((least * 10.0 - 0.5).floor() / 10.0).max(0.0);
        let x = Axis::new(least, 1.0, 7, "Score");
        let panel = Panel::on(canvas, area, x, rows, &PLAIN);
        for (i, measure) in self.measures.iter().enumerate() {
            let (_, y) = panel.at(0.0, i as f64 + 0.5);
            let name = NAME.fit(&measure.measure, LONGEST);
            canvas.text_middle((area.x0 - 12.0, y), &name, &NAME.ending());
            canvas.text_middle((area.x1 + 12.0, y), &measure.all.brief(2), &VALUE);
            let dots = stacked(&measure.folds);
            let highest = dots.iter().map(|&(_, level)| level).max().unwrap_or(0).max(1) as f64;
            let rise = (STACK / highest).min(2.2 * DOT);
            for (score, level) in dots {
                let (x, _) = panel.at(score, 0.0);
                let dot = (x, y + 4.0 - level as f64 * rise);
                canvas.marker(dot, DOT, Marker::Disc, fold);
            }
            let across = |value: f64| (panel.at(value, 0.0).0, y + 17.0);
            if let Some((low, high)) = measure.all.interval() {
                let interval = Stroke::new(VERMILLION, 1.8);
                let (low, high) = (across(low), across(high));
                canvas.line(&[low, high], &interval);
                for (x, y) in [low, high] {
                    canvas.line(&[(x, y - 4.0), (x, y + 4.0)], &interval);
                }
            }
            if let Some(all) = measure.all.value {
                canvas.marker(across(all), 4.5, Marker::Diamond, VERMILLION);
            }
        }
    }
}

/// Finite scores, ascending, each with the number of equal ones before it.
fn stacked(folds: &[f64]) -> Vec<(f64, usize)> {
    let mut scores: Vec<f64> = folds.iter().copied().filter(|score| score.is_finite()).collect();
    scores.sort_by(f64::total_cmp);
    let mut level = 0;
    let mut before = f64::NEG_INFINITY;
    scores
        .into_iter()
        .map(|score| {
            level = if score - before < 0.012 { level + 1 } else { 0 };
            before = score;
            (score, level)
        })
        .collect()
}
