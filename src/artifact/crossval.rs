//! `crossval/crossval.json` and `crossval/predictions.csv`: what heads say of
//! films that they have not seen, and what that is worth.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::groups::Grouping;
use super::index::Index;
use super::metrics::ClassMetrics;
use super::predictions::{Prediction, Predictions};
use super::{ArtifactError, Document, MAX_FILE, read_bytes};
use crate::io::atomic;
use crate::metrics::{Confusion, Estimate};

/// The file of the out-of-fold predictions, beside `crossval.json`.
pub const PREDICTIONS: &str = "predictions.csv";

/// A repeated cross-validation. Intervals hold 95 %.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// `cxr.crossval/2`; filled in when written.
    #[serde(default)]
    pub schema: String,
    /// The classes' names, in the order of the probabilities.
    pub classes: Vec<String>,
    /// The class that sensitivity and all binary scores ask for.
    pub positive: String,
    /// Films, each predicted once a run.
    pub films: usize,
    /// Groups they fall into, of which none is torn by a fold.
    pub groups: usize,
    /// What tells the groups: `patient` or `link`.
    pub grouped_by: Grouping,
    /// Folds of a run.
    pub folds: usize,
    /// Ways in which the films were dealt into folds.
    pub repeats: usize,
    /// Heads for each of them and each fold.
    pub seeds: usize,
    /// What the heads learned from: `upright`, films without rotations.
    pub trained_on: String,
    /// How films are called positive.
    pub threshold: Threshold,
    /// Scores of the out-of-fold predictions of all runs, with intervals by
    /// bootstrap over groups. The calibration error is the mean over runs.
    pub pooled: BTreeMap<String, Estimate>,
    /// Each class against the rest, of the same predictions; rates count predictions,
    /// `films` counts images.
    pub by_class: BTreeMap<String, ClassMetrics>,
    /// The same predictions: rows of truth, columns of prediction.
    pub confusion: Confusion,
    /// Scores of single folds.
    pub across_folds: BTreeMap<String, Spread>,
    /// Scores of runs, each of all films.
    pub across_runs: BTreeMap<String, Spread>,
    /// Every fold of every run.
    pub by_fold: Vec<Fold>,
    /// How sure the predictions are, and should be.
    pub calibration: Calibration,
    /// BLAKE3 of the `index.csv` that the films are of.
    pub index: String,
}

impl CrossValidation {
    /// Reads that of an index whose file hashes to `index`.
    pub fn read_for(path: &Path, index: &str) -> Result<Self, ArtifactError> {
        let document = Self::read(path)?;
        if document.index == index {
            return Ok(document);
        }
        let reason = "it was made from another `index.csv`".to_owned();
        Err(ArtifactError::Malformed { kind: Self::KIND, path: path.to_owned(), reason })
    }
}

impl Document for CrossValidation {
    const KIND: &'static str = "cross-validation";
    const SCHEMA: &'static str = "cxr.crossval/2";
}

/// How films are called positive; thresholds are chosen on training folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// `probable`, `youden`, `sensitivity`.
    pub rule: String,
    /// The wanted sensitivity, under that rule.
    pub wanted: Option<f64>,
    /// Over the folds; none where films are called by the most probable class.
    pub chosen: Option<Spread>,
}

/// Values of one figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Values that are defined.
    pub n: usize,
    /// Their mean; none without values.
    pub mean: Option<f64>,
    /// Their standard deviation, as a sample's; none below two values.
    pub sd: Option<f64>,
    /// The least of them.
    pub min: Option<f64>,
    /// The greatest of them.
    pub max: Option<f64>,
}

impl Spread {
    /// Of those of `values` that are defined.
    pub fn of(values: impl IntoIterator<Item = Option<f64>>) -> Self {
        let values: Vec<f64> = values.into_iter().flatten().collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Self {
            n: values.len(),
            mean: (n > 0.0).then_some(mean),
            sd: (n > 1.0).then(|| (squares / (n - 1.0)).sqrt()),
            min: values.iter().copied().reduce(f64::min),
            max: values.iter().copied().reduce(f64::max),
        }
    }
}

/// One fold of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// The way of dealing, from 0.
    pub repeat: usize,
    /// The head, from 0.
    pub seed: usize,
    /// The fold, from 0.
    pub fold: usize,
    /// Films predicted.
    pub films: usize,
    /// The threshold, chosen on the other folds.
    pub threshold: Option<f64>,
    /// Scores of its films; none where undefined.
    pub scores: BTreeMap<String, Option<f64>>,
}

