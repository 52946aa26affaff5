//! F(4x4, 3x3): four by four outputs of a 3x3 convolution from 36 products
//! (Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, 2016).
//!
//! With `d` a tile of 6x6 inputs and `g` a kernel, the 4x4 outputs are
//! `A^T [(G g G^T) . (B^T d B)] A`, `.` element by element. Summed over the input
//! channels, `.` becomes one matrix product for each of the 36 positions,
//! [tiles, inputs] x [inputs, outputs], and there the time goes.
//!
//! The interpolation points are 0, 1, -1, 2, -2 and infinity.

#![allow(clippy::needless_range_loop, reason = "constant indices keep tiles in registers")]

mod fused;
mod input_transform;
mod kernel_transform;
mod layer;
mod multiply;
mod output_transform;
mod staged;
mod tile;

use input_transform::InputTransform;
use kernel_transform::kernel_transform;
#[cfg(test)]
pub(super) use layer::Schedule;
pub use layer::{Scratch, Winograd};
use multiply::Multiply;
use output_transform::OutputTransform;

/// Rows and columns of a tile's outputs.
pub(super) const TILE: usize = 4;
/// Rows and columns of a tile's inputs, and of its products.
const PATCH: usize = TILE + 2;
/// Positions of a tile's products.
const POSITIONS: usize = PATCH * PATCH;
