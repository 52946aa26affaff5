use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::Kernel;
use crate::metrics::{Undefined, bootstrap, one_vs_rest, roc_auc};
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

/// How well a classifier that sees little does: its area under the ROC curve,
/// macro one-vs-rest, with the ends of a 95 % interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// None if undefined.
    pub auc: Option<f64>,
    /// Lower end of the interval; none if there is none.
    pub low: Option<f64>,
    /// Upper end of the interval; none if there is none.
    pub high: Option<f64>,
    /// Films judged.
    pub n: usize,
    /// Why a figure is missing; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub undefined: String,
}

impl Probe {
    /// A probe of `n` films that has no figures, and why.
    pub fn undefined(n: usize, reason: impl ToString) -> Self {
        Self { auc: None, low: None, high: None, n, undefined: reason.to_string() }
    }
}

/// The films that probes are judged on.
#[derive(Debug, Clone)]
pub struct Judge {
    /// Class of each film.
    pub truth: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
    /// Number of the patient of each film.
    pub patients: Vec<usize>,
    /// Resamples of patients for the interval; 0 for none.
    pub resamples: usize,
    /// The pipeline's seed.
    pub seed: u64,
}

impl Judge {
    /// Judges `scores` `[films, classes]` of films that taught nothing of
    /// themselves. Intervals are bootstrapped over patients.
    pub fn judge(&self, scores: ArrayView2<f64>) -> Probe {
        let n = self.truth.len();
        let auc = match auc(&self.truth, scores) {
            Ok(auc) => auc,
            Err(reason) => return Probe::undefined(n, reason),
        };
        let none = Probe { auc: Some(auc), low: None, high: None, n, undefined: String::new() };
        if self.resamples == 0 {
            return none;
        }
        let draws = |resample| {
            let mut rng = Rng::new(derive(self.seed, "audit", "bootstrap", resample));
            move |n| rng.index(n)
        };
        let statistic = |rows: &[usize]| {
            let truth: Vec<usize> = rows.iter().map(|row| self.truth[*row]).collect();
            self::auc(&truth, scores.select(Axis(0), rows).view())
        };
        match bootstrap(&self.patients, self.resamples, 0.95, draws, statistic) {
            Ok(interval) => Probe { low: Some(interval.low), high: Some(interval.high), ..none },
            Err(reason) => Probe { undefined: reason.to_string(), ..none },
        }
    }

    /// What `kernel` makes of `labels`, dealt anew to the films `times` times: the
    /// mean, and the range of the middle 95 %. It must hold 0.5, or the folds leak.
    pub fn shuffled(&self, kernel: &Kernel, folds: &[usize], times: usize) -> Probe {
        let n = self.truth.len();
        let mut rng = Rng::new(derive(self.seed, "audit", "shuffle", 0));
        let deal = |_| {
            let mut labels = self.truth.clone();
            rng.shuffle(&mut labels);
            labels
        };
        let deals: Vec<Vec<usize>> = (0..times).map(deal).collect();
        let targets = Array2::from_shape_fn((n, times * self.classes), |(film, column)| {
            target(deals[column / self.classes][film], column % self.classes)
        });
        let scores = kernel.out_of_fold(&targets, folds);
        let of = |(labels, scores): (&Vec<usize>, ArrayView2<f64>)| auc(labels, scores);
        let deals = deals.iter().zip(scores.axis_chunks_iter(Axis(1), self.classes));
        let mut values: Vec<f64> = match deals.map(of).collect() {
            Ok(values) => values,
            Err(reason) => return Probe::undefined(n, Undefined::to_string(&reason)),
        };
        values.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| values.get((share * (times.max(1) - 1) as f64).round() as usize);
        Probe {
            auc: (times > 0).then(|| values.iter().sum::<f64>() / times as f64),
            low: at(0.025).copied(),
            high: at(0.975).copied(),
            n,
            undefined: if times > 0 { String::new() } else { "nothing was shuffled".into() },
        }
    }

    /// What a kernel regresses on: 1 for the class of a film, -1 for the others,
    /// `[films, classes]`.
    pub fn targets(&self) -> Array2<f64> {
        let shape = (self.truth.len(), self.classes);
        Array2::from_shape_fn(shape, |(film, class)| target(self.truth[film], class))
    }
}

fn target(label: usize, class: usize) -> f64 {
    if label == class { 1.0 } else { -1.0 }
}

fn auc(truth: &[usize], scores: ArrayView2<f64>) -> Result<f64, Undefined> {
    one_vs_rest(truth, scores, roc_auc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(n: usize, classes: usize) -> Judge {
        Judge {
            truth: (0..n).map(|i| i % classes).collect(),
            classes,
            patients: (0..n).map(|i| i / 2).collect(),
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
            let folds: Vec<usize> = judge.patients.iter().map(|p| p % 5).collect();
            let probe = |telling| {
                let kernel = Kernel::gaussian(&inputs(&judge, telling));
                (judge.judge(kernel.out_of_fold(&judge.targets(), &folds).view()), kernel)
            };
            let (told, kernel) = probe(4.0);
            assert!(told.auc > Some(0.95) && told.low > Some(0.9), "{told:?}");
            assert!(told.low <= told.auc && told.auc <= told.high);
            let (noise, _) = probe(0.0);
            assert!(noise.low < Some(0.5) && noise.high > Some(0.5), "{noise:?}");
            let shuffled = judge.shuffled(&kernel, &folds, 40);
            assert!(shuffled.low < Some(0.5) && shuffled.high > Some(0.5), "{shuffled:?}");
            assert!((shuffled.auc.unwrap() - 0.5).abs() < 0.06, "{shuffled:?}");
        }
    }

    #[test]
    fn undefined_is_said() {
        let judge = Judge { truth: vec![0, 0], classes: 2, patients: vec![0, 1], ..judge(2, 2) };
        let probe = judge.judge(judge.targets().view());
        assert_eq!((probe.auc, probe.n), (None, 2));
        assert_eq!(probe.undefined, "no film is negative");
    }
}
