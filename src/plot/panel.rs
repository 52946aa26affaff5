//! A coordinate system on the canvas: background, grid, ticks, axis labels.

use super::axis::Axis;
use super::canvas::{Canvas, Point, Rect, Stroke};
use super::text::Text;
use super::theme::{Color, GRID, LABEL, MUTED, SMALL, SOFT, SUBTITLE, TITLE, WHITE, rgb};

/// Colours and marks of a panel.
#[derive(Clone, Copy)]
pub struct Look {
    background: Color,
    grid: Color,
    /// Length of the tick marks in pixels.
    tick: f64,
    /// Whether lines bound the panel to the left and below.
    spines: bool,
    /// Axis labels.
    label: Text,
    /// Tick labels.
    small: Text,
}

/// White with pale grid lines.
pub const PLAIN: Look =
    Look { background: WHITE, grid: GRID, tick: 0.0, spines: true, label: LABEL, small: SMALL };
/// matplotlib's `ggplot` style: white grid on grey, ticks outside, no spines.
/// Its sizes are those of matplotlib, 12 and 10 points at 100 dots per inch.
pub const GGPLOT: Look = Look {
    background: rgb(0xE5E5E5),
    grid: WHITE,
    tick: 4.5,
    spines: false,
    label: Text::new(16.7, SOFT),
    small: Text::new(13.9, SOFT),
};

/// Space between a tick label and the panel.
const GAP: f64 = 6.0;
/// Width of the empty border of a figure.
pub const BORDER: f64 = 18.0;
/// What [`heading`] takes of a figure's height with a subtitle of one line.
pub const HEADING: f64 = 62.0;

/// Draws title and subtitle over the canvas and returns the space below them.
pub fn heading(canvas: &mut Canvas<'_>, title: &str, subtitle: &str) -> Rect {
    let Rect { x1, y1, .. } = canvas.area();
    let width = x1 - 2.0 * BORDER;
    canvas.text((BORDER, 28.0), &TITLE.fit(title, width), &TITLE);
    canvas.text((BORDER, 46.0), &SUBTITLE.fit(subtitle, width), &SUBTITLE);
    Rect { x0: BORDER, y0: HEADING, x1: x1 - BORDER, y1: y1 - BORDER }
}

/// Two axes and the rectangle they span.
pub struct Panel {
    /// The rectangle between the axes.
    pub area: Rect,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis, upwards.
    pub y: Axis,
}

impl Panel {
    /// Fits a panel with its tick and axis labels into `space`, and draws its
    /// background, grid and labels.
    pub fn new(canvas: &mut Canvas<'_>, space: Rect, x: Axis, y: Axis, look: &Look) -> Self {
        let area = inside(space, &x, &y, look);
        Self::on(canvas, area, x, y, look)
    }

    /// The same, as the largest square that fits.
    pub fn square(canvas: &mut Canvas<'_>, space: Rect, x: Axis, y: Axis, look: &Look) -> Self {
        let mut area = inside(space, &x, &y, look);
        let side = area.width().min(area.height());
        (area.x1, area.y1) = (area.x0 + side, area.y0 + side);
        Self::on(canvas, area, x, y, look)
    }

    /// Draws a panel whose labels lie around `area`.
    pub fn on(canvas: &mut Canvas<'_>, area: Rect, x: Axis, y: Axis, look: &Look) -> Self {
        let panel = Self { area, x, y };
        panel.draw(canvas, look);
        panel
    }

    /// Where the values lie on the canvas.
    pub fn at(&self, x: f64, y: f64) -> Point {
        let Rect { x0, x1, y0, y1 } = self.area;
        (x0 + self.x.share(x) * (x1 - x0), y1 - self.y.share(y) * (y1 - y0))
    }

