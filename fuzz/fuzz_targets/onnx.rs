//! libFuzzer program of the target `onnx`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("onnx"), |bytes: &[u8]| cxr_fuzz::onnx(bytes));
