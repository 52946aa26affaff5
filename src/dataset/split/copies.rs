use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Images whose files are equal byte for byte, where that falsifies a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// Rows of the test with a row of the training of the same file, ascending.
    pub in_training: Vec<usize>,
    /// Rows of the test with a row of the validation of the same file and none of the
    /// training, ascending.
    #[serde(default)]
    pub in_validation: Vec<usize>,
    /// Rows of the same file that are of several classes, each list ascending.
    pub in_classes: Vec<Vec<usize>>,
}

/// The copies among images, by the hash of each file; a blank hash is none.
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
    let (trained, validated) = (hashes_of(train), hashes_of(validation));
    let (mut in_training, mut in_validation) = (Vec::new(), Vec::new());
    for &row in test {
        if trained.contains(hashes[row]) {
            in_training.push(row);
        } else if validated.contains(hashes[row]) {
            in_validation.push(row);
        }
    }
    in_training.sort_unstable();
    in_validation.sort_unstable();
    let mut by_hash: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, hash) in hashes.iter().enumerate().filter(|(_, hash)| !hash.is_empty()) {
        by_hash.entry(hash).or_default().push(row);
    }
    let of_several = |rows: &Vec<usize>| rows.iter().any(|row| classes[*row] != classes[rows[0]]);
    let mut in_classes: Vec<Vec<usize>> = by_hash.into_values().filter(of_several).collect();
    in_classes.sort();
    Copies { in_training, in_validation, in_classes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_count_across_the_sides_and_across_classes() {
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
