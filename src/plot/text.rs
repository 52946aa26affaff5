//! Text in the embedded DejaVu Sans.
//!
//! plotters measures text with the font that is registered here, so that its labels and
//! legends are laid out exactly. Its own drawing ignores side bearings, and places text in
//! a bitmap higher than in an SVG; [`Glyphs`] replaces it for both.

use super::page::DOTS;
use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont, point};
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::Pos;
pub use plotters::style::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendTextStyle};
use std::sync::LazyLock;

/// Distance from the top of a line of text to its baseline per unit of font size, as in
/// the SVG backend for text that is anchored at its top.
pub const BASELINE: f64 = 0.76;
/// Height of a capital or a digit per unit of font size.
pub const CAP_HEIGHT: f64 = 0.729;
/// The SVG backend divides a style's size by this to get the `font-size`.
const SVG_SIZE: f64 = 1.24;
/// The fonts that an SVG asks for. DejaVu Sans, in which text is measured, is the widest.
const FAMILY: &str = "DejaVu Sans, Verdana, Arial, sans-serif";

const REGULAR_BYTES: &[u8] = include_bytes!("fonts/DejaVuSans.ttf");
const BOLD_BYTES: &[u8] = include_bytes!("fonts/DejaVuSans-Bold.ttf");

/// The regular and the bold font; plotters knows both once they are loaded.
static FONTS: LazyLock<[FontRef<'static>; 2]> = LazyLock::new(|| {
    [(FontStyle::Normal, REGULAR_BYTES), (FontStyle::Bold, BOLD_BYTES)].map(|(style, bytes)| {
        let registered = register_font(FAMILY, style, bytes).is_ok();
        assert!(registered, "the embedded font is a font");
        FontRef::try_from_slice(bytes).expect("the embedded font is a font")
    })
});

fn face(style: FontStyle) -> &'static FontRef<'static> {
    &FONTS[usize::from(matches!(style, FontStyle::Bold))]
}

/// plotters' size of a font, its height from ascent to descent, per unit of em.
fn height_per_em(style: FontStyle) -> f64 {
    let font = face(style);
    f64::from(font.height_unscaled() / font.units_per_em().expect("an outline font has an em"))
}

/// Size, weight and colour of a text.
#[derive(Clone, Copy)]
pub struct Font {
    /// The em in pixels.
    size: f64,
    style: FontStyle,
    color: RGBAColor,
}

impl Font {
    /// The regular font; `size` is the em in pixels.
    pub const fn new(size: f64, color: RGBAColor) -> Self {
        Self { size, style: FontStyle::Normal, color }
    }

    /// The same in bold.
    pub const fn bold(self) -> Self {
        Self { style: FontStyle::Bold, ..self }
    }

    /// The same in another colour.
    pub const fn color(self, color: RGBAColor) -> Self {
        Self { color, ..self }
    }

    /// plotters' style of the text, for charts, which set its anchor.
    pub fn style(self) -> TextStyle<'static> {
        self.anchored(HPos::Left, VPos::Top)
    }

    /// plotters' style of text with its anchor at `horizontal` and `vertical`: the top of
    /// the line, the middle of its capitals, or the bottom of the line.
    pub fn anchored(self, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
        let size = self.size * f64::from(DOTS) * height_per_em(self.style);
        let font = FontDesc::new(FontFamily::Name(FAMILY), size, self.style);
        let color = self.color.to_backend_color();
        TextStyle { font, color, pos: Pos::new(horizontal, vertical) }
    }

    /// Width of `text` in pixels.
    pub fn width(self, text: &str) -> f64 {
        let (width, _) = self.style().font.box_size(text).expect("the embedded font is registered");
        f64::from(width) / f64::from(DOTS)
    }

    /// Width of the widest text in pixels; 0 without texts.
    pub fn widest<'t>(self, texts: impl IntoIterator<Item = &'t str>) -> f64 {
        texts.into_iter().map(|text| self.width(text)).fold(0.0, f64::max)
    }

    /// `text`, cut with an ellipsis where it is wider than `width` pixels.
    pub fn fit(self, text: &str, width: f64) -> String {
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
}

/// A style of plotters, with text anchored at the top of its line and drawn with exact
/// side bearings.
pub struct Glyphs<'s, S>(pub &'s S);

