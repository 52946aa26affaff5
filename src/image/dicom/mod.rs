//! Decoder of DICOM images, as a viewer shows them.
//!
//! The stored values are unpacked ([`packing`], [`codecs`], [`samples`]) and converted to grey
//! levels ([`grey`]) or colours ([`colour`]) by the transforms of the header. The few elements that
//! an index needs become fixed words ([`tags`]).
//!
//! No DICOM library is used, since files may be damaged or hostile: `dicom-object` keeps every name
//! and number of a file, recurses into its sequences and allocates by stated lengths, and unpackers
//! of RLE and JPEG panic if an image is shorter or larger than its header states. An image needs
//! about 40 elements and no tree.

mod codecs;
mod colour;
mod elements;
mod grey;
mod jpeg2000;
mod lut;
mod packing;
#[cfg(test)]
#[path = "../../../tests/it/part10.rs"]
mod part10;
mod reader;
mod samples;
mod tags;
#[cfg(test)]
mod tests;

use std::io::Read;

use flate2::read::DeflateDecoder;
use ndarray::Array3;

use self::elements::{Elements, tag};
use self::packing::Packing;
use self::reader::Encoding;
use self::samples::{Layout, Samples};
pub use self::tags::{Patient, Tags};
use super::decode::{MAX_MEMORY, memory};
use super::{DecodeError, Image, MAX_PIXELS};

const FORMAT: &str = "DICOM";

/// Maximum size of an inflated data set in bytes: the largest image and a generous header.
const MAX_INFLATED: u64 = 2 * MAX_PIXELS + (16 << 20);

/// Returns `true` if the bytes are DICOM: by the mark after the preamble, or, without a preamble,
/// by the first element.
pub fn is_dicom(bytes: &[u8]) -> bool {
    has_preamble(bytes)
        || bytes.starts_with(LOST_PREAMBLE)
        || matches!(bytes, [2 | 8, 0, _, 0, kind @ ..] if is_plausible(kind))
}

/// Start of a file that lost its preamble of 128 bytes but not its mark.
const LOST_PREAMBLE: &[u8] = b"DICM\x02\0";

fn has_preamble(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM")
}

/// Returns `true` if the bytes can be the value representation of a first element, or its length in
/// the implicit encoding.
fn is_plausible(kind: &[u8]) -> bool {
    matches!(kind, [b'U', b'L' | b'I', ..] | [b'C' | b'O', b'S' | b'B', ..])
        || matches!(kind, [length, 0, 0, 0, ..] if *length <= 64 && length % 2 == 0)
}

/// Decodes a DICOM file of one frame. Before decoding, calls `admit` with the memory needed, in
/// bytes.
///
/// # Errors
/// [`DecodeError::NotARadiograph`] for other files of a PACS export: directories, reports, other
/// modalities; else as [`super::decode()`]. Errors contain no text of the file.
pub fn decode(bytes: &[u8], admit: &mut dyn FnMut(u64)) -> Result<Image, DecodeError> {
    let bytes = match bytes {
        bytes if has_preamble(bytes) => &bytes[132..],
        bytes if bytes.starts_with(LOST_PREAMBLE) => &bytes[4..],
        bytes => bytes,
    };
    let (header, body) = Elements::header(bytes)?;
    let class = header.text(tag::SOP_CLASS);
    if class == "1.2.840.10008.1.3.10" {
        return Err(DecodeError::NotARadiograph { what: "a DICOMDIR (list of files)" });
    }
    if body.starts_with(&[0; 4]) {
        // No data set begins with zeros; a partly copied file ends in zeros.
        return Err(truncated());
    }
    let stated = match header.text(tag::TRANSFER_SYNTAX).as_str() {
        "" => None,
        uid => Some(Packing::of(uid)?),
    };
    let mut notes = Vec::new();
    if stated == Some(Packing::Deflated) && Encoding::find(body).is_none() {
        // The size is known only after inflation, which multiplies it by at most 1032.
        admit((4 * MAX_INFLATED.min(1032 * body.len() as u64)).min(MAX_MEMORY));
        let body = inflate(body)?;
        return data_set(&body, stated, &class, notes, &mut |_| ());
    }
    if stated == Some(Packing::Deflated) {
        notes.push("the transfer syntax says deflated, the data set is not".to_owned());
    }
    data_set(body, stated, &class, notes, admit)
}

