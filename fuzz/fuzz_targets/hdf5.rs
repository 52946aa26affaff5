//! libFuzzer program of the target `hdf5`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: cxr_fuzz::seed("hdf5"), |bytes: &[u8]| cxr_fuzz::hdf5(bytes));
