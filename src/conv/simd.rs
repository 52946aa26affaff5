use super::lanes::Lanes;

/// The arithmetic of one instruction set on [`Lanes`].
///
/// A value of the type proves that the processor has the instructions. The
/// methods are inlined into the loops that [`Simd::run`] compiles for them.
pub(super) trait Simd: Copy + Send + Sync {
    /// [`Lanes`] in registers.
    type Reg: Copy;

    /// How many rows of a product the registers hold, at [`Simd::WIDTH`].
    const ROWS: usize;
    /// How many [`Lanes`] of a row they hold.
    const WIDTH: usize;

    /// Runs `inner`, compiled for this instruction set.
    fn run(self, inner: impl Loop);

    /// Runs `inner`, compiled for this instruction set and for `rows`, which is
    /// 1 to [`Simd::ROWS`].
    fn run_rows(self, rows: usize, inner: impl RowLoop);

    /// Asks for `from` to be brought into the cache, where there is a way; it need
    /// not be valid.
    fn prefetch(self, from: *const Lanes);
    /// `x` in all lanes.
    fn splat(self, x: f32) -> Self::Reg;
    /// Reads from memory.
    fn load(self, from: &Lanes) -> Self::Reg;
    /// Writes to memory.
    fn store(self, value: Self::Reg, to: &mut Lanes);
    /// `a + b`.
    fn add(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
    /// `a - b`.
    fn sub(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
    /// `a * b + c`, rounded once where the instruction set can.
    fn mul_add(self, a: Self::Reg, b: Self::Reg, c: Self::Reg) -> Self::Reg;
    /// The greater, and NaN where either is NaN.
    fn max(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
}

/// An inner loop over [`Simd::Reg`]; `run` must be `#[inline(always)]`.
pub(super) trait Loop {
    /// The loop.
    fn run<S: Simd>(self, simd: S);
}

/// An inner loop that keeps a product of `ROWS` x `WIDTH` [`Lanes`] in
/// registers; `run` must be `#[inline(always)]`.
pub(super) trait RowLoop {
    /// The loop.
    fn run<S: Simd, const ROWS: usize, const WIDTH: usize>(self, simd: S);
}

/// The part of a [`Simd`] that decides what its loops are compiled for.
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
            // SAFETY: `self` proves that the processor has the features.
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
