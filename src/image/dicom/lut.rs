//! Lookup tables: of the modality, of the display, of a palette (PS3.3 C.11.1.1, C.11.2.1).

use super::damaged;
use super::elements::{Elements, Tag};
use crate::image::DecodeError;

/// A table from values to values.
pub struct Lut {
    /// The value of the first entry; lower ones have it too.
    first: i32,
    entries: Vec<u16>,
    /// The largest value that an entry can have.
    pub max: u16,
}

impl Lut {
    /// The table of `data`, described by `descriptor`; `signed` is whether it is asked
    /// for negative values. `None` if one of the two is missing.
    pub fn read(
        elements: &Elements,
        descriptor: Tag,
        data: Tag,
        signed: bool,
    ) -> Result<Option<Self>, DecodeError> {
        let words: Vec<u16> = elements.words(descriptor).take(3).collect();
        let (&[count, first, bits], Some(bytes)) = (words.as_slice(), elements.bytes(data)) else {
            return Ok(None);
        };
        let count = if count == 0 { 1 << 16 } else { usize::from(count) };
        let first = if signed { i32::from(first as i16) } else { i32::from(first) };
        if !(1..=16).contains(&bits) {
            return Err(damaged("a lookup table has entries of no possible size"));
        }
        // Entries of 8 bits may be packed.
        let entries: Vec<u16> = if bytes.len() >= 2 * count {
            elements.words(data).take(count).collect()
        } else {
            bytes.iter().take(count).map(|byte| u16::from(*byte)).collect()
        };
        if entries.len() < count {
            return Err(damaged("a lookup table is shorter than it says"));
        }
        Ok(Some(Self { first, entries, max: (u32::pow(2, bits.into()) - 1) as u16 }))
    }

    /// The entry of a value; values outside have the nearest.
    pub fn at(&self, value: f64) -> u16 {
        let last = self.entries.len() - 1;
        // Saturates.
        let index = (value - f64::from(self.first)).round() as usize;
        self.entries[index.min(last)]
    }
}
