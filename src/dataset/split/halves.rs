use std::fmt::Display;

use super::{SplitError, enough_films, members, stratified_group_kfold, unique};
use crate::rng::NumpyRandom;

/// The rows to train on and the rows to test on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainTest {
    /// Rows to train on, in the order drawn.
    pub train: Vec<usize>,
    /// Rows to test on, in the order drawn.
    pub test: Vec<usize>,
}

/// The order in which the classes draw from the random stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassOrder {
    /// Ascending, as with `stratify=labels`.
    Labels,
    /// Descending, as with `stratify` given as one-hot rows: scikit-learn orders
    /// those by their text, and `0.0 1.0` comes before `1.0 0.0`. The tutorial
    /// does so.
    OneHot,
}

/// Draws a share `test_share` (0 to 1, rounded up to whole films) of each class
/// for the test, as scikit-learn's `train_test_split(…, test_size=test_share,
/// stratify=labels, random_state=seed)`.
///
/// Errors where a class has a single film, or a side gets fewer films than
/// there are classes.
pub fn train_test_split<C: Ord + Display>(
    labels: &[C],
    test_share: f64,
    seed: u64,
    order: ClassOrder,
) -> Result<TrainTest, SplitError> {
    let films = labels.len();
    if films == 0 {
        return Err(SplitError::NoFilms);
    }
    if !(test_share > 0.0 && test_share < 1.0) {
        return Err(SplitError::TestShare(test_share));
    }
    let (mut classes, inverse) = unique(labels);
    let mut members = members(&inverse, classes.len());
    enough_films(&classes, &members, 2)?;
    let n_test = (test_share * films as f64).ceil() as usize;
    let n_train = films - n_test;
    for (side, films) in [("training", n_train), ("test", n_test)] {
        if films < classes.len() {
            return Err(SplitError::TooSmall { side, films, classes: classes.len() });
        }
    }
    if order == ClassOrder::OneHot {
        classes.reverse();
        members.reverse();
    }

    let mut random = NumpyRandom::new(seed);
    let all: Vec<usize> = members.iter().map(Vec::len).collect();
    let of_train = allot(&all, n_train, &mut random);
    let left: Vec<usize> = all.iter().zip(&of_train).map(|(all, train)| all - train).collect();
    let of_test = allot(&left, n_test, &mut random);
    let (mut train, mut test) = (Vec::with_capacity(n_train), Vec::with_capacity(n_test));
    for (class, rows) in members.iter().enumerate() {
        let mut drawn = random.permutation(rows.len()).into_iter().map(|i| rows[i]);
        train.extend(drawn.by_ref().take(of_train[class]));
        test.extend(drawn.take(of_test[class]));
    }
    random.shuffle(&mut train);
    random.shuffle(&mut test);
    Ok(TrainTest { train, test })
}

/// Splits so that no group stands on both sides: one fold of
/// [`stratified_group_kfold`] with `1 / test_share` folds (rounded) is the test,
/// the first that leaves every class on both sides. Groups stay whole, so the
/// share of test films is near `test_share`, not equal to it.
pub fn stratified_group_split<C: Ord + Display, G: Ord>(
    labels: &[C],
    groups: &[G],
    test_share: f64,
    seed: u64,
) -> Result<TrainTest, SplitError> {
    if !(test_share > 0.0 && test_share < 1.0) {
        return Err(SplitError::TestShare(test_share));
    }
    if test_share > 0.5 {
        return Err(SplitError::GroupTestShare(test_share));
    }
    let folds = stratified_group_kfold(labels, groups, (1.0 / test_share).round() as usize, seed)?;
    let (classes, inverse) = unique(labels);
    let whole = |rows: &[usize]| {
        let of = |class| rows.iter().any(|row| inverse[*row] == class);
        (0..classes.len()).all(of)
    };
    let mut halves = (0..folds.count()).map(|fold| folds.split(fold));
    halves.find(|h| whole(&h.train) && whole(&h.test)).ok_or(SplitError::OneSided)
}

