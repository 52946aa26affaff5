//! `cxr` itself: every stage as a subcommand, and the commands that work on the whole
//! pipeline, one file each.

mod artifacts;
pub mod cache;
mod check;
mod child;
pub mod clean;
pub mod compare;
pub mod dag;
pub mod diff;
pub mod plan;
pub mod run;
pub mod select;
pub mod shell;
pub mod status;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::cli::{self, Context, Failure, Flag, Globals, Outcome};
use crate::stages::{STAGES, find, known};

/// A command of `cxr` itself.
struct Porcelain {
    name: &'static str,
    /// The global flags that it uses.
    uses: &'static [Flag],
    command: fn() -> Command,
    run: fn(&Context, &ArgMatches) -> Result<Outcome, Failure>,
}

impl Porcelain {
    /// The arguments, the global ones among them.
    fn full_command(&self) -> Command {
        Globals::augment((self.command)(), self.uses)
    }
}

/// The flags of a command that reads the profile's stages and their folders.
const PIPELINE: &[Flag] = &[Flag::Config, Flag::Profile, Flag::Dataset, Flag::Artifacts];

const COMMANDS: &[Porcelain] = &[
    Porcelain { name: "run", uses: &Flag::ALL, command: run::command, run: run::run },
    Porcelain {
        name: "compare",
        uses: &[Flag::Config, Flag::Artifacts],
        command: compare::command,
        run: compare::run,
    },
    Porcelain { name: "status", uses: &Flag::ALL, command: status::command, run: status::run },
    Porcelain {
        name: "dag",
        uses: &[Flag::Config, Flag::Profile],
        command: dag::command,
        run: dag::run,
    },
    Porcelain { name: "diff", uses: &[], command: diff::command, run: diff::run },
    Porcelain { name: "clean", uses: PIPELINE, command: clean::command, run: clean::run },
    Porcelain {
        name: "cache",
        uses: &[Flag::Config, Flag::Artifacts],
        command: cache::command,
        run: cache::run,
    },
    Porcelain {
        name: "completions",
        uses: &[],
        command: shell::completions,
        run: shell::run_completions,
    },
    Porcelain { name: "man", uses: &[], command: shell::man, run: shell::run_man },
];

/// The whole of `bin/cxr.rs`.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let name = args.get(1).and_then(|a| a.to_str()).unwrap_or_default();
    if let Some(own) = COMMANDS.iter().find(|c| c.name == name) {
        let command = (own.command)().name(format!("cxr {name}")).bin_name(format!("cxr {name}"));
        return cli::main(command, own.uses, &args[1..], &known(), own.run);
    }
    if let Some(stage) = find(name) {
        return cli::main(stage.command(), stage.uses, &args[1..], &known(), stage.run);
    }
    cli::help(command(), &args)
}

/// `cxr` with every command, for help, completions and suggestions.
pub fn command() -> Command {
    let own = COMMANDS.iter().map(|c| c.full_command().name(c.name));
    let stages = STAGES.iter().map(|s| s.full_command().name(s.name));
    Command::new("cxr")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Train, judge and explain chest X-ray classifiers: research and education, never diagnosis")
        .arg_required_else_help(true)
        .subcommand_required(true)
        .subcommands(own.chain(stages))
}
