//! `train/model.json`: what `model.safetensors` is, and how to feed it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::features::Extractor;
use super::{ArtifactError, Document, MAX_FILE, read_bytes};
use crate::head::{FitSettings, Head, Loss};
use crate::io::hash;
use crate::io::place::is_formula;

/// A trained classifier, its weights aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// `cxr.model/1`; filled in when written.
    #[serde(default)]
    pub schema: String,
    /// The classes' names, in the order of the outputs.
    pub classes: Vec<String>,
    /// How a film becomes the head's input.
    pub extractor: Extractor,
    /// The layers on top of it.
    pub architecture: Architecture,
    /// How they were trained.
    pub training: Training,
    /// Where it was trained, if not here: then of `training` but `dropout` nothing
    /// is known, and stands as 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// BLAKE3 of `model.safetensors`.
    pub weights: String,
    /// BLAKE3 of every file it was trained from, by name.
    pub inputs: BTreeMap<String, String>,
}

/// Sizes of a head: dense with ReLU, dropout in training, dense with softmax.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Features it takes.
    pub inputs: usize,
    /// Hidden units.
    pub hidden: usize,
    /// Classes it tells apart.
    pub outputs: usize,
}

/// How a head was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Training {
    /// The seed of its random choices.
    pub seed: u64,
    /// Training films.
    pub films: usize,
    /// Passes over them.
    pub epochs: usize,
    /// Films a step.
    pub batch_size: usize,
    /// Adam's rate at the first step.
    pub learning_rate: f64,
    /// Share of hidden units left out in training.
    pub dropout: f64,
    /// What was minimised.
    pub loss: Loss,
}

impl Model {
    /// How to train another head alike.
    pub fn fit_settings(&self) -> FitSettings {
        let Training { epochs, batch_size, learning_rate, dropout, loss, .. } = self.training;
        FitSettings {
            epochs,
            batch_size,
            learning_rate: learning_rate as f32,
            hidden: self.architecture.hidden,
            dropout: dropout as f32,
            loss,
        }
    }

    /// Reads its weights, `model.safetensors` at `path`.
    ///
    /// # Errors
    /// If they are missing, broken, or those of another model.
    pub fn head(&self, path: &Path) -> Result<Head, ArtifactError> {
        let malformed =
            |reason| ArtifactError::Malformed { kind: "head", path: path.to_owned(), reason };
        let bytes = read_bytes("head", path, MAX_FILE)?;
        if self.weights != hash::bytes(&bytes) {
            return Err(malformed("`model.json` describes another one".to_owned()));
        }
        Head::from_safetensors(&bytes).map_err(|e| malformed(e.to_string()))
    }
}

impl Document for Model {
    const KIND: &'static str = "model";
    const SCHEMA: &'static str = "cxr.model/1";

    fn check(&self) -> Result<(), String> {
        let (classes, outputs) = (self.classes.len(), self.architecture.outputs);
        let (width, inputs) = (self.extractor.width, self.architecture.inputs);
        let unsafe_name = |class: &&String| is_formula(class) || class.contains(char::is_control);
        if let Some(class) = self.classes.iter().find(unsafe_name) {
            return Err(format!("the class {class:?} begins as a formula, or cannot be printed"));
        }
        let twice = |(i, class): &(usize, &String)| self.classes[..*i].contains(class);
        if let Some((_, class)) = self.classes.iter().enumerate().find(twice) {
            return Err(format!("two of its classes are called `{class}`"));
        }
        if classes != outputs {
            return Err(format!("{classes} classes for {outputs} outputs"));
        }
        if width != inputs {
            return Err(format!("{width} features for {inputs} inputs"));
        }
        self.extractor.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::Pooling;

    #[test]
    fn a_model_comes_back_and_must_fit_its_classes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.json");
        let mut model = Model {
            schema: Model::SCHEMA.into(),
            classes: vec!["covid".into(), "normal".into()],
            extractor: Extractor {
                backbone: "vgg16".into(),
                weights: "d9".into(),
                pooling: Pooling::Tutorial,
                side: 224,
                scale: "rgb / 255".into(),
                width: 512,
            },
            architecture: Architecture { inputs: 512, hidden: 64, outputs: 2 },
            training: Training {
                seed: 42,
                films: 40,
                epochs: 25,
                batch_size: 8,
                learning_rate: 1e-3,
                dropout: 0.5,
                loss: Loss::Logits,
            },
            imported: None,
            weights: "ab".into(),
            inputs: BTreeMap::from([("split/split.json".into(), "cd".into())]),
        };
        model.write(&path).unwrap();
        assert_eq!(Model::read(&path).unwrap(), model);
        model.classes.push("pneumonia".into());
        model.write(&path).unwrap();
        let error = Model::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("is not a usable model: 3 classes for 2 outputs"), "{error}");
    }
}
