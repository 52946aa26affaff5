//! Named tensors of weight files, and the limits of all readers of such files.

/// Largest size in bytes of a weight file, or of all its tensors: 1 GiB.
///
/// VGG16 with its top layers has 553 MB.
pub const MAX_BYTES: u64 = 1 << 30;

/// Largest number of tensors (and, in HDF5, groups) in a file.
pub const MAX_TENSORS: usize = 10_000;

/// Largest compression ratio of a file; the maximum of deflate.
const MAX_RATIO: u64 = 1032;

/// Tensors up to this size in bytes may have any compression ratio.
const ANY_RATIO_BYTES: u64 = 1 << 20;

/// Largest number of dimensions of a tensor.
pub const MAX_RANK: usize = 8;

/// Largest accepted magnitude of a weight. Trained weights are below 1000; a sum of a thousand
/// products of two numbers of this magnitude is finite in f32.
pub const MAX_WEIGHT: f32 = 1e10;

/// Invalid weight: NaN, infinite, or of a magnitude above [`MAX_WEIGHT`].
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "{value:?} at position {position}, expected finite numbers of magnitude at most {MAX_WEIGHT:e}"
)]
pub struct InvalidWeight {
    /// Position in row-major order, from 0.
    pub position: usize,
    /// Invalid value.
    pub value: f32,
}

/// Whether a weight or a feature is finite and of magnitude at most [`MAX_WEIGHT`].
pub fn is_plausible(value: f32) -> bool {
    // False for NaN.
    value.abs() <= MAX_WEIGHT
}

/// Checks the elements of a weight tensor.
///
/// # Errors
///
/// The first invalid weight.
pub fn check_weights(data: &[f32]) -> Result<(), InvalidWeight> {
    let bad = data.iter().position(|value| !is_plausible(*value));
    bad.map_or(Ok(()), |position| Err(InvalidWeight { position, value: data[position] }))
}

/// Tensor of f32 elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Name in the file with its folders: `block1_conv1/kernel:0`.
    pub name: String,
    /// Length of each dimension, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// Elements in row-major order, as many as the product of `shape`.
    pub data: Vec<f32>,
}

/// Reason why a weight file was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes violate the format.
    #[error("malformed {format}: {detail}")]
    Malformed {
        /// Expected format.
        format: &'static str,
        /// Problem.
        detail: String,
    },
    /// The file has more than [`MAX_TENSORS`] objects.
    #[error("more than {MAX_TENSORS} tensors")]
    TooMany,
    /// A tensor has more than [`MAX_RANK`] dimensions, or all tensors together more than
    /// [`MAX_BYTES`] bytes.
    #[error(
        "tensor `{name}` of shape {shape:?} exceeds {MAX_RANK} dimensions or {MAX_BYTES} bytes in all"
    )]
    TooLarge {
        /// Name of the tensor.
        name: String,
        /// Declared shape.
        shape: Vec<u64>,
    },
    /// The number of elements does not match the shape.
    #[error("tensor `{name}` of shape {shape:?} has {got} bytes, expected {expected}")]
    Length {
        /// Name of the tensor.
        name: String,
        /// Declared shape.
        shape: Vec<usize>,
        /// Four times the product of the shape.
        expected: usize,
        /// Bytes in the file.
        got: usize,
    },
    /// The elements have another precision than f32; they are not converted silently.
    #[error("tensor `{name}` has the type {dtype}, expected float32")]
    Precision {
        /// Name of the tensor.
        name: String,
        /// Type of the elements: `float64`, `float16`.
        dtype: String,
    },
    /// The elements are in another file, which is not opened.
    #[error("the data of tensor `{name}` are in another file")]
    External {
        /// Name of the tensor.
        name: String,
    },
}

impl Error {
    /// Creates [`Error::Malformed`] from the error of a format's parser.
    pub(super) fn malformed(format: &'static str, detail: impl ToString) -> Self {
        Error::Malformed { format, detail: detail.to_string() }
    }
}

/// Remaining number of objects and elements of a file; checked before memory is allocated.
pub(super) struct Budget {
    objects: usize,
    elements: u64,
}

