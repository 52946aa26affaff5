//! Affine alignment of two images, and their correlation after alignment.

use super::neighbours::Candidate;
use super::thumbnail::{SIDE, Thumbnail, Window};

/// Side length and number of steps of each pyramid level, coarse to fine.
const LEVELS: [(usize, usize); 3] = [(16, 6), (32, 5), (SIDE, 4)];
/// Maximum change of a parameter in one step; the image spans -1 to 1.
const MAX_STEP: f64 = 0.1;
/// Number of correlation blocks per row and column.
const BLOCKS: usize = 4;
/// Minimum correlation at the second and third pyramid level; other pairs are rejected. At the
/// second level, copies reached at least 0.85, and 90 % of unrelated pairs less than 0.70.
const MIN_CORRELATION: f64 = 0.7;
/// Minimum proportion of an image that overlaps the other image.
const MIN_OVERLAP: f64 = 0.6;
/// Minimum coverage of a copy: with stronger shrinking, unrelated images of few details align.
const MIN_COVERAGE: f64 = 0.5;
/// Maximum rotation of a copy in degrees.
const MAX_ROTATION: f64 = 15.0;

/// Geometric and photometric relation of two copies of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relation {
    /// Median correlation of the blocks, 0 to 1.
    pub correlation: f64,
    /// Whether left and right are exchanged.
    pub mirrored: bool,
    /// Whether light and dark are exchanged.
    pub negative: bool,
    /// Area of the smaller image as a proportion of the larger image, 0 to 1.
    pub coverage: f64,
    /// Angle between the images in degrees, 0 to 180.
    pub rotation: f64,
}

/// Coverage below which an image is reported as cropped; smaller crops are within the rounding
/// errors of borders.
const CROPPED_BELOW: f64 = 0.97;
/// Rotation in degrees above which an image is reported as rotated; smaller rotations are within
/// the distortions.
const ROTATED_ABOVE: f64 = 0.7;

impl Relation {
    /// Returns `same`, or those of `mirrored`, `negative`, `cropped` and `rotated` that apply,
    /// joined by spaces. The text is stable.
    pub fn text(&self) -> String {
        let words = [
            (self.mirrored, "mirrored"),
            (self.negative, "negative"),
            (self.coverage < CROPPED_BELOW, "cropped"),
            (self.rotation > ROTATED_ABOVE, "rotated"),
        ];
        let words: Vec<_> = words.iter().filter(|(applies, _)| *applies).map(|(_, w)| *w).collect();
        if words.is_empty() { "same".to_owned() } else { words.join(" ") }
    }

    /// Returns correlation, area and rotation as text; area and rotation only if they apply.
    pub fn detail(&self) -> String {
        let mut text = format!("correlation {:.4}", self.correlation);
        if self.coverage < CROPPED_BELOW {
            text += &format!(", area {:.0} %", 100.0 * self.coverage);
        }
        if self.rotation > ROTATED_ABOVE {
            text += &format!(", rotation {:.1} degrees", self.rotation);
        }
        text
    }
}

/// Image at one pyramid level, cells `[side, side]`.
struct Level {
    side: usize,
    cells: Vec<f64>,
}

/// Affine map between the coordinates of two images, -1 to 1 between the edges:
/// `x' = m[0] x + m[1] y + m[2]`, `y' = m[3] x + m[4] y + m[5]`.
type Affine = [f64; 6];

/// Image resampled at the cells of another image: value and derivatives in `x` and `y`; `None`
/// outside.
type Samples = Vec<Option<[f64; 3]>>;

