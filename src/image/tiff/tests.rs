//! Tests of TIFF.

use super::*;
use crate::image::testing::golden_path;
use crate::image::{Depth, Image, decode, decode_admitted};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(golden_path("odd_raster").join(name)).unwrap()
}

fn decode_with_range(bytes: &[u8]) -> Image {
    decode_admitted(bytes, Depth::Range, &mut |_| ()).unwrap()
}

#[test]
fn the_largest_page_is_the_image() {
    let whole = decode(&file("big.tif")).unwrap();
    for name in ["thumbnail_first.tif", "sub_ifd.tif"] {
        let image = decode(&file(name)).unwrap();
        assert_eq!(image.pixels, whole.pixels, "{name}");
        let note = "the first page has 5 x 4 pixels; the largest page, 22 x 13, is used";
        assert_eq!(image.notes, [note], "{name}");
    }
    let image = decode(&file("stack.tif")).unwrap();
    assert_eq!(image.pixels, whole.pixels);
    assert_eq!(image.notes, ["only the first of 2 pages of 22 x 13 pixels is used"]);
    assert_eq!(whole.notes, [""; 0]);
}

#[test]
fn samples_without_a_defined_white_need_the_range() {
    for (name, what) in [
        ("float.tif", "floating-point samples"),
        ("float64.tif", "floating-point samples"),
        ("int8.tif", "signed samples"),
        ("int16.tif", "signed samples"),
        ("uint32.tif", "32-bit samples"),
    ] {
        let error = decode(&file(name)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("unsupported TIFF: {what}: the file")), "{error}");
        let image = decode_with_range(&file(name));
        assert!(image.notes[0].ends_with("are shown as 0 to 255"), "{name}: {:?}", image.notes);
        let levels = image.pixels.iter();
        assert_eq!((levels.clone().min(), levels.max()), (Some(&0), Some(&255)), "{name}");
    }
    // The floating-point samples are 8-bit levels divided by 255.
    let grey = decode(&file("big.tif")).unwrap();
    let range = decode_with_range(&file("float.tif"));
    let level = |level: Option<&u8>| f64::from(*level.unwrap());
    let (low, high) = (level(grey.pixels.iter().min()), level(grey.pixels.iter().max()));
    for (real, level) in range.pixels.iter().zip(&grey.pixels) {
        let wanted = ((f64::from(*level) - low) / (high - low) * 255.0).round();
        assert!((f64::from(*real) - wanted).abs() <= 1.0, "{real} {level}");
    }
}

/// Position of the value of PhotometricInterpretation in the directory of a file.
fn photometric(bytes: &[u8]) -> usize {
    let entry = [6, 1, 3, 0, 1, 0, 0, 0];
    bytes.windows(entry.len()).position(|w| w == entry).unwrap() + entry.len()
}

#[test]
fn white_is_zero_inverts_the_levels_of_every_depth_and_kind() {
    for (name, depth) in [
        ("holds12.tif", Depth::File),
        ("holds12.tif", Depth::Bits(12)),
        ("holds12.tif", Depth::Bits(10)),
        ("holds12.tif", Depth::Range),
        ("grey12_packed.tif", Depth::File),
        ("float.tif", Depth::Range),
        ("int16.tif", Depth::Range),
        ("uint32.tif", Depth::Range),
    ] {
        let mut bytes = file(name);
        let black = decode_admitted(&bytes, depth, &mut |_| ()).unwrap();
        let at = photometric(&bytes);
        assert_eq!(std::mem::take(&mut bytes[at]), 1, "{name}");
        let white = decode_admitted(&bytes, depth, &mut |_| ()).unwrap();
        assert_eq!(white.pixels, black.pixels.mapv(|level| 255 - level), "{name} {depth}");
        assert_eq!(white.notes.len(), black.notes.len(), "{name} {depth}");
    }
    let mut bytes = file("float.tif");
    let at = photometric(&bytes);
    bytes[at] = 0;
    let error = decode(&bytes).unwrap_err().to_string();
    assert!(error.ends_with("or use `depth = \"range\"`"), "{error}");
}

