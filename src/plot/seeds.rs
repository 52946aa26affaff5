//! Training histories of several seeds, as small multiples.

use super::axis::Axis;
use super::canvas::{Canvas, Rect, Stroke};
use super::legend::{Key, row};
use super::panel::{self, Panel, heading};
use super::text::Text;
use super::theme::{BLUE, Color, INK, LABEL, SMALL, VERMILLION, WHITE, mixed};
use super::{Epochs, Figure, counted};

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
const RANGES: [Color; 2] = [mixed(WHITE, VERMILLION, 0.2), mixed(WHITE, BLUE, 0.2)];
const NAME: Text = Text::new(11.0, INK).bold();
/// Size of a cell of the grid, and what its heading takes.
const CELL: (f64, f64) = (165.0, 130.0);
const CELL_HEADING: f64 = 20.0;
/// Room for the axes' labels to the left, and for title and legend above.
const LEFT: f64 = 62.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = 42.0;

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

    /// Width of a cell: few are wider, so that the heading has room.
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

    fn draw(&self, canvas: &mut Canvas<'_>) {
        heading(
            canvas,
            &self.title(),
            "Ends at: last validation accuracy. Shaded: validation curves of all seeds",
        );
        row(
            canvas,
            (18.0, 66.0),
            &[
                (Key::Line(LOSS[1]), "validation loss"),
                (Key::Line(LOSS[0]), "training loss"),
                (Key::Line(ACCURACY[1]), "validation accuracy"),
                (Key::Line(ACCURACY[0]), "training accuracy"),
            ],
        );

        let all = || self.runs.iter().map(|run| &run.epochs);
        let epochs = all().map(Epochs::len).max().unwrap_or(0);
        let values = all().flat_map(|e| e.curves()).flat_map(|(_, values)| values.iter().copied());
        let x = Axis::over((0..epochs).map(|epoch| epoch as f64), 4, "").whole(4);
        let y = Axis::over(values.chain([0.0, 1.0]), 4, "");

        let ranges = [self.range(|epochs| &epochs.val_loss), self.range(|epochs| &epochs.val_acc)];
        let (columns, rows) = self.grid();
        for (i, run) in self.runs.iter().enumerate() {
            let (column, line) = (i % columns, i / columns);
            let left = LEFT + column as f64 * self.cell();
            let top = TOP + line as f64 * CELL.1;
            // Only the outer panels carry numbers.
            let lowest = i + columns >= self.runs.len();
            let mut x = x.clone();
            let mut y = y.clone();
            x.ticks.iter_mut().filter(|_| !lowest).for_each(|(_, label)| label.clear());
            y.ticks.iter_mut().filter(|_| column > 0).for_each(|(_, label)| label.clear());
            let area = Rect {
                x0: left,
                y0: top + CELL_HEADING,
                x1: left + self.cell() - 14.0,
                y1: top + CELL.1 - 12.0,
            };
            let panel = Panel::on(canvas, area, x, y, &panel::PLAIN);
            let last = run.epochs.val_acc.last().map(|last| format!("ends at {last:.2}"));
            let last = last.unwrap_or_default();
            canvas.text((area.x1, top + 14.0), &last, &SMALL.ending());
            let room = area.width() - SMALL.width(&last) - 8.0;
            let name = NAME.fit(&format!("seed {}", run.seed), room);
            canvas.text((left, top + 14.0), &name, &NAME);
            for (range, fill) in ranges.iter().zip(RANGES) {
                panel.band(canvas, range, fill);
            }
            line_of(canvas, &panel, &run.epochs.train_loss, &LOSS[0]);
            line_of(canvas, &panel, &run.epochs.train_acc, &ACCURACY[0]);
            line_of(canvas, &panel, &run.epochs.val_loss, &LOSS[1]);
            line_of(canvas, &panel, &run.epochs.val_acc, &ACCURACY[1]);
        }

        let label = LABEL.centered();
        let page = canvas.area();
        let middle = LEFT + (page.x1 - LEFT) / 2.0;
        canvas.text((middle, page.y1 - 14.0), "Epoch", &label);
        let center = TOP + (rows as f64 * CELL.1 + CELL_HEADING - 12.0) / 2.0;
        canvas.text((22.0, center), "Loss, accuracy", &label.upwards());
    }
}

/// The least and the greatest of the finite values.
fn extremes(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |range, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((f64::min(low, value), f64::max(high, value)))
    })
}

fn line_of(canvas: &mut Canvas<'_>, panel: &Panel, values: &[f64], stroke: &Stroke) {
    let points: Vec<_> = values.iter().enumerate().map(|(i, &value)| (i as f64, value)).collect();
    panel.line(canvas, &points, stroke);
}
