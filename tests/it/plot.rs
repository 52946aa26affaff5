//! `cxr-plot`.

use std::time::{Duration, Instant};

use crate::support::Sandbox;

const OUT: &str = "artifacts/tutorial/plot";
const ALL: [&str; 6] = ["history", "confusion", "roc", "precision-recall", "calibration", "scores"];

fn history(sandbox: &Sandbox, epochs: usize) {
    let mut text = "epoch,loss,accuracy,val_loss,val_accuracy\n".to_owned();
    for epoch in 1..=epochs {
        let t = 1.0 / epoch as f64;
        text += &format!("{epoch},{},{},{},{}\n", 0.4 + 0.3 * t, 0.9 - 0.4 * t, 0.4 + 0.2 * t, 0.9);
    }
    sandbox.write("artifacts/tutorial/train/history.csv", text);
}

/// Predictions of `films`, each a class and its probability of being `classes[0]`.
fn predictions(sandbox: &Sandbox, classes: &[&str], films: &[(&str, f64)]) {
    let columns: String = classes.iter().map(|class| format!(",p_{class}")).collect();
    let mut text = format!("path,patient,truth,predicted{columns}\n");
    for (row, (truth, p)) in films.iter().enumerate() {
        let predicted = if *p >= 0.5 { classes[0] } else { classes[1] };
        let rest = (1.0 - p) / (classes.len() - 1) as f64;
        let rest = format!(",{rest}").repeat(classes.len() - 1);
        text += &format!("{truth}/{row:03}.png,p{},{truth},{predicted},{p}{rest}\n", row / 2);
    }
    sandbox.write("artifacts/tutorial/evaluate/predictions.csv", text);
}

/// Half of the films are positive, and most score higher than the others.
fn two_classes(count: usize) -> Vec<(&'static str, f64)> {
    let film = |i: usize| {
        let noise = (i as f64 * 12.9898).sin().abs();
        if i.is_multiple_of(2) { ("covid", 1.0 - 0.7 * noise) } else { ("normal", 0.7 * noise) }
    };
    (0..count).map(film).collect()
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    let files = sandbox.tree(OUT).into_iter().map(|(name, _)| name);
    files.filter(|name| name.ends_with(".png") || name.ends_with(".svg")).collect()
}

fn pairs(names: &[&str]) -> Vec<String> {
    let mut files: Vec<_> =
        names.iter().flat_map(|n| [format!("{n}.png"), format!("{n}.svg")]).collect();
    files.sort();
    files
}

#[test]
fn many_films_give_every_figure_at_print_resolution() {
    let sandbox = Sandbox::new();
    history(&sandbox, 25);
    predictions(&sandbox, &["covid", "normal"], &two_classes(400));
    let start = Instant::now();
    let stdout = sandbox.ok("cxr-plot");
    let took = start.elapsed();
    assert!(stdout.contains("6 figures") && !stdout.contains("no figure"), "{stdout}");
    assert_eq!(names(&sandbox), pairs(&ALL));
    // A second in release; dev builds on a busy machine get more.
    assert!(took < Duration::from_secs(15), "{took:?}");

    let png = std::fs::read(sandbox.path(format!("{OUT}/history.png"))).unwrap();
    let image = image::load_from_memory(&png).unwrap();
    assert_eq!((image.width(), image.height()), (1920, 1440));
    let svg = sandbox.read(format!("{OUT}/history.svg"));
    for text in [
        "Training Loss and Accuracy on COVID-19 Dataset",
        "Epoch #",
        "Loss/Accuracy",
        "train_loss",
        "val_loss",
        "train_acc",
        "val_acc",
    ] {
        assert!(svg.contains(&format!(">\n{text}\n<")), "`{text}` is not in the history");
    }
}

