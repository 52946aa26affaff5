//! Fold assignment for cross-validation.

use std::fmt::Display;

use super::{SplitError, TrainTest, check_class_sizes, rows_by_value, unique};
use crate::{metrics::pairwise_sum, rng::NumpyRandom};

/// Fold assignment of images for cross-validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    fold_of: Vec<usize>,
    count: usize,
}

impl Folds {
    /// Returns the test fold of each image, from 0.
    pub fn test_folds(&self) -> &[usize] {
        &self.fold_of
    }

    /// Number of folds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the rows of `fold` as test set and all other rows as training set, both ascending.
    pub fn split(&self, fold: usize) -> TrainTest {
        let (test, train) = (0..self.fold_of.len()).partition(|row| self.fold_of[*row] == fold);
        TrainTest { train, test }
    }
}

/// Assigns images to `folds`, stratified by class. Equals scikit-learn's
/// `StratifiedKFold(folds, shuffle=True, random_state=seed)`.
///
/// # Errors
/// See [`SplitError`]. A class with fewer images than folds is an error; scikit-learn warns.
pub fn stratified_kfold<C: Ord + Display>(
    labels: &[C],
    folds: usize,
    seed: u64,
) -> Result<Folds, SplitError> {
    let (classes, inverse) = unique(labels);
    let mut members = rows_by_value(&inverse, classes.len());
    check_folds(&classes, &members, folds)?;
    // scikit-learn shuffles classes in the order of their first image.
    members.sort_unstable_by_key(|rows| rows[0]);
    let mut random = NumpyRandom::new(seed);
    let mut fold_of = vec![0; labels.len()];
    let mut assigned = 0;
    for rows in &members {
        // Round robin over all images sorted by class.
        let mut numbers: Vec<usize> =
            (assigned..assigned + rows.len()).map(|i| i % folds).collect();
        assigned += rows.len();
        numbers.sort_unstable();
        random.shuffle(&mut numbers);
        rows.iter().zip(numbers).for_each(|(row, fold)| fold_of[*row] = fold);
    }
    Ok(Folds { fold_of, count: folds })
}

/// Assigns whole groups to `folds`, stratified by class as evenly as possible. Equals
/// scikit-learn's `StratifiedGroupKFold(folds, shuffle=True, random_state=seed)`: the groups
/// with the most uneven class counts are assigned first.
///
/// # Errors
/// See [`SplitError`]. Fewer groups than folds are an error, and so is a class with fewer
/// images than folds, for which scikit-learn warns.
pub fn stratified_group_kfold<C: Ord + Display, G: Ord>(
    labels: &[C],
    groups: &[G],
    folds: usize,
    seed: u64,
) -> Result<Folds, SplitError> {
    assert_eq!(labels.len(), groups.len(), "one group per image");
    let (classes, class_of) = unique(labels);
    let class_sizes = rows_by_value(&class_of, classes.len());
    check_folds(&classes, &class_sizes, folds)?;
    let class_sizes: Vec<f64> = class_sizes.iter().map(|rows| rows.len() as f64).collect();
    let (names, group_of) = unique(groups);
    if names.len() < folds {
        return Err(SplitError::TooFewGroups { groups: names.len(), folds });
    }
    let mut counts = vec![vec![0.0; classes.len()]; names.len()];
    for (&group, &class) in group_of.iter().zip(&class_of) {
        counts[group][class] += 1.0;
    }

    let mut order: Vec<usize> = (0..names.len()).collect();
    NumpyRandom::new(seed).shuffle(&mut order);
    let unevenness: Vec<f64> =
        counts.iter().map(|counts| standard_deviation(counts, pairwise_sum)).collect();
    order.sort_by(|a, b| unevenness[*b].total_cmp(&unevenness[*a]));

    let mut fold_counts = vec![vec![0.0; classes.len()]; folds];
    let mut fold_of_group = vec![0; names.len()];
    for group in order {
        let fold = best_fold(&mut fold_counts, &counts[group], &class_sizes);
        add(&mut fold_counts[fold], &counts[group], 1.0);
        fold_of_group[group] = fold;
    }
    let fold_of = group_of.iter().map(|group| fold_of_group[*group]).collect();
    Ok(Folds { fold_of, count: folds })
}

fn check_folds<C: Display>(
    classes: &[&C],
    members: &[Vec<usize>],
    folds: usize,
) -> Result<(), SplitError> {
    if classes.is_empty() {
        return Err(SplitError::NoImages);
    }
    if folds < 2 {
        return Err(SplitError::FoldCount(folds));
    }
    check_class_sizes(classes, members, folds)
}

/// Returns the fold for `group` that minimises the mean standard deviation of class proportions
/// over folds; ties go to the fold with the fewest images.
fn best_fold(fold_counts: &mut [Vec<f64>], group: &[f64], class_sizes: &[f64]) -> usize {
    let (mut best, mut least, mut fewest) = (0, f64::INFINITY, f64::INFINITY);
    for fold in 0..fold_counts.len() {
        add(&mut fold_counts[fold], group, 1.0);
        let spread = |class: usize| {
            let proportions: Vec<f64> =
                fold_counts.iter().map(|counts| counts[class] / class_sizes[class]).collect();
            standard_deviation(&proportions, |values| values.iter().sum())
        };
        let spreads: Vec<f64> = (0..class_sizes.len()).map(spread).collect();
        let unevenness = pairwise_sum(&spreads) / spreads.len() as f64;
        add(&mut fold_counts[fold], group, -1.0);
        let images: f64 = fold_counts[fold].iter().sum();
        // Tolerances of numpy's `isclose`.
        let tied = (unevenness - least).abs() <= 1e-8 + 1e-5 * least;
        if unevenness < least || (tied && images < fewest) {
            (best, least, fewest) = (fold, unevenness, images);
        }
    }
    best
}

fn add(fold: &mut [f64], group: &[f64], sign: f64) {
    fold.iter_mut().zip(group).for_each(|(fold, images)| *fold += sign * images);
}

/// Population standard deviation, as numpy's `std`. `sum` is a parameter because numpy's order
/// of summation depends on the axis.
fn standard_deviation(values: &[f64], sum: impl Fn(&[f64]) -> f64) -> f64 {
    let n = values.len() as f64;
    let mean = sum(values) / n;
    let squares: Vec<f64> = values.iter().map(|v| (v - mean) * (v - mean)).collect();
    (sum(&squares) / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_fold_assignments_are_errors() {
        let labels = ["a", "a", "b", "b"];
        assert_eq!(stratified_kfold::<&str>(&[], 2, 0), Err(SplitError::NoImages));
        assert_eq!(stratified_kfold(&labels, 1, 0), Err(SplitError::FoldCount(1)));
        let few = SplitError::TooFewImages { class: "a".into(), images: 2, needed: 3 };
        assert_eq!(stratified_kfold(&labels, 3, 0), Err(few.clone()));
        assert_eq!(stratified_group_kfold(&labels, &[0, 1, 2, 3], 3, 0), Err(few));
        let few = SplitError::TooFewGroups { groups: 1, folds: 2 };
        assert_eq!(stratified_group_kfold(&labels, &[7; 4], 2, 0), Err(few));
    }

    #[test]
    fn one_fold_is_the_test_set_and_all_others_the_training_set() {
        let folds = Folds { fold_of: vec![0, 2, 1, 2], count: 3 };
        assert_eq!(folds.split(2), TrainTest { train: vec![0, 2], test: vec![1, 3] });
    }
}
