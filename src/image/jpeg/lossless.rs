//! Decoder of lossless JPEG (ITU-T T.81, annex H: process 14), Huffman-coded.
//!
//! Predictors 1 to 7, restart intervals, point transforms, 2 to 16 bits, 1 or 3 components, in one
//! scan or one scan each. Several components must have sampling factors of 1, as in all medical
//! files.

use super::huffman::{Bits, Fault, Table};
use super::stream::{Frame, Scan, Stream, damaged};
use crate::image::{DecodeError, MAX_PIXELS};

/// Code of the frame marker (SOF3).
pub const FRAME: u8 = 0xc3;

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lossless {
    pub width: usize,
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
    /// Bits per sample, 2 to 16.
    pub bits: u32,
    /// Samples `[height, width, channels]` after undoing the point transform.
    pub samples: Vec<u16>,
    /// True if three components are luminance and chroma (YCbCr) according to the Adobe segment.
    pub ycc: bool,
    /// Notes on the file, as in [`crate::image::Image::notes`].
    pub notes: Vec<String>,
}

impl Lossless {
    /// Converts luminance and chroma to red, green and blue.
    pub fn convert_to_rgb(&mut self) {
        super::colour::of_ycc(&mut self.samples, self.bits);
    }
}

/// Returns `true` if the first frame header of the file is that of a lossless JPEG.
pub fn is_lossless(bytes: &[u8]) -> bool {
    let mut stream = Stream::new(bytes);
    let _ = stream.next_scan();
    stream.frame.is_some_and(|frame| frame.code == FRAME)
}

/// Returns width, height and number of components of the frame header.
///
/// # Errors
/// As [`decode`].
pub fn size(bytes: &[u8]) -> Result<(u32, u32, u64), DecodeError> {
    let mut stream = Stream::new(bytes);
    stream.next_scan()?;
    let frame = stream.frame.ok_or_else(|| Fault::Missing.error())?;
    check(&frame)?;
    Ok((frame.width as u32, frame.height as u32, frame.components.len() as u64))
}

/// Decodes a lossless JPEG exactly. Needs two bytes of memory per sample.
///
/// # Errors
/// [`DecodeError::Truncated`] if samples are missing, [`DecodeError::Contradictory`] for damaged
/// data or samples of more bits than the frame header states, [`DecodeError::TooLarge`] and
/// [`DecodeError::Unsupported`] as for any JPEG.
pub fn decode(bytes: &[u8]) -> Result<Lossless, DecodeError> {
    let mut stream = Stream::new(bytes);
    let mut scan = stream.next_scan()?.ok_or_else(|| Fault::Missing.error())?;
    let frame = stream.frame.clone().ok_or_else(|| Fault::Missing.error())?;
    check(&frame)?;
    let channels = frame.components.len();
    let size = frame.width * frame.height * channels;
    // A sample takes one bit at least.
    if 8 * bytes.len() < size {
        return Err(Fault::Missing.error());
    }
    stream.bytes = super::without_padding(bytes, scan.data);
    let mut samples = vec![0; size];
    let mut seen = vec![false; channels];
    let mut notes = Vec::new();
    loop {
        for (index, ..) in &scan.components {
            if std::mem::replace(&mut seen[*index], true) {
                return Err(damaged("it has two scans of the same component"));
            }
        }
        let mut bits = Bits::new(stream.bytes, scan.data);
        read(&stream, &frame, &scan, &mut bits, &mut samples)?;
        let unread = stream.skip_data(&bits);
        if seen.iter().all(|seen| *seen) {
            // The end-of-image marker follows, or is missing.
            let _ = stream.next_scan();
            notes.extend(super::end_notes(stream.ended, unread));
            if stream.ended {
                notes.extend(super::trailer_note(bytes, stream.at));
            }
            break;
        }
        scan = stream.next_scan()?.ok_or_else(|| Fault::Missing.error())?;
    }
    let ycc = channels == 3 && stream.adobe == Some(1);
    let Frame { width, height, precision: bits, .. } = frame;
    Ok(Lossless { width, height, channels, bits, samples, ycc, notes })
}

