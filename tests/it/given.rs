//! Settings given on the command line: `--set`, `--positive`, and stages run by hand, which
//! `cxr run` keeps. On a few synthetic images and random weights.

use serde_json::Value;

use crate::runner::SMALL;
use crate::support::{Sandbox, random_weights};

/// The profile of these tests.
const DEMO: &str = r#"
[evaluate]
resamples = 20
[profile.demo]
stages = ["phantom", "build-covid", "sample-normal", "preprocess", "split", "extract", "train", "evaluate"]
[profile.demo.train]
epochs = 4
"#;

fn demo() -> Sandbox {
    let sandbox = Sandbox::new().with_weights(random_weights());
    sandbox.write("pipeline.toml", format!("default-profile = \"demo\"\n{SMALL}{DEMO}"));
    sandbox
}

/// Runs a line that must succeed; returns what it said on stderr.
fn ran(sandbox: &Sandbox, line: &str) -> String {
    let output = sandbox.cxr(line).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "`{line}` failed:\n{stderr}");
    stderr
}

/// The line of a stage in `cxr status`.
fn state(sandbox: &Sandbox, stage: &str, flags: &str) -> String {
    let text = sandbox.ok(&format!("cxr status {flags}"));
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(stage));
    line.unwrap_or_else(|| panic!("no {stage} in\n{text}"))[stage.len()..].trim().to_owned()
}

fn record(sandbox: &Sandbox, stage: &str) -> Value {
    sandbox.json(format!("artifacts/demo/{stage}/record.json"))
}

#[test]
fn a_stage_run_by_hand_with_other_settings_is_kept_until_it_is_forced() {
    let sandbox = demo();
    ran(&sandbox, "cxr run");
    assert_eq!(record(&sandbox, "train")["hand"], Value::Null);
    ran(&sandbox, "cxr train --epochs 6");
    assert_eq!(record(&sandbox, "train")["hand"]["epochs"], 6);
    let model = sandbox.tree("artifacts/demo/train");
    assert_eq!(state(&sandbox, "train", ""), "fresh; overrides: epochs = 6 (pipeline: 4)");
    let dry = sandbox.ok("cxr run --dry-run");
    assert!(dry.contains("train          fresh; overrides: epochs = 6 (pipeline: 4)"), "{dry}");

    // `cxr run` keeps the model and runs the stages that depend on it.
    let said = ran(&sandbox, "cxr run");
    assert!(said.contains("1 of 8 stages ran"), "{said}");
    assert!(said.contains("overrides kept: epochs = 6 (pipeline: 4)"), "{said}");
    assert!(said.contains("`cxr run --force train` drops them"), "{said}");
    assert_eq!(sandbox.tree("artifacts/demo/train"), model);

    // Overrides, including the seed, are kept when the inputs change.
    ran(&sandbox, "cxr train --epochs 6 --seed 9");
    ran(&sandbox, "cxr split --seed 7");
    assert_eq!(state(&sandbox, "split", ""), "fresh; overrides: seed = 7 (pipeline: 42)");
    let said = ran(&sandbox, "cxr run");
    assert!(said.contains("overrides kept: epochs = 6 (pipeline: 4), seed = 9"), "{said}");
    let train = record(&sandbox, "train");
    assert_eq!((&train["params"]["epochs"], &train["seed"]), (&6.into(), &9.into()));
    assert_eq!(record(&sandbox, "split")["seed"], 7);
    assert_eq!(record(&sandbox, "extract")["seed"], 42);

    // `--force` drops the overrides.
    let said = ran(&sandbox, "cxr run --force train --force split");
    assert!(!said.contains("overrides kept"), "{said}");
    let train = record(&sandbox, "train");
    assert_eq!((&train["params"]["epochs"], &train["seed"]), (&4.into(), &42.into()));
    assert_eq!((&train["hand"], &record(&sandbox, "split")["seed"]), (&Value::Null, &42.into()));
    assert!(ran(&sandbox, "cxr run").contains("0 of 8 stages ran"));
    // A run with the settings of the pipeline has no overrides.
    ran(&sandbox, "cxr train --epochs 4");
    assert_eq!(state(&sandbox, "train", ""), "fresh");
}

#[test]
fn every_setting_can_be_set_for_a_run_and_is_on_record() {
    let sandbox = demo();
    ran(&sandbox, "cxr run");
    let set = "--set train.epochs=3 --set train.learning-rate=1e-4 --positive normal";
    assert_eq!(
        state(&sandbox, "train", set),
        "stale: params.epochs 4 -> 3, params.learning-rate 0.001 -> 0.0001"
    );
    assert_eq!(state(&sandbox, "evaluate", set), "stale: params.positive  -> normal, after train");
    assert!(sandbox.ok(&format!("cxr run --dry-run {set}")).contains("would run: params.epochs 4"));
    ran(&sandbox, &format!("cxr run {set}"));
    let train = record(&sandbox, "train");
    assert_eq!((&train["params"]["epochs"], &train["hand"]), (&3.into(), &Value::Null));
    assert_eq!(sandbox.json("artifacts/demo/evaluate/metrics.json")["positive"], "normal");
    assert!(ran(&sandbox, &format!("cxr run {set}")).contains("0 of 8 stages ran"));
    // `--set` takes precedence over overrides.
    ran(&sandbox, "cxr train --epochs 6");
    ran(&sandbox, &format!("cxr run {set}"));
    assert_eq!(record(&sandbox, "train")["params"]["epochs"], 3);
    // A seed of one stage, in the file or by `--set`.
    ran(&sandbox, "cxr run --set train.seed=5");
    let seeds = ["split", "train"].map(|stage| record(&sandbox, stage)["seed"].clone());
    assert_eq!(seeds, [42, 5].map(Value::from));
    let config = sandbox.read("pipeline.toml").replace("[train]\n", "[train]\nseed = 5\n");
    sandbox.write("pipeline.toml", config);
    assert!(ran(&sandbox, "cxr run").contains("0 of 8 stages ran"));
}

#[test]
fn wrong_settings_are_refused_with_a_suggestion() {
    let sandbox = demo();
    let refused = |line: &str, why: &str| {
        let text = sandbox.transcript(line);
        assert!(text.contains("exit: 2") && text.contains(why), "{line}: {text}");
    };
    refused("cxr run --set train.epoch=3", "`train.epoch` in `--set`; did you mean `epochs`?");
    refused("cxr status --set epochs=3", "did you mean `train.epochs`?");
    refused("cxr run --set train.epochs=many", "is the string \"many\", expected a whole number");
    refused(
        "cxr run --set train.epochs",
        "has no value\n\nhint: give a value, as in `--set train.epochs=40`",
    );
    refused("cxr run --set train.loss=x", "unknown variant `x`, expected");
    refused("cxr evaluate --set train.epochs=3", "unexpected argument '--set'");
    // A hint takes the settings along.
    let text = sandbox.transcript("cxr run --only train --set train.epochs=3");
    assert!(text.contains("exit: 1") && text.contains("hint: run `cxr preprocess --profile demo`"));
    let text = sandbox.transcript("cxr run --only train --set extract.rotations=3");
    assert!(
        text.contains("`cxr run --until extract --profile demo --set extract.rotations=3`"),
        "{text}"
    );
}
