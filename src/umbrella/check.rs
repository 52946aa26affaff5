//! What is checked before the first stage of a run starts.

use std::collections::BTreeSet;

use super::plan::State;
use crate::artifact::index::Index;
use crate::cli::{Context, Failure};
use crate::pipeline::Input;
use crate::stages::check::{Check, Listed};

/// Asks every stage that would run whether its settings and inputs can work. Returns what
/// the user should know before the run.
///
/// # Errors
/// All problems together.
pub fn all(ctx: &Context, states: &[State]) -> Result<BTreeSet<String>, Failure> {
    let coming: Vec<&State> = states.iter().filter(|state| !state.reasons.is_empty()).collect();
    let found = coming.iter().find_map(|state| (state.stage.listed)(ctx, &state.hand.kept));
    let images = found.as_ref().map(|found| found.index.rows.len());
    let filled = filled(ctx, &coming);
    let listed = match found {
        None => kept(ctx, states),
        found => found,
    };
    let classes = classes(listed.as_ref(), &coming, &filled);
    let mut check = Check::new(ctx, classes, images);
    // What other stages will add is not known.
    check.listed = listed.filter(|_| filled.is_empty());
    for state in &coming {
        check.ask(state.stage, &state.hand.kept);
        if let Ok(folder) = (state.stage.folder)(ctx) {
            check.writable(&folder);
        }
        for input in state.inputs.iter().filter(|input| !input.path.exists()) {
            check.expect(missing(ctx, input, &coming));
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

/// An input that is not there must be written by a stage of this run.
fn missing(ctx: &Context, input: &Input, coming: &[&State]) -> Result<(), Failure> {
    let failure = Failure::new(format_args!("there is no `{}`", input.path.display()));
    match ctx.maker(input) {
        Some((stage, _)) if coming.iter().any(|state| state.stage.name == stage) => Ok(()),
        Some((stage, _)) => Err(failure.hint(ctx.rerun(stage))),
        None => Err(failure.hint("name a file that is there")),
    }
}

/// The class folders of the data set that stages of this run fill.
fn filled(ctx: &Context, coming: &[&State]) -> BTreeSet<String> {
    let filled = coming.iter().filter_map(|state| {
        let folder = (state.stage.folder)(ctx).ok()?;
        let class = folder.file_name()?.to_str()?.to_owned();
        // `sources` is no class: it holds what the builders draw from.
        let sources = class == crate::dataset::images::SOURCES;
        (folder.parent() == Some(ctx.paths.dataset.as_path()) && !sources).then_some(class)
    });
    filled.collect()
}

/// The images of a table that is kept.
fn kept(ctx: &Context, states: &[State]) -> Option<Listed> {
    // A stage before the reader is stale: what it will find is not known.
    if states.iter().any(|state| state.stage.name == READER && !state.reasons.is_empty()) {
        return None;
    }
    let index = Index::read(&ctx.artifact(READER, "index.csv")).ok()?;
    Some(Listed { index, read: true })
}

/// The classes of the data set: those of the images that are there, and those `filled` by
/// stages of this run before it is read. `None` if they are not known.
fn classes(
    listed: Option<&Listed>,
    coming: &[&State],
    filled: &BTreeSet<String>,
) -> Option<Vec<String>> {
    let read = coming.iter().any(|state| state.stage.name == READER);
    let there = listed.map(|listed| listed.index.classes.clone());
    let there = there.or_else(|| (read && !filled.is_empty()).then(Vec::new))?;
    let added = filled.iter().filter(|_| read).cloned();
    Some(there.into_iter().chain(added).collect::<BTreeSet<_>>().into_iter().collect())
}

/// The stage that reads the data set.
const READER: &str = "preprocess";
