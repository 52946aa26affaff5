//! The stored values of a film, out of whatever they are packed in.

use std::borrow::Cow;

use ::jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

use super::elements::{Elements, Encoding, tag};
use super::{damaged, jpeg2000, truncated, unsupported};
use crate::image::jpeg::JPEG_LS_FRAME;
use crate::image::{DecodeError, jpeg};

/// How the pixels of a film are packed: its transfer syntax (PS3.5, annex A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Native(Encoding),
    /// The whole data set is compressed, its pixels are not.
    Deflated,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
}

impl Packing {
    /// By the transfer syntax's UID.
    pub fn of(uid: &str) -> Result<Self, DecodeError> {
        let Some(number) = uid.strip_prefix("1.2.840.10008.1.2") else {
            return Err(unsupported("a private transfer syntax"));
        };
        Ok(match number {
            "" => Self::Native(Encoding::IMPLICIT),
            ".1" => Self::Native(Encoding::EXPLICIT),
            ".2" => Self::Native(Encoding::BIG),
            ".1.99" => Self::Deflated,
            ".5" => Self::Rle,
            ".4.50" | ".4.51" | ".4.57" | ".4.70" => Self::Jpeg,
            ".4.80" | ".4.81" => Self::JpegLs,
            ".4.90" | ".4.91" => Self::Jpeg2000,
            ".4.110" | ".4.111" | ".4.112" => return Err(unsupported("JPEG XL")),
            ".4.201" | ".4.202" | ".4.203" => return Err(unsupported("high-throughput JPEG 2000")),
            video if video.starts_with(".4.10") => return Err(unsupported("a video")),
            _ => return Err(unsupported("its transfer syntax")),
        })
    }

    /// By the first bytes of what is packed: a codestream of JPEG, JPEG-LS or JPEG 2000, or
    /// the header of RLE. `None` for anything else.
    pub fn of_codestream(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            [0xff, 0xd8, 0xff, ..] => match frame(bytes) {
                Some((JPEG_LS_FRAME, _)) => Self::JpegLs,
                _ => Self::Jpeg,
            },
            [0xff, 0x4f, 0xff, 0x51, ..] | [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] => {
                Self::Jpeg2000
            }
            // So many segments, the first of them behind the header of 64 bytes.
            [1..=15, 0, 0, 0, 64, 0, 0, 0, ..] => Self::Rle,
            _ => return None,
        })
    }

    /// How the pixels of `data` are packed: as the transfer syntax says, if there is one and
    /// it does not contradict them. `encoding` is that of the data set, and uncompressed
    /// pixels have `length` bytes.
    ///
    /// # Errors
    /// If the pixels contradict the transfer syntax and nothing tells what they are.
    pub fn find(
        said: Option<Self>,
        data: &Elements,
        encoding: Encoding,
        length: usize,
        notes: &mut Vec<String>,
    ) -> Result<Self, DecodeError> {
        let is_compressed = |packing: &Self| !matches!(packing, Self::Native(_) | Self::Deflated);
        let native = match said {
            Some(Self::Deflated) => Self::Deflated,
            _ => Self::Native(encoding),
        };
        let fragments = data.fragments()?;
        let whole = data.bytes(tag::PIXELS).unwrap_or_default();
        let (is_fragmented, fragments) = match fragments {
            Some(fragments) => (true, fragments),
            None => (false, vec![whole]),
        };
        let first = fragments.first().copied().unwrap_or_default();
        let seen = Self::of_codestream(first);
        let found = if is_fragmented {
            let expected = said.filter(is_compressed);
            seen.or(expected).ok_or_else(|| {
                unsupported(
                    "pixels in fragments whose transfer syntax and first bytes name no codec",
                )
            })?
        } else if said.is_some_and(|said| is_compressed(&said)) {
            match seen {
                Some(seen) => {
                    notes.push("the compressed pixels are not in fragments".to_owned());
                    seen
                }
                None if first.len() == length.next_multiple_of(2) => native,
                None => {
                    return Err(damaged(
                        "its transfer syntax says compressed, its pixels are neither that nor as \
                         long as uncompressed ones",
                    ));
                }
            }
        } else {
            // Uncompressed pixels may begin with any bytes, so only short ones are looked at.
            seen.filter(|_| first.len() < length).unwrap_or(native)
        };
        match said {
            Some(said) if said.name() != found.name() => notes.push(format!(
                "the transfer syntax says {}, the pixels are {}",
                said.name(),
                found.name()
            )),
            None if is_compressed(&found) => notes.push(format!(
                "there is no transfer syntax; by their first bytes the pixels are {}",
                found.name()
            )),
            _ => {}
        }
        if fragments
            .iter()
            .skip(1)
            .any(|f| is_compressed(&found) && Self::of_codestream(f) == Some(found))
        {
            notes.push("several fragments begin a picture; the first picture is used".to_owned());
        }
        Ok(found)
    }

    /// As messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native(_) | Self::Deflated => "uncompressed",
            Self::Rle => "RLE",
            Self::Jpeg => "JPEG",
            Self::JpegLs => "JPEG-LS",
            Self::Jpeg2000 => "JPEG 2000",
        }
    }

    /// Bytes that decoding takes for each value, measured: it is kept in 16 bits and ends
    /// in 8, and decoders have more of it at once.
    pub fn cost(self) -> u64 {
        match self {
            Self::Native(_) | Self::Rle | Self::JpegLs => 4,
            Self::Deflated => 5,
            Self::Jpeg => 6,
            Self::Jpeg2000 => 15,
        }
    }

    /// How the elements of the data set are written.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Native(encoding) => encoding,
            _ => Encoding::EXPLICIT,
        }
    }
}

