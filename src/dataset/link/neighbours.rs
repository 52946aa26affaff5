//! Nearest-neighbour search for candidate pairs: images with similar coarse descriptors in one of
//! several windows, also mirrored or negative.

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::thumbnail::{EVEN, ODD, Thumbnail, WINDOWS, Window};

/// Minimum absolute correlation of the descriptors of a candidate pair.
const MIN_CORRELATION: f32 = 0.6;
/// Number of query images per matrix product.
const BLOCK: usize = 8;
/// Number of images compared with a block per matrix product; the products fit in a cache.
const STRIDE: usize = 512;

/// Candidate pair for alignment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// Index of the image of which a window is taken.
    pub(super) a: usize,
    /// Index of the image that is compared with the window.
    pub(super) b: usize,
    /// The window of `a`.
    pub(super) window: Window,
    /// Whether `b` is compared with the mirrored `a`.
    pub(super) mirrored: bool,
}

/// Returns, for each image, the `most` other images nearest to one of its windows, by the
/// absolute correlation of their descriptors.
///
/// Each pair occurs once, in its nearer direction; pairs are ordered by the smaller, then the
/// larger index. Constant images have no neighbours. All pairs are compared with
/// 2 x 18 x 63 operations each, about 2 x 10^11 for 10,000 images. Memory is linear in the
/// number of images.
pub(super) fn candidates(thumbnails: &[&Thumbnail], most: usize) -> Vec<Candidate> {
    let whole: Vec<_> = thumbnails.par_iter().map(|t| t.descriptor(WINDOWS[0])).collect();
    let known: Vec<usize> = (0..whole.len()).filter(|i| whole[*i].is_some()).collect();
    let mut table = Array2::<f32>::zeros((known.len(), EVEN + ODD));
    for (mut row, i) in table.outer_iter_mut().zip(&known) {
        let descriptor = whole[*i].as_ref().expect("images without a descriptor were left out");
        row.iter_mut().zip(descriptor).for_each(|(to, from)| *to = *from);
    }
    let found = known.par_chunks(BLOCK).enumerate().flat_map_iter(|(block, rows)| {
        nearest(block * BLOCK, rows, thumbnails, &known, table.view(), most)
    });
    let mut found: Vec<(f32, Candidate)> = found.collect();
    let pair = |c: &Candidate| (c.a.min(c.b), c.a.max(c.b));
    found.sort_by(|(x, c), (y, d)| pair(c).cmp(&pair(d)).then(y.total_cmp(x)).then(c.a.cmp(&d.a)));
    found.dedup_by_key(|(_, candidate)| pair(candidate));
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Returns the neighbours of the images `rows`, a block of `known` that begins at `first`.
fn nearest(
    first: usize,
    rows: &[usize],
    thumbnails: &[&Thumbnail],
    known: &[usize],
    table: ArrayView2<f32>,
    most: usize,
) -> Vec<(f32, Candidate)> {
    let windows = WINDOWS.len();
    let mut queries = Array2::<f32>::zeros((rows.len() * windows, EVEN + ODD));
    for (i, mut query) in queries.outer_iter_mut().enumerate() {
        let descriptor = thumbnails[rows[i / windows]].descriptor(WINDOWS[i % windows]);
        // The query of a constant window stays zero and has no neighbours.
        let values = descriptor.iter().flatten();
        query.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
    }
    // For each image: similarity, index in `known`, window, mirrored.
    let mut best: Vec<Vec<(f32, usize, usize, bool)>> = vec![Vec::new(); rows.len()];
    for (stride, others) in table.axis_chunks_iter(Axis(0), STRIDE).enumerate() {
        let product = |columns: std::ops::Range<usize>| {
            queries.slice(s![.., columns.clone()]).dot(&others.slice(s![.., columns]).t())
        };
        let (even, odd) = (product(0..EVEN), product(EVEN..EVEN + ODD));
        for (i, best) in best.iter_mut().enumerate() {
            for j in 0..others.nrows() {
                let other = stride * STRIDE + j;
                if other == first + i {
                    continue;
                }
                let mut nearest = (MIN_CORRELATION, other, windows, false);
                for window in 0..windows {
                    let index = [i * windows + window, j];
                    let (even, odd) = (even[index], odd[index]);
                    for (similarity, mirrored) in [(even + odd, false), (even - odd, true)] {
                        if similarity.abs() > nearest.0 {
                            nearest = (similarity.abs(), other, window, mirrored);
                        }
                    }
                }
                if nearest.2 < windows {
                    best.push(nearest);
                }
            }
            best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            best.truncate(most);
        }
    }
    let candidate = |i: usize, (similarity, other, window, mirrored): (f32, usize, usize, bool)| {
        let (a, b) = (rows[i], known[other]);
        (similarity, Candidate { a, b, window: WINDOWS[window], mirrored })
    };
    let candidates_of = |(i, best): (usize, Vec<_>)| best.into_iter().map(move |b| candidate(i, b));
    best.into_iter().enumerate().flat_map(candidates_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn noise(rng: &mut Rng) -> Thumbnail {
        let coarse: Vec<u8> = (0..100).map(|_| rng.uniform(0.0, 255.0) as u8).collect();
        let cell = |i: usize| coarse[i / 64 / 7 * 10 + i % 64 / 7];
        Thumbnail::from_cells((0..64 * 64).map(cell).collect())
    }

    /// Compared with an exhaustive search over pairs, windows and mirrors.
    #[test]
    fn candidates_equal_those_of_an_exhaustive_search() {
        let mut rng = Rng::new(5);
        let mut thumbnails: Vec<_> = (0..30).map(|_| noise(&mut rng)).collect();
        thumbnails.push(Thumbnail::from_cells(vec![9; 64 * 64]));
        thumbnails.push(thumbnails[3].clone());
        let thumbnails: Vec<_> = thumbnails.iter().collect();
        let similarity = |a: usize, b: usize| -> f32 {
            let Some(whole) = thumbnails[b].descriptor(WINDOWS[0]) else { return 0.0 };
            let windows = WINDOWS.iter().filter_map(|w| thumbnails[a].descriptor(*w));
            let dot = |window: &[f32], sign: f32| -> f32 {
                (0..EVEN + ODD)
                    .map(|i| window[i] * whole[i] * if i < EVEN { 1.0 } else { sign })
                    .sum()
            };
            windows.map(|w| dot(&w, 1.0).abs().max(dot(&w, -1.0).abs())).fold(0.0, f32::max)
        };
        let mut expected = std::collections::BTreeSet::new();
        for a in 0..thumbnails.len() {
            let others = (0..thumbnails.len()).filter(|b| *b != a);
            let mut others: Vec<_> = others.map(|b| (similarity(a, b), b)).collect();
            others.retain(|(s, _)| *s > MIN_CORRELATION);
            others.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
            expected.extend(others.iter().take(2).map(|(_, b)| (a.min(*b), a.max(*b))));
        }
        let found = candidates(&thumbnails, 2);
        let pairs: Vec<_> = found.iter().map(|c| (c.a.min(c.b), c.a.max(c.b))).collect();
        assert_eq!(pairs, expected.into_iter().collect::<Vec<_>>());
        assert!(pairs.contains(&(3, 31)) && !pairs.iter().any(|(a, b)| *a == 30 || *b == 30));
        assert_eq!(candidates(&thumbnails, 0), []);
    }
}
