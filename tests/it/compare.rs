//! `cxr compare`.

use serde_json::json;

use crate::support::Sandbox;

/// Two profiles that have run, by what they left behind.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let write = |path: &str, value: serde_json::Value| {
        sandbox.write(&format!("artifacts/{path}"), value.to_string());
    };
    let rate =
        |value: f64, low: f64, high: f64| json!({ "value": value, "low": low, "high": high });
    write(
        "tutorial/split/split.json",
        json!({ "method": "image", "leaking": ["cohen:1", "cohen:2"] }),
    );
    let scores = json!({ "roc_auc": rate(1.0, 1.0, 1.0), "accuracy": rate(0.9, 0.7, 1.0) });
    let metrics = json!({
        "images": 10, "accuracy": rate(0.9, 0.6, 0.98), "sensitivity": rate(1.0, 0.57, 1.0),
        "specificity": { "value": null, "low": 0.0, "high": 1.0 }, "scores": scores,
    });
    write("tutorial/evaluate/metrics.json", metrics);
    write(
        "strict/split/split.json",
        json!({ "method": "group", "groups": { "by": "link" }, "leaking": [] }),
    );
    let pooled = json!({
        "accuracy": rate(0.7, 0.65, 0.75), "sensitivity": rate(0.4, 0.3, 0.5), "roc_auc": rate(0.95, 0.9, 0.99),
        "specificity": rate(0.8, 0.7, 0.9), "expected_calibration_error": rate(0.12, 0.1, 0.14),
    });
    let after = json!({
        "before": { "log_loss": 0.4 },
        "after": { "expected_calibration_error": 0.03, "log_loss": 0.3 },
    });
    write(
        "strict/crossval/crossval.json",
        json!({ "images": 200, "pooled": pooled, "calibration": after }),
    );
    let verdict = json!({ "answer": "shortcut", "text": "the border alone reaches AUC 0.97" });
    write("strict/audit/audit.json", json!({ "verdict": verdict }));
    sandbox
}

#[test]
fn two_profiles_are_compared_with_a_sentence_per_row() {
    let sandbox = sandbox();
    insta::assert_snapshot!(sandbox.ok("cxr compare tutorial strict"), @r"
                       tutorial            strict
    images             -                   -
    split              image               group, by link
    leaking patients   2                   0
    evaluated on       10 test images      200 out of fold
    accuracy           0.900 [0.60, 0.98]  0.700 [0.65, 0.75]
    sensitivity        1.000 [0.57, 1.00]  0.400 [0.30, 0.50]
    specificity        -                   0.800 [0.70, 0.90]
    roc auc            1.000 [1.00, 1.00]  0.950 [0.90, 0.99]
    calibration error  -                   0.120, scaled 0.030
    audit              -                   see below

    images: it is unknown whether both profiles read the same images
    split: a patient's images now stay together, so the test is on new patients
    leaking patients: known patients no longer inflate the metrics
    evaluated on: more images, so the intervals tend to be narrower
    accuracy: proportion of images classified correctly: 0.20 lower, but the
      intervals overlap: the difference may be chance
    sensitivity: proportion of positive images predicted as positive: 0.60 lower,
      and the intervals do not overlap: unlikely to be chance
    specificity: proportion of negative images predicted as negative
    roc auc: probability that a positive image scores above a negative one: 0.05
      lower, and the intervals do not overlap: unlikely to be chance
    calibration error: now estimated out of fold; a temperature fitted on other
      folds lowers the log loss
    audit: only the second profile was audited for shortcuts
      strict: the border alone reaches AUC 0.97
    ");
}

#[test]
fn a_temperature_that_makes_it_worse_is_not_praised() {
    let sandbox = sandbox();
    let path = "artifacts/strict/crossval/crossval.json";
    let worse = sandbox.read(path).replace("\"log_loss\":0.3", "\"log_loss\":0.5");
    sandbox.write(path, worse);
    let text = sandbox.ok("cxr compare tutorial strict");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("fitted on other folds does not lower the log loss"), "{text}");
}

/// Lines of the comparison about leaking patients: the two cells and the sentence.
fn patients(sandbox: &Sandbox) -> String {
    let text = sandbox.ok("cxr compare tutorial strict");
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("  ") {
            Some(rest) if !lines.is_empty() => {
                lines.last_mut().unwrap().push_str(&format!(" {rest}"))
            }
            _ => lines.push(line.to_owned()),
        }
    }
    let words = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    lines.iter().filter(|line| line.starts_with("leaking patients")).map(words).collect()
}

