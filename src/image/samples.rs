//! Samples as stored in a file, and their conversion to 8-bit levels.

use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageBuffer};
use ndarray::Array3;

use super::depth::{ChosenDepth, Depth};
use super::outliers::UsualRange;
use super::{DecodeError, Image};

/// Samples in row-major order, `[height, width, channels]`.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    U8(Vec<u8>),
    /// Samples of 1 to 16 bits.
    U16 {
        values: Vec<u16>,
        bits: u32,
    },
    /// Floating-point, signed or 32-bit samples, for which the file does not state the values of
    /// black and white. `what` names their type.
    Real {
        values: Vec<f32>,
        what: &'static str,
    },
}

/// Decoded image before the conversion to 8 bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Raster {
    pub width: u32,
    pub height: u32,
    /// 1, or 3 in the order red, green, blue.
    pub channels: usize,
    pub samples: Samples,
    /// True if the smallest value is white: `WhiteIsZero` of TIFF.
    pub inverted: bool,
    /// See [`Image::mode`].
    pub mode: &'static str,
    /// Orientation that is still to be applied.
    pub orientation: Orientation,
    /// Number of significant bits according to the file (sBIT chunk of PNG), if stated.
    pub significant: Option<u32>,
    /// See [`Image::notes`].
    pub notes: Vec<String>,
}

impl Raster {
    /// Converts to 8 bits and applies the orientation.
    ///
    /// # Errors
    /// [`DecodeError::Unsupported`] of the `format` for [`Samples::Real`], unless `depth` is
    /// [`Depth::Range`]; [`DecodeError::Contradictory`] if there are not as many samples as
    /// pixels.
    pub fn image(self, format: &'static str, depth: ChosenDepth) -> Result<Image, DecodeError> {
        let Self { width, height, channels, samples, inverted, .. } = self;
        let Self { mode, orientation, significant, mut notes, .. } = self;
        let mut levels = match samples {
            Samples::U8(levels) => levels,
            Samples::U16 { values, bits } => {
                // Samples of up to 8 bits need no range.
                let range = (bits > 8).then(|| range(&values));
                let shown = Shown { bits, significant, inverted, depth };
                notes.extend(range.iter().flat_map(|range| shown.notes(&values, range)));
                levels(&values, bits, depth.depth, range)
            }
            Samples::Real { values, .. } if depth.depth == Depth::Range => {
                real_levels(&values, inverted, &mut notes)
            }
            Samples::Real { what, .. } => {
                let what = format!(
                    "{what}: the file does not state which values are black and white; save it \
                     with unsigned samples of 8 or 16 bits, or use {}`depth = \"range\"`",
                    depth.model()
                );
                return Err(DecodeError::Unsupported { format, what });
            }
        };
        if inverted {
            levels.iter_mut().for_each(|level| *level = 255 - *level);
        }
        let image = match channels {
            1 => ImageBuffer::from_raw(width, height, levels).map(DynamicImage::ImageLuma8),
            _ => ImageBuffer::from_raw(width, height, levels).map(DynamicImage::ImageRgb8),
        };
        let what = "its number of values does not fit its size";
        let mut image = image.ok_or(DecodeError::Contradictory { format, what })?;
        image.apply_orientation(orientation);
        let shape = (image.height() as usize, image.width() as usize, channels);
        let pixels = Array3::from_shape_vec(shape, image.into_bytes());
        let pixels = pixels.map_err(|_| DecodeError::Contradictory { format, what })?;
        Ok(Image { pixels, mode, tags: None, notes })
    }
}

/// Converts values to 8-bit levels; `range` is the range of the values.
fn levels(values: &[u16], bits: u32, depth: Depth, range: Option<UsualRange>) -> Vec<u8> {
    let bits = match (depth, range) {
        (Depth::Range, Some(range)) => {
            let (low, high) = (range.low as u16, range.high as u16);
            let span = u32::from(high - low).max(1);
            let above = |value: &u16| u32::from((*value).clamp(low, high) - low);
            let level = |value: &u16| (255 * above(value) + span / 2) / span;
            return values.iter().map(|value| level(value) as u8).collect();
        }
        (Depth::Bits(chosen), _) if bits > 8 => chosen,
        _ => bits,
    };
    match bits.checked_sub(8) {
        Some(shift) => values.iter().map(|value| (value >> shift).min(255) as u8).collect(),
        None => {
            let max = (1 << bits) - 1;
            let level = |value: &u16| (255 * u32::from(*value).min(max) + max / 2) / max;
            values.iter().map(|value| level(value) as u8).collect()
        }
    }
}

