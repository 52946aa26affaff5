//! Decoder of TIFF and BigTIFF: the largest page, in grey, RGB, palette, CMYK or YCbCr; strips or
//! tiles; 1 to 16 bits, 32 bits, signed and floating-point samples.
//!
//! No library is used: none reads palettes and 10, 12 or 14 bits, distinguishes a thumbnail from
//! the image, and limits the memory of decompression.

mod chunks;
mod directory;
mod page;
mod pixels;
#[cfg(test)]
mod tests;

use self::chunks::{Compression, list};
use self::directory::{Directory, File, tag};
use self::page::{Meaning, Page};
use self::pixels::{Image, Values};
use super::decode::memory;
use super::jpeg;
use super::samples::{Raster, Samples};
use super::{DecodeError, MAX_MEMORY};

/// Decodes the largest page, the first of equally large pages. Before decoding, calls `admit` with
/// the memory needed, in bytes.
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
    // Per pixel: each sample as stored and as converted, and three levels.
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
        // Planes of alpha and other unused samples.
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
            if !matches!(page.meaning, Meaning::WhiteIsZero | Meaning::BlackIsZero | Meaning::Rgb) {
                return Err(unsupported(
                    "signed, 32-bit or floating-point samples other than grey and RGB".to_owned(),
                ));
            }
            Samples::Real { values, what: page.kind_in_words() }
        }
        Values::U16(values) => convert_colours(&file, directory, &page, values)?,
    };
    Ok(Raster {
        width,
        height,
        channels: if page.used() == 1 && page.meaning != Meaning::Palette { 1 } else { 3 },
        samples,
        inverted: page.meaning == Meaning::WhiteIsZero,
        mode: page.mode(),
        orientation: page.orientation,
        significant: None,
        notes,
    })
}

/// Returns the index of the directory of the largest page, and notes on the choice.
fn largest(
    file: &File<'_>,
    directories: &[Directory],
) -> Result<(usize, Vec<String>), DecodeError> {
    let sizes = directories.iter().enumerate().filter_map(|(i, directory)| {
        page::size(file, directory).map(|(width, height)| (i, width, height))
    });
    let sizes: Vec<_> = sizes.collect();
    let area = |(_, width, height): &(usize, u64, u64)| width.saturating_mul(*height);
    // `max_by_key` returns the last of equal elements.
    let Some(&(index, width, height)) = sizes.iter().rev().max_by_key(|size| area(size)) else {
        return Err(unsupported("the file has no image".to_owned()));
    };
    let mut notes = Vec::new();
    let same = sizes.iter().filter(|(_, w, h)| (*w, *h) == (width, height)).count();
    let (first, first_width, first_height) = sizes[0];
    if first != index {
        notes.push(format!(
            "the first page has {first_width} x {first_height} pixels; the largest page, \
             {width} x {height}, is used"
        ));
    }
    if same > 1 {
        notes.push(format!("only the first of {same} pages of {width} x {height} pixels is used"));
    }
    Ok((index, notes))
}

/// Converts stored samples to grey, or to red, green and blue.
fn convert_colours(
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
        // `WhiteIsZero` is inverted with the levels, since the depth may state another white.
        Meaning::WhiteIsZero | Meaning::BlackIsZero | Meaning::Rgb => {}
        // The JPEG decoder has converted these to RGB.
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
                return Err(damaged("the number of its palette colours does not fit its bits"));
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
