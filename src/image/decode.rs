//! Files of any kind to 8-bit pixels, as OpenCV's `imread` reads them, or pydicom.

use super::format::{Format, objection};
use super::samples::{Depth, Raster, Samples};
use super::{DecodeError, Image, dicom, frames, jpeg, png, tiff};
use ::image::{
    ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits,
};
use std::borrow::Cow;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(test)]
mod tests;

/// The most pixels an image may have, 8192 x 8192: three times what the largest
/// X-ray detectors deliver.
pub const MAX_PIXELS: u64 = 1 << 26;

/// The most bytes that decoding an image may take, those of its file aside, 512 MiB: a
/// small hostile file can ask for no more. It is enough for [`MAX_PIXELS`] in 8-bit RGB
/// with alpha, and for fewer pixels of formats that take more.
pub const MAX_MEMORY: u64 = 1 << 29;

/// Decodes the bytes of a JPEG, PNG, TIFF, BMP, WebP, GIF or DICOM file, told apart
/// by content, never by name.
///
/// Of DICOM (PS3.3 C.11) the modality transform (rescaling or table) and the first
/// values of interest (table or window, else the range of the values but for padding)
/// are applied to the stored values in all their bits before these are brought to 8,
/// and `MONOCHROME1` is inverted, so that bones are bright.
///
/// Of all else, the pixels are those of OpenCV's `imread(IMREAD_COLOR)`, as RGB: grey stays
/// one channel (all three would be equal), alpha is dropped, palettes are expanded, of 16 bits
/// the upper 8 are kept (see [`Depth`]), the orientation is applied, ICC profiles are ignored,
/// of several frames the first is taken, of several pages the largest. `docs/method.md` lists
/// formats, variants and the exceptions: JPEG decoders round differently, which moves about
/// one sample in 200 by one level and very few by more; and of 16-bit colour TIFF, but of no
/// other 16-bit image, OpenCV keeps the rounded upper 8 bits.
///
/// # Errors
///
/// Every variant of [`DecodeError`]. OpenCV fills the missing part of a
/// truncated JPEG with grey; here that is [`DecodeError::Truncated`], unless only the
/// end-of-image marker is missing.
pub fn decode(bytes: &[u8]) -> Result<Image, DecodeError> {
    decode_admitted(bytes, Depth::File, &mut |_| ())
}

/// Whether bytes, or the first 132 of them, begin as a picture does that is not DICOM.
pub fn is_picture(bytes: &[u8]) -> bool {
    Format::of(bytes).is_some()
}

/// [`decode`] with a [`Depth`], which first tells `admit`, once, how many bytes it will take
/// at most, up to [`MAX_MEMORY`]; `admit` may wait until so many are free.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_admitted(
    bytes: &[u8],
    depth: Depth,
    admit: &mut dyn FnMut(u64),
) -> Result<Image, DecodeError> {
    decode_format(bytes, depth, admit).map(Image::with_doubts_of_levels)
}

fn decode_format(
    bytes: &[u8],
    depth: Depth,
    admit: &mut dyn FnMut(u64),
) -> Result<Image, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if dicom::is_dicom(bytes) {
        return dicom::decode(bytes, admit);
    }
    let format = Format::of(bytes).ok_or_else(|| objection(bytes))?;
    let name = format.name();
    // Decoders are not ours, and what each of them panics on is not all known: one image is
    // lost then, not the run.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        Format::Jpeg => jpeg::decode(bytes, admit),
        Format::Tiff => tiff::decode(bytes, admit),
        Format::Png => by_library(bytes, ImageFormat::Png, name, admit),
        Format::Bmp => by_library(bytes, ImageFormat::Bmp, name, admit),
        Format::WebP => by_library(bytes, ImageFormat::WebP, name, admit),
        Format::Gif => by_library(bytes, ImageFormat::Gif, name, admit),
    }));
    let panicked = DecodeError::Contradictory { format: name, what: "its decoder fails on it" };
    let mut image = decoded.map_err(|_| panicked)??.image(name, depth)?;
    image.notes.extend(frames::note(format, bytes));
    Ok(image)
}

