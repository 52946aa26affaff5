//! `cxr-crossval`.

use std::collections::{BTreeMap, BTreeSet};

use cxr::artifact::Document;
use cxr::artifact::crossval::CrossValidation;
use cxr::artifact::features::Features;
use cxr::artifact::index::{Index, IndexRow};
use cxr::artifact::split::Split;
use cxr::dataset::split::stratified_group_kfold;
use cxr::image::Part;
use cxr::io::hash;
use cxr::rng::{Rng, derive};
use ndarray::{Array2, Array3, Array4};
use ndarray_npy::write_npy;

use crate::support::{Sandbox, extractor};

pub const IMAGES: usize = 48;
const OUT: &str = "a/tutorial/crossval";
pub const CROSSVAL: &str = "cxr-crossval --artifacts a --folds 3 --repeats 2 --resamples 200";

fn class(row: usize) -> &'static str {
    if row < IMAGES / 2 { "covid" } else { "normal" }
}

/// Two or three images of each patient.
pub fn patient(row: usize) -> String {
    format!("cohen:{}", row * 2 / 5)
}

/// Artifacts of images whose first feature hints at their class, and a model. Nothing
/// else does: not their pixels, their attributes, their source, or their parts.
pub fn images() -> Sandbox {
    let sandbox = Sandbox::new();
    let path = |name: &str| {
        let path = sandbox.path(format!("a/tutorial/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let row = |row: usize| IndexRow {
        row,
        path: format!("{}/{row:02}.png", class(row)),
        class: class(row).into(),
        patient: patient(row),
        source: if (row * 2 / 5).is_multiple_of(2) { "east" } else { "west" }.into(),
        width: 10,
        height: 10,
        mode: "L".into(),
        bytes: 1,
        hash: row.to_string(),
        ..IndexRow::default()
    };
    Index::new((0..IMAGES).map(row).collect()).write(&path("preprocess/index.csv")).unwrap();
    let split = Split {
        schema: String::new(),
        method: "image".into(),
        seed: 42,
        test_size: 0.25,
        validation_size: 0.0,
        validation: vec![],
        train: (0..IMAGES).filter(|row| row % 4 > 0).collect(),
        test: (0..IMAGES).step_by(4).collect(),
        groups: Default::default(),
        leaking: vec![],
        unknown: 0,
        copies: None,
        index: hash::file(&path("preprocess/index.csv")).unwrap(),
    };
    split.write(&path("split/split.json")).unwrap();
    let features = Features {
        schema: String::new(),
        extractor: extractor(4),
        rotations: 1,
        degrees: 15.0,
        masks: Part::ALL.to_vec(),
        split: hash::file(&path("split/split.json")).unwrap(),
    };
    features.write(&path("extract/features.json")).unwrap();
    let mut rng = Rng::new(5);
    let values = Array2::from_shape_fn((IMAGES, 4), |(row, feature)| {
        let hint = if feature == 0 && class(row) == "covid" { 0.6 } else { 0.0 };
        rng.f32() + hint
    });
    write_npy(path("extract/features.npy"), &values).unwrap();
    let masked = Array3::from_shape_fn((Part::ALL.len(), IMAGES, 4), |_| rng.f32());
    write_npy(path("extract/masked.npy"), &masked).unwrap();
    let images = Array4::from_shape_fn((IMAGES, 32, 32, 3), |_| rng.index(256) as u8);
    write_npy(path("preprocess/images.npy"), &images).unwrap();
    let augmented =
        Array3::from_shape_fn((1, 36, 4), |(_, image, k)| values[[split.train[image], k]]);
    write_npy(path("extract/augmented.npy"), &augmented).unwrap();
    sandbox
        .ok("cxr-train --artifacts a --epochs 12 --batch-size 4 --learning-rate 0.01 --hidden 8");
    sandbox
}

/// A line of `predictions.csv`.
#[derive(Debug, serde::Deserialize)]
pub struct Line {
    path: String,
    patient: String,
    pub truth: String,
    predicted: String,
    pub p_covid: f64,
    group: String,
    pub repeat: usize,
    pub fold: usize,
}

pub fn lines(sandbox: &Sandbox) -> Vec<Line> {
    let text = sandbox.read(format!("{OUT}/predictions.csv"));
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect()
}

fn document(sandbox: &Sandbox) -> CrossValidation {
    CrossValidation::read(&sandbox.path(format!("{OUT}/crossval.json"))).unwrap()
}

fn accuracy<'a>(lines: impl IntoIterator<Item = &'a Line>) -> f64 {
    let right: Vec<bool> = lines.into_iter().map(|line| line.truth == line.predicted).collect();
    right.iter().filter(|right| **right).count() as f64 / right.len() as f64
}

#[track_caller]
fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} against {b}");
}

