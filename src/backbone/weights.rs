//! The weights of VGG16 and their safetensors file.

use std::{fs::File, io, path::Path};

use memmap2::Mmap;
use ndarray::{Array1, Array4};
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::LAYERS;
use crate::io::safetensors::View;
use crate::io::tensor::{InvalidWeight, check_weights};

/// Error in a weights file.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Path of the file.
        path: String,
        /// Cause.
        source: io::Error,
    },
    /// The file does not contain the weights of VGG16.
    #[error("`{path}` does not hold the weights of VGG16")]
    Unusable {
        /// Path of the file.
        path: String,
        /// Cause.
        source: Box<WeightsError>,
    },
    /// The bytes are not a safetensors file.
    #[error("not a safetensors file")]
    Format(#[source] safetensors::SafeTensorError),
    /// The kernel or bias of a layer is missing.
    #[error("tensor `{name}` is missing")]
    Missing {
        /// Name of the tensor in Keras.
        name: String,
    },
    /// A tensor has the wrong shape.
    #[error("tensor `{name}` has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Name of the tensor in Keras.
        name: String,
        /// Expected shape.
        expected: Vec<usize>,
        /// Shape in the file.
        got: Vec<usize>,
    },
    /// A tensor is not f32.
    #[error("tensor `{name}` has type {got}, expected F32")]
    Dtype {
        /// Name of the tensor in Keras.
        name: String,
        /// Type in the file.
        got: Dtype,
    },
    /// A tensor contains an implausible weight.
    #[error("tensor `{name}` holds {bad}")]
    Value {
        /// Name of the tensor in Keras.
        name: String,
        /// The weight.
        bad: InvalidWeight,
    },
}

/// Parameters of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Kernel, [3, 3, in, out], in standard layout.
    pub kernel: Array4<f32>,
    /// Bias, `[out]`.
    pub bias: Array1<f32>,
}

/// Parameters of VGG16's 13 convolutions.
///
/// The ImageNet weights were published by the VGG group, Oxford, under CC BY 4.0.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    layers: Vec<Layer>,
}

