//! `cxr-predict`: new images through a trained model.
//!
//! Images are found, read and judged a few at a time and their lines go out at once,
//! in the order in which the images were named: memory grows with their number by the length
//! of their paths only, and a reader of the output need not wait.

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
use super::{Stage, upstream, uses};
use crate::classifier::{
    Assembled, Bundle, Classifier, Explainer, ModelError, backbone, picture_name,
};
use crate::cli::ui::one_line;
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, Stream, hinted};
use crate::conv::Engine;
use crate::dataset::images::{self, Constant};
use crate::dataset::masks;
use crate::io::atomic;
use crate::io::decimal::widen;
use crate::metrics::Temperature;
use crate::pipeline::Input;

/// The stage.
#[derive(Debug)]
pub struct Predict;

crate::settings! {
    /// Settings of `cxr-predict`: `[predict]` in `pipeline.toml`.
    pub struct Settings {
        /// How to print: `table`, `csv` or `jsonl`, a JSON document a line
        format: Format = Format::Table,
        /// Out-of-distribution false-positive rate, as for `cxr export`; a bundle has its own
        ood_false_positive_rate: f64 = 0.05,
        /// File of weights [default: `CXR_WEIGHTS`, else what `cxr fetch weights` fetched]
        weights: String = String::new(),
        /// Images whose pixels all have the same level: `exclude` as unusable, or `keep` with a note
        constant: Constant = Constant::Exclude,
        /// Follow links that lead out of a folder that is named
        follow_links: bool = false,
    }
}

/// Arguments of `cxr-predict`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images, folders of images or patterns such as 'images/*.png'; `-` for paths on stdin, one a line
    #[arg(required = true, value_name = "FILE|DIR|GLOB|-")]
    images: Vec<PathBuf>,
    /// The model, as `cxr export bundle` wrote it [default: the profile's trained model]
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Write a picture of each image into this folder, with the saliency that explains the answer
    #[arg(long, value_name = "DIR")]
    saliency: Option<PathBuf>,
    /// The former name of `--ood-false-positive-rate`, refused with a hint
    #[arg(long, hide = true, value_name = "RATE")]
    false_alarms: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

/// Images that are read at once; while the first is judged, so many more may be found.
const BATCH: usize = 2 * Classifier::BATCH;

