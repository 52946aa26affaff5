//! What a report is made of: plain numbers and words, nothing of files.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metrics::quantile;

/// Everything that the page and the model card say.
///
/// A part is missing where the stage that makes it has not run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Page {
    /// The profile's name: `tutorial`.
    pub profile: String,
    /// What the profile is for, in a line.
    pub about: String,
    /// Whether the settings are those of the built-in profile `tutorial`.
    pub as_tutorial: bool,
    /// The version of the programs.
    pub version: String,
    /// The seed that every random choice derives from; none if no stage made one.
    pub seed: Option<u64>,
    /// The classes' names.
    pub classes: Vec<String>,
    /// The class that sensitivity asks for; empty if nothing was judged.
    pub positive: String,
    /// What the model was judged on, the fairest judgement first.
    pub judged: Vec<Judged>,
    /// What tells the classes apart without the lungs.
    pub audit: Option<Audit>,
    /// What became of the rows of each source.
    pub sources: Vec<Source>,
    /// The images that were read, by class.
    pub images: Vec<ClassImages>,
    /// The images that were decoded with doubts.
    pub doubts: Option<Doubts>,
    /// How they were dealt into training and test.
    pub split: Option<Split>,
    /// Which images show one patient.
    pub linked: Option<Linked>,
    /// The classifier.
    pub model: Option<Model>,
    /// How calibrated the out-of-fold probabilities are.
    pub calibration: Option<Calibration>,
    /// Inline SVG by the name of the figure.
    pub figures: BTreeMap<String, String>,
    /// Where the model finds its answers.
    pub explained: Option<Explained>,
    /// How the images of the browser are classified, in a sentence.
    pub decision: String,
    /// From which probability of the positive class on an image is predicted as it, lowest and
    /// highest of the folds; none if the most probable class is predicted.
    pub threshold: Option<(f64, f64)>,
    /// The images that were judged, those least believed first.
    pub browser: Vec<Image>,
    /// The stages whose files are of another run, and therefore not shown.
    pub left_out: Vec<LeftOut>,
    /// What each stage ran with, in the order of the pipeline.
    pub stages: Vec<StageRun>,
    /// The pipeline file that makes all of it again.
    pub recipe: String,
    /// The command lines that use it.
    pub commands: Vec<String>,
}

/// A stage whose files do not belong to those of the others.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LeftOut {
    /// Its name: `evaluate`.
    pub stage: String,
    /// Why, as the end of a sentence.
    pub why: String,
    /// The command that makes its files anew.
    pub command: String,
}

/// A figure with its 95 % interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// What is measured: `sensitivity`.
    pub name: String,
    /// None where it is undefined.
    pub value: Option<f64>,
    /// Lower end of the interval; none where there is none.
    pub low: Option<f64>,
    /// Upper end of the interval; none where there is none.
    pub high: Option<f64>,
    /// What it counts, or why it is undefined: `5 of 5 images`.
    pub note: String,
    /// Whether it cannot leave 0 to 1, and may be drawn on a bar of that scale.
    pub unit_scale: bool,
}

/// The model judged on images.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Judged {
    /// `cross-validation` or `test images`.
    pub on: String,
    /// How, in a sentence.
    pub how: String,
    /// Images judged.
    pub images: usize,
    /// Patients on them, as far as known.
    pub patients: usize,
    /// Accuracy, sensitivity, specificity, area under the ROC curve.
    pub headline: Vec<Estimate>,
    /// Every other figure.
    pub more: Vec<Estimate>,
    /// A row per class: sensitivity, specificity, predictive values.
    pub by_class: Vec<ClassFigures>,
}

/// One class against the rest.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClassFigures {
    /// The class.
    pub class: String,
    /// Images of it that were judged.
    pub images: usize,
    /// Sensitivity, specificity, positive and negative predictive value.
    pub figures: Vec<Estimate>,
}

