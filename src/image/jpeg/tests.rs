//! Tests of JPEG.

use sha2::{Digest, Sha256};

use super::*;
use crate::image::decode;
use crate::image::testing::{golden, golden_path};
use crate::testing::shared;

fn image(name: &str) -> Vec<u8> {
    std::fs::read(golden_path("images").join(name)).unwrap()
}

fn lossless_file(name: &str) -> Vec<u8> {
    std::fs::read(golden_path("lossless_jpeg").join(name)).unwrap()
}

#[test]
fn lossless_jpeg_equals_libjpeg_turbo_sample_for_sample() {
    let cases = golden("lossless_jpeg.json");
    for case in cases.as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let image = lossless::decode(&lossless_file(name)).unwrap();
        let shape: Vec<_> = case["shape"].as_array().unwrap().iter().map(|n| n.as_u64()).collect();
        let [height, width] = [image.height, image.width].map(|n| Some(n as u64));
        assert_eq!([height, width], shape[..2], "{name}");
        assert_eq!(image.channels as u64, shape.get(2).map_or(1, |n| n.unwrap()), "{name}");
        assert_eq!(u64::from(image.bits), case["bits"].as_u64().unwrap(), "{name}");
        let bytes: Vec<u8> = image.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, case["sha256"].as_str().unwrap(), "{name}");
        assert_eq!(image.notes, [""; 0], "{name}");
    }
    assert!(cases.as_array().unwrap().len() >= 60);
}

#[test]
fn a_lossless_jpeg_file_is_decoded() {
    let image = decode(&lossless_file("12_p4_r1.jpg")).unwrap();
    let exact = lossless::decode(&lossless_file("12_p4_r1.jpg")).unwrap();
    assert_eq!((image.mode, image.notes.len()), ("L12", 0));
    let expected: Vec<u8> = exact.samples.iter().map(|sample| (sample >> 4) as u8).collect();
    assert_eq!(image.pixels.into_raw_vec_and_offset().0, expected);
    assert_eq!(decode(&lossless_file("rgb8_p1_r1.jpg")).unwrap().mode, "RGB");
}

#[test]
fn truncated_or_damaged_lossless_jpegs_are_refused_or_noted() {
    for name in ["8_p1_r1.jpg", "16_p7_r0.jpg", "rgb8_p6_separate.jpg"] {
        let bytes = lossless_file(name);
        let whole = lossless::decode(&bytes).unwrap();
        for length in 3..bytes.len() {
            match lossless::decode(&bytes[..length]) {
                Ok(image) => {
                    assert!(length >= bytes.len() - 2, "{name} {length}");
                    assert_eq!(image.samples, whole.samples);
                    assert!(image.notes[0].contains("end-of-image"), "{:?}", image.notes);
                }
                Err(error) => {
                    assert!(matches!(error, DecodeError::Truncated { .. }), "{length}: {error}");
                }
            }
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            let _ = decode(&damaged);
        }
    }
    // Restart markers in the wrong order.
    let mut bytes = lossless_file("8_p1_r1.jpg");
    let second = bytes.windows(2).position(|w| w == [0xff, 0xd1]).unwrap();
    bytes[second + 1] = 0xd2;
    let error = lossless::decode(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::Contradictory { .. }), "{error}");
}

#[test]
fn bytes_after_a_lossless_jpeg_are_noted() {
    let bytes = lossless_file("8_p1_r1.jpg");
    let followed = [&bytes[..], &[b'x'; 300]].concat();
    let notes = lossless::decode(&followed).unwrap().notes;
    assert_eq!(notes, ["300 bytes follow the end of the image: they are ignored"]);
}

#[test]
fn a_jpeg_without_its_end_marker_is_read_with_a_note() {
    for name in ["grey.jpg", "rgb_420.jpg", "rgb_progressive.jpg", "restart.jpg", "cmyk.jpg"] {
        let bytes = image(name);
        let whole = decode(&bytes).unwrap();
        let scans = &bytes[..bytes.len() - 2];
        for end in [&[][..], &[0, 0], &[0; 100]] {
            let image = decode(&[scans, end].concat()).unwrap();
            assert_eq!(image.pixels, whole.pixels, "{name}");
            assert_eq!(image.notes, ["the end-of-image marker is missing; all pixels are present"]);
        }
        // Incomplete data, with an end marker or with zeros: decoders fill the rest with grey.
        let half = &bytes[..bytes.len() - 60];
        for end in [&[0xff, 0xd9][..], &[0; 100]] {
            let error = decode(&[half, end].concat()).unwrap_err();
            assert!(!matches!(error, DecodeError::Unsupported { .. }), "{name}: {error}");
        }
        assert_eq!(whole.notes, [""; 0], "{name}");
    }
}

#[test]
fn unsupported_variants_are_named() {
    let error_of_frame = |code: u8, precision: u8| {
        let mut bytes = image("grey.jpg");
        let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        bytes[frame + 1] = code;
        bytes[frame + 4] = precision;
        decode(&bytes).unwrap_err().to_string()
    };
    for (code, precision, what) in [
        (0xc1, 12, "unsupported JPEG: 12-bit samples with lossy compression"),
        (0xc9, 8, "unsupported JPEG: arithmetic coding"),
        (0xc5, 8, "unsupported JPEG: the hierarchical mode"),
        (0xc0, 16, "unsupported JPEG: samples of other than 8 bits"),
    ] {
        let error = error_of_frame(code, precision);
        assert!(error.starts_with(what), "{error}");
    }
}

