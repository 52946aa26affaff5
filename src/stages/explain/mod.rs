//! `cxr-explain`: saliency maps of the model's predictions.
//!
//! Grad-CAM of the predicted class, for the test images and the requested images. Figures show
//! the worst errors, the requested images, and the mean of each predicted class; some also show
//! occlusion, which needs a forward pass per patch. If the head pools only a part of the cells,
//! each image is also run with the pooled region black, and with the rest black.

mod images;
mod summary;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use ndarray::{Array2, Array3, Array4, ArrayView1, ArrayView3, Axis};
use ndarray_npy::WriteNpyExt;

use self::images::{Image, Images};
use self::summary::Summary;
use super::check::Check;
use super::{Stage, stage_inputs, uses};
use crate::artifact::explanation::{BlackenedRegions, Explanation, Line};
use crate::artifact::{Document, write_csv};
use crate::backbone::{Options, Vgg16, Weights};
use crate::classifier::{Explainer, figure_name};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, in_range};
use crate::conv::Engine;
use crate::explain::{Occlusion, Region, outside_centre, uniform_outside_centre};
use crate::head::Head;
use crate::image::scale;
use crate::io::atomic::{self, at};
use crate::io::decimal::widen;
use crate::metrics::predicted;
use crate::pipeline::{Input, Job};
use crate::plot::Overlay;

/// `cxr-explain`.
#[derive(Debug)]
pub struct Explain;

crate::settings! {
    /// Settings of `cxr-explain`: `[explain]` in `pipeline.toml`.
    pub struct Settings {
        /// Image to explain in addition to the test images, with a figure: its path in the dataset (`covid/x.jpg`) or the path of its file; repeatable
        image: Vec<PathBuf> = Vec::new(),
        /// Maximum number of test images; the lowest predicted probabilities of the true class come first
        images: usize = 100,
        /// Number of figures of the worst errors
        errors: usize = 4,
        /// Number of images with figures that are also explained by occlusion
        occlude: usize = 1,
        /// Number of occlusion patches along each side of an image
        grid: usize = 7,
        /// Weights file [default: `CXR_WEIGHTS`, else the file of `cxr fetch weights`]
        weights: String = String::new(),
    }
}

/// Arguments of `cxr-explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

/// Number of images per forward pass.
const BATCH: usize = 8;

