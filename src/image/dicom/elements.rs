//! Elements of a DICOM file (PS3.5, PS3.10) that an image needs. All other elements are skipped.
//!
//! Elements are slices of the file: a stated length allocates nothing. Nested items are skipped by
//! counting: no depth of nesting exhausts the stack. Elements that are not [`WANTED`] are never
//! read: names, dates and private elements cannot reach a message or an artifact.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::packing::Packing;
use super::reader::{Encoding, Header, Reader};
use super::{damaged, truncated};
use crate::image::DecodeError;

/// DICOM tag: the group in the upper half, the element in the lower.
pub type Tag = u32;

/// Tags in use, named as in PS3.6.
#[rustfmt::skip]
pub mod tag {
    use super::Tag;

    pub const SOP_CLASS: Tag = 0x0002_0002;
    pub const TRANSFER_SYNTAX: Tag = 0x0002_0010;
    pub const SOP_CLASS_OF_DATA: Tag = 0x0008_0016;
    pub const MODALITY: Tag = 0x0008_0060;
    pub const CODE_MEANING: Tag = 0x0008_0104;
    pub const PATIENT_NAME: Tag = 0x0010_0010;
    pub const PATIENT_ID: Tag = 0x0010_0020;
    pub const ISSUER_OF_PATIENT_ID: Tag = 0x0010_0021;
    pub const VIEW_POSITION: Tag = 0x0018_5101;
    pub const LATERALITY: Tag = 0x0020_0060;
    pub const IMAGE_LATERALITY: Tag = 0x0020_0062;
    pub const SAMPLES_PER_PIXEL: Tag = 0x0028_0002;
    pub const PHOTOMETRIC: Tag = 0x0028_0004;
    pub const PLANAR: Tag = 0x0028_0006;
    pub const FRAMES: Tag = 0x0028_0008;
    pub const ROWS: Tag = 0x0028_0010;
    pub const COLUMNS: Tag = 0x0028_0011;
    pub const BITS_ALLOCATED: Tag = 0x0028_0100;
    pub const BITS_STORED: Tag = 0x0028_0101;
    pub const HIGH_BIT: Tag = 0x0028_0102;
    pub const PIXEL_REPRESENTATION: Tag = 0x0028_0103;
    pub const PADDING: Tag = 0x0028_0120;
    pub const PADDING_LIMIT: Tag = 0x0028_0121;
    pub const WINDOW_CENTER: Tag = 0x0028_1050;
    pub const WINDOW_WIDTH: Tag = 0x0028_1051;
    pub const INTERCEPT: Tag = 0x0028_1052;
    pub const SLOPE: Tag = 0x0028_1053;
    pub const VOI_FUNCTION: Tag = 0x0028_1056;
    /// Descriptors of the red, green and blue table.
    pub const PALETTE_DESCRIPTORS: [Tag; 3] = [0x0028_1101, 0x0028_1102, 0x0028_1103];
    pub const PALETTES: [Tag; 3] = [0x0028_1201, 0x0028_1202, 0x0028_1203];
    pub const MODALITY_LUTS: Tag = 0x0028_3000;
    pub const LUT_DESCRIPTOR: Tag = 0x0028_3002;
    pub const LUT_DATA: Tag = 0x0028_3006;
    pub const VOI_LUTS: Tag = 0x0028_3010;
    pub const VIEW_CODES: Tag = 0x0054_0220;
    pub const LUT_SHAPE: Tag = 0x2050_0020;
    /// Bit position of the first of 16 overlays; the group rises by 2.
    pub const OVERLAY_BIT_POSITION: Tag = 0x6000_0102;
    /// Address of a server that holds the pixels.
    pub const PIXELS_ELSEWHERE: Tag = 0x0028_7fe0;
    pub const FLOAT_PIXELS: Tag = 0x7fe0_0008;
    pub const DOUBLE_PIXELS: Tag = 0x7fe0_0009;
    pub const PIXELS: Tag = 0x7fe0_0010;

    pub const ITEM: Tag = 0xfffe_e000;
    pub const ITEM_END: Tag = 0xfffe_e00d;
    pub const SEQUENCE_END: Tag = 0xfffe_e0dd;
}

