//! Where the weights lie on this machine.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::io::cache::user_cache;

/// The environment variable that names a file of weights to use instead of the
/// one in the user's cache.
pub const WEIGHTS_VARIABLE: &str = "CXR_WEIGHTS";

/// [`Weights::fingerprint`](super::Weights::fingerprint) of the ImageNet weights
/// of the VGG group, as Keras released them.
pub const IMAGENET_FINGERPRINT: &str =
    "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd";

/// The file's name in the cache.
const FILE: &str = "vgg16_imagenet_notop.safetensors";

/// Why there are no weights.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LocateError {
    /// Nothing lies where the weights belong.
    #[error("there are no weights at `{}`", path.display())]
    Missing {
        /// Where they belong.
        path: PathBuf,
    },
    /// Neither `CXR_WEIGHTS`, `XDG_CACHE_HOME` nor `HOME` is set.
    #[error("no place for the weights: neither `{WEIGHTS_VARIABLE}` nor `HOME` is set")]
    Homeless,
}

impl LocateError {
    /// What the user can do.
    pub fn hint(&self) -> String {
        let fetch = "run `cxr fetch weights`";
        match self {
            Self::Missing { .. } => format!("{fetch}, or set `{WEIGHTS_VARIABLE}` to the file"),
            Self::Homeless => {
                format!("{fetch} with `--output FILE`, then set `{WEIGHTS_VARIABLE}` to that file")
            }
        }
    }
}

/// The file of weights to use, a safetensors file for [`super::Weights::read`]:
/// `$CXR_WEIGHTS`, else `vgg16_imagenet_notop.safetensors` in
/// `$XDG_CACHE_HOME/cxr`, else in `~/.cache/cxr`.
///
/// # Errors
/// If it is not there, or there is no place for it; see [`LocateError::hint`].
pub fn weights_file() -> Result<PathBuf, LocateError> {
    let path = weights_place()?;
    if path.is_file() { Ok(path) } else { Err(LocateError::Missing { path }) }
}

/// Where [`weights_file`] looks, whether or not anything is there.
///
/// # Errors
/// [`LocateError::Homeless`].
pub fn weights_place() -> Result<PathBuf, LocateError> {
    place(|variable| env::var_os(variable))
}

/// Where `cxr fetch weights` puts them: in the user's cache, whatever `CXR_WEIGHTS` names.
///
/// # Errors
/// [`LocateError::Homeless`].
pub fn cached_weights() -> Result<PathBuf, LocateError> {
    cached(|variable| env::var_os(variable)).ok_or(LocateError::Homeless)
}

fn cached(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(user_cache(variable)?.join("cxr").join(FILE))
}

fn place(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, LocateError> {
    let named = variable(WEIGHTS_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| cached(variable)).ok_or(LocateError::Homeless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_place_wins() {
        let with = |set: &[(&str, &str)]| {
            place(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
        };
        let home = ("HOME", "/home/ada");
        assert_eq!(with(&[]), Err(LocateError::Homeless));
        let in_home = PathBuf::from("/home/ada/.cache/cxr/vgg16_imagenet_notop.safetensors");
        assert_eq!(with(&[home]).unwrap(), in_home);
        let cache = with(&[home, ("XDG_CACHE_HOME", "/cache")]).unwrap();
        assert_eq!(cache, PathBuf::from("/cache/cxr/vgg16_imagenet_notop.safetensors"));
        assert_eq!(with(&[home, ("XDG_CACHE_HOME", "cache")]).unwrap(), in_home);
        assert_eq!(with(&[home, ("CXR_WEIGHTS", "")]).unwrap(), in_home);
        let own = with(&[home, ("XDG_CACHE_HOME", "/cache"), ("CXR_WEIGHTS", "my.safetensors")]);
        assert_eq!(own.unwrap(), PathBuf::from("my.safetensors"));
    }
}
