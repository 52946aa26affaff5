//! libFuzzer program of the target `csv`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("csv"), |bytes: &[u8]| cxr_fuzz::csv(bytes));
