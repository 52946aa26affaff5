//! The tutorial's images, as OpenCV decodes them, through VGG16 and the head, compared with
//! TensorFlow's features and with 40 Keras runs. Needs `../shared`.

use std::path::{Path, PathBuf};

use cxr::backbone::{Options, Vgg16, Weights};
use cxr::head::{Epoch, FitInputs, FitSettings, fit};
use cxr::image::{Plane, rotate, scale};
use cxr::metrics::ks_two_sample;
use cxr::rng::{Rng, derive};
use ndarray::{Array2, Array3, Array4, Axis, s};
use rayon::prelude::*;
use serde_json::Value;

use crate::support::{npz, shared};

/// Samples of an image, `[224, 224, 3]`.
const IMAGE: usize = 224 * 224 * 3;
/// Features of an image.
const WIDTH: usize = 512;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The tutorial's images and split, and the net with its real weights.
struct Tutorial {
    reference: PathBuf,
    images: Vec<u8>,
    net: Vgg16,
    train: Vec<usize>,
    test: Vec<usize>,
    /// 0 for covid, 1 for normal, for each image.
    labels: Vec<usize>,
}

impl Tutorial {
    fn read() -> Self {
        let shared = shared();
        let reference = shared.join("reference");
        let weights = shared.join("weights/vgg16_imagenet_notop.safetensors");
        let net = Vgg16::new(&Weights::read(&weights).unwrap(), Options::default());
        let split = json(&reference.join("split.json"));
        let rows = |side: &str| serde_json::from_value(split[side].clone()).unwrap();
        let paths: Vec<String> = serde_json::from_value(split["paths"].clone()).unwrap();
        let labels = paths.iter().map(|path| usize::from(path.starts_with("normal/"))).collect();
        let images = npz::<u8>(&reference.join("images_u8.npz"), "images");
        Self { images, net, train: rows("train"), test: rows("test"), labels, reference }
    }

    /// Pooled features `[n, 512]` of `views`: row of the image, and its rotation in degrees or
    /// `None` for the image as it is.
    fn pooled(&self, views: &[(usize, Option<f64>)]) -> Array2<f32> {
        let mut all = Array2::zeros((0, WIDTH));
        for batch in views.chunks(8) {
            let mut inputs = Array4::<f32>::zeros((batch.len(), 224, 224, 3));
            for (mut input, (row, angle)) in inputs.outer_iter_mut().zip(batch) {
                let image = &self.images[row * IMAGE..][..IMAGE];
                let out = input.as_slice_mut().unwrap();
                match angle {
                    Some(degrees) => rotate(image, 224, *degrees, Plane::HeightWidth, out),
                    None => scale(image, out),
                }
            }
            all.append(Axis(0), self.net.pooled(inputs.view()).view()).unwrap();
        }
        all
    }

    /// Features `[50, 512]` of the images as they are.
    fn unrotated(&self) -> Array2<f32> {
        self.pooled(&(0..50).map(|row| (row, None)).collect::<Vec<_>>())
    }

    /// Features `[angles, 40, 512]` of the training images at evenly spaced rotations.
    fn rotated(&self, angles: usize) -> Array3<f32> {
        let mut all = Array3::zeros((angles, self.train.len(), WIDTH));
        for (step, mut out) in all.outer_iter_mut().enumerate() {
            let degrees = -15.0 + 30.0 * (step as f64 + 0.5) / angles as f64;
            let views: Vec<_> = self.train.iter().map(|&row| (row, Some(degrees))).collect();
            out.assign(&self.pooled(&views));
        }
        all
    }

    /// Last epoch of each of `heads` heads. A head draws one of the `rotated` features for each
    /// image and epoch, so that no two learn from the same augmented features: heads that share
    /// them are all shifted together. `docs/method.md` has the figures.
    fn last_epochs(
        &self,
        unrotated: &Array2<f32>,
        rotated: &Array3<f32>,
        heads: u64,
    ) -> Vec<Epoch> {
        let settings = FitSettings::default();
        let labels = |rows: &[usize]| rows.iter().map(|&row| self.labels[row]).collect::<Vec<_>>();
        let (train_labels, test_labels) = (labels(&self.train), labels(&self.test));
        let test = unrotated.select(Axis(0), &self.test);
        let last_epoch = |seed: u64| {
            let mut angle = Rng::new(derive(seed, "test", "angle", 0));
            let mut augmented = Array3::zeros((settings.epochs, self.train.len(), WIDTH));
            for mut epoch in augmented.outer_iter_mut() {
                for (image, mut out) in epoch.outer_iter_mut().enumerate() {
                    let drawn = (angle.f64() * rotated.dim().0 as f64) as usize;
                    out.assign(&rotated.slice(s![drawn, image, ..]));
                }
            }
            let inputs = FitInputs {
                augmented: augmented.view(),
                labels: &train_labels,
                classes: 2,
                validation: Some((test.view(), &test_labels)),
            };
            fit(&inputs, &settings, seed, |_, _| ()).unwrap().history.pop().unwrap()
        };
        (0..heads).into_par_iter().map(last_epoch).collect()
    }
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn features_equal_tensorflow_and_heads_end_in_the_distribution_of_keras() {
    let tutorial = Tutorial::read();
    let unrotated = tutorial.unrotated();
    let expected = npz::<f32>(&tutorial.reference.join("features.npz"), "pooled");
    let square = |x: f32| f64::from(x).powi(2);
    let error: f64 = unrotated.iter().zip(&expected).map(|(a, b)| square(a - b)).sum();
    let norm: f64 = expected.iter().map(|b| square(*b)).sum();
    let error = (error / norm).sqrt();
    assert!(error <= 1e-5, "{error:e}");

    let ours = tutorial.last_epochs(&unrotated, &tutorial.rotated(25), 40);
    let keras = json(&tutorial.reference.join("keras_fresh_seeds.json"));
    for measure in ["loss", "val_loss"] {
        let last = |run: &Value| run["history"][measure].as_array()?.last()?.as_f64();
        let theirs: Vec<f64> = keras.as_array().unwrap().iter().filter_map(last).collect();
        let ours: Vec<f64> = ours.iter().map(|epoch| of_epoch(measure, epoch)).collect();
        assert_eq!(theirs.len(), 40);
        let p = ks_two_sample(&ours, &theirs).unwrap().p_value;
        assert!(p > 0.05, "{measure}: p = {p}\n{ours:?}\n{theirs:?}");
    }
}

fn of_epoch(measure: &str, epoch: &Epoch) -> f64 {
    f64::from(if measure == "loss" { epoch.loss } else { epoch.val_loss.unwrap() })
}

#[test]
#[ignore = "20 minutes: writes target/seeds/ for tests/golden/keras_heads.py"]
fn a_thousand_heads_and_the_features_that_keras_compares_them_on() {
    let tutorial = Tutorial::read();
    let (unrotated, rotated) = (tutorial.unrotated(), tutorial.rotated(100));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/seeds");
    std::fs::create_dir_all(&folder).unwrap();
    ndarray_npy::write_npy(folder.join("unrotated.npy"), &unrotated).unwrap();
    ndarray_npy::write_npy(folder.join("rotated.npy"), &rotated).unwrap();
    let line = |epoch: Epoch| {
        serde_json::json!({
            "loss": epoch.loss, "val_loss": epoch.val_loss, "val_accuracy": epoch.val_accuracy
        })
    };
    let ours: Vec<Value> =
        tutorial.last_epochs(&unrotated, &rotated, 1000).into_iter().map(line).collect();
    std::fs::write(folder.join("ours.json"), serde_json::to_vec(&ours).unwrap()).unwrap();
}
