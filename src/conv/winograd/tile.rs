#![allow(unsafe_code, reason = "36 bounds checks a tile cost as much as its transform")]

use super::PATCH;
use crate::conv::lanes::Lanes;

/// Where the cells of a tile lie: `PATCH` rows and columns of `depth` [`Lanes`],
/// at equal distances.
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
        assert!(last < len, "a tile's last cell lies outside its map");
        Self { row, col, layer, depth }
    }

    #[inline(always)]
    fn index(self, y: usize, x: usize, layer: usize) -> usize {
        assert!(y < PATCH && x < PATCH && layer < self.depth);
        y * self.row + x * self.col + layer * self.layer
    }
}

/// A tile to read, whose bounds are checked once.
pub struct Tile<'a> {
    lanes: &'a [Lanes],
    strides: Strides,
}

impl<'a> Tile<'a> {
    /// Rows, columns and layers that lie `strides` apart in `lanes`.
    ///
    /// # Panics
    /// If the last of them lies outside.
    #[inline(always)]
    pub fn new(lanes: &'a [Lanes], strides: [usize; 3], depth: usize) -> Self {
        Self { lanes, strides: Strides::checked(strides, depth, lanes.len()) }
    }

    /// The cell at a row, column and layer.
    #[inline(always)]
    pub fn at(&self, y: usize, x: usize, layer: usize) -> &Lanes {
        // SAFETY: no index is greater than that of the last cell, which is inside.
        unsafe { self.lanes.get_unchecked(self.strides.index(y, x, layer)) }
    }

    /// Where a row, column and layer would be if the tile were larger.
    #[inline(always)]
    pub fn beyond(&self, y: usize, x: usize, layer: usize) -> *const Lanes {
        let Strides { row, col, layer: step, .. } = self.strides;
        self.lanes.as_ptr().wrapping_add(y * row + x * col + layer * step)
    }
}

/// A tile to write, whose bounds are checked once.
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

    /// As [`Tile::at`].
    #[inline(always)]
    pub fn at(&mut self, y: usize, x: usize, layer: usize) -> &mut Lanes {
        // SAFETY: no index is greater than that of the last cell, which is inside.
        unsafe { self.lanes.get_unchecked_mut(self.strides.index(y, x, layer)) }
    }
}
