//! Arrays of f32 in NumPy's `.npy` format.

use std::io::ErrorKind;
use std::path::Path;

use ndarray::{Array, Dimension, IxDyn};

use super::ArtifactError;
use crate::io::npy::{NpyError, Reader};

/// Reads an array of shape `expected`.
///
/// # Errors
/// If the file is missing, malformed, or has another shape.
pub fn read_array<D: Dimension>(
    kind: &'static str,
    path: &Path,
    expected: &[usize],
) -> Result<Array<f32, D>, ArtifactError> {
    read_checked(kind, path, expected.len(), |got| match got == expected {
        true => Ok(()),
        false => Err(format!("the shape is {got:?}, expected {expected:?}")),
    })
}

/// Reads an array of `rank` dimensions. `check` gets the shape before the values are read, so
/// that it can limit the memory.
///
/// # Errors
/// If the file is missing or malformed, or `check` fails.
pub fn read_checked<D: Dimension>(
    kind: &'static str,
    path: &Path,
    rank: usize,
    check: impl FnOnce(&[usize]) -> Result<(), String>,
) -> Result<Array<f32, D>, ArtifactError> {
    let malformed = |reason| ArtifactError::Malformed { kind, path: path.to_owned(), reason };
    let artifact_error = |error| match error {
        NpyError::File(e) if e.source.kind() == ErrorKind::NotFound => {
            ArtifactError::Missing { kind, path: path.to_owned() }
        }
        NpyError::File(e) => e.into(),
        NpyError::Malformed { reason, .. } => malformed(reason),
    };
    let mut reader =
        Reader::<f32>::open(path, &vec![None; rank.saturating_sub(1)]).map_err(artifact_error)?;
    check(reader.shape()).map_err(malformed)?;
    let values = reader.read(0..reader.rows()).map_err(artifact_error)?;
    let array = Array::from_shape_vec(IxDyn(reader.shape()), values);
    array.and_then(Array::into_dimensionality).map_err(|e| malformed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Ix2, Ix3};
    use ndarray_npy::write_npy;

    use super::*;

    #[test]
    fn arrays_survive_a_round_trip_and_wrong_shapes_are_errors() {
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
            error.ends_with("is not a usable table: the shape is [2, 3], expected [3, 3]"),
            "{error}"
        );
        assert!(matches!(
            read_array::<Ix3>("table", &path, &[2, 3]),
            Err(ArtifactError::Malformed { .. })
        ));
    }
}
