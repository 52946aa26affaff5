//! What training takes, and the checks it passes before the first step.

use ndarray::{ArrayView1, ArrayView2, ArrayView3};
use thiserror::Error;

use super::Loss;
use crate::io::tensor::is_plausible;

/// What a head learns from.
#[derive(Clone, Debug)]
pub struct FitInputs<'a> {
    /// Features `[rotations, n, d]` of the training films; epoch `e` sees
    /// `bank[e % rotations]`. Plain features are a bank of one.
    pub bank: ArrayView3<'a, f32>,
    /// Class of each training film, below `classes`.
    pub labels: &'a [usize],
    /// Number of classes.
    pub classes: usize,
    /// Features `[m, d]` and classes of films to validate on after each epoch.
    pub validation: Option<(ArrayView2<'a, f32>, &'a [usize])>,
}

/// How it learns; the default is the tutorial's.
#[derive(Clone, Debug, PartialEq)]
pub struct FitSettings {
    /// Passes over the training films.
    pub epochs: usize,
    /// Films a step. An epoch has `n / batch_size` steps; the films that are left
    /// over in its shuffled order are not seen in it.
    pub batch_size: usize,
    /// Adam's rate at the first step; step `t` has
    /// `learning_rate / (1 + t * learning_rate / epochs)`.
    pub learning_rate: f32,
    /// Hidden units.
    pub hidden: usize,
    /// Share of hidden units set to 0 in training, in [0, 1).
    pub dropout: f32,
    /// What is minimised.
    pub loss: Loss,
}

impl Default for FitSettings {
    fn default() -> Self {
        let loss = Loss::default();
        Self { epochs: 25, batch_size: 8, learning_rate: 1e-3, hidden: 64, dropout: 0.5, loss }
    }
}

/// Why there is no head.
#[derive(Debug, Error)]
pub enum FitError {
    /// Not even one batch.
    #[error("{films} training films, but a batch takes {batch_size}")]
    TooFewFilms {
        /// Training films there are.
        films: usize,
        /// Films a batch takes.
        batch_size: usize,
    },
    /// A head tells at least two classes apart.
    #[error("{0} class, expected at least 2")]
    TooFewClasses(usize),
    /// The arrays do not fit together.
    #[error("{what}: {got}, expected {expected}")]
    Shape {
        /// What does not fit.
        what: &'static str,
        /// Its size.
        got: usize,
        /// The size the other arrays ask for.
        expected: usize,
    },
    /// A label that is no class.
    #[error("film {film} has class {label}, expected a number below {classes}")]
    Label {
        /// Row of the film.
        film: usize,
        /// Its label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// NaN, infinity or an absurdly large number among the features.
    #[error("the {what} features of film {film} are not finite numbers below 1e10")]
    NotFinite {
        /// `training` or `validation`.
        what: &'static str,
        /// Row of the first such film.
        film: usize,
    },
    /// The loss or the weights left the range of finite numbers.
    #[error("training diverged in epoch {epoch}: the loss is {loss:?} and the weights {weights}")]
    Diverged {
        /// Number of the epoch, from 1.
        epoch: usize,
        /// Its training loss.
        loss: f32,
        /// `are finite`, or the first weight that is not plausible.
        weights: String,
    },
    /// A setting out of its range.
    #[error("`{name}` is {got}, expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        got: String,
        /// Its range.
        expected: &'static str,
    },
    /// candle failed.
    #[error("cannot compute a training step")]
    Compute(#[from] candle_core::Error),
}

impl FitSettings {
    /// Checks the range of every setting.
    ///
    /// # Errors
    ///
    /// [`FitError::Setting`] for the first one that is out of range.
    pub fn check(&self) -> Result<(), FitError> {
        let setting = |name, got: &dyn ToString, expected| {
            Err(FitError::Setting { name, got: got.to_string(), expected })
        };
        let integers = [
            ("epochs", self.epochs, 100_000, "1 to 100000"),
            ("batch-size", self.batch_size, 1_000_000, "1 to 1000000"),
            ("hidden", self.hidden, 16_384, "1 to 16384"),
        ];
        for (name, value, most, expected) in integers {
            if !(1..=most).contains(&value) {
                return setting(name, &value, expected);
            }
        }
        match self {
            Self { dropout, .. } if !(0.0..1.0).contains(dropout) => {
                setting("dropout", dropout, "0 or more and below 1")
            }
            Self { learning_rate, .. } if !(learning_rate.is_finite() && *learning_rate > 0.0) => {
                setting("learning-rate", learning_rate, "above 0")
            }
            _ => Ok(()),
        }
    }
}

impl FitInputs<'_> {
    pub(super) fn check(&self, batch_size: usize) -> Result<(), FitError> {
        let (rotations, films, width) = self.bank.dim();
        if self.classes < 2 {
            return Err(FitError::TooFewClasses(self.classes));
        }
        if films < batch_size {
            return Err(FitError::TooFewFilms { films, batch_size });
        }
        same("rotations in the bank", rotations.min(1), 1)?;
        same("features a film", width.min(1), 1)?;
        same("training labels", self.labels.len(), films)?;
        labels(self.labels, self.classes)?;
        for rotation in self.bank.outer_iter() {
            finite("training", rotation)?;
        }
        if let Some((features, classes)) = self.validation {
            same("validation labels", classes.len(), features.nrows())?;
            same("features a validation film", features.ncols(), width)?;
            same("validation films", features.nrows().min(1), 1)?;
            labels(classes, self.classes)?;
            finite("validation", features)?;
        }
        Ok(())
    }
}

