//! Tests on whole files: equality with pydicom, contradictory files, and hostile files.

use super::part10::{Part10, element, image, sequence};
use crate::image::testing::{golden, golden_path};
use crate::image::{DecodeError, Image, decode};

fn golden_file(name: &str) -> Vec<u8> {
    std::fs::read(golden_path("dicom").join(name)).unwrap()
}

/// Decodes hexadecimal levels.
fn levels_of(case: &serde_json::Value) -> Vec<u8> {
    let hex = case["levels"].as_str().unwrap().as_bytes().chunks_exact(2);
    hex.map(|h| u8::from_str_radix(str::from_utf8(h).unwrap(), 16).unwrap()).collect()
}

/// Every file is checked before the test fails, so that one run shows all.
#[test]
fn contradictory_files_are_read_with_a_note_or_refused() {
    let mut failures = Vec::new();
    for case in golden("dicom_odd.json").as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let bytes = std::fs::read(golden_path("dicom_odd").join(name)).unwrap();
        let decoded = decode(&bytes);
        let mut fail = |what: String| failures.push(format!("{name}: {what}"));
        match (decoded, case["error"].as_str()) {
            (Ok(image), None) => {
                let expected = levels_of(case);
                let off = image.pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
                let allowed = case["allowed"].as_u64().unwrap() as u8;
                if image.pixels.len() != expected.len() || off > Some(allowed) {
                    fail(format!("{off:?} levels off, notes {:?}", image.notes));
                }
                let due = case["note"].as_str();
                if due.is_some_and(|due| !image.notes.iter().any(|note| note.contains(due)))
                    || due.is_none() && !image.notes.is_empty()
                {
                    fail(format!("{due:?} is due, the notes are {:?}", image.notes));
                }
            }
            (Err(error), Some(due)) if error.to_string().contains(due) => {}
            (Ok(_), Some(due)) => fail(format!("read, {due} is due")),
            (Err(error), due) => fail(format!("{due:?} is due, the error is {error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn names() -> Vec<String> {
    let rows = golden("dicom.json");
    rows.as_array().unwrap().iter().map(|row| row["file"].as_str().unwrap().to_owned()).collect()
}

fn error(bytes: &[u8]) -> String {
    decode(bytes).unwrap_err().to_string()
}

/// First and last level of a grey image.
fn ends(image: &Image) -> [u8; 2] {
    let levels = image.pixels.as_slice().unwrap();
    [levels[0], *levels.last().unwrap()]
}

#[test]
fn every_packing_equals_pydicom() {
    for case in golden("dicom.json").as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let image = decode(&golden_file(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let shape = case["shape"].as_array().unwrap();
        let shape: Vec<_> = shape.iter().map(|n| n.as_u64().unwrap() as usize).collect();
        assert_eq!(image.pixels.shape()[..shape.len()], shape, "{name}");
        let hex = case["levels"].as_str().unwrap().as_bytes().chunks_exact(2);
        let expected = hex.map(|h| u8::from_str_radix(str::from_utf8(h).unwrap(), 16).unwrap());
        let off = image.pixels.iter().zip(expected).map(|(&a, b)| a.abs_diff(b)).max().unwrap();
        // Rounding of colours and lossy packings.
        let allowed = match name {
            _ if name.starts_with("ybr") => 1,
            "jpeg_baseline.dcm" => 2,
            "jpeg2000_lossy12.dcm" => 1,
            _ => 0,
        };
        assert!(off <= allowed, "{name}: {off} levels");
        assert_eq!(image.notes, [""; 0], "{name}");
        let tags = image.tags.unwrap();
        assert_eq!((tags.modality, tags.view), ("DX", "PA"), "{name}");
        assert_eq!(tags.patient.unwrap().id(), Some("4711"), "{name}");
    }
}

#[test]
fn view_codes_and_both_laterality_elements_are_read() {
    let code =
        [element(0x0008_0100, "SH", b"399348003"), element(0x0008_0104, "LO", b"antero-posterior")];
    let coded = image().raw(0x0054_0220, sequence(0x0054_0220, "SQ", &[code.concat()])).text(
        0x0020_0060,
        "CS",
        "R",
    );
    let tags = decode(&coded.file()).unwrap().tags.unwrap();
    assert_eq!((tags.view, tags.laterality, tags.patient.is_none()), ("AP", "R", true));
    let image = coded.clone().text(0x0020_0062, "CS", "L").text(0x0018_5101, "CS", "LL");
    let tags = decode(&image.file()).unwrap().tags.unwrap();
    assert_eq!((tags.view, tags.laterality), ("LL", "L"));
    let damaged = coded.raw(0x0054_0220, element(0x0054_0220, "SQ", b"no item"));
    assert_eq!(decode(&damaged.file()).unwrap().tags.unwrap().view, "");
}

#[test]
fn modes_state_the_stored_bits() {
    let mode = |name: &str| decode(&golden_file(name)).unwrap().mode;
    assert_eq!(mode("grey8.dcm"), "L");
    assert_eq!(mode("grey10_inverted.dcm"), "L10");
    assert_eq!(mode("jpeg2000_12.dcm"), "L12");
    assert_eq!(mode("rle16_runs.dcm"), "L16");
    assert_eq!(mode("ybr_full_422.dcm"), "RGB");
    assert_eq!(mode("palette.dcm"), "P");
}

#[test]
fn the_window_is_applied_before_the_reduction_to_8_bits() {
    // A window of 256 of 4096 values would leave 16 of 256 levels; 24 pixels lie in it.
    let narrow = image().text(0x0028_1050, "DS", "2048").text(0x0028_1051, "DS", "256");
    let shown = decode(&narrow.file()).unwrap();
    assert_eq!(shown.notes, [""; 0]);
    let distinct: std::collections::BTreeSet<_> = shown.pixels.iter().collect();
    assert!(distinct.len() >= 24, "{distinct:?}");
}

#[test]
fn bits_outside_the_stored_bits_are_ignored() {
    let plain = decode(&image().file()).unwrap();
    assert_eq!(ends(&plain), [0, 255]);
    // Overlays in the upper four bits, as in old files. They are noted, unless the header states
    // overlays: the bits may belong to larger values.
    let cells: Vec<u8> = image().file()[image().file().len() - 2 * 16 * 24..].to_vec();
    let overlaid: Vec<u8> = cells.chunks(2).flat_map(|c| [c[0], c[1] | 0xf0]).collect();
    let noted = decode(&image().bytes(0x7fe0_0010, "OW", &overlaid).file()).unwrap();
    assert_eq!(noted.pixels, plain.pixels);
    let note = "384 of 384 pixels have values of more than the 12 bits stored by the header: the \
                bits above are ignored";
    assert_eq!(noted.notes, [note]);
    let positions = (12..16).map(|bit| (0x6000_0102 + 0x0002_0000 * (u32::from(bit) - 12), bit));
    let said = positions.fold(image(), |image, (tag, bit)| image.word(tag, bit));
    let said = said.bytes(0x7fe0_0010, "OW", &overlaid);
    assert_eq!(decode(&said.file()).unwrap(), plain);
    // The same values in the upper bits of each cell.
    let cells = cells.chunks(2).map(|c| u16::from_le_bytes([c[0], c[1]]) << 4);
    let lifted: Vec<u8> = cells.flat_map(u16::to_le_bytes).collect();
    let lifted = image().word(0x0028_0102, 15).bytes(0x7fe0_0010, "OW", &lifted);
    assert_eq!(decode(&lifted.file()).unwrap().pixels, plain.pixels);
}

#[test]
fn values_of_more_bits_than_are_stored_are_noted() {
    // The values are 0 to 4095, the header states 10 bits: values from 1024 on wrap, as in pydicom.
    let narrow = image().word(0x0028_0101, 10).word(0x0028_0102, 9);
    let notes = decode(&narrow.file()).unwrap().notes;
    assert!(
        notes[0]
            .ends_with("of more than the 10 bits stored by the header: the bits above are ignored"),
        "{notes:?}"
    );
    // The sign bits of negative values are not noted.
    let signed = |value: i16| {
        let cells: Vec<u8> = (0..16 * 24)
            .map(|i| if i == 7 { value } else { i - 190 })
            .flat_map(i16::to_le_bytes)
            .collect();
        let image = image().word(0x0028_0103, 1).bytes(0x7fe0_0010, "OW", &cells);
        let notes = decode(&image.file()).unwrap().notes;
        notes.iter().any(|note| note.starts_with("1 of 384 pixels have values of more than"))
    };
    assert_eq!([-2048, 2047, -2049, 5000].map(signed), [false, false, true, true]);
}

#[test]
fn a_codestream_of_more_bits_than_the_header_states_is_read_by_its_own_bits() {
    let jpeg = golden_path("lossless_jpeg").join("12_p7_r1.jpg");
    let mut jpeg = std::fs::read(jpeg).unwrap();
    // The values themselves are compared with those of libjpeg-turbo elsewhere.
    let exact = crate::image::jpeg::lossless::decode(&jpeg).unwrap();
    jpeg.resize(jpeg.len().next_multiple_of(2), 0);
    let header = |allocated, stored| {
        image()
            .word(0x0028_0010, exact.height as u16)
            .word(0x0028_0011, exact.width as u16)
            .word(0x0028_0100, allocated)
            .word(0x0028_0101, stored)
            .word(0x0028_0102, stored - 1)
            .packed("1.2.840.10008.1.2.4.57")
            .raw(0x7fe0_0010, sequence(0x7fe0_0010, "OB", &[Vec::new(), jpeg.clone()]))
    };
    let right = decode(&header(16, 12).file()).unwrap();
    assert_eq!(right.notes, [""; 0]);
    for (allocated, stored) in [(8, 8), (16, 8), (16, 10)] {
        let larger = exact.samples.iter().filter(|value| **value >> stored > 0).count();
        let read = decode(&header(allocated, stored).file()).unwrap();
        assert_eq!((&read.pixels, read.mode), (&right.pixels, "L12"), "{allocated} {stored}");
        let note = format!(
            "the header says {stored} bits, the compressed pixels have 12: {larger} of {} pixels \
             need more than {stored}, 12 are used",
            exact.samples.len()
        );
        assert_eq!(read.notes, [note]);
    }
}

#[test]
fn a_signed_codestream_under_an_unsigned_header_is_read_as_signed() {
    let right = golden_file("jpeg2000_signed.dcm");
    let whole = decode(&right).unwrap();
    let mut bytes = right.clone();
    let representation = element(0x0028_0103, "US", &[1, 0]);
    let at = bytes.windows(representation.len()).position(|w| w == representation).unwrap();
    bytes[at + representation.len() - 2] = 0;
    let read = decode(&bytes).unwrap();
    assert_eq!(read.pixels, whole.pixels);
    let note = "the header says unsigned values, the JPEG 2000 data signed ones: they are read as \
                signed";
    assert_eq!(read.notes, [note]);
}

#[test]
fn invalid_windows_are_replaced_by_the_range_of_the_values() {
    let plain = decode(&image().file()).unwrap();
    for (center, width) in
        [("nan", "100"), ("", ""), ("100", "0"), ("inf", "5"), ("x", "y"), ("2000", "1")]
    {
        let odd = image().text(0x0028_1050, "DS", center).text(0x0028_1051, "DS", width);
        assert_eq!(decode(&odd.file()).unwrap().pixels, plain.pixels, "{center} {width}");
    }
    let flat = image().bytes(0x7fe0_0010, "OW", &[7; 2 * 16 * 24]);
    assert_eq!(ends(&decode(&flat.file()).unwrap()), [0, 0]);
}

#[test]
fn a_table_of_0_entries_has_65536() {
    let entries: Vec<u8> = (0..=u16::MAX).rev().flat_map(u16::to_le_bytes).collect();
    let descriptor = [0_u16, 0, 16].map(u16::to_le_bytes).concat();
    let lut = [element(0x0028_3002, "US", &descriptor), element(0x0028_3006, "OW", &entries)];
    let table = sequence(0x0028_3010, "SQ", &[lut.concat()]);
    let shown = decode(&image().raw(0x0028_3010, table).file()).unwrap();
    // Values 0 to 4095 have entries from 65535 down to 61440.
    assert_eq!(ends(&shown), [255, 239]);
    assert_eq!(shown.notes, ["998 of 1000 pixels have levels between 239 and 255 of 255"]);
}

#[test]
fn files_without_a_preamble_are_read() {
    let image = image();
    let whole = decode(&image.file()).unwrap();
    assert_eq!(decode(&image.file()[132..]).unwrap(), whole);
    assert_eq!(decode(&image.data_set()).unwrap(), whole);
}

#[test]
fn other_objects_are_distinguished_from_damaged_images() {
    let cases = [
        (Part10::new("1.2.840.10008.1.3.10"), "a DICOMDIR"),
        (image().text(0x0008_0060, "CS", "CT"), "a CT slice"),
        (image().text(0x0008_0060, "CS", "MR").packed("1.2.3"), ""),
        (image().text(0x0008_0060, "CS", "SR").without(0x7fe0_0010), "a structured report"),
        (image().text(0x0008_0060, "CS", "ZZ"), "an object of another modality"),
        (Part10::new("1.2.3").text(0x0010_0010, "PN", "Doe"), "a DICOM object without an image"),
        // An encapsulated PDF, of the modality of its study.
        (Part10::new("1.2.840.10008.5.1.4.1.1.104.1").text(0x0008_0060, "CS", "DX"), "a document"),
    ];
    for (file, what) in cases {
        let error = decode(&file.file()).unwrap_err();
        let is_other = matches!(error, DecodeError::NotARadiograph { .. });
        assert!(what.is_empty() != is_other && error.to_string().contains(what), "{what}: {error}");
    }
    let error = decode(&image().without(0x7fe0_0010).file()).unwrap_err();
    assert!(matches!(error, DecodeError::NoPixels { .. }), "{error}");
    // A truncated image is never reported as another object.
    let file = image().file();
    for length in 132..file.len() {
        let error = decode(&file[..length]).unwrap_err();
        assert!(!matches!(error, DecodeError::NotARadiograph { .. }), "{length}: {error}");
        let zeros = [&file[..length], &vec![0; file.len() - length]].concat();
        if let Err(error) = decode(&zeros) {
            assert!(!matches!(error, DecodeError::NotARadiograph { .. }), "{length}: {error}");
        }
    }
    for modality in ["", "CR", "dx", "OT"] {
        assert!(decode(&image().text(0x0008_0060, "CS", modality).file()).is_ok(), "{modality}");
    }
}

#[test]
fn unsupported_variants_are_named() {
    let cases = [
        (image().text(0x0028_0008, "IS", "12"), "several frames in one file"),
        (image().packed("1.2.840.10008.1.2.4.201"), "high-throughput JPEG 2000"),
        (image().packed("1.2.840.10008.1.2.4.102"), "a video"),
        (image().packed("1.2.826.0.1.3680043.1"), "a private transfer syntax"),
        (image().word(0x0028_0100, 32), "other than 8 or 16 bits"),
        (image().text(0x0028_0004, "CS", "CMYK"), "its photometric interpretation"),
    ];
    for (file, what) in cases {
        let error = error(&file.file());
        assert!(error.starts_with("unsupported DICOM: ") && error.contains(what), "{error}");
    }
    let mut lossy = std::fs::read(golden_path("odd_raster").join("lossy12.jpg")).unwrap();
    lossy.resize(lossy.len().next_multiple_of(2), 0);
    let lossy = image()
        .packed("1.2.840.10008.1.2.4.51")
        .raw(0x7fe0_0010, sequence(0x7fe0_0010, "OB", &[Vec::new(), lossy]));
    let advice = "unsupported DICOM: lossy JPEG of 12 bits; decompress it with DCMTK: `dcmdjpeg";
    assert!(error(&lossy.file()).starts_with(advice), "{}", error(&lossy.file()));
    let damaged = [
        image().word(0x0028_0010, 0),
        image().word(0x0028_0102, 3),
        image().word(0x0028_0101, 17),
        image().word(0x0028_0002, 3),
    ];
    for file in damaged {
        assert!(error(&file.file()).starts_with("corrupt DICOM: "), "{}", error(&file.file()));
    }
    let too_large =
        |file: Part10| matches!(decode(&file.file()), Err(DecodeError::TooLarge { .. }));
    let large = image().word(0x0028_0010, 8192).word(0x0028_0011, 8192);
    assert!(!too_large(large.clone()) && too_large(large.clone().word(0x0028_0011, 8193)));
    // Codecs that need more memory per pixel allow fewer pixels.
    let codestream = sequence(0x7fe0_0010, "OB", &[vec![], vec![0xff, 0x4f, 0xff, 0x51]]);
    assert!(too_large(large.packed("1.2.840.10008.1.2.4.90").raw(0x7fe0_0010, codestream)));
}

#[test]
fn private_and_nested_elements_are_skipped() {
    let plain = decode(&image().file()).unwrap();
    let inner = sequence(0x0009_1002, "SQ", &[element(0x0028_0010, "US", &[9, 0])]);
    let file = image()
        .raw(0x0009_1001, sequence(0x0009_1001, "SQ", &[inner.clone(), vec![]]))
        .raw(0x0009_1003, element(0x0009_1003, "SQ", &inner))
        // Unknown representation, so implicit inside: a tag, a length, a value.
        .raw(
            0x0009_1004,
            sequence(0x0009_1004, "UN", &[vec![8, 0, 0x60, 0, 2, 0, 0, 0, b'C', b'T']]),
        );
    assert_eq!(decode(&file.file()).unwrap(), plain);
}

#[test]
fn no_depth_of_nesting_exhausts_the_stack() {
    let deep: Vec<u8> = (0..200_000)
        .flat_map(|_| {
            let sequence = [9, 0, 1, 16, b'S', b'Q', 0, 0, 0xff, 0xff, 0xff, 0xff];
            let item = [0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff];
            [&sequence[..], &item].concat()
        })
        .collect();
    let error = error(&image().raw(0x0009_1001, deep).file());
    assert_eq!(error, "truncated DICOM: the file ends before the picture does");
}

#[test]
fn a_stated_length_allocates_nothing() {
    for length in [0xffff_fffe_u32, 0x7fff_ffff, 1 << 20] {
        let mut pixels = vec![0xe0, 0x7f, 0x10, 0, b'O', b'W', 0, 0];
        pixels.extend(length.to_le_bytes());
        assert!(error(&image().raw(0x7fe0_0010, pixels).file()).starts_with("truncated DICOM"));
    }
}

#[test]
fn compression_bombs_are_refused() {
    use std::io::Write;
    let deflated = image().packed("1.2.840.10008.1.2.1.99");
    let mut packer =
        flate2::write::DeflateEncoder::new(deflated.header(), flate2::Compression::fast());
    // A private element with the length of the zeros that follow.
    let count = super::MAX_INFLATED as usize + 100;
    packer.write_all(&[9, 0, 1, 16, b'O', b'B', 0, 0]).unwrap();
    packer.write_all(&(count as u32).to_le_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..=count >> 20 {
        packer.write_all(&zeros).unwrap();
    }
    let bomb = packer.finish().unwrap();
    assert!(error(&bomb).contains("larger than any image"), "{}", error(&bomb));

    let bytes = golden_file("jpeg2000_12.dcm");
    let find = |mark: [u8; 2]| bytes.windows(2).position(|w| w == mark).unwrap();
    let (size, style) = (find([0xff, 0x51]), find([0xff, 0x52]));
    let error_with = |at: usize, with: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        error(&bytes)
    };
    // Tiles of 1 x 1 pixels, and code-blocks of 4 x 4.
    let (large, small) = ([[0, 0, 32, 0]; 2].concat(), [[0, 0, 0, 1]; 2].concat());
    let tiles = |size: &[u8]| [&large[..], &[0; 8], size].concat();
    assert!(error_with(size + 6, &tiles(&small)).contains("more than 4096 tiles"));
    assert!(
        error_with(size + 6, &tiles(&large)).contains("the size of its compressed image differs")
    );
    assert!(error_with(style + 10, &[0, 0]).contains("with very small blocks"));
}

#[test]
fn damaged_bytes_never_panic() {
    for name in names() {
        let bytes = golden_file(&name);
        for at in 0..bytes.len() {
            for flip in [0xff, 1, 0x80] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                let _ = decode(&damaged);
            }
        }
    }
}

#[test]
fn sums_that_overflow_in_a_decoder_do_not_panic() {
    let mut bytes = golden_file("jpeg_ls16.dcm");
    (bytes[562], bytes[638]) = (0x79, 0x0a);
    let _ = decode(&bytes);
}

#[test]
fn truncated_images_are_never_accepted_as_complete() {
    for name in names() {
        let bytes = golden_file(&name);
        let whole = decode(&bytes).unwrap();
        for length in 0..bytes.len() {
            // Padding at the end may be missing.
            if let Ok(image) = decode(&bytes[..length]) {
                assert_eq!(image, whole, "{name} {length}");
            }
        }
        assert!(decode(&bytes[..bytes.len() * 9 / 10]).is_err(), "{name}");
    }
}

#[test]
fn texts_of_a_file_reach_neither_errors_nor_tags() {
    let mark = "ZZMARK";
    let marked = |tag: u32, vr: &str| element(tag, vr, mark.as_bytes());
    let full = [
        (0x0008_0005, "CS"),
        (0x0008_0018, "UI"),
        (0x0008_0060, "CS"),
        (0x0010_0010, "PN"),
        (0x0010_0020, "LO"),
        (0x0010_0021, "LO"),
        (0x0010_4000, "LT"),
        (0x0018_5101, "CS"),
        (0x0020_0060, "CS"),
        (0x0020_0062, "CS"),
        (0x0028_0004, "CS"),
        (0x0028_0008, "IS"),
        (0x0028_1050, "DS"),
        (0x0028_1056, "LO"),
        (0x2050_0020, "CS"),
        (0x0009_1001, "LO"),
    ];
    for (tag, vr) in full {
        let file = image().raw(tag, marked(tag, vr));
        match decode(&file.file()) {
            Ok(image) => {
                assert!(!format!("{:?} {}", image.tags, image.mode).contains(mark), "{tag:x}")
            }
            Err(error) => assert!(!format!("{error} {error:?}").contains(mark), "{tag:x}"),
        }
    }
    let syntax = error(&image().packed("1.2.840.10008.1.2.ZZMARK").file());
    assert!(!syntax.contains(mark), "{syntax}");
}

#[test]
fn lossless_jpeg_equals_uncompressed_values() {
    for name in ["12_p7_r1", "12_p4_pt2_r3", "16_p1_r32", "16_p6_r1", "16_p6_pt2"] {
        let path = golden_path("lossless_jpeg").join(format!("{name}.jpg"));
        let mut jpeg = std::fs::read(path).unwrap();
        // The values themselves are compared with those of libjpeg-turbo elsewhere.
        let exact = crate::image::jpeg::lossless::decode(&jpeg).unwrap();
        jpeg.resize(jpeg.len().next_multiple_of(2), 0);
        let header = image()
            .word(0x0028_0010, exact.height as u16)
            .word(0x0028_0011, exact.width as u16)
            .word(0x0028_0101, exact.bits as u16)
            .word(0x0028_0102, exact.bits as u16 - 1);
        let values: Vec<u8> = exact.samples.iter().flat_map(|value| value.to_le_bytes()).collect();
        let native = header.clone().bytes(0x7fe0_0010, "OW", &values).file();
        let fragments = sequence(0x7fe0_0010, "OB", &[Vec::new(), jpeg]);
        let packed = header.packed("1.2.840.10008.1.2.4.57").raw(0x7fe0_0010, fragments).file();
        let [native, packed] = [native, packed].map(|file| decode(&file).unwrap().pixels);
        assert_eq!(packed, native, "{name}");
    }
}
