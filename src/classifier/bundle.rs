//! File format of a trained model with its preprocessing.
//!
//! A bundle is a safetensors file, so that other languages can read its tensors: the four of
//! the head (`dense_1.kernel` and so on), `out_of_distribution.features` of the training images
//! and, if embedded, the backbone with Keras' names. The metadata hold `bundle`, a [`Manifest`]
//! in JSON, and `blake3`, the hash of that text. The manifest holds the hash of each tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::manifest::Manifest;
use super::ood::{OutOfDistribution, Reference};
use crate::backbone::Weights;
use crate::head::Head;
use crate::io::safetensors::{self, View};
use crate::io::tensor::{MAX_BYTES, Tensor};
use crate::io::{atomic, bounded, decimal, hash};

/// Major version that is written and read. A minor version may follow after a point.
const VERSION: &str = "2";
/// Previous version, with an out-of-distribution score of features only. Such bundles are read
/// without their score.
const FORMER: &str = "1";
/// Prefix of the schema of every version.
const KIND: &str = "cxr.bundle/";
/// Name of the tensor with the features of the training images.
const FEATURES: &str = "out_of_distribution.features";
/// Name of that tensor in [`FORMER`] bundles.
const FORMER_FEATURES: &str = "novelty.films";

/// Trained model with its description.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// Description of the model.
    pub manifest: Manifest,
    /// Trained head.
    pub head: Head,
    /// Out-of-distribution score, if the features of the training images are available.
    pub out_of_distribution: Option<OutOfDistribution>,
    /// Weights of the backbone, if embedded.
    pub weights: Option<Weights>,
}

/// Reason why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file is not a bundle.
    #[error("`{}` is not a bundle: {reason}", path.display())]
    Other {
        /// Path of the file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// The file was written by a newer version, whose format may have another meaning.
    #[error(
        "`{}` is a bundle of version {got} of a newer `cxr`; this `cxr` reads version {VERSION}",
        path.display()
    )]
    Newer {
        /// Path of the file.
        path: PathBuf,
        /// Version of the file.
        got: String,
    },
    /// The content is inconsistent.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// Path of the file.
        path: PathBuf,
        /// Inconsistency.
        reason: String,
    },
}