/// Aligns a candidate pair and returns its relation; `None` if the images are not copies.
pub(super) fn align(a: &Thumbnail, b: &Thumbnail, candidate: &Candidate) -> Option<Relation> {
    let mirrored = candidate.mirrored;
    let (map, correlation) = register(a, b, candidate.window, mirrored)?;
    let area = (map[0] * map[4] - map[1] * map[3]).abs();
    let relation = Relation {
        correlation: correlation.abs().min(1.0),
        mirrored,
        negative: correlation < 0.0,
        coverage: area.min(1.0 / area),
        rotation: (map[3] - map[1]).atan2(map[0] + map[4]).to_degrees().abs(),
    };
    let is_plausible = relation.coverage >= MIN_COVERAGE && relation.rotation <= MAX_ROTATION;
    is_plausible.then_some(relation)
}

/// Registers `b` to `a`, mirrored if `mirrored`. Returns the map and the correlation.
///
/// The initial map fits `b` into `window` of `a`. Gauss-Newton steps on a pyramid (Lucas and
/// Kanade 1981; Baker and Matthews 2004) refine an affine map with gain and offset of the grey
/// levels (Evangelidis and Psarakis 2008). Cauchy weights reduce the effect of arrows and letters.
fn register(a: &Thumbnail, b: &Thumbnail, window: Window, mirrored: bool) -> Option<(Affine, f64)> {
    let [left, top, right, bottom] = window.edges(mirrored);
    let (width, height) = ((right - left) / 2.0, (bottom - top) / 2.0);
    let mut map = [width, 0.0, (right + left) / 2.0, 0.0, height, (bottom + top) / 2.0];
    let mut correlation = 0.0;
    for (level, (side, steps)) in LEVELS.into_iter().enumerate() {
        let (source, target) = (Level::new(a, side, mirrored), Level::new(b, side, false));
        for _ in 0..steps {
            map = gauss_newton_step(&target, &source, map);
        }
        if level > 0 {
            correlation = block_correlation(&target, &resample(&source, map))?;
            if correlation.abs() < MIN_CORRELATION {
                return None;
            }
        }
    }
    Some((map, correlation))
}

impl Level {
    fn new(thumbnail: &Thumbnail, side: usize, mirrored: bool) -> Self {
        let n = SIDE / side;
        let cell = |y: usize, x: usize| {
            let x = if mirrored { side - 1 - x } else { x };
            let rows = (0..n).map(|dy| &thumbnail.cells()[(y * n + dy) * SIDE + x * n..][..n]);
            rows.flatten().map(|v| f64::from(*v)).sum::<f64>() / (n * n) as f64
        };
        let cells = (0..side * side).map(|i| cell(i / side, i % side)).collect();
        Self { side, cells }
    }

    /// Returns the coordinate, -1 to 1, of the centre of cell `i` in a row or column.
    fn centre(&self, i: usize) -> f64 {
        (2 * i + 1) as f64 / self.side as f64 - 1.0
    }

    /// Interpolates the value and its derivatives bilinearly at coordinates from -1 to 1; `None`
    /// outside the cell centres.
    fn sample(&self, x: f64, y: f64) -> Option<[f64; 3]> {
        let n = self.side;
        let to_cell = |coordinate: f64| (coordinate + 1.0) / 2.0 * n as f64 - 0.5;
        let (x, y) = (to_cell(x), to_cell(y));
        let inside = |cell: f64| (0.0..=(n - 1) as f64).contains(&cell);
        if !inside(x) || !inside(y) {
            return None;
        }
        let (i, j) = ((x as usize).min(n - 2), (y as usize).min(n - 2));
        let (fx, fy) = (x - i as f64, y - j as f64);
        let cell = |j: usize, i: usize| self.cells[j * n + i];
        let (a, b, c, d) = (cell(j, i), cell(j, i + 1), cell(j + 1, i), cell(j + 1, i + 1));
        let value = (a * (1.0 - fx) + b * fx) * (1.0 - fy) + (c * (1.0 - fx) + d * fx) * fy;
        let along_x = (b - a) * (1.0 - fy) + (d - c) * fy;
        let along_y = (c - a) * (1.0 - fx) + (d - b) * fx;
        let scale = n as f64 / 2.0;
        Some([value, along_x * scale, along_y * scale])
    }
}

