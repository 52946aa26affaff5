//! `cxr-sample-normal`: random sample of normal images from the Kaggle dataset `chest_xray`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::check::Check;
use super::output_folder::{Force, OutputSummary};
use super::{Stage, uses};
use crate::artifact::selection_log::{self, SelectionLog, SelectionLogRow, Status};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, in_range, settings};
use crate::dataset::kaggle::{self, Image, KaggleError, SamplingFrame};
use crate::dataset::verdict::Verdict;
use crate::dataset::{identity, phantom};
use crate::io::atomic;
use crate::pipeline::Input;
use crate::rng::PythonRandom;

/// Name of the dataset in the selection log and the index.
const SOURCE: &str = "chest_xray";

settings! {
    /// Settings of `cxr-sample-normal`: `[sample-normal]` in `pipeline.toml`.
    pub struct Settings {
        /// Folder of the dataset, or a parent of it
        source: String = "{dataset}/sources/chest_xray".into(),
        /// Number of images
        count: usize = 25,
        /// Split of the dataset to sample from: `train`, `test` or `val`
        split: String = "train".into(),
        /// Sample from all of train/, including pneumonia, as the tutorial did
        as_tutorial: bool = false,
        /// Output folder for the images
        output: String = "{dataset}/normal".into(),
    }
}

/// Arguments of `cxr-sample-normal`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    force: Force,
}

/// `cxr-sample-normal`.
#[derive(Debug)]
pub struct SampleNormal;

impl Stage for SampleNormal {
    const NAME: &'static str = "sample-normal";
    const ABOUT: &'static str =
        "Sample normal images from the Kaggle dataset of children's chest X-rays";
    const READS: &'static str = "chest_xray/, unzipped";
    const WRITES: &'static str = "dataset/normal/: the images, selection.csv";
    const AFTER: &'static [&'static str] = &["fetch", "phantom"];
    const USES: &'static [Flag] = uses!(Dataset, Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr sample-normal --source chest_xray --count 25 --seed 42", "25 normal images"),
        ("cxr sample-normal --as-tutorial", "25 images, some with pneumonia, as in the tutorial"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        let sampled = sample(ctx, settings)?.into_iter().filter(|(_, verdict)| verdict.kept());
        Ok(sampled
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
        let candidates = sample(ctx, &settings)?;
        let job = Self::begin(ctx, &settings)?;
        let names = output_names(&candidates);
        for (image, _) in candidates.iter().filter(|(_, verdict)| verdict.kept()) {
            atomic::copy(&image.path, &job.path(&names[&image.file])?)?;
        }
        let log_row = |(i, (image, verdict))| log_row(i + 1, image, verdict, &names);
        let rows = candidates.iter().map(|(i, v)| (i, *v)).enumerate().map(log_row).collect();
        let selection_log = SelectionLog { rows, notes: Vec::new() };
        selection_log.write(&job.path(selection_log::FILE)?)?;
        job.publish()?;
        let pneumonia = selection_log.kept().filter(|row| row.finding != kaggle::NORMAL).count();
        if pneumonia > 0 {
            ctx.ui.warn(format_args!(
                "{pneumonia} of the {} images are pneumonia, but the tutorial labels them as normal",
                settings.count
            ));
        }
        Ok(Outcome::new(&Summary {
            collected: OutputSummary::new(folder, &selection_log),
            pneumonia,
        }))
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("count", self.count, 1..=1_000_000)
    }
}

/// Samples the images. Returns all images of the dataset with their exclusion reasons.
fn sample(ctx: &Context, settings: &Settings) -> Result<Vec<(Image, Verdict)>, Failure> {
    let source = ctx.paths.expand(&settings.source);
    let pool = match settings.as_tutorial {
        true => SamplingFrame::AsTutorial,
        false => SamplingFrame::Normal { split: settings.split.clone() },
    };
    settings.check()?;
    let images = kaggle::list(&source);
    let images = match images {
        Err(e @ KaggleError::Unlistable { .. }) => {
            Err(e).hint("check the permissions of the folder")
        }
        other => other.hint("give the unzipped folder with `--source`, or run `cxr fetch normal`"),
    }?;
    let mut random = PythonRandom::new(ctx.seed);
    let verdicts = pool.draw(&images, settings.count, |candidates| random.shuffle(candidates));
    let available = verdicts.iter().filter(|verdict| verdict.kept()).count();
    if available < settings.count {
        let (count, source) = (settings.count, source.display());
        let failure = Failure::new(format_args!(
            "cannot sample {count} images: {pool} of `{source}` has {available}"
        ));
        return Err(match available {
            0 => failure.hint("`--split` is `train`, `test` or `val`"),
            _ => failure.hint(format_args!("sample fewer with `--count {available}`")),
        });
    }
    Ok(images.into_iter().zip(verdicts).collect())
}

/// Maps the path of each kept image to its name in the output folder: its file name, or if
/// several images have this name, its path with hyphens.
fn output_names(candidates: &[(Image, Verdict)]) -> BTreeMap<String, String> {
    let kept = || candidates.iter().filter(|(_, verdict)| verdict.kept()).map(|(image, _)| image);
    let mut counts = BTreeMap::new();
    for image in kept() {
        *counts.entry(image.name()).or_insert(0) += 1;
    }
    let name = |image: &Image| match counts[image.name()] {
        1 => image.name().to_owned(),
        _ => image.file.replace('/', "-"),
    };
    kept().map(|image| (image.file.clone(), name(image))).collect()
}

/// Row of the selection log.
fn log_row(
    row: usize,
    image: &Image,
    verdict: Verdict,
    names: &BTreeMap<String, String>,
) -> SelectionLogRow {
    let synthetic = phantom::is_phantom(image.name());
    SelectionLogRow {
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
        image: String::new(),
    }
    .identified(identity::from_name(image.name()))
    .with_status(verdict, names.get(&image.file).map_or("", String::as_str))
}

#[derive(Debug, Serialize)]
struct Summary {
    #[serde(flatten)]
    collected: OutputSummary,
    pneumonia: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.collected.fmt(f)
    }
}
