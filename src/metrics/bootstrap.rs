use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Undefined;

/// A bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Resamples in which the statistic had a value.
    pub resamples: usize,
    /// Resamples in which it had none, and which were left out.
    pub undefined: usize,
}

/// The central interval that holds the share `level` (0 to 1) of a `statistic`
/// over `resamples` bootstrap resamples, patients being drawn rather than films:
/// films of one patient are no independent witnesses (percentile bootstrap,
/// Efron 1979; clustered, Field and Welsh 2007).
///
/// `patients[i]` numbers the patient of film `i`, from 0. Resample `r` draws as
/// many patients as there are, with replacement, each with `draws(r)`, which
/// gives for `n` a uniform number below `n`; all their films go to `statistic`,
/// as rows, in the order drawn. The result is the same on any number of threads.
pub fn bootstrap<D>(
    patients: &[usize],
    resamples: usize,
    level: f64,
    draws: impl Fn(u64) -> D + Sync,
    statistic: impl Fn(&[usize]) -> Result<f64, Undefined> + Sync,
) -> Result<Interval, Undefined>
where
    D: FnMut(usize) -> usize,
{
    assert!((0.0..1.0).contains(&level), "a level between 0 and 1, not {level}");
    let films_of = films_of(patients);
    match films_of.len() {
        0 => return Err(Undefined::NoFilms),
        1 => return Err(Undefined::OnePatient),
        _ => {}
    }
    let mut values: Vec<f64> = (0..resamples as u64)
        .into_par_iter()
        .map_init(Vec::new, |rows, resample| {
            let mut draw = draws(resample);
            rows.clear();
            for _ in 0..films_of.len() {
                rows.extend_from_slice(&films_of[draw(films_of.len())]);
            }
            statistic(rows).ok()
        })
        .flatten_iter()
        .collect();
    if values.is_empty() {
        return Err(Undefined::NoResample);
    }
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Ok(Interval {
        low: quantile(&values, tail),
        high: quantile(&values, 1.0 - tail),
        resamples: values.len(),
        undefined: resamples - values.len(),
    })
}

/// The rows of each patient that has any.
fn films_of(patients: &[usize]) -> Vec<Vec<usize>> {
    let mut films_of = vec![vec![]; patients.iter().max().map_or(0, |last| last + 1)];
    for (row, &patient) in patients.iter().enumerate() {
        films_of[patient].push(row);
    }
    films_of.retain(|films| !films.is_empty());
    films_of
}

/// numpy's `quantile` of ascending values: linear between neighbours.
///
/// # Panics
///
/// If there are no values.
pub fn quantile(ascending: &[f64], q: f64) -> f64 {
    let position = q * (ascending.len() - 1) as f64;
    let below = position as usize;
    let above = (below + 1).min(ascending.len() - 1);
    ascending[below] + (position - below as f64) * (ascending[above] - ascending[below])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{golden::assert_close, roc_auc};

    /// A source of numbers good enough to draw with: the SplitMix64 sequence.
    fn source(resample: u64) -> impl FnMut(usize) -> usize {
        let mut state = resample.wrapping_mul(0x5851_f42d_4c95_7f2d);
        move |n| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((u128::from(z ^ (z >> 31)) * n as u128) >> 64) as usize
        }
    }

    fn mean_of(values: &[f64]) -> impl Fn(&[usize]) -> Result<f64, Undefined> {
        |rows| Ok(rows.iter().map(|r| values[*r]).sum::<f64>() / rows.len() as f64)
    }

    #[test]
    fn equals_theory_for_a_mean() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let own: Vec<usize> = (0..400).collect();
        let alone = bootstrap(&own, 4000, 0.95, source, mean_of(&values)).unwrap();
        let half = 1.96 * (399.0 / 12.0 / 400.0f64).sqrt();
        assert_close(alone.low, 9.5 - half, 0.06);
        assert_close(alone.high, 9.5 + half, 0.06);

        // Four equal films a patient tell no more than one: twice as wide.
        let values: Vec<f64> = (0..400).map(|i| f64::from(i / 4 % 20)).collect();
        let patients: Vec<usize> = (0..400).map(|i| i / 4).collect();
        let clustered = bootstrap(&patients, 4000, 0.95, source, mean_of(&values)).unwrap();
        assert_close(clustered.high - clustered.low, 4.0 * half, 0.2);
    }

    #[test]
    fn any_number_of_threads_gives_the_same() {
        let truth: Vec<bool> = (0..400).map(|i| i % 2 == 0).collect();
        let scores: Vec<f64> =
            (0..400).map(|i| f64::from(i * 37 % 101) + f64::from(i % 2) * -9.0).collect();
        let patients: Vec<usize> = (0..400).map(|i| i / 3).collect();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let auc = |rows: &[usize]| {
                let truth: Vec<bool> = rows.iter().map(|r| truth[*r]).collect();
                let scores: Vec<f64> = rows.iter().map(|r| scores[*r]).collect();
                roc_auc(&truth, &scores)
            };
            pool.install(|| bootstrap(&patients, 2000, 0.95, source, auc)).unwrap()
        };
        let one = on(1);
        assert_eq!(one, on(4));
        assert!(
            one.low < roc_auc(&truth, &scores).unwrap()
                && roc_auc(&truth, &scores).unwrap() < one.high
        );
    }

    #[test]
    fn resamples_without_a_value_are_counted() {
        let auc = |rows: &[usize]| {
            let truth: Vec<bool> = rows.iter().map(|r| *r == 0).collect();
            let scores: Vec<f64> = rows.iter().map(|r| *r as f64).collect();
            roc_auc(&truth, &scores)
        };
        let interval = bootstrap(&[0, 1, 2], 2000, 0.9, source, auc).unwrap();
        assert_eq!((interval.low, interval.high), (0.0, 0.0));
        // No film 0 with chance (2/3)³, nothing else with chance (1/3)³.
        let expected = 2000.0 * 9.0 / 27.0;
        assert!((interval.undefined as f64 - expected).abs() < 80.0, "{}", interval.undefined);
        assert_eq!(interval.resamples + interval.undefined, 2000);
    }

    #[test]
    fn says_what_is_undefined() {
        let none = |_: &[usize]| Err(Undefined::OneClass);
        assert_eq!(bootstrap(&[], 10, 0.95, source, none), Err(Undefined::NoFilms));
        assert_eq!(bootstrap(&[5, 5], 10, 0.95, source, none), Err(Undefined::OnePatient));
        assert_eq!(bootstrap(&[0, 1], 10, 0.95, source, none), Err(Undefined::NoResample));
    }

    #[test]
    fn quantiles_equal_numpy() {
        let values = [1.0, 2.0, 4.0, 8.0];
        for (q, expected) in [(0.0, 1.0), (0.025, 1.075), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert_close(quantile(&values, q), expected, 1e-15);
        }
    }
}
