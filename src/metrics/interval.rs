use serde::{Deserialize, Serialize};

use super::rate::{Z, wilson};
use super::{Interval, Undefined};

/// How an interval was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Quantiles over resamples of groups: [`super::bootstrap()`].
    Bootstrap,
    /// Wilson's interval of a share of groups, [`super::Rate`], or of the shares that it
    /// is made of.
    Wilson,
    /// Newcombe's interval of an area under the curve: [`auc_interval`].
    Newcombe,
}

impl Method {
    /// What is said of an interval that was found so.
    pub fn text(self) -> &'static str {
        match self {
            Self::Bootstrap => "patients resampled",
            Self::Wilson => "by Wilson's method, for so few errors",
            Self::Newcombe => "by Newcombe's method, for so few errors",
        }
    }
}

/// What gives an interval where the bootstrap fails: it knows no value that its films
/// do not show, and of ten films that are all right it says that there can be no
/// error. Groups of films, not films, are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fallback {
    /// It is an area under the ROC curve, of so many groups: for an interval that has
    /// run into 0 or 1.
    Area {
        /// Groups with a positive film.
        positives: usize,
        /// Groups with a negative film.
        negatives: usize,
    },
    /// It is a share of so many groups: for an interval that has run into 0 or 1.
    Share(usize),
    /// It rises with two shares, and lies here between its values at the lower and at the
    /// upper ends of their Wilson intervals: for an interval that has run into 0 or 1, or
    /// if one of the shares has, which no resample then moves.
    Ends {
        /// Its value at the lower ends.
        low: f64,
        /// Its value at the upper ends.
        high: f64,
        /// Whether one of the shares is 0 or 1.
        certain: bool,
    },
    /// Nothing does, and an interval that has run into 1, the best value, is left out.
    Omit,
    /// Nothing does.
    None,
}

impl Fallback {
    /// The ends of the 95 % interval of `value`, and how they were found: those of
    /// the bootstrap, unless it fails.
    pub fn or(
        self,
        value: f64,
        bootstrapped: Result<Interval, Undefined>,
    ) -> Result<(f64, f64, Method), Undefined> {
        let Interval { low, high, .. } = bootstrapped?;
        // Means of ones need not be 1 to the last digit.
        let best = high >= 1.0 - 1e-12;
        let at_an_end = low <= 0.0 || best;
        match self {
            Self::Area { positives, negatives } if at_an_end => {
                let (low, high) = auc_interval(value, positives, negatives)?;
                Ok((low, high, Method::Newcombe))
            }
            Self::Share(groups) if groups > 0 && (at_an_end || low >= high) => {
                let (low, high) = wilson(value, groups as f64);
                Ok((low, high, Method::Wilson))
            }
            Self::Ends { low: from, high: to, certain }
                if from < to && (certain || at_an_end || low >= high) =>
            {
                Ok((from, to, Method::Wilson))
            }
            Self::Omit if best => Err(Undefined::FewErrors),
            _ if low < high => Ok((low, high, Method::Bootstrap)),
            _ => Err(Undefined::OneValue),
        }
    }
}

