//! The confusion matrix.

use super::canvas::{Canvas, Rect, Stroke};
use super::panel::{BORDER, HEADING, heading};
use super::text::Text;
use super::theme::{DEEP_BLUE, GRID, INK, LABEL, SMALL, WHITE, mixed, readable_on};
use super::{Figure, counted};
use crate::metrics::Rate;

/// Counts of predictions by true and predicted class.
#[derive(Clone, Debug)]
pub struct Confusion {
    /// What the predictions are of: `test set, 42 images`.
    pub on: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// A row per true class, a column per predicted class.
    pub counts: Vec<Vec<u64>>,
    /// The sensitivity of each class, with its interval: the diagonal, as a proportion.
    pub sensitivity: Vec<Rate>,
}

const COUNT: Text = Text::new(19.0, INK).bold().centered();
const PROPORTION: Text = Text::new(11.5, INK).centered();
const INTERVAL: Text = Text::new(10.0, INK).centered();
/// The least width in pixels of a cell that shows the interval of its proportion, its
/// proportion, and its count.
const WIDE: f64 = 90.0;
const MIDDLE: f64 = 62.0;
const NARROW: f64 = 26.0;
/// The least width of a cell.
const LEAST: f64 = 12.0;
/// The longest side of all cells together, of narrow ones.
const SIDE: f64 = 744.0;
const SMALL_COUNT: Text = Text::new(9.5, INK).centered();
const CLASS: Text = Text::new(12.0, INK);
/// Of classes beside narrow cells, in one line, the columns' upwards.
const NARROW_CLASS: Text = Text::new(9.5, INK);
/// The longest that such a line may be.
const NARROW_NAME: f64 = 110.0;
/// The longest that a line of a class's name may be, in pixels.
const NAME: f64 = 150.0;
/// Height of such a line; a name has at most two.
const LINE: f64 = 15.0;

impl Confusion {
    /// Predictions of a true class.
    fn total(&self, row: usize) -> u64 {
        self.counts[row].iter().sum()
    }

    fn predictions(&self) -> usize {
        self.counts.iter().flatten().sum::<u64>() as usize
    }

    /// Side of a cell in pixels: smaller with more classes.
    fn cell(&self) -> f64 {
        let count = self.classes.len().max(1) as f64;
        match (330.0 / count).clamp(MIDDLE, 130.0).floor() {
            side if side * count <= SIDE => side,
            _ => (SIDE / count).clamp(LEAST, MIDDLE).floor(),
        }
    }

    fn is_narrow(&self) -> bool {
        self.cell() < MIDDLE
    }

