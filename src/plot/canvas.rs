//! The few shapes that figures are made of, drawn by plotters' backends.

use super::text::{BASELINE, CAP_HEIGHT, Text};
use super::theme::Color;
use plotters_backend::{BackendStyle, DrawingBackend};
use plotters_bitmap::BitMapBackend;
use plotters_svg::SVGBackend;

/// Dots per pixel. The backends know whole dots only; a sixth of a pixel is
/// fine enough for curves, and lets the raster be averaged down.
pub(super) const DOTS: u32 = 6;

/// A place on the canvas in pixels from its upper left corner.
pub type Point = (f64, f64);

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x0: f64,
    /// Upper edge.
    pub y0: f64,
    /// Right edge.
    pub x1: f64,
    /// Lower edge.
    pub y1: f64,
}

impl Rect {
    /// Width in pixels.
    pub fn width(&self) -> f64 {
        self.x1 - self.x0
    }

    /// Height in pixels.
    pub fn height(&self) -> f64 {
        self.y1 - self.y0
    }

    /// The middle.
    pub fn center(&self) -> Point {
        ((self.x0 + self.x1) / 2.0, (self.y0 + self.y1) / 2.0)
    }
}

/// A line's colour, width in pixels, and pattern of dash and gap lengths.
#[derive(Clone, Copy)]
pub struct Stroke {
    /// Colour; strokes are opaque.
    pub color: Color,
    /// Width in pixels.
    pub width: f64,
    /// Lengths of dash, gap, dash, gap, … in pixels; empty for a solid line.
    pub dash: &'static [f64],
}

impl Stroke {
    /// A solid line.
    pub const fn new(color: Color, width: f64) -> Self {
        Self { color, width, dash: &[] }
    }

    /// The same, dashed.
    pub const fn dashed(self) -> Self {
        Self { dash: &[6.0, 4.0], ..self }
    }

    /// The same, dotted.
    pub const fn dotted(self) -> Self {
        Self { dash: &[1.5, 3.0], ..self }
    }
}

impl BackendStyle for Stroke {
    fn color(&self) -> Color {
        self.color
    }

    fn stroke_width(&self) -> u32 {
        (self.width * f64::from(DOTS)).round() as u32
    }
}

/// The shape of a data point.
#[derive(Clone, Copy)]
pub enum Marker {
    /// A filled circle.
    Disc,
    /// A square on its corner.
    Diamond,
}

/// 8-bit RGB pixels in rows of `width`.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height * 3` bytes.
    pub rgb: &'a [u8],
}

/// A picture as it goes into an SVG.
pub(super) struct Picture {
    pub(super) area: Rect,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: Vec<u8>,
}

pub(super) enum Backend<'a> {
    Raster(BitMapBackend<'a>),
    Svg(SVGBackend<'a>),
}

/// What a figure draws on: an SVG, or a raster of [`DOTS`] dots a pixel.
pub struct Canvas<'a> {
    backend: Backend<'a>,
    pub(super) pictures: Vec<Picture>,
}

macro_rules! draw {
    ($canvas:ident.$shape:ident($($argument:expr),*)) => {
        match &mut $canvas.backend {
            Backend::Raster(to) => to.$shape($($argument),*).expect("memory takes every shape"),
            Backend::Svg(to) => to.$shape($($argument),*).expect("memory takes every shape"),
        }
    };
}

impl<'a> Canvas<'a> {
    pub(super) fn new(backend: Backend<'a>) -> Self {
        Self { backend, pictures: Vec::new() }
    }

    /// The whole canvas.
    pub fn area(&self) -> Rect {
        let (width, height) = match &self.backend {
            Backend::Raster(b) => b.get_size(),
            Backend::Svg(b) => b.get_size(),
        };
        let px = |dots: u32| f64::from(dots / DOTS);
        Rect { x0: 0.0, y0: 0.0, x1: px(width), y1: px(height) }
    }

    /// Fills a rectangle.
    pub fn rect(&mut self, area: Rect, fill: Color) {
        let (from, to) = (dot((area.x0, area.y0)), dot((area.x1, area.y1)));
        if to.0 > from.0 && to.1 > from.1 {
            draw!(self.draw_rect(from, to, &fill, true));
        }
    }

