//! Settings on the command line of `cxr run`, and their way to its child processes.

use clap::{Arg, ArgAction, ArgMatches};
use serde::{Deserialize, Serialize};

/// Settings that `cxr run` passes to a stage, as items of `--set`: `train.epochs=40`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromRun {
    /// Settings of the command line of `cxr run`, which count as part of the pipeline file.
    pub set: Vec<String>,
    /// Overrides of the stage that are kept.
    pub hand: Vec<String>,
}

/// The flags `--set` and `--positive` of commands for the whole pipeline.
pub fn set_args() -> [Arg; 2] {
    [
        Arg::new("set")
            .long("set")
            .value_name("STAGE.KEY=VALUE")
            .action(ArgAction::Append)
            .help("Setting of a stage, as in `pipeline.toml`: `train.epochs=40`; may be repeated"),
        Arg::new("positive-class")
            .long("positive")
            .value_name("CLASS")
            .help("Positive class of all stages (`positive` in `pipeline.toml`)"),
    ]
}

/// Hidden argument of stages with [`FromRun`] as JSON.
pub fn from_run_arg() -> Arg {
    Arg::new("from-run").long("from-run").hide(true).value_parser(|text: &str| {
        serde_json::from_str::<FromRun>(text).map_err(|error| error.to_string())
    })
}

/// Values of [`set_args`], as items of `--set`.
pub(super) fn set_items(matches: &ArgMatches) -> Vec<String> {
    let many = matches.try_get_many::<String>("set").ok().flatten();
    let mut items: Vec<String> = many.into_iter().flatten().cloned().collect();
    if let Ok(Some(class)) = matches.try_get_one::<String>("positive-class") {
        // Quoted, so that a class named `1` stays a string.
        items.push(format!("positive={}", toml::Value::from(class.as_str())));
    }
    items
}
