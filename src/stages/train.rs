//! `cxr-train`: training of the classifier head on the features.

mod import;

use std::fmt;
use std::io::Write;

use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;
use serde::Serialize;

use super::check::Check;
use super::{Stage, stage_inputs, uses};
use crate::artifact::features::Features;
use crate::artifact::history::{self, SeedEpoch};
use crate::artifact::index::Index;
use crate::artifact::model::{Architecture, Model, Training};
use crate::artifact::split::Split;
use crate::artifact::{Document, write_csv};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, in_range};
use crate::head::{Epoch, FitError, FitInputs, FitSettings, FittedHead, Loss, fit};
use crate::io::atomic::at;
use crate::io::decimal::widen;
use crate::io::hash;
use crate::pipeline::{Input, Job};

/// `cxr-train`.
pub struct Train;

crate::settings! {
    /// Settings of `cxr-train`: `[train]` in `pipeline.toml`.
    pub struct Settings {
        /// Number of epochs
        epochs: usize = 25,
        /// Images per batch; each epoch drops the last incomplete batch
        batch_size: usize = 8,
        /// Initial learning rate of Adam; Keras' `decay` is this rate divided by the epochs
        learning_rate: f64 = 1e-3,
        /// Number of hidden units
        hidden: usize = 64,
        /// Dropout rate of the hidden units, from 0 to below 1
        dropout: f64 = 0.5,
        /// Input of the binary cross-entropy: `logits`, as Keras computes it, or `probabilities`
        loss: Loss = Loss::Logits,
        /// Number of heads, trained with consecutive seeds; the first head is the model
        seeds: usize = 1,
        /// Import the head of a Keras model (.keras or .h5 with the tutorial's layers) instead of training
        from: String = String::new(),
    }
}

/// Arguments of `cxr-train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

/// Metrics of a head after its last epoch: a row of `seeds.csv`.
#[derive(Debug, Clone, Default, Serialize)]
struct SeedResult {
    seed: u64,
    loss: f64,
    accuracy: f64,
    val_loss: f64,
    val_accuracy: f64,
}

