//! Probes that retrain the model's head.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::Images;
use crate::artifact::model::Model;
use crate::audit::Probe;
use crate::head::{FitError, FitInputs, FitSettings, fit};
use crate::io::decimal::widen;
use crate::rng::derive;

/// Cross-validation of heads with the training settings of a model.
pub struct Heads<'a> {
    /// Model whose training settings are used; the augmented features are not.
    pub model: &'a Model,
    /// Images with their folds.
    pub images: &'a Images,
    /// Seed of the pipeline.
    pub seed: u64,
}

impl Heads<'_> {
    /// Performance of heads on `features` `[images of the index, width]`.
    pub fn probe(&self, features: &Array2<f32>) -> Probe {
        let features = features.select(Axis(0), &self.images.rows);
        self.images.probe(|repeat, folds| self.out_of_fold(&features, repeat, folds))
    }

    /// Out-of-fold probabilities `[images, classes]`.
    fn out_of_fold(
        &self,
        features: &Array2<f32>,
        repeat: usize,
        folds: &[usize],
    ) -> Result<Array2<f64>, FitError> {
        let evaluation = &self.images.evaluation;
        let count = self.images.fold_count();
        let heads: Result<Vec<_>, FitError> = (0..count)
            .into_par_iter()
            .map(|fold| {
                let (test, train): (Vec<usize>, Vec<usize>) =
                    (0..folds.len()).partition(|image| folds[*image] == fold);
                let labels: Vec<usize> =
                    train.iter().map(|image| evaluation.truth[*image]).collect();
                let augmented = features.select(Axis(0), &train).insert_axis(Axis(0));
                let inputs = FitInputs {
                    augmented: augmented.view(),
                    labels: &labels,
                    classes: evaluation.classes,
                    validation: None,
                };
                let seed = derive(self.seed, "audit", "head", (repeat * count + fold) as u64);
                let fitted = fit(&inputs, &self.settings(train.len()), seed, |_, _| ())?;
                Ok((fitted.head.predict(features.select(Axis(0), &test).view()), test))
            })
            .collect();
        let mut scores = Array2::zeros((folds.len(), evaluation.classes));
        for (probabilities, test) in heads? {
            for (image, row) in test.iter().zip(probabilities.rows()) {
                scores.row_mut(*image).assign(&row.mapv(widen));
            }
        }
        Ok(scores)
    }

    /// The model's settings; no batch is larger than the number of training images `images`.
    fn settings(&self, images: usize) -> FitSettings {
        let settings = self.model.fit_settings();
        FitSettings { batch_size: settings.batch_size.min(images), ..settings }
    }
}
