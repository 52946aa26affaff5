//! The backend that figures are drawn on: plotters' bitmap or SVG backend.
//!
//! One type for both keeps figures free of generics. A page hands every shape to plotters'
//! backend, and replaces what they draw poorly or not at all: text (see [`Glyphs`]),
//! joins of wide lines, frames of rectangles, and images in an SVG.

use super::render;
use super::text::Glyphs;
use plotters::coord::Shift;
use plotters::element::{Drawable, PointCollection};
use plotters::prelude::{BitMapBackend, DrawingArea, DrawingAreaErrorKind, SVGBackend};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};
use std::convert::Infallible;

/// Dots per pixel. The backends know whole dots only; a sixth of a pixel is fine enough for
/// curves, and the bitmap is averaged down.
pub(super) const DOTS: u32 = 6;

/// Whole dots of a length in pixels.
pub(super) const fn px(pixels: f64) -> i32 {
    (pixels * DOTS as f64).round() as i32
}

/// A part of a page.
pub type Area<'a> = DrawingArea<Page<'a>, Shift>;

/// The result of drawing: pages are in memory and take every shape, so that an error is a
/// fault of the figure.
pub type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<Infallible>>;

type Shape = Result<(), DrawingErrorKind<Infallible>>;

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

/// A drawing backend of [`DOTS`] dots a pixel.
pub enum Page<'a> {
    /// A bitmap.
    Bitmap(BitMapBackend<'a>),
    /// An SVG; its images lie above all other shapes.
    Svg {
        /// Everything but images.
        shapes: SVGBackend<'a>,
        /// The `<image>` elements.
        images: &'a mut String,
    },
}

/// Hands a shape to the backend of a page.
macro_rules! forward {
    ($page:ident.$shape:ident($($argument:expr),*)) => {{
        match $page {
            Page::Bitmap(to) => to.$shape($($argument),*).expect("memory takes every shape"),
            Page::Svg { shapes, .. } => {
                shapes.$shape($($argument),*).expect("memory takes every shape");
            }
        }
        Ok(())
    }};
}

