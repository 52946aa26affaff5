//! Stored values of an image, unpacked.

use std::borrow::Cow;

use super::codecs::{jpeg, jpeg_ls, rle};
use super::elements::{Elements, tag};
use super::packing::Packing;
use super::{damaged, jpeg2000, truncated, unsupported};
use crate::image::DecodeError;

/// Layout of the values of an image according to its header.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub rows: usize,
    pub columns: usize,
    /// 1 or 3.
    pub channels: usize,
    /// 8 or 16.
    pub allocated: u32,
    pub stored: u32,
    /// Lowest bit in use.
    pub low: u32,
    pub signed: bool,
    /// True if values are stored channel by channel, not pixel by pixel.
    pub planar: bool,
    /// True if chroma is stored for every second pixel only.
    pub halved: bool,
    /// True if colours are stored as red, green and blue.
    pub rgb: bool,
}

impl Layout {
    pub fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    pub fn cells(&self) -> usize {
        self.pixels() * self.channels
    }

    /// Number of stored values of uncompressed pixels.
    pub fn stored_values(&self) -> usize {
        match self.halved {
            true => self.rows * self.columns.div_ceil(2) * 4,
            false => self.cells(),
        }
    }

    /// Changes `halved` if only the other layout fits the `length` of uncompressed pixels.
    pub fn fit_chroma(&mut self, length: usize, notes: &mut Vec<String>) {
        let other = Self { halved: !self.halved, ..*self };
        let fits = |layout: &Self| layout.bytes().next_multiple_of(2) == length;
        if self.channels == 3 && !self.rgb && !fits(self) && fits(&other) {
            let which = if other.halved { "every second pixel" } else { "every pixel" };
            notes.push(format!("by the length of PixelData, {which} has chroma of its own"));
            *self = other;
        }
    }

    /// Number of bytes of uncompressed pixels, without padding to an even number.
    pub fn bytes(&self) -> usize {
        self.stored_values() * self.allocated as usize / 8
    }
}

/// Stored values, pixel by pixel.
pub struct Samples {
    /// Cells as stored; [`Self::value`] returns their numbers.
    pub cells: Vec<u16>,
    low: u32,
    /// Bits per value.
    pub bits: u32,
    pub signed: bool,
}

impl Samples {
    /// Number that a cell holds.
    pub fn value(&self, cell: u16) -> i32 {
        let value = i32::from(cell >> self.low) & ((1 << self.bits) - 1);
        let negative = self.signed && value >> (self.bits - 1) == 1;
        if negative { value - (1 << self.bits) } else { value }
    }

    /// Unpacks the pixels of `data`; adds to `notes`.
    pub fn read(
        data: &Elements,
        packing: Packing,
        mut layout: Layout,
        notes: &mut Vec<String>,
    ) -> Result<Self, DecodeError> {
        let joined = || -> Result<Cow<[u8]>, DecodeError> {
            let fragments = data.fragments()?;
            let whole = data.bytes(tag::PIXELS).unwrap_or_default();
            Ok(match fragments.as_deref() {
                None => Cow::Borrowed(whole),
                Some([one]) => Cow::Borrowed(*one),
                Some(several) => Cow::Owned(several.concat()),
            })
        };
        let (cells, precision) = match packing {
            Packing::Native(_) | Packing::Deflated => {
                (read_native(data, layout, notes)?, layout.allocated)
            }
            Packing::Rle => (rle(&joined()?, layout)?, layout.allocated),
            Packing::Jpeg => jpeg(&joined()?, layout, notes)?,
            Packing::JpegLs => jpeg_ls(&joined()?, layout)?,
            Packing::Jpeg2000 => {
                let (cells, precision, signed) = jpeg2000::decode(&joined()?, layout)?;
                let has_negative = signed && cells.iter().any(|cell| (*cell as i16) < 0);
                if has_negative && !layout.signed && layout.channels == 1 {
                    notes.push(
                        "the header says unsigned values, the JPEG 2000 data signed ones: they \
                         are read as signed"
                            .to_owned(),
                    );
                    layout.signed = true;
                }
                (cells, precision)
            }
        };
        if layout.channels == 3 && precision > 8 {
            return Err(unsupported("colours of more than 8 bits"));
        }
        let samples = Self::from_cells(cells, precision, layout, data.overlay_bits(), notes);
        if !matches!(packing, Packing::Jpeg | Packing::JpegLs | Packing::Jpeg2000)
            && samples.looks_exchanged(layout)
        {
            notes.push(
                "the image is smoother with rows and columns exchanged; both are kept as the \
                 header says"
                    .to_owned(),
            );
        }
        Ok(samples)
    }

