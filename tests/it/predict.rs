//! `cxr-predict`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use cxr::artifact::predictions::{Prediction, Predictions};
use cxr::classifier::figure_name;
use serde_json::{Value, json};

use crate::support::{Sandbox, random_weights, trained};

const EVALUATED: &str = "artifacts/tutorial/evaluate/predictions.csv";

/// What `cxr-evaluate` said of the test images.
fn evaluated() -> Vec<Prediction> {
    Predictions::read(&trained().path(EVALUATED)).unwrap().rows
}

/// The test images' paths from the sandbox, in the order of `evaluated`.
fn images() -> Vec<String> {
    evaluated().iter().map(|row| format!("dataset/{}", row.path)).collect()
}

/// Each line of the output as JSON.
fn documents(line: &str) -> Vec<Value> {
    let text = trained().ok(line);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A running program of the trained sandbox with pipes.
fn start(line: &str) -> std::process::Child {
    let program = trained().cxr(line);
    let mut command = Command::new(program.get_program());
    command.args(program.get_args()).current_dir(trained().path(""));
    for (key, value) in program.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn it_says_what_evaluate_said_whatever_stands_beside_a_image() {
    let together = documents(&format!("cxr-predict --json {}", images().join(" ")));
    assert_eq!(together.len(), images().len());
    for ((said, row), path) in together.iter().zip(evaluated()).zip(images()) {
        let classes = ["covid", "normal"];
        assert_eq!(said["schema"], "cxr.prediction/2");
        assert_eq!(said["path"], json!(path));
        assert_eq!(said["decision"], classes[row.predicted]);
        for (class, p) in classes.iter().zip(&row.probabilities) {
            assert_eq!(said["probabilities"][class], json!(p), "{path}");
        }
        let alone = documents(&format!("cxr-predict --threads 1 --json {path}"));
        assert_eq!(alone, std::slice::from_ref(said));
    }
}

#[test]
fn every_format_holds_the_same_images_in_the_same_order() {
    let images = images();
    let csv = trained().ok(&format!("cxr-predict --format csv {}", images.join(" ")));
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let header: Vec<_> = rows.headers().unwrap().iter().map(str::to_owned).collect();
    let columns = [
        "path",
        "decision",
        "p_covid",
        "p_normal",
        "ood_score",
        "ood_part",
        "out_of_distribution",
        "audit",
        "notes",
    ];
    assert_eq!(header, columns);
    let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
    let json = documents(&format!("cxr-predict --format jsonl {}", images.join(" ")));
    let table = trained().ok(&format!("cxr-predict {}", images.join(" ")));
    let table: Vec<_> = table.lines().collect();
    assert_eq!(table[0], "   covid    normal  decision  out of distribution  audit  image");
    assert_eq!(
        (rows.len(), json.len(), table.len()),
        (images.len(), images.len(), images.len() + 1)
    );
    for (((path, row), json), line) in images.iter().zip(&rows).zip(&json).zip(&table[1..]) {
        assert_eq!((&row[0], &row[7], &row[8]), (path.as_str(), "none", ""));
        assert_eq!(json["notes"], json!([]));
        assert_eq!(json["path"], json!(path));
        assert_eq!(json["audit"], "none");
        assert_eq!(row[2].parse::<f64>().unwrap(), json["probabilities"]["covid"]);
        assert!(line.ends_with(path) && line.contains(&row[1]), "{line}");
        let p: f64 = row[2].parse().unwrap();
        assert!(line.trim_start().starts_with(&format!("{p:.4}")), "{line}");
    }
}

#[test]
fn a_bad_image_is_one_error_line_and_exit_code_1_at_the_end() {
    let sandbox = Sandbox::new().with_weights(random_weights());
    sandbox.write("images/b.png", "no picture");
    let artifacts = trained().path("artifacts");
    let first = trained().path(&images()[0]);
    for name in ["images/a.png", "images/c.png"] {
        std::fs::copy(&first, sandbox.path(name)).unwrap();
    }
    let line = format!("cxr-predict --artifacts {} images gone.png --json", artifacts.display());
    let output = sandbox.cxr(&line).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let paths: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let paths: Vec<_> = paths.iter().map(|line| line["path"].clone()).collect();
    assert_eq!(paths, ["images/a.png", "images/c.png"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<_> = errors.lines().filter(|line| line.starts_with("error:")).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("`images/b.png`: not an image"), "{errors:?}");
    assert!(errors[1].contains("`gone.png`: the file cannot be read: No such file"), "{errors:?}");
}

#[test]
fn masks_beside_the_images_of_a_folder_are_left_out() {
    let sandbox = Sandbox::new().with_weights(random_weights());
    let artifacts = trained().path("artifacts");
    let first = std::fs::read(trained().path(&images()[0])).unwrap();
    for name in ["images/a.png", "images/a_mask.png", "images/masks/b.png", "images/deep/c.png"] {
        sandbox.write(name, &first);
    }
    // A mask by its pixels has the name of an image in another folder.
    let two_levels = image::GrayImage::from_fn(32, 32, |x, _| image::Luma([255 * (x / 16) as u8]));
    two_levels.save(sandbox.path("images/c.png")).unwrap();
    let predicted = |named: &str| {
        let line = format!("cxr-predict --artifacts {} {named} --json -v", artifacts.display());
        let output = sandbox.cxr(&line).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let paths: Vec<_> = lines.map(|line| line["path"].as_str().unwrap().to_owned()).collect();
        (paths, String::from_utf8(output.stderr).unwrap())
    };
    let (paths, told) = predicted("images");
    assert_eq!(paths, ["images/a.png", "images/deep/c.png"]);
    assert!(told.contains("excluded `images/a_mask.png`: a mask by its name"), "{told}");
    assert!(told.contains("excluded `images/masks/b.png`: a mask by its folder"), "{told}");
    assert!(told.contains("excluded `images/c.png`: a mask by its two levels of grey"), "{told}");
    assert!(told.contains("3 masks excluded"), "{told}");
    let (paths, told) = predicted("images/a_mask.png images/masks images/c.png");
    assert_eq!(paths, ["images/a_mask.png", "images/masks/b.png", "images/c.png"]);
    assert!(told.contains("two levels of grey only"), "{told}");
}

#[test]
fn lines_come_as_soon_as_their_images_are_named() {
    let mut child = start("cxr-predict - --format csv");
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with("path,decision"));
    for path in images().iter().take(2) {
        writeln!(stdin, "{path}").unwrap();
        assert!(lines.next().unwrap().starts_with(path));
    }
    drop(stdin);
    assert_eq!(lines.next(), None);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let mut child = start("cxr-predict - --json");
    let mut stdin = child.stdin.take().unwrap();
    let image = &images()[0];
    writeln!(stdin, "{image}").unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(image.as_str()));
    // The pipe is closed; the next result finds nobody.
    writeln!(stdin, "{image}").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn noise_is_out_of_distribution() {
    let sandbox = Sandbox::new().with_weights(random_weights());
    let mut state = 7u32;
    let noise = image::RgbImage::from_fn(300, 200, |_, _| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        image::Rgb((state >> 8).to_le_bytes()[..3].try_into().unwrap())
    });
    noise.save(sandbox.path("noise.png")).unwrap();
    let artifacts = trained().path("artifacts");
    let line = format!("cxr-predict --json noise.png --artifacts {}", artifacts.display());
    let said: Value = serde_json::from_str(&sandbox.ok(&line)).unwrap();
    assert_eq!(said["out_of_distribution"], json!(true), "{said}");
    let like = documents(&format!("cxr-predict --json {}", images()[0]));
    assert!(said["ood_score"].as_f64() > like[0]["ood_score"].as_f64(), "{said} {like:?}");
}

#[test]
fn saliency_is_a_picture_a_image() {
    let out = tempfile::tempdir().unwrap();
    let (image, folder) = (&images()[0], out.path().join("saliency"));
    trained().ok(&format!("cxr-predict {image} --saliency {}", folder.display()));
    let pictures: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    let name = format!("{}.png", figure_name(image));
    assert_eq!(pictures, [folder.join(name)]);
    let picture = image::open(&pictures[0]).unwrap();
    assert!(picture.width() > 500 && picture.height() > 300);
}

#[test]
fn without_images_or_a_model_the_way_to_them_is_named() {
    let sandbox = Sandbox::new();
    let said = sandbox.transcript("cxr-predict image.png");
    assert!(said.contains("exit: 1") && said.contains("there is no model at"), "{said}");
    assert!(said.contains("hint: train a model with `cxr run`, or pass one"), "{said}");
    assert!(sandbox.transcript("cxr-predict").contains("exit: 2"));
    let said = sandbox.transcript("cxr-predict x --ood-false-positive-rate 5");
    let text = "`ood-false-positive-rate` is 5, expected 0 to 1";
    assert!(said.contains("exit: 2") && said.contains(text), "{said}");
    let said = sandbox.transcript("cxr-predict x --false-alarms 0.1");
    let text = "`--false-alarms` is now `--ood-false-positive-rate`";
    assert!(said.contains("exit: 2") && said.contains(text), "{said}");
    assert!(said.contains("hint: `--ood-false-positive-rate 0.1`"), "{said}");
}
