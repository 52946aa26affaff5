//! `cxr-plot`: draws the training history and the test films' predictions.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::Stage;
use crate::artifact::{history, predictions::Predictions, read_csv};
use crate::cli::{Context, Failure, Outcome};
use crate::io::atomic;
use crate::metrics::{self, Rate, Undefined};
use crate::pipeline::Input;
use crate::plot::{
    Bin, Calibration, ClassScores, Confusion, Epochs, Estimate, Figure, History, PrecisionRecall,
    Roc, Scores, png, svg,
};
use crate::rng::{Rng, derive};

/// `cxr-plot`.
pub struct Plot;

crate::settings! {
    /// Settings of `cxr-plot`: `[plot]` in `pipeline.toml`.
    pub struct Settings {
        /// Heading of the training history
        title: String = "Training Loss and Accuracy on COVID-19 Dataset".into(),
        /// The class that the curves call positive
        positive: String = "covid".into(),
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
    figures: Vec<&'static str>,
    left_out: BTreeMap<&'static str, String>,
}

/// A figure, or why there is none.
type Drawn = Result<Box<dyn Figure + Send + Sync>, String>;

/// Least films of each class for a curve over thresholds.
const LEAST_OF_CLASS: usize = 5;
/// Least films for a calibration figure.
const LEAST_CALIBRATION: usize = 20;
/// Resamples of a bootstrap interval.
const RESAMPLES: usize = 1000;
/// Of two classes the more probable one is named.
const THRESHOLD: f64 = 0.5;

impl Stage for Plot {
    const NAME: &'static str = "plot";
    const ABOUT: &'static str = "Draw the training history and the predictions";
    const READS: &'static str = "history.csv, predictions.csv";
    const WRITES: &'static str = "history, confusion, roc, precision-recall, calibration and \
                                  scores, each as .png and .svg";
    const AFTER: &'static [&'static str] = &["train", "evaluate"];
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-plot --profile tutorial", "As the tutorial does, and more"),
        ("cxr-plot --title 'Loss and accuracy, 50 films'", "With another heading"),
        ("cxr-plot --positive pneumonia", "Curves of another class"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, _: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(vec![ctx.input("train", "history.csv"), ctx.input("evaluate", "predictions.csv")])
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        if settings.bins == 0 {
            return Err(Failure::usage("`bins` is 0, expected at least 1"));
        }
        let job = Self::begin(ctx, &settings)?;
        let epochs = ctx.read("train", "history.csv", |path| read_csv("history", path))?;
        let films = ctx.read("evaluate", "predictions.csv", Predictions::read)?;

        let mut summary = Summary {
            epochs: epochs.len(),
            films: films.rows.len(),
            figures: Vec::new(),
            left_out: BTreeMap::new(),
        };
        let mut figures: Vec<Box<dyn Figure + Send + Sync>> = Vec::new();
        for (name, drawn) in draw(&settings, &epochs, &films, ctx.seed) {
            match drawn {
                Ok(figure) => {
                    summary.figures.push(name);
                    figures.push(figure);
                }
                Err(reason) => {
                    ctx.ui.note(format_args!("no figure `{name}`: {reason}"));
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

/// Every figure by the stem of its files.
fn draw(
    settings: &Settings,
    epochs: &[history::Epoch],
    films: &Predictions,
    seed: u64,
) -> Vec<(&'static str, Drawn)> {
    let mut figures: Vec<(_, Drawn)> = vec![
        ("history", history_figure(settings, epochs)),
        ("confusion", Ok(Box::new(confusion(films)))),
    ];
    let curves = TwoClasses::new(films, &settings.positive);
    let curve = |figure: fn(&TwoClasses, &Settings, u64) -> Drawn| -> Drawn {
        curves.as_ref().map_err(String::clone).and_then(|films| figure(films, settings, seed))
    };
    figures.push(("roc", curve(roc)));
    figures.push(("precision-recall", curve(precision_recall)));
    figures.push(("calibration", curve(calibration)));
    figures.push(("scores", curve(scores)));
    figures
}

fn history_figure(settings: &Settings, epochs: &[history::Epoch]) -> Drawn {
    if epochs.is_empty() {
        return Err("the model was not trained here".to_owned());
    }
    let curve = |value: fn(&history::Epoch) -> f64| epochs.iter().map(value).collect();
    Ok(Box::new(History {
        title: settings.title.clone(),
        epochs: Epochs {
            train_loss: curve(|e| e.loss),
            val_loss: curve(|e| e.val_loss),
            train_acc: curve(|e| e.accuracy),
            val_acc: curve(|e| e.val_accuracy),
        },
    }))
}

fn confusion(films: &Predictions) -> Confusion {
    let (truth, predicted): (Vec<_>, Vec<_>) =
        films.rows.iter().map(|film| (film.truth, film.predicted)).unzip();
    let counts = metrics::Confusion::new(&truth, &predicted, films.classes.len());
    Confusion { classes: films.classes.clone(), counts: counts.rows().to_vec() }
}

/// The films of two classes, one of them positive.
struct TwoClasses {
    positive: String,
    negative: String,
    /// Whether each film is positive, and is called so.
    truth: Vec<bool>,
    called: Vec<bool>,
    /// The probability of the positive class.
    scores: Vec<f64>,
    /// A number for each film's patient; unknown ones are patients of their own.
    patients: Vec<usize>,
}

impl TwoClasses {
    fn new(films: &Predictions, positive: &str) -> Result<Self, String> {
        if films.classes.len() != 2 {
            return Err(format!("it is of two classes, and there are {}", films.classes.len()));
        }
        let class = films.classes.iter().position(|class| class == positive);
        let class = class.ok_or_else(|| {
            let [a, b] = [0, 1].map(|i| &films.classes[i]);
            format!("no class is called `{positive}`: choose `{a}` or `{b}` with `--positive`")
        })?;
        let mut numbers = BTreeMap::new();
        let patients = films.rows.iter().enumerate().map(|(row, film)| {
            let own = film.patient.is_empty().then_some(row);
            let next = numbers.len();
            *numbers.entry((film.patient.as_str(), own)).or_insert(next)
        });
        Ok(Self {
            patients: patients.collect(),
            positive: positive.to_owned(),
            negative: films.classes[1 - class].clone(),
            truth: films.rows.iter().map(|film| film.truth == class).collect(),
            called: films.rows.iter().map(|film| film.predicted == class).collect(),
            scores: films.rows.iter().map(|film| film.probabilities[class]).collect(),
        })
    }

    /// Refuses a curve over too few films of a class.
    fn enough(&self) -> Result<(), String> {
        let positives = self.positives();
        let counts = [(&self.positive, positives), (&self.negative, self.truth.len() - positives)];
        match counts.into_iter().find(|&(_, films)| films < LEAST_OF_CLASS) {
            Some((class, films)) => {
                Err(format!("`{class}` has {films} test films, fewer than {LEAST_OF_CLASS}"))
            }
            None => Ok(()),
        }
    }

    fn positives(&self) -> usize {
        self.truth.iter().filter(|&&positive| positive).count()
    }

    fn against_rest(&self) -> metrics::Binary {
        let number = |flags: &[bool]| flags.iter().map(|&f| usize::from(f)).collect::<Vec<_>>();
        metrics::Confusion::new(&number(&self.truth), &number(&self.called), 2).against_rest(1)
    }

    /// `metric` of all films, with its bootstrap interval over patients.
    fn estimate(
        &self,
        purpose: &str,
        seed: u64,
        metric: fn(&[bool], &[f64]) -> Result<f64, Undefined>,
    ) -> Result<Estimate, String> {
        let draws = |resample| {
            let mut rng = Rng::new(derive(seed, Plot::NAME, purpose, resample));
            move |n| rng.index(n)
        };
        let of_rows = |rows: &[usize]| {
            let truth: Vec<_> = rows.iter().map(|&row| self.truth[row]).collect();
            let scores: Vec<_> = rows.iter().map(|&row| self.scores[row]).collect();
            metric(&truth, &scores)
        };
        let value = metric(&self.truth, &self.scores);
        let interval = metrics::bootstrap(&self.patients, RESAMPLES, 0.95, draws, of_rows);
        let interval = interval.map_err(|e| e.to_string())?;
        let value = value.map_err(|e| e.to_string())?;
        Ok(Estimate { value, low: interval.low, high: interval.high })
    }
}

fn roc(films: &TwoClasses, _: &Settings, seed: u64) -> Drawn {
    films.enough()?;
    let roc = metrics::Roc::new(&films.truth, &films.scores).map_err(|e| e.to_string())?;
    let curve: Vec<_> = roc.fpr.into_iter().zip(roc.tpr).collect();
    let positives = films.positives() as u64;
    let band = curve.iter().map(|&(fpr, tpr)| {
        let rate = Rate::new((tpr * positives as f64).round() as u64, positives);
        (fpr, rate.low, rate.high)
    });
    let called = films.against_rest();
    let specificity = called.specificity().value;
    Ok(Box::new(Roc {
        positive: films.positive.clone(),
        band: Some(band.collect()),
        auc: films.estimate("auc", seed, metrics::roc_auc)?,
        operating: specificity.map(|s| 1.0 - s).zip(called.sensitivity().value),
        curve,
    }))
}

fn precision_recall(films: &TwoClasses, _: &Settings, seed: u64) -> Drawn {
    films.enough()?;
    let curve = metrics::PrecisionRecall::new(&films.truth, &films.scores);
    let curve = curve.map_err(|e| e.to_string())?;
    let band = curve.thresholds.iter().zip(&curve.recall).rev().map(|(&threshold, &recall)| {
        let above = |(_, score): &(&bool, &f64)| **score >= threshold;
        let called = || films.truth.iter().zip(&films.scores).filter(above);
        let hits = called().filter(|(positive, _)| **positive).count();
        let rate = Rate::new(hits as u64, called().count() as u64);
        (recall, rate.low, rate.high)
    });
    let called = films.against_rest();
    Ok(Box::new(PrecisionRecall {
        positive: films.positive.clone(),
        band: Some(band.collect()),
        average: films.estimate("average-precision", seed, metrics::average_precision)?,
        prevalence: films.positives() as f64 / films.truth.len() as f64,
        operating: called.sensitivity().value.zip(called.ppv().value),
        curve: curve.recall.into_iter().zip(curve.precision).rev().collect(),
    }))
}

fn calibration(films: &TwoClasses, settings: &Settings, _: u64) -> Drawn {
    let count = films.truth.len();
    if count < LEAST_CALIBRATION {
        return Err(format!("there are {count} test films, fewer than {LEAST_CALIBRATION}"));
    }
    let brier = metrics::brier(&films.truth, &films.scores).map_err(|e| e.to_string())?;
    let parts = settings.bins as f64;
    let bin = |i: usize| {
        let within = |score: f64| ((score * parts) as usize).min(settings.bins - 1) == i;
        let members = || films.scores.iter().zip(&films.truth).filter(|(score, _)| within(**score));
        let count = members().count();
        let observed = Rate::new(members().filter(|(_, t)| **t).count() as u64, count as u64);
        Bin {
            from: i as f64 / parts,
            to: (i + 1) as f64 / parts,
            count,
            predicted: members().map(|(score, _)| score).sum::<f64>() / count.max(1) as f64,
            observed: Estimate {
                value: observed.value.unwrap_or(0.0),
                low: observed.low,
                high: observed.high,
            },
        }
    };
    Ok(Box::new(Calibration {
        positive: films.positive.clone(),
        bins: (0..settings.bins).map(bin).collect(),
        summary: vec![("Brier score".into(), brier)],
    }))
}

fn scores(films: &TwoClasses, _: &Settings, _: u64) -> Drawn {
    let of = |class: &str, positive: bool| ClassScores {
        class: class.to_owned(),
        scores: films
            .scores
            .iter()
            .zip(&films.truth)
            .filter(|(_, truth)| **truth == positive)
            .map(|(score, _)| *score)
            .collect(),
    };
    Ok(Box::new(Scores {
        positive: films.positive.clone(),
        threshold: THRESHOLD,
        classes: vec![of(&films.positive, true), of(&films.negative, false)],
    }))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epochs, films, figures, left_out } = self;
        write!(
            f,
            "{} figures as PNG and SVG, of {epochs} epochs and {films} films: ",
            figures.len()
        )?;
        write!(f, "{}", figures.join(", "))?;
        if !left_out.is_empty() {
            let names: Vec<_> = left_out.keys().copied().collect();
            write!(f, "\nleft out: {}", names.join(", "))?;
        }
        Ok(())
    }
}
