use ndarray::{ArrayView1, ArrayView4, Axis};

use super::{InputTransform, OutputTransform, POSITIONS, TILE, kernel_transform};
use crate::conv::{
    Extent, Isa, Maps, Shallow, buffer::Buffer, dispatch::dispatch, lanes::Lanes, simd::Simd,
};

/// Transformed kernels of up to so many bytes stay in a core's cache.
const CACHED: usize = 3 << 20;

/// The order in which a layer goes through tiles and steps.
#[derive(Clone, Copy, Debug)]
pub(in crate::conv) enum Schedule {
    /// Strip by strip, see [`super::fused`].
    Fused,
    /// Step by step, see [`super::staged`].
    Staged,
}

/// A 3x3 SAME convolution with bias, ReLU and perhaps a 2x2 max pool, its
/// kernels transformed.
#[derive(Debug)]
pub struct Winograd {
    isa: Isa,
    inputs: usize,
    outputs: usize,
    /// [position][block of `Simd::WIDTH` groups of outputs][input][width].
    kernel: Buffer,
    bias: Vec<Lanes>,
    pub(in crate::conv) schedule: Schedule,
}

/// Memory for what lies between the transforms, used again by each layer.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The transformed tiles.
    pub(super) tiles: Buffer,
    /// Their products with the kernels.
    pub(super) products: Buffer,
}

/// A layer on its way over a batch of maps, whose tiles are numbered map by map
/// and row by row.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub layer: &'a Winograd,
    /// Rows of tiles of a map.
    pub rows: usize,
    /// Tiles of a row.
    pub cols: usize,
    /// Rows and columns that a tile makes, after the pool.
    pub side: usize,
}

/// Where a tile's products are.
pub(super) struct Products<'a> {
    /// `[position][group][tile]`, from this tile on.
    pub from: &'a [Lanes],
    /// [`Lanes`] from one position to the next.
    pub position: usize,
    /// [`Lanes`] from one group to the next.
    pub group: usize,
}

impl Winograd {
    /// Prepares `kernel` `[3, 3, in, out]` and `bias` `[out]`; with the instructions of `isa`.
    ///
    /// # Panics
    /// If the channels do not agree or the processor lacks the instructions.
    pub fn new(kernel: ArrayView4<f32>, bias: ArrayView1<f32>, isa: Isa) -> Self {
        let (_, _, inputs, outputs) = kernel.dim();
        assert_eq!(bias.len(), outputs, "a bias for each output channel");
        let kernel = dispatch!(isa, simd => kernel_transform(kernel, width(simd)));
        let bias = bias.to_vec().chunks(Lanes::COUNT).map(Lanes::padded).collect();
        let cached = size_of_val(&kernel[..]) <= CACHED;
        let schedule = if cached { Schedule::Fused } else { Schedule::Staged };
        Self { isa, inputs, outputs, kernel, bias, schedule }
    }

    /// Writes the `keep` corner of the convolution of `input` to `output`, after
    /// the 2x2 max pool if `pool`; it drops an odd last row or column.
    ///
    /// # Panics
    /// If the channels do not agree or `keep` is larger than the maps.
    pub fn forward(
        &self,
        input: &Maps,
        keep: Extent,
        pool: bool,
        output: &mut Maps,
        scratch: &mut Scratch,
    ) {
        assert_eq!(input.channels(), self.inputs, "channels of the maps and of the kernel");
        let Some(pass) = self.pass(input.images(), input.extent(), keep, pool, output) else {
            return;
        };
        match self.schedule {
            Schedule::Fused => dispatch!(self.isa, simd => pass.fused(simd, input, output)),
            Schedule::Staged => {
                dispatch!(self.isa, simd => pass.staged(simd, input, output, scratch));
            }
        }
    }

    /// As [`Winograd::forward`], of the `between` corner of what `stem` makes of
    /// `images` [n, rows, cols, 3]: those maps, a net's largest, never leave the cache.
    ///
    /// # Panics
    /// If the channels do not agree, `between` is larger than the images, or `keep`
    /// larger than `between`.
    pub fn forward_after(
        &self,
        stem: &Shallow,
        images: ArrayView4<f32>,
        between: Extent,
        keep: Extent,
        pool: bool,
        output: &mut Maps,
    ) {
        assert_eq!(stem.outputs(), self.inputs, "channels of the stem and of the kernel");
        stem.check(images, between);
        let images_len = images.len_of(Axis(0));
        if let Some(pass) = self.pass(images_len, between, keep, pool, output) {
            dispatch!(self.isa, simd => pass.stemmed(simd, stem, images, between, output));
        }
    }

    /// The way to the `keep` corner of `images` maps of size `whole`, for which
    /// `output` makes room; none if that is empty.
    fn pass(
        &self,
        images: usize,
        whole: Extent,
        keep: Extent,
        pool: bool,
        output: &mut Maps,
    ) -> Option<Pass<'_>> {
        assert!(keep.rows <= whole.rows && keep.cols <= whole.cols, "more than the map holds");
        let (made, side) = if pool { (keep.after_pool(), TILE / 2) } else { (keep, TILE) };
        output.reset(images, made, self.outputs);
        let (rows, cols) = (made.rows.div_ceil(side), made.cols.div_ceil(side));
        (images * rows * cols > 0).then_some(Pass { layer: self, rows, cols, side })
    }

    /// Channels read.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Groups of outputs, padded to whole blocks.
    pub(super) fn padded(&self) -> usize {
        self.kernel.len() / (POSITIONS * Lanes::groups(self.inputs) * Lanes::COUNT)
    }

    /// The blocks of one position's kernels.
    pub(super) fn blocks<S: Simd>(&self, position: usize) -> impl Iterator<Item = &[Lanes]> {
        let one = self.kernel.len() / POSITIONS;
        let block = Lanes::groups(self.inputs) * Lanes::COUNT * S::WIDTH;
        self.kernel[position * one..][..one].chunks_exact(block)
    }
}

impl Pass<'_> {
    /// Transforms the tiles of `input` from `first` on into `panel`,
    /// `[position][group][tile]`.
    pub fn read<S: Simd>(&self, simd: S, input: &Maps, first: usize, panel: &mut [Lanes]) {
        let groups = input.groups();
        let tiles = panel.len() / (POSITIONS * groups);
        for i in 0..tiles {
            let (row, x) = ((first + i) / self.cols, (first + i) % self.cols);
            let (image, y) = (row / self.rows, row % self.rows);
            let map = &input.data()[input.cell(image, TILE * y, TILE * x)..];
            let row = input.row_len();
            simd.run(InputTransform { map, row, groups, to: &mut panel[i..], tiles });
        }
    }

    /// Writes a row of tiles to its `strip` of a map, `cols` cells in rows of `row`.
    pub fn write<'a, S: Simd>(
        &self,
        simd: S,
        strip: &mut [Lanes],
        row: usize,
        cols: usize,
        products: impl Fn(usize) -> Products<'a>,
    ) {
        let bias = &self.layer.bias[..];
        for x in 0..self.cols {
            let Products { from, position, group } = products(x);
            let left = x * self.side;
            let inside = Extent { rows: strip.len() / row, cols: cols - left };
            simd.run(OutputTransform {
                products: from,
                position,
                group,
                bias,
                map: &mut strip[(1 + left) * bias.len()..],
                row,
                inside,
                pool: self.side < TILE,
            });
        }
    }
}

fn width<S: Simd>(_: S) -> usize {
    S::WIDTH
}
