//! Stages of the pipeline: one file per command, with its arguments, settings and `run`.
//!
//! To add a stage `x`: write `src/stages/x.rs` with a type that implements [`Stage`], write the
//! launcher `bin/cxr-x.rs`, and register the stage in three places: `mod` and [`STAGES`] here,
//! `[[bin]]` in `Cargo.toml`. The program, `cxr x`, its position in `cxr run`, its keys in
//! `pipeline.toml`, help, completions and the registry tests follow from these.
//!
//! A stage reads its inputs through [`Context::read`], writes through a [`Job`] from
//! [`Stage::begin`], returns its results as an [`Outcome`], and neither prints nor exits. Stages
//! never use each other. Their shared code is in `stage_inputs` (inputs), in `output_folder` (output
//! folders of the user), or in a lower layer.

pub mod audit;
pub mod build_covid;
pub mod check;
pub mod crossval;
pub mod evaluate;
pub mod explain;
pub mod export;
pub mod extract;
pub mod fetch;
pub mod link;
mod output_folder;
pub mod phantom;
pub mod plot;
pub mod predict;
pub mod preprocess;
pub mod report;
pub mod sample_normal;
pub mod split;
mod stage_inputs;
pub mod train;

use std::path::PathBuf;

use clap::{ArgMatches, Command, FromArgMatches};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

use self::check::{Check, Listed};
use crate::cli::{self, Context, Failure, Flag, Globals, Known, Outcome};
use crate::io::decimal;
use crate::pipeline::config::SEED;
use crate::pipeline::order::Node;
use crate::pipeline::stale::Wanted;
use crate::pipeline::{Input, Job};

/// All stages, in the order of the pipeline. Programs, help, `cxr run` and the tests are
/// generated from this list.
pub const STAGES: &[Entry] = &[
    Entry::of::<fetch::Fetch>(),
    Entry::of::<phantom::Phantom>(),
    Entry::of::<build_covid::BuildCovid>(),
    Entry::of::<sample_normal::SampleNormal>(),
    Entry::of::<preprocess::Preprocess>(),
    Entry::of::<link::LinkImages>(),
    Entry::of::<split::Split>(),
    Entry::of::<extract::Extract>(),
    Entry::of::<train::Train>(),
    Entry::of::<crossval::Crossval>(),
    Entry::of::<evaluate::Evaluate>(),
    Entry::of::<explain::Explain>(),
    Entry::of::<audit::AuditStage>(),
    Entry::of::<plot::Plot>(),
    Entry::of::<report::Report>(),
    Entry::of::<export::Export>(),
    Entry::of::<predict::Predict>(),
];

/// Global flags of a stage: those of settings and artifacts folder, and the listed ones:
/// `uses!(Dataset, Threads)`.
macro_rules! uses {
    ($($more:ident),*) => {
        &[
            $crate::cli::Flag::Config,
            $crate::cli::Flag::Profile,
            $crate::cli::Flag::Artifacts,
            $($crate::cli::Flag::$more),*
        ]
    };
}
use uses;

/// A command of the pipeline.
pub trait Stage {
    /// Name: `train` is `cxr-train`, `cxr train` and `[train]`.
    const NAME: &'static str;
    /// One line for `--help` and the table of stages.
    const ABOUT: &'static str;
    /// Inputs, for the table of stages.
    const READS: &'static str;
    /// Outputs, for the table of stages.
    const WRITES: &'static str;
    /// Stages whose files this stage reads when they run in the same pipeline.
    const AFTER: &'static [&'static str];
    /// Example command lines and their descriptions.
    const EXAMPLES: &'static [(&'static str, &'static str)];
    /// Accepted global flags: `Dataset` if the stage reads [`Context::paths`]`.dataset` or a
    /// setting with `{dataset}`, `Seed` if it reads [`Context::seed`], `Threads` if it starts a
    /// job (whose inputs are hashed in parallel) or computes in parallel.
    const USES: &'static [Flag];
    /// Whether `cxr run` prints the whole summary at its end, not only the first line.
    const SHOW: bool = false;
    /// Keys in `pipeline.toml`, defined with [`crate::settings!`].
    type Settings: Default + Serialize + DeserializeOwned;
    /// Arguments: `#[command(flatten)] flags: Flags`, and arguments that are not settings.
    type Args: clap::Args;

    /// Lists the input files without opening them: `ctx.input("split", "split.json")`. The
    /// runner compares them with the record to find out whether the stage is stale.
    ///
    /// # Errors
    /// If an input cannot be located.
    fn inputs(ctx: &Context, settings: &Self::Settings) -> Result<Vec<Input>, Failure>;

    /// Collects the reasons why the stage would fail with these settings that are known before
    /// the first stage of a run. The caller checks the inputs.
    fn check(check: &mut Check<'_>, settings: &Self::Settings) {
        let _ = (check, settings);
    }

    /// Lists the images of the data set; `None` if the stage does not read the data set.
    fn listed(ctx: &Context, settings: &Self::Settings) -> Option<Listed> {
        let _ = (ctx, settings);
        None
    }

    /// Returns the output folder.
    fn folder(ctx: &Context, settings: &Self::Settings) -> PathBuf {
        let _ = settings;
        ctx.paths.stage(Self::NAME)
    }

    /// Starts a job: hashes the inputs and opens the staging folder.
    ///
    /// # Errors
    /// If an input is missing or unreadable, or the output folder is not writable.
    fn begin(ctx: &Context, settings: &Self::Settings) -> Result<Job, Failure> {
        let inputs = Self::inputs(ctx, settings)?;
        ctx.job(Self::NAME, &Self::folder(ctx, settings), settings, &inputs)
    }

    /// Runs the stage.
    ///
    /// # Errors
    /// If the settings are invalid, an input is missing or malformed, or writing fails.
    fn run(ctx: &Context, args: Self::Args) -> Result<Outcome, Failure>;
}

