//! `train/history.csv`: one row per epoch, with the columns of Keras' `History`;
//! `train/histories.csv`: the same for several seeds.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Row of `history.csv`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Mean loss over the training batches, with dropout.
    #[serde(deserialize_with = "finite")]
    pub loss: f64,
    /// Proportion of correctly classified training images, with dropout.
    #[serde(deserialize_with = "finite")]
    pub accuracy: f64,
    /// Mean loss over the validation images, or over the test images without a validation set.
    #[serde(deserialize_with = "finite")]
    pub val_loss: f64,
    /// Proportion of correctly classified validation images.
    #[serde(deserialize_with = "finite")]
    pub val_accuracy: f64,
}

/// Row of `histories.csv`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SeedEpoch {
    /// Seed of the head.
    pub seed: u64,
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Mean loss over the training batches, with dropout.
    #[serde(deserialize_with = "finite")]
    pub loss: f64,
    /// Proportion of correctly classified training images, with dropout.
    #[serde(deserialize_with = "finite")]
    pub accuracy: f64,
    /// Mean loss over the validation images, or over the test images without a validation set.
    #[serde(deserialize_with = "finite")]
    pub val_loss: f64,
    /// Proportion of correctly classified validation images.
    #[serde(deserialize_with = "finite")]
    pub val_accuracy: f64,
}

impl SeedEpoch {
    /// Adds a seed to an epoch.
    pub fn new(seed: u64, row: Epoch) -> Self {
        let Epoch { epoch, loss, accuracy, val_loss, val_accuracy } = row;
        Self { seed, epoch, loss, accuracy, val_loss, val_accuracy }
    }

    /// Returns the epoch without its seed.
    pub fn epoch(&self) -> Epoch {
        let Self { epoch, loss, accuracy, val_loss, val_accuracy, .. } = *self;
        Epoch { epoch, loss, accuracy, val_loss, val_accuracy }
    }
}

/// Deserialises a finite number; training that succeeds writes no other.
fn finite<'de, D: Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(value)?;
    match value.is_finite() {
        true => Ok(value),
        false => Err(D::Error::custom(format_args!("{value} is not a finite number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonfinite_losses_are_refused() {
        let read = |loss: &str| {
            let text = format!("epoch,loss,accuracy,val_loss,val_accuracy\n1,0.5,1,{loss},0.5\n");
            let row = csv::Reader::from_reader(text.as_bytes()).deserialize().next();
            row.expect("one row").map(|epoch: Epoch| epoch.val_loss)
        };
        assert_eq!(read("0.25").unwrap(), 0.25);
        for loss in ["NaN", "inf", "-inf"] {
            let error = read(loss).unwrap_err().to_string();
            assert!(error.ends_with("is not a finite number"), "{error}");
        }
    }
}
