//! `cxr-evaluate`.

use std::path::PathBuf;

use cxr::artifact::groups::{GroupRow, Linked};
use cxr::artifact::index::{Index, IndexRow};
use cxr::artifact::model::{Architecture, Model, Training};
use cxr::artifact::predictions::Predictions;
use cxr::artifact::split::{GroupCount, Split};
use cxr::artifact::{Document, write_csv};
use cxr::head::{Dense, FitInputs, FitSettings, Head, Loss, fit};
use cxr::io::hash;
use ndarray::{Array1, Array2, Axis, array};
use ndarray_npy::{ReadNpyExt, write_npy};
use serde_json::json;

use crate::support::{Sandbox, extractor, shared};

const METRICS: &str = "artifacts/tutorial/evaluate/metrics.json";

/// An image of a class, of a patient, with features.
type Image<'a> = (&'a str, &'a str, Vec<f32>);

/// A pipeline as it is before `cxr-evaluate`.
struct Pipeline {
    sandbox: Sandbox,
    classes: Vec<String>,
}

impl Pipeline {
    /// With images to test on, and one training image that the figures do not use.
    fn new(images: &[Image], leaking: &[&str], head: &Head) -> Self {
        let rows = images.iter().enumerate().map(|(row, (class, patient, _))| IndexRow {
            row,
            path: format!("{class}/{row:02}.png"),
            class: (*class).to_owned(),
            patient: (*patient).to_owned(),
            source: "test".into(),
            width: 10,
            height: 10,
            mode: "L".into(),
            bytes: 5,
            hash: row.to_string(),
            ..IndexRow::default()
        });
        let index = Index::new(rows.collect());
        let pipeline = Self { sandbox: Sandbox::new(), classes: index.classes.clone() };
        index.write(&pipeline.path("preprocess/index.csv")).unwrap();
        let split = Split {
            schema: String::new(),
            method: "image".into(),
            seed: 42,
            test_size: 0.2,
            validation_size: 0.0,
            validation: vec![],
            train: vec![0],
            test: (1..images.len()).rev().collect(),
            groups: GroupCount::default(),
            leaking: leaking.iter().map(|p| (*p).to_owned()).collect(),
            unknown: 0,
            copies: None,
            index: hash::file(&pipeline.path("preprocess/index.csv")).unwrap(),
        };
        split.write(&pipeline.path("split/split.json")).unwrap();
        let features =
            Array2::from_shape_fn((images.len(), images[0].2.len()), |(i, j)| images[i].2[j]);
        pipeline.write_features(&features);
        pipeline.write_model(head);
        pipeline
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.sandbox.path(format!("artifacts/tutorial/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write_features(&self, features: &Array2<f32>) {
        write_npy(self.path("extract/features.npy"), features).unwrap();
    }

    /// Writes a model of the images, split and features that there are.
    fn write_model(&self, head: &Head) {
        let weights = head.to_safetensors();
        std::fs::write(self.path("train/model.safetensors"), &weights).unwrap();
        let (inputs, hidden, outputs) = (head.inputs(), head.hidden.bias.len(), self.classes.len());
        let model = Model {
            schema: String::new(),
            classes: self.classes.clone(),
            extractor: extractor(inputs),
            architecture: Architecture { inputs, hidden, outputs },
            training: Training {
                seed: 42,
                images: 1,
                epochs: 25,
                batch_size: 8,
                learning_rate: 1e-3,
                dropout: 0.5,
                loss: Loss::default(),
            },
            imported: None,
            weights: hash::bytes(&weights),
            inputs: ["preprocess/index.csv", "split/split.json", "extract/features.npy"]
                .map(|name| (name.to_owned(), hash::file(&self.path(name)).unwrap()))
                .into(),
        };
        model.write(&self.path("train/model.json")).unwrap();
    }
}

/// A head whose outputs are the softmax of its inputs.
fn identity(classes: usize) -> Head {
    let layer = || Dense { kernel: Array2::eye(classes), bias: Array1::zeros(classes) };
    Head { hidden: layer(), output: layer() }
}

/// The published run of the tutorial: one of five normal images is taken for covid.
fn tutorial() -> Pipeline {
    let mut images: Vec<Image> = vec![("covid", "a", vec![0.0, 0.0])];
    for (patient, covid) in [("a", 2.5), ("b", 2.0), ("b", 1.5), ("c", 1.2), ("d", 1.1)] {
        images.push(("covid", patient, vec![covid, 1.0]));
    }
    for (patient, normal) in [("e", 0.5), ("f", 2.0), ("g", 2.5), ("", 3.0), ("h", 3.5)] {
        images.push(("normal", patient, vec![1.0, normal]));
    }
    Pipeline::new(&images, &["a"], &identity(2))
}

#[test]
fn the_published_run_is_reported_with_intervals() {
    let Pipeline { sandbox, .. } = tutorial();
    insta::assert_snapshot!(sandbox.transcript("cxr-evaluate"), @r"
    $ cxr-evaluate
    exit: 0
    --- stdout
                  precision    recall  f1-score   support

           covid       0.83      1.00      0.91         5
          normal       1.00      0.80      0.89         5

        accuracy                           0.90        10
       macro avg       0.92      0.90      0.90        10
    weighted avg       0.92      0.90      0.90        10

    truth \ predicted   covid  normal
                covid       5       0
               normal       1       4

    acc: 0.9000          95 % interval 0.5773 to 0.9834, 9 of 10
    sensitivity: 1.0000  95 % interval 0.5101 to 1.0000, 5 of 5
    specificity: 0.8000  95 % interval 0.3755 to 0.9638, 4 of 5
    roc auc: 0.9000      95 % interval 0.4999 to 0.9860, Newcombe's method, because the bootstrap interval reaches 0 or 1

    covid: 5 images of 4 patients, the positive class
    normal: 5 images of 4 patients
    all: 10 images of 8 patients, 1 without patient ID
    sample size of the intervals: number of patients, not of images
    1 patient is in both the training and the test set: the test performance is overestimated
    --- stderr
    ");
    let metrics = sandbox.json(METRICS);
    assert_eq!(metrics["schema"], json!("cxr.metrics/3"));
    assert_eq!(metrics["confusion"], json!([[5, 0], [1, 4]]));
    assert_eq!(metrics["accuracy"]["value"], json!(0.9));
    assert_eq!(metrics["sensitivity"]["hits"], json!(5));
    assert_eq!(metrics["specificity"]["value"], json!(0.8));
    insta::assert_snapshot!(sandbox.read("artifacts/tutorial/evaluate/predictions.csv"), @r"
    path,patient,truth,predicted,p_covid,p_normal
    covid/01.png,a,covid,covid,0.81757444,0.18242551
    covid/02.png,b,covid,covid,0.7310586,0.26894143
    covid/03.png,b,covid,covid,0.62245935,0.37754068
    covid/04.png,c,covid,covid,0.549834,0.450166
    covid/05.png,d,covid,covid,0.5249792,0.4750208
    normal/06.png,e,normal,covid,0.62245935,0.37754068
    normal/07.png,f,normal,normal,0.26894143,0.7310586
    normal/08.png,g,normal,normal,0.18242551,0.81757444
    normal/09.png,,normal,normal,0.11920292,0.880797
    normal/10.png,h,normal,normal,0.075858176,0.9241418
    ");
}

#[test]
fn the_json_document_holds_figures_and_report() {
    let Pipeline { sandbox, .. } = tutorial();
    let document: serde_json::Value =
        serde_json::from_str(&sandbox.ok("cxr-evaluate --json")).unwrap();
    assert_eq!(document["schema"], json!("cxr.evaluate-summary/1"));
    assert_eq!(document["leaking"], json!(1));
    assert!(document["report"].as_str().unwrap().contains("weighted avg"));
    let metrics = sandbox.json(METRICS);
    for key in ["accuracy", "confusion", "scores", "by_class", "positive"] {
        assert_eq!(document[key], metrics[key], "{key}");
    }
}

#[test]
fn images_that_cxr_link_finds_of_one_patient_are_drawn_together() {
    let pipeline = tutorial();
    let sandbox = &pipeline.sandbox;
    sandbox.ok("cxr-evaluate");
    let alone = sandbox.json(METRICS);
    assert_eq!((&alone["grouped_by"], &alone["patients"]), (&json!("patient"), &json!(8)));
    let index = Index::read(&pipeline.path("preprocess/index.csv")).unwrap();
    // `c` and `d` are one patient, and so are `g` and the image without a patient ID.
    let group = |row: &IndexRow| match row.patient.as_str() {
        "c" | "d" => "c+d".to_owned(),
        "g" | "" => "g".to_owned(),
        patient => patient.to_owned(),
    };
    let row = |row: &IndexRow| GroupRow {
        row: row.row,
        path: row.path.clone(),
        class: row.class.clone(),
        group: group(row),
        evidence: String::new(),
    };
    let rows: Vec<GroupRow> = index.rows.iter().map(row).collect();
    write_csv(&pipeline.path("link/groups.csv"), &rows).unwrap();
    let linked = Linked {
        schema: String::new(),
        images: rows.len(),
        groups: 7,
        links: Default::default(),
        merged: vec![],
        conflicts: vec![],
        index: hash::file(&pipeline.path("preprocess/index.csv")).unwrap(),
    };
    linked.write(&pipeline.path("link/link.json")).unwrap();
    let text = sandbox.ok("cxr-evaluate --groups link");
    assert!(text.contains("all: 10 images of 7 patients, patients linked by cxr-link"), "{text}");
    let linked = sandbox.json(METRICS);
    assert_eq!((&linked["grouped_by"], &linked["patients"]), (&json!("link"), &json!(7)));
    assert_eq!(linked["unknown"], json!(0));
    assert_eq!(linked["scores"]["roc_auc"]["value"], alone["scores"]["roc_auc"]["value"]);
    let low = |metrics: &serde_json::Value| metrics["scores"]["roc_auc"]["low"].as_f64().unwrap();
    assert!(low(&linked) < low(&alone), "fewer patients know less");
}

#[test]
fn any_number_of_threads_gives_the_same_files() {
    let Pipeline { sandbox, .. } = tutorial();
    let files = |threads| {
        sandbox.ok(&format!("cxr-evaluate --threads {threads}"));
        sandbox.tree("artifacts/tutorial/evaluate")
    };
    assert_eq!(files(1), files(2));
}

#[test]
fn missed_thresholds_are_exit_code_3() {
    let Pipeline { sandbox, .. } = tutorial();
    sandbox.ok("cxr-evaluate --min-sensitivity 1 --min-specificity 0.8 --min-accuracy 0.9");
    let output = sandbox.cxr("cxr-evaluate -q --min-specificity 0.81").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "warning: specificity is 0.8000, expected at least 0.81\n");
    assert!(sandbox.path(METRICS).exists());
    let text = sandbox.transcript("cxr-evaluate --min-accuracy 90");
    assert!(
        text.contains("exit: 2") && text.contains("`min-accuracy` is 90, expected 0 to 1"),
        "{text}"
    );
}

#[test]
fn other_classes_need_a_positive_one() {
    let image = |class, k: usize| {
        let features = (0..3).map(|j| if j == k { 2.0 } else { 0.5 }).collect();
        (class, "", features)
    };
    let images = [
        image("bacteria", 0),
        image("bacteria", 0),
        image("normal", 1),
        image("normal", 2),
        image("virus", 2),
    ];
    let Pipeline { sandbox, .. } = Pipeline::new(&images, &[], &identity(3));
    insta::assert_snapshot!(sandbox.transcript("cxr-evaluate"), @r"
    $ cxr-evaluate
    exit: 2
    --- stdout
    --- stderr
    error: the positive class is not set and cannot be inferred from the class names: `bacteria`, `normal`, `virus`

    hint: give `--positive bacteria`, `--positive normal` or `--positive virus`, or set `positive` at the top of `pipeline.toml`
    ");
    sandbox.ok("cxr-evaluate --positive virus");
    let metrics = sandbox.json(METRICS);
    assert_eq!(metrics["positive"], json!("virus"));
    assert_eq!(metrics["sensitivity"]["value"], json!(1.0));
    assert_eq!(metrics["specificity"]["hits"], json!(2));
    assert_eq!(metrics["scores"]["macro_f1"]["value"], json!((1.0 + 2.0 / 3.0 + 2.0 / 3.0) / 3.0));
}

#[test]
fn a_test_set_of_one_class_says_what_is_undefined() {
    let images = [("normal", "", vec![1.0, 2.0]), ("covid", "a", vec![2.0, 1.0])];
    let Pipeline { sandbox, .. } = Pipeline::new(&images, &[], &identity(2));
    let text = sandbox.ok("cxr-evaluate");
    assert!(text.contains("specificity: undefined, 0 of 0 images\n"), "{text}");
    assert!(text.contains("roc auc: undefined, no image is negative\n"), "{text}");
    let metrics = sandbox.json(METRICS);
    assert_eq!(
        metrics["specificity"],
        json!({ "value": null, "low": 0.0, "high": 1.0, "hits": 0, "of": 0 })
    );
    let text = sandbox.transcript("cxr-evaluate --min-specificity 0.5");
    assert!(text.contains("exit: 3") && text.contains("specificity is undefined"), "{text}");
}

#[test]
fn files_that_do_not_belong_together_are_refused_and_the_last_figures_stay() {
    let pipeline = tutorial();
    let sandbox = &pipeline.sandbox;
    sandbox.ok("cxr-evaluate");
    let before = sandbox.tree("artifacts/tutorial/evaluate");
    let refused = |expected: &str| {
        let text = sandbox.transcript("cxr-evaluate");
        assert!(text.contains("exit: 1") && text.contains(expected), "{text}");
        assert!(text.contains("hint: run `cxr "), "{text}");
        assert_eq!(sandbox.tree("artifacts/tutorial/evaluate"), before);
    };

    std::fs::write(pipeline.path("train/model.safetensors"), identity(3).to_safetensors()).unwrap();
    refused("is not a usable head: `model.json` describes another head");
    pipeline.write_model(&identity(3));
    refused("is not a usable head: it has 3 classes, expected 2");
    let wide = Dense { kernel: Array2::zeros((7, 2)), bias: array![0.0, 0.0] };
    pipeline.write_model(&Head { hidden: wide, ..identity(2) });
    refused("is not a usable array of features: the shape is [11, 2], expected [11, 7]");
    pipeline.write_model(&identity(2));
    pipeline.write_features(&Array2::zeros((11, 2)));
    refused("the model was trained from another `extract/features.npy`");
    pipeline.write_features(&Array2::from_elem((11, 2), f32::NAN));
    pipeline.write_model(&identity(2));
    refused("the predicted probabilities of `covid/01.png` are NaN");
    let split =
        sandbox.read("artifacts/tutorial/split/split.json").replace("\"seed\": 42", "\"seed\": 43");
    std::fs::write(pipeline.path("split/split.json"), split).unwrap();
    refused("the model was trained from another `split/split.json`");
    std::fs::remove_file(pipeline.path("train/model.json")).unwrap();
    refused("there is no `artifacts/tutorial/train/model.json`");
}

/// The tutorial's features from Keras, a head trained on them here.
#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn a_head_on_the_tutorials_features_reaches_the_tutorials_accuracy() {
    let shared = shared();
    let archive = std::fs::File::open(shared.join("reference/features.npz")).unwrap();
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    let features: Array2<f32> = Array2::read_npy(archive.by_name("pooled.npy").unwrap()).unwrap();
    let text = std::fs::read_to_string(shared.join("reference/split.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows =
        |side: &str| -> Vec<usize> { serde_json::from_value(reference[side].clone()).unwrap() };
    let (train, test) = (rows("train"), rows("test"));
    let labels: Vec<usize> = train.iter().map(|row| usize::from(*row >= 25)).collect();
    let augmented = features.select(Axis(0), &train).insert_axis(Axis(0));
    let inputs =
        FitInputs { augmented: augmented.view(), labels: &labels, classes: 2, validation: None };
    let fitted = fit(&inputs, &FitSettings::default(), 42, |_, _| ()).unwrap();

    let class = |row: usize| if row < 25 { "covid" } else { "normal" };
    let images: Vec<Image> = [train[0]]
        .iter()
        .chain(&test)
        .map(|&row| (class(row), "", features.row(row).to_vec()))
        .collect();
    let Pipeline { sandbox, .. } = Pipeline::new(&images, &[], &fitted.head);
    sandbox.ok("cxr-evaluate --min-accuracy 0.9");
    let predictions =
        Predictions::read(&sandbox.path("artifacts/tutorial/evaluate/predictions.csv")).unwrap();
    let expected = fitted.head.predict(features.select(Axis(0), &[test[0]]).view());
    let first = predictions.rows.iter().find(|row| row.path.ends_with("/01.png")).unwrap();
    assert_eq!(first.probabilities, expected.row(0).mapv(cxr::io::decimal::widen).to_vec());
}
