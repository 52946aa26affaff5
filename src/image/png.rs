//! What the decoder of PNG does not guard against.

use std::borrow::Cow;
use std::ops::Range;

use super::DecodeError;

/// The largest colour profile that the decoder is given: it unpacks them, up to a
/// thousandfold, though its colours are not used.
const MAX_PROFILE: usize = 1 << 12;

/// The bytes for the decoder, less large colour profiles.
///
/// # Errors
/// [`DecodeError::Contradictory`] for a palette that is not of whole colours, 256 at
/// most: the decoder panics on others.
pub(super) fn check(bytes: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let mut large = Vec::new();
    for (kind, range) in chunks(bytes) {
        // Of its length, its kind and its checksum, four bytes each.
        let length = range.len().saturating_sub(12);
        match &kind {
            b"PLTE" if !length.is_multiple_of(3) || length > 3 * 256 => {
                let what = "its palette is not of whole colours, 256 at most";
                return Err(DecodeError::Contradictory { format: "PNG", what });
            }
            b"iCCP" if length > MAX_PROFILE => large.push(range),
            _ => {}
        }
    }
    let mut kept = Cow::Borrowed(bytes);
    for range in large.into_iter().rev() {
        kept.to_mut().drain(range);
    }
    Ok(kept)
}

/// The chunks before the pixels: their kinds, and where they lie, whole.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], Range<usize>)> {
    let mut at = 8;
    std::iter::from_fn(move || {
        let &[a, b, c, d, ref kind @ ..] = bytes.get(at..)?.first_chunk::<8>()?;
        let end = at.saturating_add(u32::from_be_bytes([a, b, c, d]) as usize).saturating_add(12);
        let chunk = (*kind, at..end.min(bytes.len()));
        at = end;
        (kind != b"IDAT").then_some(chunk)
    })
}

/// The largest number of significant bits of a channel, as the chunk sBIT says it.
pub(super) fn significant_bits(bytes: &[u8]) -> Option<u32> {
    let (_, range) = chunks(bytes).find(|(kind, _)| kind == b"sBIT")?;
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
