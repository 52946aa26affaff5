//! Writes small DICOM files by hand, for the tests of the library and of the programs.
#![allow(dead_code, reason = "not every helper is used by every test")]

use std::collections::BTreeMap;

/// The elements of a file in explicit little endian, by tag.
#[derive(Clone)]
pub struct Part10 {
    pub syntax: &'static str,
    pub class: &'static str,
    elements: BTreeMap<u32, Vec<u8>>,
}

/// A chest image of 16 x 24 pixels in 12 bits, a ramp from 0 to 4095.
pub fn image() -> Part10 {
    let ramp = (0..16u32 * 24).map(|i| (i * 4095 / (16 * 24 - 1)) as u16);
    let pixels: Vec<u8> = ramp.flat_map(u16::to_le_bytes).collect();
    Part10::new("1.2.840.10008.5.1.4.1.1.1.1")
        .text(0x0008_0060, "CS", "DX")
        .word(0x0028_0002, 1)
        .text(0x0028_0004, "CS", "MONOCHROME2")
        .word(0x0028_0010, 16)
        .word(0x0028_0011, 24)
        .word(0x0028_0100, 16)
        .word(0x0028_0101, 12)
        .word(0x0028_0102, 11)
        .word(0x0028_0103, 0)
        .bytes(0x7fe0_0010, "OW", &pixels)
}

impl Part10 {
    pub fn new(class: &'static str) -> Self {
        Self { syntax: "1.2.840.10008.1.2.1", class, elements: BTreeMap::new() }
    }

    pub fn packed(self, syntax: &'static str) -> Self {
        Self { syntax, ..self }
    }

    /// An element with a value of this kind.
    pub fn bytes(mut self, tag: u32, vr: &str, value: &[u8]) -> Self {
        self.elements.insert(tag, element(tag, vr, value));
        self
    }

    pub fn text(self, tag: u32, vr: &str, value: &str) -> Self {
        self.bytes(tag, vr, value.as_bytes())
    }

    pub fn word(self, tag: u32, value: u16) -> Self {
        self.bytes(tag, "US", &value.to_le_bytes())
    }

    /// The bytes of an element as they stand.
    pub fn raw(mut self, tag: u32, bytes: Vec<u8>) -> Self {
        self.elements.insert(tag, bytes);
        self
    }

    pub fn without(mut self, tag: u32) -> Self {
        self.elements.remove(&tag);
        self
    }

    pub fn data_set(&self) -> Vec<u8> {
        self.elements.values().flatten().copied().collect()
    }

    pub fn header(&self) -> Vec<u8> {
        let meta = [
            element(0x0002_0002, "UI", self.class.as_bytes()),
            element(0x0002_0010, "UI", self.syntax.as_bytes()),
        ]
        .concat();
        let length = element(0x0002_0000, "UL", &(meta.len() as u32).to_le_bytes());
        [&[0; 128], &b"DICM"[..], &length, &meta].concat()
    }

    pub fn file(&self) -> Vec<u8> {
        [self.header(), self.data_set()].concat()
    }
}

/// An element in explicit little endian, padded to an even length.
pub fn element(tag: u32, vr: &str, value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == "UI" { 0 } else { b' ' });
    }
    let mut bytes = start(tag, vr);
    if matches!(vr, "OB" | "OW" | "SQ" | "UN" | "UT") {
        bytes.extend([0, 0]);
        bytes.extend((value.len() as u32).to_le_bytes());
    } else {
        bytes.extend((value.len() as u16).to_le_bytes());
    }
    [bytes, value].concat()
}

/// An element of undefined length that holds `items`.
pub fn sequence(tag: u32, vr: &str, items: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = start(tag, vr);
    bytes.extend([0, 0, 0xff, 0xff, 0xff, 0xff]);
    for item in items {
        bytes.extend(start(0xfffe_e000, ""));
        bytes.extend((item.len() as u32).to_le_bytes());
        bytes.extend(item);
    }
    bytes.extend(start(0xfffe_e0dd, ""));
    bytes.extend([0; 4]);
    bytes
}

fn start(tag: u32, vr: &str) -> Vec<u8> {
    let (group, number) = ((tag >> 16) as u16, tag as u16);
    [&group.to_le_bytes(), &number.to_le_bytes(), vr.as_bytes()].concat()
}
