//! `explain/explain.json`: summary of the saliency maps; `explain/explain.csv` and
//! `explain/saliency.npy`: saliency per image.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array2, Array3};
use serde::{Deserialize, Serialize};

use super::array::read_checked;
use super::{ArtifactError, Document, read_csv};
use crate::backbone::Pooling;
use crate::explain::Effect;

/// Summary of Grad-CAM maps over images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// `cxr.explain/2`; set when written.
    #[serde(default)]
    pub schema: String,
    /// Number of images.
    pub images: usize,
    /// Pooling of the model.
    pub pooling: Pooling,
    /// Number of cells of the last feature maps: pooled by the head, and all.
    pub cells: (usize, usize),
    /// Mean proportion of an image's saliency outside its centre; none if all maps are empty.
    pub outside: Option<f64>,
    /// That proportion if the saliency were uniform over the pooled cells.
    pub even: f64,
    /// Mean proportion per predicted class.
    pub by_class: BTreeMap<String, f64>,
    /// Effect of the pixels inside and outside the pooled region; none if the head pools every
    /// cell, and in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blackened: Option<BlackenedRegions>,
    /// Titles of the figures by file name.
    pub pictures: BTreeMap<String, String>,
}

/// Effect of black pixels inside and outside the pooled region on the predictions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BlackenedRegions {
    /// Effect of black pixels of the pooled cells.
    pub pooled: Effect,
    /// Effect of black pixels elsewhere.
    pub unpooled: Effect,
    /// Rows (or columns) of pixels, from the upper left, in the receptive fields of the pooled
    /// cells; and all rows.
    pub reach: (usize, usize),
}

impl Document for Explanation {
    const KIND: &'static str = "explanation";
    const SCHEMA: &'static str = "cxr.explain/2";
}

impl Explanation {
    /// Returns the number of cells along a side: pooled, from the upper left, and all.
    pub fn pooled(&self) -> (usize, usize) {
        (self.cells.0.isqrt(), self.cells.1.isqrt())
    }

    /// Returns a sentence about the pooled region and the influence of the other pixels; none
    /// if the head pools every cell.
    pub fn pooled_region(&self) -> Option<String> {
        let (pooled, all) = self.cells;
        let text = format!(
            "the head pools {pooled} of the {all} cells of the last feature maps, the upper left \
             of the image; pixels of the other cells act only through the receptive fields of the \
             pooled cells"
        );
        let measured = self.blackened.map(|blackened| {
            let BlackenedRegions { pooled, unpooled, reach: (reach, side) } = blackened;
            format!(
                ", which cover {reach} of {side} rows and columns; with black pixels in the \
                 other cells, the probability of the predicted class changes by {:.2} on \
                 average and {:.2} at most, and {} of {} images are predicted as another class; \
                 with black pixels in the pooled cells, by {:.2} and {:.2}, and {} of {}",
                unpooled.mean,
                unpooled.largest,
                unpooled.changed,
                unpooled.images,
                pooled.mean,
                pooled.largest,
                pooled.changed,
                pooled.images,
            )
        });
        (pooled < all).then(|| text + &measured.unwrap_or_default())
    }
}

/// Row of `explain.csv`: one image. `saliency.npy`, f32 `[images, cells, cells]`, has the images in
/// the same order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Path relative to the dataset folder.
    pub path: String,
    /// True class.
    pub class: String,
    /// Predicted class.
    pub predicted: String,
    /// Probability of the predicted class.
    pub probability: f32,
    /// Proportion of the saliency outside the centre; empty if the map is empty.
    pub outside: Option<f64>,
    /// Probability with black pixels in the pooled cells; empty if the head pools every cell.
    #[serde(default)]
    pub pooled_black: Option<f32>,
    /// Probability with black pixels elsewhere; empty if the head pools every cell.
    #[serde(default)]
    pub unpooled_black: Option<f32>,
}

/// Saliency map of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSaliency {
    /// Class that the map explains: the predicted class.
    pub predicted: String,
    /// Map `[cells, cells]` on a grid over the image.
    pub cells: Array2<f32>,
    /// Proportion outside the centre; none if the map is empty.
    pub outside: Option<f64>,
}

/// Largest number of cells per side, for an image of 2048 pixels, the largest input of the
/// backbone.
const MAX_CELLS: usize = 64;

/// Reads `saliency.npy` for the images of the `explain.csv` beside it. Returns the saliency maps by
/// path.
///
/// # Errors
///
/// If one of the files is missing or malformed, or they do not belong together.
pub fn read_saliency(path: &Path) -> Result<BTreeMap<String, ImageSaliency>, ArtifactError> {
    const KIND: &str = "array of saliency maps";
    let lines: Vec<Line> = read_csv("table of explanations", &path.with_file_name("explain.csv"))?;
    let images = lines.len();
    let saliency: Array3<f32> = read_checked(KIND, path, 3, |shape| match *shape {
        [n, rows, cols] if n == images && rows == cols && rows <= MAX_CELLS => Ok(()),
        _ => Err(format!("the shape is {shape:?}, expected square maps of {images} images")),
    })?;
    let images = lines.into_iter().zip(saliency.outer_iter()).map(|(line, cells)| {
        let Line { path, predicted, outside, .. } = line;
        (path, ImageSaliency { predicted, cells: cells.to_owned(), outside })
    });
    Ok(images.collect())
}
