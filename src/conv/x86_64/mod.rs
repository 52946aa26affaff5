//! Kernels for x86-64 instruction sets beyond the baseline (SSE2).
#![allow(unsafe_code, reason = "intrinsics are called after the processor was checked")]

mod avx2;
mod avx512;

pub(super) use avx2::Avx2;
pub(super) use avx512::Avx512;
