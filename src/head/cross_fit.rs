//! Predictions of films by heads that have not seen them.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::{FitError, FitInputs, FitSettings, fit};
use crate::io::decimal::widen;

/// What heads say of films that they have not seen.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfFold {
    /// Probabilities `[films, classes]`, of each film by the head trained on all
    /// folds but its own.
    pub probabilities: Array2<f64>,
    /// For each fold the films outside it and their probabilities, of each by a
    /// head that has seen neither this fold nor the film's own. What is chosen on
    /// them, such as a threshold, owes nothing to the fold.
    pub tuning: Vec<(Vec<usize>, Array2<f64>)>,
}

/// Trains a head for each fold on all others, and one for each pair of folds on
/// the rest, in parallel. `features` are `[films, d]`, `labels` below `classes`,
/// `fold_of` the fold of each film, of `folds` at least 3. `seed` gives the seed
/// of the head that has not seen the two folds (or the one, given twice).
///
/// # Errors
///
/// See [`fit()`]; a film that is named is a row of the films trained on.
///
/// # Panics
///
/// When there are fewer than 3 folds.
pub fn cross_fit(
    features: ArrayView2<f32>,
    labels: &[usize],
    classes: usize,
    fold_of: &[usize],
    folds: usize,
    settings: &FitSettings,
    seed: impl Fn(usize, usize) -> u64 + Sync,
) -> Result<OutOfFold, FitError> {
    assert!(folds >= 3, "a pair of folds and one to train on, not {folds}");
    let pairs: Vec<_> = (0..folds).flat_map(|a| (a..folds).map(move |b| (a, b))).collect();
    let predict = |&(a, b): &(usize, usize)| -> Result<_, FitError> {
        let held_out = |row: &usize| fold_of[*row] == a || fold_of[*row] == b;
        let (out, train): (Vec<_>, Vec<_>) = (0..labels.len()).partition(held_out);
        let bank = features.select(Axis(0), &train).insert_axis(Axis(0));
        let of_train: Vec<usize> = train.iter().map(|row| labels[*row]).collect();
        let inputs = FitInputs { bank: bank.view(), labels: &of_train, classes, validation: None };
        let head = fit(&inputs, settings, seed(a, b), |_, _| ())?.head;
        let probabilities = head.predict(features.select(Axis(0), &out).view()).mapv(widen);
        Ok((out, probabilities))
    };
    let heads: Vec<_> = pairs.par_iter().map(predict).collect::<Result<_, _>>()?;

    let mut probabilities = Array2::zeros((labels.len(), classes));
    let mut tuning = vec![Array2::zeros((labels.len(), classes)); folds];
    for (&(a, b), (rows, of_rows)) in pairs.iter().zip(&heads) {
        for (row, of_row) in rows.iter().zip(of_rows.rows()) {
            if a == b {
                probabilities.row_mut(*row).assign(&of_row);
            } else {
                let other = if fold_of[*row] == a { b } else { a };
                tuning[other].row_mut(*row).assign(&of_row);
            }
        }
    }
    let outside = |(fold, all): (usize, Array2<f64>)| {
        let rows: Vec<usize> = (0..labels.len()).filter(|row| fold_of[*row] != fold).collect();
        let of_rows = all.select(Axis(0), &rows);
        (rows, of_rows)
    };
    Ok(OutOfFold { probabilities, tuning: tuning.into_iter().enumerate().map(outside).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const FOLD_OF: [usize; 24] =
        [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2];

    fn films() -> (Array2<f32>, Vec<usize>) {
        let mut rng = Rng::new(3);
        let labels: Vec<usize> = (0..24).map(|row| row / 12).collect();
        let features =
            Array2::from_shape_fn((24, 5), |(row, _)| rng.f32() + (row / 12) as f32 * 0.5);
        (features, labels)
    }

    fn settings() -> FitSettings {
        FitSettings { epochs: 3, batch_size: 4, hidden: 3, ..FitSettings::default() }
    }

    fn all(features: &Array2<f32>, labels: &[usize]) -> OutOfFold {
        let seed = |a, b| (10 * a + b) as u64;
        cross_fit(features.view(), labels, 2, &FOLD_OF, 3, &settings(), seed).unwrap()
    }

    /// Against training and predicting one head by hand.
    #[test]
    fn each_film_is_predicted_by_the_head_of_the_other_folds() {
        let (features, labels) = films();
        let got = all(&features, &labels);
        let by_hand = |unseen: &[usize], rows: &[usize], seed| {
            let train: Vec<usize> =
                (0..24).filter(|row| !unseen.contains(&FOLD_OF[*row])).collect();
            let bank = features.select(Axis(0), &train).insert_axis(Axis(0));
            let labels: Vec<usize> = train.iter().map(|row| labels[*row]).collect();
            let inputs =
                FitInputs { bank: bank.view(), labels: &labels, classes: 2, validation: None };
            let head = fit(&inputs, &settings(), seed, |_, _| ()).unwrap().head;
            head.predict(features.select(Axis(0), rows).view()).mapv(widen)
        };
        let second: Vec<usize> = (1..24).step_by(3).collect();
        assert_eq!(got.probabilities.select(Axis(0), &second), by_hand(&[1], &second, 11));
        let (rows, tuning) = &got.tuning[2];
        assert_eq!(*rows, (0..24).filter(|row| FOLD_OF[*row] != 2).collect::<Vec<_>>());
        let of_second: Vec<usize> = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| FOLD_OF[**row] == 1)
            .map(|(i, _)| i)
            .collect();
        assert_eq!(tuning.select(Axis(0), &of_second), by_hand(&[1, 2], &second, 12));
    }

    #[test]
    fn what_a_fold_is_tuned_on_knows_nothing_of_it() {
        let (mut features, labels) = films();
        let before = all(&features, &labels);
        for row in (0..24).filter(|row| FOLD_OF[*row] == 1) {
            features.row_mut(row).fill(7.0);
        }
        let after = all(&features, &labels);
        assert_eq!(before.tuning[1], after.tuning[1]);
        assert_ne!(before.tuning[0], after.tuning[0]);
    }

    #[test]
    fn threads_change_nothing() {
        let (features, labels) = films();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| all(&features, &labels))
        };
        assert_eq!(on(1), on(3));
    }
}
