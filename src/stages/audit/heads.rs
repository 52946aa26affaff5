use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::Films;
use crate::artifact::model::Model;
use crate::audit::Probe;
use crate::head::{FitError, FitInputs, FitSettings, fit};
use crate::io::decimal::widen;
use crate::rng::derive;

/// Heads trained as the model's was, a fold left out each.
pub struct Heads<'a> {
    /// The model whose training is repeated, without rotations.
    pub model: &'a Model,
    /// The films, with their folds.
    pub films: &'a Films,
    /// The pipeline's seed.
    pub seed: u64,
}

impl Heads<'_> {
    /// How well heads on `features` `[films of the index, width]` do.
    pub fn probe(&self, features: &Array2<f32>) -> Probe {
        let features = features.select(Axis(0), &self.films.rows);
        self.films.probe(|deal, folds| self.out_of_fold(&features, deal, folds))
    }

    /// The probabilities of each film by a head that did not learn from its fold.
    fn out_of_fold(
        &self,
        features: &Array2<f32>,
        deal: usize,
        folds: &[usize],
    ) -> Result<Array2<f64>, FitError> {
        let judge = &self.films.judge;
        let count = self.films.fold_count();
        let heads: Result<Vec<_>, FitError> = (0..count)
            .into_par_iter()
            .map(|fold| {
                let (test, train): (Vec<usize>, Vec<usize>) =
                    (0..folds.len()).partition(|film| folds[*film] == fold);
                let labels: Vec<usize> = train.iter().map(|film| judge.truth[*film]).collect();
                let bank = features.select(Axis(0), &train).insert_axis(Axis(0));
                let inputs = FitInputs {
                    bank: bank.view(),
                    labels: &labels,
                    classes: judge.classes,
                    validation: None,
                };
                let seed = derive(self.seed, "audit", "head", (deal * count + fold) as u64);
                let fitted = fit(&inputs, &self.settings(train.len()), seed, |_, _| ())?;
                Ok((fitted.head.predict(features.select(Axis(0), &test).view()), test))
            })
            .collect();
        let mut scores = Array2::zeros((folds.len(), judge.classes));
        for (probabilities, test) in heads? {
            for (film, row) in test.iter().zip(probabilities.rows()) {
                scores.row_mut(*film).assign(&row.mapv(widen));
            }
        }
        Ok(scores)
    }

    fn settings(&self, films: usize) -> FitSettings {
        let settings = self.model.fit_settings();
        FitSettings { batch_size: settings.batch_size.min(films), ..settings }
    }
}
