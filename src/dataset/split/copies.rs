//! Leakage by byte-identical files.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Byte-identical files that invalidate a test result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// Test rows whose file is also in the training set, ascending.
    pub in_training: Vec<usize>,
    /// Test rows whose file is in the validation set and not in the training set, ascending.
    #[serde(default)]
    pub in_validation: Vec<usize>,
    /// Rows of one file with several classes; each list ascending.
    pub in_classes: Vec<Vec<usize>>,
}

/// Finds byte-identical images by the hash of each file; an empty hash matches nothing.
pub fn copies<C: Ord>(
    hashes: &[&str],
    classes: &[C],
    train: &[usize],
    validation: &[usize],
    test: &[usize],
) -> Copies {
    let hashes_of = |rows: &[usize]| -> BTreeSet<&str> {
        rows.iter().map(|row| hashes[*row]).filter(|hash| !hash.is_empty()).collect()
    };
    let (train_hashes, validation_hashes) = (hashes_of(train), hashes_of(validation));
    let (mut in_training, mut in_validation) = (Vec::new(), Vec::new());
    for &row in test {
        if train_hashes.contains(hashes[row]) {
            in_training.push(row);
        } else if validation_hashes.contains(hashes[row]) {
            in_validation.push(row);
        }
    }
    in_training.sort_unstable();
    in_validation.sort_unstable();
    let mut by_hash: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, hash) in hashes.iter().enumerate().filter(|(_, hash)| !hash.is_empty()) {
        by_hash.entry(hash).or_default().push(row);
    }
    let is_mixed = |rows: &Vec<usize>| rows.iter().any(|row| classes[*row] != classes[rows[0]]);
    let mut in_classes: Vec<Vec<usize>> = by_hash.into_values().filter(is_mixed).collect();
    in_classes.sort();
    Copies { in_training, in_validation, in_classes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_found_across_sets_and_across_classes() {
        let hashes = ["x", "y", "x", "z", "y", "", "", "x", "v", "v"];
        let classes = ["a", "a", "a", "b", "b", "a", "b", "a", "a", "a"];
        let expected = Copies {
            in_training: vec![2, 4, 7],
            in_validation: vec![8],
            in_classes: vec![vec![1, 4]],
        };
        let (train, validation, test) = ([5, 3, 0, 1], [9, 0], [7, 4, 2, 6, 8]);
        assert_eq!(copies(&hashes, &classes, &train, &validation, &test), expected);
    }
}
