//! Thumbnails of 64 x 64 grey cells without uniform borders, and their DCT descriptors.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Number of cells per row and column.
pub(super) const SIDE: usize = 64;
/// Number of frequencies of a descriptor per axis.
const LOW: usize = 8;
/// Maximum range of grey levels in a border line of pixels; JPEG noise stays below.
const BORDER_RANGE: u8 = 16;

/// Image of 64 x 64 grey cells with uniform borders trim_borders, for near-duplicate detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail(Vec<u8>);

/// Number of descriptor frequencies that are even in `x`: mirroring does not change them.
pub(super) const EVEN: usize = LOW * LOW / 2 - 1;
/// Number of descriptor frequencies that are odd in `x`: mirroring negates them.
pub(super) const ODD: usize = LOW * LOW / 2;

/// Number of cells cropped at left, top, right and bottom before a descriptor is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window([usize; 4]);

/// Windows for descriptors, the whole image first: 4 cells (6 %) cropped at any subset of sides;
/// 2 cells (3 %) and 7 cells (11 %) cropped at all sides. Every crop of up to 11 % differs from
/// one of these windows by at most 3 % at each side.
pub(super) static WINDOWS: LazyLock<Vec<Window>> = LazyLock::new(|| {
    let corners = (0..16).map(|bits| [0, 1, 2, 3].map(|side| 4 * (bits >> side & 1)));
    corners.chain([[2; 4], [7; 4]]).map(Window).collect()
});

/// Cosines of the DCT-II, `[frequency][cell]`, indexed by the number of cells.
static COSINES: LazyLock<Vec<[Vec<f64>; LOW]>> = LazyLock::new(|| {
    let row = |n: usize, u: usize| {
        (0..n).map(|x| (PI * ((2 * x + 1) * u) as f64 / (2 * n) as f64).cos()).collect()
    };
    (0..=SIDE).map(|n| std::array::from_fn(|u| row(n, u))).collect()
});

impl Window {
    /// Returns the left, top, right and bottom edge in coordinates from -1 to 1, with left and
    /// right exchanged for a mirrored image.
    pub(super) fn edges(self, mirrored: bool) -> [f64; 4] {
        let [left, top, right, bottom] = self.0.map(|cells| 2.0 * cells as f64 / SIDE as f64);
        let (left, right) = if mirrored { (right, left) } else { (left, right) };
        [left - 1.0, top - 1.0, 1.0 - right, 1.0 - bottom]
    }
}

impl Thumbnail {
    /// Computes the thumbnail of RGB pixels `[side, side, 3]`: converts to luma (ITU-R BT.601),
    /// trims uniform borders, and averages over the rectangle of each cell.
    ///
    /// # Panics
    ///
    /// If `side` is 0 or the length of `pixels` is not `side * side * 3`.
    pub fn new(pixels: &[u8], side: usize) -> Self {
        assert!(side > 0, "the image has no pixels");
        assert_eq!(pixels.len(), side * side * 3, "three samples per pixel");
        let luma = |rgb: &[u8]| {
            let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
            ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
        };
        let grey: Vec<u8> = pixels.chunks_exact(3).map(luma).collect();
        let row = |y: usize| grey[y * side..(y + 1) * side].iter().copied();
        let (top, bottom) = trim_borders(side, |y| range(row(y)));
        let (left, right) =
            trim_borders(side, |x| range((top..bottom).map(|y| grey[y * side + x])));
        let columns = (0..SIDE).map(|i| cell_weights(left, right, i)).collect::<Vec<_>>();
        let means_of_row = |y: usize| -> Vec<f64> {
            let mean = |(first, weights): &(usize, Vec<f64>)| -> f64 {
                let cells = &grey[y * side + first..][..weights.len()];
                cells.iter().zip(weights).map(|(v, w)| f64::from(*v) * w).sum()
            };
            columns.iter().map(mean).collect()
        };
        let rows: Vec<Vec<f64>> = (top..bottom).map(means_of_row).collect();
        let cells = (0..SIDE).flat_map(|i| {
            let (first, weights) = cell_weights(top, bottom, i);
            let rows = &rows[first - top..][..weights.len()];
            let mean = |x: usize| rows.iter().zip(&weights).map(|(r, w)| r[x] * w).sum::<f64>();
            (0..SIDE).map(|x| mean(x).round() as u8).collect::<Vec<_>>()
        });
        Self(cells.collect())
    }

    #[cfg(test)]
    pub(super) fn from_cells(cells: Vec<u8>) -> Self {
        assert_eq!(cells.len(), SIDE * SIDE);
        Self(cells)
    }

    /// Grey levels of the cells, shape `[64, 64]`.
    pub(super) fn cells(&self) -> &[u8] {
        &self.0
    }

