//! Output transform `A^T m A` of the Winograd convolution, with bias, ReLU and pool.

use super::{PATCH, TILE, tile::Tile};
use crate::conv::{
    Extent,
    lanes::Lanes,
    simd::{Loop, Simd},
};

/// Prefetch distance of the products, in groups.
const AHEAD: usize = 3;

/// Computes `A^T m A` of one tile, then bias, ReLU and an optional 2x2 max pool.
pub struct OutputTransform<'a> {
    /// Products `[position][group][tile]`, starting at this tile.
    pub products: &'a [Lanes],
    /// Stride between positions, in [`Lanes`].
    pub position: usize,
    /// Stride between groups, in [`Lanes`].
    pub group: usize,
    /// Biases of all groups of outputs.
    pub bias: &'a [Lanes],
    /// The map, starting at the first output of the tile (after the pool).
    pub map: &'a mut [Lanes],
    /// Number of [`Lanes`] per row of the map.
    pub row: usize,
    /// Rows and columns from the first output of the tile to the end of the map.
    pub inside: Extent,
    /// Apply the 2x2 max pool.
    pub pool: bool,
}

impl Loop for OutputTransform<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let strides = [PATCH * self.position, self.position, self.group];
        let products = Tile::new(self.products, strides, self.bias.len());
        for (group, bias) in self.bias.iter().enumerate() {
            let (bias, zero) = (simd.load(bias), simd.splat(0.0));
            // t = m A row by row, then A^T t column by column.
            let mut t = [[zero; PATCH]; TILE];
            for y in 0..PATCH {
                let mut row = [zero; PATCH];
                for x in 0..PATCH {
                    simd.prefetch(products.address(y, x, group + AHEAD));
                    row[x] = simd.load(products.cell(y, x, group));
                }
                let row = transform(simd, row);
                for x in 0..TILE {
                    t[x][y] = row[x];
                }
            }
            let mut outputs = [[zero; TILE]; TILE];
            for x in 0..TILE {
                let column = transform(simd, t[x]);
                for y in 0..TILE {
                    outputs[y][x] = simd.max(simd.add(column[y], bias), zero);
                }
            }
            if self.pool {
                self.store(simd, group, max_pool(simd, outputs));
            } else {
                self.store(simd, group, outputs);
            }
        }
    }
}

impl OutputTransform<'_> {
    #[inline(always)]
    fn store<S: Simd, const SIDE: usize>(
        &mut self,
        simd: S,
        group: usize,
        values: [[S::Reg; SIDE]; SIDE],
    ) {
        for y in 0..SIDE {
            for x in 0..SIDE {
                if y < self.inside.rows && x < self.inside.cols {
                    let to = &mut self.map[y * self.row + x * self.bias.len() + group];
                    simd.store(values[y][x], to);
                }
            }
        }
    }
}

#[inline(always)]
fn max_pool<S: Simd>(simd: S, map: [[S::Reg; TILE]; TILE]) -> [[S::Reg; TILE / 2]; TILE / 2] {
    let mut pooled = [[map[0][0]; TILE / 2]; TILE / 2];
    for y in 0..TILE / 2 {
        for x in 0..TILE / 2 {
            let above = simd.max(map[2 * y][2 * x], map[2 * y][2 * x + 1]);
            let below = simd.max(map[2 * y + 1][2 * x], map[2 * y + 1][2 * x + 1]);
            pooled[y][x] = simd.max(above, below);
        }
    }
    pooled
}

/// Computes `A^T m` of one column.
#[inline(always)]
fn transform<S: Simd>(simd: S, m: [S::Reg; PATCH]) -> [S::Reg; TILE] {
    let (two, four, eight) = (simd.splat(2.0), simd.splat(4.0), simd.splat(8.0));
    let (near_sum, near) = (simd.add(m[1], m[2]), simd.sub(m[1], m[2]));
    let (far_sum, far) = (simd.add(m[3], m[4]), simd.sub(m[3], m[4]));
    [
        simd.add(simd.add(m[0], near_sum), far_sum),
        simd.mul_add(two, far, near),
        simd.mul_add(four, far_sum, near_sum),
        simd.add(simd.mul_add(eight, far, near), m[5]),
    ]
}