/// The marker of the first frame of a JPEG or JPEG-LS, and the bits of its samples.
fn frame(bytes: &[u8]) -> Option<(u8, u32)> {
    let mut at = 2;
    loop {
        match *bytes.get(at..at + 5)? {
            [0xff, 0xff, ..] => at += 1,
            [
                0xff,
                marker @ (0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | JPEG_LS_FRAME),
                _,
                _,
                bits,
            ] => {
                return Some((marker, bits.into()));
            }
            [0xff, _, high, low, _] => at += 2 + usize::from(u16::from_be_bytes([high, low])),
            _ => return None,
        }
    }
}

/// Which values a film has, by its header.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub rows: usize,
    pub columns: usize,
    /// 1 or 3.
    pub channels: usize,
    /// 8 or 16.
    pub allocated: u32,
    pub stored: u32,
    /// The lowest bit in use.
    pub low: u32,
    pub signed: bool,
    /// Channel after channel, not pixel after pixel.
    pub planar: bool,
    /// Of `photometric`, whether chroma is stored for every second pixel only.
    pub halved: bool,
    /// Colours are red, green and blue as they stand.
    pub rgb: bool,
}

impl Layout {
    fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    fn cells(&self) -> usize {
        self.pixels() * self.channels
    }

    /// Values that are stored where nothing is compressed.
    pub fn stored_values(&self) -> usize {
        match self.halved {
            true => self.rows * self.columns.div_ceil(2) * 4,
            false => self.cells(),
        }
    }

    /// Takes chroma to be stored for every pixel, or for every second one, as the header does
    /// not say, if only that fits the `length` of uncompressed pixels.
    pub fn fit_chroma(&mut self, length: usize, notes: &mut Vec<String>) {
        let other = Self { halved: !self.halved, ..*self };
        let fits = |layout: &Self| layout.bytes().next_multiple_of(2) == length;
        if self.channels == 3 && !self.rgb && !fits(self) && fits(&other) {
            let which = if other.halved { "every second pixel" } else { "every pixel" };
            notes.push(format!("by the length of PixelData, {which} has chroma of its own"));
            *self = other;
        }
    }

    /// Bytes of uncompressed pixels, without the one that makes their number even.
    pub fn bytes(&self) -> usize {
        self.stored_values() * self.allocated as usize / 8
    }
}

/// Stored values, pixel after pixel.
pub struct Samples {
    /// As they are stored: see [`Self::value`].
    pub cells: Vec<u16>,
    low: u32,
    bits: u32,
    pub signed: bool,
}

impl Samples {
    /// The number that a cell holds.
    pub fn value(&self, cell: u16) -> i32 {
        let value = i32::from(cell >> self.low) & ((1 << self.bits) - 1);
        let negative = self.signed && value >> (self.bits - 1) == 1;
        if negative { value - (1 << self.bits) } else { value }
    }

