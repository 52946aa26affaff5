//! Check of the header of a lossy JPEG, for contents on which decoders fail.

use crate::image::{DecodeError, MAX_PIXELS};

/// Facts from the marker segments before the first scan.
#[derive(Debug)]
pub struct Header {
    pub width: u32,
    pub height: u32,
    /// 1, 3 or 4.
    pub components: u64,
    /// See [`super::Jpeg::cost`].
    pub cost: u64,
}

/// Walks the marker segments (ITU-T T.81, annex B) of a lossy JPEG.
///
/// # Errors
///
/// [`DecodeError::Truncated`] if the file ends within its header, or has fewer bits than the
/// image has blocks of 8 x 8.
/// [`DecodeError::Contradictory`] for a file without a frame header.
/// [`DecodeError::TooLarge`] for more than [`MAX_PIXELS`] pixels.
/// [`DecodeError::Unsupported`] for arithmetic coding, hierarchical JPEG and 12 bits, for more
/// than [`MAX_SCANS`] scans, or more than [`MAX_SCANNED`] pixels in all of them, and for
/// unusual sampling factors: the decoder panics on some.
pub fn header(bytes: &[u8]) -> Result<Header, DecodeError> {
    let truncated = DecodeError::Truncated { format: "JPEG" };
    let unsupported = |what| Err(DecodeError::Unsupported { format: "JPEG", what });
    let Some((frame, first_scan)) = find_first_scan(bytes) else { return Err(truncated) };
    let [height, width] = [frame.height, frame.width].map(u64::from);
    if frame.code == 0 {
        let what = "it has no frame header";
        return Err(DecodeError::Contradictory { format: "JPEG", what });
    }
    if let Some(what) = frame.objection() {
        return unsupported(what.to_owned());
    }
    if height * width > MAX_PIXELS {
        let [width, height] = [width, height].map(|n| n as u32);
        return Err(DecodeError::TooLarge { width, height, limit: MAX_PIXELS });
    }
    let scanned = &bytes[first_scan..];
    let scans = 1 + count_further_scans(scanned);
    if scans > MAX_SCANS || height * width * scans as u64 > MAX_SCANNED {
        return unsupported(format!("{scans} scans of {width} x {height} pixels"));
    }
    // The decoder keeps all coefficients until the last scan if the first scan lacks components.
    let Some(&in_scan) = bytes.get(first_scan + 2) else { return Err(truncated) };
    let keeps_all = frame.progressive || usize::from(in_scan) != frame.samplings.len();
    // The shortest code of a block is one bit.
    let is_whole = 8 * scanned.len() as u64 >= height.div_ceil(8) * width.div_ceil(8);
    if !is_whole {
        return Err(truncated);
    }
    if !frame.is_sampled_as_usual(keeps_all) {
        return unsupported("its chroma subsampling".to_owned());
    }
    let is_adobe_segment = |w: &[u8]| w[..2] == [0xff, APP_14] && w[4..] == *b"Adobe";
    if keeps_all && scanned.windows(9).any(is_adobe_segment) {
        return unsupported("colours that change between scans".to_owned());
    }
    let components = match frame.samplings.len() {
        n @ (1 | 3 | 4) => n as u64,
        n => return unsupported(format!("{n} components")),
    };
    // Measured.
    let cost = components * if keeps_all { 4 } else { 2 };
    let [width, height] = [frame.width, frame.height].map(u32::from);
    Ok(Header { width, height, components, cost })
}

/// Maximum number of scans of an image; encoders write ten. A scan may have few bytes, but the
/// decoder visits all pixels for it.
const MAX_SCANS: usize = 100;

/// Maximum number of pixels in all scans together: ten scans of the largest X-ray detectors.
const MAX_SCANNED: u64 = 1 << 28;

const START_OF_SCAN: u8 = 0xda;
const APP_0: u8 = 0xe0;
/// Adobe segment, which states the colour space of the components.
const APP_14: u8 = 0xee;
pub const END_OF_IMAGE: u8 = 0xd9;
/// Frame marker of JPEG-LS (ITU-T T.87, C.1.1). Its file may begin with a SPIFF segment.
pub const JPEG_LS_FRAME: u8 = 0xf7;

