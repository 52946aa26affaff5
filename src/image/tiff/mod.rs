//! TIFF and BigTIFF: the largest page, in grey, RGB, palette, CMYK or YCbCr; strips or
//! tiles; 1 to 16 bits, 32 bits, signed and floating-point samples.
//!
//! Read here and not by a library, because none reads palettes or 10, 12 and 14 bits, tells
//! a thumbnail from the image, and keeps within a limit of memory what it unpacks.

mod chunks;
mod directory;
mod page;
#[cfg(test)]
mod tests;

use self::chunks::{Chunk, Compression, list, unpack};
use self::directory::{Directory, File, tag};
use self::page::{Kind, Meaning, Page};
use super::decode::memory;
use super::jpeg::{self, Colours};
use super::samples::{Raster, Samples, mode};
use super::{DecodeError, MAX_MEMORY};

/// Decodes the largest page, the first of several as large, once `admit` has let it take the
/// memory.
///
/// # Errors
/// As [`super::decode()`].
pub fn decode(bytes: &[u8], admit: &mut dyn FnMut(u64)) -> Result<Raster, DecodeError> {
    let file = File::new(bytes)?;
    let directories = file.directories()?;
    let (index, mut notes) = largest(&file, &directories)?;
    let directory = &directories[index];
    let page = Page::read(&file, directory)?;
    let [width, height] =
        [page.width, page.height].map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    // Each sample twice, as it is stored and as it is wanted, and the level of each pixel.
    let sample = if page.is_real() { 4 } else { 2 };
    let pixels = memory(width, height, page.used() as u64 * 2 * sample + 3)?;
    let chunks = list(&file, directory, &page)?;
    // A tile may be larger than the image.
    let largest = chunks.iter().map(|chunk| page.bytes(chunk)).max().unwrap_or(0);
    let jpeg = if page.compression == Compression::Jpeg { 12 } else { 1 };
    let unpacked = largest.saturating_mul(jpeg);
    if pixels.saturating_add(unpacked) > MAX_MEMORY {
        return Err(DecodeError::TooLarge { width, height, limit: super::MAX_PIXELS });
    }
    admit(pixels + unpacked);

    let mut image = Image::new(&page);
    let tables = directory.numbers(&file, tag::JPEG_TABLES)?;
    let tables: Vec<u8> = tables.into_iter().map(|byte| byte as u8).collect();
    for chunk in &chunks {
        // Planes of alpha and the like.
        if chunk.plane >= page.used() {
            continue;
        }
        match page.compression {
            Compression::Jpeg => {
                for note in image.put_jpeg(&page, chunk, chunk.stored(&file)?, &tables)? {
                    if !notes.contains(&note) {
                        notes.push(note);
                    }
                }
            }
            _ => image.put(&file, &page, chunk)?,
        }
    }
    let samples = match image.values {
        Values::Real(values) => {
            if page.meaning != Meaning::BlackIsZero && page.meaning != Meaning::Rgb {
                return Err(unsupported(
                    "signed, 32-bit or floating-point samples of these colours".to_owned(),
                ));
            }
            Samples::Real { values, what: page.kind_in_words() }
        }
        Values::U16(values) => meant(&file, directory, &page, values)?,
    };
    Ok(Raster {
        width,
        height,
        channels: if page.used() == 1 && page.meaning != Meaning::Palette { 1 } else { 3 },
        samples,
        mode: page.mode(),
        orientation: page.orientation,
        significant: None,
        notes,
    })
}

/// Which directory to read, and what is to be said of that.
fn largest(
    file: &File<'_>,
    directories: &[Directory],
) -> Result<(usize, Vec<String>), DecodeError> {
    let sizes = directories.iter().enumerate().filter_map(|(i, directory)| {
        page::size(file, directory).map(|(width, height)| (i, width, height))
    });
    let sizes: Vec<_> = sizes.collect();
    let area = |(_, width, height): &(usize, u64, u64)| width.saturating_mul(*height);
    // Of several as large, `max_by_key` takes the last.
    let Some(&(index, width, height)) = sizes.iter().rev().max_by_key(|size| area(size)) else {
        return Err(unsupported("a file without an image".to_owned()));
    };
    let mut notes = Vec::new();
    let same = sizes.iter().filter(|(_, w, h)| (*w, *h) == (width, height)).count();
    let (first, first_width, first_height) = sizes[0];
    if first != index {
        notes.push(format!(
            "its first page has {first_width} x {first_height} pixels; the largest, {width} x \
             {height}, is used"
        ));
    }
    if same > 1 {
        notes.push(format!("the first of its {same} pages of {width} x {height} pixels is used"));
    }
    Ok((index, notes))
}

/// The stored samples that are used, `[height, width, used]`.
enum Values {
    U16(Vec<u16>),
    Real(Vec<f32>),
}

struct Image {
    values: Values,
    width: usize,
    height: usize,
    used: usize,
}

impl Image {
    fn new(page: &Page) -> Self {
        let (width, height, used) = (page.width, page.height, page.used());
        let size = width * height * used;
        let values = match page.is_real() {
            true => Values::Real(vec![0.0; size]),
            false => Values::U16(vec![0; size]),
        };
        Self { values, width, height, used }
    }

