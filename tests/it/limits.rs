//! Extreme settings, files and surroundings: each ends in the right result or in an error
//! that names the cause.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::runner::{demo, ran, state, status};
use crate::support::{Sandbox, random_weights};

const FEATURES: &str = "artifacts/demo/extract/features.npy";

/// Flips a bit of the last byte of `path` in place and restores the modification time.
fn flip_in_silence(path: &Path) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut last = *fs::read(path).unwrap().last().unwrap();
    last ^= 1;
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::End(-1)).unwrap();
    file.write_all(&[last]).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn a_flipped_byte_is_noticed_though_the_time_is_restored() {
    let sandbox = demo();
    ran(&sandbox, "cxr run");
    assert_eq!(status(&sandbox, "--check").0, 0);
    flip_in_silence(&sandbox.path(FEATURES));
    let told = state(&sandbox, "extract");
    assert!(told.contains("output features.npy changed"), "{told}");
    let text = sandbox.transcript("cxr-evaluate");
    assert!(text.contains("exit: 1") && text.contains("its content has changed"), "{text}");
    ran(&sandbox, "cxr run");
    let files = sandbox.tree("artifacts/demo/dataset/covid");
    let is_image = |name: &&String| !(name.ends_with(".csv") || name.ends_with(".json"));
    let image = files.iter().map(|(name, _)| name).find(is_image).unwrap();
    flip_in_silence(&sandbox.path(format!("artifacts/demo/dataset/covid/{image}")));
    let told = state(&sandbox, "preprocess");
    assert!(told.contains(&format!("{image} changed")), "{told}");
}

#[test]
fn rehash_trusts_no_remembered_hash() {
    let sandbox = demo();
    ran(&sandbox, "cxr run");
    assert_eq!(status(&sandbox, "--check").0, 0);
    let features = sandbox.path(FEATURES);
    let inode = fs::metadata(&features).unwrap().ino();
    flip_in_silence(&features);
    // As if the clock had been set back: the remembered state is that of the changed file.
    let meta = fs::metadata(&features).unwrap();
    assert_eq!(meta.ino(), inode);
    let changed = i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
    for (name, bytes) in sandbox.tree("cache/cxr/stat") {
        let mut known: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        for (path, entry) in known.as_object_mut().unwrap() {
            if path.ends_with(FEATURES) {
                entry[0]["changed"] = serde_json::from_str(&changed.to_string()).unwrap();
            }
        }
        sandbox.write(&format!("cache/cxr/stat/{name}"), known.to_string());
    }
    assert_eq!(status(&sandbox, "--check").0, 0);
    let (code, text) = status(&sandbox, "--check --rehash");
    assert!(code == 3 && text.contains("output features.npy changed"), "{text}");
    // What was read is remembered.
    assert_eq!(status(&sandbox, "--check").0, 3);
    let told = ran(&sandbox, "cxr run --rehash");
    assert!(told.contains("stages ran"), "{told}");
    assert_eq!(status(&sandbox, "--check --rehash").0, 0);
}

#[test]
fn a_copied_or_moved_project_is_fresh() {
    let sandbox = demo();
    ran(&sandbox, "cxr run");
    let moved = Sandbox::new().with_weights(random_weights());
    let copy = Command::new("cp")
        .args(["-r", "artifacts", "pipeline.toml"])
        .arg(moved.path(""))
        .current_dir(sandbox.path(""))
        .status();
    assert!(copy.unwrap().success());
    assert_eq!(status(&moved, "--check").0, 0);
}

#[test]
fn settings_out_of_range_are_refused_with_the_range() {
    let sandbox = Sandbox::new();
    for (line, told) in [
        ("cxr-train --hidden 1000000000", "`hidden` is 1000000000, expected 1 to 16384"),
        ("cxr-train --epochs 4294967296", "`epochs` is 4294967296, expected 1 to 100000"),
        ("cxr-train --batch-size 0", "`batch-size` is 0, expected 1 to 1000000"),
        ("cxr-train --seeds 1000000000", "`seeds` is 1000000000, expected 1 to 10000"),
        ("cxr-train --learning-rate nan", "`learning-rate` is NaN, expected above 0"),
        ("cxr-train --learning-rate 1e300", "`learning-rate` is inf, expected above 0"),
        ("cxr-extract --rotations 1000000", "`rotations` is 1000000, expected 1 to 1000"),
        ("cxr-extract --batch 100000000", "`batch` is 100000000, expected 1 to 1024"),
        ("cxr-extract --degrees inf", "`degrees` is inf, expected 0 to 180"),
        ("cxr-evaluate --resamples 9999999999", "`resamples` is 9999999999, expected 0 to 100000"),
        ("cxr-crossval --folds 1000000000", "`folds` is 1000000000, expected 3 to 1000"),
        ("cxr-crossval --repeats 1000000000", "`repeats` is 1000000000, expected 1 to 1000"),
        ("cxr-audit --shuffles 1000000000", "`shuffles` is 1000000000, expected 0 to 100000"),
        ("cxr-audit --folds 1", "`folds` is 1, expected 2 to 1000"),
        ("cxr-explain --grid 100000", "`grid` is 100000, expected 1 to 224"),
        ("cxr-report --images 1000000000", "`images` is 1000000000, expected 0 to 100000"),
        ("cxr-phantom --images 1000000000", "`images` is 1000000000, expected 1 to 100000"),
        ("cxr-sample-normal --count 9999999999", "`count` is 9999999999, expected 1 to 1000000"),
        ("cxr-preprocess --max-skipped nan", "`max-skipped` is NaN, expected 0 to 1"),
        ("cxr-split --test-size nan", "`test-size` is NaN, expected more than 0 and less than 1"),
        ("cxr status --threads 5000", "`threads` is 5000, expected 0 to 1024"),
    ] {
        let text = sandbox.transcript(line);
        assert!(text.contains("exit: 2") && text.contains(told), "{text}");
    }
}