/// Distribution of a metric over the heads.
#[derive(Debug, Serialize)]
struct Spread {
    mean: f64,
    /// Sample standard deviation; none for one head.
    sd: Option<f64>,
    min: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Summary {
    classes: Vec<String>,
    train: usize,
    /// Number of validation images.
    validation: usize,
    /// True if the validation images are the test images.
    validation_is_test: bool,
    epochs: usize,
    seeds: usize,
    loss: Spread,
    accuracy: Spread,
    val_loss: Spread,
    val_accuracy: Spread,
}

impl Stage for Train {
    const NAME: &'static str = "train";
    const ABOUT: &'static str = "Train the classifier's head on the features";
    const READS: &'static str = "features.npy, augmented.npy, split.json, index.csv";
    const WRITES: &'static str =
        "model.safetensors, model.json, history.csv; with several seeds seeds.csv, histories.csv";
    const AFTER: &'static [&'static str] = &["preprocess", "split", "extract"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-train --profile tutorial", "As in the tutorial"),
        ("cxr-train --seeds 30", "Variation between seeds"),
        ("cxr-train --from covid19.model.h5", "Import the head that the tutorial's script trained"),
        ("cxr-train --epochs 50 --loss probabilities", "Longer training, loss on probabilities"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        let mut inputs = vec![
            ctx.input("preprocess", "index.csv"),
            ctx.input("split", "split.json"),
            ctx.input("extract", "features.json"),
            ctx.input("extract", "features.npy"),
            ctx.input("extract", "augmented.npy"),
        ];
        if !settings.from.is_empty() {
            if settings.from.contains("{dataset}") {
                let error = "`from` has `{dataset}`, which `cxr train` does not know";
                return Err(Failure::usage(error).hint("write the path without `{dataset}`"));
            }
            inputs.push(Input::file("from", ctx.paths.expand(&settings.from)));
        }
        Ok(inputs)
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let job = Self::begin(ctx, &settings)?;
        let images = Images::read(ctx, &job)?;
        if !settings.from.is_empty() {
            return import::run(ctx, &settings, job, &images);
        }
        let seeds: Vec<u64> =
            (0..settings.seeds as u64).map(|i| ctx.seed.wrapping_add(i)).collect();
        let progress = ctx.ui.progress("training", settings.epochs * seeds.len(), "epochs");
        let shown = |number| {
            ctx.ui.verbosity() > 0 || !progress.shows() && is_shown(number, settings.epochs)
        };
        let fitted: Result<Vec<FittedHead>, FitError> = seeds
            .par_iter()
            .map(|&seed| {
                images.fit(&settings.fit(), seed, |number, epoch| {
                    progress.add(1);
                    if seed == ctx.seed && shown(number) {
                        progress.ui().note(format_epoch(number, settings.epochs, epoch));
                    }
                })
            })
            .collect();
        drop(progress);
        let fitted = fitted.map_err(|error| images.failure(ctx, error))?;

        let first = &fitted[0];
        let weights = first.head.to_safetensors();
        let path = job.path("model.safetensors")?;
        at("write", &path, job.create("model.safetensors")?.write_all(&weights))?;
        write_csv(&job.path("history.csv")?, &history(first))?;
        let last: Vec<SeedResult> =
            seeds.iter().zip(&fitted).map(|(s, f)| SeedResult::new(*s, f)).collect();
        if settings.seeds > 1 {
            write_csv(&job.path("seeds.csv")?, &last)?;
            let seed_history = |(seed, fitted): (&u64, &FittedHead)| {
                let epochs = history(fitted).into_iter();
                epochs.map(|epoch| SeedEpoch::new(*seed, epoch)).collect::<Vec<_>>()
            };
            let histories: Vec<SeedEpoch> =
                seeds.iter().zip(&fitted).flat_map(seed_history).collect();
            write_csv(&job.path("histories.csv")?, &histories)?;
        }
        let model = Model {
            schema: Model::SCHEMA.to_owned(),
            classes: images.index.classes.clone(),
            extractor: images.description.extractor.clone(),
            architecture: Architecture {
                inputs: first.head.inputs(),
                hidden: settings.hidden,
                outputs: first.head.classes(),
            },
            training: Training {
                seed: ctx.seed,
                images: images.split.train.len(),
                epochs: settings.epochs,
                batch_size: settings.batch_size,
                learning_rate: settings.learning_rate,
                dropout: settings.dropout,
                loss: settings.loss,
            },
            imported: None,
            weights: hash::bytes(&weights),
            inputs: job.inputs().clone(),
        };
        model.write(&job.path("model.json")?)?;
        job.publish()?;

        let spread = |value: fn(&SeedResult) -> f64| Spread::new(last.iter().map(value).collect());
        Ok(Outcome::new(&Summary {
            classes: model.classes,
            train: images.split.train.len(),
            validation: images.split.validated().len(),
            validation_is_test: images.split.validation.is_empty(),
            epochs: settings.epochs,
            seeds: settings.seeds,
            loss: spread(|s| s.loss),
            accuracy: spread(|s| s.accuracy),
            val_loss: spread(|s| s.val_loss),
            val_accuracy: spread(|s| s.val_accuracy),
        }))
    }
}

/// Training and validation data of the heads.
struct Images {
    index: Index,
    split: Split,
    description: Features,
    /// Augmented features `[rotations, training images, width]`.
    augmented: Array3<f32>,
    /// Features `[validation images, width]`.
    validation: Array2<f32>,
    train_labels: Vec<usize>,
    validation_labels: Vec<usize>,
}

impl Images {
    /// Reads the artifacts and checks that they belong together.
    fn read(ctx: &Context, job: &Job) -> Result<Self, Failure> {
        let index = stage_inputs::index(ctx)?;
        let split = stage_inputs::split(ctx, job, &index)?;
        let description = stage_inputs::features(ctx, job)?;
        let labels = index.labels();
        let pick = |rows: &[usize]| rows.iter().map(|&row| labels[row]).collect::<Vec<_>>();
        let (train_labels, validation_labels) = (pick(&split.train), pick(split.validated()));
        for (label, class) in index.classes.iter().enumerate() {
            if !train_labels.contains(&label) {
                let error = format!("the class `{class}` has no training image");
                return Err(Failure::new(error).hint("add images, or split with another seed"));
            }
        }
        let (count, width) = (index.rows.len(), description.extractor.width);
        let features: Array2<f32> = stage_inputs::array(ctx, "features.npy", &[count, width])?;
        let shape = [description.rotations, split.train.len(), width];
        let augmented = stage_inputs::array(ctx, "augmented.npy", &shape)?;
        let validation = features.select(Axis(0), split.validated());
        Ok(Self {
            index,
            split,
            description,
            augmented,
            validation,
            train_labels,
            validation_labels,
        })
    }

    fn fit(
        &self,
        settings: &FitSettings,
        seed: u64,
        on_epoch: impl FnMut(usize, &Epoch),
    ) -> Result<FittedHead, FitError> {
        let inputs = FitInputs {
            augmented: self.augmented.view(),
            labels: &self.train_labels,
            classes: self.index.classes.len(),
            validation: Some((self.validation.view(), &self.validation_labels)),
        };
        fit(&inputs, settings, seed, on_epoch)
    }

