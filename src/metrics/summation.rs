//! Sums and means that round as numpy's.

/// Pairwise sum (Higham 1993), bit-identical to `numpy.sum`: eight running sums over
/// blocks of up to 128 values; the sums of the blocks are added in pairs.
pub fn pairwise_sum(values: &[f64]) -> f64 {
    const LANES: usize = 8;
    const BLOCK: usize = 128;
    let n = values.len();
    if n < LANES {
        return values.iter().sum();
    }
    if n > BLOCK {
        let half = n / 2 - n / 2 % LANES;
        return pairwise_sum(&values[..half]) + pairwise_sum(&values[half..]);
    }
    let mut lanes = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, value| sum + value)
}

/// Mean, bit-identical to `numpy.mean`; NaN if `values` is empty.
pub(super) fn mean(values: &[f64]) -> f64 {
    pairwise_sum(values) / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.sum(1 / numpy.arange(1, n + 1))`; a plain sum differs in the last digits.
    #[test]
    fn pairwise_sum_equals_numpy() {
        let harmonic =
            |n: u32| pairwise_sum(&(1..=n).map(|i| 1.0 / f64::from(i)).collect::<Vec<_>>());
        for (n, sum) in [
            (0, 0.0),
            (1, 1.0),
            (7, 2.5928571428571425),
            (8, 2.7178571428571425),
            (100, 5.187377517639621),
            (129, 5.440899030573669),
            (1000, 7.485470860550345),
            (5001, 9.094708812992435),
        ] {
            assert_eq!(harmonic(n), sum, "{n} terms");
        }
    }
}
