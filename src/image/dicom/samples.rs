//! The stored values of a film, out of whatever they are packed in.

use std::borrow::Cow;

use ::jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

use super::elements::{Elements, Encoding, tag};
use super::{damaged, jpeg2000, truncated, unsupported};
use crate::image::{DecodeError, jpeg};

/// How the pixels of a film are packed: its transfer syntax (PS3.5, annex A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Native(Encoding),
    /// The whole data set is compressed, its pixels are not.
    Deflated,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
}

impl Packing {
    /// By the transfer syntax's UID.
    pub fn of(uid: &str) -> Result<Self, DecodeError> {
        let Some(number) = uid.strip_prefix("1.2.840.10008.1.2") else {
            return Err(unsupported("a private transfer syntax"));
        };
        Ok(match number {
            "" => Self::Native(Encoding::IMPLICIT),
            ".1" => Self::Native(Encoding::EXPLICIT),
            ".2" => Self::Native(Encoding::BIG),
            ".1.99" => Self::Deflated,
            ".5" => Self::Rle,
            ".4.50" | ".4.51" | ".4.57" | ".4.70" => Self::Jpeg,
            ".4.80" | ".4.81" => Self::JpegLs,
            ".4.90" | ".4.91" => Self::Jpeg2000,
            ".4.110" | ".4.111" | ".4.112" => return Err(unsupported("JPEG XL")),
            ".4.201" | ".4.202" | ".4.203" => return Err(unsupported("high-throughput JPEG 2000")),
            video if video.starts_with(".4.10") => return Err(unsupported("a video")),
            _ => return Err(unsupported("its transfer syntax")),
        })
    }

    /// Bytes that decoding takes for each value, measured: it is kept in 16 bits and ends
    /// in 8, and decoders have more of it at once.
    pub fn cost(self) -> u64 {
        match self {
            Self::Native(_) | Self::Rle | Self::JpegLs => 4,
            Self::Deflated => 5,
            Self::Jpeg => 6,
            Self::Jpeg2000 => 15,
        }
    }

    /// How the elements of the data set are written.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Native(encoding) => encoding,
            _ => Encoding::EXPLICIT,
        }
    }
}

/// Which values a film has, by its header.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub rows: usize,
    pub columns: usize,
    /// 1 or 3.
    pub channels: usize,
    /// 8 or 16.
    pub allocated: u32,
    pub stored: u32,
    /// The lowest bit in use.
    pub low: u32,
    pub signed: bool,
    /// Channel after channel, not pixel after pixel.
    pub planar: bool,
    /// Of `photometric`, whether chroma is stored for every second pixel only.
    pub halved: bool,
    /// Colours are red, green and blue as they stand.
    pub rgb: bool,
}

impl Layout {
    fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    fn cells(&self) -> usize {
        self.pixels() * self.channels
    }
}

/// Stored values, pixel after pixel.
pub struct Samples {
    /// As they are stored: see [`Self::value`].
    pub cells: Vec<u16>,
    low: u32,
    bits: u32,
    pub signed: bool,
}

impl Samples {
    /// The number that a cell holds.
    pub fn value(&self, cell: u16) -> i32 {
        let value = i32::from(cell >> self.low) & ((1 << self.bits) - 1);
        let negative = self.signed && value >> (self.bits - 1) == 1;
        if negative { value - (1 << self.bits) } else { value }
    }

    /// Unpacks the pixels of `data`.
    pub fn read(data: &Elements, packing: Packing, layout: Layout) -> Result<Self, DecodeError> {
        let of_values = |cells, bits| {
            // What a codec gives is no cell with room around it. Of unsigned ones it may
            // have more bits than the header says, of signed ones the header says which is
            // the sign.
            let bits = if layout.signed { bits } else { 16 };
            Self { cells, low: 0, bits, signed: layout.signed }
        };
        let cells = match packing {
            Packing::Native(_) | Packing::Deflated => native(data, packing.encoding(), layout)?,
            Packing::Rle => rle(&data.compressed()?, layout)?,
            Packing::Jpeg => {
                return Ok(of_values(jpeg(&data.compressed()?, layout)?, layout.stored));
            }
            Packing::JpegLs => {
                return Ok(of_values(jpeg_ls(&data.compressed()?, layout)?, layout.stored));
            }
            Packing::Jpeg2000 => {
                let (cells, bits) = jpeg2000::decode(&data.compressed()?, layout)?;
                return Ok(of_values(cells, bits));
            }
        };
        Ok(Self { cells, low: layout.low, bits: layout.stored, signed: layout.signed })
    }
}

