//! `cxr-export`, and `cxr-predict` with what it wrote.

use std::path::{Path, PathBuf};

use cxr::artifact::Document;
use cxr::artifact::audit::Audit;
use cxr::artifact::groups::Grouping;
use cxr::artifact::record::Record;
use cxr::audit::{Answer, Verdict};
use cxr::backbone::{IMAGENET_FINGERPRINT, Weights, names};
use cxr::classifier::Bundle;
use cxr::head::Head;
use cxr::image::Depth;
use cxr::io::onnx::write;
use cxr::io::{checkpoint, hash, safetensors};
use prost::Message;
use serde_json::json;

use crate::support::{Sandbox, python, random_weights, trained};

/// A folder of its own with the trained model's artifacts.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new().with_weights(random_weights());
    for (name, bytes) in trained().tree("artifacts") {
        sandbox.write(&format!("artifacts/{name}"), bytes);
    }
    sandbox
}

fn image() -> PathBuf {
    let images = trained().path("dataset/covid");
    let mut images: Vec<_> =
        std::fs::read_dir(images).unwrap().map(|e| e.unwrap().path()).collect();
    images.retain(|path| path.extension().is_some_and(|e| e != "csv" && e != "json"));
    images.sort();
    images.swap_remove(0)
}

/// An audit of the model with this answer.
fn audit(sandbox: &Sandbox, answer: Answer) {
    let folder = sandbox.path("artifacts/tutorial/audit");
    let audit = Audit {
        schema: String::new(),
        images: 12,
        groups: 0,
        grouped_by: Grouping::Patient,
        repeats: 1,
        folds_from: "audit".into(),
        folds: 5,
        probes: Default::default(),
        max_auc_null: None,
        saliency: None,
        cramers_v: None,
        within_source: Default::default(),
        verdict: Verdict { answer, text: "the border alone reaches AUC 0.97".into() },
        findings: Vec::new(),
    };
    audit.write(&folder.join("audit.json")).unwrap();
    ran(sandbox, "audit", "train/model.json");
}

/// The record of a stage that read `input`.
fn ran(sandbox: &Sandbox, stage: &str, input: &str) {
    let hash = hash::file(&sandbox.path(format!("artifacts/tutorial/{input}"))).unwrap();
    let record = Record {
        schema: String::new(),
        stage: stage.into(),
        program: "0.1.0".into(),
        params: Default::default(),
        seed: Some(42),
        dataset: None,
        inputs: [(input.to_owned(), hash)].into(),
        outputs: Default::default(),
        hand: toml::Table::new(),
        missed: Vec::new(),
    };
    let folder = sandbox.path(format!("artifacts/tutorial/{stage}"));
    record.write(&folder.join("record.json")).unwrap();
}

/// A cross-validation of these images, whose temperature leads to this log loss from 0.3.
fn crossval(sandbox: &Sandbox, scaled: f64) {
    let chosen = json!({ "n": 5, "mean": 0.7, "sd": 0.1, "min": 0.6, "max": 0.8 });
    let document = json!({
        "schema": "cxr.crossval/3", "by_class": {}, "confusion": [], "classes": ["covid", "normal"], "positive": "covid",
        "images": 12, "groups": 12, "grouped_by": "patient", "folds": 5, "repeats": 1, "seeds": 1,
        "trained_on": "unrotated", "index": "",
        "threshold": { "rule": "youden", "wanted": null, "chosen": chosen },
        "pooled": {}, "across_folds": {}, "across_runs": {}, "by_fold": [],
        "calibration": {
            "temperature": 1.1,
            "before": { "log_loss": 0.3 },
            "after": { "log_loss": scaled },
        },
    });
    sandbox.write("artifacts/tutorial/crossval/crossval.json", document.to_string());
    ran(sandbox, "crossval", "preprocess/index.csv");
}

