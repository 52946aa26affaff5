//! `explain/explain.json`: where the heat lies that explains a model's answers;
//! `explain/explain.csv` and `explain/heat.npy`: the same film by film.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array2, Array3};
use serde::{Deserialize, Serialize};

use super::array::read_checked;
use super::{ArtifactError, Document, read_csv};
use crate::backbone::Pooling;
use crate::explain::Effect;

/// Grad-CAM over films, summed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// `cxr.explain/1`; filled in when written.
    #[serde(default)]
    pub schema: String,
    /// Films explained.
    pub films: usize,
    /// Pooling of the model.
    pub pooling: Pooling,
    /// Cells of the last maps that the head pools, and all there are.
    pub cells: (usize, usize),
    /// Mean share of a film's heat that lies outside its centre; none without heat.
    pub outside: Option<f64>,
    /// That share if the heat lay evenly over the cells that the head pools.
    pub even: f64,
    /// The mean share for each class that the model names.
    pub by_class: BTreeMap<String, f64>,
    /// Effect of the pixels inside and outside the pooled region; none if the head pools
    /// every cell, and in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blackened: Option<Blackened>,
    /// Pictures, by file name, with what they show.
    pub pictures: BTreeMap<String, String>,
}

/// How much the pixels inside and outside the pooled region act on the answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Blackened {
    /// With the pixels of the pooled cells at 0.
    pub pooled: Effect,
    /// With all other pixels at 0.
    pub unpooled: Effect,
    /// Rows and columns of pixels, from the upper left, in the receptive fields of the
    /// pooled cells, and all rows and columns.
    pub reach: (usize, usize),
}

impl Document for Explanation {
    const KIND: &'static str = "explanation";
    const SCHEMA: &'static str = "cxr.explain/1";
}

impl Explanation {
    /// Cells along a side that the head pools, from the upper left, and all.
    pub fn pooled(&self) -> (usize, usize) {
        (self.cells.0.isqrt(), self.cells.1.isqrt())
    }

    /// Which cells the head pools, and how much the pixels outside them act, as a
    /// sentence; none if it pools every cell.
    pub fn pooled_region(&self) -> Option<String> {
        let (pooled, all) = self.cells;
        let text = format!(
            "the head pools {pooled} of the {all} cells of the last maps, the upper left of the \
             image; the other cells are not pooled, but their pixels act through the receptive \
             fields of the pooled cells"
        );
        let measured = self.blackened.map(|blackened| {
            let Blackened { pooled, unpooled, reach: (reach, side) } = blackened;
            format!(
                ", which cover {reach} of {side} rows and columns: with the pixels of the other cells black, the \
                 probability of the predicted class changes by {:.2} on average and {:.2} at \
                 most, and {} of {} images are predicted as another class; with the pixels of \
                 the pooled cells black, by {:.2} and {:.2}, and {} of {}",
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

/// A line of `explain.csv`: one film. `heat.npy`, f32 `[films, cells, cells]`, has
/// the films in the same order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Relative to the dataset folder.
    pub path: String,
    /// The true class.
    pub class: String,
    /// The class that the model names.
    pub predicted: String,
    /// Its probability.
    pub probability: f32,
    /// Share of the heat outside the centre; empty without heat.
    pub outside: Option<f64>,
    /// The probability with the pixels of the pooled cells black; empty if the head pools
    /// every cell.
    #[serde(default)]
    pub pooled_black: Option<f32>,
    /// The probability with all other pixels black; as `pooled_black`.
    #[serde(default)]
    pub unpooled_black: Option<f32>,
}

/// The heat of one film.
#[derive(Debug, Clone, PartialEq)]
pub struct FilmHeat {
    /// The class that it speaks for: the one that the model names.
    pub predicted: String,
    /// Heat by cell of a square grid over the film.
    pub cells: Array2<f32>,
    /// Share of it outside the centre; none without heat.
    pub outside: Option<f64>,
}

/// The most cells a side: a film of 2048 pixels, the largest that a net is run on, has so
/// many.
const MAX_CELLS: usize = 64;

/// Reads `heat.npy`, of the films of `explain.csv` beside it: heat by path.
///
/// # Errors
///
/// If one of the files is missing or broken, or they do not belong together.
pub fn read_heat(path: &Path) -> Result<BTreeMap<String, FilmHeat>, ArtifactError> {
    const KIND: &str = "table of heat";
    let lines: Vec<Line> = read_csv("table of explanations", &path.with_file_name("explain.csv"))?;
    let films = lines.len();
    let heat: Array3<f32> = read_checked(KIND, path, 3, |shape| match *shape {
        [n, rows, cols] if n == films && rows == cols && rows <= MAX_CELLS => Ok(()),
        _ => Err(format!("its shape is {shape:?}, expected squares of {films} films")),
    })?;
    let films = lines.into_iter().zip(heat.outer_iter()).map(|(line, cells)| {
        let Line { path, predicted, outside, .. } = line;
        (path, FilmHeat { predicted, cells: cells.to_owned(), outside })
    });
    Ok(films.collect())
}
