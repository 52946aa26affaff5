//! What `cxr run` asks every stage before the first one starts.

use crate::support::{Sandbox, random_weights};

/// A folder with images of two classes of these names.
fn classes(names: [&str; 2]) -> Sandbox {
    let sandbox = Sandbox::new().with_weights(random_weights());
    for (number, name) in names.into_iter().enumerate() {
        for image in 0..6u8 {
            let pixel = |x: u32, y: u32| image::Luma([(x * y) as u8 ^ (image * 40 + number as u8)]);
            let path = sandbox.write(&format!("dataset/{name}/{image}.png"), "");
            image::GrayImage::from_fn(32, 32, pixel).save(path).unwrap();
        }
    }
    sandbox
}

const SMALL: &str = "--set extract.rotations=1 --set extract.masks=false --set train.epochs=2 \
    --set train.batch-size=2 --set split.test-size=0.34 --set evaluate.resamples=20 \
    --set explain.occlude=0 --set audit.shuffles=2 --set audit.resamples=0 --set audit.folds=2";

#[test]
fn a_class_that_no_name_tells_is_asked_for_before_the_first_stage() {
    let sandbox = classes(["a", "b c"]);
    for line in ["cxr run", "cxr run --dry-run"] {
        let text = sandbox.transcript(line);
        assert!(text.contains("exit: 2"), "{text}");
        assert!(text.contains("error: the positive class is not set"), "{text}");
        assert!(text.contains("cannot be inferred from the class names: `a`, `b c`"), "{text}");
        assert!(text.contains("`--positive a` or `--positive 'b c'`"), "{text}");
        assert!(!sandbox.path("artifacts/tutorial").exists(), "nothing was run");
    }
    let text = sandbox.transcript("cxr run --positive A");
    assert!(text.contains("exit: 2") && text.contains("there is no class `A`"), "{text}");
    // The hint works, for all stages that need it.
    let stages = "[\"preprocess\", \"split\", \"extract\", \"train\", \"evaluate\", \"plot\"]";
    sandbox.write("pipeline.toml", format!("[profile.tutorial]\nstages = {stages}\n"));
    let of_stages = SMALL.split("--set explain").next().unwrap();
    let text = sandbox.transcript(&format!("cxr run --positive a {of_stages}"));
    assert!(text.contains("exit: 0"), "{text}");
    assert_eq!(sandbox.json("artifacts/tutorial/evaluate/metrics.json")["positive"], "a");
    let plot = sandbox.json("artifacts/tutorial/plot/record.json");
    assert_eq!(plot["params"]["positive"], "a");
}

#[test]
fn the_only_class_with_a_finding_is_the_positive_one_and_it_is_said() {
    let sandbox = classes(["NORMAL", "PNEUMONIA"]);
    let text = sandbox.transcript(&format!("cxr run --until evaluate {SMALL}"));
    assert!(text.contains("exit: 0"), "{text}");
    assert!(
        text.contains("positive class: `PNEUMONIA`, the only class whose name indicates a finding"),
        "{text}"
    );
    assert!(text.contains(", the positive class"), "the summary names it, too: {text}");
    assert_eq!(sandbox.json("artifacts/tutorial/evaluate/metrics.json")["positive"], "PNEUMONIA");
}

#[test]
fn all_problems_are_told_together_and_nothing_runs() {
    let sandbox = classes(["covid", "normal"]);
    let set = "--set train.epochs=0 --set evaluate.prevalence=2 --set audit.fail-if=x \
        --set train.dropout=1.5 --set report.quality=0 --set explain.grid=0 \
        --set split.test-size=1.5 --set extract.rotations=0 --set preprocess.max-skipped=2 \
        --set explain.weights=nowhere.safetensors";
    let text = sandbox.transcript(&format!("cxr run {set}"));
    assert!(text.contains("exit: 1"), "{text}");
    assert!(text.contains(" problems, found before the first stage\n"), "{text}");
    for problem in [
        "`epochs` is 0, expected",
        "`prevalence` is",
        "`quality` is 0",
        "`grid` is 0",
        "`test-size` is 1.5",
        "`rotations` is 0",
        "`max-skipped` is 2",
        "nowhere.safetensors",
    ] {
        assert!(text.contains(problem), "{problem}: {text}");
    }
    assert!(!sandbox.path("artifacts/tutorial").exists(), "nothing was run");

    // Settings alone are a wrong request.
    let text = sandbox.transcript("cxr run --set train.epochs=0 --set report.quality=0");
    assert!(text.contains("exit: 2") && text.contains("2 problems"), "{text}");
    // Weights that are not there or not those of VGG16, before an image is decoded.
    let mut command = sandbox.cxr("cxr run");
    let output =
        command.env("CXR_WEIGHTS", sandbox.write("bad.safetensors", "x")).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("bad.safetensors` does not hold the weights of VGG16"), "{text}");
    // A folder that cannot be made.
    sandbox.write("artifacts/tutorial", "a file");
    let text = sandbox.transcript("cxr run");
    assert!(text.contains("exit: 1") && text.contains("`artifacts/tutorial` is a file"), "{text}");
    std::fs::remove_file(sandbox.path("artifacts/tutorial")).unwrap();
    // One class.
    std::fs::remove_dir_all(sandbox.path("dataset/normal")).unwrap();
    let text = sandbox.transcript("cxr run");
    assert!(text.contains("all images are of one class, `covid`"), "{text}");
    // No data set at all.
    std::fs::remove_dir_all(sandbox.path("dataset")).unwrap();
    let text = sandbox.transcript("cxr run");
    assert!(text.contains("exit: 1") && text.contains("there is no dataset folder"), "{text}");
    assert!(!sandbox.path("artifacts/tutorial").exists(), "nothing was run");
}