    /// Unpacks the pixels of `data`; doubts go into `notes`.
    pub fn read(
        data: &Elements,
        packing: Packing,
        layout: Layout,
        notes: &mut Vec<String>,
    ) -> Result<Self, DecodeError> {
        let joined = || -> Result<Cow<[u8]>, DecodeError> {
            let fragments = data.fragments()?;
            let whole = data.bytes(tag::PIXELS).unwrap_or_default();
            Ok(match fragments.as_deref() {
                None => Cow::Borrowed(whole),
                Some([one]) => Cow::Borrowed(*one),
                Some(several) => Cow::Owned(several.concat()),
            })
        };
        let (cells, precision) = match packing {
            Packing::Native(_) | Packing::Deflated => {
                (native(data, layout, notes)?, layout.allocated)
            }
            Packing::Rle => (rle(&joined()?, layout)?, layout.allocated),
            Packing::Jpeg => jpeg(&joined()?, layout, notes)?,
            Packing::JpegLs => jpeg_ls(&joined()?, layout)?,
            Packing::Jpeg2000 => jpeg2000::decode(&joined()?, layout)?,
        };
        let samples = Self::of_cells(cells, precision, layout, data.overlay_bits(), notes);
        if !matches!(packing, Packing::Jpeg | Packing::JpegLs | Packing::Jpeg2000)
            && samples.looks_exchanged(layout)
        {
            notes.push(
                "neighbours differ less with rows and columns exchanged; they are kept as the \
                 header says"
                    .to_owned(),
            );
        }
        Ok(samples)
    }

    /// Finds where in its cell a value stands. Cells of `precision` bits, as wide as the high
    /// bit says or wider, may hold other things around the value, such as an overlay (PS3.5,
    /// 8.1.1); in narrower ones, which codecs give, it fills the cell. Bits above the value
    /// that are neither `overlays` nor its sign are noted: they may belong to values that are
    /// larger than the header says.
    fn of_cells(
        cells: Vec<u16>,
        precision: u32,
        layout: Layout,
        overlays: u16,
        notes: &mut Vec<String>,
    ) -> Self {
        let Layout { low, stored, signed, .. } = layout;
        let (mut low, bits) = match precision >= low + stored {
            true => (low, stored),
            false => (0, stored.min(precision)),
        };
        let used = cells.iter().fold(0, |used, cell| used | cell);
        let below = (1 << low) - 1;
        if used & below != 0 && u32::from(used) >> stored == 0 {
            notes.push("the high bit is wrong: the values stand in the lower bits".to_owned());
            low = 0;
        }
        let mask = |bits: u32| ((1_u32 << bits) - 1) as u16;
        let known = mask(precision) & !overlays;
        let value_bits = mask(low + bits) & known;
        let is_larger = |cell: &&u16| {
            let is_negative = signed && **cell >> (low + bits - 1) & 1 == 1;
            let used = (**cell & known) | value_bits;
            used != value_bits && !(is_negative && used == known)
        };
        let larger = cells.iter().filter(is_larger).count();
        if larger > 0 {
            notes.push(format!(
                "{larger} of {} pixels have values of more than the {bits} bits stored by the \
                 header: the bits above are ignored",
                cells.len() / layout.channels
            ));
        }
        Self { cells, low, bits, signed }
    }

    /// Whether a grey image is much smoother from row to row if its rows have as many pixels
    /// as the header says that it has rows.
    fn looks_exchanged(&self, layout: Layout) -> bool {
        let Layout { rows, columns, channels, .. } = layout;
        if channels != 1 || rows == columns || rows.min(columns) < 2 {
            return false;
        }
        let difference = |width: usize| {
            let pairs = self.cells.iter().zip(&self.cells[width..]);
            let sum: u64 =
                pairs.map(|(a, b)| u64::from(self.value(*a).abs_diff(self.value(*b)))).sum();
            sum as f64 / (self.cells.len() - width) as f64
        };
        EXCHANGED * difference(rows) < difference(columns)
    }
}

/// How many times the mean difference from row to row must fall for rows and columns to be
/// taken for exchanged. In 365 chest radiographs that are not square it is 1.3 to 20 times
/// larger when they are exchanged, never smaller.
const EXCHANGED: f64 = 2.0;