#[test]
fn unknown_placeholders_are_refused() {
    let sandbox = Sandbox::new();
    for line in [
        "cxr-phantom --output {datasets}/x",
        "cxr-phantom --output {dataset}-old/x",
        "cxr-build-covid --source {data}/covid",
        "cxr-train --from {artifact}/m.keras",
        "cxr-extract --weights {profil}/w",
        "cxr status --dataset {nowhere}/x",
        "cxr status --artifacts {profile}/x",
    ] {
        let text = sandbox.transcript(line);
        assert!(text.contains("exit: 2") && text.contains("placeholder `{"), "{text}");
        assert!(text.contains("hint: "), "{text}");
    }
    assert!(!sandbox.path("{datasets}").exists());
    sandbox.ok("cxr-phantom --images 1 --output a{b}c/x");
    assert!(sandbox.path("a{b}c/x").exists());
}

#[test]
fn folders_that_hold_each_other_are_refused() {
    let sandbox = Sandbox::new();
    for line in [
        "cxr status --dataset d --artifacts d",
        "cxr status --dataset d --artifacts d/artifacts",
        "cxr run --dataset d --artifacts x/../d/artifacts",
        "cxr-preprocess --dataset . --artifacts artifacts",
        "cxr-preprocess --dataset a/tutorial --artifacts a",
        "cxr-preprocess --dataset a/tutorial/train/x --artifacts a",
        "cxr-preprocess --dataset a/cache/features --artifacts a",
    ] {
        let text = sandbox.transcript(line);
        assert!(text.contains("exit: 2") && text.contains("folder"), "{text}");
        assert!(text.contains("hint: choose folders that do not contain each other"), "{text}");
    }
    // A stage that would write over what it reads.
    let text = sandbox.transcript("cxr-train --from artifacts/tutorial/train/m.keras");
    assert!(text.contains("exit: 1") && text.contains("`train` would read from"), "{text}");
}

#[test]
fn an_output_inside_its_source_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.ok("cxr-phantom --images 2 --output s");
    for line in [
        "cxr-sample-normal --source s/chest_xray --output s/chest_xray/train/NORMAL/x --count 1",
        "cxr-build-covid --source s/covid-chestxray-dataset --output s/x/../covid-chestxray-dataset/x",
    ] {
        let text = sandbox.transcript(line);
        assert!(text.contains("exit: 2") && text.contains("is inside the source `s/"), "{text}");
        assert!(text.contains("hint: choose another folder with `--output`"), "{text}");
    }
}

#[test]
fn links_that_lead_to_themselves_are_left_out_with_a_reason() {
    let sandbox = Sandbox::new();
    sandbox.ok("cxr-phantom --images 3 --output s");
    sandbox.ok("cxr-build-covid --source s/covid-chestxray-dataset --output d/covid");
    sandbox.ok("cxr-sample-normal --source s/chest_xray --output d/normal --count 2");
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, sandbox.path(name)).unwrap();
    };
    link("self", "d/covid/self");
    link("two", "d/covid/one");
    link("one", "d/covid/two");
    link(".", "d/normal/here");
    link("..", "d/normal/up");
    link("nowhere", "d/normal/nowhere.png");
    sandbox.write("pipeline.toml", "[preprocess]\nmax-skipped = 1.0\n");
    sandbox.ok("cxr-preprocess --dataset d");
    let selection_log = sandbox.read("artifacts/tutorial/preprocess/selection.csv");
    assert_eq!(selection_log.matches("a link to itself").count(), 3, "{selection_log}");
    assert_eq!(selection_log.matches("a link to a parent folder").count(), 2, "{selection_log}");
    assert_eq!(selection_log.matches("a broken link").count(), 1, "{selection_log}");
    let text = sandbox.ok("cxr status --dataset d");
    let told = text.lines().find(|line| line.starts_with("preprocess")).unwrap();
    assert!(told.ends_with("fresh"), "{text}");
}