    /// What stands beside a row: the class, and how many predictions it has.
    fn row(&self, row: usize) -> Vec<(String, Text)> {
        let class = &self.classes[row];
        if self.is_narrow() {
            return vec![(NARROW_CLASS.fit(class, NARROW_NAME), NARROW_CLASS)];
        }
        let name = CLASS.wrap(class, NAME, 2).into_iter().map(|line| (line, CLASS));
        name.chain([(counted(self.total(row) as usize, "prediction"), SMALL)]).collect()
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

    /// Height of the names below the cells.
    fn names(&self) -> f64 {
        let lines = |class: &String| match self.is_narrow() {
            true => NARROW_CLASS.width(&NARROW_CLASS.fit(class, NARROW_NAME)),
            false => LINE * self.column(class).len() as f64,
        };
        self.classes.iter().map(lines).fold(0.0, f64::max)
    }

    /// Height of what stands below the cells.
    fn below(&self) -> f64 {
        8.0 + self.names() + 10.0 + LABEL.size
    }

    /// The names of the columns below the cells, whose left lower corner is at `(x, y)`.
    fn draw_columns(&self, canvas: &mut Canvas<'_>, (x, y): (f64, f64)) {
        for (column, class) in self.classes.iter().enumerate() {
            let x = x + (column as f64 + 0.5) * self.cell();
            if self.is_narrow() {
                let name = NARROW_CLASS.fit(class, NARROW_NAME);
                canvas.text_middle((x, y + 8.0), &name, &NARROW_CLASS.ending().upwards());
                continue;
            }
            for (i, line) in self.column(class).iter().enumerate() {
                canvas.text((x, y + 18.0 + LINE * i as f64), line, &CLASS.centered());
            }
        }
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
        format!("Confusion matrix: {}", self.on)
    }

    fn description(&self) -> String {
        let of_class = |(row, class): (usize, &String)| {
            let all = counted(self.total(row) as usize, "prediction");
            let cells = self.classes.iter().zip(&self.counts[row]);
            let cells: Vec<_> = cells
                .filter(|(predicted, count)| **count > 0 || *predicted == class)
                .map(|(predicted, count)| format!("{count} as {predicted}"))
                .collect();
            format!("Of {all} of {class}: {}.", cells.join(", "))
        };
        let rows: Vec<_> = self.classes.iter().enumerate().map(of_class).collect();
        format!("{}. {}", counted(self.predictions(), "prediction"), rows.join(" "))
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let all = counted(self.predictions(), "prediction");
        let note = match self.cell() {
            MIDDLE..WIDE => format!("{all}; percent of the true class"),
            WIDE.. => format!("{all}; percent of the true class, 95 % interval"),
            _ => format!("{all}; the shade is the proportion of the true class"),
        };
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
                let interval = self.sensitivity.get(row).filter(|_| row == column);
                draw_cell(canvas, area, count, self.total(row), interval);
            }
        }
        let frame = Rect { x0: left, y0: top, x1: left + side, y1: top + side };
        let edge = Stroke::new(GRID, 1.0);
        for i in 0..=self.classes.len() {
            let offset = i as f64 * cell;
            canvas.line(&[(left + offset, frame.y0), (left + offset, frame.y1)], &edge);
            canvas.line(&[(frame.x0, top + offset), (frame.x1, top + offset)], &edge);
        }
        self.draw_columns(canvas, (left, frame.y1));
        let (middle, center) = frame.center();
        let below = frame.y1 + self.below() - 4.0;
        canvas.text((middle, below), "Predicted class", &LABEL.centered());
        canvas.text((BORDER + LABEL.size, center), "True class", &LABEL.centered().upwards());
    }
}

/// Count over proportion and, on the diagonal, its interval, as far as there is room; the
/// shade is the proportion.
fn draw_cell(canvas: &mut Canvas<'_>, area: Rect, count: u64, total: u64, interval: Option<&Rate>) {
    let proportion = (total > 0).then(|| count as f64 / total as f64);
    let shade = mixed(WHITE, DEEP_BLUE, proportion.unwrap_or(0.0));
    canvas.rect(area, shade);
    let on = |text: Text| Text { color: readable_on(shade), ..text };
    let (x, y) = area.center();
    if area.width() < MIDDLE {
        if area.width() >= NARROW && count > 0 {
            canvas.text_middle((x, y), &count.to_string(), &on(SMALL_COUNT));
        }
        return;
    }
    let wide = area.width() >= WIDE;
    let y = if wide { y - 8.0 } else { y };
    canvas.text((x, y + 2.0), &count.to_string(), &on(COUNT));
    let percent = proportion.map_or_else(|| "–".into(), |v| format!("{:.0} %", 100.0 * v));
    canvas.text((x, y + 20.0), &percent, &on(PROPORTION));
    if let Some(rate) = interval.filter(|rate| wide && rate.value.is_some()) {
        let interval = format!("{:.0} to {:.0} %", 100.0 * rate.low, 100.0 * rate.high);
        canvas.text((x, y + 36.0), &interval, &on(INTERVAL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(classes: usize) -> Confusion {
        Confusion {
            on: "test set".into(),
            classes: (0..classes).map(|i| format!("finding number {i}")).collect(),
            counts: vec![vec![1; classes]; classes],
            sensitivity: vec![Rate::new(1, classes as u64); classes],
        }
    }

    #[test]
    fn many_classes_stay_on_a_page() {
        for classes in [2, 12, 13, 28, 60] {
            let (width, height) = of(classes).size();
            assert!(width * height < 1_000_000, "{classes} classes: {width} x {height}");
        }
        assert!(of(13).is_narrow() && !of(12).is_narrow());
    }
}
