//! Reader of DICOM elements, and detection of their encoding. All errors are
//! [`DecodeError::Truncated`].

use super::elements::{Tag, tag};
use super::truncated;
use crate::image::DecodeError;

/// Value representations of PS3.5, 6.2.
#[rustfmt::skip]
const VALUE_REPRESENTATIONS: [&[u8; 2]; 34] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"OB", b"OD",
    b"OF", b"OL", b"OV", b"OW", b"PN", b"SH", b"SL", b"SQ", b"SS", b"ST", b"SV", b"TM", b"UC", b"UI",
    b"UL", b"UN", b"UR", b"US", b"UT", b"UV",
];

/// Number of elements that are read to detect the encoding of a data set.
const PROBED: usize = 16;

/// Encoding of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// True if each element states its value representation.
    pub explicit: bool,
    /// True if the most significant byte comes first.
    pub big: bool,
}

impl Encoding {
    /// Default of PS3.5, also used in values of unknown representation.
    pub const IMPLICIT: Self = Self { explicit: false, big: false };
    /// Encoding of the file header and of nearly all images.
    pub const EXPLICIT: Self = Self { explicit: true, big: false };
    /// Retired, but still in use.
    pub const BIG: Self = Self { explicit: true, big: true };

    /// Returns the encoding in which the first elements of a data set are valid; `None` if there is
    /// none. Explicit encodings are tried first: value representations are the strongest sign.
    pub fn find(bytes: &[u8]) -> Option<Self> {
        [Self::EXPLICIT, Self::BIG, Self::IMPLICIT].into_iter().find(|e| e.fits(bytes))
    }

    /// Returns `true` if the first elements have known value representations and rising tags from a
    /// low group on, and end within the file.
    fn fits(self, bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes, self);
        let mut last = 0;
        for _ in 0..PROBED {
            let Ok(header) = reader.header() else { return last > 0 && self.explicit };
            let is_known = !self.explicit || VALUE_REPRESENTATIONS.contains(&&header.vr);
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
                // The file is truncated: only value representations are proof enough.
                return self.explicit;
            }
            if reader.is_done() {
                return true;
            }
        }
        true
    }

    /// Name in messages.
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

/// Header of an element; the value follows.
pub struct Header {
    pub tag: Tag,
    pub vr: [u8; 2],
    /// Length of the value in bytes; `None` if items follow up to an end marker.
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
        Ok(self.take(N)?.try_into().expect("`take` returns N bytes"))
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
            // Implicit encoding, or a single implicit element among explicit ones.
            _ => {
                self.at = after;
                self.u32()?
            }
        };
        Ok(Header { tag, vr, length: (length != u32::MAX).then_some(length as usize) })
    }

    /// Returns the value of an element.
    pub fn value(&mut self, header: &Header) -> Result<&'a [u8], DecodeError> {
        match header.length {
            Some(length) => self.take(length),
            None => self.items(header.vr),
        }
    }

    /// Returns the items of an element of undefined length, up to the end of its sequence.
    pub fn items(&mut self, vr: [u8; 2]) -> Result<&'a [u8], DecodeError> {
        let (start, encoding) = (self.at, self.encoding);
        let mut depth = 1_usize;
        // Depth of a value of unknown representation, whose items are implicit (PS3.5, 6.2.2).
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
