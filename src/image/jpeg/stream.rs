//! Reader of the marker segments of a JPEG, scan by scan (ITU-T T.81, annex B).

use super::huffman::{Bits, Fault, Table};
use crate::image::DecodeError;

/// Component of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    pub id: u8,
    /// Sampling factors.
    pub h: usize,
    pub v: usize,
}

/// Frame header.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Code of the marker, C0 to CF, which states the coding process.
    pub code: u8,
    /// Bits per sample.
    pub precision: u32,
    pub height: usize,
    pub width: usize,
    /// 1 to 4 components.
    pub components: Vec<Component>,
}

/// Header of a scan.
#[derive(Debug, Clone)]
pub struct Scan {
    /// For each component: its index in the frame, and the numbers of its Huffman tables,
    /// DC and AC, 0 to 3.
    pub components: Vec<(usize, usize, usize)>,
    /// First coefficient of the scan; the predictor in lossless JPEG.
    pub start: usize,
    /// Last coefficient.
    pub end: usize,
    /// Bit position of the previous scan of these coefficients, or 0.
    pub high: u32,
    /// Bit position of this scan; the point transform in lossless JPEG.
    pub low: u32,
    /// Position of the coded data.
    pub data: usize,
}

/// Reader of marker segments.
pub struct Stream<'a> {
    pub bytes: &'a [u8],
    /// Position from which the next segment is searched.
    pub at: usize,
    pub frame: Option<Frame>,
    /// Number of MCUs between restart markers; 0 for none.
    pub interval: usize,
    pub dc: [Option<Table>; 4],
    pub ac: [Option<Table>; 4],
    /// Colour transform of the Adobe segment.
    pub adobe: Option<u8>,
    /// True if the end-of-image marker was read.
    pub ended: bool,
}

const DAMAGED: &str = "a segment of its header is damaged";

impl<'a> Stream<'a> {
    /// Reader of bytes that begin with the start-of-image marker.
    pub fn new(bytes: &'a [u8]) -> Self {
        let none = || [None, None, None, None];
        let (frame, adobe) = (None, None);
        let ended = false;
        Self { bytes, at: 2, frame, interval: 0, dc: none(), ac: none(), adobe, ended }
    }

    /// Reads up to the next scan; `None` at the end of the image or the file.
    ///
    /// # Errors
    /// [`DecodeError::Contradictory`] for damaged segments, [`DecodeError::Unsupported`] for a
    /// height stated after the first scan.
    pub fn next_scan(&mut self) -> Result<Option<Scan>, DecodeError> {
        loop {
            let marker = |w: &[u8]| w[0] == 0xff && !matches!(w[1], 0 | 0xff);
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(start) = rest.windows(2).position(marker) else { return Ok(None) };
            let code = rest[start + 1];
            self.at += start + 2;
            match code {
                0xd9 => {
                    self.ended = true;
                    return Ok(None);
                }
                0x01 | 0xd0..=0xd8 => continue,
                _ => {}
            }
            let rest = &self.bytes[self.at..];
            let Some(length) = rest.first_chunk::<2>() else { return Ok(None) };
            let length = usize::from(u16::from_be_bytes(*length)).max(2);
            let Some(body) = rest.get(2..length) else { return Ok(None) };
            self.at += length;
            match code {
                0xc4 => self.tables(body).ok_or_else(|| damaged(DAMAGED))?,
                0xda => return self.scan(body).map(Some).ok_or_else(|| damaged(DAMAGED)),
                0xdd => {
                    let interval = body.first_chunk().ok_or_else(|| damaged(DAMAGED))?;
                    self.interval = u16::from_be_bytes(*interval).into();
                }
                0xee if body.starts_with(b"Adobe") => self.adobe = body.get(11).copied(),
                0xc0..=0xcf if !matches!(code, 0xc8 | 0xcc) => {
                    if self.frame.is_some() {
                        return Err(damaged("it has two frames"));
                    }
                    let frame = frame(code, body).ok_or_else(|| damaged(DAMAGED))?;
                    if frame.height == 0 {
                        let what = "a height stated after the pixels (DNL)".to_owned();
                        return Err(DecodeError::Unsupported { format: "JPEG", what });
                    }
                    self.frame = Some(frame);
                }
                _ => {}
            }
        }
    }

    fn tables(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((header, rest)) = body.split_first_chunk::<17>() {
            let (&id, counts) = header.split_first()?;
            let counts: &[u8; 16] = counts.try_into().ok()?;
            let total = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(total)?;
            let tables = if id >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(id & 15))? = Some(Table::new(counts, symbols)?);
            body = rest;
        }
        Some(())
    }

    fn scan(&self, body: &[u8]) -> Option<Scan> {
        let frame = self.frame.as_ref()?;
        let (&count, rest) = body.split_first()?;
        let (components, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let component = |pair: &[u8]| {
            let index = frame.components.iter().position(|c| c.id == pair[0])?;
            Some((index, usize::from(pair[1] >> 4), usize::from(pair[1] & 15)))
        };
        let components = components.chunks_exact(2).map(component).collect::<Option<Vec<_>>>()?;
        let &[start, end, approximation, ..] = rest else { return None };
        if components.is_empty() || components.len() > 4 {
            return None;
        }
        Some(Scan {
            components,
            start: start.into(),
            end: end.into(),
            high: (approximation >> 4).into(),
            low: (approximation & 15).into(),
            data: self.at,
        })
    }

    /// Moves after the data of a scan. Returns the number of unread bytes.
    pub fn skip_data(&mut self, bits: &Bits<'_>) -> usize {
        let end = bits.end();
        let is_marker = |w: &[u8]| w[0] == 0xff && !matches!(w[1], 0 | 0xff);
        let rest = &self.bytes[end..];
        let unread = rest.windows(2).position(is_marker).unwrap_or(rest.len());
        self.at = end + unread;
        unread
    }
}

fn frame(code: u8, body: &[u8]) -> Option<Frame> {
    let (&[precision, h1, h0, w1, w0, count], rest) = body.split_first_chunk::<6>()?;
    let components = rest.as_chunks::<3>().0.get(..usize::from(count))?;
    let component = |&[id, sampling, _]: &[u8; 3]| {
        let (h, v) = (usize::from(sampling >> 4), usize::from(sampling & 15));
        ((1..=4).contains(&h) && (1..=4).contains(&v)).then_some(Component { id, h, v })
    };
    let components = components.iter().map(component).collect::<Option<Vec<_>>>()?;
    (1..=4).contains(&components.len()).then_some(Frame {
        code,
        precision: precision.into(),
        height: u16::from_be_bytes([h1, h0]).into(),
        width: u16::from_be_bytes([w1, w0]).into(),
        components,
    })
}

/// Returns the error for a JPEG that contradicts itself.
pub fn damaged(what: &'static str) -> DecodeError {
    DecodeError::Contradictory { format: "JPEG", what }
}

impl Fault {
    /// Converts to a decoding error.
    pub fn error(self) -> DecodeError {
        match self {
            Self::Missing => DecodeError::Truncated { format: "JPEG" },
            Self::Invalid => damaged("the coded data of its pixels are damaged"),
        }
    }
}