/// Temperature scaling (Guo et al. 2017) of out-of-fold predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Fitted on the out-of-fold predictions of all runs. Above 1 the heads are too
    /// sure. To scale the model's by, take [`Calibration::worthwhile`].
    pub temperature: Option<f64>,
    /// Why there is none; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub undefined: String,
    /// Brier score, log loss and calibration error as predicted.
    pub before: BTreeMap<String, Option<f64>>,
    /// The same, each fold scaled by what was fitted on the others.
    pub after: BTreeMap<String, Option<f64>>,
    /// Folds of all runs that no temperature could be fitted for: as predicted in `after`.
    #[serde(default)]
    pub unscaled: usize,
}

impl Calibration {
    /// The temperature, if one is worth having: where what was fitted on the other folds
    /// lowers the log loss of a fold, all folds taken together.
    pub fn worthwhile(&self) -> Option<f64> {
        let loss = |of: &BTreeMap<String, Option<f64>>| of.get("log_loss").copied().flatten();
        let lower = loss(&self.after)? < loss(&self.before)?;
        self.temperature.filter(|_| lower)
    }
}

/// A line of `predictions.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfFoldRow {
    /// What one of the heads says.
    pub film: Prediction,
    /// The film's group.
    pub group: String,
    /// The way of dealing, from 0.
    pub repeat: usize,
    /// The head, from 0.
    pub seed: usize,
    /// The fold, from 0.
    pub fold: usize,
}

/// Writes `predictions.csv`: the columns of `evaluate/predictions.csv`, then
/// `group, repeat, seed, fold`.
pub fn write_predictions(
    path: &Path,
    classes: &[String],
    rows: &[OutOfFoldRow],
) -> Result<(), ArtifactError> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut write = |line: Vec<String>| out.write_record(&line).expect("a vector takes every byte");
    let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let probabilities: Vec<String> = classes.iter().map(|class| format!("p_{class}")).collect();
    let ends = texts(&["group", "repeat", "seed", "fold"]);
    write([texts(&["path", "patient", "truth", "predicted"]), probabilities, ends].concat());
    for OutOfFoldRow { film, group, repeat, seed, fold } in rows {
        let start =
            texts(&[&film.path, &film.patient, &classes[film.truth], &classes[film.predicted]]);
        let probabilities = film.probabilities.iter().map(f64::to_string).collect();
        let end = vec![group.clone(), repeat.to_string(), seed.to_string(), fold.to_string()];
        write([start, probabilities, end].concat());
    }
    Ok(atomic::write(path, &out.into_inner().expect("a vector takes every byte"))?)
}

/// All films of an index, each predicted by a head that has not seen its group.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The way of dealing, from 0.
    pub repeat: usize,
    /// The head, from 0.
    pub seed: usize,
    /// The fold of each film, from 0.
    pub folds: Vec<usize>,
    /// `[films, classes]`
    pub probabilities: Array2<f64>,
}

