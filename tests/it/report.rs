//! `cxr-report`: on a small demo with random weights, and on 400 images that no stage
//! has made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cxr::artifact::index::{Index, IndexRow};
use cxr::artifact::predictions::{Prediction, Predictions};
use ndarray::Array3;

use crate::support::{Sandbox, random_weights, shared};

pub const CONFIG: &str = "
[phantom]
images = 8
[sample-normal]
count = 8
[extract]
rotations = 1
[train]
epochs = 4
batch-size = 4
seeds = 3
[crossval]
folds = 3
repeats = 2
[explain]
occlude = 0
[profile.demo]
stages = [
    \"phantom\", \"build-covid\", \"sample-normal\", \"preprocess\", \"link\", \"split\", \"extract\",
    \"train\", \"evaluate\", \"crossval\", \"explain\", \"audit\", \"plot\", \"report\",
]
";

pub const PAGE: &str = "artifacts/demo/report/report.html";
pub const CARD: &str = "artifacts/demo/report/MODEL_CARD.md";

/// A small demo that has run, down to its report. To be read only.
pub fn demo() -> &'static Sandbox {
    static DEMO: OnceLock<Sandbox> = OnceLock::new();
    DEMO.get_or_init(|| {
        let sandbox = Sandbox::new().with_weights(random_weights());
        sandbox.write("pipeline.toml", CONFIG);
        let output = sandbox.cxr("cxr run --profile demo").output().unwrap();
        let (stdout, stderr) =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).into();
        assert!(output.status.success(), "{stderr}");
        ends_with_what_matters(&stdout);
        one_line_a_stage(&stderr);
        sandbox
    })
}

fn ends_with_what_matters(stdout: &str) {
    let last: Vec<&str> = stdout.trim_end().lines().rev().take(3).collect();
    assert!(last[0].ends_with(PAGE), "the path comes last:\n{stdout}");
    assert!(last[2].starts_with("cross-validation, ") && last[2].contains(" to "), "{stdout}");
}

fn one_line_a_stage(stderr: &str) {
    for (stage, result) in [
        ("preprocess", "16 images read"),
        ("train", "3 heads for covid, normal"),
        ("evaluate", "acc "),
        ("plot", " figures as PNG and SVG"),
        ("report", PAGE),
    ] {
        let line = |line: &&str| line.starts_with(stage) && line.contains(" s  ");
        let lines: Vec<&str> = stderr.lines().filter(line).collect();
        assert!(matches!(lines[..], [line] if line.contains(result)), "{stage}:\n{stderr}");
    }
    assert!(!stderr.contains('\x1b') && !stderr.contains('\r'), "no terminal, no bar:\n{stderr}");
}

/// Opens a page in a browser and uses it. Tests that call this are marked
/// `#[cfg_attr(not(chromium), ignore = "needs Chromium")]`.
fn browse(page: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let axe = root.join("target/browser/node_modules/axe-core/axe.min.js");
    let script = root.join("tests/browser/check_report.py");
    let output = Command::new("python3").arg(script).arg(page).arg(axe).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
}

#[test]
fn the_page_tells_everything_and_asks_for_nothing() {
    let sandbox = demo();
    let page = sandbox.read(PAGE);
    for section in
        ["figures", "audit", "data", "split", "training", "evaluation", "images", "provenance"]
    {
        assert!(page.contains(&format!("<section id=\"{section}\"")), "{section}");
    }
    assert_eq!(page.matches("Education and research, never diagnosis").count(), 2);
    for figure in ["history", "history-seeds", "confusion", "crossval", "audit"] {
        assert!(page.contains(&format!("aria-labelledby=\"{figure}-title")), "{figure}");
    }
    let images = sandbox.read("artifacts/demo/evaluate/predictions.csv").lines().count() - 1;
    let all = sandbox.read("artifacts/demo/preprocess/index.csv").lines().count() - 1;
    assert_eq!(page.matches("<li class=\"card").count(), all, "out of fold, all are evaluated");
    assert!(
        page.matches("class=\"saliency\"").count() <= images + page.matches("id=\"mean-").count()
    );
    assert!(page.contains("class=\"saliency\"") && page.contains("runs</p>"));
    assert!(page.contains("rows of the source kept"), "the selection logs are told");
    let recipe = sandbox.read("artifacts/demo/report/pipeline.toml");
    assert!(recipe.contains("seed = 42\n") && recipe.contains("[profile.demo.train]\n"));
    assert!(page.contains("[profile.demo.train]") && page.contains("<code>cxr run</code>"));
    assert!(page.contains("default-src 'none'"));
    for other in ["src=\"http", "href=\"http", "url(http", "@import", "<link", "src=\"/"] {
        assert!(!page.contains(other), "{other}");
    }
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
}

