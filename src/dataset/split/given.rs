use std::fmt::Display;

use super::{SplitError, TrainTest, hold_out};
use crate::dataset::words::Part;

/// A split in which the data set comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The rows of the training and of the test part, ascending.
    pub sides: TrainTest,
    /// The rows of the validation part where there is a test part too, ascending.
    pub validation: Vec<usize>,
    /// Rows of other parts and of none, ascending.
    pub others: Vec<usize>,
    /// Whether the validation part is the test, because there is no test part.
    pub test_is_validation: bool,
}

/// Whether a data set comes with a split: with images to train on and images to test on.
pub fn is_given(parts: &[Option<Part>]) -> bool {
    let has = |part| parts.contains(&Some(part));
    has(Part::Train) && (has(Part::Test) || has(Part::Validation))
}

/// Splits as the data set comes. `parts` has the part of each image.
///
/// # Errors
/// As [`hold_out`].
pub fn given<C: Ord + Display>(labels: &[C], parts: &[Option<Part>]) -> Result<Given, SplitError> {
    assert_eq!(labels.len(), parts.len(), "a part for each image");
    let test_is_validation = !parts.contains(&Some(Part::Test));
    let test = if test_is_validation { Part::Validation } else { Part::Test };
    let is_side = |row: &usize| parts[*row] == Some(Part::Train) || parts[*row] == Some(test);
    let (rows, rest): (Vec<usize>, Vec<usize>) = (0..parts.len()).partition(is_side);
    let is_validation = |row: &usize| parts[*row] == Some(Part::Validation);
    let (validation, others) = rest.into_iter().partition(is_validation);
    let of_sides: Vec<&C> = rows.iter().map(|row| &labels[*row]).collect();
    let tested: Vec<bool> = rows.iter().map(|row| parts[*row] == Some(test)).collect();
    let TrainTest { train, test } = hold_out(&of_sides, &tested)?;
    let of_all = |side: Vec<usize>| side.into_iter().map(|i| rows[i]).collect();
    let sides = TrainTest { train: of_all(train), test: of_all(test) };
    Ok(Given { sides, validation, others, test_is_validation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_sides() {
        use Part::*;
        let labels = ["a", "b", "a", "b", "a", "b", "a"];
        let parts = [Test, Test, Train, Train, Validation, Train, Fold].map(Some);
        assert!(is_given(&parts));
        let expected = Given {
            sides: TrainTest { train: vec![2, 3, 5], test: vec![0, 1] },
            validation: vec![4],
            others: vec![6],
            test_is_validation: false,
        };
        assert_eq!(given(&labels, &parts), Ok(expected));
        let parts = [Validation, Train, Train, Train, Train, Train, Train].map(Some);
        let found = given(&labels, &parts).unwrap();
        assert!(found.test_is_validation && found.sides.test == [0] && found.others.is_empty());
        assert!(!is_given(&[Some(Train), None]) && !is_given(&[Some(Test), Some(Fold)]));
        let parts = [Test, Train, Test, Train, Test, Train, Test].map(Some);
        assert_eq!(given(&labels, &parts), Err(SplitError::AllHeldOut { class: "a".into() }));
    }
}
