//! The frozen backbone VGG16, computed with [`crate::conv`], and its weights.

mod bench;
mod locate;
pub mod names;
mod pooling;
#[cfg(test)]
mod reference;
mod vgg16;
mod weights;

pub use bench::{LayerTiming, bench_layers};
pub use locate::{
    IMAGENET_FINGERPRINT, LocateWeightsError, WEIGHTS_VARIABLE, cached_weights_path, weights_file,
    weights_path,
};
pub use pooling::{Pooling, UnknownPooling};
pub use vgg16::{LAYERS, LayerSpec, Options, Vgg16};
pub use weights::{Layer, Weights, WeightsError};