    /// Converts the error to a message with the image's path and a hint.
    fn failure(&self, ctx: &Context, error: FitError) -> Failure {
        let rows = match error {
            FitError::NotFinite { what: "training", .. } => self.split.train.as_slice(),
            _ => self.split.validated(),
        };
        match error {
            FitError::NotFinite { image, .. } => {
                let path = &self.index.rows[rows[image]].path;
                Failure::new(format!("the features of `{path}` are not finite numbers below 1e10"))
                    .hint(ctx.rerun("extract"))
            }
            FitError::TooFewImages { .. } => {
                Failure::from(error).hint("add images, or use a smaller `--batch-size`")
            }
            FitError::TooFewClasses(_) => {
                Failure::from(error).hint("the dataset needs a folder for each class")
            }
            FitError::Diverged { .. } => {
                Failure::from(error).hint("use a lower `--learning-rate`; Adam's default is 0.001")
            }
            FitError::Setting { .. } => Err::<(), _>(error).usage().expect_err("it is an error"),
            other => other.into(),
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("seeds", self.seeds, 1..=10_000)?;
        if !self.from.is_empty() {
            return match self.seeds {
                1 => Ok(()),
                _ => Err(Failure::usage("`from` imports one head: `seeds` must be 1")),
            };
        }
        self.fit().check().usage()
    }

    fn fit(&self) -> FitSettings {
        FitSettings {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate as f32,
            hidden: self.hidden,
            dropout: self.dropout as f32,
            loss: self.loss,
        }
    }
}

/// Returns whether an epoch is printed without a progress bar: the first epoch, and up to
/// [`LINES`] equally spaced epochs that end with the last one. `number` counts from 0.
fn is_shown(number: usize, epochs: usize) -> bool {
    let step = epochs.div_ceil(LINES).max(1);
    number == 0 || (epochs - 1 - number).is_multiple_of(step)
}

/// Number of printed epochs without a progress bar; `--verbose` prints all.
const LINES: usize = 5;

/// Formats an epoch as Keras does; `number` counts from 0.
fn format_epoch(number: usize, epochs: usize, epoch: &Epoch) -> String {
    let validation =
        epoch.val_loss.zip(epoch.val_accuracy).map_or(String::new(), |(loss, accuracy)| {
            format!(" - val_loss: {loss:.4} - val_accuracy: {accuracy:.4}")
        });
    let Epoch { loss, accuracy, .. } = epoch;
    format!("Epoch {}/{epochs} - loss: {loss:.4} - accuracy: {accuracy:.4}{validation}", number + 1)
}

fn history(fitted: &FittedHead) -> Vec<history::Epoch> {
    let epochs = fitted.history.iter().enumerate();
    epochs
        .map(|(number, epoch)| history::Epoch {
            epoch: number + 1,
            loss: widen(epoch.loss),
            accuracy: widen(epoch.accuracy),
            val_loss: widen(epoch.val_loss.expect("a split has validation images")),
            val_accuracy: widen(epoch.val_accuracy.expect("a split has validation images")),
        })
        .collect()
}

impl SeedResult {
    fn new(seed: u64, fitted: &FittedHead) -> Self {
        let last = history(fitted).pop().expect("at least one epoch");
        let history::Epoch { loss, accuracy, val_loss, val_accuracy, .. } = last;
        Self { seed, loss, accuracy, val_loss, val_accuracy }
    }
}

impl Spread {
    fn new(values: Vec<f64>) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Self {
            mean,
            sd: (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean, sd, min, max } = self;
        match sd {
            Some(sd) => write!(f, "{mean:.4}  sd {sd:.4}  range {min:.4} to {max:.4}"),
            None => write!(f, "{mean:.4}"),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = if self.seeds == 1 { "1 head" } else { &format!("{} heads", self.seeds) };
        let Self { train, validation, epochs, .. } = self;
        let which =
            if self.validation_is_test { "test images" } else { "images of other patients" };
        writeln!(
            f,
            "{heads} for {}: {epochs} epochs on {train} images, validated on {validation} {which}",
            self.classes.join(", ")
        )?;
        writeln!(f, "loss          {}", self.loss)?;
        writeln!(f, "accuracy      {}", self.accuracy)?;
        writeln!(f, "val_loss      {}", self.val_loss)?;
        write!(f, "val_accuracy  {}", self.val_accuracy)?;
        if self.seeds > 1 {
            write!(f, "\nthe model is the head of the first seed; seeds.csv has all heads")?;
        }
        Ok(())
    }
}
