//! Which films train and which test.
//!
//! Labels and groups are given per film, of any type that can be ordered; films
//! are named by their row. The draws are scikit-learn's, index for index, for
//! seeds below 2^32.

mod copies;
mod folds;
mod given;
mod halves;
mod held_out;
mod leak;

use std::fmt::Display;

pub use copies::{Copies, copies};
pub use folds::{Folds, stratified_group_kfold, stratified_kfold};
pub use given::{Given, given, is_given};
pub use halves::{ClassOrder, TrainTest, set_aside, stratified_group_split, train_test_split};
pub use held_out::hold_out;
pub use leak::{Leak, leaks};

/// Why films cannot be split as asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// There is nothing to split.
    #[error("there are no films to split")]
    NoFilms,
    /// The test share leaves one side empty.
    #[error("`test-size` is {0}, expected more than 0 and less than 1")]
    TestShare(f64),
    /// A group cannot be cut, so a share above one half is no fold.
    #[error("`test-size` is {0}, expected at most 0.5 where groups stay together")]
    GroupTestShare(f64),
    /// A validation part that is none, or the larger part.
    #[error("the proportion for validation is `{0}`, expected 0 to 0.5")]
    ValidationShare(f64),
    /// No part of the training films has films of every class and leaves others.
    #[error("the training films cannot be parted by patient so that both parts have every class")]
    NoValidation,
    /// Fewer than two folds.
    #[error("the number of folds is {0}, expected at least 2")]
    FoldCount(usize),
    /// A class has too few films to stand on every side.
    #[error("class `{class}` has too few films: {films}, expected at least {needed}")]
    TooFewFilms {
        /// The class.
        class: String,
        /// Its films.
        films: usize,
        /// What the split takes.
        needed: usize,
    },
    /// A side has fewer films than there are classes.
    #[error(
        "the {side} side gets too few films: {films}, expected one of each of {classes} classes"
    )]
    TooSmall {
        /// `training` or `test`.
        side: &'static str,
        /// Its films.
        films: usize,
        /// Number of classes.
        classes: usize,
    },
    /// Fewer groups than folds.
    #[error("there are too few groups: {groups}, expected one for each of {folds} folds")]
    TooFewGroups {
        /// Number of groups.
        groups: usize,
        /// Number of folds.
        folds: usize,
    },
    /// Keeping groups together puts all films of a class on one side.
    #[error("with groups kept together, no draw puts films of every class on both sides")]
    OneSided,
    /// No film is held out for the test.
    #[error("nothing is held out to test on")]
    NothingHeldOut,
    /// All films of a class are held out.
    #[error("all films of class `{class}` are held out, so none is left to train on")]
    AllHeldOut {
        /// The class.
        class: String,
    },
}

/// The distinct values, ascending, and the position of each item's value there:
/// numpy's `unique(…, return_inverse=True)`.
fn unique<T: Ord>(items: &[T]) -> (Vec<&T>, Vec<usize>) {
    let mut values: Vec<&T> = items.iter().collect();
    values.sort_unstable();
    values.dedup();
    let position = |item| values.binary_search(&item).expect("every item is among the values");
    let inverse = items.iter().map(position).collect();
    (values, inverse)
}

/// The rows of each of `n` values, from the position of each row's value.
fn members(inverse: &[usize], n: usize) -> Vec<Vec<usize>> {
    let mut members = vec![vec![]; n];
    for (row, &value) in inverse.iter().enumerate() {
        members[value].push(row);
    }
    members
}

/// Checks that every class has at least `needed` films.
fn enough_films<C: Display>(
    classes: &[&C],
    members: &[Vec<usize>],
    needed: usize,
) -> Result<(), SplitError> {
    match classes.iter().zip(members).find(|(_, rows)| rows.len() < needed) {
        Some((class, rows)) => {
            Err(SplitError::TooFewFilms { class: class.to_string(), films: rows.len(), needed })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod golden;
