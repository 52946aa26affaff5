//! Choice of the interval method where the bootstrap fails, and Newcombe's interval of an AUC.

use serde::{Deserialize, Serialize};

use super::rate::{Z, wilson};
use super::{Interval, UndefinedMetric};

/// Method that computed a confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Patient-level bootstrap: [`super::bootstrap()`].
    Bootstrap,
    /// Wilson's interval of a proportion, [`super::Rate`], or an interval computed from
    /// Wilson's intervals of two proportions.
    Wilson,
    /// Newcombe's interval of an area under the ROC curve: [`auc_interval`].
    Newcombe,
}

impl Method {
    /// Text that follows an interval in reports.
    pub fn text(self) -> &'static str {
        match self {
            Self::Bootstrap => "patient-level bootstrap",
            Self::Wilson => "Wilson's method",
            Self::Newcombe => "Newcombe's method",
        }
    }
}

/// Reason why the bootstrap interval is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplacementReason {
    /// A bound of the bootstrap interval is 0 or 1, the limits of the metric.
    AtAnEnd,
    /// The bootstrap interval has zero width.
    NoWidth,
    /// Sensitivity or specificity is 0 or 1, and thus the same in every resample.
    CertainPart,
}

impl ReplacementReason {
    /// Returns the reason as a clause.
    pub fn text(self) -> &'static str {
        match self {
            Self::AtAnEnd => "the bootstrap interval reaches 0 or 1",
            Self::NoWidth => "the bootstrap interval has zero width",
            Self::CertainPart => "sensitivity or specificity is 0 or 1 in every resample",
        }
    }
}

/// A 95 % interval with its method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Method that computed the bounds.
    pub method: Method,
    /// Reason why the bootstrap interval was replaced, if it was.
    pub because: Option<ReplacementReason>,
}

/// Interval to use if the bootstrap interval is degenerate. If the predictions have no
/// errors, every resample gives the same value and the bootstrap interval has zero
/// width. Sample sizes are numbers of groups (patients), not of images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fallback {
    /// Newcombe's interval of an area under the ROC curve, if a bootstrap bound is 0 or 1.
    Area {
        /// Number of groups with a positive image.
        positives: usize,
        /// Number of groups with a negative image.
        negatives: usize,
    },
    /// Wilson's interval of a proportion of this number of groups, if a bootstrap bound
    /// is 0 or 1 or the bootstrap interval has zero width.
    Share(usize),
    /// Interval of a metric that increases with two proportions, computed from the bounds
    /// of their Wilson intervals. Used as [`Fallback::Share`], and also if one of the
    /// proportions is 0 or 1 and thus the same in every resample.
    Ends {
        /// Value of the metric at the lower bounds.
        low: f64,
        /// Value of the metric at the upper bounds.
        high: f64,
        /// True if one of the proportions is 0 or 1.
        certain: bool,
    },
    /// No other interval; a bootstrap interval with upper bound 1 is discarded.
    Omit,
    /// No other interval.
    None,
}

impl Fallback {
    /// Lower bound, upper bound and method of the 95 % interval of `value`: the
    /// bootstrap interval unless it is degenerate.
    ///
    /// # Errors
    ///
    /// If the bootstrap failed, or its interval is degenerate and has no replacement.
    pub fn or(
        self,
        value: f64,
        bootstrapped: Result<Interval, UndefinedMetric>,
    ) -> Result<Bounds, UndefinedMetric> {
        let Interval { low, high, .. } = bootstrapped?;
        // The mean of ones may differ from 1 by rounding.
        let best = high >= 1.0 - 1e-12;
        let failed = match (low <= 0.0 || best, low >= high) {
            (true, _) => Some(ReplacementReason::AtAnEnd),
            (false, true) => Some(ReplacementReason::NoWidth),
            (false, false) => None,
        };
        let instead = |(low, high), method, because| Bounds { low, high, method, because };
        match (self, failed) {
            (Self::Area { positives, negatives }, Some(ReplacementReason::AtAnEnd)) => {
                let ends = auc_interval(value, positives, negatives)?;
                Ok(instead(ends, Method::Newcombe, failed))
            }
            (Self::Share(groups @ 1..), Some(_)) => {
                Ok(instead(wilson(value, groups as f64), Method::Wilson, failed))
            }
            (Self::Ends { low, high, certain: true }, _) if low < high => {
                Ok(instead((low, high), Method::Wilson, Some(ReplacementReason::CertainPart)))
            }
            (Self::Ends { low, high, .. }, Some(_)) if low < high => {
                Ok(instead((low, high), Method::Wilson, failed))
            }
            (Self::Omit, _) if best => Err(UndefinedMetric::ReachesBest),
            _ if low < high => Ok(instead((low, high), Method::Bootstrap, None)),
            _ => Err(UndefinedMetric::OneValue),
        }
    }
}

