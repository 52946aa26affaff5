//! What the decoder of TIFF does not guard against.

use super::DecodeError;

/// Tag of the compression, and the kinds of value that it may have: of 16 bits, of 32.
const COMPRESSION: u64 = 259;
const SHORT: u64 = 3;
const LONG: u64 = 4;

/// None, facsimile, LZW, deflate (old and new), PackBits and Zstandard. Others have a whole
/// picture in each strip, such as JPEG, which the decoder unpacks at the size that this
/// picture claims.
const READ: [u64; 9] = [1, 2, 3, 4, 5, 8, 32773, 32946, 50000];

/// Checks how the first picture is compressed.
///
/// # Errors
/// [`DecodeError::Unsupported`] for what is not [`READ`].
pub(super) fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    // What is missing, the decoder will miss.
    match compressions(bytes).unwrap_or_default().iter().all(|kind| READ.contains(kind)) {
        true => Ok(()),
        false => {
            let what = "its compression; save it without, or with LZW or deflate".to_owned();
            Err(DecodeError::Unsupported { format: "TIFF", what })
        }
    }
}

/// What each entry of the first directory that is of the compression says.
fn compressions(bytes: &[u8]) -> Option<Vec<u64>> {
    let big_endian = bytes.starts_with(b"MM");
    let number = |at: usize, length: usize| {
        let bytes = bytes.get(at..)?.get(..length)?;
        let digit = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(match big_endian {
            true => bytes.iter().fold(0, digit),
            false => bytes.iter().rev().fold(0, digit),
        })
    };
    // Of offsets, counts of entries, and entries; BigTIFF has longer ones.
    let (start, offset, count, entry) =
        if number(2, 2)? == 43 { (8, 8, 8, 20) } else { (4, 4, 2, 12) };
    let directory = usize::try_from(number(start, offset)?).ok()?;
    let entries = usize::try_from(number(directory, count)?).ok()?;
    let first = directory.checked_add(count)?;
    let said = |at: usize| {
        let value = at + entry - offset;
        match number(at + 2, 2)? {
            SHORT => number(value, 2),
            LONG => number(value, 4),
            // Nobody writes it so.
            _ => Some(0),
        }
    };
    let at = (0..entries).map_while(|i| first.checked_add(i.checked_mul(entry)?));
    let at = at.take_while(|at| at.checked_add(entry).is_some_and(|end| end <= bytes.len()));
    at.filter(|at| number(*at, 2) == Some(COMPRESSION)).map(said).collect()
}