/// Converts values to 8-bit levels, from the smallest to the largest finite value that is no
/// outlier. Values that are not finite become 0, or 255 for infinity; if the levels are `inverted`
/// later, NaN becomes 255.
fn real_levels(values: &[f32], inverted: bool, notes: &mut Vec<String>) -> Vec<u8> {
    let mut finite: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
    finite.sort_unstable_by(f32::total_cmp);
    let range = UsualRange::new(finite.iter().map(|value| (f64::from(*value), 1)));
    let UsualRange { low, high, .. } = range;
    // `low` and `high` are `f32` values, which have shorter texts as `f32`.
    let (first, last) = if inverted { (255, 0) } else { (0, 255) };
    notes.push(format!(
        "the values {} to {} are shown as {first} to {last}",
        low as f32, high as f32
    ));
    notes.extend(range.note("values"));
    if finite.len() < values.len() {
        let nan = values.iter().filter(|value| value.is_nan()).count();
        let (black, white) = match inverted {
            false => ("negative infinity", "infinity"),
            true => ("infinity", "negative infinity"),
        };
        notes.push(format!(
            "{} of {} values are not finite: NaN ({nan}) and {black} are shown as black, {white} \
             as white",
            values.len() - finite.len(),
            values.len()
        ));
    }
    let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
    let level = |value: &f32| match value.is_nan() && inverted {
        true => 255,
        false => ((f64::from(*value) - low) * scale).round() as u8,
    };
    values.iter().map(level).collect()
}

/// Conversion of values of more than 8 bits to levels.
#[derive(Clone, Copy)]
struct Shown {
    /// Bits per value of the file.
    bits: u32,
    /// See [`Raster::significant`].
    significant: Option<u32>,
    /// See [`Raster::inverted`].
    inverted: bool,
    depth: ChosenDepth,
}

impl Shown {
    /// Returns notes on values that do not fit the chosen depth; `range` is their range.
    fn notes(self, values: &[u16], range: &UsualRange) -> Vec<String> {
        let Self { bits, significant, inverted, depth } = self;
        let chosen = match depth.depth {
            Depth::Bits(chosen) => chosen,
            Depth::File => bits,
            Depth::Range => return range.note("values").into_iter().collect(),
        };
        let (white, dark) = if inverted { ("black", "bright") } else { ("white", "dark") };
        let mut notes = Vec::new();
        let too_large = values.iter().filter(|value| u32::from(**value) >> chosen > 0).count();
        if too_large > 0 {
            let (low, high) = values
                .iter()
                .fold((u16::MAX, 0), |(low, high), value| (low.min(*value), high.max(*value)));
            notes.push(format!(
                "{too_large} of {} values exceed the {chosen} bits of {} and become {white} (the \
                 values range from {low} to {high})",
                values.len(),
                depth.origin()
            ));
        }
        let UsualRange { low, high, outliers, .. } = *range;
        let used = (16 - (high as u16).leading_zeros()).max(1);
        if used < chosen {
            let without_outliers = match outliers {
                0 => String::new(),
                _ => format!(", without {outliers} outliers,"),
            };
            let sbit = match significant.filter(|significant| *significant < bits) {
                Some(significant) => format!(" (the sBIT chunk states {significant})"),
                None => String::new(),
            };
            notes.push(format!(
                "the values range from {low} to {high}{without_outliers} and use {used} of \
                 {chosen} bits{sbit}: the image is {dark}, {}",
                depth.advice(used.max(8))
            ));
        }
        notes
    }
}

/// Range of the values without outliers.
fn range(values: &[u16]) -> UsualRange {
    let mut counts = vec![0_u64; 1 << 16];
    values.iter().for_each(|value| counts[usize::from(*value)] += 1);
    let present = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    UsualRange::new(present.map(|(value, count)| (value as f64, *count)))
}

