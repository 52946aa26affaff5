//! Images at 64 x 64 cells, without their uniform borders.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Cells in a row and in a column.
pub(super) const SIDE: usize = 64;
/// Frequencies in a row and in a column of a descriptor.
const LOW: usize = 8;
/// A line of pixels is border while its levels span at most this range, which
/// the noise of JPEG stays within.
const BORDER_RANGE: u8 = 16;

/// An image at 64 x 64 grey cells, its uniform borders trimmed: the basis of all
/// comparisons of pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail(Vec<u8>);

/// Frequencies of a descriptor that are even in `x`: unchanged by a mirror.
pub(super) const EVEN: usize = LOW * LOW / 2 - 1;
/// Frequencies of a descriptor that are odd in `x`: negated by a mirror.
pub(super) const ODD: usize = LOW * LOW / 2;

/// Cells cut off at left, top, right and bottom before a descriptor is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window([usize; 4]);

/// The windows that a descriptor is taken of, the whole image first: 4 cells
/// (6 %) off any of the sides, and 2 (3 %) and 7 (11 %) off all of them. A crop
/// of up to 11 % differs from one of them by 3 % or less at each side.
pub(super) static WINDOWS: LazyLock<Vec<Window>> = LazyLock::new(|| {
    let corners = (0..16).map(|bits| [0, 1, 2, 3].map(|side| 4 * (bits >> side & 1)));
    corners.chain([[2; 4], [7; 4]]).map(Window).collect()
});

/// Cosines of the DCT-II, `[frequency][cell]`, by the number of cells.
static COSINES: LazyLock<Vec<[Vec<f64>; LOW]>> = LazyLock::new(|| {
    let row = |n: usize, u: usize| {
        (0..n).map(|x| (PI * ((2 * x + 1) * u) as f64 / (2 * n) as f64).cos()).collect()
    };
    (0..=SIDE).map(|n| std::array::from_fn(|u| row(n, u))).collect()
});

impl Window {
    /// Left, top, right and bottom edge in coordinates from -1 to 1; left and right
    /// exchanged for a mirrored image.
    pub(super) fn edges(self, mirrored: bool) -> [f64; 4] {
        let [left, top, right, bottom] = self.0.map(|cells| 2.0 * cells as f64 / SIDE as f64);
        let (left, right) = if mirrored { (right, left) } else { (left, right) };
        [left - 1.0, top - 1.0, 1.0 - right, 1.0 - bottom]
    }
}

impl Thumbnail {
    /// From an image's pixels `[side, side, 3]`: luma (ITU-R BT.601), uniform
    /// borders trimmed, each cell the mean of its rectangle.
    ///
    /// # Panics
    ///
    /// When `side` is 0, or the pixels are not as many.
    pub fn new(pixels: &[u8], side: usize) -> Self {
        assert!(side > 0, "an image has pixels");
        assert_eq!(pixels.len(), side * side * 3, "three samples a pixel");
        let luma = |rgb: &[u8]| {
            let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
            ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
        };
        let grey: Vec<u8> = pixels.chunks_exact(3).map(luma).collect();
        let row = |y: usize| grey[y * side..(y + 1) * side].iter().copied();
        let (top, bottom) = trimmed(side, |y| range(row(y)));
        let (left, right) = trimmed(side, |x| range((top..bottom).map(|y| grey[y * side + x])));
        let columns = (0..SIDE).map(|i| cover(left, right, i)).collect::<Vec<_>>();
        let means_of_row = |y: usize| -> Vec<f64> {
            let mean = |(first, weights): &(usize, Vec<f64>)| -> f64 {
                let cells = &grey[y * side + first..][..weights.len()];
                cells.iter().zip(weights).map(|(v, w)| f64::from(*v) * w).sum()
            };
            columns.iter().map(mean).collect()
        };
        let rows: Vec<Vec<f64>> = (top..bottom).map(means_of_row).collect();
        let cells = (0..SIDE).flat_map(|i| {
            let (first, weights) = cover(top, bottom, i);
            let rows = &rows[first - top..][..weights.len()];
            let mean = |x: usize| rows.iter().zip(&weights).map(|(r, w)| r[x] * w).sum::<f64>();
            (0..SIDE).map(|x| mean(x).round() as u8).collect::<Vec<_>>()
        });
        Self(cells.collect())
    }

