//! For kernels that stay in the cache: a task carries a strip of tiles through
//! all three steps, and nothing between them leaves the cache either.

use std::cell::RefCell;

use ndarray::{ArrayView4, Axis};
use rayon::prelude::*;

use super::{
    Multiply, POSITIONS, TILE,
    layer::{Pass, Products, Scratch},
};
use crate::conv::{Extent, Maps, Shallow, lanes::Lanes, simd::Simd};

/// So many bytes between the transforms stay in a core's cache.
const CACHED: usize = 1 << 20;

thread_local! {
    /// What a strip works in, and its input where a stem makes it.
    static SCRATCH: RefCell<(Scratch, Maps)> = RefCell::default();
}

/// Rows of a map that one task makes.
struct Strip<'a> {
    cells: &'a mut [Lanes],
    /// [`Lanes`] of a row, border included.
    row: usize,
    /// Cells of a row.
    cols: usize,
}

impl Pass<'_> {
    /// From `input` to `output`.
    pub fn fused<S: Simd>(&self, simd: S, input: &Maps, output: &mut Maps) {
        self.strips(output, |image, y, strip, scratch, _| {
            self.strip(simd, input, (image * self.rows + y) * self.cols, strip, scratch);
        });
    }

    /// From what `stem` makes of `images`, a strip at a time, to `output`; only the
    /// `keep` corner of it, the other cells are zero.
    pub fn stemmed<S: Simd>(
        &self,
        simd: S,
        stem: &Shallow,
        images: ArrayView4<f32>,
        keep: Extent,
        output: &mut Maps,
    ) {
        self.strips(output, |image, y, strip, scratch, input| {
            let image = images.index_axis(Axis(0), image);
            let rows = strip.cells.len().div_ceil(strip.row * self.side) * TILE;
            stem.strip(simd, image, y * TILE, rows, keep, input);
            self.strip(simd, input, 0, strip, scratch);
        });
    }

    /// Runs `make` for each strip of `output`, with its image, its first row of
    /// tiles, and what its thread works in.
    fn strips(
        &self,
        output: &mut Maps,
        make: impl Fn(usize, usize, Strip, &mut Scratch, &mut Maps) + Sync,
    ) {
        let (row, cols) = (output.row_len(), output.extent().cols);
        let groups = Lanes::groups(self.layer.inputs()) + self.layer.padded();
        let strip_rows = (CACHED / (self.cols * POSITIONS * groups * size_of::<Lanes>())).max(1);
        let strips = self.rows.div_ceil(strip_rows);
        let tasks = output.strips_mut(strip_rows * self.side).enumerate();
        tasks.for_each(|(task, cells)| {
            SCRATCH.with_borrow_mut(|(scratch, input)| {
                let strip = Strip { cells, row, cols };
                make(task / strips, task % strips * strip_rows, strip, scratch, input);
            });
        });
    }

    /// Takes the tiles of `input` from `first` on to `strip`.
    fn strip<S: Simd>(
        &self,
        simd: S,
        input: &Maps,
        first: usize,
        strip: Strip,
        scratch: &mut Scratch,
    ) {
        let Strip { cells, row, cols } = strip;
        let (groups, padded) = (input.groups(), self.layer.padded());
        let count = cells.len().div_ceil(row * self.side) * self.cols;
        let transformed = scratch.tiles.room(count * POSITIONS * groups);
        let products = scratch.products.room(count * POSITIONS * padded);

        let panels = transformed.chunks_mut(S::ROWS * POSITIONS * groups);
        for (i, panel) in panels.enumerate() {
            self.read(simd, input, first + i * S::ROWS, panel);
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
        for (y, cells) in cells.chunks_mut(self.side * row).enumerate() {
            self.write(simd, cells, row, cols, |x| {
                let tile = y * self.cols + x;
                let panel = tile - tile % S::ROWS;
                let group = S::ROWS.min(count - panel);
                let from = &products[panel * POSITIONS * padded + tile % S::ROWS..];
                Products { from, position: padded * group, group }
            });
        }
    }
}
