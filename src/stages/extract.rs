//! `cxr-extract`: films through the frozen net, once.

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use ndarray::{Array4, ArrayViewMut3, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Stage;
use crate::artifact::Document;
use crate::artifact::features::{Extractor, Features};
use crate::artifact::index::Index;
use crate::artifact::split::Split;
use crate::backbone::{Options, Pooling, Vgg16, Weights, weights_file};
use crate::cli::{Context, Failure, Outcome, ResultExt};
use crate::conv::Engine;
use crate::image::{Part, Plane, rotate, scale};
use crate::io::cache::{Cache, Entry};
use crate::io::hash;
use crate::io::npy::{NpyError, Reader, Writer};
use crate::pipeline::{Input, Job};
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

/// Numbers that the rows of `bank.npy` may take in memory while it is written.
const BLOCK: usize = 1 << 24;

impl Stage for Extract {
    const NAME: &'static str = "extract";
    const ABOUT: &'static str = "Compute the features of films and of rotated training films";
    const READS: &'static str = "images.npy, index.csv, split.json, the weights of VGG16";
    const WRITES: &'static str = "features.npy, bank.npy, masked.npy, features.json";
    const AFTER: &'static [&'static str] = &["preprocess", "split"];
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
            Input::file("weights", settings.weights()?),
        ])
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let engine = Engine::from_env().usage()?;
        let job = Self::begin(ctx, &settings)?;
        let mut source = Source::open(ctx, &job, settings.axes)?;
        let weights = Weights::read(&settings.weights()?)
            .hint("name another file with `--weights`, or run `cxr fetch weights`")?;
        let fingerprint = weights.fingerprint();
        let net = Vgg16::new(&weights, Options { pooling: settings.pooling, engine });
        // The net keeps its own, transformed; these are 59 MB.
        drop(weights);

        let temporary;
        let cache = if args.no_cache {
            temporary = tempfile::tempdir().context("cannot make a temporary folder")?;
            Cache::new(temporary.path())
        } else {
            Cache::new(ctx.paths.features_cache())
        };
        let version =
            format!("{} {engine:?} {fingerprint} {}", env!("CARGO_PKG_VERSION"), settings.pooling);
        let films = source.films(&settings, ctx.seed, &version)?;
        let mut todo = Vec::new();
        for film in &films {
            match cache.get(&film.key, film.len())? {
                Entry::Hit(_) => continue,
                Entry::Miss => {}
                Entry::Corrupt(path) => {
                    ctx.ui.warn(format_args!("`{}` is corrupt: computed anew", path.display()));
                }
            }
            todo.push(film);
        }
        let started = Instant::now();
        let computed = compute(ctx, &mut source, &net, settings.batch, &todo, &cache)?;
        let seconds = started.elapsed().as_secs_f64();
        let (masked, films): (Vec<_>, Vec<_>) = films.iter().partition(|film| film.is_masked());
        write(&job, &source, &films, settings.rotations, &cache)?;
        if settings.masks {
            write_masked(&job, &source, &masked, &cache)?;
        }
        let description = Features {
            schema: Features::SCHEMA.to_owned(),
            extractor: Extractor {
                backbone: "vgg16".into(),
                weights: fingerprint,
                pooling: settings.pooling,
                side: source.side,
                scale: "rgb / 255".into(),
                width: WIDTH,
            },
            rotations: settings.rotations,
            degrees: settings.degrees,
            masks: if settings.masks { Part::ALL.to_vec() } else { Vec::new() },
            split: job.inputs()["split/split.json"].clone(),
        };
        description.write(&job.path("features.json")?)?;
        job.publish()?;
        cache.prune(ctx.cache_limit()?)?;
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

/// What is extracted: films, and which of them train.
struct Source {
    index: Index,
    split: Split,
    images: Reader<u8>,
    side: usize,
    plane: Plane,
}

