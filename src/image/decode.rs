//! Decoder of image files of all supported formats into 8-bit pixels.

use super::format::{Format, objection};
use super::samples::{Raster, Samples};
use super::{ChosenDepth, DecodeError, Depth, Image, dicom, frames, jpeg, png, tiff};
use ::image::{
    ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits,
};
use std::borrow::Cow;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(test)]
mod tests;

/// Maximum number of pixels of an image, 8192 x 8192: three times that of the largest X-ray
/// detectors.
pub const MAX_PIXELS: u64 = 1 << 26;

/// Maximum memory in bytes for decoding an image, without the bytes of its file: 512 MiB. Enough
/// for [`MAX_PIXELS`] in 8-bit RGBA; formats that need more memory per pixel allow fewer pixels.
pub const MAX_MEMORY: u64 = 1 << 29;

/// Decodes the bytes of a JPEG, PNG, TIFF, BMP, WebP, GIF or DICOM file. The format is detected by
/// content, never by name.
///
/// DICOM (PS3.3 C.11): the stored values, with all their bits, go through the modality transform
/// (rescaling or table) and the VOI transform (first table or window, else the range of the values
/// without padding). Only then are they reduced to 8 bits. `MONOCHROME1` is inverted, so that bones
/// are bright.
///
/// All other formats: the pixels equal those of OpenCV's `imread(IMREAD_COLOR)`, as RGB. Grey
/// images keep one channel; alpha is dropped; palettes are expanded; of 16 bits the upper 8 are
/// kept (see [`Depth`]); the orientation is applied; ICC profiles are ignored. The first frame or
/// the largest page is used. `docs/method.md` lists formats, variants and exceptions: JPEG decoders
/// round differently (about one sample in 200 differs by one level, very few by more), and OpenCV
/// rounds the upper 8 bits of 16-bit colour TIFF.
///
/// # Errors
///
/// Any [`DecodeError`]. A truncated JPEG is [`DecodeError::Truncated`], unless only the
/// end-of-image marker is missing; OpenCV fills the missing part with grey.
pub fn decode(bytes: &[u8]) -> Result<Image, DecodeError> {
    decode_admitted(bytes, Depth::File, &mut |_| ())
}

/// Returns `true` if the bytes begin like an image file other than DICOM. The first 132 bytes are
/// enough.
pub fn is_picture(bytes: &[u8]) -> bool {
    Format::of(bytes).is_some()
}

/// [`decode`] with a [`Depth`]. Before decoding, calls `admit` once with the memory needed, in
/// bytes, at most [`MAX_MEMORY`]. `admit` may block until that memory is free.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_admitted(
    bytes: &[u8],
    depth: impl Into<ChosenDepth>,
    admit: &mut dyn FnMut(u64),
) -> Result<Image, DecodeError> {
    decode_format(bytes, depth.into(), admit).map(Image::with_level_notes)
}

fn decode_format(
    bytes: &[u8],
    depth: ChosenDepth,
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
    // Decoders of libraries may panic: then only this image is lost, not the run.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        Format::Jpeg => jpeg::decode(bytes, admit),
        Format::Tiff => tiff::decode(bytes, admit),
        Format::Png => decode_with_image_crate(bytes, ImageFormat::Png, name, admit),
        Format::Bmp => decode_with_image_crate(bytes, ImageFormat::Bmp, name, admit),
        Format::WebP => decode_with_image_crate(bytes, ImageFormat::WebP, name, admit),
        Format::Gif => decode_with_image_crate(bytes, ImageFormat::Gif, name, admit),
    }));
    let panicked = DecodeError::Contradictory { format: name, what: "the decoder failed" };
    let mut image = decoded.map_err(|_| panicked)??.image(name, depth)?;
    image.notes.extend(frames::note(format, bytes));
    Ok(image)
}

/// Decodes with the `image` crate.
fn decode_with_image_crate(
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
        let what = "the image has no pixels".to_owned();
        return Err(DecodeError::Unsupported { format: name, what });
    }
    let stored = u64::from(decoder.color_type().bytes_per_pixel());
    // Measured: the pixels of the decoder and a converted copy.
    let cost = match format {
        // These decoders use four samples per pixel internally.
        ImageFormat::Gif | ImageFormat::WebP => 2 * stored.max(4),
        _ => 2 * stored,
    };
    let memory = memory(width, height, cost)?;
    if format == ImageFormat::Gif {
        // A frame may be larger than the image.
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
    Ok(Raster {
        width,
        height,
        channels,
        samples,
        inverted: false,
        mode,
        orientation,
        significant,
        notes,
    })
}

/// Returns the memory in bytes of `width` x `height` pixels at `cost` bytes per pixel.
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

/// Returns the first `C` samples of each pixel, without alpha; `None` for floating-point samples.
fn samples<const C: usize>(image: DynamicImage) -> Option<Samples> {
    /// Keeps the first `C` of `stored` samples per pixel.
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

/// Mode of the stored pixels according to the decoder; see [`Image::mode`].
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
