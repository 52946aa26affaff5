//! libFuzzer program of the target `safetensors`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("safetensors"), |bytes: &[u8]| cxr_fuzz::safetensors(bytes));
