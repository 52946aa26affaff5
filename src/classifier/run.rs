//! Inference: images in, probabilities out.

use ndarray::{Array2, Array4, ArrayView3, Axis};
use rayon::prelude::*;

use crate::artifact::features::Extractor;
use crate::backbone::{Options, Vgg16, Weights};
use crate::conv::Engine;
use crate::head::Head;
use crate::image::scale;

/// Head on its backbone, ready for inference.
#[derive(Debug)]
pub struct Classifier {
    /// Frozen backbone with the pooling of the head.
    pub net: Vgg16,
    /// Trained head.
    pub head: Head,
    side: usize,
}

/// Output of a [`Classifier`].
#[derive(Debug, Clone, PartialEq)]
pub struct ClassifierOutput {
    /// Pooled features `[images, width]`.
    pub features: Array2<f32>,
    /// Class probabilities `[images, classes]`.
    pub probabilities: Array2<f32>,
}

impl Classifier {
    /// Number of images per forward pass.
    pub const BATCH: usize = 8;

    /// Builds the backbone from `weights` with the pooling and image size of `extractor`.
    pub fn new(weights: &Weights, head: Head, extractor: &Extractor, engine: Engine) -> Self {
        let options = Options { pooling: extractor.pooling, engine };
        Self { net: Vgg16::new(weights, options), head, side: extractor.side }
    }

    /// Classifies `images`, each RGB levels `[side, side, 3]`. The result for an image does not
    /// depend on the other images of the batch.
    pub fn predict(&self, images: &[Vec<u8>]) -> ClassifierOutput {
        let features = self.net.pooled(self.scaled(images).view());
        let probabilities = self.head.predict(features.view());
        ClassifierOutput { features, probabilities }
    }

    /// Returns the scaled images `[images, side, side, 3]`, the input of the backbone.
    pub fn scaled(&self, images: &[Vec<u8>]) -> Array4<f32> {
        let mut inputs = Array4::zeros((images.len(), self.side, self.side, 3));
        let inputs_mut = inputs.axis_iter_mut(Axis(0)).into_par_iter();
        inputs_mut.zip(images).for_each(|(mut input, image)| {
            scale(image, input.as_slice_mut().expect("standard layout"));
        });
        inputs
    }

    /// Height and width of an image in pixels.
    pub fn side(&self) -> usize {
        self.side
    }
}

/// Converts scaled levels (0 to 1) back to 8-bit levels.
pub(super) fn levels(image: ArrayView3<f32>) -> Vec<u8> {
    image.iter().map(|level| (level * 255.0).round() as u8).collect()
}
