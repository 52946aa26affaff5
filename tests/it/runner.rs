//! `cxr run` and its kin: what is rerun and why, and that nothing is lost,
//! whenever a process is killed. On a few phantoms and random weights.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{Sandbox, random_weights};

/// Settings of a pipeline that is small in every stage up to the evaluation.
pub const SMALL: &str = "
[phantom]
images = 8
[sample-normal]
count = 8
[extract]
rotations = 1
masks = false
[train]
batch-size = 4
";

const STAGES: [&str; 9] = [
    "phantom",
    "build-covid",
    "sample-normal",
    "preprocess",
    "split",
    "extract",
    "train",
    "evaluate",
    "plot",
];

/// A folder with a small demo that has not run yet.
pub fn demo() -> Sandbox {
    let sandbox = Sandbox::new().with_weights(random_weights());
    let stages = STAGES.map(|s| format!("{s:?}")).join(", ");
    let demo = format!("[profile.demo]\nstages = [{stages}]\n[profile.demo.train]\nepochs = 4\n");
    sandbox.write("pipeline.toml", format!("default-profile = \"demo\"\n{SMALL}{demo}"));
    sandbox
}

/// Runs a line that must succeed; returns what it said on stderr.
pub fn ran(sandbox: &Sandbox, line: &str) -> String {
    let output = sandbox.cxr(line).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "`{line}` failed:\n{stderr}");
    stderr
}

/// The exit code and stdout of `cxr status`.
pub fn status(sandbox: &Sandbox, flags: &str) -> (i32, String) {
    let line = format!("cxr status {flags}");
    let output = sandbox.cxr(&line).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// The state of one stage in `cxr status`.
pub fn state(sandbox: &Sandbox, stage: &str) -> String {
    let (_, text) = status(sandbox, "");
    let line = text.lines().find(|l| l.split_whitespace().next() == Some(stage));
    line.unwrap_or_else(|| panic!("no {stage} in\n{text}"))[stage.len()..].trim().to_owned()
}

#[test]
fn an_answer_of_no_stands_while_its_stage_is_fresh() {
    let sandbox = demo();
    let config = std::fs::read_to_string(sandbox.path("pipeline.toml")).unwrap();
    let wanted = "\n[evaluate]\nmin-sensitivity = 1.0\nmin-specificity = 1.0\n";
    sandbox.write("pipeline.toml", config + wanted);
    for line in ["cxr run", "cxr run", "cxr run --check", "cxr status --check"] {
        let output = sandbox.cxr(line).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(3), "`{line}`:\n{said}");
        assert!(said.contains("expected at least 1"), "`{line}`:\n{said}");
    }
    assert_eq!(status(&sandbox, "").0, 0);
}

