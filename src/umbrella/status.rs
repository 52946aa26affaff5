//! `cxr status`: a line per stage, fresh or stale and why.

use std::fmt;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use toml::Table;

use super::plan::{self, Compare};
use crate::cli::{Context, Failure, Kind, Outcome, set_args};
use crate::pipeline::stale::summary;

/// The arguments of `cxr status`.
pub fn command() -> Command {
    Command::new("status")
        .about("Tell which stages are fresh, which are stale, and why")
        .arg(check_arg())
        .arg(Compare::arg())
        .args(set_args())
        .after_help(
            "Examples:\n  \
             # What would `cxr run` do?\n  cxr status\n  \
             # Trust neither sizes nor times\n  cxr status --rehash\n  \
             # Fail in CI when the artifacts are not those of the inputs\n  cxr status --check",
        )
}

/// `--check`, as `cxr run` has it too.
pub fn check_arg() -> Arg {
    Arg::new("check")
        .long("check")
        .action(ArgAction::SetTrue)
        .help("Run nothing; exit with 3 if a stage is stale or its answer is no")
}

/// The states of all stages.
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
    /// Of the last execution; absent if it never ran.
    key: Option<String>,
    /// Settings that were given when it was last run by hand, and that `cxr run` keeps.
    #[serde(skip_serializing_if = "Table::is_empty")]
    by_hand: Table,
    /// Why its last execution answered no.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missed: Vec<String>,
    #[serde(skip)]
    text: String,
}

impl Summary {
    /// Whether the answer of a fresh stage is no.
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

/// Tells the states; with `--check` the answer is no if a stage is stale.
pub fn run(ctx: &Context, matches: &ArgMatches) -> Result<Outcome, Failure> {
    let summary = states(ctx, Compare::from_matches(matches))?;
    let no = !summary.fresh || summary.missed();
    let outcome = Outcome::new(&summary);
    Ok(if no && matches.get_flag("check") { outcome.answer_no() } else { outcome })
}

/// The states of the profile's stages.
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
            true => format!("fresh, but its answer is no: {}", missed.join("; ")),
            false => format!("stale: {}", summary(&reasons)),
        };
        if !hand.is_empty() {
            text += &format!("; by hand: {}", hand.text());
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
