//! Random splits into training and test set, and of a validation set from the training set.

use std::fmt::Display;

use super::{SplitError, check_class_sizes, rows_by_value, stratified_group_kfold, unique};
use crate::rng::NumpyRandom;

/// Rows of a training and a test set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainTest {
    /// Rows of the training set, in sampling order.
    pub train: Vec<usize>,
    /// Rows of the test set, in sampling order.
    pub test: Vec<usize>,
}

/// Order in which classes consume the random stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassOrder {
    /// Ascending, as with `stratify=labels`.
    Labels,
    /// Descending, as with one-hot rows in `stratify`, which the tutorial passes: scikit-learn
    /// sorts the rows' text, so that `0.0 1.0` precedes `1.0 0.0`.
    OneHot,
}

/// Samples the proportion `test_size` of the images as test set, stratified by class.
///
/// `test_size` is between 0 and 1; the number of test images is rounded up. Equals scikit-learn's
/// `train_test_split(…, test_size=test_size, stratify=labels, random_state=seed)`.
///
/// # Errors
/// See [`SplitError`]: for example, if a class has a single image, or the training or test set
/// has fewer images than there are classes.
///
/// # Examples
///
/// ```
/// use cxr::dataset::split::{ClassOrder, train_test_split};
///
/// let labels = ["covid", "covid", "covid", "covid", "normal", "normal", "normal", "normal"];
/// let split = train_test_split(&labels, 0.25, 42, ClassOrder::Labels)?;
/// assert_eq!((split.train.len(), split.test.len()), (6, 2));
/// # Ok::<(), cxr::dataset::split::SplitError>(())
/// ```
pub fn train_test_split<C: Ord + Display>(
    labels: &[C],
    test_size: f64,
    seed: u64,
    order: ClassOrder,
) -> Result<TrainTest, SplitError> {
    let images = labels.len();
    if images == 0 {
        return Err(SplitError::NoImages);
    }
    if !(test_size > 0.0 && test_size < 1.0) {
        return Err(SplitError::TestSize(test_size));
    }
    let (mut classes, inverse) = unique(labels);
    let mut members = rows_by_value(&inverse, classes.len());
    check_class_sizes(&classes, &members, 2)?;
    let n_test = (test_size * images as f64).ceil() as usize;
    let n_train = images - n_test;
    for (side, images) in [("training", n_train), ("test", n_test)] {
        if images < classes.len() {
            return Err(SplitError::SetTooSmall { side, images, classes: classes.len() });
        }
    }
    if order == ClassOrder::OneHot {
        classes.reverse();
        members.reverse();
    }

    let mut random = NumpyRandom::new(seed);
    let all: Vec<usize> = members.iter().map(Vec::len).collect();
    let train_counts = apportion(&all, n_train, &mut random);
    let left: Vec<usize> = all.iter().zip(&train_counts).map(|(all, train)| all - train).collect();
    let test_counts = apportion(&left, n_test, &mut random);
    let (mut train, mut test) = (Vec::with_capacity(n_train), Vec::with_capacity(n_test));
    for (class, rows) in members.iter().enumerate() {
        let mut shuffled = random.permutation(rows.len()).into_iter().map(|i| rows[i]);
        train.extend(shuffled.by_ref().take(train_counts[class]));
        test.extend(shuffled.take(test_counts[class]));
    }
    random.shuffle(&mut train);
    random.shuffle(&mut test);
    Ok(TrainTest { train, test })
}

/// Splits so that no group is in both training and test set.
///
/// The test set is one fold of [`stratified_group_kfold`] with `1 / test_size` folds (rounded):
/// the first fold that leaves every class in both sets. The proportion of test images
/// approximates `test_size`, because groups are not divided.
///
/// # Errors
/// See [`SplitError`]: for example, if `test_size` is above 0.5, or no fold leaves every class in
/// both sets.
pub fn stratified_group_split<C: Ord + Display, G: Ord>(
    labels: &[C],
    groups: &[G],
    test_size: f64,
    seed: u64,
) -> Result<TrainTest, SplitError> {
    if !(test_size > 0.0 && test_size < 1.0) {
        return Err(SplitError::TestSize(test_size));
    }
    if test_size > 0.5 {
        return Err(SplitError::GroupTestSize(test_size));
    }
    let folds = stratified_group_kfold(labels, groups, (1.0 / test_size).round() as usize, seed)?;
    let (classes, inverse) = unique(labels);
    let has_all_classes = |rows: &[usize]| {
        (0..classes.len()).all(|class| rows.iter().any(|row| inverse[*row] == class))
    };
    let mut splits = (0..folds.count()).map(|fold| folds.split(fold));
    splits
        .find(|split| has_all_classes(&split.train) && has_all_classes(&split.test))
        .ok_or(SplitError::NoGroupSplit)
}