/// Frame header.
#[derive(Clone, Copy)]
struct Frame<'a> {
    /// Code of the marker.
    code: u8,
    /// Bits per sample.
    precision: u8,
    height: u16,
    width: u16,
    /// Three bytes for each component; the second is its sampling.
    samplings: &'a [[u8; 3]],
    progressive: bool,
}

impl Frame<'_> {
    /// Returns the reason why the frame is not supported, if any.
    fn objection(&self) -> Option<&'static str> {
        match (self.code, self.precision) {
            (JPEG_LS_FRAME, _) => Some(
                "JPEG-LS; convert the file: `ffmpeg -i x.jls x.png`; it is supported within DICOM",
            ),
            _ if self.height == 0 => Some("a height stated after the pixels (DNL)"),
            (0xc0..=0xc2, 8) => None,
            (0xc0..=0xc2, 12) => Some(
                "12-bit samples with lossy compression; convert the file with a program that \
                 reads them (libjpeg-turbo 3: `djpeg -outfile x.ppm x.jpg`), or export it as \
                 16-bit PNG or DICOM",
            ),
            (0xc0..=0xc2, _) => Some("samples of other than 8 bits"),
            (0xc5..=0xc7 | 0xcd..=0xcf, _) => Some("the hierarchical mode; save it as PNG"),
            _ => Some("arithmetic coding; recode it with `jpegtran -outfile x.jpg old.jpg`"),
        }
    }

    /// Returns `true` if each sampling factor is that of the first component, or a half or a
    /// quarter of it. If the scans of an image that is not progressive hold single components, all
    /// factors must be 1.
    fn is_sampled_as_usual(&self, in_scans: bool) -> bool {
        let sampling = |component: &[u8; 3]| [component[1] >> 4, component[1] & 15];
        let Some([first_h, first_v]) = self.samplings.first().map(sampling) else { return true };
        let fits = |n: u8, first: u8| matches!(n, 1 | 2 | 4) && n <= first && first <= 4;
        self.samplings.iter().map(sampling).all(|[h, v]| {
            let is_single = self.samplings.len() == 1;
            let simple = h == 1 && v == 1;
            let separate = in_scans && !self.progressive;
            simple || is_single || (!separate && fits(h, first_h) && fits(v, first_v))
        })
    }
}

/// Number of scans after the first.
fn count_further_scans(bytes: &[u8]) -> usize {
    bytes.windows(2).filter(|w| *w == [0xff, START_OF_SCAN]).count()
}

/// Returns the frame and the position of the first scan; `None` if the header ends before, or if
/// decoders may read it differently.
fn find_first_scan(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let none =
        Frame { code: 0, precision: 0, height: 0, width: 0, samplings: &[], progressive: false };
    let mut frame = none;
    for (code, segment) in markers(bytes) {
        match code {
            START_OF_SCAN => return Some((frame, segment)),
            // After the frame, the decoder panics on this segment.
            APP_14 if !frame.samplings.is_empty() => return None,
            // The decoder skips one byte too many of these segments.
            APP_0 if bytes.get(segment..segment + 2) == Some(&[0, 6]) => return None,
            // A frame header (the other codes of the range are DHT, JPG, DAC).
            0xc0..=0xcf | JPEG_LS_FRAME if !matches!(code, 0xc4 | 0xc8 | 0xcc) => {
                let (&[_, _, precision, h1, h0, w1, w0, components], rest) =
                    bytes.get(segment..)?.split_first_chunk::<8>()?;
                let [height, width] = [[h1, h0], [w1, w0]].map(u16::from_be_bytes);
                let samplings = rest.as_chunks::<3>().0.get(..usize::from(components))?;
                // The third of four consecutive codes is progressive.
                let progressive = code & 3 == 2;
                frame = Frame { code, precision, height, width, samplings, progressive };
            }
            _ => {}
        }
    }
    None
}

/// Returns the markers of segments before the first scan, and the positions of the segments. Ends
/// at a marker without a segment, which is invalid here and which decoders read like one with a
/// segment.
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
