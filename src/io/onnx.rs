//! ONNX: reading the weights (initializers) of a model; [`mod@write`] writes whole models.
//!
//! The file is a protobuf message. Its fields are parsed in place, and only the fields named
//! here are used, so that a file cannot cause allocations beyond the returned tensors.

pub mod write;

use super::tensor::{Budget, Error, MAX_RANK, Tensor};
use prost::encoding::{WireType, decode_key, decode_varint};

/// Field numbers of `onnx.proto`.
mod field {
    pub const MODEL_GRAPH: u32 = 7;
    pub const GRAPH_INITIALIZER: u32 = 5;
    pub const TENSOR_DIMS: u32 = 1;
    pub const TENSOR_DATA_TYPE: u32 = 2;
    pub const TENSOR_FLOAT_DATA: u32 = 4;
    pub const TENSOR_NAME: u32 = 8;
    pub const TENSOR_RAW_DATA: u32 = 9;
    pub const TENSOR_DATA_LOCATION: u32 = 14;
}

/// `TensorProto.DataType.FLOAT`
const FLOAT: u64 = 1;
/// `TensorProto.DataType.FLOAT16`, `DOUBLE` and `BFLOAT16`.
const OTHER_PRECISION: [(u64, &str); 3] = [(10, "float16"), (11, "float64"), (16, "bfloat16")];
/// `TensorProto.DataLocation.EXTERNAL`
const EXTERNAL: u64 = 1;

