//! Films in, probabilities out.

use ndarray::{Array2, Array4, ArrayView3, Axis};
use rayon::prelude::*;

use crate::artifact::features::Extractor;
use crate::backbone::{Options, Vgg16, Weights};
use crate::conv::Engine;
use crate::head::Head;
use crate::image::scale;

/// A head on its net, ready to run.
#[derive(Debug)]
pub struct Classifier {
    /// The frozen net, which pools as the head expects.
    pub net: Vgg16,
    /// What was trained.
    pub head: Head,
    side: usize,
}

/// What a [`Classifier`] says of films.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What the head was given, `[films, width]`.
    pub features: Array2<f32>,
    /// The probabilities of the classes, `[films, classes]`.
    pub probabilities: Array2<f32>,
}

impl Classifier {
    /// Films that go through the net at once.
    pub const BATCH: usize = 8;

    /// Prepares the net with `weights`, to be fed as `extractor` says.
    pub fn new(weights: &Weights, head: Head, extractor: &Extractor, engine: Engine) -> Self {
        let options = Options { pooling: extractor.pooling, engine };
        Self { net: Vgg16::new(weights, options), head, side: extractor.side }
    }

    /// Judges `films`, each `[side, side, 3]` levels of RGB. The answer for a film
    /// does not depend on those beside it.
    pub fn judge(&self, films: &[Vec<u8>]) -> Judged {
        let features = self.net.pooled(self.scaled(films).view());
        let probabilities = self.head.predict(features.view());
        Judged { features, probabilities }
    }

    /// The films as the net takes them, `[films, side, side, 3]`.
    pub fn scaled(&self, films: &[Vec<u8>]) -> Array4<f32> {
        let mut images = Array4::zeros((films.len(), self.side, self.side, 3));
        let images_mut = images.axis_iter_mut(Axis(0)).into_par_iter();
        images_mut.zip(films).for_each(|(mut image, film)| {
            scale(film, image.as_slice_mut().expect("an image of an array in standard layout"));
        });
        images
    }

    /// Height and width of a film.
    pub fn side(&self) -> usize {
        self.side
    }
}

/// An image of the net's levels as those of a film.
pub(super) fn levels(image: ArrayView3<f32>) -> Vec<u8> {
    image.iter().map(|level| (level * 255.0).round() as u8).collect()
}
