//! Export to Keras, with the layers of the tutorial.
//!
//! The input is images `[n, side, side, 3]`, f32, RGB, divided by 255, as in the tutorial.
//! `.keras` is the archive of Keras 3; `.h5` is the older whole-model file that the tutorial
//! saved and that Keras 3 still reads. Both contain the same configuration.

use std::collections::BTreeMap;
use std::io::{self, Seek, Write};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::Bundle;
use crate::backbone::{LAYERS, Vgg16, Weights};
use crate::conv::Extent;
use crate::io::hdf5::write::{Attribute, Tree, write};
use crate::io::safetensors::View;

/// Keras version of the file formats.
const VERSION: &str = "3.0.0";

/// A layer of the model.
struct Layer<'a> {
    class: &'static str,
    name: String,
    config: Value,
    /// Shape of the output without the batch dimension.
    output: Vec<usize>,
    trainable: bool,
    /// Kernel and bias; empty for layers without weights.
    weights: Vec<View<'a>>,
}

impl Bundle {
    /// Writes the `.keras` archive, with the backbone `weights`. It has no date: equal models
    /// give equal bytes.
    ///
    /// # Errors
    /// Errors of `out`.
    pub fn write_keras(&self, weights: &Weights, out: impl Write + Seek) -> io::Result<()> {
        let layers = self.layers(weights);
        let mut zip = ZipWriter::new(out);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default());
        let metadata = json!({ "keras_version": VERSION, "cxr": self.properties() });
        for (name, value) in [("metadata.json", metadata), ("config.json", config(&layers))] {
            zip.start_file(name, options)?;
            zip.write_all(value.to_string().as_bytes())?;
        }
        zip.start_file("model.weights.h5", options)?;
        write(&mut zip, weights_tree(layers)).map_err(io::Error::other)?;
        zip.finish()?.flush()
    }

    /// Writes the whole-model `.h5` file, with the backbone `weights`.
    ///
    /// # Errors
    /// Errors of `out`.
    pub fn write_h5(&self, weights: &Weights, out: &mut dyn Write) -> io::Result<()> {
        let layers = self.layers(weights);
        let text = |name: &str, text: String| (name.to_owned(), Attribute::Text(text));
        let versions =
            || vec![text("backend", "tensorflow".into()), text("keras_version", VERSION.into())];
        let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
        let mut attributes = versions();
        attributes.push(text("model_config", config(&layers).to_string()));
        attributes.extend(self.properties().into_iter().map(|(k, v)| text(&format!("cxr_{k}"), v)));
        let mut model_attributes = versions();
        model_attributes.push(("layer_names".to_owned(), Attribute::Texts(names)));
        let groups = layers.into_iter().map(|layer| {
            let full_name = |view: &View| format!("{}/{}", layer.name, view.name);
            let names: Vec<String> = layer.weights.iter().map(full_name).collect();
            let mut group = Tree::default();
            if !names.is_empty() {
                group.attributes.push(("weight_names".to_owned(), Attribute::Texts(names)));
                let inner = Tree { datasets: layer.weights, ..Tree::default() };
                group.groups.push((layer.name.clone(), inner));
            }
            (layer.name, group)
        });
        let model =
            Tree { attributes: model_attributes, groups: groups.collect(), ..Tree::default() };
        let groups = vec![("model_weights".to_owned(), model)];
        write(out, Tree { attributes, groups, ..Tree::default() }).map_err(io::Error::other)
    }

    fn layers<'a>(&'a self, weights: &'a Weights) -> Vec<Layer<'a>> {
        let model = &self.manifest.model;
        let side = model.extractor.side;
        let mut layers = vec![Layer {
            class: "InputLayer",
            name: "input_layer".to_owned(),
            config: json!({ "batch_shape": [null, side, side, 3], "sparse": false, "ragged": false }),
            output: vec![side, side, 3],
            trainable: true,
            weights: Vec::new(),
        }];
        let mut tensors = weights.views().into_iter();
        let mut map = side;
        for spec in &LAYERS {
            layers.push(Layer {
                class: "Conv2D",
                name: spec.name.to_owned(),
                config: json!({
                    "filters": spec.outputs, "kernel_size": [3, 3], "strides": [1, 1],
                    "padding": "same", "data_format": "channels_last", "dilation_rate": [1, 1],
                    "groups": 1, "activation": "relu", "use_bias": true,
                }),
                output: vec![map, map, spec.outputs],
                trainable: false,
                weights: parameters(tensors.by_ref().take(2)),
            });
            if spec.pool {
                map /= 2;
                let block = spec.name.split('_').next().unwrap_or(spec.name);
                let name = format!("{block}_pool");
                layers.push(pool("MaxPooling2D", name, 2, 2, map, spec.outputs));
            }
        }
        // A stride as large as the map leaves one cell: the mean over the upper left.
        let pooled = model.extractor.pooling.reads(Extent { rows: map, cols: map }).rows;
        let channels = Vgg16::CHANNELS;
        let mean =
            pool("AveragePooling2D", "average_pooling2d".to_owned(), pooled, map, 1, channels);
        layers.push(Layer { trainable: true, ..mean });
        let flat = json!({ "data_format": "channels_last" });
        layers.push(plain("Flatten", "flatten", flat, channels));
        let mut tensors = self.head.views().into_iter();
        let mut dense = |name: &str, units: usize, activation: &str| Layer {
            weights: parameters(tensors.by_ref().take(2)),
            ..plain(
                "Dense",
                name,
                json!({ "units": units, "activation": activation, "use_bias": true }),
                units,
            )
        };
        let hidden = self.head.hidden.bias.len();
        let (first, last) =
            (dense("dense", hidden, "relu"), dense("dense_1", self.head.classes(), "softmax"));
        let rate = json!({ "rate": model.training.dropout, "seed": null, "noise_shape": null });
        layers.extend([first, plain("Dropout", "dropout", rate, hidden), last]);
        layers
    }
}

