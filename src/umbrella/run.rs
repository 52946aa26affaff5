//! `cxr run`: the stages of a profile, in order, each a child process.

use std::fmt;
use std::process::{Command as Process, Stdio};
use std::time::Instant;

use clap::{ArgMatches, Command};
use serde::Serialize;
use serde_json::Value;

use super::programs;
use crate::cli::{Context, Failure, Outcome, ResultExt};
use crate::pipeline::order::{Node, order};
use crate::stages::STAGES;

/// The arguments of `cxr run`.
pub fn command() -> Command {
    Command::new("run").about("Run the stages of a profile in order").after_help(
        "Examples:\n  \
             # The tutorial on your films: dataset/covid, dataset/normal\n  \
             cxr run --profile tutorial\n  \
             # The whole pipeline on synthetic films\n  \
             cxr run --profile demo --artifacts /tmp/demo",
    )
}

#[derive(Debug, Serialize)]
struct Summary {
    profile: String,
    stages: Vec<Value>,
    #[serde(skip)]
    seconds: f64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.stages.len();
        write!(f, "profile `{}`: {n} stages in {:.1} s", self.profile, self.seconds)
    }
}

/// Runs the stages; stops at the first that fails, with its exit code.
pub fn run(ctx: &Context, _: &ArgMatches) -> Result<Outcome, Failure> {
    let nodes: Vec<Node<'_>> = STAGES.iter().map(|s| s.node()).collect();
    let profile = &ctx.config.profile;
    let wanted = ctx.config.stages().usage()?;
    if wanted.is_empty() {
        return Err(Failure::usage(format_args!("the profile `{profile}` runs no stage"))
            .hint(format_args!("list its stages as `stages = [...]` in `[profile.{profile}]`")));
    }
    let stages = order(&nodes, &wanted).usage()?;
    let started = Instant::now();
    let mut documents = Vec::new();
    for (i, stage) in stages.iter().enumerate() {
        ctx.ui.note(format_args!("[{}/{}] {stage}", i + 1, stages.len()));
        documents.push(child(ctx, stage)?);
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(Outcome::new(&Summary { profile: profile.clone(), stages: documents, seconds }))
}

/// Runs one stage; with `--json` returns its document.
fn child(ctx: &Context, stage: &str) -> Result<Value, Failure> {
    let mut process = Process::new(programs::find(stage)?);
    process.args(ctx.globals.to_args()).stdin(Stdio::null());
    if ctx.ui.json() {
        process.arg("--json").stdout(Stdio::piped());
    }
    if ctx.ui.quiet() {
        process.arg("--quiet");
    }
    process.args((0..ctx.ui.verbosity()).map(|_| "-v"));
    let output = process.spawn().and_then(std::process::Child::wait_with_output);
    let output = output.context(format!("cannot run the stage `{stage}`"))?;
    match output.status.code() {
        Some(0) if ctx.ui.json() => Ok(serde_json::from_slice(&output.stdout)
            .context(format!("the stage `{stage}` printed no JSON document"))?),
        Some(0) => Ok(Value::String(stage.to_owned())),
        code => Err(Failure::stage(stage, code)),
    }
}
