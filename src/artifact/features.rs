//! `extract/features.json`: description of `features.npy` and `augmented.npy`.

use serde::{Deserialize, Serialize};

use super::Document;
use crate::backbone::Pooling;
use crate::image::Part;

/// Feature extraction: how an image becomes a row of features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extractor {
    /// Frozen backbone: `vgg16`.
    pub backbone: String,
    /// Fingerprint of the weights.
    pub weights: String,
    /// Pooling of the last feature maps.
    pub pooling: Pooling,
    /// Height and width of the resized images in pixels.
    pub side: usize,
    /// Conversion of pixels to inputs of the backbone: `rgb / 255`.
    pub scale: String,
    /// Number of features per image.
    pub width: usize,
}

impl Extractor {
    /// Only supported [`Self::backbone`].
    pub const BACKBONE: &str = "vgg16";
    /// Only supported [`Self::scale`].
    pub const SCALE: &str = "rgb / 255";

    /// Checks that this version computes the same features.
    ///
    /// # Errors
    /// Description of the difference.
    pub fn check(&self) -> Result<(), String> {
        let Self { backbone, scale, .. } = self;
        match (backbone.as_str(), scale.as_str()) {
            (Self::BACKBONE, Self::SCALE) => Ok(()),
            (Self::BACKBONE, _) => {
                Err(format!("the pixel scale is `{scale}`, expected `{}`", Self::SCALE))
            }
            _ => Err(format!("the backbone is `{backbone}`, expected `{}`", Self::BACKBONE)),
        }
    }
}

/// Description of the feature arrays: `features.npy` f32 `[images, width]` of all images of an
/// index; the augmented features `augmented.npy` f32 `[rotations, train, width]` of rotated training
/// images, in the order of the split; and, with region masks, `masked.npy` f32
/// `[masks, images, width]` of the masked images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// `cxr.features/2`; set when written.
    #[serde(default)]
    pub schema: String,
    /// Feature extraction.
    pub extractor: Extractor,
    /// Number of rotated copies of each training image.
    pub rotations: usize,
    /// Largest rotation angle in degrees.
    pub degrees: f64,
    /// Regions of `masked.npy`, in order; empty without the file.
    #[serde(default)]
    pub masks: Vec<Part>,
    /// BLAKE3 hash of `split.json`, which lists the training images and refers to the
    /// `index.csv` of the rows.
    pub split: String,
}

impl Document for Features {
    const KIND: &'static str = "description of features";
    const SCHEMA: &'static str = "cxr.features/2";

    fn check(&self) -> Result<(), String> {
        match self {
            Self { rotations: 0, .. } => Err("there are no rotations".into()),
            Self { extractor: Extractor { width: 0, .. }, .. } => {
                Err("there are no features".into())
            }
            _ => self.extractor.check(),
        }
    }
}
