//! `cxr-explain`: where on a film the heat lies that explains the model's answer.
//!
//! Grad-CAM of the class that the model names, for the test films and those
//! asked for; overlays of the worst errors, of the mean of each class, and of the
//! films asked for. The worst also by occlusion, which takes a pass of the net
//! for every patch. Where the head pools a part of the cells, each film is also run with
//! the pixels of that part black, and with all others black.

mod films;
mod summary;

use std::collections::BTreeMap;
use std::io::Write;

use ndarray::{Array2, Array3, Array4, ArrayView1, ArrayView3, Axis};
use ndarray_npy::WriteNpyExt;

use self::films::{Film, Films};
use self::summary::Summary;
use super::check::Check;
use super::{Stage, upstream, uses};
use crate::artifact::explanation::{Blackened, Explanation, Line};
use crate::artifact::{Document, write_csv};
use crate::backbone::{Options, Vgg16, Weights};
use crate::classifier::{Explainer, picture_name};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, in_range};
use crate::conv::Engine;
use crate::explain::{Occlusion, Region, even_outside, outside_centre};
use crate::head::Head;
use crate::image::scale;
use crate::io::atomic::{self, at};
use crate::io::decimal::widen;
use crate::metrics::predicted;
use crate::pipeline::{Input, Job};
use crate::plot::Overlay;

/// The stage.
#[derive(Debug)]
pub struct Explain;

crate::settings! {
    /// Settings of `cxr-explain`: `[explain]` in `pipeline.toml`.
    pub struct Settings {
        /// An image to explain whatever the split, with an overlay: its path in the dataset (`covid/x.jpg`), or the path of its file; repeatable
        film: Vec<String> = Vec::new(),
        /// Most test films to explain; those that the model errs on most come first
        films: usize = 100,
        /// Overlays of the worst errors
        errors: usize = 4,
        /// Films to explain by occlusion too, of those with overlays
        occlude: usize = 1,
        /// Patches that occlusion covers along each side of a film
        grid: usize = 7,
        /// File of weights [default: `CXR_WEIGHTS`, else what `cxr fetch weights` fetched]
        weights: String = String::new(),
    }
}

/// Arguments of `cxr-explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

/// Films that go through the net at once.
const BATCH: usize = 8;