#[test]
fn the_model_card_is_filled_in_and_names_what_is_unmet() {
    let sandbox = demo();
    let card = sandbox.read(CARD);
    let metrics = sandbox.json("artifacts/demo/evaluate/metrics.json");
    assert!(sandbox.read("artifacts/demo/plot/samples-covid.svg").contains("of the class covid"));
    for figure in ["samples-normal", "least-believed", "crossval", "audit", "history-seeds"] {
        assert!(sandbox.path(format!("artifacts/demo/plot/{figure}.png")).exists(), "{figure}");
    }
    let rate = &metrics["sensitivity"];
    let [value, low, high] = ["value", "low", "high"].map(|key| rate[key].as_f64().unwrap());
    let line = format!("| Sensitivity | {value:.3} | {low:.3} to {high:.3} |");
    assert!(card.contains(&line), "no `{line}` in\n{card}");
    let model = sandbox.json("artifacts/demo/train/model.json");
    assert!(card.contains(model["weights"].as_str().unwrap()));
    let unmet =
        card.lines().filter(|line| line.starts_with("- TRIPOD") || line.starts_with("- CLAIM"));
    let rows = card.lines().filter(|line| line.contains(" | unmet | ")).count();
    assert_eq!(unmet.count(), rows);
    assert!(card.contains(&format!("; {rows} of ")), "the unmet are counted");
    assert!(card.contains("- CLAIM 44, funding") && card.contains("| 12e | measures"));
    assert!(card.contains("**Education and research, never diagnosis.**"));
    // The images of the demo are synthetic, and no collection has published them.
    assert!(card.contains("synthetic images, which `cxr phantom` makes again"), "{card}");
    assert!(!card.contains("public collections"), "{card}");
}

#[test]
fn no_path_of_this_machine_stands_in_the_page() {
    let sandbox = Sandbox::new();
    sandbox.write("pipeline.toml", CONFIG);
    copy(&demo().path("artifacts"), &sandbox.path("artifacts"));
    let (artifacts, weights) = (sandbox.path("artifacts"), sandbox.path("my weights"));
    std::fs::copy(random_weights(), &weights).unwrap();
    let mut explain = sandbox.cxr("cxr-explain --profile demo --occlude 0 --weights");
    explain.arg(&weights).arg("--artifacts").arg(&artifacts).assert().success();
    let mut report = sandbox.cxr("cxr-report --profile demo --artifacts");
    let assert = report.arg(&artifacts).assert().success();
    let folder = sandbox.path("").canonicalize().unwrap().display().to_string();
    let recipe = sandbox.read("artifacts/demo/report/pipeline.toml");
    assert!(recipe.contains("weights = \"my weights\""), "{recipe}");
    for text in [sandbox.read(PAGE), sandbox.read(CARD)] {
        assert!(!text.contains(folder.trim_end_matches('/')), "{folder}");
        assert!(text.contains("[profile.demo.explain]"), "set by hand");
    }
    let stdout = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(stdout.trim_end().ends_with(&format!(" {PAGE}")), "relative: {stdout}");
}

