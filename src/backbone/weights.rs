use std::{fs::File, io, path::Path};

use memmap2::Mmap;
use ndarray::{Array1, Array4};
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::LAYERS;
use crate::io::safetensors::View;
use crate::io::tensor::{BadWeight, check_weights};

/// What can be wrong with a file of weights.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The file is not one of VGG16's weights.
    #[error("`{path}` does not hold the weights of VGG16")]
    Unusable {
        /// The file.
        path: String,
        /// Why.
        source: Box<WeightsError>,
    },
    /// The bytes are no safetensors file.
    #[error("not a safetensors file")]
    Format(#[source] safetensors::SafeTensorError),
    /// A layer's kernel or bias is not there.
    #[error("no tensor `{name}`")]
    Missing {
        /// Its Keras name.
        name: String,
    },
    /// A tensor of another net.
    #[error("tensor `{name}` has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Its Keras name.
        name: String,
        /// The shape it must have.
        expected: Vec<usize>,
        /// The shape it has.
        got: Vec<usize>,
    },
    /// A tensor that is not f32.
    #[error("tensor `{name}` holds {got}, expected F32")]
    Dtype {
        /// Its Keras name.
        name: String,
        /// The type it holds.
        got: Dtype,
    },
    /// A tensor holds a number that no training ends in.
    #[error("tensor `{name}` holds {bad}")]
    Value {
        /// Its Keras name.
        name: String,
        /// The number.
        bad: BadWeight,
    },
}

/// A convolution's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The kernel, [3, 3, in, out], in standard layout.
    pub kernel: Array4<f32>,
    /// The bias, `[out]`.
    pub bias: Array1<f32>,
}

/// The parameters of VGG16's 13 convolutions.
///
/// The ImageNet weights are of the VGG group, Oxford, CC BY 4.0.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    layers: Vec<Layer>,
}

impl Weights {
    /// Reads a safetensors file with Keras' names: `block1_conv1.kernel`
    /// [3, 3, in, out], `block1_conv1.bias` `[out]` and so on. Other tensors are ignored.
    ///
    /// # Errors
    /// If the file cannot be read, or as [`Weights::from_safetensors`].
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let read = |source| WeightsError::Read { path: path.display().to_string(), source };
        let file = File::open(path).map_err(read)?;
        #[expect(unsafe_code, reason = "half of the time to the first result would go to a copy")]
        // SAFETY: as with any mapped file, nobody may cut it off meanwhile. Files of
        // weights are replaced by renaming (`io::atomic`), never written in place.
        let bytes = unsafe { Mmap::map(&file) }.map_err(read)?;
        Self::from_safetensors(&bytes).map_err(|source| WeightsError::Unusable {
            path: path.display().to_string(),
            source: Box::new(source),
        })
    }

    /// As [`Weights::read`], from the bytes of such a file.
    ///
    /// # Errors
    /// If it is no safetensors file, or a tensor is missing, has another shape or type, or
    /// holds NaN, infinite or absurdly large numbers.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes).map_err(WeightsError::Format)?;
        let layers = LAYERS.par_iter().map(|spec| {
            let shape = [3, 3, spec.inputs, spec.outputs];
            let kernel = tensor(&file, format!("{}.kernel", spec.name), &shape)?;
            let bias = tensor(&file, format!("{}.bias", spec.name), &shape[3..])?;
            let kernel = Array4::from_shape_vec(shape, kernel).expect("the shape was checked");
            Ok(Layer { kernel, bias: bias.into() })
        });
        // Of several errors the first, whichever thread is done first.
        let layers: Vec<_> = layers.collect();
        Ok(Self { layers: layers.into_iter().collect::<Result<_, _>>()? })
    }

    /// The layers' parameters, in the order of [`LAYERS`].
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Its 26 tensors in network order, named as [`Weights::read`] expects them.
    pub fn views(&self) -> Vec<View<'_>> {
        let named = LAYERS.iter().zip(&self.layers);
        let views = named.flat_map(|(spec, layer)| {
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

    /// SHA-256, in hexadecimal, over the layers in order: each kernel's bytes,
    /// then its bias' bytes, little-endian, HWIO. Whatever the file looked like,
    /// the same numbers have the same fingerprint.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for block in self.views().iter().flat_map(|view| view.data.chunks(1 << 14)) {
            let bytes: Vec<u8> = block.iter().flat_map(|x| x.to_le_bytes()).collect();
            hash.update(bytes);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn tensor(file: &SafeTensors, name: String, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
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

    /// A file of zeros, with one tensor replaced by `dtype` and `shape` or left out.
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
    fn every_way_to_be_wrong_has_its_error() {
        assert!(Weights::from_safetensors(&file("", Some((Dtype::F32, vec![1])))).is_ok());
        assert_eq!(error("block3_conv2.bias", None), "no tensor `block3_conv2.bias`");
        assert_eq!(
            error("block1_conv1.kernel", Some((Dtype::F32, vec![64, 3, 3, 3]))),
            "tensor `block1_conv1.kernel` has shape [64, 3, 3, 3], expected [3, 3, 3, 64]"
        );
        assert_eq!(
            error("block2_conv1.bias", Some((Dtype::F16, vec![128]))),
            "tensor `block2_conv1.bias` holds F16, expected F32"
        );
        let error = Weights::from_safetensors(b"<html>").unwrap_err();
        assert_eq!(error.to_string(), "not a safetensors file");
        let error = Weights::read(Path::new("no/such")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read `no/such`");
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs ../shared")]
    fn the_fingerprint_is_that_of_the_released_weights() {
        let weights = crate::backbone::reference::weights();
        let expected = "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd";
        assert_eq!(weights.fingerprint(), expected);
    }
}