fn same(what: &'static str, got: usize, expected: usize) -> Result<(), FitError> {
    if got == expected { Ok(()) } else { Err(FitError::Shape { what, got, expected }) }
}

fn labels(labels: &[usize], classes: usize) -> Result<(), FitError> {
    match labels.iter().position(|label| *label >= classes) {
        Some(film) => Err(FitError::Label { film, label: labels[film], classes }),
        None => Ok(()),
    }
}

fn finite(what: &'static str, features: ArrayView2<f32>) -> Result<(), FitError> {
    let bad = |film: ArrayView1<f32>| film.iter().any(|value| !is_plausible(*value));
    match features.rows().into_iter().position(bad) {
        Some(film) => Err(FitError::NotFinite { what, film }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::fit;
    use ndarray::{Array2, Array3};

    /// What `fit` says of 10 films with 4 features in 2 classes after `change`.
    fn said(
        change: impl FnOnce(&mut Array3<f32>, &mut Vec<usize>, &mut usize, &mut FitSettings),
    ) -> String {
        let (mut bank, mut labels) =
            (Array3::zeros((2, 10, 4)), vec![0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
        let (mut classes, mut settings) = (2, FitSettings::default());
        change(&mut bank, &mut labels, &mut classes, &mut settings);
        let inputs = FitInputs { bank: bank.view(), labels: &labels, classes, validation: None };
        fit(&inputs, &settings, 0, |_, _| ()).unwrap_err().to_string()
    }

    #[test]
    fn inputs_that_do_not_fit_are_named() {
        assert_eq!(said(|_, _, _, s| s.batch_size = 11), "10 training films, but a batch takes 11");
        assert_eq!(said(|_, _, k, _| *k = 1), "1 class, expected at least 2");
        assert_eq!(said(|_, y, _, _| y.truncate(9)), "training labels: 9, expected 10");
        assert_eq!(said(|_, y, _, _| y[3] = 2), "film 3 has class 2, expected a number below 2");
        assert_eq!(
            said(|x, _, _, _| x[[1, 4, 2]] = f32::NAN),
            "the training features of film 4 are not finite numbers below 1e10"
        );
        assert_eq!(
            said(|x, _, _, _| *x = Array3::zeros((0, 10, 4))),
            "rotations in the bank: 0, expected 1"
        );
    }

    #[test]
    fn validation_is_checked_alike() {
        let (bank, labels) = (Array3::zeros((1, 8, 4)), [0, 1, 0, 1, 0, 1, 0, 1]);
        let said = |features: Array2<f32>, classes: &[usize]| {
            let validation = Some((features.view(), classes));
            let inputs = FitInputs { bank: bank.view(), labels: &labels, classes: 2, validation };
            fit(&inputs, &FitSettings::default(), 0, |_, _| ()).unwrap_err().to_string()
        };
        assert_eq!(
            said(Array2::zeros((2, 3)), &[0, 1]),
            "features a validation film: 3, expected 4"
        );
        assert_eq!(said(Array2::zeros((2, 4)), &[0]), "validation labels: 1, expected 2");
        assert_eq!(said(Array2::zeros((0, 4)), &[]), "validation films: 0, expected 1");
        assert_eq!(
            said(Array2::from_elem((1, 4), f32::INFINITY), &[0]),
            "the validation features of film 0 are not finite numbers below 1e10"
        );
    }

    #[test]
    fn settings_out_of_range_are_named() {
        assert_eq!(said(|_, _, _, s| s.epochs = 0), "`epochs` is 0, expected 1 to 100000");
        assert_eq!(said(|_, _, _, s| s.hidden = 0), "`hidden` is 0, expected 1 to 16384");
        let hidden = "`hidden` is 1000000000, expected 1 to 16384";
        assert_eq!(said(|_, _, _, s| s.hidden = 1_000_000_000), hidden);
        assert_eq!(said(|_, _, _, s| s.batch_size = 0), "`batch-size` is 0, expected 1 to 1000000");
        assert_eq!(
            said(|_, _, _, s| s.dropout = 1.0),
            "`dropout` is 1, expected 0 or more and below 1"
        );
        assert_eq!(
            said(|_, _, _, s| s.learning_rate = -0.1),
            "`learning-rate` is -0.1, expected above 0"
        );
    }
}
