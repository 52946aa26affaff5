//! Inputs and settings of the training, and their checks.

use ndarray::{ArrayView1, ArrayView2, ArrayView3};
use thiserror::Error;

use super::Loss;
use crate::io::tensor::is_plausible;

/// Training and validation data of a head.
#[derive(Clone, Debug)]
pub struct FitInputs<'a> {
    /// Augmented features `[rotations, n, d]` of the training images. Epoch `e` uses
    /// `augmented[e % rotations]`. Without augmentation, `rotations` is 1.
    pub augmented: ArrayView3<'a, f32>,
    /// Class of each training image, below `classes`.
    pub labels: &'a [usize],
    /// Number of classes.
    pub classes: usize,
    /// Features `[m, d]` and classes of the validation images, evaluated after each epoch.
    pub validation: Option<(ArrayView2<'a, f32>, &'a [usize])>,
}

/// Hyperparameters of the training. The defaults are the tutorial's.
#[derive(Clone, Debug, PartialEq)]
pub struct FitSettings {
    /// Number of epochs.
    pub epochs: usize,
    /// Number of images per batch. An epoch has `n / batch_size` steps; the remaining images
    /// of its shuffled order are skipped.
    pub batch_size: usize,
    /// Learning rate of Adam at the first step. Step `t`, from 0, has
    /// `learning_rate / (1 + t * learning_rate / epochs)`.
    pub learning_rate: f32,
    /// Number of hidden units.
    pub hidden: usize,
    /// Dropout rate of the hidden units, in [0, 1).
    pub dropout: f32,
    /// Loss function.
    pub loss: Loss,
}

impl Default for FitSettings {
    fn default() -> Self {
        let loss = Loss::default();
        Self { epochs: 25, batch_size: 8, learning_rate: 1e-3, hidden: 64, dropout: 0.5, loss }
    }
}

/// Error of the training.
#[derive(Debug, Error)]
pub enum FitError {
    /// There are fewer images than one batch.
    #[error("{images} training images, but the batch size is {batch_size}")]
    TooFewImages {
        /// Number of training images.
        images: usize,
        /// Batch size.
        batch_size: usize,
    },
    /// There are fewer than 2 classes.
    #[error("{0} class, expected at least 2")]
    TooFewClasses(usize),
    /// The size of an array does not fit the other inputs.
    #[error("{what}: {got}, expected {expected}")]
    Shape {
        /// Description of the size.
        what: &'static str,
        /// Size.
        got: usize,
        /// Expected size.
        expected: usize,
    },
    /// A label is not below the number of classes.
    #[error("image {image} has class {label}, expected a number below {classes}")]
    Label {
        /// Index of the image.
        image: usize,
        /// Label of the image.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A feature is NaN, infinite or implausibly large.
    #[error("the {what} features of image {image} are not finite numbers below 1e10")]
    NotFinite {
        /// `training` or `validation`.
        what: &'static str,
        /// Index of the first such image.
        image: usize,
    },
    /// The loss is not finite, or a weight is not finite or implausibly large.
    #[error("training diverged in epoch {epoch}: the loss is {loss:?} and the weights {weights}")]
    Diverged {
        /// Number of the epoch, from 1.
        epoch: usize,
        /// Training loss of the epoch.
        loss: f32,
        /// `are finite`, or `hold` and the first implausible weight.
        weights: String,
    },
    /// A setting is out of range.
    #[error("`{name}` is {got}, expected {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Value of the setting.
        got: String,
        /// Valid range.
        expected: &'static str,
    },
    /// A computation in candle failed.
    #[error("cannot compute a training step")]
    Compute(#[from] candle_core::Error),
}

impl FitSettings {
    /// Checks the range of every setting.
    ///
    /// # Errors
    ///
    /// [`FitError::Setting`] for the first setting that is out of range.
    pub fn check(&self) -> Result<(), FitError> {
        let out_of_range = |name, got: &dyn ToString, expected| {
            Err(FitError::Setting { name, got: got.to_string(), expected })
        };
        let integers = [
            ("epochs", self.epochs, 100_000, "1 to 100000"),
            ("batch-size", self.batch_size, 1_000_000, "1 to 1000000"),
            ("hidden", self.hidden, 16_384, "1 to 16384"),
        ];
        for (name, value, max, expected) in integers {
            if !(1..=max).contains(&value) {
                return out_of_range(name, &value, expected);
            }
        }
        match self {
            Self { dropout, .. } if !(0.0..1.0).contains(dropout) => {
                out_of_range("dropout", dropout, "0 or more and below 1")
            }
            Self { learning_rate, .. } if !(learning_rate.is_finite() && *learning_rate > 0.0) => {
                out_of_range("learning-rate", learning_rate, "above 0")
            }
            _ => Ok(()),
        }
    }
}

impl FitInputs<'_> {
    pub(super) fn check(&self, batch_size: usize) -> Result<(), FitError> {
        let (rotations, images, width) = self.augmented.dim();
        if self.classes < 2 {
            return Err(FitError::TooFewClasses(self.classes));
        }
        if images < batch_size {
            return Err(FitError::TooFewImages { images, batch_size });
        }
        check_size("rotations", rotations.min(1), 1)?;
        check_size("features per image", width.min(1), 1)?;
        check_size("training labels", self.labels.len(), images)?;
        check_labels(self.labels, self.classes)?;
        for rotation in self.augmented.outer_iter() {
            check_finite("training", rotation)?;
        }
        if let Some((features, classes)) = self.validation {
            check_size("validation labels", classes.len(), features.nrows())?;
            check_size("features per validation image", features.ncols(), width)?;
            check_size("validation images", features.nrows().min(1), 1)?;
            check_labels(classes, self.classes)?;
            check_finite("validation", features)?;
        }
        Ok(())
    }
}

