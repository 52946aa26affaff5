//! Metadata of exported Keras and ONNX files.

use std::collections::BTreeMap;

use serde_json::json;

use super::Bundle;

impl Bundle {
    /// Returns the metadata of an exported file by name. `classes` is a JSON list in the order
    /// of the outputs.
    pub fn properties(&self) -> BTreeMap<String, String> {
        let manifest = &self.manifest;
        let (extractor, decision) = (&manifest.model.extractor, &manifest.decision);
        let mut properties = BTreeMap::new();
        let mut add = |name: &str, text: String| {
            properties.insert(name.to_owned(), text);
        };
        add("classes", json!(manifest.model.classes).to_string());
        add("decision", decision.rule.clone());
        add("side", extractor.side.to_string());
        add("scale", extractor.scale.clone());
        add("depth", manifest.depth.to_string());
        add("pooling", extractor.pooling.to_string());
        add("resize", "bilinear, half-pixel centres, no antialias, aspect ignored".to_owned());
        add("head", manifest.model.weights.clone());
        add("backbone", format!("{} {}", extractor.backbone, extractor.weights));
        add("backbone_licence", manifest.backbone.licence.clone());
        add("program", format!("cxr {}", manifest.program));
        add("use", "research and education only; not a diagnostic device".to_owned());
        let half_if_binary = |_: &String| (manifest.model.classes.len() == 2).then_some(0.5);
        // With two classes, argmax equals a threshold of one half.
        let threshold =
            decision.threshold.or_else(|| decision.positive.as_ref().and_then(half_if_binary));
        for (name, value) in [("threshold", threshold), ("temperature", manifest.temperature)] {
            if let Some(value) = value {
                add(name, value.to_string());
            }
        }
        if let Some(positive) = &decision.positive {
            add("positive", positive.clone());
        }
        if let Some(index) = &manifest.training.index {
            add("training_index", index.clone());
        }
        match &manifest.audit {
            Some(audit) => {
                add("audit", format!("{}: {}", audit.verdict.answer.word(), audit.verdict.text))
            }
            None => add("audit", "none".to_owned()),
        }
        properties
    }
}
