//! The program `cxr`: every stage as a subcommand, and the commands for the whole pipeline,
//! one file each.

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

/// Command of `cxr` that is not a stage.
struct CliCommand {
    name: &'static str,
    /// Global flags that the command uses.
    uses: &'static [Flag],
    command: fn() -> Command,
    run: fn(&Context, &ArgMatches) -> Result<Outcome, Failure>,
}

impl CliCommand {
    /// Arguments, including the global flags.
    fn full_command(&self) -> Command {
        Globals::augment((self.command)(), self.uses)
    }
}

/// Flags of a command that reads the profile's stages and their folders.
const PIPELINE: &[Flag] = &[Flag::Config, Flag::Profile, Flag::Dataset, Flag::Artifacts];

const COMMANDS: &[CliCommand] = &[
    CliCommand { name: "run", uses: &Flag::ALL, command: run::command, run: run::run },
    CliCommand {
        name: "compare",
        uses: &[Flag::Config, Flag::Artifacts],
        command: compare::command,
        run: compare::run,
    },
    CliCommand { name: "status", uses: &Flag::ALL, command: status::command, run: status::run },
    CliCommand {
        name: "dag",
        uses: &[Flag::Config, Flag::Profile],
        command: dag::command,
        run: dag::run,
    },
    CliCommand { name: "diff", uses: &[], command: diff::command, run: diff::run },
    CliCommand { name: "clean", uses: PIPELINE, command: clean::command, run: clean::run },
    CliCommand {
        name: "cache",
        uses: &[Flag::Config, Flag::Artifacts],
        command: cache::command,
        run: cache::run,
    },
    CliCommand {
        name: "completions",
        uses: &[],
        command: shell::completions,
        run: shell::run_completions,
    },
    CliCommand { name: "man", uses: &[], command: shell::man, run: shell::run_man },
];

/// Entry point of `bin/cxr.rs`.
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
        .about("Train, evaluate and explain chest X-ray classifiers: education and research, never diagnosis")
        .arg_required_else_help(true)
        .subcommand_required(true)
        .subcommands(own.chain(stages))
}
