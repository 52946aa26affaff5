//! One file per command: its arguments, its settings, its `run`.
//!
//! To add a stage `x`: write `src/stages/x.rs` with a type that implements
//! [`Stage`], write `bin/cxr-x.rs`, a launcher like the others, and register it in three
//! places: `mod` and [`STAGES`] here, `[[bin]]` in `Cargo.toml`. The program,
//! `cxr x`, its place in `cxr run`, its keys in `pipeline.toml`, help,
//! completions and the tests of the registry follow from that.
//!
//! A stage reads its inputs through [`Context::read`], writes through a
//! [`Job`] from [`Stage::begin`], says what it found in an [`Outcome`], and neither
//! prints nor exits. It never uses another stage: what several of them read is in
//! `upstream`, what those share that fill a folder of the user's is in `collected`,
//! and all else lives in a lower layer.

pub mod audit;
pub mod build_covid;
pub mod check;
mod collected;
pub mod crossval;
pub mod evaluate;
pub mod explain;
pub mod export;
pub mod extract;
pub mod fetch;
pub mod link;
pub mod phantom;
pub mod plot;
pub mod predict;
pub mod preprocess;
pub mod report;
pub mod sample_normal;
pub mod split;
pub mod train;
mod upstream;

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

/// Every stage, in the order of the pipeline: the one list that programs, help,
/// `cxr run` and the tests are made from.
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

/// The global flags of a stage that reads its settings and works in the artifacts folder,
/// and `more` of them: `uses!(Dataset, Threads)`.
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

/// A command: what it is called, what it takes, what it does.
pub trait Stage {
    /// Its name: `train` is `cxr-train`, `cxr train` and `[train]`.
    const NAME: &'static str;
    /// One line for `--help` and the table of stages.
    const ABOUT: &'static str;
    /// What it reads, for the table of stages.
    const READS: &'static str;
    /// What it writes, for the table of stages.
    const WRITES: &'static str;
    /// Stages whose files it reads when they run in the same pipeline.
    const AFTER: &'static [&'static str];
    /// Command lines worth showing, with what each does.
    const EXAMPLES: &'static [(&'static str, &'static str)];
    /// The global flags that it uses; the parser refuses the others. `Dataset` if it
    /// reads [`Context::paths`]`.dataset` or a setting with `{dataset}`, `Seed` if it reads
    /// [`Context::seed`], `Threads` if it starts a job (whose inputs are hashed in
    /// parallel) or computes in parallel.
    const USES: &'static [Flag];
    /// Whether `cxr run` ends with its whole summary, not only the first line.
    const SHOW: bool = false;
    /// Its keys in `pipeline.toml`, made with [`crate::settings!`].
    type Settings: Default + Serialize + DeserializeOwned;
    /// Its arguments: `#[command(flatten)] flags: Flags`, and what is no setting.
    type Args: clap::Args;

    /// The files it reads, not opened: `ctx.input("split", "split.json")`. The
    /// runner compares them with the record to tell what is stale.
    fn inputs(ctx: &Context, settings: &Self::Settings) -> Result<Vec<Input>, Failure>;

    /// Notes what would make it fail with these settings, as far as that can be told before
    /// the first stage of a run. Its inputs are checked for it.
    fn check(check: &mut Check<'_>, settings: &Self::Settings) {
        let _ = (check, settings);
    }

    /// The contents of the data set, if it is the stage that reads it.
    fn listed(ctx: &Context, settings: &Self::Settings) -> Option<Listed> {
        let _ = (ctx, settings);
        None
    }

    /// The folder it writes to.
    fn folder(ctx: &Context, settings: &Self::Settings) -> PathBuf {
        let _ = settings;
        ctx.paths.stage(Self::NAME)
    }

    /// Starts a job: hashes the inputs, opens the staging folder.
    fn begin(ctx: &Context, settings: &Self::Settings) -> Result<Job, Failure> {
        let inputs = Self::inputs(ctx, settings)?;
        ctx.job(Self::NAME, &Self::folder(ctx, settings), settings, &inputs)
    }

    /// Does the work.
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
    /// The default settings, as a table of `pipeline.toml`.
    pub defaults: fn() -> Table,
    /// What the stage would do if `cxr run` started it now, with these settings kept of
    /// its last run by hand.
    pub wanted: fn(&Context, &Table) -> Result<Wanted, Failure>,
    /// The folder it writes to.
    pub folder: fn(&Context) -> Result<PathBuf, Failure>,
    /// [`Stage::check`], with settings kept of its last run by hand.
    pub check: fn(&mut Check<'_>, &Table),
    /// [`Stage::listed`], with settings kept of its last run by hand.
    pub listed: fn(&Context, &Table) -> Option<Listed>,
    augment: fn(Command) -> Command,
    /// Runs the stage with its parsed arguments.
    pub run: fn(&Context, &ArgMatches) -> Result<Outcome, Failure>,
}

impl Entry {
    /// The entry of the stage `S`.
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
                // Wrong settings are a problem of `wanted`.
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

    /// The program's arguments, the global ones among them.
    pub fn full_command(&self) -> Command {
        Globals::augment(self.command(), self.uses)
    }

    /// The program's arguments, without the global ones.
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
        for (line, what) in self.examples {
            text += &format!("\n  # {what}\n  {line}");
        }
        text
    }

    /// The stage as the pipeline sees it.
    pub fn node(&self) -> Node<'static> {
        Node { name: self.name, after: self.after }
    }
}

/// The stage called `name`.
pub fn find(name: &str) -> Option<&'static Entry> {
    STAGES.iter().find(|s| s.name == name)
}

/// Every stage with its default settings, which `pipeline.toml` may hold, and the global
/// flags that it uses.
pub fn known() -> Vec<Known> {
    let known = |s: &Entry| Known { name: s.name, defaults: (s.defaults)(), uses: s.uses };
    STAGES.iter().map(known).collect()
}
