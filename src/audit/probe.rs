use std::collections::BTreeSet;

use ndarray::{Array2, ArrayView2, Axis, concatenate};
use serde::{Deserialize, Serialize};

use super::Kernel;
use crate::metrics::{Fallback, Method, Undefined, bootstrap, one_vs_rest, roc_auc_within};
use crate::rng::{Rng, derive};

/// The probes in the order in which they are told, by name, and what each sees.
pub const PROBES: [(&str, &str); 7] = [
    ("model", "the whole film"),
    ("attributes", "file attributes alone"),
    ("border-pixels", "the outermost pixels alone"),
    ("border", "the border, centre blacked out"),
    ("centre", "the centre, border blacked out"),
    ("thumbnail", "a thumbnail of 16 x 16"),
    ("shuffled", "shuffled labels"),
];

/// How well a classifier that sees little does: its area under the ROC curve over
/// pairs of films of one fold, macro one-vs-rest, with the ends of a 95 % interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// None if undefined.
    pub auc: Option<f64>,
    /// Lower end of the interval; none if there is none.
    pub low: Option<f64>,
    /// Upper end of the interval; none if there is none.
    pub high: Option<f64>,
    /// How the interval was found; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Films judged.
    pub n: usize,
    /// Why a figure is missing; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub undefined: String,
}

impl Probe {
    /// A probe of `n` films that has no figures, and why.
    pub fn undefined(n: usize, reason: impl ToString) -> Self {
        Self { n, undefined: reason.to_string(), ..Self::default() }
    }
}

/// The films that probes are judged on.
#[derive(Debug, Clone)]
pub struct Judge {
    /// Class of each film.
    pub truth: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
    /// Number of the group of each film: films of one patient.
    pub groups: Vec<usize>,
    /// Resamples of groups for the interval; 0 for none.
    pub resamples: usize,
    /// The pipeline's seed.
    pub seed: u64,
}

/// Films dealt into folds, each scored by a classifier that did not learn from its fold.
#[derive(Debug, Clone)]
pub struct Deal<'a> {
    /// The fold of each film, from 0.
    pub folds: &'a [usize],
    /// `[films, classes]`, to be ranked within a fold.
    pub scores: Array2<f64>,
}

impl Judge {
    /// Judges the scores of one or more deals of the same films, all pairs of one
    /// deal and fold together. Intervals are bootstrapped over groups.
    pub fn judge(&self, deals: &[Deal<'_>]) -> Probe {
        let n = self.truth.len();
        let all: Vec<usize> = (0..n).collect();
        let alone = match auc_of(&self.truth, deals, &all) {
            Ok(auc) => Probe { auc: Some(auc), n, ..Probe::default() },
            Err(reason) => return Probe::undefined(n, reason),
        };
        if self.resamples == 0 {
            return alone;
        }
        let draws = |resample| {
            let mut rng = Rng::new(derive(self.seed, "audit", "bootstrap", resample));
            move |n| rng.index(n)
        };
        let statistic = |rows: &[usize]| auc_of(&self.truth, deals, rows);
        let interval = bootstrap(&self.groups, self.resamples, 0.95, draws, statistic);
        match self.fallback().or(alone.auc.unwrap_or_default(), interval) {
            Ok((low, high, method)) => {
                Probe { low: Some(low), high: Some(high), method: Some(method), ..alone }
            }
            Err(reason) => Probe { undefined: reason.to_string(), ..alone },
        }
    }

    /// The class with the fewest groups against all others.
    fn fallback(&self) -> Fallback {
        let groups = |of: &dyn Fn(usize) -> bool| {
            let films = self.truth.iter().zip(&self.groups).filter(|(truth, _)| of(**truth));
            films.map(|(_, group)| group).collect::<BTreeSet<_>>().len()
        };
        let of = |class| (groups(&|truth| truth == class), groups(&|truth| truth != class));
        let (positives, negatives) = (0..self.classes).map(of).min().unwrap_or((0, 0));
        Fallback::Area { positives, negatives }
    }

    /// What `kernel` makes of the films, each of its fold unseen.
    pub fn deal<'a>(&self, kernel: &Kernel, folds: &'a [usize]) -> Deal<'a> {
        Deal { folds, scores: kernel.out_of_fold(&self.targets(), folds) }
    }

    /// What a kernel regresses on: 1 for the class of a film, -1 for the others,
    /// `[films, classes]`.
    pub fn targets(&self) -> Array2<f64> {
        let shape = (self.truth.len(), self.classes);
        Array2::from_shape_fn(shape, |(film, class)| target(self.truth[film], class))
    }
}

pub(super) fn target(label: usize, class: usize) -> f64 {
    if label == class { 1.0 } else { -1.0 }
}

