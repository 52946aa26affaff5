//! Check of a PNG, for contents on which its decoder fails.

use std::borrow::Cow;
use std::ops::Range;

use super::{DecodeError, trailer};

/// Maximum size in bytes of a colour profile that the decoder gets. The decoder unpacks profiles,
/// up to a thousandfold, although they are not used.
const MAX_PROFILE: usize = 1 << 12;

/// PNG that is passed to the decoder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Checked<'a> {
    /// Bytes without large colour profiles, with an IEND chunk.
    pub bytes: Cow<'a, [u8]>,
    /// True if the file has an IEND chunk.
    pub ended: bool,
    /// Notes on the file, as in [`super::Image::notes`].
    pub notes: Vec<String>,
}

/// IEND chunk, which ends a PNG, with its length and its checksum.
const END: [u8; 12] = *b"\0\0\0\0IEND\xae\x42\x60\x82";

/// Removes large colour profiles. A missing IEND chunk is appended after the last complete chunk:
/// the decoder then detects missing pixels.
///
/// # Errors
/// [`DecodeError::Contradictory`] for a palette with an incomplete colour or more than 256 colours:
/// the decoder panics. [`DecodeError::Truncated`] for a file that ends in its pixels.
pub(super) fn check(bytes: &[u8]) -> Result<Checked<'_>, DecodeError> {
    let mut large = Vec::new();
    let mut end = 8;
    let mut ended = false;
    for Chunk { kind, range } in chunks(bytes) {
        // Without length, kind and checksum, four bytes each.
        let length = range.len().saturating_sub(12);
        let is_whole = range.end <= bytes.len();
        match &kind {
            b"PLTE" if !length.is_multiple_of(3) || length > 3 * 256 => {
                let what = "its palette has an incomplete colour or more than 256 colours";
                return Err(DecodeError::Contradictory { format: "PNG", what });
            }
            b"IDAT" if !is_whole => return Err(DecodeError::Truncated { format: "PNG" }),
            b"iCCP" if is_whole && length > MAX_PROFILE => large.push(range.clone()),
            _ => {}
        }
        if !is_whole {
            break;
        }
        end = range.end;
        ended = kind == *b"IEND";
    }
    let mut notes = Vec::new();
    let mut kept = match ended {
        true => {
            notes.extend(trailer::note(&bytes[end..]));
            Cow::Borrowed(bytes)
        }
        false => {
            notes.push("the last chunk (IEND) is missing; all pixels are present".to_owned());
            Cow::Owned([&bytes[..end], &END].concat())
        }
    };
    for range in large.into_iter().rev() {
        kept.to_mut().drain(range);
    }
    Ok(Checked { bytes: kept, ended, notes })
}

struct Chunk {
    kind: [u8; 4],
    /// Position of the chunk; may exceed the end of the file.
    range: Range<usize>,
}

/// Iterates over the chunks up to the end of the image, or to bytes that are not a chunk.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk> {
    let mut next = Some(8);
    std::iter::from_fn(move || {
        let at = next?;
        let &[a, b, c, d, ref kind @ ..] = bytes.get(at..)?.first_chunk::<8>()?;
        if !kind.iter().all(u8::is_ascii_alphabetic) {
            return None;
        }
        let end = at.saturating_add(u32::from_be_bytes([a, b, c, d]) as usize).saturating_add(12);
        next = (kind != b"IEND").then_some(end);
        Some(Chunk { kind: *kind, range: at..end })
    })
}

/// Largest number of significant bits of a channel, according to the sBIT chunk.
pub(super) fn significant_bits(bytes: &[u8]) -> Option<u32> {
    let mut before_pixels = chunks(bytes).take_while(|chunk| chunk.kind != *b"IDAT");
    let Chunk { range, .. } = before_pixels.find(|chunk| chunk.kind == *b"sBIT")?;
    let data = bytes.get(range.start + 8..range.end.checked_sub(4)?)?;
    data.iter().max().map(|bits| u32::from(*bits))
}

/// Mode by the bit depth and colour type in the header chunk.
pub(super) fn mode(bytes: &[u8]) -> &'static str {
    match (bytes.get(24), bytes.get(25)) {
        (Some(1), Some(0)) => "1",
        (Some(16), Some(0)) => "L16",
        (_, Some(0)) => "L",
        (Some(16), Some(2)) => "RGB16",
        (_, Some(2)) => "RGB",
        (_, Some(3)) => "P",
        (Some(16), Some(4)) => "LA16",
        (_, Some(4)) => "LA",
        (Some(16), _) => "RGBA16",
        _ => "RGBA",
    }
}
