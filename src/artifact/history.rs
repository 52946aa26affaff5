//! `train/history.csv`: a line per epoch, the columns that Keras reports.

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
