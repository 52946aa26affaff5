//! Conversion of stored values to grey levels, as a viewer shows them: the modality transform, then
//! the VOI transform (values of interest), then inversion.
//!
//! Source: PS3.3 C.11.1 and C.11.2; reference: pydicom's `apply_modality_lut` and `apply_voi_lut`.
//! The level depends on one stored value of at most 16 bits, so it is computed once for each value
//! that occurs.

use std::collections::BTreeSet;

use super::damaged;
use super::elements::{Elements, tag};
use super::lut::Lut;
use super::samples::Samples;
use crate::image::DecodeError;
use crate::image::outliers::UsualRange;

/// Transform of a stored value to a modality value, such as optical density.
enum Modality {
    Linear { slope: f64, intercept: f64 },
    Table(Lut),
}

/// Transform of a modality value to a brightness from 0 to 1.
enum Voi {
    Window {
        function: Function,
        center: f64,
        width: f64,
    },
    Table {
        lut: Lut,
        /// Entry of brightness 1.
        white: u16,
    },
    /// Linear: `low` has the brightness 0, `high` 1.
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

/// Modality values in ascending order, each with its number of pixels.
type Histogram = Vec<(f64, u64)>;

/// Returns the grey level of every pixel; adds to `notes`.
pub fn levels(
    data: &Elements,
    samples: &Samples,
    inverted: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<u8>, DecodeError> {
    let mut counts = vec![0_u64; 1 << 16];
    for &cell in &samples.cells {
        counts[usize::from(cell)] += 1;
    }
    let cells = || (0..=u16::MAX).filter(|cell| counts[usize::from(*cell)] > 0);
    let modality = Modality::read(data, samples.signed, notes)?;
    let padding = padding(data, samples);
    let histogram = |is_measured: &dyn Fn(i32) -> bool| -> Histogram {
        let cells = cells().filter(|cell| is_measured(samples.value(*cell)));
        let value = |cell: u16| modality.apply(samples.value(cell));
        let mut values: Vec<_> =
            cells.map(|cell| (value(cell), counts[usize::from(cell)])).collect();
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        values
    };
    let mut measured = histogram(&|value| !padding.contains(&value));
    if measured.is_empty() {
        notes.push(
            "all pixels are padding according to the header: the padding value is ignored"
                .to_owned(),
        );
        measured = histogram(&|_| true);
    }
    let voi = Voi::choose(data, samples.signed, &measured, notes);
    let mut table = vec![0; 1 << 16];
    for cell in cells() {
        let shown = voi.apply(modality.apply(samples.value(cell)));
        let shown = if inverted { 1.0 - shown } else { shown };
        table[usize::from(cell)] = level(shown);
    }
    Ok(samples.cells.iter().map(|cell| table[usize::from(*cell)]).collect())
}

/// 8-bit level of a brightness from 0 to 1.
fn level(brightness: f64) -> u8 {
    (255.0 * brightness).round() as u8
}

/// Range of stored values that mark padding; empty if there are none.
fn padding(data: &Elements, samples: &Samples) -> std::ops::RangeInclusive<i32> {
    let stored = |word: u16| if samples.signed { i32::from(word as i16) } else { word.into() };
    #[expect(clippy::reversed_empty_ranges, reason = "it contains nothing")]
    let Some(value) = data.word(tag::PADDING).map(stored) else { return 1..=0 };
    let limit = data.word(tag::PADDING_LIMIT).map_or(value, stored);
    value.min(limit)..=value.max(limit)
}

impl Modality {
    fn read(data: &Elements, signed: bool, notes: &mut Vec<String>) -> Result<Self, DecodeError> {
        if let Some(item) = data.item(tag::MODALITY_LUTS)? {
            let lut = Lut::read(&item, tag::LUT_DESCRIPTOR, tag::LUT_DATA, signed);
            if let Some(lut) = lut.map_err(damaged)? {
                notes.extend(lut.doubts.iter().cloned());
                return Ok(Self::Table(lut));
            }
        }
        let slope = data.decimal(tag::SLOPE).filter(|slope| *slope != 0.0);
        if slope.is_none() && !data.text(tag::SLOPE).is_empty() {
            // A slope of 0 would make the image constant.
            notes.push("the rescale slope is 0 or no number: 1 is used".to_owned());
        }
        Ok(Self::Linear {
            slope: slope.unwrap_or(1.0),
            intercept: data.decimal(tag::INTERCEPT).unwrap_or(0.0),
        })
    }

    fn apply(&self, stored: i32) -> f64 {
        match self {
            Self::Linear { slope, intercept } => slope * f64::from(stored) + intercept,
            Self::Table(lut) => lut.at(stored.into()).into(),
        }
    }
}

impl Voi {
    /// Returns the display table, else the first window, else the range of the values. A table or
    /// window must show more than two levels of the measured values.
    fn choose(
        data: &Elements,
        signed: bool,
        measured: &Histogram,
        notes: &mut Vec<String>,
    ) -> Self {
        Self::table(data, signed, measured, notes)
            .or_else(|| Self::window(data, measured, notes))
            .unwrap_or_else(|| Self::range(measured, notes))
    }

    /// Reads the first display table (VOI LUT) of the header.
    fn table(
        data: &Elements,
        signed: bool,
        measured: &Histogram,
        notes: &mut Vec<String>,
    ) -> Option<Self> {
        let signed = signed || data.decimal(tag::INTERCEPT).is_some_and(|i| i < 0.0);
        let lut = match data.item(tag::VOI_LUTS) {
            Ok(None) => return None,
            Ok(Some(item)) => Lut::read(&item, tag::LUT_DESCRIPTOR, tag::LUT_DATA, signed),
            Err(_) => Err("the sequence is damaged"),
        };
        let refused = match lut {
            Ok(Some(mut lut)) => {
                let white = lut.white();
                let mut table = Self::Table { lut, white };
                let mut shows = table.shows(measured);
                if !shows
                    && let Self::Table { lut, .. } = &mut table
                    && lut.flip_sign()
                {
                    shows = table.shows(measured);
                    let doubt = "signed and unsigned are exchanged for the display table";
                    notes.extend(shows.then(|| doubt.to_owned()));
                }
                match table {
                    Self::Table { ref lut, .. } if shows => {
                        notes.extend(lut.doubts.iter().cloned());
                        return Some(table);
                    }
                    _ => "it shows at most two levels of the values",
                }
            }
            Ok(None) => "one of its elements is missing",
            Err(what) => what,
        };
        notes.push(format!("the display table is not used: {refused}"));
        None
    }

    /// Reads the first usable window of the header.
    fn window(data: &Elements, measured: &Histogram, notes: &mut Vec<String>) -> Option<Self> {
        let (centers, widths) = (data.bytes(tag::WINDOW_CENTER), data.bytes(tag::WINDOW_WIDTH));
        if centers.is_none() && widths.is_none() {
            return None;
        }
        let (function, least) = match data.text(tag::VOI_FUNCTION).to_uppercase().as_str() {
            "LINEAR_EXACT" => (Function::LinearExact, f64::MIN_POSITIVE),
            "SIGMOID" => (Function::Sigmoid, f64::MIN_POSITIVE),
            _ => (Function::Linear, 1.0),
        };
        let windows = data.decimals(tag::WINDOW_CENTER).zip(data.decimals(tag::WINDOW_WIDTH));
        let mut refused = "the window has no center or no width that is allowed";
        for (i, window) in windows.map(|(center, width)| center.zip(width)).enumerate() {
            let Some((center, width)) = window.filter(|(_, width)| *width >= least) else {
                continue;
            };
            let window = Self::Window { function, center, width };
            let shows = window.shows(measured);
            if shows && !window.is_flat(measured) {
                if i > 0 {
                    notes.push(format!("{refused}: window {} is used", i + 1));
                }
                return Some(window);
            }
            refused = match shows {
                true => "the window shows 99 of 100 pixels at one level",
                false => "the window shows at most two levels of the values",
            };
        }
        notes.push(format!("{refused}: the range of the values is used"));
        None
    }

    /// Range of the values without outliers.
    fn range(measured: &Histogram, notes: &mut Vec<String>) -> Self {
        let range = UsualRange::new(measured.iter().copied());
        notes.extend(range.note("pixels"));
        Self::Range { low: range.low, high: range.high }
    }

    /// Returns `true` if more than two levels result, or as many levels as distinct values.
    fn shows(&self, measured: &Histogram) -> bool {
        let levels: BTreeSet<u8> =
            measured.iter().map(|(value, _)| level(self.apply(*value))).collect();
        levels.len() > 2 || levels.len() == measured.len()
    }

    /// Returns `true` if 99 of 100 pixels get one level, although fewer have one value.
    fn is_flat(&self, measured: &Histogram) -> bool {
        let (mut counts, mut pixels, mut most_of_a_value) = ([0; 256], 0, 0);
        for &(value, count) in measured.iter() {
            counts[usize::from(level(self.apply(value)))] += count;
            pixels += count;
            most_of_a_value = count.max(most_of_a_value);
        }
        let is_most = |count: u64| 100 * count >= 99 * pixels;
        counts.into_iter().any(is_most) && !is_most(most_of_a_value)
    }

    fn apply(&self, value: f64) -> f64 {
        let shown = match *self {
            Self::Table { ref lut, white } => f64::from(lut.at(value)) / f64::from(white),
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

#[cfg(test)]
mod tests {
    use super::{Function, Voi};

    #[test]
    fn a_bright_letter_or_border_does_not_darken_the_range() {
        // Values 0 to 4095, and 1.5 to 5 % of the pixels at 65535.
        for bright in [625, 2155] {
            let mut measured: Vec<(f64, u64)> = (0..4096).map(|value| (value.into(), 10)).collect();
            measured.push((65535.0, bright));
            let mut notes = Vec::new();
            let range = Voi::range(&measured, &mut notes);
            assert!((range.apply(2048.0) - 0.5).abs() < 0.001);
            let all = 40960 + bright;
            assert_eq!(
                notes,
                [format!(
                    "{bright} of {all} pixels are outliers: the range of the other values is used"
                )]
            );
        }
    }

    #[test]
    fn a_window_outside_nearly_all_values_is_flat() {
        let window = |center| Voi::Window { function: Function::Linear, center, width: 400.0 };
        let mut measured: Vec<(f64, u64)> = (0..4096).map(|value| (value.into(), 12)).collect();
        measured.extend((0..20).map(|i| (19_990.0 + f64::from(i), 5)));
        assert!(window(20_000.0).shows(&measured) && window(20_000.0).is_flat(&measured));
        assert!(!window(2000.0).is_flat(&measured));
        // Collimation: most pixels have the same value.
        let collimated = [(0.0, 99_500), (2000.0, 200), (2050.0, 200), (2100.0, 100)].to_vec();
        assert!(!window(2000.0).is_flat(&collimated));
    }
}
