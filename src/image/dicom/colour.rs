//! Conversion of 8-bit colour pixels to RGB. Such images are photographs or screenshots, and rare.

use super::damaged;
use super::elements::{Elements, tag};
use super::lut::Lut;
use super::samples::Samples;
use crate::image::DecodeError;

/// RGB levels of stored RGB.
pub fn of_rgb(samples: &Samples) -> Vec<u8> {
    samples.cells.iter().map(|cell| *cell as u8).collect()
}

/// RGB levels of luminance and chroma (PS3.3 C.7.6.3.1.2, the equations of JPEG).
pub fn of_ybr(samples: &Samples) -> Vec<u8> {
    let rgb = |ybr: &[u16]| {
        let [y, b, r] = [(ybr[0], 0.0), (ybr[1], 128.0), (ybr[2], 128.0)]
            .map(|(cell, zero)| f64::from(cell) - zero);
        let rgb = [y + 1.402 * r, y - 0.344_136 * b - 0.714_136 * r, y + 1.772 * b];
        // `as` saturates.
        rgb.map(|level| level.round() as u8)
    };
    samples.cells.chunks_exact(3).flat_map(rgb).collect()
}

/// RGB levels of a palette: the upper 8 bits of the entries of three tables (PS3.3 C.7.6.3.1.5).
pub fn of_palette(
    data: &Elements,
    samples: &Samples,
    notes: &mut Vec<String>,
) -> Result<Vec<u8>, DecodeError> {
    let table = |i: usize| {
        let lut = Lut::read(data, tag::PALETTE_DESCRIPTORS[i], tag::PALETTES[i], samples.signed);
        let missing = || damaged("its palette is missing, or is segmented, which is not supported");
        lut.map_err(damaged)?.ok_or_else(missing)
    };
    let tables = [table(0)?, table(1)?, table(2)?];
    notes.extend(tables.iter().flat_map(|lut| lut.doubts.iter().cloned()));
    // Decided by the entries: some writers state 16 bits for entries of 8 bits, and the reverse.
    let is_wide = tables.iter().any(|lut| lut.largest > 255);
    if tables.iter().any(|lut| lut.is_wide() != is_wide) {
        notes.push(
            "the palette says other bits than its entries have; the entries are used".to_owned(),
        );
    }
    let shift = if is_wide { 8 } else { 0 };
    let colour = |cell: &u16| {
        let value = f64::from(samples.value(*cell));
        tables.each_ref().map(|lut| (lut.at(value) >> shift) as u8)
    };
    Ok(samples.cells.iter().flat_map(colour).collect())
}
