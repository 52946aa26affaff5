//! `cxr diff A B`: differences between two artifact folders: settings, metrics, images that
//! moved to another subset.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use serde::Serialize;
use serde_json::Value;

use super::artifacts::{Artifacts, hashes};
use crate::artifact::Document;
use crate::artifact::record::Record;
use crate::artifact::split::Split;
use crate::cli::{Context, Failure, Outcome};
use crate::io::hash;
use crate::io::staging::RECORD;

/// Arguments of `cxr diff`.
pub fn command() -> Command {
    let folder = |name: &'static str| {
        Arg::new(name).required(true).value_name("DIR").value_parser(value_parser!(PathBuf))
    };
    Command::new("diff")
        .about(
            "Compare two artifact folders: settings, metrics, images that moved to another subset",
        )
        .arg(folder("a").help("Artifacts folder of one profile, such as artifacts/tutorial"))
        .arg(folder("b").help("Second folder"))
        .after_help(
            "Examples:\n  # Show what changed\n  \
             cxr diff artifacts/tutorial other/artifacts/tutorial\n  \
             # List every difference\n  \
             cxr diff -v artifacts/tutorial other/artifacts/tutorial",
        )
}

/// Maximum number of differences listed per kind; `--verbose` lists all.
const LISTED: usize = 12;

/// Metrics that are listed first.
const HEADLINE: [&str; 5] =
    ["accuracy", "sensitivity", "specificity", "scores.roc_auc", "scores.log_loss"];

#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Setting, value in A, value in B.
    params: Vec<(String, String, String)>,
    /// Metric, value in A, value in B.
    metrics: Vec<(String, String, String)>,
    /// Image, its subset in A, its subset in B; `-` if it is in no subset.
    images: Vec<(String, String, String)>,
    /// Images with the same path but different files.
    changed: Vec<String>,
    #[serde(skip)]
    all: bool,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_list(f, "settings", &self.params)?;
        self.write_list(f, "metrics", &self.metrics)?;
        if self.images.is_empty() && self.changed.is_empty() {
            return writeln!(f, "images: no difference");
        }
        writeln!(f, "images:")?;
        let mut changes: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for (path, a, b) in &self.images {
            changes.entry((a, b)).or_default().push(path);
        }
        let changed: Vec<&str> = self.changed.iter().map(String::as_str).collect();
        if !changed.is_empty() {
            changes.insert(("", ""), changed);
        }
        for ((a, b), paths) in changes {
            let (n, plural) = (paths.len(), if paths.len() == 1 { "" } else { "s" });
            match (a, b) {
                ("", "") => writeln!(f, "  {n} image{plural} with different content")?,
                ("-", side) => writeln!(f, "  {n} image{plural} only in B, in {side}")?,
                (side, "-") => writeln!(f, "  {n} image{plural} only in A, in {side}")?,
                (a, b) => writeln!(f, "  {n} image{plural} {a} -> {b}")?,
            }
            let shown = self.shown(paths.len());
            paths[..shown].iter().try_for_each(|path| writeln!(f, "    {path}"))?;
            self.write_more(f, "    ", paths.len() - shown)?;
        }
        Ok(())
    }
}

impl Summary {
    fn write_list(
        &self,
        f: &mut fmt::Formatter<'_>,
        title: &str,
        rows: &[(String, String, String)],
    ) -> fmt::Result {
        if rows.is_empty() {
            return writeln!(f, "{title}: no difference");
        }
        writeln!(f, "{title}:")?;
        let shown = self.shown(rows.len());
        let width = rows[..shown].iter().map(|r| r.0.chars().count()).max().unwrap_or(0);
        for (name, a, b) in &rows[..shown] {
            writeln!(f, "  {name:width$}  {a} -> {b}")?;
        }
        self.write_more(f, "  ", rows.len() - shown)
    }

    /// Number of listed differences out of `n`.
    fn shown(&self, n: usize) -> usize {
        if self.all { n } else { n.min(LISTED) }
    }

    fn write_more(&self, f: &mut fmt::Formatter<'_>, indent: &str, n: usize) -> fmt::Result {
        if n == 0 { Ok(()) } else { writeln!(f, "{indent}and {n} more: `-v` lists all") }
    }
}

