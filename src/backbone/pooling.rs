//! Pooling of the last feature maps.

use std::{fmt, str::FromStr};

use ndarray::{Array2, ArrayView4, Axis, s};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::conv::Extent;

/// Pooling of the backbone's last feature maps to the features of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Keras' `AveragePooling2D(4)` with `valid` padding: mean of rows and columns 0 to 3. Of
    /// 7x7 maps, 33 of 49 cells are not pooled. Their pixels still affect the pooled cells
    /// through the receptive fields, see [`super::Vgg16::reach`].
    #[default]
    Tutorial,
    /// Mean of all cells.
    Global,
}

/// Unknown name of a [`Pooling`].
#[derive(Debug, Error, PartialEq, Eq)]
#[error("unknown pooling `{0}`, expected `tutorial` or `global`")]
pub struct UnknownPooling(String);

impl Pooling {
    /// Size of the pooled region (top left corner) of maps of size `whole`.
    pub fn reads(self, whole: Extent) -> Extent {
        match self {
            Self::Tutorial => Extent { rows: whole.rows.min(4), cols: whole.cols.min(4) },
            Self::Global => whole,
        }
    }

    /// Averages the pooled region of `maps` [n, rows, cols, channels]. Returns [n, channels].
    /// The maps must have at least one cell.
    pub fn apply(self, maps: ArrayView4<f32>) -> Array2<f32> {
        let (_, rows, cols, _) = maps.dim();
        let region = self.reads(Extent { rows, cols });
        let corner = maps.slice(s![.., ..region.rows, ..region.cols, ..]);
        let sum = corner.sum_axis(Axis(1)).sum_axis(Axis(1));
        sum / (region.rows * region.cols) as f32
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tutorial => "tutorial",
            Self::Global => "global",
        })
    }
}

impl FromStr for Pooling {
    type Err = UnknownPooling;

    fn from_str(text: &str) -> Result<Self, UnknownPooling> {
        match text {
            "tutorial" => Ok(Self::Tutorial),
            "global" => Ok(Self::Global),
            _ => Err(UnknownPooling(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, array};

    use super::*;

    #[test]
    fn tutorial_pooling_averages_the_top_left_corner() {
        let maps =
            Array4::from_shape_fn(
                (1, 7, 7, 2),
                |(_, y, x, c)| {
                    if y < 4 && x < 4 { c as f32 } else { 49.0 }
                },
            );
        assert_eq!(Pooling::Tutorial.apply(maps.view()), array![[0.0, 1.0]]);
        let global = Pooling::Global.apply(maps.view());
        assert_eq!(global, array![[33.0, 33.0 + 16.0 / 49.0]]);
    }

    #[test]
    fn names_round_trip() {
        for pooling in [Pooling::Tutorial, Pooling::Global] {
            assert_eq!(pooling.to_string().parse(), Ok(pooling));
            let json = format!("\"{pooling}\"");
            assert_eq!(serde_json::to_string(&pooling).unwrap(), json);
        }
        let error = "max".parse::<Pooling>().unwrap_err();
        assert_eq!(error.to_string(), "unknown pooling `max`, expected `tutorial` or `global`");
    }
}