fn native(data: &Elements, encoding: Encoding, layout: Layout) -> Result<Vec<u16>, DecodeError> {
    let (bytes, vr) = data.native().ok_or_else(|| damaged("its pixels lie in fragments"))?;
    let stored = match layout.halved {
        true => layout.rows * layout.columns.div_ceil(2) * 4,
        false => layout.cells(),
    };
    if layout.allocated == 16 {
        let cells: Vec<u16> = data.words(tag::PIXELS).take(stored).collect();
        if cells.len() < stored {
            return Err(truncated());
        }
        return Ok(interleaved(cells, layout));
    }
    let mut bytes = Cow::Borrowed(bytes);
    if encoding.big && vr == *b"OW" {
        bytes.to_mut().chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
    }
    let bytes = bytes.get(..stored).ok_or_else(truncated)?;
    if layout.halved {
        return Ok(doubled(bytes, layout));
    }
    Ok(interleaved(bytes.iter().map(|byte| u16::from(*byte)).collect(), layout))
}

/// Channel after channel to pixel after pixel, if need be.
fn interleaved(cells: Vec<u16>, layout: Layout) -> Vec<u16> {
    if !layout.planar || layout.channels == 1 {
        return cells;
    }
    let pixels = layout.pixels();
    (0..pixels).flat_map(|i| [i, i + pixels, i + 2 * pixels]).map(|i| cells[i]).collect()
}

/// Two luminances and the chroma of both (YBR_FULL_422) to three values a pixel.
fn doubled(bytes: &[u8], layout: Layout) -> Vec<u16> {
    let row = layout.columns.div_ceil(2) * 4;
    let pixel = |pair: &[u8], i: usize| [pair[i], pair[2], pair[3]].map(u16::from);
    let rows = bytes.chunks_exact(row).flat_map(|row| {
        let pixels = row.chunks_exact(4).flat_map(move |pair| [pixel(pair, 0), pixel(pair, 1)]);
        pixels.take(layout.columns)
    });
    rows.flatten().collect()
}

/// Run-length encoding: a segment for each byte of each channel, the most
/// significant byte first (PS3.5, annex G).
fn rle(bytes: &[u8], layout: Layout) -> Result<Vec<u16>, DecodeError> {
    let offset = |i: usize| {
        let four = bytes.get(4 * i..4 * i + 4).ok_or_else(truncated)?;
        Ok(u32::from_le_bytes([four[0], four[1], four[2], four[3]]) as usize)
    };
    let width = layout.allocated as usize / 8;
    let segments = offset(0)?;
    if segments != layout.channels * width {
        return Err(damaged("it has another number of RLE segments than its pixels need"));
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
                // As many bytes as they stand.
                0..=127 => {
                    let count = usize::from(control) + 1;
                    let (literal, after) = after.split_at_checked(count).ok_or_else(truncated)?;
                    literal.iter().copied().for_each(&mut put);
                    (count, after)
                }
                128 => (0, after),
                // One byte so many times.
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

fn jpeg(bytes: &[u8], layout: Layout) -> Result<Vec<u16>, DecodeError> {
    jpeg::check(bytes)?;
    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(2 * layout.cells());
    let transform = if layout.rgb { ColorTransform::RGB } else { ColorTransform::YCbCr };
    if layout.channels == 3 {
        decoder.set_color_transform(transform);
    }
    let failed = |error| match error {
        // The only one that real films meet is 12 bits in a lossy JPEG.
        ::jpeg_decoder::Error::Unsupported(_) => {
            unsupported("JPEG of 12 bits with loss; send it uncompressed or without loss")
        }
        _ => damaged("its JPEG picture cannot be decoded"),
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
    complete(decoded, layout)
}

fn jpeg_ls(bytes: &[u8], layout: Layout) -> Result<Vec<u16>, DecodeError> {
    if layout.channels != 1 {
        return Err(unsupported("JPEG-LS in colour"));
    }
    let (columns, rows) = (layout.columns as u32, layout.rows as u32);
    let decoded = jpegls::decode(bytes, columns, rows);
    let (cells, ..) = decoded.map_err(|error| match error {
        jpegls::CodecError::Unsupported(_) => unsupported("a variant of JPEG-LS"),
        jpegls::CodecError::Truncated { .. } => truncated(),
        _ => damaged("its JPEG-LS picture cannot be decoded"),
    })?;
    complete(cells, layout)
}

/// Fails if a compressed picture is not of the size that the header says.
pub fn same_size(width: usize, height: usize, layout: Layout) -> Result<(), DecodeError> {
    if (width, height) == (layout.columns, layout.rows) {
        return Ok(());
    }
    Err(damaged("its compressed picture is of another size than its header says"))
}

fn complete(cells: Vec<u16>, layout: Layout) -> Result<Vec<u16>, DecodeError> {
    if cells.len() == layout.cells() {
        return Ok(cells);
    }
    Err(damaged("its compressed picture has other channels than its header says"))
}
