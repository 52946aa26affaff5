//! Pipeline file that reproduces the artifacts. It is made from the records of the stages, so it
//! has all settings: of the pipeline file, of `--set` and of the stages' flags.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use toml::{Table, Value};

use crate::artifact::record::Record;
use crate::cli::{Context, Failure, ResultExt, shell_word};
use crate::pipeline::Paths;
use crate::pipeline::config::{Config, SEED, SHARED, same};

/// Pipeline file that reproduces the artifacts, and the commands.
#[derive(Debug)]
pub struct Recipe {
    /// Pipeline file.
    pub file: String,
    /// Commands; the last is `cxr run`.
    pub commands: Vec<String>,
    /// Profile without settings of the stages, for comparison.
    pub base: Config,
    /// Settings that differ from the profile and that affect the results, such as
    /// `train.epochs` and `seed`.
    pub changed: Vec<String>,
}

impl Recipe {
    /// Makes the pipeline file from `records` in the order of the pipeline, the data set of
    /// `paths`, and `own`: name and settings of the stage that writes the pipeline file.
    ///
    /// # Errors
    /// If the user's pipeline file is invalid.
    pub fn new(
        ctx: &Context,
        paths: Option<&Paths>,
        records: &[Record],
        own: (&str, &impl Serialize),
    ) -> Result<Self, Failure> {
        let seed = most_frequent(records.iter().filter_map(|record| record.seed));
        let profile = &ctx.config.profile;
        let mut stages: Vec<&str> = Vec::new();
        let (mut first, mut repeated) = (Vec::new(), Vec::new());
        for record in records {
            // A pipeline contains a stage only once; repeated stages become commands.
            match stages.contains(&record.stage.as_str()) {
                true => repeated.push(record),
                false => {
                    stages.push(&record.stage);
                    first.push(record);
                }
            }
        }
        stages.push(own.0);
        let built_in = ctx.config.another("", None).is_ok_and(|c| c.has_profile(profile));

        let mut top = Table::new();
        top.insert("default-profile".to_owned(), profile.as_str().into());
        if let Some(seed) = seed.and_then(|seed| i64::try_from(seed).ok()) {
            top.insert(SEED.to_owned(), seed.into());
        }
        for shared in SHARED {
            let mut given = first.iter().filter_map(|record| record.params.get(shared)?.as_str());
            if let Some(value) = given.rfind(|value| !value.is_empty()) {
                top.insert(shared.to_owned(), value.into());
            }
        }
        let mut inner = Table::new();
        if !built_in {
            inner.insert(
                "about".to_owned(),
                ctx.config.value("about")?.unwrap_or_else(String::new).into(),
            );
        }
        let names =
            |names: &[&str]| Value::Array(names.iter().map(|name| (*name).into()).collect());
        inner.insert("stages".to_owned(), names(&stages));
        let dataset = paths.map_or("", Paths::dataset_template);
        let base = ctx.config.another(&pipeline_toml(&top, profile, &inner, &[]), None).usage()?;
        let default: Option<String> = base.value("dataset")?;
        if !dataset.is_empty() && !is_absolute(dataset) && default.as_deref() != Some(dataset) {
            inner.insert("dataset".to_owned(), dataset.into());
        }
        let same_stages = |config: &Config| {
            let listed = config.stages().unwrap_or_default();
            let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
            listed == stages.iter().copied().collect()
        };
        if ctx.config.another("", Some(profile)).is_ok_and(|config| same_stages(&config)) {
            inner.remove("stages");
        }

        let mut tables = Vec::new();
        for record in &first {
            let mut changed = changed(&base, &record.stage, &record.params)?;
            if let Some(own) = record.seed.filter(|_| record.seed != seed)
                && let Ok(own) = i64::try_from(own)
            {
                changed.insert(SEED.to_owned(), own.into());
            }
            if !changed.is_empty() {
                tables.push((record.stage.as_str(), changed));
            }
        }
        let figures = tables.iter().filter(|(stage, _)| !PRESENTATION.contains(stage));
        let mut names: Vec<String> = figures
            .flat_map(|(stage, table)| table.keys().map(move |key| format!("{stage}.{key}")))
            .collect();
        let built_in = ctx.config.another("", Some(profile)).ok();
        for key in [SEED].into_iter().chain(SHARED) {
            let default = built_in.as_ref().and_then(|config| config.value::<Value>(key).ok()?);
            if top.get(key).is_some_and(|value| default.as_ref() != Some(value)) {
                names.push(key.to_owned());
            }
        }
        let changed = changed(&base, own.0, own.1)?;
        if !changed.is_empty() {
            tables.push((own.0, changed));
        }
        let mut commands: Vec<String> = repeated
            .into_iter()
            .map(|record| command_line(&base, record))
            .collect::<Result<_, _>>()?;
        commands.push("cxr run".to_owned());
        let file = format!("{HEADER}{}", pipeline_toml(&top, profile, &inner, &tables));
        Ok(Self { file, commands, base, changed: names })
    }

