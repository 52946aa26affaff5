use ndarray::{Array4, ArrayView4};
use rayon::prelude::*;

use super::{Extent, buffer::Buffer, lanes::Lanes, winograd::TILE};

/// A batch of maps as the engine reads and writes them: NHWC, channels padded
/// to [`Lanes`], each map inside a border of zeros that completes its last tiles.
#[derive(Debug, Default)]
pub struct Maps {
    images: usize,
    channels: usize,
    extent: Extent,
    data: Buffer,
}

/// The place of one map in a batch.
#[derive(Debug)]
pub struct Place<'a> {
    extent: Extent,
    channels: usize,
    map: &'a mut [Lanes],
}

impl Place<'_> {
    /// Puts `one`, a single map, here.
    ///
    /// # Panics
    /// If it is not single, or has another extent or number of channels.
    pub fn fill(self, one: &Maps) {
        let alike = (one.images, one.extent, one.channels) == (1, self.extent, self.channels);
        assert!(alike, "a map unlike its place");
        self.map.copy_from_slice(&one.data[..self.map.len()]);
    }
}

impl Maps {
    /// Makes room for `images` maps of `extent` cells with `channels`. The
    /// border is zero, the cells hold whatever they held.
    pub(super) fn reset(&mut self, images: usize, extent: Extent, channels: usize) {
        *self = Self { images, channels, extent, data: std::mem::take(&mut self.data) };
        let (row, image, groups) = (self.row_len(), self.image_len(), self.groups());
        let last = (extent.cols + 1) * groups;
        for image in self.data.room(images * image).chunks_exact_mut(image) {
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

    /// Makes these `images` maps of `extent` cells with `channels`, whose places
    /// wait to be filled, on any thread and in any order.
    pub fn places(
        &mut self,
        images: usize,
        extent: Extent,
        channels: usize,
    ) -> impl IndexedParallelIterator<Item = Place<'_>> {
        self.reset(images, extent, channels);
        let len = self.image_len();
        let maps = self.data[..images * len].par_chunks_exact_mut(len);
        maps.map(move |map| Place { extent, channels, map })
    }

    /// How many maps.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Rows and columns of each map.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Channels of each cell.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The maps as `[images, rows, cols, channels]`.
    pub fn to_array(&self) -> Array4<f32> {
        let Extent { rows, cols } = self.extent;
        Array4::from_shape_fn((self.images, rows, cols, self.channels), |(n, y, x, c)| {
            let group = self.cell(n, y + 1, x + 1) + c / Lanes::COUNT;
            self.data[group].0[c % Lanes::COUNT]
        })
    }

    /// The maps that `array` [images, rows, cols, channels] holds.
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

    /// [`Lanes`] of a cell.
    pub(super) fn groups(&self) -> usize {
        Lanes::groups(self.channels)
    }

    /// [`Lanes`] of a row, border included.
    pub(super) fn row_len(&self) -> usize {
        (self.extent.cols.next_multiple_of(TILE) + 2) * self.groups()
    }

    /// [`Lanes`] of a map, border included.
    pub(super) fn image_len(&self) -> usize {
        (self.extent.rows.next_multiple_of(TILE) + 2) * self.row_len()
    }

    /// Where a cell begins, counted from the corner of the border.
    pub(super) fn cell(&self, image: usize, row: usize, col: usize) -> usize {
        image * self.image_len() + row * self.row_len() + col * self.groups()
    }

    /// All cells, borders included.
    pub(super) fn data(&self) -> &[Lanes] {
        &self.data
    }

    /// All rows of all maps, borders included.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [Lanes]> {
        let (row, len) = (self.row_len(), self.images * self.image_len());
        self.data[..len].chunks_exact_mut(row)
    }

    /// Strips of `rows` rows, from the first inside the border, all maps' in order.
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
