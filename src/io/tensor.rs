//! A named tensor, as weight files of other frameworks hold it, and the limits
//! that every reader of such a file keeps.

/// The most bytes that the file, or all its tensors together, may take: 1 GiB.
///
/// VGG16 with its top, the largest net in sight, takes 553 MB.
pub const MAX_BYTES: u64 = 1 << 30;

/// The most tensors (and, in HDF5, groups) that one file may hold.
pub const MAX_TENSORS: usize = 10_000;

/// The most bytes of tensors per byte of a file that packs them; deflate reaches this.
const MAX_RATIO: u64 = 1032;

/// Tensors up to this size may have any ratio: a mebibyte is no bomb.
const SMALL: u64 = 1 << 20;

/// The most dimensions of one tensor.
pub const MAX_RANK: usize = 8;

/// The largest magnitude of a weight that is taken. Trained weights are below 1000; a
/// sum of a thousand products of two numbers of this size is still finite in f32.
pub const MAX_WEIGHT: f32 = 1e10;

/// A weight that no training ends in: NaN, infinite, or beyond [`MAX_WEIGHT`].
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "{value:?} at position {position}, expected finite numbers of magnitude {MAX_WEIGHT:e} at most"
)]
pub struct BadWeight {
    /// Position in row-major order, from 0.
    pub position: usize,
    /// The value.
    pub value: f32,
}

/// Whether a weight or a feature is finite and of magnitude [`MAX_WEIGHT`] at most.
pub fn is_plausible(value: f32) -> bool {
    // Written so that NaN is not.
    value.abs() <= MAX_WEIGHT
}

/// Checks the numbers of a weight tensor.
///
/// # Errors
///
/// The first [`BadWeight`].
pub fn check_weights(data: &[f32]) -> Result<(), BadWeight> {
    let bad = data.iter().position(|value| !is_plausible(*value));
    bad.map_or(Ok(()), |position| Err(BadWeight { position, value: data[position] }))
}

/// One tensor of single-precision numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The name in the file, with its folders: `block1_conv1/kernel:0`.
    pub name: String,
    /// The length of each dimension, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements in row-major order, as many as the product of `shape`.
    pub data: Vec<f32>,
}

/// Why the bytes of a weight file were refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes break the rules of the format.
    #[error("malformed {format}: {detail}")]
    Malformed {
        /// The format that was tried.
        format: &'static str,
        /// What broke, where.
        detail: String,
    },
    /// The file holds more objects than [`MAX_TENSORS`].
    #[error("more than {MAX_TENSORS} tensors")]
    TooMany,
    /// A tensor has more than [`MAX_RANK`] dimensions, or all of them together
    /// more than [`MAX_BYTES`] bytes.
    #[error(
        "tensor `{name}` of shape {shape:?} is beyond {MAX_BYTES} bytes in all, or {MAX_RANK} dimensions"
    )]
    TooLarge {
        /// The tensor's name.
        name: String,
        /// The declared shape.
        shape: Vec<u64>,
    },
    /// A tensor has more or fewer elements than its shape asks for.
    #[error("tensor `{name}` of shape {shape:?}: {got} bytes, expected {expected}")]
    Length {
        /// The tensor's name.
        name: String,
        /// The declared shape.
        shape: Vec<usize>,
        /// Four times the product of the shape.
        expected: usize,
        /// Bytes found.
        got: usize,
    },
    /// The tensor's numbers are of another precision than single; they are not
    /// converted in silence.
    #[error("tensor `{name}` holds {dtype} numbers, expected float32")]
    Precision {
        /// The tensor's name.
        name: String,
        /// The type that it holds: `float64`, `float16`.
        dtype: String,
    },
    /// The tensor's numbers lie in another file, which is not opened.
    #[error("the data of tensor `{name}` lie in another file")]
    External {
        /// The tensor's name.
        name: String,
    },
}

impl Error {
    /// A [`Error::Malformed`] from the words of a format's own error.
    pub(super) fn malformed(format: &'static str, detail: impl ToString) -> Self {
        Error::Malformed { format, detail: detail.to_string() }
    }
}

/// What a file may still claim; asked before anything is allocated for it.
pub(super) struct Budget {
    objects: usize,
    elements: u64,
}

impl Budget {
    pub(super) fn new() -> Self {
        Budget { objects: MAX_TENSORS, elements: MAX_BYTES / 4 }
    }

    /// For a file of `length` bytes that are packed, or may not be there at all.
    pub(super) fn packed(length: usize) -> Self {
        let bytes = (length as u64).saturating_mul(MAX_RATIO).clamp(SMALL, MAX_BYTES);
        Budget { elements: bytes / 4, ..Self::new() }
    }

    /// Counts one object, or fails with [`Error::TooMany`].
    pub(super) fn object(&mut self) -> Result<(), Error> {
        self.objects = self.objects.checked_sub(1).ok_or(Error::TooMany)?;
        Ok(())
    }

    /// Counts the elements of one tensor, or fails with [`Error::TooLarge`];
    /// returns its shape.
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
    /// A tensor from its little-endian bytes.
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
    fn a_budget_is_for_all_tensors_together() {
        let mut budget = Budget::new();
        let half = MAX_BYTES / 8;
        assert_eq!(budget.tensor("a", &[half]).unwrap(), [half as usize]);
        assert_eq!(budget.tensor("scalar", &[]).unwrap(), [0usize; 0]);
        assert!(matches!(budget.tensor("b", &[half]), Err(Error::TooLarge { .. })));
        assert!(budget.tensor("c", &[half - 1]).is_ok());
        assert!(budget.tensor("empty", &[0, 5]).is_ok());
    }

    #[test]
    fn absurd_shapes_overflow_into_an_error() {
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
    fn weights_that_no_training_ends_in_are_named() {
        assert!(check_weights(&[0.0, -1.5, MAX_WEIGHT]).is_ok());
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38, -1.1e10] {
            let bad = check_weights(&[0.0, value]).unwrap_err();
            assert_eq!(bad.position, 1);
            assert_eq!(bad.value.to_bits(), value.to_bits());
        }
        assert!(check_weights(&[3e38]).unwrap_err().to_string().starts_with("3e38 at"));
        let text = check_weights(&[f32::NAN]).unwrap_err().to_string();
        assert_eq!(text, "NaN at position 0, expected finite numbers of magnitude 1e10 at most");
    }

    #[test]
    fn bytes_must_fill_the_shape() {
        let bytes = 1.5f32.to_le_bytes();
        let tensor = Tensor::from_le_bytes("a".into(), vec![1, 1], &bytes).unwrap();
        assert_eq!(tensor.data, [1.5]);
        let error = Tensor::from_le_bytes("a".into(), vec![2], &bytes).unwrap_err();
        assert_eq!(error.to_string(), "tensor `a` of shape [2]: 4 bytes, expected 8");
    }
}