/// 95 % interval of an area `auc` under the ROC curve (Newcombe 2006, method 5): all
/// areas that differ from `auc` by at most 1.96 standard errors, where the standard
/// error (Hanley and McNeil 1982) is that of the area, not of `auc`. As with Wilson's
/// interval, the width at `auc` = 1 is not zero.
///
/// # Errors
///
/// If `auc` is not finite, or `positives` or `negatives` is 0.
pub fn auc_interval(
    auc: f64,
    positives: usize,
    negatives: usize,
) -> Result<(f64, f64), UndefinedMetric> {
    match (positives, negatives) {
        _ if !auc.is_finite() => return Err(UndefinedMetric::NotFinite),
        (0, 0) => return Err(UndefinedMetric::NoImages),
        (0, _) => return Err(UndefinedMetric::NoPositives),
        (_, 0) => return Err(UndefinedMetric::NoNegatives),
        _ => {}
    }
    let (m, n) = (positives as f64, negatives as f64);
    let variance = |a: f64| {
        let pairs = 0.5 * (m + n) - 1.0;
        a * (1.0 - a) * (1.0 + pairs * ((1.0 - a) / (2.0 - a) + a / (1.0 + a))) / (m * n)
    };
    // Bisection; by symmetry the upper bound is 1 minus the lower bound of `1 - auc`.
    let lower_bound = |auc: f64| {
        let (mut below, mut above) = (0.0, auc);
        loop {
            let a = 0.5 * (below + above);
            if a <= below || a >= above {
                return below;
            }
            if auc - a > Z * variance(a).sqrt() { below = a } else { above = a }
        }
    };
    Ok((lower_bound(auc), 1.0 - lower_bound(1.0 - auc)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{Golden, assert_close};
    use crate::metrics::roc_auc;

    #[test]
    fn newcombe_equals_the_root_found_by_scipy() {
        let cases = Golden::load().auc_intervals;
        assert!(cases.len() > 5);
        for case in cases {
            let (low, high) = auc_interval(case.auc.0, case.positives, case.negatives).unwrap();
            assert_close(low, case.low.0, 1e-9);
            assert_close(high, case.high.0, 1e-9);
        }
    }

    /// Coverage for simulated exponential scores, for which the variance is exact.
    #[test]
    fn newcombe_covers_the_true_area_in_about_95_percent() {
        // Knuth's linear congruential generator.
        let mut state = 11u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        for (area, positives, negatives) in [(0.8, 10, 10), (0.95, 15, 40), (0.98, 30, 12)] {
            // P(positive > negative) = mean / (mean + 1) for exponential scores.
            let mean = area / (1.0 - area);
            let simulations = 3000;
            let mut covered = 0;
            for _ in 0..simulations {
                let mut exponential = |mean: f64| -mean * (1.0 - uniform()).ln();
                let scores: Vec<f64> = (0..positives + negatives)
                    .map(|image| exponential(if image < positives { mean } else { 1.0 }))
                    .collect();
                let truth: Vec<bool> = (0..scores.len()).map(|image| image < positives).collect();
                let auc = roc_auc(&truth, &scores).unwrap();
                let (low, high) = auc_interval(auc, positives, negatives).unwrap();
                covered += usize::from(low <= area && area <= high);
            }
            let coverage = f64::from(covered as u32) / f64::from(simulations);
            assert!((0.92..=0.98).contains(&coverage), "{area}: {coverage}");
        }
    }

    #[test]
    fn the_fallback_replaces_degenerate_bootstrap_intervals() {
        let bootstrapped = |low, high| Ok(Interval { low, high, resamples: 9, undefined: 0 });
        let area = Fallback::Area { positives: 5, negatives: 5 };
        let bounds = |low, high, method, because| Ok(Bounds { low, high, method, because });
        let bootstrap = |low, high| bounds(low, high, Method::Bootstrap, None);
        assert_eq!(area.or(0.9, bootstrapped(0.8, 0.97)), bootstrap(0.8, 0.97));
        assert_eq!(Fallback::None.or(0.9, bootstrapped(0.8, 1.0)), bootstrap(0.8, 1.0));
        let Bounds { low, high, method, because } = area.or(1.0, bootstrapped(1.0, 1.0)).unwrap();
        assert!((0.5..0.9).contains(&low) && (high, method) == (1.0, Method::Newcombe));
        assert_eq!(because, Some(ReplacementReason::AtAnEnd));
        // Many errors do not keep an interval from the end of the scale.
        let found = area.or(0.7, bootstrapped(0.3, 1.0)).unwrap();
        assert_eq!(
            (found.method, found.because),
            (Method::Newcombe, Some(ReplacementReason::AtAnEnd))
        );
        let Bounds { low, high, method, because } =
            Fallback::Share(5).or(1.0, bootstrapped(1.0, 1.0)).unwrap();
        assert_close(low, 0.565_517_535_216_825_4, 1e-12);
        assert_eq!(
            (high, method, because),
            (1.0, Method::Wilson, Some(ReplacementReason::AtAnEnd))
        );
        let found = Fallback::Share(5).or(0.5, bootstrapped(0.5, 0.5)).unwrap();
        assert_eq!(
            (found.method, found.because),
            (Method::Wilson, Some(ReplacementReason::NoWidth))
        );
        assert_eq!(Fallback::None.or(1.0, bootstrapped(1.0, 1.0)), Err(UndefinedMetric::OneValue));
        let Bounds { low, high, method, .. } =
            Fallback::Share(18).or(29.0 / 30.0, bootstrapped(0.87, 1.0)).unwrap();
        assert_close(low, 0.773_217_128_978_401_1, 1e-12);
        assert!(high < 1.0 && method == Method::Wilson);
        assert_eq!(Fallback::Share(18).or(0.9, bootstrapped(0.8, 0.97)), bootstrap(0.8, 0.97));
        let ends = |certain| Fallback::Ends { low: 0.17, high: 1.0, certain };
        let wilson = |because| bounds(0.17, 1.0, Method::Wilson, Some(because));
        assert_eq!(ends(false).or(0.6, bootstrapped(0.5, 0.7)), bootstrap(0.5, 0.7));
        assert_eq!(
            ends(true).or(0.6, bootstrapped(0.5, 0.7)),
            wilson(ReplacementReason::CertainPart)
        );
        assert_eq!(ends(false).or(0.8, bootstrapped(0.5, 1.0)), wilson(ReplacementReason::AtAnEnd));
        assert_eq!(Fallback::Omit.or(0.9, bootstrapped(0.8, 0.97)), bootstrap(0.8, 0.97));
        assert_eq!(
            Fallback::Omit.or(0.9, bootstrapped(0.8, 1.0)),
            Err(UndefinedMetric::ReachesBest)
        );
        assert_eq!(
            Fallback::Share(0).or(1.0, bootstrapped(1.0, 1.0)),
            Err(UndefinedMetric::OneValue)
        );
        assert_eq!(
            area.or(1.0, Err(UndefinedMetric::OnePatient)),
            Err(UndefinedMetric::OnePatient)
        );
        assert_eq!(auc_interval(1.0, 0, 3), Err(UndefinedMetric::NoPositives));
    }
}
