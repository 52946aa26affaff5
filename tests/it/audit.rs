//! `cxr-audit`: shortcuts are called out where they are, and only there.

use std::path::Path;

use cxr::artifact::Document;
use cxr::artifact::explanation::Explanation;
use cxr::artifact::features::Features;
use cxr::artifact::split::Split;
use cxr::backbone::Pooling;
use cxr::io::hash;
use ndarray::{Array2, Axis};
use ndarray_npy::{ReadNpyExt, write_npy};

use crate::crossval::{CROSSVAL, IMAGES, images, lines, patient};
use crate::support::{Sandbox, extractor, shared};

const A: &str = "a/tutorial";

/// The names of an audit's findings.
fn findings(audit: &serde_json::Value) -> Vec<String> {
    let findings = audit["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["name"].as_str().unwrap().to_owned()).collect()
}

/// The tutorial's images up to the trained model, on the features that Keras found.
fn tutorial(sandbox: &Sandbox, shared: &Path) {
    let metadata = shared.join("data/cohen/metadata-history");
    let day = std::fs::read_dir(metadata).unwrap().map(|e| e.unwrap().path());
    let day = day.filter(|path| path.to_string_lossy().contains("2020-03-11")).min().unwrap();
    let dataset = shared.join("data/tutorial/dataset").display().to_string();
    let day = day.display();
    sandbox.ok(&format!("cxr-preprocess --artifacts a --dataset {dataset} --metadata {day}"));
    sandbox.ok("cxr-split --artifacts a");
    let path = |name: &str| sandbox.path(format!("{A}/{name}"));
    let npz = std::fs::File::open(shared.join("reference/features.npz")).unwrap();
    let mut npz = zip::ZipArchive::new(npz).unwrap();
    let features = Array2::<f32>::read_npy(npz.by_name("pooled.npy").unwrap()).unwrap();
    let split = Split::read(&path("split/split.json")).unwrap();
    let augmented = features.select(Axis(0), &split.train).insert_axis(Axis(0));
    std::fs::create_dir_all(path("extract")).unwrap();
    write_npy(path("extract/features.npy"), &features).unwrap();
    write_npy(path("extract/augmented.npy"), &augmented).unwrap();
    let description = Features {
        schema: Features::SCHEMA.into(),
        extractor: extractor(512),
        rotations: 1,
        degrees: 15.0,
        masks: vec![],
        split: hash::file(&path("split/split.json")).unwrap(),
    };
    description.write(&path("extract/features.json")).unwrap();
    sandbox.ok("cxr-train --artifacts a");
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn the_tutorials_shortcut_pneumonia_and_leaks_are_called_out() {
    let shared = shared();
    let sandbox = Sandbox::new();
    tutorial(&sandbox, &shared);
    let said = sandbox.ok("cxr-audit --artifacts a");
    // Its lines are filled to the width of a screen.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let audit = sandbox.json(format!("{A}/audit/audit.json"));
    assert_eq!((&audit["schema"], &audit["images"]), (&"cxr.audit/2".into(), &50.into()));
    let auc = |probe: &str| audit["probes"][probe]["auc"].as_f64().unwrap();
    // FORMATS.md: 0.99 by attributes, 0.98 by the border, 0.46 with shuffled labels.
    assert!(auc("attributes") > 0.95, "{said}");
    assert!(auc("border-pixels") > 0.93, "{said}");
    assert!(auc("model") > 0.9, "{said}");
    assert!((auc("shuffled") - 0.5).abs() < 0.1, "{said}");
    assert_eq!(audit["verdict"]["answer"], "shortcut");
    assert!(said.contains("this data cannot show that the model uses the lungs"), "{said}");
    let findings = findings(&audit);
    for name in [
        "pneumonia-among-normals",
        "leaked-patients",
        "validation-is-test",
        "few-test-images",
        "unpooled-cells",
        "source-is-class",
    ] {
        assert!(findings.iter().any(|found| found == name), "no {name} in {findings:?}");
    }
    assert!(said.contains("18 of 25 images of `normal` are pneumonia"), "{said}");
    assert!(said.contains("cxr extract` was run without `masks`"), "{said}");

    let first = sandbox.tree(&format!("{A}/audit"));
    sandbox.ok("cxr-audit --artifacts a --threads 1");
    assert!(first == sandbox.tree(&format!("{A}/audit")), "the same bytes on one thread");

    // Wanted bounds: held, missed, undefined, and no bounds at all.
    let run = |line: &str| {
        let output = sandbox.cxr(&format!("cxr-audit --artifacts a {line}")).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run("--fail-if shuffled-auc>0.8 --fail-if model-auc<0.5").0, 0);
    let (code, stderr) = run("--fail-if model-auc<0.5 --fail-if border-pixels-auc>0.8");
    assert_eq!(code, 3);
    assert!(stderr.contains("border-pixels-auc is 0.9"), "{stderr}");
    let (code, stderr) = run("--fail-if border-auc>0.8");
    assert_eq!(code, 3);
    assert!(stderr.contains("border-auc is undefined"), "{stderr}");
    let (code, stderr) = run("--fail-if edge-auc>0.8");
    assert_eq!(code, 2);
    assert!(stderr.contains("no metric is named `edge-auc`, expected one of attributes-auc"));
    let (code, stderr) = run("--fail-if border-auc");
    assert_eq!(code, 2);
    assert!(stderr.contains("has no comparison") && stderr.contains("hint:"), "{stderr}");
}

/// The audit of a set of phantoms, through the net.
fn phantoms(shared: &Path, shortcut: &str, seed: u64) -> serde_json::Value {
    let sandbox = Sandbox::new();
    sandbox.write("pipeline.toml", format!("artifacts = \"a\"\ndataset = \"d\"\nseed = {seed}\n"));
    let weights = shared.join("weights/vgg16_imagenet_notop.safetensors");
    let run = |line: &str| {
        let output = sandbox.cxr(line).env("CXR_WEIGHTS", &weights).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{line}` failed:\n{stderr}");
    };
    run(&format!("cxr-phantom --images 16 --shortcut {shortcut}"));
    run("cxr-build-covid");
    run("cxr-sample-normal --count 16");
    run("cxr-preprocess");
    run("cxr-split");
    run("cxr-extract --rotations 1");
    run("cxr-train --epochs 40");
    run("cxr-audit");
    sandbox.json(format!("{A}/audit/audit.json"))
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn a_planted_marker_is_found_and_nothing_where_nothing_is() {
    let shared = shared();
    // Of seeds 5 and 9 a probe without lungs reaches as much by luck as a shortcut would.
    // Of seed 42 the model itself may be: so few images need not show what it has learnt.
    for (seed, answer) in [(5, "no-shortcut"), (9, "no-shortcut"), (42, "nothing-learnt")] {
        let plain = phantoms(&shared, "none", seed);
        assert_eq!(plain["verdict"]["answer"], answer, "seed {seed}: {plain:#}");
    }
    let marked = phantoms(&shared, "marker", 42);
    assert_eq!(marked["verdict"]["answer"], "shortcut", "{marked:#}");
    // The marker lies in a corner: the border tells the class, the centre does not.
    let auc = |probe: &str| marked["probes"][probe]["auc"].as_f64().unwrap();
    assert!(auc("border") > 0.75 && auc("border") > auc("centre") + 0.2, "{marked:#}");
    assert!(auc("border") > marked["max_auc_null"].as_f64().unwrap(), "{marked:#}");
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn too_few_patients_are_said_not_guessed() {
    let shared = shared();
    let sandbox = Sandbox::new();
    tutorial(&sandbox, &shared);
    sandbox.ok("cxr-audit --artifacts a --images 1");
    let audit = sandbox.json(format!("{A}/audit/audit.json"));
    assert_eq!(audit["verdict"]["answer"], "unknown");
    assert_eq!(audit["probes"]["model"]["undefined"], "a class has fewer than two patients");
}

/// Less saliency outside the centre than if it were spread evenly: a figure, but no finding.
#[test]
fn the_saliency_outside_the_centre_can_be_bounded() {
    let sandbox = images();
    let explanation = Explanation {
        schema: String::new(),
        images: 12,
        pooling: Pooling::Tutorial,
        cells: (16, 49),
        outside: Some(0.4),
        even: 0.5,
        by_class: Default::default(),
        blackened: None,
        pictures: Default::default(),
    };
    let run = |fail_if: &str| {
        let output = sandbox.cxr(&format!("cxr-audit --artifacts a {fail_if}")).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &stderr)
    };
    let (code, said) = run("--fail-if saliency-outside>0.3");
    assert!(code == Some(3) && said.contains("saliency-outside is undefined"), "{said}");
    explanation.write(&sandbox.path(format!("{A}/explain/explain.json"))).unwrap();
    let (code, said) = run("--fail-if saliency-outside>0.3");
    assert!(code == Some(3) && said.contains("saliency-outside is 0.4000"), "{said}");
    assert!(said.contains("saliency outside the centre       0.40, uniform 0.50"), "{said}");
    assert_eq!(run("--fail-if saliency-outside>0.45").0, Some(0));
    let audit = sandbox.json(format!("{A}/audit/audit.json"));
    assert_eq!(
        (&audit["saliency"]["outside"], &audit["saliency"]["even"]),
        (&0.4.into(), &0.5.into())
    );
    assert!(!findings(&audit).contains(&"saliency-outside-centre".to_owned()));
}

/// Against counting pair by pair in the table of predictions.
#[test]
fn the_model_is_what_the_cross_validation_says_on_its_folds() {
    let sandbox = images();
    let text = sandbox.transcript("cxr-audit --artifacts a --folds-from crossval");
    assert!(text.contains("exit: 1") && text.contains("hint: run `cxr crossval"), "{text}");
    sandbox.ok(CROSSVAL);
    let said = sandbox.ok("cxr-audit --artifacts a --folds-from crossval");
    let audit = sandbox.json(format!("{A}/audit/audit.json"));
    assert_eq!(
        (&audit["folds_from"], &audit["grouped_by"]),
        (&"crossval".into(), &"patient".into())
    );
    assert_eq!((&audit["folds"], &audit["repeats"]), (&3.into(), &2.into()));
    let groups: std::collections::BTreeSet<_> = (0..IMAGES).map(patient).collect();
    assert_eq!(audit["groups"], groups.len());
    assert!(said.contains("(by patient), 3 folds of cxr-crossval, 2 repeats"), "{said}");

    let lines = lines(&sandbox);
    let (mut won, mut pairs) = (0.0, 0.0);
    for covid in lines.iter().filter(|line| line.truth == "covid") {
        let fellows = lines.iter().filter(|line| {
            line.truth == "normal" && (line.repeat, line.fold) == (covid.repeat, covid.fold)
        });
        for normal in fellows {
            pairs += 1.0;
            won += match covid.p_covid.total_cmp(&normal.p_covid) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    let model = audit["probes"]["model"]["auc"].as_f64().unwrap();
    assert!((model - won / pairs).abs() < 1e-9, "{model} against {}", won / pairs);

    // What knows nothing reads about one half, of what it is told nothing exactly that.
    assert_eq!(audit["probes"]["attributes"]["auc"], 0.5);
    assert_ne!(audit["verdict"]["answer"], "shortcut");
    for probe in ["border", "centre", "shuffled"] {
        let auc = audit["probes"][probe]["auc"].as_f64().unwrap();
        assert!((auc - 0.5).abs() < 0.2, "{probe}: {audit:#}");
    }
    // East and west hold both classes: the same is asked within them.
    for source in ["east", "west"] {
        let within = audit["within_source"][source].as_object().unwrap();
        for probe in ["model", "border", "centre", "attributes", "border-pixels", "thumbnail"] {
            assert!(within[probe]["auc"].is_number(), "{source} {probe}: {within:#?}");
        }
        assert!(within["model"]["auc"].as_f64() > within["border"]["auc"].as_f64());
    }

    // Luck is that of the best of three, of which two know something to go by.
    let max_auc_null = audit["max_auc_null"].as_f64().unwrap();
    assert!(
        max_auc_null > audit["probes"]["shuffled"]["auc"].as_f64().unwrap() && max_auc_null < 1.0,
        "{max_auc_null}"
    );
    assert!(
        said.contains(&format!("permutation null, without lungs   up to {max_auc_null:.2}")),
        "{said}"
    );

    let first = sandbox.tree(&format!("{A}/audit"));
    sandbox.ok("cxr-audit --artifacts a --folds-from crossval --threads 1");
    assert!(first == sandbox.tree(&format!("{A}/audit")), "the same bytes on one thread");
    let crossval = format!("{A}/crossval/predictions.csv");
    let torn: Vec<String> =
        sandbox.read(&crossval).lines().take(IMAGES).map(str::to_owned).collect();
    std::fs::remove_file(sandbox.path(format!("{A}/crossval/record.json"))).unwrap();
    sandbox.write(&crossval, torn.join("\n"));
    let text = sandbox.transcript("cxr-audit --artifacts a --folds-from crossval");
    assert!(text.contains("the runs do not match the images of `index.csv`"), "{text}");
}
