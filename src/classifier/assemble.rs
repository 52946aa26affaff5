//! Assembly of a bundle from the artifacts of a profile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ndarray::ArrayView1;

use super::Bundle;
use super::manifest::{AuditSummary, BackboneRef, Decision, Manifest, Training};
use super::ood::{ImageStatistics, OutOfDistribution};
use crate::artifact::audit::Audit;
use crate::artifact::crossval::CrossValidation;
use crate::artifact::index::Index;
use crate::artifact::metrics::Metrics;
use crate::artifact::model::Model;
use crate::artifact::record::Record;
use crate::artifact::split::Split;
use crate::artifact::{ArtifactError, Document};
use crate::backbone::IMAGENET_FINGERPRINT;
use crate::dataset::positive::positive as positive_class;
use crate::image::Depth;
use crate::io::staging::{RECORD, recover};
use crate::io::{bounded, hash, npy};
use crate::pipeline::Paths;

/// Largest model card in bytes that is included.
const MAX_CARD: u64 = 1 << 20;

/// Trained model of a profile.
#[derive(Debug)]
pub struct Assembled {
    /// Bundle without embedded backbone.
    pub bundle: Bundle,
    /// Omitted parts: the stage that would produce each, and a description.
    pub missing: Vec<(&'static str, &'static str)>,
}

impl Bundle {
    /// Reads the model in `paths` with the metrics, cross-validation, audit and model card that
    /// belong to it; others are ignored. `ood_rate` is the requested out-of-distribution
    /// false-positive rate, 0 to 1.
    ///
    /// # Errors
    /// If there is no usable model, or one of the files is malformed.
    pub fn assemble(paths: &Paths, ood_rate: f64) -> Result<Assembled, ArtifactError> {
        let files = Files { paths };
        let model = Model::read(&files.of("train", "model.json")?)?;
        let head = model.head(&files.of("train", "model.safetensors")?)?;
        let model_hash = hash::file(&files.of("train", "model.json")?)?;
        let mut missing = Vec::new();
        let mut is_of_this_model = |stage: &'static str, description: &'static str| -> bool {
            let found =
                files.read_from(stage, "train/model.json").is_some_and(|hash| hash == model_hash);
            if !found {
                missing.push((stage, description));
            }
            found
        };

        let metrics = is_of_this_model("evaluate", "the performance on the test images")
            .then(|| Metrics::read(&files.of("evaluate", "metrics.json")?))
            .transpose()?;
        let audit = is_of_this_model("audit", "the result of the shortcut audit")
            .then(|| Audit::read(&files.of("audit", "audit.json")?))
            .transpose()?;
        let crossval = files.record("crossval");
        let belongs =
            crossval.as_ref().is_some_and(|record| is_trained_alike(record, &model, &model_hash));
        if crossval.is_some() && !belongs {
            missing.push(("crossval", "the temperature of a cross-validation"));
        }
        let crossval = belongs
            .then(|| CrossValidation::read(&files.of("crossval", "crossval.json")?))
            .transpose()?;
        let card = files.of("report", "MODEL_CARD.md")?;
        let hash = files.read_from("report", "train/model.json");
        let card = hash
            .is_none_or(|hash| hash == model_hash)
            .then(|| bounded::read_text(&card, MAX_CARD).ok());
        let images = Images::read(&files, &model)?;
        let score = images.as_ref().map(|images| images.out_of_distribution(&files, ood_rate));
        let out_of_distribution = score.transpose()?.flatten();
        if out_of_distribution.is_none() {
            missing.push(("extract", "the out-of-distribution score"));
        }

        let positive = metrics.as_ref().map(|m| m.positive.clone());
        let default =
            || positive_class("", &model.classes).ok().map(|class| model.classes[class].clone());
        let hash_of = |name: &str| model.inputs.get(name).cloned();
        let manifest = Manifest {
            schema: String::new(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            depth: files.depth(&model)?,
            decision: Decision::argmax(positive.or_else(default)),
            temperature: crossval.as_ref().and_then(|c| c.calibration.worthwhile()),
            backbone: BackboneRef {
                name: model.extractor.backbone.clone(),
                fingerprint: model.extractor.weights.clone(),
                embedded: false,
                licence: licence(&model.extractor.weights).to_owned(),
            },
            training: Training {
                index: hash_of("preprocess/index.csv"),
                split: hash_of("split/split.json"),
                images: images.map(|images| images.by_class()).unwrap_or_default(),
            },
            metrics,
            audit: audit.map(|audit| AuditSummary {
                figures: audit.figures(),
                verdict: audit.verdict,
                findings: audit.findings,
            }),
            out_of_distribution: out_of_distribution.as_ref().map(|s| s.reference.clone()),
            card: card.flatten(),
            tensors: BTreeMap::new(),
            model,
        };
        let bundle = Bundle { manifest, head, out_of_distribution, weights: None };
        Ok(Assembled { bundle, missing })
    }
}

fn licence(fingerprint: &str) -> &'static str {
    match fingerprint {
        IMAGENET_FINGERPRINT => "CC BY 4.0: Visual Geometry Group, University of Oxford",
        _ => "unknown: not the released weights",
    }
}

