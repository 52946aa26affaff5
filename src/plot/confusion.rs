//! The confusion matrix.

use super::axis::Axis;
use super::chart::{self, BORDER, Chart, HEADING, PLAIN, heading, mesh};
use super::page::{Area, Drawn, px};
use super::text::{Font, HPos, VPos};
use super::theme::{DEEP_BLUE, GRID, INK, NAME, WHITE, mixed, readable_on};
use super::{Figure, counted};
use crate::metrics::Rate;
use plotters::prelude::*;

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

const COUNT: Font = Font::new(19.0, INK).bold();
const PROPORTION: Font = Font::new(11.5, INK);
const INTERVAL: Font = Font::new(10.0, INK);
/// Names and counts of narrow cells.
const NARROW: Font = Font::new(9.5, INK);
/// Least width in pixels of a cell that shows the interval of its proportion, its
/// proportion, and its count.
const WIDE: f64 = 90.0;
const MIDDLE: f64 = 62.0;
const COUNTED: f64 = 26.0;
/// Least and greatest width of a cell.
const LEAST: f64 = 12.0;
const MOST: f64 = 130.0;
/// The longest side of all cells together, unless there are many.
const SIDE: f64 = 744.0;
/// The longest name of a class in pixels, beside narrow cells and beside others.
const LONGEST: (f64, f64) = (110.0, 220.0);

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
        (SIDE / self.classes.len().max(1) as f64).clamp(LEAST, MOST).floor()
    }

    fn is_narrow(&self) -> bool {
        self.cell() < MIDDLE
    }

    /// The font of the names of the classes, and the longest name in pixels.
    fn font(&self) -> (Font, f64) {
        if self.is_narrow() { (NARROW, LONGEST.0) } else { (NAME, LONGEST.1) }
    }

    /// The name of a class as it fits beside or below the cells.
    fn class(&self, class: usize) -> String {
        let (font, longest) = self.font();
        font.fit(&self.classes[class], longest)
    }

    /// The label of a row: the true class and, if there is room, its number of predictions.
    fn row(&self, row: usize) -> String {
        match self.class(row) {
            class if self.is_narrow() => class,
            class => format!("{class} (n = {})", self.total(row)),
        }
    }

    /// Width of the widest text in pixels.
    fn widest(&self, text: impl Fn(usize) -> String) -> f64 {
        let texts: Vec<_> = (0..self.classes.len()).map(text).collect();
        self.font().0.widest(texts.iter().map(String::as_str))
    }

    /// Whether the names of the predicted classes read upwards, since a cell is narrower.
    fn has_vertical_names(&self) -> bool {
        self.widest(|column| self.class(column)) > self.cell() - 8.0
    }

    /// Room in pixels to the left of the cells and below them.
    fn label_areas(&self) -> (f64, f64) {
        let names =
            if self.has_vertical_names() { self.widest(|column| self.class(column)) } else { 12.0 };
        (20.0 + self.widest(|row| self.row(row)) + 10.0, 6.0 + names + 26.0)
    }
}

impl Figure for Confusion {
    fn name(&self) -> &str {
        "confusion"
    }

    fn size(&self) -> (u32, u32) {
        let side = self.cell() * self.classes.len() as f64;
        let (left, below) = self.label_areas();
        (
            (BORDER + left + side + BORDER).max(400.0) as u32,
            (HEADING + side + below + BORDER) as u32,
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

    fn draw(&self, page: &Area<'_>) -> Drawn {
        let all = counted(self.predictions(), "prediction");
        let note = match self.cell() {
            MIDDLE..WIDE => format!("{all}; percent of the true class"),
            WIDE.. => format!("{all}; percent of the true class, 95 % interval"),
            _ => format!("{all}; colour: proportion of the true class"),
        };
        let area = heading(page, &self.title(), &note)?;
        let (left, below) = self.label_areas();
        let classes = 0..self.classes.len();
        let side = self.cell() * self.classes.len() as f64;
        let is_vertical = self.has_vertical_names();
        let column = |column| if is_vertical { String::new() } else { self.class(column) };
        let x = Axis::named(classes.clone().map(column));
        let y = Axis::named(classes.clone().map(|row| self.row(row))).reversed();
        let area = area.shrink((0, 0), (px(left + side), px(side + below)));
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(px(below))
            .y_label_area_size(px(left))
            .build_cartesian_2d(x, y)?;
        mesh(&mut chart, PLAIN, ["Predicted class", "True class"])?
            .axis_style(TRANSPARENT)
            .label_style(self.font().0.style())
            .disable_mesh()
            .draw()?;
        // The gaps between the cells are the grid.
        chart.plotting_area().fill(&GRID)?;
        for (row, counts) in self.counts.iter().enumerate() {
            for (column, &count) in counts.iter().enumerate() {
                let interval = self.sensitivity.get(row).filter(|_| row == column);
                self.draw_cell(&mut chart, (column, row), count, interval)?;
            }
        }
        let upwards = self.font().0.anchored(HPos::Right, VPos::Center);
        let upwards = upwards.transform(FontTransform::Rotate270);
        for column in classes.filter(|_| is_vertical) {
            let below = (column as f64 + 0.5, self.classes.len() as f64);
            chart::text(&mut chart, below, (0.0, 6.0), self.class(column), &upwards)?;
        }
        Ok(())
    }
}

impl Confusion {
    /// Draws a cell with its count, its proportion and, on the diagonal, its interval, as
    /// far as there is room; its colour is the proportion.
    fn draw_cell(
        &self,
        chart: &mut Chart<'_>,
        (column, row): (usize, usize),
        count: u64,
        interval: Option<&Rate>,
    ) -> Drawn {
        let total = self.total(row);
        let proportion = (total > 0).then(|| count as f64 / total as f64);
        let shade = mixed(WHITE, DEEP_BLUE, proportion.unwrap_or(0.0));
        let (x, y) = (column as f64, row as f64);
        let mut cell = Rectangle::new([(x, y), (x + 1.0, y + 1.0)], shade.filled());
        let half = px(0.5) as u32;
        cell.set_margin(half, half, half, half);
        chart.draw_series([cell])?;

        let mut text = |down: f64, text: String, font: Font| {
            let style = font.color(readable_on(shade)).anchored(HPos::Center, VPos::Center);
            chart::text(chart, (x + 0.5, y + 0.5), (0.0, down), text, &style)
        };
        let width = self.cell();
        if width < MIDDLE {
            let shown = width >= COUNTED && count > 0;
            return if shown { text(0.0, count.to_string(), NARROW) } else { Ok(()) };
        }
        let top = if width >= WIDE { -13.0 } else { -6.0 };
        text(top, count.to_string(), COUNT)?;
        let percent = proportion.map_or_else(|| "–".into(), |v| format!("{:.0} %", 100.0 * v));
        text(top + 22.0, percent, PROPORTION)?;
        match interval.filter(|rate| width >= WIDE && rate.value.is_some()) {
            None => Ok(()),
            Some(Rate { low, high, .. }) => {
                let interval = format!("{:.0} to {:.0} %", 100.0 * low, 100.0 * high);
                text(top + 38.0, interval, INTERVAL)
            }
        }
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
