//! Conversion of stored values to grey levels, as a viewer shows them: the modality transform, then
//! the VOI transform (values of interest), then inversion.
//!
//! Source: PS3.3 C.11.1 and C.11.2; reference: pydicom's `apply_modality_lut` and `apply_voi_lut`.
//! The level depends on one stored value of at most 16 bits, so it is computed once for each value
//! that occurs.

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
    /// window that [hides](Shown::objection) the measured values is not used.
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
                let mut shown = Shown::new(&table, measured);
                if shown.objection().is_some()
                    && let Self::Table { lut, .. } = &mut table
                    && lut.flip_sign()
                {
                    shown = Shown::new(&table, measured);
                    let doubt = "signed and unsigned are exchanged for the display table";
                    notes.extend(shown.objection().is_none().then(|| doubt.to_owned()));
                }
                match (table, shown.objection()) {
                    (Self::Table { lut, white }, None) => {
                        notes.extend(lut.doubts.iter().cloned());
                        notes.extend(shown.note("display table"));
                        return Some(Self::Table { lut, white });
                    }
                    (_, objection) => format!("it {}", objection.unwrap_or_default()),
                }
            }
            Ok(None) => "one of its elements is missing".to_owned(),
            Err(what) => what.to_owned(),
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
        let mut refused = "has no center or no width that is allowed";
        for (i, window) in windows.map(|(center, width)| center.zip(width)).enumerate() {
            let Some((center, width)) = window.filter(|(_, width)| *width >= least) else {
                continue;
            };
            let window = Self::Window { function, center, width };
            let shown = Shown::new(&window, measured);
            let Some(objection) = shown.objection() else {
                if i > 0 {
                    notes.push(format!("the window {refused}: window {} is used", i + 1));
                }
                notes.extend(shown.note("window"));
                return Some(window);
            };
            refused = objection;
        }
        notes.push(format!("the window {refused}: the range of the values is used"));
        None
    }

    /// Range of the values without outliers.
    fn range(measured: &Histogram, notes: &mut Vec<String>) -> Self {
        let range = UsualRange::new(measured.iter().copied());
        notes.extend(range.note("pixels"));
        Self::Range { low: range.low, high: range.high }
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

/// Effect of a display table or window on the measured values.
struct Shown {
    /// Number of pixels of each level.
    levels: [u64; 256],
    pixels: u64,
    /// Number of distinct values.
    values: usize,
    /// Number of distinct values between black and white.
    values_between: usize,
    /// Number of pixels of the most frequent value, such as that of a collimated border.
    most_frequent: u64,
    /// Number of pixels that have neither the smallest, the largest nor the most frequent value:
    /// borders and saturated pixels may be most of an image. They tell nothing about a window.
    others: u64,
    /// Number of these pixels between black and white.
    others_between: u64,
}

impl Shown {
    fn new(voi: &Voi, measured: &Histogram) -> Self {
        let most = (0..measured.len()).max_by_key(|i| measured[*i].1).unwrap_or(0);
        let mut shown = Self {
            levels: [0; 256],
            pixels: 0,
            values: measured.len(),
            values_between: 0,
            most_frequent: measured.get(most).map_or(0, |(_, count)| *count),
            others: 0,
            others_between: 0,
        };
        for (i, &(value, count)) in measured.iter().enumerate() {
            let level = level(voi.apply(value));
            let is_between = !matches!(level, 0 | 255);
            shown.levels[usize::from(level)] += count;
            shown.pixels += count;
            shown.values_between += usize::from(is_between);
            if i != 0 && i != measured.len() - 1 && i != most {
                shown.others += count;
                shown.others_between += if is_between { count } else { 0 };
            }
        }
        shown
    }

    /// Returns the reason why the image is hidden, if it is.
    fn objection(&self) -> Option<&'static str> {
        let levels = self.levels.iter().filter(|count| **count > 0).count();
        let has_most = |count: u64| 100 * count >= 99 * self.pixels;
        if levels <= 2 && levels < self.values {
            Some("shows at most two levels of the values")
        } else if self.levels.into_iter().any(has_most) && !has_most(self.most_frequent) {
            Some("shows 99 of 100 pixels at one level")
        } else if self.values_between < 2 && self.values > 3 {
            Some("shows at most one value between black and white")
        } else if 20 * self.others_between < self.others {
            Some("shows fewer than 5 of 100 pixels between black and white")
        } else {
            None
        }
    }

    /// Returns a note if more than 90 of 100 pixels are at one end of the levels, although fewer
    /// have one value; `what` shows them.
    fn note(&self, what: &str) -> Option<String> {
        let is_most = |count: u64| 10 * count > 9 * self.pixels;
        let (end, count) = [("lowest", self.levels[0]), ("highest", self.levels[255])]
            .into_iter()
            .find(|(_, count)| is_most(*count) && !is_most(self.most_frequent))?;
        let percent = 100 * count / self.pixels;
        Some(format!("the {what} shows {percent} of 100 pixels at its {end} level"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Function, Shown, Voi};

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

    fn window(function: Function, center: f64, width: f64) -> Voi {
        Voi::Window { function, center, width }
    }

    #[test]
    fn a_window_outside_nearly_all_values_is_not_used() {
        let objection = |center, measured| {
            Shown::new(&window(Function::Linear, center, 400.0), measured).objection()
        };
        let mut measured: Vec<(f64, u64)> = (0..4096).map(|value| (value.into(), 12)).collect();
        measured.extend((0..20).map(|i| (19_990.0 + f64::from(i), 5)));
        assert_eq!(objection(20_000.0, &measured), Some("shows 99 of 100 pixels at one level"));
        assert_eq!(objection(2000.0, &measured), None);
        // Collimation: most pixels have the same value.
        let collimated = [(0.0, 99_500), (2000.0, 200), (2050.0, 200), (2100.0, 100)].to_vec();
        assert_eq!(objection(2000.0, &collimated), None);
    }

    #[test]
    fn a_window_that_makes_nearly_all_values_black_or_white_is_not_used() {
        // PS3.3 C.11.2.1.2: a linear window of `width` has levels between for `width - 1` values.
        let measured: Vec<(f64, u64)> = (0..4096).map(|value| (value.into(), 12)).collect();
        let few = Some("shows fewer than 5 of 100 pixels between black and white");
        let one = Some("shows at most one value between black and white");
        for (function, width, expected) in [
            (Function::Linear, 1.0, Some("shows at most two levels of the values")),
            (Function::LinearExact, 1.0, one),
            (Function::Sigmoid, 0.5, one),
            (Function::Sigmoid, 1.0, few),
            (Function::Linear, 3.0, few),
            (Function::LinearExact, 200.0, few),
            (Function::Linear, 210.0, None),
            (Function::Sigmoid, 200.0, None),
        ] {
            let shown = Shown::new(&window(function, 2000.0, width), &measured);
            assert_eq!(shown.objection(), expected, "{width}");
        }
        // Rescaled values may be much closer than 1.
        let fine: Vec<_> = measured.iter().map(|(value, n)| (value / 4096.0, *n)).collect();
        assert_eq!(Shown::new(&window(Function::LinearExact, 0.5, 1.0), &fine).objection(), None);
        // A black border, a saturated background, and a body in the window.
        let mut body: Vec<_> = (1800..2200).map(|value| (value.into(), 10)).collect();
        body.insert(0, (0.0, 40_000));
        body.push((4095.0, 60_000));
        assert_eq!(Shown::new(&window(Function::Linear, 2000.0, 400.0), &body).objection(), None);
    }

    #[test]
    fn a_window_with_most_pixels_at_one_end_is_noted() {
        let measured: Vec<(f64, u64)> = (0..1000).map(|value| (value.into(), 1)).collect();
        let note = |center| {
            let shown = Shown::new(&window(Function::LinearExact, center, 100.0), &measured);
            assert_eq!(shown.objection(), None);
            shown.note("window")
        };
        assert_eq!(note(500.0), None);
        let shows = |level| Some(format!("the window shows 92 of 100 pixels at its {level} level"));
        assert_eq!(note(970.0), shows("lowest"));
        assert_eq!(note(30.0), shows("highest"));
    }
}
