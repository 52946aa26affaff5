//! `cxr completions` and `cxr man`, generated from the list of commands.

use std::fmt;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use serde::Serialize;

use crate::cli::{Context, Failure, Outcome};
use crate::io::atomic;
use crate::stages::STAGES;

/// Arguments of `cxr completions`.
pub fn completions() -> Command {
    Command::new("completions")
        .about("Print shell completions for `cxr`")
        .arg(
            Arg::new("shell")
                .required(true)
                .value_parser(value_parser!(Shell))
                .help("Shell to print completions for"),
        )
        .after_help(
            "Examples:\n  cxr completions bash > ~/.local/share/bash-completion/completions/cxr\n  \
             cxr completions zsh > ~/.zfunc/_cxr\n  \
             cxr completions fish > ~/.config/fish/completions/cxr.fish",
        )
}

/// Arguments of `cxr man`.
pub fn man() -> Command {
    Command::new("man")
        .about("Write the manual pages of all programs")
        .arg(
            Arg::new("output")
                .long("output")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .required(true)
                .help("Folder to write the pages to"),
        )
        .after_help("Examples:\n  cxr man --output ~/.local/share/man/man1 && man cxr-train")
}

#[derive(Debug, Serialize)]
struct Text {
    text: String,
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Prints the completions; never fails.
pub fn run_completions(_: &Context, matches: &ArgMatches) -> Result<Outcome, Failure> {
    let shell: Shell = *matches.get_one("shell").expect("it is required");
    let mut command = super::command();
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut command, "cxr", &mut bytes);
    Ok(Outcome::new(&Text { text: String::from_utf8_lossy(&bytes).into_owned() }))
}

/// Writes `cxr.1`, `cxr-run.1`, `cxr-train.1` and so on.
///
/// # Errors
/// If a page cannot be written.
pub fn run_man(_: &Context, matches: &ArgMatches) -> Result<Outcome, Failure> {
    let folder: &PathBuf = matches.get_one("output").expect("it is required");
    let own = super::COMMANDS.iter().map(|c| c.full_command().name(format!("cxr-{}", c.name)));
    let stages = STAGES.iter().map(|s| s.full_command());
    let pages: Vec<Command> = std::iter::once(super::command()).chain(own).chain(stages).collect();
    let number = pages.len();
    for page in pages {
        let path = folder.join(format!("{}.1", page.get_name()));
        let mut bytes = Vec::new();
        clap_mangen::Man::new(page).render(&mut bytes)?;
        atomic::write(&path, &bytes)?;
    }
    let text = format!("wrote {number} pages to {}", folder.display());
    Ok(Outcome::new(&Text { text }))
}
