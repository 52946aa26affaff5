use std::f64::consts::PI;
use std::sync::LazyLock;

/// Cells in a row and in a column.
const SIDE: usize = 32;
/// Frequencies in a row and in a column that the hash looks at.
const LOW: usize = 8;

/// A film at 32 x 32 grey cells: what its picture is compared by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail(Vec<u8>);

/// `COSINES[u][x]`: the cosine of frequency `u` at cell `x`, the DCT-II without
/// its factors, which no comparison within one film needs.
static COSINES: LazyLock<[[f64; SIDE]; LOW]> = LazyLock::new(|| {
    let angle = |u: usize, x: usize| PI * ((2 * x + 1) * u) as f64 / (2 * SIDE) as f64;
    std::array::from_fn(|u| std::array::from_fn(|x| angle(u, x).cos()))
});

impl Thumbnail {
    /// From a film's pixels `[side, side, 3]`, each cell the mean grey of its
    /// square (ITU-R BT.601).
    ///
    /// # Panics
    ///
    /// When `side` is no multiple of 32, or the pixels are not as many.
    pub fn new(pixels: &[u8], side: usize) -> Self {
        assert!(side > 0 && side.is_multiple_of(SIDE), "a side of whole cells, not {side}");
        assert_eq!(pixels.len(), side * side * 3, "three samples a pixel");
        let cell = side / SIDE;
        let mut sums = vec![0u64; SIDE * SIDE];
        for (y, row) in pixels.chunks_exact(side * 3).enumerate() {
            for (x, rgb) in row.chunks_exact(3).enumerate() {
                let grey =
                    299 * u64::from(rgb[0]) + 587 * u64::from(rgb[1]) + 114 * u64::from(rgb[2]);
                sums[y / cell * SIDE + x / cell] += grey;
            }
        }
        let whole = (1000 * cell * cell) as u64;
        Self(sums.into_iter().map(|sum| ((sum + whole / 2) / whole) as u8).collect())
    }

    /// The perceptual hash (Krawetz 2011): a bit for each of the 64 lowest
    /// frequencies, whether it is above their median; films that look alike
    /// differ in few bits. None for a film of one grey, which looks like nothing.
    ///
    /// The bits are dealt round robin to the four quarters of the number, so
    /// that each holds its share of the coarse ones, in which all films of a
    /// chest agree.
    pub fn hash(&self) -> Option<u64> {
        if self.0.iter().all(|cell| *cell == self.0[0]) {
            return None;
        }
        let rows: Vec<[f64; LOW]> = self
            .0
            .chunks_exact(SIDE)
            .map(|row| along(row.iter().copied().map(f64::from)))
            .collect();
        let columns: [[f64; LOW]; LOW] =
            std::array::from_fn(|v| along(rows.iter().map(|row| row[v])));
        // The mean grey, frequency 0, says nothing.
        let frequencies: Vec<f64> = (1..LOW * LOW).map(|k| columns[k % LOW][k / LOW]).collect();
        let mut sorted = frequencies.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        let bit =
            |(i, f): (usize, &f64)| u64::from(*f > median) << ((i + 1) % 4 * 16 + (i + 1) / 4);
        Some(frequencies.iter().enumerate().map(bit).sum())
    }

    /// The correlation of the steps from cell to cell, -1 to 1: of two films of
    /// one chest 0.8 and less, of two files of one film 0.9 and more, whatever
    /// their compression, size, contrast or a margin of 1 %. 0 for a film of one grey.
    pub fn correlation(&self, other: &Self) -> f64 {
        let (mut ab, mut aa, mut bb) = (0i64, 0i64, 0i64);
        for (a, b) in self.steps().zip(other.steps()) {
            ab += i64::from(a * b);
            aa += i64::from(a * a);
            bb += i64::from(b * b);
        }
        if aa == 0 || bb == 0 { 0.0 } else { ab as f64 / ((aa as f64) * (bb as f64)).sqrt() }
    }

