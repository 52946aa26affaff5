//! `cxr-extract`: features and augmented, and the cache that spares images seen before.

use std::path::PathBuf;
use std::sync::OnceLock;

use cxr::artifact::Document;
use cxr::artifact::features::Features;
use cxr::artifact::index::{Index, IndexRow};
use cxr::artifact::split::Split;
use cxr::backbone::LAYERS;
use cxr::image::Part;
use cxr::io::npy::Writer;
use cxr::io::tensor::Tensor;
use cxr::io::{hash, safetensors};
use ndarray::{Array2, Array3, Axis, s};
use ndarray_npy::read_npy;

use crate::support::Sandbox;

const EXTRACT: &str = "cxr-extract --artifacts a --rotations 3 --masks=false";
const FOLDER: &str = "a/tutorial/extract";

/// A file of weights drawn at random, such that signals keep their size.
fn weights() -> PathBuf {
    static WEIGHTS: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = WEIGHTS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut rng = cxr::rng::Rng::new(0);
        let tensors: Vec<Tensor> = LAYERS
            .iter()
            .flat_map(|layer| {
                let limit = (6.0 / (9 * layer.inputs) as f32).sqrt();
                let mut tensor = |part, shape: &[usize]| Tensor {
                    name: format!("{}.{part}", layer.name),
                    shape: shape.to_vec(),
                    data: (0..shape.iter().product())
                        .map(|_| limit * (2.0 * rng.f32() - 1.0))
                        .collect(),
                };
                [
                    tensor("kernel", &[3, 3, layer.inputs, layer.outputs]),
                    tensor("bias", &[layer.outputs]),
                ]
            })
            .collect();
        let bytes = safetensors::write(&tensors, &Default::default());
        std::fs::write(dir.path().join("weights.safetensors"), bytes).unwrap();
        dir
    });
    dir.path().join("weights.safetensors")
}

