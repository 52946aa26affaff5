//! Batches of feature maps in the memory layout of the engine.

use ndarray::{Array4, ArrayView4};
use rayon::prelude::*;

use super::{Extent, buffer::Buffer, lanes::Lanes, winograd::TILE};

/// Batch of feature maps: NHWC, channels padded to [`Lanes`]. Each map has a border of one
/// zero cell at the top and left, and zeros up to a whole tile plus one cell at the bottom
/// and right.
#[derive(Debug, Default)]
pub struct Maps {
    images: usize,
    channels: usize,
    extent: Extent,
    data: Buffer,
}

/// Memory of one map in a batch.
#[derive(Debug)]
pub struct MapSlot<'a> {
    extent: Extent,
    channels: usize,
    map: &'a mut [Lanes],
}

impl MapSlot<'_> {
    /// Copies `source`, which must have one map.
    ///
    /// # Panics
    /// If `source` does not have exactly one map, or its extent or channels differ.
    pub fn fill(self, source: &Maps) {
        let fits =
            (source.images, source.extent, source.channels) == (1, self.extent, self.channels);
        assert!(fits, "the map does not fit its slot");
        self.map.copy_from_slice(&source.data[..self.map.len()]);
    }
}

impl Maps {
    /// Resizes to `images` maps of `extent` cells with `channels`. The border is set to
    /// zero; the cells keep old, unspecified values.
    pub(super) fn reset(&mut self, images: usize, extent: Extent, channels: usize) {
        *self = Self { images, channels, extent, data: std::mem::take(&mut self.data) };
        let (row, image, groups) = (self.row_len(), self.image_len(), self.groups());
        let last = (extent.cols + 1) * groups;
        for image in self.data.grow_to(images * image).chunks_exact_mut(image) {
            let (above, rest) = image.split_at_mut(row);
            let (rows, below) = rest.split_at_mut(extent.rows * row);
            above.fill(Lanes::ZERO);
            below.fill(Lanes::ZERO);
            for row in rows.chunks_exact_mut(row) {
                row[..groups].fill(Lanes::ZERO);
                row[last..].fill(Lanes::ZERO);
            }
        }
    }

    /// Resizes to `images` maps of `extent` cells with `channels`. Returns the memory of
    /// each map, to be filled on any thread and in any order.
    pub fn slots(
        &mut self,
        images: usize,
        extent: Extent,
        channels: usize,
    ) -> impl IndexedParallelIterator<Item = MapSlot<'_>> {
        self.reset(images, extent, channels);
        let len = self.image_len();
        let maps = self.data[..images * len].par_chunks_exact_mut(len);
        maps.map(move |map| MapSlot { extent, channels, map })
    }

    /// Number of maps.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Rows and columns of each map.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Number of channels, without padding.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Copies the maps to an array [images, rows, cols, channels].
    pub fn to_array(&self) -> Array4<f32> {
        let Extent { rows, cols } = self.extent;
        Array4::from_shape_fn((self.images, rows, cols, self.channels), |(n, y, x, c)| {
            let group = self.cell(n, y + 1, x + 1) + c / Lanes::COUNT;
            self.data[group].0[c % Lanes::COUNT]
        })
    }

    /// Copies an `array` [images, rows, cols, channels].
    pub fn from_array(array: ArrayView4<f32>) -> Self {
        let (images, rows, cols, channels) = array.dim();
        let mut maps = Self::default();
        maps.reset(images, Extent { rows, cols }, channels);
        for ((n, y, x, c), &value) in array.indexed_iter() {
            let group = maps.cell(n, y + 1, x + 1) + c / Lanes::COUNT;
            let lanes = &mut maps.data[group].0;
            if c % Lanes::COUNT == 0 {
                lanes.fill(0.0);
            }
            lanes[c % Lanes::COUNT] = value;
        }
        maps
    }

    /// Number of [`Lanes`] per cell.
    pub(super) fn groups(&self) -> usize {
        Lanes::groups(self.channels)
    }

    /// Number of [`Lanes`] per row, including the border.
    pub(super) fn row_len(&self) -> usize {
        (self.extent.cols.next_multiple_of(TILE) + 2) * self.groups()
    }

    /// Number of [`Lanes`] per map, including the border.
    pub(super) fn image_len(&self) -> usize {
        (self.extent.rows.next_multiple_of(TILE) + 2) * self.row_len()
    }

    /// Index of the first [`Lanes`] of a cell; rows and columns are counted from the corner
    /// of the border.
    pub(super) fn cell(&self, image: usize, row: usize, col: usize) -> usize {
        image * self.image_len() + row * self.row_len() + col * self.groups()
    }

    /// All cells, including the borders.
    pub(super) fn data(&self) -> &[Lanes] {
        &self.data
    }

    /// All rows of all maps, including the borders.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [Lanes]> {
        let (row, len) = (self.row_len(), self.images * self.image_len());
        self.data[..len].chunks_exact_mut(row)
    }

    /// Strips of `rows` rows of all maps in order, without the top and bottom border.
    pub(super) fn strips_mut(
        &mut self,
        rows: usize,
    ) -> impl IndexedParallelIterator<Item = &mut [Lanes]> {
        let (row, image) = (self.row_len(), self.image_len());
        let cells = row..row * (1 + self.extent.rows);
        let images = self.data.chunks_exact_mut(image).take(self.images);
        let strips = images.flat_map(|image| image[cells.clone()].chunks_mut(rows * row));
        strips.collect::<Vec<_>>().into_par_iter()
    }
}
