//! `cxr-extract`: films through the frozen net, once.

mod bench;
mod compute;
mod films;
mod store;

use std::fmt;
use std::time::Instant;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use self::bench::Timings;
use self::compute::Extraction;
use self::films::Source;
use self::store::Store;
use super::check::Check;
use super::{Stage, upstream, uses};
use crate::artifact::Document;
use crate::artifact::features::{Extractor, Features};
use crate::backbone::{Options, Pooling, Vgg16, Weights};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, in_range};
use crate::conv::Engine;
use crate::image::Part;
use crate::io::cache::Cache;
use crate::pipeline::Input;
use crate::rng::{Rng, derive};

/// `cxr-extract`.
pub struct Extract;

/// The axes of a film that a rotation turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Axes {
    /// The picture, about its centre, as the tutorial's `ImageDataGenerator` does.
    HeightWidth,
    /// Each row of pixels against its channels, which hardly changes a grey film:
    /// what Keras' `apply_affine_transform` does unless told where the channels are.
    WidthChannel,
}

crate::settings! {
    /// Settings of `cxr-extract`: `[extract]` in `pipeline.toml`.
    pub struct Settings {
        /// Rotated copies of each training film
        rotations: usize = 25,
        /// Largest angle of a rotation, in degrees
        degrees: f64 = 15.0,
        /// Axes that a rotation turns
        axes: Axes = Axes::HeightWidth,
        /// What the head sees of the net's 7x7 maps: `tutorial`, rows and columns 0 to 3, or `global`
        pooling: Pooling = Pooling::Tutorial,
        /// Extract each film's border and centre alone too, for the audit
        masks: bool = true,
        /// Images that go through the net at once
        batch: usize = 8,
        /// File of weights [default: `CXR_WEIGHTS`, else what `cxr fetch weights` fetched]
        weights: String = String::new(),
    }
}

/// Arguments of `cxr-extract`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Neither use nor keep features of films seen before
    #[arg(long)]
    no_cache: bool,
    /// Extract nothing: print milliseconds and GFLOP/s of each layer by each algorithm
    #[arg(long)]
    bench_layers: bool,
}

#[derive(Debug, Serialize)]
struct Summary {
    films: usize,
    train: usize,
    rotations: usize,
    pooling: Pooling,
    /// Films whose features were at hand.
    cached: usize,
    /// Images that went through the net.
    computed: usize,
    /// What computing them took.
    seconds: f64,
}

impl Stage for Extract {
    const NAME: &'static str = "extract";
    const ABOUT: &'static str = "Compute the features of films and of rotated training films";
    const READS: &'static str = "images.npy, index.csv, split.json, the weights of VGG16";
    const WRITES: &'static str = "features.npy, bank.npy, masked.npy, features.json";
    const AFTER: &'static [&'static str] = &["preprocess", "split"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-extract --profile tutorial", "As the tutorial does"),
        ("cxr-extract --pooling global --rotations 5", "All the net sees, less augmentation"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(vec![
            ctx.input("preprocess", "index.csv"),
            ctx.input("preprocess", "images.npy"),
            ctx.input("split", "split.json"),
            Input::file("weights", upstream::weights_file(ctx, &settings.weights)?),
        ])
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
        check.expect(Engine::from_env().usage());
        check.weights(&settings.weights);
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let engine = Engine::from_env().usage()?;
        let weights = || {
            Weights::read(&upstream::weights_file(ctx, &settings.weights)?)
                .hint("name another file with `--weights`, or run `cxr fetch weights`")
        };
        if args.bench_layers {
            return Ok(Outcome::new(&Timings::measure(&weights()?, engine.isa)));
        }
        let limit = ctx.cache_limit()?;
        let job = Self::begin(ctx, &settings)?;
        let mut source = Source::open(ctx, &job, settings.axes)?;
        let weights = weights()?;
        let fingerprint = weights.fingerprint();
        let net = Vgg16::new(&weights, Options { pooling: settings.pooling, engine });
        // The net keeps its own, transformed; these are 59 MB.
        drop(weights);

        let cache = (!args.no_cache).then(|| Cache::new(ctx.paths.features_cache()));
        let version =
            format!("{} {engine:?} {fingerprint} {}", env!("CARGO_PKG_VERSION"), settings.pooling);
        let films = source.films(&settings, ctx.seed, &version)?;
        let store = Store::new(ctx, &job, cache.clone());
        let todo = store.missing(&films);
        let mut extraction = Extraction { source, net, batch: settings.batch, store };
        let started = Instant::now();
        let computed = extraction.compute(ctx, &todo)?;
        let seconds = started.elapsed().as_secs_f64();
        let (masked, upright): (Vec<_>, Vec<_>) = films.iter().partition(|film| film.is_masked());
        extraction.write(&job, &upright, settings.rotations)?;
        if settings.masks {
            extraction.write_masked(&job, &masked)?;
        }
        let Extraction { source, store, .. } = extraction;
        // Removes the scratch folder before the stage is published.
        drop(store);
        let description = Features {
            schema: Features::SCHEMA.to_owned(),
            extractor: Extractor {
                backbone: Extractor::BACKBONE.into(),
                weights: fingerprint,
                pooling: settings.pooling,
                side: source.side,
                scale: Extractor::SCALE.into(),
                width: WIDTH,
            },
            rotations: settings.rotations,
            degrees: settings.degrees,
            masks: if settings.masks { Part::ALL.to_vec() } else { Vec::new() },
            split: job.inputs()["split/split.json"].clone(),
        };
        description.write(&job.path("features.json")?)?;
        job.publish()?;
        if let Some(error) = cache.map(|c| c.prune(limit)).and_then(Result::err) {
            ctx.ui.warn(format_args!("{error} ({}): the cache is not pruned", error.source));
        }
        Ok(Outcome::new(&Summary {
            films: source.index.rows.len(),
            train: source.split.train.len(),
            rotations: settings.rotations,
            pooling: settings.pooling,
            cached: source.index.rows.len() - todo.chunk_by(|a, b| a.row == b.row).count(),
            computed,
            seconds,
        }))
    }
}

/// Features of one image.
const WIDTH: usize = Vgg16::CHANNELS;

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("rotations", self.rotations, 1..=1000)?;
        in_range("batch", self.batch, 1..=1024)?;
        in_range("degrees", self.degrees, 0.0..=180.0)
    }

    /// The first `n` angles of a film. They follow from the seed and its pixels
    /// alone, so that no other film changes them.
    fn angles(&self, seed: u64, pixels: &blake3::Hash, n: usize) -> Vec<f64> {
        let item = u64::from_le_bytes(*pixels.as_bytes().first_chunk().expect("32 bytes"));
        let mut rng = Rng::new(derive(seed, "extract", "angle", item));
        (0..n).map(|_| rng.uniform(-self.degrees, self.degrees)).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { films, train, rotations, pooling, cached, computed, seconds } = self;
        writeln!(
            f,
            "features of {films} films, and of {rotations} rotations of {train} training films"
        )?;
        writeln!(f, "pooling   {pooling}: {WIDTH} numbers an image")?;
        if *pooling == Pooling::Tutorial {
            writeln!(f, "          33 of the 49 cells of the maps are not pooled")?;
        }
        writeln!(f, "cached    {cached} films")?;
        write!(f, "computed  {computed} images")?;
        if *computed > 0 {
            write!(f, " in {seconds:.1} s, {:.1} images/s", *computed as f64 / seconds)?;
        }
        Ok(())
    }
}
