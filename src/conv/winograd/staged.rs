//! Schedule for kernels larger than a core's cache: each step runs over all tiles of the batch,
//! so that the kernels of a position are read once for all tiles.

use rayon::prelude::*;

use super::{
    Multiply, POSITIONS,
    layer::{Pass, Products, Scratch},
};
use crate::conv::{Maps, lanes::Lanes, simd::Simd};

/// Number of panels that are multiplied with a block of kernels while it is in the cache.
const PANELS: usize = 8;

/// Maximum size in bytes of the intermediate results, unless one map needs more.
const SCRATCH_BYTES: usize = 32 << 20;

impl Pass<'_> {
    /// Computes `output` from `input`.
    pub fn staged<S: Simd>(&self, simd: S, input: &Maps, output: &mut Maps, scratch: &mut Scratch) {
        let padded = self.layer.padded_groups();
        let tiles = self.rows * self.cols;
        let image = tiles * POSITIONS * (input.groups() + padded) * size_of::<Lanes>();
        let images = (SCRATCH_BYTES / image).max(1);
        for first in (0..input.images()).step_by(images) {
            let count = images.min(input.images() - first) * tiles;
            let products = scratch.products.grow_to(count * POSITIONS * padded);
            let transformed = scratch.tiles.grow_to(count * POSITIONS * input.groups());
            self.transform_all_inputs(simd, input, first * tiles, transformed);
            self.multiply(simd, input.groups(), transformed, products);
            self.transform_all_outputs(simd, first * self.rows, count, products, output);
        }
    }

    fn transform_all_inputs<S: Simd>(&self, simd: S, input: &Maps, first: usize, to: &mut [Lanes]) {
        let panels = to.par_chunks_mut(S::ROWS * POSITIONS * input.groups()).enumerate();
        panels
            .for_each(|(i, panel)| self.transform_inputs(simd, input, first + i * S::ROWS, panel));
    }

    /// Multiplies tiles `[panel][position][group][tile]` with the kernels to products
    /// `[position][panel][group][tile]`.
    fn multiply<S: Simd>(&self, simd: S, groups: usize, tiles: &[Lanes], products: &mut [Lanes]) {
        let padded = self.layer.padded_groups();
        let tiles: Vec<_> = tiles.chunks(S::ROWS * POSITIONS * groups).collect();
        let position = products.len() / POSITIONS;
        products.par_chunks_mut(position).enumerate().for_each(|(position, products)| {
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
    }

    /// Writes the outputs of `count` tiles, starting with row of tiles `first`.
    fn transform_all_outputs<S: Simd>(
        &self,
        simd: S,
        first: usize,
        count: usize,
        products: &[Lanes],
        output: &mut Maps,
    ) {
        let padded = self.layer.padded_groups();
        let (row_len, cols) = (output.row_len(), output.extent().cols);
        let strips = output.strips_mut(self.side).skip(first).take(count / self.cols);
        strips.enumerate().for_each(|(y, strip)| {
            self.transform_outputs(simd, strip, row_len, cols, |x| {
                let tile = y * self.cols + x;
                let panel = tile - tile % S::ROWS;
                let from = &products[panel * padded + tile % S::ROWS..];
                Products { from, position: count * padded, group: S::ROWS.min(count - panel) }
            });
        });
    }
}
