//! Which stages of the profile a run is about: `--from`, `--until`, `--only`.

use clap::{Arg, ArgMatches};

use crate::cli::Failure;
use crate::stages::Entry;

/// The arguments that choose stages.
pub fn args() -> [Arg; 3] {
    let arg = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("STAGE").help(help)
    };
    [
        arg("from", "Only this stage and those that read from it, directly or not"),
        arg("until", "Only this stage and those it reads from, directly or not"),
        arg("only", "Only this stage").conflicts_with_all(["from", "until"]),
    ]
}

/// The chosen ones of the profile's `stages`, which are in order.
pub fn choose(
    stages: &[&'static Entry],
    matches: &ArgMatches,
) -> Result<Vec<&'static Entry>, Failure> {
    let named = |arg: &str| match matches.get_one::<String>(arg) {
        Some(name) => named(stages, name).map(Some),
        None => Ok(None),
    };
    let (from, until, only) = (named("from")?, named("until")?, named("only")?);
    let kept = |s: &&&'static Entry| {
        only.is_none_or(|o| o.name == s.name)
            && from.is_none_or(|f| reaches(stages, s, f.name))
            && until.is_none_or(|u| reaches(stages, u, s.name))
    };
    Ok(stages.iter().filter(kept).copied().collect())
}

/// The stage of the profile called `name`.
pub fn named(stages: &[&'static Entry], name: &str) -> Result<&'static Entry, Failure> {
    stages.iter().find(|s| s.name == name).copied().ok_or_else(|| {
        let names: Vec<_> = stages.iter().map(|s| s.name).collect();
        Failure::usage(format_args!("the profile has no stage `{name}`"))
            .hint(format_args!("its stages are {}", names.join(", ")))
    })
}

/// Whether `stage` is `source` or reads from it, directly or not.
fn reaches(stages: &[&'static Entry], stage: &Entry, source: &str) -> bool {
    stage.name == source
        || stages.iter().any(|s| stage.after.contains(&s.name) && reaches(stages, s, source))
}
