//! The films, weights and features that the engine is held against, read from
//! `../shared`; every function returns `None`, and says so, where that is absent.

use std::{
    fs::{self, File},
    io::{Read, Seek},
    path::PathBuf,
};

use ndarray::{Array, Array4, ArrayD, Dimension};
use ndarray_npy::{ReadNpyExt, ReadableElement};

use super::Weights;

fn shared(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")).join(path);
    if !path.exists() {
        #[expect(clippy::disallowed_macros, reason = "a test that is skipped must say so")]
        {
            eprintln!("skipped: no ../shared");
        }
        return None;
    }
    Some(path)
}

/// VGG16's ImageNet weights.
pub fn weights() -> Option<Weights> {
    Some(Weights::read(&shared("weights/vgg16_imagenet_notop.safetensors")?).unwrap())
}

/// Array `name` of the archive `file` (`.npz`).
pub fn array<T: ReadableElement, D: Dimension>(file: &str, name: &str) -> Option<Array<T, D>> {
    let file = File::open(shared("reference")?.join(file)).unwrap();
    Some(entry(file, name).into_dimensionality().unwrap())
}

/// The tutorial's films, 224 x 224, scaled to 0..1, and the rows of its test set.
pub fn films() -> Option<(Array4<f32>, Vec<usize>)> {
    let images: Array4<u8> = array("images_u8.npz", "images")?;
    let split = fs::read_to_string(shared("reference/split.json")?).unwrap();
    let split: serde_json::Value = serde_json::from_str(&split).unwrap();
    let test = serde_json::from_value(split["test"].clone()).unwrap();
    Some((images.mapv(|pixel| f32::from(pixel) / 255.0), test))
}

fn entry<T: ReadableElement>(npz: impl Read + Seek, name: &str) -> ArrayD<T> {
    let mut archive = zip::ZipArchive::new(npz).unwrap();
    ArrayD::read_npy(archive.by_name(&format!("{name}.npy")).unwrap()).unwrap()
}