/// Reads `predictions.csv`, made of the films of `index`: the group of each film, and
/// the runs.
pub fn read_runs(path: &Path, index: &Index) -> Result<(Vec<String>, Vec<Run>), ArtifactError> {
    #[derive(Deserialize)]
    struct Place {
        group: String,
        repeat: usize,
        seed: usize,
        fold: usize,
    }
    let bytes = read_bytes(Predictions::KIND, path, MAX_FILE)?;
    let malformed = |reason: String| ArtifactError::Malformed {
        kind: Predictions::KIND,
        path: path.to_owned(),
        reason,
    };
    let Predictions { classes, rows } = Predictions::parse(&bytes).map_err(malformed)?;
    let places: Result<Vec<Place>, csv::Error> =
        csv::Reader::from_reader(bytes.as_slice()).deserialize().collect();
    let places = places.map_err(|e| malformed(e.to_string()))?;
    let films = index.rows.len();
    let mut runs = Vec::new();
    for (rows, places) in rows.chunks(films).zip(places.chunks(films)) {
        let of_index = rows.iter().map(|row| &row.path).eq(index.rows.iter().map(|row| &row.path));
        let of_one_run = places
            .iter()
            .all(|place| (place.repeat, place.seed) == (places[0].repeat, places[0].seed));
        if !of_index || !of_one_run || classes != index.classes {
            return Err(malformed("its runs are not of the films of `index.csv`".into()));
        }
        let values = rows.iter().flat_map(|row| row.probabilities.iter().copied()).collect();
        runs.push(Run {
            repeat: places[0].repeat,
            seed: places[0].seed,
            folds: places.iter().map(|place| place.fold).collect(),
            probabilities: Array2::from_shape_vec((films, classes.len()), values)
                .expect("a probability for each class"),
        });
    }
    let groups = places.into_iter().take(films).map(|place| place.group).collect();
    if runs.is_empty() { Err(malformed("it has no lines".into())) } else { Ok((groups, runs)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::index::IndexRow;

    /// Against numpy's `mean` and `std(ddof=1)`.
    #[test]
    fn spreads_are_those_of_samples() {
        let spread = Spread::of([Some(0.5), None, Some(0.75), Some(1.0)]);
        assert_eq!((spread.n, spread.mean, spread.sd), (3, Some(0.75), Some(0.25)));
        assert_eq!((spread.min, spread.max), (Some(0.5), Some(1.0)));
        let none = Spread { n: 0, mean: None, sd: None, min: None, max: None };
        assert_eq!(Spread::of([None]), none);
        assert_eq!(Spread::of([Some(1.0)]).sd, None);
    }

    /// It is fitted on the films that `before` is of, where it can only help: what it does
    /// to others counts.
    #[test]
    fn a_temperature_is_worthwhile_if_it_lowers_the_log_loss_of_other_folds() {
        let of = |loss: f64| BTreeMap::from([("log_loss".to_owned(), Some(loss))]);
        let calibration = |before: f64, after: f64| Calibration {
            temperature: Some(1.1),
            undefined: String::new(),
            before: of(before),
            after: of(after),
            unscaled: 0,
        };
        assert_eq!(calibration(0.040, 0.034).worthwhile(), Some(1.1));
        assert_eq!(calibration(0.034, 0.040).worthwhile(), None);
        assert_eq!(calibration(0.034, 0.034).worthwhile(), None, "no fold was scaled");
        assert_eq!(Calibration { temperature: None, ..calibration(2.0, 1.0) }.worthwhile(), None);
        let silent = Calibration { before: BTreeMap::new(), ..calibration(2.0, 1.0) };
        assert_eq!(silent.worthwhile(), None);
    }

    #[test]
    fn predictions_have_the_columns_of_the_contract_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("predictions.csv");
        let film = Prediction {
            path: "covid/a.png".into(),
            patient: "cohen:1".into(),
            truth: 0,
            predicted: 1,
            probabilities: vec![0.25, 0.75],
        };
        let row =
            OutOfFoldRow { film, group: "cohen:1+cohen:2".into(), repeat: 1, seed: 0, fold: 4 };
        let classes = ["covid".to_owned(), "normal".to_owned()];
        write_predictions(&path, &classes, std::slice::from_ref(&row)).unwrap();
        let expected = "path,patient,truth,predicted,p_covid,p_normal,group,repeat,seed,fold\n\
                        covid/a.png,cohen:1,covid,normal,0.25,0.75,cohen:1+cohen:2,1,0,4\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(Predictions::read(&path).unwrap().rows, [row.film], "as the test films' are");
        let film = |row, path: &str, class: &str| IndexRow {
            row,
            path: path.into(),
            class: class.into(),
            patient: String::new(),
            source: String::new(),
            width: 1,
            height: 1,
            mode: "L".into(),
            bytes: 1,
            hash: "ab".into(),
            ..IndexRow::default()
        };
        // The only film of the table is not the only one of the index.
        let index =
            Index::new(vec![film(0, "covid/a.png", "covid"), film(1, "normal/b.png", "normal")]);
        let refused = |path| read_runs(path, &index).unwrap_err().to_string();
        assert!(refused(&path).ends_with("its runs are not of the films of `index.csv`"));
        let two =
            format!("{expected}normal/b.png,,normal,normal,0.1,0.9,film:normal/b.png,1,0,2\n");
        atomic::write(&path, two.as_bytes()).unwrap();
        let (groups, runs) = read_runs(&path, &index).unwrap();
        assert_eq!(groups, ["cohen:1+cohen:2", "film:normal/b.png"]);
        assert_eq!((runs.len(), runs[0].repeat, runs[0].seed), (1, 1, 0));
        assert_eq!(runs[0].folds, [4, 2]);
        assert_eq!(runs[0].probabilities, ndarray::arr2(&[[0.25, 0.75], [0.1, 0.9]]));
        let text = expected.replace(",group,", ",crowd,");
        atomic::write(&path, text.as_bytes()).unwrap();
        assert!(refused(&path).contains("missing field `group`"));
    }
}
