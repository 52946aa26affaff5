use super::{
    PATCH, TILE,
    tile::{Tile, TileMut},
};
use crate::conv::{
    lanes::Lanes,
    simd::{Loop, Simd},
};

/// `B^T d B` of one tile, all channels.
pub struct InputTransform<'a> {
    /// The map from the tile's first input on.
    pub map: &'a [Lanes],
    /// [`Lanes`] from one row of the map to the next.
    pub row: usize,
    /// [`Lanes`] of a cell.
    pub groups: usize,
    /// `[position][group][tile]`, from this tile on.
    pub to: &'a mut [Lanes],
    /// Tiles that stand side by side in `to`.
    pub tiles: usize,
}

impl Loop for InputTransform<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { map, row, groups, to, tiles } = self;
        let tile = Tile::new(map, [row, groups, 1], groups);
        let mut to = TileMut::new(to, [PATCH * groups * tiles, groups * tiles, tiles], groups);
        for group in 0..groups {
            // The next tile shares two columns with this one.
            for y in 0..PATCH {
                for x in PATCH..PATCH + TILE {
                    simd.prefetch(tile.beyond(y, x, group));
                }
            }
            // t = B^T d column by column, then t B row by row.
            let mut t = [[simd.splat(0.0); PATCH]; PATCH];
            for x in 0..PATCH {
                let mut column = [simd.splat(0.0); PATCH];
                for y in 0..PATCH {
                    column[y] = simd.load(tile.at(y, x, group));
                }
                let column = transform(simd, column);
                for y in 0..PATCH {
                    t[y][x] = column[y];
                }
            }
            for y in 0..PATCH {
                let row = transform(simd, t[y]);
                for x in 0..PATCH {
                    simd.store(row[x], to.at(y, x, group));
                }
            }
        }
    }
}

/// `B^T d` for one column.
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
