//! What the decoder does not say of a JPEG: its components, and whether it is
//! all there.

use super::{DecodeError, MAX_PIXELS};

/// What a JPEG is.
pub(super) struct Jpeg {
    /// By its number of components.
    pub mode: &'static str,
    /// Bytes that decoding takes for each pixel.
    pub cost: u64,
}

/// Walks the marker segments up to the first scan (ITU-T T.81, annex B) and
/// looks for the end-of-image marker after it.
///
/// # Errors
///
/// [`DecodeError::Truncated`] if the file ends within its header, has fewer bits
/// than the picture has blocks of 8 x 8, or no end-of-image marker follows the
/// first scan. A decoder would fill what is missing with grey, and a model would
/// learn from it.
/// [`DecodeError::TooLarge`] for more than [`MAX_PIXELS`] pixels.
/// [`DecodeError::Unsupported`] for more than [`MAX_SCANS`] scans, or more than
/// [`MAX_SCANNED`] pixels in all of them.
pub(super) fn check(bytes: &[u8]) -> Result<Jpeg, DecodeError> {
    let truncated = DecodeError::Truncated { format: "JPEG" };
    let Some((frame, first_scan)) = scan(bytes) else { return Err(truncated) };
    let [height, width] = [frame.height, frame.width].map(u64::from);
    if height * width > MAX_PIXELS {
        let [width, height] = [width, height].map(|n| n as u32);
        return Err(DecodeError::TooLarge { width, height, limit: MAX_PIXELS });
    }
    let scanned = &bytes[first_scan..];
    let scans = 1 + scans(scanned);
    if scans > MAX_SCANS || height * width * scans as u64 > MAX_SCANNED {
        let what = format!("{scans} scans of {width} x {height} pixels");
        return Err(DecodeError::Unsupported { format: "JPEG", what });
    }
    // The shortest code of a block is one bit.
    let is_whole = 8 * scanned.len() as u64 >= height.div_ceil(8) * width.div_ceil(8);
    if !is_whole || !ends_after(bytes, first_scan) {
        return Err(truncated);
    }
    let (mode, components) = match frame.components {
        1 => ("L", 1),
        4 => ("CMYK", 4),
        _ => ("RGB", 3),
    };
    // Measured; of many scans, the decoder keeps all coefficients until the last.
    let cost = components * if frame.progressive { 4 } else { 2 };
    Ok(Jpeg { mode, cost })
}

/// The most scans of a picture; encoders write ten. Each takes a few bytes, and the
/// decoder goes over all pixels for it.
const MAX_SCANS: usize = 100;

/// The most pixels in all scans together: ten scans of the largest X-ray detectors.
const MAX_SCANNED: u64 = 1 << 28;

/// What a frame header says.
#[derive(Clone, Copy)]
struct Frame {
    height: u16,
    width: u16,
    components: u8,
    progressive: bool,
}

/// Starts of scans, but for the first.
fn scans(bytes: &[u8]) -> usize {
    bytes.windows(2).filter(|w| *w == [0xff, 0xda]).count()
}

/// The frame, and where the first scan starts.
fn scan(bytes: &[u8]) -> Option<(Frame, usize)> {
    let mut frame = Frame { height: 0, width: 0, components: 3, progressive: false };
    let mut at = 2;
    loop {
        // A marker is FF and a code; both stray bytes and fill bytes may precede it.
        at +=
            bytes.get(at..)?.windows(2).position(|w| w[0] == 0xff && !matches!(w[1], 0 | 0xff))?;
        let code = bytes[at + 1];
        let segment = at + 2;
        match code {
            // Start of scan.
            0xda => return Some((frame, segment)),
            // Markers that stand alone: TEM, RST0 to RST7, SOI.
            0x01 | 0xd0..=0xd8 => {
                at = segment;
                continue;
            }
            // A frame header (the other codes of the range are DHT, JPG, DAC).
            0xc0..=0xcf if !matches!(code, 0xc4 | 0xc8 | 0xcc) => {
                let &[_, _, _, h1, h0, w1, w0, components] =
                    bytes.get(segment..)?.first_chunk::<8>()?;
                let [height, width] = [[h1, h0], [w1, w0]].map(u16::from_be_bytes);
                // Of four codes in a row, the third is progressive.
                frame = Frame { height, width, components, progressive: code & 3 == 2 };
            }
            _ => {}
        }
        let length = bytes.get(segment..segment + 2)?;
        at = segment + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
    }
}

/// Whether an end-of-image marker stands behind `start`. In a scan FF is always
/// followed by 0 or a marker, so no other bytes look like one.
fn ends_after(bytes: &[u8], start: usize) -> bool {
    bytes[start..].windows(2).rev().any(|w| w == [0xff, 0xd9])
}