/// Splits a validation set of whole groups off the rows `train`.
///
/// Returns training and validation rows, in the order of `train`, both with every class. `labels`
/// and `groups` have an element for every row of the data set. The validation set has about the
/// proportion `share` of the rows: one fold of [`stratified_group_kfold`], with at most as many
/// folds as there are groups and images of the smallest class, so that few images suffice.
///
/// # Errors
/// [`SplitError::ValidationSize`] if `share` is not above 0 and at most 0.5;
/// [`SplitError::NoValidation`] if no fold leaves every class in both sets.
pub fn set_aside<C: Ord + Display, G: Ord>(
    train: &[usize],
    labels: &[C],
    groups: &[G],
    share: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), SplitError> {
    if !(share > 0.0 && share <= 0.5) {
        return Err(SplitError::ValidationSize(share));
    }
    let labels: Vec<&C> = train.iter().map(|row| &labels[*row]).collect();
    let groups: Vec<&G> = train.iter().map(|row| &groups[*row]).collect();
    let (classes, inverse) = unique(&labels);
    let fewest = rows_by_value(&inverse, classes.len()).iter().map(Vec::len).min().unwrap_or(0);
    let folds = ((1.0 / share).round() as usize).min(unique(&groups).0.len()).min(fewest);
    if folds < 2 {
        return Err(SplitError::NoValidation);
    }
    let folds = stratified_group_kfold(&labels, &groups, folds, seed)?;
    let has_all_classes =
        |rows: &[usize]| (0..classes.len()).all(|c| rows.iter().any(|row| inverse[*row] == c));
    let mut splits = (0..folds.count()).map(|fold| folds.split(fold));
    let split = splits
        .find(|split| has_all_classes(&split.train) && has_all_classes(&split.test))
        .ok_or(SplitError::NoValidation)?;
    let rows = |positions: &[usize]| positions.iter().map(|i| train[*i]).collect();
    Ok((rows(&split.train), rows(&split.test)))
}

