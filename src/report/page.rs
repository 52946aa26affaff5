//! Contents of a report: numbers and text, independent of files.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metrics::quantile;

/// Contents of the report and the model card.
///
/// A part is missing if its stage has not run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Page {
    /// Name of the profile, such as `tutorial`.
    pub profile: String,
    /// Purpose of the profile, in a line.
    pub about: String,
    /// True if the settings are those of the built-in profile `tutorial`.
    pub as_tutorial: bool,
    /// Version of cxr.
    pub version: String,
    /// Seed of the run; none if no stage makes random choices.
    pub seed: Option<u64>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Positive class; empty without an evaluation.
    pub positive: String,
    /// Evaluations: cross-validation first, then the test images.
    pub performance: Vec<Performance>,
    /// Shortcut audit.
    pub audit: Option<Audit>,
    /// Selection of the images of each class from its source.
    pub sources: Vec<Source>,
    /// Preprocessed images by class.
    pub images: Vec<ClassImages>,
    /// Images with decoding notes; none without `preprocess/selection.csv`.
    pub doubts: Option<Doubts>,
    /// Split into training, validation and test set.
    pub split: Option<Split>,
    /// Patient linkage.
    pub linked: Option<Linked>,
    /// The classifier.
    pub model: Option<Model>,
    /// Calibration of the out-of-fold probabilities.
    pub calibration: Option<Calibration>,
    /// Inline SVG by name of the figure.
    pub figures: BTreeMap<String, String>,
    /// Summary of the saliency maps.
    pub explained: Option<Explained>,
    /// Decision rule of the images in the browser, in a sentence.
    pub decision: String,
    /// Lowest and highest threshold of the folds on the probability of the positive class; none
    /// if the most probable class is predicted.
    pub threshold: Option<(f64, f64)>,
    /// Evaluated images by increasing probability of the true class.
    pub browser: Vec<Image>,
    /// Stages whose files are of another run and therefore not shown.
    pub left_out: Vec<LeftOut>,
    /// Settings, inputs and outputs of each stage, in the order of the pipeline.
    pub stages: Vec<StageRun>,
    /// Pipeline file that reproduces the artifacts.
    pub recipe: String,
    /// Command lines that reproduce the artifacts with the pipeline file.
    pub commands: Vec<String>,
}

/// Stage whose files are of another run than those of the other stages.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LeftOut {
    /// Name, such as `evaluate`.
    pub stage: String,
    /// Reason, as the end of a sentence.
    pub why: String,
    /// Command that makes the files again.
    pub command: String,
}

/// Metric with its 95 % interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Name of the metric, such as `Sensitivity`.
    pub name: String,
    /// Value; none if undefined.
    pub value: Option<f64>,
    /// Lower bound; none without an interval.
    pub low: Option<f64>,
    /// Upper bound; none without an interval.
    pub high: Option<f64>,
    /// Counts, such as `5 of 5 images`, the method of the interval, or the reason why the value
    /// is undefined.
    pub note: String,
    /// True if the range is 0 to 1, so that the value is plotted on a scale of 0 to 1.
    pub unit_scale: bool,
}

/// Evaluation of the model on a set of images.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Performance {
    /// `cross-validation` or `test images`.
    pub on: String,
    /// Procedure, in sentences.
    pub how: String,
    /// Number of evaluated images.
    pub images: usize,
    /// Number of known patients.
    pub patients: usize,
    /// Accuracy, sensitivity, specificity, area under the ROC curve.
    pub headline: Vec<Estimate>,
    /// All other metrics.
    pub more: Vec<Estimate>,
    /// Metrics of each class against the rest.
    pub by_class: Vec<ClassFigures>,
}

/// Metrics of one class against the rest.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Name of the class.
    pub class: String,
    /// Number of evaluated images of the class.
    pub images: usize,
    /// Sensitivity, specificity, positive and negative predictive value; with more than two
    /// classes also ROC AUC, average precision and Brier score.
    pub figures: Vec<Estimate>,
}

