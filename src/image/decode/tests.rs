//! Tests of decoding: files of all formats against other decoders, and damaged files.

use super::*;
use crate::image::resize;
use crate::image::testing::{golden, golden_path, npz};
use crate::testing::shared;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::fs::read;
use std::io::Read;

fn image(name: &str) -> Vec<u8> {
    read(golden_path("images").join(name)).unwrap()
}

/// Pixels of the image as RGB, at the original size.
fn rgb(image: &Image) -> Vec<u8> {
    image.to_rgb(image.height(), image.width()).into_raw_vec_and_offset().0
}

#[test]
fn equals_opencv_on_every_kind_of_file() {
    for case in golden("image_decode.json").as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let image = decode(&image(name)).unwrap();
        assert_eq!(image.mode, case["mode"].as_str().unwrap(), "{name}");
        assert_eq!(image.height(), case["height"].as_u64().unwrap() as usize, "{name}");
        assert_eq!(image.width(), case["width"].as_u64().unwrap() as usize, "{name}");
        let hex = case["rgb"].as_str().unwrap().as_bytes().chunks_exact(2);
        let expected = hex.map(|h| u8::from_str_radix(str::from_utf8(h).unwrap(), 16).unwrap());
        let differences: Vec<u8> =
            rgb(&image).iter().zip(expected).map(|(&a, b)| a.abs_diff(b)).collect();
        let largest = differences.iter().max().unwrap();
        let allowed = if name.ends_with(".jpg") { 2 } else { 0 };
        assert!(*largest <= allowed, "{name}: {largest} levels");
    }
}

#[test]
fn unusual_files_equal_independent_decoders_or_are_refused() {
    let cases = golden("odd_raster.json");
    for case in cases.as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let decoded = decode(&read(golden_path("odd_raster").join(name)).unwrap());
        let Some(expected) = case["rgb"].as_str() else {
            let error = decoded.unwrap_err();
            assert!(matches!(error, DecodeError::Unsupported { .. }), "{name}: {error}");
            continue;
        };
        let image = decoded.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(image.height() as u64, case["height"].as_u64().unwrap(), "{name}");
        assert_eq!(image.width() as u64, case["width"].as_u64().unwrap(), "{name}");
        let hex = expected.as_bytes().chunks_exact(2);
        let expected = hex.map(|h| u8::from_str_radix(str::from_utf8(h).unwrap(), 16).unwrap());
        let largest = rgb(&image).iter().zip(expected).map(|(&a, b)| a.abs_diff(b)).max();
        let allowed = match name {
            // OpenCV rounds 16-bit colour TIFF; colour conversions round differently.
            "rgb16.tif" | "planar16_lzw.tif" | "ycc_plain.tif" => 1,
            _ if name.ends_with(".jpg") || name.starts_with("jpeg") => 3,
            _ => 0,
        };
        assert!(largest <= Some(allowed), "{name}: {largest:?} levels");
    }
    assert!(cases.as_array().unwrap().len() > 60);
}

#[test]
fn assumptions_about_ambiguous_files_are_noted() {
    let notes = |name: &str| {
        decode(&read(golden_path("odd_raster").join(name)).unwrap()).unwrap().notes.join("; ")
    };
    let dark = "the values range from 0 to 3990 and use 12 of 16 bits";
    let see = ": the image is dark, see the setting `depth` (\"12\" or \"range\")";
    let levels = "998 of 1000 pixels have levels between 0 and 15 of 255";
    assert_eq!(notes("holds12.png"), format!("{dark}{see}; {levels}"));
    assert_eq!(notes("holds12.tif"), format!("{dark}{see}; {levels}"));
    let sbit = format!("{dark} (the sBIT chunk states 12){see}; {levels}");
    assert_eq!(notes("holds12_sbit.png"), sbit);
    assert_eq!(notes("junk_before_eoi.jpg"), "4 bytes of the coded data belong to no pixel");
    for name in ["animated.gif", "animated.webp", "apng.png"] {
        assert_eq!(notes(name), "only the first of 2 frames is used", "{name}");
    }
    for name in ["grey12_packed.tif", "predictor16.tif", "offset_frame.gif", "mpo.jpg"] {
        assert_eq!(notes(name), "", "{name}");
    }
}

#[test]
fn the_depth_setting_scales_16_bit_samples() {
    for name in ["holds12.png", "holds12.tif"] {
        let bytes = read(golden_path("odd_raster").join(name)).unwrap();
        let brightest = |depth| {
            let image = decode_admitted(&bytes, depth, &mut |_| ()).unwrap();
            (image.pixels.iter().copied().max().unwrap(), image.notes.len())
        };
        assert_eq!(brightest(Depth::File), (15, 2), "{name}");
        assert_eq!(brightest(Depth::Bits(12)), (249, 0), "{name}");
        assert_eq!(brightest(Depth::Range), (255, 0), "{name}");
        assert_eq!(brightest(Depth::Bits(10)), (255, 1), "{name}");
    }
    // Samples of 8 bits do not depend on the depth.
    let grey = image("grey.png");
    let bits = decode_admitted(&grey, Depth::Range, &mut |_| ()).unwrap();
    assert_eq!(bits, decode(&grey).unwrap());
}

