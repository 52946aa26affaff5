//! Colours and fonts: Okabe and Ito's palette, and matplotlib's ggplot style.

use super::text::Font;
use plotters::style::RGBAColor;

/// The opaque colour of a hexadecimal `0xRRGGBB`.
pub const fn rgb(hex: u32) -> RGBAColor {
    RGBAColor((hex >> 16) as u8, (hex >> 8) as u8, hex as u8, 1.0)
}

/// Opaque linear interpolation between two colours: `a` at `t = 0`, `b` at `t = 1`.
pub const fn mixed(a: RGBAColor, b: RGBAColor, t: f64) -> RGBAColor {
    RGBAColor(mix(a.0, b.0, t), mix(a.1, b.1, t), mix(a.2, b.2, t), 1.0)
}

const fn mix(a: u8, b: u8, t: f64) -> u8 {
    (a as f64 + t * (b as f64 - a as f64)).round() as u8
}

/// White or ink, whichever has the higher contrast on `background` (WCAG 2).
pub fn readable_on(background: RGBAColor) -> RGBAColor {
    let linear = |channel: u8| (f64::from(channel) / 255.0).powf(2.2);
    let RGBAColor(r, g, b, _) = background;
    let luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    // Ink has a luminance of 0.016: both contrasts are equal at 0.21.
    if luminance < 0.21 { WHITE } else { INK }
}

/// Page and empty cells.
pub const WHITE: RGBAColor = rgb(0xFFFFFF);
/// Titles, names and numbers.
pub const INK: RGBAColor = rgb(0x222222);
/// Axis labels and notes.
pub const SOFT: RGBAColor = rgb(0x555555);
/// Axes, and reference lines such as chance.
pub const MUTED: RGBAColor = rgb(0x8A8A8A);
/// Grid lines.
pub const GRID: RGBAColor = rgb(0xE4E4E4);

/// A darker shade of Okabe and Ito's blue, for the upper end of a scale.
pub const DEEP_BLUE: RGBAColor = rgb(0x00507D);
/// Okabe and Ito's blue.
pub const BLUE: RGBAColor = rgb(0x0072B2);
/// Okabe and Ito's vermillion.
pub const VERMILLION: RGBAColor = rgb(0xD55E00);
/// One colour per class, with distinct lightness for prints in grey.
pub const CLASSES: [RGBAColor; 6] =
    [VERMILLION, rgb(0x56B4E9), rgb(0x004B75), rgb(0xE69F00), rgb(0x009E73), rgb(0xCC79A7)];

/// matplotlib's `ggplot` colour cycle.
pub const GGPLOT: [RGBAColor; 4] = [rgb(0xE24A33), rgb(0x348ABD), rgb(0x988ED5), rgb(0x777777)];

/// Figure titles.
pub const TITLE: Font = Font::new(15.0, INK).bold();
/// The line below a title.
pub const SUBTITLE: Font = Font::new(11.5, SOFT);
/// Axis labels.
pub const LABEL: Font = Font::new(12.0, SOFT);
/// Tick labels, legends and notes.
pub const SMALL: Font = Font::new(11.0, SOFT);
/// Names of rows.
pub const NAME: Font = Font::new(12.0, INK);
/// Headings of panels.
pub const HEADING: Font = Font::new(12.0, INK).bold();
/// Numbers beside a plot.
pub const VALUE: Font = Font::new(11.0, INK);
