//! HDF5, the format of Keras' `.h5` files.

pub mod write;

use super::tensor::{Budget, Error, Tensor};
use hdf5_pure::{DType, Datatype, File, Group};

/// Deepest accepted nesting of groups; Keras uses four levels.
const MAX_DEPTH: usize = 16;

/// Reads every f32 dataset of an HDF5 file, sorted by path (`group/name`, no leading slash).
/// Datasets of other types, such as optimizer steps, are skipped, but matrices of another
/// precision are errors.
///
/// # Errors
///
/// [`Error::Malformed`] if the bytes are not HDF5, groups are circular or nested deeper than 16
/// levels, or a filter is unknown; [`Error::Precision`] for a matrix of float64 or float16;
/// [`Error::TooMany`] and [`Error::TooLarge`] at the limits of [`tensor`](super::tensor).
pub fn read(bytes: Vec<u8>) -> Result<Vec<Tensor>, Error> {
    let mut budget = Budget::packed(bytes.len());
    let file = File::from_bytes(bytes).map_err(malformed)?;
    let (length, expected) = (file.file_size(), file.superblock().eof_address);
    if length < expected {
        return Err(malformed(format!("the file is truncated after {length} of {expected} bytes")));
    }
    let mut tensors = Vec::new();
    read_group(&file.root(), "", 0, &mut budget, &mut tensors)?;
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

fn read_group(
    group: &Group,
    prefix: &str,
    depth: usize,
    budget: &mut Budget,
    tensors: &mut Vec<Tensor>,
) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(malformed(format!("groups are nested deeper than {MAX_DEPTH} levels")));
    }
    for (name, dataset) in group.iter_datasets().map_err(malformed)? {
        let name = format!("{prefix}{name}");
        let dtype = dataset.dtype().map_err(malformed)?;
        if dtype != DType::F32 {
            budget.object()?;
            let rank = dataset.shape().map_err(malformed)?.len();
            match float_type(&dtype).filter(|_| rank > 1) {
                Some(dtype) => return Err(Error::Precision { name, dtype }),
                None => continue,
            }
        }
        let shape = budget.tensor(&name, &dataset.shape().map_err(malformed)?)?;
        // A chunk is read as a whole, so it is subject to the limits.
        if let Some(chunk) = dataset.chunk_shape().map_err(malformed)? {
            Budget::new().tensor(&name, &chunk)?;
        }
        let data = dataset.read_f32().map_err(malformed)?;
        let (expected, got) = (shape.iter().product::<usize>() * 4, data.len() * 4);
        if got != expected {
            return Err(Error::Length { name, shape, expected, got });
        }
        tensors.push(Tensor { name, shape, data });
    }
    for (name, child) in group.iter_groups().map_err(malformed)? {
        budget.object()?;
        read_group(&child, &format!("{prefix}{name}/"), depth + 1, budget, tensors)?;
    }
    Ok(())
}

/// Returns the name of a floating-point type other than f32.
fn float_type(dtype: &DType) -> Option<String> {
    match dtype {
        DType::F64 => Some("float64".to_owned()),
        DType::Other(datatype) => match **datatype {
            Datatype::FloatingPoint { size, .. } => Some(format!("float{}", 8 * size)),
            _ => None,
        },
        _ => None,
    }
}

fn malformed(detail: impl ToString) -> Error {
    Error::malformed("HDF5", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdf5_pure::FileBuilder;
    use proptest::prelude::*;

    /// File with the layout of Keras' releases: one group per layer.
    fn keras_file() -> Vec<u8> {
        let mut file = FileBuilder::new();
        for layer in ["b", "a"] {
            let mut group = file.create_group(layer);
            group.create_dataset("kernel:0").with_f32_data(&[1.0, 2.0]).with_shape(&[1, 2]);
            group.create_dataset("steps").with_i64_data(&[7]).with_shape(&[1]);
            file.add_group(group.finish());
        }
        file.finish().unwrap()
    }

    #[test]
    fn datasets_are_sorted_by_path() {
        let tensors = read(keras_file()).unwrap();
        let names: Vec<_> = tensors.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["a/kernel:0", "b/kernel:0"]);
        assert_eq!(tensors[0].shape, [1, 2]);
        assert_eq!(tensors[0].data, [1.0, 2.0]);
    }

    #[test]
    fn matrices_of_double_precision_are_errors() {
        let mut file = FileBuilder::new();
        let mut group = file.create_group("dense");
        group.create_dataset("kernel").with_f64_data(&[1.0, 2.0]).with_shape(&[1, 2]);
        file.add_group(group.finish());
        let error = read(file.finish().unwrap()).unwrap_err().to_string();
        assert_eq!(error, "tensor `dense/kernel` has the type float64, expected float32");
    }

    /// `tests/golden/keras.h5` was written by h5py with the features of Keras' files:
    /// superblock 0, symbol tables, groups with `weight_names`, and one shuffled and deflated
    /// dataset.
    #[test]
    fn files_of_h5py_are_read() {
        let bytes = include_bytes!("../../tests/golden/keras.h5").to_vec();
        let tensors = read(bytes).unwrap();
        let found: Vec<_> = tensors.iter().map(|t| (t.name.as_str(), &t.shape[..])).collect();
        assert_eq!(
            found,
            [
                ("block1_conv1/block1_conv1_W_1:0", &[3, 3, 3, 2][..]),
                ("block1_conv1/block1_conv1_b_1:0", &[2]),
                ("deflated/kernel:0", &[4, 5]),
            ]
        );
        let count_up = |n: usize| (0..n).map(|i| i as f32 / 8.0).collect::<Vec<_>>();
        assert_eq!(tensors[0].data, count_up(54));
        assert_eq!(tensors[2].data, count_up(20));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let mut file = FileBuilder::new();
        let mut group = file.create_group("0");
        for level in 1..=MAX_DEPTH {
            let mut outer = file.create_group(&level.to_string());
            outer.add_group(group.finish());
            group = outer;
        }
        file.add_group(group.finish());
        let error = read(file.finish().unwrap()).unwrap_err();
        assert!(error.to_string().contains("nested deeper than 16"), "{error}");
    }

    #[test]
    fn other_and_truncated_files_are_refused() {
        for bytes in [&b""[..], b"\x89HDF\r\n\x1a\n", b"hello"] {
            assert!(matches!(read(bytes.to_vec()), Err(Error::Malformed { .. })));
        }
        let whole = keras_file();
        for cut in [whole.len() / 4, whole.len() / 2, whole.len() - 1] {
            assert!(read(whole[..cut].to_vec()).is_err(), "cut at {cut}");
        }
    }

    proptest! {
        /// Any change of bytes gives tensors or an error.
        #[test]
        fn damaged_files_do_not_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            for mut bytes in [keras_file(), include_bytes!("../../tests/golden/keras.h5").to_vec()] {
                for (position, value) in &changes {
                    let position = position.index(bytes.len());
                    bytes[position] = *value;
                }
                let _ = read(bytes);
            }
        }
    }
}
