//! For kernels larger than a core's cache: each step runs over all tiles of the
//! batch, so that a position's kernels are read once for all of them.

use rayon::prelude::*;

use super::{
    Multiply, POSITIONS,
    layer::{Pass, Products, Scratch},
};
use crate::conv::{Maps, lanes::room, simd::Simd};

/// So many panels are multiplied with a block of kernels while it is in the cache.
const PANELS: usize = 8;

impl Pass<'_> {
    pub fn staged<S: Simd>(&self, simd: S, output: &mut Maps, scratch: &mut Scratch) {
        let (groups, padded) = (self.input.groups(), self.layer.padded());
        let count = self.input.images() * self.rows * self.cols;
        let transformed = room(&mut scratch.tiles, count * POSITIONS * groups);
        let products = room(&mut scratch.products, count * POSITIONS * padded);

        let panels = transformed.par_chunks_mut(S::ROWS * POSITIONS * groups);
        panels.enumerate().for_each(|(i, panel)| self.read(simd, i * S::ROWS, panel));

        let tiles: Vec<_> = transformed.chunks(S::ROWS * POSITIONS * groups).collect();
        let positions = products.par_chunks_mut(count * padded).enumerate();
        positions.for_each(|(position, products)| {
            let products = products.par_chunks_mut(PANELS * S::ROWS * padded);
            products.zip(tiles.par_chunks(PANELS)).for_each(|(products, tiles)| {
                for (block, kernel) in self.layer.blocks::<S>(position).enumerate() {
                    let products = products.chunks_mut(S::ROWS * padded);
                    for (tiles, products) in tiles.iter().zip(products) {
                        let rows = products.len() / padded;
                        let tiles = &tiles[position * groups * rows..][..groups * rows];
                        let to = &mut products[block * S::WIDTH * rows..];
                        simd.run_rows(rows, Multiply { tiles, kernel, to });
                    }
                }
            });
        });

        let (row_len, cols) = (output.row_len(), output.extent().cols);
        output.strips_mut(self.side).enumerate().for_each(|(y, strip)| {
            self.write(simd, strip, row_len, cols, |x| {
                let tile = y * self.cols + x;
                let panel = tile - tile % S::ROWS;
                let from = &products[panel * padded + tile % S::ROWS..];
                Products { from, position: count * padded, group: S::ROWS.min(count - panel) }
            });
        });
    }
}