#[test]
fn figures_that_would_say_nothing_are_left_out_with_their_reason() {
    let reason = |classes: &[&str], films: &[(&str, f64)], flags: &str, figure: &str| {
        let sandbox = Sandbox::new();
        history(&sandbox, 1);
        predictions(&sandbox, classes, films);
        let json = sandbox.ok(&format!("cxr-plot --json {flags}"));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(!sandbox.path(format!("{OUT}/{figure}.png")).exists());
        assert!(sandbox.path(format!("{OUT}/confusion.png")).exists());
        json["left_out"][figure].as_str().unwrap().to_owned()
    };
    let two = ["covid", "normal"];
    assert_eq!(
        reason(&two, &two_classes(10), "", "calibration"),
        "there are 10 test films, fewer than 20"
    );
    assert_eq!(reason(&two, &two_classes(8), "", "roc"), "`covid` has 4 test films, fewer than 5");
    assert_eq!(
        reason(&["covid", "normal", "other"], &two_classes(40), "", "scores"),
        "it is of two classes, and there are 3"
    );
    let alone: Vec<_> =
        two_classes(40).into_iter().filter(|(class, _)| *class == "normal").collect();
    assert_eq!(reason(&two, &alone, "", "roc"), "`covid` has 0 test films, fewer than 5");
}

#[test]
fn a_positive_class_that_is_not_there_is_refused() {
    let sandbox = Sandbox::new();
    history(&sandbox, 1);
    predictions(&sandbox, &["covid", "normal"], &two_classes(40));
    let text = sandbox.transcript("cxr-plot --positive Covid");
    assert!(text.contains("exit: 2"), "{text}");
    assert!(
        text.contains("there is no class `Covid`; the classes are `covid`, `normal`"),
        "{text}"
    );
    assert!(text.contains("hint: give `--positive covid` or `--positive normal`"), "{text}");
    // The default is the class with a finding, whatever it is called.
    predictions(&sandbox, &["NORMAL", "PNEUMONIA"], &renamed(&two_classes(40)));
    sandbox.ok("cxr-plot");
    assert!(sandbox.read(format!("{OUT}/roc.svg")).contains("positive class: PNEUMONIA"));
}

/// The films of `covid` and `normal` as classes of other names.
fn renamed<'a>(films: &[(&str, f64)]) -> Vec<(&'a str, f64)> {
    let name = |class: &str| if class == "covid" { "PNEUMONIA" } else { "NORMAL" };
    films.iter().map(|(class, score)| (name(class), 1.0 - score)).collect()
}

#[test]
fn figures_left_out_now_take_their_old_files_along() {
    let sandbox = Sandbox::new();
    history(&sandbox, 2);
    predictions(&sandbox, &["covid", "normal"], &two_classes(40));
    sandbox.ok("cxr-plot");
    assert_eq!(names(&sandbox), pairs(&ALL));
    predictions(&sandbox, &["covid", "normal"], &two_classes(8));
    let stdout = sandbox.ok("cxr-plot");
    for name in ["calibration", "precision-recall", "roc"] {
        assert!(stdout.contains(&format!("no figure `{name}`: ")), "{stdout}");
    }
    assert_eq!(names(&sandbox), pairs(&["history", "confusion", "scores"]));
}

#[test]
fn one_thread_and_two_draw_the_same_bytes() {
    let draw = |threads| {
        let sandbox = Sandbox::new();
        history(&sandbox, 25);
        predictions(&sandbox, &["covid", "normal"], &two_classes(60));
        sandbox.ok(&format!("cxr-plot --threads {threads}"));
        let files = sandbox.tree(OUT).into_iter();
        files.filter(|(name, _)| !name.starts_with('.')).collect::<Vec<_>>()
    };
    assert!(draw(1) == draw(2));
}

#[test]
fn missing_or_broken_inputs_are_named_and_good_figures_stay() {
    let sandbox = Sandbox::new();
    history(&sandbox, 3);
    predictions(&sandbox, &["covid", "normal"], &two_classes(10));
    sandbox.ok("cxr-plot");
    let before = names(&sandbox);
    let csv = sandbox.write("artifacts/tutorial/evaluate/predictions.csv", "path,patient\n");
    let broken = sandbox.transcript("cxr-plot");
    assert!(broken.contains("exit: 1") && broken.contains("cxr evaluate"), "{broken}");
    std::fs::remove_file(csv).unwrap();
    let missing = sandbox.transcript("cxr-plot");
    assert!(missing.contains("exit: 1") && missing.contains("there is no"), "{missing}");
    assert_eq!(names(&sandbox), before);
    let usage = sandbox.transcript("cxr-plot --bins 0");
    assert!(usage.contains("exit: 2") && usage.contains("`bins` is 0"), "{usage}");
}
