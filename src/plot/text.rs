//! Text in the embedded font, for both backends of plotters.
//!
//! plotters draws glyphs through [`BackendTextStyle`]. Its own implementation
//! ignores side bearings; this one sets kerned text with exact bearings, at
//! the same place and size as the SVG backend does.

use super::theme::Color;
use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{BackendTextStyle, FontFamily, FontStyle, FontTransform};
use std::convert::Infallible;
use std::sync::LazyLock;

/// Dots from the top of a line of text to its baseline, per dot of font size:
/// where the SVG backend puts the baseline of text that hangs from its anchor.
pub const BASELINE: f64 = 0.76;
/// Height of a capital or a digit per unit of font size.
pub const CAP_HEIGHT: f64 = 0.729;
/// The SVG backend divides a style's size by this to get the `font-size`.
const SVG_SIZE: f64 = 1.24;
/// What an SVG asks for. Widths are measured in DejaVu Sans, the widest of them.
const FAMILY: &str = "DejaVu Sans, Verdana, Arial, sans-serif";

static REGULAR: LazyLock<FontRef<'static>> =
    LazyLock::new(|| embedded(include_bytes!("fonts/DejaVuSans.ttf")));
static BOLD: LazyLock<FontRef<'static>> =
    LazyLock::new(|| embedded(include_bytes!("fonts/DejaVuSans-Bold.ttf")));

fn embedded(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the embedded font is a font")
}

/// How a text looks: size in pixels, weight, colour, and where its anchor lies.
#[derive(Clone, Copy)]
pub struct Text {
    /// Font size (the em) in pixels.
    pub size: f64,
    /// Bold instead of regular.
    pub bold: bool,
    /// Colour of the glyphs.
    pub color: Color,
    /// Which end of the text stands at the anchor.
    pub align: HPos,
    /// Reads upwards, turned by 90 degrees.
    pub upwards: bool,
}

impl Text {
    /// Regular text that starts at its anchor.
    pub const fn new(size: f64, color: Color) -> Self {
        Self { size, bold: false, color, align: HPos::Left, upwards: false }
    }

    /// The same in bold.
    pub const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// The same, centred on its anchor.
    pub const fn centered(self) -> Self {
        Self { align: HPos::Center, ..self }
    }

    /// The same, ending at its anchor.
    pub const fn ending(self) -> Self {
        Self { align: HPos::Right, ..self }
    }

    /// The same, reading upwards.
    pub const fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }

    /// Width of `text` in pixels.
    pub fn width(&self, text: &str) -> f64 {
        self.glyphs(text, |_, _| {})
    }

    /// `text`, cut with an ellipsis where it is wider than `width` pixels.
    pub fn fit(&self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let mut cut = text.to_owned();
        while cut.pop().is_some() {
            let shorter = format!("{}…", cut.trim_end());
            if self.width(&shorter) <= width {
                return shorter;
            }
        }
        String::new()
    }

    /// `text` broken at blanks into at most `most` lines of at most `width`
    /// pixels; what does not fit is cut with an ellipsis.
    pub fn wrap(&self, text: &str, width: f64, most: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let full = lines.len() == most;
            if let Some(line) = lines.last_mut()
                && (full || self.width(&format!("{line} {word}")) <= width)
            {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(word.to_owned());
            }
        }
        lines.iter().map(|line| self.fit(line, width)).collect()
    }

    fn font(&self) -> &'static FontRef<'static> {
        if self.bold { &BOLD } else { &REGULAR }
    }

    /// Calls `each` with every glyph and its pen position; returns the width.
    fn glyphs(&self, text: &str, mut each: impl FnMut(ab_glyph::GlyphId, f64)) -> f64 {
        let font = self.font().as_scaled(self.scale());
        let mut pen = 0.0;
        let mut previous = None;
        for id in text.chars().map(|c| font.glyph_id(c)) {
            pen += previous.map_or(0.0, |p| f64::from(font.kern(p, id)));
            each(id, pen);
            pen += f64::from(font.h_advance(id));
            previous = Some(id);
        }
        pen
    }

    /// The scale at which the em is `size` pixels.
    fn scale(&self) -> PxScale {
        let font = self.font();
        let em = font.units_per_em().expect("an outline font has an em");
        PxScale::from(self.size as f32 * font.height_unscaled() / em)
    }
}