/// The 95 % interval of an area `auc` under the ROC curve, of so many positives and
/// negatives, after Newcombe (2006), method 5: all areas from which `auc` lies no
/// farther than 1.96 standard errors of Hanley and McNeil (1982), the error being
/// taken at that area. So it has a width at an area of 1, as Wilson's interval of a
/// share has.
pub fn auc_interval(auc: f64, positives: usize, negatives: usize) -> Result<(f64, f64), Undefined> {
    match (positives, negatives) {
        _ if !auc.is_finite() => return Err(Undefined::NotFinite),
        (0, 0) => return Err(Undefined::NoFilms),
        (0, _) => return Err(Undefined::NoPositives),
        (_, 0) => return Err(Undefined::NoNegatives),
        _ => {}
    }
    let (m, n) = (positives as f64, negatives as f64);
    let variance = |a: f64| {
        let pairs = 0.5 * (m + n) - 1.0;
        a * (1.0 - a) * (1.0 + pairs * ((1.0 - a) / (2.0 - a) + a / (1.0 + a))) / (m * n)
    };
    // The variance is the same at `a` and `1 - a`, and so are the ends.
    let low = |auc: f64| {
        let (mut below, mut above) = (0.0, auc);
        loop {
            let a = 0.5 * (below + above);
            if a <= below || a >= above {
                return below;
            }
            if auc - a > Z * variance(a).sqrt() { below = a } else { above = a }
        }
    };
    Ok((low(auc), 1.0 - low(1.0 - auc)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{Golden, assert_close};
    use crate::metrics::roc_auc;

    #[test]
    fn equals_a_root_finder_of_scipy() {
        let cases = Golden::load().auc_intervals;
        assert!(cases.len() > 5);
        for case in cases {
            let (low, high) = auc_interval(case.auc.0, case.positives, case.negatives).unwrap();
            assert_close(low, case.low.0, 1e-9);
            assert_close(high, case.high.0, 1e-9);
        }
    }

    /// Draws sets of scores of a known area and counts how often the interval holds it:
    /// exponential scores, for which the variance is exact.
    #[test]
    fn holds_the_area_in_19_of_20_sets() {
        // Knuth's linear congruential generator: good enough to draw with.
        let mut state = 11u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        for (area, positives, negatives) in [(0.8, 10, 10), (0.95, 15, 40), (0.98, 30, 12)] {
            // P(positive > negative) of exponentials is the share of the longer mean.
            let mean = area / (1.0 - area);
            let sets = 3000;
            let mut held = 0;
            for _ in 0..sets {
                let mut draw = |mean: f64| -mean * (1.0 - uniform()).ln();
                let scores: Vec<f64> = (0..positives + negatives)
                    .map(|film| draw(if film < positives { mean } else { 1.0 }))
                    .collect();
                let truth: Vec<bool> = (0..scores.len()).map(|film| film < positives).collect();
                let auc = roc_auc(&truth, &scores).unwrap();
                let (low, high) = auc_interval(auc, positives, negatives).unwrap();
                held += usize::from(low <= area && area <= high);
            }
            let share = f64::from(held as u32) / f64::from(sets);
            assert!((0.92..=0.98).contains(&share), "{area}: {share}");
        }
    }

    #[test]
    fn stands_in_where_the_bootstrap_fails() {
        let of = |low, high| Ok(Interval { low, high, resamples: 9, undefined: 0 });
        let area = Fallback::Area { positives: 5, negatives: 5 };
        assert_eq!(area.or(0.9, of(0.8, 0.97)), Ok((0.8, 0.97, Method::Bootstrap)));
        assert_eq!(Fallback::None.or(0.9, of(0.8, 1.0)), Ok((0.8, 1.0, Method::Bootstrap)));
        let (low, high, method) = area.or(1.0, of(1.0, 1.0)).unwrap();
        assert!((0.5..0.9).contains(&low) && (high, method) == (1.0, Method::Newcombe));
        let (low, high, method) = Fallback::Share(5).or(1.0, of(1.0, 1.0)).unwrap();
        assert_close(low, 0.565_517_535_216_825_4, 1e-12);
        assert_eq!((high, method), (1.0, Method::Wilson));
        assert_eq!(Fallback::None.or(1.0, of(1.0, 1.0)), Err(Undefined::OneValue));
        let (low, high, method) = Fallback::Share(18).or(29.0 / 30.0, of(0.87, 1.0)).unwrap();
        assert_close(low, 0.773_217_128_978_401_1, 1e-12);
        assert!(high < 1.0 && method == Method::Wilson);
        assert_eq!(Fallback::Share(18).or(0.9, of(0.8, 0.97)), Ok((0.8, 0.97, Method::Bootstrap)));
        let ends = |certain| Fallback::Ends { low: 0.17, high: 1.0, certain };
        assert_eq!(ends(false).or(0.6, of(0.5, 0.7)), Ok((0.5, 0.7, Method::Bootstrap)));
        assert_eq!(ends(true).or(0.6, of(0.5, 0.7)), Ok((0.17, 1.0, Method::Wilson)));
        assert_eq!(ends(false).or(0.8, of(0.5, 1.0)), Ok((0.17, 1.0, Method::Wilson)));
        assert_eq!(Fallback::Omit.or(0.9, of(0.8, 0.97)), Ok((0.8, 0.97, Method::Bootstrap)));
        assert_eq!(Fallback::Omit.or(0.9, of(0.8, 1.0)), Err(Undefined::FewErrors));
        assert_eq!(Fallback::Share(0).or(1.0, of(1.0, 1.0)), Err(Undefined::OneValue));
        assert_eq!(area.or(1.0, Err(Undefined::OnePatient)), Err(Undefined::OnePatient));
        assert_eq!(auc_interval(1.0, 0, 3), Err(Undefined::NoPositives));
    }
}
