//! `train/model.json`: description of the head in `model.safetensors` and of its input.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::features::Extractor;
use super::{ArtifactError, Document, MAX_FILE, read_bytes};
use crate::head::{FitSettings, Head, Loss};
use crate::io::hash;
use crate::io::place::is_formula;

/// Trained classifier without its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// `cxr.model/1`; set when written.
    #[serde(default)]
    pub schema: String,
    /// Class names in the order of the outputs.
    pub classes: Vec<String>,
    /// Feature extraction: from an image to the input of the head.
    pub extractor: Extractor,
    /// Layers of the head.
    pub architecture: Architecture,
    /// Training settings.
    pub training: Training,
    /// Source of a model that was trained elsewhere; then of `training` only `dropout` is
    /// known, and the other fields are 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// BLAKE3 hash of `model.safetensors`.
    pub weights: String,
    /// BLAKE3 hash of every input file of the training, by name.
    pub inputs: BTreeMap<String, String>,
}

/// Layer sizes of a head: dense with ReLU, dropout (training only), dense with softmax.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Number of input features.
    pub inputs: usize,
    /// Number of hidden units.
    pub hidden: usize,
    /// Number of classes.
    pub outputs: usize,
}

/// Training settings of a head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Training {
    /// Seed of initialisation, shuffling and dropout.
    pub seed: u64,
    /// Number of training images.
    #[serde(alias = "films")] // In bundles of version 1.
    pub images: usize,
    /// Number of epochs.
    pub epochs: usize,
    /// Number of images per step.
    pub batch_size: usize,
    /// Learning rate of Adam at the first step.
    pub learning_rate: f64,
    /// Dropout rate, 0 to 1.
    pub dropout: f64,
    /// Loss function.
    pub loss: Loss,
}

impl Model {
    /// Returns the settings to train another head in the same way.
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

    /// Reads the weights `model.safetensors` at `path`.
    ///
    /// # Errors
    /// If the file is missing or malformed, or belongs to another model.
    pub fn head(&self, path: &Path) -> Result<Head, ArtifactError> {
        let malformed =
            |reason| ArtifactError::Malformed { kind: "head", path: path.to_owned(), reason };
        let bytes = read_bytes("head", path, MAX_FILE)?;
        if self.weights != hash::bytes(&bytes) {
            return Err(malformed("`model.json` describes another head".to_owned()));
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
        let is_unsafe = |class: &&String| is_formula(class) || class.contains(char::is_control);
        if let Some(class) = self.classes.iter().find(is_unsafe) {
            return Err(format!(
                "the class name {class:?} starts like a formula or has control characters"
            ));
        }
        let is_repeated = |(i, class): &(usize, &String)| self.classes[..*i].contains(class);
        if let Some((_, class)) = self.classes.iter().enumerate().find(is_repeated) {
            return Err(format!("the class name `{class}` occurs twice"));
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
    fn model_survives_a_round_trip_and_must_match_its_classes() {
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
                images: 40,
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
