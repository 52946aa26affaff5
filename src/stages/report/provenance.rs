//! What each stage ran with, and the commands that make it again.

use serde_json::Value;
use toml::Table;

use super::{TOLD, folders};
use crate::artifact::Document;
use crate::artifact::record::Record;
use crate::cli::{Context, Failure};
use crate::io::staging::RECORD;
use crate::pipeline::Lineage;
use crate::report::StageRun;

/// Every stage that has left a record, and the command lines that make all of it
/// again.
pub fn stages(ctx: &Context, lineage: &Lineage) -> Result<(Vec<StageRun>, Vec<String>), Failure> {
    let mut records = Vec::new();
    for class in folders(&ctx.paths.dataset)? {
        records.extend(Record::read(&ctx.paths.dataset.join(class).join(RECORD)));
    }
    let told = TOLD.iter().filter(|stage| lineage.belongs(stage));
    records.extend(told.filter_map(|s| Record::read(&ctx.artifact(s, RECORD)).ok()));
    let place = |record: &Record| TOLD.iter().position(|stage| *stage == record.stage);
    records.sort_by_key(place);
    let runs: Vec<StageRun> =
        records.iter().map(|record| run(ctx, record)).collect::<Result<_, _>>()?;

    let profile = &ctx.config.profile;
    let listed = ctx.config.stages()?;
    let seed = seed(&runs);
    let by_hand = |run: &&StageRun| {
        let set = run.settings.iter().any(|(_, _, changed)| *changed);
        set || other_seed(run, seed).is_some() || !listed.contains(&run.name)
    };
    let mut commands: Vec<String> =
        runs.iter().filter(by_hand).map(|run| line(ctx, run, seed)).collect();
    let with_seed = seed.map_or(String::new(), |seed| format!(" --seed {seed}"));
    commands.push(format!("cxr run --profile {profile}{with_seed}"));
    Ok((runs, commands))
}

/// The seed of the run: that of the model, else that of the first stage that has one.
pub fn seed(runs: &[StageRun]) -> Option<u64> {
    let model = runs.iter().find(|run| run.name == "train").and_then(|run| run.seed);
    model.or_else(|| runs.iter().find_map(|run| run.seed))
}

/// The seed of a stage, if it is not `seed`.
fn other_seed(run: &StageRun, seed: Option<u64>) -> Option<u64> {
    run.seed.filter(|_| run.seed != seed)
}

/// The command line of a stage with the settings that were set by hand.
fn line(ctx: &Context, run: &StageRun, seed: Option<u64>) -> String {
    let mut line = format!("cxr {} --profile {}", run.name, ctx.config.profile);
    if let Some(seed) = other_seed(run, seed) {
        line += &format!(" --seed {seed}");
    }
    for (name, value, _) in run.settings.iter().filter(|(_, _, changed)| *changed) {
        let plain = |c: char| c.is_alphanumeric() || "-_.,/".contains(c);
        let quote = if !value.is_empty() && value.chars().all(plain) { "" } else { "'" };
        line += &format!(" --{name}={quote}{value}{quote}");
    }
    line
}

fn run(ctx: &Context, record: &Record) -> Result<StageRun, Failure> {
    let settings: Table = ctx.config.settings(&record.stage, Table::new())?;
    let wanted = serde_json::to_value(settings).expect("settings serialise");
    let setting = |(name, value): (&String, &Value)| {
        let changed = wanted.get(name).is_some_and(|wanted| !same(wanted, value));
        (name.clone(), shown(value), changed)
    };
    let film = |name: &str| name.starts_with("dataset/") && !name.ends_with(".csv");
    let plain = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let inputs = record.inputs.iter().filter(|(name, _)| !film(name));
    let inputs = inputs.map(|(name, hash)| {
        let name = if name.starts_with('/') { plain(name) } else { name.clone() };
        (name, hash.clone())
    });
    // Films are counted: `index.csv` has their hashes.
    let (films, inputs): (Vec<_>, Vec<_>) = inputs.partition(|(name, _)| is_film(name));
    let outputs = record.outputs.iter().filter(|(name, _)| !is_film(name));
    Ok(StageRun {
        name: record.stage.clone(),
        program: record.program.clone(),
        seed: record.seed,
        settings: record.params.as_object().into_iter().flatten().map(setting).collect(),
        films: films.len() + record.inputs.keys().filter(|name| film(name)).count(),
        inputs,
        outputs: outputs.map(|(name, hash)| (name.clone(), hash.clone())).collect(),
    })
}

/// Whether a file is a film by its name.
fn is_film(name: &str) -> bool {
    let (_, end) = name.rsplit_once('.').unwrap_or_default();
    name.contains('/') && ["jpg", "jpeg", "png", "tif", "tiff", "dcm"].contains(&end)
}

/// Equal values; 1 and 1.0 are.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// A value as it is written in `pipeline.toml`; of a path that tells of this
/// machine, its last part.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => match text.rsplit_once(['/', '\\']) {
            Some((_, name)) if text.starts_with(['/', '~']) || text.contains(":\\") => {
                name.to_owned()
            }
            _ => text.clone(),
        },
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