#[test]
fn every_image_is_predicted_once_a_run_and_no_patient_is_torn() {
    let sandbox = images();
    sandbox.ok(CROSSVAL);
    let lines = lines(&sandbox);
    assert_eq!(lines.len(), 2 * IMAGES);
    let (classes, groups): (Vec<_>, Vec<_>) = (0..IMAGES).map(|r| (class(r), patient(r))).unzip();
    for repeat in 0..2 {
        // The same deal as scikit-learn's StratifiedGroupKFold, seed 42 and 43.
        let folds = stratified_group_kfold(&classes, &groups, 3, 42 + repeat as u64).unwrap();
        let of_run: Vec<&Line> = lines.iter().filter(|line| line.repeat == repeat).collect();
        for (row, line) in of_run.iter().enumerate() {
            assert_eq!(line.path, format!("{}/{row:02}.png", class(row)));
            assert_eq!((line.fold, &line.group), (folds.test_folds()[row], &patient(row)));
            assert_eq!(line.patient, line.group);
        }
        let folds_of = |group: &str| {
            of_run.iter().filter(|l| l.group == group).map(|l| l.fold).collect::<BTreeSet<_>>()
        };
        assert!(groups.iter().all(|group| folds_of(group).len() == 1));
    }
    let document = document(&sandbox);
    assert_eq!((document.images, document.groups, document.by_fold.len()), (IMAGES, 19, 6));
}

