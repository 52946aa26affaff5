//! The trained model as one file that knows how it wants to be fed.
//!
//! A bundle is a safetensors file, so that any language reads its tensors:
//! `dense_1.kernel` and the other three of the head, `out_of_distribution.features`
//! of training images, and, where it is embedded, the backbone by Keras' names.
//! Its metadata hold `bundle`, a [`Manifest`] in JSON, and `blake3`, the hash of
//! that text; the manifest holds the hash of each tensor.

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

/// The major version that is written and read; a minor one may follow it, after a point.
const VERSION: &str = "2";
/// The version whose out-of-distribution score is another one, on features alone: such
/// bundles are read without it.
const FORMER: &str = "1";
/// What the schema of every version begins with.
const KIND: &str = "cxr.bundle/";
/// The name of the training images' features among the tensors.
const FEATURES: &str = "out_of_distribution.features";
/// The same in [`FORMER`] bundles.
const FORMER_FEATURES: &str = "novelty.films";

/// A trained model with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// What it is.
    pub manifest: Manifest,
    /// What was trained.
    pub head: Head,
    /// The out-of-distribution score, if the training images' features are known.
    pub out_of_distribution: Option<OutOfDistribution>,
    /// The backbone, if it is embedded.
    pub weights: Option<Weights>,
}

/// Why a file is no usable bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another kind of file.
    #[error("`{}` is no bundle: {reason}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// A later program wrote it, and it may mean what this one does not know.
    #[error(
        "`{}` is a bundle of version {got}, written by a newer `cxr`; this one reads version {VERSION}",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        got: String,
    },
    /// Its content is not what was written.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not agree.
        reason: String,
    },
}

