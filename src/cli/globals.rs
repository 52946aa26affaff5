//! Global flags, with the same name and meaning in each command that uses them.
//!
//! Every command has `--json`, `--quiet`, `--verbose` and `--color`. The other flags are
//! [`Flag`]s: a command declares the flags that it uses and refuses all others, so that no
//! flag is silently ignored.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, ArgMatches, Args, Command, ValueEnum};

use super::Failure;
use super::given::{self, FromRun};

/// Global flag that only some commands use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// `--config`
    Config,
    /// `--profile`
    Profile,
    /// `--dataset`
    Dataset,
    /// `--artifacts`
    Artifacts,
    /// `--seed`
    Seed,
    /// `--threads`
    Threads,
}

impl Flag {
    /// All flags.
    pub const ALL: [Self; 6] =
        [Self::Config, Self::Profile, Self::Dataset, Self::Artifacts, Self::Seed, Self::Threads];

    /// Name of the flag, without the dashes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Profile => "profile",
            Self::Dataset => "dataset",
            Self::Artifacts => "artifacts",
            Self::Seed => "seed",
            Self::Threads => "threads",
        }
    }

    /// Error of `command` for this flag, with hints on what was probably meant.
    fn refusal(self, command: &str, value: &str) -> Failure {
        let refused = |why: &str| {
            let flag = self.name();
            Failure::usage(format_args!("`{command}` does not take `--{flag}`: {why}"))
        };
        match self {
            Self::Dataset => refused("it reads no image files from a dataset folder")
                .hint(format_args!("to run the trained model on other images: `cxr predict {value}`"))
                .hint(format_args!(
                    "to train and evaluate on other images: `cxr run --dataset {value} --artifacts DIR`"
                )),
            Self::Seed => refused("it makes no random choice")
                .hint(format_args!("to run the whole pipeline with this seed: `cxr run --seed {value}`")),
            Self::Threads => refused("it works on one thread"),
            Self::Config | Self::Profile | Self::Artifacts => {
                refused("it would have no effect").hint(format_args!("`{command} --help` lists the flags"))
            }
        }
    }
}

/// Global flags as given; `None` also for flags that the command does not have.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Pipeline file [default: pipeline.toml if it exists, else the built-in pipeline]
    #[arg(global = true, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Profile of the pipeline file to use [default: its `default-profile` key]
    #[arg(global = true, long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Folder with one folder of images per class [default: dataset]
    #[arg(global = true, long, value_name = "DIR")]
    pub dataset: Option<PathBuf>,
    /// Folder for the output of all stages [default: artifacts]
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
    /// Print more details; twice for all details
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
    /// Items of `--set`, of commands that have the flag.
    #[arg(skip)]
    pub set: Vec<String>,
    /// Settings that `cxr run` passes to a stage.
    #[arg(skip)]
    pub from_run: Option<FromRun>,
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
    /// Adds the flags in `uses`, and the flags of every command.
    pub fn augment(command: Command, uses: &[Flag]) -> Command {
        let all = Self::augment_args(Command::new("all"));
        let unused = |name: &str| Flag::ALL.iter().any(|f| f.name() == name && !uses.contains(f));
        command.args(all.get_arguments().filter(|arg| !unused(arg.get_id().as_str())).cloned())
    }

    /// Reads the flags added by [`Globals::augment`].
    pub fn from_matches(matches: &ArgMatches) -> Self {
        let color: Color = given(matches, "color").unwrap_or_default();
        match color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        Self {
            config: given(matches, "config"),
            profile: given(matches, "profile"),
            dataset: given(matches, "dataset"),
            artifacts: given(matches, "artifacts"),
            seed: given(matches, "seed"),
            threads: given(matches, "threads"),
            json: matches.get_flag("json"),
            quiet: matches.get_flag("quiet"),
            verbose: matches.get_count("verbose"),
            color,
            set: given::set_items(matches),
            from_run: given(matches, "from-run"),
        }
    }

    /// Arguments that pass the flags in `uses` on to a child process.
    pub fn to_args(&self, uses: &[Flag]) -> Vec<OsString> {
        let mut args = Vec::new();
        for flag in uses {
            let value: Option<OsString> = match flag {
                Flag::Config => self.config.clone().map(Into::into),
                Flag::Profile => self.profile.clone().map(Into::into),
                Flag::Dataset => self.dataset.clone().map(Into::into),
                Flag::Artifacts => self.artifacts.clone().map(Into::into),
                Flag::Seed => self.seed.map(|seed| seed.to_string().into()),
                Flag::Threads => self.threads.map(|threads| threads.to_string().into()),
            };
            if let Some(value) = value {
                args.push(format!("--{}", flag.name()).into());
                args.push(value);
            }
        }
        args
    }
}

/// Value of an argument; `None` if it is not given or the command does not have it.
fn given<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.try_get_one::<T>(name).ok().flatten().cloned()
}

/// Failure for a parser error about a global flag that `command` does not use; `None` for any
/// other error. `args` are the parsed arguments.
pub(super) fn unused_flag(
    error: &clap::Error,
    command: &str,
    args: &[OsString],
) -> Option<Failure> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return None };
    let flag = *Flag::ALL.iter().find(|flag| arg.strip_prefix("--") == Some(flag.name()))?;
    let with_value = format!("{arg}=");
    let inline = |arg: &OsString| Some(arg.to_str()?.strip_prefix(&with_value)?.to_owned());
    let next = || {
        let index = args.iter().position(|a| a == OsStr::new(arg))?;
        Some(args.get(index + 1)?.to_string_lossy().into_owned())
    };
    let value = args.iter().find_map(inline).or_else(next);
    Some(flag.refusal(command, &value.unwrap_or_else(|| flag.name().to_uppercase())))
}
