//! A head as a safetensors file.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2};
use thiserror::Error;

use super::{Dense, Head};
use crate::io::safetensors::{self, View};
use crate::io::tensor::{self, BadWeight, Tensor, check_weights};

/// Why bytes are no head.
#[derive(Debug, Error)]
pub enum HeadError {
    /// Not a safetensors file.
    #[error("not a safetensors file")]
    Format(#[from] tensor::Error),
    /// There is no such tensor of f32.
    #[error("tensor `{0}` of f32 is missing")]
    Missing(String),
    /// A tensor holds a number that no training ends in.
    #[error("tensor `{name}` holds {bad}")]
    Value {
        /// Name of the tensor.
        name: String,
        /// The number.
        bad: BadWeight,
    },
    /// A tensor has another shape than the rest of the head asks for.
    #[error("tensor `{name}` has shape {got:?}, expected {expected}")]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Its shape.
        got: Vec<usize>,
        /// The shape it should have, `n` for any size.
        expected: String,
    },
}

impl Head {
    /// The head as a safetensors file: `dense_1.kernel` `[inputs, hidden]`,
    /// `dense_1.bias` `[hidden]`, `dense_2.kernel` `[hidden, classes]`,
    /// `dense_2.bias` `[classes]`, f32. Equal heads give equal bytes.
    pub fn to_safetensors(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        safetensors::write_to(&mut bytes, &self.views(), &BTreeMap::new())
            .expect("a vector takes every byte");
        bytes
    }

    /// Its four tensors, as [`Head::to_safetensors`] names and orders them.
    pub fn views(&self) -> [View<'_>; 4] {
        let view = |name: &str, shape: &[usize], data| View {
            name: name.to_owned(),
            shape: shape.to_vec(),
            data: Option::expect(data, "a head's arrays are in standard layout"),
        };
        let Self { hidden, output } = self;
        [
            view("dense_1.kernel", hidden.kernel.shape(), hidden.kernel.as_slice()),
            view("dense_1.bias", hidden.bias.shape(), hidden.bias.as_slice()),
            view("dense_2.kernel", output.kernel.shape(), output.kernel.as_slice()),
            view("dense_2.bias", output.bias.shape(), output.bias.as_slice()),
        ]
    }

    /// Reads what [`Head::to_safetensors`] wrote; other tensors are ignored.
    ///
    /// # Errors
    ///
    /// [`HeadError`] when the bytes are no safetensors file, or a tensor is missing
    /// or does not fit the others.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, HeadError> {
        Self::from_tensors(safetensors::read(bytes)?)
    }

    /// Picks the head's tensors out of others, named as [`Head::to_safetensors`]
    /// names them.
    ///
    /// # Errors
    ///
    /// [`HeadError`] when one is missing or does not fit the others.
    pub fn from_tensors(mut tensors: Vec<Tensor>) -> Result<Self, HeadError> {
        let hidden = dense(&mut tensors, "dense_1", None)?;
        let output = dense(&mut tensors, "dense_2", Some(hidden.bias.len()))?;
        Ok(Self { hidden, output })
    }
}

/// The layer `name`, which takes `inputs` values where that is given.
fn dense(tensors: &mut Vec<Tensor>, name: &str, inputs: Option<usize>) -> Result<Dense, HeadError> {
    let kernel = take(tensors, format!("{name}.kernel"), &[inputs, None])?;
    let shape = (kernel.shape[0], kernel.shape[1]);
    let kernel = Array2::from_shape_vec(shape, kernel.data).expect("as many values as the shape");
    let bias = take(tensors, format!("{name}.bias"), &[Some(shape.1)])?;
    Ok(Dense { kernel, bias: Array1::from(bias.data) })
}

/// Takes the tensor `name` out of `tensors`. Its dimensions must be `sizes`, any but 0
/// where not given, and its numbers plausible weights.
fn take(
    tensors: &mut Vec<Tensor>,
    name: String,
    sizes: &[Option<usize>],
) -> Result<Tensor, HeadError> {
    let Some(at) = tensors.iter().position(|tensor| tensor.name == name) else {
        return Err(HeadError::Missing(name));
    };
    let tensor = tensors.swap_remove(at);
    let fits = |(&got, want): (&usize, &Option<usize>)| got > 0 && want.is_none_or(|w| w == got);
    if tensor.shape.len() == sizes.len() && tensor.shape.iter().zip(sizes).all(fits) {
        return match check_weights(&tensor.data) {
            Ok(()) => Ok(tensor),
            Err(bad) => Err(HeadError::Value { name, bad }),
        };
    }
    let sizes: Vec<_> = sizes.iter().map(|s| s.map_or("n".into(), |s| s.to_string())).collect();
    let expected = format!("[{}]", sizes.join(", "));
    Err(HeadError::Shape { name, got: tensor.shape, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let mut value = 0.0;
        Head::new(5, 4, 3, || {
            value += 0.04;
            value
        })
    }

    /// A head's file with one tensor of another shape, or left out.
    fn file_with(name: &str, shape: Option<&[usize]>) -> Vec<u8> {
        let mut tensors = safetensors::read(&head().to_safetensors()).unwrap();
        tensors.retain(|tensor| tensor.name != name);
        tensors.extend(shape.map(|shape| Tensor {
            name: name.into(),
            shape: shape.into(),
            data: vec![0.0; shape.iter().product()],
        }));
        safetensors::write(&tensors, &BTreeMap::new())
    }

    #[test]
    fn comes_back_from_equal_bytes() {
        let bytes = head().to_safetensors();
        assert_eq!(Head::from_safetensors(&bytes).unwrap(), head());
        assert_eq!(bytes, head().to_safetensors());
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |bytes: &[u8]| Head::from_safetensors(bytes).unwrap_err().to_string();
        let changed = |name, shape: &[usize]| error(&file_with(name, Some(shape)));
        assert_eq!(error(b"not tensors"), "not a safetensors file");
        assert_eq!(
            error(&file_with("dense_2.bias", None)),
            "tensor `dense_2.bias` of f32 is missing"
        );
        assert_eq!(
            changed("dense_2.kernel", &[7, 3]),
            "tensor `dense_2.kernel` has shape [7, 3], expected [4, n]"
        );
        assert_eq!(
            changed("dense_1.bias", &[4, 1]),
            "tensor `dense_1.bias` has shape [4, 1], expected [4]"
        );
        assert_eq!(
            changed("dense_1.kernel", &[0, 4]),
            "tensor `dense_1.kernel` has shape [0, 4], expected [n, n]"
        );
        for (value, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (3e38, "3e38")] {
            let mut broken = head();
            broken.output.kernel[(1, 2)] = value;
            let text = error(&broken.to_safetensors());
            let start = "tensor `dense_2.kernel` holds ";
            assert!(text.starts_with(start), "{text}");
            assert!(text.contains(&format!("{shown} at position 5")), "{text}");
        }
    }
}