/// Sets aside whole groups of the rows `train` for validation: about the proportion `share`
/// of them, with films of every class on both sides, in the order of `train`. `labels` and
/// `groups` are those of all rows. A fold of [`stratified_group_kfold`], as in
/// [`stratified_group_split`], but of no more folds than there are groups or films of a
/// class, so that a few films are enough.
///
/// # Errors
///
/// If `share` is not above 0 and at most 0.5, or the groups cannot be parted so.
pub fn set_aside<C: Ord + Display, G: Ord>(
    train: &[usize],
    labels: &[C],
    groups: &[G],
    share: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), SplitError> {
    if !(share > 0.0 && share <= 0.5) {
        return Err(SplitError::ValidationShare(share));
    }
    let of_train: Vec<&C> = train.iter().map(|row| &labels[*row]).collect();
    let groups: Vec<&G> = train.iter().map(|row| &groups[*row]).collect();
    let (classes, inverse) = unique(&of_train);
    let fewest = members(&inverse, classes.len()).iter().map(Vec::len).min().unwrap_or(0);
    let folds = ((1.0 / share).round() as usize).min(unique(&groups).0.len()).min(fewest);
    if folds < 2 {
        return Err(SplitError::NoValidation);
    }
    let folds = stratified_group_kfold(&of_train, &groups, folds, seed)?;
    let whole =
        |rows: &[usize]| (0..classes.len()).all(|c| rows.iter().any(|row| inverse[*row] == c));
    let mut parts = (0..folds.count()).map(|fold| folds.split(fold));
    let part = parts.find(|p| whole(&p.train) && whole(&p.test)).ok_or(SplitError::NoValidation)?;
    let rows = |part: &[usize]| part.iter().map(|at| train[*at]).collect();
    Ok((rows(&part.train), rows(&part.test)))
}

