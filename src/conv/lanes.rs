use bytemuck::{Pod, Zeroable};

/// Sixteen neighbouring channels: one cache line, one AVX-512 register.
///
/// All maps and transformed kernels are made of them, so channels are padded
/// with zeros to a multiple of [`Lanes::COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub [f32; 16]);

impl Lanes {
    /// How many channels.
    pub const COUNT: usize = size_of::<Self>() / size_of::<f32>();
    /// Nothing but zeros.
    pub const ZERO: Self = Self([0.0; Self::COUNT]);

    /// How many `Lanes` hold `channels`.
    pub const fn groups(channels: usize) -> usize {
        channels.div_ceil(Self::COUNT)
    }

    /// `values`, padded with zeros.
    ///
    /// # Panics
    /// If there are more than [`Lanes::COUNT`].
    pub fn padded(values: &[f32]) -> Self {
        let mut lanes = Self::ZERO;
        lanes.0[..values.len()].copy_from_slice(values);
        lanes
    }
}