/// Tags of the elements that are kept.
#[rustfmt::skip]
const WANTED: [Tag; 41] = [
    tag::SOP_CLASS, tag::SOP_CLASS_OF_DATA, tag::TRANSFER_SYNTAX, tag::MODALITY, tag::PATIENT_NAME, tag::PATIENT_ID,
    tag::ISSUER_OF_PATIENT_ID, tag::VIEW_POSITION, tag::LATERALITY, tag::IMAGE_LATERALITY,
    tag::SAMPLES_PER_PIXEL, tag::PHOTOMETRIC, tag::PLANAR, tag::FRAMES, tag::ROWS, tag::COLUMNS,
    tag::BITS_ALLOCATED, tag::BITS_STORED, tag::HIGH_BIT, tag::PIXEL_REPRESENTATION,
    tag::PADDING, tag::PADDING_LIMIT, tag::WINDOW_CENTER, tag::WINDOW_WIDTH, tag::INTERCEPT,
    tag::SLOPE, tag::VOI_FUNCTION,
    tag::PALETTE_DESCRIPTORS[0], tag::PALETTE_DESCRIPTORS[1], tag::PALETTE_DESCRIPTORS[2],
    tag::PALETTES[0], tag::PALETTES[1], tag::PALETTES[2],
    tag::MODALITY_LUTS, tag::VOI_LUTS, tag::VIEW_CODES, tag::LUT_SHAPE, tag::PIXELS,
    tag::PIXELS_ELSEWHERE, tag::FLOAT_PIXELS, tag::DOUBLE_PIXELS,
];

/// Returns `true` if the element is kept.
fn is_wanted(tag: Tag) -> bool {
    WANTED.contains(&tag) || is_overlay_bit(tag)
}

fn is_overlay_bit(tag: Tag) -> bool {
    tag & 0xffe1_ffff == tag::OVERLAY_BIT_POSITION
}

/// Tags of [`WANTED`] whose elements hold items.
const SEQUENCES: [Tag; 3] = [tag::MODALITY_LUTS, tag::VOI_LUTS, tag::VIEW_CODES];

#[derive(Clone, Copy)]
struct Value<'a> {
    bytes: &'a [u8],
    encoding: Encoding,
    vr: [u8; 2],
    /// True if the length was undefined: the value consists of items.
    items: bool,
}

/// Wanted elements of a file header or data set.
#[derive(Default)]
pub struct Elements<'a> {
    values: BTreeMap<Tag, Value<'a>>,
    /// Number of elements read, wanted or not.
    read: usize,
    /// True if the tag of the last element is 0.
    ends_in_zeros: bool,
}

impl<'a> Elements<'a> {
    /// Reads the file header (group 2). Returns it and the bytes of the data set.
    pub fn header(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        let mut reader = Reader::new(bytes, Encoding::EXPLICIT);
        let mut elements = Self::default();
        while reader.bytes[reader.at..].starts_with(&[2, 0]) {
            let header = reader.header()?;
            elements.keep(&mut reader, &header)?;
        }
        Ok((elements, &bytes[reader.at..]))
    }

    /// Reads a data set up to the pixels.
    pub fn data_set(bytes: &'a [u8], encoding: Encoding) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, encoding);
        let mut elements = Self::default();
        while !reader.is_done() {
            let header = reader.header()?;
            elements.keep(&mut reader, &header)?;
            elements.ends_in_zeros = header.tag == 0;
            if header.tag == tag::PIXELS {
                break;
            }
        }
        Ok(elements)
    }

    /// Returns `true` if no element was read, wanted or not.
    pub fn is_empty(&self) -> bool {
        self.read == 0
    }

    /// Returns `true` if the data set ends in zeros, as in a partly copied file.
    pub fn ends_in_zeros(&self) -> bool {
        self.ends_in_zeros
    }

    /// Keeps the first element of each wanted tag.
    fn keep(&mut self, reader: &mut Reader<'a>, header: &Header) -> Result<(), DecodeError> {
        let bytes = reader.value(header)?;
        self.read += 1;
        let items = header.length.is_none();
        let may_hold_items = SEQUENCES.contains(&header.tag) || header.tag == tag::PIXELS;
        if is_wanted(header.tag) && (may_hold_items || !items) {
            let vr = header.vr;
            let encoding = if vr == *b"UN" { Encoding::IMPLICIT } else { reader.encoding };
            let value = Value { bytes, encoding, vr, items };
            self.values.entry(header.tag).or_insert(value);
        }
        Ok(())
    }