impl Weights {
    /// Reads a safetensors file with the names of Keras: `block1_conv1.kernel` [3, 3, in, out],
    /// `block1_conv1.bias` `[out]` and so on. Other tensors are ignored.
    ///
    /// # Errors
    /// If the file cannot be read, or [`Weights::from_safetensors`] fails.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let read_error = |source| WeightsError::Read { path: path.display().to_string(), source };
        let file = File::open(path).map_err(read_error)?;
        #[expect(unsafe_code, reason = "a copy would double the time to the first result")]
        // SAFETY: the file must not be truncated while it is mapped. Weights files are replaced by
        // renaming (`io::atomic`), never written in place.
        let bytes = unsafe { Mmap::map(&file) }.map_err(read_error)?;
        Self::from_safetensors(&bytes).map_err(|source| WeightsError::Unusable {
            path: path.display().to_string(),
            source: Box::new(source),
        })
    }

    /// Reads the bytes of a file as described at [`Weights::read`].
    ///
    /// # Errors
    /// If the bytes are not a safetensors file, or a tensor is missing, has the wrong shape or
    /// type, or contains a weight that is NaN, infinite or implausibly large.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes).map_err(WeightsError::Format)?;
        let layers = LAYERS.par_iter().map(|spec| {
            let shape = [3, 3, spec.inputs, spec.outputs];
            let kernel = read_tensor(&file, format!("{}.kernel", spec.name), &shape)?;
            let bias = read_tensor(&file, format!("{}.bias", spec.name), &shape[3..])?;
            let kernel = Array4::from_shape_vec(shape, kernel).expect("the shape was checked");
            Ok(Layer { kernel, bias: bias.into() })
        });
        // Collected first, so that the reported error does not depend on the threads.
        let layers: Vec<_> = layers.collect();
        Ok(Self { layers: layers.into_iter().collect::<Result<_, _>>()? })
    }

    /// Parameters of the layers, in the order of [`LAYERS`].
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Views of the 26 tensors in network order, named as in [`Weights::read`].
    pub fn views(&self) -> Vec<View<'_>> {
        let layers = LAYERS.iter().zip(&self.layers);
        let views = layers.flat_map(|(spec, layer)| {
            let view = |part, shape: &[usize], data| View {
                name: format!("{}.{part}", spec.name),
                shape: shape.to_vec(),
                data: Option::expect(data, "tensors are read in standard layout"),
            };
            [
                view("kernel", layer.kernel.shape(), layer.kernel.as_slice()),
                view("bias", layer.bias.shape(), layer.bias.as_slice()),
            ]
        });
        views.collect()
    }

    /// SHA-256, in hexadecimal, of all weights: for each layer in order, the kernel (HWIO) and
    /// the bias, as little-endian bytes. Independent of the file format.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for block in self.views().iter().flat_map(|view| view.data.chunks(1 << 14)) {
            let bytes: Vec<u8> = block.iter().flat_map(|x| x.to_le_bytes()).collect();
            hash.update(bytes);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn read_tensor(
    file: &SafeTensors,
    name: String,
    shape: &[usize],
) -> Result<Vec<f32>, WeightsError> {
    let Ok(tensor) = file.tensor(&name) else { return Err(WeightsError::Missing { name }) };
    if tensor.dtype() != Dtype::F32 {
        return Err(WeightsError::Dtype { name, got: tensor.dtype() });
    }
    if tensor.shape() != shape {
        let (expected, got) = (shape.to_vec(), tensor.shape().to_vec());
        return Err(WeightsError::Shape { name, expected, got });
    }
    let (numbers, _) = tensor.data().as_chunks();
    let numbers: Vec<f32> = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    match check_weights(&numbers) {
        Ok(()) => Ok(numbers),
        Err(bad) => Err(WeightsError::Value { name, bad }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use safetensors::tensor::{TensorView, serialize};

    use super::*;

    /// Weights file of zeros. The tensor `changed` gets the dtype and shape `to`, or is left out.
    fn file(changed: &str, to: Option<(Dtype, Vec<usize>)>) -> Vec<u8> {
        let zeros = vec![0; 3 * 3 * 512 * 512 * 4];
        let mut tensors = BTreeMap::new();
        for spec in LAYERS {
            let kernel = vec![3, 3, spec.inputs, spec.outputs];
            for (part, shape) in [("kernel", kernel), ("bias", vec![spec.outputs])] {
                tensors.insert(format!("{}.{part}", spec.name), (Dtype::F32, shape));
            }
        }
        tensors.remove(changed);
        tensors.extend(to.map(|to| (changed.to_owned(), to)));
        let views = tensors.into_iter().map(|(name, (dtype, shape))| {
            let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            (name, TensorView::new(dtype, shape, &zeros[..bytes]).unwrap())
        });
        serialize(views, None).unwrap()
    }

    fn error(changed: &str, to: Option<(Dtype, Vec<usize>)>) -> String {
        Weights::from_safetensors(&file(changed, to)).unwrap_err().to_string()
    }

    #[test]
    fn invalid_weights_files_are_errors() {
        assert!(Weights::from_safetensors(&file("", Some((Dtype::F32, vec![1])))).is_ok());
        assert_eq!(error("block3_conv2.bias", None), "tensor `block3_conv2.bias` is missing");
        assert_eq!(
            error("block1_conv1.kernel", Some((Dtype::F32, vec![64, 3, 3, 3]))),
            "tensor `block1_conv1.kernel` has shape [64, 3, 3, 3], expected [3, 3, 3, 64]"
        );
        assert_eq!(
            error("block2_conv1.bias", Some((Dtype::F16, vec![128]))),
            "tensor `block2_conv1.bias` has type F16, expected F32"
        );
        let error = Weights::from_safetensors(b"<html>").unwrap_err();
        assert_eq!(error.to_string(), "not a safetensors file");
        let error = Weights::read(Path::new("no/such")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read `no/such`");
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs ../shared")]
    fn the_fingerprint_of_the_released_weights_is_known() {
        let weights = crate::backbone::reference::weights();
        let expected = "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd";
        assert_eq!(weights.fingerprint(), expected);
    }
}
