//! Writing a model: the messages of `onnx.proto`, and the weights after them.
//!
//! Protobuf lets the fields of a message stand in any order, so that a graph is
//! encoded without its weights, and these follow tensor by tensor: the file is
//! never held in memory, nor is any copy of the weights.

use std::io::{self, Write};

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::field;

/// `ModelProto`, its graph left out.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    /// Version of the format: 8 goes with operator set 17.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// What wrote it.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// Its version.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// For people.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// The operator sets that nodes are of.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    /// Facts by name.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<Property>,
}

/// `OperatorSetIdProto`.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    /// Empty for the standard's own.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Its version.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// `StringStringEntryProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Property {
    /// The name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `GraphProto`, its initializers left out.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    /// In the order in which they run.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    /// Its name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// What it is fed.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    /// What it returns.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

/// `NodeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// The values it reads.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// The values it writes.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Its name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// What it does.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// How.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
}

/// `AttributeProto` of an integer or of several.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// One integer.
    #[prost(int64, tag = "3")]
    pub i: i64,
    /// Several.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// `AttributeType`: 2 for `i`, 7 for `ints`.
    #[prost(int32, tag = "20")]
    pub kind: i32,
}

/// `ValueInfoProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    /// The value's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// `TypeProto`.
    #[prost(message, optional, tag = "2")]
    pub kind: Option<Type>,
}

/// `TypeProto` of a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct Type {
    /// `TypeProto.Tensor`.
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorType>,
}

/// `TypeProto.Tensor`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    /// `TensorProto.DataType`: 1 for `f32`, 2 for `u8`.
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// `TensorShapeProto`.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

/// `TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    /// Outermost first.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// `TensorShapeProto.Dimension`: a number, or a name for any.
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    /// The number.
    #[prost(int64, optional, tag = "1")]
    pub value: Option<i64>,
    /// The name.
    #[prost(string, optional, tag = "2")]
    pub parameter: Option<String>,
}

/// `TensorProto` without its numbers.
#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
}

/// Numbers that the graph starts from.
pub struct Initializer<'a> {
    /// The value's name.
    pub name: String,
    /// The length of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// As many numbers as the shape asks for, in row-major order.
    pub values: Box<dyn Iterator<Item = f32> + 'a>,
}

/// Writes a model file.
///
/// # Errors
/// What `out` says.
///
/// # Panics
/// If an initializer does not hold as many numbers as its shape asks for.
pub fn write(
    out: &mut dyn Write,
    model: &Model,
    graph: &Graph,
    initializers: Vec<Initializer>,
) -> io::Result<()> {
    let tensors: Vec<(Vec<u8>, Initializer)> = initializers
        .into_iter()
        .map(|initializer| {
            let dims = initializer.shape.iter().map(|&n| n as i64).collect();
            let header =
                Tensor { dims, data_type: super::FLOAT as i32, name: initializer.name.clone() };
            (header.encode_to_vec(), initializer)
        })
        .collect();
    let raw = |i: &Initializer| 4 * i.shape.iter().product::<usize>();
    let tensor = |(header, i): &(Vec<u8>, Initializer)| {
        header.len() + embedded(field::TENSOR_RAW_DATA, raw(i))
    };
    let weights: usize =
        tensors.iter().map(|t| embedded(field::GRAPH_INITIALIZER, tensor(t))).sum();
    out.write_all(&model.encode_to_vec())?;
    out.write_all(&start(field::MODEL_GRAPH, graph.encoded_len() + weights))?;
    out.write_all(&graph.encode_to_vec())?;
    for one in tensors {
        out.write_all(&start(field::GRAPH_INITIALIZER, tensor(&one)))?;
        let (header, initializer) = one;
        let count = raw(&initializer) / 4;
        out.write_all(&header)?;
        out.write_all(&start(field::TENSOR_RAW_DATA, 4 * count))?;
        let mut written = 0;
        for value in initializer.values {
            out.write_all(&value.to_le_bytes())?;
            written += 1;
        }
        assert_eq!(written, count, "numbers of `{}`", initializer.name);
    }
    out.flush()
}

/// The bytes of an embedded message of `length` bytes, with what announces it.
fn embedded(tag: u32, length: usize) -> usize {
    key_len(tag) + encoded_len_varint(length as u64) + length
}

/// What announces an embedded message.
fn start(tag: u32, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_key(tag, WireType::LengthDelimited, &mut bytes);
    encode_varint(length as u64, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_one_message_with_its_weights() {
        let model = Model { ir_version: 8, producer_name: "cxr".into(), ..Model::default() };
        let node = Node { op_type: "Relu".into(), ..Node::default() };
        let graph = Graph { name: "net".into(), node: vec![node], ..Graph::default() };
        let initializer = |name: &str, shape: &[usize]| Initializer {
            name: name.into(),
            shape: shape.into(),
            values: Box::new((0..shape.iter().product::<usize>()).map(|i| i as f32)),
        };
        let mut bytes = Vec::new();
        let weights =
            vec![initializer("b", &[100, 3]), initializer("a", &[]), initializer("c", &[0])];
        write(&mut bytes, &model, &graph, weights).unwrap();
        let tensors = super::super::read(&bytes).unwrap();
        let found: Vec<_> = tensors.iter().map(|t| (t.name.as_str(), &t.shape[..])).collect();
        assert_eq!(found, [("a", &[][..]), ("b", &[100, 3]), ("c", &[0])]);
        assert_eq!(tensors[1].data[299], 299.0);
        // Without the weights the message is the same.
        assert_eq!(Model::decode(&bytes[..]).unwrap(), model);
    }
}
