//! Export to ONNX: 8-bit images in, probabilities out.

use std::io::{self, Write};

use super::Bundle;
use crate::backbone::{LAYERS, Weights};
use crate::conv::Extent;
use crate::io::onnx::write::{
    Attribute, Dimension, Graph, Initializer, Model, Node, OperatorSet, Property, Shape,
    TensorType, Type, ValueInfo, write,
};

/// Operator set, followed by the format version that it requires.
const OPSET: i64 = 17;
const IR: i64 = 8;

/// `TensorProto.DataType`
const F32: i32 = 1;
const U8: i32 = 2;

/// Name of the input, u8 `[n, side, side, 3]`.
pub const INPUT: &str = "images";
/// Name of the output, f32 `[n, classes]`.
pub const OUTPUT: &str = "probabilities";

/// Name of the constant that divides 8-bit levels.
const WHITE: &str = "white";

impl Bundle {
    /// Writes the model with its preprocessing and the backbone `weights`. Input `images`: u8
    /// `[n, side, side, 3]`, RGB; output `probabilities`: f32 `[n, classes]`. The metadata are
    /// [`Bundle::properties`].
    ///
    /// # Errors
    /// Errors of `out`.
    pub fn write_onnx(&self, weights: &Weights, out: &mut dyn Write) -> io::Result<()> {
        let model = &self.manifest.model;
        let property = |(key, value)| Property { key, value };
        let header = Model {
            ir_version: IR,
            producer_name: "cxr".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            doc_string:
                "8-bit RGB chest X-rays to class probabilities; for research, not for diagnosis"
                    .to_owned(),
            opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
            metadata_props: self.properties().into_iter().map(property).collect(),
        };
        let side = model.extractor.side;
        let graph = Graph {
            name: "cxr".to_owned(),
            node: self.nodes(),
            input: vec![value(INPUT, U8, &[side, side, 3])],
            output: vec![value(OUTPUT, F32, &[model.classes.len()])],
        };
        write(out, &header, &graph, self.initializers(weights))
    }

    fn nodes(&self) -> Vec<Node> {
        let extractor = &self.manifest.model.extractor;
        let mut chain = Chain { nodes: Vec::new(), value: INPUT.to_owned() };
        chain.then("Cast", "levels", &[], vec![int("to", F32.into())]);
        chain.then("Div", "scaled", &[WHITE], Vec::new());
        chain.then("Transpose", "planes", &[], vec![ints("perm", &[0, 3, 1, 2])]);
        for spec in &LAYERS {
            let name = spec.name;
            let shape = vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])];
            chain.then("Conv", name, &[&format!("{name}.kernel"), &format!("{name}.bias")], shape);
            chain.then("Relu", &format!("{name}_relu"), &[], Vec::new());
            if spec.pool {
                let block = name.split('_').next().unwrap_or(name);
                chain.then("MaxPool", &format!("{block}_pool"), &[], window(2, 2));
            }
        }
        // A stride as large as the map leaves one cell: the mean over the upper left.
        let cells = extractor.side / 32;
        let pooled = extractor.pooling.reads(Extent { rows: cells, cols: cells }).rows;
        chain.then("AveragePool", "pooled", &[], window(pooled, cells));
        chain.then("Flatten", "features", &[], vec![int("axis", 1)]);
        chain.then("Gemm", "dense_1", &["dense_1.kernel", "dense_1.bias"], Vec::new());
        chain.then("Relu", "dense_1_relu", &[], Vec::new());
        chain.then("Gemm", "dense_2", &["dense_2.kernel", "dense_2.bias"], Vec::new());
        chain.then("Softmax", OUTPUT, &[], vec![int("axis", 1)]);
        chain.nodes
    }

    fn initializers<'a>(&'a self, weights: &'a Weights) -> Vec<Initializer<'a>> {
        let white = Initializer {
            name: WHITE.to_owned(),
            shape: Vec::new(),
            values: Box::new(std::iter::once(255.0)),
        };
        let mut all = vec![white];
        for (spec, layer) in LAYERS.iter().zip(weights.layers()) {
            // Keras order: [rows, cols, in, out].
            let kernel = layer.kernel.view().permuted_axes([3, 2, 0, 1]);
            all.push(Initializer {
                name: format!("{}.kernel", spec.name),
                shape: kernel.shape().to_vec(),
                values: Box::new(kernel.into_iter().copied()),
            });
            all.push(Initializer {
                name: format!("{}.bias", spec.name),
                shape: layer.bias.shape().to_vec(),
                values: Box::new(layer.bias.iter().copied()),
            });
        }
        all.extend(self.head.views().map(|view| Initializer {
            name: view.name,
            shape: view.shape,
            values: Box::new(view.data.iter().copied()),
        }));
        all
    }
}

/// Sequence of nodes, each of which reads the output of the previous one.
struct Chain {
    nodes: Vec<Node>,
    value: String,
}

impl Chain {
    /// Appends a node named like its output, with the additional inputs `others`.
    fn then(&mut self, op_type: &str, name: &str, others: &[&str], attribute: Vec<Attribute>) {
        let first = std::mem::replace(&mut self.value, name.to_owned());
        let others = others.iter().map(|other| (*other).to_owned());
        self.nodes.push(Node {
            input: std::iter::once(first).chain(others).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: op_type.to_owned(),
            attribute,
        });
    }
}

/// Attributes of a square window and its stride.
fn window(side: usize, step: usize) -> Vec<Attribute> {
    let [side, step] = [side, step].map(|n| n as i64);
    vec![ints("kernel_shape", &[side, side]), ints("strides", &[step, step])]
}

fn int(name: &str, i: i64) -> Attribute {
    Attribute { name: name.to_owned(), i, ints: Vec::new(), kind: 2 }
}

fn ints(name: &str, ints: &[i64]) -> Attribute {
    Attribute { name: name.to_owned(), i: 0, ints: ints.to_vec(), kind: 7 }
}

/// Tensor with a free batch dimension; `shape` is that of one image.
fn value(name: &str, elem_type: i32, shape: &[usize]) -> ValueInfo {
    let batch = Dimension { value: None, parameter: Some("n".to_owned()) };
    let sizes = shape.iter().map(|&n| Dimension { value: Some(n as i64), parameter: None });
    let shape = Shape { dim: std::iter::once(batch).chain(sizes).collect() };
    let tensor = TensorType { elem_type, shape: Some(shape) };
    ValueInfo { name: name.to_owned(), kind: Some(Type { tensor: Some(tensor) }) }
}
