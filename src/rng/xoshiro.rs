//! The project's own generator, xoshiro256++.

use std::f64::consts::TAU;

/// xoshiro256++ 1.0 (Blackman and Vigna 2019), seeded with SplitMix64, for everything that need not
/// equal another library.
///
/// Not from the `rand` crates: their ranges, normal values and shuffles for a seed may change with
/// any minor version, but the same inputs must give the same artifacts after an update.
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

impl Rng {
    /// Creates a generator from `seed`; see [`super::derive()`].
    pub fn new(seed: u64) -> Self {
        let mut split = SplitMix64(seed);
        Self(std::array::from_fn(|_| split.next_u64()))
    }

    /// Random integer, uniform over all of `u64`.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Random number, uniform in [0, 1), with 53 random bits.
    pub fn f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Random number, uniform in [0, 1), with 24 random bits.
    pub fn f32(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Random number, uniform in `low..high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.f64()
    }

    /// Random index, uniform in `0..n`, without bias (Lemire 2019).
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub fn index(&mut self, n: usize) -> usize {
        assert!(n > 0, "`n` must be at least 1");
        let n = n as u64;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as usize;
            }
        }
    }

    /// Random number from the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.f64(), self.f64());
        (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
    }

    /// Shuffles `items` in place (Fisher and Yates, from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014); expands a seed to the state of another generator.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vector of `rand_xoshiro`, computed with the authors' C code.
    #[test]
    fn xoshiro_equals_the_authors_code() {
        let mut rng = Rng([1, 2, 3, 4]);
        let expected = [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
            9_228_616_714_210_784_205,
            9_973_669_472_204_895_162,
        ];
        assert_eq!(std::array::from_fn(|_| rng.next_u64()), expected);
    }

    /// Test vector of Rosetta Code, computed with the authors' Java code.
    #[test]
    fn splitmix_equals_the_authors_code() {
        let mut split = SplitMix64(1_234_567);
        let expected =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(std::array::from_fn(|_| split.next_u64()), expected);
    }

    #[test]
    fn uniform_numbers_are_evenly_distributed() {
        let mut rng = Rng::new(1);
        let numbers: Vec<f64> = (0..10_000).map(|_| rng.uniform(-15.0, 15.0)).collect();
        assert!(numbers.iter().all(|d| (-15.0..15.0).contains(d)));
        for decile in 0..10 {
            let low = -15.0 + 3.0 * f64::from(decile);
            let inside = numbers.iter().filter(|d| (low..low + 3.0).contains(d)).count();
            assert!((880..1120).contains(&inside), "{inside} of 10000 in decile {decile}");
        }
        assert!((0..10_000).map(|_| rng.f32()).all(|d| (0.0..1.0).contains(&d)));
    }

    #[test]
    fn indices_are_evenly_distributed() {
        let mut rng = Rng::new(2);
        let mut counts = [0; 7];
        for _ in 0..70_000 {
            counts[rng.index(7)] += 1;
        }
        assert!(counts.iter().all(|c| (9_600..10_400).contains(c)), "{counts:?}");
    }

    #[test]
    fn normal_numbers_have_the_moments_of_the_normal_distribution() {
        let mut rng = Rng::new(3);
        let numbers: Vec<f64> = (0..100_000).map(|_| rng.normal()).collect();
        let moment = |k: i32| numbers.iter().map(|d| d.powi(k)).sum::<f64>() / numbers.len() as f64;
        for (k, expected, tolerance) in
            [(1, 0.0, 0.02), (2, 1.0, 0.02), (3, 0.0, 0.06), (4, 3.0, 0.15)]
        {
            assert!((moment(k) - expected).abs() < tolerance, "moment {k}: {}", moment(k));
        }
    }

    #[test]
    fn shuffle_permutes_and_depends_on_the_seed() {
        let shuffled = |seed| {
            let mut items: Vec<u32> = (0..100).collect();
            Rng::new(seed).shuffle(&mut items);
            items
        };
        let mut sorted = shuffled(4);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_eq!(shuffled(4), shuffled(4));
        assert_ne!(shuffled(4), shuffled(5));
    }
}
