use std::{fmt, str::FromStr};

use ndarray::{Array2, ArrayView4, Axis, s};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::conv::Extent;

/// How the head reads the net's last maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Keras' `AveragePooling2D(4)`, `valid`, on 7x7 maps: the mean of rows and
    /// columns 0 to 3. The other 33 of the 49 cells are not pooled; pixels there still
    /// act through the receptive fields of the pooled cells, [`super::Vgg16::reach`].
    #[default]
    Tutorial,
    /// The mean of all cells.
    Global,
}

/// A word that names no [`Pooling`].
#[derive(Debug, Error, PartialEq, Eq)]
#[error("unknown pooling `{0}`, expected `tutorial` or `global`")]
pub struct UnknownPooling(String);

impl Pooling {
    /// The corner of the last maps, of size `whole`, that is read.
    pub fn reads(self, whole: Extent) -> Extent {
        match self {
            Self::Tutorial => Extent { rows: whole.rows.min(4), cols: whole.cols.min(4) },
            Self::Global => whole,
        }
    }

    /// The mean over the cells that are read of `maps` [n, rows, cols, channels]: [n, channels].
    ///
    /// # Panics
    /// If the maps have no cells.
    pub fn apply(self, maps: ArrayView4<f32>) -> Array2<f32> {
        let (_, rows, cols, _) = maps.dim();
        let seen = self.reads(Extent { rows, cols });
        let corner = maps.slice(s![.., ..seen.rows, ..seen.cols, ..]);
        let sum = corner.sum_axis(Axis(1)).sum_axis(Axis(1));
        sum / (seen.rows * seen.cols) as f32
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
    fn the_tutorial_sees_one_corner() {
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
