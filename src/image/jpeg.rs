//! What the decoder does not say of a JPEG: its components, and whether it is
//! all there; and what it does not guard against.

use super::{DecodeError, MAX_PIXELS};

/// What a JPEG is.
pub(super) struct Jpeg {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// By its number of components.
    pub mode: &'static str,
    /// Bytes that decoding takes for each pixel.
    pub cost: u64,
}

/// Walks the marker segments (ITU-T T.81, annex B) and looks for the end-of-image marker
/// after the first scan.
///
/// # Errors
///
/// [`DecodeError::Truncated`] if the file ends within its header, has fewer bits
/// than the picture has blocks of 8 x 8, or no end-of-image marker follows the
/// first scan. A decoder would fill what is missing with grey, and a model would
/// learn from it.
/// [`DecodeError::TooLarge`] for more than [`MAX_PIXELS`] pixels.
/// [`DecodeError::Unsupported`] for more than [`MAX_SCANS`] scans, or more than
/// [`MAX_SCANNED`] pixels in all of them, and for samplings that no encoder chooses:
/// the decoder panics on some.
pub(super) fn check(bytes: &[u8]) -> Result<Jpeg, DecodeError> {
    let truncated = DecodeError::Truncated { format: "JPEG" };
    let unsupported = |what| Err(DecodeError::Unsupported { format: "JPEG", what });
    let Some((frame, first_scan)) = scan(bytes) else { return Err(truncated) };
    let [height, width] = [frame.height, frame.width].map(u64::from);
    if height * width > MAX_PIXELS {
        let [width, height] = [width, height].map(|n| n as u32);
        return Err(DecodeError::TooLarge { width, height, limit: MAX_PIXELS });
    }
    let scanned = &bytes[first_scan..];
    let scans = 1 + scans(scanned);
    if scans > MAX_SCANS || height * width * scans as u64 > MAX_SCANNED {
        return unsupported(format!("{scans} scans of {width} x {height} pixels"));
    }
    // Whether the decoder keeps all coefficients until the last scan: the first holds not
    // all components.
    let in_scan = bytes.get(first_scan + 2).map_or(0, |n| usize::from(*n));
    let keeps_all = frame.progressive || in_scan != frame.samplings.len();
    // The shortest code of a block is one bit.
    let is_whole = 8 * scanned.len() as u64 >= height.div_ceil(8) * width.div_ceil(8);
    if !is_whole || !ends_after(bytes, first_scan) {
        return Err(truncated);
    }
    if !frame.is_sampled_as_usual(keeps_all) {
        return unsupported("its sampling of colours".to_owned());
    }
    let names_colours = |w: &[u8]| w[..2] == [0xff, APP_14] && w[4..] == *b"Adobe";
    if keeps_all && scanned.windows(9).any(names_colours) {
        return unsupported("colours that change between its scans".to_owned());
    }
    let (mode, components) = match frame.samplings.len() {
        1 => ("L", 1),
        3 => ("RGB", 3),
        4 => ("CMYK", 4),
        n => return unsupported(format!("{n} colours")),
    };
    // Measured.
    let cost = components * if keeps_all { 4 } else { 2 };
    let [width, height] = [frame.width, frame.height].map(u32::from);
    Ok(Jpeg { width, height, mode, cost })
}

/// The most scans of a picture; encoders write ten. Each takes a few bytes, and the
/// decoder goes over all pixels for it.
const MAX_SCANS: usize = 100;

/// The most pixels in all scans together: ten scans of the largest X-ray detectors.
const MAX_SCANNED: u64 = 1 << 28;

const START_OF_SCAN: u8 = 0xda;
const APP_0: u8 = 0xe0;
/// Adobe's, which says what colours the components are.
const APP_14: u8 = 0xee;
const END_OF_IMAGE: u8 = 0xd9;

/// What a frame header says.
#[derive(Clone, Copy)]
struct Frame<'a> {
    height: u16,
    width: u16,
    /// Three bytes for each component; the second is its sampling.
    samplings: &'a [[u8; 3]],
    progressive: bool,
}

impl Frame<'_> {
    /// Whether colours are sampled as the first component is, or by half or a quarter of
    /// that; where a scan holds one component of a picture that is not progressive, each
    /// as often as there are pixels.
    fn is_sampled_as_usual(&self, in_scans: bool) -> bool {
        let sampling = |component: &[u8; 3]| [component[1] >> 4, component[1] & 15];
        let Some([first_h, first_v]) = self.samplings.first().map(sampling) else { return true };
        let fits = |n: u8, first: u8| matches!(n, 1 | 2 | 4) && n <= first && first <= 4;
        self.samplings.iter().map(sampling).all(|[h, v]| {
            let alone = self.samplings.len() == 1;
            let simple = h == 1 && v == 1;
            let separate = in_scans && !self.progressive;
            simple || alone || (!separate && fits(h, first_h) && fits(v, first_v))
        })
    }
}

/// Starts of scans, but for the first.
fn scans(bytes: &[u8]) -> usize {
    bytes.windows(2).filter(|w| *w == [0xff, START_OF_SCAN]).count()
}

/// The frame, and where the first scan starts; none if the header ends before, or may be
/// read otherwise by a decoder.
fn scan(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let mut frame = Frame { height: 0, width: 0, samplings: &[], progressive: false };
    for (code, segment) in markers(bytes) {
        match code {
            START_OF_SCAN => return Some((frame, segment)),
            // Behind the frame it comes too late for the decoder, which panics.
            APP_14 if !frame.samplings.is_empty() => return None,
            // Of these the decoder skips a byte too many.
            APP_0 if bytes.get(segment..segment + 2) == Some(&[0, 6]) => return None,
            // A frame header (the other codes of the range are DHT, JPG, DAC).
            0xc0..=0xcf if !matches!(code, 0xc4 | 0xc8 | 0xcc) => {
                let (&[_, _, _, h1, h0, w1, w0, components], rest) =
                    bytes.get(segment..)?.split_first_chunk::<8>()?;
                let [height, width] = [[h1, h0], [w1, w0]].map(u16::from_be_bytes);
                let samplings = rest.as_chunks::<3>().0.get(..usize::from(components))?;
                // Of four codes in a row, the third is progressive.
                frame = Frame { height, width, samplings, progressive: code & 3 == 2 };
            }
            _ => {}
        }
    }
    None
}

/// The markers of segments before the first scan, and where their segments start; none
/// behind a marker that stands alone, which is not to be there, and which decoders take
/// for one with a segment.
fn markers(bytes: &[u8]) -> impl Iterator<Item = (u8, usize)> {
    let mut at = 2;
    std::iter::from_fn(move || {
        // A marker is FF and a code; both stray bytes and fill bytes may precede it.
        let is_marker = |w: &[u8]| w[0] == 0xff && !matches!(w[1], 0 | 0xff);
        at += bytes.get(at..)?.windows(2).position(is_marker)?;
        let code = bytes[at + 1];
        let segment = at + 2;
        // TEM, RST0 to RST7, SOI, EOI.
        if matches!(code, 0x01 | 0xd0..=END_OF_IMAGE) {
            return None;
        }
        let length = bytes.get(segment..)?.first_chunk::<2>()?;
        at = segment + usize::from(u16::from_be_bytes(*length)).max(2);
        Some((code, segment))
    })
}

/// Whether an end-of-image marker stands behind `start`. In a scan FF is always
/// followed by 0 or a marker, so no other bytes look like one.
fn ends_after(bytes: &[u8], start: usize) -> bool {
    bytes[start..].windows(2).rev().any(|w| w == [0xff, END_OF_IMAGE])
}