/// Decodes a data set in the encoding that fits its elements.
fn data_set(
    bytes: &[u8],
    stated: Option<Packing>,
    class: &str,
    mut notes: Vec<String>,
    admit: &mut dyn FnMut(u64),
) -> Result<Image, DecodeError> {
    let expected = stated.map(Packing::encoding);
    let encoding = Encoding::find(bytes).or(expected).unwrap_or(Encoding::IMPLICIT);
    if let Some(expected) = expected.filter(|expected| *expected != encoding) {
        notes.push(format!(
            "the transfer syntax says {} elements, they are {}",
            expected.name(),
            encoding.name()
        ));
    }
    decode_image(&Elements::data_set(bytes, encoding)?, stated, encoding, class, notes, admit)
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut inflated = Vec::new();
    let read = DeflateDecoder::new(bytes).take(MAX_INFLATED + 1).read_to_end(&mut inflated);
    match read {
        Ok(_) if inflated.len() as u64 > MAX_INFLATED => {
            Err(unsupported("a deflated data set larger than any image"))
        }
        Ok(_) => Ok(inflated),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Err(truncated()),
        Err(_) => Err(damaged("its deflated data set is damaged")),
    }
}

fn decode_image(
    data: &Elements,
    stated: Option<Packing>,
    encoding: Encoding,
    class: &str,
    mut notes: Vec<String>,
    admit: &mut dyn FnMut(u64),
) -> Result<Image, DecodeError> {
    let modality = data.text(tag::MODALITY).to_uppercase();
    if let Some(what) = tags::objection(&modality) {
        return Err(DecodeError::NotARadiograph { what });
    }
    let class = match class {
        "" => data.text(tag::SOP_CLASS_OF_DATA),
        class => class.to_owned(),
    };
    let word = |tag| data.word(tag).map(usize::from).filter(|n| *n > 0);
    let size = word(tag::ROWS).zip(word(tag::COLUMNS));
    let pixels = data.bytes(tag::PIXELS).filter(|bytes| !bytes.is_empty());
    let (Some(pixels), Some((rows, columns))) = (pixels, size) else {
        return Err(match pixels {
            Some(_) => damaged("its rows or columns are missing"),
            None => tags::without_pixels(data, &class, &modality),
        });
    };
    if data.decimal(tag::FRAMES).is_some_and(|frames| frames > 1.0) {
        return Err(unsupported(
            "several frames in one file; export each frame as a separate image",
        ));
    }
    let photometric = Photometric::read(data)?;
    let mut layout = layout(data, rows, columns, photometric, pixels.len(), &mut notes)?;
    let packing = Packing::find(stated, data, encoding, layout.bytes(), &mut notes)?;
    if matches!(packing, Packing::Native(_) | Packing::Deflated) {
        layout.fit_chroma(pixels.len(), &mut notes);
    }
    // A palette yields three levels for each value.
    let palette = if photometric == Photometric::Palette { 2 } else { 0 };
    let cost = photometric.channels() as u64 * packing.cost() + palette;
    let [width, height] = [columns, rows].map(|n| n as u32);
    admit(memory(width, height, cost)?);
    let samples = Samples::read(data, packing, layout, &mut notes)?;
    let (channels, pixels) = match photometric {
        Photometric::Monochrome1 | Photometric::Monochrome2 => {
            let inverted = photometric == Photometric::Monochrome1
                || data.text(tag::LUT_SHAPE).eq_ignore_ascii_case("INVERSE");
            (1, grey::levels(data, &samples, inverted, &mut notes)?)
        }
        Photometric::Palette => (3, colour::of_palette(data, &samples, &mut notes)?),
        Photometric::Rgb => (3, colour::of_rgb(&samples)),
        // The decoders of JPEG and JPEG 2000 have converted these to RGB; YBR_FULL in JPEG 2000 is
        // still YBR.
        _ if packing == Packing::Jpeg || photometric == Photometric::YbrOfJpeg2000 => {
            (3, colour::of_rgb(&samples))
        }
        _ => (3, colour::of_ybr(&samples)),
    };
    let pixels = Array3::from_shape_vec((rows, columns, channels), pixels);
    Ok(Image {
        pixels: pixels.map_err(|_| damaged("its number of values does not fit its size"))?,
        mode: mode(photometric, layout.stored.max(samples.bits)),
        tags: Some(Box::new(Tags::new(data, photometric.name()))),
        notes,
    })
}