impl BackendTextStyle for Text {
    type FontError = Infallible;

    fn color(&self) -> Color {
        self.color
    }

    fn size(&self) -> f64 {
        self.size * SVG_SIZE
    }

    fn transform(&self) -> FontTransform {
        if self.upwards { FontTransform::Rotate270 } else { FontTransform::None }
    }

    fn style(&self) -> FontStyle {
        if self.bold { FontStyle::Bold } else { FontStyle::Normal }
    }

    fn anchor(&self) -> Pos {
        Pos::new(self.align, VPos::Top)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(FAMILY)
    }

    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        Ok(((0, 0), (self.width(text).round() as i32, self.size.round() as i32)))
    }

    fn draw<E, F: FnMut(i32, i32, Color) -> Result<(), E>>(
        &self,
        text: &str,
        (left, top): (i32, i32),
        mut draw: F,
    ) -> Result<Result<(), E>, Infallible> {
        let baseline = (self.size * BASELINE) as f32;
        let mut drawn = Ok(());
        self.glyphs(text, |id, pen| {
            let glyph = id.with_scale_and_position(self.scale(), point(pen as f32, baseline));
            let Some(outline) = self.font().outline_glyph(glyph) else { return };
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, coverage| {
                if coverage > 0.0 && drawn.is_ok() {
                    let x = left + corner.x as i32 + x as i32;
                    let y = top + corner.y as i32 + y as i32;
                    drawn = draw(x, y, self.color.mix(f64::from(coverage.min(1.0))));
                }
            });
        });
        Ok(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Text = Text::new(12.0, Color { alpha: 1.0, rgb: (0, 0, 0) });

    #[test]
    fn widths_are_those_of_dejavu_sans() {
        // Advance of a digit in DejaVu Sans: 1303 of 2048 units.
        let expected = 12.0 * 4.0 * 1303.0 / 2048.0;
        assert!((TEXT.width("2020") - expected).abs() < 1e-3);
        assert!(TEXT.width("AV") < TEXT.width("A") + TEXT.width("V"), "kerned");
    }

    #[test]
    fn long_text_is_cut_or_wrapped_to_its_width() {
        assert_eq!(TEXT.fit("normal", 100.0), "normal");
        let cut = TEXT.fit("bacterial pneumonia of unknown origin", 100.0);
        assert!(cut.ends_with('…') && TEXT.width(&cut) <= 100.0);
        assert_eq!(TEXT.fit("normal", 1.0), "");
        let long = "bacterial pneumonia of unknown origin";
        let lines = TEXT.wrap(long, 120.0, 9);
        assert_eq!(lines.join(" "), long);
        assert!(lines.iter().all(|line| TEXT.width(line) <= 120.0));
        let two = TEXT.wrap(long, 80.0, 2);
        assert!(two.len() == 2 && two[1].ends_with('…') && TEXT.width(&two[1]) <= 80.0);
    }

    #[test]
    fn ink_stays_between_the_bearings() {
        let mut columns = Vec::new();
        let drawn: Result<(), Infallible> = TEXT
            .draw("l", (0, 0), |x, _, _| {
                columns.push(x);
                Ok(())
            })
            .expect("infallible");
        assert!(drawn.is_ok());
        // The stem of an `l` starts 0.094 em after the pen.
        assert_eq!(columns.iter().min(), Some(&1));
        assert!(f64::from(*columns.iter().max().unwrap()) < TEXT.width("l"));
    }
}
