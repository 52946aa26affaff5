/// Evaluates an expression with the [`super::simd::Simd`] of an [`super::Isa`].
///
/// # Panics
/// If the processor lacks the instructions.
macro_rules! dispatch {
    ($isa:expr, $simd:ident => $value:expr) => {
        match $isa {
            #[cfg(target_arch = "x86_64")]
            $crate::conv::Isa::Avx512 => {
                let $simd = $crate::conv::x86_64::Avx512::detect().expect("the isa is supported");
                $value
            }
            #[cfg(target_arch = "x86_64")]
            $crate::conv::Isa::Avx2 => {
                let $simd = $crate::conv::x86_64::Avx2::detect().expect("the isa is supported");
                $value
            }
            #[cfg(not(target_arch = "x86_64"))]
            $crate::conv::Isa::Avx512 | $crate::conv::Isa::Avx2 => {
                unreachable!("the isa is supported")
            }
            $crate::conv::Isa::Portable => {
                let $simd = $crate::conv::portable::Portable;
                $value
            }
        }
    };
}
pub(super) use dispatch;
