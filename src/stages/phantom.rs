//! `cxr-phantom`: synthetic films in the layouts of the two real sources.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::collected::Force;
use super::{Stage, uses};
use crate::cli::{Context, Failure, Flag, Outcome, in_range, settings};
use crate::dataset::phantom::{Condition, Film, Plan, metadata_csv};
use crate::io::atomic;
use crate::pipeline::Input;

/// Films that are rendered before their bytes are written: bounds the memory.
const BATCH: usize = 64;

/// What tells the classes apart besides the lungs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// Nothing.
    None,
    /// A bright square in the upper left corner of the COVID-19 films.
    Marker,
}

settings! {
    /// Settings of `cxr-phantom`: `[phantom]` in `pipeline.toml`.
    pub struct Settings {
        /// Folder for the two sources; `{dataset}` is the dataset folder
        output: String = "{dataset}/sources".into(),
        /// PA films of COVID-19, and as many normal ones
        films: usize = 25,
        /// Shortcut to plant, for a look at how it is found out
        shortcut: Shortcut = Shortcut::None,
    }
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    force: Force,
}

/// The stage.
#[derive(Debug)]
pub struct Phantom;

impl Stage for Phantom {
    const NAME: &'static str = "phantom";
    const ABOUT: &'static str = "Draw synthetic films, to try the pipeline without data";
    const READS: &'static str = "nothing";
    const WRITES: &'static str = "covid-chestxray-dataset/ and chest_xray/, as the real ones lie";
    const AFTER: &'static [&'static str] = &[];
    const USES: &'static [Flag] = uses!(Dataset, Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr phantom --output /tmp/sources", "25 films of COVID-19 and 25 normal ones"),
        ("cxr phantom --films 40 --shortcut marker", "A set that gives the class away in a corner"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(_: &Context, _: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(Vec::new())
    }

    fn folder(ctx: &Context, settings: &Settings) -> PathBuf {
        ctx.paths.expand(&settings.output)
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
        check.expect(Force::NO.claim(&Self::folder(check.ctx, settings), Self::NAME));
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let folder = Self::folder(ctx, &settings);
        args.force.claim(&folder, Self::NAME)?;
        let marker = settings.shortcut == Shortcut::Marker;
        let films = Plan { films: settings.films, seed: ctx.seed, marker }.films();
        let job = Self::begin(ctx, &settings)?;
        let progress = ctx.ui.progress("drawing", films.len(), "films");
        for batch in films.chunks(BATCH) {
            let draw = |film: &Film| {
                let bytes = film.encode();
                progress.add(1);
                bytes
            };
            let drawn: Vec<_> = batch.par_iter().map(draw).collect();
            for (film, bytes) in batch.iter().zip(drawn) {
                atomic::write(&job.path(&film.path())?, &bytes)?;
            }
        }
        drop(progress);
        let table = job.path("covid-chestxray-dataset/metadata.csv")?;
        atomic::write(&table, metadata_csv(&films).as_bytes())?;
        job.publish()?;
        let count = |condition| films.iter().filter(|film| film.condition == condition).count();
        Ok(Outcome::new(&Summary {
            folder,
            covid: count(Condition::Covid),
            normal: count(Condition::Normal),
            pneumonia: count(Condition::Pneumonia),
            shortcut: settings.shortcut,
        }))
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("films", self.films, 1..=100_000)
    }
}

#[derive(Debug, Serialize)]
struct Summary {
    folder: PathBuf,
    covid: usize,
    normal: usize,
    pneumonia: usize,
    shortcut: Shortcut,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { covid, normal, pneumonia, .. } = self;
        writeln!(f, "{}: synthetic films, of nobody", self.folder.display())?;
        writeln!(f, "  covid-chestxray-dataset      {covid:>6}  of COVID-19, PA and AP")?;
        writeln!(
            f,
            "  chest_xray                   {normal:>6}  normal, {pneumonia} of other pneumonia"
        )?;
        match self.shortcut {
            Shortcut::None => Ok(()),
            Shortcut::Marker => writeln!(f, "  planted: a bright corner on every film of COVID-19"),
        }
    }
}
