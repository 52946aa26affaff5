//! The generator behind `random_state` in scikit-learn.

use super::mt19937::Mt19937;

/// Legacy generator `np.random.RandomState` of numpy, with identical results. scikit-learn uses it
/// for `random_state=42`.
#[derive(Clone, Debug)]
pub struct NumpyRandom(Mt19937);

impl NumpyRandom {
    /// `RandomState(seed)`. A seed above 32 bits, which numpy rejects, is used as a key of two
    /// words.
    pub fn new(seed: u64) -> Self {
        match u32::try_from(seed) {
            Ok(seed) => Self(Mt19937::from_seed(seed)),
            Err(_) => Self::from_key(&[seed as u32, (seed >> 32) as u32]),
        }
    }

    /// `RandomState([…])`, seeded with an array of words.
    pub fn from_key(key: &[u32]) -> Self {
        Self(Mt19937::from_key(key))
    }

    /// `random_sample()`: uniform in [0, 1), with 53 random bits.
    pub fn random_sample(&mut self) -> f64 {
        let high = f64::from(self.0.next_u32() >> 5);
        let low = f64::from(self.0.next_u32() >> 6);
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    /// `randint(low, high)`: uniform in `low..high`.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    pub fn randint(&mut self, low: i64, high: i64) -> i64 {
        assert!(low < high, "randint needs low < high, got {low}..{high}");
        low.wrapping_add(self.up_to(high.wrapping_sub(low) as u64 - 1) as i64)
    }

    /// `shuffle(items)` of a one-dimensional array, in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.up_to(i as u64) as usize);
        }
    }

    /// `permutation(n)`: the numbers `0..n` in random order.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// Uniform in `0..=max`, by masking and rejection as in numpy. A `max` of 0 uses no random
    /// numbers.
    fn up_to(&mut self, max: u64) -> u64 {
        let Some(mask) = u64::MAX.checked_shr(max.leading_zeros()) else { return 0 };
        loop {
            let bits = match u32::try_from(max) {
                Ok(_) => u64::from(self.0.next_u32()),
                Err(_) => u64::from(self.0.next_u32()) << 32 | u64::from(self.0.next_u32()),
            };
            if bits & mask <= max {
                return bits & mask;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn random_numbers_equal_numpy() {
        let golden: Value =
            serde_json::from_str(include_str!("../../tests/golden/rng.json")).unwrap();
        for case in golden["numpy"].as_array().unwrap() {
            let new_generator = || match &case["seed"] {
                Value::Array(key) => {
                    let key: Vec<u32> = key.iter().map(|k| k.as_u64().unwrap() as u32).collect();
                    NumpyRandom::from_key(&key)
                }
                seed => NumpyRandom::new(seed.as_u64().unwrap()),
            };
            let (mut words, mut r) = (new_generator(), new_generator());
            let got = json!({
                "seed": case["seed"],
                "u32": (0..5).map(|_| words.randint(0, 1 << 32)).collect::<Vec<_>>(),
                "random_sample": (0..3).map(|_| r.random_sample().to_string()).collect::<Vec<_>>(),
                "randint_10": (0..8).map(|_| r.randint(0, 10)).collect::<Vec<_>>(),
                "randint_minus5_1000": (0..8).map(|_| r.randint(-5, 1000)).collect::<Vec<_>>(),
                "randint_40_bits": (0..4).map(|_| r.randint(0, 1 << 40)).collect::<Vec<_>>(),
                "randint_one_value": (0..2).map(|_| r.randint(3, 4)).collect::<Vec<_>>(),
                "permutation_1": r.permutation(1),
                "permutation_20": r.permutation(20),
                "permutation_1000_first": r.permutation(1000)[..10],
            });
            assert_eq!(&got, case);
        }
    }

    #[test]
    #[should_panic(expected = "randint needs low < high, got 5..5")]
    fn an_empty_range_panics() {
        NumpyRandom::new(0).randint(5, 5);
    }
}
