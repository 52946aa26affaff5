//! Leakage by groups (patients) in both training and test set.

use std::collections::BTreeMap;

use super::TrainTest;

/// Group with images in both training and test set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak<G> {
    /// The group.
    pub group: G,
    /// Training rows of the group, ascending.
    pub train: Vec<usize>,
    /// Test rows of the group, ascending.
    pub test: Vec<usize>,
}

/// Returns the groups that are in both training and test set, ascending. Images of an unknown
/// group (`None`) are ignored.
pub fn leaks<G: Ord + Clone>(groups: &[Option<G>], split: &TrainTest) -> Vec<Leak<G>> {
    let mut sides: BTreeMap<&G, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for &row in &split.train {
        groups[row].iter().for_each(|group| sides.entry(group).or_default().0.push(row));
    }
    for &row in &split.test {
        groups[row].iter().for_each(|group| sides.entry(group).or_default().1.push(row));
    }
    let both = sides.into_iter().filter(|(_, (train, test))| !train.is_empty() && !test.is_empty());
    both.map(|(group, (mut train, mut test))| {
        train.sort_unstable();
        test.sort_unstable();
        Leak { group: group.clone(), train, test }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_in_both_sets_are_found() {
        let groups = [Some("b"), None, Some("a"), Some("b"), None, Some("c"), Some("a"), Some("a")];
        let split = TrainTest { train: vec![7, 3, 1, 2, 5], test: vec![6, 0, 4] };
        let expected = [
            Leak { group: "a", train: vec![2, 7], test: vec![6] },
            Leak { group: "b", train: vec![3], test: vec![0] },
        ];
        assert_eq!(leaks(&groups, &split), expected);
        let clean = TrainTest { train: vec![0, 3, 1], test: vec![2, 4, 5] };
        assert_eq!(leaks(&groups, &clean), []);
    }
}