impl Stage for Explain {
    const NAME: &'static str = "explain";
    const ABOUT: &'static str = "Show where on the films the model finds its answers";
    const READS: &'static str = "index.csv, images.npy, split.json, features.npy, \
                                 model.safetensors, the weights of VGG16";
    const WRITES: &'static str =
        "<film>.png, mean-<class>.png, explain.json, explain.csv, heat.npy";
    const AFTER: &'static [&'static str] = &["preprocess", "split", "extract", "train"];
    const USES: &'static [Flag] = uses!(Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-explain --profile tutorial", "The worst errors, and the mean of each class"),
        ("cxr-explain --film covid/lancet-case2a.jpg --errors 0", "One film, and why"),
        ("cxr-explain --occlude 4 --grid 14", "By occlusion too, in small patches: slow"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(vec![
            ctx.input("preprocess", "index.csv"),
            ctx.input("preprocess", "images.npy"),
            ctx.input("split", "split.json"),
            ctx.input("extract", "features.json"),
            ctx.input("extract", "features.npy"),
            ctx.input("train", "model.json"),
            ctx.input("train", "model.safetensors"),
            Input::file("weights", upstream::weights_file(ctx, &settings.weights)?),
        ])
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
        check.weights(&settings.weights);
    }

    fn run(ctx: &Context, mut args: Args) -> Result<Outcome, Failure> {
        if let Some(asked) = &mut args.flags.film {
            // The record names them as the data set does, wherever it lies.
            let index = upstream::index(ctx)?;
            for path in asked {
                let row = films::find(&index, &ctx.paths.dataset, path)?;
                *path = index.rows[row].path.clone();
            }
        }
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let engine = Engine::from_env().usage()?;
        let job = Self::begin(ctx, &settings)?;
        let mut films = Films::read(ctx, &job)?;
        let chosen = films.choose(&ctx.paths.dataset, &settings)?;
        let inputs = Self::inputs(ctx, &settings)?;
        let weights = &inputs.last().expect("the weights are an input").path;
        let weights = Weights::read(weights)
            .hint("name another file with `--weights`, or run `cxr fetch weights`")?;
        let pooling = films.model.extractor.pooling;
        let net = Vgg16::new(&weights, Options { pooling, engine });
        // The net keeps its own, transformed; these are 59 MB.
        drop(weights);
        let explainer = Explainer { net: &net, pooling, side: films.side() };

        let (pooled, cells) = explainer.cells();
        let partial = pooled < cells;
        let reach = (Vgg16::reach(pooled, explainer.side), explainer.side);
        let mut effects = Blackened { reach, ..Blackened::default() };
        let mut lines = Vec::new();
        let mut means: BTreeMap<usize, Mean> = BTreeMap::new();
        let mut pictures = BTreeMap::new();
        let bar = ctx.ui.progress("explaining", chosen.len(), "films");
        let mut occluded = 0;
        for batch in chosen.chunks(BATCH) {
            let images = films.load(batch)?;
            let maps = net.last_conv(images.view());
            let black = partial.then(|| {
                [Region::Pooled, Region::Unpooled]
                    .map(|region| explainer.blackened(&films.head, &images, region))
            });
            for (i, ((film, image), maps)) in
                batch.iter().zip(images.outer_iter()).zip(maps.outer_iter()).enumerate()
            {
                let heat = explainer.heat(&films.head, film.features.view(), film.predicted, maps);
                let outside = outside_centre(heat.view(), explainer.side);
                means
                    .entry(film.predicted)
                    .or_insert_with(|| Mean::new(&heat, image))
                    .add(&heat, image, outside);
                let mut line = films.line(film, outside);
                if let Some([pooled, unpooled]) = &black {
                    line.pooled_black = Some(pooled[[i, film.predicted]]);
                    line.unpooled_black = Some(unpooled[[i, film.predicted]]);
                    effects.pooled += change(film, pooled.row(i));
                    effects.unpooled += change(film, unpooled.row(i));
                }
                lines.push((line, heat.clone()));
                if film.shown {
                    let covered = (occluded < settings.occlude)
                        .then(|| occlude(&net, &films.head, film, image, settings.grid));
                    occluded += usize::from(covered.is_some());
                    let name = picture_name(films.path(film));
                    let overlays = overlays(&explainer, &heat, covered.as_ref());
                    let titles = (films.path(film).to_owned(), films.says(film));
                    let picture = explainer.picture(&name, image, titles, overlays);
                    atomic::write(&job.path(&format!("{name}.png"))?, &picture)?;
                    pictures.insert(format!("{name}.png"), films.says(film));
                }
            }
            bar.add(batch.len());
        }
        drop(bar);
        for (class, mean) in &means {
            let class = &films.model.classes[*class];
            let name = format!("mean-{class}");
            let title = format!("{} films taken for {class}", mean.films);
            let (film, heat) = mean.mean();
            let overlay = explainer.overlay("mean of Grad-CAM, each film's scaled to 1", &heat);
            let titles = ("Where the model finds its answers".to_owned(), title.clone());
            let picture = explainer.picture(&name, film.view(), titles, vec![overlay]);
            atomic::write(&job.path(&format!("{name}.png"))?, &picture)?;
            pictures.insert(format!("{name}.png"), title);
        }
        lines.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        write_heat(&job, lines.iter().map(|(_, heat)| heat))?;
        let lines: Vec<Line> = lines.into_iter().map(|(line, _)| line).collect();
        let explanation = Explanation {
            blackened: (effects.pooled.images > 0).then_some(effects),
            ..explanation(&explainer, &films, &lines, &means, pictures)
        };
        write_csv(&job.path("explain.csv")?, &lines)?;
        explanation.write(&job.path("explain.json")?)?;
        job.publish()?;
        Ok(Outcome::new(&Summary { folder: Self::folder(ctx, &settings), explanation }))
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("films", self.films, 0..=1_000_000)?;
        in_range("errors", self.errors, 0..=10_000)?;
        in_range("occlude", self.occlude, 0..=10_000)?;
        in_range("grid", self.grid, 1..=224)
    }
}

