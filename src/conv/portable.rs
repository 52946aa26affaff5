//! Kernels in plain Rust, for any processor.

use std::array;

use super::{
    lanes::Lanes,
    simd::{Loop, RowLoop, Simd},
};

/// Arithmetic in plain Rust, which the compiler vectorises.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

impl Simd for Portable {
    type Reg = [f32; Lanes::COUNT];

    const ROWS: usize = 4;
    const WIDTH: usize = 1;

    #[inline]
    fn run(self, inner: impl Loop) {
        inner.run(self);
    }

    #[inline]
    fn run_rows(self, rows: usize, inner: impl RowLoop) {
        match rows {
            1 => inner.run::<Self, 1, 1>(self),
            2 => inner.run::<Self, 2, 1>(self),
            3 => inner.run::<Self, 3, 1>(self),
            4 => inner.run::<Self, 4, 1>(self),
            _ => unreachable!("a panel has 1 to 4 rows, not {rows}"),
        }
    }

    #[inline(always)]
    fn prefetch(self, _: *const Lanes) {}

    #[inline(always)]
    fn splat(self, x: f32) -> Self::Reg {
        [x; Lanes::COUNT]
    }

    #[inline(always)]
    fn load(self, from: &Lanes) -> Self::Reg {
        from.0
    }

    #[inline(always)]
    fn store(self, value: Self::Reg, to: &mut Lanes) {
        to.0 = value;
    }

    #[inline(always)]
    fn add(self, a: Self::Reg, b: Self::Reg) -> Self::Reg {
        array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::Reg, b: Self::Reg) -> Self::Reg {
        array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Reg, b: Self::Reg, c: Self::Reg) -> Self::Reg {
        // `f32::mul_add` is a slow library call on processors without FMA.
        array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn max(self, a: Self::Reg, b: Self::Reg) -> Self::Reg {
        array::from_fn(|i| if a[i] > b[i] || a[i].is_nan() { a[i] } else { b[i] })
    }
}
