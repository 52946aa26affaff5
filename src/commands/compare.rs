//! `cxr compare A B`: table of two profiles, with a sentence per row on what changed and why
//! it matters.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};
use serde::Serialize;
use serde_json::Value;

use super::artifacts::Artifacts;
use crate::cli::{Context, Failure, Outcome, shell_word};

/// Arguments of `cxr compare`.
pub fn command() -> Command {
    let profile = |name: &'static str| Arg::new(name).required(true).value_name("PROFILE");
    Command::new("compare")
        .about("Compare two profiles: split, leakage, performance and audit")
        .arg(profile("a").help("Profile that has run, or the folder of its artifacts"))
        .arg(profile("b").help("Second profile or folder"))
        .after_help(
            "Examples:\n  # Compare the tutorial with the strict evaluation\n  cxr compare tutorial strict",
        )
}

/// Compares two profiles.
///
/// # Errors
/// If a profile has not run, or a file differs from its record.
pub fn run(ctx: &Context, matches: &ArgMatches) -> Result<Outcome, Failure> {
    let side = |name: &str| {
        let given: &String = matches.get_one(name).expect("it is required");
        Side::read(given, &[ctx.paths.artifacts.join(given), PathBuf::from(given)])
    };
    let (a, b) = (side("a")?, side("b")?);
    let warnings = [a.artifacts.warnings(), b.artifacts.warnings()].concat();
    warnings.iter().for_each(|warning| ctx.ui.warn(warning));
    let rows = vec![
        images(&a, &b),
        split(&a, &b),
        leaking(&a, &b),
        evaluation_size(&a, &b),
        metric(&a, &b, "accuracy", "proportion of images classified correctly"),
        metric(&a, &b, "sensitivity", "proportion of positive images predicted as positive"),
        metric(&a, &b, "specificity", "proportion of negative images predicted as negative"),
        metric(&a, &b, "roc_auc", "probability that a positive image scores above a negative one"),
        calibration(&a, &b),
        audit(&a, &b),
    ];
    Ok(Outcome::new(&Summary { a: a.name, b: b.name, rows }))
}

/// Artifacts of one profile; a missing document is null.
struct Side {
    name: String,
    artifacts: Artifacts,
    /// BLAKE3 hash of each image file, in the order of the rows; `None` if unknown.
    images: Option<Vec<String>>,
    split: Value,
    metrics: Value,
    crossval: Value,
    audit: Value,
}

impl Side {
    /// Reads the first of `folders` that exists.
    fn read(name: &str, folders: &[PathBuf]) -> Result<Self, Failure> {
        let Some(folder) = folders.iter().find(|folder| folder.is_dir()) else {
            let error = format!("the profile `{name}` has not run: no `{}`", folders[0].display());
            let hint = format!("run `cxr run --profile {}`", shell_word(name));
            return Err(Failure::new(error).hint(hint));
        };
        let artifacts = Artifacts::open(name, folder)?;
        let read = |file| artifacts.document(file);
        let index = artifacts.index()?;
        Ok(Self {
            name: name.to_owned(),
            images: index.map(|index| index.rows.into_iter().map(|image| image.hash).collect()),
            split: read("split/split.json")?,
            metrics: read("evaluate/metrics.json")?,
            crossval: read("crossval/crossval.json")?,
            audit: read("audit/audit.json")?,
            artifacts,
        })
    }

    /// Hashes of the images that were read; `None` if unknown.
    fn read_images(&self) -> Option<BTreeSet<&str>> {
        Some(self.images.as_ref()?.iter().map(String::as_str).collect())
    }

    /// Hashes of the evaluated images: all images of a cross-validation, else the test images.
    fn evaluated(&self) -> Option<BTreeSet<&str>> {
        if !self.crossval.is_null() {
            return self.read_images();
        }
        let images = self.images.as_ref().filter(|_| !self.metrics.is_null())?;
        let rows = self.split.get("test")?.as_array()?;
        let image = |row: &Value| Some(images.get(usize::try_from(row.as_u64()?).ok()?)?.as_str());
        rows.iter().map(image).collect()
    }

    /// Metric with its interval, from the cross-validation if it has run, else from the test
    /// images.
    fn metric(&self, name: &str) -> Option<Estimate> {
        let read = |document: &Value, pointer: String| {
            document.pointer(&pointer).and_then(Estimate::from_json)
        };
        // Wilson's interval of a top-level rate has a width even if all images are correct.
        read(&self.crossval, format!("/pooled/{name}"))
            .or_else(|| read(&self.metrics, format!("/{name}")))
            .or_else(|| read(&self.metrics, format!("/scores/{name}")))
    }

    /// Number of evaluated images.
    fn images(&self) -> Option<u64> {
        let images = |document: &Value| document.get("images").and_then(Value::as_u64);
        images(&self.crossval).or_else(|| images(&self.metrics))
    }

    /// Number of known patients in both training and test set.
    fn leaking(&self) -> Option<usize> {
        self.split.get("leaking").and_then(Value::as_array).map(Vec::len)
    }

