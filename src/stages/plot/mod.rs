//! `cxr-plot`: draws what the stages before it left, a file per figure.

mod curves;
mod sheets;
mod trust;

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use self::curves::TwoClasses;
use self::sheets::Films;
use super::check::Check;
use super::upstream::optional;
use super::{Stage, upstream, uses};
use crate::artifact::history::Epoch;
use crate::artifact::predictions::Predictions;
use crate::artifact::read_csv;
use crate::cli::{Context, Failure, Flag, Outcome, in_range};
use crate::io::atomic;
use crate::metrics;
use crate::pipeline::Input;
use crate::plot::{Confusion, Epochs, Figure, History, png, svg};

/// `cxr-plot`.
pub struct Plot;

crate::settings! {
    /// Settings of `cxr-plot`: `[plot]` in `pipeline.toml`.
    pub struct Settings {
        /// Heading of the training history
        title: String = "Training Loss and Accuracy on COVID-19 Dataset".into(),
        /// Positive class of the curves; else `positive` of `pipeline.toml`, or the only class with a finding
        positive: String = String::new(),
        /// Equal parts of 0 to 1 that the calibration figure puts probabilities in
        bins: usize = 10,
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
    films: usize,
    figures: Vec<String>,
    left_out: BTreeMap<String, String>,
}

/// A figure.
type Drawing<'a> = Box<dyn Figure + Send + Sync + 'a>;

/// A figure by the stem of its files, or why there is none.
type Drawn<'a> = (String, Result<Drawing<'a>, String>);

/// The stages whose files are drawn, and those between them.
const DRAWN: [&str; 9] =
    ["preprocess", "link", "split", "extract", "train", "crossval", "evaluate", "explain", "audit"];

impl Stage for Plot {
    const NAME: &'static str = "plot";
    const ABOUT: &'static str = "Draw the training, the predictions, the audit and the films";
    const READS: &'static str = "history.csv, predictions.csv; where they are there: \
                                 histories.csv, crossval.json, audit.json, index.csv, images.npy, \
                                 explain.json, explain.csv, heat.npy";
    const WRITES: &'static str = "history, history-seeds, confusion, roc, precision-recall, \
                                  calibration, scores, crossval, audit, samples-<class> and \
                                  least-believed, each as .png and .svg";
    const AFTER: &'static [&'static str] =
        &["preprocess", "train", "crossval", "evaluate", "explain", "audit"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-plot --profile tutorial", "As the tutorial does, and more"),
        ("cxr-plot --title 'Loss and accuracy, 50 films'", "With another heading"),
        ("cxr-plot --positive pneumonia", "Curves of another class"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, _: &Settings) -> Result<Vec<Input>, Failure> {
        let mut inputs =
            vec![ctx.input("train", "history.csv"), ctx.input("evaluate", "predictions.csv")];
        let optional = [
            ("train", "histories.csv"),
            ("crossval", "crossval.json"),
            ("audit", "audit.json"),
            ("preprocess", "index.csv"),
            ("preprocess", "images.npy"),
            ("explain", "explain.json"),
            ("explain", "explain.csv"),
            ("explain", "heat.npy"),
        ];
        let optional = optional.map(|(stage, file)| ctx.input(stage, file));
        inputs.extend(optional.into_iter().filter(|input| input.path.exists()));
        Ok(inputs)
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
        check.positive_of_two(&settings.positive);
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let job = Self::begin(ctx, &settings)?;
        let epochs: Vec<Epoch> =
            ctx.read("train", "history.csv", |path| read_csv("history", path))?;
        let lineage = ctx.lineage(&DRAWN);
        if let Some((_, why)) = lineage.left_out().find(|(stage, _)| *stage == "evaluate") {
            let error = format!("the predictions are not of this model: {why}");
            return Err(Failure::new(error).hint(ctx.rerun("evaluate")));
        }
        let predictions = ctx.read("evaluate", "predictions.csv", Predictions::read)?;
        let positive = positive(&settings, &predictions.classes)?;
        let films = Films::read(ctx, &lineage, &predictions)?;

        let mut drawn = predicted(&settings, positive, &epochs, &predictions, ctx.seed);
        drawn.extend(trust::figures(ctx, &lineage)?);
        drawn.extend(films.iter().flat_map(Films::figures));
        let mut summary = Summary {
            epochs: epochs.len(),
            films: predictions.rows.len(),
            figures: Vec::new(),
            left_out: BTreeMap::new(),
        };
        let mut figures = Vec::new();
        for (name, drawn) in drawn {
            match drawn {
                Ok(figure) => {
                    summary.figures.push(name);
                    figures.push(figure);
                }
                Err(reason) => {
                    ctx.ui.detail(format_args!("no figure `{name}`: {reason}"));
                    summary.left_out.insert(name, reason);
                }
            }
        }
        let rendered: Vec<_> =
            figures.par_iter().map(|f| (png(f.as_ref()), svg(f.as_ref()))).collect();
        for (name, (png, svg)) in summary.figures.iter().zip(rendered) {
            atomic::write(&job.path(&format!("{name}.png"))?, &png)?;
            atomic::write(&job.path(&format!("{name}.svg"))?, svg.as_bytes())?;
        }
        job.publish()?;
        Ok(Outcome::new(&summary))
    }
}

