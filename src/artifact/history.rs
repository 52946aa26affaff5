//! `train/history.csv`: a line per epoch, the columns that Keras reports;
//! `train/histories.csv`: the same of every seed, where there are several.

use serde::{Deserialize, Serialize};

/// What Keras' `History` holds of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counts from 1.
    pub epoch: usize,
    /// Mean loss over the training batches, dropout active.
    pub loss: f64,
    /// Share of training films classified right, dropout active.
    pub accuracy: f64,
    /// Mean loss over the test films.
    pub val_loss: f64,
    /// Share of test films classified right.
    pub val_accuracy: f64,
}

/// What is held of one epoch of one of several heads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeedEpoch {
    /// The head's seed.
    pub seed: u64,
    /// See [`Epoch`], as all that follows.
    pub epoch: usize,
    /// Mean training loss.
    pub loss: f64,
    /// Training accuracy.
    pub accuracy: f64,
    /// Mean loss over the test films.
    pub val_loss: f64,
    /// Share of test films classified right.
    pub val_accuracy: f64,
}

impl SeedEpoch {
    /// An epoch of the head with this seed.
    pub fn new(seed: u64, of: Epoch) -> Self {
        let Epoch { epoch, loss, accuracy, val_loss, val_accuracy } = of;
        Self { seed, epoch, loss, accuracy, val_loss, val_accuracy }
    }

    /// The epoch, whichever seed it is of.
    pub fn epoch(&self) -> Epoch {
        let Self { epoch, loss, accuracy, val_loss, val_accuracy, .. } = *self;
        Epoch { epoch, loss, accuracy, val_loss, val_accuracy }
    }
}
