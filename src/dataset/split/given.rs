//! Published splits: data sets with `train`, `val` and `test` folders.

use std::fmt::Display;

use super::{SplitError, TrainTest, hold_out};
use crate::dataset::words::Part;

/// Published split of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedSplit {
    /// Rows of the training and test part, ascending.
    pub sides: TrainTest,
    /// Rows of the validation part, ascending; empty if the validation part is the test set.
    pub validation: Vec<usize>,
    /// Rows of all other parts and of no part, ascending.
    pub others: Vec<usize>,
    /// Whether the validation part is the test set, because there is no test part.
    pub test_is_validation: bool,
}

/// Returns whether a data set has a published split: a training part, and a test or validation
/// part.
pub fn has_published_split(parts: &[Option<Part>]) -> bool {
    let has = |part| parts.contains(&Some(part));
    has(Part::Train) && (has(Part::Test) || has(Part::Validation))
}

/// Returns the published split. `parts` has the part of each image.
///
/// # Errors
/// As [`hold_out`].
pub fn given<C: Ord + Display>(
    labels: &[C],
    parts: &[Option<Part>],
) -> Result<PublishedSplit, SplitError> {
    assert_eq!(labels.len(), parts.len(), "one part per image");
    let test_is_validation = !parts.contains(&Some(Part::Test));
    let test = if test_is_validation { Part::Validation } else { Part::Test };
    let is_side = |row: &usize| parts[*row] == Some(Part::Train) || parts[*row] == Some(test);
    let (rows, rest): (Vec<usize>, Vec<usize>) = (0..parts.len()).partition(is_side);
    let is_validation = |row: &usize| parts[*row] == Some(Part::Validation);
    let (validation, others) = rest.into_iter().partition(is_validation);
    let side_labels: Vec<&C> = rows.iter().map(|row| &labels[*row]).collect();
    let held_out: Vec<bool> = rows.iter().map(|row| parts[*row] == Some(test)).collect();
    let TrainTest { train, test } = hold_out(&side_labels, &held_out)?;
    let to_rows = |side: Vec<usize>| side.into_iter().map(|i| rows[i]).collect();
    let sides = TrainTest { train: to_rows(train), test: to_rows(test) };
    Ok(PublishedSplit { sides, validation, others, test_is_validation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_parts_become_training_and_test_set() {
        use Part::*;
        let labels = ["a", "b", "a", "b", "a", "b", "a"];
        let parts = [Test, Test, Train, Train, Validation, Train, Fold].map(Some);
        assert!(has_published_split(&parts));
        let expected = PublishedSplit {
            sides: TrainTest { train: vec![2, 3, 5], test: vec![0, 1] },
            validation: vec![4],
            others: vec![6],
            test_is_validation: false,
        };
        assert_eq!(given(&labels, &parts), Ok(expected));
        let parts = [Validation, Train, Train, Train, Train, Train, Train].map(Some);
        let found = given(&labels, &parts).unwrap();
        assert!(found.test_is_validation && found.sides.test == [0] && found.others.is_empty());
        assert!(
            !has_published_split(&[Some(Train), None])
                && !has_published_split(&[Some(Test), Some(Fold)])
        );
        let parts = [Test, Train, Test, Train, Test, Train, Test].map(Some);
        assert_eq!(given(&labels, &parts), Err(SplitError::AllHeldOut { class: "a".into() }));
    }
}
