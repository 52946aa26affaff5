use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::TrainTest;

/// Images whose files are equal byte for byte, where that falsifies a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// Rows of the test with a row of the training of the same file, ascending.
    pub in_training: Vec<usize>,
    /// Rows of the same file that are of several classes, each list ascending.
    pub in_classes: Vec<Vec<usize>>,
}

/// The copies among images, by the hash of each file; a blank hash is none.
pub fn copies<C: Ord>(hashes: &[&str], classes: &[C], sides: &TrainTest) -> Copies {
    let trained: BTreeSet<&str> = sides.train.iter().map(|row| hashes[*row]).collect();
    let copied = |row: &&usize| !hashes[**row].is_empty() && trained.contains(hashes[**row]);
    let mut in_training: Vec<usize> = sides.test.iter().filter(copied).copied().collect();
    in_training.sort_unstable();
    let mut by_hash: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, hash) in hashes.iter().enumerate().filter(|(_, hash)| !hash.is_empty()) {
        by_hash.entry(hash).or_default().push(row);
    }
    let of_several = |rows: &Vec<usize>| rows.iter().any(|row| classes[*row] != classes[rows[0]]);
    let mut in_classes: Vec<Vec<usize>> = by_hash.into_values().filter(of_several).collect();
    in_classes.sort();
    Copies { in_training, in_classes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_count_across_the_sides_and_across_classes() {
        let hashes = ["x", "y", "x", "z", "y", "", "", "x"];
        let classes = ["a", "a", "a", "b", "b", "a", "b", "a"];
        let sides = TrainTest { train: vec![5, 3, 0, 1], test: vec![7, 4, 2, 6] };
        let expected = Copies { in_training: vec![2, 4, 7], in_classes: vec![vec![1, 4]] };
        assert_eq!(copies(&hashes, &classes, &sides), expected);
    }
}