    /// Number of images without patient ID, whose patients may be in both sets.
    fn unknown(&self) -> u64 {
        self.split.get("unknown").and_then(Value::as_u64).unwrap_or(0)
    }
}

/// Metric with its 95 % interval.
struct Estimate {
    value: f64,
    interval: Option<(f64, f64)>,
}

impl Estimate {
    fn from_json(value: &Value) -> Option<Self> {
        let part = |key: &str| value.get(key).and_then(Value::as_f64);
        Some(Self { value: part("value")?, interval: part("low").zip(part("high")) })
    }

    /// Describes the change from this estimate to `other`.
    fn describe_change(&self, other: &Self) -> String {
        let step = other.value - self.value;
        let way = if step > 0.0 { "higher" } else { "lower" };
        let apart = match (self.interval, other.interval) {
            (Some((low, high)), Some((from, to))) => from > high || to < low,
            _ => {
                return format!(
                    "{:.2} {way}; an interval is missing, so chance is not ruled out",
                    step.abs()
                );
            }
        };
        match apart {
            _ if step.abs() < 0.005 => "equal to two decimals".to_owned(),
            true => format!(
                "{:.2} {way}, and the intervals do not overlap: unlikely to be chance",
                step.abs()
            ),
            false => format!(
                "{:.2} {way}, but the intervals overlap: the difference may be chance",
                step.abs()
            ),
        }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.value)?;
        self.interval.map_or(Ok(()), |(low, high)| write!(f, " [{low:.2}, {high:.2}]"))
    }
}

/// Row of the comparison.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    a: String,
    b: String,
    /// Sentence on what changed and why it matters.
    sentence: String,
}

impl Row {
    fn new(what: &'static str, [a, b]: [Option<String>; 2], sentence: impl Into<String>) -> Self {
        let shown = |side: Option<String>| side.unwrap_or_else(|| "-".to_owned());
        Self { what, a: shown(a), b: shown(b), sentence: sentence.into() }
    }
}

fn images(a: &Side, b: &Side) -> Row {
    let sentence = match (a.read_images(), b.read_images()) {
        (Some(a), Some(b)) if a == b => "both profiles read the same images".to_owned(),
        (Some(a), Some(b)) => match a.intersection(&b).count() {
            0 => "the profiles have no image in common: their metrics are of different data \
                  sets, and do not compare the methods"
                .to_owned(),
            common => format!(
                "the profiles read different images: {common} are in both, {} only in the first, \
                 {} only in the second",
                a.len() - common,
                b.len() - common
            ),
        },
        _ => "it is unknown whether both profiles read the same images".to_owned(),
    };
    let shown = |side: &Side| Some(side.images.as_ref()?.len().to_string());
    Row::new("images", [shown(a), shown(b)], sentence)
}

fn split(a: &Side, b: &Side) -> Row {
    let method = |side: &Side| {
        let method = side.split.get("method")?.as_str()?;
        let by = side.split.pointer("/groups/by").and_then(Value::as_str).unwrap_or("patient");
        Some(if method == "group" { format!("group, by {by}") } else { method.to_owned() })
    };
    let sides = [method(a), method(b)];
    let sentence = match sides.each_ref().map(|side| side.as_deref().unwrap_or("")) {
        [from, to] if from == to => "both profiles split by the same method",
        ["image", to] if to.starts_with("group") => {
            "a patient's images now stay together, so the test is on new patients"
        }
        [from, "image"] if from.starts_with("group") => {
            "a patient's images may now be in training and test: leakage can inflate the metrics"
        }
        _ => "the splits differ, so the metrics do not measure the same thing",
    };
    Row::new("split", sides, sentence)
}

fn leaking(a: &Side, b: &Side) -> Row {
    let sentence = match (a.leaking(), b.leaking()) {
        (Some(0), Some(0)) => "no known patient is in both training and test in either profile",
        (Some(_), Some(0)) => "known patients no longer inflate the metrics",
        (None, Some(0)) => "no known patient is in both training and test in the second profile",
        (_, Some(_)) => "patients known from training inflate the metrics",
        _ => "without a split, leakage is unknown",
    };
    let doubt = match a.unknown() + b.unknown() {
        0 => "",
        _ => "; for images without patient ID this is unknown",
    };
    let shown = |side: &Side| {
        side.leaking().map(|known| match side.unknown() {
            0 => known.to_string(),
            unknown => format!("{known} known, {unknown} images without ID"),
        })
    };
    Row::new("leaking patients", [shown(a), shown(b)], format!("{sentence}{doubt}"))
}

fn evaluation_size(a: &Side, b: &Side) -> Row {
    let shown = |side: &Side| {
        let images = side.images()?;
        let crossed = side.crossval.get("images").is_some();
        Some(format!("{images} {}", if crossed { "out of fold" } else { "test images" }))
    };
    let sentence = match (a.images(), b.images()) {
        (Some(from), Some(to)) if to > from => "more images, so the intervals tend to be narrower",
        (Some(from), Some(to)) if to < from => "fewer images, so the intervals tend to be wider",
        (Some(_), Some(_)) => "the same number of images",
        _ => "a profile without evaluation cannot be compared",
    };
    let others = match (a.evaluated(), b.evaluated()) {
        (Some(a), Some(b)) if a != b => {
            format!("; {} of the images are evaluated in both", a.intersection(&b).count())
        }
        _ => String::new(),
    };
    Row::new("evaluated on", [shown(a), shown(b)], format!("{sentence}{others}"))
}

