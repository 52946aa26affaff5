//! The interface of an instruction set, and how loops are compiled for it.

use super::lanes::Lanes;

/// Arithmetic of one instruction set on [`Lanes`].
///
/// A value of an implementing type exists only if the processor supports the
/// instructions. The methods are inlined into the loops that [`Simd::run`] compiles.
pub(super) trait Simd: Copy + Send + Sync {
    /// One [`Lanes`] in one or more registers.
    type Reg: Copy;

    /// Rows of a matrix product that fit into the registers, with [`Simd::WIDTH`] columns.
    const ROWS: usize;
    /// Columns, in [`Lanes`], of a matrix product that fit into the registers.
    const WIDTH: usize;

    /// Runs `inner`, compiled for this instruction set.
    fn run(self, inner: impl Loop);

    /// Runs `inner`, compiled for this instruction set and `rows` (1 to [`Simd::ROWS`]).
    fn run_rows(self, rows: usize, inner: impl RowLoop);

    /// Prefetches `from` into the cache if the instruction set can; the pointer need not be
    /// valid.
    fn prefetch(self, from: *const Lanes);
    /// Register with `x` in all lanes.
    fn splat(self, x: f32) -> Self::Reg;
    /// Loads from memory.
    fn load(self, from: &Lanes) -> Self::Reg;
    /// Stores to memory.
    fn store(self, value: Self::Reg, to: &mut Lanes);
    /// `a + b`.
    fn add(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
    /// `a - b`.
    fn sub(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
    /// `a * b + c`, rounded once if the instruction set has FMA.
    fn mul_add(self, a: Self::Reg, b: Self::Reg, c: Self::Reg) -> Self::Reg;
    /// Maximum per lane; NaN if `a` or `b` is NaN.
    fn max(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
}

/// Inner loop over [`Simd::Reg`]; `run` must be `#[inline(always)]`.
pub(super) trait Loop {
    /// Runs the loop.
    fn run<S: Simd>(self, simd: S);
}

/// Inner loop that keeps a product of `ROWS` x `WIDTH` [`Lanes`] in registers; `run` must
/// be `#[inline(always)]`.
pub(super) trait RowLoop {
    /// Runs the loop.
    fn run<S: Simd, const ROWS: usize, const WIDTH: usize>(self, simd: S);
}

/// Implements the items of [`Simd`] that compile loops for CPU features and sizes.
macro_rules! compiled {
    ($(features: $features:literal,)? width: $width:literal, rows: [$($rows:literal)+]) => {
        const ROWS: usize = [$($rows),+].len();
        const WIDTH: usize = $width;

        #[inline]
        fn run(self, inner: impl Loop) {
            $(#[target_feature(enable = $features)])?
            fn compiled<S: Simd>(simd: S, inner: impl Loop) {
                inner.run(simd);
            }
            // SAFETY: `self` exists only if the processor has the features.
            unsafe { compiled(self, inner) }
        }

        #[inline]
        fn run_rows(self, rows: usize, inner: impl RowLoop) {
            $(#[target_feature(enable = $features)])?
            fn compiled<S: Simd, const ROWS: usize>(simd: S, inner: impl RowLoop) {
                inner.run::<S, ROWS, $width>(simd);
            }
            match rows {
                // SAFETY: as above.
                $($rows => unsafe { compiled::<Self, $rows>(self, inner) },)+
                _ => unreachable!("a panel has 1 to {} rows, not {rows}", Self::ROWS),
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(super) use compiled;
