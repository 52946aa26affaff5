//! Legends.

use super::canvas::{Canvas, Marker, Rect, Stroke};
use super::text::Text;
use super::theme::{Color, SMALL, WHITE, faded, rgb};

/// The sign that stands for a series in a legend.
#[derive(Clone, Copy)]
pub enum Key {
    /// A line.
    Line(Stroke),
    /// A filled band or bar.
    Patch(Color),
    /// A data point.
    Point(Marker, Color),
}

/// The corner of a panel in which a legend stands.
#[derive(Clone, Copy)]
pub enum Corner {
    /// Below, to the left.
    LowerLeft,
    /// Below, to the right.
    LowerRight,
    /// Above, to the left.
    UpperLeft,
}

/// Background and text of a legend.
#[derive(Clone, Copy)]
pub struct Style {
    background: Color,
    text: Text,
}

impl Style {
    /// The text of the entries.
    pub fn text(&self) -> &Text {
        &self.text
    }
}

/// On white.
pub const PLAIN: Style = Style { background: WHITE, text: SMALL };
/// As matplotlib's `ggplot` style has it.
pub const GGPLOT: Style = Style { background: rgb(0xE5E5E5), text: Text::new(13.9, rgb(0)) };

const KEY: f64 = 26.0;
const PAD: f64 = 8.0;
const INSET: f64 = 8.0;

/// Draws a boxed legend in a corner of `area`.
pub fn legend(
    canvas: &mut Canvas<'_>,
    area: Rect,
    corner: Corner,
    style: &Style,
    entries: &[(Key, String)],
) {
    let line = style.text.size + 7.0;
    let text = entries.iter().map(|(_, text)| style.text.width(text)).fold(0.0, f64::max);
    let width = 3.0 * PAD + KEY + text;
    let height = 2.0 * PAD + line * entries.len() as f64 - 5.0;
    let x0 = match corner {
        Corner::LowerLeft | Corner::UpperLeft => area.x0 + INSET,
        Corner::LowerRight => area.x1 - INSET - width,
    };
    let y0 = match corner {
        Corner::UpperLeft => area.y0 + INSET,
        Corner::LowerLeft | Corner::LowerRight => area.y1 - INSET - height,
    };
    let frame = Rect { x0, y0, x1: x0 + width, y1: y0 + height };
    canvas.rect(frame, faded(style.background, 0.85));
    canvas.frame(frame, &Stroke::new(rgb(0xCCCCCC), 1.0));
    for (i, (key, text)) in entries.iter().enumerate() {
        let y = y0 + PAD + line * (i as f64 + 0.5) - 2.5;
        draw_key(canvas, (x0 + PAD, y), key);
        canvas.text_middle((x0 + 2.0 * PAD + KEY, y), text, &style.text);
    }
}

fn draw_key(canvas: &mut Canvas<'_>, (x, y): (f64, f64), key: &Key) {
    match *key {
        Key::Line(stroke) => canvas.line(&[(x, y), (x + KEY, y)], &stroke),
        Key::Patch(fill) => {
            canvas.rect(Rect { x0: x, y0: y - 5.0, x1: x + KEY, y1: y + 5.0 }, fill);
        }
        Key::Point(marker, fill) => canvas.marker((x + KEY / 2.0, y), 4.0, marker, fill),
    }
}

/// Draws a legend in one row, from its left end at half height.
pub fn row(canvas: &mut Canvas<'_>, (mut x, y): (f64, f64), entries: &[(Key, &str)]) {
    for (key, text) in entries {
        draw_key(canvas, (x, y), key);
        x += KEY + 6.0;
        canvas.text_middle((x, y), text, &SMALL);
        x += SMALL.width(text) + 18.0;
    }
}
