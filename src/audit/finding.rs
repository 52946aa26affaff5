//! What else makes the figures worth less than they look, in plain words.

use serde::{Deserialize, Serialize};

use super::Probe;
use crate::metrics::Rate;

/// One thing to know before the model is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is, in a word or two: `pneumonia-among-normals`.
    pub name: String,
    /// What it means, with the figures.
    pub text: String,
}

fn finding(name: &str, text: String) -> Finding {
    Finding { name: name.to_owned(), text }
}

/// Of `films` films of the class `class`, `named` have names that say pneumonia.
pub fn pneumonia(class: &str, named: usize, films: usize) -> Option<Finding> {
    let text = format!(
        "{named} of {films} films of `{class}` are pneumonia by their file names \
         (person…_bacteria, person…_virus): the class is not what it is called"
    );
    (named > 0).then(|| finding("pneumonia-among-normals", text))
}

/// `patients` stand on both sides of the split, with `films` of `test` test films.
pub fn leaks(patients: &[String], films: usize, test: usize) -> Option<Finding> {
    let count = patients.len();
    let text = format!(
        "{} both in training and in test, on {films} of {test} test films: the test \
         measures recognition of people too",
        if count == 1 { "1 patient stands".to_owned() } else { format!("{count} patients stand") },
    );
    (count > 0).then(|| finding("leaked-patients", text))
}

/// Of `test` test images, the files of `copies` are in training too.
pub fn copies(copies: usize, test: usize) -> Option<Finding> {
    let text = format!(
        "{copies} of {test} test images are in training too, byte for byte: the test measures \
         what was learnt by heart"
    );
    (copies > 0).then(|| finding("copied-images", text))
}

/// `files` files are each in several classes.
pub fn copies_in_classes(files: usize) -> Option<Finding> {
    let text = format!(
        "{} in several classes, byte for byte: one of the labels is wrong",
        if files == 1 { "1 file is".to_owned() } else { format!("{files} files are") }
    );
    (files > 0).then(|| finding("copies-in-classes", text))
}

/// Training measures its validation loss on the test films.
pub fn validation_is_test() -> Finding {
    let text = "the films of validation are those of the test: whoever chooses by val_loss or \
                val_accuracy has chosen by the test";
    finding("validation-is-test", text.to_owned())
}

/// A perfect score on `films` test films of `class` could still mean less than 0.85.
pub fn few_test_films(class: &str, films: usize) -> Option<Finding> {
    let best = Rate::new(films as u64, films as u64);
    let text = format!(
        "`{class}` has {films} test films: even if all are right, the share of right answers \
         may be anything from {:.2} to 1",
        best.low
    );
    (best.low < 0.85).then(|| finding("few-test-films", text))
}

/// Class and source hang together by Cramér's `v`.
pub fn source_is_class(v: f64) -> Option<Finding> {
    let text = format!(
        "the source of a film all but tells its class (Cramér's V {v:.2}): whatever tells the \
         sources apart, device, age, site or file format, tells the classes apart"
    );
    (v >= 0.8).then(|| finding("source-is-class", text))
}

/// Nobody knows who is on `unknown` of `films` films; `compared` if their pictures were.
pub fn unknown_patients(unknown: usize, films: usize, compared: bool) -> Option<Finding> {
    let text = format!(
        "{unknown} of {films} films show nobody knows whom: each counts as a person of its own, \
         and {}",
        if compared {
            "only films that are nearly the same picture were found to be of one"
        } else {
            "leaks among them cannot be seen"
        }
    );
    (unknown > 0).then(|| finding("unknown-patients", text))
}

/// The head pools `pooled` of `all` cells of the last maps; `measured` says how much the
/// pixels of the others act.
pub fn unpooled(pooled: usize, all: usize, measured: Option<String>) -> Option<Finding> {
    let unmeasured = || {
        format!(
            "the head pools {pooled} of the {all} cells of the last maps, the upper left of the \
             image; how much the pixels of the others act is not measured: run `cxr explain`"
        )
    };
    (pooled < all).then(|| finding("unpooled-cells", measured.unwrap_or_else(unmeasured)))
}

/// Of the heat on explained films, the share `outside` lies outside the centre,
/// where heat spread evenly would put the share `even`.
pub fn heat_outside(outside: f64, even: f64) -> Option<Finding> {
    let text = format!(
        "{:.0} % of the heat that explains the model's answers lies outside the centre of the \
         films; spread evenly it would be {:.0} %",
        100.0 * outside,
        100.0 * even
    );
    (outside >= even).then(|| finding("heat-outside-centre", text))
}

/// A probe of `words` lies below chance by its interval. Where films of one class were
/// chosen to match those of the other, whoever leaves one out is left with its counterpart.
pub fn below_chance(words: &str, probe: &Probe) -> Option<Finding> {
    let (auc, high) = (probe.auc?, probe.high?);
    let text = format!(
        "from {words} the class is guessed wrongly (AUC {auc:.2}, {high:.2} at most): the classes \
         may be matched in it, film by film, or it is luck; that probe rules no shortcut out"
    );
    (high < 0.5).then(|| finding("matched-classes", text))
}

/// Labels dealt anew to the groups are predicted, as when folds tear groups that are
/// known: no other probe can be believed. Of persons whom nobody knows it tells nothing.
pub fn not_chance(shuffled: &Probe) -> Option<Finding> {
    let (auc, low) = (shuffled.auc?, shuffled.low?);
    let text = format!(
        "even labels dealt anew to the persons are predicted with AUC {auc:.2}: what is left out \
         of a fold is known from the others, and no figure here can be believed"
    );
    (low > 0.5).then(|| finding("shuffled-labels-predicted", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tutorials_flaws_are_named() {
        let text = |finding: Option<Finding>| finding.unwrap().text;
        let pneumonia = text(pneumonia("normal", 18, 25));
        assert!(
            pneumonia.starts_with("18 of 25 films of `normal` are pneumonia by"),
            "{pneumonia}"
        );
        let leaks = text(leaks(&["a".into(), "b".into()], 3, 10));
        assert!(leaks.starts_with("2 patients stand both in training and in test, on 3 of 10"));
        assert!(text(few_test_films("covid", 5)).ends_with("from 0.57 to 1"));
        assert!(text(unpooled(16, 49, None)).starts_with("the head pools 16 of the 49 cells"));
        assert_eq!(text(unpooled(16, 49, Some("x".into()))), "x");
        assert!(text(heat_outside(0.6, 0.4375)).starts_with("60 % of the heat"));
        assert!(text(source_is_class(1.0)).contains("V 1.00"));
    }

    #[test]
    fn what_is_fine_is_not_named() {
        assert_eq!(pneumonia("normal", 0, 25), None);
        assert_eq!(leaks(&[], 0, 10), None);
        assert_eq!(few_test_films("covid", 100), None);
        assert_eq!(source_is_class(0.3), None);
        assert_eq!(unknown_patients(0, 9, false), None);
        assert_eq!(unpooled(49, 49, None), None);
        assert_eq!(heat_outside(0.2, 0.4375), None);
        let fair =
            Probe { auc: Some(0.47), low: Some(0.3), high: Some(0.6), n: 9, ..Probe::default() };
        assert_eq!(below_chance("file attributes", &fair), None);
        let matched = Probe { high: Some(0.2), ..fair.clone() };
        let text = below_chance("file attributes", &matched).unwrap().text;
        assert!(text.starts_with("from file attributes the class is guessed wrongly (AUC 0.47"));
        assert_eq!(not_chance(&fair), None);
        assert!(not_chance(&Probe { auc: Some(0.8), low: Some(0.7), ..fair }).is_some());
    }
}