/// The files of all stages, but for those that hold when and how they were made: the
/// records without what was given by hand, and without each other's hashes.
fn made(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let visible = |(name, _): &(String, Vec<u8>)| {
        !name.split('/').any(|part| part.starts_with('.')) && !name.starts_with("cache/")
    };
    let files = sandbox.tree("artifacts").into_iter().filter(visible);
    let plain = |(name, bytes): (String, Vec<u8>)| {
        if !name.ends_with("record.json") {
            return (name, bytes);
        }
        let mut record: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        record.as_object_mut().unwrap().remove("hand");
        let inputs = record["inputs"].as_object_mut().unwrap();
        inputs.retain(|input, _| !input.ends_with("record.json"));
        (name, record.to_string().into_bytes())
    };
    files.map(plain).filter(|(name, _)| name != "pipeline.lock").collect()
}

/// Makes the artifacts of `sandbox` again in a folder that holds the report's pipeline
/// file and these folders, by the report's commands; they must be the same.
fn make_again(sandbox: &Sandbox, profile: &str, folders: &[&str]) {
    let other = Sandbox::new().with_weights(random_weights());
    let report = format!("artifacts/{profile}/report");
    let recipe = sandbox.read(format!("{report}/pipeline.toml"));
    other.write("pipeline.toml", &recipe);
    for folder in folders {
        copy(&sandbox.path(folder), &other.path(folder));
    }
    let page = sandbox.read(format!("{report}/report.html"));
    let (_, commands) =
        page.split_once("aria-label=\"Commands that reproduce this report\"").unwrap();
    let (_, commands) = commands.split_once("<code>").unwrap();
    for line in commands.split_once("</code>").unwrap().0.lines() {
        other.ok(line);
    }
    let (first, second) = (made(sandbox), made(&other));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&first), names(&second));
    for (name, bytes) in &first {
        assert!(second[name] == *bytes, "{name} differs, made by\n{recipe}");
    }
}

#[test]
fn the_recipe_makes_the_same_files_in_an_empty_folder() {
    let sandbox = Sandbox::new().with_weights(random_weights());
    // A pipeline file of one's own, a setting of the run, and a stage by hand.
    sandbox.write("pipeline.toml", CONFIG);
    let run = "cxr run --profile demo --set report.quality=70 --set plot.title=Mine";
    sandbox.ok(run);
    sandbox.ok("cxr train --profile demo --epochs 5 --seed 9 --seeds 1");
    sandbox.ok(run);
    let recipe = sandbox.read("artifacts/demo/report/pipeline.toml");
    let train = recipe.split("[profile.demo.train]").nth(1).unwrap();
    assert!(train.contains("epochs = 5\n"), "{recipe}");
    make_again(&sandbox, "demo", &[]);
}

#[test]
fn the_recipe_covers_class_folders_and_a_profile_of_ones_own() {
    let sandbox = Sandbox::new().with_weights(random_weights());
    for class in ["NORMAL", "PNEUMONIA"] {
        for image in 0..6u8 {
            let pixel =
                |x: u32, y: u32| image::Luma([(x * y) as u8 ^ (image * 40 + class.len() as u8)]);
            let path = sandbox.write(&format!("images/{class}/{image}.png"), "");
            image::GrayImage::from_fn(32, 32, pixel).save(path).unwrap();
        }
    }
    let config = "default-profile = \"mine\"\nseed = 3\n[profile.mine]\nabout = \"my own\"\n\
        dataset = \"images\"\nstages = [\"preprocess\", \"split\", \"extract\", \"train\", \
        \"evaluate\", \"plot\", \"report\"]\n[extract]\nrotations = 2\nmasks = false\n\
        [profile.mine.split]\ntest-size = 0.34\n[profile.mine.train]\nepochs = 3\nbatch-size = 2\n";
    sandbox.write("pipeline.toml", config);
    sandbox.ok("cxr run");
    make_again(&sandbox, "mine", &["images"]);
}