/// Distributes `n` images over classes in proportion to `counts`. The rest goes to the largest
/// remainders, with ties broken at random. Equals scikit-learn's `_approximate_mode`.
fn apportion(counts: &[usize], n: usize, random: &mut NumpyRandom) -> Vec<usize> {
    let all: usize = counts.iter().sum();
    let exact: Vec<f64> = counts.iter().map(|c| *c as f64 / all as f64 * n as f64).collect();
    let mut result: Vec<usize> = exact.iter().map(|e| e.floor() as usize).collect();
    let mut missing = n - result.iter().sum::<usize>();
    let remainders: Vec<f64> = exact.iter().map(|e| e - e.floor()).collect();
    let mut distinct = remainders.clone();
    distinct.sort_unstable_by(|a, b| b.total_cmp(a));
    distinct.dedup();
    for remainder in distinct {
        if missing == 0 {
            break;
        }
        let tied: Vec<usize> = (0..counts.len()).filter(|c| remainders[*c] == remainder).collect();
        for i in random.permutation(tied.len()).into_iter().take(missing) {
            result[tied[i]] += 1;
            missing -= 1;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn impossible_splits_are_errors() {
        let split =
            |labels: &[&str], share| train_test_split(labels, share, 42, ClassOrder::Labels);
        assert_eq!(split(&[], 0.2), Err(SplitError::NoImages));
        assert_eq!(split(&["a", "a"], 1.0), Err(SplitError::TestSize(1.0)));
        let few = SplitError::TooFewImages { class: "b".into(), images: 1, needed: 2 };
        assert_eq!(split(&["a", "a", "b"], 0.5), Err(few));
        let small = SplitError::SetTooSmall { side: "test", images: 1, classes: 2 };
        assert_eq!(split(&["a", "a", "b", "b"], 0.2), Err(small));
        let small = SplitError::SetTooSmall { side: "training", images: 1, classes: 2 };
        assert_eq!(split(&["a", "a", "b", "b"], 0.7), Err(small));
    }

    #[test]
    fn impossible_validation_sets_are_errors() {
        let (labels, groups) = (["a", "a", "b", "b"], [0, 1, 2, 3]);
        let set_aside = |rows: &[usize], share| set_aside(rows, &labels, &groups, share, 42);
        assert_eq!(set_aside(&[0, 1, 2, 3], 0.6), Err(SplitError::ValidationSize(0.6)));
        assert_eq!(set_aside(&[0, 2, 3], 0.1), Err(SplitError::NoValidation));
        let (train, validation) = set_aside(&[3, 1, 2, 0], 0.1).unwrap();
        assert_eq!((train.len(), validation.len()), (2, 2), "2 folds: 2 images per class");
    }

    #[test]
    fn impossible_group_splits_are_errors() {
        let labels = ["a", "a", "b", "b"];
        let split = |groups: &[u32], share| stratified_group_split(&labels, groups, share, 42);
        assert_eq!(split(&[0, 1, 2, 3], 0.6), Err(SplitError::GroupTestSize(0.6)));
        assert_eq!(
            split(&[0, 1, 2, 3], f64::NAN).unwrap_err().to_string(),
            "`test-size` is NaN, expected more than 0 and less than 1"
        );
        assert_eq!(
            split(&[0, 0, 0, 0], 0.5),
            Err(SplitError::TooFewGroups { groups: 1, folds: 2 })
        );
        assert_eq!(split(&[0, 0, 2, 3], 0.5), Err(SplitError::NoGroupSplit));
    }

    proptest! {
        #[test]
        fn every_row_is_split_once_and_classes_keep_their_proportion(
            labels in prop::collection::vec(0..4u8, 30..120), share in 0.1..0.9, seed: u32,
        ) {
            for order in [ClassOrder::Labels, ClassOrder::OneHot] {
                let Ok(split) = train_test_split(&labels, share, seed.into(), order) else { continue };
                let mut rows = [split.train, split.test.clone()].concat();
                rows.sort_unstable();
                prop_assert_eq!(rows, (0..labels.len()).collect::<Vec<_>>());
                for class in 0..4 {
                    let all = labels.iter().filter(|l| **l == class).count() as f64;
                    let tested = split.test.iter().filter(|r| labels[**r] == class).count() as f64;
                    let exact = all * split.test.len() as f64 / labels.len() as f64;
                    prop_assert!((tested - exact).abs() < 2.0, "{} of {}", tested, exact);
                }
            }
        }

        #[test]
        fn the_validation_set_has_whole_groups_of_the_training_rows(
            images in prop::collection::vec((0..2u8, 0..15u8), 30..80), seed: u32,
        ) {
            let (labels, groups): (Vec<u8>, Vec<u8>) = images.into_iter().unzip();
            let rows: Vec<usize> = (0..labels.len()).filter(|row| row % 5 != 0).rev().collect();
            if let Ok((train, validation)) = set_aside(&rows, &labels, &groups, 0.2, seed.into()) {
                let mut all = [train.clone(), validation.clone()].concat();
                all.sort_unstable_by(|a, b| b.cmp(a));
                prop_assert_eq!(&all, &rows);
                prop_assert!(train.is_sorted_by(|a, b| a > b) && validation.is_sorted_by(|a, b| a > b));
                for class in 0..2 {
                    prop_assert!(validation.iter().any(|row| labels[*row] == class));
                    prop_assert!(train.iter().any(|row| labels[*row] == class));
                }
                for row in &validation {
                    prop_assert!(train.iter().all(|other| groups[*other] != groups[*row]));
                }
            }
        }

        #[test]
        fn no_group_is_in_both_training_and_test_set(
            images in prop::collection::vec((0..2u8, 0..15u8), 20..80), seed: u32,
        ) {
            let (labels, groups): (Vec<u8>, Vec<u8>) = images.into_iter().unzip();
            if let Ok(split) = stratified_group_split(&labels, &groups, 0.25, seed.into()) {
                prop_assert_eq!(split.train.len() + split.test.len(), labels.len());
                for row in &split.test {
                    prop_assert!(split.train.iter().all(|other| groups[*other] != groups[*row]));
                }
            }
        }
    }
}
