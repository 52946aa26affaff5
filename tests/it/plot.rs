//! `cxr-plot`.

use cxr::artifact::Document;
use cxr::artifact::groups::Grouping;
use cxr::artifact::metrics::Evaluation;
use cxr::artifact::predictions::Predictions;
use cxr::dataset::positive::positive;

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

/// Predictions of `images`, each a class and its probability of being `classes[0]`.
fn predictions(sandbox: &Sandbox, classes: &[&str], images: &[(&str, f64)]) {
    let columns: String = classes.iter().map(|class| format!(",p_{class}")).collect();
    let mut text = format!("path,patient,truth,predicted{columns}\n");
    for (row, (truth, p)) in images.iter().enumerate() {
        let predicted = if *p >= 0.5 { classes[0] } else { classes[1] };
        let rest = (1.0 - p) / (classes.len() - 1) as f64;
        let rest = format!(",{rest}").repeat(classes.len() - 1);
        text += &format!("{truth}/{row:03}.png,p{},{truth},{predicted},{p}{rest}\n", row / 2);
    }
    evaluated(sandbox, &text);
}

/// Writes predictions and their metrics, as `cxr-evaluate` does.
fn evaluated(sandbox: &Sandbox, text: &str) {
    let path = sandbox.write("artifacts/tutorial/evaluate/predictions.csv", text);
    let predictions = Predictions::read(&path).unwrap();
    let positive = positive("", &predictions.classes).unwrap_or(0);
    let evaluation = Evaluation { positive, prevalence: 0.1, resamples: 50, seed: 42, runs: 1 };
    let metrics = evaluation.evaluate(&predictions, &predictions.patients(), Grouping::Patient);
    metrics.write(&path.with_file_name("metrics.json")).unwrap();
}

/// `count` images of each class, the true class predicted for most of them.
fn several_classes(sandbox: &Sandbox, classes: usize, count: usize) {
    let names: Vec<String> = (0..classes).map(|class| format!("class {class}")).collect();
    let columns: String = names.iter().map(|class| format!(",p_{class}")).collect();
    let mut text = format!("path,patient,truth,predicted{columns}\n");
    for row in 0..classes * count {
        let truth = row % classes;
        let mut p: Vec<f64> = (0..classes)
            .map(|class| ((row * 7 + class * 13) as f64 * 12.9898).sin().abs() + 0.01)
            .collect();
        p[truth] += 0.6;
        let sum: f64 = p.iter().sum();
        let highest = (0..classes).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap();
        let (truth, predicted) = (&names[truth], &names[highest]);
        let p: String = p.iter().map(|p| format!(",{}", p / sum)).collect();
        text += &format!("{truth}/{row:03}.png,p{},{truth},{predicted}{p}\n", row / 2);
    }
    evaluated(sandbox, &text);
}

/// Half of the images are positive, and most score higher than the others.
fn two_classes(count: usize) -> Vec<(&'static str, f64)> {
    let image = |i: usize| {
        let noise = (i as f64 * 12.9898).sin().abs();
        if i.is_multiple_of(2) { ("covid", 1.0 - 0.7 * noise) } else { ("normal", 0.7 * noise) }
    };
    (0..count).map(image).collect()
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
fn many_images_give_every_figure_at_print_resolution() {
    let sandbox = Sandbox::new();
    history(&sandbox, 25);
    predictions(&sandbox, &["covid", "normal"], &two_classes(400));
    let stdout = sandbox.ok("cxr-plot");
    assert!(stdout.contains("6 figures") && !stdout.contains("no figure"), "{stdout}");
    assert_eq!(names(&sandbox), pairs(&ALL));

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
    let reason = |classes: &[&str], images: &[(&str, f64)], flags: &str, figure: &str| -> String {
        let sandbox = Sandbox::new();
        history(&sandbox, 1);
        predictions(&sandbox, classes, images);
        let json = sandbox.ok(&format!("cxr-plot --json {flags}"));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(!sandbox.path(format!("{OUT}/{figure}.png")).exists());
        assert!(sandbox.path(format!("{OUT}/confusion.png")).exists());
        json["left_out"][figure].as_str().unwrap().to_owned()
    };
    let two = ["covid", "normal"];
    assert_eq!(
        reason(&two, &two_classes(10), "", "calibration"),
        "there are 10 images, fewer than 20"
    );
    assert_eq!(reason(&two, &two_classes(8), "", "roc"), "`covid` has 4 images, fewer than 5");
    let of = |class: &'static str| {
        two_classes(40).into_iter().filter(|image| image.0 == class).collect::<Vec<_>>()
    };
    assert_eq!(reason(&two, &of("normal"), "", "roc"), "`covid` has 0 images, fewer than 5");
    let all = reason(&two, &of("covid"), "", "roc");
    assert_eq!(all, "0 images are not of `covid`, fewer than 5");
}

