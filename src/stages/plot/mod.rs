//! `cxr-plot`: figures of the outputs of the other stages, each as PNG and SVG.

mod curves;
mod evaluated;
mod sheets;
mod trust;

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use self::evaluated::Evaluated;
use self::sheets::Images;
use super::check::Check;
use super::stage_inputs::optional;
use super::{Stage, uses};
use crate::artifact::crossval::{self, CrossValidation};
use crate::artifact::history::Epoch;
use crate::artifact::predictions::Predictions;
use crate::artifact::{Document, read_csv};
use crate::cli::{Context, Failure, Flag, Outcome};
use crate::dataset::positive::COVID;
use crate::io::atomic;
use crate::pipeline::{Input, Job};
use crate::plot::{Epochs, Figure, History, png, svg};

/// `cxr-plot`.
pub struct Plot;

crate::settings! {
    /// Settings of `cxr-plot`: `[plot]` in `pipeline.toml`.
    pub struct Settings {
        /// Title of the training history; by default the tutorial's, which names COVID-19 if that is a class
        title: String = String::new(),
        /// Class of the curves, of two classes; by default `positive` of `pipeline.toml`, or that of the metrics
        positive: String = String::new(),
    }
}

/// Arguments of `cxr-plot`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Serialize)]
struct Summary {
    epochs: usize,
    images: usize,
    figures: Vec<String>,
    left_out: BTreeMap<String, String>,
}

/// Figure that can be rendered.
type Drawing<'a> = Box<dyn Figure + Send + Sync + 'a>;

/// File stem and figure, or the reason why there is no figure.
type Drawn<'a> = (String, Result<Drawing<'a>, String>);

/// Stages whose outputs are plotted, and the stages between them.
const PLOTTED: [&str; 9] =
    ["preprocess", "link", "split", "extract", "train", "crossval", "evaluate", "explain", "audit"];

impl Stage for Plot {
    const NAME: &'static str = "plot";
    const ABOUT: &'static str = "Plot the training, the predictions, the audit and the images";
    const READS: &'static str = "history.csv, metrics.json, predictions.csv; if they exist: \
                                 histories.csv, crossval.json and its predictions.csv, \
                                 audit.json, index.csv, images.npy, explain.json, explain.csv, \
                                 saliency.npy";
    const WRITES: &'static str = "history, history-seeds, confusion, roc, precision-recall, \
                                  calibration, scores, crossval, audit, samples-<class> and \
                                  least-believed, each as .png and .svg";
    const AFTER: &'static [&'static str] =
        &["preprocess", "train", "crossval", "evaluate", "explain", "audit"];
    const USES: &'static [Flag] = uses!(Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-plot --profile tutorial", "Plot the figure of the tutorial, and more"),
        ("cxr-plot --title 'Loss and accuracy, 50 images'", "Set the title of the history"),
        ("cxr-plot --positive pneumonia", "Plot the curves of another class"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, _: &Settings) -> Result<Vec<Input>, Failure> {
        let mut inputs = vec![
            ctx.input("train", "history.csv"),
            ctx.input("evaluate", "metrics.json"),
            ctx.input("evaluate", "predictions.csv"),
        ];
        let optional = [
            ("train", "histories.csv"),
            ("crossval", "crossval.json"),
            ("crossval", crossval::PREDICTIONS),
            ("audit", "audit.json"),
            ("preprocess", "index.csv"),
            ("preprocess", "images.npy"),
            ("explain", "explain.json"),
            ("explain", "explain.csv"),
            ("explain", "saliency.npy"),
        ];
        let optional = optional.map(|(stage, file)| ctx.input(stage, file));
        inputs.extend(optional.into_iter().filter(|input| input.path.exists()));
        Ok(inputs)
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.positive_of_two(&settings.positive);
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        let job = Self::begin(ctx, &settings)?;
        let epochs: Vec<Epoch> =
            ctx.read("train", "history.csv", |path| read_csv("history", path))?;
        let lineage = ctx.lineage(&PLOTTED);
        if let Some((_, why)) = lineage.left_out().find(|(stage, _)| *stage == "evaluate") {
            let error = format!("the predictions are of another model: {why}");
            return Err(Failure::new(error).hint(ctx.rerun("evaluate")));
        }
        let test = ctx.read("evaluate", "predictions.csv", Predictions::read)?;
        let crossval = optional(ctx, &lineage, "crossval", "crossval.json", CrossValidation::read)?;
        let evaluated = Evaluated::read(ctx, &settings, crossval.as_ref(), &test)?;

        let mut summary = Summary {
            epochs: epochs.len(),
            images: evaluated.images,
            figures: Vec::new(),
            left_out: BTreeMap::new(),
        };
        let mut drawn = prediction_figures(&settings, &epochs, &evaluated);
        drawn.extend(trust::figures(ctx, &lineage, crossval.as_ref())?);
        write_figures(ctx, &job, drawn, &mut summary)?;
        if let Some(mut images) = Images::read(ctx, &lineage, &test)? {
            // Few sheets at a time, because each holds the pixels of its images in memory.
            while let Some(sheets) = images.next(BATCH)? {
                let side = images.side();
                let drawn = sheets.iter().map(|sheet| sheet.figure(side)).collect();
                write_figures(ctx, &job, drawn, &mut summary)?;
            }
        }
        job.publish()?;
        Ok(Outcome::new(&summary))
    }
}