    /// Returns true if the settings are those of the built-in profile `tutorial`.
    pub fn is_tutorial(&self, ctx: &Context) -> bool {
        ctx.config.profile == TUTORIAL && self.changed.is_empty()
    }

    /// Returns the purpose of the profile. For a built-in profile with changed settings, the
    /// text names these settings instead.
    ///
    /// # Errors
    /// If `about` is not a string.
    pub fn about(&self, ctx: &Context) -> Result<String, Failure> {
        let profile = &ctx.config.profile;
        let about = ctx.config.value::<String>("about")?.unwrap_or_default();
        let built_in = ctx.config.another("", Some(profile)).ok();
        let built_in = built_in.and_then(|config| config.value::<String>("about").ok()?);
        if built_in.as_ref() != Some(&about) || self.changed.is_empty() {
            return Ok(about);
        }
        let shown = self.changed.iter().take(MOST_NAMED).map(String::as_str);
        let mut names = shown.collect::<Vec<_>>().join(", ");
        if self.changed.len() > MOST_NAMED {
            names += &format!(" and {} more", self.changed.len() - MOST_NAMED);
        }
        Ok(format!("the steps of the built-in profile {profile} with changed settings: {names}"))
    }
}

/// Profile with the settings of the tutorial.
const TUTORIAL: &str = "tutorial";

/// Stages whose settings affect only the presentation of the results.
const PRESENTATION: [&str; 2] = ["plot", "report"];

/// Maximum number of changed settings named in [`Recipe::about`].
const MOST_NAMED: usize = 6;

/// Returns the most frequent seed; of equally frequent seeds, the lowest.
fn most_frequent(seeds: impl Iterator<Item = u64>) -> Option<u64> {
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    seeds.for_each(|seed| *counts.entry(seed).or_default() += 1);
    let (_, most) = counts.iter().max_by_key(|(_, count)| **count)?;
    counts.iter().find(|(_, count)| *count == most).map(|(seed, _)| *seed)
}

/// Comment at the start of the pipeline file.
const HEADER: &str = "\
# Reproduces the artifacts of this report, byte for byte. Save this file as
# `pipeline.toml` in a new folder with the same data set (the hashes of its files are in
# preprocess/index.csv) and the same weights, and run the commands of the report there.
# Copy files that are named without a folder next to this file.
";

/// Returns the text of the pipeline file of a profile.
fn pipeline_toml(top: &Table, profile: &str, inner: &Table, stages: &[(&str, Table)]) -> String {
    let mut profiles = inner.clone();
    profiles.extend(stages.iter().map(|(name, table)| ((*name).to_owned(), table.clone().into())));
    let mut root = top.clone();
    root.insert(
        "profile".to_owned(),
        Table::from_iter([(profile.to_owned(), profiles.into())]).into(),
    );
    root.to_string()
}

/// Returns the settings of a stage that differ from those of `base`.
///
/// # Errors
/// If the settings of `base` are invalid.
pub fn changed(base: &Config, stage: &str, params: &impl Serialize) -> Result<Table, Failure> {
    let defaults: Table = base.settings(stage, Table::new()).usage()?;
    let params = Table::try_from(params).unwrap_or_default();
    let differs = |(key, value): &(String, Value)| {
        !SHARED.contains(&key.as_str())
            && defaults.get(key).is_some_and(|default| !same(default, value))
    };
    Ok(params
        .into_iter()
        .filter(differs)
        .map(|(key, value)| (key, without_folder(value)))
        .collect())
}

/// Replaces an absolute path by its last component.
fn without_folder(value: Value) -> Value {
    match value {
        Value::String(text) => match text.rsplit_once(['/', '\\']) {
            Some((_, name)) if is_absolute(&text) => name.into(),
            _ => text.into(),
        },
        other => other,
    }
}

/// Returns true for an absolute path of any operating system, or a path in the home folder.
pub fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '~']) || path.contains(":\\")
}

/// Returns the command line of a stage that is already in the pipeline.
fn command_line(base: &Config, record: &Record) -> Result<String, Failure> {
    let mut line = format!("cxr {}", record.stage);
    if let Some(seed) = record.seed {
        line += &format!(" --seed {seed}");
    }
    for (name, value) in changed(base, &record.stage, &record.params)? {
        let value = match value {
            Value::String(text) => text,
            Value::Array(list) => {
                let texts = list.iter().map(|v| v.as_str().map_or(v.to_string(), str::to_owned));
                texts.collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        line += &format!(" --{name}={}", shell_word(value));
    }
    Ok(line)
}
