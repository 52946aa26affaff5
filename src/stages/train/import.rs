//! `cxr-train --from`: import of a head that Keras trained.

use std::fmt;
use std::io::Write;

use serde::Serialize;

use super::{Images, Settings};
use crate::artifact::model::{Architecture, Model, Training};
use crate::artifact::{Document, history, write_csv};
use crate::backbone::IMAGENET_FINGERPRINT;
use crate::classifier::ImportedModel;
use crate::cli::{Context, Failure, Outcome, ResultExt};
use crate::head::Loss;
use crate::io::atomic::at;
use crate::io::hash;
use crate::pipeline::Job;

#[derive(Debug, Serialize)]
struct Summary {
    from: String,
    classes: Vec<String>,
    hidden: usize,
    /// True if the backbone of the Keras model has ImageNet's weights.
    imagenet: bool,
}

/// Imports the head of the Keras model `settings.from`.
///
/// # Errors
/// If the file cannot be read, or the model does not fit the features.
pub fn run(
    ctx: &Context,
    settings: &Settings,
    job: Job,
    images: &Images,
) -> Result<Outcome, Failure> {
    let path = ctx.paths.expand(&settings.from);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let imported = ImportedModel::read(&path)
        .hint("save the whole model, with the tutorial's layers: `model.save(\"model.keras\")`")
        .context(format!("cannot import the head of `{}`", path.display()))?;
    let imagenet = imported.backbone == IMAGENET_FINGERPRINT;
    check(&imported, images, imagenet)
        .context(format!("cannot use the head of `{}`", path.display()))?;
    if !imagenet {
        ctx.ui.warn("the backbone does not have ImageNet's weights, but those of the features");
    }
    ctx.ui.warn(
        "the training images of the imported head are unknown: if they include test images, the \
         test performance is overestimated",
    );
    let weights = imported.head.to_safetensors();
    let file = job.path("model.safetensors")?;
    at("write", &file, job.create("model.safetensors")?.write_all(&weights))?;
    write_csv::<history::Epoch>(&job.path("history.csv")?, &[])?;
    let model = Model {
        schema: Model::SCHEMA.to_owned(),
        classes: images.index.classes.clone(),
        extractor: images.description.extractor.clone(),
        architecture: Architecture {
            inputs: imported.head.inputs(),
            hidden: imported.head.hidden.bias.len(),
            outputs: imported.head.classes(),
        },
        training: Training {
            seed: ctx.seed,
            images: 0,
            epochs: 0,
            batch_size: 0,
            learning_rate: 0.0,
            dropout: imported.dropout,
            loss: Loss::Probabilities,
        },
        imported: Some(format!("{name}, BLAKE3 {}", job.inputs()["from"])),
        weights: hash::bytes(&weights),
        inputs: job.inputs().clone(),
    };
    model.write(&job.path("model.json")?)?;
    job.publish()?;
    let hidden = model.architecture.hidden;
    Ok(Outcome::new(&Summary { from: name, classes: model.classes, hidden, imagenet }))
}

/// Checks that backbone, pooling, image size and classes of the model fit the features.
fn check(imported: &ImportedModel, images: &Images, imagenet: bool) -> Result<(), Failure> {
    let extractor = &images.description.extractor;
    if imported.backbone != extractor.weights {
        let which = if imagenet {
            "ImageNet's, but not those of the features"
        } else {
            "neither ImageNet's nor those of the features; was the backbone trained too?"
        };
        return Err(Failure::new(format_args!("the weights of the backbone are {which}"))
            .hint("`CXR_WEIGHTS=own.safetensors cxr fetch weights --allow-unknown --from FILE`")
            .hint("then, with the same `CXR_WEIGHTS`, run `cxr extract` and this command again"));
    }
    if (imported.pooling, imported.side) != (extractor.pooling, extractor.side) {
        let ImportedModel { pooling, side, .. } = imported;
        let failure = Failure::new(format_args!(
            "the model has the pooling `{pooling}` and images of {side} pixels per side, the features \
             `{}` and {}",
            extractor.pooling, extractor.side
        ));
        return Err(
            failure.hint(format_args!("extract again with `cxr extract --pooling {pooling}`"))
        );
    }
    let (got, expected) = (imported.head.classes(), images.index.classes.len());
    if got != expected || imported.head.inputs() != extractor.width {
        return Err(Failure::new(format_args!(
            "the head has {got} classes and {} features, expected {expected} and {}",
            imported.head.inputs(),
            extractor.width
        )));
    }
    Ok(())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, classes, hidden, imagenet } = self;
        writeln!(f, "imported the head of {from}, {hidden} hidden units")?;
        writeln!(f, "assumed order of the classes: {}", classes.join(", "))?;
        let backbone = if *imagenet { "ImageNet's" } else { "not ImageNet's" };
        writeln!(f, "the backbone's weights are {backbone}, as for the features")
    }
}
