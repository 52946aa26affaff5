//! Which model is meant, and the backbone that it stands on.

use std::path::{Path, PathBuf};

use super::{Assembled, Bundle, BundleError};
use crate::artifact::ArtifactError;
use crate::backbone::{LocateError, Vgg16, Weights, WeightsError, weights_file};
use crate::pipeline::Paths;

/// Why there is no model to work with.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The artifacts hold no usable model.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// There are no weights for the backbone.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// The weights cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The head is made for another net.
    #[error("its head takes {got} features of a film, and the backbone gives {}", Vgg16::CHANNELS)]
    OtherNet {
        /// What it takes.
        got: usize,
    },
    /// The weights are not those that the head was trained on.
    #[error("`{}` holds other weights than the model was trained on", path.display())]
    OtherBackbone {
        /// The file of weights.
        path: PathBuf,
    },
}

impl ModelError {
    /// What the user can do.
    pub fn hint(&self) -> String {
        let text = match self {
            Self::Bundle(BundleError::Newer { .. }) => "update `cxr`",
            Self::Bundle(BundleError::Damaged { .. }) => {
                "take another copy of it, or write it anew with `cxr export bundle`"
            }
            Self::Bundle(_) => "`cxr export bundle --output FILE` writes one",
            Self::Artifact(_) => {
                "train a model with `cxr run`, or name one with `--bundle`; `--artifacts` and \
                 `--profile` say where to look"
            }
            Self::Locate(error) => return error.hint(),
            Self::Weights(_) => "name another file with `--weights`, or run `cxr fetch weights`",
            Self::OtherNet { .. } => "take another bundle: no film can be judged with this one",
            Self::OtherBackbone { .. } => {
                "name its own with `--weights`, or use a bundle with the backbone embedded \
                 (`cxr export bundle --embed`)"
            }
        };
        text.to_owned()
    }
}

/// The bundle at `path`, or, where none is named, the trained model that `paths`
/// hold, with this out-of-distribution false-positive rate, 0 to 1.
///
/// # Errors
/// See [`ModelError`].
pub fn open(path: Option<&Path>, paths: &Paths, ood_rate: f64) -> Result<Assembled, ModelError> {
    match path {
        Some(path) => Ok(Assembled { bundle: Bundle::read(path)?, missing: Vec::new() }),
        None => Ok(Bundle::assemble(paths, ood_rate)?),
    }
}

/// The weights of the backbone that `bundle` stands on: the embedded ones, else those
/// of `file`, else those that this machine has. With their fingerprint still to be
/// compared, which takes as long as reading them: see [`Backbone::check`].
///
/// # Errors
/// See [`ModelError`].
pub fn backbone(bundle: &mut Bundle, file: Option<&Path>) -> Result<Backbone, ModelError> {
    if bundle.head.inputs() != Vgg16::CHANNELS {
        return Err(ModelError::OtherNet { got: bundle.head.inputs() });
    }
    if let Some(weights) = bundle.weights.take() {
        return Ok(Backbone { weights, from: None });
    }
    let path = match file {
        Some(path) => path.to_owned(),
        None => weights_file()?,
    };
    Ok(Backbone { weights: Weights::read(&path)?, from: Some(path) })
}

/// Weights, and where they are from.
#[derive(Debug)]
pub struct Backbone {
    /// The weights.
    pub weights: Weights,
    /// Their file; none if they were embedded, and so checked.
    from: Option<PathBuf>,
}

impl Backbone {
    /// Whether they are those that `bundle` stands on.
    ///
    /// # Errors
    /// [`ModelError::OtherBackbone`].
    pub fn check(&self, bundle: &Bundle) -> Result<(), ModelError> {
        match &self.from {
            Some(path) if self.weights.fingerprint() != bundle.manifest.backbone.fingerprint => {
                Err(ModelError::OtherBackbone { path: path.clone() })
            }
            _ => Ok(()),
        }
    }
}