impl Source {
    /// Opens the artifacts and checks that they belong together.
    fn open(ctx: &Context, job: &Job, axes: Axes) -> Result<Self, Failure> {
        let index = ctx.read("preprocess", "index.csv", Index::read)?;
        let (hash, films) = (&job.inputs()["preprocess/index.csv"], index.rows.len());
        let split = ctx.read("split", "split.json", |path| Split::read_for(path, hash, films))?;
        let plane = match axes {
            Axes::HeightWidth => Plane::HeightWidth,
            Axes::WidthChannel => Plane::WidthChannel,
        };
        let path = ctx.artifact("preprocess", "images.npy");
        let images = Reader::<u8>::open(&path, &[None, None, Some(3)]);
        let images = images.hint(ctx.rerun("preprocess"))?;
        match *images.shape() {
            [rows, side, width, _]
                if rows == films && side == width && side > 0 && side % 32 == 0 =>
            {
                Ok(Self { index, split, images, side, plane })
            }
            ref shape => {
                let error = format!(
                    "`images.npy` has the shape {shape:?}, expected [{films}, 224, 224, 3]"
                );
                Err(Failure::new(error).hint(ctx.rerun("preprocess")))
            }
        }
    }

    /// The pixels of a film.
    fn pixels(&mut self, row: usize) -> Result<Vec<u8>, NpyError> {
        self.images.read(row..row + 1)
    }

    /// Every film with the views that are wanted of it, and its key: a hash of
    /// these, its pixels, and the `version` of all that computes its features.
    /// Masked views are a film of their own, after the film, with their own key.
    fn films(
        &mut self,
        settings: &Settings,
        seed: u64,
        version: &str,
    ) -> Result<Vec<Film>, NpyError> {
        let mut rotations = vec![0; self.index.rows.len()];
        self.split.train.iter().for_each(|&row| rotations[row] = settings.rotations);
        let mut films = Vec::new();
        for (row, n) in rotations.into_iter().enumerate() {
            let pixels = blake3::hash(&self.pixels(row)?);
            let angles = settings.angles(seed, &pixels, n);
            let plane = (n > 0).then_some(self.plane);
            let key = hash::bytes(format!("{version} {pixels} {plane:?} {angles:?}").as_bytes());
            let rotated = angles.into_iter().map(View::Rotated);
            films.push(Film {
                row,
                key,
                views: [View::Upright].into_iter().chain(rotated).collect(),
            });
            if settings.masks {
                let views = Part::ALL.map(View::Masked).to_vec();
                let key = hash::bytes(format!("{version} {pixels} {views:?}").as_bytes());
                films.push(Film { row, key, views });
            }
        }
        Ok(films)
    }
}

/// Puts the features of `todo` in the cache, film by film, so that what is done
/// stays done. Returns the number of images that went through the net.
fn compute(
    ctx: &Context,
    source: &mut Source,
    net: &Vgg16,
    batch: usize,
    todo: &[&Film],
    cache: &Cache,
) -> Result<usize, Failure> {
    let mut views: Vec<(&Film, View)> = Vec::new();
    for film in todo {
        views.extend(film.views.iter().map(|view| (*film, *view)));
    }
    let bar = ctx.ui.progress("extract", views.len(), "images");
    let mut features = Vec::new();
    for batch in views.chunks(batch) {
        let pooled = net.pooled(load(source, batch)?.view());
        for ((film, _), row) in batch.iter().zip(pooled.rows()) {
            features.extend(row);
            if features.len() == film.len() {
                cache.put(&film.key, &features)?;
                features.clear();
            }
        }
        bar.add(batch.len());
    }
    Ok(views.len())
}

/// The features of a film, which were put in the cache.
fn kept(source: &Source, film: &Film, cache: &Cache) -> Result<Vec<f32>, Failure> {
    match cache.get(&film.key, film.len())? {
        Entry::Hit(features) => Ok(features),
        _ => {
            let path = &source.index.rows[film.row].path;
            Err(Failure::new(format!("the features of `{path}` vanished from the cache"))
                .hint("run it again, and let nothing clear the cache meanwhile"))
        }
    }
}

/// Writes `masked.npy` from the cache.
fn write_masked(job: &Job, source: &Source, films: &[&Film], cache: &Cache) -> Result<(), Failure> {
    let mut out = Writer::<f32>::create(&job.path("masked.npy")?, &[films.len(), WIDTH])?;
    for part in 0..Part::ALL.len() {
        let mut rows = Vec::with_capacity(films.len() * WIDTH);
        for film in films {
            rows.extend_from_slice(&kept(source, film, cache)?[part * WIDTH..][..WIDTH]);
        }
        out.push(&rows)?;
    }
    out.finish()?;
    Ok(())
}

