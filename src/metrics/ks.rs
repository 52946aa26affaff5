use super::{Undefined, finite};

/// The outcome of a two-sample Kolmogorov-Smirnov test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KolmogorovSmirnov {
    /// The largest distance between the two distribution functions, 0 to 1.
    pub statistic: f64,
    /// How often two samples of one distribution lie at least as far apart.
    pub p_value: f64,
}

/// Asks whether two samples, of any order, come from one distribution: the
/// two-sided test with its exact p-value (Hodges 1958), in time and memory of
/// the product and the smaller of the sizes. Equals scipy's
/// `ks_2samp(a, b, method="exact")`.
pub fn ks_two_sample(a: &[f64], b: &[f64]) -> Result<KolmogorovSmirnov, Undefined> {
    if a.is_empty() || b.is_empty() {
        return Err(Undefined::NoFilms);
    }
    finite(a.iter().chain(b))?;
    let (a, b) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let distance = largest_distance(a, b);
    Ok(KolmogorovSmirnov {
        statistic: distance as f64 / (a.len() * b.len()) as f64,
        p_value: share_of_paths_outside(a.len(), b.len(), distance),
    })
}

/// The largest `|#a(x) / #a - #b(x) / #b|` over all `x`, times `#a` times `#b`.
fn largest_distance(a: &[f64], b: &[f64]) -> usize {
    let tagged = |sample: &[f64], tag: bool| sample.iter().map(|&x| (x, tag)).collect::<Vec<_>>();
    let mut all = [tagged(a, true), tagged(b, false)].concat();
    all.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    let (mut of_a, mut of_b) = (0, 0);
    let distances = all.chunk_by(|x, y| x.0 == y.0).map(|tied| {
        let from_a = tied.iter().filter(|x| x.1).count();
        of_a += from_a;
        of_b += tied.len() - from_a;
        (of_a * b.len()).abs_diff(of_b * a.len())
    });
    distances.max().unwrap_or(0)
}

/// Orders of `m` values of one sample and `n` of the other are paths from (0, 0)
/// to (m, n); the share of those that somewhere reach `distance`.
///
/// `outside[j]` is that share among the paths to (i, j), the last step of which
/// comes from (i - 1, j) with chance i / (i + j).
fn share_of_paths_outside(m: usize, n: usize, distance: usize) -> f64 {
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
    fn equals_scipy() {
        for case in Golden::load().ks {
            let ks = ks_two_sample(&numbers(&case.a), &numbers(&case.b)).unwrap();
            assert_close(ks.statistic, case.statistic.0, 1e-15);
            assert_close(ks.p_value, case.p.0, 1e-13);
        }
    }

    #[test]
    fn equal_samples_are_as_near_as_can_be() {
        let ks = ks_two_sample(&[1.0, 2.0, 3.0], &[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((ks.statistic, ks.p_value), (0.0, 1.0));
    }

    #[test]
    fn says_what_is_undefined() {
        assert_eq!(ks_two_sample(&[], &[1.0]), Err(Undefined::NoFilms));
        assert_eq!(ks_two_sample(&[1.0], &[f64::INFINITY]), Err(Undefined::NotFinite));
    }

    proptest! {
        /// Against all ways to order the two samples.
        #[test]
        fn counts_the_orders(m in 1..7usize, n in 1..7usize, distance in 1..40usize) {
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
            prop_assert!((share_of_paths_outside(m, n, distance) - expected).abs() < 1e-12);
        }
    }
}