#[test]
fn a_damaged_record_vouches_for_nothing() {
    let sandbox = demo();
    ran(&sandbox, "cxr run --until split");
    sandbox.write("artifacts/demo/split/record.json", "");
    let text = sandbox.transcript("cxr-extract");
    assert!(text.contains("exit: 1") && text.contains("split/record.json` is not a"), "{text}");
    assert!(text.contains("hint: run `cxr split"), "{text}");
    ran(&sandbox, "cxr run --until split");
    assert!(state(&sandbox, "split").starts_with("fresh"));
}

#[test]
fn what_killed_stages_left_is_removed_by_run_and_clean() {
    let sandbox = demo();
    let dead = |stage: &str| sandbox.path(format!("artifacts/demo/.{stage}.tmp{}-x", i32::MAX));
    let litter = |stage| fs::create_dir_all(dead(stage).join("half")).unwrap();
    ran(&sandbox, "cxr run");
    litter("train");
    let live = sandbox.path(format!("artifacts/demo/.extract.tmp{}-x", std::process::id()));
    fs::create_dir_all(&live).unwrap();
    let told = ran(&sandbox, "cxr run --only plot");
    assert!(told.contains("0 of 1 stages ran"), "{told}");
    assert!(!dead("train").exists() && live.exists());
    litter("evaluate");
    ran(&sandbox, "cxr clean --dry-run");
    assert!(dead("evaluate").exists());
    ran(&sandbox, "cxr clean");
    assert!(!dead("evaluate").exists() && live.exists());
}

#[test]
fn a_training_that_diverges_leaves_the_last_model() {
    let sandbox = demo();
    ran(&sandbox, "cxr run --until train");
    let good = sandbox.tree("artifacts/demo/train");
    let text = sandbox.transcript("cxr-train --learning-rate 1e30");
    assert!(text.contains("exit: 1"), "{text}");
    assert!(text.contains("error: training diverged in epoch 1: the loss is "), "{text}");
    assert!(text.contains("hint: use a lower `--learning-rate`"), "{text}");
    assert_eq!(sandbox.tree("artifacts/demo/train"), good);
}

#[test]
fn limits_of_memory_and_of_streams_end_in_words() {
    let sandbox = demo();
    sandbox.ok("cxr-phantom --images 2 --output s");
    let program = sandbox.cxr("cxr").get_program().to_string_lossy().into_owned();
    let shell = |script: &str| {
        let script = script.replace("CXR", &format!("'{program}'"));
        let mut command = Command::new("bash");
        command.args(["-c", &script]).current_dir(sandbox.path(""));
        command.env("XDG_CACHE_HOME", sandbox.path("cache")).env("CXR_WEIGHTS", random_weights());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = shell("ulimit -v 1000000; CXR status --threads 1024");
    assert!(code == Some(1) && text.contains("error: cannot start 1024 threads"), "{text}");
    assert!(text.contains("hint: use fewer `--threads`"), "{text}");
    ran(&sandbox, "cxr run --until split");
    let (code, text) = shell("ulimit -v 400000; CXR extract --no-cache --threads 1");
    // Where the limit strikes depends on the machine; it never is a bug's exit code.
    assert!(code != Some(101) && code != Some(0) && !text.contains("panicked"), "{text}");
    assert_eq!(shell("CXR --help > /dev/full").0, Some(1));
    let (code, text) = shell("CXR status > /dev/full");
    assert!(code == Some(1) && text.contains("cannot write to standard output"), "{text}");
    for script in [
        "CXR status >&-",
        "CXR status <&-",
        "CXR status 2>&-",
        "env -u HOME -u XDG_CACHE_HOME CXR status",
        "TMPDIR=/nowhere CXR status",
        "LC_ALL=C LANG=C CXR status",
        "cd / && CXR status --artifacts /tmp",
    ] {
        let (code, text) = shell(script);
        assert_eq!(code, Some(0), "{script}: {text}");
    }
}

#[test]
fn runs_side_by_side_in_one_folder_take_turns() {
    let sandbox = demo();
    let runs: Vec<_> = (0..6)
        .map(|_| {
            let line = sandbox.cxr("cxr");
            Command::new(line.get_program())
                .args(["run", "--until", "split", "-q"])
                .current_dir(sandbox.path(""))
                .env("XDG_CACHE_HOME", sandbox.path("cache"))
                .env("CXR_WEIGHTS", random_weights())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    std::thread::sleep(Duration::from_millis(50));
    assert!(state(&sandbox, "split").starts_with("fresh"));
}