/// Shortcut audit: performance of probes without the lungs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Audit {
    /// `shortcut`, `no-shortcut`, `nothing-learnt` or `unknown`.
    pub answer: String,
    /// Explanation, in a sentence.
    pub text: String,
    /// Number of images of the audit.
    pub images: usize,
    /// ROC AUC of each probe; the name is the input of the probe.
    pub probes: Vec<Estimate>,
    /// ROC AUC of the probes within each source that has several classes.
    pub within: BTreeMap<String, Vec<Estimate>>,
    /// Other limitations, one sentence each.
    pub findings: Vec<String>,
}

/// Number of items of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Count {
    /// Kind.
    pub what: String,
    /// Number.
    pub count: usize,
}

/// Selection of the images of one class from the rows or files of its source.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Source {
    /// Name of the class.
    pub class: String,
    /// Number of rows or files of the source.
    pub rows: usize,
    /// Number of kept rows: images of the class.
    pub kept: usize,
    /// Number of known patients of the kept images.
    pub patients: usize,
    /// Number of kept images without patient ID.
    pub unknown: usize,
    /// Number of excluded rows by reason, the most frequent first.
    pub dropped: Vec<Count>,
}

/// Images of one class.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClassImages {
    /// Name of the class.
    pub class: String,
    /// Number of files in the class folder.
    pub files: usize,
    /// Number of excluded files by reason.
    pub unreadable: Vec<Count>,
    /// Number of images.
    pub images: usize,
    /// Number of known patients.
    pub patients: usize,
    /// Number of images without patient ID.
    pub unknown: usize,
    /// Number of images by source.
    pub sources: Vec<Count>,
    /// Sex and age of the patients.
    pub demographics: Demographics,
    /// Number of training images.
    pub train: usize,
    /// Number of validation images; 0 if the test images are the validation images.
    pub validation: usize,
    /// Number of test images.
    pub test: usize,
}

/// Images with decoding notes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Doubts {
    /// Number of images with notes.
    pub images: usize,
    /// First images by path, at most [`Doubts::LISTED`].
    pub listed: Vec<Doubt>,
}

impl Doubts {
    /// Maximum number of listed images.
    pub const LISTED: usize = 200;
}

/// Image with decoding notes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Doubt {
    /// Path relative to the dataset folder.
    pub path: String,
    /// Notes of the decoder.
    pub notes: String,
}

/// Sex and age of the patients, as far as recorded in selection logs and metadata.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Demographics {
    /// Number of images of female patients.
    pub female: usize,
    /// Number of images of male patients.
    pub male: usize,
    /// Number of images of patients of known age.
    pub aged: usize,
    /// Lowest, median and highest known age in years, over images; none if none is known.
    pub age: Option<(f64, f64, f64)>,
}

impl Demographics {
    /// Counts the sex (`F`, `M` or empty) and summarises the age (years or empty) of images.
    pub fn of<'a>(images: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut demographics = Self::default();
        let mut ages: Vec<f64> = Vec::new();
        for (sex, age) in images {
            demographics.female += usize::from(sex == "F");
            demographics.male += usize::from(sex == "M");
            ages.extend(age.parse::<f64>().ok().filter(|age| age.is_finite()));
        }
        ages.sort_by(f64::total_cmp);
        demographics.aged = ages.len();
        if let (Some(first), Some(last)) = (ages.first(), ages.last()) {
            demographics.age = Some((*first, quantile(&ages, 0.5), *last));
        }
        demographics
    }

    /// Returns the number of images of patients of known sex.
    pub fn sexed(&self) -> usize {
        self.female + self.male
    }
}

/// Split into training, validation and test set.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Split {
    /// Method: `image`, `group`, `source`, `folder` or `parts`.
    pub method: String,
    /// The seed of the split.
    pub seed: u64,
    /// Source of the patient groups: `patient` (patient IDs) or `link` (patient linkage).
    pub by: String,
    /// Number of training images.
    pub train: usize,
    /// Number of validation images; 0 if the test images are the validation images.
    pub validation: usize,
    /// Number of test images.
    pub test: usize,
    /// Requested proportion of test images, 0 to 1.
    pub test_size: f64,
    /// Patients in both the training and the test set.
    pub leaking: Vec<String>,
    /// Number of test images of the leaking patients.
    pub leaked_images: usize,
    /// Number of images without patient ID.
    pub unknown: usize,
    /// Paths of the test images whose file is also in the training set, byte for byte.
    pub copies: Vec<String>,
    /// Files in several classes, each as a line of paths.
    pub copies_in_classes: Vec<String>,
}