    /// From its cells.
    #[cfg(test)]
    pub(super) fn of_cells(cells: Vec<u8>) -> Self {
        assert_eq!(cells.len(), SIDE * SIDE);
        Self(cells)
    }

    /// The grey cells, `[64, 64]`.
    pub(super) fn cells(&self) -> &[u8] {
        &self.0
    }

    /// The 63 lowest frequencies of the DCT-II of a window, without the mean, each
    /// multiplied by its radial frequency and all scaled to length 1: [`EVEN`] that
    /// are even in `x`, then [`ODD`] that are odd. None for a window of one level.
    ///
    /// The dot product of two descriptors is a correlation of blurred gradients. A
    /// mirror negates the odd part, a negative image all of it.
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
        let of_parity = |odd: usize| {
            let all = (0..LOW * LOW).map(|k| (k % LOW, k / LOW));
            all.filter(move |(u, v)| u % 2 == odd && u + v > 0)
        };
        let values: Vec<f64> = of_parity(0).chain(of_parity(1)).map(value).collect();
        let length = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        // A window of one level leaves rounding errors.
        (length > 1.0).then(|| std::array::from_fn(|i| (values[i] / length) as f32))
    }
}

/// The first line that is no border and the end of the last one: of `side` lines
/// with these ranges of levels. All of them where more than half would go.
fn trimmed(side: usize, range: impl Fn(usize) -> u8) -> (usize, usize) {
    let content = |y: &usize| range(*y) > BORDER_RANGE;
    let first = (0..side).find(content).unwrap_or(0);
    let end = (first..side).rfind(content).map_or(side, |last| last + 1);
    if 2 * (end - first) < side { (0, side) } else { (first, end) }
}

/// The largest less the least level.
fn range(levels: impl Iterator<Item = u8>) -> u8 {
    let (least, most) = levels.fold((u8::MAX, 0), |(a, b), v| (a.min(v), b.max(v)));
    most.saturating_sub(least)
}

/// Pixels `from..to` in [`SIDE`] cells of equal width: the first pixel of cell `i`
/// and the weights of the pixels from there on, whose sum is 1.
fn cover(from: usize, to: usize, i: usize) -> (usize, Vec<f64>) {
    let width = (to - from) as f64 / SIDE as f64;
    let (start, end) = (i as f64 * width, (i + 1) as f64 * width);
    let last = (end.ceil() as usize).min(to - from);
    let first = (start.floor() as usize).min(last - 1);
    let part = |x: usize| (end.min((x + 1) as f64) - start.max(x as f64)).max(0.0) / width;
    (from + first, (first..last).map(part).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `tests/golden/link.json`.
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

    /// The image of the golden script, with its border.
    fn image(border: u8) -> Vec<u8> {
        let level = |i: usize| {
            let (x, y) = (i % 224, i / 224);
            let inside = (9..218).contains(&x) && y >= 4;
            if inside { ((x * 7 + y * 3) % 61 * 2 + x * y / 97 % 67) as u8 } else { border }
        };
        (0..224 * 224).flat_map(|i| [level(i); 3]).collect()
    }

    #[test]
    fn cells_are_the_means_of_opencv_without_the_border() {
        let golden = golden().cells;
        for border in [0, 3, 255] {
            let cells = Thumbnail::new(&image(border), 224).0;
            let differ = cells.iter().zip(&golden).filter(|(a, b)| a != b).count();
            let near = cells.iter().zip(&golden).all(|(a, b)| a.abs_diff(*b) <= 1);
            assert!(near && differ < 5, "{differ} cells differ");
        }
    }

    #[test]
    fn descriptors_are_the_cosine_transform_of_scipy() {
        let golden = golden();
        let thumbnail = Thumbnail::of_cells(golden.cells);
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
    fn a_mirror_negates_the_odd_frequencies() {
        let cells = golden().cells;
        let mirrored = cells.chunks(SIDE).flat_map(|row| row.iter().rev().copied()).collect();
        let [a, b] =
            [cells, mirrored].map(|c| Thumbnail::of_cells(c).descriptor(WINDOWS[0]).unwrap());
        for i in 0..EVEN + ODD {
            let expected = if i < EVEN { a[i] } else { -a[i] };
            assert!((b[i] - expected).abs() < 1e-5, "{i}");
        }
    }

    #[test]
    fn an_image_of_one_level_has_no_descriptor() {
        assert_eq!(Thumbnail::new(&[7; 64 * 64 * 3], 64).descriptor(WINDOWS[0]), None);
    }
}