#[test]
fn a_jpeg_ls_file_is_named_with_and_without_spiff_header() {
    // ITU-T T.84, annex F: the file begins with a SPIFF segment, then a frame and a scan.
    let frame = [0xff, 0xf7, 0, 11, 8, 0, 13, 0, 22, 1, 1, 0x11, 0];
    let scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 1, 2, 3, 0xff, 0xd9];
    let spiff = [&[0xff, 0xe8, 0, 32][..], b"SPIFF\0", &[0; 24]].concat();
    for start in [&[][..], &spiff] {
        let bytes = [&[0xff, 0xd8], start, &frame, &scan].concat();
        let error = decode(&bytes).unwrap_err().to_string();
        assert!(error.contains("JPEG-LS") && error.contains("ffmpeg -i x.jls x.png"), "{error}");
    }
    // Without any frame.
    let error = decode(&[&[0xff, 0xd8], &spiff[..], &scan].concat()).unwrap_err();
    assert_eq!(error.to_string(), "corrupt JPEG: it has no frame header");
}

#[test]
fn a_thumbnail_does_not_hide_truncation() {
    let mut bytes = image("grey.jpg");
    // An application segment that holds an end-of-image marker of its own.
    bytes.splice(2..2, [0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9]);
    assert!(decode(&bytes).is_ok());
    // Removes more than the end-of-image marker.
    bytes.truncate(bytes.len() - 5);
    let error = decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "truncated JPEG: the file ends before the picture does");
}

#[test]
fn an_image_with_too_many_scans_is_refused() {
    let bytes = image("rgb_progressive.jpg");
    let scan = bytes.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
    let end = bytes.len() - 2;
    let often = [&bytes[..end], &bytes[scan..end].repeat(100), &bytes[end..]].concat();
    let error = decode(&often).unwrap_err().to_string();
    assert!(error.starts_with("unsupported JPEG: 1") && error.contains("scans of"), "{error}");
}

#[test]
fn unusual_sampling_factors_are_refused() {
    let bytes = image("rgb_420.jpg");
    let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let sampled = |samplings: [u8; 3]| {
        let mut bytes = bytes.clone();
        for (i, sampling) in samplings.into_iter().enumerate() {
            bytes[frame + 11 + 3 * i] = sampling;
        }
        header(&bytes).map(|jpeg| jpeg.cost)
    };
    for samplings in [[0x11; 3], [0x22; 3], [0x41, 0x11, 0x11], [0x22, 0x12, 0x11]] {
        assert_eq!(sampled(samplings).unwrap(), 6, "{samplings:x?}");
    }
    for samplings in [[0x11, 0x11, 0x23], [0x11, 0x21, 0x11], [0x33, 0x11, 0x11], [0x10; 3]] {
        let error = sampled(samplings).unwrap_err();
        assert_eq!(error.to_string(), "unsupported JPEG: its chroma subsampling");
    }
    for count in [0, 2, 5] {
        let mut bytes = bytes.clone();
        bytes[frame + 9] = count;
        assert!(header(&bytes).is_err(), "{count}");
    }
    // A scan of one component, in an image that is not progressive.
    let single_component_scan = |name: &str| {
        let mut bytes = image(name);
        let scan = bytes.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
        let end = scan + 2 + usize::from(bytes[scan + 3]);
        bytes.splice(scan + 2..end, [0, 8, 1, 1, 0, 0, 63, 0]);
        header(&bytes).map(|jpeg| jpeg.cost)
    };
    assert!(single_component_scan("rgb_420.jpg").is_err());
    assert_eq!(single_component_scan("rgb_444.jpg").unwrap(), 12);
}

#[test]
fn headers_that_decoders_misread_are_refused() {
    let bytes = image("rgb_420.jpg");
    let refused = |at: usize, segment: &[u8]| {
        let mut bytes = bytes.clone();
        bytes.splice(at..at, segment.iter().copied());
        check(&bytes).is_err()
    };
    // Markers without a segment, which decoders read like markers with one.
    for code in [0x01, 0xd0, 0xd8] {
        assert!(refused(2, &[0xff, code, 0, 4, 0, 0]), "{code:x}");
    }
    assert!(refused(2, &[0xff, 0xe0, 0, 6, 0, 0, 0, 0]));
    // The colour transform, before and after the frame.
    let adobe = b"\xff\xee\0\x0eAdobe\0d\0\0\0\0\x01";
    let scan = bytes.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
    assert!(!refused(2, adobe) && refused(scan, adobe));
    let mut progressive = image("rgb_progressive.jpg");
    let end = progressive.len() - 2;
    assert!(check(&progressive).is_ok());
    progressive.splice(end..end, adobe.iter().copied());
    assert!(check(&progressive).is_err());
}

#[test]
fn a_file_too_short_for_its_size_is_truncated() {
    let mut bytes = image("grey.jpg");
    let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0x20, 0, 0x20, 0]);
    let error = decode(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::Truncated { .. }), "{error}");
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn real_images_equal_the_image_crate_without_notes() {
    let data = shared("data");
    let mut compared = 0;
    for entry in walkdir::WalkDir::new(data).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if extension != "jpg" && extension != "jpeg" {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        // Some PNGs are called `.jpg`.
        if !bytes.starts_with(&[0xff, 0xd8]) {
            continue;
        }
        let Ok(expected) = ::image::load_from_memory(&bytes) else { continue };
        let image = decode(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // A drawing program has appended its own data to this one.
        let expected_notes: &[&str] = match path.ends_with("cavitating-pneumonia-4-day0-L.jpg") {
            true => &["190511 bytes follow the end of the image: they are ignored"],
            false => &[],
        };
        assert_eq!(image.notes, expected_notes, "{}", path.display());
        if !bytes.windows(4).any(|w| w == b"Exif") && image.mode != "CMYK" {
            let pixels = image.pixels.as_slice().unwrap();
            assert!(pixels == expected.as_bytes(), "{}: other pixels", path.display());
            compared += 1;
        }
    }
    assert!(compared >= 50, "{compared}");
}