/// The positive class, which must be one of `classes`; empty for more than two classes
/// whose names do not tell, whose figures need none.
fn positive<'a>(settings: &Settings, classes: &'a [String]) -> Result<&'a str, Failure> {
    match upstream::positive(&settings.positive, classes) {
        Ok(class) => Ok(&classes[class]),
        Err(_) if settings.positive.is_empty() && classes.len() > 2 => Ok(""),
        Err(failure) => Err(failure),
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("bins", self.bins, 1..=1000)
    }
}

/// The training, and the test films' predictions.
fn predicted<'a>(
    settings: &Settings,
    positive: &str,
    epochs: &[Epoch],
    films: &Predictions,
    seed: u64,
) -> Vec<Drawn<'a>> {
    let mut figures: Vec<Drawn> = vec![
        ("history".to_owned(), history(settings, epochs)),
        ("confusion".to_owned(), Ok(Box::new(confusion(films)))),
    ];
    let classes = TwoClasses::new(films, positive);
    let mut curve = |name: &str, figure: curves::Curve| {
        let films = classes.as_ref().map_err(String::clone);
        figures.push((name.to_owned(), films.and_then(|films| figure(films, settings, seed))));
    };
    curve("roc", curves::roc);
    curve("precision-recall", curves::precision_recall);
    curve("calibration", curves::calibration);
    curve("scores", curves::scores);
    figures
}

fn history<'a>(settings: &Settings, epochs: &[Epoch]) -> Result<Drawing<'a>, String> {
    if epochs.is_empty() {
        return Err("the model was not trained here".to_owned());
    }
    Ok(Box::new(History { title: settings.title.clone(), epochs: curves_of(epochs) }))
}

/// The four curves of a training.
fn curves_of(epochs: &[Epoch]) -> Epochs {
    let curve = |value: fn(&Epoch) -> f64| epochs.iter().map(value).collect();
    Epochs {
        train_loss: curve(|e| e.loss),
        val_loss: curve(|e| e.val_loss),
        train_acc: curve(|e| e.accuracy),
        val_acc: curve(|e| e.val_accuracy),
    }
}

fn confusion(films: &Predictions) -> Confusion {
    let (truth, predicted): (Vec<_>, Vec<_>) =
        films.rows.iter().map(|film| (film.truth, film.predicted)).unzip();
    let counts = metrics::Confusion::new(&truth, &predicted, films.classes.len());
    Confusion { classes: films.classes.clone(), counts: counts.rows().to_vec() }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epochs, films, figures, left_out } = self;
        let count = figures.len();
        writeln!(f, "{count} figures as PNG and SVG, of {epochs} epochs and {films} films")?;
        write!(f, "{}", figures.join(", "))?;
        left_out.iter().try_for_each(|(name, reason)| write!(f, "\nno figure `{name}`: {reason}"))
    }
}
