//! Matrix product of transformed tiles and kernels.

use crate::conv::{
    lanes::Lanes,
    simd::{RowLoop, Simd},
};

/// Prefetch distance of the kernels, in input channels; they come from the L2 cache.
const AHEAD: usize = 16;

/// Multiplies a panel of `ROWS` transformed tiles with `WIDTH` [`Lanes`] of transformed
/// kernels, at one position.
///
/// Each output is summed in the order of the input channels, so its rounding does not depend
/// on the other tiles of the panel.
pub struct Multiply<'a> {
    /// `[group of inputs][row]`.
    pub tiles: &'a [Lanes],
    /// `[input][width]`; inputs padded to whole groups.
    pub kernel: &'a [Lanes],
    /// `[width][row]`.
    pub to: &'a mut [Lanes],
}

impl RowLoop for Multiply<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const WIDTH: usize>(self, simd: S) {
        let mut sums = [[simd.splat(0.0); WIDTH]; ROWS];
        let (tiles, _) = self.tiles.as_chunks::<ROWS>();
        let (kernel, _) = self.kernel.as_chunks::<WIDTH>();
        let (kernel, _) = kernel.as_chunks::<{ Lanes::COUNT }>();
        for (tiles, kernel) in tiles.iter().zip(kernel) {
            for (input, kernel) in kernel.iter().enumerate() {
                for i in 0..WIDTH {
                    simd.prefetch(kernel.as_ptr().wrapping_add(AHEAD * WIDTH + i));
                }
                // One row of the next group of inputs; `ROWS` is at most `Lanes::COUNT`.
                simd.prefetch(tiles.as_ptr().wrapping_add(ROWS + input));
                let mut factors = [simd.splat(0.0); WIDTH];
                for i in 0..WIDTH {
                    factors[i] = simd.load(&kernel[i]);
                }
                for row in 0..ROWS {
                    let tile = simd.splat(tiles[row].0[input]);
                    for i in 0..WIDTH {
                        sums[row][i] = simd.mul_add(tile, factors[i], sums[row][i]);
                    }
                }
            }
        }
        let (to, _) = self.to.as_chunks_mut::<ROWS>();
        for (i, to) in to.iter_mut().take(WIDTH).enumerate() {
            for row in 0..ROWS {
                simd.store(sums[row][i], &mut to[row]);
            }
        }
    }
}