impl DrawingBackend for Page<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        match self {
            Page::Bitmap(bitmap) => bitmap.get_size(),
            Page::Svg { shapes, .. } => shapes.get_size(),
        }
    }

    fn ensure_prepared(&mut self) -> Shape {
        forward!(self.ensure_prepared())
    }

    fn present(&mut self) -> Shape {
        forward!(self.present())
    }

    fn blit_bitmap(&mut self, at: BackendCoord, size: (u32, u32), rgb: &[u8]) -> Shape {
        forward!(self.blit_bitmap(at, size, rgb))
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Shape {
        forward!(self.draw_pixel(point, color))
    }

    fn draw_line<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S) -> Shape {
        forward!(self.draw_line(a, b, style))
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        a: BackendCoord,
        b: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Shape {
        if !fill {
            // plotters' backends draw frames of one dot whatever the width of the stroke.
            return self.draw_path([a, (b.0, a.1), b, (a.0, b.1), a], style);
        }
        forward!(self.draw_rect(a, b, style, true))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Shape {
        match self {
            Page::Bitmap(bitmap) if style.stroke_width() > 1 && style.color().alpha >= 1.0 => {
                wide_line(bitmap, &path.into_iter().collect::<Vec<_>>(), style);
                Ok(())
            }
            page => forward!(page.draw_path(path, style)),
        }
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Shape {
        forward!(self.draw_circle(center, radius, style, fill))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vertices: I,
        style: &S,
    ) -> Shape {
        forward!(self.fill_polygon(vertices, style))
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Shape {
        if text.is_empty() {
            return Ok(());
        }
        let text = text.replace(char::is_control, " ");
        let glyphs = Glyphs(style);
        let (dx, dy) = glyphs.offset();
        forward!(self.draw_text(&text, &glyphs, (x + dx, y + dy)))
    }
}

/// Draws the segments and a disc at each join. plotters fills the outline of the whole line,
/// which crosses itself and then has holes where segments are shorter than wide.
fn wide_line(bitmap: &mut BitMapBackend<'_>, points: &[BackendCoord], style: &impl BackendStyle) {
    for pair in points.windows(2) {
        bitmap.draw_line(pair[0], pair[1], style).expect("memory takes every shape");
    }
    for &join in points.iter().rev().skip(1).rev().skip(1) {
        let radius = style.stroke_width() / 2;
        bitmap.draw_circle(join, radius, &style.color(), true).expect("memory takes every shape");
    }
}

/// An image stretched between two corners, given in dots: an element of plotters.
pub struct Picture<'a> {
    /// Upper left and lower right corner.
    pub corners: [BackendCoord; 2],
    /// The image.
    pub pixels: Pixels<'a>,
}

impl<'a> PointCollection<'a, BackendCoord> for &'a Picture<'_> {
    type Point = &'a BackendCoord;
    type IntoIter = &'a [BackendCoord; 2];

    fn point_iter(self) -> Self::IntoIter {
        &self.corners
    }
}

impl Drawable<Page<'_>> for Picture<'_> {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        mut corners: I,
        page: &mut Page<'_>,
        _: (u32, u32),
    ) -> Shape {
        let (Some((x0, y0)), Some((x1, y1))) = (corners.next(), corners.next()) else {
            return Ok(());
        };
        let (across, down) = ((x1 - x0) as usize, (y1 - y0) as usize);
        let Pixels { width, height, rgb } = self.pixels;
        match page {
            Page::Svg { images, .. } => {
                images.push_str(&render::image((x0, y0), (across, down), &self.pixels));
                Ok(())
            }
            Page::Bitmap(_) => {
                let dots = (0..down).flat_map(|y| (0..across).map(move |x| (x, y)));
                let stretched: Vec<u8> = dots
                    .map(|(x, y)| (y * height / down * width + x * width / across) * 3)
                    .flat_map(|at| rgb[at..at + 3].iter().copied())
                    .collect();
                page.blit_bitmap((x0, y0), (across as u32, down as u32), &stretched)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chart::Stroke;
    use super::super::theme::INK;
    use super::*;
    use plotters::prelude::{IntoDrawingArea, PathElement, Rectangle};

    const LINE: Stroke = Stroke::new(INK, 2.0);
    const SIDE: usize = 100;

    /// Draws on a white bitmap, and returns whether each dot is painted, in rows.
    fn painted(draw: impl Fn(&Area<'_>) -> Drawn) -> Vec<Vec<bool>> {
        let mut dots = vec![255; SIDE * SIDE * 3];
        let bitmap = BitMapBackend::with_buffer(&mut dots, (SIDE as u32, SIDE as u32));
        draw(&Page::Bitmap(bitmap).into_drawing_area()).unwrap();
        let row = |row: &[u8]| row.chunks(3).map(|dot| dot[0] < 128).collect();
        dots.chunks(SIDE * 3).map(row).collect()
    }

    #[test]
    fn lines_of_segments_shorter_than_wide_have_no_holes() {
        let zigzag: Vec<(i32, i32)> =
            (0..24).map(|i| (10 + i / 2 * 4, 30 + (i + 1) / 2 % 2 * 20)).collect();
        let element = PathElement::new(zigzag.clone(), LINE.style());
        let painted = painted(|area| area.draw(&element));
        for pair in zigzag.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            for y in y0.min(y1)..=y0.max(y1) {
                for x in x0..=x1 {
                    assert!(painted[y as usize][x as usize], "hole at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn frames_have_the_width_of_their_stroke() {
        let frame = Rectangle::new([(20, 20), (80, 80)], LINE.style());
        let painted = painted(|area| area.draw(&frame));
        let width = painted[50].iter().take(SIDE / 2).filter(|dot| **dot).count();
        assert!((11..=13).contains(&width), "{width} dots");
        assert!(!painted[50][50]);
    }

    #[test]
    fn an_image_fills_its_corners() {
        let pixels = Pixels { width: 2, height: 1, rgb: &[0, 0, 0, 255, 255, 255] };
        let painted = painted(|area| area.draw(&Picture { corners: [(10, 10), (30, 50)], pixels }));
        let columns: Vec<usize> = (0..SIDE).filter(|&x| painted[30][x]).collect();
        assert_eq!((columns[0], columns.len()), (10, 10));
        let rows = (0..SIDE).filter(|&y| painted[y][12]).count();
        assert_eq!(rows, 40);
    }
}