/// Writes the heat of the films as `heat.npy`, f32 `[films, cells, cells]`.
fn write_heat<'a>(job: &Job, heat: impl Iterator<Item = &'a Array2<f32>>) -> Result<(), Failure> {
    let heat: Vec<_> = heat.map(|heat| heat.view()).collect();
    let heat = ndarray::stack(Axis(0), &heat).unwrap_or_default();
    let path = job.path("heat.npy")?;
    let mut file = job.create("heat.npy")?;
    heat.write_npy(&mut file).context(format!("cannot write `{}`", path.display()))?;
    at("write", &path, file.flush())?;
    Ok(())
}

/// How much the probability of the named class falls for each covered patch.
fn occlude(
    net: &Vgg16,
    head: &Head,
    film: &Film,
    image: ArrayView3<f32>,
    grid: usize,
) -> Array2<f32> {
    let score = |films: &Array4<f32>| {
        let probabilities = head.predict(net.pooled(films.view()).view());
        Ok::<_, std::convert::Infallible>(probabilities.column(film.predicted).to_vec())
    };
    let Ok(falls) = Occlusion { grid, batch: BATCH }.map(image, score);
    falls
}

fn overlays(
    explainer: &Explainer,
    heat: &Array2<f32>,
    covered: Option<&Array2<f32>>,
) -> Vec<Overlay> {
    let mut overlays = vec![explainer.overlay(&explainer.note(heat), heat)];
    if let Some(falls) = covered {
        let most = falls.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        overlays.push(Overlay {
            label: "occlusion".to_owned(),
            note: format!("fall of the probability when a patch is covered, {most:.2} at most"),
            cells: falls.nrows(),
            heat: falls.iter().copied().collect(),
            pooled: (1, 1),
        });
    }
    overlays
}

fn explanation(
    explainer: &Explainer,
    films: &Films,
    lines: &[Line],
    means: &BTreeMap<usize, Mean>,
    pictures: BTreeMap<String, String>,
) -> Explanation {
    let (pooled, all) = explainer.cells();
    let mean = |values: Vec<f64>| {
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let of_class = |(class, of): (&usize, &Mean)| {
        Some((films.model.classes[*class].clone(), mean(of.outside.clone())?))
    };
    Explanation {
        schema: Explanation::SCHEMA.to_owned(),
        films: lines.len(),
        pooling: explainer.pooling,
        cells: (pooled * pooled, all * all),
        outside: mean(lines.iter().filter_map(|line| line.outside).collect()),
        even: even_outside(pooled, all, explainer.side),
        by_class: means.iter().filter_map(of_class).collect(),
        blackened: None,
        pictures,
    }
}

/// The absolute change of the predicted class's probability, and whether another class is
/// predicted, where `probabilities` are those of the image with a region black.
fn change(film: &Film, probabilities: ArrayView1<f32>) -> (f64, bool) {
    let black = probabilities.mapv(widen).insert_axis(Axis(0));
    let change = (black[[0, film.predicted]] - film.probability()).abs();
    (change, predicted(black.view())[0] != film.predicted)
}

/// Films taken for one class, and their heat, each film's scaled to 1.
struct Mean {
    films: usize,
    heat: Array2<f32>,
    image: Array3<f32>,
    outside: Vec<f64>,
}

impl Mean {
    /// Of no films yet, like these.
    fn new(heat: &Array2<f32>, image: ArrayView3<f32>) -> Self {
        let (heat, image) = (Array2::zeros(heat.dim()), Array3::zeros(image.dim()));
        Self { films: 0, heat, image, outside: Vec::new() }
    }

    fn add(&mut self, heat: &Array2<f32>, image: ArrayView3<f32>, outside: Option<f64>) {
        let most = heat.iter().copied().fold(0.0, f32::max);
        if most > 0.0 {
            self.heat.scaled_add(1.0 / most, heat);
        }
        self.image += &image;
        self.films += 1;
        self.outside.extend(outside);
    }

    fn mean(&self) -> (Array3<f32>, Array2<f32>) {
        let films = self.films as f32;
        (&self.image / films, &self.heat / films)
    }
}

/// A film as the net takes it.
fn scaled(pixels: &[u8], side: usize) -> Array3<f32> {
    let mut image = Array3::zeros((side, side, 3));
    scale(pixels, image.as_slice_mut().expect("standard layout"));
    image
}

fn stack(images: &[Array3<f32>]) -> Array4<f32> {
    let views: Vec<_> = images.iter().map(|image| image.view()).collect();
    ndarray::stack(Axis(0), &views).expect("films of one shape")
}