/// Renames tensors to `kernel` and `bias`.
fn parameters<'a>(views: impl Iterator<Item = View<'a>>) -> Vec<View<'a>> {
    let names = ["kernel", "bias"].into_iter();
    names.zip(views).map(|(name, view)| View { name: name.to_owned(), ..view }).collect()
}

fn plain<'a>(class: &'static str, name: &str, config: Value, outputs: usize) -> Layer<'a> {
    let (name, output) = (name.to_owned(), vec![outputs]);
    Layer { class, name, config, output, trainable: true, weights: Vec::new() }
}

fn pool<'a>(
    class: &'static str,
    name: String,
    window: usize,
    stride: usize,
    side: usize,
    channels: usize,
) -> Layer<'a> {
    let config = json!({
        "pool_size": [window, window], "strides": [stride, stride], "padding": "valid",
        "data_format": "channels_last",
    });
    let output = vec![side, side, channels];
    Layer { class, name, config, output, trainable: false, weights: Vec::new() }
}

/// Configuration from which Keras builds the model.
fn config(layers: &[Layer]) -> Value {
    let shape = |output: &[usize]| -> Value {
        std::iter::once(Value::Null).chain(output.iter().map(|n| json!(n))).collect()
    };
    let mut described = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        let mut config = layer.config.clone();
        config["name"] = layer.name.clone().into();
        config["dtype"] = "float32".into();
        let mut inbound = json!([]);
        let mut build = Value::Null;
        if let Some(before) = i.checked_sub(1).map(|i| &layers[i]) {
            config["trainable"] = layer.trainable.into();
            let from = shape(&before.output);
            build = json!({ "input_shape": from });
            inbound = json!([{
                "args": [{
                    "class_name": "__keras_tensor__",
                    "config": {
                        "shape": from, "dtype": "float32", "keras_history": [before.name, 0, 0],
                    },
                }],
                "kwargs": {},
            }]);
        }
        described.push(json!({
            "module": "keras.layers", "class_name": layer.class, "config": config,
            "registered_name": null, "build_config": build, "name": layer.name,
            "inbound_nodes": inbound,
        }));
    }
    let (first, last) = (&layers[0].name, &layers[layers.len() - 1].name);
    json!({
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {
            "name": "cxr", "trainable": true, "layers": described,
            "input_layers": [[first, 0, 0]], "output_layers": [[last, 0, 0]],
        },
        "registered_name": "Functional",
    })
}

/// Contents of `model.weights.h5`: one group per layer, named by its class and numbered.
fn weights_tree(layers: Vec<Layer>) -> Tree {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups = Vec::new();
    let vars = |name: &str, datasets| Tree {
        attributes: vec![("name".to_owned(), Attribute::Text(name.to_owned()))],
        datasets,
        groups: Vec::new(),
    };
    for layer in layers {
        let class = snake_case(layer.class);
        let count = counts.entry(class).or_default();
        let group = if *count == 0 { class.to_owned() } else { format!("{class}_{count}") };
        *count += 1;
        let numbered = layer.weights.into_iter().enumerate();
        let datasets = numbered.map(|(i, view)| View { name: i.to_string(), ..view }).collect();
        let variables = vars(&layer.name, datasets);
        groups.push((
            group,
            Tree { groups: vec![("vars".to_owned(), variables)], ..Tree::default() },
        ));
    }
    let layers = Tree { groups, ..Tree::default() };
    let groups = vec![("layers".to_owned(), layers), ("vars".to_owned(), vars("cxr", Vec::new()))];
    Tree { groups, ..Tree::default() }
}

/// Name of a layer class in `model.weights.h5`.
fn snake_case(class: &'static str) -> &'static str {
    match class {
        "InputLayer" => "input_layer",
        "Conv2D" => "conv2d",
        "MaxPooling2D" => "max_pooling2d",
        "AveragePooling2D" => "average_pooling2d",
        "Flatten" => "flatten",
        "Dense" => "dense",
        "Dropout" => "dropout",
        other => unreachable!("there is no layer `{other}`"),
    }
}
