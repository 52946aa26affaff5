//! libFuzzer program of the target `bundle`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("bundle"), |bytes: &[u8]| cxr_fuzz::bundle(bytes));
