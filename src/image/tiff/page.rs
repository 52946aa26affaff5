//! Description of the pixels of a page, read from its directory.

use ::image::metadata::Orientation;

use super::chunks::Compression;
use super::directory::{Directory, File, tag};
use super::{damaged, unsupported};
use crate::image::DecodeError;

/// Meaning of the samples of a pixel (PhotometricInterpretation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

/// Number format of a sample (SampleFormat).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Unsigned,
    Signed,
    Float,
}

/// Description of the pixels of a page.
#[derive(Debug, Clone)]
pub struct Page {
    pub width: usize,
    pub height: usize,
    /// Bits per sample.
    pub bits: u32,
    /// Samples per pixel.
    pub samples: usize,
    pub kind: Kind,
    pub meaning: Meaning,
    pub compression: Compression,
    /// True if samples are differences to their left neighbours.
    pub predicted: bool,
    /// True if each sample of a pixel has its own plane.
    pub planar: bool,
    /// True if the first pixel is in the lowest bit of a byte.
    pub reversed: bool,
    pub orientation: Orientation,
}

/// Returns width and height of a page; `None` for a mask or a page without a size.
pub fn size(file: &File<'_>, directory: &Directory) -> Option<(u64, u64)> {
    let number = |tag| directory.number(file, tag).ok().flatten();
    let is_mask = number(tag::SUBFILE_TYPE).is_some_and(|kind| kind & 4 != 0)
        || number(tag::PHOTOMETRIC) == Some(4);
    number(tag::WIDTH).zip(number(tag::HEIGHT)).filter(|_| !is_mask)
}

impl Page {
    /// Reads the directory.
    pub fn read(file: &File<'_>, directory: &Directory) -> Result<Self, DecodeError> {
        let number = |tag, otherwise| -> Result<u64, DecodeError> {
            Ok(directory.number(file, tag)?.unwrap_or(otherwise))
        };
        let side = |tag| -> Result<usize, DecodeError> {
            match number(tag, 0)? {
                0 => Err(unsupported("the image has no pixels".to_owned())),
                // Checked against the limits later.
                side => Ok(usize::try_from(side).unwrap_or(usize::MAX)),
            }
        };
        let samples = number(tag::SAMPLES, 1)? as usize;
        let bits = directory.numbers(file, tag::BITS)?;
        let first_bits = bits.first().copied().unwrap_or(1);
        if bits.iter().any(|bits| *bits != first_bits) {
            return Err(unsupported("samples with different numbers of bits".to_owned()));
        }
        let formats = directory.numbers(file, tag::SAMPLE_FORMAT)?;
        let format = formats.first().copied().unwrap_or(1);
        if formats.iter().any(|other| *other != format) {
            return Err(unsupported("samples of different number formats".to_owned()));
        }
        let kind = match format {
            // 4 is "undefined", which readers treat as unsigned.
            1 | 4 => Kind::Unsigned,
            2 => Kind::Signed,
            3 => Kind::Float,
            5 | 6 => return Err(unsupported("complex numbers".to_owned())),
            _ => return Err(damaged("its sample format is unknown")),
        };
        let Some(photometric) = directory.number(file, tag::PHOTOMETRIC)? else {
            let what =
                "no photometric interpretation: the file does not state which value is white";
            return Err(unsupported(what.to_owned()));
        };
        let (meaning, least) = match photometric {
            0 => (Meaning::WhiteIsZero, 1),
            1 => (Meaning::BlackIsZero, 1),
            2 => (Meaning::Rgb, 3),
            3 => (Meaning::Palette, 1),
            5 => (Meaning::Cmyk, 4),
            6 => (Meaning::YCbCr, 3),
            8..=10 => {
                return Err(unsupported(
                    "colours in CIE L*a*b*; save it as grey or RGB".to_owned(),
                ));
            }
            32803 | 34892 => {
                return Err(unsupported("camera raw data; develop it to PNG first".to_owned()));
            }
            32844 | 32845 => {
                return Err(unsupported("LogLuv samples; save it as grey or RGB".to_owned()));
            }
            _ => return Err(unsupported(format!("photometric interpretation {photometric}"))),
        };
        if !(least..=16).contains(&samples) {
            return Err(damaged("its number of samples does not fit its colours"));
        }
        let compression = Compression::of(number(tag::COMPRESSION, 1)?)?;
        let allowed = match kind {
            Kind::Unsigned => matches!(first_bits, 1..=16 | 32),
            Kind::Signed => matches!(first_bits, 8 | 16 | 32),
            Kind::Float => matches!(first_bits, 32 | 64),
        };
        if !allowed {
            let samples = match kind {
                Kind::Unsigned => "samples",
                Kind::Signed => "signed samples",
                Kind::Float => "floating-point samples",
            };
            let advice = "save it with 32 bits: `x = tifffile.imread('x.tif'); \
                          tifffile.imwrite('y.tif', x.astype('float32'))`";
            return Err(unsupported(match kind {
                Kind::Unsigned => format!("{samples} of {first_bits} bits"),
                _ => format!("{samples} of {first_bits} bits; {advice}"),
            }));
        }
        let predicted =
            match number(tag::PREDICTOR, 1)? {
                1 => false,
                2 if matches!(first_bits, 8 | 16 | 32) => true,
                3 => return Err(unsupported(
                    "a floating-point predictor; save it without one: `tiffcp -c none x.tif y.tif`"
                        .to_owned(),
                )),
                _ => return Err(unsupported("its predictor".to_owned())),
            };
        let orientation = Orientation::from_exif(number(tag::ORIENTATION, 1)? as u8);
        Ok(Self {
            width: side(tag::WIDTH)?,
            height: side(tag::HEIGHT)?,
            bits: first_bits as u32,
            samples,
            kind,
            meaning,
            compression,
            predicted,
            planar: samples > 1 && number(tag::PLANAR, 1)? == 2,
            reversed: number(tag::FILL_ORDER, 1)? == 2,
            orientation: orientation.unwrap_or(Orientation::NoTransforms),
        })
    }

    /// Number of used samples per pixel, without alpha and other extra samples.
    pub fn used(&self) -> usize {
        match self.meaning {
            Meaning::WhiteIsZero | Meaning::BlackIsZero | Meaning::Palette => 1,
            Meaning::Rgb | Meaning::YCbCr => 3,
            Meaning::Cmyk => 4,
        }
    }
}
