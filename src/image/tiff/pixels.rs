//! Samples of a TIFF page, assembled from its strips or tiles.

use super::chunks::{Chunk, unpack};
use super::damaged;
use super::directory::File;
use super::page::{Kind, Meaning, Page};
use crate::image::DecodeError;
use crate::image::jpeg::{self, Colours};
use crate::image::samples::{Raster, Samples, mode};

/// Stored samples that are used, `[height, width, used]`.
pub enum Values {
    U16(Vec<u16>),
    Real(Vec<f32>),
}

pub struct Image {
    pub values: Values,
    width: usize,
    height: usize,
    used: usize,
}

impl Image {
    pub fn new(page: &Page) -> Self {
        let (width, height, used) = (page.width, page.height, page.used());
        let size = width * height * used;
        let values = match page.is_real() {
            true => Values::Real(vec![0.0; size]),
            false => Values::U16(vec![0; size]),
        };
        Self { values, width, height, used }
    }

    /// Decompresses a strip or tile and stores its samples.
    pub fn put(&mut self, file: &File<'_>, page: &Page, chunk: &Chunk) -> Result<(), DecodeError> {
        let samples = if page.planar { 1 } else { page.samples };
        let row_bytes = page.row_bytes(chunk);
        let mut bytes = vec![0; row_bytes * chunk.height];
        let size = (chunk.width, chunk.height);
        unpack(page.compression, chunk.stored(file)?, page.reversed, size, &mut bytes)?;
        let rows = bytes.chunks_exact_mut(row_bytes);
        for (y, row) in rows.enumerate().take(self.height.saturating_sub(chunk.top)) {
            if page.predicted {
                undo_differences(row, page.bits, samples, file.big_endian);
            }
            for x in 0..chunk.width.min(self.width - chunk.left) {
                let at = ((chunk.top + y) * self.width + chunk.left + x) * self.used;
                let places = if page.planar { chunk.plane..chunk.plane + 1 } else { 0..self.used };
                for (i, place) in places.enumerate() {
                    let index = x * samples + i;
                    match &mut self.values {
                        Values::U16(values) => {
                            values[at + place] =
                                number(row, index, page.bits, file.big_endian) as u16;
                        }
                        Values::Real(values) => {
                            values[at + place] = real(row, index, page, file.big_endian);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Decodes a strip or tile that is a JPEG file and stores its samples. Returns its notes.
    pub fn put_jpeg(
        &mut self,
        page: &Page,
        chunk: &Chunk,
        stored: &[u8],
        tables: &[u8],
    ) -> Result<Vec<String>, DecodeError> {
        let Values::U16(values) = &mut self.values else {
            return Err(damaged("the samples of its JPEG data differ from its directory"));
        };
        // The tables are a JPEG file without pixels.
        let joined = match (tables.strip_suffix(&[0xff, 0xd9]), stored.strip_prefix(&[0xff, 0xd8]))
        {
            (Some(tables), Some(stored)) => [tables, stored].concat(),
            _ => stored.to_vec(),
        };
        let raster = if jpeg::lossless::is_lossless(&joined) {
            let (width, height, _) = jpeg::lossless::size(&joined)?;
            page.check_size(chunk, width, height)?;
            Raster::from(jpeg::lossless::decode(&joined)?)
        } else {
            let checked = jpeg::check(&joined)?;
            page.check_size(chunk, checked.width, checked.height)?;
            let is_ycc = page.meaning == Meaning::YCbCr;
            jpeg::pixels(checked, if is_ycc { Colours::OfFile } else { Colours::Raw })?
        };
        let expected = if page.planar { 1 } else { self.used };
        let bits = match &raster.samples {
            Samples::U16 { bits, .. } => *bits,
            _ => 8,
        };
        if (raster.channels, bits) != (expected, page.bits) {
            return Err(damaged("the samples of its JPEG data differ from its directory"));
        }
        let sample = |i: usize| match &raster.samples {
            Samples::U8(samples) => samples[i].into(),
            Samples::U16 { values, .. } => values[i],
            Samples::Real { .. } => 0,
        };
        let rows = chunk.height.min(self.height - chunk.top);
        for y in 0..rows {
            for x in 0..chunk.width.min(self.width - chunk.left) {
                let at = ((chunk.top + y) * self.width + chunk.left + x) * self.used;
                for i in 0..expected {
                    values[at + chunk.plane + i] = sample((y * chunk.width + x) * expected + i);
                }
            }
        }
        Ok(raster.notes)
    }
}

impl Page {
    /// Returns `true` if the file does not state which values are black and white.
    pub fn is_real(&self) -> bool {
        self.kind != Kind::Unsigned || self.bits > 16
    }

    /// Name of the type of such samples.
    pub fn kind_in_words(&self) -> &'static str {
        match self.kind {
            Kind::Float => "floating-point samples",
            Kind::Signed => "signed samples",
            Kind::Unsigned => "32-bit samples",
        }
    }

    fn row_bytes(&self, chunk: &Chunk) -> usize {
        let samples = if self.planar { 1 } else { self.samples };
        (chunk.width * samples * self.bits as usize).div_ceil(8)
    }

    /// Size in bytes of an uncompressed strip or tile.
    pub fn bytes(&self, chunk: &Chunk) -> u64 {
        let samples = if self.planar { 1 } else { self.samples } as u64;
        let bits = (chunk.width as u64).saturating_mul(samples * u64::from(self.bits));
        bits.div_ceil(8).saturating_mul(chunk.height as u64)
    }

    /// Fails if the size of a JPEG is not that of its strip or tile.
    fn check_size(&self, chunk: &Chunk, width: u32, height: u32) -> Result<(), DecodeError> {
        let rows = chunk.height.min(self.height - chunk.top);
        let (width, height) = (width as usize, height as usize);
        match width == chunk.width && (rows..=chunk.height).contains(&height) {
            true => Ok(()),
            false => Err(damaged("the size of a JPEG in it differs from its strip or tile")),
        }
    }

    /// See [`crate::image::Image::mode`].
    pub fn mode(&self) -> &'static str {
        let has_more = self.samples > self.used();
        match (self.meaning, self.kind) {
            (Meaning::Palette, _) => "P",
            (_, Kind::Float) => "F",
            (_, _) if self.is_real() => "I",
            (Meaning::Cmyk, _) => {
                if self.bits > 8 {
                    "CMYK16"
                } else {
                    "CMYK"
                }
            }
            _ => match (self.used(), has_more, self.bits) {
                (1, true, 8) => "LA",
                (1, true, 16) => "LA16",
                (3, true, 8) => "RGBA",
                (3, true, 16) => "RGBA16",
                (used, _, bits) => mode(used, bits),
            },
        }
    }
}

/// Returns the sample at an index of a row: most significant bit first; rows begin at a byte.
fn number(row: &[u8], index: usize, bits: u32, big_endian: bool) -> u32 {
    let bytes = |length: usize| {
        let bytes = &row[index * length..(index + 1) * length];
        let digit = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        match big_endian {
            true => bytes.iter().fold(0, digit),
            false => bytes.iter().rev().fold(0, digit),
        }
    };
    match bits {
        8 => row[index].into(),
        16 => bytes(2),
        32 => bytes(4),
        _ => {
            let start = index * bits as usize;
            let first = start / 8;
            let window = (first..first + 3)
                .fold(0, |number, at| number << 8 | u32::from(row.get(at).copied().unwrap_or(0)));
            (window >> (24 - start as u32 % 8 - bits)) & ((1 << bits) - 1)
        }
    }
}

/// Returns the signed, 32-bit or floating-point sample at an index of a row.
fn real(row: &[u8], index: usize, page: &Page, big_endian: bool) -> f32 {
    match (page.kind, page.bits) {
        (Kind::Float, 64) => {
            let mut bytes: [u8; 8] = row[8 * index..8 * index + 8].try_into().unwrap_or_default();
            if !big_endian {
                bytes.reverse();
            }
            f64::from_be_bytes(bytes) as f32
        }
        (Kind::Float, _) => f32::from_bits(number(row, index, 32, big_endian)),
        (Kind::Signed, bits) => {
            let value = number(row, index, bits, big_endian);
            // Extends the sign.
            ((value << (32 - bits)) as i32 >> (32 - bits)) as f32
        }
        (Kind::Unsigned, bits) => number(row, index, bits, big_endian) as f32,
    }
}

/// Converts differences to the left neighbour to samples (Predictor 2), modulo their bits.
fn undo_differences(row: &mut [u8], bits: u32, samples: usize, big_endian: bool) {
    let length = bits as usize / 8;
    let count = row.len() / length;
    for i in samples..count {
        let left = number(row, i - samples, bits, big_endian);
        let sum = number(row, i, bits, big_endian).wrapping_add(left);
        let bytes = &mut row[i * length..(i + 1) * length];
        match big_endian {
            true => bytes.copy_from_slice(&sum.to_be_bytes()[4 - length..]),
            false => bytes.copy_from_slice(&sum.to_le_bytes()[..length]),
        }
    }
}
