//! `cxr-train --from`: a head that Keras trained in place of one trained here.

use std::fmt;
use std::io::Write;

use serde::Serialize;

use super::{Films, Settings};
use crate::artifact::model::{Architecture, Model, Training};
use crate::artifact::{Document, history, write_csv};
use crate::backbone::IMAGENET_FINGERPRINT;
use crate::classifier::Imported;
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
    /// Whether its backbone has ImageNet's weights.
    imagenet: bool,
}

/// Takes the head out of the file that `settings` name, if it fits the features.
pub fn run(
    ctx: &Context,
    settings: &Settings,
    job: Job,
    films: &Films,
) -> Result<Outcome, Failure> {
    let path = ctx.paths.expand(&settings.from);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let imported = Imported::read(&path)
        .hint("save the model of the tutorial's layers whole: `model.save(\"model.keras\")`")
        .context(format!("cannot take a head from `{}`", path.display()))?;
    let imagenet = imported.backbone == IMAGENET_FINGERPRINT;
    check(&imported, films, imagenet)
        .context(format!("cannot use the head of `{}`", path.display()))?;
    if !imagenet {
        ctx.ui.warn("its backbone is not ImageNet's, but that of the features");
    }
    ctx.ui.warn(
        "which films it was trained on is not known: if films of the test set are among them, \
         its figures are too good",
    );
    let weights = imported.head.to_safetensors();
    let file = job.path("model.safetensors")?;
    at("write", &file, job.create("model.safetensors")?.write_all(&weights))?;
    write_csv::<history::Epoch>(&job.path("history.csv")?, &[])?;
    let model = Model {
        schema: Model::SCHEMA.to_owned(),
        classes: films.index.classes.clone(),
        extractor: films.description.extractor.clone(),
        architecture: Architecture {
            inputs: imported.head.inputs(),
            hidden: imported.head.hidden.bias.len(),
            outputs: imported.head.classes(),
        },
        training: Training {
            seed: ctx.seed,
            films: 0,
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

/// Whether the head reads the features that it is to be judged on.
fn check(imported: &Imported, films: &Films, imagenet: bool) -> Result<(), Failure> {
    let extractor = &films.description.extractor;
    if imported.backbone != extractor.weights {
        let which = if imagenet {
            "ImageNet's, the features were made with another"
        } else {
            "not ImageNet's, with which the features were made; was it trained, too?"
        };
        return Err(Failure::new(format_args!("its backbone is {which}"))
            .hint("`CXR_WEIGHTS=own.safetensors cxr fetch weights --allow-unknown --from FILE`")
            .hint("then, with that `CXR_WEIGHTS`, `cxr extract` and this again"));
    }
    if (imported.pooling, imported.side) != (extractor.pooling, extractor.side) {
        let Imported { pooling, side, .. } = imported;
        let failure = Failure::new(format_args!(
            "it pools as `{pooling}` on films of {side} pixels a side, the features as `{}` on {}",
            extractor.pooling, extractor.side
        ));
        return Err(failure.hint(format_args!("extract again with `--pooling {pooling}`")));
    }
    let (got, expected) = (imported.head.classes(), films.index.classes.len());
    if got != expected || imported.head.inputs() != extractor.width {
        return Err(Failure::new(format_args!(
            "it tells {got} classes apart from {} features, expected {expected} from {}",
            imported.head.inputs(),
            extractor.width
        )));
    }
    Ok(())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, classes, hidden, imagenet } = self;
        writeln!(f, "the head of {from}, {hidden} hidden units, not trained here")?;
        writeln!(f, "its outputs are taken for {}, in this order", classes.join(", "))?;
        let backbone = if *imagenet { "ImageNet's" } else { "not ImageNet's" };
        writeln!(f, "its backbone is {backbone}, as that of the features")
    }
}
