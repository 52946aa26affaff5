//! `cxr-extract`: features of all images from the frozen backbone.

mod bench;
mod compute;
mod images;
mod store;

use std::fmt;
use std::time::Instant;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use self::bench::Timings;
use self::compute::Extraction;
use self::images::Source;
use self::store::Store;
use super::check::Check;
use super::{Stage, stage_inputs, uses};
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

/// Axes of an image `[height, width, channels]` that are rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Axes {
    /// Rotation of the image about its centre, as by the tutorial's `ImageDataGenerator`.
    HeightWidth,
    /// Rotation of width and channels, which hardly changes a grey image: the default of Keras'
    /// `apply_affine_transform`.
    WidthChannel,
}

crate::settings! {
    /// Settings of `cxr-extract`: `[extract]` in `pipeline.toml`.
    pub struct Settings {
        /// Number of rotated copies of each training image
        rotations: usize = 25,
        /// Maximum rotation angle in degrees, from 0 to 180
        degrees: f64 = 15.0,
        /// Axes that are rotated
        axes: Axes = Axes::HeightWidth,
        /// Pooling of the backbone's 7x7 feature maps: `tutorial` (rows and columns 0 to 3) or `global`
        pooling: Pooling = Pooling::Tutorial,
        /// Also extract features of each image's border alone and centre alone, for the audit
        masks: bool = true,
        /// Number of images per forward pass
        batch: usize = 8,
        /// Weights file [default: `CXR_WEIGHTS`, else the file of `cxr fetch weights`]
        weights: String = String::new(),
    }
}

/// Arguments of `cxr-extract`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Neither read nor write cached features
    #[arg(long)]
    no_cache: bool,
    /// Extract nothing: print the milliseconds and GFLOP/s of each layer with each algorithm
    #[arg(long)]
    bench_layers: bool,
}

#[derive(Debug, Serialize)]
struct Summary {
    images: usize,
    train: usize,
    rotations: usize,
    pooling: Pooling,
    /// Number of images whose features were cached.
    cached: usize,
    /// Number of computed views: images, rotated copies and masked copies.
    computed: usize,
    /// Computation time in seconds.
    seconds: f64,
}

impl Stage for Extract {
    const NAME: &'static str = "extract";
    const ABOUT: &'static str = "Compute the features of images and of rotated training images";
    const READS: &'static str = "images.npy, index.csv, split.json, the weights of VGG16";
    const WRITES: &'static str = "features.npy, augmented.npy, masked.npy, features.json";
    const AFTER: &'static [&'static str] = &["preprocess", "split"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-extract --profile tutorial", "As in the tutorial"),
        ("cxr-extract --pooling global --rotations 5", "Global pooling, fewer rotations"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(vec![
            ctx.input("preprocess", "index.csv"),
            ctx.input("preprocess", "images.npy"),
            ctx.input("split", "split.json"),
            Input::file("weights", stage_inputs::weights_file(ctx, &settings.weights)?),
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
            Weights::read(&stage_inputs::weights_file(ctx, &settings.weights)?)
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
        // Frees 59 MB: the backbone has a transformed copy.
        drop(weights);

        let cache = (!args.no_cache).then(|| Cache::new(ctx.paths.features_cache()));
        let version =
            format!("{} {engine:?} {fingerprint} {}", env!("CARGO_PKG_VERSION"), settings.pooling);
        let images = source.images(&settings, ctx.seed, &version)?;
        let store = Store::new(ctx, &job, cache.clone());
        let todo = store.missing(&images);
        let mut extraction = Extraction { source, net, batch: settings.batch, store };
        let started = Instant::now();
        let computed = extraction.compute(ctx, &todo)?;
        let seconds = started.elapsed().as_secs_f64();
        let (masked, unmasked): (Vec<_>, Vec<_>) =
            images.iter().partition(|image| image.is_masked());
        extraction.write(&job, &unmasked, settings.rotations)?;
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
            images: source.index.rows.len(),
            train: source.split.train.len(),
            rotations: settings.rotations,
            pooling: settings.pooling,
            cached: source.index.rows.len() - todo.chunk_by(|a, b| a.row == b.row).count(),
            computed,
            seconds,
        }))
    }
}

/// Number of features per image.
const WIDTH: usize = Vgg16::CHANNELS;

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("rotations", self.rotations, 1..=1000)?;
        in_range("batch", self.batch, 1..=1024)?;
        in_range("degrees", self.degrees, 0.0..=180.0)
    }

    /// First `n` rotation angles of an image, in degrees. They depend only on the seed and its
    /// pixels, so that a change of the dataset does not change the angles of other images.
    fn angles(&self, seed: u64, pixels: &blake3::Hash, n: usize) -> Vec<f64> {
        let item = u64::from_le_bytes(*pixels.as_bytes().first_chunk().expect("32 bytes"));
        let mut rng = Rng::new(derive(seed, "extract", "angle", item));
        (0..n).map(|_| rng.uniform(-self.degrees, self.degrees)).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, train, rotations, pooling, cached, computed, seconds } = self;
        writeln!(
            f,
            "features of {images} images, and of {rotations} rotations of {train} training images"
        )?;
        writeln!(f, "pooling   {pooling}: {WIDTH} features per image")?;
        if *pooling == Pooling::Tutorial {
            writeln!(f, "          33 of the 49 cells of the feature maps are not pooled")?;
        }
        writeln!(f, "cached    {cached} images")?;
        write!(f, "computed  {computed} images and copies")?;
        if *computed > 0 {
            write!(f, " in {seconds:.1} s, {:.1} per second", *computed as f64 / seconds)?;
        }
        Ok(())
    }
}
