//! Patient-level percentile bootstrap and quantiles.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::UndefinedMetric;

/// Bootstrap interval of a statistic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Number of resamples in which the statistic is defined.
    pub resamples: usize,
    /// Number of resamples in which the statistic is undefined; these are ignored.
    pub undefined: usize,
}

/// Central interval with coverage `level` (0 to 1) of a `statistic`, by the
/// patient-level percentile bootstrap (Efron 1979; clustered: Field and Welsh 2007).
/// Patients are resampled, not images: images of one patient are not independent.
///
/// `patients[i]` is the patient number of image `i`, from 0. Each of the `resamples`
/// samples as many patients as there are, with replacement. `draws(r)` is the random
/// generator of resample `r`: it maps `n` to a uniform number below `n`. `statistic`
/// receives the image indices of the sampled patients. The result does not depend on
/// the number of threads.
///
/// # Errors
///
/// If there are fewer than two patients, or the statistic is undefined in every
/// resample.
///
/// # Panics
///
/// If `level` is not in [0, 1).
pub fn bootstrap<D>(
    patients: &[usize],
    resamples: usize,
    level: f64,
    draws: impl Fn(u64) -> D + Sync,
    statistic: impl Fn(&[usize]) -> Result<f64, UndefinedMetric> + Sync,
) -> Result<Interval, UndefinedMetric>
where
    D: FnMut(usize) -> usize,
{
    assert!((0.0..1.0).contains(&level), "level must be in [0, 1), got {level}");
    let images_by_patient = images_by_patient(patients);
    match images_by_patient.len() {
        0 => return Err(UndefinedMetric::NoImages),
        1 => return Err(UndefinedMetric::OnePatient),
        _ => {}
    }
    let mut values: Vec<f64> = (0..resamples as u64)
        .into_par_iter()
        .map_init(Vec::new, |rows, resample| {
            let mut draw = draws(resample);
            rows.clear();
            for _ in 0..images_by_patient.len() {
                rows.extend_from_slice(&images_by_patient[draw(images_by_patient.len())]);
            }
            statistic(rows).ok()
        })
        .flatten_iter()
        .collect();
    if values.is_empty() {
        return Err(UndefinedMetric::NoResample);
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

/// Image indices of each patient; patient numbers without images are skipped.
fn images_by_patient(patients: &[usize]) -> Vec<Vec<usize>> {
    let mut images_by_patient = vec![vec![]; patients.iter().max().map_or(0, |last| last + 1)];
    for (row, &patient) in patients.iter().enumerate() {
        images_by_patient[patient].push(row);
    }
    images_by_patient.retain(|images| !images.is_empty());
    images_by_patient
}

/// Quantile `q` (0 to 1) of sorted values, linearly interpolated. Equals
/// numpy's `quantile`.
///
/// # Panics
///
/// If `ascending` is empty.
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

    /// SplitMix64 generator of uniform indices.
    fn index_generator(resample: u64) -> impl FnMut(usize) -> usize {
        let mut state = resample.wrapping_mul(0x5851_f42d_4c95_7f2d);
        move |n| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((u128::from(z ^ (z >> 31)) * n as u128) >> 64) as usize
        }
    }

    fn mean_of(values: &[f64]) -> impl Fn(&[usize]) -> Result<f64, UndefinedMetric> {
        |rows| Ok(rows.iter().map(|r| values[*r]).sum::<f64>() / rows.len() as f64)
    }

    #[test]
    fn the_interval_of_a_mean_equals_theory() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let one_image_each: Vec<usize> = (0..400).collect();
        let independent =
            bootstrap(&one_image_each, 4000, 0.95, index_generator, mean_of(&values)).unwrap();
        let half = 1.96 * (399.0 / 12.0 / 400.0f64).sqrt();
        assert_close(independent.low, 9.5 - half, 0.06);
        assert_close(independent.high, 9.5 + half, 0.06);

        // Four equal images per patient: the effective sample size is a quarter,
        // so the interval is twice as wide.
        let values: Vec<f64> = (0..400).map(|i| f64::from(i / 4 % 20)).collect();
        let patients: Vec<usize> = (0..400).map(|i| i / 4).collect();
        let clustered =
            bootstrap(&patients, 4000, 0.95, index_generator, mean_of(&values)).unwrap();
        assert_close(clustered.high - clustered.low, 4.0 * half, 0.2);
    }

    #[test]
    fn the_interval_does_not_depend_on_the_thread_count() {
        let truth: Vec<bool> = (0..400).map(|i| i % 2 == 0).collect();
        let scores: Vec<f64> =
            (0..400).map(|i| f64::from(i * 37 % 101) + f64::from(i % 2) * -9.0).collect();
        let patients: Vec<usize> = (0..400).map(|i| i / 3).collect();
        let interval_with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let auc = |rows: &[usize]| {
                let truth: Vec<bool> = rows.iter().map(|r| truth[*r]).collect();
                let scores: Vec<f64> = rows.iter().map(|r| scores[*r]).collect();
                roc_auc(&truth, &scores)
            };
            pool.install(|| bootstrap(&patients, 2000, 0.95, index_generator, auc)).unwrap()
        };
        let one = interval_with(1);
        assert_eq!(one, interval_with(4));
        assert!(
            one.low < roc_auc(&truth, &scores).unwrap()
                && roc_auc(&truth, &scores).unwrap() < one.high
        );
    }

    #[test]
    fn undefined_resamples_are_counted() {
        let auc = |rows: &[usize]| {
            let truth: Vec<bool> = rows.iter().map(|r| *r == 0).collect();
            let scores: Vec<f64> = rows.iter().map(|r| *r as f64).collect();
            roc_auc(&truth, &scores)
        };
        let interval = bootstrap(&[0, 1, 2], 2000, 0.9, index_generator, auc).unwrap();
        assert_eq!((interval.low, interval.high), (0.0, 0.0));
        // P(no image 0) = (2/3)³, P(only image 0) = (1/3)³.
        let expected = 2000.0 * 9.0 / 27.0;
        assert!((interval.undefined as f64 - expected).abs() < 80.0, "{}", interval.undefined);
        assert_eq!(interval.resamples + interval.undefined, 2000);
    }

    #[test]
    fn undefined_cases_are_reported() {
        let none = |_: &[usize]| Err(UndefinedMetric::OneClass);
        assert_eq!(bootstrap(&[], 10, 0.95, index_generator, none), Err(UndefinedMetric::NoImages));
        assert_eq!(
            bootstrap(&[5, 5], 10, 0.95, index_generator, none),
            Err(UndefinedMetric::OnePatient)
        );
        assert_eq!(
            bootstrap(&[0, 1], 10, 0.95, index_generator, none),
            Err(UndefinedMetric::NoResample)
        );
    }

    #[test]
    fn quantiles_equal_numpy() {
        let values = [1.0, 2.0, 4.0, 8.0];
        for (q, expected) in [(0.0, 1.0), (0.025, 1.075), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert_close(quantile(&values, q), expected, 1e-15);
        }
    }
}
