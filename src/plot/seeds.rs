//! Training histories of several seeds, as small multiples.

use super::axis::{Axis, padded};
use super::chart::{self, Key, PLAIN, Stroke, heading, legend_row, mesh};
use super::history::by_epoch;
use super::page::{Area, Drawn, px};
use super::text::{HPos, VPos};
use super::theme::{BLUE, LABEL, VALUE, VERMILLION, WHITE, mixed};
use super::{Epochs, Figure, counted};
use plotters::prelude::*;

/// One training run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// Its curves.
    pub epochs: Epochs,
}

/// A small panel per seed on common axes: validation solid, training dashed,
/// the range of the validation curves of all seeds pale behind them.
#[derive(Clone, Debug)]
pub struct Seeds {
    /// The runs, in the order in which they are drawn.
    pub runs: Vec<Run>,
}

const LOSS: [Stroke; 2] = [Stroke::new(VERMILLION, 1.0).dashed(), Stroke::new(VERMILLION, 1.8)];
const ACCURACY: [Stroke; 2] = [Stroke::new(BLUE, 1.0).dashed(), Stroke::new(BLUE, 1.8)];
const RANGES: [RGBAColor; 2] = [mixed(WHITE, VERMILLION, 0.2), mixed(WHITE, BLUE, 0.2)];
/// Width and height of a panel with its heading and labels, in pixels.
const CELL: (f64, f64) = (180.0, 138.0);
/// Room to the left of the panels, above and below.
const LEFT: f64 = 36.0;
const TOP: f64 = 82.0;
const BOTTOM: f64 = 32.0;

impl Seeds {
    /// Columns and rows of the grid.
    fn grid(&self) -> (usize, usize) {
        let columns = match self.runs.len() {
            0..=4 => self.runs.len().max(1),
            5..=16 => 4,
            _ => 5,
        };
        (columns, self.runs.len().div_ceil(columns).max(1))
    }

    /// Width of a panel: few are wider, so that the heading has room.
    fn cell(&self) -> f64 {
        CELL.0 * (3.0 / self.grid().0 as f64).max(1.0)
    }

    /// `(epoch, least, greatest)` of a curve over all runs.
    fn range(&self, pick: fn(&Epochs) -> &[f64]) -> Vec<(f64, f64, f64)> {
        let at = |epoch: usize| {
            let values = self.runs.iter().filter_map(|run| pick(&run.epochs).get(epoch).copied());
            let (low, high) = extremes(values)?;
            Some((epoch as f64, low, high))
        };
        (0..).map_while(at).collect()
    }
}

impl Figure for Seeds {
    fn name(&self) -> &str {
        "history-seeds"
    }

    fn size(&self) -> (u32, u32) {
        let (columns, rows) = self.grid();
        let width = LEFT + columns as f64 * self.cell() + 10.0;
        let height = TOP + rows as f64 * CELL.1 + BOTTOM;
        (width as u32, height as u32)
    }

    fn title(&self) -> String {
        format!("Training history of {}", counted(self.runs.len(), "seed"))
    }

    fn description(&self) -> String {
        let last = |pick: fn(&Epochs) -> &[f64]| {
            let values = self.runs.iter().filter_map(|run| pick(&run.epochs).last().copied());
            let text = |(low, high)| format!("{low:.3} to {high:.3}");
            extremes(values).map_or_else(|| "unknown".into(), text)
        };
        format!(
            "Loss and accuracy by epoch, a panel per seed; final validation loss {}, \
             final validation accuracy {}.",
            last(|epochs| &epochs.val_loss),
            last(|epochs| &epochs.val_acc)
        )
    }

    fn draw(&self, page: &Area<'_>) -> Drawn {
        let note = "Final: last validation accuracy. Shaded: range of the validation curves of \
                    all seeds";
        let area = heading(page, &self.title(), note)?;
        let entries = [
            (Key::Line(LOSS[1]), "validation loss"),
            (Key::Line(LOSS[0]), "training loss"),
            (Key::Line(ACCURACY[1]), "validation accuracy"),
            (Key::Line(ACCURACY[0]), "training accuracy"),
        ];
        legend_row(&area, &entries)?;

        let all = || self.runs.iter().map(|run| &run.epochs);
        let epochs = all().map(Epochs::len).max().unwrap_or(0);
        let values = all().flat_map(|e| e.curves()).flat_map(|(_, values)| values.iter().copied());
        let x = Axis::whole(padded((0..epochs).map(|epoch| epoch as f64)), 4);
        let y = Axis::new(padded(values.chain([0.0, 1.0])), 5);
        let (columns, rows) = self.grid();
        let panels = page.margin(px(TOP), px(BOTTOM), px(LEFT), px(10.0));
        for (run, area) in self.runs.iter().zip(panels.split_evenly((rows, columns))) {
            self.draw_run(&area, run, x.clone(), y.clone())?;
        }

        let (width, height) = page.dim_in_pixel();
        let label = LABEL.anchored(HPos::Center, VPos::Bottom);
        let below = ((px(LEFT) + width as i32) / 2, height as i32 - px(12.0));
        page.draw_text("Epoch", &label, below)?;
        let label = LABEL.anchored(HPos::Center, VPos::Top).transform(FontTransform::Rotate270);
        let beside = (px(16.0), (px(TOP - BOTTOM) + height as i32) / 2);
        page.draw_text("Loss, accuracy", &label, beside)
    }
}

impl Seeds {
    fn draw_run(&self, area: &Area<'_>, run: &Run, x: Axis, y: Axis) -> Drawn {
        const LEFT: f64 = 32.0;
        let last = run.epochs.val_acc.last().map(|last| format!(": final {last:.2}"));
        let name = format!("seed {}{}", run.seed, last.unwrap_or_default());
        let name = VALUE.fit(&name, self.cell() - LEFT);
        let style = VALUE.anchored(HPos::Left, VPos::Center);
        area.draw_text(&name, &style, (px(LEFT), px(10.0)))?;
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(20.0))
            .margin_right(px(14.0))
            .x_label_area_size(px(22.0))
            .y_label_area_size(px(LEFT))
            .build_cartesian_2d(x, y)?;
        mesh(&mut chart, PLAIN, ["", ""])?.draw()?;
        let ranges = [self.range(|epochs| &epochs.val_loss), self.range(|epochs| &epochs.val_acc)];
        for (range, fill) in ranges.iter().zip(RANGES) {
            chart::band(&mut chart, range, fill)?;
        }
        let Epochs { train_loss, val_loss, train_acc, val_acc } = &run.epochs;
        let training = [(train_loss, LOSS[0]), (train_acc, ACCURACY[0])];
        let validation = [(val_loss, LOSS[1]), (val_acc, ACCURACY[1])];
        training
            .into_iter()
            .chain(validation)
            .try_for_each(|(values, stroke)| chart::line(&mut chart, &by_epoch(values), stroke))
    }
}

/// The least and the greatest of the finite values.
fn extremes(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |range, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((f64::min(low, value), f64::max(high, value)))
    })
}
