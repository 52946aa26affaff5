//! The flags that every command shares.

use std::path::PathBuf;

use clap::{ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};

/// The flags that every command shares.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Pipeline file [default: pipeline.toml if there is one, else the built-in one]
    #[arg(global = true, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Profile of the pipeline file to use [default: its `default-profile` key]
    #[arg(global = true, long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Folder of class folders with films [default: dataset]
    #[arg(global = true, long, value_name = "DIR")]
    pub dataset: Option<PathBuf>,
    /// Folder that the stages write below [default: artifacts]
    #[arg(global = true, long, value_name = "DIR")]
    pub artifacts: Option<PathBuf>,
    /// Seed of every random choice [default: 42]
    #[arg(global = true, long, value_name = "N")]
    pub seed: Option<u64>,
    /// Threads to use; 0 for all cores [default: 0]
    #[arg(global = true, long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print one JSON document instead of text
    #[arg(global = true, long)]
    pub json: bool,
    /// Print errors and warnings only
    #[arg(global = true, long, short)]
    pub quiet: bool,
    /// Say more; twice for everything
    #[arg(global = true, long, short, action = ArgAction::Count)]
    pub verbose: u8,
    /// When to use colours
    #[arg(
        global = true,
        long,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true
    )]
    pub color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, and when `NO_COLOR` is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Globals {
    /// Adds the flags to a command.
    pub fn augment(command: Command) -> Command {
        // clap would take the doc comment above for the command's description.
        let about = command.get_about().cloned().unwrap_or_default();
        Self::augment_args(command).about(about).long_about(None)
    }

    /// Reads them from what [`Globals::augment`] parsed.
    pub fn from_matches(matches: &ArgMatches) -> Self {
        let globals = Self::from_arg_matches(matches).expect("every global flag has a default");
        match globals.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        globals
    }

    /// The flags that hand the same choices to a child process.
    pub fn to_args(&self) -> Vec<std::ffi::OsString> {
        let mut args = Vec::new();
        let mut push = |flag: &str, value: std::ffi::OsString| {
            args.push(flag.into());
            args.push(value);
        };
        for (flag, path) in [
            ("--config", &self.config),
            ("--dataset", &self.dataset),
            ("--artifacts", &self.artifacts),
        ] {
            if let Some(path) = path {
                push(flag, path.into());
            }
        }
        if let Some(profile) = &self.profile {
            push("--profile", profile.into());
        }
        if let Some(seed) = self.seed {
            push("--seed", seed.to_string().into());
        }
        if let Some(threads) = self.threads {
            push("--threads", threads.to_string().into());
        }
        args
    }
}