/// How many of `n` draws fall to each class of `counts` films: in proportion,
/// what is left over going to the largest remainders, ties broken by `random`
/// (scikit-learn's `_approximate_mode`).
fn allot(counts: &[usize], n: usize, random: &mut NumpyRandom) -> Vec<usize> {
    let all: usize = counts.iter().sum();
    let exact: Vec<f64> = counts.iter().map(|c| *c as f64 / all as f64 * n as f64).collect();
    let mut allotted: Vec<usize> = exact.iter().map(|e| e.floor() as usize).collect();
    let mut missing = n - allotted.iter().sum::<usize>();
    let remainders: Vec<f64> = exact.iter().map(|e| e - e.floor()).collect();
    let mut distinct = remainders.clone();
    distinct.sort_unstable_by(|a, b| b.total_cmp(a));
    distinct.dedup();
    for remainder in distinct {
        if missing == 0 {
            break;
        }
        let tied: Vec<usize> = (0..counts.len()).filter(|c| remainders[*c] == remainder).collect();
        for i in random.permutation(tied.len()).into_iter().take(missing) {
            allotted[tied[i]] += 1;
            missing -= 1;
        }
    }
    allotted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_split_is_named() {
        let split =
            |labels: &[&str], share| train_test_split(labels, share, 42, ClassOrder::Labels);
        assert_eq!(split(&[], 0.2), Err(SplitError::NoFilms));
        assert_eq!(split(&["a", "a"], 1.0), Err(SplitError::TestShare(1.0)));
        let lonely = SplitError::TooFewFilms { class: "b".into(), films: 1, needed: 2 };
        assert_eq!(split(&["a", "a", "b"], 0.5), Err(lonely));
        let small = SplitError::TooSmall { side: "test", films: 1, classes: 2 };
        assert_eq!(split(&["a", "a", "b", "b"], 0.2), Err(small));
        let small = SplitError::TooSmall { side: "training", films: 1, classes: 2 };
        assert_eq!(split(&["a", "a", "b", "b"], 0.7), Err(small));
    }

    #[test]
    fn a_validation_part_that_cannot_be_is_named() {
        let (labels, groups) = (["a", "a", "b", "b"], [0, 1, 2, 3]);
        let set_aside = |rows: &[usize], share| set_aside(rows, &labels, &groups, share, 42);
        assert_eq!(set_aside(&[0, 1, 2, 3], 0.6), Err(SplitError::ValidationShare(0.6)));
        assert_eq!(set_aside(&[0, 2, 3], 0.1), Err(SplitError::NoValidation));
        let (train, aside) = set_aside(&[3, 1, 2, 0], 0.1).unwrap();
        assert_eq!((train.len(), aside.len()), (2, 2), "two folds of two films of a class");
    }

    #[test]
    fn groups_that_cannot_be_split_are_named() {
        let labels = ["a", "a", "b", "b"];
        let split = |groups: &[u32], share| stratified_group_split(&labels, groups, share, 42);
        assert_eq!(split(&[0, 1, 2, 3], 0.6), Err(SplitError::GroupTestShare(0.6)));
        assert_eq!(
            split(&[0, 1, 2, 3], f64::NAN).unwrap_err().to_string(),
            "`test-size` is NaN, expected more than 0 and less than 1"
        );
        assert_eq!(
            split(&[0, 0, 0, 0], 0.5),
            Err(SplitError::TooFewGroups { groups: 1, folds: 2 })
        );
        assert_eq!(split(&[0, 0, 2, 3], 0.5), Err(SplitError::OneSided));
    }

    proptest! {
        #[test]
        fn halves_hold_every_row_once_in_proportion(
            labels in prop::collection::vec(0..4u8, 30..120), share in 0.1..0.9, seed: u32,
        ) {
            for order in [ClassOrder::Labels, ClassOrder::OneHot] {
                let Ok(halves) = train_test_split(&labels, share, seed.into(), order) else { continue };
                let mut rows = [halves.train, halves.test.clone()].concat();
                rows.sort_unstable();
                prop_assert_eq!(rows, (0..labels.len()).collect::<Vec<_>>());
                for class in 0..4 {
                    let all = labels.iter().filter(|l| **l == class).count() as f64;
                    let tested = halves.test.iter().filter(|r| labels[**r] == class).count() as f64;
                    let exact = all * halves.test.len() as f64 / labels.len() as f64;
                    prop_assert!((tested - exact).abs() < 2.0, "{} of {}", tested, exact);
                }
            }
        }

        #[test]
        fn validation_takes_whole_groups_of_the_training_part_alone(
            films in prop::collection::vec((0..2u8, 0..15u8), 30..80), seed: u32,
        ) {
            let (labels, groups): (Vec<u8>, Vec<u8>) = films.into_iter().unzip();
            let rows: Vec<usize> = (0..labels.len()).filter(|row| row % 5 != 0).rev().collect();
            if let Ok((train, aside)) = set_aside(&rows, &labels, &groups, 0.2, seed.into()) {
                let mut all = [train.clone(), aside.clone()].concat();
                all.sort_unstable_by(|a, b| b.cmp(a));
                prop_assert_eq!(&all, &rows);
                prop_assert!(train.is_sorted_by(|a, b| a > b) && aside.is_sorted_by(|a, b| a > b));
                for class in 0..2 {
                    prop_assert!(aside.iter().any(|row| labels[*row] == class));
                    prop_assert!(train.iter().any(|row| labels[*row] == class));
                }
                for row in &aside {
                    prop_assert!(train.iter().all(|other| groups[*other] != groups[*row]));
                }
            }
        }

        #[test]
        fn no_group_stands_on_both_sides(
            films in prop::collection::vec((0..2u8, 0..15u8), 20..80), seed: u32,
        ) {
            let (labels, groups): (Vec<u8>, Vec<u8>) = films.into_iter().unzip();
            if let Ok(halves) = stratified_group_split(&labels, &groups, 0.25, seed.into()) {
                prop_assert_eq!(halves.train.len() + halves.test.len(), labels.len());
                for row in &halves.test {
                    prop_assert!(halves.train.iter().all(|other| groups[*other] != groups[*row]));
                }
            }
        }
    }
}
