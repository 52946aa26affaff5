//! Convolution of RGB images: the first layer of a net.

use std::array;

use ndarray::{ArrayView1, ArrayView3, ArrayView4, Axis};
use rayon::prelude::*;

use super::{
    Extent, InstructionSet, Maps,
    dispatch::dispatch,
    lanes::Lanes,
    simd::{RowLoop, Simd},
};

/// Number of input channels: red, green and blue.
const INPUTS: usize = 3;

/// 3x3 SAME convolution of RGB images, with bias and ReLU. Computed by definition, several
/// consecutive pixels at a time in registers.
#[derive(Debug)]
pub struct RgbConv {
    isa: InstructionSet,
    outputs: usize,
    /// [block of `Simd::WIDTH` groups of outputs][tap and input][group in block].
    kernel: Vec<Lanes>,
    bias: Vec<Lanes>,
}

impl RgbConv {
    /// Prepares `kernel` [3, 3, 3, out] and `bias` `[out]` for `isa`.
    ///
    /// # Panics
    /// If the numbers of channels differ or the processor does not support `isa`.
    pub fn new(kernel: ArrayView4<f32>, bias: ArrayView1<f32>, isa: InstructionSet) -> Self {
        let (_, _, inputs, outputs) = kernel.dim();
        assert_eq!(inputs, INPUTS, "input channels of the kernel");
        assert_eq!(bias.len(), outputs, "one bias per output channel");
        let width = dispatch!(isa, simd => width(simd));
        let block = width * Lanes::COUNT;
        let padded = |values: &[f32]| -> Vec<Lanes> {
            (0..width)
                .map(|i| values.chunks(Lanes::COUNT).nth(i).map_or(Lanes::ZERO, Lanes::padded))
                .collect()
        };
        let kernel = kernel.into_shape_with_order((9 * INPUTS, outputs));
        let kernel = kernel.expect("kernels are in standard layout");
        let blocks = kernel.axis_chunks_iter(Axis(1), block);
        let rows = blocks.flat_map(|block| {
            block.outer_iter().map(|row| padded(&row.to_vec())).collect::<Vec<_>>()
        });
        Self {
            isa,
            outputs,
            kernel: rows.flatten().collect(),
            bias: bias.to_vec().chunks(Lanes::COUNT).map(Lanes::padded).collect(),
        }
    }

    /// Writes the `keep` corner of the convolution of `images` [n, rows, cols, 3] to `output`.
    ///
    /// # Panics
    /// If the images do not have 3 channels or `keep` is larger than the images.
    pub fn forward(&self, images: ArrayView4<f32>, keep: Extent, output: &mut Maps) {
        self.check(images, keep);
        output.reset(images.len_of(Axis(0)), keep, self.outputs);
        dispatch!(self.isa, simd => {
            output.strips_mut(1).enumerate().for_each(|(row, to)| {
                let image = images.index_axis(Axis(0), row / keep.rows);
                self.write_row(simd, image, row % keep.rows, keep.cols, to);
            });
        });
    }

    /// Checks the shape of the images.
    ///
    /// # Panics
    /// If the images do not have 3 channels or `keep` is larger than the images.
    pub(super) fn check(&self, images: ArrayView4<f32>, keep: Extent) {
        let (_, rows, cols, inputs) = images.dim();
        assert_eq!(inputs, INPUTS, "channels of the images");
        assert!(keep.rows <= rows && keep.cols <= cols, "the kept corner is larger than the image");
    }

    /// Number of output channels.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Writes `rows` output rows of `image`, starting with row `top`, to `to`. The border of
    /// `to` holds the row before and the row after. Cells outside `keep` are zero.
    pub(super) fn write_strip<S: Simd>(
        &self,
        simd: S,
        image: ArrayView3<f32>,
        top: usize,
        rows: usize,
        keep: Extent,
        to: &mut Maps,
    ) {
        to.reset(1, Extent { rows, cols: keep.cols }, self.outputs);
        for (i, row) in to.rows_mut().take(rows + 2).enumerate() {
            match (top + i).checked_sub(1).filter(|&y| y < keep.rows) {
                Some(y) => self.write_row(simd, image, y, keep.cols, row),
                None => row.fill(Lanes::ZERO),
            }
        }
    }

    /// Writes the first `cols` cells of output row `y` of `image` to `to`, a row with its
    /// border.
    fn write_row<S: Simd>(
        &self,
        simd: S,
        image: ArrayView3<f32>,
        y: usize,
        cols: usize,
        to: &mut [Lanes],
    ) {
        let (rows, width, _) = image.dim();
        // Input rows `y - 1` to `y + 1`, padded with zeros.
        let lines: [Vec<f32>; 3] = array::from_fn(|i| {
            let mut line = vec![0.0; (width + S::ROWS + 2) * INPUTS];
            if (1..=rows).contains(&(y + i)) {
                let from = image.index_axis(Axis(0), y + i - 1);
                for (to, &from) in line[INPUTS..].iter_mut().zip(from) {
                    *to = from;
                }
            }
            line
        });
        let groups = Lanes::groups(self.outputs);
        let block = 9 * INPUTS * S::WIDTH;
        let blocks = self.kernel.chunks_exact(block).zip(self.bias.chunks(S::WIDTH));
        for (block, (kernel, bias)) in blocks.enumerate() {
            for x in (0..cols).step_by(S::ROWS) {
                let lines = lines.each_ref().map(|line| &line[x * INPUTS..]);
                let to = &mut to[(1 + x) * groups + block * S::WIDTH..];
                let pixels = S::ROWS.min(cols - x);
                simd.run_rows(pixels, Pixels { lines, kernel, bias, to, groups });
            }
        }
    }
}

/// Computes `ROWS` consecutive pixels with `WIDTH` [`Lanes`] of outputs each.
struct Pixels<'a> {
    lines: [&'a [f32]; 3],
    kernel: &'a [Lanes],
    bias: &'a [Lanes],
    to: &'a mut [Lanes],
    groups: usize,
}

impl RowLoop for Pixels<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const WIDTH: usize>(self, simd: S) {
        let Self { lines, kernel, bias, to, groups } = self;
        let (kernel, _) = kernel.as_chunks::<WIDTH>();
        let mut sums = [[simd.splat(0.0); WIDTH]; ROWS];
        let (kernel, _) = kernel.as_chunks::<{ 3 * INPUTS }>();
        for (line, kernel) in lines.iter().zip(kernel) {
            let line = &line[..(ROWS + 2) * INPUTS];
            for (tap, kernel) in kernel.iter().enumerate() {
                let mut factors = [simd.splat(0.0); WIDTH];
                for i in 0..WIDTH {
                    factors[i] = simd.load(&kernel[i]);
                }
                for row in 0..ROWS {
                    let value = simd.splat(line[row * INPUTS + tap]);
                    for i in 0..WIDTH {
                        sums[row][i] = simd.mul_add(value, factors[i], sums[row][i]);
                    }
                }
            }
        }
        for row in 0..ROWS {
            for (i, bias) in bias.iter().enumerate().take(WIDTH) {
                let sum = simd.add(sums[row][i], simd.load(bias));
                simd.store(simd.max(sum, simd.splat(0.0)), &mut to[row * groups + i]);
            }
        }
    }
}

fn width<S: Simd>(_: S) -> usize {
    S::WIDTH
}