/// How well the class is predicted without the lungs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Audit {
    /// `shortcut`, `no-shortcut`, `nothing-learnt` or `unknown`.
    pub answer: String,
    /// What follows, in a sentence.
    pub text: String,
    /// Images of the audit.
    pub images: usize,
    /// What each probe sees, and its area under the ROC curve.
    pub probes: Vec<Estimate>,
    /// The probes within each source that has several classes.
    pub within: BTreeMap<String, Vec<Estimate>>,
    /// What else makes the figures worth less than they look.
    pub findings: Vec<String>,
}

/// So many of something.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Count {
    /// Of what.
    pub what: String,
    /// How many.
    pub count: usize,
}

/// What became of the rows or files that a class was chosen from.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Source {
    /// The class.
    pub class: String,
    /// Rows or files looked at.
    pub rows: usize,
    /// Those kept as images.
    pub kept: usize,
    /// Patients on the images kept, as far as known.
    pub patients: usize,
    /// Images kept of unknown patients.
    pub unknown: usize,
    /// Those dropped, by reason, the most frequent first.
    pub dropped: Vec<Count>,
}

/// The images of a class.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClassImages {
    /// The class.
    pub class: String,
    /// Files in its folder.
    pub files: usize,
    /// Those that could not be read, by reason.
    pub unreadable: Vec<Count>,
    /// Images.
    pub images: usize,
    /// Patients on them, as far as known.
    pub patients: usize,
    /// Images of unknown patients.
    pub unknown: usize,
    /// Images by the collection they come from.
    pub sources: Vec<Count>,
    /// Sex and age of the patients on them.
    pub demographics: Demographics,
    /// Images to train on.
    pub train: usize,
    /// Images to validate on; 0 if the test images validate too.
    pub validation: usize,
    /// Images to test on.
    pub test: usize,
}

/// Images that were decoded with doubts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Doubts {
    /// How many there are.
    pub images: usize,
    /// The first of them by path, at most [`Doubts::LISTED`].
    pub listed: Vec<Doubt>,
}

impl Doubts {
    /// Most images that the page lists.
    pub const LISTED: usize = 200;
}

/// An image that was decoded with doubts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Doubt {
    /// Its path below the dataset folder.
    pub path: String,
    /// The notes of its decoder.
    pub notes: String,
}

/// Sex and age of the patients on images, as far as selection logs and metadata tell them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Demographics {
    /// Images of female patients.
    pub female: usize,
    /// Images of male patients.
    pub male: usize,
    /// Images whose patient's age is known.
    pub aged: usize,
    /// Lowest, median and highest known age in years, over images; none if none is known.
    pub age: Option<(f64, f64, f64)>,
}

impl Demographics {
    /// Of images, each with the sex (`F`, `M` or empty) and the age (years or empty).
    pub fn of<'a>(images: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut of = Self::default();
        let mut ages: Vec<f64> = Vec::new();
        for (sex, age) in images {
            of.female += usize::from(sex == "F");
            of.male += usize::from(sex == "M");
            ages.extend(age.parse::<f64>().ok().filter(|age| age.is_finite()));
        }
        ages.sort_by(f64::total_cmp);
        of.aged = ages.len();
        if let (Some(first), Some(last)) = (ages.first(), ages.last()) {
            of.age = Some((*first, quantile(&ages, 0.5), *last));
        }
        of
    }

    /// Images whose patient's sex is known.
    pub fn sexed(&self) -> usize {
        self.female + self.male
    }
}

/// Training and test.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Split {
    /// `image`, `group`, `source`, `folder`, `parts`.
    pub method: String,
    /// The seed of the split.
    pub seed: u64,
    /// What tells patients apart: `patient` or `link`.
    pub by: String,
    /// Images to train on.
    pub train: usize,
    /// Images to validate on; 0 if the test images validate too.
    pub validation: usize,
    /// Images to test on.
    pub test: usize,
    /// The share of images asked for as test.
    pub test_size: f64,
    /// Patients with images on both sides.
    pub leaking: Vec<String>,
    /// Test images of those patients.
    pub leaked_images: usize,
    /// Images whose patient is not known.
    pub unknown: usize,
    /// Test images whose file is in training too, byte for byte.
    pub copies: Vec<String>,
    /// Images of one file that are of several classes, each as paths in a line.
    pub copies_in_classes: Vec<String>,
}

