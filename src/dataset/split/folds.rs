use std::fmt::Display;

use super::{SplitError, TrainTest, enough_films, members, unique};
use crate::{metrics::pairwise_sum, rng::NumpyRandom};

/// Films dealt into folds, each of which is the test once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    of: Vec<usize>,
    count: usize,
}

impl Folds {
    /// The fold, from 0, in which each film is tested.
    pub fn of_films(&self) -> &[usize] {
        &self.of
    }

    /// Number of folds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The rows tested in `fold` and the rows of all other folds, both ascending.
    pub fn split(&self, fold: usize) -> TrainTest {
        let (test, train) = (0..self.of.len()).partition(|row| self.of[*row] == fold);
        TrainTest { train, test }
    }
}

/// Deals each class evenly into `folds`, as scikit-learn's
/// `StratifiedKFold(folds, shuffle=True, random_state=seed)`.
///
/// Errors, where scikit-learn but warns, if a class has fewer films than folds.
pub fn stratified_kfold<C: Ord + Display>(
    labels: &[C],
    folds: usize,
    seed: u64,
) -> Result<Folds, SplitError> {
    let (classes, inverse) = unique(labels);
    let mut members = members(&inverse, classes.len());
    check(&classes, &members, folds)?;
    // Classes draw in the order of their first film.
    members.sort_unstable_by_key(|rows| rows[0]);
    let mut random = NumpyRandom::new(seed);
    let mut of = vec![0; labels.len()];
    let mut dealt = 0;
    for rows in &members {
        // Films sorted by class are dealt round robin, each class going on
        // where the last one ended.
        let mut numbers: Vec<usize> = (dealt..dealt + rows.len()).map(|i| i % folds).collect();
        dealt += rows.len();
        numbers.sort_unstable();
        random.shuffle(&mut numbers);
        rows.iter().zip(numbers).for_each(|(row, fold)| of[*row] = fold);
    }
    Ok(Folds { of, count: folds })
}

/// Deals whole groups into `folds` so that each class spreads as evenly as it
/// can, as scikit-learn's `StratifiedGroupKFold(folds, shuffle=True,
/// random_state=seed)`: groups with the most uneven classes first, each to the
/// fold that it suits best.
///
/// Errors if there are fewer groups than folds and, where scikit-learn but
/// warns, if a class has fewer films than folds.
pub fn stratified_group_kfold<C: Ord + Display, G: Ord>(
    labels: &[C],
    groups: &[G],
    folds: usize,
    seed: u64,
) -> Result<Folds, SplitError> {
    assert_eq!(labels.len(), groups.len(), "a group for each film");
    let (classes, class_of) = unique(labels);
    let class_sizes = members(&class_of, classes.len());
    check(&classes, &class_sizes, folds)?;
    let class_sizes: Vec<f64> = class_sizes.iter().map(|rows| rows.len() as f64).collect();
    let (names, group_of) = unique(groups);
    if names.len() < folds {
        return Err(SplitError::TooFewGroups { groups: names.len(), folds });
    }
    let mut films = vec![vec![0.0; classes.len()]; names.len()];
    for (&group, &class) in group_of.iter().zip(&class_of) {
        films[group][class] += 1.0;
    }

    let mut order: Vec<usize> = (0..names.len()).collect();
    NumpyRandom::new(seed).shuffle(&mut order);
    let unevenness: Vec<f64> = films.iter().map(|films| deviation(films, pairwise_sum)).collect();
    order.sort_by(|a, b| unevenness[*b].total_cmp(&unevenness[*a]));

    let mut dealt = vec![vec![0.0; classes.len()]; folds];
    let mut fold_of = vec![0; names.len()];
    for group in order {
        let fold = best_fold(&mut dealt, &films[group], &class_sizes);
        add(&mut dealt[fold], &films[group], 1.0);
        fold_of[group] = fold;
    }
    Ok(Folds { of: group_of.iter().map(|group| fold_of[*group]).collect(), count: folds })
}

fn check<C: Display>(
    classes: &[&C],
    members: &[Vec<usize>],
    folds: usize,
) -> Result<(), SplitError> {
    if classes.is_empty() {
        return Err(SplitError::NoFilms);
    }
    if folds < 2 {
        return Err(SplitError::FoldCount(folds));
    }
    enough_films(classes, members, folds)
}

/// The fold in which `group` leaves the classes spread most evenly over the
/// folds, the one with the fewest films among equals.
fn best_fold(dealt: &mut [Vec<f64>], group: &[f64], class_sizes: &[f64]) -> usize {
    let (mut best, mut least, mut fewest) = (0, f64::INFINITY, f64::INFINITY);
    for fold in 0..dealt.len() {
        add(&mut dealt[fold], group, 1.0);
        let spread = |class: usize| {
            let shares: Vec<f64> = dealt.iter().map(|d| d[class] / class_sizes[class]).collect();
            deviation(&shares, |values| values.iter().sum())
        };
        let spreads: Vec<f64> = (0..class_sizes.len()).map(spread).collect();
        let unevenness = pairwise_sum(&spreads) / spreads.len() as f64;
        add(&mut dealt[fold], group, -1.0);
        let films: f64 = dealt[fold].iter().sum();
        // numpy's `isclose`
        let tied = (unevenness - least).abs() <= 1e-8 + 1e-5 * least;
        if unevenness < least || (tied && films < fewest) {
            (best, least, fewest) = (fold, unevenness, films);
        }
    }
    best
}

fn add(fold: &mut [f64], group: &[f64], sign: f64) {
    fold.iter_mut().zip(group).for_each(|(fold, films)| *fold += sign * films);
}

/// numpy's `std`, which sums along and across an array in different orders.
fn deviation(values: &[f64], sum: impl Fn(&[f64]) -> f64) -> f64 {
    let n = values.len() as f64;
    let mean = sum(values) / n;
    let squares: Vec<f64> = values.iter().map(|v| (v - mean) * (v - mean)).collect();
    (sum(&squares) / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_dealt_is_named() {
        let labels = ["a", "a", "b", "b"];
        assert_eq!(stratified_kfold::<&str>(&[], 2, 0), Err(SplitError::NoFilms));
        assert_eq!(stratified_kfold(&labels, 1, 0), Err(SplitError::FoldCount(1)));
        let few = SplitError::TooFewFilms { class: "a".into(), films: 2, needed: 3 };
        assert_eq!(stratified_kfold(&labels, 3, 0), Err(few.clone()));
        assert_eq!(stratified_group_kfold(&labels, &[0, 1, 2, 3], 3, 0), Err(few));
        let few = SplitError::TooFewGroups { groups: 1, folds: 2 };
        assert_eq!(stratified_group_kfold(&labels, &[7; 4], 2, 0), Err(few));
    }

    #[test]
    fn a_fold_is_tested_against_all_others() {
        let folds = Folds { of: vec![0, 2, 1, 2], count: 3 };
        assert_eq!(folds.split(2), TrainTest { train: vec![0, 2], test: vec![1, 3] });
    }
}
