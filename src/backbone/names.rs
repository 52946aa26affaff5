//! What other frameworks call the tensors of VGG16, and how they lay them out.
//!
//! | file | kernel of the first layer | layout |
//! |---|---|---|
//! | this project, Keras 3 | `block1_conv1.kernel` | HWIO |
//! | Keras' release | `block1_conv1/block1_conv1_W_1:0` | HWIO |
//! | Keras 3, `.keras` | `layers/conv2d/vars/0`, then `conv2d_1` and so on | HWIO |
//! | Keras 2 | `block1_conv1/block1_conv1/kernel:0` | HWIO |
//! | tf2onnx | `functional_1/block1_conv1_1/convolution/ReadVariableOp:0` | OIHW |
//! | torchvision, timm | `features.0.weight` | OIHW |
//!
//! A tensor's layer is read off its name; whether it is a kernel or a bias, and
//! in which layout, off its shape, which leaves no doubt: no layer of VGG16 has
//! three output channels.

use super::LAYERS;
use crate::io::tensor::Tensor;

/// Why a set of tensors is not VGG16.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Error {
    /// No tensor carries a name that belongs here.
    #[error("no f32 tensor for `{layer}.{role}`")]
    Missing {
        /// The layer's Keras name.
        layer: &'static str,
        /// `kernel` or `bias`.
        role: &'static str,
    },
    /// Two tensors could be meant.
    #[error("both `{first}` and `{second}` could be `{layer}.{role}`")]
    Ambiguous {
        /// The layer's Keras name.
        layer: &'static str,
        /// `kernel` or `bias`.
        role: &'static str,
        /// The first name in the file.
        first: String,
        /// The second.
        second: String,
    },
    /// A tensor has the shape of another net.
    #[error("`{name}` has shape {got:?}, expected {expected:?}")]
    Shape {
        /// The tensor's name in the file.
        name: String,
        /// The shape of VGG16's tensor, in the project's layout.
        expected: Vec<usize>,
        /// The shape found.
        got: Vec<usize>,
    },
}

/// Picks VGG16's 26 tensors out of a file of any framework: in network order,
/// each layer's kernel [3, 3, in, out] before its bias `[out]`, named
/// `block1_conv1.kernel`, `block1_conv1.bias` and so on. Tensors of the top, of
/// optimizers and of anything else are dropped.
///
/// # Errors
///
/// See [`enum@Error`].
pub fn vgg16(tensors: &[Tensor]) -> Result<Vec<Tensor>, Error> {
    let mut arranged = Vec::with_capacity(2 * LAYERS.len());
    for (index, spec) in LAYERS.iter().enumerate() {
        let (layer, inputs, outputs) = (spec.name, spec.inputs, spec.outputs);
        let find = |role, rank| {
            let mut found = tensors
                .iter()
                .filter(|t| t.shape.len() == rank && layer_index(&t.name) == Some(index));
            match (found.next(), found.next()) {
                (Some(tensor), None) => Ok(tensor),
                (None, _) => Err(Error::Missing { layer, role }),
                (Some(first), Some(second)) => Err(Error::Ambiguous {
                    layer,
                    role,
                    first: first.name.clone(),
                    second: second.name.clone(),
                }),
            }
        };
        let kernel = find("kernel", 4)?;
        let data = if kernel.shape == [3, 3, inputs, outputs] {
            kernel.data.clone()
        } else if kernel.shape == [outputs, inputs, 3, 3] {
            hwio_from_oihw(&kernel.data, outputs, inputs)
        } else {
            return Err(shape_error(kernel, &[3, 3, inputs, outputs]));
        };
        let name = format!("{layer}.kernel");
        arranged.push(Tensor { name, shape: vec![3, 3, inputs, outputs], data });
        let bias = find("bias", 1)?;
        if bias.shape != [outputs] {
            return Err(shape_error(bias, &[outputs]));
        }
        arranged.push(Tensor { name: format!("{layer}.bias"), ..bias.clone() });
    }
    Ok(arranged)
}

