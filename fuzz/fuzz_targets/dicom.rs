//! libFuzzer program of the target `dicom`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("dicom"), |bytes: &[u8]| cxr_fuzz::dicom(bytes));
