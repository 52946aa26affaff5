//! `cxr diff A B`: what differs between two artifact folders: settings, figures,
//! films that changed sides.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use serde::Serialize;
use serde_json::Value;

use crate::artifact::index::Index;
use crate::artifact::record::Record;
use crate::artifact::split::Split;
use crate::artifact::{Document, MAX_DOCUMENT};
use crate::cli::{Context, Failure, Outcome};
use crate::io::bounded;
use crate::io::staging::RECORD;

/// The arguments of `cxr diff`.
pub fn command() -> Command {
    let folder = |name: &'static str| {
        Arg::new(name).required(true).value_name("DIR").value_parser(value_parser!(PathBuf))
    };
    Command::new("diff")
        .about("Compare two artifact folders: settings, figures, films that changed sides")
        .arg(folder("a").help("An artifacts folder of one profile, such as artifacts/tutorial"))
        .arg(folder("b").help("Another"))
        .after_help(
            "Examples:\n  # What did the change do?\n  \
             cxr diff artifacts/tutorial other/artifacts/tutorial",
        )
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Setting, value in A, value in B.
    params: Vec<(String, String, String)>,
    /// Figure, value in A, value in B.
    metrics: Vec<(String, String, String)>,
    /// Film, its side in A, its side in B.
    films: Vec<(String, String, String)>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts =
            [("settings", &self.params), ("figures", &self.metrics), ("films", &self.films)];
        for (title, rows) in parts {
            if rows.is_empty() {
                writeln!(f, "{title}: no difference")?;
                continue;
            }
            writeln!(f, "{title}:")?;
            let width = rows.iter().map(|r| r.0.chars().count()).max().unwrap_or(0);
            for (name, a, b) in rows {
                writeln!(f, "  {name:width$}  {a} -> {b}")?;
            }
        }
        Ok(())
    }
}

/// Compares the folders.
pub fn run(_: &Context, matches: &ArgMatches) -> Result<Outcome, Failure> {
    let folder = |name: &str| -> Result<&PathBuf, Failure> {
        let path: &PathBuf = matches.get_one(name).expect("it is required");
        if path.is_dir() {
            return Ok(path);
        }
        Err(Failure::new(format_args!("there is no folder `{}`", path.display()))
            .hint("give the folder of a profile, such as `artifacts/tutorial`"))
    };
    let (a, b) = (folder("a")?, folder("b")?);
    Ok(Outcome::new(&Summary {
        params: differences(&params(a)?, &params(b)?),
        metrics: differences(&metrics(a)?, &metrics(b)?),
        films: differences(&sides(a)?, &sides(b)?),
    }))
}

/// The keys whose values differ, with both; `-` where one has none.
fn differences(
    a: &BTreeMap<String, String>,
    b: &BTreeMap<String, String>,
) -> Vec<(String, String, String)> {
    let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let value = |side: &BTreeMap<_, String>, key| side.get(key).map_or("-", |v| v).to_owned();
    keys.into_iter()
        .map(|k| (k.clone(), value(a, k), value(b, k)))
        .filter(|(_, x, y)| x != y)
        .collect()
}

/// `train.epochs` and the like, from the records of all stages.
fn params(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut params = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path().join(RECORD);
        if path.exists() {
            let record = Record::read(&path)?;
            flatten(&record.stage, &record.params, &mut params);
            params.insert(format!("{}.seed", record.stage), record.seed.to_string());
        }
    }
    Ok(params)
}

/// The figures of `metrics.json`, rates with their intervals.
fn metrics(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let path = folder.join("evaluate/metrics.json");
    let mut metrics = BTreeMap::new();
    if path.exists() {
        let mut value: Value = serde_json::from_slice(&bounded::read(&path, MAX_DOCUMENT)?)?;
        value.as_object_mut().map(|o| o.remove("schema"));
        flatten("", &value, &mut metrics);
    }
    Ok(metrics)
}

fn flatten(at: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(rate) if rate.contains_key("low") && rate.contains_key("high") => {
            let n = |key: &str| rate.get(key).and_then(Value::as_f64).map(|x| format!("{x:.4}"));
            let n = |key: &str| n(key).unwrap_or_else(|| "undefined".into());
            out.insert(at.into(), format!("{} [{}, {}]", n("value"), n("low"), n("high")));
        }
        Value::Object(table) => {
            for (key, value) in table {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                flatten(&path, value, out);
            }
        }
        Value::String(text) => drop(out.insert(at.into(), text.clone())),
        other => drop(out.insert(at.into(), other.to_string())),
    }
}

/// `train` or `test` for every film, by path.
fn sides(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let (index, split) = (folder.join("preprocess/index.csv"), folder.join("split/split.json"));
    let mut sides = BTreeMap::new();
    if index.exists() && split.exists() {
        let (index, split) = (Index::read(&index)?, Split::read(&split)?);
        for (side, rows) in [("train", &split.train), ("test", &split.test)] {
            let films = rows.iter().filter_map(|r| index.rows.get(*r));
            sides.extend(films.map(|f| (f.path.clone(), side.to_owned())));
        }
    }
    Ok(sides)
}
