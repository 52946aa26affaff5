//! Lookup tables: of the modality, of the display, of a palette (PS3.3 C.11.1.1, C.11.2.1).

use super::elements::{Elements, Tag};

/// A table from values to values.
pub struct Lut {
    /// The value of the first entry as it is written; lower values have that entry too.
    first: u16,
    /// Whether `first` is a signed number.
    signed: bool,
    entries: Vec<u16>,
    /// Bits of an entry by the descriptor, which may be wrong.
    bits: u16,
    /// The largest entry.
    pub largest: u16,
    /// Contradictions between the descriptor and the entries, each a clause.
    pub doubts: Vec<String>,
}

impl Lut {
    /// The table of `data`, described by `descriptor`: the number of entries (0 for 65,536),
    /// the value of the first, and the bits of each. `signed` tells whether the table is
    /// looked up by signed values; `None` if an element is missing.
    ///
    /// Entries are words of 16 bits, or bytes where there are as many bytes as entries.
    /// Descriptors contradict the data in known ways, and the data is believed: one entry in
    /// sixteen may be missing (values above have the last one), and more may follow.
    ///
    /// # Errors
    /// Why the table cannot be used, as a clause.
    pub fn read(
        elements: &Elements,
        descriptor: Tag,
        data: Tag,
        signed: bool,
    ) -> Result<Option<Self>, &'static str> {
        let words: Vec<u16> = elements.words(descriptor).take(3).collect();
        let (&[count, first, bits], Some(bytes)) = (words.as_slice(), elements.octets(data)) else {
            return Ok(None);
        };
        let count = if count == 0 { 1 << 16 } else { usize::from(count) };
        let is_packed = bytes.len() < 2 * count
            && bytes.len() == count.next_multiple_of(2)
            && (bits <= 8 || is_smooth(&bytes));
        let entries: Vec<u16> = match is_packed {
            true => bytes.iter().take(count).copied().map(u16::from).collect(),
            false => elements.words(data).take(count).collect(),
        };
        if entries.is_empty() || count - entries.len() > (count / 16).max(1) {
            return Err("a lookup table is shorter than its descriptor says");
        }
        let mut doubts = Vec::new();
        if entries.len() != count || !is_packed && bytes.len() > 2 * count + 1 {
            let found = if is_packed { entries.len() } else { bytes.len() / 2 };
            doubts.push(format!(
                "a lookup table has {found} entries where its descriptor says {count}"
            ));
        }
        let signed = signed || elements.is_signed(descriptor);
        let largest = entries.iter().copied().max().unwrap_or(0);
        Ok(Some(Self { first, signed, entries, bits, largest, doubts }))
    }

    /// The entry that is shown at full brightness: the largest of the descriptor's bits, or,
    /// if the entries need other bits than these, the largest entry, with a doubt. Some
    /// computed-radiography systems write 16 for entries of 12 bits, so viewers go by the
    /// entries (cornerstone's `generateNonLinearVOILUT`).
    pub fn white(&mut self) -> u16 {
        let needed = 16 - self.largest.leading_zeros() as u16;
        if needed == self.bits {
            return ((1_u32 << needed) - 1) as u16;
        }
        self.doubts.push(format!(
            "the display table says {} bits and its entries have {needed}: scaled by the largest \
             entry",
            self.bits
        ));
        self.largest.max(1)
    }

    /// Whether the descriptor says that entries have more than 8 bits.
    pub fn is_wide(&self) -> bool {
        self.bits > 8
    }

    /// Takes the value of the first entry for signed if it was unsigned, and the reverse;
    /// false if that changes nothing.
    pub fn flip_sign(&mut self) -> bool {
        self.signed = !self.signed;
        self.first >> 15 == 1
    }

    /// The entry of a value; values outside have the nearest.
    pub fn at(&self, value: f64) -> u16 {
        let first = if self.signed { i32::from(self.first as i16) } else { self.first.into() };
        let last = self.entries.len() - 1;
        // Saturates.
        let index = (value - f64::from(first)).round() as usize;
        self.entries[index.min(last)]
    }
}

/// Whether bytes rise or fall nearly throughout, as the entries of a table do and the two
/// halves of words do not.
fn is_smooth(bytes: &[u8]) -> bool {
    let count = |turns: fn(u8, u8) -> bool| bytes.windows(2).filter(|w| turns(w[0], w[1])).count();
    4 * count(|a, b| a > b).min(count(|a, b| a < b)) < bytes.len()
}

#[cfg(test)]
mod tests {
    use super::is_smooth;

    #[test]
    fn words_are_not_taken_for_bytes() {
        let rising: Vec<u16> = (0..2048).map(|entry| 2 * entry).collect();
        let words: Vec<u8> = rising.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        assert!(!is_smooth(&words));
        let bytes: Vec<u8> = rising.iter().map(|entry| (entry >> 4) as u8).collect();
        assert!(is_smooth(&bytes));
        assert!(is_smooth(&bytes.into_iter().rev().collect::<Vec<_>>()));
    }
}
