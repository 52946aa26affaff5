//! A bundle from what the stages of a profile wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::Bundle;
use super::manifest::{AuditSummary, BackboneRef, Decision, Manifest, Training};
use super::novelty::Novelty;
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

/// The largest model card that is taken along.
const MAX_CARD: u64 = 1 << 20;

/// The trained model of a profile.
#[derive(Debug)]
pub struct Assembled {
    /// All that is known of it, the backbone not embedded.
    pub bundle: Bundle,
    /// What could be known and is not: the stage that would make it, and what it is.
    pub missing: Vec<(&'static str, &'static str)>,
}

impl Bundle {
    /// Gathers the model that `paths` hold, and of metrics, cross-validation, audit
    /// and model card those that are of this very model.
    ///
    /// # Errors
    /// If there is no usable model, or a file of it is broken.
    pub fn assemble(paths: &Paths, false_alarms: f64) -> Result<Assembled, ArtifactError> {
        let files = Files { paths };
        let model = Model::read(&files.of("train", "model.json")?)?;
        let head = model.head(&files.of("train", "model.safetensors")?)?;
        let own = hash::file(&files.of("train", "model.json")?)?;
        let mut missing = Vec::new();
        let mut of_this_model = |stage: &'static str, what: &'static str| -> bool {
            let found = files.read_from(stage, "train/model.json").is_some_and(|from| from == own);
            if !found {
                missing.push((stage, what));
            }
            found
        };

        let metrics = of_this_model("evaluate", "what it is worth on its test films")
            .then(|| Metrics::read(&files.of("evaluate", "metrics.json")?))
            .transpose()?;
        let audit = of_this_model("audit", "what its data can show")
            .then(|| Audit::read(&files.of("audit", "audit.json")?))
            .transpose()?;
        let crossval = files
            .read_from("crossval", "preprocess/index.csv")
            .filter(|from| model.inputs.get("preprocess/index.csv") == Some(from))
            .map(|_| CrossValidation::read(&files.of("crossval", "crossval.json")?))
            .transpose()?;
        let card = files.of("report", "MODEL_CARD.md")?;
        let from = files.read_from("report", "train/model.json");
        let card =
            from.is_none_or(|from| from == own).then(|| bounded::read_text(&card, MAX_CARD).ok());
        let films = Films::read(&files, &model)?;
        let novelty = films.as_ref().and_then(|films| films.novelty(false_alarms));
        if novelty.is_none() {
            missing.push(("extract", "how unlike its training films a film is"));
        }

        let positive = metrics.as_ref().map(|m| m.positive.clone());
        let default =
            || positive_class("", &model.classes).ok().map(|class| model.classes[class].clone());
        let hash_of = |name: &str| model.inputs.get(name).cloned();
        let manifest = Manifest {
            schema: String::new(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            depth: files.depth(&model)?,
            decision: Decision::probable(positive.or_else(default)),
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
                films: films.map(|films| films.by_class()).unwrap_or_default(),
            },
            metrics,
            audit: audit.map(|audit| AuditSummary {
                figures: audit.figures(),
                verdict: audit.verdict,
                findings: audit.findings,
            }),
            novelty: novelty.as_ref().map(|novelty| novelty.reference.clone()),
            card: card.flatten(),
            tensors: BTreeMap::new(),
            model,
        };
        Ok(Assembled { bundle: Bundle { manifest, head, novelty, weights: None }, missing })
    }
}

fn licence(fingerprint: &str) -> &'static str {
    match fingerprint {
        IMAGENET_FINGERPRINT => "CC BY 4.0: Visual Geometry Group, University of Oxford",
        _ => "unknown: these are not the released weights",
    }
}

/// Where the stages' files lie.
struct Files<'a> {
    paths: &'a Paths,
}

impl Files<'_> {
    /// The file `name` of `stage`, which need not be there.
    fn of(&self, stage: &str, name: &str) -> Result<PathBuf, ArtifactError> {
        let folder = self.paths.stage(stage);
        recover(&folder)?;
        Ok(folder.join(name))
    }

    /// The hash of the file called `input` when `stage` read it, if it ran.
    fn read_from(&self, stage: &str, input: &str) -> Option<String> {
        self.record(stage)?.inputs.remove(input)
    }

    /// The setting `depth` with which the images were read that the model was trained on;
    /// the default if the stage's record is gone or of other images.
    ///
    /// # Errors
    /// [`ArtifactError::Malformed`] for a depth that there is not.
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
        Record::read(&self.of(stage, RECORD).ok()?).ok()
    }
}

/// The films that a model was trained from, while their files are there unchanged.
struct Films {
    index: Index,
    train: Vec<usize>,
    features: Option<Array2<f32>>,
}

impl Films {
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
        let mut train = Split::read_for(&split, &hash, index.rows.len())?.train;
        train.sort_unstable();
        // Not hashed: it may be large, and its stage has put its hash on record.
        let written = files.record("extract").and_then(|mut r| r.outputs.remove("features.npy"));
        let features = (written.is_some()
            && written.as_ref() == model.inputs.get("extract/features.npy"))
        .then(|| rows(&files.of("extract", "features.npy")?, &train, model, index.rows.len()))
        .transpose()?;
        Ok(Some(Self { index, train, features }))
    }

    fn by_class(&self) -> BTreeMap<String, usize> {
        let mut films = BTreeMap::new();
        for &row in &self.train {
            *films.entry(self.index.rows[row].class.clone()).or_default() += 1;
        }
        films
    }

    fn novelty(&self, false_alarms: f64) -> Option<Novelty> {
        let patients = self.index.patients();
        let patients: Vec<_> = self.train.iter().map(|&row| patients[row].clone()).collect();
        Novelty::fit(self.features.as_ref()?.view(), &patients, false_alarms)
    }
}

/// The features of the training films alone.
fn rows(
    path: &Path,
    train: &[usize],
    model: &Model,
    films: usize,
) -> Result<Array2<f32>, ArtifactError> {
    let kind = "table of features";
    let malformed = |reason| ArtifactError::Malformed { kind, path: path.to_owned(), reason };
    if !path.exists() {
        return Err(ArtifactError::Missing { kind, path: path.to_owned() });
    }
    let width = model.extractor.width;
    let mut reader =
        npy::Reader::<f32>::open(path, &[Some(width)]).map_err(|e| malformed(e.to_string()))?;
    if reader.rows() != films {
        return Err(malformed(format!("it has {} rows for {films} films", reader.rows())));
    }
    let mut features = Vec::with_capacity(train.len() * width);
    for &row in train {
        features.extend(reader.read(row..row + 1).map_err(|e| malformed(e.to_string()))?);
    }
    Ok(Array2::from_shape_vec((train.len(), width), features).expect("a row for each film"))
}
