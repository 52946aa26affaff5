//! `crossval/crossval.json` and `crossval/predictions.csv`: out-of-fold predictions of a
//! cross-validation, and their performance.

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

/// Name of the file of out-of-fold predictions, beside `crossval.json`.
pub const PREDICTIONS: &str = "predictions.csv";

/// Result of a repeated cross-validation. Intervals are 95 % confidence intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// `cxr.crossval/3`; set when written.
    #[serde(default)]
    pub schema: String,
    /// Class names in the order of the probabilities.
    pub classes: Vec<String>,
    /// Positive class of sensitivity and all binary scores.
    pub positive: String,
    /// Number of images; each is predicted once per run.
    pub images: usize,
    /// Number of groups; folds do not cross groups.
    pub groups: usize,
    /// Source of the groups: `patient` or `link`.
    pub grouped_by: Grouping,
    /// Number of folds per run.
    pub folds: usize,
    /// Number of repeats, each with another fold assignment.
    pub repeats: usize,
    /// Number of heads per repeat and fold.
    pub seeds: usize,
    /// Training data of the heads: `unrotated`, images without rotations.
    pub trained_on: String,
    /// Rule for positive predictions.
    pub threshold: Threshold,
    /// Scores of the out-of-fold predictions of all runs, with patient-level bootstrap
    /// intervals. The calibration error is the mean over runs.
    pub pooled: BTreeMap<String, Estimate>,
    /// Each class against the rest, for the same predictions. Rates count predictions, `images`
    /// counts images.
    pub by_class: BTreeMap<String, ClassMetrics>,
    /// Confusion matrix of the same predictions: rows are true, columns predicted classes.
    pub confusion: Confusion,
    /// Summary of the scores of single folds.
    pub across_folds: BTreeMap<String, Spread>,
    /// Summary of the scores of single runs, each over all images.
    pub across_runs: BTreeMap<String, Spread>,
    /// All folds of all runs.
    pub by_fold: Vec<Fold>,
    /// Calibration of the probabilities.
    pub calibration: Calibration,
    /// BLAKE3 hash of the `index.csv` of the images.
    pub index: String,
}

impl CrossValidation {
    /// Reads the result for the index with the file hash `index`.
    ///
    /// # Errors
    /// If the file is missing or malformed, or belongs to another index.
    pub fn read_for(path: &Path, index: &str) -> Result<Self, ArtifactError> {
        let document = Self::read(path)?;
        if document.index == index {
            return Ok(document);
        }
        let reason = "the file was made from another `index.csv`".to_owned();
        Err(ArtifactError::Malformed { kind: Self::KIND, path: path.to_owned(), reason })
    }
}

impl Document for CrossValidation {
    const KIND: &'static str = "cross-validation";
    const SCHEMA: &'static str = "cxr.crossval/3";
}

/// Rule for positive predictions; thresholds are chosen on the training folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// `argmax`, `youden` or `sensitivity`.
    pub rule: String,
    /// Target sensitivity of the rule `sensitivity`.
    pub wanted: Option<f64>,
    /// Thresholds over the folds; none for argmax.
    pub chosen: Option<Spread>,
}

/// Summary statistics of a score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Number of defined values.
    pub n: usize,
    /// Mean; none without values.
    pub mean: Option<f64>,
    /// Sample standard deviation (n - 1); none for fewer than two values.
    pub sd: Option<f64>,
    /// Minimum; none without values.
    pub min: Option<f64>,
    /// Maximum; none without values.
    pub max: Option<f64>,
}

impl Spread {
    /// Summarises the defined values.
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
    /// Index of the repeat, from 0.
    pub repeat: usize,
    /// Index of the head, from 0.
    pub seed: usize,
    /// Index of the fold, from 0.
    pub fold: usize,
    /// Number of predicted images.
    pub images: usize,
    /// Threshold chosen on the other folds; none for argmax.
    pub threshold: Option<f64>,
    /// Scores of the fold's images; none where undefined.
    pub scores: BTreeMap<String, Option<f64>>,
}

