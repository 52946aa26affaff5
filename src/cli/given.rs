//! Settings given on the command line of `cxr run`, and how its child processes get them.

use clap::{Arg, ArgAction, ArgMatches};
use serde::{Deserialize, Serialize};

/// The settings that `cxr run` hands to the stage that it starts, as `--set` would write
/// them: `train.epochs=40`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromRun {
    /// Those of its own command line: they count as part of the pipeline file.
    pub set: Vec<String>,
    /// Those that the stage was given when it was last run by hand, and that are kept.
    pub hand: Vec<String>,
}

/// `--set` and `--positive`, for the commands that work on the whole pipeline.
pub fn set_args() -> [Arg; 2] {
    [
        Arg::new("set").long("set").value_name("STAGE.KEY=VALUE").action(ArgAction::Append).help(
            "A setting, as `pipeline.toml` would hold it: `train.epochs=40`; may be given again",
        ),
        Arg::new("positive-class")
            .long("positive")
            .value_name("CLASS")
            .help("Positive class, for all stages: `positive` of `pipeline.toml`"),
    ]
}

/// The hidden argument of stages that [`FromRun`] comes in.
pub fn from_run_arg() -> Arg {
    Arg::new("from-run").long("from-run").hide(true).value_parser(|text: &str| {
        serde_json::from_str::<FromRun>(text).map_err(|error| error.to_string())
    })
}

/// What [`set_args`] brought, as items of `--set`.
pub(super) fn set_items(matches: &ArgMatches) -> Vec<String> {
    let many = matches.try_get_many::<String>("set").ok().flatten();
    let mut items: Vec<String> = many.into_iter().flatten().cloned().collect();
    if let Ok(Some(class)) = matches.try_get_one::<String>("positive-class") {
        // Quoted, so that no name is taken for TOML of another type.
        items.push(format!("positive={}", toml::Value::from(class.as_str())));
    }
    items
}
