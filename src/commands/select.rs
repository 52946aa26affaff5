//! Selection of stages: `--from`, `--until`, `--only`.

use clap::{Arg, ArgMatches};

use crate::cli::Failure;
use crate::stages::Entry;

/// Arguments that choose stages.
pub fn args() -> [Arg; 3] {
    let arg = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("STAGE").help(help)
    };
    [
        arg("from", "Only this stage and all stages that depend on it"),
        arg("until", "Only this stage and all stages that it depends on"),
        arg("only", "Only this stage").conflicts_with_all(["from", "until"]),
    ]
}

/// Returns the chosen stages, in the order of `stages`.
///
/// # Errors
/// If a flag names a stage that the profile does not have.
pub fn choose(
    stages: &[&'static Entry],
    matches: &ArgMatches,
) -> Result<Vec<&'static Entry>, Failure> {
    let stage_of = |arg: &str| match matches.get_one::<String>(arg) {
        Some(name) => named(stages, name).map(Some),
        None => Ok(None),
    };
    let (from, until, only) = (stage_of("from")?, stage_of("until")?, stage_of("only")?);
    let is_chosen = |s: &&&'static Entry| {
        only.is_none_or(|o| o.name == s.name)
            && from.is_none_or(|f| depends_on(stages, s, f.name))
            && until.is_none_or(|u| depends_on(stages, u, s.name))
    };
    Ok(stages.iter().filter(is_chosen).copied().collect())
}

/// Checks that the settings given with `--set` belong to stages of the profile.
///
/// # Errors
/// If the profile does not have a stage, so that its setting would have no effect.
pub fn check_settings(stages: &[&'static Entry], matches: &ArgMatches) -> Result<(), Failure> {
    for item in matches.get_many::<String>("set").into_iter().flatten() {
        let key = item.split('=').next().unwrap_or_default();
        if let Some((stage, _)) = key.trim().split_once('.') {
            named(stages, stage)?;
        }
    }
    Ok(())
}

/// Returns the stage `name` of the profile.
///
/// # Errors
/// If the profile does not have the stage.
pub fn named(stages: &[&'static Entry], name: &str) -> Result<&'static Entry, Failure> {
    stages.iter().find(|s| s.name == name).copied().ok_or_else(|| {
        let names: Vec<_> = stages.iter().map(|s| s.name).collect();
        Failure::usage(format_args!("the profile has no stage `{name}`"))
            .hint(format_args!("its stages are {}", names.join(", ")))
    })
}

/// Returns true if `stage` is `source` or depends on it, directly or indirectly.
fn depends_on(stages: &[&'static Entry], stage: &Entry, source: &str) -> bool {
    stage.name == source
        || stages.iter().any(|s| stage.after.contains(&s.name) && depends_on(stages, s, source))
}
