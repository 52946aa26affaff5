//! Detection of file formats by their first bytes: supported formats, and common other formats with
//! a command that converts them.

use std::path::Path;

use super::DecodeError;

/// Supported format other than DICOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    Tiff,
    Bmp,
    WebP,
    Gif,
}

impl Format {
    /// Name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
        }
    }

    /// Detects the format by the first bytes of a file; 12 bytes are enough.
    pub fn of(start: &[u8]) -> Option<Self> {
        Some(match start {
            [0xff, 0xd8, 0xff, rest @ ..] if rest.first() != Some(&0xf7) => Self::Jpeg,
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Self::Png,
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Self::Tiff,
            [b'B', b'M', ..] => Self::Bmp,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::WebP,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            _ => return None,
        })
    }
}

/// Formats that are not supported: offset and bytes of their signature, name, and advice.
const FOREIGN: &[(usize, &[u8], &str, &str)] = &[
    (4, b"jP  \r\n", JPEG_2000, TO_PNG_OPJ),
    (0, b"\xff\x4f\xff\x51", JPEG_2000, TO_PNG_OPJ),
    (4, b"JXL \r\n", "JPEG XL", "convert it: `djxl x.jxl x.png`"),
    (0, b"\xff\x0a", "JPEG XL", "convert it: `djxl x.jxl x.png`"),
    (
        0,
        b"\xff\xd8\xff\xf7",
        "JPEG-LS",
        "convert it: `ffmpeg -i x.jls x.png`; it is supported within DICOM",
    ),
    (0, b"II\xbc", "JPEG XR", "convert it: `JxrDecApp -i x.jxr -o x.tif`"),
    (
        0,
        b"\x93NUMPY",
        "NumPy array",
        "save its values with 8 or 16 bits: `cv2.imwrite('x.png', array)`",
    ),
    (344, b"n+1\0", NIFTI, FROM_ITK),
    (344, b"ni1\0", NIFTI, FROM_ITK),
    (4, b"n+2\0\r\n", NIFTI, FROM_ITK),
    (0, b"NRRD000", "NRRD", FROM_ITK),
    (0, b"ObjectType", "MetaImage", FROM_ITK),
    (0, b"NDims", "MetaImage", FROM_ITK),
    (0, b"\x5c\x01\0\0", NIFTI_OR_ANALYZE, FROM_ITK),
    (0, b"\0\0\x01\x5c", NIFTI_OR_ANALYZE, FROM_ITK),
    (0, b"MATLAB 5.0 MAT-file", "MATLAB file", "save the image with `imwrite(x, 'x.png')`"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5", "save each of its images as PNG"),
    (0, b"SIMPLE  =", "FITS", "save its values with 16 bits: `cv2.imwrite('x.png', array)`"),
    (0, b"%PDF-", "PDF", "extract its images: `pdfimages -png x.pdf x`"),
    (0, b"%!PS", "PostScript", "convert it: `gs -sDEVICE=png16m -o x.png x.ps`"),
    (0, b"AT&TFORM", "DjVu", "convert it: `ddjvu -format=tiff x.djvu x.tif`"),
    (0, b"PK\x03\x04", "zip archive", "unpack it: `unzip x.zip`"),
    (0, b"PK\x05\x06", "zip archive", "the archive is empty"),
    (0, b"\x1f\x8b", "gzip archive", "unpack it: `gunzip x.gz`"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z archive", "unpack it: `7z x x.7z`"),
    (0, b"Rar!\x1a\x07", "RAR archive", "unpack it: `unrar x x.rar`"),
    (0, b"BZh", "bzip2 archive", "unpack it: `bunzip2 x.bz2`"),
    (0, b"\xfd7zXZ\0", "xz archive", "unpack it: `unxz x.xz`"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard archive", "unpack it: `unzstd x.zst`"),
    (257, b"ustar", "tar archive", "unpack it: `tar -xf x.tar`"),
    (0, b"8BPS", "Photoshop file", MAGICK),
    (0, b"gimp xcf", "GIMP file", "export it as PNG"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR", "save it with 16-bit integers, as PNG or TIFF"),
    (0, b"#?RADIANCE", "Radiance HDR", "save it with 16-bit integers, as PNG or TIFF"),
    (0, b"qoif", "QOI", MAGICK),
    (0, b"P1\n", PNM, MAGICK),
    (0, b"P2\n", PNM, MAGICK),
    (0, b"P3\n", PNM, MAGICK),
    (0, b"P4\n", PNM, MAGICK),
    (0, b"P5\n", PNM, MAGICK),
    (0, b"P6\n", PNM, MAGICK),
    (0, b"P5 ", PNM, MAGICK),
    (0, b"P6 ", PNM, MAGICK),
    (0, b"P7\n", PNM, MAGICK),
    (0, b"Pf\n", PNM, MAGICK),
    (0, b"\0\0\x01\0", "icon", MAGICK),
    (0, b"DDS ", "DDS", MAGICK),
    (0, b"farbfeld", "farbfeld", MAGICK),
    (0, b"\x59\xa6\x6a\x95", "Sun raster", MAGICK),
    (0, b"\x01\xda", "SGI image", MAGICK),
    (0, b"<svg", "SVG", "it is a vector drawing without pixels"),
    (0, b"<!DOCTYPE html", HTML, SAVED_PAGE),
    (0, b"<!doctype html", HTML, SAVED_PAGE),
    (0, b"<html", HTML, SAVED_PAGE),
    (0, b"<?xml", "XML", "it is text, not an image"),
    (0, b"version https://git-lfs", "Git LFS pointer", "download the image: `git lfs pull`"),
    (
        0,
        b"\0\x05\x16\x07",
        "AppleDouble file",
        "macOS wrote it next to the image of the same name; delete it",
    ),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Office document", "extract its original images"),
    (0, b"\x1a\x45\xdf\xa3", VIDEO, STILL),
];

const JPEG_2000: &str = "JPEG 2000";
const TO_PNG_OPJ: &str =
    "convert it: `opj_decompress -i x.jp2 -o x.png`; it is supported within DICOM";
const NIFTI: &str = "NIfTI";
const NIFTI_OR_ANALYZE: &str = "NIfTI or Analyze";
const FROM_ITK: &str = "save its values with 16 bits: \
                        `SimpleITK.WriteImage(SimpleITK.Cast(image, SimpleITK.sitkUInt16), 'x.tif')`";
const MAGICK: &str = "convert it: `magick FILE x.png`";
const PNM: &str = "PNM";
const HTML: &str = "HTML page";
const SAVED_PAGE: &str = "a web page was saved instead of the image; download it again";
const VIDEO: &str = "video";
const STILL: &str = "save the frame as PNG: `ffmpeg -i FILE -frames:v 1 x.png`";

/// Returns the error for a file of no supported [`Format`].
pub fn objection(bytes: &[u8]) -> DecodeError {
    let unsupported = |format, advice: &str| DecodeError::Unsupported {
        format,
        what: format!("the format is not read; {advice}"),
    };
    // MPEG containers state their content in a brand.
    if bytes.get(4..8) == Some(b"ftyp") {
        return match bytes.get(8..12) {
            Some(b"avif" | b"avis") => unsupported("AVIF", "convert it: `avifdec x.avif x.png`"),
            Some(b"heic" | b"heix" | b"hevc" | b"heim" | b"mif1" | b"msf1") => {
                unsupported("HEIC", "convert it: `heif-convert x.heic x.png`")
            }
            Some(b"crx ") => unsupported("camera raw file", "develop it to PNG first"),
            _ => unsupported(VIDEO, STILL),
        };
    }
    let has_signature = |(at, start, ..): &&(usize, &[u8], _, _)| {
        bytes.get(*at..).is_some_and(|rest| rest.starts_with(start))
    };
    match FOREIGN.iter().find(has_signature) {
        Some((_, _, format, advice)) => unsupported(format, advice),
        None if square(bytes).is_some() && is_binary(bytes) => raw_values(bytes),
        None => DecodeError::NotAnImage,
    }
}

/// Minimum side of a square of raw values.
const MIN_SQUARE: usize = 64;

/// Returns side and bytes per value of a square image that has as many bytes, if there is one.
fn square(bytes: &[u8]) -> Option<(usize, usize)> {
    [1, 2].into_iter().find_map(|width| {
        let side = (bytes.len() / width).isqrt();
        (side >= MIN_SQUARE && side * side * width == bytes.len()).then_some((side, width))
    })
}

/// Returns `true` if the bytes are not text. Zeros, as in a partly copied file, count as text.
fn is_binary(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_err()
}

/// Returns the error for a file of no known format whose name has the extension of raw values, such
/// as `JPCLN001.IMG` of the JSRT database.
pub fn objection_to_raw_values(bytes: &[u8], name: &Path) -> Option<DecodeError> {
    let extension = name.extension()?.to_str()?;
    let is_raw = ["img", "raw", "dat", "bin"].iter().any(|e| extension.eq_ignore_ascii_case(e));
    (is_raw && is_binary(bytes)).then(|| raw_values(bytes))
}

/// Returns the error for raw values, with a command that converts them.
fn raw_values(bytes: &[u8]) -> DecodeError {
    let (shape, width) = match square(bytes) {
        Some((side, width)) => (format!("{side}, {side}"), width),
        None => ("HEIGHT, WIDTH".to_owned(), 2),
    };
    let (kind, order) = match width {
        1 => ("u1", ""),
        _ => (">u2", "; if the result is noise, the byte order is `<u2`"),
    };
    DecodeError::Unsupported {
        format: "raw values without a header",
        what: format!(
            "the file does not state its size and bits; convert it: `python3 -c \"import numpy, \
             cv2; cv2.imwrite('x.png', numpy.fromfile('FILE', '{kind}').reshape({shape})\
             .astype('u{width}'))\"`{order}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::decode;

    #[test]
    fn every_unsupported_format_is_named_with_advice() {
        for (at, start, format, advice) in FOREIGN {
            let bytes = [&vec![b' '; *at], *start, &[b' '; 400]].concat();
            let error = decode(&bytes).unwrap_err().to_string();
            assert_eq!(error, format!("unsupported {format}: the format is not read; {advice}"));
        }
    }

    #[test]
    fn raw_values_are_named_with_a_command() {
        // The size of an image of JSRT, and values of 12 bits, most significant byte first.
        let jsrt: Vec<u8> =
            (0..2048 * 2048_u32).flat_map(|i| [(i >> 8) as u8 & 15, i as u8]).collect();
        let error = decode(&jsrt).unwrap_err().to_string();
        assert_eq!(
            error,
            "unsupported raw values without a header: the file does not state its size and bits; \
             convert it: `python3 -c \"import numpy, cv2; cv2.imwrite('x.png', \
             numpy.fromfile('FILE', '>u2').reshape(2048, 2048).astype('u2'))\"`; if the result is \
             noise, the byte order is `<u2`"
        );
        let bytes = decode(&[200; 256 * 256]).unwrap_err().to_string();
        assert!(bytes.contains("'u1').reshape(256, 256).astype('u1'))\"`"), "{bytes}");
        // Other sizes are recognised by the extension.
        let other = [200; 300 * 200];
        assert!(matches!(decode(&other), Err(DecodeError::NotAnImage)));
        let error = |name: &str, bytes| objection_to_raw_values(bytes, Path::new(name));
        for name in ["x.IMG", "a/x.raw", "x.dat", "x.bin"] {
            let error = error(name, &other).unwrap().to_string();
            assert!(error.contains(".reshape(HEIGHT, WIDTH)"), "{error}");
        }
        assert!(error("x.txt", &other).is_none() && error("img", &other).is_none());
        assert!(error("x.dat", b"1 2 3\n").is_none());
        for text in [[b'a'; 64 * 64], [0; 64 * 64]] {
            assert!(matches!(decode(&text), Err(DecodeError::NotAnImage)));
        }
    }

    #[test]
    fn containers_are_distinguished_by_their_brand() {
        for (brand, format) in
            [("heic", "HEIC"), ("mif1", "HEIC"), ("avif", "AVIF"), ("isom", "video")]
        {
            let bytes = [b"\0\0\0\x18ftyp", brand.as_bytes(), &[0; 12]].concat();
            let error = decode(&bytes).unwrap_err().to_string();
            assert!(error.starts_with(&format!("unsupported {format}: ")), "{error}");
        }
    }
}
