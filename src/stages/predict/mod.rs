//! `cxr-predict`: predictions of a trained model for new images.
//!
//! Images are found, read and predicted in batches, in the order of the arguments, and each
//! batch is printed at once. Of all images, only the paths are held in memory.

mod format;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use ndarray::ArrayView2;
use rayon::prelude::*;

use self::format::{Format, Said};
use self::sources::{Candidate, Found, Sources};
use super::{Stage, stage_inputs, uses};
use crate::classifier::{
    Assembled, Bundle, Classifier, Explainer, ModelError, backbone, figure_name,
};
use crate::cli::ui::one_line;
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, Stream, hinted};
use crate::conv::Engine;
use crate::dataset::images::{self, ConstantImages};
use crate::dataset::masks;
use crate::image::ChosenDepth;
use crate::io::atomic;
use crate::io::decimal::widen;
use crate::metrics::Temperature;
use crate::pipeline::Input;

/// `cxr-predict`.
#[derive(Debug)]
pub struct Predict;

crate::settings! {
    /// Settings of `cxr-predict`: `[predict]` in `pipeline.toml`.
    pub struct Settings {
        /// Output format: `table`, `csv`, or `jsonl` (one JSON document per line)
        format: Format = Format::Table,
        /// Out-of-distribution false-positive rate, as for `cxr export`; a bundle contains its own
        ood_false_positive_rate: f64 = 0.05,
        /// Weights file [default: `CXR_WEIGHTS`, else the file of `cxr fetch weights`]
        weights: String = String::new(),
        /// Images whose pixels are all equal: `exclude` them as unusable, or `keep` them, with a note
        constant: ConstantImages = ConstantImages::Exclude,
        /// Follow symbolic links to files outside a given folder
        follow_links: bool = false,
    }
}

/// Arguments of `cxr-predict`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images, folders, or patterns such as 'images/*.png'; `-`: paths on stdin, one per line
    #[arg(required = true, value_name = "FILE|DIR|GLOB|-")]
    images: Vec<PathBuf>,
    /// Bundle of `cxr export bundle` [default: the profile's trained model]
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Write a figure of each image with its saliency map (Grad-CAM of the predicted class) to this folder
    #[arg(long, value_name = "DIR")]
    saliency: Option<PathBuf>,
    /// Former name of `--ood-false-positive-rate`, rejected with a hint
    #[arg(long, hide = true, value_name = "RATE")]
    false_alarms: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

/// Maximum number of images per batch.
const BATCH: usize = 2 * Classifier::BATCH;

impl Stage for Predict {
    const NAME: &'static str = "predict";
    const ABOUT: &'static str =
        "Predict the class of new images, for research only, not for diagnosis";
    const READS: &'static str =
        "images, also DICOM; a bundle, or the artifacts of `cxr run`; the weights of VGG16";
    const WRITES: &'static str =
        "stdout: one line per image, as table, CSV or JSON; <image>.png with --saliency";
    const AFTER: &'static [&'static str] = &["train", "evaluate", "audit"];
    const USES: &'static [Flag] = uses!(Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr predict image.jpg", "One image, with the profile's trained model"),
        ("cxr predict images/ --bundle covid.cxr --format csv", "A folder and its subfolders, CSV"),
        ("find . -name '*.png' | cxr predict - --json", "Paths from another program"),
        ("cxr predict 'images/*.png' --saliency saliency/", "Also figures with saliency maps"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(_: &Context, _: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(Vec::new())
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        let engine = Engine::from_env().usage()?;
        let sources = Sources::new(args.images, settings.follow_links)?;
        let started = Instant::now();
        let hint = hinted(ModelError::hint);
        let Assembled { mut bundle, missing } = stage_inputs::model(
            ctx,
            args.bundle.as_deref(),
            settings.ood_false_positive_rate,
            args.false_alarms.as_deref(),
        )?;
        let file = Some(settings.weights.as_str()).filter(|path| !path.is_empty());
        let backbone = backbone(&mut bundle, file.map(Path::new)).map_err(&hint)?;
        let read = started.elapsed();
        let (head, extractor) = (bundle.head.clone(), &bundle.manifest.model.extractor);
        let (checked, classifier) = rayon::join(
            || backbone.check(&bundle),
            || Classifier::new(&backbone.weights, head, extractor, engine),
        );
        checked.map_err(&hint)?;
        // Frees 59 MB: the classifier holds transformed kernels.
        drop(backbone);
        ctx.ui.detail(format_args!(
            "time to read the model: {read:.2?}, to check and transform its kernels: {:.2?}",
            started.elapsed() - read
        ));

        let format = if ctx.ui.json() { Format::Jsonl } else { settings.format };
        warn(ctx, &bundle, &missing);
        let images = sources.find(2 * BATCH);
        let constant = settings.constant;
        Run { ctx, bundle: &bundle, classifier, format, saliency: args.saliency, constant }
            .run(&images)
    }
}

