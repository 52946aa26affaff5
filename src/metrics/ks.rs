//! Exact two-sample Kolmogorov-Smirnov test.

use super::{UndefinedMetric, check_finite};

/// Result of a two-sample Kolmogorov-Smirnov test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KolmogorovSmirnov {
    /// Largest difference between the two empirical distribution functions, 0 to 1.
    pub statistic: f64,
    /// Exact two-sided p-value.
    pub p_value: f64,
}

/// Tests the null hypothesis that two samples come from the same distribution: two-sided,
/// with exact p-value (Hodges 1958). Time O(mn), memory O(min(m, n)) for sample sizes
/// m and n. Equals scipy's `ks_2samp(a, b, method="exact")`.
///
/// # Errors
///
/// If a sample is empty or has a value that is not finite.
pub fn ks_two_sample(a: &[f64], b: &[f64]) -> Result<KolmogorovSmirnov, UndefinedMetric> {
    if a.is_empty() || b.is_empty() {
        return Err(UndefinedMetric::NoImages);
    }
    check_finite(a.iter().chain(b))?;
    let (a, b) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let distance = largest_distance(a, b);
    Ok(KolmogorovSmirnov {
        statistic: distance as f64 / (a.len() * b.len()) as f64,
        p_value: proportion_of_paths_outside(a.len(), b.len(), distance),
    })
}

/// Largest difference between the two empirical distribution functions, times
/// `a.len() * b.len()`: an integer.
fn largest_distance(a: &[f64], b: &[f64]) -> usize {
    let tagged = |sample: &[f64], tag: bool| sample.iter().map(|&x| (x, tag)).collect::<Vec<_>>();
    let mut all = [tagged(a, true), tagged(b, false)].concat();
    all.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    let (mut count_a, mut count_b) = (0, 0);
    let distances = all.chunk_by(|x, y| x.0 == y.0).map(|tied| {
        let from_a = tied.iter().filter(|x| x.1).count();
        count_a += from_a;
        count_b += tied.len() - from_a;
        (count_a * b.len()).abs_diff(count_b * a.len())
    });
    distances.max().unwrap_or(0)
}

/// Proportion of the lattice paths from (0, 0) to (m, n) that reach `distance`. Each
/// path is one order of `m` values of one sample and `n` values of the other.
///
/// `outside[j]` is this proportion among the paths to (i, j). The last step of a path
/// comes from (i - 1, j) with probability i / (i + j).
fn proportion_of_paths_outside(m: usize, n: usize, distance: usize) -> f64 {
    let mut outside = vec![0.0; n + 1];
    for i in 0..=m {
        for j in 0..=n {
            outside[j] = if (i * n).abs_diff(j * m) >= distance {
                1.0
            } else if i == 0 || j == 0 {
                0.0
            } else {
                (i as f64 * outside[j] + j as f64 * outside[j - 1]) / (i + j) as f64
            };
        }
    }
    outside[n]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::golden::{Golden, assert_close, numbers};

    #[test]
    fn the_test_equals_scipy() {
        for case in Golden::load().ks {
            let ks = ks_two_sample(&numbers(&case.a), &numbers(&case.b)).unwrap();
            assert_close(ks.statistic, case.statistic.0, 1e-15);
            assert_close(ks.p_value, case.p.0, 1e-13);
        }
    }

    #[test]
    fn equal_samples_have_distance_0() {
        let ks = ks_two_sample(&[1.0, 2.0, 3.0], &[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((ks.statistic, ks.p_value), (0.0, 1.0));
    }

    #[test]
    fn undefined_cases_are_reported() {
        assert_eq!(ks_two_sample(&[], &[1.0]), Err(UndefinedMetric::NoImages));
        assert_eq!(ks_two_sample(&[1.0], &[f64::INFINITY]), Err(UndefinedMetric::NotFinite));
    }

    proptest! {
        /// Compared with an enumeration of all orders of the two samples.
        #[test]
        fn the_p_value_is_the_proportion_of_orders(m in 1..7usize, n in 1..7usize, distance in 1..40usize) {
            let (mut all, mut reaching) = (0u32, 0u32);
            for order in (0..1u32 << (m + n)).filter(|order| order.count_ones() as usize == m) {
                let (mut i, mut j, mut furthest) = (0usize, 0usize, 0);
                for step in 0..m + n {
                    if order >> step & 1 == 1 { i += 1 } else { j += 1 }
                    furthest = furthest.max((i * n).abs_diff(j * m));
                }
                all += 1;
                reaching += u32::from(furthest >= distance);
            }
            let expected = f64::from(reaching) / f64::from(all);
            prop_assert!((proportion_of_paths_outside(m, n, distance) - expected).abs() < 1e-12);
        }
    }
}
