//! The unit of all feature maps and kernels: 16 channels.

use bytemuck::{Pod, Zeroable};

/// 16 consecutive channels of f32: one cache line, one AVX-512 register.
///
/// Feature maps and transformed kernels are arrays of `Lanes`; their channels are padded
/// with zeros to a multiple of [`Lanes::COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub [f32; 16]);

impl Lanes {
    /// Number of channels in one `Lanes`.
    pub const COUNT: usize = size_of::<Self>() / size_of::<f32>();
    /// All zeros.
    pub const ZERO: Self = Self([0.0; Self::COUNT]);

    /// Number of `Lanes` (groups of channels) for `channels` channels.
    pub const fn groups(channels: usize) -> usize {
        channels.div_ceil(Self::COUNT)
    }

    /// Copies `values`, padded with zeros.
    ///
    /// # Panics
    /// If there are more than [`Lanes::COUNT`] values.
    pub fn padded(values: &[f32]) -> Self {
        let mut lanes = Self::ZERO;
        lanes.0[..values.len()].copy_from_slice(values);
        lanes
    }
}
