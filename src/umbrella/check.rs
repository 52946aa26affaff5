//! What is checked before the first stage of a run starts.

use std::collections::BTreeSet;

use super::plan::State;
use crate::artifact::index::Index;
use crate::cli::{Context, Failure};
use crate::pipeline::Input;
use crate::stages::check::Check;

/// Asks every stage that would run whether its settings and inputs can work. Returns what
/// the user should know before the run.
///
/// # Errors
/// All problems together.
pub fn all(ctx: &Context, states: &[State]) -> Result<BTreeSet<String>, Failure> {
    let coming: Vec<&State> = states.iter().filter(|state| !state.reasons.is_empty()).collect();
    let listed = coming.iter().find_map(|state| (state.stage.listed)(ctx, &state.hand.kept));
    let images = listed.as_ref().map(|listed| listed.images);
    let classes = classes(ctx, states, &coming, listed.map(|listed| listed.classes));
    let mut check = Check::new(ctx, classes, images);
    for state in &coming {
        (state.stage.check)(&mut check, &state.hand.kept);
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

/// The classes of the data set: those `found` in the folder, and those that stages of this run fill;
/// of a table of images that is kept, those in it. `None` if they are not known.
fn classes(
    ctx: &Context,
    states: &[State],
    coming: &[&State],
    found: Option<Vec<String>>,
) -> Option<Vec<String>> {
    let filled = coming.iter().filter_map(|state| {
        let folder = (state.stage.folder)(ctx).ok()?;
        let class = folder.file_name()?.to_str()?.to_owned();
        // `sources` is no class: it holds what the builders draw from.
        let sources = class == crate::dataset::films::SOURCES;
        (folder.parent() == Some(ctx.paths.dataset.as_path()) && !sources).then_some(class)
    });
    let filled: BTreeSet<String> = filled.collect();
    let fills = || coming.iter().any(|state| state.stage.name == READER) && !filled.is_empty();
    if let Some(found) = found.or_else(|| fills().then(Vec::new)) {
        let all: BTreeSet<String> = found.into_iter().chain(filled).collect();
        return Some(all.into_iter().collect());
    }
    // A stage before the reader is stale: what it will find is not known.
    if states.iter().any(|state| state.stage.name == READER && !state.reasons.is_empty()) {
        return None;
    }
    Index::read(&ctx.artifact(READER, "index.csv")).ok().map(|index| index.classes)
}

/// The stage that reads the data set.
const READER: &str = "preprocess";
