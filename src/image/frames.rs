//! Number of frames of an animation. Only the first frame is used.

use super::format::Format;

/// Returns a note if the file has several frames.
pub fn note(format: Format, bytes: &[u8]) -> Option<String> {
    let frames = match format {
        Format::Gif => count_gif(bytes)?,
        Format::Png => count_png(bytes)?,
        Format::WebP => count_webp(bytes),
        _ => 1,
    };
    (frames > 1).then(|| format!("only the first of {frames} frames is used"))
}

/// Number of images of a GIF, up to damaged data.
fn count_gif(bytes: &[u8]) -> Option<usize> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let skip_blocks = |mut at: usize| loop {
        match bytes.get(at)? {
            0 => return Some(at + 1),
            length => at += usize::from(*length) + 1,
        }
    };
    let mut at = 13 + table(*bytes.get(10)?);
    let mut frames = 0;
    loop {
        at = match bytes.get(at) {
            Some(0x21) => skip_blocks(at + 2),
            Some(0x2c) => {
                frames += 1;
                bytes.get(at + 9).and_then(|flags| skip_blocks(at + 11 + table(*flags)))
            }
            _ => None,
        }
        .unwrap_or(usize::MAX);
        if at == usize::MAX {
            return Some(frames);
        }
    }
}

/// Number of frames in the chunk acTL, which precedes the pixels.
fn count_png(bytes: &[u8]) -> Option<usize> {
    let mut at = 8;
    loop {
        let header = bytes.get(at..at + 12)?;
        let length = u32::from_be_bytes(*header.first_chunk()?) as usize;
        match &header[4..8] {
            b"acTL" => return Some(u32::from_be_bytes(*header[8..].first_chunk()?) as usize),
            b"IDAT" => return None,
            _ => at = at.checked_add(length)?.checked_add(12)?,
        }
    }
}

/// Number of ANMF chunks.
fn count_webp(bytes: &[u8]) -> usize {
    let mut at = 12;
    let mut frames = 0;
    while let Some(&[a, b, c, d, ref length @ ..]) =
        bytes.get(at..).and_then(|r| r.first_chunk::<8>())
    {
        frames += usize::from([a, b, c, d] == *b"ANMF");
        let length = u32::from_le_bytes(*length) as usize;
        at = at.saturating_add(8 + length + length % 2);
    }
    frames
}