fn native(
    data: &Elements,
    layout: Layout,
    notes: &mut Vec<String>,
) -> Result<Vec<u16>, DecodeError> {
    let bytes = data.octets(tag::PIXELS).ok_or_else(truncated)?;
    let needed = layout.bytes();
    if bytes.len() < needed {
        return Err(damaged("its PixelData is shorter than its rows, columns and bits need"));
    }
    if bytes.len() > needed.next_multiple_of(2) {
        notes.push(format!(
            "PixelData has {} bytes, its rows, columns and bits need {needed}",
            bytes.len()
        ));
    }
    let stored = layout.stored_values();
    if layout.allocated == 16 {
        return Ok(interleaved(data.words(tag::PIXELS).take(stored).collect(), layout));
    }
    let bytes = &bytes[..stored];
    if layout.halved {
        return Ok(doubled(bytes, layout));
    }
    Ok(interleaved(bytes.iter().map(|byte| u16::from(*byte)).collect(), layout))
}

/// Channel after channel to pixel after pixel, if need be.
fn interleaved(cells: Vec<u16>, layout: Layout) -> Vec<u16> {
    if !layout.planar || layout.channels == 1 {
        return cells;
    }
    let pixels = layout.pixels();
    (0..pixels).flat_map(|i| [i, i + pixels, i + 2 * pixels]).map(|i| cells[i]).collect()
}

/// Two luminances and the chroma of both (YBR_FULL_422) to three values a pixel.
fn doubled(bytes: &[u8], layout: Layout) -> Vec<u16> {
    let row = layout.columns.div_ceil(2) * 4;
    let pixel = |pair: &[u8], i: usize| [pair[i], pair[2], pair[3]].map(u16::from);
    let rows = bytes.chunks_exact(row).flat_map(|row| {
        let pixels = row.chunks_exact(4).flat_map(move |pair| [pixel(pair, 0), pixel(pair, 1)]);
        pixels.take(layout.columns)
    });
    rows.flatten().collect()
}

/// Run-length encoding: a segment for each byte of each channel, the most
/// significant byte first (PS3.5, annex G).
fn rle(bytes: &[u8], layout: Layout) -> Result<Vec<u16>, DecodeError> {
    let offset = |i: usize| {
        let four = bytes.get(4 * i..4 * i + 4).ok_or_else(truncated)?;
        Ok(u32::from_le_bytes([four[0], four[1], four[2], four[3]]) as usize)
    };
    let width = layout.allocated as usize / 8;
    let segments = offset(0)?;
    if segments != layout.channels * width {
        return Err(damaged("it has another number of RLE segments than its pixels need"));
    }
    let mut cells = vec![0; layout.cells()];
    for segment in 0..segments {
        let end = if segment + 1 < segments { offset(segment + 2)? } else { bytes.len() };
        let packed = bytes.get(offset(segment + 1)?..end).ok_or_else(truncated)?;
        let shift = 8 * (width - 1 - segment % width);
        let mut to = cells[segment / width..].iter_mut().step_by(layout.channels);
        let mut put = |byte: u8| {
            if let Some(cell) = to.next() {
                *cell |= u16::from(byte) << shift;
            }
        };
        let mut rest = packed;
        let mut left = layout.pixels();
        while left > 0 {
            let (&control, after) = rest.split_first().ok_or_else(truncated)?;
            let count;
            (count, rest) = match control {
                // As many bytes as they stand.
                0..=127 => {
                    let count = usize::from(control) + 1;
                    let (literal, after) = after.split_at_checked(count).ok_or_else(truncated)?;
                    literal.iter().copied().for_each(&mut put);
                    (count, after)
                }
                128 => (0, after),
                // One byte so many times.
                _ => {
                    let count = 257 - usize::from(control);
                    let (&byte, after) = after.split_first().ok_or_else(truncated)?;
                    (0..count).for_each(|_| put(byte));
                    (count, after)
                }
            };
            left = left.saturating_sub(count);
        }
    }
    Ok(cells)
}

/// Whether colours are red, green and blue by the segment that Adobe's programs and
/// libjpeg write for them; `None` without it.
fn adobe_rgb(bytes: &[u8]) -> Option<bool> {
    let at = bytes.windows(9).position(|w| w[..2] == [0xff, 0xee] && w[4..] == *b"Adobe")?;
    bytes.get(at + 15).map(|transform| *transform == 0)
}

