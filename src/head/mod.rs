//! The trainable part of the classifier: two dense layers on pooled features.
//!
//! [`fit()`] trains a [`Head`] as the tutorial's Keras script does; over many seeds, the
//! distribution of the losses is the same. Gradients are computed by candle, which is not part
//! of the interface.

mod batch;
mod cross_fit;
mod file;
mod fit;
mod inputs;
mod loss;
mod mlp;
mod optimizer;

pub use cross_fit::{OutOfFoldPredictions, cross_fit};
pub use file::HeadError;
pub use fit::{Epoch, FittedHead, fit};
pub use inputs::{FitError, FitInputs, FitSettings};
pub use loss::{Loss, UnknownLoss};
pub use mlp::{Dense, Head};