/// What linking found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Linked {
    /// Images looked at.
    pub images: usize,
    /// Patients they show.
    pub groups: usize,
    /// Pairs of images, by what ties them.
    pub links: Vec<Count>,
    /// Ids that turned out to be one patient.
    pub merged: Vec<String>,
    /// Patients with images of several classes.
    pub conflicts: usize,
}

/// The classifier and how it was trained.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Model {
    /// Name and value, in the order in which an image passes.
    pub facts: Vec<(String, String)>,
    /// BLAKE3 of its weights.
    pub weights: String,
    /// Heads trained with other seeds beside it.
    pub seeds: usize,
    /// Loss and accuracy after the last epoch.
    pub last: Vec<(String, f64)>,
}

/// How sure the out-of-fold predictions are, and should be.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Calibration {
    /// What logits are divided by; none if that is undefined.
    pub temperature: Option<f64>,
    /// Whether that lowers the log loss of images that it was not fitted on.
    pub worthwhile: bool,
    /// Score, as predicted, and with the temperature of the other folds.
    pub scores: Vec<(String, Option<f64>, Option<f64>)>,
}

/// Grad-CAM, summed up.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Explained {
    /// Images explained.
    pub images: usize,
    /// The model reads the upper left so many of so many cells.
    pub cells: (usize, usize),
    /// Share of a side of the image that the model reads, 0 to 1.
    pub pooled: f64,
    /// Which cells the head pools, and how much the pixels of the others act; empty if it
    /// pools every cell.
    pub pooled_region: String,
    /// Mean share of the saliency outside the centre of the image.
    pub outside: Option<f64>,
    /// That share if the saliency were spread evenly.
    pub even: f64,
    /// The mean share for each class that the model names.
    pub by_class: Vec<(String, f64)>,
    /// The mean image and saliency of each class that the model names.
    pub means: Vec<Mean>,
}

/// The mean of the images taken for a class.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Mean {
    /// The class that the model names.
    pub class: String,
    /// Images taken for it.
    pub images: usize,
    /// The mean image, as a data URI.
    pub picture: String,
    /// The mean saliency, as a data URI.
    pub saliency: String,
}

/// An image that was judged.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Image {
    /// Its path in the dataset.
    pub path: String,
    /// Its true class.
    pub truth: String,
    /// The class that the model names.
    pub predicted: String,
    /// The probability of that class.
    pub confidence: f64,
    /// Of so many predictions by models that had not seen it, so many are wrong.
    pub wrong: (usize, usize),
    /// Who is on it; empty if unknown.
    pub patient: String,
    /// Whether that patient has images in training, too.
    pub leaked: bool,
    /// The collection it comes from; empty if unknown.
    pub source: String,
    /// Width and height of the original.
    pub size: (u32, u32),
    /// What the net sees, as a data URI.
    pub picture: String,
    /// Saliency, as a data URI; empty without.
    pub saliency: String,
    /// Share of the saliency outside the centre.
    pub outside: Option<f64>,
}

/// What a stage ran with.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StageRun {
    /// Its name: `train`.
    pub name: String,
    /// The version of its program.
    pub program: String,
    /// Its seed; none if it makes no random choice.
    pub seed: Option<u64>,
    /// Its settings, and whether they differ from the profile's.
    pub settings: Vec<(String, String, bool)>,
    /// Names and BLAKE3 of the files it read; images are counted.
    pub inputs: Vec<(String, String)>,
    /// Images that it read.
    pub images: usize,
    /// Names and BLAKE3 of the files it wrote.
    pub outputs: Vec<(String, String)>,
}
