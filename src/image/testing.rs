//! Fixtures shared by the tests of this module.

use ndarray::Array3;
use std::path::PathBuf;

/// Path of a file under `tests/golden/`.
pub fn golden_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A parsed JSON file under `tests/golden/`.
pub fn golden(name: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(golden_path(name)).unwrap()).unwrap()
}

/// Elements of one array of an `.npz` file in row-major order.
pub fn npz<T: ndarray_npy::ReadableElement>(path: PathBuf, array: &str) -> Vec<T> {
    use ndarray_npy::ReadNpyExt;
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let entry = archive.by_name(&format!("{array}.npy")).unwrap();
    ndarray::ArrayD::<T>::read_npy(entry).unwrap().into_raw_vec_and_offset().0
}

/// Test image that the golden scripts generate, too: the upper bytes of a 32-bit linear
/// congruential sequence.
pub fn noise(height: usize, width: usize, channels: usize) -> Array3<u8> {
    let mut state = (height * 1000 + width) as u32;
    Array3::from_shape_simple_fn((height, width, channels), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
}
