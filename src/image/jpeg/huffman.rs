//! Huffman tables and bit reader of entropy-coded segments (ITU-T T.81, annexes C and F).

/// Reason why entropy-coded data cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The data end at a marker or with the file.
    Missing,
    /// A code or a value that cannot occur.
    Invalid,
}

/// Maximum number of bits of a code that is found with one look-up.
const FAST: u32 = 9;

/// A Huffman table.
#[derive(Clone)]
pub struct Table {
    /// By the next [`FAST`] bits: length of the code and its symbol; length 0 for longer codes.
    fast: Box<[(u8, u8); 1 << FAST]>,
    /// By length: the smallest 16-bit number that begins with no code of that or a shorter length.
    limits: [u32; 17],
    /// By length: number that is added to a code to get the index of its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// A table without codes.
    pub fn none() -> Self {
        Self::new(&[0; 16], &[]).expect("a table without codes is valid")
    }

    /// Builds a table from the number of codes of each length, 1 to 16 bits, and the symbols in the
    /// order of their codes. `None` if there are more codes than the bits allow.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            fast: Box::new([(0, 0); 1 << FAST]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, count) in (1_u32..).zip(counts) {
            table.offsets[length as usize] = index as i32 - code as i32;
            for &symbol in symbols.get(index..index + usize::from(*count))? {
                if code >> length != 0 {
                    return None;
                }
                if length <= FAST {
                    let first = (code << (FAST - length)) as usize;
                    let same = 1 << (FAST - length);
                    table.fast[first..first + same].fill((length as u8, symbol));
                }
                code += 1;
            }
            index += usize::from(*count);
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }
}

/// Number of bits that [`Coefficients`] looks up at a time.
const WINDOW: u32 = 12;

/// Codes of AC coefficients, with a table that finds several codes at a time: a walk without values
/// spends its time on finding the end of each code.
pub struct Coefficients {
    /// Table as in the file.
    pub table: Table,
    /// Groups by the next [`WINDOW`] bits.
    groups: Box<[Group; 1 << WINDOW]>,
}

/// Codes at the start of [`WINDOW`] bits that are complete with all bits of their values.
#[derive(Clone, Copy, Default)]
struct Group {
    /// Number of bits of all codes and values; 0 if the first code exceeds the window.
    bits: u8,
    /// Number of coefficients, at most 63.
    coefficients: u8,
    /// True if the last code ends the block.
    is_end: bool,
}

impl Coefficients {
    /// Builds the groups of a table with the symbols of annex F.
    pub fn new(table: Table) -> Self {
        let mut groups = Box::new([Group::default(); 1 << WINDOW]);
        for (bits, group) in groups.iter_mut().enumerate() {
            while !group.is_end {
                let next = (bits << group.bits) & ((1 << WINDOW) - 1);
                let (length, symbol) = table.fast[next >> (WINDOW - FAST)];
                let end = group.bits + length + (symbol & 15);
                let count = coefficients(symbol).unwrap_or(0) + group.coefficients;
                if length == 0 || u32::from(end) > WINDOW || count > 63 {
                    break;
                }
                *group = Group {
                    bits: end,
                    coefficients: count,
                    is_end: coefficients(symbol).is_none(),
                };
            }
        }
        Self { table, groups }
    }
}

/// Number of coefficients of a symbol: zeros, then one other coefficient; `None` for the end of the
/// block.
fn coefficients(symbol: u8) -> Option<u8> {
    match (symbol >> 4, symbol & 15) {
        (0..15, 0) => None,
        (zeros, _) => Some(zeros + 1),
    }
}

