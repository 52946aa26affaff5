//! Doubts that the levels of a decoded image raise, whatever its format.

use ndarray::Array3;

use super::Film;

/// The least proportion of the range 0..=255 that the levels of a radiograph fill. Of 396
/// chest radiographs of three public collections, none fills less than 0.35.
const LEAST_SPREAD: f64 = 0.25;
/// How many values are counted to find that spread, about: enough for quantiles.
const MAX_COUNTED: usize = 1 << 18;

impl Film {
    /// Whether every pixel has the same level in each channel.
    pub fn is_constant(&self) -> bool {
        let first = self.pixels.iter().take(self.channels());
        let first: Vec<u8> = first.copied().collect();
        self.pixels.rows().into_iter().all(|pixel| pixel.iter().eq(&first))
    }

    fn channels(&self) -> usize {
        self.pixels.dim().2
    }

    /// Adds a note if the levels fill little of the range of 8 bits.
    #[must_use]
    pub(super) fn with_doubts_of_levels(mut self) -> Self {
        if self.is_constant() {
            self.notes.push("all pixels have the same level".to_owned());
        } else if let Some((low, high)) = narrow(&self.pixels) {
            self.notes
                .push(format!("998 of 1000 pixels have levels between {low} and {high} of 255"));
        }
        self
    }
}

/// The levels between which all but the lowest and the highest thousandth lie, if these
/// fill less than [`LEAST_SPREAD`] of the range. Of large images, evenly spaced rows are
/// counted.
fn narrow(pixels: &Array3<u8>) -> Option<(usize, usize)> {
    let mut counts = [0_u64; 256];
    for row in pixels.outer_iter().step_by(pixels.len().div_ceil(MAX_COUNTED).max(1)) {
        for &level in row {
            counts[usize::from(level)] += 1;
        }
    }
    let total: u64 = counts.iter().sum();
    let quantile = |per_mille: u64| {
        let mut below = 0;
        counts.iter().position(|count| {
            below += count;
            1000 * below >= per_mille * total && below > 0
        })
    };
    let (low, high) = (quantile(1)?, quantile(999)?);
    ((high - low) as f64 <= LEAST_SPREAD * 255.0).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(levels: &[u8], channels: usize) -> Film {
        let pixels = levels.to_vec();
        let shape = (1, levels.len() / channels, channels);
        let pixels = Array3::from_shape_vec(shape, pixels).unwrap();
        Film { pixels, mode: "L", tags: None, notes: Vec::new() }.with_doubts_of_levels()
    }

    #[test]
    fn levels_that_fill_little_of_the_range_are_noted() {
        assert_eq!(film(&[7; 9], 1).notes, ["all pixels have the same level"]);
        assert_eq!(film(&[1, 2, 3, 1, 2, 3], 3).notes, ["all pixels have the same level"]);
        assert!(!film(&[1, 2, 3, 1, 2, 200], 3).is_constant());
        let dark: Vec<u8> =
            (0..2000).map(|i| if i == 5 { 255 } else { 10 + (i % 60) as u8 }).collect();
        let note = "998 of 1000 pixels have levels between 10 and 69 of 255";
        assert_eq!(film(&dark, 1).notes, [note]);
        let wide: Vec<u8> = (0..200).map(|i| (i % 100) as u8).collect();
        assert_eq!(film(&wide, 1).notes, [""; 0]);
    }
}