impl<S: BackendTextStyle> Glyphs<'_, S> {
    /// The offset in dots from the anchor of the style to the top of the line.
    pub fn offset(&self) -> (i32, i32) {
        let down = match self.0.anchor().v_pos {
            VPos::Top => 0.0,
            VPos::Center => CAP_HEIGHT / 2.0 - BASELINE,
            VPos::Bottom => -1.0,
        };
        self.0.transform().transform(0, (down * self.em()).round() as i32)
    }

    /// The em in dots.
    fn em(&self) -> f64 {
        self.0.size() / height_per_em(self.0.style())
    }
}

impl<S: BackendTextStyle> BackendTextStyle for Glyphs<'_, S> {
    type FontError = S::FontError;

    fn color(&self) -> BackendColor {
        self.0.color()
    }

    fn size(&self) -> f64 {
        self.em() * SVG_SIZE
    }

    fn transform(&self) -> FontTransform {
        self.0.transform()
    }

    fn style(&self) -> FontStyle {
        self.0.style()
    }

    fn anchor(&self) -> Pos {
        Pos::new(self.0.anchor().h_pos, VPos::Top)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(FAMILY)
    }

    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Self::FontError> {
        self.0.layout_box(text)
    }

    fn draw<E, F: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (left, top): (i32, i32),
        mut draw: F,
    ) -> Result<Result<(), E>, Self::FontError> {
        let scale = PxScale::from(self.0.size() as f32);
        let font = face(self.0.style()).as_scaled(scale);
        let (mut pen, baseline) = (0.0, (self.em() * BASELINE) as f32);
        let mut previous = None;
        let mut drawn = Ok(());
        for id in text.chars().map(|c| font.glyph_id(c)) {
            pen += previous.map_or(0.0, |previous| font.kern(previous, id));
            let glyph = id.with_scale_and_position(scale, point(pen, baseline));
            (pen, previous) = (pen + font.h_advance(id), Some(id));
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, coverage| {
                if coverage > 0.0 && drawn.is_ok() {
                    let x = left + corner.x as i32 + x as i32;
                    let y = top + corner.y as i32 + y as i32;
                    drawn = draw(x, y, self.color().mix(f64::from(coverage.min(1.0))));
                }
            });
        }
        Ok(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::px;
    use super::super::theme::INK;
    use super::*;
    use std::convert::Infallible;

    const FONT: Font = Font::new(12.0, INK);

    /// The dots that `text` paints.
    fn painted(text: &str, vertical: VPos) -> Vec<(i32, i32)> {
        let style = FONT.anchored(HPos::Left, vertical);
        let glyphs = Glyphs(&style);
        let mut dots = Vec::new();
        let drawn = glyphs.draw(text, glyphs.offset(), |x, y, _| {
            dots.push((x, y));
            Ok::<_, Infallible>(())
        });
        assert!(drawn.is_ok_and(|drawn| drawn.is_ok()));
        dots
    }

    #[test]
    fn widths_are_those_of_dejavu_sans() {
        // Advance of a digit in DejaVu Sans: 1303 of 2048 units.
        let expected = 12.0 * 4.0 * 1303.0 / 2048.0;
        assert!((FONT.width("2020") - expected).abs() < 1.0 / f64::from(DOTS));
        assert!(FONT.width("AV") < FONT.width("A") + FONT.width("V"), "kerned");
        let font_size = Glyphs(&FONT.style()).size() / SVG_SIZE;
        assert!((font_size - 12.0 * f64::from(DOTS)).abs() < 1e-3);
    }

    #[test]
    fn centred_text_has_the_middle_of_its_capitals_at_the_anchor() {
        let rows = || painted("H", VPos::Center).into_iter().map(|(_, y)| y);
        let (first, last) = (rows().min().unwrap(), rows().max().unwrap());
        assert!((first + last).abs() <= 2, "from {first} to {last}");
    }

    #[test]
    fn long_text_is_cut_to_its_width() {
        assert_eq!(FONT.fit("normal", 100.0), "normal");
        let cut = FONT.fit("bacterial pneumonia of unknown origin", 100.0);
        assert!(cut.ends_with('…') && FONT.width(&cut) <= 100.0);
        assert_eq!(FONT.fit("normal", 1.0), "");
    }

    #[test]
    fn ink_stays_between_the_bearings() {
        let columns = || painted("l", VPos::Top).into_iter().map(|(x, _)| x);
        // The stem of an `l` starts 0.094 em after the pen: 6.8 dots of 72.
        assert_eq!(columns().min(), Some(6));
        assert!(columns().max().unwrap() < px(FONT.width("l")));
    }
}
