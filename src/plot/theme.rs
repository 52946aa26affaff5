//! Colours and type: Okabe and Ito's palette, and matplotlib's ggplot look.

use super::text::Text;
use plotters_backend::BackendColor;

/// A colour with its opacity.
pub type Color = BackendColor;

/// The opaque colour of a hexadecimal `0xRRGGBB`.
pub const fn rgb(hex: u32) -> Color {
    Color { alpha: 1.0, rgb: ((hex >> 16) as u8, (hex >> 8) as u8, hex as u8) }
}

/// `color` at the given opacity.
pub const fn faded(color: Color, alpha: f64) -> Color {
    Color { alpha, rgb: color.rgb }
}

/// The colour a share `t` of 0..1 of the way from `a` to `b`.
pub const fn mixed(a: Color, b: Color, t: f64) -> Color {
    let (a, b) = (a.rgb, b.rgb);
    Color { alpha: 1.0, rgb: (mix(a.0, b.0, t), mix(a.1, b.1, t), mix(a.2, b.2, t)) }
}

const fn mix(a: u8, b: u8, t: f64) -> u8 {
    (a as f64 + t * (b as f64 - a as f64)).round() as u8
}

/// White or ink, whichever stands out more on `background` (WCAG 2 contrast).
pub fn readable_on(background: Color) -> Color {
    let linear = |channel: u8| (f64::from(channel) / 255.0).powf(2.2);
    let (r, g, b) = background.rgb;
    let luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    // Ink has a luminance of 0.016: both contrasts are equal at 0.21.
    if luminance < 0.21 { WHITE } else { INK }
}

/// Page and empty cells.
pub const WHITE: Color = rgb(0xFFFFFF);
/// Titles, marks and texts that matter.
pub const INK: Color = rgb(0x222222);
/// Axis labels and notes.
pub const SOFT: Color = rgb(0x555555);
/// Reference lines, such as chance.
pub const MUTED: Color = rgb(0x8A8A8A);
/// Grid lines.
pub const GRID: Color = rgb(0xE4E4E4);

/// A darker shade of Okabe and Ito's blue, for the deep end of a scale.
pub const DEEP_BLUE: Color = rgb(0x00507D);
/// Okabe and Ito's blue.
pub const BLUE: Color = rgb(0x0072B2);
/// Okabe and Ito's vermillion.
pub const VERMILLION: Color = rgb(0xD55E00);
/// One colour per class, told apart in grey by their lightness.
pub const CLASSES: [Color; 6] =
    [VERMILLION, rgb(0x56B4E9), rgb(0x004B75), rgb(0xE69F00), rgb(0x009E73), rgb(0xCC79A7)];

/// matplotlib's `ggplot` colour cycle.
pub const GGPLOT: [Color; 4] = [rgb(0xE24A33), rgb(0x348ABD), rgb(0x988ED5), rgb(0x777777)];

/// Figure titles.
pub const TITLE: Text = Text::new(15.0, INK).bold();
/// The line under a title.
pub const SUBTITLE: Text = Text::new(11.5, SOFT);
/// Axis labels.
pub const LABEL: Text = Text::new(12.0, SOFT);
/// Tick labels, legends and notes.
pub const SMALL: Text = Text::new(11.0, SOFT);
