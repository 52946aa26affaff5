//! libFuzzer program of the target `zip`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("zip"), |bytes: &[u8]| cxr_fuzz::zip(bytes));
