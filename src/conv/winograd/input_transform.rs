//! Input transform `B^T d B` of the Winograd convolution.

use super::{
    PATCH, TILE,
    tile::{Tile, TileMut},
};
use crate::conv::{
    lanes::Lanes,
    simd::{Loop, Simd},
};

/// Computes `B^T d B` of one tile, for all channels.
pub struct InputTransform<'a> {
    /// The map, starting at the first input of the tile.
    pub map: &'a [Lanes],
    /// Number of [`Lanes`] per row of the map.
    pub row: usize,
    /// Number of [`Lanes`] per cell.
    pub groups: usize,
    /// Output `[position][group][tile]`, starting at this tile.
    pub to: &'a mut [Lanes],
    /// Length of the `tile` axis of `to`.
    pub tiles: usize,
}

impl Loop for InputTransform<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { map, row, groups, to, tiles } = self;
        let tile = Tile::new(map, [row, groups, 1], groups);
        let mut to = TileMut::new(to, [PATCH * groups * tiles, groups * tiles, tiles], groups);
        for group in 0..groups {
            // Prefetches the 4 columns of the next tile that this tile does not contain.
            for y in 0..PATCH {
                for x in PATCH..PATCH + TILE {
                    simd.prefetch(tile.address(y, x, group));
                }
            }
            // t = B^T d column by column, then t B row by row.
            let mut t = [[simd.splat(0.0); PATCH]; PATCH];
            for x in 0..PATCH {
                let mut column = [simd.splat(0.0); PATCH];
                for y in 0..PATCH {
                    column[y] = simd.load(tile.cell(y, x, group));
                }
                let column = transform(simd, column);
                for y in 0..PATCH {
                    t[y][x] = column[y];
                }
            }
            for y in 0..PATCH {
                let row = transform(simd, t[y]);
                for x in 0..PATCH {
                    simd.store(row[x], to.cell(y, x, group));
                }
            }
        }
    }
}

/// Computes `B^T d` of one column.
#[inline(always)]
fn transform<S: Simd>(simd: S, d: [S::Reg; PATCH]) -> [S::Reg; PATCH] {
    let (two, four) = (simd.splat(2.0), simd.splat(4.0));
    let (minus_two, minus_four) = (simd.splat(-2.0), simd.splat(-4.0));
    let minus_five = simd.splat(-5.0);
    let (even, odd) = (simd.mul_add(minus_four, d[2], d[4]), simd.mul_add(minus_four, d[1], d[3]));
    let (sum, slope) = (simd.sub(d[4], d[2]), simd.sub(d[3], d[1]));
    [
        simd.mul_add(four, d[0], simd.mul_add(minus_five, d[2], d[4])),
        simd.add(even, odd),
        simd.sub(even, odd),
        simd.mul_add(two, slope, sum),
        simd.mul_add(minus_two, slope, sum),
        simd.mul_add(four, d[1], simd.mul_add(minus_five, d[3], d[5])),
    ]
}
