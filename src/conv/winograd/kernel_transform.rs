//! Kernel transform `G g G^T` of the Winograd convolution.

use ndarray::ArrayView4;
use rayon::prelude::*;

use super::{PATCH, POSITIONS};
use crate::conv::{buffer::Buffer, lanes::Lanes};

/// Matrix `G`: evaluates a kernel's polynomial at the interpolation points 0, 1, -1, 2, -2
/// and infinity, scaled by the factors of the Lagrange interpolation.
const G: [[f64; 3]; PATCH] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// Computes `G g G^T` of `kernel` [3, 3, in, out] in f64 and rounds once. Returns
/// `[position][block][input][group in block]`, where a block is `width` groups of outputs.
/// Inputs are padded to whole [`Lanes`], outputs to whole blocks.
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