/// Temperature scaling (Guo et al. 2017) of the out-of-fold predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Temperature fitted to the out-of-fold predictions of all runs; above 1 if the heads are
    /// overconfident. For the final model use [`Calibration::worthwhile`].
    pub temperature: Option<f64>,
    /// Reason why there is no temperature; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub undefined: String,
    /// Brier score, log loss and calibration error before scaling.
    pub before: BTreeMap<String, Option<f64>>,
    /// The same scores after scaling; the temperature of each fold is fitted to the other
    /// folds.
    pub after: BTreeMap<String, Option<f64>>,
    /// Number of folds of all runs without a fitted temperature; `after` has them unscaled.
    #[serde(default)]
    pub unscaled: usize,
}

impl Calibration {
    /// Returns the temperature if scaling lowers the out-of-fold log loss over all folds.
    pub fn worthwhile(&self) -> Option<f64> {
        let loss =
            |scores: &BTreeMap<String, Option<f64>>| scores.get("log_loss").copied().flatten();
        let lower = loss(&self.after)? < loss(&self.before)?;
        self.temperature.filter(|_| lower)
    }
}

/// Row of `predictions.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfFoldRow {
    /// Prediction of one head for one image.
    pub image: Prediction,
    /// Group of the image.
    pub group: String,
    /// Index of the repeat, from 0.
    pub repeat: usize,
    /// Index of the head, from 0.
    pub seed: usize,
    /// Index of the fold, from 0.
    pub fold: usize,
}

/// Writes `predictions.csv`: the columns of `evaluate/predictions.csv`, then
/// `group, repeat, seed, fold`.
///
/// # Errors
/// If the file cannot be written.
pub fn write_predictions(
    path: &Path,
    classes: &[String],
    rows: &[OutOfFoldRow],
) -> Result<(), ArtifactError> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut write = |line: Vec<String>| out.write_record(&line).expect("writing to memory");
    let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let probabilities: Vec<String> = classes.iter().map(|class| format!("p_{class}")).collect();
    let fold_header = texts(&["group", "repeat", "seed", "fold"]);
    write([texts(&["path", "patient", "truth", "predicted"]), probabilities, fold_header].concat());
    for OutOfFoldRow { image, group, repeat, seed, fold } in rows {
        let start =
            texts(&[&image.path, &image.patient, &classes[image.truth], &classes[image.predicted]]);
        let probabilities = image.probabilities.iter().map(f64::to_string).collect();
        let end = vec![group.clone(), repeat.to_string(), seed.to_string(), fold.to_string()];
        write([start, probabilities, end].concat());
    }
    Ok(atomic::write(path, &out.into_inner().expect("writing to memory"))?)
}

/// Predictions of all images of an index, each by a head that was not trained on the image's
/// group.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Index of the repeat, from 0.
    pub repeat: usize,
    /// Index of the head, from 0.
    pub seed: usize,
    /// Fold of each image, from 0.
    pub folds: Vec<usize>,
    /// Probabilities `[images, classes]`.
    pub probabilities: Array2<f64>,
}