impl Bundle {
    /// Writes the file, whole or not at all, with the backbone if it is held. Equal
    /// bundles give equal bytes.
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
        let sum = hash::bytes(text.as_bytes());
        let metadata = BTreeMap::from([("blake3".into(), sum), ("bundle".into(), text)]);
        safetensors::write_to(out, &tensors, &metadata)
    }

    /// Reads a file that [`Bundle::write`] wrote, and checks every hash in it.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let read = |source| BundleError::Read { path: path.to_owned(), source };
        Self::parse(path, &bounded::read(path, MAX_BYTES).map_err(read)?)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, BundleError> {
        let other = |reason: String| BundleError::Other { path: path.to_owned(), reason };
        let damaged = |reason: String| BundleError::Damaged { path: path.to_owned(), reason };
        let metadata = safetensors::metadata(bytes).map_err(|e| other(e.to_string()))?;
        let [Some(text), Some(sum)] = ["bundle", "blake3"].map(|key| metadata.get(key)) else {
            return Err(other("a safetensors file without a manifest".to_owned()));
        };
        if hash::bytes(text.as_bytes()) != *sum {
            return Err(damaged("its manifest has another hash than it had".to_owned()));
        }
        let mut value: Value = serde_json::from_str(text).map_err(|e| other(e.to_string()))?;
        let schema = value.get("schema").and_then(Value::as_str).unwrap_or_default();
        let version = schema.strip_prefix(KIND).unwrap_or_default();
        match version.split('.').next() {
            Some(VERSION) => {}
            Some(FORMER) => value["out_of_distribution"] = Value::Null,
            Some(major) if is_number(major) && major != "0" => {
                return Err(BundleError::Newer { path: path.to_owned(), got: version.to_owned() });
            }
            _ => return Err(other(format!("its schema is `{schema}`"))),
        }
        let manifest: Manifest =
            serde_json::from_value(value).map_err(|e| damaged(e.to_string()))?;
        manifest.check().map_err(damaged)?;

        let mut tensors = safetensors::read(bytes).map_err(|e| damaged(e.to_string()))?;
        let names: BTreeSet<&String> = tensors.iter().map(|t| &t.name).collect();
        if names != manifest.tensors.keys().collect() {
            return Err(damaged("its tensors are not those of its manifest".to_owned()));
        }
        if let Some(t) = tensors.iter().find(|t| digest(&t.data) != manifest.tensors[&t.name]) {
            return Err(damaged(format!("tensor `{}` has another hash than it had", t.name)));
        }
        let mut take = |name: &str| {
            let at = tensors.iter().position(|t| t.name == name)?;
            Some(tensors.swap_remove(at))
        };
        let features = take(FEATURES);
        take(FORMER_FEATURES);
        let head = Head::from_tensors(tensors).map_err(|e| damaged(e.to_string()))?;
        let sizes = (head.inputs(), head.hidden.bias.len(), head.classes());
        let wanted = &manifest.model.architecture;
        if sizes != (wanted.inputs, wanted.hidden, wanted.outputs)
            || hash::bytes(&head.to_safetensors()) != manifest.model.weights
        {
            return Err(damaged("its head is not the one that it describes".to_owned()));
        }
        let score = manifest.out_of_distribution.clone().zip(features);
        let score = score.map(|(reference, features)| compared(reference, features, head.inputs()));
        let out_of_distribution = score.transpose().map_err(damaged)?;
        let weights = manifest
            .backbone
            .embedded
            .then(|| Weights::from_safetensors(bytes))
            .transpose()
            .map_err(|e| damaged(e.to_string()))?;
        if weights.as_ref().is_some_and(|w| w.fingerprint() != manifest.backbone.fingerprint) {
            return Err(damaged("its backbone is not the one that it names".to_owned()));
        }
        Ok(Self { manifest, head, out_of_distribution, weights })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The images to compare with, if they are as the manifest says.
fn compared(
    reference: Reference,
    features: Tensor,
    width: usize,
) -> Result<OutOfDistribution, String> {
    let Tensor { shape, data, .. } = features;
    if shape != [reference.images, width] {
        return Err(format!("`{FEATURES}` has the shape {shape:?}"));
    }
    // Rows of length 1, up to rounding.
    if let Some(value) = data.iter().find(|value| !(-1.01..=1.01).contains(*value)) {
        return Err(format!("`{FEATURES}` holds {value}, expected -1 to 1"));
    }
    let features = ndarray::Array2::from_shape_vec((shape[0], shape[1]), data)
        .expect("as many numbers as the shape asks for");
    Ok(OutOfDistribution { reference, features })
}

/// BLAKE3 of numbers as they lie in the file.
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
    use crate::classifier::{BackboneRef, Compared, Decision, Training};
    use crate::head::{Dense, Loss};
    use crate::image::Depth;
    use ndarray::{Array1, Array2};
    use proptest::prelude::*;

    /// A bundle of a small head, with an out-of-distribution score.
    fn bundle() -> Bundle {
        let dense = |inputs: usize, units: usize| Dense {
            kernel: Array2::from_shape_fn((inputs, units), |(i, j)| (i * units + j) as f32),
            bias: Array1::zeros(units),
        };
        let head = Head { hidden: dense(4, 3), output: dense(3, 2) };
        let mut images = Compared::new(4);
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
                films: 8,
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
            training: Training { index: None, split: None, films: BTreeMap::new() },
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

    /// The file with its manifest replaced, and hashed again.
    fn with_manifest(bytes: &[u8], change: impl Fn(&mut Value)) -> Vec<u8> {
        let mut manifest: Value =
            serde_json::from_str(&safetensors::metadata(bytes).unwrap()["bundle"]).unwrap();
        change(&mut manifest);
        let text = manifest.to_string();
        let sum = hash::bytes(text.as_bytes());
        let metadata = BTreeMap::from([("blake3".into(), sum), ("bundle".into(), text)]);
        safetensors::write(&safetensors::read(bytes).unwrap(), &metadata)
    }

    #[test]
    fn it_comes_back_from_equal_bytes() {
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
    fn numbers_that_no_model_has_are_refused() {
        for value in [f32::NAN, f32::INFINITY, 3e38] {
            let mut broken = bundle();
            broken.head.hidden.kernel[(0, 1)] = value;
            broken.manifest.model.weights = hash::bytes(&broken.head.to_safetensors());
            let error = parse(&bytes(&broken)).unwrap_err().to_string();
            assert!(error.contains("tensor `dense_1.kernel` holds "), "{error}");
            let mut broken = bundle();
            broken.out_of_distribution.as_mut().unwrap().features[(0, 1)] = value;
            let error = parse(&bytes(&broken)).unwrap_err().to_string();
            assert!(error.contains(" holds ") && error.contains("expected -1 to 1"), "{error}");
        }
    }

    #[test]
    fn a_newer_version_is_refused_and_says_so() {
        let of = |version: &str| {
            let schema = format!("cxr.bundle/{version}");
            parse(&with_manifest(&bytes(&bundle()), |m| m["schema"] = schema.clone().into()))
        };
        assert_eq!(
            of("3").unwrap_err().to_string(),
            "`m.cxr` is a bundle of version 3, written by a newer `cxr`; this one reads version 2"
        );
        for newer in ["3.1", "99999999999999999999"] {
            assert!(matches!(of(newer), Err(BundleError::Newer { .. })), "{newer}");
        }
        assert!(of("2.5").is_ok());
        assert!(matches!(of("0"), Err(BundleError::Other { .. })));
        assert!(matches!(of("two"), Err(BundleError::Other { .. })));
    }

    /// Written by the program before the score had statistics.
    #[test]
    fn a_bundle_of_the_former_version_is_read_without_its_score() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/bundle/model.cxr");
        let bundle = Bundle::read(&path).unwrap();
        assert_eq!(bundle.manifest.schema, "cxr.bundle/1");
        assert!(bundle.manifest.tensors.contains_key(FORMER_FEATURES));
        assert_eq!((bundle.out_of_distribution, bundle.manifest.out_of_distribution), (None, None));
    }

    #[test]
    fn each_way_to_be_wrong_has_its_error() {
        let good = bytes(&bundle());
        let error = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        let changed = |key: &str, value: Value| {
            error(&with_manifest(&good, |m| {
                *m.pointer_mut(key).unwrap() = value.clone();
            }))
        };
        assert!(error(b"a film").starts_with("`m.cxr` is no bundle: malformed safetensors"));
        let plain = safetensors::write(&[], &BTreeMap::new());
        let text = "`m.cxr` is no bundle: a safetensors file without a manifest";
        assert_eq!(error(&plain), text);
        assert!(changed("/schema", "cxr.model/1".into()).contains("its schema is `cxr.model/1`"));
        assert!(changed("/decision/positive", "flu".into()).contains("positive class `flu`"));
        assert!(changed("/temperature", (-1.0).into()).contains("temperature is not above 0"));
        assert!(changed("/model/extractor/side", 100.into()).contains("100 pixels a side"));
        assert!(changed("/model/extractor/side", (1 << 20).into()).contains("pixels a side"));
        assert!(changed("/model/extractor/scale", "bgr - mean".into()).contains("`bgr - mean`"));
        assert!(changed("/model/extractor/backbone", "resnet50".into()).contains("`resnet50`"));
        assert!(changed("/backbone/name", "resnet50".into()).contains("its backbone is not"));
        let twice = serde_json::json!(["covid", "covid"]);
        assert!(changed("/model/classes", twice).contains("two of its classes"));
        let score = |key: &str, value| changed(&format!("/out_of_distribution/{key}"), value);
        assert!(score("method", "mahalanobis".into()).contains("`mahalanobis`"));
        assert!(score("limit", (-1).into()).contains("-1 is not a limit"));
        assert!(score("false_positive_rate", 1e9.into()).contains("false-positive rate"));
        assert!(score("k", 0.into()).contains("neighbour 0 of"));
        assert!(score("parts/0/name", "pixels".into()).contains("parts of its"));
        assert!(score("parts/1/scale", 0.into()).contains("parts of its"));
        assert!(changed("/model/weights", "ab".into()).contains("its head is not the one"));
        assert!(changed("/backbone/fingerprint", "ab".into()).contains("its backbone is not"));
        assert!(changed("/backbone/embedded", true.into()).contains("block1_conv1.kernel"));
        let text = "`out_of_distribution.features` has the shape";
        assert!(score("images", 7.into()).contains(text));
        assert!(
            changed("/tensors/dense_1.bias", "00".into()).contains("`dense_1.bias` has another")
        );
        let less = with_manifest(&good, |m| {
            m["tensors"].as_object_mut().unwrap().remove("dense_1.bias");
        });
        assert!(error(&less).contains("its tensors are not those of its manifest"));
        let error = Bundle::read(Path::new("no/such")).unwrap_err();
        assert!(matches!(error, BundleError::Read { .. }), "{error}");
    }

    #[test]
    fn no_flipped_bit_passes() {
        let good = bytes(&bundle());
        for at in (0..good.len()).step_by(7).chain(good.len() - 40..good.len()) {
            let mut bad = good.clone();
            bad[at] ^= 4;
            assert!(parse(&bad).is_err(), "byte {at} of {}", good.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damage_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut bytes = bytes(&bundle());
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let _ = parse(&bytes);
        }
    }
}