fn check(frame: &Frame) -> Result<(), DecodeError> {
    let unsupported = |what: &str| {
        let what = what.to_owned();
        Err(DecodeError::Unsupported { format: "lossless JPEG", what })
    };
    let (width, height) = (frame.width, frame.height);
    if (width * height) as u64 > MAX_PIXELS {
        let [width, height] = [width, height].map(|n| n as u32);
        return Err(DecodeError::TooLarge { width, height, limit: MAX_PIXELS });
    }
    if frame.code != FRAME {
        return Err(damaged("its frame is not that of a lossless JPEG"));
    }
    if width == 0 {
        return unsupported("the image has no pixels");
    }
    if !(2..=16).contains(&frame.precision) {
        return Err(damaged("its samples have fewer than 2 or more than 16 bits"));
    }
    if !matches!(frame.components.len(), 1 | 3) {
        return unsupported("a number of components other than 1 or 3");
    }
    let is_subsampled = frame.components.iter().any(|c| (c.h, c.v) != (1, 1));
    if frame.components.len() > 1 && is_subsampled {
        return unsupported("components of different resolution");
    }
    Ok(())
}

/// Reads the samples of one scan.
fn read(
    stream: &Stream<'_>,
    frame: &Frame,
    scan: &Scan,
    bits: &mut Bits<'_>,
    samples: &mut [u16],
) -> Result<(), DecodeError> {
    let (width, channels) = (frame.width, frame.components.len());
    if !(1..=7).contains(&scan.start) || scan.low >= frame.precision {
        return Err(damaged("its predictor or its point transform is invalid"));
    }
    // A restart resets the prediction to that of a first row, so it begins a row (H.1.1).
    if !stream.interval.is_multiple_of(width) {
        return Err(damaged("its restart intervals end within a row"));
    }
    let mut tables: Vec<(usize, &Table)> = Vec::new();
    for (index, dc, _) in &scan.components {
        let table = stream.dc.get(*dc).and_then(Option::as_ref);
        tables.push((*index, table.ok_or_else(|| damaged("it lacks a Huffman table"))?));
    }
    let rows_between_restarts = stream.interval / width;
    let precision = frame.precision - scan.low;
    let limit = 1 << precision;
    let start = 1 << (precision - 1);
    let stride = width * channels;
    let mut rows_since_restart = 0;
    let mut restarts = 0_u8;
    for row in 0..frame.height {
        if rows_between_restarts > 0 && rows_since_restart == rows_between_restarts {
            bits.restart(restarts % 8).map_err(Fault::error)?;
            restarts = restarts.wrapping_add(1);
            rows_since_restart = 0;
        }
        let (above, this) = samples.split_at_mut(row * stride);
        let above = &above[above.len().saturating_sub(stride)..];
        for column in 0..width {
            for &(channel, table) in &tables {
                let at = column * channels + channel;
                let shifted = |sample: u16| i32::from(sample >> scan.low);
                let left = |row: &[u16]| shifted(row[at - channels]);
                let predicted = match (rows_since_restart, column) {
                    (0, 0) => start,
                    (0, _) => left(this),
                    (_, 0) => shifted(above[at]),
                    _ => predict(scan.start, left(this), shifted(above[at]), left(above)),
                };
                // Differences are modulo 2^16 (H.1.2.2).
                let difference = difference(bits, table).map_err(Fault::error)?;
                let sample = (predicted + difference) & 0xffff;
                if sample >= limit {
                    return Err(damaged("it has samples of more bits than its header states"));
                }
                this[at] = (sample as u16) << scan.low;
            }
        }
        rows_since_restart += 1;
    }
    Ok(())
}

/// Predictors of table H.1: `a` is the sample to the left, `b` above, `c` above left.
fn predict(predictor: usize, a: i32, b: i32, c: i32) -> i32 {
    match predictor {
        1 => a,
        2 => b,
        3 => c,
        4 => a + b - c,
        5 => a + ((b - c) >> 1),
        6 => b + ((a - c) >> 1),
        _ => (a + b) >> 1,
    }
}

/// Reads the next difference (tables H.2 and F.12).
fn difference(bits: &mut Bits<'_>, table: &Table) -> Result<i32, Fault> {
    match bits.symbol(table)? {
        0 => Ok(0),
        category @ 1..=15 => {
            let value = bits.bits(category.into())? as i32;
            let is_positive = value >> (category - 1) == 1;
            Ok(if is_positive { value } else { value - (1 << category) + 1 })
        }
        16 => Ok(1 << 15),
        _ => Err(Fault::Invalid),
    }
}
