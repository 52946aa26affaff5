//! Region masks: images whose border or centre is set to black.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Rows, and columns, of the centre of an image of `side` pixels, where the lungs are: all but an
/// eighth at each edge.
pub fn centre(side: usize) -> Range<usize> {
    side / 8..side - side / 8
}

/// Region of an image that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The pixels around the [`centre`].
    Border,
    /// The [`centre`].
    Centre,
}

impl Part {
    /// Both regions, in the order of tables.
    pub const ALL: [Self; 2] = [Self::Border, Self::Centre];

    /// Sets all other pixels of `image`, `[side, side, 3]`, to 0.
    pub fn keep(self, image: &mut [f32], side: usize) {
        let centre = centre(side);
        for (i, pixel) in image.chunks_exact_mut(3).enumerate() {
            let inside = centre.contains(&(i / side)) && centre.contains(&(i % side));
            if inside != (self == Self::Centre) {
                pixel.fill(0.0);
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Border => "border",
            Self::Centre => "centre",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn border_and_centre_make_up_the_image() {
        assert_eq!(centre(224), 28..196);
        let image: Vec<f32> = (1..=8 * 8 * 3).map(|i| i as f32).collect();
        let [border, centre] = Part::ALL.map(|part| {
            let mut kept = image.clone();
            part.keep(&mut kept, 8);
            kept
        });
        let sum: Vec<f32> = border.iter().zip(&centre).map(|(a, b)| a + b).collect();
        assert_eq!(sum, image);
        let black = |image: &[f32]| image.chunks(3).filter(|pixel| pixel == &[0.0; 3]).count();
        assert_eq!((black(&border), black(&centre)), (36, 28));
    }
}