    /// Returns the elements of the first item of a sequence, without nested elements.
    pub fn item(&self, sequence: Tag) -> Result<Option<Elements<'a>>, DecodeError> {
        let Some(&Value { bytes, encoding, .. }) = self.values.get(&sequence) else {
            return Ok(None);
        };
        let mut reader = Reader::new(bytes, encoding);
        if reader.is_done() {
            return Ok(None);
        }
        let item = reader.header()?;
        if item.tag != tag::ITEM {
            return Err(damaged("a sequence does not begin with an item"));
        }
        let bytes = match item.length {
            Some(length) => reader.take(length)?,
            None => reader.items([0; 2])?,
        };
        let mut reader = Reader::new(bytes, encoding);
        let mut elements = Self::default();
        while !reader.is_done() {
            let header = reader.header()?;
            let bytes = reader.value(&header)?;
            if matches!(header.tag, tag::LUT_DESCRIPTOR | tag::LUT_DATA | tag::CODE_MEANING) {
                let value = Value { bytes, encoding, vr: header.vr, items: false };
                elements.values.entry(header.tag).or_insert(value);
            }
        }
        Ok(Some(elements))
    }

    /// Bytes of a value.
    pub fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        self.values.get(&tag).map(|value| value.bytes)
    }

    /// Iterator over the 16-bit numbers of a value.
    pub fn words(&self, tag: Tag) -> impl Iterator<Item = u16> + use<'a> {
        let value = self.values.get(&tag).copied();
        let pairs = value.into_iter().flat_map(|v| v.bytes.chunks_exact(2).map(move |p| (v, p)));
        pairs.map(|(value, pair)| value.encoding.u16([pair[0], pair[1]]))
    }

    /// First 16-bit number of a value.
    pub fn word(&self, tag: Tag) -> Option<u16> {
        self.words(tag).next()
    }

    /// Mask of the bits of a cell that hold overlays (PS3.3 C.9.2, retired).
    pub fn overlay_bits(&self) -> u16 {
        let positions = self.values.keys().filter(|tag| is_overlay_bit(**tag));
        let positions = positions.filter_map(|tag| self.word(*tag));
        // Position 0: the overlay has an element of its own.
        positions.filter(|at| (1..16).contains(at)).fold(0, |mask, at| mask | 1 << at)
    }

    /// First number of a decimal string, if finite.
    pub fn decimal(&self, tag: Tag) -> Option<f64> {
        self.decimals(tag).next().flatten()
    }

    /// Numbers of a decimal string; `None` for entries that are not finite numbers.
    pub fn decimals(&self, tag: Tag) -> impl Iterator<Item = Option<f64>> {
        const PADDING: [char; 2] = [' ', '\0'];
        let parse = |text: &str| text.trim_matches(PADDING).parse().ok();
        let numbers = self.text(tag).split('\\').map(parse).collect::<Vec<Option<f64>>>();
        numbers.into_iter().map(|number| number.filter(|number| number.is_finite()))
    }

    /// Returns `true` if the value representation is a signed number (`SS`).
    pub fn is_signed(&self, tag: Tag) -> bool {
        self.values.get(&tag).is_some_and(|value| value.vr == *b"SS")
    }

    /// Bytes of a value of 8-bit numbers. Big-endian words (`OW`) hold them in swapped pairs.
    pub fn octets(&self, tag: Tag) -> Option<Cow<'a, [u8]>> {
        let value = self.values.get(&tag)?;
        let mut bytes = Cow::Borrowed(value.bytes);
        if value.encoding.big && value.vr == *b"OW" {
            bytes.to_mut().chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        }
        Some(bytes)
    }

    /// Text of a value without padding; empty if there is none. At most its first 256 bytes: no
    /// wanted text is longer. Invalid UTF-8 is read as Latin-1, which is enough for comparisons.
    pub fn text(&self, tag: Tag) -> String {
        const PADDING: [char; 2] = [' ', '\0'];
        let bytes = self.bytes(tag).unwrap_or_default();
        let bytes = &bytes[..bytes.len().min(256)];
        match str::from_utf8(bytes) {
            Ok(text) => text.trim_matches(PADDING).to_owned(),
            Err(_) => {
                let text: String = bytes.iter().copied().map(char::from).collect();
                text.trim_matches(PADDING).to_owned()
            }
        }
    }

    /// Returns `true` if the pixels are in fragments, or begin like fragments.
    pub fn is_fragmented(&self) -> bool {
        let value = self.values.get(&tag::PIXELS);
        value.is_some_and(|value| value.items || value.bytes.starts_with(&ITEM_START))
    }

    /// Returns the fragments of the pixels, without the offset table and empty fragments; `None` if
    /// the pixels are one value.
    pub fn fragments(&self) -> Result<Option<Vec<&'a [u8]>>, DecodeError> {
        let value = self.values.get(&tag::PIXELS).ok_or_else(truncated)?;
        if value.items {
            return split_fragments(value).map(Some);
        }
        // Some writers state the length of all items together.
        let items = self.is_fragmented().then(|| split_fragments(value));
        Ok(items.and_then(Result::ok))
    }
}

/// Tag of an item, little-endian.
const ITEM_START: [u8; 4] = [0xfe, 0xff, 0x00, 0xe0];

/// Returns the items of a value, without the offset table and empty items.
fn split_fragments<'a>(value: &Value<'a>) -> Result<Vec<&'a [u8]>, DecodeError> {
    let mut reader = Reader::new(value.bytes, value.encoding);
    let mut fragments = Vec::new();
    let mut is_first = true;
    while !reader.is_done() {
        let header = reader.header()?;
        if header.tag == tag::SEQUENCE_END {
            break;
        }
        let length = header.length.filter(|_| header.tag == tag::ITEM);
        let fragment = reader.take(length.ok_or_else(|| damaged("a fragment is not an item"))?)?;
        // Some writers omit the offset table.
        let is_table = is_first && Packing::of_codestream(fragment).is_none();
        is_first = false;
        if !is_table && !fragment.is_empty() {
            fragments.push(fragment);
        }
    }
    Ok(fragments)
}