/// Artifacts of the images with these numbers, 32 x 32 pixels; `train` and `test`
/// are rows.
fn write_images(sandbox: &Sandbox, images: &[u8], train: &[usize], test: &[usize]) {
    let path = |name: &str| {
        let path = sandbox.path(format!("a/tutorial/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let mut writer = Writer::<u8>::create(&path("preprocess/images.npy"), &[32, 32, 3]).unwrap();
    let mut rows = Vec::new();
    for (row, &image) in images.iter().enumerate() {
        let mut rng = cxr::rng::Rng::new(image.into());
        let pixels: Vec<u8> = (0..32 * 32 * 3).map(|_| rng.index(256) as u8).collect();
        writer.push(&pixels).unwrap();
        rows.push(IndexRow {
            row,
            path: format!("covid/{image}.png"),
            class: "covid".into(),
            patient: String::new(),
            source: String::new(),
            width: 32,
            height: 32,
            mode: "RGB".into(),
            bytes: 1,
            hash: image.to_string(),
            ..IndexRow::default()
        });
    }
    writer.finish().unwrap();
    Index::new(rows).write(&path("preprocess/index.csv")).unwrap();
    let split = Split {
        schema: String::new(),
        method: "image".into(),
        seed: 42,
        test_size: 0.2,
        validation_size: 0.0,
        validation: vec![],
        train: train.to_vec(),
        test: test.to_vec(),
        groups: Default::default(),
        leaking: vec![],
        unknown: images.len(),
        copies: None,
        index: hash::file(&path("preprocess/index.csv")).unwrap(),
    };
    split.write(&path("split/split.json")).unwrap();
}

/// Four images, two of them to train on, in the order 3, 1.
fn images() -> Sandbox {
    let sandbox = Sandbox::new();
    write_images(&sandbox, &[10, 11, 12, 13], &[3, 1], &[0, 2]);
    sandbox
}

/// Runs a command line with the weights; returns its JSON document.
fn run(sandbox: &Sandbox, line: &str) -> serde_json::Value {
    let output = sandbox.cxr(line).arg("--json").env("CXR_WEIGHTS", weights()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{line}` failed:\n{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a command line that fails says, and its exit code.
fn fails(sandbox: &Sandbox, line: &str) -> (i32, String) {
    let output = sandbox.cxr(line).env("CXR_WEIGHTS", weights()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn arrays(sandbox: &Sandbox) -> (Array2<f32>, Array3<f32>) {
    let path = |name: &str| sandbox.path(format!("{FOLDER}/{name}"));
    (read_npy(path("features.npy")).unwrap(), read_npy(path("augmented.npy")).unwrap())
}

/// The entries of the cache.
fn entries(sandbox: &Sandbox) -> Vec<PathBuf> {
    let folder = "a/cache/features";
    let files = if sandbox.path(folder).exists() { sandbox.tree(folder) } else { vec![] };
    let names = files.into_iter().map(|(name, _)| name).filter(|name| !name.contains(".tmp-"));
    names.map(|name| sandbox.path(folder).join(name)).collect()
}

#[test]
fn features_of_all_images_and_a_augmented_of_rotations() {
    let sandbox = images();
    let summary = run(&sandbox, EXTRACT);
    assert_eq!((&summary["computed"], &summary["cached"]), (&(4 + 2 * 3).into(), &0.into()));
    let (features, augmented) = arrays(&sandbox);
    assert_eq!((features.dim(), augmented.dim()), ((4, 512), (3, 2, 512)));
    let description = Features::read(&sandbox.path(format!("{FOLDER}/features.json"))).unwrap();
    assert_eq!((description.rotations, description.extractor.side), (3, 32));

    for image in 0..2 {
        assert_ne!(augmented.slice(s![0, image, ..]), augmented.slice(s![1, image, ..]));
    }

    // Without an angle each column is the image that the split names there.
    run(&sandbox, &format!("{EXTRACT} --degrees 0"));
    let (features, augmented) = arrays(&sandbox);
    for (column, row) in [(0, 3), (1, 1)] {
        for rotation in augmented.axis_iter(Axis(0)) {
            let difference = &rotation.row(column) - &features.row(row);
            assert!(difference.iter().all(|d| d.abs() < 1e-5));
        }
    }
}

#[test]
fn threads_batches_and_the_cache_change_no_byte() {
    let sandbox = images();
    let data = |line: &str| {
        run(&sandbox, line);
        let files = sandbox.tree(FOLDER).into_iter().filter(|(name, _)| name != "record.json");
        files.collect::<Vec<_>>()
    };
    let first = data(&format!("{EXTRACT} --no-cache --threads 1"));
    assert!(entries(&sandbox).is_empty());
    assert!(first == data(&format!("{EXTRACT} --no-cache --threads 2")));
    assert!(first == data(&format!("{EXTRACT} --no-cache --batch 3")));
    assert!(first == data(EXTRACT));
    assert_eq!(entries(&sandbox).len(), 4);
    assert!(first == data(EXTRACT));
    assert!(first != data(&format!("{EXTRACT} --seed 7")));
}

#[test]
fn a_new_image_costs_its_own_work_and_changes_no_other() {
    let sandbox = images();
    run(&sandbox, EXTRACT);
    let (_, before) = arrays(&sandbox);
    assert_eq!(run(&sandbox, EXTRACT)["computed"], 0);
    // Image 9 comes first in the index and joins the training images.
    write_images(&sandbox, &[9, 10, 11, 12, 13], &[4, 0, 2], &[1, 3]);
    let summary = run(&sandbox, EXTRACT);
    assert_eq!((&summary["computed"], &summary["cached"]), (&4.into(), &4.into()));
    let (_, after) = arrays(&sandbox);
    assert_eq!(after.index_axis(Axis(1), 0), before.index_axis(Axis(1), 0));
    assert_eq!(after.index_axis(Axis(1), 2), before.index_axis(Axis(1), 1));
    // Other weights, pooling or angles are other features.
    assert_eq!(run(&sandbox, &format!("{EXTRACT} --pooling global"))["cached"], 0);
    assert_eq!(run(&sandbox, &format!("{EXTRACT} --degrees 10"))["cached"], 2);
    assert_eq!(run(&sandbox, &format!("{EXTRACT} --axes width-channel"))["cached"], 2);
}

#[test]
fn parts_of_images_have_features_of_their_own() {
    let sandbox = images();
    run(&sandbox, EXTRACT);
    let line = EXTRACT.replace("--masks=false", "--masks");
    let summary = run(&sandbox, &line);
    assert_eq!((&summary["computed"], &summary["cached"]), (&(4 * 2).into(), &0.into()));
    let masked: Array3<f32> = read_npy(sandbox.path(format!("{FOLDER}/masked.npy"))).unwrap();
    assert_eq!(masked.dim(), (2, 4, 512));
    let (features, _) = arrays(&sandbox);
    assert_ne!(masked.index_axis(Axis(0), 0), features);
    assert_ne!(masked.index_axis(Axis(0), 0), masked.index_axis(Axis(0), 1));
    let description = Features::read(&sandbox.path(format!("{FOLDER}/features.json"))).unwrap();
    assert_eq!(description.masks, Part::ALL);
    assert_eq!(run(&sandbox, &line)["cached"], 4);
}

#[test]
fn corrupt_entries_are_named_and_computed_anew() {
    let sandbox = images();
    run(&sandbox, EXTRACT);
    let (good, path) = (sandbox.tree("a"), &entries(&sandbox)[2]);
    let mut bytes = std::fs::read(path).unwrap();
    bytes[77] ^= 4;
    std::fs::write(path, bytes).unwrap();
    let summary = run(&sandbox, EXTRACT);
    assert_eq!(summary["cached"], 3);
    let warning = summary["warnings"][0].as_str().unwrap();
    assert!(warning.contains(path.file_name().unwrap().to_str().unwrap()), "{warning}");
    assert!(good == sandbox.tree("a"));
}

#[test]
fn an_entry_copied_to_another_key_changes_nothing() {
    let sandbox = images();
    run(&sandbox, EXTRACT);
    let (good, paths) = (sandbox.tree("a"), entries(&sandbox));
    // The entries of two training images are of equal length.
    let length = |path: &PathBuf| std::fs::metadata(path).unwrap().len();
    let longest = paths.iter().map(length).max().unwrap();
    let same: Vec<_> = paths.iter().filter(|path| length(path) == longest).collect();
    std::fs::copy(same[0], same[1]).unwrap();
    let summary = run(&sandbox, EXTRACT);
    assert_eq!(summary["cached"], 3);
    let warning = summary["warnings"][0].as_str().unwrap();
    assert!(warning.contains("the entry belongs to another key"), "{warning}");
    assert!(good == sandbox.tree("a"));
}

#[test]
fn a_cache_that_cannot_be_used_costs_time_only() {
    let sandbox = images();
    run(&sandbox, EXTRACT);
    let good = sandbox.tree(FOLDER);
    // A folder in place of an entry, then a file in place of the cache.
    let entry = entries(&sandbox)[0].clone();
    std::fs::remove_file(&entry).unwrap();
    std::fs::create_dir_all(entry.join("x")).unwrap();
    let summary = run(&sandbox, EXTRACT);
    assert_eq!(summary["cached"], 3);
    let warnings = summary["warnings"].to_string();
    assert!(warnings.contains("the path is a folder, not a file"), "{warnings}");
    assert!(warnings.contains("the features of this run are not cached"), "{warnings}");
    assert!(good == sandbox.tree(FOLDER));
    std::fs::remove_dir_all(sandbox.path("a/cache")).unwrap();
    sandbox.write("a/cache", "no folder");
    let summary = run(&sandbox, EXTRACT);
    assert_eq!(summary["cached"], 0);
    assert!(good == sandbox.tree(FOLDER));
    let left = std::fs::read_dir(sandbox.path("a/tutorial")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
}

#[test]
fn a_killed_extraction_goes_on_where_it_was() {
    let line = "cxr-extract --artifacts a --rotations 6 --batch 1 --masks=false";
    let undisturbed = images();
    run(&undisturbed, line);
    let sandbox = images();
    let mut child = std::process::Command::new(sandbox.cxr(line).get_program())
        .args(line.split(' ').skip(1))
        .current_dir(sandbox.path(""))
        .env("CXR_WEIGHTS", weights())
        .spawn()
        .unwrap();
    while entries(&sandbox).is_empty() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(run(&sandbox, line)["cached"].as_u64().unwrap() >= 1);
    assert!(undisturbed.tree(FOLDER) == sandbox.tree(FOLDER));
}

#[test]
fn inputs_that_are_wrong_are_named_and_the_last_features_stay() {
    let sandbox = images();
    run(&sandbox, EXTRACT);
    let good = sandbox.tree(FOLDER);
    let (code, text) = fails(&sandbox, "cxr-extract --artifacts a --rotations 0");
    assert!(code == 2 && text.contains("`rotations` is 0, expected 1 to 1000"), "{text}");
    let (code, text) = fails(&sandbox, "cxr-extract --artifacts a --pooling max");
    assert!(code == 2 && text.contains("expected `tutorial` or `global`"), "{text}");
    let bad = sandbox.write("weights.txt", "not weights").display().to_string();
    let (code, text) = fails(&sandbox, &format!("{EXTRACT} --weights {bad}"));
    assert!(code == 1 && text.contains("not a safetensors file"), "{text}");
    assert!(text.contains("error: `") && text.contains("weights.txt` does not hold the weights"));
    assert!(text.contains("hint: name another file with `--weights`"), "{text}");
    let images = sandbox.path("a/tutorial/preprocess/images.npy");
    let bytes = std::fs::read(&images).unwrap();
    std::fs::write(&images, &bytes[..bytes.len() - 1]).unwrap();
    let (code, text) = fails(&sandbox, EXTRACT);
    assert!(code == 1 && text.contains("does not match the file size"), "{text}");
    assert!(text.contains("hint: run `cxr preprocess"), "{text}");
    let mut short = Writer::<u8>::create(&images, &[32, 32, 3]).unwrap();
    short.push(&[0; 32 * 32 * 3]).unwrap();
    short.finish().unwrap();
    let (code, text) = fails(&sandbox, EXTRACT);
    assert!(code == 1 && text.contains("the shape [1, 32, 32, 3], expected [4,"), "{text}");
    std::fs::write(&images, bytes).unwrap();
    sandbox.write(
        "a/tutorial/preprocess/index.csv",
        sandbox.read("a/tutorial/preprocess/index.csv") + "\n",
    );
    let (code, text) = fails(&sandbox, EXTRACT);
    assert!(code == 1 && text.contains("the file was made from another `index.csv`"), "{text}");
    assert!(good == sandbox.tree(FOLDER));
}

#[test]
fn without_weights_the_way_to_them_is_named() {
    let sandbox = images();
    insta::assert_snapshot!(sandbox.transcript(EXTRACT), @r"
    $ cxr-extract --artifacts a --rotations 3 --masks=false
    exit: 1
    --- stdout
    --- stderr
    error: the weights file `[DIR]/cache/cxr/vgg16_imagenet_notop.safetensors` does not exist

    hint: run `cxr fetch weights`, or set `CXR_WEIGHTS` to the file
    ");
}

#[test]
fn each_layer_is_timed_by_each_algorithm() {
    let sandbox = Sandbox::new();
    let timings = run(&sandbox, "cxr-extract --bench-layers");
    let layers = timings["layers"].as_array().unwrap();
    let names: Vec<_> = layers.iter().map(|layer| layer["name"].as_str().unwrap()).collect();
    let twice: Vec<_> = LAYERS.iter().flat_map(|layer| [layer.name; 2]).collect();
    assert_eq!(names, twice);
    assert!(layers.iter().all(|layer| layer["gflops"].as_f64().unwrap() > 0.0));
    assert!(entries(&sandbox).is_empty());
}
