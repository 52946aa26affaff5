//! Tile access with one bounds check per tile.

#![allow(unsafe_code, reason = "36 bounds checks per tile cost as much as its transform")]

use super::PATCH;
use crate::conv::lanes::Lanes;

/// Layout of a tile: strides between its rows, columns and layers, in [`Lanes`]. A tile has
/// `PATCH` rows, `PATCH` columns and `depth` layers.
#[derive(Clone, Copy)]
struct Strides {
    row: usize,
    col: usize,
    layer: usize,
    depth: usize,
}

impl Strides {
    #[inline(always)]
    fn checked([row, col, layer]: [usize; 3], depth: usize, len: usize) -> Self {
        let last = (PATCH - 1) * (row + col) + depth.saturating_sub(1) * layer;
        assert!(last < len, "the last cell of the tile is outside the map");
        Self { row, col, layer, depth }
    }

    #[inline(always)]
    fn index(self, y: usize, x: usize, layer: usize) -> usize {
        assert!(y < PATCH && x < PATCH && layer < self.depth);
        y * self.row + x * self.col + layer * self.layer
    }
}

/// Read access to a tile; the bounds are checked once.
pub struct Tile<'a> {
    lanes: &'a [Lanes],
    strides: Strides,
}

impl<'a> Tile<'a> {
    /// Creates a tile with the `strides` of rows, columns and layers in `lanes`.
    ///
    /// # Panics
    /// If the last cell is outside `lanes`.
    #[inline(always)]
    pub fn new(lanes: &'a [Lanes], strides: [usize; 3], depth: usize) -> Self {
        Self { lanes, strides: Strides::checked(strides, depth, lanes.len()) }
    }

    /// Cell at a row, column and layer.
    #[inline(always)]
    pub fn cell(&self, y: usize, x: usize, layer: usize) -> &Lanes {
        // SAFETY: `index` is at most the index of the last cell, which was checked.
        unsafe { self.lanes.get_unchecked(self.strides.index(y, x, layer)) }
    }

    /// Address of a cell that may be outside the tile, for prefetching.
    #[inline(always)]
    pub fn address(&self, y: usize, x: usize, layer: usize) -> *const Lanes {
        let Strides { row, col, layer: step, .. } = self.strides;
        self.lanes.as_ptr().wrapping_add(y * row + x * col + layer * step)
    }
}

/// Write access to a tile; the bounds are checked once.
pub struct TileMut<'a> {
    lanes: &'a mut [Lanes],
    strides: Strides,
}

impl<'a> TileMut<'a> {
    /// As [`Tile::new`].
    #[inline(always)]
    pub fn new(lanes: &'a mut [Lanes], strides: [usize; 3], depth: usize) -> Self {
        let strides = Strides::checked(strides, depth, lanes.len());
        Self { lanes, strides }
    }

    /// Mutable cell at a row, column and layer.
    #[inline(always)]
    pub fn cell(&mut self, y: usize, x: usize, layer: usize) -> &mut Lanes {
        // SAFETY: `index` is at most the index of the last cell, which was checked.
        unsafe { self.lanes.get_unchecked_mut(self.strides.index(y, x, layer)) }
    }
}