/// Prints the audit result and the rates of the out-of-distribution score before the first
/// prediction. Warnings are also printed with `--quiet`.
fn warn(ctx: &Context, bundle: &Bundle, missing: &[(&str, &str)]) {
    match &bundle.manifest.audit {
        Some(audit) if audit.failed() => {
            ctx.ui.warn(format_args!("the audit of this model failed: {}", audit.verdict.text));
        }
        Some(audit) => ctx.ui.warn(&audit.verdict.text),
        None => ctx.ui.warn(
            "this model was not audited: it may predict by shortcuts outside the lungs (`cxr \
             audit`)",
        ),
    }
    match &bundle.out_of_distribution {
        Some(score) => {
            let rates = score.reference.rates();
            ctx.ui.note(format_args!("out-of-distribution score: {rates}"));
        }
        None => {
            let reason = match missing.iter().any(|(stage, _)| *stage == "extract") {
                true => "the features or pixels of the training images are missing",
                false => "the bundle has no score that this version of `cxr` computes",
            };
            ctx.ui.warn(format_args!("images out of distribution cannot be flagged: {reason}"));
        }
    }
}

/// Model and options of one run.
struct Run<'a> {
    ctx: &'a Context,
    bundle: &'a Bundle,
    classifier: Classifier,
    format: Format,
    saliency: Option<PathBuf>,
    constant: ConstantImages,
}

/// A decoded image.
struct Image {
    path: PathBuf,
    /// Levels `[side, side, 3]`.
    pixels: Vec<u8>,
    /// Notes of the decoder.
    notes: Vec<String>,
}

/// Reason why a file is not predicted.
enum Unread {
    /// An image that cannot be used.
    Unusable(String),
    /// A file of a folder or pattern that is not an image.
    NoImage(String),
    /// A mask in a folder or pattern.
    Mask(String),
}

/// Numbers of files and predictions.
#[derive(Default)]
struct Counts {
    unusable: usize,
    no_images: usize,
    masks: usize,
    /// Images with notes of the decoder.
    with_notes: usize,
    out_of_distribution: usize,
    by_class: Vec<usize>,
}