/// A threshold of the cross-validation would call images otherwise than the quoted figures
/// count them, and its temperature may do harm.
#[test]
fn a_bundle_decides_as_its_figures_count_and_is_scaled_only_if_that_helps() {
    let sandbox = sandbox();
    for (scaled, temperature) in [(0.2, Some(1.1)), (0.4, None)] {
        crossval(&sandbox, scaled);
        let text = sandbox.ok("cxr-export bundle -o m.cxr");
        assert!(text.contains("decision the most probable class"), "{text}");
        let manifest = Bundle::read(&sandbox.path("m.cxr")).unwrap().manifest;
        assert_eq!((manifest.decision.threshold, manifest.temperature), (None, temperature));
        let image = image();
        let line = sandbox.ok(&format!("cxr-predict --bundle m.cxr --json {}", image.display()));
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(said["calibrated"].is_null(), temperature.is_none(), "{said}");
    }
}

#[test]
fn a_bundle_knows_what_the_artifacts_know_and_says_the_same() {
    let sandbox = sandbox();
    let text = sandbox.ok("cxr-export bundle -o m.cxr");
    assert!(text.starts_with("m.cxr: ") && text.contains("classes  covid, normal"), "{text}");
    let first = std::fs::read(sandbox.path("m.cxr")).unwrap();
    sandbox.ok("cxr-export bundle -o m.cxr --threads 1");
    assert_eq!(std::fs::read(sandbox.path("m.cxr")).unwrap(), first, "not the same bytes");
    let bundle = Bundle::read(&sandbox.path("m.cxr")).unwrap();
    let manifest = &bundle.manifest;
    assert_eq!(manifest.decision.positive.as_deref(), Some("covid"));
    assert_eq!(manifest.training.images.values().sum::<usize>(), manifest.model.training.images);
    let metrics = sandbox.json("artifacts/tutorial/evaluate/metrics.json");
    assert_eq!(serde_json::to_value(manifest.metrics.as_ref().unwrap()).unwrap(), metrics);
    let index = hash::file(&sandbox.path("artifacts/tutorial/preprocess/index.csv")).unwrap();
    assert_eq!(manifest.training.index.as_ref(), Some(&index));
    // The rate on the test images stands beside the expected one.
    let reference = manifest.out_of_distribution.as_ref().unwrap();
    let measured = reference.measured.unwrap();
    assert!((1..=metrics["images"].as_u64().unwrap()).contains(&measured.of), "{measured:?}");
    let rates = format!("out of distribution: {}", reference.rates());
    assert!(
        text.contains(&rates) && rates.contains(&format!("of {}, 95 %", measured.of)),
        "{text}"
    );

    let image = image();
    let said = sandbox.transcript(&format!("cxr-predict --bundle m.cxr {}", image.display()));
    let note = format!("out-of-distribution score: {}", reference.rates());
    assert!(said.contains(&note), "{said}");
    let from_artifacts = sandbox.ok(&format!("cxr-predict --json {}", image.display()));
    std::fs::remove_dir_all(sandbox.path("artifacts")).unwrap();
    let from_bundle = sandbox.ok(&format!("cxr-predict --bundle m.cxr --json {}", image.display()));
    assert_eq!(from_bundle, from_artifacts);
    // A bundle makes the same bundle.
    sandbox.ok("cxr-export bundle --bundle m.cxr -o again.cxr");
    assert_eq!(std::fs::read(sandbox.path("again.cxr")).unwrap(), first);
}

#[test]
fn a_bundle_reads_images_with_the_depth_of_its_training() {
    let sandbox = sandbox();
    let deep = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/odd_raster/holds12.png");
    let notes = |options: &str| {
        let line = sandbox.ok(&format!("cxr-predict {options} --json {}", deep.display()));
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        said["notes"].to_string()
    };
    assert!(notes("").contains("use 12 of 16 bits"), "{}", notes(""));
    let path = "artifacts/tutorial/preprocess/record.json";
    let mut record = sandbox.json(path);
    assert_eq!(record["params"]["depth"], "file");
    record["params"]["depth"] = "12".into();
    sandbox.write(path, record.to_string());
    sandbox.ok("cxr-export bundle -o m.cxr");
    let manifest = Bundle::read(&sandbox.path("m.cxr")).unwrap().manifest;
    assert_eq!(manifest.depth, Depth::Bits(12));
    assert_eq!(notes("--bundle m.cxr"), "[]");
}

