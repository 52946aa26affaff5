//! Decoder of JPEG files, with checks that libraries lack and the colours of OpenCV.
//!
//! Lossy JPEG of 8 bits is decoded by `zune-jpeg`, after [`check`] has read its header and
//! [`scan::walk`] its coded data. Lossless JPEG is decoded by [`lossless`].

mod colour;
mod header;
mod huffman;
pub mod lossless;
mod scan;
mod stream;

pub use colour::of_ycc;
pub use header::JPEG_LS_FRAME;

use std::borrow::Cow;

use ::image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use self::header::{END_OF_IMAGE, Header, header};
use self::stream::Stream;
use super::samples::{Raster, Samples, mode};
use super::{DecodeError, trailer};

#[cfg(test)]
mod tests;

/// Lossy JPEG that passed all checks.
#[derive(Debug)]
pub struct Jpeg<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// 1, 3 or 4.
    pub components: u64,
    /// Memory in bytes per pixel for decoding.
    pub cost: u64,
    /// Bytes of the file, with an end-of-image marker.
    pub bytes: Cow<'a, [u8]>,
    /// Notes on the file, as in [`super::Image::notes`].
    pub notes: Vec<String>,
}

/// Conversion of three components to RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// As the JPEG states.
    OfFile,
    /// No conversion.
    Raw,
}

/// Decodes a JPEG. Checks the file, then calls `admit` with the memory needed, then decodes.
///
/// # Errors
/// As [`super::decode()`].
pub fn decode(bytes: &[u8], admit: &mut dyn FnMut(u64)) -> Result<Raster, DecodeError> {
    if lossless::is_lossless(bytes) {
        let (width, height, components) = lossless::size(bytes)?;
        // Per sample: two bytes as stored, one as converted, and one of a copy.
        admit(super::decode::memory(width, height, 4 * components)?);
        return Ok(lossless::decode(bytes)?.into());
    }
    let jpeg = check(bytes)?;
    admit(super::decode::memory(jpeg.width, jpeg.height, jpeg.cost)?);
    pixels(jpeg, Colours::OfFile)
}

/// Decodes a checked lossy JPEG.
///
/// # Errors
/// [`DecodeError::Contradictory`] if the decoder fails.
pub fn pixels(jpeg: Jpeg<'_>, colours: Colours) -> Result<Raster, DecodeError> {
    let Jpeg { width, height, components, bytes, notes, .. } = jpeg;
    let damaged = |what| DecodeError::Contradictory { format: "JPEG", what };
    let failed = |_| damaged("its pixels cannot be decoded");
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&*bytes), options);
    decoder.decode_headers().map_err(failed)?;
    if decoder.dimensions() != Some((width as usize, height as usize)) {
        return Err(damaged("its headers state two sizes"));
    }
    let space = decoder.input_colorspace().ok_or_else(|| damaged("its colour space is missing"))?;
    let (out, channels, mode) = match (components, colours) {
        (1, _) => (ColorSpace::Luma, 1, "L"),
        (3, Colours::OfFile) => (ColorSpace::RGB, 3, "RGB"),
        (3, Colours::Raw) => (space, 3, "RGB"),
        _ => (space, 4, "CMYK"),
    };
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    decoder.set_options(options.jpeg_set_out_colorspace(out));
    let mut pixels = decoder.decode().map_err(failed)?;
    if pixels.len() != width as usize * height as usize * channels {
        return Err(damaged("its number of values does not fit its size"));
    }
    if channels == 4 {
        let mut stream = Stream::new(&bytes);
        let _ = stream.next_scan();
        colour::to_rgb(&mut pixels, stream.adobe);
    }
    Ok(Raster {
        width,
        height,
        channels: if channels == 1 { 1 } else { 3 },
        samples: Samples::U8(pixels),
        inverted: false,
        mode,
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
        significant: None,
        notes,
    })
}

impl From<lossless::Lossless> for Raster {
    fn from(mut image: lossless::Lossless) -> Self {
        if image.ycc {
            image.convert_to_rgb();
        }
        let lossless::Lossless { width, height, channels, bits, samples, notes, .. } = image;
        Self {
            width: width as u32,
            height: height as u32,
            channels,
            samples: Samples::U16 { values: samples, bits },
            inverted: false,
            mode: mode(channels, bits),
            orientation: Orientation::NoTransforms,
            significant: None,
            notes,
        }
    }
}

/// Removes zeros at the end of a file that has no end-of-image marker after position `scan`. Partly
/// copied files often end in zeros, which would be read as codes of pixels.
fn without_padding(bytes: &[u8], scan: usize) -> &[u8] {
    if bytes[scan..].windows(2).rev().any(|pair| pair == [0xff, END_OF_IMAGE]) {
        return bytes;
    }
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    // FF 00 stands for the byte FF.
    let end = if bytes[..end].ends_with(&[0xff]) { end + 1 } else { end };
    &bytes[..end.clamp(scan, bytes.len())]
}

/// Notes on the end of a file: a missing end-of-image marker, and bytes of coded data that belong
/// to no pixel.
fn end_notes(ended: bool, extra: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if !ended {
        notes.push("the end-of-image marker is missing; all pixels are present".to_owned());
    }
    // Some encoders write one byte more than needed.
    if ended && extra > 1 {
        notes.push(format!("{extra} bytes of the coded data belong to no pixel"));
    }
    notes
}

/// Returns a note on the bytes after `end`, the end of the image. In a file of several images (MPO,
/// by its header), the other images follow there: no note.
fn trailer_note(bytes: &[u8], end: usize) -> Option<String> {
    let note = trailer::note(&bytes[end..])?;
    let has_index = bytes[..end].windows(4).any(|w| w == b"MPF\0");
    (!has_index).then_some(note)
}

/// Checks the header and the coded data of a lossy JPEG.
///
/// # Errors
/// As [`header()`] and [`scan::walk`]. [`DecodeError::Truncated`] if pixels are missing: a decoder
/// would fill them with grey, and a model would be trained on them.
pub fn check(bytes: &[u8]) -> Result<Jpeg<'_>, DecodeError> {
    let Header { width, height, components, cost } = header(bytes)?;
    let scan::Whole { end, has_tables, ended, mut notes } = scan::walk(bytes)?;
    if ended {
        let mut stream = Stream::new(bytes);
        stream.at = end;
        let _ = stream.next_scan();
        notes.extend(trailer_note(bytes, stream.at));
    }
    let bytes = match ended {
        true => Cow::Borrowed(bytes),
        false => Cow::Owned([&bytes[..end], &[0xff, END_OF_IMAGE]].concat()),
    };
    let bytes = match has_tables {
        true => bytes,
        false => {
            let tables = huffman::standard_segment();
            Cow::Owned([&bytes[..2], &tables[..], &bytes[2..]].concat())
        }
    };
    Ok(Jpeg { width, height, components, cost, bytes, notes })
}