/// Mode of grey (1 channel) or colour (3) samples of 1 to 16 bits.
pub fn mode(channels: usize, bits: u32) -> &'static str {
    const GREY: [&str; 16] = [
        "1", "L2", "L3", "L4", "L5", "L6", "L7", "L", "L9", "L10", "L11", "L12", "L13", "L14",
        "L15", "L16",
    ];
    const COLOUR: [&str; 16] = [
        "RGB1", "RGB2", "RGB3", "RGB4", "RGB5", "RGB6", "RGB7", "RGB", "RGB9", "RGB10", "RGB11",
        "RGB12", "RGB13", "RGB14", "RGB15", "RGB16",
    ];
    (if channels == 1 { GREY } else { COLOUR })[(bits.clamp(1, 16) - 1) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels_of(values: &[u16], bits: u32, depth: Depth) -> Vec<u8> {
        levels(values, bits, depth, (bits > 8).then(|| range(values)))
    }

    fn notes_of(values: &[u16], bits: u32, significant: Option<u32>, depth: Depth) -> Vec<String> {
        let shown = Shown { bits, significant, inverted: false, depth: depth.into() };
        shown.notes(values, &range(values))
    }

    /// Values 0 to 4095, and a marker of 0.3 % at the largest value of 16 bits.
    fn with_marker() -> Vec<u16> {
        (0..4096).chain([u16::MAX; 12]).collect()
    }

    #[test]
    fn levels_follow_the_depth() {
        let values = [0, 1000, 4095];
        assert_eq!(levels_of(&values, 16, Depth::File), [0, 3, 15]);
        assert_eq!(levels_of(&values, 16, Depth::Bits(12)), [0, 62, 255]);
        assert_eq!(levels_of(&values, 16, Depth::Bits(10)), [0, 250, 255]);
        assert_eq!(levels_of(&values[1..], 16, Depth::Range), [0, 255]);
        assert_eq!(levels_of(&[0, 5, 10], 12, Depth::Range), [0, 128, 255]);
        assert_eq!(levels_of(&[7, 7], 16, Depth::Range), [0, 0]);
        assert_eq!(levels_of(&[0, 1, 2, 3], 2, Depth::File), [0, 85, 170, 255]);
        // The depth does not change samples of 8 bits.
        assert_eq!(levels_of(&[0, 128, 255], 8, Depth::Bits(12)), [0, 128, 255]);
        assert_eq!(levels_of(&[0, 5, 10], 8, Depth::Range), [0, 5, 10]);
        let levels = levels_of(&with_marker(), 16, Depth::Range);
        assert_eq!((levels[2048], levels[4095], levels[4096]), (128, 255, 255));
    }

    #[test]
    fn values_that_do_not_fit_the_depth_are_noted() {
        let note = |depth, sbit| notes_of(&[0, 4095], 16, sbit, depth).join("; ");
        assert_eq!(
            note(Depth::File, Some(12)),
            "the values range from 0 to 4095 and use 12 of 16 bits (the sBIT chunk states 12): the \
             image is dark, see the setting `depth` (\"12\" or \"range\")"
        );
        assert_eq!(note(Depth::Bits(12), None), "");
        assert_eq!(note(Depth::Range, None), "");
        assert!(note(Depth::Bits(10), None).starts_with("1 of 2 values exceed the 10 bits"));
        assert_eq!(notes_of(&[0, 40000], 16, None, Depth::File), [""; 0]);
    }

    #[test]
    fn a_bundle_has_no_setting_of_the_depth() {
        let notes = |values: &[u16], depth| {
            let depth = ChosenDepth::of_bundle(depth);
            let shown = Shown { bits: 16, significant: None, inverted: false, depth };
            shown.notes(values, &range(values))
        };
        let dark = "the image is dark, convert it, or use a model trained with `depth = \"12\"` or \
                    `depth = \"range\"`";
        assert!(notes(&[0, 4095], Depth::File)[0].ends_with(dark));
        let exceed = "1 of 2 values exceed the 10 bits of the model's training images and become";
        assert!(notes(&[0, 4095], Depth::Bits(10))[0].starts_with(exceed));
        let real = Raster {
            width: 1,
            height: 1,
            channels: 1,
            samples: Samples::Real { values: vec![0.5], what: "floating-point samples" },
            inverted: false,
            mode: "F",
            orientation: Orientation::NoTransforms,
            significant: None,
            notes: Vec::new(),
        };
        let error = real.image("TIFF", ChosenDepth::of_bundle(Depth::File)).unwrap_err();
        let end = "or use a model trained with `depth = \"range\"`";
        assert!(error.to_string().ends_with(end), "{error}");
    }

    #[test]
    fn a_bright_marker_does_not_hide_that_an_image_is_dark() {
        let note = |depth| notes_of(&with_marker(), 16, None, depth);
        assert_eq!(
            note(Depth::File),
            ["the values range from 0 to 4095, without 12 outliers, and use 12 of 16 bits: the \
                 image is dark, see the setting `depth` (\"12\" or \"range\")"]
        );
        assert_eq!(
            note(Depth::Range),
            ["12 of 4108 values are outliers: the range of the other values is used"]
        );
        assert!(note(Depth::Bits(12))[0].starts_with("12 of 4108 values exceed the 12 bits"));
        let [exceed, dark] = &note(Depth::Bits(14))[..] else { panic!() };
        assert!(exceed.contains("exceed the 14 bits") && dark.contains("use 12 of 14 bits"));
    }

    #[test]
    fn the_smallest_value_of_an_inverted_image_is_white() {
        let image = |samples, depth: Depth| {
            let raster = Raster {
                width: 4,
                height: 1,
                channels: 1,
                samples,
                inverted: true,
                mode: "L16",
                orientation: Orientation::NoTransforms,
                significant: None,
                notes: Vec::new(),
            };
            let image = raster.image("TIFF", depth.into()).unwrap();
            (image.pixels.into_raw_vec_and_offset().0, image.notes)
        };
        // The level is that of the largest value of the depth minus the value.
        let words = |values: [u16; 4]| Samples::U16 { values: values.to_vec(), bits: 16 };
        let values = [0, 100, 2048, 4095];
        let (levels, notes) = image(words(values), Depth::Bits(12));
        assert_eq!(levels, values.map(|value| ((4095 - value) >> 4) as u8));
        assert_eq!(notes, [""; 0]);
        let (levels, notes) = image(words(values), Depth::File);
        assert_eq!(levels, values.map(|value| ((65535 - value) >> 8) as u8));
        assert!(notes[0].contains("use 12 of 16 bits: the image is bright, see"), "{notes:?}");
        let (levels, notes) = image(words(values), Depth::Bits(11));
        assert_eq!(levels, [255, 243, 0, 0]);
        assert!(notes[0].starts_with("2 of 4 values exceed the 11 bits"), "{notes:?}");
        assert!(notes[0].contains("become black"), "{notes:?}");
        assert_eq!(image(words([100, 200, 300, 610]), Depth::Range).0, [255, 205, 155, 0]);

        let real = |values: [f32; 4]| Samples::Real { values: values.to_vec(), what: "" };
        let (levels, notes) =
            image(real([-1.0, f32::NAN, f32::INFINITY, 0.996_078_4]), Depth::Range);
        assert_eq!(levels, [255, 0, 0, 0]);
        assert_eq!(notes[0], "the values -1 to 0.9960784 are shown as 255 to 0");
        assert!(
            notes[1]
                .ends_with("NaN (1) and infinity are shown as black, negative infinity as white")
        );
    }

    #[test]
    fn values_that_are_not_finite_are_counted() {
        let mut notes = Vec::new();
        let values = [0.0, 1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5];
        assert_eq!(real_levels(&values, false, &mut notes), [0, 255, 0, 255, 0, 128]);
        assert_eq!(
            notes,
            [
                "the values 0 to 1 are shown as 0 to 255",
                "3 of 6 values are not finite: NaN (1) and negative infinity are shown as black, \
                 infinity as white"
            ]
        );
        notes.clear();
        let marked: Vec<f32> = (0..1000).map(|i| if i == 0 { 1e6 } else { i as f32 }).collect();
        let levels = real_levels(&marked, false, &mut notes);
        assert_eq!((levels[0], levels[250], levels[999]), (255, 64, 255));
        assert_eq!(
            notes[1],
            "1 of 1000 values are outliers: the range of the other values is used"
        );
        assert_eq!(real_levels(&[f32::NAN; 2], false, &mut Vec::new()), [0, 0]);
    }
}