/// Resamples `source` under the map `m`.
fn resample(source: &Level, m: Affine) -> Samples {
    let n = source.side;
    let sample = |i: usize| {
        let (x, y) = (source.centre(i % n), source.centre(i / n));
        source.sample(m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5])
    };
    (0..n * n).map(sample).collect()
}

/// Performs one Gauss-Newton step for `target ~ gain * source(map) + offset`.
fn gauss_newton_step(target: &Level, source: &Level, map: Affine) -> Affine {
    let n = target.side;
    let samples = resample(source, map);
    let pairs = || target.cells.iter().zip(&samples).filter_map(|(t, s)| Some((*t, s.as_ref()?)));
    let count = pairs().count() as f64;
    if count < 0.25 * (n * n) as f64 {
        return map;
    }
    let (mean_t, mean_s) =
        pairs().fold((0.0, 0.0), |(t, s), (a, b)| (t + a / count, s + b[0] / count));
    let (ts, ss) = pairs().fold((0.0, 0.0), |(ts, ss), (t, [s, ..])| {
        (ts + (t - mean_t) * (s - mean_s), ss + (s - mean_s) * (s - mean_s))
    });
    let gain = ts / (ss + 1e-9);
    let residual = |t: f64, s: f64| (t - mean_t) - gain * (s - mean_s);
    let variance = pairs().map(|(t, [s, ..])| residual(t, *s).powi(2)).sum::<f64>() / count + 1e-12;

    // Unknowns: gain, then gain times the changes of the map. Centring eliminates the offset.
    let (mut weight, mut sum_t) = (0.0, 0.0);
    let (mut sums, mut products, mut right) = ([0.0; 7], [[0.0; 7]; 7], [0.0; 7]);
    for (i, (t, sample)) in target.cells.iter().zip(&samples).enumerate() {
        let Some([s, dx, dy]) = *sample else { continue };
        let w = 1.0 / (1.0 + residual(*t, s).powi(2) / variance);
        let (x, y) = (target.centre(i % n), target.centre(i / n));
        let t = t - mean_t;
        let columns = [s - mean_s, dx * x, dx * y, dx, dy * x, dy * y, dy];
        weight += w;
        sum_t += w * t;
        for j in 0..7 {
            let wj = w * columns[j];
            sums[j] += wj;
            right[j] += wj * t;
            (0..=j).for_each(|k| products[j][k] += wj * columns[k]);
        }
    }
    for j in 0..7 {
        right[j] -= sums[j] * sum_t / weight;
        (0..=j).for_each(|k| products[j][k] -= sums[j] * sums[k] / weight);
        products[j][j] += 1e-4 * products[j][j] + 1e-9;
    }
    let Some(solution) = solve(products, right) else { return map };
    let gain = if solution[0].abs() < 0.05 { 0.05f64.copysign(solution[0]) } else { solution[0] };
    std::array::from_fn(|i| map[i] + (solution[i + 1] / gain).clamp(-MAX_STEP, MAX_STEP))
}

/// Solves a symmetric positive definite system, given by its lower triangle, by Cholesky
/// decomposition; `None` if the matrix is not positive definite.
fn solve<const N: usize>(mut l: [[f64; N]; N], mut x: [f64; N]) -> Option<[f64; N]> {
    for j in 0..N {
        for i in j..N {
            let dot: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            let rest = l[i][j] - dot;
            if i == j {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                l[j][j] = rest.sqrt();
            } else {
                l[i][j] = rest / l[j][j];
            }
        }
    }
    for i in 0..N {
        let dot: f64 = (0..i).map(|k| l[i][k] * x[k]).sum();
        x[i] = (x[i] - dot) / l[i][i];
    }
    for i in (0..N).rev() {
        let dot: f64 = (i + 1..N).map(|k| l[k][i] * x[k]).sum();
        x[i] = (x[i] - dot) / l[i][i];
    }
    Some(x)
}