impl Stage for Explain {
    const NAME: &'static str = "explain";
    const ABOUT: &'static str = "Compute saliency maps of the model's predictions";
    const READS: &'static str = "index.csv, images.npy, split.json, features.npy, \
                                 model.safetensors, the weights of VGG16";
    const WRITES: &'static str =
        "<image>.png, mean-<class>.png, explain.json, explain.csv, saliency.npy";
    const AFTER: &'static [&'static str] = &["preprocess", "split", "extract", "train"];
    const USES: &'static [Flag] = uses!(Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-explain --profile tutorial", "The worst errors, and the mean of each class"),
        ("cxr-explain --image covid/lancet-case2a.jpg --errors 0", "A figure of one image"),
        ("cxr-explain --occlude 4 --grid 14", "Also occlusion, with small patches: slow"),
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
            Input::file("weights", stage_inputs::weights_file(ctx, &settings.weights)?),
        ])
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
        check.weights(&settings.weights);
    }

    fn run(ctx: &Context, mut args: Args) -> Result<Outcome, Failure> {
        let read = ctx.paths_of("preprocess");
        let dataset = read.as_ref().unwrap_or(&ctx.paths).dataset.clone();
        if let Some(requested) = &mut args.flags.image {
            // Makes the paths in the record independent of the location of the dataset.
            let index = stage_inputs::index(ctx)?;
            for path in requested {
                let row = images::find(&index, &dataset, path)?;
                *path = PathBuf::from(&index.rows[row].path);
            }
        }
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let engine = Engine::from_env().usage()?;
        let job = Self::begin(ctx, &settings)?;
        let mut images = Images::read(ctx, &job)?;
        let chosen = images.choose(&dataset, &settings)?;
        let inputs = Self::inputs(ctx, &settings)?;
        let weights = &inputs.last().expect("the weights are an input").path;
        let weights = Weights::read(weights)
            .hint("name another file with `--weights`, or run `cxr fetch weights`")?;
        let pooling = images.model.extractor.pooling;
        let net = Vgg16::new(&weights, Options { pooling, engine });
        // Frees 59 MB: the backbone has a transformed copy.
        drop(weights);
        let explainer = Explainer { net: &net, pooling, side: images.side() };

        let (pooled, cells) = explainer.cells();
        let partial = pooled < cells;
        let reach = (Vgg16::reach(pooled, explainer.side), explainer.side);
        let mut effects = BlackenedRegions { reach, ..BlackenedRegions::default() };
        let mut lines = Vec::new();
        let mut means: BTreeMap<usize, Mean> = BTreeMap::new();
        let mut pictures = BTreeMap::new();
        let bar = ctx.ui.progress("explaining", chosen.len(), "images");
        let mut occluded = 0;
        for batch in chosen.chunks(BATCH) {
            let inputs = images.load(batch)?;
            let maps = net.last_conv_maps(inputs.view());
            let black = partial.then(|| {
                [Region::Pooled, Region::Unpooled]
                    .map(|region| explainer.blackened(&images.head, &inputs, region))
            });
            for (i, ((image, input), maps)) in
                batch.iter().zip(inputs.outer_iter()).zip(maps.outer_iter()).enumerate()
            {
                let saliency =
                    explainer.saliency(&images.head, image.features.view(), image.predicted, maps);
                let outside = outside_centre(saliency.view(), explainer.side);
                means
                    .entry(image.predicted)
                    .or_insert_with(|| Mean::new(&saliency, input))
                    .add(&saliency, input, outside);
                let mut line = images.csv_row(image, outside);
                if let Some([pooled, unpooled]) = &black {
                    line.pooled_black = Some(pooled[[i, image.predicted]]);
                    line.unpooled_black = Some(unpooled[[i, image.predicted]]);
                    effects.pooled += change(image, pooled.row(i));
                    effects.unpooled += change(image, unpooled.row(i));
                }
                lines.push((line, saliency.clone()));
                if image.shown {
                    let covered = (occluded < settings.occlude)
                        .then(|| occlude(&net, &images.head, image, input, settings.grid));
                    occluded += usize::from(covered.is_some());
                    let name = figure_name(images.path(image));
                    let overlays = overlays(&explainer, &saliency, covered.as_ref());
                    let titles = (images.path(image).to_owned(), images.caption(image));
                    let picture = explainer.picture(&name, input, titles, overlays);
                    atomic::write(&job.path(&format!("{name}.png"))?, &picture)?;
                    pictures.insert(format!("{name}.png"), images.caption(image));
                }
            }
            bar.add(batch.len());
        }
        drop(bar);
        for (class, mean) in &means {
            let class = &images.model.classes[*class];
            let name = format!("mean-{class}");
            let title = format!("{} images predicted as {class}", mean.images);
            let (image, saliency) = mean.mean();
            let overlay =
                explainer.overlay("mean of the Grad-CAM maps, each scaled to 1", &saliency);
            let titles = ("Mean image and saliency map".to_owned(), title.clone());
            let picture = explainer.picture(&name, image.view(), titles, vec![overlay]);
            atomic::write(&job.path(&format!("{name}.png"))?, &picture)?;
            pictures.insert(format!("{name}.png"), title);
        }
        lines.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        write_saliency(&job, lines.iter().map(|(_, saliency)| saliency))?;
        let lines: Vec<Line> = lines.into_iter().map(|(line, _)| line).collect();
        let explanation = Explanation {
            blackened: (effects.pooled.images > 0).then_some(effects),
            ..explanation(&explainer, &images, &lines, &means, pictures)
        };
        write_csv(&job.path("explain.csv")?, &lines)?;
        explanation.write(&job.path("explain.json")?)?;
        job.publish()?;
        Ok(Outcome::new(&Summary { folder: Self::folder(ctx, &settings), explanation }))
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("images", self.images, 0..=1_000_000)?;
        in_range("errors", self.errors, 0..=10_000)?;
        in_range("occlude", self.occlude, 0..=10_000)?;
        in_range("grid", self.grid, 1..=224)
    }
}

/// Writes the saliency maps as `saliency.npy`, f32 `[images, cells, cells]`.
fn write_saliency<'a>(
    job: &Job,
    saliency: impl Iterator<Item = &'a Array2<f32>>,
) -> Result<(), Failure> {
    let saliency: Vec<_> = saliency.map(|saliency| saliency.view()).collect();
    let saliency = ndarray::stack(Axis(0), &saliency).unwrap_or_default();
    let path = job.path("saliency.npy")?;
    let mut file = job.create("saliency.npy")?;
    saliency.write_npy(&mut file).context(format!("cannot write `{}`", path.display()))?;
    at("write", &path, file.flush())?;
    Ok(())
}

