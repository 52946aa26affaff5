//! Out-of-fold predictions: each image is predicted by heads that were not trained on it.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::{FitError, FitInputs, FitSettings, fit};
use crate::io::decimal::widen;

/// Out-of-fold predictions of [`cross_fit`].
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfFoldPredictions {
    /// Probabilities `[images, classes]`: each image is predicted by the head trained on all
    /// folds except its own.
    pub probabilities: Array2<f64>,
    /// For each fold: the indices of the images outside the fold, and their probabilities.
    /// Each image is predicted by a head trained neither on this fold nor on its own. So a
    /// threshold that is chosen on these predictions is independent of the fold.
    pub tuning: Vec<(Vec<usize>, Array2<f64>)>,
}

/// Trains heads in parallel: for each fold one head on the other folds, and for each pair of
/// folds one head on the remaining folds.
///
/// `features` are `[images, d]`, `labels` are below `classes`, `fold_of` is the fold of each
/// image, below `folds`. `seed(a, b)` is the seed of the head not trained on folds `a` and `b`;
/// `a` equals `b` if only one fold is left out.
///
/// # Errors
///
/// See [`fit()`]. An image number in an error is an index into the training images of one head.
///
/// # Panics
///
/// If there are fewer than 3 folds.
pub fn cross_fit(
    features: ArrayView2<f32>,
    labels: &[usize],
    classes: usize,
    fold_of: &[usize],
    folds: usize,
    settings: &FitSettings,
    seed: impl Fn(usize, usize) -> u64 + Sync,
) -> Result<OutOfFoldPredictions, FitError> {
    assert!(folds >= 3, "at least 3 folds, got {folds}");
    let pairs: Vec<_> = (0..folds).flat_map(|a| (a..folds).map(move |b| (a, b))).collect();
    let fit_and_predict = |&(a, b): &(usize, usize)| -> Result<_, FitError> {
        let held_out = |row: &usize| fold_of[*row] == a || fold_of[*row] == b;
        let (test, train): (Vec<_>, Vec<_>) = (0..labels.len()).partition(held_out);
        let augmented = features.select(Axis(0), &train).insert_axis(Axis(0));
        let train_labels: Vec<usize> = train.iter().map(|row| labels[*row]).collect();
        let inputs = FitInputs {
            augmented: augmented.view(),
            labels: &train_labels,
            classes,
            validation: None,
        };
        let head = fit(&inputs, settings, seed(a, b), |_, _| ())?.head;
        let probabilities = head.predict(features.select(Axis(0), &test).view()).mapv(widen);
        Ok((test, probabilities))
    };
    let predictions: Vec<_> = pairs.par_iter().map(fit_and_predict).collect::<Result<_, _>>()?;

    let mut probabilities = Array2::zeros((labels.len(), classes));
    let mut tuning = vec![Array2::zeros((labels.len(), classes)); folds];
    for (&(a, b), (rows, predictions)) in pairs.iter().zip(&predictions) {
        for (row, prediction) in rows.iter().zip(predictions.rows()) {
            if a == b {
                probabilities.row_mut(*row).assign(&prediction);
            } else {
                let other = if fold_of[*row] == a { b } else { a };
                tuning[other].row_mut(*row).assign(&prediction);
            }
        }
    }
    let select_outside = |(fold, all): (usize, Array2<f64>)| {
        let rows: Vec<usize> = (0..labels.len()).filter(|row| fold_of[*row] != fold).collect();
        let selected = all.select(Axis(0), &rows);
        (rows, selected)
    };
    let tuning = tuning.into_iter().enumerate().map(select_outside).collect();
    Ok(OutOfFoldPredictions { probabilities, tuning })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const FOLD_OF: [usize; 24] =
        [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2];

    fn data() -> (Array2<f32>, Vec<usize>) {
        let mut rng = Rng::new(3);
        let labels: Vec<usize> = (0..24).map(|row| row / 12).collect();
        let features =
            Array2::from_shape_fn((24, 5), |(row, _)| rng.f32() + (row / 12) as f32 * 0.5);
        (features, labels)
    }

    fn settings() -> FitSettings {
        FitSettings { epochs: 3, batch_size: 4, hidden: 3, ..FitSettings::default() }
    }

    fn cross_fit_data(features: &Array2<f32>, labels: &[usize]) -> OutOfFoldPredictions {
        let seed = |a, b| (10 * a + b) as u64;
        cross_fit(features.view(), labels, 2, &FOLD_OF, 3, &settings(), seed).unwrap()
    }

    /// Compared with training and predicting single heads.
    #[test]
    fn each_image_is_predicted_by_the_head_of_the_other_folds() {
        let (features, labels) = data();
        let got = cross_fit_data(&features, &labels);
        let predict_single = |left_out: &[usize], rows: &[usize], seed| {
            let train: Vec<usize> =
                (0..24).filter(|row| !left_out.contains(&FOLD_OF[*row])).collect();
            let augmented = features.select(Axis(0), &train).insert_axis(Axis(0));
            let labels: Vec<usize> = train.iter().map(|row| labels[*row]).collect();
            let inputs = FitInputs {
                augmented: augmented.view(),
                labels: &labels,
                classes: 2,
                validation: None,
            };
            let head = fit(&inputs, &settings(), seed, |_, _| ()).unwrap().head;
            head.predict(features.select(Axis(0), rows).view()).mapv(widen)
        };
        let fold_1: Vec<usize> = (1..24).step_by(3).collect();
        assert_eq!(got.probabilities.select(Axis(0), &fold_1), predict_single(&[1], &fold_1, 11));
        let (rows, tuning) = &got.tuning[2];
        assert_eq!(*rows, (0..24).filter(|row| FOLD_OF[*row] != 2).collect::<Vec<_>>());
        let fold_1_positions: Vec<usize> = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| FOLD_OF[**row] == 1)
            .map(|(i, _)| i)
            .collect();
        assert_eq!(tuning.select(Axis(0), &fold_1_positions), predict_single(&[1, 2], &fold_1, 12));
    }

    #[test]
    fn tuning_predictions_do_not_depend_on_the_fold() {
        let (mut features, labels) = data();
        let before = cross_fit_data(&features, &labels);
        for row in (0..24).filter(|row| FOLD_OF[*row] == 1) {
            features.row_mut(row).fill(7.0);
        }
        let after = cross_fit_data(&features, &labels);
        assert_eq!(before.tuning[1], after.tuning[1]);
        assert_ne!(before.tuning[0], after.tuning[0]);
    }

    #[test]
    fn predictions_do_not_depend_on_the_thread_count() {
        let (features, labels) = data();
        let with_threads = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| cross_fit_data(&features, &labels))
        };
        assert_eq!(with_threads(1), with_threads(3));
    }
}