    /// Computes the descriptor of a window: the 63 lowest non-constant frequencies of the DCT-II,
    /// multiplied by their radial frequency, with L2 norm 1. The first [`EVEN`] values are even in
    /// `x`, the last [`ODD`] are odd. `None` for a constant window.
    ///
    /// The dot product of two descriptors is a correlation of blurred gradients. Mirroring the
    /// image negates the odd values; inverting grey levels negates all values.
    pub(super) fn descriptor(&self, window: Window) -> Option<[f32; EVEN + ODD]> {
        let Window([left, top, right, bottom]) = window;
        let (width, height) = (SIDE - left - right, SIDE - top - bottom);
        let (across, down) = (&COSINES[width], &COSINES[height]);
        // [v][u], v along y.
        let mut frequencies = [[0.0; LOW]; LOW];
        for (y, row) in self.0.chunks_exact(SIDE).skip(top).take(height).enumerate() {
            let cells = &row[left..][..width];
            for u in 0..LOW {
                let sum: f64 = cells.iter().zip(&across[u]).map(|(c, w)| f64::from(*c) * w).sum();
                (0..LOW).for_each(|v| frequencies[v][u] += sum * down[v][y]);
            }
        }
        let half = |k: usize| if k == 0 { 0.5f64.sqrt() } else { 1.0 };
        let value = |(u, v): (usize, usize)| {
            frequencies[v][u] * half(u) * half(v) * ((u * u + v * v) as f64).sqrt()
        };
        let indices = |odd: usize| {
            let all = (0..LOW * LOW).map(|k| (k % LOW, k / LOW));
            all.filter(move |(u, v)| u % 2 == odd && u + v > 0)
        };
        let values: Vec<f64> = indices(0).chain(indices(1)).map(value).collect();
        let length = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        // The norm of a constant window is not exactly 0 because of rounding errors.
        (length > 1.0).then(|| std::array::from_fn(|i| (values[i] / length) as f32))
    }
}

/// Returns the start and end of the lines without borders, given the range of grey levels of each
/// of `side` lines. Returns all lines if more than half would be trim_borders.
fn trim_borders(side: usize, range: impl Fn(usize) -> u8) -> (usize, usize) {
    let content = |y: &usize| range(*y) > BORDER_RANGE;
    let first = (0..side).find(content).unwrap_or(0);
    let end = (first..side).rfind(content).map_or(side, |last| last + 1);
    if 2 * (end - first) < side { (0, side) } else { (first, end) }
}

/// Difference of the highest and the lowest level.
fn range(levels: impl Iterator<Item = u8>) -> u8 {
    let (min, max) = levels.fold((u8::MAX, 0), |(a, b), v| (a.min(v), b.max(v)));
    max.saturating_sub(min)
}

/// Divides the pixels `from..to` into [`SIDE`] cells of equal width. Returns the first pixel of
/// cell `i` and the weights, with sum 1, of the pixels from there on.
fn cell_weights(from: usize, to: usize, i: usize) -> (usize, Vec<f64>) {
    let width = (to - from) as f64 / SIDE as f64;
    let (start, end) = (i as f64 * width, (i + 1) as f64 * width);
    let last = (end.ceil() as usize).min(to - from);
    let first = (start.floor() as usize).min(last - 1);
    let weight = |x: usize| (end.min((x + 1) as f64) - start.max(x as f64)).max(0.0) / width;
    (from + first, (first..last).map(weight).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Content of `tests/golden/link.json`.
    #[derive(serde::Deserialize)]
    pub(in super::super) struct Golden {
        cells: Vec<u8>,
        frequencies: [Vec<f32>; 2],
        pub(in super::super) affine: GoldenAffine,
    }

    #[derive(serde::Deserialize)]
    pub(in super::super) struct GoldenAffine {
        pub(in super::super) source: Vec<u8>,
        pub(in super::super) moved: Vec<u8>,
        pub(in super::super) r#true: [f64; 6],
        pub(in super::super) opencv: [f64; 6],
    }

    pub(in super::super) fn golden() -> Golden {
        serde_json::from_str(include_str!("../../../tests/golden/link.json")).unwrap()
    }

    /// The image of the script that made the golden file, with its border.
    fn image(border: u8) -> Vec<u8> {
        let level = |i: usize| {
            let (x, y) = (i % 224, i / 224);
            let inside = (9..218).contains(&x) && y >= 4;
            if inside { ((x * 7 + y * 3) % 61 * 2 + x * y / 97 % 67) as u8 } else { border }
        };
        (0..224 * 224).flat_map(|i| [level(i); 3]).collect()
    }

    #[test]
    fn cells_equal_the_means_of_opencv_without_the_border() {
        let golden = golden().cells;
        for border in [0, 3, 255] {
            let cells = Thumbnail::new(&image(border), 224).0;
            let differ = cells.iter().zip(&golden).filter(|(a, b)| a != b).count();
            let near = cells.iter().zip(&golden).all(|(a, b)| a.abs_diff(*b) <= 1);
            assert!(near && differ < 5, "{differ} cells differ");
        }
    }

    #[test]
    fn descriptors_equal_the_cosine_transform_of_scipy() {
        let golden = golden();
        let thumbnail = Thumbnail::from_cells(golden.cells);
        for (window, expected) in
            [[0; 4], [4, 0, 4, 4]].into_iter().map(Window).zip(golden.frequencies)
        {
            let values = thumbnail.descriptor(window).unwrap();
            for (i, (value, expected)) in values.iter().zip(&expected).enumerate() {
                assert!((value - expected).abs() < 2e-6, "{i}: {value} {expected}");
            }
        }
    }

    #[test]
    fn mirroring_negates_the_odd_frequencies() {
        let cells = golden().cells;
        let mirrored = cells.chunks(SIDE).flat_map(|row| row.iter().rev().copied()).collect();
        let [a, b] =
            [cells, mirrored].map(|c| Thumbnail::from_cells(c).descriptor(WINDOWS[0]).unwrap());
        for i in 0..EVEN + ODD {
            let expected = if i < EVEN { a[i] } else { -a[i] };
            assert!((b[i] - expected).abs() < 1e-5, "{i}");
        }
    }

    #[test]
    fn a_constant_image_has_no_descriptor() {
        assert_eq!(Thumbnail::new(&[7; 64 * 64 * 3], 64).descriptor(WINDOWS[0]), None);
    }
}
