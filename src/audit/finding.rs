//! Other findings of the audit: reasons why the performance is overestimated or uncertain.

use serde::{Deserialize, Serialize};

use super::Probe;
use crate::metrics::Rate;

/// A limitation of the data or the evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Identifier, such as `pneumonia-among-normals`.
    pub name: String,
    /// Explanation with figures.
    pub text: String,
}

fn finding(name: &str, text: String) -> Finding {
    Finding { name: name.to_owned(), text }
}

/// Reports that `named` of `images` images of class `class` have pneumonia file names.
pub fn pneumonia(class: &str, named: usize, images: usize) -> Option<Finding> {
    let text = format!(
        "{named} of {images} images of `{class}` are pneumonia by their file names \
         (person…_bacteria, person…_virus): the class is mislabelled"
    );
    (named > 0).then(|| finding("pneumonia-among-normals", text))
}

/// Reports that `patients` are in both training and test set, with `images` of `test` test
/// images.
pub fn leaks(patients: &[String], images: usize, test: usize) -> Option<Finding> {
    let count = patients.len();
    let text = format!(
        "{} in both the training and the test set, with {images} of {test} test images: the \
         test performance is overestimated",
        if count == 1 { "1 patient is".to_owned() } else { format!("{count} patients are") },
    );
    (count > 0).then(|| finding("leaked-patients", text))
}

/// Reports that `copies` of `test` test images are also training images.
pub fn copies(copies: usize, test: usize) -> Option<Finding> {
    let text = format!(
        "{copies} of {test} test images are also in the training set, byte for byte: the test \
         performance is overestimated"
    );
    (copies > 0).then(|| finding("copied-images", text))
}

/// Reports that `files` files are in several classes.
pub fn copies_in_classes(files: usize) -> Option<Finding> {
    let text = format!(
        "{} in several classes, byte for byte: one of the labels is wrong",
        if files == 1 { "1 file is".to_owned() } else { format!("{files} files are") }
    );
    (files > 0).then(|| finding("copies-in-classes", text))
}

/// Reports that the validation loss is measured on the test images.
pub fn validation_is_test() -> Finding {
    let text = "the validation images are the test images: a choice by val_loss or \
                val_accuracy is a choice by the test set";
    finding("validation-is-test", text.to_owned())
}

/// Reports that `images` test images of `class` are too few: even if all are correctly
/// classified, the lower confidence limit is below 0.85.
pub fn few_test_images(class: &str, images: usize) -> Option<Finding> {
    let best = Rate::new(images as u64, images as u64);
    let text = format!(
        "`{class}` has {images} test images: even if all are correctly classified, the 95 % \
         confidence interval of the proportion is {:.2} to 1",
        best.low
    );
    (best.low < 0.85).then(|| finding("few-test-images", text))
}

/// Reports that class and source are associated (Cramér's V of at least 0.8).
pub fn source_is_class(v: f64) -> Option<Finding> {
    let text = format!(
        "the source of an image predicts its class (Cramér's V {v:.2}): any difference between \
         sources, such as device, age, site or file format, also separates the classes"
    );
    (v >= 0.8).then(|| finding("source-is-class", text))
}

/// Reports that `unknown` of `images` images have no patient ID; `compared` if near-duplicates
/// were searched.
pub fn unknown_patients(unknown: usize, images: usize, compared: bool) -> Option<Finding> {
    let text = format!(
        "{unknown} of {images} images have no patient ID: each is treated as a separate patient, \
         and {}",
        if compared {
            "only near-duplicate images were assigned to one patient"
        } else {
            "leakage between them cannot be detected"
        }
    );
    (unknown > 0).then(|| finding("unknown-patients", text))
}