/// Summary of the patient linkage.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Linked {
    /// Number of images.
    pub images: usize,
    /// Number of patients.
    pub groups: usize,
    /// Number of linked pairs of images by evidence.
    pub links: Vec<Count>,
    /// Patient IDs of the same patient, a line per patient.
    pub merged: Vec<String>,
    /// Number of patients with images of several classes.
    pub conflicts: usize,
}

/// Classifier and its training.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Model {
    /// Names and values, in the order of the forward pass.
    pub facts: Vec<(String, String)>,
    /// BLAKE3 hash of the weights.
    pub weights: String,
    /// Number of trained heads, one per seed; the first is the model.
    pub seeds: usize,
    /// Names and values of loss and accuracy after the last epoch.
    pub last: Vec<(String, f64)>,
}

/// Calibration of the out-of-fold predictions.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Calibration {
    /// Temperature that divides the logits; none if undefined.
    pub temperature: Option<f64>,
    /// True if the temperature lowers the log loss of images that it was not fitted on.
    pub worthwhile: bool,
    /// Name of the score, its value unscaled, and its value with the temperature of the other
    /// folds.
    pub scores: Vec<(String, Option<f64>, Option<f64>)>,
}

/// Summary of the Grad-CAM maps.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Explained {
    /// Number of explained images.
    pub images: usize,
    /// Number of cells of the last feature maps: pooled by the head (the upper left), and all.
    pub cells: (usize, usize),
    /// Proportion of the image side that the pooled cells cover, 0 to 1.
    pub pooled: f64,
    /// Text on the pooled cells and the influence of the pixels of the other cells; empty if
    /// the head pools every cell.
    pub pooled_region: String,
    /// Mean proportion of the saliency outside the centre of the image; none if all maps are
    /// empty.
    pub outside: Option<f64>,
    /// That proportion for uniform saliency.
    pub even: f64,
    /// Mean proportion for each predicted class.
    pub by_class: Vec<(String, f64)>,
    /// Mean image and mean saliency map of each predicted class.
    pub means: Vec<Mean>,
}

/// Mean of the images predicted as one class.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Mean {
    /// Predicted class.
    pub class: String,
    /// Number of images predicted as the class.
    pub images: usize,
    /// Mean image, as a data URI.
    pub picture: String,
    /// Mean saliency map, as a data URI.
    pub saliency: String,
}

/// Evaluated image.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Image {
    /// Path relative to the dataset folder.
    pub path: String,
    /// True class.
    pub truth: String,
    /// Predicted class.
    pub predicted: String,
    /// Mean probability of the predicted class.
    pub confidence: f64,
    /// Number of wrong predictions, and of all predictions of the image.
    pub wrong: (usize, usize),
    /// Patient ID; empty if unknown.
    pub patient: String,
    /// True if it is a test image of a patient who is also in the training set.
    pub leaked: bool,
    /// Source; empty if unknown.
    pub source: String,
    /// Width and height of the original in pixels.
    pub size: (u32, u32),
    /// Resized image, the input of the network, as a data URI.
    pub picture: String,
    /// Saliency map, as a data URI; empty without a map.
    pub saliency: String,
    /// Proportion of the saliency outside the centre; none without a map.
    pub outside: Option<f64>,
}

/// Settings, inputs and outputs of a stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StageRun {
    /// Name, such as `train`.
    pub name: String,
    /// Version of the program.
    pub program: String,
    /// Seed; none if the stage makes no random choices.
    pub seed: Option<u64>,
    /// Names and values of the settings; true if the value differs from the profile's.
    pub settings: Vec<(String, String, bool)>,
    /// Names and BLAKE3 hashes of the input files without images.
    pub inputs: Vec<(String, String)>,
    /// Number of input images.
    pub images: usize,
    /// Names and BLAKE3 hashes of the output files without images.
    pub outputs: Vec<(String, String)>,
}