fn metric(a: &Side, b: &Side, name: &'static str, meaning: &str) -> Row {
    let (from, to) = (a.metric(name), b.metric(name));
    let sentence = match (&from, &to) {
        (Some(from), Some(to)) => format!("{meaning}: {}", from.describe_change(to)),
        _ => meaning.to_owned(),
    };
    let what = if name == "roc_auc" { "roc auc" } else { name };
    Row::new(what, [from, to].map(|side| side.map(|e| e.to_string())), sentence)
}

fn calibration(a: &Side, b: &Side) -> Row {
    let scaled = |side: &Side| {
        let after = side.crossval.pointer("/calibration/after/expected_calibration_error")?;
        after.as_f64()
    };
    let shown = |side: &Side| {
        let raw = side.metric("expected_calibration_error")?.value;
        Some(match scaled(side) {
            Some(scaled) => format!("{raw:.3}, scaled {scaled:.3}"),
            None => format!("{raw:.3}"),
        })
    };
    let loss = |when: &str| b.crossval.pointer(&format!("/calibration/{when}/log_loss"))?.as_f64();
    let sentence = match (scaled(a), scaled(b), loss("before").zip(loss("after"))) {
        (None, Some(_), Some((before, after))) if after < before => {
            "now estimated out of fold; a temperature fitted on other folds lowers the log loss"
        }
        (None, Some(_), Some(_)) => {
            "now estimated out of fold; a temperature fitted on other folds does not lower the log loss"
        }
        (None, Some(_), None) => "now estimated out of fold",
        _ => "mean gap between predicted probability and observed frequency",
    };
    Row::new("calibration error", [shown(a), shown(b)], sentence)
}

fn audit(a: &Side, b: &Side) -> Row {
    let result = |side: &Side| Some(side.audit.pointer("/verdict/text")?.as_str()?.to_owned());
    let sides = [result(a), result(b)];
    if [a, b].iter().any(|side| side.artifacts.leaves_out("audit")) {
        let shown = |side: &Side| match side.artifacts.leaves_out("audit") {
            true => Some("left out".to_owned()),
            false => result(side),
        };
        return Row::new("audit", [shown(a), shown(b)], "an audit of another model is left out");
    }
    let sentence = match &sides {
        [None, None] => "neither profile was audited for shortcuts",
        [None, Some(_)] => "only the second profile was audited for shortcuts",
        [Some(_), None] => "only the first profile was audited for shortcuts",
        [Some(_), Some(_)] => "result of classifiers trained without the lungs",
    };
    Row::new("audit", sides, sentence)
}

#[derive(Debug, Serialize)]
struct Summary {
    a: String,
    b: String,
    rows: Vec<Row>,
}

/// Maximum width of a cell, in characters; a longer text is printed below the table.
const WIDEST: usize = 30;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |text: &str| text.chars().count() <= WIDEST;
        let label = |name: &'static str, given: &str| {
            if fits(given) { given.to_owned() } else { name.to_owned() }
        };
        let (first, second) = (label("A", &self.a), label("B", &self.b));
        for (label, given) in [(&first, &self.a), (&second, &self.b)] {
            if label != given {
                writeln!(f, "{label} is {given}")?;
            }
        }
        let cell = |text: &str| if fits(text) { text.to_owned() } else { "see below".to_owned() };
        let rows: Vec<_> = self.rows.iter().map(|r| (r.what, cell(&r.a), cell(&r.b))).collect();
        let width = |texts: &mut dyn Iterator<Item = &str>| texts.map(|t| t.chars().count()).max();
        let what = width(&mut rows.iter().map(|r| r.0)).unwrap_or(0);
        let column = width(&mut rows.iter().map(|r| r.1.as_str()).chain([first.as_str()]));
        let column = column.unwrap_or(0);
        writeln!(f, "{:what$}  {first:column$}  {second}", "")?;
        for (name, a, b) in &rows {
            writeln!(f, "{name:what$}  {a:column$}  {b}")?;
        }
        writeln!(f)?;
        for Row { what, a, b, sentence } in &self.rows {
            writeln!(f, "{}", wrapped(format!("{what}: {sentence}")))?;
            for (side, text) in [(&first, a), (&second, b)] {
                if !fits(text) {
                    writeln!(f, "{}", wrapped(format!("  {side}: {text}")))?;
                }
            }
        }
        Ok(())
    }
}

/// Wraps a paragraph at 80 columns; indents every line after the first.
fn wrapped(text: String) -> String {
    let indent = if text.starts_with(' ') { "    " } else { "  " };
    textwrap::fill(&text, textwrap::Options::new(80).subsequent_indent(indent))
}
