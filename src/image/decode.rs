//! Files of any kind to 8-bit pixels, as OpenCV's `imread` reads them, or pydicom.

use super::{DecodeError, Film, dicom, jpeg, png, tiff};
use ::image::{
    ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits,
    guess_format,
};
use ndarray::Array3;
use std::borrow::Cow;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The most pixels a film may have, 8192 x 8192: three times what the largest
/// X-ray detectors deliver.
pub const MAX_PIXELS: u64 = 1 << 26;

/// The most bytes that decoding a film may take, those of its file aside, 512 MiB: a
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
/// Of all else, the pixels are those of OpenCV's `imread(IMREAD_COLOR)`, as RGB:
/// grey stays one channel (all three would be equal), alpha is dropped, palettes
/// are expanded, of 16 bits the upper 8 are kept, the EXIF orientation is applied,
/// ICC profiles are ignored, and of several frames the first is taken. Two
/// exceptions: JPEG decoders round differently, which moves about one sample in
/// 200 by one level and very few by more; and of 16-bit colour TIFF, but of no
/// other 16-bit image, OpenCV keeps the rounded upper 8 bits.
///
/// # Errors
///
/// Every variant of [`DecodeError`]. OpenCV fills the missing part of a
/// truncated JPEG with grey; here that is [`DecodeError::Truncated`].
pub fn decode(bytes: &[u8]) -> Result<Film, DecodeError> {
    decode_admitted(bytes, &mut |_| ())
}

/// Whether bytes, or the first 132 of them, begin as a picture does that is not DICOM.
pub fn is_picture(bytes: &[u8]) -> bool {
    guess_format(bytes).is_ok()
}

/// [`decode`], which first tells `admit`, once, how many bytes it will take at most, up
/// to [`MAX_MEMORY`]; `admit` may wait until so many are free.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_admitted(bytes: &[u8], admit: &mut dyn FnMut(u64)) -> Result<Film, DecodeError> {
    decode_format(bytes, admit).map(Film::with_doubts_of_levels)
}

fn decode_format(bytes: &[u8], admit: &mut dyn FnMut(u64)) -> Result<Film, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if dicom::is_dicom(bytes) {
        return dicom::decode(bytes, admit);
    }
    let format = guess_format(bytes).map_err(|_| DecodeError::NotAnImage)?;
    let name = name(format)?;
    let (mut checked, mut jpeg) = (Cow::Borrowed(bytes), None);
    match format {
        ImageFormat::Jpeg => jpeg = Some(jpeg::check(bytes)?),
        ImageFormat::Png => checked = png::check(bytes)?,
        ImageFormat::Tiff => tiff::check(bytes)?,
        _ => {}
    }
    let failed = |error| DecodeError::from_image(name, error);
    let mut decoder =
        ImageReader::with_format(Cursor::new(&*checked), format).into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        let what = "a picture without pixels".to_owned();
        return Err(DecodeError::Unsupported { format: name, what });
    }
    if jpeg.as_ref().is_some_and(|jpeg| (jpeg.width, jpeg.height) != (width, height)) {
        return Err(DecodeError::Contradictory { format: name, what: "it has two sizes" });
    }
    let stored = u64::from(decoder.color_type().bytes_per_pixel());
    // Measured: twice the pixels, once as the decoder has them, once as they are wanted.
    let cost = match (&jpeg, format) {
        (Some(jpeg), _) => jpeg.cost,
        // Inside they have four samples a pixel, whatever comes out.
        (_, ImageFormat::Gif | ImageFormat::WebP) => 2 * stored.max(4),
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
        _ => jpeg.map_or_else(|| mode(&decoder), |jpeg| jpeg.mode),
    };
    let orientation = decoder.orientation().map_err(failed)?;
    // Decoders are not ours, and what each of them panics on is not all known: one film is
    // lost then, not the run.
    let decoded = catch_unwind(AssertUnwindSafe(|| DynamicImage::from_decoder(decoder)));
    let panicked = DecodeError::Contradictory { format: name, what: "its decoder fails on it" };
    let mut image = decoded.map_err(|_| panicked)?.map_err(failed)?;
    image.apply_orientation(orientation);
    let shape = |channels| (image.height() as usize, image.width() as usize, channels);
    let (shape, pixels) = match image.color() {
        ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16 => {
            (shape(1), samples::<1>(image))
        }
        _ => (shape(3), samples::<3>(image)),
    };
    let pixels = pixels.ok_or_else(|| DecodeError::Unsupported {
        format: name,
        what: "floating-point samples".to_owned(),
    })?;
    let pixels = Array3::from_shape_vec(shape, pixels).expect("one sample a pixel and channel");
    Ok(Film { pixels, mode, tags: None, notes: Vec::new() })
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

