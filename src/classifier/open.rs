//! Loading of a model and its backbone.

use std::path::{Path, PathBuf};

use super::{Assembled, Bundle, BundleError};
use crate::artifact::ArtifactError;
use crate::backbone::{LocateWeightsError, Vgg16, Weights, WeightsError, weights_file};
use crate::pipeline::Paths;

/// Reason why no model can be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The artifacts contain no usable model.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// No weights were found for the backbone.
    #[error(transparent)]
    Locate(#[from] LocateWeightsError),
    /// The weights cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The head was trained on another backbone.
    #[error(
        "the head has {got} inputs, but the backbone returns {} features per image",
        Vgg16::CHANNELS
    )]
    InputMismatch {
        /// Number of inputs of the head.
        got: usize,
    },
    /// The weights are not those that the head was trained on.
    #[error("the model was trained with other weights than those in `{}`", path.display())]
    WeightsMismatch {
        /// Weights file.
        path: PathBuf,
    },
}

impl ModelError {
    /// Suggestion for the user.
    pub fn hint(&self) -> String {
        let text = match self {
            Self::Bundle(BundleError::Newer { .. }) => "update `cxr`",
            Self::Bundle(BundleError::Damaged { .. }) => {
                "get another copy, or write a new bundle with `cxr export bundle`"
            }
            Self::Bundle(_) => "write a bundle with `cxr export bundle --output FILE`",
            Self::Artifact(_) => {
                "train a model with `cxr run`, or pass one with `--bundle`; set the folder with \
                 `--artifacts` and `--profile`"
            }
            Self::Locate(error) => return error.hint(),
            Self::Weights(_) => "pass another file with `--weights`, or run `cxr fetch weights`",
            Self::InputMismatch { .. } => "use another bundle: this one cannot classify images",
            Self::WeightsMismatch { .. } => {
                "pass the original weights with `--weights`, or use a bundle with an embedded \
                 backbone (`cxr export bundle --embed`)"
            }
        };
        text.to_owned()
    }
}

/// Reads the bundle at `path`, or assembles one from the artifacts in `paths`, with the
/// out-of-distribution false-positive rate `ood_rate` (0 to 1).
///
/// # Errors
/// See [`ModelError`].
pub fn open(path: Option<&Path>, paths: &Paths, ood_rate: f64) -> Result<Assembled, ModelError> {
    match path {
        Some(path) => Ok(Assembled { bundle: Bundle::read(path)?, missing: Vec::new() }),
        None => Ok(Bundle::assemble(paths, ood_rate)?),
    }
}

/// Returns the weights of the backbone of `bundle`: embedded, else from `file`, else found on
/// this machine. The fingerprint of a file is not compared yet, since that takes as long as
/// reading; see [`Backbone::check`].
///
/// # Errors
/// See [`ModelError`].
pub fn backbone(bundle: &mut Bundle, file: Option<&Path>) -> Result<Backbone, ModelError> {
    if bundle.head.inputs() != Vgg16::CHANNELS {
        return Err(ModelError::InputMismatch { got: bundle.head.inputs() });
    }
    if let Some(weights) = bundle.weights.take() {
        return Ok(Backbone { weights, file: None });
    }
    let path = match file {
        Some(path) => path.to_owned(),
        None => weights_file()?,
    };
    Ok(Backbone { weights: Weights::read(&path)?, file: Some(path) })
}

/// Weights and their source.
#[derive(Debug)]
pub struct Backbone {
    /// Weights.
    pub weights: Weights,
    /// File of the weights; none if they were embedded and therefore checked.
    file: Option<PathBuf>,
}

impl Backbone {
    /// Checks that the weights are those that the head of `bundle` was trained on.
    ///
    /// # Errors
    /// [`ModelError::WeightsMismatch`].
    pub fn check(&self, bundle: &Bundle) -> Result<(), ModelError> {
        match &self.file {
            Some(path) if self.weights.fingerprint() != bundle.manifest.backbone.fingerprint => {
                Err(ModelError::WeightsMismatch { path: path.clone() })
            }
            _ => Ok(()),
        }
    }
}
