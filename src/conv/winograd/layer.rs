//! One convolution layer: transformed kernels, and a pass over a batch of maps.

use ndarray::{ArrayView1, ArrayView4, Axis};

use super::{InputTransform, OutputTransform, POSITIONS, TILE, kernel_transform};
use crate::conv::{
    Extent, InstructionSet, Maps, RgbConv, buffer::Buffer, dispatch::dispatch, lanes::Lanes,
    simd::Simd,
};

/// Maximum size in bytes of transformed kernels that fit into a core's cache.
const CACHED_KERNEL_BYTES: usize = 3 << 20;

/// Order of the steps and tiles of a layer.
#[derive(Clone, Copy, Debug)]
pub(in crate::conv) enum Schedule {
    /// All steps for one strip of tiles after another, see [`super::fused`].
    Fused,
    /// Each step for all tiles, see [`super::staged`].
    Staged,
}

/// 3x3 SAME convolution with bias, ReLU and an optional 2x2 max pool; stores the
/// transformed kernels.
#[derive(Debug)]
pub struct Winograd {
    isa: InstructionSet,
    inputs: usize,
    outputs: usize,
    /// See [`kernel_transform()`]; `width` is `Simd::WIDTH`.
    kernel: Buffer,
    bias: Vec<Lanes>,
    pub(in crate::conv) schedule: Schedule,
}

/// Memory for intermediate results, reused by all layers.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Transformed tiles.
    pub(super) tiles: Buffer,
    /// Products of tiles and kernels.
    pub(super) products: Buffer,
}

/// Forward pass of a layer over a batch of maps. Tiles are numbered map by map and row by
/// row.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub layer: &'a Winograd,
    /// Rows of tiles per map.
    pub rows: usize,
    /// Tiles per row.
    pub cols: usize,
    /// Output rows (and columns) per tile, after the pool.
    pub side: usize,
}

/// View of the products of one tile.
pub(super) struct Products<'a> {
    /// `[position][group][tile]`, starting at this tile.
    pub from: &'a [Lanes],
    /// Stride between positions, in [`Lanes`].
    pub position: usize,
    /// Stride between groups, in [`Lanes`].
    pub group: usize,
}

impl Winograd {
    /// Prepares `kernel` [3, 3, in, out] and `bias` `[out]` for `isa`.
    ///
    /// # Panics
    /// If the numbers of channels differ or the processor does not support `isa`.
    pub fn new(kernel: ArrayView4<f32>, bias: ArrayView1<f32>, isa: InstructionSet) -> Self {
        let (_, _, inputs, outputs) = kernel.dim();
        assert_eq!(bias.len(), outputs, "one bias per output channel");
        let kernel = dispatch!(isa, simd => kernel_transform(kernel, width(simd)));
        let bias = bias.to_vec().chunks(Lanes::COUNT).map(Lanes::padded).collect();
        let cached = size_of_val(&kernel[..]) <= CACHED_KERNEL_BYTES;
        let schedule = if cached { Schedule::Fused } else { Schedule::Staged };
        Self { isa, inputs, outputs, kernel, bias, schedule }
    }

    /// Writes the `keep` corner of the convolution of `input` to `output`. If `pool`, a 2x2
    /// max pool follows; it drops an odd last row or column of `keep`.
    ///
    /// # Panics
    /// If the numbers of channels differ or `keep` is larger than the maps.
    pub fn forward(
        &self,
        input: &Maps,
        keep: Extent,
        pool: bool,
        output: &mut Maps,
        scratch: &mut Scratch,
    ) {
        assert_eq!(
            input.channels(),
            self.inputs,
            "channels of the maps and input channels of the kernel"
        );
        let Some(pass) = self.prepare_pass(input.images(), input.extent(), keep, pool, output)
        else {
            return;
        };
        match self.schedule {
            Schedule::Fused => dispatch!(self.isa, simd => pass.fused(simd, input, output)),
            Schedule::Staged => {
                dispatch!(self.isa, simd => pass.staged(simd, input, output, scratch));
            }
        }
    }

    /// Applies `stem` and this layer to `images` [n, rows, cols, 3], as [`Winograd::forward`]
    /// of the `between` corner of the stem's output. That output, the largest of a net, stays
    /// in the cache.
    ///
    /// # Panics
    /// If the numbers of channels differ, `between` is larger than the images, or `keep` is
    /// larger than `between`.
    pub fn forward_after(
        &self,
        stem: &RgbConv,
        images: ArrayView4<f32>,
        between: Extent,
        keep: Extent,
        pool: bool,
        output: &mut Maps,
    ) {
        assert_eq!(
            stem.outputs(),
            self.inputs,
            "output channels of the stem and input channels of the kernel"
        );
        stem.check(images, between);
        let images_len = images.len_of(Axis(0));
        if let Some(pass) = self.prepare_pass(images_len, between, keep, pool, output) {
            dispatch!(self.isa, simd => pass.fused_after_stem(simd, stem, images, between, output));
        }
    }

    /// Resizes `output` and returns the pass that computes the `keep` corner of `images` maps
    /// of size `whole`; `None` if the output is empty.
    fn prepare_pass(
        &self,
        images: usize,
        whole: Extent,
        keep: Extent,
        pool: bool,
        output: &mut Maps,
    ) -> Option<Pass<'_>> {
        assert!(
            keep.rows <= whole.rows && keep.cols <= whole.cols,
            "the kept corner is larger than the map"
        );
        let (output_extent, side) = if pool { (keep.after_pool(), TILE / 2) } else { (keep, TILE) };
        output.reset(images, output_extent, self.outputs);
        let (rows, cols) = (output_extent.rows.div_ceil(side), output_extent.cols.div_ceil(side));
        (images * rows * cols > 0).then_some(Pass { layer: self, rows, cols, side })
    }

    /// Number of input channels.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of groups of outputs, padded to whole blocks.
    pub(super) fn padded_groups(&self) -> usize {
        self.kernel.len() / (POSITIONS * Lanes::groups(self.inputs) * Lanes::COUNT)
    }

    /// Kernel blocks of one position.
    pub(super) fn blocks<S: Simd>(&self, position: usize) -> impl Iterator<Item = &[Lanes]> {
        let len = self.kernel.len() / POSITIONS;
        let block = Lanes::groups(self.inputs) * Lanes::COUNT * S::WIDTH;
        self.kernel[position * len..][..len].chunks_exact(block)
    }
}

impl Pass<'_> {
    /// Transforms tiles of `input`, starting with tile `first`, into `panel`
    /// `[position][group][tile]`.
    pub fn transform_inputs<S: Simd>(
        &self,
        simd: S,
        input: &Maps,
        first: usize,
        panel: &mut [Lanes],
    ) {
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

    /// Transforms the `products` of a row of tiles into its `strip` of a map: `cols` cells per
    /// row, `row` [`Lanes`] per row with the border.
    pub fn transform_outputs<'a, S: Simd>(
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
