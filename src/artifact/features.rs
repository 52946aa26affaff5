//! `extract/features.json`: what `features.npy` and `bank.npy` hold.

use serde::{Deserialize, Serialize};

use super::Document;
use crate::backbone::Pooling;
use crate::image::Part;

/// How a film becomes a row of features; a model asks the same of new films.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extractor {
    /// The frozen net: `vgg16`.
    pub backbone: String,
    /// Fingerprint of its weights.
    pub weights: String,
    /// How its last maps are pooled.
    pub pooling: Pooling,
    /// Height and width that films are resized to.
    pub side: usize,
    /// How pixels become the net's inputs: `rgb / 255`.
    pub scale: String,
    /// Numbers a film.
    pub width: usize,
}

impl Extractor {
    /// The only [`Self::backbone`] there is.
    pub const BACKBONE: &str = "vgg16";
    /// The only [`Self::scale`] there is.
    pub const SCALE: &str = "rgb / 255";

    /// Fails if this program would make other features.
    pub fn check(&self) -> Result<(), String> {
        let Self { backbone, scale, .. } = self;
        match (backbone.as_str(), scale.as_str()) {
            (Self::BACKBONE, Self::SCALE) => Ok(()),
            (Self::BACKBONE, _) => {
                Err(format!("it wants pixels as `{scale}`, not as `{}`", Self::SCALE))
            }
            _ => Err(format!("its net is `{backbone}`, not `{}`", Self::BACKBONE)),
        }
    }
}

/// The features of the films of an index, `features.npy` f32 `[films, width]`, and
/// of rotated training films, `bank.npy` f32 `[rotations, train, width]` in the
/// order of the split; where `masks` names parts of films, also of these parts
/// alone, `masked.npy` f32 `[masks, films, width]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// `cxr.features/1`; filled in when written.
    #[serde(default)]
    pub schema: String,
    /// How they were made.
    pub extractor: Extractor,
    /// Rotated copies of each training film.
    pub rotations: usize,
    /// Largest angle of a rotation, in degrees.
    pub degrees: f64,
    /// The parts of films in `masked.npy`, in its order; empty if there is none.
    #[serde(default)]
    pub masks: Vec<Part>,
    /// BLAKE3 of the `split.json` whose training films are rotated, and which
    /// names the `index.csv` whose rows the features follow.
    pub split: String,
}

impl Document for Features {
    const KIND: &'static str = "description of features";
    const SCHEMA: &'static str = "cxr.features/1";

    fn check(&self) -> Result<(), String> {
        match self {
            Self { rotations: 0, .. } => Err("it has no rotations".into()),
            Self { extractor: Extractor { width: 0, .. }, .. } => Err("it has no features".into()),
            _ => self.extractor.check(),
        }
    }
}
