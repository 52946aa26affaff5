//! The x86-64 instruction sets that are faster than what every x86-64 has.
#![allow(unsafe_code, reason = "intrinsics are called on the proof that the processor has them")]

mod avx2;
mod avx512;

pub(super) use avx2::Avx2;
pub(super) use avx512::Avx512;
