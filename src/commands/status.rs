//! `cxr status`: one line per stage, fresh or stale, with the reasons.

use std::fmt;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use toml::Table;

use super::plan::{self, Compare};
use super::select;
use crate::cli::{Context, Failure, Kind, Outcome, set_args};
use crate::pipeline::stale::summary;

/// Arguments of `cxr status`.
pub fn command() -> Command {
    Command::new("status")
        .about("Show which stages are fresh, which are stale, and why")
        .arg(check_arg())
        .arg(Compare::arg())
        .args(set_args())
        .after_help(
            "Examples:\n  \
             # Show what `cxr run` would do\n  cxr status\n  \
             # Hash every file again\n  cxr status --rehash\n  \
             # In CI: exit code 3 if an artifact is out of date\n  cxr status --check",
        )
}

/// The flag `--check` of `cxr status` and `cxr run`.
pub fn check_arg() -> Arg {
    Arg::new("check")
        .long("check")
        .action(ArgAction::SetTrue)
        .help("Run nothing; exit with 3 if a stage is stale or does not meet its condition")
}

/// States of all stages.
#[derive(Debug, Serialize)]
pub struct Summary {
    profile: String,
    fresh: bool,
    stages: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    stage: &'static str,
    state: &'static str,
    reasons: Vec<String>,
    /// Key of the last execution; absent if the stage never ran.
    key: Option<String>,
    /// Overrides, kept by `cxr run`.
    #[serde(skip_serializing_if = "Table::is_empty")]
    by_hand: Table,
    /// Conditions that the last execution did not meet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missed: Vec<String>,
    #[serde(skip)]
    text: String,
}

impl Summary {
    /// Returns true if a fresh stage did not meet its condition.
    pub fn missed(&self) -> bool {
        self.stages.iter().any(|line| line.reasons.is_empty() && !line.missed.is_empty())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.stages.iter().map(|l| l.stage.len()).max().unwrap_or(0);
        for line in &self.stages {
            writeln!(f, "{:width$}  {}", line.stage, line.text)?;
        }
        Ok(())
    }
}

/// Prints the states. With `--check`, the exit code is 3 if a stage is stale or does not meet
/// its condition.
///
/// # Errors
/// As [`states`].
pub fn run(ctx: &Context, matches: &ArgMatches) -> Result<Outcome, Failure> {
    select::check_settings(&plan::stages(ctx)?, matches)?;
    let summary = states(ctx, Compare::from_matches(matches))?;
    let failed = !summary.fresh || summary.missed();
    let outcome = Outcome::new(&summary);
    Ok(if failed && matches.get_flag("check") { outcome.answer_no() } else { outcome })
}

/// Determines the states of the profile's stages.
///
/// # Errors
/// If a file cannot be read, or a setting is wrong.
pub fn states(ctx: &Context, compare: Compare) -> Result<Summary, Failure> {
    let stages = plan::stages(ctx)?;
    let mut lines = Vec::new();
    for state in plan::states(ctx, &stages, &[], compare)? {
        let plan::State { stage, reasons, key, missed, hand, problem, .. } = state;
        if let Some(problem) = problem.filter(|problem| problem.kind == Kind::Usage) {
            return Err(problem);
        }
        let mut text = match reasons.is_empty() {
            true if missed.is_empty() => "fresh".to_owned(),
            true => format!("fresh, but condition not met: {}", missed.join("; ")),
            false => format!("stale: {}", summary(&reasons)),
        };
        if !hand.is_empty() {
            text += &format!("; overrides: {}", hand.text());
        }
        if let Some(key) = key.as_ref().filter(|_| ctx.ui.verbosity() > 1) {
            text += &format!("  [{key}]");
        }
        lines.push(Line {
            stage: stage.name,
            state: if reasons.is_empty() { "fresh" } else { "stale" },
            reasons: reasons.iter().map(ToString::to_string).collect(),
            key,
            by_hand: hand.kept,
            missed,
            text,
        });
    }
    let fresh = lines.iter().all(|l| l.reasons.is_empty());
    Ok(Summary { profile: ctx.config.profile.clone(), fresh, stages: lines })
}