/// The values of a JPEG and the bits that each has.
fn jpeg(
    bytes: &[u8],
    layout: Layout,
    notes: &mut Vec<String>,
) -> Result<(Vec<u16>, u32), DecodeError> {
    if jpeg::lossless::is_lossless(bytes) {
        return lossless(bytes, layout, notes);
    }
    let checked = jpeg::check(bytes)?;
    notes.extend(checked.notes.iter().cloned());
    let mut decoder = Decoder::new(&*checked.bytes);
    decoder.set_max_decoding_buffer_size(2 * layout.cells());
    let is_rgb = adobe_rgb(bytes).unwrap_or(layout.rgb);
    if layout.channels == 3 && is_rgb != layout.rgb {
        notes.push("the header and the JPEG name other colours; the JPEG is believed".to_owned());
    }
    let transform = if is_rgb { ColorTransform::RGB } else { ColorTransform::YCbCr };
    if layout.channels == 3 {
        decoder.set_color_transform(transform);
    }
    let failed = |error| match error {
        // The only one that real films meet is 12 bits in a lossy JPEG.
        ::jpeg_decoder::Error::Unsupported(_) => {
            unsupported("JPEG of 12 bits with loss; send it uncompressed or without loss")
        }
        _ => damaged("its JPEG picture cannot be decoded"),
    };
    decoder.read_info().map_err(failed)?;
    let info = decoder.info().ok_or_else(truncated)?;
    same_size(info.width.into(), info.height.into(), layout)?;
    let decoded = match (info.pixel_format, layout.channels) {
        (PixelFormat::L8, 1) | (PixelFormat::RGB24, 3) => {
            decoder.decode().map_err(failed)?.into_iter().map(u16::from).collect()
        }
        (PixelFormat::L16, 1) => {
            let bytes = decoder.decode().map_err(failed)?;
            bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
        }
        _ => Vec::new(),
    };
    let precision = frame(bytes).map_or(layout.allocated, |(_, bits)| bits);
    Ok((complete(decoded, layout)?, precision))
}

/// The values of a lossless JPEG and the bits that each has.
fn lossless(
    bytes: &[u8],
    layout: Layout,
    notes: &mut Vec<String>,
) -> Result<(Vec<u16>, u32), DecodeError> {
    let (width, height, _) = jpeg::lossless::size(bytes)?;
    same_size(width as usize, height as usize, layout)?;
    let mut image = jpeg::lossless::decode(bytes)?;
    if image.channels != layout.channels {
        return Err(damaged("its compressed picture has other channels than its header says"));
    }
    let is_rgb = adobe_rgb(bytes).unwrap_or(layout.rgb);
    if layout.channels == 3 && is_rgb != layout.rgb {
        notes.push("the header and the JPEG name other colours; the JPEG is believed".to_owned());
    }
    if layout.channels == 3 && !is_rgb {
        image.convert_to_rgb();
    }
    notes.append(&mut image.notes);
    Ok((complete(image.samples, layout)?, image.bits))
}

/// The values of a JPEG-LS picture and the bits that each has.
fn jpeg_ls(bytes: &[u8], layout: Layout) -> Result<(Vec<u16>, u32), DecodeError> {
    if layout.channels != 1 {
        return Err(unsupported("JPEG-LS in colour"));
    }
    let (columns, rows) = (layout.columns as u32, layout.rows as u32);
    let decoded = jpegls::decode(bytes, columns, rows);
    let (cells, ..) = decoded.map_err(|error| match error {
        jpegls::CodecError::Unsupported(_) => unsupported("a variant of JPEG-LS"),
        jpegls::CodecError::Truncated { .. } => truncated(),
        _ => damaged("its JPEG-LS picture cannot be decoded"),
    })?;
    let precision = frame(bytes).map_or(layout.allocated, |(_, bits)| bits);
    Ok((complete(cells, layout)?, precision))
}

/// Fails if a compressed picture is not of the size that the header says.
pub fn same_size(width: usize, height: usize, layout: Layout) -> Result<(), DecodeError> {
    if (width, height) == (layout.columns, layout.rows) {
        return Ok(());
    }
    Err(damaged("its compressed picture is of another size than its header says"))
}

fn complete(cells: Vec<u16>, layout: Layout) -> Result<Vec<u16>, DecodeError> {
    if cells.len() == layout.cells() {
        return Ok(cells);
    }
    Err(damaged("its compressed picture has other channels than its header says"))
}