impl Bundle {
    /// Writes the file atomically, with the backbone if it is present. Equal bundles give equal
    /// bytes.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), atomic::FileError> {
        atomic::write_with(path, |out| self.write_to(out))
    }

    fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let head = self.head.views();
        let features = self.out_of_distribution.iter().map(|score| View {
            name: FEATURES.to_owned(),
            shape: score.features.shape().to_vec(),
            data: score.features.as_slice().expect("an array in standard layout"),
        });
        let backbone = self.weights.iter().flat_map(Weights::views);
        let tensors: Vec<View> = head.into_iter().chain(features).chain(backbone).collect();
        let mut manifest = self.manifest.clone();
        manifest.schema = format!("{KIND}{VERSION}");
        manifest.backbone.embedded = self.weights.is_some();
        manifest.out_of_distribution =
            self.out_of_distribution.as_ref().map(|score| score.reference.clone());
        manifest.tensors = tensors.iter().map(|t| (t.name.clone(), digest(t.data))).collect();
        let text = decimal::to_value(&manifest).to_string();
        let checksum = hash::bytes(text.as_bytes());
        let metadata = BTreeMap::from([("blake3".into(), checksum), ("bundle".into(), text)]);
        safetensors::write_to(out, &tensors, &metadata)
    }

    /// Reads a file of [`Bundle::write`] and checks every hash in it.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let read = |source| BundleError::Read { path: path.to_owned(), source };
        Self::parse(path, &bounded::read(path, MAX_BYTES).map_err(read)?)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, BundleError> {
        let not_a_bundle = |reason: String| BundleError::Other { path: path.to_owned(), reason };
        let damaged = |reason: String| BundleError::Damaged { path: path.to_owned(), reason };
        let metadata = safetensors::metadata(bytes).map_err(|e| not_a_bundle(e.to_string()))?;
        let [Some(text), Some(checksum)] = ["bundle", "blake3"].map(|key| metadata.get(key)) else {
            return Err(not_a_bundle("the safetensors file has no manifest".to_owned()));
        };
        if hash::bytes(text.as_bytes()) != *checksum {
            return Err(damaged("the hash of the manifest does not match".to_owned()));
        }
        let mut value: Value =
            serde_json::from_str(text).map_err(|e| not_a_bundle(e.to_string()))?;
        let schema = value.get("schema").and_then(Value::as_str).unwrap_or_default();
        let version = schema.strip_prefix(KIND).unwrap_or_default();
        match version.split('.').next() {
            Some(VERSION) => {}
            Some(FORMER) => value["out_of_distribution"] = Value::Null,
            Some(major) if is_number(major) && major != "0" => {
                return Err(BundleError::Newer { path: path.to_owned(), got: version.to_owned() });
            }
            _ => return Err(not_a_bundle(format!("the schema is `{schema}`"))),
        }
        let manifest: Manifest =
            serde_json::from_value(value).map_err(|e| damaged(e.to_string()))?;
        manifest.check().map_err(damaged)?;

        let mut tensors = safetensors::read(bytes).map_err(|e| damaged(e.to_string()))?;
        let names: BTreeSet<&String> = tensors.iter().map(|t| &t.name).collect();
        if names != manifest.tensors.keys().collect() {
            return Err(damaged("the tensors are not those of the manifest".to_owned()));
        }
        if let Some(t) = tensors.iter().find(|t| digest(&t.data) != manifest.tensors[&t.name]) {
            return Err(damaged(format!("the hash of tensor `{}` does not match", t.name)));
        }
        let mut take_tensor = |name: &str| {
            let position = tensors.iter().position(|t| t.name == name)?;
            Some(tensors.swap_remove(position))
        };
        let features = take_tensor(FEATURES);
        take_tensor(FORMER_FEATURES);
        let head = Head::from_tensors(tensors).map_err(|e| damaged(e.to_string()))?;
        let layer_sizes = (head.inputs(), head.hidden.bias.len(), head.classes());
        let architecture = &manifest.model.architecture;
        if layer_sizes != (architecture.inputs, architecture.hidden, architecture.outputs)
            || hash::bytes(&head.to_safetensors()) != manifest.model.weights
        {
            return Err(damaged("the head is not the one of the manifest".to_owned()));
        }
        let score = manifest.out_of_distribution.clone().zip(features);
        let score =
            score.map(|(reference, features)| ood_score(reference, features, head.inputs()));
        let out_of_distribution = score.transpose().map_err(damaged)?;
        let weights = manifest
            .backbone
            .embedded
            .then(|| Weights::from_safetensors(bytes))
            .transpose()
            .map_err(|e| damaged(e.to_string()))?;
        if weights.as_ref().is_some_and(|w| w.fingerprint() != manifest.backbone.fingerprint) {
            return Err(damaged("the backbone is not the one of the manifest".to_owned()));
        }
        Ok(Self { manifest, head, out_of_distribution, weights })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the out-of-distribution score, if the features match the manifest.
fn ood_score(
    reference: Reference,
    features: Tensor,
    width: usize,
) -> Result<OutOfDistribution, String> {
    let Tensor { shape, data, .. } = features;
    if shape != [reference.images, width] {
        return Err(format!("`{FEATURES}` has the shape {shape:?}"));
    }
    // Rows have length 1, up to rounding.
    if let Some(value) = data.iter().find(|value| !(-1.01..=1.01).contains(*value)) {
        return Err(format!("`{FEATURES}` contains {value}, expected -1 to 1"));
    }
    let features = ndarray::Array2::from_shape_vec((shape[0], shape[1]), data)
        .expect("the length matches the shape");
    Ok(OutOfDistribution { reference, features })
}

/// BLAKE3 hash of the little-endian bytes.
fn digest(numbers: &[f32]) -> String {
    let mut hasher = blake3::Hasher::new();
    for block in numbers.chunks(1 << 14) {
        let bytes: Vec<u8> = block.iter().flat_map(|x| x.to_le_bytes()).collect();
        hasher.update(&bytes);
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::features::Extractor;
    use crate::artifact::model::{Architecture, Model, Training as Fit};
    use crate::backbone::Pooling;
    use crate::classifier::{BackboneRef, Decision, ImageStatistics, Training};
    use crate::head::{Dense, Loss};
    use crate::image::Depth;
    use ndarray::{Array1, Array2};
    use proptest::prelude::*;

    /// Bundle with a small head and an out-of-distribution score.
    fn bundle() -> Bundle {
        let dense = |inputs: usize, units: usize| Dense {
            kernel: Array2::from_shape_fn((inputs, units), |(i, j)| (i * units + j) as f32),
            bias: Array1::zeros(units),
        };
        let head = Head { hidden: dense(4, 3), output: dense(3, 2) };
        let mut images = ImageStatistics::new(4);
        for i in 0..8 {
            let features = Array1::from_shape_fn(4, |j| (1 + i * j) as f32);
            let pixels: Vec<u8> = (0..48).map(|p| (p * (i + 1)) as u8).collect();
            images.push(features.view(), &pixels, 4);
        }
        let mut out_of_distribution = OutOfDistribution::fit(&images, &vec![None; 8], 0.2);
        let score = out_of_distribution.as_mut().unwrap();
        score.reference.measured = Some(score.measure(&images));
        let model = Model {
            schema: "cxr.model/1".into(),
            classes: vec!["covid".into(), "normal".into()],
            extractor: Extractor {
                backbone: "vgg16".into(),
                weights: "d9".into(),
                pooling: Pooling::Tutorial,
                side: 224,
                scale: "rgb / 255".into(),
                width: 4,
            },
            architecture: Architecture { inputs: 4, hidden: 3, outputs: 2 },
            training: Fit {
                seed: 42,
                images: 8,
                epochs: 1,
                batch_size: 8,
                learning_rate: 1e-3,
                dropout: 0.5,
                loss: Loss::Logits,
            },
            imported: None,
            weights: hash::bytes(&head.to_safetensors()),
            inputs: BTreeMap::new(),
        };
        let manifest = Manifest {
            schema: "cxr.bundle/2".into(),
            program: "0.1.0".into(),
            model,
            depth: Depth::File,
            decision: Decision {
                rule: "youden".into(),
                positive: Some("covid".into()),
                threshold: Some(0.7),
            },
            temperature: Some(1.5),
            backbone: BackboneRef {
                name: "vgg16".into(),
                fingerprint: "d9".into(),
                embedded: false,
                licence: "CC BY 4.0".into(),
            },
            training: Training { index: None, split: None, images: BTreeMap::new() },
            metrics: None,
            audit: None,
            out_of_distribution: out_of_distribution.as_ref().map(|s| s.reference.clone()),
            card: Some("# A card\n".into()),
            tensors: BTreeMap::new(),
        };
        Bundle { manifest, head, out_of_distribution, weights: None }
    }

    fn bytes(bundle: &Bundle) -> Vec<u8> {
        let mut bytes = Vec::new();
        bundle.write_to(&mut bytes).unwrap();
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Bundle, BundleError> {
        Bundle::parse(Path::new("m.cxr"), bytes)
    }

    /// Replaces the manifest and updates its hash.
    fn with_manifest(bytes: &[u8], change: impl Fn(&mut Value)) -> Vec<u8> {
        let mut manifest: Value =
            serde_json::from_str(&safetensors::metadata(bytes).unwrap()["bundle"]).unwrap();
        change(&mut manifest);
        let text = manifest.to_string();
        let checksum = hash::bytes(text.as_bytes());
        let metadata = BTreeMap::from([("blake3".into(), checksum), ("bundle".into(), text)]);
        safetensors::write(&safetensors::read(bytes).unwrap(), &metadata)
    }

    #[test]
    fn bundle_survives_a_round_trip_with_equal_bytes() {
        let mut bundle = bundle();
        let written = bytes(&bundle);
        assert_eq!(written, bytes(&bundle));
        let back = parse(&written).unwrap();
        bundle.manifest.tensors.clone_from(&back.manifest.tensors);
        assert_eq!(back, bundle);
        assert_eq!(back.manifest.tensors.len(), 5);
        assert_eq!(bytes(&back), written);
        let without = Bundle { out_of_distribution: None, ..bundle };
        assert_eq!(parse(&bytes(&without)).unwrap().manifest.out_of_distribution, None);
    }

    #[test]
    fn abnormal_weights_are_refused() {
        for value in [f32::NAN, f32::INFINITY, 3e38] {
            let mut broken = bundle();
            broken.head.hidden.kernel[(0, 1)] = value;
            broken.manifest.model.weights = hash::bytes(&broken.head.to_safetensors());
            let error = parse(&bytes(&broken)).unwrap_err().to_string();
            assert!(error.contains("tensor `dense_1.kernel`"), "{error}");
            let mut broken = bundle();
            broken.out_of_distribution.as_mut().unwrap().features[(0, 1)] = value;
            let error = parse(&bytes(&broken)).unwrap_err().to_string();
            assert!(error.contains(" contains ") && error.contains("expected -1 to 1"), "{error}");
        }
    }

    #[test]
    fn newer_versions_are_refused() {
        let parse_version = |version: &str| {
            let schema = format!("cxr.bundle/{version}");
            parse(&with_manifest(&bytes(&bundle()), |m| m["schema"] = schema.clone().into()))
        };
        assert_eq!(
            parse_version("3").unwrap_err().to_string(),
            "`m.cxr` is a bundle of version 3 of a newer `cxr`; this `cxr` reads version 2"
        );
        for newer in ["3.1", "99999999999999999999"] {
            assert!(matches!(parse_version(newer), Err(BundleError::Newer { .. })), "{newer}");
        }
        assert!(parse_version("2.5").is_ok());
        assert!(matches!(parse_version("0"), Err(BundleError::Other { .. })));
        assert!(matches!(parse_version("two"), Err(BundleError::Other { .. })));
    }

    /// The file was written by a version whose score had no image statistics.
    #[test]
    fn previous_version_is_read_without_the_score() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/bundle/model.cxr");
        let bundle = Bundle::read(&path).unwrap();
        assert_eq!(bundle.manifest.schema, "cxr.bundle/1");
        assert!(bundle.manifest.tensors.contains_key(FORMER_FEATURES));
        assert_eq!((bundle.out_of_distribution, bundle.manifest.out_of_distribution), (None, None));
    }

    #[test]
    fn every_inconsistency_is_reported() {
        let good = bytes(&bundle());
        let error = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        let changed = |key: &str, value: Value| {
            error(&with_manifest(&good, |m| {
                *m.pointer_mut(key).unwrap() = value.clone();
            }))
        };
        assert!(error(b"an image").starts_with("`m.cxr` is not a bundle: malformed safetensors"));
        let plain = safetensors::write(&[], &BTreeMap::new());
        let text = "`m.cxr` is not a bundle: the safetensors file has no manifest";
        assert_eq!(error(&plain), text);
        assert!(changed("/schema", "cxr.model/1".into()).contains("the schema is `cxr.model/1`"));
        assert!(changed("/decision/positive", "flu".into()).contains("positive class `flu`"));
        assert!(changed("/temperature", (-1.0).into()).contains("temperature is not above 0"));
        assert!(
            changed("/model/extractor/side", 100.into()).contains("the image side is 100 pixels")
        );
        assert!(changed("/model/extractor/side", (1 << 20).into()).contains("up to 2048"));
        assert!(changed("/model/extractor/scale", "bgr - mean".into()).contains("`bgr - mean`"));
        assert!(changed("/model/extractor/backbone", "resnet50".into()).contains("`resnet50`"));
        assert!(changed("/backbone/name", "resnet50".into()).contains("the backbone is not"));
        let twice = serde_json::json!(["covid", "covid"]);
        assert!(changed("/model/classes", twice).contains("occurs twice"));
        let score = |key: &str, value| changed(&format!("/out_of_distribution/{key}"), value);
        assert!(score("method", "mahalanobis".into()).contains("`mahalanobis`"));
        assert!(score("limit", (-1).into()).contains("-1 is not a limit"));
        assert!(score("false_positive_rate", 1e9.into()).contains("false-positive rate"));
        assert!(score("k", 0.into()).contains("k = 0 of"));
        assert!(score("parts/0/name", "pixels".into()).contains("the parts of the"));
        assert!(score("parts/1/scale", 0.into()).contains("the parts of the"));
        assert!(changed("/model/weights", "ab".into()).contains("the head is not the one"));
        assert!(changed("/backbone/fingerprint", "ab".into()).contains("the backbone is not"));
        assert!(changed("/backbone/embedded", true.into()).contains("block1_conv1.kernel"));
        let text = "`out_of_distribution.features` has the shape";
        assert!(score("images", 7.into()).contains(text));
        assert!(
            changed("/tensors/dense_1.bias", "00".into()).contains("`dense_1.bias` does not match")
        );
        let less = with_manifest(&good, |m| {
            m["tensors"].as_object_mut().unwrap().remove("dense_1.bias");
        });
        assert!(error(&less).contains("the tensors are not those of the manifest"));
        let error = Bundle::read(Path::new("no/such")).unwrap_err();
        assert!(matches!(error, BundleError::Read { .. }), "{error}");
    }

    #[test]
    fn every_flipped_bit_is_detected() {
        let good = bytes(&bundle());
        for position in (0..good.len()).step_by(7).chain(good.len() - 40..good.len()) {
            let mut bad = good.clone();
            bad[position] ^= 4;
            assert!(parse(&bad).is_err(), "byte {position} of {}", good.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_files_do_not_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut bytes = bytes(&bundle());
            for (position, value) in changes {
                let position = position.index(bytes.len());
                bytes[position] = value;
            }
            let _ = parse(&bytes);
        }
    }
}
