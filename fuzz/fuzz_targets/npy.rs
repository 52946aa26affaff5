//! libFuzzer program of the target `npy`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("npy"), |bytes: &[u8]| cxr_fuzz::npy(bytes));
