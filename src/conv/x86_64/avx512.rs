//! Kernels with AVX-512 F.

use std::arch::x86_64::*;

use crate::conv::{
    lanes::Lanes,
    simd::{Loop, RowLoop, Simd, compiled},
};

/// Arithmetic with AVX-512 F: 32 registers of 16 lanes. Created by [`Avx512::detect`] only.
#[derive(Clone, Copy, Debug)]
pub(in crate::conv) struct Avx512(());

impl Avx512 {
    /// Returns a value if this processor has AVX-512 F.
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Self(()))
    }
}

// SAFETY of every block: `self` exists only if the processor has AVX-512 F, and `Lanes` has
// the size and alignment of a register.
impl Simd for Avx512 {
    type Reg = __m512;

    compiled!(features: "avx512f", width: 2, rows: [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);

    #[inline(always)]
    fn prefetch(self, from: *const Lanes) {
        // SAFETY: a hint never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn load(self, from: &Lanes) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_load_ps(from.0.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, value: __m512, to: &mut Lanes) {
        // SAFETY: see above.
        unsafe { _mm512_store_ps(to.0.as_mut_ptr(), value) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe {
            // The instruction returns `b` if `a` or `b` is NaN.
            let a_is_nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a);
            _mm512_mask_mov_ps(_mm512_max_ps(a, b), a_is_nan, a)
        }
    }
}
