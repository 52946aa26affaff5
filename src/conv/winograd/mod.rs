//! Winograd convolution F(4x4, 3x3): 4x4 outputs of a 3x3 convolution from 36 products
//! (Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, 2016).
//!
//! For a tile `d` of 6x6 inputs and a kernel `g`, the 4x4 outputs are
//! `A^T [(G g G^T) . (B^T d B)] A`, where `.` is elementwise. Summed over the input channels,
//! `.` becomes one matrix product [tiles, inputs] x [inputs, outputs] for each of the 36
//! positions, which takes most of the time.
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

/// Output rows (and columns) per tile.
pub(super) const TILE: usize = 4;
/// Input rows (and columns) per tile; also those of the products.
const PATCH: usize = TILE + 2;
/// Number of products per tile and channel.
const POSITIONS: usize = PATCH * PATCH;
