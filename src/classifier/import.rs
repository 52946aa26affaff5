//! Import of a head that was trained with Keras, from a saved model of the tutorial.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array1, Array2};
use serde_json::Value;

use crate::backbone::{Pooling, Weights, WeightsError, names};
use crate::head::{Dense, Head};
use crate::io::checkpoint;
use crate::io::tensor::{Tensor, check_weights};
use crate::io::{keras, safetensors};

/// Model with the layers of the tutorial, trained with Keras.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedModel {
    /// The two dense layers.
    pub head: Head,
    /// Fingerprint of the backbone.
    pub backbone: String,
    /// Pooling before the head.
    pub pooling: Pooling,
    /// Height and width of the input images in pixels.
    pub side: usize,
    /// Dropout rate, 0 to 1.
    pub dropout: f64,
}

/// Reason why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] checkpoint::Error),
    /// The file contains weights only, no layers.
    #[error("the file has no Keras model configuration")]
    NoConfig,
    /// The layers differ from the tutorial's.
    #[error("the model is not VGG16, pooling and two dense layers: {0}")]
    Layers(String),
    /// The convolutions are not those of VGG16.
    #[error("the convolutions are not those of VGG16")]
    Backbone(#[from] names::Error),
    /// The weights of the convolutions are not usable.
    #[error("the weights of the convolutions are not usable")]
    Weights(#[from] WeightsError),
}

impl ImportedModel {
    /// Reads a `.keras` archive, or an `.h5` file of a whole model, from Keras 2 or 3.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub fn read(path: &Path) -> Result<Self, ImportError> {
        let config = keras::config(path)?.ok_or(ImportError::NoConfig)?;
        let model_config = ModelConfig::read(&config).map_err(ImportError::Layers)?;
        let tensors = checkpoint::read(path)?;
        let head = head(&tensors).map_err(ImportError::Layers)?;
        let backbone = safetensors::write(&names::vgg16(&tensors)?, &BTreeMap::new());
        let backbone = Weights::from_safetensors(&backbone)?.fingerprint();
        let ModelConfig { pooling, side, dropout } = model_config;
        Ok(Self { head, backbone, pooling, side, dropout })
    }
}

/// Values from the model configuration.
struct ModelConfig {
    pooling: Pooling,
    side: usize,
    dropout: f64,
}

impl ModelConfig {
    /// Checks the layers. The 13 convolutions and their pooling layers are checked by their
    /// weights instead.
    fn read(config: &Value) -> Result<Self, String> {
        let mut layers = Vec::new();
        flatten(config, 0, &mut layers)?;
        let of_class = |class: &str| -> Vec<&Value> {
            let matching = layers.iter().filter(|(c, _)| *c == class);
            matching.map(|(_, config)| *config).collect()
        };
        let size = |config: &Value, key: &str, position: usize| -> Option<usize> {
            config.get(key)?.get(position)?.as_u64()?.try_into().ok()
        };
        let input = of_class("InputLayer");
        let side = input.iter().find_map(|config| {
            let shape = ["batch_shape", "batch_input_shape"].into_iter();
            shape.filter_map(|key| size(config, key, 1)).next()
        });
        let side = side.ok_or("the input size is missing")?;
        if side == 0 || side % 32 != 0 {
            return Err(format!("the input side is {side} pixels, expected a multiple of 32"));
        }
        let cells = side / 32;
        let average_poolings = of_class("AveragePooling2D");
        let global = of_class("GlobalAveragePooling2D").len();
        let pooling = match average_poolings.as_slice() {
            [] if global == 1 => Pooling::Global,
            [mean] if global == 0 => {
                let window = size(mean, "pool_size", 0).zip(size(mean, "pool_size", 1));
                match window {
                    Some((a, b)) if a == b && a == cells => Pooling::Global,
                    // A second window would not fit, so there is one cell.
                    Some((4, 4)) if cells < 8 => Pooling::Tutorial,
                    other => return Err(format!("the average pooling window is {other:?}")),
                }
            }
            _ => {
                return Err(format!(
                    "there are {} average pooling layers, expected 1",
                    average_poolings.len() + global
                ));
            }
        };
        let activations: Vec<_> = of_class("Dense")
            .iter()
            .map(|dense| dense.get("activation").and_then(Value::as_str).unwrap_or("none"))
            .collect();
        if activations != ["relu", "softmax"] {
            return Err(format!(
                "the dense layers have the activations {activations:?}, expected relu and softmax"
            ));
        }
        let supported = [
            "InputLayer",
            "Conv2D",
            "MaxPooling2D",
            "AveragePooling2D",
            "GlobalAveragePooling2D",
            "Flatten",
            "Dense",
            "Dropout",
        ];
        if let Some((class, _)) = layers.iter().find(|(class, _)| !supported.contains(class)) {
            return Err(format!("the layer class `{class}` is not supported"));
        }
        let dropout = of_class("Dropout").first().and_then(|d| d.get("rate")?.as_f64());
        Ok(Self { pooling, side, dropout: dropout.unwrap_or(0.0) })
    }
}