/// Layout according to the header; `length` is the number of bytes of PixelData.
fn layout(
    data: &Elements,
    rows: usize,
    columns: usize,
    photometric: Photometric,
    length: usize,
    notes: &mut Vec<String>,
) -> Result<Layout, DecodeError> {
    let allocated = data.word(tag::BITS_ALLOCATED).map_or_else(
        || {
            let is_narrow = match data.word(tag::BITS_STORED) {
                Some(stored) => stored <= 8,
                None if data.is_fragmented() => false,
                None => length < 2 * rows * columns * photometric.channels(),
            };
            let bits = if is_narrow { 8 } else { 16 };
            notes.push(format!("BitsAllocated is missing: {bits} is used"));
            bits
        },
        u32::from,
    );
    let stored = data.word(tag::BITS_STORED).map_or(allocated, u32::from);
    let high = data.word(tag::HIGH_BIT).map_or(stored.wrapping_sub(1), u32::from);
    if !matches!(allocated, 8 | 16) {
        return Err(unsupported("samples of other than 8 or 16 bits"));
    }
    if stored == 0 || stored > allocated || high >= allocated || high + 1 < stored {
        return Err(damaged("its bits do not fit into its samples"));
    }
    let channels = photometric.channels();
    if data.word(tag::SAMPLES_PER_PIXEL).is_some_and(|n| usize::from(n) != channels) {
        return Err(damaged("its colours do not fit its number of samples"));
    }
    if channels == 3 && (allocated, stored) != (8, 8) {
        return Err(unsupported("colours of more than 8 bits"));
    }
    Ok(Layout {
        rows,
        columns,
        channels,
        allocated,
        stored,
        low: high + 1 - stored,
        signed: channels == 1 && data.word(tag::PIXEL_REPRESENTATION) == Some(1),
        planar: data.word(tag::PLANAR) == Some(1),
        halved: photometric == Photometric::Ybr422,
        rgb: photometric == Photometric::Rgb,
    })
}

/// Meaning of a stored value (PS3.3 C.7.6.3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Photometric {
    Monochrome1,
    Monochrome2,
    Palette,
    Rgb,
    Ybr,
    Ybr422,
    /// YBR_RCT and YBR_ICT.
    YbrOfJpeg2000,
}

impl Photometric {
    fn read(data: &Elements) -> Result<Self, DecodeError> {
        Ok(match data.text(tag::PHOTOMETRIC).to_uppercase().as_str() {
            "MONOCHROME1" => Self::Monochrome1,
            // Missing: the usual one is assumed.
            "MONOCHROME2" | "" => Self::Monochrome2,
            "PALETTE COLOR" => Self::Palette,
            "RGB" => Self::Rgb,
            "YBR_FULL" => Self::Ybr,
            "YBR_FULL_422" => Self::Ybr422,
            "YBR_RCT" | "YBR_ICT" => Self::YbrOfJpeg2000,
            _ => return Err(unsupported("its photometric interpretation")),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Monochrome1 => "MONOCHROME1",
            Self::Monochrome2 => "MONOCHROME2",
            Self::Palette => "PALETTE COLOR",
            Self::Rgb => "RGB",
            Self::Ybr | Self::Ybr422 | Self::YbrOfJpeg2000 => "YBR",
        }
    }

    fn channels(self) -> usize {
        match self {
            Self::Monochrome1 | Self::Monochrome2 | Self::Palette => 1,
            _ => 3,
        }
    }
}

/// Mode by the stored bits: `L12` is grey of 12 bits.
fn mode(photometric: Photometric, stored: u32) -> &'static str {
    match photometric {
        Photometric::Monochrome1 | Photometric::Monochrome2 => {
            crate::image::samples::mode(1, stored)
        }
        Photometric::Palette => "P",
        _ => "RGB",
    }
}

fn truncated() -> DecodeError {
    DecodeError::Truncated { format: FORMAT }
}

fn damaged(what: &'static str) -> DecodeError {
    DecodeError::Contradictory { format: FORMAT, what }
}

fn unsupported(what: &str) -> DecodeError {
    DecodeError::Unsupported { format: FORMAT, what: what.to_owned() }
}