#[test]
fn a_run_is_fresh_until_something_changes_and_then_reruns_just_that() {
    let sandbox = demo();
    assert_eq!(status(&sandbox, "--check").0, 3);
    assert_eq!(state(&sandbox, "phantom"), "stale: never run");
    ran(&sandbox, "cxr run");
    let (code, text) = status(&sandbox, "--check");
    assert_eq!((code, text.matches("fresh").count()), (0, 9), "{text}");
    let before = sandbox.tree("artifacts");
    assert!(ran(&sandbox, "cxr run").contains("0 of 9 stages ran"));
    assert_eq!(sandbox.tree("artifacts"), before);

    // A setting: the stages before it stay, those after it follow.
    sandbox
        .write("pipeline.toml", sandbox.read("pipeline.toml").replace("epochs = 4", "epochs = 5"));
    assert_eq!(state(&sandbox, "train"), "stale: params.epochs 4 -> 5");
    assert_eq!(state(&sandbox, "evaluate"), "stale: after train");
    assert_eq!(state(&sandbox, "extract"), "fresh");
    let dry = sandbox.ok("cxr run --dry-run --only train");
    assert!(dry.contains("would run: params.epochs 4 -> 5"), "{dry}");
    // The same stage by hand counts.
    ran(&sandbox, "cxr-train");
    assert_eq!(state(&sandbox, "train"), "fresh");
    assert!(ran(&sandbox, "cxr run").contains("2 of 9 stages ran"));

    // An image less, an output gone, an output changed.
    let images = sandbox.tree("artifacts/demo/dataset/covid");
    let image = &images
        .iter()
        .find(|(n, _)| n.ends_with("png") || n.ends_with("jpg") || n.ends_with("jpeg"))
        .unwrap()
        .0;
    std::fs::remove_file(sandbox.path("artifacts/demo/dataset/covid").join(image)).unwrap();
    assert_eq!(state(&sandbox, "build-covid"), format!("stale: output {image} missing"));
    assert!(
        state(&sandbox, "preprocess")
            .starts_with(&format!("stale: input dataset/covid/{image} removed"))
    );
    ran(&sandbox, "cxr run");
    std::fs::remove_file(sandbox.path("artifacts/demo/plot/history.png")).unwrap();
    assert_eq!(state(&sandbox, "plot"), "stale: output history.png missing");
    sandbox.write("artifacts/demo/train/history.csv", "epoch\n");
    assert_eq!(state(&sandbox, "train"), "stale: output history.csv changed");
    ran(&sandbox, "cxr run");
    assert_eq!(status(&sandbox, "--check").0, 0);

    // What it made goes, what the user put there stays.
    sandbox.write("artifacts/demo/train/notes.txt", "mine");
    sandbox.write("artifacts/demo/plot/history.svg", "edited");
    let text = sandbox.ok("cxr clean");
    assert!(text.contains("kept, because it was changed: "), "{text}");
    let left: Vec<String> = sandbox.tree("artifacts/demo").into_iter().map(|f| f.0).collect();
    assert_eq!(left, ["plot/history.svg", "train/notes.txt"]);
}

#[test]
fn one_more_image_costs_one_decode_and_its_own_features() {
    let sandbox = demo();
    ran(&sandbox, "cxr run");
    let image = sandbox.tree("artifacts/demo/dataset/normal");
    let (name, mut bytes) = image.into_iter().find(|(n, _)| n.ends_with("jpeg")).unwrap();
    // The same picture with a comment after its end is another file.
    bytes.extend(b"another file");
    sandbox.write(&format!("artifacts/demo/dataset/normal/z-{name}"), bytes);
    let output = sandbox.cxr("cxr run --json --from preprocess").output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let stage = |name| {
        let stages = document["stages"].as_array().unwrap();
        stages.iter().find(|s| s["stage"] == name).unwrap()["result"].clone()
    };
    let extract = stage("extract");
    let images = extract["images"].as_u64().unwrap();
    assert!(extract["cached"].as_u64().unwrap() > images / 2, "{extract}");
}

/// ` --seed 7`, if the stage has a seed.
fn seed(stage: &str) -> &'static str {
    match cxr::stages::find(stage).unwrap().uses.contains(&cxr::cli::Flag::Seed) {
        true => " --seed 7",
        false => "",
    }
}

#[test]
fn stages_killed_at_any_moment_lose_nothing() {
    let sandbox = demo();
    ran(&sandbox, "cxr run");
    let mut random = 1u64;
    let mut kills = 0;
    for stage in STAGES {
        let good = sandbox.tree("artifacts/demo");
        // Another seed makes other files, so that a mixture would show.
        let started = Instant::now();
        let seed = seed(stage);
        ran(&sandbox, &format!("cxr-{stage}{seed}"));
        let took = started.elapsed();
        let other = sandbox.tree("artifacts/demo");
        ran(&sandbox, &format!("cxr-{stage}"));
        assert_eq!(
            named(&sandbox.tree("artifacts/demo")),
            named(&good),
            "{stage} is not reproducible"
        );
        for _ in 0..12 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let share = (random >> 33) as f64 / f64::from(1u32 << 31);
            let mut child = start(&sandbox, &format!("cxr-{stage}{seed}"));
            sleep(took.mul_f64(share * 1.1));
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            // Looking finishes what had been decided, and nothing else.
            status(&sandbox, "");
            let after = visible(sandbox.tree("artifacts/demo"));
            let old = after == visible(good.clone());
            assert!(old || after == visible(other.clone()), "{stage}: neither old nor new");
        }
        ran(&sandbox, &format!("cxr-{stage}"));
        assert_eq!(named(&sandbox.tree("artifacts/demo")), named(&good), "{stage} after its kills");
    }
    assert_eq!(status(&sandbox, "--check"), (0, status(&sandbox, "").1));
    assert!(kills >= 100, "{kills}");
}

