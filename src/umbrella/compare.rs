//! `cxr compare A B`: two profiles side by side, with a plain sentence on what
//! changed and why it matters.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};
use serde::Serialize;
use serde_json::Value;

use super::artifacts::Artifacts;
use crate::cli::{Context, Failure, Outcome, shell_word};

/// The arguments of `cxr compare`.
pub fn command() -> Command {
    let profile = |name: &'static str| Arg::new(name).required(true).value_name("PROFILE");
    Command::new("compare")
        .about("Show two profiles side by side: how they split, what they score, and how far to believe it")
        .arg(profile("a").help("A profile that has run, or the folder of its artifacts"))
        .arg(profile("b").help("Another"))
        .after_help(
            "Examples:\n  # What is left of the tutorial's accuracy?\n  cxr compare tutorial strict",
        )
}

/// Compares the profiles.
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
        judged(&a, &b),
        figure(&a, &b, "accuracy", "of all images, how many are named rightly"),
        figure(&a, &b, "sensitivity", "of the positive images, how many are found"),
        figure(&a, &b, "specificity", "of the other images, how many are left in peace"),
        figure(&a, &b, "roc_auc", "how often a positive image scores above another"),
        calibration(&a, &b),
        audit(&a, &b),
    ];
    Ok(Outcome::new(&Summary { a: a.name, b: b.name, rows }))
}

/// What a profile left behind; what it did not is null.
struct Side {
    name: String,
    artifacts: Artifacts,
    /// BLAKE3 of each image file that was read, in the order of the rows; none if unknown.
    images: Option<Vec<String>>,
    split: Value,
    metrics: Value,
    crossval: Value,
    audit: Value,
}

impl Side {
    /// From the first of `folders` that is there.
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

    /// The images that were read.
    fn read_images(&self) -> Option<BTreeSet<&str>> {
        Some(self.images.as_ref()?.iter().map(String::as_str).collect())
    }

    /// The images that the figures are of: all of a cross-validation, else the test images.
    fn evaluated(&self) -> Option<BTreeSet<&str>> {
        if !self.crossval.is_null() {
            return self.read_images();
        }
        let images = self.images.as_ref().filter(|_| !self.metrics.is_null())?;
        let rows = self.split.get("test")?.as_array()?;
        let image = |row: &Value| Some(images.get(usize::try_from(row.as_u64()?).ok()?)?.as_str());
        rows.iter().map(image).collect()
    }

    /// A figure with its interval: of the cross-validation, where there is one,
    /// else of the test images.
    fn figure(&self, name: &str) -> Option<Estimate> {
        let of = |document: &Value, place: String| document.pointer(&place).and_then(Estimate::of);
        // A rate has Wilson's interval, which ten images that are all right do not shrink to nothing.
        of(&self.crossval, format!("/pooled/{name}"))
            .or_else(|| of(&self.metrics, format!("/{name}")))
            .or_else(|| of(&self.metrics, format!("/scores/{name}")))
    }

    /// The images that the figures are of.
    fn images(&self) -> Option<u64> {
        let images = |of: &Value| of.get("images").and_then(Value::as_u64);
        images(&self.crossval).or_else(|| images(&self.metrics))
    }

    /// Patients known to stand on both sides of the split.
    fn leaking(&self) -> Option<usize> {
        self.split.get("leaking").and_then(Value::as_array).map(Vec::len)
    }

    /// Images of unknown patients, who may stand on both sides.
    fn unknown(&self) -> u64 {
        self.split.get("unknown").and_then(Value::as_u64).unwrap_or(0)
    }
}

struct Estimate {
    value: f64,
    interval: Option<(f64, f64)>,
}

impl Estimate {
    fn of(value: &Value) -> Option<Self> {
        let part = |key: &str| value.get(key).and_then(Value::as_f64);
        Some(Self { value: part("value")?, interval: part("low").zip(part("high")) })
    }