#[test]
fn half_floats_are_refused_with_a_command() {
    let mut bytes = file("float.tif");
    // BitsPerSample is stored in its entry: type SHORT, one value.
    let entry = [2, 1, 3, 0, 1, 0, 0, 0, 32, 0];
    let at = bytes.windows(entry.len()).position(|w| w == entry).unwrap();
    bytes[at + 8] = 16;
    let error = decode(&bytes).unwrap_err().to_string();
    let start = "unsupported TIFF: floating-point samples of 16 bits; save it with 32 bits: ";
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn values_that_are_not_finite_are_noted() {
    let mut bytes = file("float.tif");
    assert_eq!(decode_with_range(&bytes).notes.len(), 1);
    let file = File::new(&bytes).unwrap();
    let directory = &file.directories().unwrap()[0];
    let start = directory.number(&file, tag::STRIP_OFFSETS).unwrap().unwrap() as usize;
    bytes[start + 4..start + 8].copy_from_slice(&f32::NAN.to_le_bytes());
    let notes = decode_with_range(&bytes).notes;
    assert!(notes[1].starts_with("1 of 286 values are not finite: NaN (1)"), "{notes:?}");
}

#[test]
fn unsupported_compressions_are_named() {
    for (name, what) in [
        ("zstd.tif", "Zstandard compression"),
        ("lzma.tif", "LZMA compression"),
        ("webp.tif", "WebP compression"),
        ("fax3.tif", "CCITT group 3 compression"),
        ("lab.tif", "colours in CIE L*a*b*"),
        ("float_predictor.tif", "a floating-point predictor"),
    ] {
        let error = decode(&file(name)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("unsupported TIFF: {what}; save it")), "{error}");
    }
}

#[test]
fn a_jpeg_in_a_tiff_is_no_larger_than_its_strip() {
    let bytes = file("jpeg_grey.tif");
    assert!(decode(&bytes).is_ok());
    let mut large = bytes.clone();
    // The frame header of the strip, after that of the tables.
    let frame = large.windows(3).rposition(|w| w == [0xff, 0xc0, 0]).unwrap();
    large[frame + 5..frame + 9].copy_from_slice(&[0x10, 0, 0x10, 0]);
    assert!(decode(&large).is_err());
}

#[test]
fn notes_on_a_jpeg_in_a_tiff_are_kept() {
    let mut bytes = file("jpeg_grey.tif");
    let whole = decode(&bytes).unwrap();
    assert_eq!(whole.notes, [""; 0]);
    let end = bytes.windows(2).rposition(|w| w == [0xff, 0xd9]).unwrap();
    bytes[end..end + 2].fill(0);
    let image = decode(&bytes).unwrap();
    assert_eq!(image.pixels, whole.pixels);
    assert_eq!(image.notes, ["the end-of-image marker is missing; all pixels are present"]);
}

#[test]
fn a_tile_larger_than_the_memory_is_refused() {
    let mut bytes = file("deflate_tiles.tif");
    let tag = |bytes: &[u8], tag: u16| {
        let [low, high] = tag.to_le_bytes();
        bytes
            .windows(4)
            .position(|w| w[..2] == [low, high] && matches!(w[2..], [3 | 4, 0]))
            .unwrap()
    };
    for side in [tag::TILE_WIDTH, tag::TILE_HEIGHT] {
        let at = tag(&bytes, side);
        bytes[at + 2..at + 12].copy_from_slice(&[4, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
    }
    let error = decode(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::TooLarge { .. }), "{error}");
}

#[test]
fn truncated_or_damaged_files_never_panic_or_yield_wrong_pixels() {
    for name in ["palette4.tif", "jpeg_ycc.tif", "sub_ifd.tif", "big_mm16.tif", "fax4.tif"] {
        let bytes = file(name);
        let whole = decode(&bytes).unwrap();
        for length in 8..bytes.len() {
            if let Ok(image) = decode(&bytes[..length]) {
                assert_eq!(image.pixels, whole.pixels, "{name} {length}");
            }
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            let _ = decode(&damaged);
        }
    }
}