/// Files without the folders that a killed process leaves and the next sweeps.
fn visible(tree: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    tree.into_iter()
        .filter(|(name, _)| !name.split('/').any(|part| part.starts_with('.')))
        .collect()
}

/// Hashes in place of bytes, for messages that can be read.
fn named(tree: &[(String, Vec<u8>)]) -> BTreeMap<&str, String> {
    tree.iter().map(|(name, bytes)| (name.as_str(), cxr::io::hash::bytes(bytes))).collect()
}

/// Starts a program in a process group of its own.
fn start(sandbox: &Sandbox, line: &str) -> std::process::Child {
    let assert = sandbox.cxr(line);
    let mut command = Command::new(assert.get_program());
    command.args(assert.get_args()).current_dir(sandbox.path(""));
    for (key, value) in assert.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command.process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn an_interrupt_stops_the_children_and_the_next_run_goes_on() {
    let sandbox = demo();
    ran(&sandbox, "cxr run");
    let whole = sandbox.tree("artifacts/demo");
    ran(&sandbox, "cxr clean");
    std::fs::remove_dir_all(sandbox.path("artifacts/cache")).unwrap();
    for millis in [50, 250, 700] {
        let child = start(&sandbox, "cxr run");
        sleep(Duration::from_millis(millis));
        let pid = rustix::process::Pid::from_child(&child);
        // Only the runner: it has to pass it on.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let output = child.wait_with_output().unwrap();
        let code = output.status.code();
        assert!(
            matches!(code, Some(130 | 0)),
            "{code:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let litter: Vec<_> = sandbox.tree("artifacts/demo").into_iter().map(|f| f.0).collect();
        assert!(!litter.iter().any(|n| n.contains(".tmp")), "{litter:?}");
    }
    ran(&sandbox, "cxr run");
    assert_eq!(named(&sandbox.tree("artifacts/demo")), named(&whole));
}

#[test]
fn the_second_run_waits_and_names_the_first() {
    let sandbox = demo();
    let lock =
        cxr::pipeline::owner::RunLock::acquire(&sandbox.path("artifacts"), Duration::ZERO, |_| {
            panic!("it is free")
        })
        .unwrap();
    let text = sandbox.transcript("cxr run --lock-timeout 1");
    assert!(text.contains("exit: 1"), "{text}");
    assert!(text.contains(&format!("waiting for process {}", std::process::id())), "{text}");
    assert!(text.contains("was not freed within 1 s") && text.contains("hint:"), "{text}");
    drop(lock);
    // The file stays behind; a dead owner is no owner.
    assert!(sandbox.path("artifacts/.lock").exists());
    ran(&sandbox, "cxr run --until phantom --lock-timeout 0");
}

#[test]
fn a_failure_skips_what_depends_on_it_and_keeps_what_was_good() {
    let sandbox = demo();
    ran(&sandbox, "cxr run");
    let good = sandbox.tree("artifacts/demo/train");
    let config = sandbox.read("pipeline.toml").replace("batch-size = 4", "batch-size = 4000");
    sandbox.write("pipeline.toml", config);
    let text = sandbox.transcript("cxr run");
    assert!(text.contains("exit: 1") || text.contains("exit: 2"), "{text}");
    assert!(text.contains("evaluate       skipped: train failed"), "{text}");
    assert_eq!(sandbox.tree("artifacts/demo/train"), good);
}

#[test]
fn a_flipped_bit_in_any_artifact_is_found_by_name() {
    let sandbox = demo();
    ran(&sandbox, "cxr run");
    let readers = [
        ("preprocess/images.npy", "cxr-extract"),
        ("preprocess/index.csv", "cxr-split"),
        ("split/split.json", "cxr-extract"),
        ("extract/features.npy", "cxr-train"),
        ("extract/augmented.npy", "cxr-train"),
        ("train/model.safetensors", "cxr-evaluate"),
        ("train/model.json", "cxr-evaluate"),
        ("train/history.csv", "cxr-plot"),
        ("evaluate/predictions.csv", "cxr-plot"),
    ];
    for (name, reader) in readers {
        let path = format!("artifacts/demo/{name}");
        let good = std::fs::read(sandbox.path(&path)).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        sandbox.write(&path, &bad);
        let text = sandbox.transcript(reader);
        assert!(text.contains("exit: 1") && text.contains("hint:"), "{name}: {text}");
        let named = format!("`artifacts/demo/{name}` is not what `cxr-");
        assert!(text.contains(&named), "{name}: {text}");
        let (stage, file) = name.split_once('/').unwrap();
        assert!(state(&sandbox, stage).contains(&format!("output {file} changed")), "{name}");
        sandbox.write(&path, &good);
    }
    // The cache is no artifact: a bad entry is told and computed anew.
    let before = sandbox.tree("artifacts/demo/extract");
    let cache = sandbox.tree("artifacts/cache/features");
    let (entry, mut bytes) = cache.into_iter().next().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    sandbox.write(&format!("artifacts/cache/features/{entry}"), bytes);
    assert!(ran(&sandbox, "cxr-extract").contains("the checksum does not match"), "{entry}");
    assert_eq!(sandbox.tree("artifacts/demo/extract"), before);
}

#[test]
fn a_disk_that_takes_no_more_leaves_the_last_good_files() {
    let sandbox = demo();
    ran(&sandbox, "cxr run");
    let good = sandbox.tree("artifacts/demo");
    for stage in STAGES {
        // Files may not hold a byte, and the signal that tells so is
        // ignored: every write fails, as on a full disk.
        let assert = sandbox.cxr(&format!("cxr-{stage}"));
        let program = assert.get_program().to_string_lossy().into_owned();
        let script = format!("trap '' XFSZ; ulimit -f 0; exec '{program}'{}", seed(stage));
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(sandbox.path(""))
            .env("CXR_WEIGHTS", random_weights())
            .env("XDG_CACHE_HOME", sandbox.path("cache"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stage}: {text}");
        assert!(text.contains("error: cannot ") && text.contains("artifacts/"), "{stage}: {text}");
        assert!(text.contains("hint: "), "{stage}: {text}");
        assert_eq!(named(&sandbox.tree("artifacts/demo")), named(&good), "{stage}");
    }
}

#[test]
fn folders_that_cannot_be_written_are_named() {
    let sandbox = demo();
    sandbox.write("file", "no folder");
    let text = sandbox.transcript("cxr-phantom --artifacts file/a --output x");
    assert!(text.contains("exit: 1") && text.contains("`file/a"), "{text}");
    if Path::new("/proc/self").exists() {
        let text = sandbox.transcript("cxr run --artifacts /proc/self/a");
        assert!(text.contains("exit: 1") && text.contains("`/proc/self/a`"), "{text}");
        assert!(text.contains("hint: check that the folder can be written to"), "{text}");
    }
}

#[test]
fn graphs_diffs_completions_and_manuals() {
    let sandbox = demo();
    assert!(sandbox.ok("cxr dag").contains("train  <- "));
    assert!(sandbox.ok("cxr dag --format mermaid").starts_with("graph LR\n"));
    assert!(sandbox.ok("cxr dag --format dot").starts_with("digraph"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            sandbox.ok(&format!("cxr completions {shell}")).contains("sample-normal"),
            "{shell}"
        );
    }
    sandbox.ok("cxr man --output man");
    assert!(sandbox.read("man/cxr-train.1").contains(".TH cxr-train 1"));
    ran(&sandbox, "cxr run --artifacts one");
    ran(&sandbox, "cxr run --artifacts two --seed 7");
    let text = sandbox.ok("cxr diff one/demo two/demo");
    assert!(text.contains("split.seed") && text.contains("42 -> 7"), "{text}");
    let changed = text.lines().find(|line| line.contains("train -> test"));
    assert!(changed.is_some_and(|line| line.contains(" image")), "{text}");
    assert!(text.lines().count() < 60, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let all = sandbox.ok("cxr diff -v one/demo two/demo");
    assert!(all.lines().count() > text.lines().count() && !all.contains("more: `-v`"), "{all}");
}
