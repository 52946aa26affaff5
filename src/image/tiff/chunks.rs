//! Strips and tiles of a TIFF: their positions and their decompression.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;
use weezl::BitOrder;
use weezl::decode::Configuration;

use super::directory::{Directory, File, tag};
use super::page::Page;
use super::{damaged, truncated, unsupported};
use crate::image::DecodeError;

/// Compression of a strip or tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Fax4,
    Lzw,
    Deflate,
    PackBits,
    Jpeg,
}

impl Compression {
    /// Returns the compression with a number.
    ///
    /// # Errors
    /// [`DecodeError::Unsupported`] for all other numbers.
    pub fn of(number: u64) -> Result<Self, DecodeError> {
        let name = match number {
            1 => return Ok(Self::None),
            4 => return Ok(Self::Fax4),
            5 => return Ok(Self::Lzw),
            7 => return Ok(Self::Jpeg),
            8 | 32946 => return Ok(Self::Deflate),
            32773 => return Ok(Self::PackBits),
            2 | 3 => "CCITT group 3",
            6 => "old-style JPEG",
            34887 => "LERC",
            34925 => "LZMA",
            34712 | 33003 | 33005 => "JPEG 2000",
            50000 => "Zstandard",
            50001 | 34927 => "WebP",
            50002 | 52546 => "JPEG XL",
            _ => return Err(unsupported(format!("compression number {number}; {SAVE}"))),
        };
        Err(unsupported(format!("{name} compression; {SAVE}")))
    }
}

const SAVE: &str =
    "save it without compression, or with LZW or deflate: `tiffcp -c lzw x.tif y.tif`";

/// Strip or tile.
#[derive(Debug, Clone, Copy)]
pub struct Chunk {
    /// Position of the first pixel.
    pub left: usize,
    pub top: usize,
    /// Coded size in pixels: tiles may exceed the image.
    pub width: usize,
    pub height: usize,
    /// Index of the plane, if each sample of a pixel has its own plane.
    pub plane: usize,
    offset: u64,
    /// Number of bytes in the file; `None` for all up to the end of the file.
    length: Option<u64>,
}

/// Lists the chunks of a page in their order.
pub fn list(
    file: &File<'_>,
    directory: &Directory,
    page: &Page,
) -> Result<Vec<Chunk>, DecodeError> {
    let is_tiled = directory.number(file, tag::TILE_OFFSETS)?.is_some();
    let (offsets, lengths) = match is_tiled {
        true => (tag::TILE_OFFSETS, tag::TILE_COUNTS),
        false => (tag::STRIP_OFFSETS, tag::STRIP_COUNTS),
    };
    let offsets = directory.numbers(file, offsets)?;
    let lengths = directory.numbers(file, lengths)?;
    let side = |tag, otherwise: usize| -> Result<usize, DecodeError> {
        let side = directory.number(file, tag)?.map_or(otherwise as u64, |side| side);
        match usize::try_from(side) {
            Ok(side) if side > 0 => Ok(side),
            _ => Err(damaged("its strips or tiles have no pixels")),
        }
    };
    let (width, height) = match is_tiled {
        true => (side(tag::TILE_WIDTH, 0)?, side(tag::TILE_HEIGHT, 0)?),
        false => (page.width, side(tag::ROWS_PER_STRIP, page.height)?.min(page.height)),
    };
    let (columns, rows) = (page.width.div_ceil(width), page.height.div_ceil(height));
    let planes = if page.planar { page.samples } else { 1 };
    let count = columns.checked_mul(rows).and_then(|n| n.checked_mul(planes));
    if count.is_none_or(|count| count > offsets.len()) {
        return Err(damaged("it lacks strips or tiles"));
    }
    if !lengths.is_empty() && lengths.len() < offsets.len() {
        return Err(damaged("it lacks the lengths of strips or tiles"));
    }
    let chunk = |i: usize| {
        let (plane, i_in_plane) = (i / (columns * rows), i % (columns * rows));
        let top = i_in_plane / columns * height;
        // The last strip is as high as the rows that are left.
        let height = if is_tiled { height } else { height.min(page.height - top) };
        Chunk {
            left: i_in_plane % columns * width,
            top,
            width,
            height,
            plane,
            offset: offsets[i],
            length: lengths.get(i).copied(),
        }
    };
    Ok((0..columns * rows * planes).map(chunk).collect())
}