/// Maximum depth of nested models; the tutorial has no nested models.
const MAX_DEPTH: usize = 4;

/// Collects the class and the configuration of every layer, in order. Nested models are
/// replaced by their layers.
fn flatten<'a>(
    config: &'a Value,
    depth: usize,
    layers: &mut Vec<(&'a str, &'a Value)>,
) -> Result<(), String> {
    let class = config.get("class_name").and_then(Value::as_str).unwrap_or_default();
    let inner = config.get("config").ok_or("a layer has no configuration")?;
    match inner.get("layers").and_then(Value::as_array) {
        Some(_) if depth == MAX_DEPTH => Err("models are nested too deep".to_owned()),
        Some(nested) => nested.iter().try_for_each(|layer| flatten(layer, depth + 1, layers)),
        None => {
            layers.push((class, inner));
            Ok(())
        }
    }
}

/// Finds the two dense layers by the shapes of the tensors.
fn head(tensors: &[Tensor]) -> Result<Head, String> {
    let layer_name =
        |tensor: &Tensor| tensor.name.rsplit_once('/').map_or("", |(g, _)| g).to_owned();
    let optimizer = |t: &&Tensor| t.name.split('/').any(|part| part.starts_with("optimizer"));
    let kernels: Vec<_> =
        tensors.iter().filter(|t| t.shape.len() == 2).filter(|t| !optimizer(t)).collect();
    let [a, b] = kernels.as_slice() else {
        return Err(format!("there are {} dense layers, expected 2", kernels.len()));
    };
    let (first, second) = match (a.shape[1] == b.shape[0], b.shape[1] == a.shape[0]) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        _ => {
            return Err(format!(
                "the dense layers have the shapes {:?} and {:?}",
                a.shape, b.shape
            ));
        }
    };
    let dense = |kernel: &Tensor| {
        let check = |tensor: &Tensor| {
            check_weights(&tensor.data).map_err(|bad| format!("`{}` has {bad}", tensor.name))
        };
        let bias =
            tensors.iter().find(|t| t.shape.len() == 1 && layer_name(t) == layer_name(kernel));
        let (inputs, units) = (kernel.shape[0], kernel.shape[1]);
        match bias {
            Some(bias) if bias.shape == [units] && inputs > 0 && units > 0 => {
                check(kernel).and_then(|()| check(bias))?;
                let data = kernel.data.clone();
                Ok(Dense {
                    kernel: Array2::from_shape_vec((inputs, units), data)
                        .expect("the length matches the shape"),
                    bias: Array1::from(bias.data.clone()),
                })
            }
            _ => Err(format!("`{}` has no bias", kernel.name)),
        }
    };
    Ok(Head { hidden: dense(first)?, output: dense(second)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Parses a model with these layers after an input of 224 x 224 pixels.
    fn read_layers(layers: &[(&str, Value)]) -> Result<ModelConfig, String> {
        let input = json!({ "batch_shape": [null, 224, 224, 3] });
        let layers = [("InputLayer", input)].into_iter().chain(layers.iter().cloned());
        let layers: Vec<_> = layers
            .map(|(class, config)| json!({ "class_name": class, "config": config }))
            .collect();
        ModelConfig::read(&json!({ "class_name": "Functional", "config": { "layers": layers } }))
    }

    fn mean(side: usize) -> (&'static str, Value) {
        ("AveragePooling2D", json!({ "pool_size": [side, side] }))
    }

    fn dense(activation: &str) -> (&'static str, Value) {
        ("Dense", json!({ "activation": activation }))
    }

    #[test]
    fn only_the_layers_of_the_tutorial_are_accepted() {
        let good = [mean(4), dense("relu"), ("Dropout", json!({ "rate": 0.25 })), dense("softmax")];
        let read = read_layers(&good).unwrap();
        assert_eq!((read.pooling, read.side, read.dropout), (Pooling::Tutorial, 224, 0.25));
        let with_pooling = |layer| read_layers(&[layer, dense("relu"), dense("softmax")]);
        assert_eq!(with_pooling(mean(7)).unwrap().pooling, Pooling::Global);
        assert_eq!(
            with_pooling(("GlobalAveragePooling2D", json!({}))).unwrap().pooling,
            Pooling::Global
        );
        let error = |layers: &[_]| read_layers(layers).err().unwrap();
        assert_eq!(error(&[mean(2)]), "the average pooling window is Some((2, 2))");
        assert_eq!(
            error(&[dense("relu"), dense("softmax")]),
            "there are 0 average pooling layers, expected 1"
        );
        let other = error(&[mean(4), dense("relu"), dense("sigmoid")]);
        assert_eq!(
            other,
            r#"the dense layers have the activations ["relu", "sigmoid"], expected relu and softmax"#
        );
        let more = [&good[..], &[("BatchNormalization", json!({}))]].concat();
        assert_eq!(error(&more), "the layer class `BatchNormalization` is not supported");
        assert!(ModelConfig::read(&json!({})).is_err());
        assert!(ModelConfig::read(&json!({ "config": { "layers": [] } })).is_err());
    }

    #[test]
    fn dense_layers_are_found_by_shape() {
        let tensor = |name: &str, shape: &[usize]| Tensor {
            name: name.into(),
            shape: shape.into(),
            data: vec![0.5; shape.iter().product()],
        };
        let good = [
            tensor("model_weights/dense_9/dense_9/kernel:0", &[5, 2]),
            tensor("model_weights/dense_9/dense_9/bias:0", &[2]),
            tensor("model_weights/dense_10/dense_10/kernel:0", &[8, 5]),
            tensor("model_weights/dense_10/dense_10/bias:0", &[5]),
            tensor("optimizer_weights/adam/kernel", &[8, 5]),
        ];
        let read = head(&good).unwrap();
        assert_eq!((read.inputs(), read.classes()), (8, 2));
        assert_eq!(head(&good[1..]).unwrap_err(), "there are 1 dense layers, expected 2");
        let error = head(&[&good[..1], &good[2..]].concat()).unwrap_err();
        assert_eq!(error, "`model_weights/dense_9/dense_9/kernel:0` has no bias");
        for (position, value) in
            [(0, f32::NAN), (1, f32::INFINITY), (2, 3e38), (3, f32::NEG_INFINITY)]
        {
            let mut bad = good.clone();
            bad[position].data[1] = value;
            let error = head(&bad).unwrap_err();
            let prefix = format!("`{}` has ", good[position].name);
            assert!(error.starts_with(&prefix) && error.contains("at position 1"), "{error}");
        }
        let square = [tensor("a/kernel", &[3, 3]), tensor("b/kernel", &[3, 3])];
        assert_eq!(
            head(&square).unwrap_err(),
            "the dense layers have the shapes [3, 3] and [3, 3]"
        );
    }
}
