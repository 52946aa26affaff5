//! Model configuration in Keras files.

use std::path::Path;

use hdf5_pure::AttrValue;
use serde_json::Value;

use super::archive::{Archive, Limits};
use super::bounded;
use super::checkpoint::Error;
use super::tensor::{self, MAX_BYTES};

/// Longest configuration in bytes; the tutorial's has 23 kB.
const MAX_CONFIG: u64 = 16 << 20;
/// Limits of a `.keras` archive, which has three files.
const ARCHIVE: Limits = Limits { entries: 100, bytes: 2 * MAX_BYTES, ratio: 1000 };

/// Returns the model configuration: `config.json` of a `.keras` archive, or `model_config` of a
/// whole-model `.h5`. None if the file has weights only, or another format.
///
/// # Errors
/// If the file cannot be read, or the configuration is malformed.
pub fn config(path: &Path) -> Result<Option<Value>, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let text = match bounded::prefix(path, 4).map_err(read)?.as_slice() {
        b"PK\x03\x04" => {
            let unpack = |source| Error::Archive { path: path.to_owned(), source };
            let mut archive = Archive::open(path, ARCHIVE).map_err(unpack)?;
            if !archive.names().iter().any(|name| name == "config.json") {
                return Ok(None);
            }
            archive.read("config.json", MAX_CONFIG).map_err(unpack)?
        }
        b"\x89HDF" => match config_attribute(path)? {
            Some(text) => text.into_bytes(),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let config = serde_json::from_slice(&text);
    config.map(Some).map_err(|e| malformed(path, "Keras configuration", &e))
}

/// Reads the attribute `model_config` of the root group.
fn config_attribute(path: &Path) -> Result<Option<String>, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let bytes = bounded::read(path, MAX_BYTES).map_err(read)?;
    let file = hdf5_pure::File::from_bytes(bytes).map_err(|e| malformed(path, "HDF5", &e))?;
    let mut attributes = file.root().attrs().map_err(|e| malformed(path, "HDF5", &e))?;
    let text = attributes.remove("model_config");
    Ok(text.as_ref().and_then(AttrValue::as_str).map(str::to_owned))
}

fn malformed(path: &Path, format: &'static str, detail: &dyn std::fmt::Display) -> Error {
    let source = tensor::Error::Malformed { format, detail: detail.to_string() };
    Error::Content { path: path.to_owned(), source }
}
