//! Checks of settings and inputs before the first stage of a run starts.

use std::collections::BTreeSet;

use super::plan::State;
use crate::artifact::index::Index;
use crate::cli::{Context, Failure};
use crate::pipeline::Input;
use crate::stages::check::{Check, Listed};

/// Checks the settings and inputs of every stage that would run. Returns notes for the user.
///
/// # Errors
/// All problems, as one failure.
pub fn all(ctx: &Context, states: &[State]) -> Result<BTreeSet<String>, Failure> {
    let scheduled: Vec<&State> = states.iter().filter(|state| !state.reasons.is_empty()).collect();
    let found = scheduled.iter().find_map(|state| (state.stage.listed)(ctx, &state.hand.kept));
    let images = found.as_ref().map(|found| found.index.rows.len());
    let generated = generated_classes(ctx, &scheduled);
    let listed = match found {
        None => existing_table(ctx, states),
        found => found,
    };
    let classes = classes(listed.as_ref(), &scheduled, &generated);
    let mut check = Check::new(ctx, classes, images);
    // Images that stages of this run will add are not known yet.
    check.listed = listed.filter(|_| generated.is_empty());
    for state in &scheduled {
        check.ask(state.stage, &state.hand.kept);
        if let Ok(folder) = (state.stage.folder)(ctx) {
            check.writable(&folder);
        }
        for input in state.inputs.iter().filter(|input| !input.path.exists()) {
            check.expect(check_missing(ctx, input, &scheduled));
        }
        if let Some(problem) = &state.problem {
            let mut failure = Failure::new(format_args!("{:#}", problem.error));
            failure.kind = problem.kind;
            failure.hints.clone_from(&problem.hints);
            check.expect(Err::<(), _>(failure));
        }
    }
    check.finish()
}

/// Checks that a missing input will be written by a stage of this run.
fn check_missing(ctx: &Context, input: &Input, scheduled: &[&State]) -> Result<(), Failure> {
    let failure = Failure::new(format_args!("there is no `{}`", input.path.display()));
    match ctx.maker(input) {
        Some((stage, _)) if scheduled.iter().any(|state| state.stage.name == stage) => Ok(()),
        Some((stage, _)) => Err(failure.hint(ctx.rerun(stage))),
        None => Err(failure.hint("give the path of an existing file")),
    }
}

/// Class folders of the data set that stages of this run fill.
fn generated_classes(ctx: &Context, scheduled: &[&State]) -> BTreeSet<String> {
    let generated = scheduled.iter().filter_map(|state| {
        let folder = (state.stage.folder)(ctx).ok()?;
        let class = folder.file_name()?.to_str()?.to_owned();
        // `sources` is not a class: it holds the collections that the builders read.
        let sources = class == crate::dataset::images::SOURCES;
        (folder.parent() == Some(ctx.paths.dataset.as_path()) && !sources).then_some(class)
    });
    generated.collect()
}

/// Images of the existing table, unless this run will replace it.
fn existing_table(ctx: &Context, states: &[State]) -> Option<Listed> {
    // The new content is not known before `READER` has run.
    if states.iter().any(|state| state.stage.name == READER && !state.reasons.is_empty()) {
        return None;
    }
    let index = Index::read(&ctx.artifact(READER, "index.csv")).ok()?;
    Some(Listed { index, read: true })
}

/// Sorted classes of the data set: those of the existing images, and those `generated` by stages
/// of this run before the data set is read. `None` if unknown.
fn classes(
    listed: Option<&Listed>,
    scheduled: &[&State],
    generated: &BTreeSet<String>,
) -> Option<Vec<String>> {
    let read = scheduled.iter().any(|state| state.stage.name == READER);
    let existing = listed.map(|listed| listed.index.classes.clone());
    let existing = existing.or_else(|| (read && !generated.is_empty()).then(Vec::new))?;
    let added = generated.iter().filter(|_| read).cloned();
    Some(existing.into_iter().chain(added).collect::<BTreeSet<_>>().into_iter().collect())
}

/// Stage that reads the data set.
const READER: &str = "preprocess";