#[test]
fn the_curves_of_the_other_class_have_its_estimates() {
    let sandbox = Sandbox::new();
    history(&sandbox, 1);
    predictions(&sandbox, &["covid", "normal"], &two_classes(40));
    sandbox.ok("cxr-plot --positive normal");
    let roc = sandbox.read(format!("{OUT}/roc.svg"));
    let auc =
        &sandbox.json("artifacts/tutorial/evaluate/metrics.json")["by_class"]["normal"]["roc_auc"];
    let [value, low, high] = ["value", "low", "high"].map(|key| auc[key].as_f64().unwrap());
    let text = format!("AUC {value:.2} (95 % CI {low:.2} to {high:.2}); positive class: normal");
    assert!(roc.contains(&text), "no `{text}`");
}

/// One curve per class against the rest, each with the estimate of `metrics.json`, and the
/// mean of all classes.
#[test]
fn several_classes_have_every_figure() {
    let sandbox = Sandbox::new();
    history(&sandbox, 2);
    several_classes(&sandbox, 3, 20);
    sandbox.ok("cxr-plot");
    assert_eq!(names(&sandbox), pairs(&ALL));
    let title = sandbox.read(format!("{OUT}/history.svg"));
    assert!(title.contains("Training Loss and Accuracy") && !title.contains("COVID"), "{title}");
    let metrics = sandbox.json("artifacts/tutorial/evaluate/metrics.json");
    let brief = |estimate: &serde_json::Value, digits: usize| {
        let [value, low, high] = ["value", "low", "high"].map(|key| estimate[key].as_f64());
        let (value, low, high) = (value.unwrap(), low.unwrap(), high.unwrap());
        let ci = "95 % CI ";
        (
            format!("{value:.digits$} ({low:.digits$} to {high:.digits$})"),
            format!("{value:.digits$} ({ci}{low:.digits$} to {high:.digits$})"),
        )
    };
    for (figure, of_class, mean, digits) in [
        ("roc", "roc_auc", "macro_roc_auc", 2),
        ("precision-recall", "average_precision", "macro_average_precision", 2),
        ("calibration", "", "macro_brier", 3),
    ] {
        let svg = sandbox.read(format!("{OUT}/{figure}.svg"));
        let mean = brief(&metrics["scores"][mean], digits).1;
        assert!(svg.contains(&mean), "{figure}: no `{mean}`");
        for class in ["class 0", "class 1", "class 2"] {
            assert!(svg.contains(class), "{figure}: no `{class}`");
            if !of_class.is_empty() {
                let text = brief(&metrics["by_class"][class][of_class], digits).0;
                assert!(svg.contains(&format!("{class} {text}")), "{figure}: no `{text}`");
            }
        }
    }
}

/// Sixty classes took 1.98 GB. What does not fit is left out and said.
#[test]
fn figures_of_many_classes_are_bounded() {
    let sandbox = Sandbox::new();
    history(&sandbox, 2);
    several_classes(&sandbox, 60, 5);
    let stdout = sandbox.ok("cxr-plot");
    assert_eq!(names(&sandbox), pairs(&["history", "confusion"]));
    assert!(stdout.contains("no figure `roc`: there are 60 classes"), "{stdout}");
    let png = std::fs::read(sandbox.path(format!("{OUT}/confusion.png"))).unwrap();
    let image = image::load_from_memory(&png).unwrap();
    assert!(image.width() * image.height() < 9_000_000, "{} x {}", image.width(), image.height());
    several_classes(&sandbox, 90, 5);
    let stdout = sandbox.ok("cxr-plot");
    assert!(stdout.contains("no figure `confusion`: it would have"), "{stdout}");
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

/// The images of `covid` and `normal` as classes of other names.
fn renamed<'a>(images: &[(&str, f64)]) -> Vec<(&'a str, f64)> {
    let name = |class: &str| if class == "covid" { "PNEUMONIA" } else { "NORMAL" };
    images.iter().map(|(class, score)| (name(class), 1.0 - score)).collect()
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
    // Metrics of other predictions.
    predictions(&sandbox, &["covid", "normal"], &two_classes(12));
    let metrics = sandbox.read("artifacts/tutorial/evaluate/metrics.json");
    predictions(&sandbox, &["covid", "normal"], &two_classes(10));
    sandbox.write("artifacts/tutorial/evaluate/metrics.json", metrics);
    let other = sandbox.transcript("cxr-plot");
    assert!(other.contains("exit: 1") && other.contains("not those of its estimates"), "{other}");
    assert!(other.contains("cxr evaluate"), "{other}");
}