/// The name of a format that is read, as messages spell it.
fn name(format: ImageFormat) -> Result<&'static str, DecodeError> {
    match format {
        ImageFormat::Jpeg => Ok("JPEG"),
        ImageFormat::Png => Ok("PNG"),
        ImageFormat::Tiff => Ok("TIFF"),
        ImageFormat::Bmp => Ok("BMP"),
        ImageFormat::WebP => Ok("WebP"),
        ImageFormat::Gif => Ok("GIF"),
        other => Err(DecodeError::Unsupported {
            format: "image",
            what: format!("the format `{}` is not read", other.extensions_str()[0]),
        }),
    }
}

/// The first `C` samples of each pixel in 8 bits, alpha left out; `None` where
/// samples are floating point.
fn samples<const C: usize>(image: DynamicImage) -> Option<Vec<u8>> {
    /// Keeps `C` of `stored` samples a pixel.
    fn keep<const C: usize, T: Copy>(all: &[T], stored: usize, to_u8: impl Fn(T) -> u8) -> Vec<u8> {
        all.chunks_exact(stored).flat_map(|pixel| &pixel[..C]).map(|&s| to_u8(s)).collect()
    }
    let upper = |s: u16| (s >> 8) as u8;
    Some(match image {
        DynamicImage::ImageLuma8(b) => b.into_raw(),
        DynamicImage::ImageRgb8(b) => b.into_raw(),
        DynamicImage::ImageLumaA8(b) => keep::<C, _>(&b, 2, |s| s),
        DynamicImage::ImageRgba8(b) => keep::<C, _>(&b, 4, |s| s),
        DynamicImage::ImageLuma16(b) => keep::<C, _>(&b, 1, upper),
        DynamicImage::ImageLumaA16(b) => keep::<C, _>(&b, 2, upper),
        DynamicImage::ImageRgb16(b) => keep::<C, _>(&b, 3, upper),
        DynamicImage::ImageRgba16(b) => keep::<C, _>(&b, 4, upper),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::resize;
    use crate::image::testing::{golden, golden_path, npz, shared};
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::fs::read;
    use std::io::Read;

    fn film(name: &str) -> Vec<u8> {
        read(golden_path("films").join(name)).unwrap()
    }

    /// The film's pixels as RGB, at its own size.
    fn rgb(film: &Film) -> Vec<u8> {
        film.to_rgb(film.height(), film.width()).into_raw_vec_and_offset().0
    }

    #[test]
    fn equals_opencv_on_every_kind_of_file() {
        for case in golden("image_decode.json").as_array().unwrap() {
            let name = case["file"].as_str().unwrap();
            let film = decode(&film(name)).unwrap();
            assert_eq!(film.mode, case["mode"].as_str().unwrap(), "{name}");
            assert_eq!(film.height(), case["height"].as_u64().unwrap() as usize, "{name}");
            assert_eq!(film.width(), case["width"].as_u64().unwrap() as usize, "{name}");
            let hex = case["rgb"].as_str().unwrap().as_bytes().chunks_exact(2);
            let expected = hex.map(|h| u8::from_str_radix(str::from_utf8(h).unwrap(), 16).unwrap());
            let differences: Vec<u8> =
                rgb(&film).iter().zip(expected).map(|(&a, b)| a.abs_diff(b)).collect();
            let largest = differences.iter().max().unwrap();
            let allowed = if name.ends_with(".jpg") { 2 } else { 0 };
            assert!(*largest <= allowed, "{name}: {largest} levels");
        }
    }

    #[test]
    fn an_empty_file_is_named_as_such() {
        assert!(matches!(decode(&[]), Err(DecodeError::Empty)));
    }

    #[test]
    fn a_text_file_is_no_image_whatever_its_name() {
        let error = decode(b"PNG it is not, but it is named .png").unwrap_err();
        assert!(matches!(error, DecodeError::NotAnImage), "{error}");
    }

    #[test]
    fn no_truncated_file_yields_a_wrong_picture() {
        for name in ["grey.jpg", "rgb_420.jpg", "rgb_progressive.jpg", "restart.jpg"] {
            let bytes = film(name);
            for length in 3..bytes.len() {
                let error = decode(&bytes[..length]).unwrap_err();
                assert!(matches!(error, DecodeError::Truncated { .. }), "{name} {length}: {error}");
            }
        }
        for name in ["rgb.png", "grey16.png", "grey.tif", "rgb.webp", "palette.gif"] {
            let bytes = film(name);
            let whole = decode(&bytes).unwrap();
            for length in 16..bytes.len() {
                // What follows the pixels may be missing.
                if let Ok(film) = decode(&bytes[..length]) {
                    assert_eq!(film, whole, "{name} {length}");
                }
            }
            assert!(decode(&bytes[..bytes.len() / 2]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_thumbnail_does_not_hide_truncation() {
        let mut bytes = film("grey.jpg");
        // An application segment that holds an end-of-image marker of its own.
        bytes.splice(2..2, [0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9]);
        assert!(decode(&bytes).is_ok());
        bytes.truncate(bytes.len() - 2);
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "truncated JPEG: the file ends before the picture does");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum: u32, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
        })
    }

    #[test]
    fn a_decompression_bomb_is_refused_before_it_is_unpacked() {
        let mut bytes = film("grey.jpg");
        let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "65535 x 65535 pixels are more than the 67108864 allowed");
        let mut bytes = film("rgb16.png");
        bytes[16..24].copy_from_slice(&[0, 0, 0x20, 0, 0, 0, 0x20, 0]);
        // The checksum of the header, as the size has changed.
        let sum = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "8192 x 8192 pixels are more than the 44739242 allowed");
    }

    #[test]
    fn formats_and_samples_that_are_not_read_are_named() {
        let error = decode(b"qoif\0\0\0\x01\0\0\0\x01\x03\0").unwrap_err();
        assert_eq!(error.to_string(), "unsupported image: the format `qoi` is not read");
        let mut float = Cursor::new(Vec::new());
        ::image::Rgb32FImage::new(2, 2).write_to(&mut float, ImageFormat::Tiff).unwrap();
        let error = decode(float.get_ref()).unwrap_err();
        assert_eq!(error.to_string(), "unsupported TIFF: floating-point samples");
    }

    #[test]
    fn a_picture_without_pixels_is_none() {
        let mut bytes = film("palette.gif");
        bytes[8..10].copy_from_slice(&[0, 0]);
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "unsupported GIF: a picture without pixels");
    }

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let mut checksum = flate2::Crc::new();
        checksum.update(&[kind, data].concat());
        let length = (data.len() as u32).to_be_bytes();
        [&length, &kind[..], data, &checksum.sum().to_be_bytes()].concat()
    }

    #[test]
    fn half_a_colour_in_a_palette_is_refused() {
        let mut bytes = film("palette.png");
        let start = bytes.windows(4).position(|w| w == b"PLTE").unwrap() - 4;
        let length = u32::from_be_bytes(*bytes[start..].first_chunk().unwrap()) as usize;
        bytes.splice(start..start + length + 12, chunk(b"PLTE", &[1, 2]));
        let error = decode(&bytes).unwrap_err();
        assert!(matches!(error, DecodeError::Contradictory { format: "PNG", .. }), "{error}");
    }

    #[test]
    fn a_large_profile_is_not_unpacked() {
        let bytes = film("grey.png");
        let mut packed = ZlibEncoder::new(b"profile\0\0".to_vec(), Compression::best());
        std::io::copy(&mut std::io::repeat(0).take(64 << 20), &mut packed).unwrap();
        let bomb = chunk(b"iCCP", &packed.finish().unwrap());
        // Behind the header.
        let many = [&bytes[..33], &bomb, &bomb, &bytes[33..]].concat();
        assert_eq!(png::check(&many).unwrap(), bytes);
        assert_eq!(decode(&many).unwrap(), decode(&bytes).unwrap());
        let small = [&bytes[..33], &chunk(b"iCCP", b"profile\0\0x"), &bytes[33..]].concat();
        assert_eq!(png::check(&small).unwrap(), small);
    }

    #[test]
    fn what_a_film_takes_is_asked_for_once_and_first() {
        let mut asked = Vec::new();
        for name in ["grey.png", "rgb.png", "palette.gif", "rgb_420.jpg", "rgb_progressive.jpg"] {
            let film = decode_admitted(&film(name), &mut |bytes| asked.push(bytes)).unwrap();
            let pixels = (film.height() * film.width()) as u64;
            *asked.last_mut().unwrap() /= pixels;
        }
        assert_eq!(asked, [2, 6, 8, 6, 12]);
        let mut bytes = film("rgb16.png");
        bytes.truncate(bytes.len() / 2);
        assert!(decode_admitted(&bytes, &mut |bytes| asked.push(bytes)).is_err());
        assert_eq!(asked.len(), 6);
    }

    #[test]
    fn a_picture_that_is_painted_over_and_over_is_refused() {
        let bytes = film("rgb_progressive.jpg");
        let scan = bytes.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
        let end = bytes.len() - 2;
        let often = [&bytes[..end], &bytes[scan..end].repeat(100), &bytes[end..]].concat();
        let error = decode(&often).unwrap_err().to_string();
        assert!(error.starts_with("unsupported JPEG: 1") && error.contains("scans of"), "{error}");
    }

    #[test]
    fn samplings_that_no_encoder_chooses_are_refused() {
        let bytes = film("rgb_420.jpg");
        let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        let sampled = |samplings: [u8; 3]| {
            let mut bytes = bytes.clone();
            for (i, sampling) in samplings.into_iter().enumerate() {
                bytes[frame + 11 + 3 * i] = sampling;
            }
            jpeg::check(&bytes).map(|jpeg| jpeg.cost)
        };
        for samplings in [[0x11; 3], [0x22; 3], [0x41, 0x11, 0x11], [0x22, 0x12, 0x11]] {
            assert_eq!(sampled(samplings).unwrap(), 6, "{samplings:x?}");
        }
        for samplings in [[0x11, 0x11, 0x23], [0x11, 0x21, 0x11], [0x33, 0x11, 0x11], [0x10; 3]] {
            let error = sampled(samplings).unwrap_err();
            assert_eq!(error.to_string(), "unsupported JPEG: its sampling of colours");
        }
        for count in [0, 2, 5] {
            let mut bytes = bytes.clone();
            bytes[frame + 9] = count;
            assert!(jpeg::check(&bytes).is_err(), "{count}");
        }
        // A scan of one component, of a picture that is not progressive.
        let alone = |name: &str| {
            let mut bytes = film(name);
            let scan = bytes.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
            let end = scan + 2 + usize::from(bytes[scan + 3]);
            bytes.splice(scan + 2..end, [0, 8, 1, 1, 0, 0, 63, 0]);
            jpeg::check(&bytes).map(|jpeg| jpeg.cost)
        };
        assert!(alone("rgb_420.jpg").is_err());
        assert_eq!(alone("rgb_444.jpg").unwrap(), 12);
    }

    #[test]
    fn no_header_hides_from_the_check() {
        let bytes = film("rgb_420.jpg");
        let refused = |at: usize, segment: &[u8]| {
            let mut bytes = bytes.clone();
            bytes.splice(at..at, segment.iter().copied());
            jpeg::check(&bytes).is_err()
        };
        // Markers that stand alone, which a decoder takes for segments.
        for code in [0x01, 0xd0, 0xd8] {
            assert!(refused(2, &[0xff, code, 0, 4, 0, 0]), "{code:x}");
        }
        assert!(refused(2, &[0xff, 0xe0, 0, 6, 0, 0, 0, 0]));
        // What the colours are, before the frame and behind it.
        let adobe = b"\xff\xee\0\x0eAdobe\0d\0\0\0\0\x01";
        let scan = bytes.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
        assert!(!refused(2, adobe) && refused(scan, adobe));
        let mut progressive = film("rgb_progressive.jpg");
        let end = progressive.len() - 2;
        assert!(jpeg::check(&progressive).is_ok());
        progressive.splice(end..end, adobe.iter().copied());
        assert!(jpeg::check(&progressive).is_err());
    }

    #[test]
    fn a_picture_within_a_tiff_is_not_unpacked() {
        for name in ["grey.tif", "rgb_lzw.tif"] {
            let mut bytes = film(name);
            assert!(tiff::check(&bytes).is_ok());
            let tag = bytes.windows(4).position(|w| w == [3, 1, 3, 0]).unwrap();
            for compression in [6, 7] {
                bytes[tag + 8] = compression;
                let error = decode(&bytes).unwrap_err().to_string();
                assert!(error.starts_with("unsupported TIFF: its compression"), "{error}");
            }
            // One that says where it stands, not what it is.
            bytes[tag + 2] = 16;
            assert!(tiff::check(&bytes).is_err());
        }
        let big = b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x01\x01\x03\0\x03\0\0\0\0\0\0\0\x01\0\x07";
        assert!(tiff::check(&[&big[..], &[0; 6]].concat()).is_err());
    }

    #[test]
    fn a_frame_is_no_larger_than_its_picture() {
        let mut bytes = film("palette.gif");
        bytes[6..10].copy_from_slice(&[1, 0, 1, 0]);
        let error = decode(&bytes).unwrap_err();
        assert!(error.to_string().contains("GIF"), "{error}");
    }

    #[test]
    fn a_large_picture_does_not_fit_into_a_few_bytes() {
        let mut bytes = film("grey.jpg");
        let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 9].copy_from_slice(&[0x20, 0, 0x20, 0]);
        let error = decode(&bytes).unwrap_err();
        assert!(matches!(error, DecodeError::Truncated { .. }), "{error}");
    }

    #[test]
    fn damaged_bytes_never_panic() {
        for name in ["rgb_420.jpg", "rgb_progressive.jpg", "palette.png", "grey16.tif", "rgb.webp"]
        {
            let bytes = film(name);
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0xff;
                let _ = decode(&damaged);
            }
        }
    }

    #[test]
    fn real_films_equal_opencv_but_for_the_rounding_of_jpeg() {
        let (Some(data), Some(reference)) = (shared("data/tutorial/dataset"), shared("reference"))
        else {
            return;
        };
        let expected: Vec<u8> = npz(reference.join("images_u8.npz"), "images");
        let split: serde_json::Value =
            serde_json::from_slice(&read(reference.join("split.json")).unwrap()).unwrap();
        let (mut off_by_one, mut off_by_more, mut largest) = (0, 0, 0);
        let paths = split["paths"].as_array().unwrap();
        for (path, expected) in paths.iter().zip(expected.chunks_exact(224 * 224 * 3)) {
            let film = decode(&read(data.join(path.as_str().unwrap())).unwrap()).unwrap();
            for (&a, &b) in film.to_rgb(224, 224).iter().zip(expected) {
                off_by_one += usize::from(a.abs_diff(b) == 1);
                off_by_more += usize::from(a.abs_diff(b) > 1);
                largest = largest.max(a.abs_diff(b));
            }
        }
        let samples = expected.len() as f64;
        assert_eq!(paths.len(), 50);
        assert!((off_by_one as f64) < 0.005 * samples, "{off_by_one} of {samples}");
        assert!(off_by_more <= 50, "{off_by_more} of {samples}");
        assert!(largest <= 3);
    }

    #[test]
    fn resizing_does_not_depend_on_the_file_being_grey() {
        let grey = decode(&film("grey.png")).unwrap();
        assert_eq!(grey.pixels.dim().2, 1);
        let rgb = grey.pixels.broadcast((grey.height(), grey.width(), 3)).unwrap();
        assert_eq!(grey.to_rgb(7, 9), resize(rgb, 7, 9));
    }
}
