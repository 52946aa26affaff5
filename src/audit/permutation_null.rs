//! Permutation null of the probe AUC (maximum-statistic permutation test).

use std::collections::BTreeMap;

use ndarray::{Array2, s};
use rayon::prelude::*;

use super::probe::{auc_of, target};
use super::{Deal, Kernel, Probe, ProbeEvaluation};
use crate::rng::{Rng, derive};

impl ProbeEvaluation {
    /// Returns the AUC of `kernel` for each of `times` permutations of the labels between
    /// groups, pooled over all `deals` (fold of each image). None where undefined. The
    /// permutations depend only on the seed and `deals`, so that all kernels get the same ones.
    pub fn permutation_aucs(
        &self,
        kernel: &Kernel,
        deals: &[Vec<usize>],
        times: usize,
    ) -> Vec<Option<f64>> {
        let labels = self.permuted_labels(deals, times);
        let n = self.truth.len();
        let targets = Array2::from_shape_fn((n, times * self.classes), |(image, column)| {
            target(labels[column / self.classes][image], column % self.classes)
        });
        let scores: Vec<_> =
            deals.par_iter().map(|folds| kernel.out_of_fold(&targets, folds)).collect();
        let all: Vec<usize> = (0..n).collect();
        let auc = |(number, labels): (usize, &Vec<usize>)| {
            let columns = s![.., number * self.classes..(number + 1) * self.classes];
            let scored_folds = |(folds, scores): (_, &Array2<f64>)| Deal {
                folds,
                scores: scores.slice(columns).to_owned(),
            };
            let deals: Vec<_> =
                deals.iter().map(Vec::as_slice).zip(&scores).map(scored_folds).collect();
            auc_of(labels, &deals, &all).ok()
        };
        labels.par_iter().enumerate().map(auc).collect()
    }

    /// Returns the mean AUC and the 95 % range of `kernel` under permuted labels. The range
    /// should include 0.5; if it does not, folds cross groups.
    pub fn shuffled(&self, kernel: &Kernel, deals: &[Vec<usize>], times: usize) -> Probe {
        let areas = sorted(self.permutation_aucs(kernel, deals, times));
        let n = self.truth.len();
        if areas.is_empty() {
            return Probe::undefined(n, "no labels were shuffled");
        }
        Probe {
            auc: Some(areas.iter().sum::<f64>() / areas.len() as f64),
            low: quantile(&areas, 0.025),
            high: quantile(&areas, 0.975),
            n,
            ..Probe::default()
        }
    }

    /// Returns `times` permutations of the labels. Groups swap labels only within a fold of the
    /// first deal, so that every fold keeps its classes, and images of one patient keep a
    /// common label. Mixed labels of a group are shuffled within the group too.
    fn permuted_labels(&self, deals: &[Vec<usize>], times: usize) -> Vec<Vec<usize>> {
        let mut images: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (image, group) in self.groups.iter().enumerate() {
            images.entry(*group).or_default().push(image);
        }
        let mut strata: BTreeMap<usize, Vec<&Vec<usize>>> = BTreeMap::new();
        for images in images.values() {
            let fold = deals.first().map_or(0, |folds| folds[images[0]]);
            strata.entry(fold).or_default().push(images);
        }
        let mut rng = Rng::new(derive(self.seed, "audit", "shuffle", 0));
        let mut permute = |_| {
            let mut labels = self.truth.clone();
            for groups in strata.values() {
                let mut others = groups.clone();
                rng.shuffle(&mut others);
                for (group, other) in groups.iter().zip(others) {
                    let mut other = other.clone();
                    rng.shuffle(&mut other);
                    for (image, source) in group.iter().zip(other.iter().cycle()) {
                        labels[*image] = self.truth[*source];
                    }
                }
            }
            labels
        };
        (0..times).map(&mut permute).collect()
    }
}

/// Returns the 97.5 % quantile of the highest AUC of several probes under permuted labels; each
/// element of `probes` is a result of [`ProbeEvaluation::permutation_aucs`]. None if all are undefined.
pub fn max_auc_null(probes: &[Vec<Option<f64>>]) -> Option<f64> {
    let times = probes.iter().map(Vec::len).min()?;
    let highest = |time| probes.iter().filter_map(|areas| areas[time]).reduce(f64::max);
    quantile(&sorted((0..times).map(highest).collect()), 0.975)
}

