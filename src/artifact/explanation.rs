//! `explain/explain.json`: where the heat lies that explains a model's answers;
//! `explain/explain.csv` and `explain/heat.npy`: the same film by film.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Document;
use crate::backbone::Pooling;

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
    /// Cells of the last maps that the head reads, and all there are.
    pub cells: (usize, usize),
    /// Mean share of a film's heat that lies outside its centre; none without heat.
    pub outside: Option<f64>,
    /// That share if the heat lay evenly over the cells that the head reads.
    pub even: f64,
    /// The mean share for each class that the model names.
    pub by_class: BTreeMap<String, f64>,
    /// Pictures, by file name, with what they show.
    pub pictures: BTreeMap<String, String>,
}

impl Document for Explanation {
    const KIND: &'static str = "explanation";
    const SCHEMA: &'static str = "cxr.explain/1";
}

/// A line of `explain.csv`: one film. `heat.npy`, f32 `[films, cells, cells]`, has
/// the films in the same order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}