/// Returns the decrease of the probability of the predicted class for each covered patch,
/// `[grid, grid]`.
fn occlude(
    net: &Vgg16,
    head: &Head,
    image: &Image,
    input: ArrayView3<f32>,
    grid: usize,
) -> Array2<f32> {
    let score = |inputs: &Array4<f32>| {
        let probabilities = head.predict(net.pooled(inputs.view()).view());
        Ok::<_, std::convert::Infallible>(probabilities.column(image.predicted).to_vec())
    };
    let Ok(decrease) = Occlusion { grid, batch: BATCH }.map(input, score);
    decrease
}

/// Overlays of the Grad-CAM map and, if present, of the occlusion map `covered`.
fn overlays(
    explainer: &Explainer,
    saliency: &Array2<f32>,
    covered: Option<&Array2<f32>>,
) -> Vec<Overlay> {
    let mut overlays = vec![explainer.overlay(&explainer.note(saliency), saliency)];
    if let Some(decrease) = covered {
        let max = decrease.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        overlays.push(Overlay {
            label: "occlusion".to_owned(),
            note: format!("decrease of the probability when a patch is covered, {max:.2} at most"),
            cells: decrease.nrows(),
            saliency: decrease.iter().copied().collect(),
            pooled: (1, 1),
        });
    }
    overlays
}

fn explanation(
    explainer: &Explainer,
    images: &Images,
    lines: &[Line],
    means: &BTreeMap<usize, Mean>,
    pictures: BTreeMap<String, String>,
) -> Explanation {
    let (pooled, all) = explainer.cells();
    let mean = |values: Vec<f64>| {
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let class_outside = |(class, of_class): (&usize, &Mean)| {
        Some((images.model.classes[*class].clone(), mean(of_class.outside.clone())?))
    };
    Explanation {
        schema: Explanation::SCHEMA.to_owned(),
        images: lines.len(),
        pooling: explainer.pooling,
        cells: (pooled * pooled, all * all),
        outside: mean(lines.iter().filter_map(|line| line.outside).collect()),
        even: uniform_outside_centre(pooled, all, explainer.side),
        by_class: means.iter().filter_map(class_outside).collect(),
        blackened: None,
        pictures,
    }
}

/// Returns the absolute change of the predicted class's probability, and whether another class
/// is predicted. `probabilities` are those of the image with a region black.
fn change(image: &Image, probabilities: ArrayView1<f32>) -> (f64, bool) {
    let black = probabilities.mapv(widen).insert_axis(Axis(0));
    let change = (black[[0, image.predicted]] - image.probability()).abs();
    (change, predicted(black.view())[0] != image.predicted)
}

/// Sums over the images predicted as one class.
struct Mean {
    images: usize,
    /// Sum of the saliency maps, each scaled to a maximum of 1.
    saliency: Array2<f32>,
    input: Array3<f32>,
    /// Proportion of the saliency outside the centre, for each image with saliency.
    outside: Vec<f64>,
}

impl Mean {
    /// Empty sums with the shapes of `saliency` and `input`.
    fn new(saliency: &Array2<f32>, input: ArrayView3<f32>) -> Self {
        let (saliency, input) = (Array2::zeros(saliency.dim()), Array3::zeros(input.dim()));
        Self { images: 0, saliency, input, outside: Vec::new() }
    }

    fn add(&mut self, saliency: &Array2<f32>, input: ArrayView3<f32>, outside: Option<f64>) {
        let max = saliency.iter().copied().fold(0.0, f32::max);
        if max > 0.0 {
            self.saliency.scaled_add(1.0 / max, saliency);
        }
        self.input += &input;
        self.images += 1;
        self.outside.extend(outside);
    }

    /// Mean image and mean saliency map.
    fn mean(&self) -> (Array3<f32>, Array2<f32>) {
        let count = self.images as f32;
        (&self.input / count, &self.saliency / count)
    }
}

/// Input of the backbone `[side, side, 3]` from the pixels of an image.
fn scaled(pixels: &[u8], side: usize) -> Array3<f32> {
    let mut input = Array3::zeros((side, side, 3));
    scale(pixels, input.as_slice_mut().expect("standard layout"));
    input
}

fn stack(inputs: &[Array3<f32>]) -> Array4<f32> {
    let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
    ndarray::stack(Axis(0), &views).expect("equal shapes")
}