/// Writes `features.npy` and `bank.npy` from the cache.
fn write(
    job: &Job,
    source: &Source,
    films: &[&Film],
    rotations: usize,
    cache: &Cache,
) -> Result<(), Failure> {
    let mut out = Writer::<f32>::create(&job.path("features.npy")?, &[WIDTH])?;
    for film in films {
        out.push(&kept(source, film, cache)?[..WIDTH])?;
    }
    out.finish()?;
    let train = &source.split.train;
    let mut out = Writer::<f32>::create(&job.path("bank.npy")?, &[train.len(), WIDTH])?;
    let block = (BLOCK / (train.len() * WIDTH)).clamp(1, rotations);
    for first in (0..rotations).step_by(block) {
        let mut bank = vec![Vec::new(); block.min(rotations - first)];
        for &row in train {
            let features = kept(source, films[row], cache)?;
            let rotated = features.chunks_exact(WIDTH).skip(1 + first);
            bank.iter_mut().zip(rotated).for_each(|(bank, row)| bank.extend(row));
        }
        out.push(&bank.concat())?;
    }
    out.finish()?;
    Ok(())
}

/// Features of one image.
const WIDTH: usize = Vgg16::CHANNELS;

/// A film as the net is shown it.
#[derive(Debug, Clone, Copy)]
enum View {
    Upright,
    /// By so many degrees.
    Rotated(f64),
    /// A part of it, upright.
    Masked(Part),
}

/// A film to extract, and how.
struct Film {
    row: usize,
    key: String,
    views: Vec<View>,
}

impl Film {
    /// Numbers that its views make.
    fn len(&self) -> usize {
        WIDTH * self.views.len()
    }

    fn is_masked(&self) -> bool {
        matches!(self.views[0], View::Masked(_))
    }
}

/// The batch as the net takes it, `[n, side, side, 3]`.
fn load(source: &mut Source, batch: &[(&Film, View)]) -> Result<Array4<f32>, NpyError> {
    let mut films: Vec<(usize, Vec<u8>)> = Vec::new();
    for (film, _) in batch {
        if films.last().is_none_or(|(row, _)| *row != film.row) {
            films.push((film.row, source.pixels(film.row)?));
        }
    }
    let (side, plane) = (source.side, source.plane);
    let view = |(mut out, (film, view)): (ArrayViewMut3<f32>, &(&Film, View))| {
        let at = films.binary_search_by_key(&film.row, |(row, _)| *row);
        let pixels = &films[at.expect("every film of the batch was read")].1;
        let out = out.as_slice_mut().expect("one image of an array in standard layout");
        match view {
            View::Upright => scale(pixels, out),
            View::Rotated(degrees) => rotate(pixels, side, *degrees, plane, out),
            View::Masked(part) => {
                scale(pixels, out);
                part.keep(out, side);
            }
        }
    };
    let mut images = Array4::zeros((batch.len(), side, side, 3));
    images.axis_iter_mut(Axis(0)).into_par_iter().zip(batch).for_each(view);
    Ok(images)
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        for (name, value) in [("rotations", self.rotations), ("batch", self.batch)] {
            if value == 0 {
                return Err(Failure::usage(format!("`{name}` is 0, expected at least 1")));
            }
        }
        if !(0.0..=180.0).contains(&self.degrees) {
            let error = format!("`degrees` is {}, expected 0 to 180", self.degrees);
            return Err(Failure::usage(error));
        }
        Ok(())
    }

    /// The file of weights.
    fn weights(&self) -> Result<PathBuf, Failure> {
        if !self.weights.is_empty() {
            return Ok(PathBuf::from(&self.weights));
        }
        weights_file().map_err(|error| {
            let hint = error.hint();
            Failure::from(error).hint(hint)
        })
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
            writeln!(f, "          the head never sees 33 of the 49 cells of the maps")?;
        }
        writeln!(f, "cached    {cached} films")?;
        write!(f, "computed  {computed} images")?;
        if *computed > 0 {
            write!(f, " in {seconds:.1} s, {:.1} images/s", *computed as f64 / seconds)?;
        }
        Ok(())
    }
}