/// Returns true if the cross-validation of `record` trained its heads from the same files as
/// `model`, whose file has the hash `model_hash`.
fn is_trained_alike(record: &Record, model: &Model, model_hash: &str) -> bool {
    let same = |(name, hash): (&String, &String)| match name.as_str() {
        "train/model.json" => hash == model_hash,
        name => model.inputs.get(name).is_none_or(|read| read == hash),
    };
    record.inputs.contains_key("preprocess/index.csv") && record.inputs.iter().all(same)
}

/// Largest number of training or test images used for the out-of-distribution score.
const MAX_COMPARED: usize = 2000;

/// Paths of the artifacts.
struct Files<'a> {
    paths: &'a Paths,
}

impl Files<'_> {
    /// Returns the path of the file `name` of `stage`. The file may be missing.
    ///
    /// # Errors
    /// If the file differs from the record of the stage.
    fn of(&self, stage: &str, name: &str) -> Result<PathBuf, ArtifactError> {
        let folder = self.paths.stage(stage);
        recover(&folder)?;
        Record::check_file(&folder, name)?;
        Ok(folder.join(name))
    }

    /// Returns the hash of the file `input` when `stage` read it. None if the stage did not
    /// run.
    fn read_from(&self, stage: &str, input: &str) -> Option<String> {
        self.record(stage)?.inputs.remove(input)
    }

    /// Returns the setting `depth` with which the training images were read. The default if the
    /// record of `preprocess` is missing or belongs to other images.
    ///
    /// # Errors
    /// [`ArtifactError::Malformed`] for an unknown depth.
    fn depth(&self, model: &Model) -> Result<Depth, ArtifactError> {
        let index = "index.csv";
        let record = self.record("preprocess").filter(|record| {
            let read = model.inputs.get(&format!("preprocess/{index}"));
            read.is_some() && record.outputs.get(index) == read
        });
        let Some(depth) =
            record.and_then(|mut record| Some(record.params.get_mut("depth")?.take()))
        else {
            return Ok(Depth::File);
        };
        let malformed = |error: serde_json::Error| ArtifactError::Malformed {
            kind: "record",
            path: self.paths.stage("preprocess").join(RECORD),
            reason: error.to_string(),
        };
        serde_json::from_value(depth).map_err(malformed)
    }

    fn record(&self, stage: &str) -> Option<Record> {
        let folder = self.paths.stage(stage);
        recover(&folder).ok()?;
        Record::read(&folder.join(RECORD)).ok()
    }
}

/// Images of the training and test set, if their files are unchanged.
struct Images {
    index: Index,
    train: Vec<usize>,
    /// Test images whose patient is not in the training set.
    test: Vec<usize>,
    /// Image side and number of features, if the arrays of both are unchanged.
    array_sizes: Option<(usize, usize)>,
}

