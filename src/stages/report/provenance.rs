//! Settings, inputs and outputs of each stage, and how to reproduce them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::recipe::{self, Recipe};
use super::{READER, REPORTED, Report, Settings, Stage, class_folders};
use crate::artifact::Document;
use crate::artifact::record::Record;
use crate::cli::{Context, Failure};
use crate::io::staging::RECORD;
use crate::pipeline::Lineage;
use crate::report::StageRun;

/// Returns every stage that has a record, and how to reproduce their outputs.
///
/// # Errors
/// If the dataset folder or the pipeline file cannot be read.
pub fn stages(
    ctx: &Context,
    settings: &Settings,
    lineage: &Lineage,
) -> Result<(Vec<StageRun>, Recipe), Failure> {
    let mut records = Vec::new();
    let mut sources = BTreeSet::new();
    let paths = ctx.paths_of(READER);
    let dataset = paths.as_ref().map(|paths| paths.dataset.clone()).unwrap_or_default();
    for class in class_folders(&dataset)? {
        let record = Record::read(&dataset.join(class).join(RECORD));
        // `cxr phantom` writes its record to the folder of the synthetic images.
        let source = record.as_ref().ok().and_then(|record| record.params.get("source")?.as_str());
        sources.extend(
            source.and_then(|source| Some(paths.as_ref()?.expand(source).parent()?.to_owned())),
        );
        records.extend(record);
    }
    let phantom = |folder: &PathBuf| Record::read(&folder.join(RECORD)).ok();
    let phantoms = sources.iter().filter_map(phantom).filter(|record| record.stage == "phantom");
    for record in phantoms {
        if !records.contains(&record) {
            records.push(record);
        }
    }
    let reported = REPORTED.iter().filter(|stage| lineage.belongs(stage));
    records.extend(reported.filter_map(|s| Record::read(&ctx.artifact(s, RECORD)).ok()));
    let position = |record: &Record| REPORTED.iter().position(|stage| *stage == record.stage);
    records.retain(|record| position(record).is_some());
    records.sort_by_key(position);
    let recipe = Recipe::new(ctx, paths.as_ref(), &records, (Report::NAME, settings))?;
    let runs = records.iter().map(|record| stage_run(&recipe, record)).collect::<Result<_, _>>()?;
    Ok((runs, recipe))
}

/// Returns the seed of the model, else the seed of the first stage with a seed.
pub fn seed(runs: &[StageRun]) -> Option<u64> {
    let model = runs.iter().find(|run| run.name == "train").and_then(|run| run.seed);
    model.or_else(|| runs.iter().find_map(|run| run.seed))
}

fn stage_run(recipe: &Recipe, record: &Record) -> Result<StageRun, Failure> {
    let changed = recipe::changed(&recipe.base, &record.stage, &record.params)?;
    let setting = |(name, value): (&String, &Value)| {
        (name.clone(), format_value(value), changed.contains_key(name))
    };
    let in_dataset = |name: &str| name.starts_with("dataset/") && !name.ends_with(".csv");
    let file_name = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let inputs = record.inputs.iter().filter(|(name, _)| !in_dataset(name));
    let inputs = inputs.map(|(name, hash)| {
        let name = if name.starts_with('/') { file_name(name) } else { name.clone() };
        (name, hash.clone())
    });
    // Images are only counted: `index.csv` has their hashes.
    let (images, inputs): (Vec<_>, Vec<_>) = inputs.partition(|(name, _)| is_image(name));
    let outputs = record.outputs.iter().filter(|(name, _)| !is_image(name));
    Ok(StageRun {
        name: record.stage.clone(),
        program: record.program.clone(),
        seed: record.seed,
        settings: record.params.as_object().into_iter().flatten().map(setting).collect(),
        images: images.len() + record.inputs.keys().filter(|name| in_dataset(name)).count(),
        inputs,
        outputs: outputs.map(|(name, hash)| (name.clone(), hash.clone())).collect(),
    })
}

/// Returns true if a file in a folder has the extension of an image.
fn is_image(name: &str) -> bool {
    let (_, end) = name.rsplit_once('.').unwrap_or_default();
    name.contains('/') && ["jpg", "jpeg", "png", "tif", "tiff", "dcm"].contains(&end)
}

/// Formats a setting as in `pipeline.toml`, and an absolute path as its last component.
fn format_value(value: &Value) -> String {
    match value {
        Value::String(text) => match text.rsplit_once(['/', '\\']) {
            Some((_, name)) if recipe::is_absolute(text) => name.to_owned(),
            _ => text.clone(),
        },
        Value::Array(list) => list.iter().map(format_value).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
