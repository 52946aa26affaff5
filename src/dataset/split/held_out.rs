//! Splits with a given test set.

use std::fmt::Display;

use super::{SplitError, TrainTest, unique};

/// Splits into the images that are `held_out` as test set and all others as training set, both
/// in row order, as for an external test set.
///
/// # Errors
/// If there are no images, the test set is empty, or a class has no training image.
pub fn hold_out<C: Ord + Display>(
    labels: &[C],
    held_out: &[bool],
) -> Result<TrainTest, SplitError> {
    assert_eq!(labels.len(), held_out.len(), "one flag per image");
    let (test, train): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|row| held_out[*row]);
    if labels.is_empty() {
        return Err(SplitError::NoImages);
    }
    if test.is_empty() {
        return Err(SplitError::EmptyTestSet);
    }
    let (classes, class_of) = unique(labels);
    let untrained =
        (0..classes.len()).find(|class| train.iter().all(|row| class_of[*row] != *class));
    match untrained {
        Some(class) => Err(SplitError::AllHeldOut { class: classes[class].to_string() }),
        None => Ok(TrainTest { train, test }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_out_rows_are_the_test_set_and_every_class_has_training_rows() {
        let labels = ["a", "b", "a", "b"];
        let split = hold_out(&labels, &[false, false, true, true]).unwrap();
        assert_eq!(split, TrainTest { train: vec![0, 1], test: vec![2, 3] });
        let one_class = hold_out(&labels, &[true, false, false, false]).unwrap();
        assert_eq!(one_class.test, [0]);
        assert_eq!(hold_out(&labels, &[false; 4]), Err(SplitError::EmptyTestSet));
        let all = Err(SplitError::AllHeldOut { class: "b".into() });
        assert_eq!(hold_out(&labels, &[false, true, false, true]), all);
        assert_eq!(hold_out::<&str>(&[], &[]), Err(SplitError::NoImages));
    }
}
