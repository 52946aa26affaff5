//! A head that Keras trained, out of a file of the tutorial's model.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array1, Array2};
use serde_json::Value;

use crate::backbone::{Pooling, Weights, WeightsError, names};
use crate::head::{Dense, Head};
use crate::io::checkpoint;
use crate::io::tensor::{Tensor, check_weights};
use crate::io::{keras, safetensors};

/// A model of the tutorial's layers, as another program trained it.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Its two dense layers.
    pub head: Head,
    /// Fingerprint of its backbone.
    pub backbone: String,
    /// How it pools.
    pub pooling: Pooling,
    /// Height and width of the films it takes.
    pub side: usize,
    /// Share of hidden units left out in training.
    pub dropout: f64,
}

/// Why a file is not the tutorial's model.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] checkpoint::Error),
    /// It does not say which layers its weights are of.
    #[error("it holds no description of a Keras model")]
    NoConfig,
    /// It has other layers.
    #[error("it is not VGG16, pooling, two dense layers: {0}")]
    Layers(String),
    /// Its convolutions are not VGG16's.
    #[error("its convolutions are not VGG16's")]
    Backbone(#[from] names::Error),
    /// Its convolutions cannot be used.
    #[error("its convolutions cannot be used")]
    Weights(#[from] WeightsError),
}

impl Imported {
    /// Reads a `.keras` archive, or an `.h5` file of a whole model, of Keras 2 or 3.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub fn read(path: &Path) -> Result<Self, ImportError> {
        let config = keras::config(path)?.ok_or(ImportError::NoConfig)?;
        let described = Described::read(&config).map_err(ImportError::Layers)?;
        let tensors = checkpoint::read(path)?;
        let head = head(&tensors).map_err(ImportError::Layers)?;
        let backbone = safetensors::write(&names::vgg16(&tensors)?, &BTreeMap::new());
        let backbone = Weights::from_safetensors(&backbone)?.fingerprint();
        let Described { pooling, side, dropout } = described;
        Ok(Self { head, backbone, pooling, side, dropout })
    }
}

/// What a description says beside the weights.
struct Described {
    pooling: Pooling,
    side: usize,
    dropout: f64,
}

impl Described {
    /// Holds the layers against the tutorial's. The 13 convolutions and their pools
    /// are left to their weights.
    fn read(config: &Value) -> Result<Self, String> {
        let mut layers = Vec::new();
        flatten(config, 0, &mut layers)?;
        let of_class = |class: &str| -> Vec<&Value> {
            let named = layers.iter().filter(|(c, _)| *c == class);
            named.map(|(_, config)| *config).collect()
        };
        let size = |config: &Value, key: &str, at: usize| -> Option<usize> {
            config.get(key)?.get(at)?.as_u64()?.try_into().ok()
        };
        let input = of_class("InputLayer");
        let side = input.iter().find_map(|config| {
            let shape = ["batch_shape", "batch_input_shape"].into_iter();
            shape.filter_map(|key| size(config, key, 1)).next()
        });
        let side = side.ok_or("it does not say how large its films are")?;
        if side == 0 || side % 32 != 0 {
            return Err(format!("its films have {side} pixels a side"));
        }
        let cells = side / 32;
        let means = of_class("AveragePooling2D");
        let global = of_class("GlobalAveragePooling2D").len();
        let pooling = match means.as_slice() {
            [] if global == 1 => Pooling::Global,
            [mean] if global == 0 => {
                let window = size(mean, "pool_size", 0).zip(size(mean, "pool_size", 1));
                match window {
                    Some((a, b)) if a == b && a == cells => Pooling::Global,
                    // The next window would not fit, so that there is one cell.
                    Some((4, 4)) if cells < 8 => Pooling::Tutorial,
                    other => return Err(format!("it takes means over {other:?} cells")),
                }
            }
            _ => return Err(format!("it takes means {} times", means.len() + global)),
        };
        let activations: Vec<_> = of_class("Dense")
            .iter()
            .map(|dense| dense.get("activation").and_then(Value::as_str).unwrap_or("none"))
            .collect();
        if activations != ["relu", "softmax"] {
            return Err(format!("its dense layers end in {activations:?}"));
        }
        let known = [
            "InputLayer",
            "Conv2D",
            "MaxPooling2D",
            "AveragePooling2D",
            "GlobalAveragePooling2D",
            "Flatten",
            "Dense",
            "Dropout",
        ];
        if let Some((class, _)) = layers.iter().find(|(class, _)| !known.contains(class)) {
            return Err(format!("it has a layer `{class}`"));
        }
        let dropout = of_class("Dropout").first().and_then(|d| d.get("rate")?.as_f64());
        Ok(Self { pooling, side, dropout: dropout.unwrap_or(0.0) })
    }
}

/// Models in models that are looked into; the tutorial has none.
const DEPTH: usize = 4;

