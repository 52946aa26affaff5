//! `cxr-train`: what it writes, and what it says of inputs that are wrong.

use cxr::artifact::Document;
use cxr::artifact::features::Features;
use cxr::artifact::index::{Index, IndexRow};
use cxr::artifact::model::Model;
use cxr::artifact::split::Split;
use cxr::head::Head;
use cxr::io::hash;
use ndarray::{Array2, Array3};
use ndarray_npy::{read_npy, write_npy};

use crate::support::{Sandbox, extractor};

const TRAIN: &str = "cxr-train --artifacts a --epochs 4 --batch-size 4 --learning-rate 0.05";
const FOLDER: &str = "a/tutorial/train";

/// Artifacts of 16 images of `classes` in turn, the last 4 of them for the test,
/// with 6 features of which the first tells the class.
fn images(classes: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    let path = |name: &str| {
        let path = sandbox.path(format!("a/tutorial/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let rows = (0..16).map(|row| IndexRow {
        row,
        path: format!("{}/{row}.png", classes[row % classes.len()]),
        class: classes[row % classes.len()].to_owned(),
        patient: String::new(),
        source: String::new(),
        width: 10,
        height: 10,
        mode: "L".into(),
        bytes: 1,
        hash: row.to_string(),
        ..IndexRow::default()
    });
    Index::new(rows.collect()).write(&path("preprocess/index.csv")).unwrap();
    write_split(&sandbox, (0..12).collect(), (12..16).collect());
    let value = |image: usize, feature: usize| match feature {
        0 => (image % classes.len()) as f32,
        _ => (image * 7 + feature * 5) as f32 % 11.0 / 11.0,
    };
    let features = Array2::from_shape_fn((16, 6), |(image, feature)| value(image, feature));
    write_npy(path("extract/features.npy"), &features).unwrap();
    let augmented = Array3::from_shape_fn((3, 12, 6), |(rotation, image, feature)| {
        value(image, feature) + 0.1 * rotation as f32
    });
    write_npy(path("extract/augmented.npy"), &augmented).unwrap();
    sandbox
}

/// Writes a split, and the description of features that belongs to it.
fn write_split(sandbox: &Sandbox, train: Vec<usize>, test: Vec<usize>) {
    let index = hash::file(&sandbox.path("a/tutorial/preprocess/index.csv")).unwrap();
    let split = Split {
        schema: String::new(),
        method: "image".into(),
        seed: 42,
        test_size: 0.25,
        validation_size: 0.0,
        validation: vec![],
        train,
        test,
        groups: Default::default(),
        leaking: vec![],
        unknown: 16,
        copies: None,
        index,
    };
    let path = sandbox.path("a/tutorial/split/split.json");
    split.write(&path).unwrap();
    let features = Features {
        schema: String::new(),
        extractor: extractor(6),
        rotations: 3,
        degrees: 15.0,
        masks: vec![],
        split: hash::file(&path).unwrap(),
    };
    features.write(&sandbox.path("a/tutorial/extract/features.json")).unwrap();
}

#[test]
fn a_long_training_prints_a_few_lines_and_all_if_asked() {
    let sandbox = images(&["covid", "normal"]);
    let lines = |flags: &str| {
        let output = sandbox.cxr(&format!("{TRAIN} {flags}").replace("--epochs 4 ", "")).output();
        let stderr = String::from_utf8(output.unwrap().stderr).unwrap();
        let lines = stderr.lines().filter(|line| line.starts_with("Epoch "));
        lines.map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lines("--epochs 48"), ["1/48", "8/48", "18/48", "28/48", "38/48", "48/48"]);
    assert_eq!(lines("--epochs 48 -v").len(), 48);
    assert_eq!(lines("--epochs 48 -q").len(), 0);
}

#[test]
fn a_model_its_description_and_its_history() {
    let sandbox = images(&["covid", "normal"]);
    let output = sandbox.cxr(TRAIN).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let lines: Vec<_> = stderr.lines().filter(|line| line.starts_with("Epoch ")).collect();
    assert_eq!(lines.len(), 4, "{stderr}");
    assert!(lines[0].starts_with("Epoch 1/4 - loss: 0.") && lines[0].contains(" - val_accuracy: "));
    assert!(String::from_utf8(output.stdout).unwrap().contains("val_loss "));

    let history = sandbox.read(format!("{FOLDER}/history.csv"));
    let history: Vec<_> = history.lines().collect();
    assert_eq!(history[0], "epoch,loss,accuracy,val_loss,val_accuracy");
    assert_eq!(history.len(), 5);
    assert!(history[4].starts_with("4,"));

    let model = Model::read(&sandbox.path(format!("{FOLDER}/model.json"))).unwrap();
    let bytes = std::fs::read(sandbox.path(format!("{FOLDER}/model.safetensors"))).unwrap();
    assert_eq!(model.weights, hash::bytes(&bytes));
    assert_eq!(model.classes, ["covid", "normal"]);
    assert_eq!((model.training.images, model.training.epochs, model.training.seed), (12, 4, 42));
    let augmented = hash::file(&sandbox.path("a/tutorial/extract/augmented.npy")).unwrap();
    assert_eq!(model.inputs["extract/augmented.npy"], augmented);
    let head = Head::from_safetensors(&bytes).unwrap();
    let features: Array2<f32> = read_npy(sandbox.path("a/tutorial/extract/features.npy")).unwrap();
    assert_eq!(head.predict(features.view()).dim(), (16, 2));
    assert!(!sandbox.path(format!("{FOLDER}/seeds.csv")).exists());
}

#[test]
fn threads_change_no_byte() {
    let sandbox = images(&["covid", "normal", "pneumonia"]);
    sandbox.ok(&format!("{TRAIN} --seeds 3 --threads 1"));
    let one = sandbox.tree(FOLDER);
    sandbox.ok(&format!("{TRAIN} --seeds 3 --threads 2"));
    assert!(one == sandbox.tree(FOLDER));
}

#[test]
fn many_seeds_keep_the_first_model() {
    let sandbox = images(&["covid", "normal"]);
    let model = |sandbox: &Sandbox| {
        std::fs::read(sandbox.path(format!("{FOLDER}/model.safetensors"))).unwrap()
    };
    sandbox.ok(TRAIN);
    let alone = model(&sandbox);
    let text = sandbox.ok(&format!("{TRAIN} --seeds 3"));
    assert_eq!(model(&sandbox), alone);
    assert!(text.contains("sd 0.") && text.contains("range 0."), "{text}");
    let seeds = sandbox.read(format!("{FOLDER}/seeds.csv"));
    let seeds: Vec<_> = seeds.lines().collect();
    assert_eq!(seeds[0], "seed,loss,accuracy,val_loss,val_accuracy");
    assert_eq!(seeds.len(), 4);
    sandbox.ok(&format!("{TRAIN} --seed 43"));
    assert_ne!(model(&sandbox), alone);
    let history = sandbox.read(format!("{FOLDER}/history.csv"));
    let last = history.lines().last().unwrap().split_once(',').unwrap().1;
    assert_eq!(seeds[2], format!("43,{last}"));
}

#[test]
fn images_that_cannot_train_are_explained_and_the_last_model_stays() {
    let sandbox = images(&["covid", "normal"]);
    sandbox.ok(TRAIN);
    let good = sandbox.tree(FOLDER);
    let said = |line: &str| {
        let output = sandbox.cxr(line).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    };

    insta::assert_snapshot!(sandbox.transcript("cxr-train --artifacts a --batch-size 13"), @r"
    $ cxr-train --artifacts a --batch-size 13
    exit: 1
    --- stdout
    --- stderr
    error: 12 training images, but the batch size is 13

    hint: add images, or use a smaller `--batch-size`
    ");
    let (code, text) = said("cxr-train --artifacts a --dropout 1");
    assert!(code == 2 && text.contains("`dropout` is 1, expected 0 or more and below 1"), "{text}");
    let (code, text) = said("cxr-train --artifacts a --loss hinge");
    assert!(code == 2 && text.contains("expected `logits` or `probabilities`"), "{text}");

    let path = sandbox.path("a/tutorial/extract/augmented.npy");
    let augmented: Array3<f32> = read_npy(&path).unwrap();
    let mut sick = augmented.clone();
    sick[[1, 5, 2]] = f32::NAN;
    write_npy(&path, &sick).unwrap();
    insta::assert_snapshot!(sandbox.transcript(TRAIN), @r"
    $ cxr-train --artifacts a --epochs 4 --batch-size 4 --learning-rate 0.05
    exit: 1
    --- stdout
    --- stderr
    error: the features of `normal/5.png` are not finite numbers below 1e10

    hint: run `cxr extract --profile tutorial --artifacts a` to create it
    ");
    write_npy(&path, &Array3::<f32>::zeros((3, 11, 6))).unwrap();
    let (code, text) = said(TRAIN);
    assert!(code == 1 && text.contains("the shape is [3, 11, 6], expected [3, 12, 6]"), "{text}");
    std::fs::write(&path, b"\x93NUMPY").unwrap();
    let (code, text) = said(TRAIN);
    assert!(code == 1 && text.contains("is not a usable array of features"), "{text}");
    std::fs::remove_file(&path).unwrap();
    let (code, text) = said(TRAIN);
    assert!(code == 1 && text.contains("there is no `a/tutorial/extract/augmented.npy`"), "{text}");
    assert!(text.contains("hint: run `cxr extract"), "{text}");
    write_npy(&path, &augmented).unwrap();

    let description = sandbox.path("a/tutorial/extract/features.json");
    let stale = std::fs::read(&description).unwrap();
    write_split(&sandbox, (1..13).collect(), vec![0, 13, 14, 15]);
    std::fs::write(&description, stale).unwrap();
    let (code, text) = said(TRAIN);
    assert!(code == 1 && text.contains("the features were made from another split"), "{text}");
    assert!(good == sandbox.tree(FOLDER));
}

#[test]
fn every_class_needs_a_training_image() {
    let sandbox = images(&["covid", "normal"]);
    write_split(&sandbox, vec![0, 2, 4, 6], vec![1, 3]);
    let text = sandbox.transcript(TRAIN);
    assert!(text.contains("error: the class `normal` has no training image"), "{text}");
    let text = images(&["covid"]).transcript(TRAIN);
    assert!(text.contains("error: 1 class, expected at least 2"), "{text}");
    assert!(text.contains("hint: the dataset needs a folder for each class"), "{text}");
}
