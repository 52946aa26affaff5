//! `cxr-sample-normal`: films without a finding from the Kaggle set `chest_xray`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::check::Check;
use super::collected::{Collected, Force};
use super::{Stage, uses};
use crate::artifact::ledger::{self, Ledger, LedgerRow, Status};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, in_range, settings};
use crate::dataset::kaggle::{self, Image, KaggleError, Pool};
use crate::dataset::verdict::Verdict;
use crate::dataset::{identity, phantom};
use crate::io::atomic;
use crate::pipeline::Input;
use crate::rng::PythonRandom;

/// The collection, as ledgers and indices name it.
const SOURCE: &str = "chest_xray";

settings! {
    /// Settings of `cxr-sample-normal`: `[sample-normal]` in `pipeline.toml`.
    pub struct Settings {
        /// Folder of the set, or one above it
        source: String = "{dataset}/sources/chest_xray".into(),
        /// Films to draw
        count: usize = 25,
        /// Split of the set to draw from: train, test or val
        split: String = "train".into(),
        /// Draw from all of train/, pneumonia included, as the tutorial did
        as_tutorial: bool = false,
        /// Folder for the films
        output: String = "{dataset}/normal".into(),
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
pub struct SampleNormal;

impl Stage for SampleNormal {
    const NAME: &'static str = "sample-normal";
    const ABOUT: &'static str = "Draw normal films from the Kaggle set of children's films";
    const READS: &'static str = "chest_xray/, as it was unzipped";
    const WRITES: &'static str = "dataset/normal/: the films, ledger.csv";
    const AFTER: &'static [&'static str] = &["fetch", "phantom"];
    const USES: &'static [Flag] = uses!(Dataset, Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr sample-normal --source chest_xray --count 25 --seed 42", "25 normal films"),
        ("cxr sample-normal --as-tutorial", "25 films of any kind, as the tutorial drew them"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        let drawn = draw(ctx, settings)?.into_iter().filter(|(_, verdict)| verdict.kept());
        Ok(drawn
            .map(|(image, _)| Input::file(format!("source/{}", image.file), image.path))
            .collect())
    }

    fn folder(ctx: &Context, settings: &Settings) -> PathBuf {
        ctx.paths.expand(&settings.output)
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
        let (folder, source) =
            (Self::folder(check.ctx, settings), check.ctx.paths.expand(&settings.source));
        check.expect(Force::NO.claim_apart(&folder, &source, Self::NAME));
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        let folder = Self::folder(ctx, &settings);
        args.force.claim_apart(&folder, &ctx.paths.expand(&settings.source), Self::NAME)?;
        let drawn = draw(ctx, &settings)?;
        let job = Self::begin(ctx, &settings)?;
        let names = film_names(&drawn);
        for (image, _) in drawn.iter().filter(|(_, verdict)| verdict.kept()) {
            atomic::copy(&image.path, &job.path(&names[&image.file])?)?;
        }
        let entry = |(i, (image, verdict))| entry(i + 1, image, verdict, &names);
        let ledger = Ledger {
            rows: drawn.iter().map(|(i, v)| (i, *v)).enumerate().map(entry).collect(),
            notes: Vec::new(),
        };
        ledger.write(&job.path(ledger::FILE)?)?;
        job.publish()?;
        let pneumonia = ledger.kept().filter(|row| row.finding != kaggle::NORMAL).count();
        if pneumonia > 0 {
            ctx.ui.warn(format_args!(
                "{pneumonia} of the {} films are pneumonia, though the tutorial calls them normal",
                settings.count
            ));
        }
        Ok(Outcome::new(&Summary { collected: Collected::new(folder, &ledger), pneumonia }))
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("count", self.count, 1..=1_000_000)
    }
}

/// Every image of the set and what became of it.
fn draw(ctx: &Context, settings: &Settings) -> Result<Vec<(Image, Verdict)>, Failure> {
    let source = ctx.paths.expand(&settings.source);
    let pool = match settings.as_tutorial {
        true => Pool::AsTutorial,
        false => Pool::Normal { split: settings.split.clone() },
    };
    settings.check()?;
    let images = kaggle::list(&source);
    let images = match images {
        Err(e @ KaggleError::Unlistable { .. }) => Err(e).hint("check who may read it"),
        other => {
            other.hint("name the unzipped set with `--source`, or fetch it with `cxr fetch normal`")
        }
    }?;
    let mut random = PythonRandom::new(ctx.seed);
    let verdicts = pool.draw(&images, settings.count, |candidates| random.shuffle(candidates));
    let there = verdicts.iter().filter(|verdict| verdict.kept()).count();
    if there < settings.count {
        let (wanted, place) = (settings.count, source.display());
        let failure = Failure::new(format_args!(
            "asked for {wanted} films, and {pool} of `{place}` has {there}"
        ));
        return Err(match there {
            0 => failure.hint("`--split` takes `train`, `test` or `val`"),
            _ => failure.hint(format_args!("ask for fewer with `--count {there}`")),
        });
    }
    Ok(images.into_iter().zip(verdicts).collect())
}

/// The names of the kept films in the class folder: their own, or, where
/// several have the same, the whole path with hyphens.
fn film_names(drawn: &[(Image, Verdict)]) -> BTreeMap<String, String> {
    let kept = || drawn.iter().filter(|(_, verdict)| verdict.kept()).map(|(image, _)| image);
    let mut bearers = BTreeMap::new();
    for image in kept() {
        *bearers.entry(image.name()).or_insert(0) += 1;
    }
    let name = |image: &Image| match bearers[image.name()] {
        1 => image.name().to_owned(),
        _ => image.file.replace('/', "-"),
    };
    kept().map(|image| (image.file.clone(), name(image))).collect()
}

fn entry(
    row: usize,
    image: &Image,
    verdict: Verdict,
    names: &BTreeMap<String, String>,
) -> LedgerRow {
    let synthetic = phantom::is_phantom(image.name());
    LedgerRow {
        row,
        file: image.file.clone(),
        finding: image.finding().into(),
        view: if synthetic { "PA" } else { "AP" }.into(),
        modality: "X-ray".into(),
        patient: String::new(),
        evidence: String::new(),
        sex: String::new(),
        age: String::new(),
        source: if synthetic { phantom::SOURCE } else { SOURCE }.into(),
        status: Status::Dropped,
        reason: String::new(),
        film: String::new(),
    }
    .identified(identity::from_name(image.name()))
    .judged(verdict, names.get(&image.file).map_or("", String::as_str))
}

#[derive(Debug, Serialize)]
struct Summary {
    #[serde(flatten)]
    collected: Collected,
    pneumonia: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.collected.fmt(f)
    }
}
