//! What classifiers reach where there is nothing to reach.

use std::collections::BTreeMap;

use ndarray::{Array2, s};
use rayon::prelude::*;

use super::probe::{auc_of, target};
use super::{Deal, Judge, Kernel, Probe};
use crate::rng::{Rng, derive};

impl Judge {
    /// The area that `kernel` reaches on labels dealt anew to the groups, `times` times,
    /// over all `deals`, the folds of each film. None where it is undefined. Every kernel is
    /// asked the same labels.
    pub fn by_luck(&self, kernel: &Kernel, deals: &[Vec<usize>], times: usize) -> Vec<Option<f64>> {
        let labels = self.dealt_anew(deals, times);
        let n = self.truth.len();
        let targets = Array2::from_shape_fn((n, times * self.classes), |(film, column)| {
            target(labels[column / self.classes][film], column % self.classes)
        });
        let scores: Vec<_> =
            deals.par_iter().map(|folds| kernel.out_of_fold(&targets, folds)).collect();
        let all: Vec<usize> = (0..n).collect();
        let area = |(number, labels): (usize, &Vec<usize>)| {
            let columns = s![.., number * self.classes..(number + 1) * self.classes];
            let deal = |(folds, scores): (_, &Array2<f64>)| Deal {
                folds,
                scores: scores.slice(columns).to_owned(),
            };
            let deals: Vec<_> = deals.iter().map(Vec::as_slice).zip(&scores).map(deal).collect();
            auc_of(labels, &deals, &all).ok()
        };
        labels.par_iter().enumerate().map(area).collect()
    }

    /// What `kernel` makes of labels dealt anew to the groups: the mean, and the range of
    /// the middle 95 %. It must hold 0.5, or a group stands in several folds.
    pub fn shuffled(&self, kernel: &Kernel, deals: &[Vec<usize>], times: usize) -> Probe {
        let areas = ascending(self.by_luck(kernel, deals, times));
        let n = self.truth.len();
        if areas.is_empty() {
            return Probe::undefined(n, "no labels were shuffled");
        }
        Probe {
            auc: Some(areas.iter().sum::<f64>() / areas.len() as f64),
            low: at(&areas, 0.025),
            high: at(&areas, 0.975),
            n,
            ..Probe::default()
        }
    }

    /// Labels of all films, `times` times: each group has those of another one that stood
    /// in the same fold of the first deal, so that every fold keeps its classes. Films of
    /// one person stay alike, and what tells persons apart is worth no more than chance;
    /// where a group holds several classes, they are shuffled within it too.
    fn dealt_anew(&self, deals: &[Vec<usize>], times: usize) -> Vec<Vec<usize>> {
        let mut films: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (film, group) in self.groups.iter().enumerate() {
            films.entry(*group).or_default().push(film);
        }
        let mut strata: BTreeMap<usize, Vec<&Vec<usize>>> = BTreeMap::new();
        for films in films.values() {
            let fold = deals.first().map_or(0, |folds| folds[films[0]]);
            strata.entry(fold).or_default().push(films);
        }
        let mut rng = Rng::new(derive(self.seed, "audit", "shuffle", 0));
        let mut deal = |_| {
            let mut labels = self.truth.clone();
            for groups in strata.values() {
                let mut others = groups.clone();
                rng.shuffle(&mut others);
                for (group, other) in groups.iter().zip(others) {
                    let mut other = other.clone();
                    rng.shuffle(&mut other);
                    for (film, like) in group.iter().zip(other.iter().cycle()) {
                        labels[*film] = self.truth[*like];
                    }
                }
            }
            labels
        };
        (0..times).map(&mut deal).collect()
    }
}

/// What the best of several probes reaches by luck: the 97.5 % point of their highest area,
/// each a result of [`Judge::by_luck`]. None if there is none.
pub fn best_by_luck(probes: &[Vec<Option<f64>>]) -> Option<f64> {
    let times = probes.iter().map(Vec::len).min()?;
    let best = |time| probes.iter().filter_map(|areas| areas[time]).reduce(f64::max);
    at(&ascending((0..times).map(best).collect()), 0.975)
}

