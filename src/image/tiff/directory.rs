//! Directories of a TIFF, one for each image (page): classic and BigTIFF, in both byte orders.

use std::collections::{BTreeMap, BTreeSet};

use super::{damaged, truncated};
use crate::image::DecodeError;

/// Tags, named as in the TIFF 6.0 specification.
pub mod tag {
    pub const SUBFILE_TYPE: u16 = 254;
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_COUNTS: u16 = 279;
    pub const PLANAR: u16 = 284;
    pub const PREDICTOR: u16 = 317;
    pub const COLOR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_COUNTS: u16 = 325;
    pub const SUB_IFDS: u16 = 330;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const YCC_SUBSAMPLING: u16 = 530;
}

/// Maximum number of pages that are read.
const MAX_PAGES: usize = 10_000;

/// Bytes of a file and the encoding of its numbers.
#[derive(Clone, Copy)]
pub struct File<'a> {
    pub bytes: &'a [u8],
    pub big_endian: bool,
    /// True if offsets and counts have 8 bytes.
    is_big: bool,
}

/// Type, number and position of the values of a tag.
#[derive(Clone, Copy)]
struct Values {
    kind: u16,
    count: u64,
    at: usize,
}

/// Directory: the values of its tags.
pub struct Directory {
    entries: BTreeMap<u16, Values>,
}

impl<'a> File<'a> {
    /// Reads the header.
    pub fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let big_endian = bytes.starts_with(b"MM");
        let file = Self { bytes, big_endian, is_big: false };
        match file.number(2, 2)? {
            42 => Ok(file),
            43 => Ok(Self { is_big: true, ..file }),
            _ => Err(damaged("its header is damaged")),
        }
    }

    /// Reads a number of `length` bytes, at most 8.
    fn number(&self, at: usize, length: usize) -> Result<u64, DecodeError> {
        let end = at.checked_add(length).ok_or_else(truncated)?;
        let bytes = self.bytes.get(at..end).ok_or_else(truncated)?;
        let digit = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Ok(match self.big_endian {
            true => bytes.iter().fold(0, digit),
            false => bytes.iter().rev().fold(0, digit),
        })
    }

    fn offset(&self, at: usize) -> Result<usize, DecodeError> {
        let offset = self.number(at, if self.is_big { 8 } else { 4 })?;
        usize::try_from(offset).map_err(|_| truncated())
    }

    /// Returns all directories in the order of the file, each followed by its sub-directories
    /// (SubIFDs).
    pub fn directories(&self) -> Result<Vec<Directory>, DecodeError> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = self.offset(if self.is_big { 8 } else { 4 })?;
        while next != 0 && seen.insert(next) && found.len() < MAX_PAGES {
            // Errors are not ignored: the missing directory may be the image, the others
            // thumbnails.
            let (directory, following) = self.directory(next)?;
            let subs = directory.numbers(self, tag::SUB_IFDS)?;
            found.push(directory);
            for sub in subs.into_iter().take(MAX_PAGES) {
                let sub = usize::try_from(sub).map_err(|_| truncated())?;
                if seen.insert(sub) {
                    found.push(self.directory(sub)?.0);
                }
            }
            next = following;
        }
        Ok(found)
    }

    /// Reads the directory at a position. Returns it and the position of the next; 0 for none.
    fn directory(&self, at: usize) -> Result<(Directory, usize), DecodeError> {
        // Bytes of the number of entries, of an entry, and of the value or offset in it.
        let (count_length, entry, value) = if self.is_big { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.number(at, count_length)?;
        let first = at + count_length;
        // Maximum number of entries in the rest of the file.
        let room = (self.bytes.len().saturating_sub(first) / entry) as u64;
        if count > room {
            return Err(truncated());
        }
        let mut entries = BTreeMap::new();
        for i in 0..count as usize {
            let at = first + i * entry;
            let tag = self.number(at, 2)? as u16;
            let kind = self.number(at + 2, 2)? as u16;
            let count = self.number(at + 4, value)?;
            let value_at = at + 4 + value;
            let fits = count.saturating_mul(size(kind) as u64) <= value as u64;
            let position = if fits { value_at } else { self.offset(value_at)? };
            entries.entry(tag).or_insert(Values { kind, count, at: position });
        }
        let next = self.offset(first + count as usize * entry).unwrap_or(0);
        Ok((Directory { entries }, next))
    }
}

/// Size in bytes of a value of a type.
fn size(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

impl Directory {
    /// Returns the values of a tag as unsigned integers; empty if the tag is missing.
    pub fn numbers(&self, file: &File<'_>, tag: u16) -> Result<Vec<u64>, DecodeError> {
        let Some(Values { kind, count, at }) = self.entries.get(&tag).copied() else {
            return Ok(Vec::new());
        };
        if !matches!(kind, 1 | 3 | 4 | 7 | 13 | 16 | 18) {
            return Err(damaged("a value of its directory is not an integer"));
        }
        let size = size(kind);
        if count > (file.bytes.len() / size) as u64 {
            return Err(truncated());
        }
        (0..count as usize).map(|i| file.number(at + i * size, size)).collect()
    }

    /// Returns the first value of a tag.
    pub fn number(&self, file: &File<'_>, tag: u16) -> Result<Option<u64>, DecodeError> {
        Ok(self.numbers(file, tag)?.first().copied())
    }
}
