//! Arguments, progress, errors and exit codes, independent of X-rays. Only this module prints:
//! the result to stdout, everything else to stderr.

pub mod context;
pub mod failure;
pub mod given;
pub mod globals;
pub mod hints;
pub mod interrupt;
pub mod outcome;
pub mod range;
pub mod settings;
pub mod stream;
pub mod ui;

use std::any::Any;
use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::conv::OutOfMemory;

pub use context::Context;
pub use failure::{Failure, Kind, ResultExt, hinted, shell_word};
pub use given::{FromRun, from_run_arg, set_args};
pub use globals::{Flag, Globals};
pub use interrupt::on_interrupt;
pub use outcome::Outcome;
pub use range::in_range;
pub use settings::settings;
pub use stream::Stream;
pub use ui::Ui;

/// Description of a stage for the command line.
#[derive(Debug, Clone)]
pub struct Known {
    /// Name of the stage and of its table in `pipeline.toml`.
    pub name: &'static str,
    /// Default settings.
    pub defaults: toml::Table,
    /// Global flags that the stage uses.
    pub uses: &'static [Flag],
}

impl Known {
    /// Keys of the stage's table in `pipeline.toml`, with a value of the type of each: the
    /// settings, and `seed` if the stage makes random choices.
    pub fn keys(&self) -> toml::Table {
        let mut keys = self.defaults.clone();
        if self.uses.contains(&Flag::Seed) {
            keys.insert(crate::pipeline::config::SEED.to_owned(), 42.into());
        }
        keys
    }
}

/// Runs a command: parses its arguments, runs `body`, prints the outcome or the failure, and
/// returns the exit code. `uses` are the global flags of the command, `known` all stages.
///
/// Exit codes: 0 success (also if the output pipe was closed), 1 failure, 2 wrong usage, 3 a
/// condition is not met, 101 a bug, 130 interrupted.
pub fn main(
    command: Command,
    uses: &[Flag],
    args: &[OsString],
    known: &[Known],
    body: impl FnOnce(&Context, &ArgMatches) -> Result<Outcome, Failure>,
) -> ExitCode {
    let name = command.get_name().to_owned();
    let shown = command.get_bin_name().unwrap_or(&name).to_owned();
    let command = Globals::augment(command, uses);
    let matches = match command.clone().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(e) => {
            return match globals::unused_flag(&e, &shown, args) {
                Some(failure) => Ui::new(&Globals::default()).failure(&failure),
                None => parse_error(&e),
            };
        }
    };
    let globals = Globals::from_matches(&matches);
    let ui = Ui::new(&globals);
    interrupt::clean_up();
    let stage = name.strip_prefix("cxr-");
    let from_run = globals.from_run.is_some();
    let result = Context::new(globals, ui.clone(), known, stage).and_then(|ctx| {
        catch_unwind(AssertUnwindSafe(|| body(&ctx, &matches))).unwrap_or_else(out_of_memory)
    });
    match result {
        Ok(outcome) => match print(&outcome, &name, &ui) {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => ui.failure(&Failure::from(
                anyhow::Error::from(e).context("cannot write to standard output"),
            )),
            _ => ExitCode::from(outcome.kind().code()),
        },
        Err(failure) => {
            let mut failure = failure.or_system_hint();
            failure.hints.retain(|hint| hints::is_for(&command, hint));
            if let Some(stage) = known.iter().find(|s| from_run && Some(s.name) == stage) {
                failure = failure.for_run(stage.name, &stage.defaults);
            }
            ui.failure(&failure)
        }
    }
}

/// Converts a panic for lack of memory into a failure; resumes any other panic, which is a bug.
fn out_of_memory(payload: Box<dyn Any + Send>) -> Result<Outcome, Failure> {
    match payload.downcast::<OutOfMemory>() {
        Ok(error) => Err(*error)
            .hint("close other programs, or raise the limit (`ulimit -v`)")
            .hint("use fewer `--threads`")
            .hint("use a smaller `--batch`"),
        Err(other) => resume_unwind(other),
    }
}

/// Prints a message of clap: help or version (exit code 0), or wrong arguments (2).
fn parse_error(error: &clap::Error) -> ExitCode {
    match error.print() {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(Kind::Failed.code()),
        _ if error.use_stderr() => ExitCode::from(Kind::Usage.code()),
        _ => ExitCode::SUCCESS,
    }
}

/// Prints help, the version or an error for arguments without a known command.
pub fn help(command: Command, args: impl IntoIterator<Item: Into<OsString> + Clone>) -> ExitCode {
    match command.try_get_matches_from(args) {
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => parse_error(&e),
    }
}

fn print(outcome: &Outcome, name: &str, ui: &Ui) -> io::Result<()> {
    if outcome.is_streamed() {
        return Ok(());
    }
    let mut out = anstream::stdout().lock();
    if ui.json() {
        writeln!(out, "{}", outcome.document(name, &ui.warnings()))?;
    } else if !ui.quiet() {
        write!(out, "{}", ui::clean(outcome.text()))?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_memory_is_a_failure_and_other_panics_continue() {
        let failure = out_of_memory(Box::new(OutOfMemory { bytes: 7 })).unwrap_err();
        assert_eq!(failure.kind.code(), 1);
        assert_eq!(failure.error.to_string(), "there is no memory for 7 bytes of the network");
        assert!(catch_unwind(|| out_of_memory(Box::new("a bug"))).is_err());
    }
}