/// Median over 4 x 4 blocks of the correlation of cell-to-cell differences, -1 to 1.
///
/// The median is robust to text on a part of the image. Blocks that are constant in both images
/// are ignored. `None` if the images overlap too little or at least half of the blocks are ignored.
fn block_correlation(target: &Level, samples: &Samples) -> Option<f64> {
    let n = target.side;
    let inside = samples.iter().flatten().count();
    if (inside as f64) < MIN_OVERLAP * (n * n) as f64 {
        return None;
    }
    let mut sums = [[0.0f64; 3]; BLOCKS * BLOCKS];
    let size = n / BLOCKS;
    for i in 0..n * n {
        let (x, y) = (i % n, i / n);
        let Some([from, ..]) = samples[i] else { continue };
        for (next, is_inside) in [(i + 1, x + 1 < n), (i + n, y + 1 < n)] {
            let Some([to, ..]) = (if is_inside { samples[next] } else { None }) else { continue };
            let (a, b) = (target.cells[next] - target.cells[i], to - from);
            let [ab, aa, bb] = &mut sums[y / size * BLOCKS + x / size];
            (*ab, *aa, *bb) = (*ab + a * b, *aa + a * a, *bb + b * b);
        }
    }
    let mut correlations: Vec<f64> = sums
        .iter()
        .filter(|[_, aa, bb]| *aa > 0.0 || *bb > 0.0)
        .map(|[ab, aa, bb]| if *aa > 0.0 && *bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 })
        .collect();
    correlations.sort_unstable_by(f64::total_cmp);
    let middle = correlations.len() / 2;
    (correlations.len() > BLOCKS * BLOCKS / 2).then(|| match correlations.len() % 2 {
        0 => (correlations[middle - 1] + correlations[middle]) / 2.0,
        _ => correlations[middle],
    })
}

#[cfg(test)]
mod tests {
    use super::super::thumbnail::WINDOWS;
    use super::super::thumbnail::tests::golden;
    use super::*;

    /// OpenCV's `findTransformECC` on an image of another gain.
    #[test]
    fn the_map_equals_the_true_map_and_that_of_opencv() {
        let golden = golden().affine;
        let [source, moved] = [golden.source, golden.moved].map(Thumbnail::from_cells);
        let (map, correlation) = register(&source, &moved, WINDOWS[0], false).unwrap();
        for i in 0..6 {
            assert!((map[i] - golden.r#true[i]).abs() < 2e-3, "{map:?}");
            assert!((map[i] - golden.opencv[i]).abs() < 2e-3, "{map:?}");
        }
        assert!(correlation > 0.97, "{correlation}");
    }

    #[test]
    fn a_linear_system_is_solved() {
        let lower = [[4.0, 0.0, 0.0], [2.0, 5.0, 0.0], [1.0, 3.0, 6.0]];
        let x = solve(lower, [4.0 + 2.0 * 2.0 - 3.0, 2.0 + 10.0 - 9.0, 1.0 + 6.0 - 18.0]).unwrap();
        assert!(x.iter().zip([1.0, 2.0, -3.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{x:?}");
        assert_eq!(solve([[0.0]], [1.0]), None);
    }

    #[test]
    fn text_and_detail_describe_the_relation() {
        let same = Relation {
            correlation: 0.97,
            mirrored: false,
            negative: false,
            coverage: 0.98,
            rotation: 0.2,
        };
        assert_eq!((&*same.text(), &*same.detail()), ("same", "correlation 0.9700"));
        let all =
            Relation { mirrored: true, negative: true, coverage: 0.806, rotation: 2.04, ..same };
        assert_eq!(all.text(), "mirrored negative cropped rotated");
        assert_eq!(all.detail(), "correlation 0.9700, area 81 %, rotation 2.0 degrees");
    }
}
