use crate::conv::{
    lanes::Lanes,
    simd::{RowLoop, Simd},
};

/// So many inputs ahead the kernels are fetched: they come from L2 for each panel.
const AHEAD: usize = 16;

/// The product of a panel of `ROWS` transformed tiles with `WIDTH` [`Lanes`] of
/// transformed kernels, at one position.
///
/// Each output is summed in the order of the input channels, so it depends
/// neither on the panel's other tiles nor on how many there are.
pub struct Multiply<'a> {
    /// `[group of inputs][row]`.
    pub tiles: &'a [Lanes],
    /// `[input][width]`; an input for each lane of a group.
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
                // One row of the next group of inputs; `ROWS` is at most their number.
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
