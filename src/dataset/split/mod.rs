//! Train/test splits, folds and leakage checks.
//!
//! Labels and groups have one element per image, of any ordered type; results are row indices.
//! Random splits equal scikit-learn's, index for index, for seeds below 2^32.

mod copies;
mod folds;
mod given;
mod held_out;
mod leak;
mod train_test;

use std::fmt::Display;

pub use copies::{Copies, copies};
pub use folds::{Folds, stratified_group_kfold, stratified_kfold};
pub use given::{PublishedSplit, given, has_published_split};
pub use held_out::hold_out;
pub use leak::{Leak, leaks};
pub use train_test::{ClassOrder, TrainTest, set_aside, stratified_group_split, train_test_split};

/// Error of splitting.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// There are no images.
    #[error("there are no images to split")]
    NoImages,
    /// The test proportion is not between 0 and 1.
    #[error("`test-size` is {0}, expected more than 0 and less than 1")]
    TestSize(f64),
    /// The test proportion of a group split is above 0.5: the test set is one of at least 2 folds.
    #[error("`test-size` is {0}, expected at most 0.5 for a split by group")]
    GroupTestSize(f64),
    /// The validation proportion is not between 0 and 0.5.
    #[error("the proportion for validation is `{0}`, expected 0 to 0.5")]
    ValidationSize(f64),
    /// No split of the training images by group has every class in both parts.
    #[error("no validation set by patient leaves every class in both training and validation set")]
    NoValidation,
    /// Fewer than two folds.
    #[error("the number of folds is {0}, expected at least 2")]
    FoldCount(usize),
    /// A class has fewer images than the split requires.
    #[error("class `{class}` has too few images: {images}, expected at least {needed}")]
    TooFewImages {
        /// The class.
        class: String,
        /// Number of images of the class.
        images: usize,
        /// Minimum number of images.
        needed: usize,
    },
    /// The training or test set has fewer images than there are classes.
    #[error(
        "the {side} set has too few images: {images}, expected at least 1 for each of {classes} classes"
    )]
    SetTooSmall {
        /// `training` or `test`.
        side: &'static str,
        /// Number of images in the set.
        images: usize,
        /// Number of classes.
        classes: usize,
    },
    /// Fewer groups than folds.
    #[error("there are too few groups: {groups}, expected at least 1 for each of {folds} folds")]
    TooFewGroups {
        /// Number of groups.
        groups: usize,
        /// Number of folds.
        folds: usize,
    },
    /// No fold has every class in both training and test set.
    #[error("no split by group has every class in both training and test set")]
    NoGroupSplit,
    /// No image is held out.
    #[error("the test set is empty: no image is held out")]
    EmptyTestSet,
    /// All images of a class are held out.
    #[error("all images of class `{class}` are held out, none is left for training")]
    AllHeldOut {
        /// The class.
        class: String,
    },
}

/// Returns the distinct values, ascending, and the index of each item's value among them, as
/// numpy's `unique(…, return_inverse=True)`.
fn unique<T: Ord>(items: &[T]) -> (Vec<&T>, Vec<usize>) {
    let mut values: Vec<&T> = items.iter().collect();
    values.sort_unstable();
    values.dedup();
    let position = |item| values.binary_search(&item).expect("every item is among the values");
    let inverse = items.iter().map(position).collect();
    (values, inverse)
}

/// Returns the rows of each of `n` values, given the value's index for each row.
fn rows_by_value(inverse: &[usize], n: usize) -> Vec<Vec<usize>> {
    let mut members = vec![vec![]; n];
    for (row, &value) in inverse.iter().enumerate() {
        members[value].push(row);
    }
    members
}

/// Checks that every class has at least `needed` images.
fn check_class_sizes<C: Display>(
    classes: &[&C],
    members: &[Vec<usize>],
    needed: usize,
) -> Result<(), SplitError> {
    match classes.iter().zip(members).find(|(_, rows)| rows.len() < needed) {
        Some((class, rows)) => {
            Err(SplitError::TooFewImages { class: class.to_string(), images: rows.len(), needed })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod golden;
