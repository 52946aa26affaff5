//! safetensors files, the format of cached weights, heads and bundles.

use super::tensor::{Budget, Error, Tensor};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Longest accepted header in bytes.
const MAX_HEADER: u64 = 1 << 24;

/// Reads every f32 tensor, sorted by name. Tensors of other types are skipped, but matrices of
/// another precision are errors.
///
/// # Errors
///
/// [`Error::Malformed`] for invalid files, and for headers of more than 16 MiB;
/// [`Error::Precision`] for a matrix of F64, F16 or BF16; [`Error::TooMany`] and
/// [`Error::TooLarge`] at the limits.
pub fn read(bytes: &[u8]) -> Result<Vec<Tensor>, Error> {
    let file = SafeTensors::deserialize(check_header(bytes)?).map_err(malformed)?;
    let mut budget = Budget::new();
    let mut views: Vec<_> = file.iter().collect();
    views.sort_by_key(|&(name, _)| name);
    let mut tensors = Vec::new();
    for (name, view) in views {
        if view.dtype() != Dtype::F32 {
            budget.object()?;
            let dtype = match view.dtype() {
                Dtype::F64 => "float64",
                Dtype::F16 => "float16",
                Dtype::BF16 => "bfloat16",
                _ => continue,
            };
            if view.shape().len() > 1 {
                return Err(Error::Precision { name: name.into(), dtype: dtype.into() });
            }
            continue;
        }
        let shape: Vec<u64> = view.shape().iter().map(|&n| n as u64).collect();
        let shape = budget.tensor(name, &shape)?;
        tensors.push(Tensor::from_le_bytes(name.into(), shape, view.data())?);
    }
    Ok(tensors)
}

/// Reads the `__metadata__` of a file; empty if missing.
///
/// # Errors
///
/// [`Error::Malformed`] as for [`read`].
pub fn metadata(bytes: &[u8]) -> Result<BTreeMap<String, String>, Error> {
    let (_, header) = SafeTensors::read_metadata(check_header(bytes)?).map_err(malformed)?;
    Ok(header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect())
}

/// Borrowed tensor to write.
#[derive(Debug, Clone, PartialEq)]
pub struct View<'a> {
    /// Name in the file.
    pub name: String,
    /// Length of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub data: &'a [f32],
}

impl<'a> From<&'a Tensor> for View<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Self { name: tensor.name.clone(), shape: tensor.shape.clone(), data: &tensor.data }
    }
}

/// Returns the bytes of a file, see [`write_to`].
pub fn write(tensors: &[Tensor], metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let views: Vec<View> = tensors.iter().map(View::from).collect();
    let mut bytes = Vec::new();
    write_to(&mut bytes, &views, metadata).expect("writing to memory");
    bytes
}

/// Writes `tensors` in the given order, and `metadata` with sorted keys. Equal arguments give
/// equal bytes; the safetensors crate does not guarantee this, because its metadata are a hash
/// map. The data are not copied as a whole.
///
/// # Errors
///
/// Errors of `out`.
pub fn write_to(
    out: &mut dyn Write,
    tensors: &[View],
    metadata: &BTreeMap<String, String>,
) -> io::Result<()> {
    let mut header = Map::from_iter([("__metadata__".to_owned(), json!(metadata))]);
    let mut end = 0;
    for View { name, shape, data } in tensors {
        let start = end;
        end += 4 * data.len();
        let info = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] });
        header.insert(name.clone(), info);
    }
    let mut header = Value::Object(header).to_string();
    // Data aligned to 8 bytes can be used in place.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for block in tensors.iter().flat_map(|tensor| tensor.data.chunks(1 << 14)) {
        let bytes: Vec<u8> = block.iter().flat_map(|x| x.to_le_bytes()).collect();
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn check_header(bytes: &[u8]) -> Result<&[u8], Error> {
    match bytes.first_chunk() {
        Some(&length) if u64::from_le_bytes(length) > MAX_HEADER => {
            Err(malformed(format!("the header has more than {MAX_HEADER} bytes")))
        }
        _ => Ok(bytes),
    }
}

fn malformed(detail: impl ToString) -> Error {
    Error::malformed("safetensors", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tensors() -> Vec<Tensor> {
        let tensor = |name: &str, shape: &[usize], data: &[f32]| Tensor {
            name: name.into(),
            shape: shape.into(),
            data: data.into(),
        };
        vec![tensor("a", &[2, 1], &[1.0, -2.5]), tensor("b", &[], &[3.0]), tensor("c", &[0], &[])]
    }

    fn metadata_of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn written_files_are_read_by_the_crate() {
        let notes = metadata_of(&[("source", "a \"quoted\" place"), ("licence", "CC BY 4.0")]);
        let bytes = write(&tensors(), &notes);
        assert_eq!(read(&bytes).unwrap(), tensors());
        assert_eq!(metadata(&bytes).unwrap(), notes);
        assert_eq!(bytes, write(&tensors(), &notes));
        let header = u64::from_le_bytes(*bytes.first_chunk().unwrap());
        assert_eq!(header % 8, 0);
    }

    #[test]
    fn tensors_of_other_types_are_skipped() {
        let view = safetensors::tensor::TensorView::new(Dtype::U8, vec![2], &[1, 2]).unwrap();
        let bytes = safetensors::serialize([("bytes", view)], None).unwrap();
        assert_eq!(read(&bytes).unwrap(), []);
        assert_eq!(metadata(&bytes).unwrap(), BTreeMap::new());
    }

    #[test]
    fn matrices_of_another_precision_are_errors() {
        for (dtype, size, name) in
            [(Dtype::F64, 8, "float64"), (Dtype::F16, 2, "float16"), (Dtype::BF16, 2, "bfloat16")]
        {
            let data = vec![0; 2 * size];
            let view = safetensors::tensor::TensorView::new(dtype, vec![1, 2], &data).unwrap();
            let bytes = safetensors::serialize([("dense_1.kernel", view)], None).unwrap();
            let error = read(&bytes).unwrap_err().to_string();
            let expected = format!("tensor `dense_1.kernel` has the type {name}, expected float32");
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn other_files_are_refused() {
        let whole = write(&tensors(), &BTreeMap::new());
        let mut long_header = whole.clone();
        long_header[..8].copy_from_slice(&(MAX_HEADER + 1).to_le_bytes());
        for bytes in [b"".to_vec(), whole[..whole.len() - 1].to_vec(), long_header] {
            assert!(matches!(read(&bytes), Err(Error::Malformed { .. })));
        }
    }

    proptest! {
        #[test]
        fn damaged_files_do_not_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut bytes = write(&tensors(), &metadata_of(&[("k", "v")]));
            for (position, value) in changes {
                let position = position.index(bytes.len());
                bytes[position] = value;
            }
            let _ = (read(&bytes), metadata(&bytes));
        }
    }
}
