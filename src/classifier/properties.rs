//! What a file of another ecosystem says of the model it holds.

use std::collections::BTreeMap;

use serde_json::json;

use super::Bundle;

impl Bundle {
    /// The facts that go into the metadata of an exported file, as text by name.
    /// `classes` is a JSON list in the order of the outputs.
    pub fn properties(&self) -> BTreeMap<String, String> {
        let manifest = &self.manifest;
        let (extractor, decision) = (&manifest.model.extractor, &manifest.decision);
        let mut properties = BTreeMap::new();
        let mut say = |name: &str, text: String| {
            properties.insert(name.to_owned(), text);
        };
        say("classes", json!(manifest.model.classes).to_string());
        say("decision", decision.rule.clone());
        say("side", extractor.side.to_string());
        say("scale", extractor.scale.clone());
        say("depth", manifest.depth.to_string());
        say("pooling", extractor.pooling.to_string());
        say("resize", "bilinear, half-pixel centres, no antialias, aspect ignored".to_owned());
        say("head", manifest.model.weights.clone());
        say("backbone", format!("{} {}", extractor.backbone, extractor.weights));
        say("backbone_licence", manifest.backbone.licence.clone());
        say("program", format!("cxr {}", manifest.program));
        say("use", "research and education; no diagnostic device".to_owned());
        let of_two = |_: &String| (manifest.model.classes.len() == 2).then_some(0.5);
        // Of two classes, one is the more probable from one half on.
        let threshold = decision.threshold.or_else(|| decision.positive.as_ref().and_then(of_two));
        for (name, value) in [("threshold", threshold), ("temperature", manifest.temperature)] {
            if let Some(value) = value {
                say(name, value.to_string());
            }
        }
        if let Some(positive) = &decision.positive {
            say("positive", positive.clone());
        }
        if let Some(index) = &manifest.training.index {
            say("training_index", index.clone());
        }
        match &manifest.audit {
            Some(audit) => {
                say("audit", format!("{}: {}", audit.verdict.answer.word(), audit.verdict.text))
            }
            None => say("audit", "none".to_owned()),
        }
        properties
    }
}
