//! For kernels that stay in the cache: a task carries a strip of tiles through
//! all three steps, and nothing between them leaves the cache either.

use std::cell::RefCell;

use rayon::prelude::*;

use super::{
    Multiply, POSITIONS,
    layer::{Pass, Products, Scratch},
};
use crate::conv::{Maps, lanes::Lanes, simd::Simd};

/// So many bytes between the transforms stay in a core's cache.
const CACHED: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Pass<'_> {
    pub fn fused<S: Simd>(&self, simd: S, output: &mut Maps) {
        let (groups, padded) = (self.input.groups(), self.layer.padded());
        let (row_len, cols) = (output.row_len(), output.extent().cols);
        let row = self.cols * POSITIONS * (groups + padded) * size_of::<Lanes>();
        let strip_rows = (CACHED / row).max(1);
        let strips = self.rows.div_ceil(strip_rows);
        let tasks = output.strips_mut(strip_rows * self.side).enumerate();
        tasks.for_each(|(task, strip)| {
            SCRATCH.with_borrow_mut(|scratch| {
                let (image, y) = (task / strips, task % strips * strip_rows);
                let first = (image * self.rows + y) * self.cols;
                let count = strip_rows.min(self.rows - y) * self.cols;
                let transformed = scratch.tiles.room(count * POSITIONS * groups);
                let products = scratch.products.room(count * POSITIONS * padded);

                let panels = transformed.chunks_mut(S::ROWS * POSITIONS * groups);
                for (i, panel) in panels.enumerate() {
                    self.read(simd, first + i * S::ROWS, panel);
                }
                for position in 0..POSITIONS {
                    for (block, kernel) in self.layer.blocks::<S>(position).enumerate() {
                        let tiles = transformed.chunks(S::ROWS * POSITIONS * groups);
                        let products = products.chunks_mut(S::ROWS * POSITIONS * padded);
                        for (tiles, products) in tiles.zip(products) {
                            let rows = tiles.len() / (POSITIONS * groups);
                            let tiles = &tiles[position * groups * rows..][..groups * rows];
                            let to = &mut products[(position * padded + block * S::WIDTH) * rows..];
                            simd.run_rows(rows, Multiply { tiles, kernel, to });
                        }
                    }
                }
                for (y, strip) in strip.chunks_mut(self.side * row_len).enumerate() {
                    self.write(simd, strip, row_len, cols, |x| {
                        let tile = y * self.cols + x;
                        let panel = tile - tile % S::ROWS;
                        let group = S::ROWS.min(count - panel);
                        let from = &products[panel * POSITIONS * padded + tile % S::ROWS..];
                        Products { from, position: padded * group, group }
                    });
                }
            })
        });
    }
}