/// Tables of annex K for luminance and chroma, which camera files omit: counts and symbols. Both DC
/// tables have the symbols 0 to 11.
const DC: [[u8; 16]; 2] = [
    [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
];
const AC: [([u8; 16], [u8; 162]); 2] = [
    (
        [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
        [
            0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51,
            0x61, 0x07, 0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1,
            0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18,
            0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39,
            0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57,
            0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75,
            0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92,
            0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
            0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
            0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8,
            0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2,
            0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
        ],
    ),
    (
        [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
        [
            0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07,
            0x61, 0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09,
            0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25,
            0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38,
            0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56,
            0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74,
            0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
            0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
            0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
            0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6,
            0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2,
            0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
        ],
    ),
];

impl Table {
    /// Standard DC table of luminance (0) or chroma, for files without tables.
    pub fn standard_dc(id: usize) -> Self {
        let symbols: Vec<u8> = (0..12).collect();
        Self::new(&DC[id.min(1)], &symbols).expect("a table of the standard")
    }

    /// Standard AC table of luminance (0) or chroma, for files without tables.
    pub fn standard_ac(id: usize) -> Self {
        let (counts, symbols) = &AC[id.min(1)];
        Self::new(counts, symbols).expect("a table of the standard")
    }
}

/// DHT segment of the standard tables, for decoders that lack them.
pub fn standard_segment() -> Vec<u8> {
    let dc_symbols: Vec<u8> = (0..12).collect();
    let mut body = Vec::new();
    for (id, (dc_counts, (counts, symbols))) in (0_u8..).zip(DC.iter().zip(&AC)) {
        body.push(id);
        body.extend_from_slice(dc_counts);
        body.extend_from_slice(&dc_symbols);
        body.push(0x10 | id);
        body.extend_from_slice(counts);
        body.extend_from_slice(symbols);
    }
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&[0xff, 0xc4][..], &length[..], &body[..]].concat()
}

/// Reader of the bits of an entropy-coded segment, up to the marker that ends it.
#[derive(Clone, Copy)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    /// Position of the next byte that is not yet in `buffer`.
    at: usize,
    buffer: u64,
    /// Number of bits in `buffer` that are not yet read.
    count: u32,
}

impl<'a> Bits<'a> {
    /// Reader of the segment that starts at byte `at`.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, buffer: 0, count: 0 }
    }

    #[inline]
    fn fill(&mut self) {
        // Reads four bytes at once if none is FF, that is, if the complement has no zero byte.
        let next = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        match next.filter(|_| self.count <= 32).map(|four| u32::from_be_bytes(*four)) {
            Some(next) if (!next).wrapping_sub(0x0101_0101) & next & 0x8080_8080 == 0 => {
                self.buffer = self.buffer << 32 | u64::from(next);
                self.count += 32;
                self.at += 4;
            }
            _ => *self = self.fill_bytewise(),
        }
    }

    #[cold]
    fn fill_bytewise(mut self) -> Self {
        while self.count <= 48 {
            let Some(&byte) = self.bytes.get(self.at) else { return self };
            if byte == 0xff {
                // FF 00 stands for the byte FF; FF and another byte is a marker.
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return self;
                }
                self.at += 1;
            }
            self.at += 1;
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.count += 8;
        }
        self
    }

    /// Returns the next `count` bits, at most 16, as a number.
    ///
    /// # Errors
    /// [`Fault::Missing`] at the end of the data.
    pub fn bits(&mut self, count: u32) -> Result<u32, Fault> {
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count).ok_or(Fault::Missing)?;
        Ok((self.buffer >> self.count) as u32 & ((1 << count) - 1))
    }

    /// Skips `count` bits.
    ///
    /// # Errors
    /// [`Fault::Missing`] at the end of the data.
    pub fn skip(&mut self, count: u32) -> Result<(), Fault> {
        let mut left = count;
        while left > 0 {
            self.bits(left.min(16))?;
            left = left.saturating_sub(16);
        }
        Ok(())
    }

    /// Skips the AC coefficients of a block of sequential JPEG (F.2.2.2).
    ///
    /// # Errors
    /// [`Fault::Missing`] at the end of the data, [`Fault::Invalid`] for codes that cannot
    /// occur.
    pub fn skip_coefficients(&mut self, codes: &Coefficients) -> Result<(), Fault> {
        let mut k = 1;
        // A copy stays in registers: this loop takes a tenth of the time of `cxr preprocess`.
        let mut bits = *self;
        while k < 64 {
            if bits.count < 32 {
                bits.fill();
            }
            if let Some(rest) = bits.count.checked_sub(WINDOW) {
                let group = codes.groups[(bits.buffer >> rest) as usize & ((1 << WINDOW) - 1)];
                let next = k + usize::from(group.coefficients);
                // After the last coefficient, the next block begins, with another table.
                if group.bits > 0 && next < 64 {
                    bits.count -= u32::from(group.bits);
                    k = next;
                    if group.is_end {
                        *self = bits;
                        return Ok(());
                    }
                    continue;
                }
            }
            *self = bits;
            let symbol = self.symbol(&codes.table)?;
            self.bits(u32::from(symbol & 15))?;
            bits = *self;
            match coefficients(symbol) {
                Some(count) => k += usize::from(count),
                None => return Ok(()),
            }
        }
        *self = bits;
        if k > 64 { Err(Fault::Invalid) } else { Ok(()) }
    }

    /// Returns the symbol of the next code.
    ///
    /// # Errors
    /// As [`Self::skip_coefficients`].
    pub fn symbol(&mut self, table: &Table) -> Result<u8, Fault> {
        if self.count < 16 {
            self.fill();
        }
        // Padded with zeros at the end of the data.
        let next = match self.count.checked_sub(16) {
            Some(rest) => (self.buffer >> rest) as u32 & 0xffff,
            None => (self.buffer << (16 - self.count)) as u32 & 0xffff,
        };
        let (length, symbol) = match table.fast[(next >> (16 - FAST)) as usize] {
            (0, _) => {
                let length = (FAST + 1..17).find(|length| next < table.limits[*length as usize]);
                let Some(length) = length else {
                    return Err(if self.count < 16 { Fault::Missing } else { Fault::Invalid });
                };
                let code = (next >> (16 - length)) as i32;
                let index = usize::try_from(code + table.offsets[length as usize]);
                let symbol = index.ok().and_then(|index| table.symbols.get(index));
                (length, *symbol.ok_or(Fault::Invalid)?)
            }
            (length, symbol) => (u32::from(length), symbol),
        };
        self.count = self.count.checked_sub(length).ok_or(Fault::Missing)?;
        Ok(symbol)
    }

    /// Reads the next restart marker, which must have this number (0 to 7).
    ///
    /// # Errors
    /// [`Fault::Missing`] at the end of the data, [`Fault::Invalid`] for another marker.
    pub fn restart(&mut self, number: u8) -> Result<(), Fault> {
        let marker = self.end();
        // Any number of bytes FF may precede the code.
        let fill = self.bytes[marker..].iter().take_while(|byte| **byte == 0xff).count();
        match self.bytes.get(marker + fill) {
            Some(code) if fill > 0 && *code == 0xd0 + number => {
                *self = Self::new(self.bytes, marker + fill + 1);
                Ok(())
            }
            None => Err(Fault::Missing),
            Some(0xd9) if fill > 0 => Err(Fault::Missing),
            Some(_) => Err(Fault::Invalid),
        }
    }

    /// Position of the first byte of which no bit was read.
    pub fn end(&self) -> usize {
        let mut end = self.at;
        for _ in 0..self.count / 8 {
            end -= 1;
            if end > 0 && self.bytes[end] == 0 && self.bytes[end - 1] == 0xff {
                end -= 1;
            }
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_every_length_are_read() {
        // One code of each length: 0, 10, 110, …; the last has 16 bits.
        let symbols: Vec<u8> = (1..=16).collect();
        let table = Table::new(&[1; 16], &symbols).unwrap();
        let mut ones: Vec<bool> = Vec::new();
        for length in 1..=16 {
            ones.extend(vec![true; length - 1]);
            ones.push(false);
        }
        let packed: Vec<u8> = ones
            .chunks(8)
            .map(|bits| {
                bits.iter().enumerate().fold(0, |byte, (i, bit)| byte | u8::from(*bit) << (7 - i))
            })
            .flat_map(|byte| if byte == 0xff { vec![0xff, 0] } else { vec![byte] })
            .collect();
        let mut bits = Bits::new(&packed, 0);
        for length in 1..=16 {
            assert_eq!(bits.symbol(&table), Ok(length));
        }
        assert_eq!(bits.end(), packed.len());
        assert_eq!(bits.bits(1), Err(Fault::Missing));
        assert_eq!(
            Bits::new(&[0xff, 0, 0xff, 0, 0xff, 0xd9], 0).symbol(&table),
            Err(Fault::Invalid)
        );
        assert_eq!(Bits::new(&[0xff, 0xd9], 0).bits(1), Err(Fault::Missing));
    }

    /// Compares with a walk of one code at a time, on random bits and several tables.
    #[test]
    fn groups_of_coefficients_end_where_single_codes_do() {
        let mut state = 1_u64;
        let mut bytes = Vec::new();
        while bytes.len() < 50_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few bits are set, so that short codes prevail, as in files.
            let byte = (state >> 40 & state >> 50) as u8;
            bytes.extend(if byte == 0xff { vec![0xff, 0] } else { vec![byte] });
        }
        for id in [0, 1] {
            let codes = Coefficients::new(Table::standard_ac(id));
            let (mut single, mut groups) = (Bits::new(&bytes, 0), Bits::new(&bytes, 0));
            let mut blocks = 0;
            loop {
                let mut k = 1;
                let one_at_a_time = loop {
                    let symbol = match single.symbol(&codes.table) {
                        Ok(symbol) => symbol,
                        Err(fault) => break Err(fault),
                    };
                    if let Err(fault) = single.bits(u32::from(symbol & 15)) {
                        break Err(fault);
                    }
                    if symbol & 15 == 0 && symbol != 0xf0 {
                        break Ok(());
                    }
                    k += 1 + usize::from(symbol >> 4);
                    if k >= 64 {
                        break if k > 64 { Err(Fault::Invalid) } else { Ok(()) };
                    }
                };
                assert_eq!(groups.skip_coefficients(&codes), one_at_a_time);
                assert_eq!((groups.end(), groups.count % 8), (single.end(), single.count % 8));
                blocks += 1;
                if one_at_a_time == Err(Fault::Missing) {
                    break;
                }
            }
            assert!(blocks > 1000, "{blocks} blocks");
        }
    }

    #[test]
    fn a_table_with_too_many_codes_is_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Table::new(&counts, &[1, 2, 3]).is_none());
        counts[0] = 2;
        assert!(Table::new(&counts, &[1]).is_none());
        assert!(Table::new(&counts, &[1, 2]).is_some());
    }
}