    /// The differences between neighbours, in rows and in columns.
    fn steps(&self) -> impl Iterator<Item = i32> {
        let step = |(a, b): (&u8, &u8)| i32::from(*b) - i32::from(*a);
        let across =
            self.0.chunks_exact(SIDE).flat_map(move |row| row.iter().zip(&row[1..]).map(step));
        across.chain(self.0.iter().zip(&self.0[SIDE..]).map(step))
    }
}

/// The lowest frequencies of 32 values.
fn along(values: impl Iterator<Item = f64>) -> [f64; LOW] {
    let mut sums = [0.0; LOW];
    for (x, value) in values.enumerate() {
        sums.iter_mut().zip(&*COSINES).for_each(|(sum, cosines)| *sum += value * cosines[x]);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Smooth shades, as a film has, from a seed.
    fn film(seed: u64, side: usize) -> Vec<u8> {
        let mut rng = Rng::new(seed);
        let waves: Vec<[f64; 4]> = (0..40)
            .map(|_| {
                [rng.uniform(0.5, 9.0), rng.uniform(0.5, 9.0), rng.uniform(0.0, 6.3), rng.f64()]
            })
            .collect();
        let grey = |x: usize, y: usize| {
            let at = |n: usize| n as f64 / side as f64;
            let wave = |[u, v, phase, size]: &[f64; 4]| {
                size * (u * at(x) * 3.1 + v * at(y) * 3.1 + phase).sin()
            };
            (128.0 + 9.0 * waves.iter().map(wave).sum::<f64>()).clamp(0.0, 255.0) as u8
        };
        (0..side * side).flat_map(|i| [grey(i % side, i / side); 3]).collect()
    }

    fn distance(a: &Thumbnail, b: &Thumbnail) -> u32 {
        (a.hash().unwrap() ^ b.hash().unwrap()).count_ones()
    }

    #[test]
    fn a_film_in_other_pixels_stays_itself_and_others_do_not() {
        let known = Thumbnail::new(&film(1, 224), 224);
        let mut rng = Rng::new(9);
        let noisy: Vec<u8> = film(1, 224)
            .iter()
            .map(|p| (f64::from(*p) * 1.1 - 9.0 + rng.uniform(-9.0, 9.0)).clamp(0.0, 255.0) as u8)
            .collect();
        for other in [Thumbnail::new(&film(1, 96), 96), Thumbnail::new(&noisy, 224)] {
            assert!(distance(&known, &other) <= 6, "{}", distance(&known, &other));
            assert!(known.correlation(&other) > 0.95, "{}", known.correlation(&other));
        }
        for seed in 2..30 {
            let other = Thumbnail::new(&film(seed, 224), 224);
            assert!(distance(&known, &other) > 6 && known.correlation(&other) < 0.9, "{seed}");
        }
        assert!((known.correlation(&known) - 1.0).abs() < 1e-12);
    }

    /// Against the definition of the DCT-II, bit by bit.
    #[test]
    fn the_hash_is_that_of_the_definition() {
        let thumbnail = Thumbnail::new(&film(3, 224), 224);
        let frequency = |u: usize, v: usize| -> f64 {
            let wave = |n: usize, k: usize| (PI / 32.0 * (n as f64 + 0.5) * k as f64).cos();
            (0..SIDE * SIDE)
                .map(|i| f64::from(thumbnail.0[i]) * wave(i / SIDE, u) * wave(i % SIDE, v))
                .sum()
        };
        let all: Vec<f64> = (0..64).map(|k| frequency(k / 8, k % 8)).collect();
        let above = |k: usize| all[1..].iter().filter(|f| **f < all[k]).count() > 31;
        let hash = thumbnail.hash().unwrap();
        for k in 1..64 {
            assert_eq!(hash >> (k % 4 * 16 + k / 4) & 1 == 1, above(k), "frequency {k}");
        }
    }

    #[test]
    fn one_grey_looks_like_nothing() {
        let flat = Thumbnail::new(&[7; 64 * 64 * 3], 64);
        assert_eq!(flat.hash(), None);
        assert_eq!(flat.correlation(&Thumbnail::new(&film(1, 64), 64)), 0.0);
    }
}