/// Decodes with the `image` crate.
fn by_library(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
    admit: &mut dyn FnMut(u64),
) -> Result<Raster, DecodeError> {
    let png::Checked { bytes: checked, ended, notes } = match format {
        ImageFormat::Png => png::check(bytes)?,
        _ => png::Checked { bytes: Cow::Borrowed(bytes), ended: true, notes: Vec::new() },
    };
    let failed = |error| match ended {
        true => DecodeError::from_image(name, &error),
        false => DecodeError::Truncated { format: name },
    };
    let mut decoder =
        ImageReader::with_format(Cursor::new(&*checked), format).into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        let what = "an image without pixels".to_owned();
        return Err(DecodeError::Unsupported { format: name, what });
    }
    let stored = u64::from(decoder.color_type().bytes_per_pixel());
    // Measured: twice the pixels, once as the decoder has them, once as they are wanted.
    let cost = match format {
        // Inside they have four samples a pixel, whatever comes out.
        ImageFormat::Gif | ImageFormat::WebP => 2 * stored.max(4),
        _ => 2 * stored,
    };
    let memory = memory(width, height, cost)?;
    if format == ImageFormat::Gif {
        // A frame may be larger than the picture.
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(memory / 2);
        decoder.set_limits(limits).map_err(failed)?;
    }
    admit(memory);
    let mode = match format {
        ImageFormat::Png => png::mode(&checked),
        ImageFormat::Gif => "P",
        _ => mode(&decoder),
    };
    let significant = (format == ImageFormat::Png).then(|| png::significant_bits(&checked));
    let orientation = decoder.orientation().map_err(failed)?;
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let channels = match image.color() {
        ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16 => 1,
        _ => 3,
    };
    let samples = match channels {
        1 => samples::<1>(image),
        _ => samples::<3>(image),
    };
    let samples = samples.ok_or_else(|| DecodeError::Unsupported {
        format: name,
        what: "floating-point samples; save it with 8 or 16 bits".to_owned(),
    })?;
    let significant = significant.flatten();
    Ok(Raster { width, height, channels, samples, mode, orientation, significant, notes })
}

/// The bytes that so many pixels take, each `cost`.
///
/// # Errors
///
/// [`DecodeError::TooLarge`] for more than [`MAX_MEMORY`], or [`MAX_PIXELS`].
pub(super) fn memory(width: u32, height: u32, cost: u64) -> Result<u64, DecodeError> {
    let pixels = u64::from(width) * u64::from(height);
    let limit = MAX_PIXELS.min(MAX_MEMORY / cost);
    if pixels > limit {
        return Err(DecodeError::TooLarge { width, height, limit });
    }
    Ok(pixels * cost)
}

/// The first `C` samples of each pixel, alpha left out; `None` where samples are floating
/// point.
fn samples<const C: usize>(image: DynamicImage) -> Option<Samples> {
    /// Keeps `C` of `stored` samples a pixel.
    fn keep<const C: usize, T: Copy>(all: &[T], stored: usize) -> Vec<T> {
        all.chunks_exact(stored).flat_map(|pixel| &pixel[..C]).copied().collect()
    }
    let deep = |values| Samples::U16 { values, bits: 16 };
    Some(match image {
        DynamicImage::ImageLuma8(b) => Samples::U8(b.into_raw()),
        DynamicImage::ImageRgb8(b) => Samples::U8(b.into_raw()),
        DynamicImage::ImageLumaA8(b) => Samples::U8(keep::<C, _>(&b, 2)),
        DynamicImage::ImageRgba8(b) => Samples::U8(keep::<C, _>(&b, 4)),
        DynamicImage::ImageLuma16(b) => deep(b.into_raw()),
        DynamicImage::ImageRgb16(b) => deep(b.into_raw()),
        DynamicImage::ImageLumaA16(b) => deep(keep::<C, _>(&b, 2)),
        DynamicImage::ImageRgba16(b) => deep(keep::<C, _>(&b, 4)),
        _ => return None,
    })
}

/// Mode as the decoder of the format tells it.
fn mode(decoder: &impl ImageDecoder) -> &'static str {
    match decoder.original_color_type() {
        ExtendedColorType::L1 => "1",
        ExtendedColorType::L8 => "L",
        ExtendedColorType::La8 => "LA",
        ExtendedColorType::Rgba8 => "RGBA",
        ExtendedColorType::L16 => "L16",
        ExtendedColorType::La16 => "LA16",
        ExtendedColorType::Rgb16 => "RGB16",
        ExtendedColorType::Rgba16 => "RGBA16",
        ExtendedColorType::Cmyk8 => "CMYK",
        ExtendedColorType::Cmyk16 => "CMYK16",
        _ => "RGB",
    }
}
