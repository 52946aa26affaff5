//! Schedule for kernels that fit into the cache: each task runs a strip of tiles through all
//! three steps, so intermediate results stay in the cache too.

use std::cell::RefCell;

use ndarray::{ArrayView4, Axis};
use rayon::prelude::*;

use super::{
    Multiply, POSITIONS, TILE,
    layer::{Pass, Products, Scratch},
};
use crate::conv::{Extent, Maps, RgbConv, lanes::Lanes, simd::Simd};

/// Maximum size in bytes of the intermediate results of a strip; fits into a core's cache.
const STRIP_BYTES: usize = 1 << 20;

thread_local! {
    /// Scratch memory, and the output of the stem, of one strip.
    static SCRATCH: RefCell<(Scratch, Maps)> = RefCell::default();
}

/// Output rows of one task.
struct Strip<'a> {
    cells: &'a mut [Lanes],
    /// Number of [`Lanes`] per row, including the border.
    row: usize,
    /// Number of cells per row.
    cols: usize,
}

impl Pass<'_> {
    /// Computes `output` from `input`.
    pub fn fused<S: Simd>(&self, simd: S, input: &Maps, output: &mut Maps) {
        self.for_each_strip(output, |image, y, strip, scratch, _| {
            self.compute_strip(simd, input, (image * self.rows + y) * self.cols, strip, scratch);
        });
    }

    /// Computes `output` from `images` through `stem`, one strip at a time. Only the `keep`
    /// corner of the stem's output is computed; its other cells are zero.
    pub fn fused_after_stem<S: Simd>(
        &self,
        simd: S,
        stem: &RgbConv,
        images: ArrayView4<f32>,
        keep: Extent,
        output: &mut Maps,
    ) {
        self.for_each_strip(output, |image, y, strip, scratch, input| {
            let image = images.index_axis(Axis(0), image);
            let rows = strip.cells.len().div_ceil(strip.row * self.side) * TILE;
            stem.write_strip(simd, image, y * TILE, rows, keep, input);
            self.compute_strip(simd, input, 0, strip, scratch);
        });
    }

    /// Runs `compute` for each strip of `output` in parallel, with the index of the image,
    /// the first row of tiles, and the memory of the thread.
    fn for_each_strip(
        &self,
        output: &mut Maps,
        compute: impl Fn(usize, usize, Strip, &mut Scratch, &mut Maps) + Sync,
    ) {
        let (row, cols) = (output.row_len(), output.extent().cols);
        let groups = Lanes::groups(self.layer.inputs()) + self.layer.padded_groups();
        let strip_rows =
            (STRIP_BYTES / (self.cols * POSITIONS * groups * size_of::<Lanes>())).max(1);
        let strips = self.rows.div_ceil(strip_rows);
        let tasks = output.strips_mut(strip_rows * self.side).enumerate();
        tasks.for_each(|(task, cells)| {
            SCRATCH.with_borrow_mut(|(scratch, input)| {
                let strip = Strip { cells, row, cols };
                compute(task / strips, task % strips * strip_rows, strip, scratch, input);
            });
        });
    }

    /// Computes `strip` from the tiles of `input`, starting with tile `first`.
    fn compute_strip<S: Simd>(
        &self,
        simd: S,
        input: &Maps,
        first: usize,
        strip: Strip,
        scratch: &mut Scratch,
    ) {
        let Strip { cells, row, cols } = strip;
        let (groups, padded) = (input.groups(), self.layer.padded_groups());
        let count = cells.len().div_ceil(row * self.side) * self.cols;
        let transformed = scratch.tiles.grow_to(count * POSITIONS * groups);
        let products = scratch.products.grow_to(count * POSITIONS * padded);

        let panels = transformed.chunks_mut(S::ROWS * POSITIONS * groups);
        for (i, panel) in panels.enumerate() {
            self.transform_inputs(simd, input, first + i * S::ROWS, panel);
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
            self.transform_outputs(simd, cells, row, cols, |x| {
                let tile = y * self.cols + x;
                let panel = tile - tile % S::ROWS;
                let group = S::ROWS.min(count - panel);
                let from = &products[panel * POSITIONS * padded + tile % S::ROWS..];
                Products { from, position: padded * group, group }
            });
        }
    }
}
