//! Reads one element of a DICOM file after the other, and finds how they are written.

use super::elements::{Tag, tag};
use super::truncated;
use crate::image::DecodeError;

/// The kinds of value of PS3.5, 6.2.
#[rustfmt::skip]
const KINDS: [&[u8; 2]; 34] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"OB", b"OD",
    b"OF", b"OL", b"OV", b"OW", b"PN", b"SH", b"SL", b"SQ", b"SS", b"ST", b"SV", b"TM", b"UC", b"UI",
    b"UL", b"UN", b"UR", b"US", b"UT", b"UV",
];

/// Elements that are looked at to find how a data set is written.
const PROBED: usize = 16;

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// Each says what kind of value it has.
    pub explicit: bool,
    /// The most significant byte comes first.
    pub big: bool,
}

impl Encoding {
    /// The default of PS3.5, and what values of unknown kind hold.
    pub const IMPLICIT: Self = Self { explicit: false, big: false };
    /// That of the file's own header, and of nearly all images.
    pub const EXPLICIT: Self = Self { explicit: true, big: false };
    /// Retired, still met.
    pub const BIG: Self = Self { explicit: true, big: true };

    /// The encoding in which the first elements of a data set make sense; `None` if they do
    /// in none. Kinds of value are the strongest sign, so explicit ones are tried first.
    pub fn find(bytes: &[u8]) -> Option<Self> {
        [Self::EXPLICIT, Self::BIG, Self::IMPLICIT].into_iter().find(|e| e.makes_sense_of(bytes))
    }

    /// Whether the first elements have known kinds and rising tags from a low group on, and
    /// end within the file.
    fn makes_sense_of(self, bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes, self);
        let mut last = 0;
        for _ in 0..PROBED {
            let Ok(header) = reader.header() else { return last > 0 && self.explicit };
            let is_known = !self.explicit || KINDS.contains(&&header.vr);
            let may_be_first = header.tag >> 16 <= 0x28;
            if !is_known || header.tag <= last || last == 0 && !may_be_first {
                return false;
            }
            last = header.tag;
            let Some(length) = header.length else { return true };
            if header.tag == tag::PIXELS {
                return true;
            }
            if reader.take(length).is_err() {
                // The file is cut off; only a kind of value is proof enough.
                return self.explicit;
            }
            if reader.is_done() {
                return true;
            }
        }
        true
    }

    /// As messages name it.
    pub fn name(self) -> &'static str {
        match (self.explicit, self.big) {
            (false, _) => "implicit",
            (true, false) => "explicit little-endian",
            (true, true) => "explicit big-endian",
        }
    }

    pub fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }
}

/// An element's start; its value follows.
pub struct Header {
    pub tag: Tag,
    pub vr: [u8; 2],
    /// In bytes; `None` if items follow until their end is said.
    pub length: Option<usize>,
}

pub struct Reader<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    pub encoding: Encoding,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], encoding: Encoding) -> Self {
        Self { bytes, at: 0, encoding }
    }

    pub fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..length));
        self.at += taken.map_or(0, <[u8]>::len);
        taken.ok_or_else(truncated)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self.take(N)?.try_into().expect("as many as were taken"))
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(self.encoding.u16(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        let bytes = self.array()?;
        Ok(if self.encoding.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub fn header(&mut self) -> Result<Header, DecodeError> {
        let tag = u32::from(self.u16()?) << 16 | u32::from(self.u16()?);
        let after = self.at;
        let mut vr = [0; 2];
        if self.encoding.explicit && tag >> 16 != 0xfffe {
            vr = self.array()?;
        }
        let length = match &vr {
            b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN"
            | b"UR" | b"UT" | b"UV" => {
                self.u16()?;
                self.u32()?
            }
            vr if vr.iter().all(u8::is_ascii_uppercase) => self.u16()?.into(),
            // Implicit, or an element that some program left so among explicit ones.
            _ => {
                self.at = after;
                self.u32()?
            }
        };
        Ok(Header { tag, vr, length: (length != u32::MAX).then_some(length as usize) })
    }

    /// The value of an element.
    pub fn value(&mut self, header: &Header) -> Result<&'a [u8], DecodeError> {
        match header.length {
            Some(length) => self.take(length),
            None => self.items(header.vr),
        }
    }

    /// The items of an element of undefined length, to the end of its sequence.
    pub fn items(&mut self, vr: [u8; 2]) -> Result<&'a [u8], DecodeError> {
        let (start, encoding) = (self.at, self.encoding);
        let mut depth = 1_usize;
        // Where a value of unknown kind began: PS3.5, 6.2.2, has it implicit.
        let mut unknown = None;
        let mut vr = vr;
        loop {
            if vr == *b"UN" && unknown.is_none() {
                unknown = Some(depth);
                self.encoding = Encoding::IMPLICIT;
            }
            let end = self.at;
            let header = self.header()?;
            vr = [0; 2];
            match (header.tag, header.length) {
                (tag::ITEM_END | tag::SEQUENCE_END, _) => {
                    if unknown == Some(depth) {
                        unknown = None;
                        self.encoding = encoding;
                    }
                    depth -= 1;
                }
                (_, Some(length)) => {
                    self.take(length)?;
                }
                (_, None) => {
                    depth += 1;
                    vr = header.vr;
                }
            }
            if depth == 0 {
                self.encoding = encoding;
                return Ok(&self.bytes[start..end]);
            }
        }
    }
}