    /// Finds the position of the value in its cell. Cells of `precision` bits that reach the high
    /// bit may hold other data around the value, such as an overlay (PS3.5, 8.1.1). In narrower
    /// cells, which codecs return, the value fills the cell. Bits above the value that are neither
    /// `overlays` nor its sign are noted: the values may be larger than the header states. They are
    /// larger if most values have such bits and `precision` is not that of whole cells: then the
    /// codec was told the bits of the values.
    fn from_cells(
        cells: Vec<u16>,
        precision: u32,
        layout: Layout,
        overlays: u16,
        notes: &mut Vec<String>,
    ) -> Self {
        let Layout { low, stored, signed, .. } = layout;
        let (mut low, bits) = match precision >= low + stored {
            true => (low, stored),
            false => (0, stored.min(precision)),
        };
        let used = cells.iter().fold(0, |used, cell| used | cell);
        let below = (1 << low) - 1;
        if used & below != 0 && u32::from(used) >> stored == 0 {
            notes.push("the high bit is wrong: the values are in the lower bits".to_owned());
            low = 0;
        }
        let mask = |bits: u32| ((1_u32 << bits) - 1) as u16;
        let known = mask(precision) & !overlays;
        let value_bits = mask(low + bits) & known;
        let is_larger = |cell: &&u16| {
            let is_negative = signed && **cell >> (low + bits - 1) & 1 == 1;
            let used = (**cell & known) | value_bits;
            used != value_bits && !(is_negative && used == known)
        };
        let larger = cells.iter().filter(is_larger).count();
        if 2 * larger > cells.len() && precision != layout.allocated {
            notes.push(format!(
                "the header says {bits} bits, the compressed pixels have {precision}: {larger} of \
                 {} pixels need more than {bits}, {precision} are used",
                cells.len()
            ));
            return Self { cells, low: 0, bits: precision, signed };
        }
        if larger > 0 {
            notes.push(format!(
                "{larger} of {} pixels have values of more than the {bits} bits stored by the \
                 header: the bits above are ignored",
                cells.len() / layout.channels
            ));
        }
        Self { cells, low, bits, signed }
    }

    /// Returns `true` if a grey image is much smoother from row to row with rows and columns
    /// exchanged.
    fn looks_exchanged(&self, layout: Layout) -> bool {
        let Layout { rows, columns, channels, .. } = layout;
        if channels != 1 || rows == columns || rows.min(columns) < 2 {
            return false;
        }
        let difference = |width: usize| {
            let pairs = self.cells.iter().zip(&self.cells[width..]);
            let sum: u64 =
                pairs.map(|(a, b)| u64::from(self.value(*a).abs_diff(self.value(*b)))).sum();
            sum as f64 / (self.cells.len() - width) as f64
        };
        EXCHANGED * difference(rows) < difference(columns)
    }
}

/// Minimum factor by which the mean difference from row to row must fall for rows and columns to be
/// regarded as exchanged. In 365 chest radiographs that are not square, exchanging them makes it
/// 1.3 to 20 times larger, never smaller.
const EXCHANGED: f64 = 2.0;

fn read_native(
    data: &Elements,
    layout: Layout,
    notes: &mut Vec<String>,
) -> Result<Vec<u16>, DecodeError> {
    let bytes = data.octets(tag::PIXELS).ok_or_else(truncated)?;
    let needed = layout.bytes();
    if bytes.len() < needed {
        return Err(damaged("its PixelData is shorter than its rows, columns and bits need"));
    }
    if bytes.len() > needed.next_multiple_of(2) {
        notes.push(format!(
            "PixelData has {} bytes, its rows, columns and bits need {needed}",
            bytes.len()
        ));
    }
    let stored = layout.stored_values();
    if layout.allocated == 16 {
        return Ok(interleave(data.words(tag::PIXELS).take(stored).collect(), layout));
    }
    let bytes = &bytes[..stored];
    if layout.halved {
        return Ok(expand_chroma(bytes, layout));
    }
    Ok(interleave(bytes.iter().map(|byte| u16::from(*byte)).collect(), layout))
}

/// Reorders values channel by channel to pixel by pixel, if needed.
fn interleave(cells: Vec<u16>, layout: Layout) -> Vec<u16> {
    if !layout.planar || layout.channels == 1 {
        return cells;
    }
    let pixels = layout.pixels();
    (0..pixels).flat_map(|i| [i, i + pixels, i + 2 * pixels]).map(|i| cells[i]).collect()
}

/// Expands two luminances and the chroma of both (YBR_FULL_422) to three values per pixel.
fn expand_chroma(bytes: &[u8], layout: Layout) -> Vec<u16> {
    let row = layout.columns.div_ceil(2) * 4;
    let pixel = |pair: &[u8], i: usize| [pair[i], pair[2], pair[3]].map(u16::from);
    let rows = bytes.chunks_exact(row).flat_map(|row| {
        let pixels = row.chunks_exact(4).flat_map(move |pair| [pixel(pair, 0), pixel(pair, 1)]);
        pixels.take(layout.columns)
    });
    rows.flatten().collect()
}
