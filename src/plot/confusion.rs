//! The confusion matrix.

use super::canvas::{Canvas, Rect, Stroke};
use super::panel::{BORDER, HEADING, heading};
use super::text::Text;
use super::theme::{DEEP_BLUE, GRID, INK, LABEL, SMALL, WHITE, mixed, readable_on};
use super::{Figure, counted};
use crate::metrics::Rate;

/// Counts of films by truth and prediction.
#[derive(Clone, Debug)]
pub struct Confusion {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// A row per true class, a column per predicted class.
    pub counts: Vec<Vec<u64>>,
}

const COUNT: Text = Text::new(19.0, INK).bold().centered();
const SHARE: Text = Text::new(11.5, INK).centered();
const INTERVAL: Text = Text::new(10.0, INK).centered();
/// The least width in pixels of a cell that shows the interval of its share.
const WIDE: f64 = 90.0;
const CLASS: Text = Text::new(12.0, INK);
/// The longest that a line of a class's name may be, in pixels.
const NAME: f64 = 150.0;
/// Height of such a line; a name has at most two.
const LINE: f64 = 15.0;

impl Confusion {
    /// Films of a true class.
    fn total(&self, row: usize) -> u64 {
        self.counts[row].iter().sum()
    }

    fn films(&self) -> usize {
        self.counts.iter().flatten().sum::<u64>() as usize
    }

    /// Side of a cell in pixels: smaller with more classes.
    fn cell(&self) -> f64 {
        (330.0 / self.classes.len().max(1) as f64).clamp(62.0, 130.0).floor()
    }

    /// What stands beside a row: the class, and how many films it has.
    fn row(&self, row: usize) -> Vec<(String, Text)> {
        let name = CLASS.wrap(&self.classes[row], NAME, 2).into_iter().map(|line| (line, CLASS));
        name.chain([(counted(self.total(row) as usize, "film"), SMALL)]).collect()
    }

    /// What stands below a column.
    fn column(&self, class: &str) -> Vec<String> {
        CLASS.wrap(class, self.cell() - 8.0, 2)
    }

    /// Left end of the cells.
    fn left(&self) -> f64 {
        let lines = (0..self.classes.len()).flat_map(|row| self.row(row));
        let widest = lines.map(|(line, text)| text.width(&line)).fold(0.0, f64::max);
        BORDER + LABEL.size + 14.0 + widest + 10.0
    }

    /// Height of what stands below the cells.
    fn below(&self) -> f64 {
        let lines = self.classes.iter().map(|class| self.column(class).len()).max().unwrap_or(0);
        8.0 + LINE * lines as f64 + 10.0 + LABEL.size
    }
}

impl Figure for Confusion {
    fn name(&self) -> &str {
        "confusion"
    }

    fn size(&self) -> (u32, u32) {
        let side = self.cell() * self.classes.len() as f64;
        (
            (self.left() + side + 30.0).max(400.0) as u32,
            (HEADING + side + self.below() + BORDER) as u32,
        )
    }

    fn title(&self) -> String {
        "Confusion matrix".into()
    }

    fn description(&self) -> String {
        let rows: Vec<_> = self
            .classes
            .iter()
            .enumerate()
            .map(|(row, class)| {
                let films = counted(self.total(row) as usize, "film");
                let cells: Vec<_> = self
                    .classes
                    .iter()
                    .zip(&self.counts[row])
                    .map(|(predicted, count)| format!("{count} as {predicted}"))
                    .collect();
                format!("Of {films} of {class}, classified: {}.", cells.join(", "))
            })
            .collect();
        format!("{}. {}", counted(self.films(), "film"), rows.join(" "))
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let films = counted(self.films(), "film");
        let with = if self.cell() >= WIDE { " with 95 % intervals" } else { "" };
        let note = format!("{films}; shares of the true class{with}");
        let space = heading(canvas, &self.title(), &note);

        let (cell, left, top) = (self.cell(), self.left(), space.y0);
        let side = cell * self.classes.len() as f64;
        for row in 0..self.classes.len() {
            let middle = top + (row as f64 + 0.5) * cell;
            let lines = self.row(row);
            let first = middle - LINE * (lines.len() - 1) as f64 / 2.0;
            for (i, (line, text)) in lines.iter().enumerate() {
                let at = (left - 10.0, first + LINE * i as f64);
                canvas.text_middle(at, line, &text.ending());
            }
            for (column, &count) in self.counts[row].iter().enumerate() {
                let x0 = left + column as f64 * cell;
                let y0 = top + row as f64 * cell;
                let area = Rect { x0, y0, x1: x0 + cell, y1: y0 + cell };
                draw_cell(canvas, area, count, self.total(row));
            }
        }
        let frame = Rect { x0: left, y0: top, x1: left + side, y1: top + side };
        let edge = Stroke::new(GRID, 1.0);
        for i in 0..=self.classes.len() {
            let offset = i as f64 * cell;
            canvas.line(&[(left + offset, frame.y0), (left + offset, frame.y1)], &edge);
            canvas.line(&[(frame.x0, top + offset), (frame.x1, top + offset)], &edge);
        }
        for (column, class) in self.classes.iter().enumerate() {
            let x = left + (column as f64 + 0.5) * cell;
            for (i, line) in self.column(class).iter().enumerate() {
                let y = frame.y1 + 18.0 + LINE * i as f64;
                canvas.text((x, y), line, &CLASS.centered());
            }
        }
        let (middle, center) = frame.center();
        let below = frame.y1 + self.below() - 4.0;
        canvas.text((middle, below), "Predicted class", &LABEL.centered());
        canvas.text((BORDER + LABEL.size, center), "True class", &LABEL.centered().upwards());
    }
}

/// Count over share and, where there is room, its interval; the shade is the share.
fn draw_cell(canvas: &mut Canvas<'_>, area: Rect, count: u64, total: u64) {
    let share = Rate::new(count, total);
    let shade = mixed(WHITE, DEEP_BLUE, share.value.unwrap_or(0.0));
    canvas.rect(area, shade);
    let on = |text: Text| Text { color: readable_on(shade), ..text };
    let (x, y) = area.center();
    let wide = area.width() >= WIDE;
    let y = if wide { y - 8.0 } else { y };
    canvas.text((x, y + 2.0), &count.to_string(), &on(COUNT));
    let percent = share.value.map_or_else(|| "–".into(), |v| format!("{:.0} %", 100.0 * v));
    canvas.text((x, y + 20.0), &percent, &on(SHARE));
    if wide && share.value.is_some() {
        let interval = format!("{:.0}–{:.0} %", 100.0 * share.low, 100.0 * share.high);
        canvas.text((x, y + 36.0), &interval, &on(INTERVAL));
    }
}
