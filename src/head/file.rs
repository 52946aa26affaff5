//! Reading and writing of a head as a safetensors file.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2};
use thiserror::Error;

use super::{Dense, Head};
use crate::io::safetensors::{self, View};
use crate::io::tensor::{self, InvalidWeight, Tensor, check_weights};

/// Error in a head's safetensors file.
#[derive(Debug, Error)]
pub enum HeadError {
    /// The bytes are not a safetensors file.
    #[error("not a safetensors file")]
    Format(#[from] tensor::Error),
    /// A tensor is missing or not f32.
    #[error("f32 tensor `{0}` is missing")]
    Missing(String),
    /// A tensor contains an implausible weight.
    #[error("tensor `{name}` holds {bad}")]
    Value {
        /// Name of the tensor.
        name: String,
        /// The weight.
        bad: InvalidWeight,
    },
    /// The shape of a tensor does not fit the other tensors.
    #[error("tensor `{name}` has shape {got:?}, expected {expected}")]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Shape in the file.
        got: Vec<usize>,
        /// Expected shape; `n` stands for any size.
        expected: String,
    },
}

impl Head {
    /// Serialises the head as a safetensors file with f32 tensors `dense_1.kernel`
    /// `[inputs, hidden]`, `dense_1.bias` `[hidden]`, `dense_2.kernel` `[hidden, classes]` and
    /// `dense_2.bias` `[classes]`. Equal heads give equal bytes.
    pub fn to_safetensors(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        safetensors::write_to(&mut bytes, &self.views(), &BTreeMap::new())
            .expect("writing to a Vec cannot fail");
        bytes
    }

    /// Views of the four tensors, with names and order as in [`Head::to_safetensors`].
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

    /// Reads the bytes of [`Head::to_safetensors`]; other tensors are ignored.
    ///
    /// # Errors
    ///
    /// If the bytes are not a safetensors file, or a tensor is missing, has an unsuitable shape
    /// or contains an implausible weight.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, HeadError> {
        Self::from_tensors(safetensors::read(bytes)?)
    }

    /// Selects the head's tensors, named as in [`Head::to_safetensors`]; other tensors are
    /// ignored.
    ///
    /// # Errors
    ///
    /// If a tensor is missing, has an unsuitable shape or contains an implausible weight.
    pub fn from_tensors(mut tensors: Vec<Tensor>) -> Result<Self, HeadError> {
        let hidden = take_dense(&mut tensors, "dense_1", None)?;
        let output = take_dense(&mut tensors, "dense_2", Some(hidden.bias.len()))?;
        Ok(Self { hidden, output })
    }
}

/// Removes the layer `name` from `tensors`; `inputs` is its number of inputs if known.
fn take_dense(
    tensors: &mut Vec<Tensor>,
    name: &str,
    inputs: Option<usize>,
) -> Result<Dense, HeadError> {
    let kernel = take_tensor(tensors, format!("{name}.kernel"), &[inputs, None])?;
    let shape = (kernel.shape[0], kernel.shape[1]);
    let kernel = Array2::from_shape_vec(shape, kernel.data).expect("as many values as the shape");
    let bias = take_tensor(tensors, format!("{name}.bias"), &[Some(shape.1)])?;
    Ok(Dense { kernel, bias: Array1::from(bias.data) })
}

/// Removes the tensor `name` from `tensors` and checks its weights and its shape, where a
/// size of `None` stands for any size above 0.
fn take_tensor(
    tensors: &mut Vec<Tensor>,
    name: String,
    sizes: &[Option<usize>],
) -> Result<Tensor, HeadError> {
    let Some(index) = tensors.iter().position(|tensor| tensor.name == name) else {
        return Err(HeadError::Missing(name));
    };
    let tensor = tensors.swap_remove(index);
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

    /// Head file with one tensor of another shape, or without this tensor.
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
    fn heads_are_read_back_from_equal_bytes() {
        let bytes = head().to_safetensors();
        assert_eq!(Head::from_safetensors(&bytes).unwrap(), head());
        assert_eq!(bytes, head().to_safetensors());
    }

    #[test]
    fn unsuitable_tensors_are_errors() {
        let error = |bytes: &[u8]| Head::from_safetensors(bytes).unwrap_err().to_string();
        let changed = |name, shape: &[usize]| error(&file_with(name, Some(shape)));
        assert_eq!(error(b"not tensors"), "not a safetensors file");
        assert_eq!(error(&file_with("dense_2.bias", None)), "f32 tensor `dense_2.bias` is missing");
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
