//! Run-time dispatch on the instruction set.

/// Evaluates an expression with the [`super::simd::Simd`] type of an [`super::InstructionSet`].
///
/// # Panics
/// If the processor does not support the instruction set.
macro_rules! dispatch {
    ($isa:expr, $simd:ident => $value:expr) => {
        match $isa {
            #[cfg(target_arch = "x86_64")]
            $crate::conv::InstructionSet::Avx512 => {
                let $simd = $crate::conv::x86_64::Avx512::detect()
                    .expect("the instruction set is supported");
                $value
            }
            #[cfg(target_arch = "x86_64")]
            $crate::conv::InstructionSet::Avx2 => {
                let $simd =
                    $crate::conv::x86_64::Avx2::detect().expect("the instruction set is supported");
                $value
            }
            #[cfg(not(target_arch = "x86_64"))]
            $crate::conv::InstructionSet::Avx512 | $crate::conv::InstructionSet::Avx2 => {
                unreachable!("the instruction set is supported")
            }
            $crate::conv::InstructionSet::Portable => {
                let $simd = $crate::conv::portable::Portable;
                $value
            }
        }
    };
}
pub(super) use dispatch;
