//! Kernels with AVX2 and FMA.

use std::arch::x86_64::*;

use crate::conv::{
    lanes::Lanes,
    simd::{Loop, RowLoop, Simd, compiled},
};

/// Arithmetic with AVX2 and FMA: 16 registers of 8 lanes. Created by [`Avx2::detect`] only.
#[derive(Clone, Copy, Debug)]
pub(in crate::conv) struct Avx2(());

impl Avx2 {
    /// Returns a value if this processor has AVX2 and FMA.
    pub fn detect() -> Option<Self> {
        let detected = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        detected.then_some(Self(()))
    }
}

// SAFETY of every block: `self` exists only if the processor has AVX2 and FMA, and each half
// of `Lanes` has the size and alignment of a register.
impl Simd for Avx2 {
    type Reg = [__m256; 2];

    compiled!(features: "avx2,fma", width: 1, rows: [1 2 3 4 5 6]);

    #[inline(always)]
    fn prefetch(self, from: *const Lanes) {
        // SAFETY: a hint never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> [__m256; 2] {
        // SAFETY: see above.
        [unsafe { _mm256_set1_ps(x) }; 2]
    }

    #[inline(always)]
    fn load(self, from: &Lanes) -> [__m256; 2] {
        // SAFETY: see above.
        unsafe { [_mm256_load_ps(from.0.as_ptr()), _mm256_load_ps(from.0[8..].as_ptr())] }
    }

    #[inline(always)]
    fn store(self, value: [__m256; 2], to: &mut Lanes) {
        // SAFETY: see above.
        unsafe {
            _mm256_store_ps(to.0.as_mut_ptr(), value[0]);
            _mm256_store_ps(to.0[8..].as_mut_ptr(), value[1]);
        }
    }

    #[inline(always)]
    fn add(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: see above.
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn sub(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: see above.
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn mul_add(self, a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: see above.
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }

    #[inline(always)]
    fn max(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        [max(self, a[0], b[0]), max(self, a[1], b[1])]
    }
}

#[inline(always)]
fn max(_proof: Avx2, a: __m256, b: __m256) -> __m256 {
    // SAFETY: an `Avx2` exists.
    unsafe {
        // The instruction returns `b` if `a` or `b` is NaN.
        let a_is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a);
        _mm256_blendv_ps(_mm256_max_ps(a, b), a, a_is_nan)
    }
}
