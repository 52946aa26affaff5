use super::{Roc, Undefined};

/// A threshold and what it does to the films it was chosen on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// A film is called positive if its score is at least this.
    pub threshold: f64,
    /// The share of positive films called so.
    pub sensitivity: f64,
    /// The share of negative films called so.
    pub specificity: f64,
}

impl OperatingPoint {
    /// Youden's J (1950): sensitivity + specificity - 1.
    pub fn j(&self) -> f64 {
        self.sensitivity + self.specificity - 1.0
    }
}

/// The score that, as a threshold, gives the highest Youden's J; the highest
/// such score among equals. To be chosen on training films only.
pub fn youden(truth: &[bool], scores: &[f64]) -> Result<OperatingPoint, Undefined> {
    let best = operating_points(truth, scores)?
        .into_iter()
        .reduce(|best, point| if point.j() > best.j() { point } else { best });
    best.ok_or(Undefined::NoFilms)
}

/// The highest score that, as a threshold, gives at least the `wanted`
/// sensitivity (0 to 1), and so the best specificity that goes with it. To be
/// chosen on training films only.
pub fn for_sensitivity(
    truth: &[bool],
    scores: &[f64],
    wanted: f64,
) -> Result<OperatingPoint, Undefined> {
    assert!((0.0..=1.0).contains(&wanted), "a sensitivity between 0 and 1, not {wanted}");
    let points = operating_points(truth, scores)?;
    points.into_iter().find(|point| point.sensitivity >= wanted).ok_or(Undefined::NoFilms)
}

/// One point for each distinct score, from the highest down.
fn operating_points(truth: &[bool], scores: &[f64]) -> Result<Vec<OperatingPoint>, Undefined> {
    let Roc { fpr, tpr, thresholds } = Roc::new(truth, scores)?;
    let point = |i: usize| OperatingPoint {
        threshold: thresholds[i],
        sensitivity: tpr[i],
        specificity: 1.0 - fpr[i],
    };
    Ok((1..thresholds.len()).map(point).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(films: &[(bool, f64)], threshold: f64) -> (f64, f64) {
        let share = |of: bool, called: bool| {
            let of: Vec<bool> =
                films.iter().filter(|f| f.0 == of).map(|f| f.1 >= threshold).collect();
            of.iter().filter(|c| **c == called).count() as f64 / of.len() as f64
        };
        (share(true, true), share(false, false))
    }

    proptest! {
        /// Against trying every score in turn.
        #[test]
        fn no_score_is_better(draws in prop::collection::vec((any::<bool>(), 0..9u8), 2..40), wanted in 0.0..=1.0) {
            let films: Vec<(bool, f64)> = draws.iter().map(|&(t, s)| (t, f64::from(s) / 8.0)).collect();
            let (truth, scores): (Vec<bool>, Vec<f64>) = films.iter().copied().unzip();
            prop_assume!(truth.contains(&true) && truth.contains(&false));
            let best = youden(&truth, &scores).unwrap();
            let safe = for_sensitivity(&truth, &scores, wanted).unwrap();
            for point in [best, safe] {
                let (sensitivity, specificity) = shares(&films, point.threshold);
                prop_assert_eq!(point.sensitivity, sensitivity);
                prop_assert!((point.specificity - specificity).abs() < 1e-12);
            }
            prop_assert!(safe.sensitivity >= wanted);
            for &score in &scores {
                let (sensitivity, specificity) = shares(&films, score);
                prop_assert!(sensitivity + specificity - 1.0 <= best.j() + 1e-12);
                prop_assert!(sensitivity < wanted || score <= safe.threshold);
            }
        }
    }

    #[test]
    fn one_class_has_no_threshold() {
        assert_eq!(youden(&[true, true], &[0.1, 0.2]), Err(Undefined::NoNegatives));
        assert_eq!(for_sensitivity(&[false], &[0.1], 0.9), Err(Undefined::NoPositives));
    }
}
