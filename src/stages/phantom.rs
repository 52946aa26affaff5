//! `cxr-phantom`: synthetic images (phantoms) in the layouts of the two real sources.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::output_folder::Force;
use super::{Stage, uses};
use crate::cli::{Context, Failure, Flag, Outcome, in_range, settings};
use crate::dataset::phantom::{Condition, Image, Plan, metadata_csv};
use crate::io::atomic;
use crate::pipeline::Input;

/// Number of encoded images in memory at the same time.
const BATCH: usize = 64;

/// Difference between the classes outside the lungs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// No difference.
    None,
    /// A bright square in the upper left corner of the COVID-19 images.
    Marker,
}

settings! {
    /// Settings of `cxr-phantom`: `[phantom]` in `pipeline.toml`.
    pub struct Settings {
        /// Output folder for the two sources; `{dataset}` is the dataset folder
        output: String = "{dataset}/sources".into(),
        /// Number of COVID-19 PA images, and of normal images
        images: usize = 25,
        /// Shortcut in the COVID-19 images, to test the audit: `none` or `marker`
        shortcut: Shortcut = Shortcut::None,
    }
}

/// Arguments of `cxr-phantom`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    force: Force,
}

/// `cxr-phantom`.
#[derive(Debug)]
pub struct Phantom;

impl Stage for Phantom {
    const NAME: &'static str = "phantom";
    const ABOUT: &'static str = "Generate synthetic images, to try the pipeline without data";
    const READS: &'static str = "nothing";
    const WRITES: &'static str =
        "covid-chestxray-dataset/ and chest_xray/, laid out as the real sources";
    const AFTER: &'static [&'static str] = &[];
    const USES: &'static [Flag] = uses!(Dataset, Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr phantom --output /tmp/sources", "25 COVID-19 PA images and 25 normal images"),
        ("cxr phantom --images 40 --shortcut marker", "Images with a marker in one class"),
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
        let images = Plan { images: settings.images, seed: ctx.seed, marker }.images();
        let job = Self::begin(ctx, &settings)?;
        let progress = ctx.ui.progress("generating", images.len(), "images");
        for batch in images.chunks(BATCH) {
            let encode = |image: &Image| {
                let bytes = image.encode();
                progress.add(1);
                bytes
            };
            let encoded: Vec<_> = batch.par_iter().map(encode).collect();
            for (image, bytes) in batch.iter().zip(encoded) {
                atomic::write(&job.path(&image.path())?, &bytes)?;
            }
        }
        drop(progress);
        let table = job.path("covid-chestxray-dataset/metadata.csv")?;
        atomic::write(&table, metadata_csv(&images).as_bytes())?;
        job.publish()?;
        let count = |condition| images.iter().filter(|image| image.condition == condition).count();
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
        in_range("images", self.images, 1..=100_000)
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
        writeln!(f, "{}: synthetic images", self.folder.display())?;
        writeln!(f, "  covid-chestxray-dataset      {covid:>6}  COVID-19, PA and AP")?;
        writeln!(
            f,
            "  chest_xray                   {normal:>6}  normal, {pneumonia} with other pneumonia"
        )?;
        match self.shortcut {
            Shortcut::None => Ok(()),
            Shortcut::Marker => writeln!(f, "  shortcut: a bright corner in every COVID-19 image"),
        }
    }
}
