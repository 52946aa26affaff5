//! Stored values to grey levels, as a viewer shows them: the modality transform,
//! then the values of interest, then inversion.
//!
//! PS3.3 C.11.1 and C.11.2; pydicom's `apply_modality_lut` and `apply_voi_lut` are
//! the reference. All of it is a function of one stored value of at most 16 bits,
//! so it is computed once for each value that occurs.

use std::collections::BTreeSet;

use super::elements::{Elements, tag};
use super::lut::Lut;
use super::samples::Samples;
use crate::image::DecodeError;

/// Stored value to a value of the modality, such as optical density.
enum Modality {
    Linear { slope: f64, intercept: f64 },
    Table(Lut),
}

/// Value of the modality to brightness in 0..=1.
enum Voi {
    Window {
        function: Function,
        center: f64,
        width: f64,
    },
    Table(Lut),
    /// From the least value to the largest.
    Range {
        low: f64,
        high: f64,
    },
}

#[derive(Clone, Copy)]
enum Function {
    Linear,
    LinearExact,
    Sigmoid,
}

/// The grey level of every pixel; doubts go into `notes`.
pub fn levels(
    data: &Elements,
    samples: &Samples,
    inverted: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<u8>, DecodeError> {
    let mut occurs = vec![false; 1 << 16];
    for &cell in &samples.cells {
        occurs[usize::from(cell)] = true;
    }
    let modality = Modality::read(data, samples.signed)?;
    let padding = padding(data, samples);
    let cells = || (0..=u16::MAX).filter(|cell| occurs[usize::from(*cell)]);
    let measured: Vec<f64> = cells()
        .map(|cell| samples.value(cell))
        .filter(|value| !padding.contains(value))
        .map(|value| modality.apply(value))
        .collect();
    let voi = Voi::read(data, samples.signed, &measured, notes)?;
    let mut table = vec![0; 1 << 16];
    for cell in cells() {
        let shown = voi.apply(modality.apply(samples.value(cell)));
        let shown = if inverted { 1.0 - shown } else { shown };
        table[usize::from(cell)] = level(shown);
    }
    Ok(samples.cells.iter().map(|cell| table[usize::from(*cell)]).collect())
}

/// The least and the largest of `values`.
fn ends(values: &[f64]) -> (f64, f64) {
    let infinite = (f64::INFINITY, f64::NEG_INFINITY);
    values.iter().fold(infinite, |(low, high), value| (low.min(*value), high.max(*value)))
}

/// The 8-bit level of a brightness in 0..=1.
fn level(brightness: f64) -> u8 {
    (255.0 * brightness).round() as u8
}

/// The stored values that stand for no measurement; an empty range if none do.
fn padding(data: &Elements, samples: &Samples) -> std::ops::RangeInclusive<i32> {
    let stored = |word: u16| if samples.signed { i32::from(word as i16) } else { word.into() };
    #[expect(clippy::reversed_empty_ranges, reason = "it contains nothing")]
    let Some(value) = data.word(tag::PADDING).map(stored) else { return 1..=0 };
    let limit = data.word(tag::PADDING_LIMIT).map_or(value, stored);
    value.min(limit)..=value.max(limit)
}

impl Modality {
    fn read(data: &Elements, signed: bool) -> Result<Self, DecodeError> {
        if let Some(item) = data.item(tag::MODALITY_LUTS)?
            && let Some(lut) = Lut::read(&item, tag::LUT_DESCRIPTOR, tag::LUT_DATA, signed)?
        {
            return Ok(Self::Table(lut));
        }
        // A slope of 0 would leave nothing of the picture.
        let slope = data.decimal(tag::SLOPE).filter(|slope| *slope != 0.0).unwrap_or(1.0);
        Ok(Self::Linear { slope, intercept: data.decimal(tag::INTERCEPT).unwrap_or(0.0) })
    }

    fn apply(&self, stored: i32) -> f64 {
        match self {
            Self::Linear { slope, intercept } => slope * f64::from(stored) + intercept,
            Self::Table(lut) => lut.at(stored.into()).into(),
        }
    }
}

impl Voi {
    /// The table if there is one, else the first window that shows something of the
    /// `measured` values, else their range.
    fn read(
        data: &Elements,
        signed: bool,
        measured: &[f64],
        notes: &mut Vec<String>,
    ) -> Result<Self, DecodeError> {
        let signed = signed || data.decimal(tag::INTERCEPT).is_some_and(|i| i < 0.0);
        if let Some(item) = data.item(tag::VOI_LUTS)?
            && let Some(lut) = Lut::read(&item, tag::LUT_DESCRIPTOR, tag::LUT_DATA, signed)?
        {
            return Ok(Self::Table(lut));
        }
        let (low, high) = ends(measured);
        let range = Self::Range { low, high };
        match Self::window(data) {
            Some(window) if window.shows(measured) => Ok(window),
            Some(_) => {
                notes.push(
                    "the window shows at most two levels of the values, whose range is used instead"
                        .to_owned(),
                );
                Ok(range)
            }
            None => Ok(range),
        }
    }

    /// The first window; `None` if there is none, or one of a width that its function does
    /// not allow.
    fn window(data: &Elements) -> Option<Self> {
        let (function, least) = match data.text(tag::VOI_FUNCTION).to_uppercase().as_str() {
            "LINEAR_EXACT" => (Function::LinearExact, f64::MIN_POSITIVE),
            "SIGMOID" => (Function::Sigmoid, f64::MIN_POSITIVE),
            _ => (Function::Linear, 1.0),
        };
        let window = data.decimal(tag::WINDOW_CENTER).zip(data.decimal(tag::WINDOW_WIDTH));
        let (center, width) = window.filter(|(_, width)| *width >= least)?;
        Some(Self::Window { function, center, width })
    }

    /// Whether more than two levels come out, or at most two values go in.
    fn shows(&self, measured: &[f64]) -> bool {
        let levels: BTreeSet<u8> = measured.iter().map(|value| level(self.apply(*value))).collect();
        levels.len() > 2 || measured.len() <= 2 && levels.len() == measured.len()
    }

    fn apply(&self, value: f64) -> f64 {
        let shown = match *self {
            Self::Table(ref lut) => f64::from(lut.at(value)) / f64::from(lut.max),
            Self::Window { function: Function::Linear, center, width } => {
                let (center, width) = (center - 0.5, width - 1.0);
                if value <= center - width / 2.0 {
                    0.0
                } else if value > center + width / 2.0 {
                    1.0
                } else {
                    (value - center) / width + 0.5
                }
            }
            Self::Window { function: Function::LinearExact, center, width } => {
                (value - center) / width + 0.5
            }
            Self::Window { function: Function::Sigmoid, center, width } => {
                1.0 / (1.0 + (-4.0 * (value - center) / width).exp())
            }
            Self::Range { low, high } if low < high => (value - low) / (high - low),
            Self::Range { .. } => 0.0,
        };
        shown.clamp(0.0, 1.0)
    }
}
