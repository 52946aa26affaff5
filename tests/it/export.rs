//! `cxr-export`, and `cxr-predict` with what it wrote.

use std::path::PathBuf;

use cxr::artifact::Document;
use cxr::artifact::audit::Audit;
use cxr::artifact::groups::Grouping;
use cxr::artifact::record::Record;
use cxr::audit::{Answer, Verdict};
use cxr::backbone::Weights;
use cxr::classifier::Bundle;
use cxr::head::Head;
use cxr::io::{hash, safetensors};

use crate::support::{Sandbox, random_weights, trained};

/// A folder of its own with the trained model's artifacts.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new().with_weights(random_weights());
    for (name, bytes) in trained().tree("artifacts") {
        sandbox.write(&format!("artifacts/{name}"), bytes);
    }
    sandbox
}

fn film() -> PathBuf {
    let films = trained().path("dataset/covid");
    let mut films: Vec<_> = std::fs::read_dir(films).unwrap().map(|e| e.unwrap().path()).collect();
    films.retain(|path| path.extension().is_some_and(|e| e != "csv" && e != "json"));
    films.sort();
    films.swap_remove(0)
}

/// An audit of the model with this answer.
fn audit(sandbox: &Sandbox, answer: Answer) {
    let folder = sandbox.path("artifacts/tutorial/audit");
    let audit = Audit {
        schema: String::new(),
        films: 12,
        groups: 0,
        grouped_by: Grouping::Patient,
        repeats: 1,
        dealt_by: "audit".into(),
        folds: 5,
        probes: Default::default(),
        cramers_v: None,
        within_source: Default::default(),
        verdict: Verdict { answer, text: "the border alone reaches AUC 0.97".into() },
        findings: Vec::new(),
    };
    audit.write(&folder.join("audit.json")).unwrap();
    let model = hash::file(&sandbox.path("artifacts/tutorial/train/model.json")).unwrap();
    let record = Record {
        schema: String::new(),
        stage: "audit".into(),
        program: "0.1.0".into(),
        params: Default::default(),
        seed: 42,
        inputs: [("train/model.json".to_owned(), model)].into(),
        outputs: Default::default(),
    };
    record.write(&folder.join("record.json")).unwrap();
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
    assert_eq!(manifest.training.films.values().sum::<usize>(), manifest.model.training.films);
    let metrics = sandbox.json("artifacts/tutorial/evaluate/metrics.json");
    assert_eq!(serde_json::to_value(manifest.metrics.as_ref().unwrap()).unwrap(), metrics);
    let index = hash::file(&sandbox.path("artifacts/tutorial/preprocess/index.csv")).unwrap();
    assert_eq!(manifest.training.index.as_ref(), Some(&index));

    let film = film();
    let from_artifacts = sandbox.ok(&format!("cxr-predict --json {}", film.display()));
    std::fs::remove_dir_all(sandbox.path("artifacts")).unwrap();
    let from_bundle = sandbox.ok(&format!("cxr-predict --bundle m.cxr --json {}", film.display()));
    assert_eq!(from_bundle, from_artifacts);
    // A bundle makes the same bundle.
    sandbox.ok("cxr-export bundle --bundle m.cxr -o again.cxr");
    assert_eq!(std::fs::read(sandbox.path("again.cxr")).unwrap(), first);
}

#[test]
fn an_embedded_backbone_needs_no_other() {
    let sandbox = sandbox();
    sandbox.ok("cxr-export bundle --embed -o whole.cxr");
    sandbox.ok("cxr-export bundle -o m.cxr");
    let film = film();
    let with = sandbox.ok(&format!("cxr-predict --bundle m.cxr --json {}", film.display()));
    let bare = Sandbox::new();
    let line = |bundle: &str| {
        let path = sandbox.path(bundle);
        format!("cxr-predict --bundle {} --json {}", path.display(), film.display())
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
    let film = film();
    let line = format!("cxr-predict --bundle m.cxr {} --weights other.safetensors", film.display());
    let said = sandbox.transcript(&line);
    assert!(said.contains("exit: 1"), "{said}");
    let text = "`other.safetensors` holds other weights than the model was trained on";
    assert!(said.contains(text), "{said}");
    let mut bytes = std::fs::read(sandbox.path("m.cxr")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    sandbox.write("m.cxr", bytes);
    let said = sandbox.transcript(&format!("cxr-predict --bundle m.cxr {}", film.display()));
    assert!(said.contains("`m.cxr` is damaged: tensor `novelty.films` has another hash"), "{said}");
    assert!(said.contains("hint: take another copy of it"), "{said}");
}

#[test]
fn a_failed_audit_stands_above_the_first_result_and_cannot_be_silenced() {
    let sandbox = sandbox();
    let film = film();
    let said = |bundle: &str| {
        let line = format!("cxr-predict -q --format csv {bundle} {}", film.display());
        let output = sandbox.cxr(&line).output().unwrap();
        assert!(output.status.success());
        let audit = String::from_utf8(output.stdout).unwrap();
        let audit = audit.lines().nth(1).unwrap().rsplit(',').next().unwrap().to_owned();
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
    assert!(said.contains("exit: 1") && said.contains("is not a usable head"), "{said}");
    assert_eq!(sandbox.read("model.cxr"), "the last good one");
    let said = sandbox.transcript("cxr-export safetensors --embed -o x");
    assert!(said.contains("exit: 2") && said.contains("`--embed` is for bundles"), "{said}");
    assert!(sandbox.transcript("cxr-export bundle").contains("exit: 2"));
}