/// Number of figures that are rendered at a time. Each takes up to 108 bytes per pixel.
const BATCH: usize = 4;
/// Maximum number of pixels of a figure: 1 megapixel, 108 MB while it is rendered.
const MAX_PIXELS: u32 = 1_000_000;

/// Writes figures as PNG and SVG, and adds written and omitted figures to the summary.
fn write_figures(
    ctx: &Context,
    job: &Job,
    drawn: Vec<Drawn<'_>>,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let mut figures = Vec::new();
    for (name, drawn) in drawn {
        match drawn.and_then(check_size) {
            Ok(figure) => figures.push((name, figure)),
            Err(reason) => {
                ctx.ui.detail(format_args!("no figure `{name}`: {reason}"));
                summary.left_out.insert(name, reason);
            }
        }
    }
    for figures in figures.chunks(BATCH) {
        let render = |(_, figure): &(String, Drawing)| (png(figure.as_ref()), svg(figure.as_ref()));
        let rendered: Vec<_> = figures.par_iter().map(render).collect();
        for ((name, _), (png, svg)) in figures.iter().zip(rendered) {
            atomic::write(&job.path(&format!("{name}.png"))?, &png)?;
            atomic::write(&job.path(&format!("{name}.svg"))?, svg.as_bytes())?;
            summary.figures.push(name.clone());
        }
    }
    Ok(())
}

/// Refuses a figure of more than [`MAX_PIXELS`] pixels.
fn check_size(figure: Drawing<'_>) -> Result<Drawing<'_>, String> {
    let (width, height) = figure.size();
    if width.saturating_mul(height) <= MAX_PIXELS {
        return Ok(figure);
    }
    let max = MAX_PIXELS / 1_000_000;
    Err(format!("it would have {width} × {height} pixels, more than {max} megapixel"))
}

/// Returns the figures of the training and of the predictions.
fn prediction_figures<'a>(
    settings: &Settings,
    epochs: &[Epoch],
    evaluated: &Evaluated,
) -> Vec<Drawn<'a>> {
    let figures: [(&str, curves::Curve); 5] = [
        ("confusion", curves::confusion),
        ("roc", curves::roc),
        ("precision-recall", curves::precision_recall),
        ("calibration", curves::calibration),
        ("scores", curves::scores),
    ];
    let figures = figures.map(|(name, figure)| (name.to_owned(), figure(evaluated)));
    let classes = &evaluated.predictions.classes;
    let title = match settings.title.as_str() {
        "" if classes.iter().any(|class| class.to_lowercase().contains(COVID)) => TUTORIAL_TITLE,
        "" => "Training Loss and Accuracy",
        title => title,
    };
    std::iter::once(("history".to_owned(), history(title, epochs))).chain(figures).collect()
}

/// Title of the training history in the tutorial.
const TUTORIAL_TITLE: &str = "Training Loss and Accuracy on COVID-19 Dataset";

fn history<'a>(title: &str, epochs: &[Epoch]) -> Result<Drawing<'a>, String> {
    if epochs.is_empty() {
        return Err("the model was imported, not trained".to_owned());
    }
    Ok(Box::new(History { title: title.to_owned(), epochs: curves_of(epochs) }))
}

/// Returns loss and accuracy by epoch.
fn curves_of(epochs: &[Epoch]) -> Epochs {
    let curve = |value: fn(&Epoch) -> f64| epochs.iter().map(value).collect();
    Epochs {
        train_loss: curve(|e| e.loss),
        val_loss: curve(|e| e.val_loss),
        train_acc: curve(|e| e.accuracy),
        val_acc: curve(|e| e.val_accuracy),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epochs, images, figures, left_out } = self;
        let count = figures.len();
        writeln!(f, "{count} figures as PNG and SVG, of {epochs} epochs and {images} images")?;
        write!(f, "{}", figures.join(", "))?;
        left_out.iter().try_for_each(|(name, reason)| write!(f, "\nno figure `{name}`: {reason}"))
    }
}