/// The values that there are, from the least.
fn ascending(values: Vec<Option<f64>>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().flatten().collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The value below which the `share` of the ascending ones lies; none of none.
fn at(ascending: &[f64], share: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    Some(ascending[(share * last as f64).round() as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two films of each person, all of one class or the other in turn.
    fn judge(persons: usize) -> Judge {
        Judge {
            truth: (0..2 * persons).map(|film| film / 2 % 2).collect(),
            classes: 2,
            groups: (0..2 * persons).map(|film| film / 2).collect(),
            resamples: 0,
            seed: 42,
        }
    }

    /// Persons who differ, and whose films are alike but for some noise.
    fn kernel(judge: &Judge, columns: usize, noise: f64, rng: &mut Rng) -> Kernel {
        let persons = judge.truth.len() / 2;
        let bodies = Array2::from_shape_simple_fn((persons, columns), || rng.normal());
        Kernel::gaussian(&Array2::from_shape_fn((2 * persons, columns), |(film, column)| {
            bodies[[film / 2, column]] + noise * rng.normal()
        }))
    }

    #[test]
    fn shuffled_labels_tell_of_torn_groups() {
        let judge = judge(40);
        let kernel = kernel(&judge, 3, 0.1, &mut Rng::new(5));
        let probe =
            |fold: fn(usize) -> usize| judge.shuffled(&kernel, &[(0..80).map(fold).collect()], 60);
        let (torn, whole) = (probe(|film| film % 2), probe(|film| film / 4 % 5));
        assert!(torn.low > Some(0.6), "{torn:?}");
        assert!(whole.low < Some(0.5) && whole.high > Some(0.5), "{whole:?}");
        assert!((whole.auc.unwrap() - 0.5).abs() < 0.06, "{whole:?}");
        assert_eq!(judge.shuffled(&kernel, &[], 0).undefined, "no labels were shuffled");
    }

    #[test]
    fn labels_dealt_anew_stay_with_their_fold_and_alike_within_a_group() {
        let judge = judge(20);
        let folds: Vec<usize> = judge.groups.iter().map(|group| group / 4).collect();
        let dealt = judge.dealt_anew(std::slice::from_ref(&folds), 20);
        assert!(dealt.iter().any(|labels| *labels != judge.truth));
        for labels in dealt {
            assert!(labels.as_chunks::<2>().0.iter().all(|[a, b]| a == b), "{labels:?}");
            for fold in 0..5 {
                let films = (0..40).filter(|film| folds[*film] == fold);
                assert_eq!(films.map(|film| labels[film]).sum::<usize>(), 4, "{labels:?}");
            }
        }
    }

    /// Of sets in which nothing tells the class, one in forty goes beyond luck: of 80, more
    /// than 6 once in a hundred. Each probe on its own would be beyond its own luck more often.
    #[test]
    fn three_probes_of_nothing_seldom_go_beyond_luck() {
        let (mut beyond, mut beyond_own) = (0, 0);
        for set in 0..80 {
            let judge = judge(20);
            let mut rng = Rng::new(set);
            let kernels = [5, 40, 40].map(|columns| kernel(&judge, columns, 0.5, &mut rng));
            let folds = vec![judge.groups.iter().map(|group| group / 4).collect::<Vec<_>>()];
            let by_luck = kernels.each_ref().map(|kernel| judge.by_luck(kernel, &folds, 100));
            let luck = best_by_luck(&by_luck).unwrap();
            let reached = |kernel| judge.judge(&[judge.deal(kernel, &folds[0])]).auc.unwrap();
            let reached = kernels.each_ref().map(reached);
            beyond += usize::from(reached.iter().any(|auc| *auc > luck));
            let beats = |(auc, own): (&f64, Vec<_>)| Some(*auc) > best_by_luck(&[own]);
            beyond_own += usize::from(reached.iter().zip(by_luck).any(beats));
        }
        assert!(beyond <= 6 && beyond < beyond_own, "{beyond}, {beyond_own}");
    }

    /// By hand: of 41 times the best of two, 1 is the highest but one.
    #[test]
    fn luck_is_that_of_the_best_probe() {
        let low: Vec<_> = (0..41).map(|i| Some(f64::from(i) / 100.0)).collect();
        let high: Vec<_> = (0..41).map(|i| (i < 2).then(|| f64::from(i + 1))).collect();
        assert_eq!(best_by_luck(&[low.clone(), high]), Some(1.0));
        assert_eq!(best_by_luck(&[low]), Some(0.39));
        assert_eq!(best_by_luck(&[]), None);
        assert_eq!(best_by_luck(&[vec![]]), None);
    }
}
