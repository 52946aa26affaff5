//! libFuzzer program of the target `image`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("image"), |bytes: &[u8]| cxr_fuzz::image(bytes));