pub fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_run_on_a_narrow_terminal_shows_bars_and_with_json_a_document() {
    let sandbox = demo();
    let plain = sandbox.cxr("cxr --version");
    let cxr = Path::new(plain.get_program()).display();
    let run =
        format!("stty rows 24 cols 40; {cxr} run --profile demo --force crossval --only crossval");
    let script = |line: &str, colour: bool| {
        let mut command = Command::new("script");
        command.args(["-qefc", line, "/dev/null"]).current_dir(sandbox.path(""));
        command.env("CXR_WEIGHTS", random_weights()).env("TERM", "xterm").env_remove("NO_COLOR");
        if !colour {
            command.env("NO_COLOR", "1");
        }
        let output = command.stdin(std::process::Stdio::null()).output().expect("`script` runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let shown = script(&run, true);
    assert!(shown.contains("cross-validat") && shown.contains(" left "), "a bar: {shown}");
    let bar = shown.split(['\r', '\n']).find(|line| line.contains(" left ")).unwrap();
    let width = |line: &str| line.chars().filter(|c| !c.is_control()).count();
    assert!(width(bar.split('\x1b').next().unwrap()) <= 40, "{bar:?}");
    let quiet = script(&format!("{run} -q"), false);
    assert!(!quiet.contains("\x1b[3"), "no colour: {quiet:?}");

    let json = sandbox.ok("cxr run --profile demo --json --force report --only report");
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    let report = &document["stages"][0]["result"];
    assert_eq!((&report["headline"], &report["path"]), (&PAGE.into(), &PAGE.into()));
}

#[test]
#[cfg_attr(not(chromium), ignore = "needs Chromium")]
fn the_page_works_in_a_browser() {
    browse(&demo().path(PAGE));
}

#[test]
fn a_report_of_a_preprocessed_dataset_says_what_has_not_run() {
    let sandbox = demo();
    let other = Sandbox::new();
    for name in ["index.csv", "selection.csv", "images.npy"] {
        let bytes = std::fs::read(sandbox.path("artifacts/demo/preprocess").join(name)).unwrap();
        other.write(&format!("artifacts/tutorial/preprocess/{name}"), bytes);
    }
    other.ok("cxr-report");
    let page = other.read("artifacts/tutorial/report/report.html");
    assert!(page.contains("The model has not been evaluated"), "{page}");
    assert!(page.contains("Images by class") && !page.contains("<section id=\"audit\""));
    let card = other.read("artifacts/tutorial/report/MODEL_CARD.md");
    assert!(card.contains("`cxr evaluate` has not run") && card.contains("has not been audited"));
    if cfg!(chromium) {
        browse(&other.path("artifacts/tutorial/report/report.html"));
    }

    let empty = Sandbox::new().transcript("cxr-report");
    assert!(empty.contains("exit: 1") && empty.contains("cxr preprocess"), "{empty}");
    let usage = other.transcript("cxr-report --quality 0");
    assert!(usage.contains("exit: 2") && usage.contains("`quality` is 0"), "{usage}");
}

/// 400 images that were evaluated and explained, as if stages had done it.
fn large() -> Sandbox {
    const IMAGES: usize = 400;
    let sandbox = Sandbox::new();
    let at = |name: &str| -> PathBuf {
        let path = sandbox.path(format!("artifacts/tutorial/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let class = |row: usize| if row < IMAGES / 2 { "covid" } else { "normal" };
    let rows = (0..IMAGES).map(|row| IndexRow {
        row,
        path: format!("{}/<image> & {row:03}.png", class(row)),
        class: class(row).into(),
        patient: format!("p{}", row / 3),
        source: "test".into(),
        width: 1000,
        height: 900,
        mode: "L".into(),
        bytes: 5,
        hash: row.to_string(),
        ..IndexRow::default()
    });
    let index = Index::new(rows.collect());
    index.write(&at("preprocess/index.csv")).unwrap();
    let noise = |i: usize| ((i as f64 * 12.9898).sin() * 43758.5453).fract().abs();
    let mut images =
        cxr::io::npy::Writer::<u8>::create(&at("preprocess/images.npy"), &[224, 224, 3]).unwrap();
    for row in 0..IMAGES {
        // As much detail as an image has, noise included.
        let level = |i: usize| {
            let (y, x) = ((i / 224) as f64, (i % 224) as f64);
            120.0
                + 80.0 * (x / 37.0).sin() * (y / (20 + row % 17) as f64).cos()
                + 20.0 * noise(i + row)
        };
        let pixels: Vec<u8> = (0..224 * 224).flat_map(|i| [level(i) as u8; 3]).collect();
        images.push(&pixels).unwrap();
    }
    images.finish().unwrap();
    let images = index.rows.iter().map(|image| {
        let p = noise(image.row);
        Prediction {
            path: image.path.clone(),
            patient: image.patient.clone(),
            truth: usize::from(image.class == "normal"),
            predicted: usize::from(p < 0.5),
            probabilities: vec![p, 1.0 - p],
        }
    });
    let predictions = Predictions { classes: index.classes.clone(), rows: images.collect() };
    predictions.write(&at("evaluate/predictions.csv")).unwrap();
    let mut explained = "path,class,predicted,probability,outside\n".to_owned();
    for image in &predictions.rows {
        let named = &index.classes[image.predicted];
        explained += &format!("{},x,{named},0.5,0.4\n", image.path);
    }
    std::fs::write(at("explain/explain.csv"), explained).unwrap();
    let saliency =
        Array3::from_shape_fn((IMAGES, 14, 14), |(f, y, x)| noise(f * 196 + y * 14 + x) as f32);
    ndarray_npy::write_npy(at("explain/saliency.npy"), &saliency).unwrap();
    sandbox
}

#[test]
fn four_hundred_images_are_quick_small_and_the_same_at_any_number_of_threads() {
    let sandbox = large();
    sandbox.ok("cxr-report --threads 2");
    let files = sandbox.tree("artifacts/tutorial/report");
    let size = files.iter().find(|(name, _)| name == "report.html").unwrap().1.len();
    assert!(size < 15_000_000, "{size} bytes");
    sandbox.ok("cxr-report --threads 1");
    assert!(sandbox.tree("artifacts/tutorial/report") == files);
    let page = sandbox.read("artifacts/tutorial/report/report.html");
    assert!(page.contains("&lt;image&gt; &amp; 000.png"), "names are escaped");
    assert_eq!(page.matches("<li class=\"card").count(), 400);
    if cfg!(chromium) {
        browse(&sandbox.path("artifacts/tutorial/report/report.html"));
    }

    sandbox.ok("cxr-report --images 7");
    let page = sandbox.read("artifacts/tutorial/report/report.html");
    assert_eq!(page.matches("<li class=\"card").count(), 7);
    sandbox.ok("cxr-report --images 0");
    assert!(!sandbox.read("artifacts/tutorial/report/report.html").contains("data:image"));
}

#[test]
fn broken_artifacts_are_named_and_the_last_report_stays() {
    let sandbox = large();
    sandbox.ok("cxr-report --images 3");
    let before = sandbox.tree("artifacts/tutorial/report");
    let refused = |name: &str, content: &str, expected: &str| {
        let path = sandbox.path(format!("artifacts/tutorial/{name}"));
        let good = std::fs::read(&path).ok();
        std::fs::write(&path, content).unwrap();
        let text = sandbox.transcript("cxr-report --images 3");
        assert!(text.contains("exit: 1") && text.contains(expected), "{text}");
        assert_eq!(sandbox.tree("artifacts/tutorial/report"), before);
        match good {
            Some(good) => std::fs::write(&path, good).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
    };
    refused("explain/saliency.npy", "x", "is not a usable array of saliency maps");
    refused("explain/explain.csv", "path,class,predicted,probability,outside\n", "of 0 images");
    refused("evaluate/metrics.json", "{}", "has the schema `none`");
    refused("preprocess/images.npy", "x", "cxr preprocess");
}

#[test]
#[cfg_attr(not(all(shared, chromium)), ignore = "needs ../shared and Chromium")]
fn the_tutorials_report_works_in_a_browser() {
    let shared = shared();
    let page = crate::tutorial::report();
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("Shortcut found: the classes can be separated without the lungs"));
    assert!(!text.contains(shared.to_str().unwrap()));
    browse(&page);
}

#[test]
fn the_card_counts_the_images_whose_sex_and_age_the_metadata_has() {
    let sandbox = Sandbox::new();
    sandbox.ok("cxr-phantom --images 3 --output sources");
    let table = "sources/covid-chestxray-dataset/metadata.csv";
    let with = |text: String, patient: usize, known: &str| {
        let (blank, filled) = (format!("-{patient},0,,,"), format!("-{patient},0,{known},"));
        assert!(text.contains(&blank), "{text}");
        text.replace(&blank, &filled)
    };
    let text = with(with(sandbox.read(table), 1, "F,61"), 2, "male,");
    sandbox.write(table, text);
    sandbox.ok("cxr-build-covid --source sources/covid-chestxray-dataset");
    sandbox.ok("cxr-sample-normal --source sources/chest_xray --count 3");
    sandbox.ok("cxr-preprocess");
    sandbox.ok("cxr-report");
    let index = sandbox.read("artifacts/tutorial/preprocess/index.csv");
    let known: Vec<&str> = index.lines().filter(|line| line.ends_with(",F,61")).collect();
    assert_eq!(known.len(), 1, "{index}");
    assert_eq!(index.lines().filter(|line| line.ends_with(",M,")).count(), 1, "{index}");
    let card = sandbox.read("artifacts/tutorial/report/MODEL_CARD.md");
    let stated = "of 6 images the patient's sex is recorded for 2 and the age for 1";
    assert!(card.contains(stated), "{card}");
    assert!(card.contains("| 1 female, 1 male, 1 unknown | 61 to 61, median 61 (1); 2 unknown |"));
    assert!(!card.contains("not in the data"), "{card}");
}

/// A model trained anew must not borrow the figures of the one before.
#[test]
fn what_is_of_another_model_is_left_out_and_named() {
    let sandbox = Sandbox::new().with_weights(random_weights());
    copy(&crate::support::trained().path("artifacts"), &sandbox.path("artifacts"));
    let report = |sandbox: &Sandbox| {
        let said = sandbox.transcript("cxr-report --images 0");
        assert!(said.contains("exit: 0"), "{said}");
        (said, sandbox.read("artifacts/tutorial/report/MODEL_CARD.md"))
    };
    let (said, card) = report(&sandbox);
    assert!(card.contains("- Epochs: 20") && card.contains("| Accuracy |"), "{card}");
    assert!(!said.contains("left out") && !card.contains("Left out"), "{said}");

    sandbox.ok("cxr-train --epochs 1 --batch-size 4");
    let (said, card) = report(&sandbox);
    assert!(card.contains("- Epochs: 1\n") && card.contains("The model has not been evaluated"));
    assert!(!card.contains("| Accuracy |") && !card.contains("Sensitivity"), "{card}");
    assert!(!card.contains("`cxr evaluate` has not run"), "{card}");
    assert!(card.contains("the output of `cxr evaluate` is left out: it was made from"), "{card}");
    let warning = "warning: the output of `cxr evaluate` is left out: it was made from another \
                   `train/model.json`; run `cxr evaluate --profile tutorial` to create it again";
    assert!(said.contains(warning), "{said}");
    assert!(card.contains("Run `cxr evaluate --profile tutorial` to make it again"), "{card}");
    let page = sandbox.read("artifacts/tutorial/report/report.html");
    assert!(page.contains("Left out: files of another run") && !page.contains("class=\"tile\""));
    let plot = sandbox.transcript("cxr-plot");
    assert!(plot.contains("exit: 1") && plot.contains("hint: run `cxr evaluate"), "{plot}");
    let compare = sandbox.transcript("cxr compare tutorial tutorial");
    assert!(compare.contains("`tutorial`: the output of `cxr evaluate` is left out"), "{compare}");
    assert!(!compare.contains("test images"), "{compare}");

    sandbox.ok("cxr-evaluate --resamples 20");
    let (said, card) = report(&sandbox);
    assert!(card.contains("- Epochs: 1\n") && card.contains("| Accuracy |"), "{card}");
    assert!(!said.contains("left out"), "{said}");
}

/// The probability of an image with the pixels outside the pooled region black is that of
/// the same image blackened by hand and given to `cxr predict`.
#[test]
fn pixels_outside_the_pooled_region_act_and_the_report_says_how_much() {
    use ndarray_npy::ReadNpyExt;
    let sandbox = demo();
    let explain = sandbox.json("artifacts/demo/explain/explain.json");
    let blackened = &explain["blackened"];
    assert_eq!(blackened["reach"], serde_json::json!([218, 224]));
    let largest = blackened["unpooled"]["largest"].as_f64().unwrap();
    let mean = blackened["unpooled"]["mean"].as_f64().unwrap();
    // Random weights hardly carry a pixel that far; tutorial.rs has those of ImageNet.
    assert!(largest >= mean, "{blackened}");
    assert!(blackened["pooled"]["mean"].as_f64().unwrap() > 0.0, "{blackened}");

    let table = csv::Reader::from_path(sandbox.path("artifacts/demo/explain/explain.csv"));
    let rows = table.unwrap().into_deserialize::<BTreeMap<String, String>>();
    let rows: Vec<_> = rows.map(Result::unwrap).collect();
    let number =
        |row: &BTreeMap<String, String>, column: &str| -> f64 { row[column].parse().unwrap() };
    let changes: Vec<f64> = rows
        .iter()
        .map(|row| (number(row, "unpooled_black") - number(row, "probability")).abs())
        .collect();
    let mean_of_rows = changes.iter().sum::<f64>() / changes.len() as f64;
    assert!((mean_of_rows - mean).abs() < 1e-6, "{mean_of_rows} {mean}");

    let index = Index::read(&sandbox.path("artifacts/demo/preprocess/index.csv")).unwrap();
    let pixels = std::fs::File::open(sandbox.path("artifacts/demo/preprocess/images.npy"));
    let pixels = ndarray::Array4::<u8>::read_npy(pixels.unwrap()).unwrap();
    let image = &rows[0];
    let row = index.rows.iter().find(|row| row.path == image["path"]).unwrap().row;
    let other = Sandbox::new();
    let blackened_image = image::RgbImage::from_fn(224, 224, |x, y| {
        let (y, x) = (y as usize, x as usize);
        let level = |c: usize| if y < 128 && x < 128 { pixels[[row, y, x, c]] } else { 0 };
        image::Rgb([level(0), level(1), level(2)])
    });
    blackened_image.save(other.path("black.png")).unwrap();
    let black = other.path("black.png");
    let line = format!("cxr-predict {} --profile demo --json", black.display());
    let said: serde_json::Value = serde_json::from_str(sandbox.ok(&line).trim()).unwrap();
    let expected = said["probabilities"][&image["predicted"]].as_f64().unwrap();
    assert!((number(image, "unpooled_black") - expected).abs() < 1e-5, "{image:?} {said}");

    for text in [sandbox.read(PAGE), sandbox.read(CARD)] {
        let said = format!("changes by {mean:.2} on average and {largest:.2} at most");
        assert!(text.contains(&said) && !text.contains("blind to"), "no `{said}`");
    }
}

#[test]
fn scores_that_can_leave_0_to_1_have_no_bar_of_that_scale() {
    let page = demo().read(PAGE);
    let bars = |name: &str| -> Vec<bool> {
        let start = format!("<tr><th scope=\"row\">{name}");
        let rows = page.match_indices(&start);
        rows.map(|(at, _)| page[at..].split("</tr>").next().unwrap().contains("class=\"range"))
            .collect()
    };
    for (name, bar) in [("Log loss", false), ("Matthews correlation", false), ("Accuracy", true)] {
        let bars = bars(name);
        assert!(!bars.is_empty() && bars.iter().all(|drawn| *drawn == bar), "{name}: {bars:?}");
    }
    assert!(page.contains("An image is predicted as its most probable class."));
}

/// Figures of another positive class do not stand in the page, nor its class in the recipe.
#[test]
fn figures_of_another_positive_class_are_left_out_and_named() {
    let sandbox = Sandbox::new().with_weights(random_weights());
    copy(&crate::support::trained().path("artifacts"), &sandbox.path("artifacts"));
    let read = |name: &str| sandbox.read(format!("artifacts/tutorial/report/{name}"));
    sandbox.ok("cxr-plot");
    sandbox.ok("cxr-report --images 0");
    assert!(read("report.html").contains("aria-labelledby=\"confusion-title"));

    sandbox.ok("cxr-plot --positive normal");
    let said = sandbox.transcript("cxr-report --images 0");
    let why = "its positive class is `normal`, and the report's is `covid`";
    assert!(said.contains(&format!("the output of `cxr plot` is left out: {why}")), "{said}");
    let page = read("report.html");
    assert!(!page.contains("aria-labelledby=\"confusion-title"), "{page}");
    assert!(page.contains("positive class is <code>normal</code>"), "{page}");
    assert!(!read("pipeline.toml").contains("positive"), "{}", read("pipeline.toml"));

    sandbox.ok("cxr-evaluate --positive normal --resamples 20");
    sandbox.ok("cxr-plot --positive normal");
    let said = sandbox.transcript("cxr-report --images 0");
    assert!(said.contains("exit: 0") && !said.contains("left out"), "{said}");
    assert!(read("pipeline.toml").contains("positive = \"normal\""));
}

/// The text of a built-in profile is of its own settings.
#[test]
fn the_tutorial_is_named_beside_its_own_settings_only() {
    let sandbox = Sandbox::new();
    for class in ["covid", "normal"] {
        for image in 0..6u8 {
            let pixel = |x: u32, y: u32| image::Luma([(x * y) as u8 ^ (image * 40)]);
            let path = sandbox.write(&format!("images/{class}/{image}.png"), "");
            image::GrayImage::from_fn(32, 32, pixel).save(path).unwrap();
        }
    }
    let reported = |line: &str| {
        sandbox.ok(line);
        sandbox.ok("cxr-report --images 0");
        let name = "artifacts/tutorial/report/";
        (sandbox.read(format!("{name}report.html")), sandbox.read(format!("{name}MODEL_CARD.md")))
    };
    sandbox.ok("cxr-preprocess --dataset images");
    let (page, card) = reported("cxr-split");
    for text in [&page, &card] {
        assert!(text.contains("the steps and settings of the published Keras tutorial"), "{text}");
    }
    assert!(card.contains("to repeat the steps and settings of a published classifier"));
    // Nothing is said of images that are on record nowhere.
    assert!(card.contains("left to the authors: data sharing") && !card.contains("public coll"));
    // The recipe names the data set that was read.
    let recipe = sandbox.read("artifacts/tutorial/report/pipeline.toml");
    assert!(recipe.contains("dataset = \"images\""), "{recipe}");
    for (line, changed) in
        [("cxr-split --test-size 0.34", "split.test-size"), ("cxr-split --seed 7", "seed")]
    {
        let (page, card) = reported(line);
        for text in [&page, &card] {
            let own = format!("profile tutorial with changed settings: {changed}");
            assert!(text.contains(&own), "{text}");
            assert!(!text.contains("published"), "{text}");
        }
    }
    let refused = sandbox.transcript("cxr-report --dataset images");
    assert!(refused.contains("exit: 2"), "{refused}");
}