/// The position among the 13 convolutions that a tensor's name tells.
fn layer_index(name: &str) -> Option<usize> {
    let segments: Vec<&str> = name.split(['/', '.']).collect();
    if segments.iter().any(|segment| segment.starts_with("optimizer")) {
        return None;
    }
    let is = |segment: &str, layer| {
        segment.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    LAYERS.iter().enumerate().position(|(index, spec)| {
        segments.iter().any(|segment| is(segment, spec.name))
            || segments.windows(2).any(|pair| pair == ["features", &torch_index(index)])
            || segments.windows(2).any(|pair| pair == [&counted(index)[..], "vars"])
    })
}

/// What Keras 3 calls the layer in an archive: its class, counted.
fn counted(index: usize) -> String {
    if index == 0 { "conv2d".to_owned() } else { format!("conv2d_{index}") }
}

/// The index in torchvision's `features`, where each convolution is followed by
/// a ReLU and each block by a pooling layer.
fn torch_index(index: usize) -> String {
    let pools = LAYERS[..index].iter().filter(|spec| spec.pool).count();
    (2 * index + pools).to_string()
}

/// A 3x3 kernel from [out, in, 3, 3] to [3, 3, in, out].
fn hwio_from_oihw(kernel: &[f32], outputs: usize, inputs: usize) -> Vec<f32> {
    let mut hwio = Vec::with_capacity(kernel.len());
    for tap in 0..9 {
        for input in 0..inputs {
            hwio.extend((0..outputs).map(|output| kernel[(output * inputs + input) * 9 + tap]));
        }
    }
    hwio
}

fn shape_error(tensor: &Tensor, expected: &[usize]) -> Error {
    Error::Shape {
        name: tensor.name.clone(),
        expected: expected.to_vec(),
        got: tensor.shape.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tensors of VGG16's shapes under the names `of(index, layer)` gives to
    /// kernel and bias. The first kernel counts up in HWIO order, the rest is 0.
    fn net(of: impl Fn(usize, &str) -> (String, String), oihw: bool) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        for (index, spec) in LAYERS.iter().enumerate() {
            let (inputs, outputs) = (spec.inputs, spec.outputs);
            let (kernel, bias) = of(index, spec.name);
            let mut data = vec![0.0; 9 * inputs * outputs];
            if index == 0 {
                for (at, value) in data.iter_mut().enumerate() {
                    let (output, input, tap) = (at / 27, at / 9 % 3, at % 9);
                    let hwio = if oihw { (tap * 3 + input) * 64 + output } else { at };
                    *value = hwio as f32;
                }
            }
            let shape =
                if oihw { vec![outputs, inputs, 3, 3] } else { vec![3, 3, inputs, outputs] };
            tensors.push(Tensor { name: kernel, shape, data });
            tensors.push(Tensor { name: bias, shape: vec![outputs], data: vec![0.5; outputs] });
        }
        // The file's order means nothing.
        tensors.reverse();
        tensors
    }

    fn keras3(_: usize, layer: &str) -> (String, String) {
        (format!("{layer}.kernel"), format!("{layer}.bias"))
    }

    #[test]
    fn every_naming_leads_to_the_same_tensors() {
        let expected = vgg16(&net(keras3, false)).unwrap();
        assert_eq!(expected.len(), 26);
        assert_eq!(expected[0].name, "block1_conv1.kernel");
        assert_eq!(expected[0].data[..3], [0.0, 1.0, 2.0]);
        assert_eq!(expected[25].name, "block5_conv3.bias");
        let release = |_: usize, layer: &str| {
            (format!("{layer}/{layer}_W_1:0"), format!("{layer}/{layer}_b_1:0"))
        };
        assert_eq!(vgg16(&net(release, false)).unwrap(), expected);
        let keras2 = |_: usize, layer: &str| {
            (format!("{layer}/{layer}/kernel:0"), format!("{layer}/{layer}/bias:0"))
        };
        assert_eq!(vgg16(&net(keras2, false)).unwrap(), expected);
        let archive = |index: usize, _: &str| {
            let group = if index == 0 { "conv2d".into() } else { format!("conv2d_{index}") };
            (format!("layers/{group}/vars/0"), format!("layers/{group}/vars/1"))
        };
        assert_eq!(vgg16(&net(archive, false)).unwrap(), expected);
        let onnx = |_: usize, layer: &str| {
            let prefix = format!("functional_1/{layer}_1");
            (format!("{prefix}/convolution/ReadVariableOp:0"), format!("{prefix}/Squeeze:0"))
        };
        assert_eq!(vgg16(&net(onnx, true)).unwrap(), expected);
        let indices = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
        let torch = |index: usize, _: &str| {
            let n = indices[index];
            (format!("features.{n}.weight"), format!("features.{n}.bias"))
        };
        assert_eq!(vgg16(&net(torch, true)).unwrap(), expected);
    }

    #[test]
    fn each_way_to_be_wrong_has_its_error() {
        let good = net(keras3, false);
        let mut tensors = good.clone();
        // Neither tops nor optimizers count.
        for name in ["fc1.kernel", "optimizer_weights/block1_conv1/bias/m:0", "features.1.bias"] {
            tensors.push(Tensor { name: name.into(), shape: vec![64], data: vec![0.0; 64] });
        }
        assert!(vgg16(&tensors).is_ok());
        let copy = Tensor { name: "block1_conv1/bias:0".into(), ..good[24].clone() };
        tensors.push(copy);
        let error = vgg16(&tensors).unwrap_err().to_string();
        assert_eq!(
            error,
            "both `block1_conv1.bias` and `block1_conv1/bias:0` could be `block1_conv1.bias`"
        );
        let error = vgg16(&good[1..]).unwrap_err();
        assert_eq!(error, Error::Missing { layer: "block5_conv3", role: "bias" });
        let mut tensors = good;
        tensors[1].shape = vec![3, 3, 256, 1024];
        let error = vgg16(&tensors).unwrap_err().to_string();
        assert_eq!(
            error,
            "`block5_conv3.kernel` has shape [3, 3, 256, 1024], expected [3, 3, 512, 512]"
        );
    }
}
