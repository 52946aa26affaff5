//! libFuzzer program of the target `keras`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("keras"), |bytes: &[u8]| cxr_fuzz::keras(bytes));
