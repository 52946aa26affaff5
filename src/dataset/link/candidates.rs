use rayon::prelude::*;

/// Quarters of a hash, 16 bits each.
const QUARTERS: usize = 4;
/// The largest distance that [`near_pairs`] takes: above it a quarter may differ
/// in so many bits that looking up its neighbours costs more than it spares.
pub const FARTHEST: u32 = 11;

/// Every pair of hashes that differ in at most `distance` bits, as positions
/// `(a, b)` with `a < b`, ascending.
///
/// Multi-index hashing (Norouzi, Punjani and Fleet 2012): of four quarters of a
/// pair at most `distance` bits apart, one is at most `distance / 4` bits apart,
/// so that only hashes which share such a quarter are compared.
///
/// # Panics
///
/// When `distance` is above [`FARTHEST`].
pub fn near_pairs(hashes: &[u64], distance: u32) -> Vec<(usize, usize)> {
    assert!(distance <= FARTHEST, "a distance up to {FARTHEST}, not {distance}");
    let reach = distance / QUARTERS as u32;
    let changes: Vec<u16> = (0..=u16::MAX).filter(|bits| bits.count_ones() <= reach).collect();
    let tables: Vec<Table> = (0..QUARTERS).map(|q| Table::new(hashes, q)).collect();
    let pairs_of = |a: usize| {
        let mut found = Vec::new();
        for (q, table) in tables.iter().enumerate() {
            for change in &changes {
                for &b in table.with(quarter(hashes[a], q) ^ change) {
                    let apart = hashes[a] ^ hashes[b as usize];
                    // A pair is taken at the first quarter that brings it together.
                    let earlier = (0..q).any(|p| quarter(apart, p).count_ones() <= reach);
                    if a < b as usize && apart.count_ones() <= distance && !earlier {
                        found.push((a, b as usize));
                    }
                }
            }
        }
        found.sort_unstable();
        found
    };
    (0..hashes.len()).into_par_iter().flat_map_iter(pairs_of).collect()
}

fn quarter(hash: u64, q: usize) -> u16 {
    (hash >> (16 * q)) as u16
}

/// The hashes by one of their quarters.
struct Table {
    /// Where those with each value start in `rows`.
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl Table {
    fn new(hashes: &[u64], q: usize) -> Self {
        let mut starts = vec![0u32; (1 << 16) + 1];
        for hash in hashes {
            starts[usize::from(quarter(*hash, q)) + 1] += 1;
        }
        for value in 0..1 << 16 {
            starts[value + 1] += starts[value];
        }
        let mut rows: Vec<u32> = (0..hashes.len() as u32).collect();
        rows.sort_by_key(|row| quarter(hashes[*row as usize], q));
        Self { starts, rows }
    }

    fn with(&self, value: u16) -> &[u32] {
        let at = usize::from(value);
        &self.rows[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Random hashes, every third a few bits from one before it.
    fn hashes(n: usize, seed: u64) -> Vec<u64> {
        let mut rng = Rng::new(seed);
        let mut hashes: Vec<u64> = Vec::new();
        for i in 0..n {
            let near =
                |h: u64, rng: &mut Rng| (0..rng.index(9)).fold(h, |h, _| h ^ 1 << rng.index(64));
            let hash =
                if i % 3 == 2 { near(hashes[rng.index(i)], &mut rng) } else { rng.next_u64() };
            hashes.push(hash);
        }
        hashes
    }

    #[test]
    fn equals_comparing_all_pairs() {
        let hashes = hashes(700, 1);
        for distance in 0..=FARTHEST {
            let near = |a: usize, b: usize| (hashes[a] ^ hashes[b]).count_ones() <= distance;
            let pairs = (0..700).flat_map(|a| (a + 1..700).map(move |b| (a, b)));
            let all: Vec<_> = pairs.filter(|&(a, b)| near(a, b)).collect();
            assert!(all.len() > 20);
            assert_eq!(near_pairs(&hashes, distance), all, "distance {distance}");
        }
    }

    /// All pairs would be five thousand million comparisons.
    #[test]
    fn a_hundred_thousand_films_take_seconds() {
        let hashes = hashes(100_000, 2);
        let started = std::time::Instant::now();
        let pairs = near_pairs(&hashes, 6);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
        assert!(pairs.len() > 20_000, "{}", pairs.len());
    }
}