/// Reads every f32 initializer of an ONNX model, sorted by name. Initializers of other types,
/// such as shapes, are skipped, but matrices of another precision are errors.
///
/// # Errors
///
/// [`Error::Malformed`] if the bytes are not a protobuf message with one graph;
/// [`Error::Precision`] for a matrix of float64, float16 or bfloat16; [`Error::External`] for
/// weights in another file; [`Error::Length`], [`Error::TooMany`] and [`Error::TooLarge`] for
/// wrong sizes.
pub fn read(bytes: &[u8]) -> Result<Vec<Tensor>, Error> {
    let mut budget = Budget::new();
    let mut tensors = Vec::new();
    let mut graphs = 0;
    for graph in messages(bytes, field::MODEL_GRAPH) {
        graphs += 1;
        for initializer in messages(graph?, field::GRAPH_INITIALIZER) {
            tensors.extend(tensor(initializer?, &mut budget)?);
        }
    }
    if graphs != 1 {
        return Err(malformed(format!("{graphs} graphs, expected 1")));
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

/// Parses a `TensorProto`; `None` if the type is not f32.
fn tensor(message: &[u8], budget: &mut Budget) -> Result<Option<Tensor>, Error> {
    let (mut name, mut shape, mut data_type, mut location) = ("", Vec::new(), 0, 0);
    let (mut raw, mut floats) = (None, Vec::new());
    for field in Fields(message) {
        match field? {
            (field::TENSOR_DIMS, Value::Varint(n)) => shape.push(n),
            (field::TENSOR_DIMS, Value::Bytes(mut packed)) => {
                while !packed.is_empty() && shape.len() <= MAX_RANK {
                    shape.push(decode_varint(&mut packed).map_err(malformed)?);
                }
            }
            (field::TENSOR_DATA_TYPE, Value::Varint(n)) => data_type = n,
            (field::TENSOR_FLOAT_DATA, Value::Bytes(packed)) => floats.extend_from_slice(packed),
            (field::TENSOR_FLOAT_DATA, Value::Fixed32(one)) => floats.extend_from_slice(one),
            (field::TENSOR_NAME, Value::Bytes(text)) => {
                name = std::str::from_utf8(text).map_err(malformed)?;
            }
            (field::TENSOR_RAW_DATA, Value::Bytes(bytes)) => raw = Some(bytes),
            (field::TENSOR_DATA_LOCATION, Value::Varint(n)) => location = n,
            _ => {}
        }
        if shape.len() > MAX_RANK {
            return Err(Error::TooLarge { name: name.into(), shape });
        }
    }
    if data_type != FLOAT {
        budget.object()?;
        return match OTHER_PRECISION.iter().find(|(number, _)| *number == data_type) {
            Some((_, dtype)) if shape.len() > 1 => {
                Err(Error::Precision { name: name.into(), dtype: (*dtype).into() })
            }
            _ => Ok(None),
        };
    }
    if location == EXTERNAL {
        return Err(Error::External { name: name.into() });
    }
    let shape = budget.tensor(name, &shape)?;
    Tensor::from_le_bytes(name.into(), shape, raw.unwrap_or(&floats)).map(Some)
}

/// Iterates over the embedded messages with field number `tag`.
fn messages(bytes: &[u8], tag: u32) -> impl Iterator<Item = Result<&[u8], Error>> {
    Fields(bytes).filter_map(move |field| match field {
        Ok((found, Value::Bytes(message))) if found == tag => Some(Ok(message)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

/// Encoded value of a field.
enum Value<'a> {
    Varint(u64),
    Fixed32(&'a [u8]),
    Fixed64,
    Bytes(&'a [u8]),
}

/// Iterator over the fields of a protobuf message, in file order; ends after an error.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u32, Value<'a>), Error> {
        let (tag, wire) = decode_key(&mut self.0).map_err(malformed)?;
        let value = match wire {
            WireType::Varint => Value::Varint(decode_varint(&mut self.0).map_err(malformed)?),
            WireType::ThirtyTwoBit => Value::Fixed32(self.take(4)?),
            WireType::SixtyFourBit => self.take(8).map(|_| Value::Fixed64)?,
            WireType::LengthDelimited => {
                let length = decode_varint(&mut self.0).map_err(malformed)?;
                Value::Bytes(self.take(length)?)
            }
            WireType::StartGroup | WireType::EndGroup => {
                return Err(malformed("a protobuf group, which ONNX does not use"));
            }
        };
        Ok((tag, value))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Error> {
        let (taken, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.0.split_at_checked(length))
            .ok_or_else(|| malformed(format!("a field of {length} bytes exceeds the message")))?;
        self.0 = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn malformed(detail: impl ToString) -> Error {
    Error::malformed("ONNX", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message;

    /// Messages of `onnx.proto` encoded by prost, as a reference for the reader.
    #[derive(Message)]
    struct Model {
        #[prost(int64, tag = "1")]
        ir_version: i64,
        #[prost(message, optional, tag = "7")]
        graph: Option<Graph>,
    }

    #[derive(Message)]
    struct Graph {
        #[prost(string, tag = "2")]
        name: String,
        #[prost(message, repeated, tag = "5")]
        initializer: Vec<TensorProto>,
    }

    #[derive(Clone, Message)]
    struct TensorProto {
        #[prost(int64, repeated, packed = "false", tag = "1")]
        dims: Vec<i64>,
        #[prost(int64, repeated, tag = "1000")]
        unknown: Vec<i64>,
        #[prost(int32, tag = "2")]
        data_type: i32,
        #[prost(float, repeated, tag = "4")]
        float_data: Vec<f32>,
        #[prost(string, tag = "8")]
        name: String,
        #[prost(bytes = "vec", optional, tag = "9")]
        raw_data: Option<Vec<u8>>,
        #[prost(int32, tag = "14")]
        data_location: i32,
    }

    fn proto(name: &str, dims: &[i64], data: &[f32]) -> TensorProto {
        TensorProto {
            dims: dims.to_vec(),
            unknown: vec![1, 2, 3],
            data_type: FLOAT as i32,
            name: name.into(),
            raw_data: Some(data.iter().flat_map(|x| x.to_le_bytes()).collect()),
            ..Default::default()
        }
    }

    fn model(initializer: Vec<TensorProto>) -> Vec<u8> {
        let graph = Graph { name: "net".into(), initializer };
        Model { ir_version: 7, graph: Some(graph) }.encode_to_vec()
    }

    #[test]
    fn raw_and_float_data_are_read_and_other_types_skipped() {
        let floats =
            TensorProto { raw_data: None, float_data: vec![3.0, 4.0], ..proto("a", &[2], &[]) };
        let ints = TensorProto { data_type: 7, ..proto("shape", &[1], &[0.0]) };
        let scalar = proto("c", &[], &[5.0]);
        let bytes = model(vec![proto("b", &[1, 2], &[1.0, 2.0]), ints, scalar, floats]);
        let tensors = read(&bytes).unwrap();
        let expect = |name: &str, shape: &[usize], data: &[f32]| Tensor {
            name: name.into(),
            shape: shape.into(),
            data: data.into(),
        };
        assert_eq!(
            tensors,
            [
                expect("a", &[2], &[3.0, 4.0]),
                expect("b", &[1, 2], &[1.0, 2.0]),
                expect("c", &[], &[5.0]),
            ]
        );
    }

    #[test]
    fn every_defect_has_its_error() {
        let refused = |tensor| read(&model(vec![tensor])).unwrap_err();
        assert!(matches!(refused(proto("a", &[3], &[1.0])), Error::Length { .. }));
        assert!(matches!(refused(proto("a", &[-1], &[1.0])), Error::TooLarge { .. }));
        assert!(matches!(refused(proto("a", &[1; 9], &[1.0])), Error::TooLarge { .. }));
        assert!(matches!(
            refused(TensorProto { data_location: 1, ..proto("a", &[1], &[]) }),
            Error::External { .. }
        ));
        assert!(matches!(read(&model(vec![TensorProto::default(); 10_001])), Err(Error::TooMany)));
        assert!(matches!(read(b""), Err(Error::Malformed { .. })));
        assert!(matches!(read(b"\x08"), Err(Error::Malformed { .. })));
        assert!(matches!(read(b"\x3a\xff\xff\xff\xff\x0f"), Err(Error::Malformed { .. })));
    }

    proptest! {
        #[test]
        fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        #[test]
        fn damaged_files_do_not_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut bytes = model(vec![proto("a", &[2, 2], &[1.0; 4]), proto("b", &[1], &[2.0])]);
            for (position, value) in changes {
                let position = position.index(bytes.len());
                bytes[position] = value;
            }
            let _ = read(&bytes);
        }
    }
}