/// Every layer with its configuration, those of models within a model in their place.
fn flatten<'a>(
    config: &'a Value,
    depth: usize,
    layers: &mut Vec<(&'a str, &'a Value)>,
) -> Result<(), String> {
    let class = config.get("class_name").and_then(Value::as_str).unwrap_or_default();
    let inner = config.get("config").ok_or("a layer has no configuration")?;
    match inner.get("layers").and_then(Value::as_array) {
        Some(_) if depth == DEPTH => Err("models are nested too deep".to_owned()),
        Some(below) => below.iter().try_for_each(|layer| flatten(layer, depth + 1, layers)),
        None => {
            layers.push((class, inner));
            Ok(())
        }
    }
}

/// The dense layers among the tensors, told by their shapes.
fn head(tensors: &[Tensor]) -> Result<Head, String> {
    let group = |tensor: &Tensor| tensor.name.rsplit_once('/').map_or("", |(g, _)| g).to_owned();
    let optimizer = |t: &&Tensor| t.name.split('/').any(|part| part.starts_with("optimizer"));
    let kernels: Vec<_> =
        tensors.iter().filter(|t| t.shape.len() == 2).filter(|t| !optimizer(t)).collect();
    let [a, b] = kernels.as_slice() else {
        return Err(format!("it has {} dense layers", kernels.len()));
    };
    let (first, second) = match (a.shape[1] == b.shape[0], b.shape[1] == a.shape[0]) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        _ => return Err(format!("its dense layers are {:?} and {:?}", a.shape, b.shape)),
    };
    let dense = |kernel: &Tensor| {
        let checked = |tensor: &Tensor| {
            check_weights(&tensor.data).map_err(|bad| format!("`{}` holds {bad}", tensor.name))
        };
        let bias = tensors.iter().find(|t| t.shape.len() == 1 && group(t) == group(kernel));
        let (inputs, units) = (kernel.shape[0], kernel.shape[1]);
        match bias {
            Some(bias) if bias.shape == [units] && inputs > 0 && units > 0 => {
                checked(kernel).and_then(|()| checked(bias))?;
                let data = kernel.data.clone();
                Ok(Dense {
                    kernel: Array2::from_shape_vec((inputs, units), data)
                        .expect("as many numbers as the shape asks for"),
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

    /// The description of a model of these layers, films of 224 pixels a side first.
    fn described(layers: &[(&str, Value)]) -> Result<Described, String> {
        let input = json!({ "batch_shape": [null, 224, 224, 3] });
        let layers = [("InputLayer", input)].into_iter().chain(layers.iter().cloned());
        let layers: Vec<_> = layers
            .map(|(class, config)| json!({ "class_name": class, "config": config }))
            .collect();
        Described::read(&json!({ "class_name": "Functional", "config": { "layers": layers } }))
    }

    fn mean(side: usize) -> (&'static str, Value) {
        ("AveragePooling2D", json!({ "pool_size": [side, side] }))
    }

    fn dense(activation: &str) -> (&'static str, Value) {
        ("Dense", json!({ "activation": activation }))
    }

    #[test]
    fn the_tutorials_layers_are_told_from_others() {
        let good = [mean(4), dense("relu"), ("Dropout", json!({ "rate": 0.25 })), dense("softmax")];
        let read = described(&good).unwrap();
        assert_eq!((read.pooling, read.side, read.dropout), (Pooling::Tutorial, 224, 0.25));
        let of = |layer| described(&[layer, dense("relu"), dense("softmax")]);
        assert_eq!(of(mean(7)).unwrap().pooling, Pooling::Global);
        assert_eq!(of(("GlobalAveragePooling2D", json!({}))).unwrap().pooling, Pooling::Global);
        let error = |layers: &[_]| described(layers).err().unwrap();
        assert_eq!(error(&[mean(2)]), "it takes means over Some((2, 2)) cells");
        assert_eq!(error(&[dense("relu"), dense("softmax")]), "it takes means 0 times");
        let other = error(&[mean(4), dense("relu"), dense("sigmoid")]);
        assert_eq!(other, r#"its dense layers end in ["relu", "sigmoid"]"#);
        let more = [&good[..], &[("BatchNormalization", json!({}))]].concat();
        assert_eq!(error(&more), "it has a layer `BatchNormalization`");
        assert!(Described::read(&json!({})).is_err());
        assert!(Described::read(&json!({ "config": { "layers": [] } })).is_err());
    }

    #[test]
    fn dense_layers_are_told_by_their_shapes_whatever_their_names() {
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
        assert_eq!(head(&good[1..]).unwrap_err(), "it has 1 dense layers");
        let error = head(&[&good[..1], &good[2..]].concat()).unwrap_err();
        assert_eq!(error, "`model_weights/dense_9/dense_9/kernel:0` has no bias");
        for (at, value) in [(0, f32::NAN), (1, f32::INFINITY), (2, 3e38), (3, f32::NEG_INFINITY)] {
            let mut bad = good.clone();
            bad[at].data[1] = value;
            let error = head(&bad).unwrap_err();
            let named = format!("`{}` holds ", good[at].name);
            assert!(error.starts_with(&named) && error.contains("at position 1"), "{error}");
        }
        let square = [tensor("a/kernel", &[3, 3]), tensor("b/kernel", &[3, 3])];
        assert_eq!(head(&square).unwrap_err(), "its dense layers are [3, 3] and [3, 3]");
    }
}
