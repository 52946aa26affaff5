//! Paths of test data.

use std::path::PathBuf;

/// A path below `../shared`: real images, weights and reference arrays. Tests that call this
/// are marked `#[cfg_attr(not(shared), ignore = "needs ../shared")]`.
pub fn shared(path: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    assert!(path.exists(), "{} is missing", path.display());
    path
}