/// Returns the defined values in ascending order.
fn sorted(values: Vec<Option<f64>>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().flatten().collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Returns the nearest-rank quantile of ascending values. None if there are no values.
fn quantile(sorted: &[f64], proportion: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[(proportion * last as f64).round() as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images per patient, with the class alternating between patients.
    fn evaluation(patients: usize) -> ProbeEvaluation {
        ProbeEvaluation {
            truth: (0..2 * patients).map(|image| image / 2 % 2).collect(),
            classes: 2,
            groups: (0..2 * patients).map(|image| image / 2).collect(),
            resamples: 0,
            seed: 42,
        }
    }

    /// Kernel on random features per patient, with noise per image.
    fn kernel(evaluation: &ProbeEvaluation, columns: usize, noise: f64, rng: &mut Rng) -> Kernel {
        let patients = evaluation.truth.len() / 2;
        let features = Array2::from_shape_simple_fn((patients, columns), || rng.normal());
        Kernel::gaussian(&Array2::from_shape_fn((2 * patients, columns), |(image, column)| {
            features[[image / 2, column]] + noise * rng.normal()
        }))
    }

    #[test]
    fn shuffled_auc_exceeds_chance_if_folds_cross_groups() {
        let evaluation = evaluation(40);
        let kernel = kernel(&evaluation, 3, 0.1, &mut Rng::new(5));
        let probe = |fold: fn(usize) -> usize| {
            evaluation.shuffled(&kernel, &[(0..80).map(fold).collect()], 60)
        };
        let (crossing, separate) = (probe(|image| image % 2), probe(|image| image / 4 % 5));
        assert!(crossing.low > Some(0.6), "{crossing:?}");
        assert!(separate.low < Some(0.5) && separate.high > Some(0.5), "{separate:?}");
        assert!((separate.auc.unwrap() - 0.5).abs() < 0.06, "{separate:?}");
        assert_eq!(evaluation.shuffled(&kernel, &[], 0).undefined, "no labels were shuffled");
    }

    #[test]
    fn permutation_keeps_classes_per_fold_and_labels_per_group() {
        let evaluation = evaluation(20);
        let folds: Vec<usize> = evaluation.groups.iter().map(|group| group / 4).collect();
        let permuted = evaluation.permuted_labels(std::slice::from_ref(&folds), 20);
        assert!(permuted.iter().any(|labels| *labels != evaluation.truth));
        for labels in permuted {
            assert!(labels.as_chunks::<2>().0.iter().all(|[a, b]| a == b), "{labels:?}");
            for fold in 0..5 {
                let images = (0..40).filter(|image| folds[*image] == fold);
                assert_eq!(images.map(|image| labels[image]).sum::<usize>(), 4, "{labels:?}");
            }
        }
    }

    /// Without a signal, 1 in 40 sets exceeds the maximum-statistic null: among 80 sets, more
    /// than 6 with probability 1 %. Separate nulls per probe are exceeded more often.
    #[test]
    fn maximum_statistic_controls_false_positives() {
        let (mut exceeding, mut exceeding_own) = (0, 0);
        for set in 0..80 {
            let evaluation = evaluation(20);
            let mut rng = Rng::new(set);
            let kernels = [5, 40, 40].map(|columns| kernel(&evaluation, columns, 0.5, &mut rng));
            let folds = vec![evaluation.groups.iter().map(|group| group / 4).collect::<Vec<_>>()];
            let null_aucs =
                kernels.each_ref().map(|kernel| evaluation.permutation_aucs(kernel, &folds, 100));
            let limit = max_auc_null(&null_aucs).unwrap();
            let auc =
                |kernel| evaluation.evaluate(&[evaluation.deal(kernel, &folds[0])]).auc.unwrap();
            let aucs = kernels.each_ref().map(auc);
            exceeding += usize::from(aucs.iter().any(|auc| *auc > limit));
            let exceeds = |(auc, own): (&f64, Vec<_>)| Some(*auc) > max_auc_null(&[own]);
            exceeding_own += usize::from(aucs.iter().zip(null_aucs).any(exceeds));
        }
        assert!(exceeding <= 6 && exceeding < exceeding_own, "{exceeding}, {exceeding_own}");
    }

    /// By hand: among the 41 maxima, 1 is the second highest.
    #[test]
    fn null_is_that_of_the_highest_auc() {
        let low: Vec<_> = (0..41).map(|i| Some(f64::from(i) / 100.0)).collect();
        let high: Vec<_> = (0..41).map(|i| (i < 2).then(|| f64::from(i + 1))).collect();
        assert_eq!(max_auc_null(&[low.clone(), high]), Some(1.0));
        assert_eq!(max_auc_null(&[low]), Some(0.39));
        assert_eq!(max_auc_null(&[]), None);
        assert_eq!(max_auc_null(&[vec![]]), None);
    }
}
