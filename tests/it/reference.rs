//! The tutorial's films through the real net and the head, against the numbers of
//! Keras, on the very pixels and rotations that it saw. Skipped without
//! `../shared`.

use std::path::Path;

use cxr::artifact::Document;
use cxr::artifact::features::Features;
use cxr::artifact::index::{Index, IndexRow};
use cxr::artifact::split::Split;
use cxr::backbone::{Options, Vgg16, Weights};
use cxr::image::{Plane, rotate, scale};
use cxr::io::hash;
use cxr::metrics::ks_two_sample;
use ndarray::{Array2, Array3, Array4, Axis};
use serde_json::Value;

use crate::support::{Sandbox, extractor, npz, shared};

const FILM: usize = 224 * 224 * 3;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The features `[n, 512]` of views of films: row and angle.
fn pooled(net: &Vgg16, films: &[u8], views: &[(usize, Option<f64>)]) -> Array2<f32> {
    let mut all = Array2::zeros((0, 512));
    for batch in views.chunks(8) {
        let mut images = Array4::<f32>::zeros((batch.len(), 224, 224, 3));
        for (mut image, (row, angle)) in images.outer_iter_mut().zip(batch) {
            let (film, out) = (&films[row * FILM..][..FILM], image.as_slice_mut().unwrap());
            match angle {
                // The plane in which the reference's rotations turned.
                Some(degrees) => rotate(film, 224, *degrees, Plane::WidthChannel, out),
                None => scale(film, out),
            }
        }
        all.append(Axis(0), net.pooled(images.view()).view()).unwrap();
    }
    all
}

#[test]
fn features_are_those_of_tensorflow_and_thirty_heads_end_as_keras_thirty() {
    let Some(shared) = shared() else { return };
    let reference = shared.join("reference");
    let films = npz::<u8>(&reference.join("images_u8.npz"), "images");
    let weights = Weights::read(&shared.join("weights/vgg16_imagenet_notop.safetensors")).unwrap();
    let net = Vgg16::new(&weights, Options::default());

    let upright: Vec<_> = (0..50).map(|row| (row, None)).collect();
    let features = pooled(&net, &films, &upright);
    let expected = npz::<f32>(&reference.join("features.npz"), "pooled");
    let square = |x: f32| f64::from(x).powi(2);
    let error: f64 = features.iter().zip(&expected).map(|(a, b)| square(a - b)).sum();
    let norm: f64 = expected.iter().map(|b| square(*b)).sum();
    let error = (error / norm).sqrt();
    assert!(error <= 1e-5, "{error:e}");

    // All 30 heads of the reference learnt from one bank of rotations, so ours
    // get the same: a bank of other angles shifts all of them together.
    let split = json(&reference.join("split.json"));
    let rows = |side: &str| serde_json::from_value::<Vec<usize>>(split[side].clone()).unwrap();
    let (train, test) = (rows("train"), rows("test"));
    let angles: Vec<f64> = serde_json::from_str(include_str!("../golden/angles.json")).unwrap();
    let turned: Vec<_> =
        angles.iter().enumerate().map(|(i, a)| (train[i % train.len()], Some(*a))).collect();
    let bank = pooled(&net, &films, &turned).into_shape_with_order((25, train.len(), 512)).unwrap();

    let sandbox = Sandbox::new();
    write_artifacts(&sandbox, &split, &train, &test, &features, &bank);
    sandbox.ok("cxr-train --artifacts a --seeds 30");
    let seeds = sandbox.read("a/tutorial/train/seeds.csv");
    let keras = json(&reference.join("keras_30_seeds.json"));
    for measure in ["val_loss", "loss"] {
        let last = |run: &Value| run["history"][measure].as_array()?.last()?.as_f64();
        let theirs: Vec<f64> = keras.as_array().unwrap().iter().filter_map(last).collect();
        let mut table = csv::Reader::from_reader(seeds.as_bytes());
        let column = table.headers().unwrap().iter().position(|h| h == measure).unwrap();
        let ours: Vec<f64> =
            table.records().map(|row| row.unwrap()[column].parse().unwrap()).collect();
        assert_eq!((ours.len(), theirs.len()), (30, 30));
        let p = ks_two_sample(&ours, &theirs).unwrap().p_value;
        assert!(p > 0.05, "{measure}: p = {p}\n{ours:?}\n{theirs:?}");
    }
}

/// What `cxr-train` reads.
fn write_artifacts(
    sandbox: &Sandbox,
    reference: &Value,
    train: &[usize],
    test: &[usize],
    features: &Array2<f32>,
    bank: &Array3<f32>,
) {
    let path = |name: &str| sandbox.path(format!("a/tutorial/{name}"));
    for folder in ["preprocess", "split", "extract"] {
        std::fs::create_dir_all(path(folder)).unwrap();
    }
    let paths: Vec<String> = serde_json::from_value(reference["paths"].clone()).unwrap();
    let film = |(row, path): (usize, String)| IndexRow {
        row,
        class: path.split('/').next().unwrap().to_owned(),
        path,
        patient: String::new(),
        source: String::new(),
        width: 224,
        height: 224,
        mode: "RGB".into(),
        bytes: 1,
        hash: row.to_string(),
        ..IndexRow::default()
    };
    let index = Index::new(paths.into_iter().enumerate().map(film).collect());
    index.write(&path("preprocess/index.csv")).unwrap();
    let split = Split {
        schema: String::new(),
        method: "image".into(),
        seed: 42,
        test_size: 0.2,
        train: train.to_vec(),
        test: test.to_vec(),
        groups: Default::default(),
        leaking: vec![],
        unknown: 50,
        index: hash::file(&path("preprocess/index.csv")).unwrap(),
    };
    split.write(&path("split/split.json")).unwrap();
    ndarray_npy::write_npy(path("extract/features.npy"), features).unwrap();
    ndarray_npy::write_npy(path("extract/bank.npy"), bank).unwrap();
    let description = Features {
        schema: String::new(),
        extractor: extractor(512),
        rotations: 25,
        degrees: 15.0,
        masks: vec![],
        split: hash::file(&path("split/split.json")).unwrap(),
    };
    description.write(&path("extract/features.json")).unwrap();
}