fn check_size(what: &'static str, got: usize, expected: usize) -> Result<(), FitError> {
    if got == expected { Ok(()) } else { Err(FitError::Shape { what, got, expected }) }
}

fn check_labels(labels: &[usize], classes: usize) -> Result<(), FitError> {
    match labels.iter().position(|label| *label >= classes) {
        Some(image) => Err(FitError::Label { image, label: labels[image], classes }),
        None => Ok(()),
    }
}

fn check_finite(what: &'static str, features: ArrayView2<f32>) -> Result<(), FitError> {
    let bad = |row: ArrayView1<f32>| row.iter().any(|value| !is_plausible(*value));
    match features.rows().into_iter().position(bad) {
        Some(image) => Err(FitError::NotFinite { what, image }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::fit;
    use ndarray::{Array2, Array3};

    /// Error message of `fit` for 10 images with 4 features in 2 classes after `change`.
    fn error(
        change: impl FnOnce(&mut Array3<f32>, &mut Vec<usize>, &mut usize, &mut FitSettings),
    ) -> String {
        let (mut augmented, mut labels) =
            (Array3::zeros((2, 10, 4)), vec![0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
        let (mut classes, mut settings) = (2, FitSettings::default());
        change(&mut augmented, &mut labels, &mut classes, &mut settings);
        let inputs =
            FitInputs { augmented: augmented.view(), labels: &labels, classes, validation: None };
        fit(&inputs, &settings, 0, |_, _| ()).unwrap_err().to_string()
    }

    #[test]
    fn unsuitable_inputs_are_errors() {
        assert_eq!(
            error(|_, _, _, s| s.batch_size = 11),
            "10 training images, but the batch size is 11"
        );
        assert_eq!(error(|_, _, k, _| *k = 1), "1 class, expected at least 2");
        assert_eq!(error(|_, y, _, _| y.truncate(9)), "training labels: 9, expected 10");
        assert_eq!(error(|_, y, _, _| y[3] = 2), "image 3 has class 2, expected a number below 2");
        assert_eq!(
            error(|x, _, _, _| x[[1, 4, 2]] = f32::NAN),
            "the training features of image 4 are not finite numbers below 1e10"
        );
        assert_eq!(error(|x, _, _, _| *x = Array3::zeros((0, 10, 4))), "rotations: 0, expected 1");
    }

    #[test]
    fn unsuitable_validation_inputs_are_errors() {
        let (augmented, labels) = (Array3::zeros((1, 8, 4)), [0, 1, 0, 1, 0, 1, 0, 1]);
        let error = |features: Array2<f32>, classes: &[usize]| {
            let validation = Some((features.view(), classes));
            let inputs =
                FitInputs { augmented: augmented.view(), labels: &labels, classes: 2, validation };
            fit(&inputs, &FitSettings::default(), 0, |_, _| ()).unwrap_err().to_string()
        };
        assert_eq!(
            error(Array2::zeros((2, 3)), &[0, 1]),
            "features per validation image: 3, expected 4"
        );
        assert_eq!(error(Array2::zeros((2, 4)), &[0]), "validation labels: 1, expected 2");
        assert_eq!(error(Array2::zeros((0, 4)), &[]), "validation images: 0, expected 1");
        assert_eq!(
            error(Array2::from_elem((1, 4), f32::INFINITY), &[0]),
            "the validation features of image 0 are not finite numbers below 1e10"
        );
    }

    #[test]
    fn settings_out_of_range_are_errors() {
        assert_eq!(error(|_, _, _, s| s.epochs = 0), "`epochs` is 0, expected 1 to 100000");
        assert_eq!(error(|_, _, _, s| s.hidden = 0), "`hidden` is 0, expected 1 to 16384");
        let hidden = "`hidden` is 1000000000, expected 1 to 16384";
        assert_eq!(error(|_, _, _, s| s.hidden = 1_000_000_000), hidden);
        assert_eq!(
            error(|_, _, _, s| s.batch_size = 0),
            "`batch-size` is 0, expected 1 to 1000000"
        );
        assert_eq!(
            error(|_, _, _, s| s.dropout = 1.0),
            "`dropout` is 1, expected 0 or more and below 1"
        );
        assert_eq!(
            error(|_, _, _, s| s.learning_rate = -0.1),
            "`learning-rate` is -0.1, expected above 0"
        );
    }
}
