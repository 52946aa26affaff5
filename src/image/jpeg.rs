//! What the decoder does not say of a JPEG: its components, and whether it is
//! all there.

use super::DecodeError;

/// Walks the marker segments up to the first scan (ITU-T T.81, annex B) and
/// looks for the end-of-image marker after it. Returns the mode of the picture
/// by its number of components.
///
/// # Errors
///
/// [`DecodeError::Truncated`] if the file ends within its header or no
/// end-of-image marker follows the first scan. A decoder would fill what is
/// missing with grey, and a model would learn from it.
/// [`DecodeError::Unsupported`] for more than [`MAX_SCANS`] scans.
pub(super) fn check(bytes: &[u8]) -> Result<&'static str, DecodeError> {
    let truncated = DecodeError::Truncated { format: "JPEG" };
    match scan(bytes) {
        Some((_, first_scan)) if scans(&bytes[first_scan..]) > MAX_SCANS => {
            let what = format!("more than {MAX_SCANS} scans");
            Err(DecodeError::Unsupported { format: "JPEG", what })
        }
        Some((components, first_scan)) if ends_after(bytes, first_scan) => Ok(match components {
            1 => "L",
            4 => "CMYK",
            _ => "RGB",
        }),
        _ => Err(truncated),
    }
}

/// The most scans of a picture; encoders write ten. Each takes a few bytes, and the
/// decoder goes over all pixels for it.
const MAX_SCANS: usize = 100;

/// Starts of scans, but for the first.
fn scans(bytes: &[u8]) -> usize {
    bytes.windows(2).filter(|w| *w == [0xff, 0xda]).count()
}

/// Number of components, and where the first scan starts.
fn scan(bytes: &[u8]) -> Option<(u8, usize)> {
    let mut components = 3;
    let mut at = 2;
    loop {
        // A marker is FF and a code; both stray bytes and fill bytes may precede it.
        at +=
            bytes.get(at..)?.windows(2).position(|w| w[0] == 0xff && !matches!(w[1], 0 | 0xff))?;
        let code = bytes[at + 1];
        let segment = at + 2;
        match code {
            // Start of scan.
            0xda => return Some((components, segment)),
            // Markers that stand alone: TEM, RST0 to RST7, SOI.
            0x01 | 0xd0..=0xd8 => {
                at = segment;
                continue;
            }
            // A frame header (the other codes of the range are DHT, JPG, DAC).
            0xc0..=0xcf if !matches!(code, 0xc4 | 0xc8 | 0xcc) => {
                components = *bytes.get(segment + 7)?;
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