    /// Draws the edge of a rectangle.
    pub fn frame(&mut self, area: Rect, stroke: &Stroke) {
        let Rect { x0, y0, x1, y1 } = area;
        self.line(&[(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], stroke);
    }

    /// Fills a polygon.
    pub fn polygon(&mut self, points: &[Point], fill: Color) {
        let points: Vec<_> = points.iter().copied().map(dot).collect();
        draw!(self.fill_polygon(points, &fill));
    }

    /// Draws a line through the points, with round joins.
    pub fn line(&mut self, points: &[Point], stroke: &Stroke) {
        for piece in dashes(points, stroke.dash) {
            let dots: Vec<_> = piece.iter().copied().map(dot).collect();
            match &mut self.backend {
                Backend::Svg(svg) => {
                    svg.draw_path(dots, stroke).expect("memory takes every shape");
                }
                Backend::Raster(_) => self.raster_line(&dots, stroke),
            }
        }
    }

    /// Each segment as a rectangle, each join as a disc.
    fn raster_line(&mut self, dots: &[(i32, i32)], stroke: &Stroke) {
        let half = f64::from(stroke.stroke_width()) / 2.0;
        for (i, pair) in dots.windows(2).enumerate() {
            let [a, b] = [pair[0], pair[1]].map(|(x, y)| (f64::from(x), f64::from(y)));
            let length = (b.0 - a.0).hypot(b.1 - a.1);
            if length > 0.0 {
                let (nx, ny) = (half * (b.1 - a.1) / length, half * (a.0 - b.0) / length);
                let corner = |x: f64, y: f64| (x.round() as i32, y.round() as i32);
                let corners = [
                    corner(a.0 + nx, a.1 + ny),
                    corner(b.0 + nx, b.1 + ny),
                    corner(b.0 - nx, b.1 - ny),
                    corner(a.0 - nx, a.1 - ny),
                ];
                draw!(self.fill_polygon(corners, &stroke.color));
            }
            if i > 0 {
                draw!(self.draw_circle(pair[0], half.round() as u32, &stroke.color, true));
            }
        }
    }

    /// Draws a data point of the given radius with a white rim.
    pub fn marker(&mut self, at: Point, radius: f64, marker: Marker, fill: Color) {
        self.shape(at, radius + 1.0, marker, super::theme::WHITE);
        self.shape(at, radius, marker, fill);
    }

    fn shape(&mut self, (x, y): Point, radius: f64, marker: Marker, fill: Color) {
        match marker {
            Marker::Disc => {
                let radius = (radius * f64::from(DOTS)).round() as u32;
                draw!(self.draw_circle(dot((x, y)), radius, &fill, true));
            }
            Marker::Diamond => {
                let r = radius * 1.25;
                self.polygon(&[(x - r, y), (x, y - r), (x + r, y), (x, y + r)], fill);
            }
        }
    }

    /// Sets `text` with its baseline at the anchor.
    pub fn text(&mut self, (x, y): Point, text: &str, style: &Text) {
        let text = text.replace(char::is_control, " ");
        let down = style.size * BASELINE;
        let anchor = if style.upwards { (x - down, y) } else { (x, y - down) };
        let style = Text { size: style.size * f64::from(DOTS), ..*style };
        draw!(self.draw_text(&text, &style, dot(anchor)));
    }

    /// Sets `text` with the middle of its capitals at the anchor.
    pub fn text_middle(&mut self, (x, y): Point, text: &str, style: &Text) {
        let down = style.size * CAP_HEIGHT / 2.0;
        let at = if style.upwards { (x + down, y) } else { (x, y + down) };
        self.text(at, text, style);
    }

    /// Draws a picture over `area`, stretched to it.
    pub fn picture(&mut self, area: Rect, pixels: Pixels<'_>) {
        let (from, to) = (dot((area.x0, area.y0)), dot((area.x1, area.y1)));
        let Pixels { width, height, rgb } = pixels;
        let Backend::Raster(raster) = &mut self.backend else {
            self.pictures.push(Picture { area, width, height, rgb: rgb.to_vec() });
            return;
        };
        let (across, down) = ((to.0 - from.0) as usize, (to.1 - from.1) as usize);
        let mut stretched = Vec::with_capacity(across * down * 3);
        for y in 0..down {
            for x in 0..across {
                let at = (y * height / down * width + x * width / across) * 3;
                stretched.extend_from_slice(&rgb[at..at + 3]);
            }
        }
        raster
            .blit_bitmap(from, (across as u32, down as u32), &stretched)
            .expect("memory takes every shape");
    }
}

fn dot((x, y): Point) -> (i32, i32) {
    let dots = f64::from(DOTS);
    ((x * dots).round() as i32, (y * dots).round() as i32)
}

/// Cuts a line into its dashes; a solid line is one piece.
fn dashes(points: &[Point], pattern: &[f64]) -> Vec<Vec<Point>> {
    if pattern.is_empty() || points.len() < 2 {
        return vec![points.to_vec()];
    }
    let mut pieces = vec![vec![points[0]]];
    let (mut at, mut left) = (0, pattern[0]);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let pen_down = at % 2 == 0;
            let end = if length <= left {
                to
            } else {
                let t = left / length;
                (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1))
            };
            if pen_down && let Some(piece) = pieces.last_mut() {
                piece.push(end);
            }
            if length <= left {
                left -= length;
                break;
            }
            at += 1;
            left = pattern[at % pattern.len()];
            if !pen_down {
                pieces.push(vec![end]);
            }
            from = end;
        }
    }
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_round_corners() {
        let corner = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0)];
        let pieces = dashes(&corner, &[5.0, 2.0]);
        assert_eq!(
            pieces,
            [vec![(0.0, 0.0), (4.0, 0.0), (4.0, 1.0)], vec![(4.0, 3.0), (4.0, 4.0)]]
        );
        assert_eq!(dashes(&corner, &[]), [corner.to_vec()]);
    }
}
