//! The spread of scores over the folds of a cross-validation.

use super::axis::Axis;
use super::chart::{BELOW, BORDER, HEADING, Key, LEGEND, Stroke, heading, legend_row, rows};
use super::page::{Area, Drawn, px};
use super::theme::{BLUE, VERMILLION, WHITE, mixed};
use super::{Figure, counted};
use crate::metrics::Estimate;
use plotters::prelude::*;

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

/// A row per measure: its folds as dots, all images together with their interval
/// below them.
#[derive(Clone, Debug)]
pub struct CrossValidation {
    /// What the predictions are of: `209 images, 5 predictions each`.
    pub on: String,
    /// The measures.
    pub measures: Vec<FoldScores>,
}

/// Height of a row in pixels.
const ROW: f64 = 58.0;
/// Radius of the dot of a fold.
const DOT: f64 = 3.6;
/// Room for the dots of a row, of any number on top of each other.
const STACK: f64 = 28.0;

impl Figure for CrossValidation {
    fn name(&self) -> &str {
        "crossval"
    }

    fn size(&self) -> (u32, u32) {
        (640, (HEADING + LEGEND + ROW * self.measures.len() as f64 + BELOW + BORDER) as u32)
    }

    fn title(&self) -> String {
        format!("Cross-validation: {}", self.on)
    }

    fn description(&self) -> String {
        let measures: Vec<_> =
            self.measures.iter().map(|m| format!("{} {}", m.measure, m.all.text(2))).collect();
        format!("All images, each predicted out of fold: {}.", measures.join("; "))
    }

    fn draw(&self, page: &Area<'_>) -> Drawn {
        let folds = self.measures.iter().map(|m| m.folds.len()).max().unwrap_or(0);
        let note =
            format!("{}, and all images together with 95 % interval", counted(folds, "fold"));
        let area = heading(page, &self.title(), &note)?;
        let fold = mixed(WHITE, BLUE, 0.7);
        let interval = Stroke::new(VERMILLION, 1.8);
        let entries = [(Key::Dot(fold), "fold"), (Key::Dot(VERMILLION), "all images")];
        let area = legend_row(&area, &entries)?;
        let of = |m: &FoldScores| m.folds.iter().copied().chain(m.all.low).collect::<Vec<_>>();
        let lows = self.measures.iter().flat_map(of);
        let least = lows.filter(|low| low.is_finite()).fold(0.9, f64::min);
        let least = ((least * 10.0 - 0.5).floor() / 10.0).max(0.0);
        let names: Vec<_> =
            self.measures.iter().map(|m| (m.measure.as_str(), m.all.brief(2))).collect();
        let mut chart = rows(&area, (Axis::new(least..1.0, 8), "Score"), &names)?;

        for (i, measure) in self.measures.iter().enumerate() {
            let middle = i as f64 + 0.5;
            let dots = stacked(&measure.folds);
            let highest = dots.iter().map(|&(_, level)| level).max().unwrap_or(0).max(1) as f64;
            let rise = (STACK / highest).min(2.4 * DOT);
            let dot = |(score, level)| (score, middle + (4.0 - level as f64 * rise) / ROW);
            chart.draw_series(PointSeries::<_, _, Circle<_, _>, _>::new(
                dots.into_iter().map(dot),
                px(DOT),
                fold.filled(),
            ))?;
            let below = middle + 17.0 / ROW;
            if let Some(all) = measure.all.value {
                let (low, high) = measure.all.interval().unwrap_or((all, all));
                let (style, cap) = (interval.style().filled(), px(9.0) as u32);
                chart.draw_series([ErrorBar::new_horizontal(below, low, all, high, style, cap)])?;
            }
        }
        Ok(())
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