    /// Draws a line through `(x, y)` values; it has a gap where one is not finite.
    pub fn line(&self, canvas: &mut Canvas<'_>, values: &[Point], stroke: &Stroke) {
        for run in values.split(|(x, y)| !(x.is_finite() && y.is_finite())) {
            let points: Vec<_> = run.iter().map(|&(x, y)| self.at(x, y)).collect();
            match points[..] {
                [] => {}
                [(x, y)] => {
                    let marker = super::canvas::Marker::Disc;
                    canvas.marker((x, y), 1.2 + stroke.width, marker, stroke.color);
                }
                _ => canvas.line(&points, stroke),
            }
        }
    }

    /// Fills between `(x, low, high)` values.
    pub fn band(&self, canvas: &mut Canvas<'_>, values: &[(f64, f64, f64)], fill: Color) {
        let lows = values.iter().map(|&(x, low, _)| self.at(x, low));
        let highs = values.iter().rev().map(|&(x, _, high)| self.at(x, high));
        canvas.polygon(&lows.chain(highs).collect::<Vec<_>>(), fill);
    }

    fn draw(&self, canvas: &mut Canvas<'_>, look: &Look) {
        let Rect { x0, y0, x1, y1 } = self.area;
        canvas.rect(self.area, look.background);
        let grid = Stroke::new(look.grid, 1.0);
        let tick = Stroke::new(SOFT, 1.0);
        for (value, label) in &self.x.ticks {
            let (x, _) = self.at(*value, self.y.min);
            canvas.line(&[(x, y0), (x, y1)], &grid);
            if look.tick > 0.0 {
                canvas.line(&[(x, y1), (x, y1 + look.tick)], &tick);
            }
            let below = y1 + look.tick + GAP + 0.75 * look.small.size;
            canvas.text((x, below), label, &look.small.centered());
        }
        for (value, label) in &self.y.ticks {
            let (_, y) = self.at(self.x.min, *value);
            canvas.line(&[(x0, y), (x1, y)], &grid);
            if look.tick > 0.0 {
                canvas.line(&[(x0 - look.tick, y), (x0, y)], &tick);
            }
            canvas.text_middle((x0 - look.tick - GAP, y), label, &look.small.ending());
        }
        if look.spines {
            canvas.line(&[(x0, y0), (x0, y1), (x1, y1)], &Stroke::new(MUTED, 1.0));
        }
        let (middle, center) = self.area.center();
        let below = y1 + below_ticks(&self.x, look) + 0.75 * look.label.size;
        let label = look.label.fit(&self.x.label, self.area.width());
        canvas.text((middle, below), &label, &look.label.centered());
        let beside = x0 - beside_ticks(&self.y, look) - 0.25 * look.label.size;
        let label = look.label.fit(&self.y.label, self.area.height());
        canvas.text((beside, center), &label, &look.label.centered().upwards());
    }
}

/// What is left of `space` beside the labels.
fn inside(space: Rect, x: &Axis, y: &Axis, look: &Look) -> Rect {
    let label = |axis: &Axis| if axis.label.is_empty() { 0.0 } else { look.label.size };
    // Half of the last tick label hangs over the end of its axis.
    let overhang = x.ticks.last().map_or(0.0, |(value, text)| {
        let beyond = look.small.width(text) / 2.0 - (1.0 - x.share(*value)) * space.width();
        beyond.max(0.0)
    });
    Rect {
        x0: space.x0 + beside_ticks(y, look) + label(y),
        y0: space.y0,
        x1: space.x1 - overhang,
        y1: space.y1 - below_ticks(x, look) - label(x),
    }
}

fn below_ticks(axis: &Axis, look: &Look) -> f64 {
    let labels = if axis.ticks.is_empty() { 0.0 } else { look.small.size + 5.0 };
    look.tick + GAP + labels
}

fn beside_ticks(axis: &Axis, look: &Look) -> f64 {
    let widest = axis.ticks.iter().map(|(_, text)| look.small.width(text)).fold(0.0, f64::max);
    look.tick + GAP + widest + 6.0
}