impl Images {
    fn read(files: &Files, model: &Model) -> Result<Option<Self>, ArtifactError> {
        let unchanged = |stage: &str, name: &str, path: &Path| -> Result<bool, ArtifactError> {
            let wanted = model.inputs.get(&format!("{stage}/{name}"));
            Ok(path.exists() && wanted == Some(&hash::file(path)?))
        };
        let index = files.of("preprocess", "index.csv")?;
        let split = files.of("split", "split.json")?;
        if !unchanged("preprocess", "index.csv", &index)?
            || !unchanged("split", "split.json", &split)?
        {
            return Ok(None);
        }
        let hash = hash::file(&index)?;
        let index = Index::read(&index)?;
        let split = Split::read_for(&split, &hash, index.rows.len())?;
        let (mut train, mut test) = (split.train, split.test);
        train.sort_unstable();
        test.sort_unstable();
        let patients = index.patients();
        let train_patients: BTreeSet<_> =
            train.iter().filter_map(|row| patients[*row].as_ref()).collect();
        test.retain(|row| {
            patients[*row].as_ref().is_none_or(|patient| !train_patients.contains(patient))
        });
        // The files are compared with the records when they are read.
        let extracted = files.record("extract");
        let features = extracted.as_ref().and_then(|r| r.outputs.get("features.npy"));
        let images = extracted.as_ref().and_then(|r| r.inputs.get("preprocess/images.npy"));
        let preprocessed = files.record("preprocess");
        let written = preprocessed.as_ref().and_then(|r| r.outputs.get("images.npy"));
        let unchanged = features.is_some()
            && features == model.inputs.get("extract/features.npy")
            && images.is_some()
            && images == written;
        let array_sizes = unchanged.then_some((model.extractor.side, model.extractor.width));
        Ok(Some(Self { index, train, test, array_sizes }))
    }

    fn by_class(&self) -> BTreeMap<String, usize> {
        let mut images = BTreeMap::new();
        for &row in &self.train {
            *images.entry(self.index.rows[row].class.clone()).or_default() += 1;
        }
        images
    }

    /// Fits the score to the training images and measures its false-positive rate on the test
    /// images.
    fn out_of_distribution(
        &self,
        files: &Files,
        rate: f64,
    ) -> Result<Option<OutOfDistribution>, ArtifactError> {
        let Some((side, width)) = self.array_sizes else { return Ok(None) };
        let (train, test) = (evenly_spaced(&self.train), evenly_spaced(&self.test));
        let patients = self.index.patients();
        let patients: Vec<_> = train.iter().map(|&row| patients[row].clone()).collect();
        let read = |rows: &[usize]| self.read_compared(files, rows, side, width);
        let Some(mut score) = OutOfDistribution::fit(&read(&train)?, &patients, rate) else {
            return Ok(None);
        };
        score.reference.measured = Some(score.measure(&read(&test)?));
        Ok(Some(score))
    }

    /// Reads features and statistics of the images in `rows`.
    fn read_compared(
        &self,
        files: &Files,
        rows: &[usize],
        side: usize,
        width: usize,
    ) -> Result<ImageStatistics, ArtifactError> {
        let images = self.index.rows.len();
        let features = files.of("extract", "features.npy")?;
        let pixels = files.of("preprocess", "images.npy")?;
        let mut feature_rows = open::<f32>("table of features", &features, &[Some(width)], images)?;
        let shape = [Some(side), Some(side), Some(3)];
        let mut pixel_rows = open::<u8>("array of images", &pixels, &shape, images)?;
        let mut compared = ImageStatistics::new(width);
        for &row in rows {
            let error = |e: npy::NpyError, path: &Path| malformed("array", path, e.to_string());
            let features_row = feature_rows.read(row..row + 1).map_err(|e| error(e, &features))?;
            let levels = pixel_rows.read(row..row + 1).map_err(|e| error(e, &pixels))?;
            compared.push(ArrayView1::from(&features_row), &levels, side);
        }
        Ok(compared)
    }
}

/// Returns at most [`MAX_COMPARED`] of the rows, evenly spaced.
fn evenly_spaced(rows: &[usize]) -> Vec<usize> {
    let kept = rows.len().min(MAX_COMPARED);
    (0..kept).map(|i| rows[i * rows.len() / kept]).collect()
}

fn malformed(kind: &'static str, path: &Path, reason: String) -> ArtifactError {
    ArtifactError::Malformed { kind, path: path.to_owned(), reason }
}

/// Opens an array that must have `images` rows.
fn open<T: npy::Element>(
    kind: &'static str,
    path: &Path,
    shape: &[Option<usize>],
    images: usize,
) -> Result<npy::Reader<T>, ArtifactError> {
    if !path.exists() {
        return Err(ArtifactError::Missing { kind, path: path.to_owned() });
    }
    let reader =
        npy::Reader::open(path, shape).map_err(|e| malformed(kind, path, e.to_string()))?;
    if reader.rows() != images {
        return Err(malformed(
            kind,
            path,
            format!("there are {} rows for {images} images", reader.rows()),
        ));
    }
    Ok(reader)
}