    /// Puts the samples of a strip or tile where they belong.
    fn put(&mut self, file: &File<'_>, page: &Page, chunk: &Chunk) -> Result<(), DecodeError> {
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

    /// Puts the samples of a strip or tile that is a JPEG file of its own; returns its notes.
    fn put_jpeg(
        &mut self,
        page: &Page,
        chunk: &Chunk,
        stored: &[u8],
        tables: &[u8],
    ) -> Result<Vec<String>, DecodeError> {
        let Values::U16(values) = &mut self.values else {
            return Err(damaged("its JPEG data have other samples than its directory says"));
        };
        // The tables are a JPEG file without pixels.
        let joined = match (tables.strip_suffix(&[0xff, 0xd9]), stored.strip_prefix(&[0xff, 0xd8]))
        {
            (Some(tables), Some(stored)) => [tables, stored].concat(),
            _ => stored.to_vec(),
        };
        let raster = if jpeg::lossless::is_lossless(&joined) {
            let (width, height, _) = jpeg::lossless::size(&joined)?;
            page.fits(chunk, width, height)?;
            Raster::from(jpeg::lossless::decode(&joined)?)
        } else {
            let checked = jpeg::check(&joined)?;
            page.fits(chunk, checked.width, checked.height)?;
            let is_ycc = page.meaning == Meaning::YCbCr;
            jpeg::pixels(checked, if is_ycc { Colours::OfFile } else { Colours::Raw })?
        };
        let expected = if page.planar { 1 } else { self.used };
        let bits = match &raster.samples {
            Samples::U16 { bits, .. } => *bits,
            _ => 8,
        };
        if (raster.channels, bits) != (expected, page.bits) {
            return Err(damaged("its JPEG data have other samples than its directory says"));
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
    /// Whether nothing says which of its values is black and which white.
    fn is_real(&self) -> bool {
        self.kind != Kind::Unsigned || self.bits > 16
    }

    /// The samples of which that is so, in words.
    fn kind_in_words(&self) -> &'static str {
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

    /// Bytes of a strip or tile, uncompressed.
    fn bytes(&self, chunk: &Chunk) -> u64 {
        let samples = if self.planar { 1 } else { self.samples } as u64;
        let bits = (chunk.width as u64).saturating_mul(samples * u64::from(self.bits));
        bits.div_ceil(8).saturating_mul(chunk.height as u64)
    }

    /// Fails if the JPEG of a strip or tile is not of its size.
    fn fits(&self, chunk: &Chunk, width: u32, height: u32) -> Result<(), DecodeError> {
        let rows = chunk.height.min(self.height - chunk.top);
        let (width, height) = (width as usize, height as usize);
        match width == chunk.width && (rows..=chunk.height).contains(&height) {
            true => Ok(()),
            false => Err(damaged("a JPEG in it is of another size than its strip or tile")),
        }
    }

    /// As [`super::Film::mode`].
    fn mode(&self) -> &'static str {
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

/// The sample at an index of a row: most significant bit first, rows begin at a byte.
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

/// The signed, 32-bit or floating-point sample at an index of a row.
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
            // With its sign in the upper bits.
            ((value << (32 - bits)) as i32 >> (32 - bits)) as f32
        }
        (Kind::Unsigned, bits) => number(row, index, bits, big_endian) as f32,
    }
}

/// Differences to the left neighbour to samples (Predictor 2), modulo their bits.
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

/// Stored samples to grey or red, green and blue.
fn meant(
    file: &File<'_>,
    directory: &Directory,
    page: &Page,
    mut values: Vec<u16>,
) -> Result<Samples, DecodeError> {
    let bits = page.bits;
    let max = ((1_u32 << bits) - 1) as u16;
    let to_u8 = |value: u16| match bits {
        8 => value as u8,
        9.. => (value >> (bits - 8)) as u8,
        _ => ((u32::from(value) * 255 + u32::from(max) / 2) / u32::from(max)) as u8,
    };
    match page.meaning {
        Meaning::WhiteIsZero => values.iter_mut().for_each(|value| *value = max - *value),
        Meaning::BlackIsZero | Meaning::Rgb => {}
        // The JPEG decoder has made it RGB.
        Meaning::YCbCr if page.compression == Compression::Jpeg => {}
        Meaning::YCbCr => {
            if directory.numbers(file, tag::YCC_SUBSAMPLING)? != [1, 1] {
                return Err(unsupported(
                    "subsampled YCbCr without JPEG; save it as RGB".to_owned(),
                ));
            }
            jpeg::of_ycc(&mut values, bits);
        }
        Meaning::Palette => {
            let map = directory.numbers(file, tag::COLOR_MAP)?;
            let colours = 1 << bits;
            if map.len() != 3 * colours {
                return Err(damaged("its palette has not as many colours as its samples need"));
            }
            // Some programs write levels of 8 bits instead of 16.
            let shift = if map.iter().all(|level| *level < 256) { 0 } else { 8 };
            let colour = |value: &u16| {
                [0, 1, 2].map(|i| (map[i * colours + usize::from(*value)] >> shift) as u8)
            };
            return Ok(Samples::U8(values.iter().flat_map(colour).collect()));
        }
        Meaning::Cmyk => {
            let colour = |pixel: &[u16; 4]| {
                let [c, m, y, k] = pixel.map(|value| u32::from(255 - to_u8(value)));
                [c, m, y].map(|ink| (ink * k / 255) as u8)
            };
            return Ok(Samples::U8(values.as_chunks::<4>().0.iter().flat_map(colour).collect()));
        }
    }
    Ok(match bits {
        0..=8 => Samples::U8(values.into_iter().map(to_u8).collect()),
        _ => Samples::U16 { values, bits },
    })
}

fn truncated() -> DecodeError {
    DecodeError::Truncated { format: "TIFF" }
}

fn damaged(what: &'static str) -> DecodeError {
    DecodeError::Contradictory { format: "TIFF", what }
}

fn unsupported(what: String) -> DecodeError {
    DecodeError::Unsupported { format: "TIFF", what }
}
