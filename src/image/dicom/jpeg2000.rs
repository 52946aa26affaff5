//! Decoder of JPEG 2000 (ITU-T T.800) with limits on the memory.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::codecs::same_size;
use super::samples::Layout;
use super::{damaged, truncated, unsupported};
use crate::image::DecodeError;

/// First bytes of a codestream: its start marker, then its size marker.
const START: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];

const SIZE: u16 = 0xff51;
const CODING_STYLE: u16 = 0xff52;
const CODING_STYLE_OF_COMPONENT: u16 = 0xff53;
const START_OF_TILE_PART: u16 = 0xff90;
const START_OF_DATA: u16 = 0xff93;
const END: u16 = 0xffd9;

/// Size of the image according to the codestream header.
struct Size {
    width: usize,
    height: usize,
    components: usize,
    bits: u32,
    signed: bool,
}

/// Decodes a codestream. Returns its values, in two's complement if signed, the bits per value, at
/// most 16, and `true` if the values are signed.
pub fn decode(bytes: &[u8], layout: Layout) -> Result<(Vec<u16>, u32, bool), DecodeError> {
    // Some programs write a JP2 file around the codestream, which DICOM ignores.
    let start = bytes.windows(4).position(|four| four == START);
    let codestream = &bytes[start.ok_or_else(|| damaged("its JPEG 2000 data have no start"))?..];
    let size = check(codestream)?;
    same_size(size.width, size.height, layout)?;
    if size.components != layout.channels || size.bits > 16 {
        return Err(unsupported(
            "JPEG 2000 with more than 16 bits, or other channels than the header",
        ));
    }
    if size.signed && layout.channels > 1 {
        return Err(unsupported("signed colours in JPEG 2000"));
    }
    let failed = |_| damaged("its JPEG 2000 data cannot be decoded");
    let settings = DecodeSettings { strict: true, ..DecodeSettings::default() };
    let image = Image::new(codestream, &settings).map_err(failed)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(failed)?;
    let planes: Vec<&[f32]> = decoded.components().iter().map(|c| c.samples()).collect();
    let pixels = layout.rows * layout.columns;
    if planes.len() != layout.channels || planes.iter().any(|plane| plane.len() != pixels) {
        return Err(truncated());
    }
    // The decoder shifts signed values by half their range, too.
    let (max, lift) = ((1_i32 << size.bits) - 1, 1_i32 << (size.bits - 1));
    let cell = |sample: f32| {
        let value = (sample.round() as i32).clamp(0, max);
        if size.signed { (value - lift) as u16 } else { value as u16 }
    };
    let cells = (0..pixels).flat_map(|i| planes.iter().map(move |plane| plane[i])).map(cell);
    Ok((cells.collect(), size.bits, size.signed))
}

/// Walks the markers of all headers (annex A). Refuses thousands of tiny tiles, code-blocks or
/// precincts, which no image needs: the decoder uses some hundred bytes for each, far more than for
/// the pixels.
fn check(bytes: &[u8]) -> Result<Size, DecodeError> {
    let word = |at: usize| {
        let pair = bytes.get(at..at + 2).ok_or_else(truncated)?;
        Ok(u16::from_be_bytes([pair[0], pair[1]]))
    };
    let long = |at: usize| Ok((usize::from(word(at)?) << 16) | usize::from(word(at + 2)?));
    let size = {
        let [width, height, left, top, tile_width, tile_height] = [8, 12, 16, 20, 24, 28].map(long);
        let (width, height) = (width?.saturating_sub(left?), height?.saturating_sub(top?));
        let tiles = width.div_ceil(tile_width?.max(1)) * height.div_ceil(tile_height?.max(1));
        if tiles > 1 << 12 {
            return Err(unsupported("JPEG 2000 of more than 4096 tiles"));
        }
        let sign_and_bits = word(42)? >> 8;
        Size {
            width,
            height,
            components: word(40)?.into(),
            bits: u32::from(sign_and_bits & 0x7f) + 1,
            signed: sign_and_bits & 0x80 != 0,
        }
    };
    let mut at = 2;
    let mut tile_end = None;
    loop {
        let marker = word(at)?;
        let next = at
            + 2
            + usize::from(match marker {
                END => return Ok(size),
                START_OF_DATA => 0,
                _ => word(at + 2)?,
            });
        let parameters = match marker {
            SIZE if at > 2 => return Err(damaged("its JPEG 2000 data have two sizes")),
            CODING_STYLE => Some((bytes.get(at + 4), at + 9)),
            // The component index has two bytes only for more than 256 components.
            CODING_STYLE_OF_COMPONENT => Some((bytes.get(at + 5), at + 6)),
            _ => None,
        };
        if let Some((style, from)) = parameters {
            let has_precincts = style.ok_or_else(truncated)? & 1 == 1;
            let read = bytes.get(from..next).ok_or_else(truncated)?;
            let &[levels, width, height, _, _, ref precincts @ ..] = read else {
                return Err(truncated());
            };
            let tiny = |precinct: &u8| precinct & 15 < 5 || precinct >> 4 < 5;
            let tiny_precincts = has_precincts && precincts.iter().any(tiny);
            if levels > 12 || width < 2 || height < 2 || tiny_precincts {
                return Err(unsupported("JPEG 2000 with very small blocks"));
            }
        }
        at = match marker {
            START_OF_TILE_PART => {
                let length = long(at + 6)?;
                tile_end = (length > 0).then_some(at + length).filter(|end| *end >= next);
                next
            }
            // A tile part without a length is the last.
            START_OF_DATA => match tile_end {
                Some(end) if end < bytes.len() => end,
                _ => return Ok(size),
            },
            _ => next,
        };
    }
}
