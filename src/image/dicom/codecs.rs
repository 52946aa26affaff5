//! Decoders of compressed DICOM pixels: RLE, JPEG and JPEG-LS.

use ::jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

use super::packing::frame;
use super::samples::Layout;
use super::{damaged, truncated, unsupported};
use crate::image::{DecodeError, jpeg};

/// Decodes run-length encoded pixels: a segment for each byte of each channel, the most significant
/// byte first (PS3.5, annex G).
pub fn rle(bytes: &[u8], layout: Layout) -> Result<Vec<u16>, DecodeError> {
    let offset = |i: usize| {
        let four = bytes.get(4 * i..4 * i + 4).ok_or_else(truncated)?;
        Ok(u32::from_le_bytes([four[0], four[1], four[2], four[3]]) as usize)
    };
    let width = layout.allocated as usize / 8;
    let segments = offset(0)?;
    if segments != layout.channels * width {
        return Err(damaged("the number of its RLE segments does not fit its pixels"));
    }
    let mut cells = vec![0; layout.cells()];
    for segment in 0..segments {
        let end = if segment + 1 < segments { offset(segment + 2)? } else { bytes.len() };
        let packed = bytes.get(offset(segment + 1)?..end).ok_or_else(truncated)?;
        let shift = 8 * (width - 1 - segment % width);
        let mut to = cells[segment / width..].iter_mut().step_by(layout.channels);
        let mut put = |byte: u8| {
            if let Some(cell) = to.next() {
                *cell |= u16::from(byte) << shift;
            }
        };
        let mut rest = packed;
        let mut left = layout.pixels();
        while left > 0 {
            let (&control, after) = rest.split_first().ok_or_else(truncated)?;
            let count;
            (count, rest) = match control {
                // Literal run.
                0..=127 => {
                    let count = usize::from(control) + 1;
                    let (literal, after) = after.split_at_checked(count).ok_or_else(truncated)?;
                    literal.iter().copied().for_each(&mut put);
                    (count, after)
                }
                128 => (0, after),
                // Repeated byte.
                _ => {
                    let count = 257 - usize::from(control);
                    let (&byte, after) = after.split_first().ok_or_else(truncated)?;
                    (0..count).for_each(|_| put(byte));
                    (count, after)
                }
            };
            left = left.saturating_sub(count);
        }
    }
    Ok(cells)
}

/// Returns `true` if the Adobe segment of a JPEG states RGB, `false` if it states another colour
/// space; `None` without that segment.
fn adobe_rgb(bytes: &[u8]) -> Option<bool> {
    let at = bytes.windows(9).position(|w| w[..2] == [0xff, 0xee] && w[4..] == *b"Adobe")?;
    bytes.get(at + 15).map(|transform| *transform == 0)
}

/// Decodes a JPEG. Returns its values and the bits per value.
pub fn jpeg(
    bytes: &[u8],
    layout: Layout,
    notes: &mut Vec<String>,
) -> Result<(Vec<u16>, u32), DecodeError> {
    if jpeg::lossless::is_lossless(bytes) {
        return lossless(bytes, layout, notes);
    }
    if matches!(frame(bytes), Some((0xc0..=0xc2, 12))) {
        return Err(unsupported(
            "lossy JPEG of 12 bits; decompress it with DCMTK: `dcmdjpeg x.dcm y.dcm`",
        ));
    }
    let checked = jpeg::check(bytes)?;
    notes.extend(checked.notes.iter().cloned());
    let mut decoder = Decoder::new(&*checked.bytes);
    decoder.set_max_decoding_buffer_size(2 * layout.cells());
    let is_rgb = adobe_rgb(bytes).unwrap_or(layout.rgb);
    if layout.channels == 3 && is_rgb != layout.rgb {
        notes.push(
            "the header and the JPEG state different colours; the JPEG is believed".to_owned(),
        );
    }
    let transform = if is_rgb { ColorTransform::RGB } else { ColorTransform::YCbCr };
    if layout.channels == 3 {
        decoder.set_color_transform(transform);
    }
    let failed = |error| match error {
        ::jpeg_decoder::Error::Unsupported(_) => {
            unsupported("a variant of JPEG; decompress it with DCMTK: `dcmdjpeg x.dcm y.dcm`")
        }
        _ => damaged("its JPEG data cannot be decoded"),
    };
    decoder.read_info().map_err(failed)?;
    let info = decoder.info().ok_or_else(truncated)?;
    same_size(info.width.into(), info.height.into(), layout)?;
    let decoded = match (info.pixel_format, layout.channels) {
        (PixelFormat::L8, 1) | (PixelFormat::RGB24, 3) => {
            decoder.decode().map_err(failed)?.into_iter().map(u16::from).collect()
        }
        (PixelFormat::L16, 1) => {
            let bytes = decoder.decode().map_err(failed)?;
            bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
        }
        _ => Vec::new(),
    };
    let precision = frame(bytes).map_or(layout.allocated, |(_, bits)| bits);
    Ok((check_count(decoded, layout)?, precision))
}

/// Decodes a lossless JPEG. Returns its values and the bits per value.
fn lossless(
    bytes: &[u8],
    layout: Layout,
    notes: &mut Vec<String>,
) -> Result<(Vec<u16>, u32), DecodeError> {
    let (width, height, _) = jpeg::lossless::size(bytes)?;
    same_size(width as usize, height as usize, layout)?;
    let mut image = jpeg::lossless::decode(bytes)?;
    if image.channels != layout.channels {
        return Err(damaged("the channels of its compressed image differ from the header"));
    }
    let is_rgb = adobe_rgb(bytes).unwrap_or(layout.rgb);
    if layout.channels == 3 && is_rgb != layout.rgb {
        notes.push(
            "the header and the JPEG state different colours; the JPEG is believed".to_owned(),
        );
    }
    if layout.channels == 3 && !is_rgb {
        image.convert_to_rgb();
    }
    notes.append(&mut image.notes);
    Ok((check_count(image.samples, layout)?, image.bits))
}

/// Decodes a JPEG-LS. Returns its values and the bits per value.
pub fn jpeg_ls(bytes: &[u8], layout: Layout) -> Result<(Vec<u16>, u32), DecodeError> {
    if layout.channels != 1 {
        return Err(unsupported("JPEG-LS in colour"));
    }
    let (columns, rows) = (layout.columns as u32, layout.rows as u32);
    let decoded = jpegls::decode(bytes, columns, rows);
    let (cells, ..) = decoded.map_err(|error| match error {
        jpegls::CodecError::Unsupported(_) => unsupported("a variant of JPEG-LS"),
        jpegls::CodecError::Truncated { .. } => truncated(),
        _ => damaged("its JPEG-LS data cannot be decoded"),
    })?;
    let precision = frame(bytes).map_or(layout.allocated, |(_, bits)| bits);
    Ok((check_count(cells, layout)?, precision))
}

/// Fails if the size of a compressed image differs from the header.
pub fn same_size(width: usize, height: usize, layout: Layout) -> Result<(), DecodeError> {
    if (width, height) == (layout.columns, layout.rows) {
        return Ok(());
    }
    Err(damaged("the size of its compressed image differs from the header"))
}

fn check_count(cells: Vec<u16>, layout: Layout) -> Result<Vec<u16>, DecodeError> {
    if cells.len() == layout.cells() {
        return Ok(cells);
    }
    Err(damaged("the channels of its compressed image differ from the header"))
}
