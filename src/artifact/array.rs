//! Arrays of f32 in numpy's `.npy` format.

use std::path::Path;

use ndarray::{Array, Dimension};
use ndarray_npy::ReadNpyExt;

use super::{ArtifactError, read_bytes};

/// Reads an array that must have the shape `expected`.
pub fn read_array<D: Dimension>(
    kind: &'static str,
    path: &Path,
    expected: &[usize],
) -> Result<Array<f32, D>, ArtifactError> {
    let bytes = read_bytes(kind, path)?;
    let malformed = |reason| ArtifactError::Malformed { kind, path: path.to_owned(), reason };
    let array: Array<f32, D> =
        Array::read_npy(bytes.as_slice()).map_err(|e| malformed(e.to_string()))?;
    if array.shape() != expected {
        let got = array.shape();
        return Err(malformed(format!("its shape is {got:?}, expected {expected:?}")));
    }
    Ok(array)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Ix2, Ix3};
    use ndarray_npy::write_npy;

    use super::*;

    #[test]
    fn arrays_come_back_and_wrong_ones_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("features.npy");
        assert!(matches!(
            read_array::<Ix2>("table", &path, &[2, 3]),
            Err(ArtifactError::Missing { .. })
        ));
        let array = Array2::from_shape_fn((2, 3), |(i, j)| (i * 3 + j) as f32);
        write_npy(&path, &array).unwrap();
        assert_eq!(read_array::<Ix2>("table", &path, &[2, 3]).unwrap(), array);
        let error = read_array::<Ix2>("table", &path, &[3, 3]).unwrap_err().to_string();
        assert!(
            error.ends_with("is not a usable table: its shape is [2, 3], expected [3, 3]"),
            "{error}"
        );
        assert!(matches!(
            read_array::<Ix3>("table", &path, &[2, 3]),
            Err(ArtifactError::Malformed { .. })
        ));
    }
}
