use std::collections::BTreeMap;

use super::TrainTest;

/// A group with films on both sides of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak<G> {
    /// The group.
    pub group: G,
    /// Its rows to train on, ascending.
    pub train: Vec<usize>,
    /// Its rows to test on, ascending.
    pub test: Vec<usize>,
}

/// The groups that stand on both sides, ascending; none in a clean split. A film
/// whose group is not known (`None`) leaks nothing that could be seen.
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
    fn groups_on_both_sides_are_named() {
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