/// Reports that the head pools only `pooled` of `all` cells; `measured` describes the influence
/// of the other pixels.
pub fn unpooled(pooled: usize, all: usize, measured: Option<String>) -> Option<Finding> {
    let unmeasured = || {
        format!(
            "the head pools {pooled} of the {all} cells of the last feature maps, the upper left \
             of the image; the influence of the other pixels is not measured: run `cxr explain`"
        )
    };
    (pooled < all).then(|| finding("unpooled-cells", measured.unwrap_or_else(unmeasured)))
}

/// Reports that the proportion `outside` of the saliency is outside the centre, at least the
/// proportion `even` of uniform saliency.
pub fn saliency_outside(outside: f64, even: f64) -> Option<Finding> {
    let text = format!(
        "{:.0} % of the saliency lies outside the centre of the images; if it were uniform, \
         {:.0} % would",
        100.0 * outside,
        100.0 * even
    );
    (outside >= even).then(|| finding("saliency-outside-centre", text))
}

/// Reports that the interval of the probe described by `words` lies below 0.5. This happens in
/// cross-validation if images of one class were matched to those of the other.
pub fn below_chance(words: &str, probe: &Probe) -> Option<Finding> {
    let (auc, high) = (probe.auc?, probe.high?);
    let text = format!(
        "the AUC from {words} is below chance ({auc:.2}, upper limit {high:.2}): the classes may \
         be matched by these features, or it is chance; this probe cannot exclude a shortcut"
    );
    (high < 0.5).then(|| finding("matched-classes", text))
}

/// Reports that permuted labels are predicted, as when folds cross known groups; then no probe
/// is valid. It cannot detect crossings of unknown patients.
pub fn shuffled_labels_predicted(shuffled: &Probe) -> Option<Finding> {
    let (auc, low) = (shuffled.auc?, shuffled.low?);
    let text = format!(
        "labels permuted between patients are predicted with AUC {auc:.2}: folds share \
         information, and no AUC of this audit is valid"
    );
    (low > 0.5).then(|| finding("shuffled-labels-predicted", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaws_of_the_tutorial_are_reported() {
        let text = |finding: Option<Finding>| finding.unwrap().text;
        let pneumonia = text(pneumonia("normal", 18, 25));
        assert!(
            pneumonia.starts_with("18 of 25 images of `normal` are pneumonia by"),
            "{pneumonia}"
        );
        let leaks = text(leaks(&["a".into(), "b".into()], 3, 10));
        assert!(
            leaks.starts_with("2 patients are in both the training and the test set, with 3 of 10")
        );
        assert!(text(few_test_images("covid", 5)).ends_with("is 0.57 to 1"));
        assert!(text(unpooled(16, 49, None)).starts_with("the head pools 16 of the 49 cells"));
        assert_eq!(text(unpooled(16, 49, Some("x".into()))), "x");
        assert!(text(saliency_outside(0.6, 0.4375)).starts_with("60 % of the saliency"));
        assert!(text(source_is_class(1.0)).contains("V 1.00"));
    }

    #[test]
    fn absent_flaws_are_not_reported() {
        assert_eq!(pneumonia("normal", 0, 25), None);
        assert_eq!(leaks(&[], 0, 10), None);
        assert_eq!(few_test_images("covid", 100), None);
        assert_eq!(source_is_class(0.3), None);
        assert_eq!(unknown_patients(0, 9, false), None);
        assert_eq!(unpooled(49, 49, None), None);
        assert_eq!(saliency_outside(0.2, 0.4375), None);
        let fair =
            Probe { auc: Some(0.47), low: Some(0.3), high: Some(0.6), n: 9, ..Probe::default() };
        assert_eq!(below_chance("file attributes", &fair), None);
        let matched = Probe { high: Some(0.2), ..fair.clone() };
        let text = below_chance("file attributes", &matched).unwrap().text;
        assert!(text.starts_with("the AUC from file attributes is below chance (0.47"));
        assert_eq!(shuffled_labels_predicted(&fair), None);
        assert!(
            shuffled_labels_predicted(&Probe { auc: Some(0.8), low: Some(0.7), ..fair }).is_some()
        );
    }
}