impl Run<'_> {
    fn run(&self, images: &Receiver<Found>) -> Result<Outcome, Failure> {
        let ui = &self.ctx.ui;
        let classes = &self.bundle.manifest.model.classes;
        let mut out = Stream::stdout();
        if let Some(folder) = &self.saliency {
            fs::create_dir_all(folder)
                .context(format!("cannot create the folder `{}`", folder.display()))
                .hint("choose another folder with `--saliency`")?;
        }
        let mut counts = Counts { by_class: vec![0; classes.len()], ..Counts::default() };
        out.write(&self.format.header(self.bundle))?;
        // The first batch has one image, so that the first line is printed without delay.
        let mut max = 1;
        while let Some(found) = batch(images, max) {
            max = BATCH;
            let read: Vec<_> = found.into_par_iter().map(|found| self.read(found)).collect();
            // Errors are printed before the predictions of their batch.
            let mut usable = Vec::new();
            for image in read {
                match image {
                    Ok(image) => {
                        if !image.notes.is_empty() {
                            counts.with_notes += 1;
                            let path = one_line(image.path.display());
                            ui.warn(format_args!("`{path}`: {}", image.notes.join("; ")));
                        }
                        usable.push(image);
                    }
                    Err(Unread::Unusable(error)) => {
                        counts.unusable += 1;
                        ui.error(error);
                    }
                    Err(Unread::NoImage(reason)) => {
                        counts.no_images += 1;
                        ui.detail(reason);
                    }
                    Err(Unread::Mask(reason)) => {
                        counts.masks += 1;
                        ui.detail(reason);
                    }
                }
            }
            self.predict(usable, &mut counts, &mut out)?;
            if out.is_closed() {
                return Ok(Outcome::streamed(false));
            }
        }
        ui.note(self.summary(&counts));
        Ok(Outcome::streamed(counts.unusable > 0))
    }

    fn read(&self, found: Found) -> Result<Image, Unread> {
        let Candidate { path, named, in_file_set, exclusion, has_namesake } =
            found.map_err(Unread::Unusable)?;
        let mask = |reason: &str| {
            Err(Unread::Mask(format!("excluded `{}`: {reason}", one_line(path.display()))))
        };
        if let Some(exclusion) = exclusion {
            return mask(exclusion.text());
        }
        let side = self.classifier.side();
        let depth = ChosenDepth::of_bundle(self.bundle.manifest.depth);
        match images::open(&path, in_file_set, self.constant, depth) {
            Ok(images::Opened { mut image, .. }) => {
                let levels = image.pixels.as_slice_memory_order().unwrap_or_default();
                if masks::has_two_levels(levels) {
                    if has_namesake {
                        return mask(masks::BY_PIXELS);
                    }
                    image.notes.push(masks::TWO_LEVELS.to_owned());
                }
                let pixels = image.to_rgb(side, side).into_raw_vec_and_offset().0;
                Ok(Image { path, pixels, notes: image.notes })
            }
            Err(error) if error.is_not_a_radiograph() && !named => {
                Err(Unread::NoImage(format!("skipped `{}`: {error}", one_line(path.display()))))
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                Err(Unread::Unusable(format!(
                    "cannot use `{}`: {error:#}",
                    one_line(path.display())
                )))
            }
        }
    }

    /// Predicts images and writes their lines, then their figures.
    fn predict(
        &self,
        images: Vec<Image>,
        counts: &mut Counts,
        out: &mut Stream,
    ) -> Result<(), Failure> {
        if images.is_empty() {
            return Ok(());
        }
        let (mut files, mut pixels) = (Vec::new(), Vec::new());
        for Image { path, pixels: levels, notes } in images {
            files.push((path, notes));
            pixels.push(levels);
        }
        let output = self.classifier.predict(&pixels);
        let probabilities = output.probabilities.mapv(widen);
        let temperature = self.bundle.manifest.temperature.map(Temperature);
        let calibrated = temperature.map(|t| t.apply(probabilities.view()));
        let (score, side) = (self.bundle.out_of_distribution.as_ref(), self.classifier.side());
        let mut lines = String::new();
        let mut predictions = Vec::new();
        for (i, (path, notes)) in files.iter().enumerate() {
            let row = probabilities.row(i).to_vec();
            if row.iter().any(|p| p.is_nan()) {
                counts.unusable += 1;
                let path = one_line(path.display());
                self.ctx.ui.error(format_args!("the predicted probabilities of `{path}` are NaN"));
                continue;
            }
            let features = output.features.row(i);
            let class =
                self.bundle.manifest.decision.call(&self.bundle.manifest.model.classes, &row);
            let image = Said {
                path,
                class,
                probabilities: row,
                calibrated: calibrated.as_ref().map(|c| c.row(i).to_vec()),
                ood: score.map(|score| score.score(features, &pixels[i], side)),
                notes: notes.clone(),
            };
            counts.by_class[class] += 1;
            counts.out_of_distribution += usize::from(image.ood.is_some_and(|ood| ood.is_out));
            lines += &self.format.line(self.bundle, &image);
            predictions.push((i, image));
        }
        out.write(&lines)?;
        if let Some(folder) = &self.saliency {
            for images in predictions.chunks(Classifier::BATCH) {
                self.write_figures(images, &pixels, output.features.view(), folder)?;
            }
        }
        Ok(())
    }

    /// Writes figures of `images` with their saliency maps. The first element of each item is
    /// the image's row in `pixels` and `features`.
    fn write_figures(
        &self,
        images: &[(usize, Said)],
        pixels: &[Vec<u8>],
        features: ArrayView2<f32>,
        folder: &Path,
    ) -> Result<(), Failure> {
        let chosen: Vec<_> = images.iter().map(|(row, _)| pixels[*row].clone()).collect();
        let inputs = self.classifier.scaled(&chosen);
        let maps = self.classifier.net.last_conv_maps(inputs.view());
        let explainer = self.explainer();
        for (((row, image), input), maps) in
            images.iter().zip(inputs.outer_iter()).zip(maps.outer_iter())
        {
            let head = &self.classifier.head;
            let saliency = explainer.saliency(head, features.row(*row), image.class, maps);
            let overlay = explainer.overlay(&explainer.note(&saliency), &saliency);
            let file = image.path.file_name().unwrap_or_default().to_string_lossy();
            let titles = (file.into_owned(), self.title(image));
            let name = figure_name(image.path);
            let figure = explainer.picture(&name, input, titles, vec![overlay]);
            atomic::write(&folder.join(format!("{name}.png")), &figure)
                .hint("choose another folder with `--saliency`")?;
        }
        Ok(())
    }

    fn explainer(&self) -> Explainer<'_> {
        let extractor = &self.bundle.manifest.model.extractor;
        let (pooling, side) = (extractor.pooling, extractor.side);
        Explainer { net: &self.classifier.net, pooling, side }
    }

    fn title(&self, image: &Said) -> String {
        let class = &self.bundle.manifest.model.classes[image.class];
        let out = match image.ood {
            Some(ood) if ood.is_out => ", out of distribution",
            _ => "",
        };
        format!(
            "predicted as {class} with probability {:.2}{out}",
            image.probabilities[image.class]
        )
    }

    fn summary(&self, counts: &Counts) -> String {
        let Counts { unusable, no_images, masks, with_notes, out_of_distribution, by_class } =
            counts;
        let images: usize = by_class.iter().sum();
        let classes = self.bundle.manifest.model.classes.iter().zip(by_class);
        let classes: Vec<_> = classes.map(|(class, n)| format!("{n} {class}")).collect();
        let mut text = format!(
            "{images} {}: {}",
            if images == 1 { "image" } else { "images" },
            classes.join(", ")
        );
        text += &format!("; the decision is {}", self.bundle.manifest.decision);
        if self.bundle.out_of_distribution.is_some() {
            text += &format!("; {out_of_distribution} out of distribution");
        }
        if *with_notes > 0 {
            text += &format!("; {with_notes} decoded with notes");
        }
        if *no_images > 0 {
            text +=
                &format!("; {no_images} files of DICOM exports are not images (listed with `-v`)");
        }
        if *masks > 0 {
            text += &format!(
                "; {masks} masks excluded (listed with `-v`; a mask is predicted if its file is \
                 an argument)"
            );
        }
        if *unusable > 0 {
            text += &format!("; {unusable} could not be predicted");
        }
        text + "\nfor research and education only, not for diagnosis"
    }
}

/// Waits for an image and returns it with at most `max - 1` more that are ready; none at the end.
fn batch(images: &Receiver<Found>, max: usize) -> Option<Vec<Found>> {
    let first = images.recv().ok()?;
    Some(std::iter::once(first).chain(images.try_iter().take(max - 1)).collect())
}
