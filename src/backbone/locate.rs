//! Path of the weights file on this machine.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::io::cache::user_cache;

/// Environment variable with the path of a weights file to use instead of the file in the
/// user's cache.
pub const WEIGHTS_VARIABLE: &str = "CXR_WEIGHTS";

/// [`Weights::fingerprint`](super::Weights::fingerprint) of the ImageNet weights of the VGG
/// group, as released by Keras.
pub const IMAGENET_FINGERPRINT: &str =
    "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd";

/// Name of the weights file in the cache.
const FILE: &str = "vgg16_imagenet_notop.safetensors";

/// Reason why there is no weights file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LocateWeightsError {
    /// The file does not exist.
    #[error("the weights file `{}` does not exist", path.display())]
    Missing {
        /// Expected path.
        path: PathBuf,
    },
    /// Neither `CXR_WEIGHTS`, `XDG_CACHE_HOME` nor `HOME` is set.
    #[error("cannot find the weights: neither `{WEIGHTS_VARIABLE}` nor `HOME` is set")]
    NoCachePath,
}

impl LocateWeightsError {
    /// Hint for the user.
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { .. } => {
                format!("run `cxr fetch weights`, or set `{WEIGHTS_VARIABLE}` to the file")
            }
            Self::NoCachePath => format!(
                "run `cxr fetch weights --output FILE`, then set `{WEIGHTS_VARIABLE}` to that file"
            ),
        }
    }
}

/// Path of the weights file, in safetensors format for [`super::Weights::read`]:
/// `$CXR_WEIGHTS`, else `vgg16_imagenet_notop.safetensors` in `$XDG_CACHE_HOME/cxr`, else in
/// `~/.cache/cxr`.
///
/// # Errors
/// If the file does not exist, or no path is known; see [`LocateWeightsError::hint`].
pub fn weights_file() -> Result<PathBuf, LocateWeightsError> {
    let path = weights_path()?;
    if path.is_file() { Ok(path) } else { Err(LocateWeightsError::Missing { path }) }
}

/// Path where [`weights_file`] looks; the file need not exist.
///
/// # Errors
/// [`LocateWeightsError::NoCachePath`] if no path is known.
pub fn weights_path() -> Result<PathBuf, LocateWeightsError> {
    find_path(|variable| env::var_os(variable))
}

/// Path where `cxr fetch weights` stores the file: in the user's cache; `CXR_WEIGHTS` is
/// ignored.
///
/// # Errors
/// [`LocateWeightsError::NoCachePath`] if no cache folder is known.
pub fn cached_weights_path() -> Result<PathBuf, LocateWeightsError> {
    cache_path(|variable| env::var_os(variable)).ok_or(LocateWeightsError::NoCachePath)
}

fn cache_path(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(user_cache(variable)?.join("cxr").join(FILE))
}

fn find_path(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, LocateWeightsError> {
    let set = variable(WEIGHTS_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    set.or_else(|| cache_path(variable)).ok_or(LocateWeightsError::NoCachePath)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_precedes_the_caches() {
        let path_with = |set: &[(&str, &str)]| {
            find_path(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
        };
        let home = ("HOME", "/home/ada");
        assert_eq!(path_with(&[]), Err(LocateWeightsError::NoCachePath));
        let in_home = PathBuf::from("/home/ada/.cache/cxr/vgg16_imagenet_notop.safetensors");
        assert_eq!(path_with(&[home]).unwrap(), in_home);
        let cache = path_with(&[home, ("XDG_CACHE_HOME", "/cache")]).unwrap();
        assert_eq!(cache, PathBuf::from("/cache/cxr/vgg16_imagenet_notop.safetensors"));
        assert_eq!(path_with(&[home, ("XDG_CACHE_HOME", "cache")]).unwrap(), in_home);
        assert_eq!(path_with(&[home, ("CXR_WEIGHTS", "")]).unwrap(), in_home);
        let own =
            path_with(&[home, ("XDG_CACHE_HOME", "/cache"), ("CXR_WEIGHTS", "my.safetensors")]);
        assert_eq!(own.unwrap(), PathBuf::from("my.safetensors"));
    }
}
