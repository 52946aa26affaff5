//! libFuzzer program of the target `json`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("json"), |bytes: &[u8]| cxr_fuzz::json(bytes));
