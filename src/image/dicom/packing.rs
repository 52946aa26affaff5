//! Packing of the pixels of a DICOM file, by its transfer syntax and the first bytes of the pixels.

use super::elements::{Elements, tag};
use super::reader::Encoding;
use super::{damaged, unsupported};
use crate::image::DecodeError;
use crate::image::jpeg::JPEG_LS_FRAME;

/// Packing of the pixels of an image: its transfer syntax (PS3.5, annex A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Native(Encoding),
    /// The data set is compressed as a whole; the pixels in it are not.
    Deflated,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
}

impl Packing {
    /// Returns the packing of a transfer syntax UID.
    ///
    /// # Errors
    /// [`DecodeError::Unsupported`] for private, video and unknown transfer syntaxes.
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

    /// Detects the codec by the first bytes: a codestream of JPEG, JPEG-LS or JPEG 2000, or an RLE
    /// header. `None` for anything else.
    pub fn of_codestream(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            [0xff, 0xd8, 0xff, ..] => match frame(bytes) {
                Some((JPEG_LS_FRAME, _)) => Self::JpegLs,
                _ => Self::Jpeg,
            },
            [0xff, 0x4f, 0xff, 0x51, ..] | [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] => {
                Self::Jpeg2000
            }
            // The number of segments, then the offset of the first, after the header of 64 bytes.
            [1..=15, 0, 0, 0, 64, 0, 0, 0, ..] => Self::Rle,
            _ => return None,
        })
    }

    /// Returns the packing of the pixels of `data`: that of the transfer syntax, unless the pixels
    /// contradict it. `encoding` is that of the data set; `length` is the number of bytes of
    /// uncompressed pixels.
    ///
    /// # Errors
    /// If the pixels contradict the transfer syntax and their codec is not detected.
    pub fn find(
        stated: Option<Self>,
        data: &Elements,
        encoding: Encoding,
        length: usize,
        notes: &mut Vec<String>,
    ) -> Result<Self, DecodeError> {
        let is_compressed = |packing: &Self| !matches!(packing, Self::Native(_) | Self::Deflated);
        let native = match stated {
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
        let detected = Self::of_codestream(first);
        let found = if is_fragmented {
            let expected = stated.filter(is_compressed);
            detected.or(expected).ok_or_else(|| {
                unsupported(
                    "pixels in fragments whose transfer syntax and first bytes name no codec",
                )
            })?
        } else if stated.is_some_and(|stated| is_compressed(&stated)) {
            match detected {
                Some(detected) => {
                    notes.push("the compressed pixels are not in fragments".to_owned());
                    detected
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
            // Uncompressed pixels may begin with any bytes, so only pixels that are too short are
            // taken as compressed.
            detected.filter(|_| first.len() < length).unwrap_or(native)
        };
        match stated {
            Some(stated) if stated.name() != found.name() => notes.push(format!(
                "the transfer syntax says {}, the pixels are {}",
                stated.name(),
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

    /// Name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native(_) | Self::Deflated => "uncompressed",
            Self::Rle => "RLE",
            Self::Jpeg => "JPEG",
            Self::JpegLs => "JPEG-LS",
            Self::Jpeg2000 => "JPEG 2000",
        }
    }

    /// Memory in bytes per value for decoding, measured. A value is kept in 16 bits and reduced to
    /// 8; decoders may hold further copies.
    pub fn cost(self) -> u64 {
        match self {
            Self::Native(_) | Self::Rle | Self::JpegLs => 4,
            Self::Deflated => 5,
            Self::Jpeg => 6,
            Self::Jpeg2000 => 15,
        }
    }

    /// Encoding of the elements of the data set.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Native(encoding) => encoding,
            _ => Encoding::EXPLICIT,
        }
    }
}

/// Returns the marker of the first frame of a JPEG or JPEG-LS, and its bits per sample.
pub fn frame(bytes: &[u8]) -> Option<(u8, u32)> {
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