/// The area of the films `rows`, which may repeat, of the classes `truth`.
pub(super) fn auc_of(
    truth: &[usize],
    deals: &[Deal<'_>],
    rows: &[usize],
) -> Result<f64, Undefined> {
    let truth: Vec<usize> = deals.iter().flat_map(|_| rows.iter().map(|row| truth[*row])).collect();
    let of = |(number, deal): (usize, &Deal<'_>)| {
        let stratum = |row: &usize| number + deals.len() * deal.folds[*row];
        (rows.iter().map(stratum).collect(), deal.scores.select(Axis(0), rows))
    };
    let (strata, scores): (Vec<Vec<usize>>, Vec<_>) = deals.iter().enumerate().map(of).unzip();
    let scores: Vec<_> = scores.iter().map(|scores| scores.view()).collect();
    let scores = concatenate(Axis(0), &scores).map_err(|_| Undefined::NoFilms)?;
    auc(&truth, scores.view(), &strata.concat())
}

fn auc(truth: &[usize], scores: ArrayView2<f64>, strata: &[usize]) -> Result<f64, Undefined> {
    one_vs_rest(truth, scores, |truth, scores| roc_auc_within(truth, scores, strata))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(n: usize, classes: usize) -> Judge {
        Judge {
            truth: (0..n).map(|i| i % classes).collect(),
            classes,
            groups: (0..n).map(|i| i / 2).collect(),
            resamples: 200,
            seed: 42,
        }
    }

    /// Inputs of which the first column gives the class away if `telling`.
    fn inputs(judge: &Judge, telling: f64) -> Array2<f64> {
        let mut rng = Rng::new(3);
        let mut noise = || rng.uniform(-1.0, 1.0);
        Array2::from_shape_fn((judge.truth.len(), 4), |(i, j)| {
            noise() + if j == 0 { telling * judge.truth[i] as f64 } else { 0.0 }
        })
    }

    #[test]
    fn what_gives_the_class_away_is_found_and_noise_is_not() {
        for classes in [2, 3] {
            let judge = judge(90, classes);
            let folds: Vec<usize> = judge.groups.iter().map(|group| group % 5).collect();
            let probe = |telling| {
                let kernel = Kernel::gaussian(&inputs(&judge, telling));
                (judge.judge(&[judge.deal(&kernel, &folds)]), kernel)
            };
            let (told, kernel) = probe(4.0);
            assert!(told.auc > Some(0.95) && told.low > Some(0.9), "{told:?}");
            assert!(told.low <= told.auc && told.auc <= told.high);
            let (noise, _) = probe(0.0);
            assert!(noise.low < Some(0.5) && noise.high > Some(0.5), "{noise:?}");
            let shuffled = judge.shuffled(&kernel, &[folds], 40);
            assert!(shuffled.low < Some(0.5) && shuffled.high > Some(0.5), "{shuffled:?}");
            assert!((shuffled.auc.unwrap() - 0.5).abs() < 0.06, "{shuffled:?}");
        }
    }

    #[test]
    fn undefined_is_said() {
        let judge = Judge { truth: vec![0, 0], classes: 2, groups: vec![0, 1], ..judge(2, 2) };
        let probe = judge.judge(&[Deal { folds: &[0, 1], scores: judge.targets() }]);
        assert_eq!((probe.auc, probe.n), (None, 2));
        assert_eq!(probe.undefined, "no film is negative");
    }

    /// Balanced classes and inputs that know nothing of them. Pooled over folds the
    /// same scores lie far below 0.5: the fold with more films of a class is judged by
    /// what has seen fewer of them. One flag a film, such as its colour, is the worst case.
    #[test]
    fn balanced_sets_without_a_signal_read_one_half() {
        let (mut within, mut pooled) = (Vec::new(), Vec::new());
        for set in 0..60 {
            let judge = Judge { resamples: 0, groups: (0..32).collect(), ..judge(32, 2) };
            let mut rng = Rng::new(100 + set);
            let inputs = Array2::from_shape_fn((32, 1), |_| f64::from(u8::from(rng.f64() < 0.2)));
            let mut order: Vec<usize> = (0..32).collect();
            rng.shuffle(&mut order);
            let folds: Vec<usize> = order.iter().map(|place| place % 8).collect();
            let deal = judge.deal(&Kernel::gaussian(&inputs), &folds);
            within.push(judge.judge(std::slice::from_ref(&deal)).auc.unwrap());
            pooled.push(judge.judge(&[Deal { folds: &[0; 32], ..deal }]).auc.unwrap());
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean(&within) - 0.5).abs() < 0.03, "{}", mean(&within));
        assert!(mean(&pooled) < 0.42, "the flaw that this mends: {}", mean(&pooled));
    }

    /// Against the mean over two deals that hold equally many pairs.
    #[test]
    fn deals_are_judged_together() {
        let judge = Judge { resamples: 0, ..judge(8, 2) };
        let folds = [0, 0, 0, 0, 1, 1, 1, 1];
        let scores = |swap: usize| {
            Array2::from_shape_fn((8, 2), |(film, class)| {
                let told = film % 2 == class && film >= swap;
                f64::from(u8::from(told)) + film as f64 * 0.01
            })
        };
        let deal = |swap| Deal { folds: &folds, scores: scores(swap) };
        let alone = |swap| judge.judge(&[deal(swap)]).auc.unwrap();
        let both = judge.judge(&[deal(0), deal(4)]).auc.unwrap();
        assert!(alone(0) > alone(4));
        assert!((both - (alone(0) + alone(4)) / 2.0).abs() < 1e-12);
    }
}