#[test]
fn a_split_that_cannot_work_is_told_before_the_first_stage() {
    let sandbox = classes(["covid", "normal"]);
    for (class, number) in [("covid", 1), ("normal", 2)] {
        let from = sandbox.path(format!("dataset/{class}/0.png"));
        let to = sandbox.write(&format!("dataset/{class}/external/{number}.png"), "");
        std::fs::copy(from, to).unwrap();
    }
    let hint = "hint: give `--set split.hold-out=external`";
    for set in ["", "--set split.hold-out=extrenal"] {
        let line = format!("cxr run --set split.method=folder {set}");
        let text = sandbox.transcript(&line);
        assert!(text.contains("exit: 2") && text.contains("no image is held out"), "{text}");
        assert!(text.contains(hint), "{text}");
    }
    // Sources are not known before the images are read.
    let text = sandbox.transcript("cxr run --set split.method=source");
    assert!(text.contains("exit: 2") && text.contains("`--set split.hold-out=NAME`"), "{text}");
    assert!(!sandbox.path("artifacts/tutorial").exists(), "nothing was run");
    let set = "--set split.method=folder --set split.hold-out=external";
    assert!(sandbox.transcript(&format!("cxr run {set} --dry-run")).contains("exit: 0"));

    // Now they are: of no image.
    sandbox.ok("cxr run --until preprocess");
    for hold_out in ["", "--set split.hold-out=x"] {
        let text = sandbox.transcript(&format!("cxr run --set split.method=source {hold_out}"));
        assert!(text.contains("exit: 2") && text.contains("no image is held out"), "{text}");
        assert!(text.contains("`--set split.method=folder` holds out a folder"), "{text}");
    }
    assert!(!sandbox.path("artifacts/tutorial/split").exists());
}

#[test]
fn hints_and_blame_are_for_the_command_that_was_typed() {
    let sandbox = classes(["covid", "normal"]);
    let text = sandbox.transcript("cxr run --set split.method=fold");
    assert!(
        text.contains("exit: 2") && text.contains("`split` in `--set` has an invalid value"),
        "{text}"
    );
    assert!(!text.contains("pipeline.toml` has"), "{text}");
    let text = sandbox.transcript("cxr run --set split.test-size=1.5");
    assert!(text.contains("hint: `--set split.test-size=…` is the proportion"), "{text}");
    // The same of a stage that runs.
    let text = sandbox.transcript(&format!("cxr run {SMALL} --set train.batch-size=64"));
    assert!(text.contains("exit: 1"), "{text}");
    assert!(text.contains("use a smaller `--set train.batch-size=…`"), "{text}");
    let text = sandbox.transcript("cxr train --batch-size 64");
    assert!(text.contains("use a smaller `--batch-size`"), "{text}");
    // A flag that the command does not take is no way out.
    let text = sandbox.transcript("cxr evaluate --artifacts dataset/x");
    assert!(text.contains("exit: 2") && text.contains("with `--artifacts`"), "{text}");
    assert!(!text.contains("`--dataset`"), "{text}");
}

#[test]
fn the_cache_counts_entries_and_clean_takes_a_data_set_where_stages_write_into_it() {
    let sandbox = classes(["covid", "normal"]);
    sandbox.ok(&format!("cxr run --until extract {SMALL} --set extract.masks=true"));
    let text = sandbox.ok("cxr cache");
    assert!(text.contains(" entries, ") && !text.contains("images"), "{text}");
    let text = sandbox.transcript("cxr clean --dataset other");
    assert!(text.contains("exit: 2") && text.contains("`--dataset` has no effect"), "{text}");
    assert!(sandbox.path("artifacts/tutorial/split/split.json").exists());
    let demo = sandbox.transcript("cxr clean --profile demo --dataset other");
    assert!(demo.contains("exit: 0"), "{demo}");
}

#[test]
fn settings_without_effect_are_refused_before_the_first_stage() {
    let sandbox = classes(["covid", "normal"]);
    for (setting, error) in [
        ("split.hold-out=foo", "`hold-out` is `foo`, but the method `image` holds out no source"),
        ("crossval.folds=3", "the profile has no stage `crossval`"),
    ] {
        let text = sandbox.transcript(&format!("cxr run --set {setting}"));
        assert!(text.contains("exit: 2") && text.contains(error), "{text}");
        assert!(!sandbox.path("artifacts/tutorial").exists(), "nothing was run");
    }
    let text = sandbox.transcript("cxr status --set crossval.folds=3");
    assert!(text.contains("exit: 2") && text.contains("has no stage `crossval`"), "{text}");
}
