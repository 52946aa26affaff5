//! Candidate pairs: images whose coarse shapes are near each other, in any of
//! several windows, as they are, mirrored or negative.

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::thumbnail::{EVEN, ODD, Thumbnail, WINDOWS, Window};

/// Pairs whose descriptors correlate less are no candidates.
const LEAST: f32 = 0.6;
/// Images that are looked up at once.
const BLOCK: usize = 8;
/// Images that a block is compared with at once: the products fit in a cache.
const STRIDE: usize = 512;

/// A pair to be aligned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// The image of which a window is taken, as its position.
    pub(super) a: usize,
    /// The image that is compared with that window.
    pub(super) b: usize,
    /// The window of `a`.
    pub(super) window: Window,
    /// Whether `b` is compared with the mirrored `a`.
    pub(super) mirrored: bool,
}

/// Of each image the `most` others that are nearest to one of its windows, by the
/// absolute correlation of their descriptors; of each pair the nearer direction,
/// ordered by the smaller and the larger position. Images of one level have none.
///
/// All pairs are compared, at 2 x 18 x 63 operations each: 10,000 images need some
/// 2 x 10^11. Memory grows with the number of images only.
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

/// The nearest of the images `rows`, which stand in `known` from `first` on.
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
        // The query of a window of one level stays zero, near to nothing.
        let values = descriptor.iter().flatten();
        query.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
    }
    // Of each image: similarity, position in `known`, window, mirrored.
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
                let mut nearest = (LEAST, other, windows, false);
                for window in 0..windows {
                    let at = [i * windows + window, j];
                    let (even, odd) = (even[at], odd[at]);
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
    let of_row = |(i, best): (usize, Vec<_>)| best.into_iter().map(move |b| candidate(i, b));
    best.into_iter().enumerate().flat_map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn noise(rng: &mut Rng) -> Thumbnail {
        let coarse: Vec<u8> = (0..100).map(|_| rng.uniform(0.0, 255.0) as u8).collect();
        let cell = |i: usize| coarse[i / 64 / 7 * 10 + i % 64 / 7];
        Thumbnail::of_cells((0..64 * 64).map(cell).collect())
    }

    /// Against a search through all pairs, windows and mirrors, one at a time.
    #[test]
    fn the_nearest_are_those_of_a_plain_search() {
        let mut rng = Rng::new(5);
        let mut thumbnails: Vec<_> = (0..30).map(|_| noise(&mut rng)).collect();
        thumbnails.push(Thumbnail::of_cells(vec![9; 64 * 64]));
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
            others.retain(|(s, _)| *s > LEAST);
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
