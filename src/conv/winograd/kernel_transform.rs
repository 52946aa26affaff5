use ndarray::ArrayView4;
use rayon::prelude::*;

use super::{PATCH, POSITIONS};
use crate::conv::{buffer::Buffer, lanes::Lanes};

/// `G`: the values of a kernel's polynomial at 0, 1, -1, 2, -2 and infinity,
/// divided by what interpolation multiplies them with.
const G: [[f64; 3]; PATCH] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// `G g G^T` of `kernel` [3, 3, in, out], in f64 and rounded once:
/// `[position]`[block of `width` groups of outputs]`[input][width]`, inputs padded to
/// whole [`Lanes`] and outputs to whole blocks.
pub fn kernel_transform(kernel: ArrayView4<f32>, width: usize) -> Buffer {
    let (_, _, inputs, outputs) = kernel.dim();
    let taps = kernel.to_slice().expect("kernels are in standard layout");
    let padded = Lanes::groups(inputs) * Lanes::COUNT;
    let blocks = Lanes::groups(outputs).div_ceil(width);
    let mut transformed = Buffer::zeros(POSITIONS * blocks * padded * width);
    let positions = transformed.par_chunks_exact_mut(blocks * padded * width);
    positions.enumerate().for_each(|(position, to)| {
        let factor = |tap| G[position / PATCH][tap / 3] * G[position % PATCH][tap % 3];
        let factors: Vec<_> = (0..9).map(|tap| (tap, factor(tap))).collect();
        for (i, to) in to.iter_mut().enumerate() {
            let (block, input, group) = (i / width / padded, i / width % padded, i % width);
            let first = (block * width + group) * Lanes::COUNT;
            if input < inputs && first < outputs {
                let count = Lanes::COUNT.min(outputs - first);
                let mut sums = [0.0; Lanes::COUNT];
                for &(tap, factor) in factors.iter().filter(|(_, factor)| *factor != 0.0) {
                    let taps = &taps[(tap * inputs + input) * outputs + first..][..count];
                    for (sum, &tap) in sums.iter_mut().zip(taps) {
                        *sum += factor * f64::from(tap);
                    }
                }
                to.0 = sums.map(|sum| sum as f32);
            }
        }
    });
    transformed
}
