//! A figure as PNG and as SVG, from the same drawing.

use super::Figure;
use super::page::{DOTS, Page, Pixels};
use super::theme::WHITE;
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea;
use plotters_backend::BackendCoord;
use std::fmt::Write;

/// Pixels of the PNG per pixel of the figure.
const SCALE: u32 = 3;
/// Figure pixels are 1/100 inch, as in matplotlib, so a PNG has 300 dpi.
const DOTS_PER_METRE: u32 = 11811;

/// Renders a figure as an 8-bit RGB PNG of 300 dpi, three times the figure's
/// size in pixels. The same figure gives the same bytes.
pub fn png(figure: &dyn Figure) -> Vec<u8> {
    thumbnail(figure, DOTS / SCALE)
}

/// Renders a figure as a PNG of a pixel per square of `cell` dots.
pub(super) fn thumbnail(figure: &dyn Figure, cell: u32) -> Vec<u8> {
    let (width, height) = figure.size();
    encode(width * DOTS / cell, height * DOTS / cell, &raster(figure, cell))
}

/// The figure's RGB pixels, averaged over squares of `cell` dots.
pub(super) fn raster(figure: &dyn Figure, cell: u32) -> Vec<u8> {
    let (width, height) = figure.size();
    let (width, height) = ((width * DOTS) as usize, (height * DOTS) as usize);
    let mut dots = vec![255; width * height * 3];
    let bitmap = BitMapBackend::with_buffer(&mut dots, (width as u32, height as u32));
    figure.draw(&Page::Bitmap(bitmap).into_drawing_area()).expect("a page takes every shape");

    let cell = cell as usize;
    let mut pixels = Vec::with_capacity(dots.len() / (cell * cell));
    let mut sums = vec![0u32; width / cell * 3];
    for rows in dots.chunks_exact(width * 3 * cell) {
        sums.fill(0);
        for row in rows.chunks_exact(width * 3) {
            for (sum, cell) in sums.chunks_exact_mut(3).zip(row.chunks_exact(cell * 3)) {
                for dot in cell.chunks_exact(3) {
                    sum[0] += u32::from(dot[0]);
                    sum[1] += u32::from(dot[1]);
                    sum[2] += u32::from(dot[2]);
                }
            }
        }
        let count = (cell * cell) as u32;
        pixels.extend(sums.iter().map(|sum| ((sum + count / 2) / count) as u8));
    }
    pixels
}

fn encode(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: DOTS_PER_METRE,
        yppu: DOTS_PER_METRE,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().expect("memory takes every byte");
    writer.write_image_data(rgb).expect("the pixels fill the picture");
    writer.finish().expect("memory takes every byte");
    bytes
}

/// Renders a figure as an SVG document: text stays text, the figure's title and
/// description are its `<title>` and `<desc>`.
pub fn svg(figure: &dyn Figure) -> String {
    let (width, height) = figure.size();
    let (across, down) = (width * DOTS, height * DOTS);
    let (mut body, mut images) = (String::new(), String::new());
    let shapes = SVGBackend::with_string(&mut body, (across, down));
    let page = Page::Svg { shapes, images: &mut images }.into_drawing_area();
    page.fill(&WHITE).and_then(|()| figure.draw(&page)).expect("a page takes every shape");
    drop(page);

    // The backend's own root element says neither what is drawn nor how lines join.
    let shapes = body.split_once('\n').map(|(_, rest)| rest).expect("the root is a line");
    let shapes = shapes.strip_suffix("</svg>\n").expect("a dropped backend closes its root");
    let name = figure.name();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {across} {down}\" role=\"img\" aria-labelledby=\"{name}-title {name}-desc\" \
         stroke-linejoin=\"round\">\n\
         <title id=\"{name}-title\">{}</title>\n<desc id=\"{name}-desc\">{}</desc>\n\
         {shapes}{images}</svg>\n",
        escaped(&figure.title()),
        escaped(&figure.description()),
    )
}

/// The SVG element of an image that is stretched to `width` times `height` dots.
pub(super) fn image(
    (x, y): BackendCoord,
    (width, height): (usize, usize),
    pixels: &Pixels<'_>,
) -> String {
    let png = encode(pixels.width as u32, pixels.height as u32, pixels.rgb);
    format!(
        "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
         preserveAspectRatio=\"none\" href=\"data:image/png;base64,{}\"/>\n",
        BASE64.encode(&png)
    )
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '<' | '>' | '&' => write!(escaped, "&#{};", u32::from(c)).expect("memory takes text"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
        escaped
    })
}