/// Reads the `predictions.csv` of the images of `index`. Returns the group of each image, and
/// the runs.
///
/// # Errors
/// If the file is missing or malformed, or belongs to other images.
pub fn read_runs(path: &Path, index: &Index) -> Result<(Vec<String>, Vec<Run>), ArtifactError> {
    #[derive(Deserialize)]
    struct FoldColumns {
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
    let fold_columns: Result<Vec<FoldColumns>, csv::Error> =
        csv::Reader::from_reader(bytes.as_slice()).deserialize().collect();
    let fold_columns = fold_columns.map_err(|e| malformed(e.to_string()))?;
    let images = index.rows.len();
    let mut runs = Vec::new();
    for (rows, fold_columns) in rows.chunks(images).zip(fold_columns.chunks(images)) {
        let matches_index =
            rows.iter().map(|row| &row.path).eq(index.rows.iter().map(|row| &row.path));
        let is_one_run = fold_columns
            .iter()
            .all(|row| (row.repeat, row.seed) == (fold_columns[0].repeat, fold_columns[0].seed));
        if !matches_index || !is_one_run || classes != index.classes {
            return Err(malformed("the runs do not match the images of `index.csv`".into()));
        }
        let values = rows.iter().flat_map(|row| row.probabilities.iter().copied()).collect();
        runs.push(Run {
            repeat: fold_columns[0].repeat,
            seed: fold_columns[0].seed,
            folds: fold_columns.iter().map(|row| row.fold).collect(),
            probabilities: Array2::from_shape_vec((images, classes.len()), values)
                .expect("one probability per class"),
        });
    }
    let groups = fold_columns.into_iter().take(images).map(|row| row.group).collect();
    if runs.is_empty() {
        Err(malformed("the table has no rows".into()))
    } else {
        Ok((groups, runs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::index::IndexRow;

    /// Expected values from NumPy's `mean` and `std(ddof=1)`.
    #[test]
    fn summaries_use_sample_statistics() {
        let spread = Spread::of([Some(0.5), None, Some(0.75), Some(1.0)]);
        assert_eq!((spread.n, spread.mean, spread.sd), (3, Some(0.75), Some(0.25)));
        assert_eq!((spread.min, spread.max), (Some(0.5), Some(1.0)));
        let none = Spread { n: 0, mean: None, sd: None, min: None, max: None };
        assert_eq!(Spread::of([None]), none);
        assert_eq!(Spread::of([Some(1.0)]).sd, None);
    }

    /// The temperature is fitted to the predictions of `before`, on which it can only help;
    /// only the effect on other folds counts.
    #[test]
    fn temperature_is_worthwhile_if_it_lowers_the_out_of_fold_log_loss() {
        let scores = |loss: f64| BTreeMap::from([("log_loss".to_owned(), Some(loss))]);
        let calibration = |before: f64, after: f64| Calibration {
            temperature: Some(1.1),
            undefined: String::new(),
            before: scores(before),
            after: scores(after),
            unscaled: 0,
        };
        assert_eq!(calibration(0.040, 0.034).worthwhile(), Some(1.1));
        assert_eq!(calibration(0.034, 0.040).worthwhile(), None);
        assert_eq!(calibration(0.034, 0.034).worthwhile(), None, "no fold was scaled");
        assert_eq!(Calibration { temperature: None, ..calibration(2.0, 1.0) }.worthwhile(), None);
        let without_log_loss = Calibration { before: BTreeMap::new(), ..calibration(2.0, 1.0) };
        assert_eq!(without_log_loss.worthwhile(), None);
    }

    #[test]
    fn predictions_start_with_the_columns_of_evaluate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("predictions.csv");
        let image = Prediction {
            path: "covid/a.png".into(),
            patient: "cohen:1".into(),
            truth: 0,
            predicted: 1,
            probabilities: vec![0.25, 0.75],
        };
        let row =
            OutOfFoldRow { image, group: "cohen:1+cohen:2".into(), repeat: 1, seed: 0, fold: 4 };
        let classes = ["covid".to_owned(), "normal".to_owned()];
        write_predictions(&path, &classes, std::slice::from_ref(&row)).unwrap();
        let expected = "path,patient,truth,predicted,p_covid,p_normal,group,repeat,seed,fold\n\
                        covid/a.png,cohen:1,covid,normal,0.25,0.75,cohen:1+cohen:2,1,0,4\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(Predictions::read(&path).unwrap().rows, [row.image], "same format as evaluate");
        let image = |row, path: &str, class: &str| IndexRow {
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
        // The table has one image, the index two.
        let index =
            Index::new(vec![image(0, "covid/a.png", "covid"), image(1, "normal/b.png", "normal")]);
        let refused = |path| read_runs(path, &index).unwrap_err().to_string();
        assert!(refused(&path).ends_with("the runs do not match the images of `index.csv`"));
        let two_images =
            format!("{expected}normal/b.png,,normal,normal,0.1,0.9,image:normal/b.png,1,0,2\n");
        atomic::write(&path, two_images.as_bytes()).unwrap();
        let (groups, runs) = read_runs(&path, &index).unwrap();
        assert_eq!(groups, ["cohen:1+cohen:2", "image:normal/b.png"]);
        assert_eq!((runs.len(), runs[0].repeat, runs[0].seed), (1, 1, 0));
        assert_eq!(runs[0].folds, [4, 2]);
        assert_eq!(runs[0].probabilities, ndarray::arr2(&[[0.25, 0.75], [0.1, 0.9]]));
        let text = expected.replace(",group,", ",crowd,");
        atomic::write(&path, text.as_bytes()).unwrap();
        assert!(refused(&path).contains("missing field `group`"));
    }
}
