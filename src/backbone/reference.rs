//! Images, weights and features of Keras for the tests, read from `../shared`.

use std::{
    fs::{self, File},
    io::{Read, Seek},
};

use ndarray::{Array, Array4, ArrayD, Dimension};
use ndarray_npy::{ReadNpyExt, ReadableElement};

use super::Weights;
use crate::testing::shared;

/// VGG16's ImageNet weights.
pub fn weights() -> Weights {
    Weights::read(&shared("weights/vgg16_imagenet_notop.safetensors")).unwrap()
}

/// Reads the array `name` of the archive `file` (`.npz`).
pub fn array<T: ReadableElement, D: Dimension>(file: &str, name: &str) -> Array<T, D> {
    let file = File::open(shared("reference").join(file)).unwrap();
    read_entry(file, name).into_dimensionality().unwrap()
}

/// Images of the tutorial, [n, 224, 224, 3], scaled to [0, 1], and the indices of its test
/// images.
pub fn images() -> (Array4<f32>, Vec<usize>) {
    let images: Array4<u8> = array("images_u8.npz", "images");
    let split = fs::read_to_string(shared("reference/split.json")).unwrap();
    let split: serde_json::Value = serde_json::from_str(&split).unwrap();
    let test = serde_json::from_value(split["test"].clone()).unwrap();
    (images.mapv(|pixel| f32::from(pixel) / 255.0), test)
}

fn read_entry<T: ReadableElement>(npz: impl Read + Seek, name: &str) -> ArrayD<T> {
    let mut archive = zip::ZipArchive::new(npz).unwrap();
    ArrayD::read_npy(archive.by_name(&format!("{name}.npy")).unwrap()).unwrap()
}