impl Chunk {
    /// Returns the bytes of the chunk in the file.
    pub fn stored<'a>(&self, file: &File<'a>) -> Result<&'a [u8], DecodeError> {
        let start = usize::try_from(self.offset).map_err(|_| truncated())?;
        let rest = file.bytes.get(start..).ok_or_else(truncated)?;
        match self.length {
            Some(length) => {
                let length = usize::try_from(length).map_err(|_| truncated())?;
                rest.get(..length).ok_or_else(truncated)
            }
            None => Ok(rest),
        }
    }
}

/// Decompresses `stored` into `out`, which must become full.
pub fn unpack(
    compression: Compression,
    stored: &[u8],
    reversed: bool,
    (width, height): (usize, usize),
    out: &mut [u8],
) -> Result<(), DecodeError> {
    let stored = match reversed {
        true => Cow::Owned(stored.iter().map(|byte| byte.reverse_bits()).collect()),
        false => Cow::Borrowed(stored),
    };
    match compression {
        Compression::None => {
            out.copy_from_slice(stored.get(..out.len()).ok_or_else(truncated)?);
            Ok(())
        }
        Compression::Deflate => {
            ZlibDecoder::new(&*stored).read_exact(out).map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => truncated(),
                _ => damaged("its deflated data are damaged"),
            })
        }
        Compression::Lzw => {
            // Written by libtiff before version 4, with the least significant bit first.
            if stored.first() == Some(&0) && stored.get(1).is_some_and(|byte| byte & 1 == 1) {
                return Err(unsupported(format!("old-style LZW compression; {SAVE}")));
            }
            let mut decoder = Configuration::with_tiff_size_switch(BitOrder::Msb, 8)
                .with_yield_on_full_buffer(true)
                .build();
            let mut written = 0;
            let mut read = 0;
            while written < out.len() {
                let result = decoder.decode_bytes(&stored[read..], &mut out[written..]);
                result.status.map_err(|_| damaged("its LZW data are damaged"))?;
                if (result.consumed_in, result.consumed_out) == (0, 0) {
                    return Err(truncated());
                }
                written += result.consumed_out;
                read += result.consumed_in;
            }
            Ok(())
        }
        Compression::PackBits => pack_bits(&stored, out),
        Compression::Fax4 => fax(&stored, width, height, out),
        Compression::Jpeg => Err(damaged("its JPEG data are in an unexpected place")),
    }
}

fn pack_bits(mut stored: &[u8], out: &mut [u8]) -> Result<(), DecodeError> {
    let mut written = 0;
    while written < out.len() {
        let (&control, rest) = stored.split_first().ok_or_else(truncated)?;
        let room = out.len() - written;
        let count;
        (count, stored) = match control {
            128 => (0, rest),
            // Literal run.
            0..=127 => {
                let (literal, rest) =
                    rest.split_at_checked(usize::from(control) + 1).ok_or_else(truncated)?;
                let count = literal.len().min(room);
                out[written..written + count].copy_from_slice(&literal[..count]);
                (count, rest)
            }
            // Repeated byte.
            _ => {
                let (&byte, rest) = rest.split_first().ok_or_else(truncated)?;
                let count = (257 - usize::from(control)).min(room);
                out[written..written + count].fill(byte);
                (count, rest)
            }
        };
        written += count;
    }
    Ok(())
}

/// Decompresses CCITT group 4 (ITU-T T.6): white is 0.
fn fax(stored: &[u8], width: usize, height: usize, out: &mut [u8]) -> Result<(), DecodeError> {
    let sides = (u16::try_from(width), u16::try_from(height));
    let (Ok(width), Ok(height)) = sides else {
        return Err(unsupported("CCITT group 4 with more than 65535 pixels per side".to_owned()));
    };
    let mut rows = out.chunks_exact_mut(usize::from(width).div_ceil(8));
    fax::decoder::decode_g4(stored.iter().copied(), width, Some(height), |transitions| {
        let Some(row) = rows.next() else { return };
        for (i, pixel) in fax::decoder::pels(transitions, width).enumerate() {
            row[i / 8] |= u8::from(pixel == fax::Color::Black) << (7 - i % 8);
        }
    });
    if rows.next().is_some() { Err(truncated()) } else { Ok(()) }
}
