//! Lookup tables for modality, display and palette (PS3.3 C.11.1.1, C.11.2.1).

use super::elements::{Elements, Tag};

/// Lookup table.
pub struct Lut {
    /// Value of the first entry, as stored; lower values use that entry, too.
    first: u16,
    /// True if `first` is signed.
    signed: bool,
    entries: Vec<u16>,
    /// Bits per entry according to the descriptor, which may be wrong.
    bits: u16,
    /// Largest entry.
    pub largest: u16,
    /// Notes on contradictions between the descriptor and the entries.
    pub doubts: Vec<String>,
}

impl Lut {
    /// Reads the table of `data`. Its `descriptor` states the number of entries (0 for 65,536), the
    /// value of the first entry, and the bits per entry. `signed` states that the table is looked
    /// up by signed values. `None` if an element is missing.
    ///
    /// Entries are 16-bit words, or bytes if there are as many bytes as entries. If descriptor and
    /// data contradict each other, the data are used: up to one entry in 16 may be missing (higher
    /// values use the last entry), and additional bytes are ignored.
    ///
    /// # Errors
    /// The reason why the table cannot be used.
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

    /// Returns the entry of full brightness: the largest entry that the bits of the descriptor
    /// allow, or, if the entries need another number of bits, the largest entry, with a note. Some
    /// computed-radiography systems state 16 bits for entries of 12 bits, so viewers use the
    /// entries (cornerstone's `generateNonLinearVOILUT`).
    pub fn white(&mut self) -> u16 {
        let needed = 16 - self.largest.leading_zeros() as u16;
        if needed == self.bits {
            return ((1_u32 << needed) - 1) as u16;
        }
        self.doubts.push(format!(
            "the display table says {} bits, its entries have {needed}: scaled by the \
             largest entry",
            self.bits
        ));
        self.largest.max(1)
    }

    /// Returns `true` if the descriptor states more than 8 bits per entry.
    pub fn is_wide(&self) -> bool {
        self.bits > 8
    }

    /// Exchanges signed and unsigned for the value of the first entry; returns `false` if that
    /// changes nothing.
    pub fn flip_sign(&mut self) -> bool {
        self.signed = !self.signed;
        self.first >> 15 == 1
    }

    /// Returns the entry of a value; values outside the table use the nearest entry.
    pub fn at(&self, value: f64) -> u16 {
        let first = if self.signed { i32::from(self.first as i16) } else { self.first.into() };
        let last = self.entries.len() - 1;
        // `as` saturates.
        let index = (value - f64::from(first)).round() as usize;
        self.entries[index.min(last)]
    }
}

/// Returns `true` if the bytes rise or fall nearly throughout, as table entries do and the bytes of
/// 16-bit words do not.
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