impl Budget {
    pub(super) fn new() -> Self {
        Budget { objects: MAX_TENSORS, elements: MAX_BYTES / 4 }
    }

    /// Budget of a file of `length` bytes, which may be compressed or incomplete.
    pub(super) fn packed(length: usize) -> Self {
        let bytes = (length as u64).saturating_mul(MAX_RATIO).clamp(ANY_RATIO_BYTES, MAX_BYTES);
        Budget { elements: bytes / 4, ..Self::new() }
    }

    /// Counts one object, or fails with [`Error::TooMany`].
    pub(super) fn object(&mut self) -> Result<(), Error> {
        self.objects = self.objects.checked_sub(1).ok_or(Error::TooMany)?;
        Ok(())
    }

    /// Counts the elements of a tensor, or fails with [`Error::TooLarge`]. Returns the shape.
    pub(super) fn tensor(&mut self, name: &str, shape: &[u64]) -> Result<Vec<usize>, Error> {
        self.object()?;
        let left = (shape.len() <= MAX_RANK)
            .then(|| shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n)))
            .flatten()
            .and_then(|elements| self.elements.checked_sub(elements));
        let too_large = || Error::TooLarge { name: name.into(), shape: shape.to_vec() };
        self.elements = left.ok_or_else(too_large)?;
        shape.iter().map(|&n| usize::try_from(n).map_err(|_| too_large())).collect()
    }
}

impl Tensor {
    /// Creates a tensor from little-endian bytes.
    pub(super) fn from_le_bytes(
        name: String,
        shape: Vec<usize>,
        bytes: &[u8],
    ) -> Result<Self, Error> {
        let expected = 4 * shape.iter().product::<usize>();
        if bytes.len() != expected {
            return Err(Error::Length { name, shape, expected, got: bytes.len() });
        }
        let data =
            bytes.as_chunks::<4>().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect();
        Ok(Tensor { name, shape, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_is_shared_by_all_tensors() {
        let mut budget = Budget::new();
        let half = MAX_BYTES / 8;
        assert_eq!(budget.tensor("a", &[half]).unwrap(), [half as usize]);
        assert_eq!(budget.tensor("scalar", &[]).unwrap(), [0usize; 0]);
        assert!(matches!(budget.tensor("b", &[half]), Err(Error::TooLarge { .. })));
        assert!(budget.tensor("c", &[half - 1]).is_ok());
        assert!(budget.tensor("empty", &[0, 5]).is_ok());
    }

    #[test]
    fn overflowing_shapes_are_errors() {
        let mut budget = Budget::new();
        for shape in [&[u64::MAX, 2][..], &[1 << 32, 1 << 32], &[1; 9]] {
            assert!(matches!(budget.tensor("a", shape), Err(Error::TooLarge { .. })));
        }
    }

    #[test]
    fn objects_are_counted() {
        let mut budget = Budget::new();
        for _ in 0..MAX_TENSORS {
            budget.object().unwrap();
        }
        assert!(matches!(budget.object(), Err(Error::TooMany)));
    }

    #[test]
    fn invalid_weights_are_reported() {
        assert!(check_weights(&[0.0, -1.5, MAX_WEIGHT]).is_ok());
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38, -1.1e10] {
            let bad = check_weights(&[0.0, value]).unwrap_err();
            assert_eq!(bad.position, 1);
            assert_eq!(bad.value.to_bits(), value.to_bits());
        }
        assert!(check_weights(&[3e38]).unwrap_err().to_string().starts_with("3e38 at"));
        let text = check_weights(&[f32::NAN]).unwrap_err().to_string();
        assert_eq!(text, "NaN at position 0, expected finite numbers of magnitude at most 1e10");
    }

    #[test]
    fn number_of_bytes_must_match_the_shape() {
        let bytes = 1.5f32.to_le_bytes();
        let tensor = Tensor::from_le_bytes("a".into(), vec![1, 1], &bytes).unwrap();
        assert_eq!(tensor.data, [1.5]);
        let error = Tensor::from_le_bytes("a".into(), vec![2], &bytes).unwrap_err();
        assert_eq!(error.to_string(), "tensor `a` of shape [2] has 4 bytes, expected 8");
    }
}