/// Against counting by hand, image by image and pair by pair.
#[test]
fn scores_are_those_of_the_predictions() {
    let sandbox = images();
    sandbox.ok(CROSSVAL);
    let (lines, document) = (lines(&sandbox), document(&sandbox));
    near(document.pooled["accuracy"].value.unwrap(), accuracy(&lines));
    let (covid, normal): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(|l| l.truth == "covid");
    let sensitivity =
        covid.iter().filter(|l| l.predicted == "covid").count() as f64 / covid.len() as f64;
    near(document.pooled["sensitivity"].value.unwrap(), sensitivity);
    let wins: f64 = covid
        .iter()
        .flat_map(|c| normal.iter().map(move |n| (c.p_covid, n.p_covid)))
        .map(|(c, n)| {
            if c > n {
                1.0
            } else if c == n {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    near(document.pooled["roc_auc"].value.unwrap(), wins / (covid.len() * normal.len()) as f64);
    let mut by_fold = Vec::new();
    for fold in &document.by_fold {
        let of_fold = lines.iter().filter(|l| (l.repeat, l.fold) == (fold.repeat, fold.fold));
        by_fold.push(accuracy(of_fold));
        near(fold.scores["accuracy"].unwrap(), by_fold[by_fold.len() - 1]);
    }
    let mean = by_fold.iter().sum::<f64>() / 6.0;
    let variance = by_fold.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / 5.0;
    near(document.across_folds["accuracy"].mean.unwrap(), mean);
    near(document.across_folds["accuracy"].sd.unwrap(), variance.sqrt());
    let of_run = |repeat| accuracy(lines.iter().filter(|l| l.repeat == repeat));
    near(document.across_runs["accuracy"].mean.unwrap(), (of_run(0) + of_run(1)) / 2.0);
    let error = "expected_calibration_error";
    near(document.pooled[error].value.unwrap(), document.across_runs[error].mean.unwrap());
    near(document.calibration.before[error].unwrap(), document.pooled[error].value.unwrap());
}

/// Against drawing patients one by one and counting anew.
#[test]
fn intervals_draw_patients_with_all_their_images() {
    let sandbox = images();
    sandbox.ok(CROSSVAL);
    let lines = lines(&sandbox);
    let mut names: Vec<&str> = Vec::new();
    let mut images: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in &lines {
        if !images.contains_key(line.group.as_str()) {
            names.push(&line.group);
        }
        images.entry(&line.group).or_default().push(line);
    }
    let mut values: Vec<f64> = (0..200)
        .map(|resample| {
            let mut rng = Rng::new(derive(42, "evaluate", "bootstrap", resample));
            let drawn: Vec<&Line> = (0..names.len())
                .flat_map(|_| images[names[rng.index(names.len())]].clone())
                .collect();
            accuracy(drawn)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    // numpy's quantiles 0.025 and 0.975 of 200 values
    let quantile = |q: f64| {
        let at = q * 199.0;
        let below = at.floor() as usize;
        values[below] + (at - at.floor()) * (values[below + 1] - values[below])
    };
    let pooled = &document(&sandbox).pooled["accuracy"];
    near(pooled.low.unwrap(), quantile(0.025));
    near(pooled.high.unwrap(), quantile(0.975));
}

#[test]
fn thresholds_call_the_images_of_their_fold() {
    let sandbox = images();
    for rule in ["youden", "sensitivity"] {
        sandbox.ok(&format!("{CROSSVAL} --threshold {rule}"));
        let document = document(&sandbox);
        let called: BTreeMap<_, _> =
            document.by_fold.iter().map(|f| ((f.repeat, f.fold), f.threshold.unwrap())).collect();
        for line in lines(&sandbox) {
            let positive = line.p_covid >= called[&(line.repeat, line.fold)];
            assert_eq!(positive, line.predicted == "covid", "{line:?}");
        }
        assert_eq!(document.threshold.chosen.unwrap().n, 6);
    }
}

/// Against a search over temperatures, on the table of predictions.
#[test]
fn the_temperature_minimises_the_log_loss_out_of_fold() {
    let sandbox = images();
    sandbox.ok(CROSSVAL);
    let lines = lines(&sandbox);
    let loss = |temperature: f64| {
        let surprise = |line: &Line| {
            let odds = (line.p_covid / (1.0 - line.p_covid)).ln() / temperature;
            let right = if line.truth == "covid" { odds } else { -odds };
            (1.0 + (-right).exp()).ln()
        };
        lines.iter().map(surprise).sum::<f64>() / lines.len() as f64
    };
    let calibration = document(&sandbox).calibration;
    let fitted = calibration.temperature.unwrap();
    for factor in [0.9, 0.99, 1.01, 1.1] {
        assert!(loss(fitted) < loss(fitted * factor), "{fitted} against {}", fitted * factor);
    }
    // The probabilities of an image are f32 and add up to 1 to seven digits.
    assert!((calibration.before["log_loss"].unwrap() - loss(1.0)).abs() < 1e-6);
    // What is fitted without a fold is evaluated on it, so it need not be better, but differs.
    assert_ne!(calibration.before["log_loss"], calibration.after["log_loss"]);
    let text = sandbox.ok(CROSSVAL);
    assert!(text.contains(&format!("temperature {fitted:.2}: calibration error")), "{text}");
    let lower = calibration.after["log_loss"] < calibration.before["log_loss"];
    let said = if lower { "the temperature lowers" } else { "the temperature does not lower" };
    assert!(text.contains(said), "{text}");
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let sandbox = images();
    sandbox.ok(&format!("{CROSSVAL} --seeds 2 --threads 1"));
    let one = sandbox.tree(OUT);
    sandbox.ok(&format!("{CROSSVAL} --seeds 2 --threads 3"));
    assert_eq!(one, sandbox.tree(OUT));
    assert_eq!(lines(&sandbox).len(), 4 * IMAGES);
}

#[test]
fn the_summary_fits_the_screen_and_wrong_wishes_are_refused() {
    let sandbox = images();
    let text = sandbox.ok(CROSSVAL);
    assert!(
        text.starts_with("48 images in 19 groups (by patient), 3 folds, 2 repeats, 1 head per"),
        "{text}"
    );
    assert!(text.lines().count() < 15 && text.contains("roc auc"), "{text}");
    let refused =
        |flags: &str| sandbox.transcript(&format!("{CROSSVAL} {flags}").replace(" --folds 3", ""));
    let text = refused("--folds 2");
    assert!(
        text.contains("exit: 2") && text.contains("`folds` is 2, expected 3 to 1000"),
        "{text}"
    );
    let text = refused("--folds 20");
    assert!(
        text.contains("exit: 1") && text.contains("hint: add images of more patients"),
        "{text}"
    );
    let text = refused("--positive x");
    assert!(text.contains("hint: give `--positive covid` or `--positive normal`"), "{text}");
    let text = refused("--groups link");
    assert!(text.contains("hint: run `cxr link --profile tutorial --artifacts a`"), "{text}");
    let text = refused("--groups x");
    assert!(text.contains("exit: 2") && text.contains("unknown grouping `x`"), "{text}");
}
