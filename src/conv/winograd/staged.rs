//! For kernels larger than a core's cache: each step runs over all tiles of the
//! batch, so that a position's kernels are read once for all of them.

use rayon::prelude::*;

use super::{
    Multiply, POSITIONS,
    layer::{Pass, Products, Scratch},
};
use crate::conv::{Maps, lanes::Lanes, simd::Simd};

/// So many panels are multiplied with a block of kernels while it is in the cache.
const PANELS: usize = 8;

/// So many bytes lie between the transforms, at most, unless one map needs more.
const MEMORY: usize = 32 << 20;

impl Pass<'_> {
    /// From `input` to `output`.
    pub fn staged<S: Simd>(&self, simd: S, input: &Maps, output: &mut Maps, scratch: &mut Scratch) {
        let padded = self.layer.padded();
        let tiles = self.rows * self.cols;
        let image = tiles * POSITIONS * (input.groups() + padded) * size_of::<Lanes>();
        let images = (MEMORY / image).max(1);
        for first in (0..input.images()).step_by(images) {
            let count = images.min(input.images() - first) * tiles;
            let products = scratch.products.room(count * POSITIONS * padded);
            let transformed = scratch.tiles.room(count * POSITIONS * input.groups());
            self.transform(simd, input, first * tiles, transformed);
            self.multiply(simd, input.groups(), transformed, products);
            self.finish(simd, first * self.rows, count, products, output);
        }
    }

    fn transform<S: Simd>(&self, simd: S, input: &Maps, first: usize, to: &mut [Lanes]) {
        let panels = to.par_chunks_mut(S::ROWS * POSITIONS * input.groups()).enumerate();
        panels.for_each(|(i, panel)| self.read(simd, input, first + i * S::ROWS, panel));
    }

    /// `[panel][position][group][tile]` to `[position][panel][group][tile]`.
    fn multiply<S: Simd>(&self, simd: S, groups: usize, tiles: &[Lanes], products: &mut [Lanes]) {
        let padded = self.layer.padded();
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

    /// Writes `count` tiles from the row of tiles `first` on.
    fn finish<S: Simd>(
        &self,
        simd: S,
        first: usize,
        count: usize,
        products: &[Lanes],
        output: &mut Maps,
    ) {
        let padded = self.layer.padded();
        let (row_len, cols) = (output.row_len(), output.extent().cols);
        let strips = output.strips_mut(self.side).skip(first).take(count / self.cols);
        strips.enumerate().for_each(|(y, strip)| {
            self.write(simd, strip, row_len, cols, |x| {
                let tile = y * self.cols + x;
                let panel = tile - tile % S::ROWS;
                let from = &products[panel * padded + tile % S::ROWS..];
                Products { from, position: count * padded, group: S::ROWS.min(count - panel) }
            });
        });
    }
}