#[test]
fn an_empty_file_is_reported_as_empty() {
    assert!(matches!(decode(&[]), Err(DecodeError::Empty)));
}

#[test]
fn a_text_file_is_not_an_image_regardless_of_its_name() {
    let error = decode(b"PNG it is not, but it is named .png").unwrap_err();
    assert!(matches!(error, DecodeError::NotAnImage), "{error}");
}

#[test]
fn truncated_files_never_yield_wrong_pixels() {
    for name in ["grey.jpg", "rgb_420.jpg", "rgb_progressive.jpg", "restart.jpg"] {
        let bytes = image(name);
        let whole = decode(&bytes).unwrap();
        for length in 3..bytes.len() {
            match decode(&bytes[..length]) {
                // Only the end-of-image marker, or a part of it, is missing.
                Ok(image) => {
                    assert!(length >= bytes.len() - 2, "{name} {length}");
                    assert_eq!(image.pixels, whole.pixels, "{name} {length}");
                    assert_eq!(image.notes.len(), 1);
                }
                Err(DecodeError::Truncated { .. }) => assert!(length < bytes.len() - 2),
                Err(error) => panic!("{name} {length}: {error}"),
            }
        }
    }
    for name in ["rgb.png", "grey16.png", "grey.tif", "rgb.webp", "palette.gif"] {
        let bytes = image(name);
        let whole = decode(&bytes).unwrap();
        for length in 16..bytes.len() {
            // Bytes after the pixels may be missing.
            match decode(&bytes[..length]) {
                Ok(image) => assert_eq!(image.pixels, whole.pixels, "{name} {length}"),
                Err(error) if name.ends_with(".png") && length > 33 => {
                    assert!(matches!(error, DecodeError::Truncated { .. }), "{length}: {error}");
                }
                Err(_) => {}
            }
        }
        assert!(decode(&bytes[..bytes.len() / 2]).is_err(), "{name}");
    }
}

#[test]
fn a_png_without_iend_is_read_with_a_note() {
    // Pillow reads these files, too; OpenCV 5.0 does not.
    for name in ["rgb.png", "grey16.png", "palette.png"] {
        let bytes = image(name);
        let whole = decode(&bytes).unwrap();
        let pixels = &bytes[..bytes.len() - 12];
        for end in [&[][..], &[0; 100], &bytes[bytes.len() - 12..bytes.len() - 1]] {
            let image = decode(&[pixels, end].concat()).unwrap();
            assert_eq!(image.pixels, whole.pixels, "{name}");
            let note = "the last chunk (IEND) is missing; all pixels are present";
            assert_eq!(image.notes, [note], "{name}");
        }
        let error = decode(&pixels[..pixels.len() - 6]).unwrap_err();
        assert!(matches!(error, DecodeError::Truncated { format: "PNG" }), "{name}: {error}");
        // Half of the pixel data is missing, although every chunk is complete.
        let first = bytes.windows(4).position(|w| w == b"IDAT").unwrap() - 4;
        let data = &bytes[first + 8..bytes.len() - 16];
        let half = [&bytes[..first], &chunk(b"IDAT", &data[..data.len() / 2])].concat();
        let error = decode(&half).unwrap_err();
        assert!(matches!(error, DecodeError::Truncated { format: "PNG" }), "{name}: {error}");
    }
}

#[test]
fn bytes_after_the_end_of_the_image_are_noted() {
    for name in ["rgb.png", "rgb_420.jpg", "rgb_progressive.jpg", "grey.jpg"] {
        let bytes = image(name);
        let whole = decode(&bytes).unwrap();
        let padded = [&bytes[..], &[0; 500]].concat();
        assert_eq!(decode(&padded).unwrap(), whole, "{name}");
        let followed = [&bytes[..], &image("grey.jpg")].concat();
        let image = decode(&followed).unwrap();
        assert_eq!(image.pixels, whole.pixels, "{name}");
        let start = format!("{} bytes follow the end", followed.len() - bytes.len());
        assert!(image.notes[0].starts_with(&start), "{name}: {:?}", image.notes);
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum: u32, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
    })
}

#[test]
fn a_decompression_bomb_is_refused_before_it_is_unpacked() {
    let mut bytes = image("grey.jpg");
    let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    let error = decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "65535 x 65535 pixels exceed the limit of 67108864 pixels");
    let mut bytes = image("rgb16.png");
    bytes[16..24].copy_from_slice(&[0, 0, 0x20, 0, 0, 0, 0x20, 0]);
    // The checksum of the changed header.
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    let error = decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "8192 x 8192 pixels exceed the limit of 44739242 pixels");
}

