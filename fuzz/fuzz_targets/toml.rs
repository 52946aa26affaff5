//! libFuzzer program of the target `toml`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("toml"), |bytes: &[u8]| cxr_fuzz::toml(bytes));