#[test]
fn an_embedded_backbone_needs_no_other() {
    let sandbox = sandbox();
    sandbox.ok("cxr-export bundle --embed -o whole.cxr");
    sandbox.ok("cxr-export bundle -o m.cxr");
    let image = image();
    let with = sandbox.ok(&format!("cxr-predict --bundle m.cxr --json {}", image.display()));
    let bare = Sandbox::new();
    let line = |bundle: &str| {
        let path = sandbox.path(bundle);
        format!("cxr-predict --bundle {} --json {}", path.display(), image.display())
    };
    assert_eq!(bare.ok(&line("whole.cxr")), with);
    let said = bare.transcript(&line("m.cxr"));
    assert!(said.contains("exit: 1") && said.contains("run `cxr fetch weights`"), "{said}");
    // Any reader of safetensors finds the tensors.
    sandbox.ok("cxr-export safetensors --bundle whole.cxr -o m.safetensors");
    let bytes = std::fs::read(sandbox.path("m.safetensors")).unwrap();
    assert!(Head::from_safetensors(&bytes).is_ok());
    let weights = Weights::read(random_weights()).unwrap();
    assert_eq!(Weights::from_safetensors(&bytes).unwrap(), weights);
    assert_eq!(safetensors::metadata(&bytes).unwrap()["classes"], r#"["covid","normal"]"#);
}

#[test]
fn other_weights_and_damaged_bundles_are_refused() {
    let sandbox = sandbox();
    sandbox.ok("cxr-export bundle -o m.cxr");
    let mut weights = std::fs::read(random_weights()).unwrap();
    *weights.last_mut().unwrap() ^= 1;
    sandbox.write("other.safetensors", weights);
    let image = image();
    let line =
        format!("cxr-predict --bundle m.cxr {} --weights other.safetensors", image.display());
    let said = sandbox.transcript(&line);
    assert!(said.contains("exit: 1"), "{said}");
    let text = "the model was trained with other weights than those in `other.safetensors`";
    assert!(said.contains(text), "{said}");
    let mut bytes = std::fs::read(sandbox.path("m.cxr")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    sandbox.write("m.cxr", bytes);
    let said = sandbox.transcript(&format!("cxr-predict --bundle m.cxr {}", image.display()));
    let text = "the hash of tensor `out_of_distribution.features` does not match";
    assert!(said.contains(text), "{said}");
    assert!(said.contains("hint: get another copy"), "{said}");
}

#[test]
fn a_failed_audit_stands_above_the_first_result_and_cannot_be_silenced() {
    let sandbox = sandbox();
    let image = image();
    let said = |bundle: &str| {
        let line = format!("cxr-predict -q --format csv {bundle} {}", image.display());
        let output = sandbox.cxr(&line).output().unwrap();
        assert!(output.status.success());
        let audit = String::from_utf8(output.stdout).unwrap();
        let audit = audit.lines().nth(1).unwrap().rsplit(',').nth(1).unwrap().to_owned();
        (String::from_utf8(output.stderr).unwrap(), audit)
    };
    let (warning, word) = said("");
    assert!(warning.starts_with("warning: this model was not audited"), "{warning}");
    assert_eq!(word, "none");
    audit(&sandbox, Answer::Shortcut);
    sandbox.ok("cxr-export bundle -o m.cxr");
    for bundle in ["", "--bundle m.cxr"] {
        let failed = "warning: the audit of this model failed: the border alone reaches AUC 0.97\n";
        assert_eq!(said(bundle), (failed.to_owned(), "shortcut".to_owned()));
    }
    // One of another model says nothing of this one.
    sandbox.ok("cxr-train --epochs 1 --batch-size 4");
    assert_eq!(said("").1, "none");
}

#[test]
fn nothing_half_written_is_left_and_wrong_requests_are_named() {
    let sandbox = sandbox();
    sandbox.write("model.cxr", "the last good one");
    sandbox.write("artifacts/tutorial/train/model.safetensors", "broken");
    let said = sandbox.transcript("cxr-export bundle -o model.cxr");
    assert!(said.contains("exit: 1") && said.contains("is not what `cxr-train` wrote"), "{said}");
    std::fs::remove_file(sandbox.path("artifacts/tutorial/train/record.json")).unwrap();
    let said = sandbox.transcript("cxr-export bundle -o model.cxr");
    assert!(said.contains("exit: 1") && said.contains("is not a usable head"), "{said}");
    assert_eq!(sandbox.read("model.cxr"), "the last good one");
    let said = sandbox.transcript("cxr-export safetensors --embed -o x");
    assert!(said.contains("exit: 2") && said.contains("`--embed` is for bundles"), "{said}");
    assert!(sandbox.transcript("cxr-export bundle").contains("exit: 2"));
}

/// Runs an export that its library verifies.
fn verified(sandbox: &Sandbox, python: &Path, line: &str) -> String {
    let output = sandbox.cxr(line).env("CXR_PYTHON", python).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{line}`:\n{text}{errors}");
    text
}

#[test]
fn onnx_holds_the_weights_and_says_how_to_use_it() {
    let sandbox = sandbox();
    sandbox.ok("cxr-export onnx -o m.onnx");
    let first = std::fs::read(sandbox.path("m.onnx")).unwrap();
    sandbox.ok("cxr-export onnx -o m.onnx --threads 1");
    assert!(std::fs::read(sandbox.path("m.onnx")).unwrap() == first, "not the same bytes");
    let tensors = checkpoint::read(&sandbox.path("m.onnx")).unwrap();
    let weights = Weights::read(random_weights()).unwrap();
    for (tensor, view) in names::vgg16(&tensors).unwrap().iter().zip(weights.views()) {
        assert!(tensor.name == view.name && tensor.data == view.data, "{}", view.name);
    }
    let model = write::Model::decode(&first[..]).unwrap();
    let property = |key: &str| {
        let found = model.metadata_props.iter().find(|p| p.key == key);
        found.map_or("", |p| p.value.as_str())
    };
    assert_eq!(property("classes"), r#"["covid","normal"]"#);
    assert_eq!((property("positive"), property("audit")), ("covid", "none"));
    assert_eq!((model.ir_version, model.opset_import[0].version), (8, 17));
}

#[test]
#[ignore = "installs onnxruntime with pip if it is not there"]
fn onnx_runtime_agrees() {
    let python = python("onnxruntime");
    let sandbox = sandbox();
    let text = verified(&sandbox, &python, "cxr-export onnx -o m.onnx --verify");
    assert!(
        text.contains("verified onnxruntime") && text.contains("agrees on 12 images"),
        "{text}"
    );
    // A bundle without the profile's images is tried on others.
    sandbox.ok("cxr-export bundle -o m.cxr");
    std::fs::remove_dir_all(sandbox.path("artifacts")).unwrap();
    let text = verified(&sandbox, &python, "cxr-export onnx --bundle m.cxr -o n.onnx --verify");
    assert!(text.contains("agrees on 8 random images"), "{text}");
}

#[test]
#[ignore = "installs keras with pip if it is not there"]
fn keras_agrees_and_what_it_saves_comes_back() {
    let python = python("keras");
    let sandbox = sandbox();
    for (format, file) in [("keras", "m.keras"), ("h5", "m.h5")] {
        let text = verified(&sandbox, &python, &format!("cxr-export {format} -o {file} --verify"));
        assert!(text.contains("verified keras") && text.contains("agrees on 12 images"), "{text}");
    }
    let code = "import keras; m = keras.models.load_model('m.keras', compile=False); \
                m.save('own.keras'); m.save('own.h5')";
    let mut command = std::process::Command::new(python);
    command.args(["-c", code]).current_dir(sandbox.path("")).env("TF_CPP_MIN_LOG_LEVEL", "3");
    assert!(command.output().unwrap().status.success());
    comes_back(&sandbox, "own.keras");
    comes_back(&sandbox, "own.h5");
}

/// Imports a file of the trained model and evaluates it: nothing changes.
fn comes_back(sandbox: &Sandbox, file: &str) {
    let text = sandbox.ok(&format!("cxr-train --from {file}"));
    assert!(text.contains("imported the head of"), "{text}");
    sandbox.ok("cxr-evaluate --resamples 20");
    let predictions = "artifacts/tutorial/evaluate/predictions.csv";
    assert_eq!(sandbox.read(predictions), trained().read(predictions), "{file}");
    let model = sandbox.json("artifacts/tutorial/train/model.json");
    assert!(model["imported"].as_str().unwrap().starts_with(file), "{model}");
}

#[test]
fn what_goes_out_as_keras_comes_back_in() {
    let sandbox = sandbox();
    sandbox.ok("cxr-export keras -o m.keras");
    let first = std::fs::read(sandbox.path("m.keras")).unwrap();
    sandbox.ok("cxr-export keras -o m.keras");
    assert!(std::fs::read(sandbox.path("m.keras")).unwrap() == first, "not the same bytes");
    sandbox.ok("cxr-export h5 -o m.h5");
    comes_back(&sandbox, "m.keras");
    comes_back(&sandbox, "m.h5");
    assert!(sandbox.ok("cxr-plot").contains("history"));
    sandbox.ok("cxr-export bundle -o m.cxr");

    // Features of another backbone are no features of this head.
    let features = "artifacts/tutorial/extract/features.json";
    let text = sandbox.read(features);
    let weights = sandbox.json(features)["extractor"]["weights"].as_str().unwrap().to_owned();
    std::fs::remove_file(sandbox.path("artifacts/tutorial/extract/record.json")).unwrap();
    sandbox.write(features, text.replace(&weights, IMAGENET_FINGERPRINT));
    let said = sandbox.transcript("cxr-train --from m.h5");
    assert!(said.contains("exit: 1") && said.contains("are neither ImageNet's"), "{said}");
    sandbox.write(features, text.replace("\"tutorial\"", "\"global\""));
    let said = sandbox.transcript("cxr-train --from m.h5");
    assert!(said.contains("hint: extract again with `cxr extract --pooling tutorial`"), "{said}");
    let said = sandbox.transcript("cxr-train --from m.cxr");
    assert!(said.contains("the file has no Keras model configuration"), "{said}");
    assert!(sandbox.transcript("cxr-train --from m.h5 --seeds 2").contains("exit: 2"));
}

#[test]
fn without_the_library_the_way_to_it_is_named() {
    let sandbox = sandbox();
    let line = "cxr-export onnx -o m.onnx --verify";
    let output = sandbox.cxr(line).env("PATH", "").env_remove("CXR_PYTHON").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("`m.onnx` is written") && said.contains("pip install onnxruntime"),
        "{said}"
    );
    assert!(sandbox.path("m.onnx").exists());
    assert!(sandbox.transcript("cxr-export bundle -o x --verify").contains("exit: 2"));
}

#[test]
fn changed_artifacts_are_refused_by_export_and_predict() {
    let sandbox = sandbox();
    audit(&sandbox, Answer::NoShortcut);
    let image = image();
    let predict = format!("cxr-predict {}", image.display());
    let lines = ["cxr-export bundle -o m.cxr", &predict];
    for (file, stage) in [
        ("extract/features.npy", "extract"),
        ("preprocess/images.npy", "preprocess"),
        ("preprocess/index.csv", "preprocess"),
        ("evaluate/metrics.json", "evaluate"),
        ("train/model.json", "train"),
        ("train/model.safetensors", "train"),
    ] {
        let path = sandbox.path(format!("artifacts/tutorial/{file}"));
        let good = std::fs::read(&path).unwrap();
        let mut changed = good.clone();
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&path, changed).unwrap();
        for line in lines {
            let text = sandbox.transcript(line);
            let error = format!("{file}` is not what `cxr-{stage}` wrote: its content has changed");
            assert!(text.contains("exit: 1") && text.contains(&error), "{text}");
            assert!(
                text.contains(&format!("hint: run `cxr {stage} --profile tutorial`")),
                "{text}"
            );
        }
        std::fs::write(&path, good).unwrap();
    }
    lines.iter().for_each(|line| drop(sandbox.ok(line)));
}

/// The temperature of heads that were trained otherwise is not the model's.
#[test]
fn a_cross_validation_of_another_training_is_left_out_of_a_bundle() {
    let sandbox = sandbox();
    crossval(&sandbox, 0.2);
    let path = "artifacts/tutorial/crossval/record.json";
    let mut record = sandbox.json(path);
    record["inputs"]["train/model.json"] = "00".into();
    sandbox.write(path, record.to_string());
    let text = sandbox.transcript("cxr-export bundle -o m.cxr");
    assert!(text.contains("exit: 0"), "{text}");
    assert!(
        text.contains(
            "not in the export: the temperature of a cross-validation; run `cxr crossval`"
        )
    );
    assert_eq!(Bundle::read(&sandbox.path("m.cxr")).unwrap().manifest.temperature, None);
}