    /// How it stands to another, as far as these images can tell.
    fn against(&self, other: &Self) -> String {
        let step = other.value - self.value;
        let way = if step > 0.0 { "higher" } else { "lower" };
        let apart = match (self.interval, other.interval) {
            (Some((low, high)), Some((from, to))) => from > high || to < low,
            _ => {
                return format!(
                    "{:.2} {way}; without both intervals chance is not ruled out",
                    step.abs()
                );
            }
        };
        match apart {
            _ if step.abs() < 0.005 => "the same, to two digits".to_owned(),
            true => format!(
                "{:.2} {way}, and the intervals lie apart: more than chance among such images",
                step.abs()
            ),
            false => format!(
                "{:.2} {way}, but the intervals overlap: these images do not show a difference",
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

/// A line of the comparison.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    a: String,
    b: String,
    /// What changed and why it matters.
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
            0 => "no image is in both: the figures are of different data sets, and their \
                  difference tells nothing of the methods"
                .to_owned(),
            common => format!(
                "the profiles read different images: {common} are in both, {} only in the first, \
                 {} only in the second",
                a.len() - common,
                b.len() - common
            ),
        },
        _ => "whether both profiles read the same images is not known".to_owned(),
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
        [from, to] if from == to => "both deal the images alike",
        ["image", to] if to.starts_with("group") => {
            "a patient's images now stay together, so the test asks about strangers"
        }
        [from, "image"] if from.starts_with("group") => {
            "a patient's images are now torn apart, so the test asks about faces it may know"
        }
        _ => "the tests ask different questions, so their figures are not of one kind",
    };
    Row::new("split", sides, sentence)
}

fn leaking(a: &Side, b: &Side) -> Row {
    let sentence = match (a.leaking(), b.leaking()) {
        (Some(0), Some(0)) => "nobody is known from training in either",
        (Some(_), Some(0)) => "what was recognised rather than diagnosed no longer counts",
        (None, Some(0)) => "nobody is known from training in the second",
        (_, Some(_)) => "what the model knows of them from training flatters its figures",
        _ => "without a split nothing is proven",
    };
    let doubt = match a.unknown() + b.unknown() {
        0 => "",
        _ => "; of images of unknown patients nobody can tell",
    };
    let shown = |side: &Side| {
        side.leaking().map(|known| match side.unknown() {
            0 => known.to_string(),
            unknown => format!("{known} known, {unknown} images of unknown"),
        })
    };
    Row::new("patients on both sides", [shown(a), shown(b)], format!("{sentence}{doubt}"))
}

fn judged(a: &Side, b: &Side) -> Row {
    let shown = |side: &Side| {
        let images = side.images()?;
        let crossed = side.crossval.get("images").is_some();
        Some(format!("{images} {}", if crossed { "out of fold" } else { "test images" }))
    };
    let sentence = match (a.images(), b.images()) {
        (Some(from), Some(to)) if to > from => "more images, so the intervals say more",
        (Some(from), Some(to)) if to < from => "fewer images, so the intervals say less",
        (Some(_), Some(_)) => "as many images in both",
        _ => "what was not judged cannot be compared",
    };
    let others = match (a.evaluated(), b.evaluated()) {
        (Some(a), Some(b)) if a != b => {
            format!("; {} of the images are evaluated in both", a.intersection(&b).count())
        }
        _ => String::new(),
    };
    Row::new("judged on", [shown(a), shown(b)], format!("{sentence}{others}"))
}

fn figure(a: &Side, b: &Side, name: &'static str, meaning: &str) -> Row {
    let (from, to) = (a.figure(name), b.figure(name));
    let sentence = match (&from, &to) {
        (Some(from), Some(to)) => format!("{meaning}: {}", from.against(to)),
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
        let raw = side.figure("expected_calibration_error")?.value;
        Some(match scaled(side) {
            Some(scaled) => format!("{raw:.3}, scaled {scaled:.3}"),
            None => format!("{raw:.3}"),
        })
    };
    let loss = |of: &str| b.crossval.pointer(&format!("/calibration/{of}/log_loss"))?.as_f64();
    let sentence = match (scaled(a), scaled(b), loss("before").zip(loss("after"))) {
        (None, Some(_), Some((before, after))) if after < before => {
            "now known out of fold; a temperature fitted on other folds lowers the log loss"
        }
        (None, Some(_), Some(_)) => {
            "now known out of fold; a temperature fitted on other folds does not lower the log loss"
        }
        (None, Some(_), None) => "now known out of fold",
        _ => "how far a stated probability is from what comes true",
    };
    Row::new("calibration error", [shown(a), shown(b)], sentence)
}

fn audit(a: &Side, b: &Side) -> Row {
    let verdict = |side: &Side| Some(side.audit.pointer("/verdict/text")?.as_str()?.to_owned());
    let sides = [verdict(a), verdict(b)];
    if [a, b].iter().any(|side| side.artifacts.leaves_out("audit")) {
        let shown = |side: &Side| match side.artifacts.leaves_out("audit") {
            true => Some("left out".to_owned()),
            false => verdict(side),
        };
        return Row::new("audit", [shown(a), shown(b)], "an audit of another model is left out");
    }
    let sentence = match &sides {
        [None, None] => "neither was audited: what the models look at is not known",
        [None, Some(_)] => "only the second was asked what it looks at",
        [Some(_), None] => "only the first was asked what it looks at",
        [Some(_), Some(_)] => "whether the classes can be told apart without the lungs",
    };
    Row::new("audit", sides, sentence)
}

#[derive(Debug, Serialize)]
struct Summary {
    a: String,
    b: String,
    rows: Vec<Row>,
}

/// Widest cell of the table; a longer text stands below it.
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

/// A paragraph of at most 80 columns, indented from its second line.
fn wrapped(text: String) -> String {
    let indent = if text.starts_with(' ') { "    " } else { "  " };
    textwrap::fill(&text, textwrap::Options::new(80).subsequent_indent(indent))
}
