//! Names and layouts of VGG16's tensors in other frameworks.
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
//! The name of a tensor determines its layer. Its shape determines kernel or bias, and the
//! layout: this is unambiguous because no layer of VGG16 has 3 output channels.

use super::LAYERS;
use crate::io::tensor::Tensor;

/// Reason why a set of tensors is not VGG16.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Error {
    /// No tensor matches.
    #[error("no f32 tensor matches `{layer}.{role}`")]
    Missing {
        /// Layer name in Keras.
        layer: &'static str,
        /// `kernel` or `bias`.
        role: &'static str,
    },
    /// More than one tensor matches.
    #[error("both `{first}` and `{second}` match `{layer}.{role}`")]
    Ambiguous {
        /// Layer name in Keras.
        layer: &'static str,
        /// `kernel` or `bias`.
        role: &'static str,
        /// Name of the first match in the file.
        first: String,
        /// Name of the second match in the file.
        second: String,
    },
    /// A tensor has the wrong shape.
    #[error("`{name}` has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Name of the tensor in the file.
        name: String,
        /// Shape in VGG16, in this project's layout.
        expected: Vec<usize>,
        /// Shape in the file.
        got: Vec<usize>,
    },
}

/// Selects VGG16's 26 tensors from the tensors of a file of any framework. Returns them in
/// network order, each kernel [3, 3, in, out] before its bias `[out]`, named
/// `block1_conv1.kernel`, `block1_conv1.bias` and so on. Other tensors, such as those of the
/// top and of optimizers, are ignored.
///
/// # Errors
///
/// If a tensor is missing, ambiguous, or has the wrong shape.
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

/// Index of the convolution (0 to 12) that a tensor name belongs to.
fn layer_index(name: &str) -> Option<usize> {
    let segments: Vec<&str> = name.split(['/', '.']).collect();
    if segments.iter().any(|segment| segment.starts_with("optimizer")) {
        return None;
    }
    let names_layer = |segment: &str, layer| {
        segment.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    LAYERS.iter().enumerate().position(|(index, spec)| {
        segments.iter().any(|segment| names_layer(segment, spec.name))
            || segments.windows(2).any(|pair| pair == ["features", &torch_index(index)])
            || segments.windows(2).any(|pair| pair == [&archive_name(index)[..], "vars"])
    })
}

/// Layer name in a `.keras` archive: class name with a counter.
fn archive_name(index: usize) -> String {
    if index == 0 { "conv2d".to_owned() } else { format!("conv2d_{index}") }
}

/// Index in torchvision's `features`, where a ReLU follows each convolution and a pooling
/// layer each block.
fn torch_index(index: usize) -> String {
    let pools = LAYERS[..index].iter().filter(|spec| spec.pool).count();
    (2 * index + pools).to_string()
}

/// Transposes a 3x3 kernel from [out, in, 3, 3] to [3, 3, in, out].
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

    /// Tensors with VGG16's shapes. `names(index, layer)` returns the names of kernel and
    /// bias. The first kernel counts up in HWIO order, the other kernels are 0.
    fn net(names: impl Fn(usize, &str) -> (String, String), oihw: bool) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        for (index, spec) in LAYERS.iter().enumerate() {
            let (inputs, outputs) = (spec.inputs, spec.outputs);
            let (kernel, bias) = names(index, spec.name);
            let mut data = vec![0.0; 9 * inputs * outputs];
            if index == 0 {
                for (i, value) in data.iter_mut().enumerate() {
                    let (output, input, tap) = (i / 27, i / 9 % 3, i % 9);
                    let hwio = if oihw { (tap * 3 + input) * 64 + output } else { i };
                    *value = hwio as f32;
                }
            }
            let shape =
                if oihw { vec![outputs, inputs, 3, 3] } else { vec![3, 3, inputs, outputs] };
            tensors.push(Tensor { name: kernel, shape, data });
            tensors.push(Tensor { name: bias, shape: vec![outputs], data: vec![0.5; outputs] });
        }
        // The order in the file must not matter.
        tensors.reverse();
        tensors
    }

    fn keras3(_: usize, layer: &str) -> (String, String) {
        (format!("{layer}.kernel"), format!("{layer}.bias"))
    }

    #[test]
    fn all_frameworks_give_the_same_tensors() {
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
    fn unsuitable_tensors_are_errors() {
        let good = net(keras3, false);
        let mut tensors = good.clone();
        // Tensors of the top and of optimizers are ignored.
        for name in ["fc1.kernel", "optimizer_weights/block1_conv1/bias/m:0", "features.1.bias"] {
            tensors.push(Tensor { name: name.into(), shape: vec![64], data: vec![0.0; 64] });
        }
        assert!(vgg16(&tensors).is_ok());
        let copy = Tensor { name: "block1_conv1/bias:0".into(), ..good[24].clone() };
        tensors.push(copy);
        let error = vgg16(&tensors).unwrap_err().to_string();
        assert_eq!(
            error,
            "both `block1_conv1.bias` and `block1_conv1/bias:0` match `block1_conv1.bias`"
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