#[test]
fn images_without_patient_id_are_no_proof_against_leakage() {
    let sandbox = sandbox();
    let split = |profile: &str, value: serde_json::Value| {
        sandbox.write(&format!("artifacts/{profile}/split/split.json"), value.to_string());
    };
    let unknown = json!({ "method": "image", "leaking": [], "unknown": 80 });
    split("tutorial", unknown);
    insta::assert_snapshot!(patients(&sandbox), @r"
    leaking patients 0 known, 80 images without ID 0
    leaking patients: no known patient is in both training and test in either profile; for images without patient ID this is unknown
    ");
    std::fs::remove_file(sandbox.path("artifacts/tutorial/split/split.json")).unwrap();
    insta::assert_snapshot!(patients(&sandbox), @r"
    leaking patients - 0
    leaking patients: no known patient is in both training and test in the second profile
    ");
}

#[test]
fn programs_get_the_same_as_json() {
    let output = sandbox().ok("cxr compare tutorial strict --json");
    let summary: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((&summary["a"], &summary["b"]), (&json!("tutorial"), &json!("strict")));
    assert_eq!(summary["rows"][2]["a"], json!("2"));
    assert_eq!(summary["rows"].as_array().unwrap().len(), 10);
}

#[test]
fn a_profile_that_has_not_run_and_a_broken_file_are_named() {
    let sandbox = sandbox();
    insta::assert_snapshot!(sandbox.transcript("cxr compare tutorial missing"), @r"
    $ cxr compare tutorial missing
    exit: 1
    --- stdout
    --- stderr
    error: the profile `missing` has not run: no `artifacts/missing`

    hint: run `cxr run --profile missing`
    ");
    sandbox.write("artifacts/strict/audit/audit.json", "{");
    let text = sandbox.transcript("cxr compare tutorial artifacts/strict");
    assert!(
        text.contains("error: `artifacts/strict/audit/audit.json` is not valid JSON"),
        "{text}"
    );
}

/// The lines of a text, each with those that go on with it.
fn paragraphs(text: &str) -> String {
    text.replace("\n  ", " ")
        .split_inclusive('\n')
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
        .collect()
}

#[test]
fn figures_of_other_images_are_told_as_such() {
    let sandbox = sandbox();
    let index = |profile: &str, images: std::ops::Range<usize>| {
        let mut text = "row,path,class,patient,source,width,height,mode,bytes,hash\n".to_owned();
        for (row, image) in images.enumerate() {
            let class = ["covid", "normal"][row % 2];
            text += &format!("{row},{class}/{image}.png,{class},,,10,10,L,5,{image}\n");
        }
        sandbox.write(&format!("artifacts/{profile}/preprocess/index.csv"), text);
    };
    let split = json!({ "method": "image", "leaking": [], "test": [0, 1] });
    sandbox.write("artifacts/tutorial/split/split.json", split.to_string());
    index("tutorial", 0..10);
    for (images, sentence) in [
        (0..10, "images: both profiles read the same images\n"),
        (
            4..10,
            "images: the profiles read different images: 6 are in both, 4 only in the first, 0 only in the second\n",
        ),
        (
            10..16,
            "images: the profiles have no image in common: their metrics are of different data sets",
        ),
    ] {
        let evaluated = if images.start == 0 { 2 } else { 0 };
        index("strict", images);
        let text = paragraphs(&sandbox.ok("cxr compare tutorial strict"));
        assert!(text.contains(sentence), "{text}");
        let both = format!("; {evaluated} of the images are evaluated in both\n");
        assert!(text.contains(&both), "{text}");
    }
}

#[test]
fn folders_without_artifacts_of_a_profile_are_refused() {
    let sandbox = sandbox();
    std::fs::create_dir_all(sandbox.path("artifacts/empty")).unwrap();
    for line in ["cxr compare tutorial empty", "cxr diff artifacts/tutorial artifacts/empty"] {
        let text = sandbox.transcript(line);
        let error = "`artifacts/empty` is not the artifacts folder of a profile";
        assert!(text.contains("exit: 1") && text.contains(error), "{text}");
        assert!(text.contains("hint: give the folder of a profile"), "{text}");
    }
    let text = sandbox.transcript("cxr diff artifacts artifacts/tutorial");
    let hint = "hint: give the folder of one profile: `artifacts/strict`, `artifacts/tutorial`";
    assert!(text.contains("exit: 1") && text.contains(hint), "{text}");
}

/// A file that is not what its stage put on record is not compared.
#[test]
fn changed_files_are_refused() {
    let sandbox = Sandbox::new();
    for profile in ["tutorial", "other"] {
        for (name, bytes) in crate::support::trained().tree("artifacts/tutorial") {
            sandbox.write(&format!("artifacts/{profile}/{name}"), bytes);
        }
    }
    let lines = ["cxr compare tutorial other", "cxr diff artifacts/tutorial artifacts/other"];
    lines.iter().for_each(|line| drop(sandbox.ok(line)));
    for file in ["evaluate/metrics.json", "split/split.json", "preprocess/index.csv"] {
        let path = format!("artifacts/other/{file}");
        let good = sandbox.read(&path);
        sandbox.write(&path, good.clone() + "\n");
        let stage = file.split('/').next().unwrap();
        for line in lines {
            let text = sandbox.transcript(line);
            let error = format!("error: `{path}` is not what `cxr-{stage}` wrote");
            assert!(text.contains("exit: 1") && text.contains(&error), "{text}");
            assert!(text.contains(&format!("run `cxr {stage} --profile other` again")), "{text}");
            assert!(text.contains(&format!("remove `artifacts/other/{stage}/record.json`")));
        }
        sandbox.write(&path, good);
    }
    // An image with different content is a difference.
    let table = sandbox.read("artifacts/other/preprocess/index.csv");
    let hash = table.lines().nth(1).unwrap().split(',').nth(9).unwrap().to_owned();
    sandbox.write("artifacts/other/preprocess/index.csv", table.replace(&hash, "00"));
    for stage in ["preprocess", "split"] {
        std::fs::remove_file(sandbox.path(format!("artifacts/other/{stage}/record.json"))).unwrap();
    }
    std::fs::remove_file(sandbox.path("artifacts/other/split/split.json")).unwrap();
    let text = sandbox.ok(lines[1]);
    assert!(text.contains("1 image with different content"), "{text}");
}