impl Stage for Predict {
    const NAME: &'static str = "predict";
    const ABOUT: &'static str = "Judge new images with a trained model: for research, no diagnosis";
    const READS: &'static str =
        "images, DICOM among them; a bundle, or what `cxr run` made; the weights of VGG16";
    const WRITES: &'static str = "to stdout: a line per image, as table, CSV or JSON; <image>.png \
                                  with --saliency";
    const AFTER: &'static [&'static str] = &["train", "evaluate", "audit"];
    const USES: &'static [Flag] = uses!(Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr predict image.jpg", "One image, by the profile's trained model"),
        ("cxr predict images/ --bundle covid.cxr --format csv", "A folder, however deep, as CSV"),
        ("find . -name '*.png' | cxr predict - --json", "Paths from another program"),
        (
            "cxr predict 'images/*.png' --saliency saliency/",
            "With pictures of where the model looks",
        ),
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
        let Assembled { mut bundle, missing } = upstream::model(
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
        // The net keeps its own, transformed; these are 59 MB.
        drop(backbone);
        ctx.ui.detail(format_args!(
            "read the model in {read:.2?}, checked and transformed its kernels in {:.2?}",
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

/// Says above the first result what it is worth; not even `--quiet` silences that.
fn warn(ctx: &Context, bundle: &Bundle, missing: &[(&str, &str)]) {
    match &bundle.manifest.audit {
        Some(audit) if audit.failed() => {
            ctx.ui.warn(format_args!("the audit of this model failed: {}", audit.verdict.text));
        }
        Some(audit) => ctx.ui.warn(&audit.verdict.text),
        None => ctx.ui.warn(
            "this model was not audited: what it reads on the images is not known (`cxr audit`)",
        ),
    }
    match &bundle.out_of_distribution {
        Some(score) => {
            let rates = score.reference.rates();
            ctx.ui.note(format_args!("out-of-distribution score: {rates}"));
        }
        None => {
            let why = missing.iter().find(|(stage, _)| *stage == "extract");
            let why = why.map_or(
                "the bundle has no score that this `cxr` computes",
                |_| "the training images' features or pixels are gone",
            );
            ctx.ui.warn(format_args!("images out of distribution cannot be flagged: {why}"));
        }
    }
}

/// A model at work on images.
struct Run<'a> {
    ctx: &'a Context,
    bundle: &'a Bundle,
    classifier: Classifier,
    format: Format,
    saliency: Option<PathBuf>,
    constant: Constant,
}

/// An image that was read: its path, `[side, side, 3]` levels, and the notes of its decoder.
struct Image {
    path: PathBuf,
    pixels: Vec<u8>,
    notes: Vec<String>,
}

/// Why a file is not judged.
enum Unread {
    /// It should have been an image.
    Unusable(String),
    /// It lay among images and is none.
    NoImage(String),
    /// It lay among images and is a mask.
    Mask(String),
}

#[derive(Default)]
struct Counts {
    unusable: usize,
    no_images: usize,
    /// Masks that lie with the images.
    masks: usize,
    /// Images that were decoded with doubts.
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
            let made = fs::create_dir_all(folder);
            made.context(format!("cannot make the folder `{}`", folder.display()))
                .hint("name another folder with `--saliency`")?;
        }
        let mut counts = Counts { by_class: vec![0; classes.len()], ..Counts::default() };
        out.write(&self.format.header(self.bundle))?;
        // The first result waits for no other image.
        let mut most = 1;
        while let Some(found) = batch(images, most) {
            most = BATCH;
            let read: Vec<_> = found.into_par_iter().map(|found| self.read(found)).collect();
            // Errors stand where their image would, as far as two streams allow.
            let mut good = Vec::new();
            for image in read {
                match image {
                    Ok(image) => {
                        if !image.notes.is_empty() {
                            counts.with_notes += 1;
                            let path = one_line(image.path.display());
                            ui.warn(format_args!("`{path}`: {}", image.notes.join("; ")));
                        }
                        good.push(image);
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
            self.judge(good, &mut counts, &mut out)?;
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
        let mask = |why: &str| {
            Err(Unread::Mask(format!("left out `{}`: {why}", one_line(path.display()))))
        };
        if let Some(exclusion) = exclusion {
            return mask(exclusion.text());
        }
        let side = self.classifier.side();
        let depth = self.bundle.manifest.depth;
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
            Err(error) if error.is_no_image() && !named => {
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

    /// Writes the lines of images, then their pictures.
    fn judge(
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
        let judged = self.classifier.judge(&pixels);
        let probabilities = judged.probabilities.mapv(widen);
        let temperature = self.bundle.manifest.temperature.map(Temperature);
        let calibrated = temperature.map(|t| t.apply(probabilities.view()));
        let (score, side) = (self.bundle.out_of_distribution.as_ref(), self.classifier.side());
        let mut lines = String::new();
        let mut said = Vec::new();
        for (i, (path, notes)) in files.iter().enumerate() {
            let of_image = probabilities.row(i).to_vec();
            if of_image.iter().any(|p| p.is_nan()) {
                counts.unusable += 1;
                let path = one_line(path.display());
                self.ctx.ui.error(format_args!("the model has no probabilities for `{path}`"));
                continue;
            }
            let features = judged.features.row(i);
            let class =
                self.bundle.manifest.decision.call(&self.bundle.manifest.model.classes, &of_image);
            let image = Said {
                path,
                class,
                probabilities: of_image,
                calibrated: calibrated.as_ref().map(|c| c.row(i).to_vec()),
                ood: score.map(|score| score.score(features, &pixels[i], side)),
                notes: notes.clone(),
            };
            counts.by_class[class] += 1;
            counts.out_of_distribution += usize::from(image.ood.is_some_and(|ood| ood.is_out));
            lines += &self.format.line(self.bundle, &image);
            said.push((i, image));
        }
        out.write(&lines)?;
        if let Some(folder) = &self.saliency {
            for images in said.chunks(Classifier::BATCH) {
                self.draw(images, &pixels, judged.features.view(), folder)?;
            }
        }
        Ok(())
    }

    /// Writes the pictures of `images`, which stand with their rows in `pixels` and
    /// `features`, under the saliency that explains what is said of them.
    fn draw(
        &self,
        images: &[(usize, Said)],
        pixels: &[Vec<u8>],
        features: ArrayView2<f32>,
        folder: &Path,
    ) -> Result<(), Failure> {
        let chosen: Vec<_> = images.iter().map(|(row, _)| pixels[*row].clone()).collect();
        let inputs = self.classifier.scaled(&chosen);
        let maps = self.classifier.net.last_conv(inputs.view());
        let explainer = self.explainer();
        for (((row, image), input), maps) in
            images.iter().zip(inputs.outer_iter()).zip(maps.outer_iter())
        {
            let head = &self.classifier.head;
            let saliency = explainer.saliency(head, features.row(*row), image.class, maps);
            let overlay = explainer.overlay(&explainer.note(&saliency), &saliency);
            let file = image.path.file_name().unwrap_or_default().to_string_lossy();
            let titles = (file.into_owned(), self.says(image));
            let name = picture_name(image.path);
            let picture = explainer.picture(&name, input, titles, vec![overlay]);
            atomic::write(&folder.join(format!("{name}.png")), &picture)
                .hint("name another folder with `--saliency`")?;
        }
        Ok(())
    }

    fn explainer(&self) -> Explainer<'_> {
        let extractor = &self.bundle.manifest.model.extractor;
        let (pooling, side) = (extractor.pooling, extractor.side);
        Explainer { net: &self.classifier.net, pooling, side }
    }

    fn says(&self, image: &Said) -> String {
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
            text += &format!("; {with_notes} decoded with doubts");
        }
        if *no_images > 0 {
            text +=
                &format!("; {no_images} files of DICOM exports are no images (`-v` names them)");
        }
        if *masks > 0 {
            text += &format!(
                "; {masks} masks that lie with the images are left out (`-v` names them; a mask \
                 whose file is named is predicted)"
            );
        }
        if *unusable > 0 {
            text += &format!("; {unusable} could not be judged");
        }
        text + "\nfor research and education, no diagnosis"
    }
}

/// The images that are there, at least one and at most `most`; none at the end.
fn batch(images: &Receiver<Found>, most: usize) -> Option<Vec<Found>> {
    let first = images.recv().ok()?;
    Some(std::iter::once(first).chain(images.try_iter().take(most - 1)).collect())
}