#[test]
fn unsupported_formats_are_named_with_a_command() {
    let error = decode(b"qoif\0\0\0\x01\0\0\0\x01\x03\0").unwrap_err();
    let wanted = "unsupported QOI: the format is not read; convert it: `magick FILE x.png`";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn an_image_without_pixels_is_refused() {
    let mut bytes = image("palette.gif");
    bytes[8..10].copy_from_slice(&[0, 0]);
    let error = decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "unsupported GIF: the image has no pixels");
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut checksum = flate2::Crc::new();
    checksum.update(&[kind, data].concat());
    let length = (data.len() as u32).to_be_bytes();
    [&length, &kind[..], data, &checksum.sum().to_be_bytes()].concat()
}

#[test]
fn a_palette_with_an_incomplete_colour_is_refused() {
    let mut bytes = image("palette.png");
    let start = bytes.windows(4).position(|w| w == b"PLTE").unwrap() - 4;
    let length = u32::from_be_bytes(*bytes[start..].first_chunk().unwrap()) as usize;
    bytes.splice(start..start + length + 12, chunk(b"PLTE", &[1, 2]));
    let error = decode(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::Contradictory { format: "PNG", .. }), "{error}");
}

#[test]
fn a_large_colour_profile_is_removed_before_decoding() {
    let bytes = image("grey.png");
    let mut packed = ZlibEncoder::new(b"profile\0\0".to_vec(), Compression::best());
    std::io::copy(&mut std::io::repeat(0).take(64 << 20), &mut packed).unwrap();
    let bomb = chunk(b"iCCP", &packed.finish().unwrap());
    // After the header.
    let many = [&bytes[..33], &bomb, &bomb, &bytes[33..]].concat();
    assert_eq!(png::check(&many).unwrap().bytes, bytes);
    assert_eq!(decode(&many).unwrap(), decode(&bytes).unwrap());
    let small = [&bytes[..33], &chunk(b"iCCP", b"profile\0\0x"), &bytes[33..]].concat();
    assert_eq!(png::check(&small).unwrap().bytes, small);
}

#[test]
fn memory_is_requested_once_before_decoding() {
    let mut requested: Vec<u64> = Vec::new();
    for name in ["grey.png", "rgb.png", "palette.gif", "rgb_420.jpg", "rgb_progressive.jpg"] {
        let image =
            decode_admitted(&image(name), Depth::File, &mut |bytes| requested.push(bytes)).unwrap();
        let pixels = (image.height() * image.width()) as u64;
        *requested.last_mut().unwrap() /= pixels;
    }
    assert_eq!(requested, [2, 6, 8, 6, 12]);
    let mut bytes = image("rgb16.png");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    assert!(decode_admitted(&bytes, Depth::File, &mut |bytes| requested.push(bytes)).is_err());
    assert_eq!(requested.len(), 6);
}

#[test]
fn a_frame_larger_than_the_image_is_refused() {
    let mut bytes = image("palette.gif");
    bytes[6..10].copy_from_slice(&[1, 0, 1, 0]);
    let error = decode(&bytes).unwrap_err();
    assert!(error.to_string().contains("GIF"), "{error}");
}

#[test]
fn damaged_bytes_never_panic() {
    for name in ["rgb_420.jpg", "rgb_progressive.jpg", "palette.png", "grey16.tif", "rgb.webp"] {
        let bytes = image(name);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            let _ = decode(&damaged);
        }
    }
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn real_images_equal_opencv_within_jpeg_rounding() {
    let (data, reference) = (shared("data/tutorial/dataset"), shared("reference"));
    let expected: Vec<u8> = npz(reference.join("images_u8.npz"), "images");
    let split: serde_json::Value =
        serde_json::from_slice(&read(reference.join("split.json")).unwrap()).unwrap();
    let (mut off_by_one, mut off_by_more, mut largest) = (0, 0, 0);
    let paths = split["paths"].as_array().unwrap();
    for (path, expected) in paths.iter().zip(expected.chunks_exact(224 * 224 * 3)) {
        let image = decode(&read(data.join(path.as_str().unwrap())).unwrap()).unwrap();
        for (&a, &b) in image.to_rgb(224, 224).iter().zip(expected) {
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
fn a_grey_image_resizes_like_its_rgb_copy() {
    let grey = decode(&image("grey.png")).unwrap();
    assert_eq!(grey.pixels.dim().2, 1);
    let rgb = grey.pixels.broadcast((grey.height(), grey.width(), 3)).unwrap();
    assert_eq!(grey.to_rgb(7, 9), resize(rgb, 7, 9));
}