/// Compares two artifact folders.
///
/// # Errors
/// If a folder has no artifacts, or a file differs from its record.
pub fn run(ctx: &Context, matches: &ArgMatches) -> Result<Outcome, Failure> {
    let folder = |name: &str| -> Result<&PathBuf, Failure> {
        let path: &PathBuf = matches.get_one(name).expect("it is required");
        if path.is_dir() {
            return Ok(path);
        }
        Err(Failure::new(format_args!("there is no folder `{}`", path.display()))
            .hint("give the folder of a profile, such as `artifacts/tutorial`"))
    };
    let folders = [folder("a")?, folder("b")?];
    let [a, b] =
        [folders[0], folders[1]].map(|folder| Artifacts::open(&folder.to_string_lossy(), folder));
    let (a, b) = (a?, b?);
    a.warnings().iter().chain(&b.warnings()).for_each(|warning| ctx.ui.warn(warning));
    let mut metrics = differences(&metrics(&a)?, &metrics(&b)?);
    metrics.sort_by_key(|(name, ..)| !HEADLINE.contains(&name.as_str()));
    Ok(Outcome::new(&Summary {
        params: differences(&params(folders[0])?, &params(folders[1])?),
        metrics,
        images: differences(&subsets(&a)?, &subsets(&b)?),
        changed: changed(&a, &b)?,
        all: ctx.ui.verbosity() > 0,
    }))
}

/// Keys whose values differ, with both values; `-` for a missing value.
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

/// Settings of all stages, from their records, by keys such as `train.epochs`.
fn params(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut params = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path().join(RECORD);
        if path.exists() {
            let record = Record::read(&path)?;
            flatten(&record.stage, &record.params, &mut params);
            let seed = record.seed.map(|seed| (format!("{}.seed", record.stage), seed.to_string()));
            params.extend(seed);
        }
    }
    Ok(params)
}

/// Metrics of `metrics.json`; rates with their intervals.
fn metrics(artifacts: &Artifacts) -> Result<BTreeMap<String, String>, Failure> {
    let mut metrics = BTreeMap::new();
    if let Value::Object(mut table) = artifacts.document("evaluate/metrics.json")? {
        table.remove("schema");
        flatten("", &Value::Object(table), &mut metrics);
    }
    Ok(metrics)
}

fn flatten(prefix: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(rate) if rate.contains_key("low") && rate.contains_key("high") => {
            let number =
                |key: &str| rate.get(key).and_then(Value::as_f64).map(|x| format!("{x:.4}"));
            let text = |key: &str| number(key).unwrap_or_else(|| "undefined".into());
            out.insert(
                prefix.into(),
                format!("{} [{}, {}]", text("value"), text("low"), text("high")),
            );
        }
        Value::Object(table) => {
            for (key, value) in table {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&path, value, out);
            }
        }
        // Curves and bins are too long to list.
        Value::Array(items)
            if items.iter().any(|item| item.is_number() || item.is_null() || item.is_object()) => {}
        Value::String(text) => drop(out.insert(prefix.into(), text.clone())),
        other => drop(out.insert(prefix.into(), other.to_string())),
    }
}

/// Subset (`train`, `validation` or `test`) of each image, by path.
fn subsets(artifacts: &Artifacts) -> Result<BTreeMap<String, String>, Failure> {
    let mut subsets = BTreeMap::new();
    let table = artifacts.file("preprocess/index.csv")?;
    if let (Some(table), Some(index)) = (table, artifacts.index()?)
        && let Some(split) = artifacts.file("split/split.json")?
    {
        let split = Split::read_for(&split, &hash::file(&table)?, index.rows.len())?;
        for (side, rows) in
            [("train", &split.train), ("validation", &split.validation), ("test", &split.test)]
        {
            let images = rows.iter().filter_map(|r| index.rows.get(*r));
            subsets.extend(images.map(|f| (f.path.clone(), side.to_owned())));
        }
    }
    Ok(subsets)
}

/// Images read in both folders under the same path whose files differ.
fn changed(a: &Artifacts, b: &Artifacts) -> Result<Vec<String>, Failure> {
    let (Some(a), Some(b)) = (a.index()?, b.index()?) else { return Ok(Vec::new()) };
    let b = hashes(&b);
    let differs = |(path, hash): &(String, String)| b.get(path).is_some_and(|other| other != hash);
    Ok(hashes(&a).into_iter().filter(differs).map(|(path, _)| path).collect())
}
