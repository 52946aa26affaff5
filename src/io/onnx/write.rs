//! Writing of ONNX models: the messages of `onnx.proto`, followed by the weights.
//!
//! Protobuf allows any order of fields. The graph is therefore encoded without its weights, and
//! these are appended one tensor at a time: neither the file nor a copy of the weights is held
//! in memory.

use std::io::{self, Write};

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::field;

/// `ModelProto` without its graph.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    /// Version of the format; version 8 belongs to operator set 17.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// Name of the program.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// Version of the program.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// Description for readers.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// Operator sets of the nodes.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    /// Metadata.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<Property>,
}

/// `OperatorSetIdProto`.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    /// Empty for the standard operators.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Version of the operator set.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// `StringStringEntryProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Property {
    /// Name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `GraphProto` without its initializers.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    /// Nodes in the order of execution.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    /// Name of the graph.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Inputs.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    /// Outputs.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

/// `NodeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// Names of the input values.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the output values.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Name of the node.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Operator.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Attributes of the operator.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
}

/// `AttributeProto` with one or several integers.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    /// Name of the attribute.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Single integer.
    #[prost(int64, tag = "3")]
    pub i: i64,
    /// List of integers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// `AttributeType`: 2 for `i`, 7 for `ints`.
    #[prost(int32, tag = "20")]
    pub kind: i32,
}

/// `ValueInfoProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    /// Name of the value.
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
    /// Dimensions, outermost first.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// `TensorShapeProto.Dimension`: a fixed size or a name for a free size.
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    /// Fixed size.
    #[prost(int64, optional, tag = "1")]
    pub value: Option<i64>,
    /// Name of a free size.
    #[prost(string, optional, tag = "2")]
    pub parameter: Option<String>,
}

/// `TensorProto` without its data.
#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
}

/// Constant tensor of the graph.
pub struct Initializer<'a> {
    /// Name of the value.
    pub name: String,
    /// Length of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// Elements in row-major order, as many as the product of `shape`.
    pub values: Box<dyn Iterator<Item = f32> + 'a>,
}

/// Writes a model file.
///
/// # Errors
/// Errors of `out`.
///
/// # Panics
/// If the number of elements of an initializer does not match its shape.
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
    let data_bytes = |i: &Initializer| 4 * i.shape.iter().product::<usize>();
    let tensor_bytes = |(header, i): &(Vec<u8>, Initializer)| {
        header.len() + embedded_bytes(field::TENSOR_RAW_DATA, data_bytes(i))
    };
    let weights: usize =
        tensors.iter().map(|t| embedded_bytes(field::GRAPH_INITIALIZER, tensor_bytes(t))).sum();
    out.write_all(&model.encode_to_vec())?;
    out.write_all(&message_start(field::MODEL_GRAPH, graph.encoded_len() + weights))?;
    out.write_all(&graph.encode_to_vec())?;
    for tensor in tensors {
        out.write_all(&message_start(field::GRAPH_INITIALIZER, tensor_bytes(&tensor)))?;
        let (header, initializer) = tensor;
        let count = data_bytes(&initializer) / 4;
        out.write_all(&header)?;
        out.write_all(&message_start(field::TENSOR_RAW_DATA, 4 * count))?;
        let mut written = 0;
        for value in initializer.values {
            out.write_all(&value.to_le_bytes())?;
            written += 1;
        }
        assert_eq!(written, count, "numbers of `{}`", initializer.name);
    }
    out.flush()
}

/// Returns the size in bytes of an embedded message of `length` bytes, with its key and length.
fn embedded_bytes(tag: u32, length: usize) -> usize {
    key_len(tag) + encoded_len_varint(length as u64) + length
}

/// Encodes the key and the length of an embedded message.
fn message_start(tag: u32, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_key(tag, WireType::LengthDelimited, &mut bytes);
    encode_varint(length as u64, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_files_are_one_message_with_the_weights() {
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
        // The model without its weights is unchanged.
        assert_eq!(Model::decode(&bytes[..]).unwrap(), model);
    }
}