/// A registered [`Stage`].
#[derive(Debug)]
pub struct Entry {
    /// [`Stage::NAME`].
    pub name: &'static str,
    /// [`Stage::ABOUT`].
    pub about: &'static str,
    /// [`Stage::READS`].
    pub reads: &'static str,
    /// [`Stage::WRITES`].
    pub writes: &'static str,
    /// [`Stage::AFTER`].
    pub after: &'static [&'static str],
    /// [`Stage::EXAMPLES`].
    pub examples: &'static [(&'static str, &'static str)],
    /// [`Stage::USES`].
    pub uses: &'static [Flag],
    /// [`Stage::SHOW`].
    pub show: bool,
    /// Default settings, as a table of `pipeline.toml`.
    pub defaults: fn() -> Table,
    /// Inputs and settings of the stage if `cxr run` started it now. The table holds settings
    /// that `cxr run` keeps from flags of an earlier run of the stage.
    pub wanted: fn(&Context, &Table) -> Result<Wanted, Failure>,
    /// Output folder.
    pub folder: fn(&Context) -> Result<PathBuf, Failure>,
    /// [`Stage::check`], with the table of `wanted`.
    pub check: fn(&mut Check<'_>, &Table),
    /// [`Stage::listed`], with the table of `wanted`.
    pub listed: fn(&Context, &Table) -> Option<Listed>,
    augment: fn(Command) -> Command,
    /// Runs the stage with its parsed arguments.
    pub run: fn(&Context, &ArgMatches) -> Result<Outcome, Failure>,
}

impl Entry {
    /// Returns the entry of the stage `S`.
    pub const fn of<S: Stage>() -> Self {
        Self {
            name: S::NAME,
            about: S::ABOUT,
            reads: S::READS,
            writes: S::WRITES,
            after: S::AFTER,
            examples: S::EXAMPLES,
            uses: S::USES,
            show: S::SHOW,
            defaults: || Table::try_from(S::Settings::default()).expect("settings serialise"),
            wanted: |ctx, hand| {
                let settings: S::Settings = ctx.settings(S::NAME, hand)?;
                let own = hand.get(SEED).and_then(toml::Value::as_integer);
                let own = own.and_then(|seed| u64::try_from(seed).ok());
                let seed = ctx.seed_of(S::NAME)?.map(|seed| own.unwrap_or(seed));
                let ctx = &ctx.with_seed(seed);
                Ok(Wanted {
                    folder: S::folder(ctx, &settings),
                    params: decimal::to_value(&settings),
                    seed,
                    inputs: S::inputs(ctx, &settings)?,
                })
            },
            check: |check, hand| {
                // `wanted` reports invalid settings.
                if let Ok(settings) = check.ctx.settings::<S::Settings>(S::NAME, hand) {
                    S::check(check, &settings);
                }
            },
            listed: |ctx, hand| S::listed(ctx, &ctx.settings(S::NAME, hand).ok()?),
            folder: |ctx| Ok(S::folder(ctx, &ctx.settings(S::NAME, &Table::new())?)),
            augment: <S::Args as clap::Args>::augment_args,
            run: |ctx, matches| {
                let args = S::Args::from_arg_matches(matches).expect("clap checked the arguments");
                S::run(ctx, args)
            },
        }
    }

    /// Returns the program's arguments with the global flags.
    pub fn full_command(&self) -> Command {
        Globals::augment(self.command(), self.uses)
    }

    /// Returns the program's arguments without the global flags.
    pub fn command(&self) -> Command {
        let name: &'static str = self.name;
        let command = (self.augment)(Command::new(format!("cxr-{name}")))
            .bin_name(format!("cxr {name}"))
            .version(env!("CARGO_PKG_VERSION"))
            .about(self.about)
            .long_about(None)
            .after_help(self.after_help())
            .arg(cli::from_run_arg());
        cli::settings::command(command, &(self.defaults)())
    }

    fn after_help(&self) -> String {
        let mut text = format!("Reads:  {}\nWrites: {}\n\nExamples:", self.reads, self.writes);
        for (line, description) in self.examples {
            text += &format!("\n  # {description}\n  {line}");
        }
        text
    }

    /// Returns the stage as a node of the pipeline's graph.
    pub fn node(&self) -> Node<'static> {
        Node { name: self.name, after: self.after }
    }
}

/// Returns the stage with this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    STAGES.iter().find(|s| s.name == name)
}

/// Returns name, default settings and accepted global flags of every stage.
pub fn known() -> Vec<Known> {
    let known = |s: &Entry| Known { name: s.name, defaults: (s.defaults)(), uses: s.uses };
    STAGES.iter().map(known).collect()
}
