//! `train/history.csv`: a line per epoch, the columns that Keras reports;
//! `train/histories.csv`: the same of every seed, where there are several.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// What Keras' `History` holds of one epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counts from 1.
    pub epoch: usize,
    /// Mean loss over the training batches, dropout active.
    #[serde(deserialize_with = "finite")]
    pub loss: f64,
    /// Share of training films classified right, dropout active.
    #[serde(deserialize_with = "finite")]
    pub accuracy: f64,
    /// Mean loss over the validation films: the test films where no others are set aside.
    #[serde(deserialize_with = "finite")]
    pub val_loss: f64,
    /// Proportion of the validation films that are classified correctly.
    #[serde(deserialize_with = "finite")]
    pub val_accuracy: f64,
}

/// What is held of one epoch of one of several heads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SeedEpoch {
    /// The head's seed.
    pub seed: u64,
    /// See [`Epoch`], as all that follows.
    pub epoch: usize,
    /// Mean training loss.
    #[serde(deserialize_with = "finite")]
    pub loss: f64,
    /// Training accuracy.
    #[serde(deserialize_with = "finite")]
    pub accuracy: f64,
    /// Mean loss over the validation films: the test films where no others are set aside.
    #[serde(deserialize_with = "finite")]
    pub val_loss: f64,
    /// Proportion of the validation films that are classified correctly.
    #[serde(deserialize_with = "finite")]
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

/// Reads a number that is neither NaN nor infinite: no training that ended has one.
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
    fn losses_that_are_not_finite_are_refused() {
        let read = |loss: &str| {
            let text = format!("epoch,loss,accuracy,val_loss,val_accuracy\n1,0.5,1,{loss},0.5\n");
            let row = csv::Reader::from_reader(text.as_bytes()).deserialize().next();
            row.expect("it has a row").map(|epoch: Epoch| epoch.val_loss)
        };
        assert_eq!(read("0.25").unwrap(), 0.25);
        for loss in ["NaN", "inf", "-inf"] {
            let error = read(loss).unwrap_err().to_string();
            assert!(error.ends_with("is not a finite number"), "{error}");
        }
    }
}
