//! Model, evaluations, audit and calibration for the report.

use std::collections::BTreeMap;

use super::Files;
use crate::artifact::crossval::{CrossValidation, Spread};
use crate::artifact::features::{Extractor, Features};
use crate::artifact::metrics::{ClassMetrics, Metrics};
use crate::artifact::{audit, model};
use crate::audit::{Answer, PROBES, Probe};
use crate::backbone::{IMAGENET_FINGERPRINT, Pooling};
use crate::metrics::{self, Method, Rate};
use crate::report::{Audit, Calibration, ClassFigures, Estimate, Model, Performance};

/// Headline metrics: key in the artifacts, name in the report.
const HEADLINE: [(&str, &str); 4] = [
    ("accuracy", "Accuracy"),
    ("sensitivity", "Sensitivity"),
    ("specificity", "Specificity"),
    ("roc_auc", "Area under the ROC curve"),
];

/// Other metrics: key in the artifacts, name in the report.
const MORE: [(&str, &str); 13] = [
    ("balanced_accuracy", "Balanced accuracy"),
    ("f1", "F1"),
    ("mcc", "Matthews correlation"),
    ("average_precision", "Average precision"),
    ("ppv_at_prevalence", "Positive predictive value"),
    ("npv_at_prevalence", "Negative predictive value"),
    ("macro_f1", "F1, mean of the classes"),
    ("macro_roc_auc", "Area under the ROC curve, mean of the classes"),
    ("macro_average_precision", "Average precision, mean of the classes"),
    ("macro_brier", "Brier score of all classes"),
    ("brier", "Brier score"),
    ("log_loss", "Log loss"),
    ("expected_calibration_error", "Expected calibration error"),
];

/// Metrics with values outside 0 to 1, without a bar of that scale in the report.
const OTHER_SCALE: [&str; 3] = ["mcc", "log_loss", "macro_brier"];

/// Decision rule without a threshold, also of a bundle.
const ARGMAX: &str = "An image is predicted as its most probable class, as by the final model.";

/// Returns the decision rule of the images in the image browser as a sentence, and the lowest
/// and highest threshold on the probability of the positive class; none for argmax.
pub fn decision(files: &Files) -> (String, Option<(f64, f64)>) {
    let chosen = files.crossval.as_ref().filter(|_| files.out_of_fold.is_some());
    let threshold = chosen.and_then(|c| {
        let chosen = c.threshold.chosen?;
        Some((&c.positive, chosen.min?, chosen.max?))
    });
    match threshold {
        Some((positive, low, high)) => (
            format!(
                "An image is predicted as {positive} if its probability of {positive} reaches the \
                 threshold chosen on the other folds ({low:.2} to {high:.2})."
            ),
            Some((low, high)),
        ),
        None => ("An image is predicted as its most probable class.".to_owned(), None),
    }
}

/// Returns the evaluations: cross-validation first, then the test images.
pub fn performance(files: &Files) -> Vec<Performance> {
    let augmented = files.features.as_ref().and_then(augmentation);
    let crossval = files.crossval.as_ref().map(|c| crossval(c, augmented.as_deref()));
    let test = files.metrics.as_ref().map(|metrics| test(metrics, files));
    crossval.into_iter().chain(test).collect()
}

/// Returns the augmentation of the final model's training images as text; none without
/// augmentation.
fn augmentation(features: &Features) -> Option<String> {
    let Features { rotations, degrees, .. } = features;
    (*degrees > 0.0)
        .then(|| format!("{rotations} rotations of each image by up to {degrees} degrees"))
}

fn crossval(c: &CrossValidation, augmented: Option<&str>) -> Performance {
    let note = |name: &str| if name.contains("_at_") { "at the assumed prevalence" } else { "" };
    let runs = c.repeats * c.seeds;
    let rule = match &c.threshold.chosen {
        Some(Spread { min: Some(low), max: Some(high), .. }) => format!(
            "An image is predicted as {} if its probability reaches a threshold chosen on the \
             other folds ({}, {low:.2} to {high:.2}). The final model predicts the most probable \
             class, as on the test images.",
            c.positive, c.threshold.rule
        ),
        _ => ARGMAX.to_owned(),
    };
    let training = match augmented {
        Some(copies) => format!(
            "These heads are trained without augmentation, the final model on {copies}: its \
             performance may differ."
        ),
        None => "These heads and the final model are trained without augmentation.".to_owned(),
    };
    Performance {
        on: "cross-validation".to_owned(),
        how: format!(
            "Each of the {} images was predicted by heads that were trained on images of other \
             patients (folds: {}, repeats: {}, predictions per image: {runs}). Bootstrap intervals \
             resample patients, not images. {training} {rule}",
            c.images, c.folds, c.repeats
        ),
        images: c.images,
        patients: c.groups,
        headline: HEADLINE
            .iter()
            .filter_map(|n| score(&c.pooled, n, ""))
            .map(|e| of_positive(e, &c.classes, &c.positive))
            .collect(),
        more: MORE
            .iter()
            .filter_map(|n| score(&c.pooled, n, note(n.0)))
            .map(|e| of_positive(e, &c.classes, &c.positive))
            .collect(),
        by_class: by_class(&c.classes, &c.by_class, "predictions"),
    }
}

fn test(metrics: &Metrics, files: &Files) -> Performance {
    let Metrics { images, patients, unknown, positive, .. } = metrics;
    let leaking = files.split.as_ref().map_or(0, |split| split.leaking.len());
    let who = match unknown {
        0 => format!("of {patients} patients"),
        unknown => format!("{unknown} without patient ID, the others of {patients} patients"),
    };
    let leak = match leaking {
        0 => "",
        _ => "; some of these patients are also in the training set",
    };
    let mut headline = vec![
        rate("Accuracy", &metrics.accuracy, "images correctly classified"),
        rate(
            "Sensitivity",
            &metrics.sensitivity,
            &format!("{positive} images classified as {positive}"),
        ),
        rate("Specificity", &metrics.specificity, "negative images classified as negative"),
    ];
    headline.extend(score(&metrics.scores, &HEADLINE[3], ""));
    let with_class = |e: Estimate| of_positive(e, &metrics.classes, positive);
    let at = format!("at a prevalence of {:.0} %", 100.0 * metrics.prevalence);
    let note = |name: &str| if name.contains("_at_") { at.clone() } else { String::new() };
    Performance {
        on: "test images".to_owned(),
        how: format!("The {images} images of the test set, {who}{leak}. {ARGMAX}"),
        images: *images,
        patients: *patients,
        headline: headline.into_iter().map(with_class).collect(),
        more: MORE
            .iter()
            .filter_map(|n| score(&metrics.scores, n, &note(n.0)))
            .map(with_class)
            .collect(),
        by_class: by_class(&metrics.classes, &metrics.by_class, "images"),
    }
}

/// Metrics of the positive class against the rest.
const ONE_VS_REST: [&str; 8] = [
    "Sensitivity",
    "Specificity",
    "Area under the ROC curve",
    "Average precision",
    "Positive predictive value",
    "Negative predictive value",
    "F1",
    "Brier score",
];

/// Adds the positive class to the name of a one-vs-rest metric if there are more than two
/// classes.
fn of_positive(e: Estimate, classes: &[String], positive: &str) -> Estimate {
    match classes.len() > 2 && ONE_VS_REST.contains(&e.name.as_str()) {
        true => Estimate { name: format!("{}, {positive} against the rest", e.name), ..e },
        false => e,
    }
}

/// Returns a proportion with its counts as note.
fn rate(name: &str, rate: &Rate, of: &str) -> Estimate {
    Estimate {
        name: name.to_owned(),
        value: rate.value,
        low: rate.value.map(|_| rate.low),
        high: rate.value.map(|_| rate.high),
        unit_scale: true,
        note: match rate.of {
            0 => "there are no such images".to_owned(),
            _ => format!("{} of {} {of}", rate.hits, rate.of),
        },
    }
}

/// Returns the metrics of each class against the rest. Areas and Brier scores are left out for
/// two classes, where they are those of the other class, or of all images.
fn by_class(
    classes: &[String],
    metrics: &BTreeMap<String, ClassMetrics>,
    of: &str,
) -> Vec<ClassFigures> {
    let figures = |class: &String| {
        let metrics = metrics.get(class)?;
        let ClassMetrics { sensitivity, specificity, ppv, npv, .. } = metrics;
        let mut figures = vec![
            rate("Sensitivity", sensitivity, of),
            rate("Specificity", specificity, of),
            rate("Positive predictive value", ppv, of),
            rate("Negative predictive value", npv, of),
        ];
        if classes.len() > 2 {
            let ClassMetrics { roc_auc, average_precision, brier, .. } = metrics;
            figures.extend([
                score_estimate(roc_auc, "roc_auc", "Area under the ROC curve", ""),
                score_estimate(average_precision, "average_precision", "Average precision", ""),
                score_estimate(brier, "brier", "Brier score", ""),
            ]);
        }
        Some(ClassFigures { class: class.clone(), images: metrics.images, figures })
    };
    classes.iter().filter_map(figures).collect()
}

fn score(
    scores: &BTreeMap<String, metrics::Estimate>,
    (name, words): &(&str, &str),
    note: &str,
) -> Option<Estimate> {
    Some(score_estimate(scores.get(*name)?, name, words, note))
}

/// Converts an estimate; `words` is its name in the report.
fn score_estimate(score: &metrics::Estimate, name: &str, words: &str, note: &str) -> Estimate {
    // The method is stated if there is no other note, or if it is not the bootstrap.
    let unusual = score.method.is_some_and(|method| method != Method::Bootstrap);
    let how = score.method_text().filter(|_| note.is_empty() || unusual);
    let notes = [Some(note.to_owned()).filter(|note| !note.is_empty()), how];
    let note = notes.into_iter().flatten().collect::<Vec<_>>().join("; ");
    Estimate {
        name: words.to_owned(),
        value: score.value,
        low: score.interval().map(|(low, _)| low),
        high: score.interval().map(|(_, high)| high),
        unit_scale: !OTHER_SCALE.contains(&name),
        note: match (score.value, score.undefined.as_str()) {
            (Some(_), "") => note,
            (Some(_), why) if note.is_empty() => format!("no interval: {why}"),
            (Some(_), why) => format!("{note}; no interval: {why}"),
            (None, why) => why.to_owned(),
        },
    }
}

/// Returns the shortcut audit.
pub fn audit(audit: &audit::Audit) -> Audit {
    let probes = |probes: &BTreeMap<String, Probe>| {
        let words = PROBES.iter().filter_map(|(name, words)| Some((probes.get(*name)?, words)));
        words.map(|(probe, words)| estimate(words, probe)).collect()
    };
    let answer = match audit.verdict.answer {
        Answer::Shortcut => "shortcut",
        Answer::NoShortcut => "no-shortcut",
        Answer::NothingLearnt => "nothing-learnt",
        Answer::Unknown => "unknown",
    };
    Audit {
        answer: answer.to_owned(),
        text: audit.verdict.text.clone(),
        images: audit.images,
        probes: probes(&audit.probes),
        within: audit.within_source.iter().map(|(s, p)| (s.clone(), probes(p))).collect(),
        findings: audit.findings.iter().map(|finding| finding.text.clone()).collect(),
    }
}

fn estimate(words: &str, probe: &Probe) -> Estimate {
    Estimate {
        name: words.to_owned(),
        value: probe.auc,
        low: probe.high.and(probe.low),
        high: probe.low.and(probe.high),
        unit_scale: true,
        note: if probe.auc.is_none() { probe.undefined.clone() } else { String::new() },
    }
}

/// Returns the facts on the classifier and its training.
pub fn model(model: &model::Model, files: &Files, ood_rates: &str) -> Model {
    let (extractor, training) = (&model.extractor, &model.training);
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut facts = vec![
        fact("Input", format!("{0} × {0} pixels, {1}", extractor.side, extractor.scale)),
        fact(
            "Frozen backbone",
            format!("{}, {}", extractor.backbone.to_uppercase(), weights(extractor)),
        ),
        fact("Pooling", format!("mean of {}, {} features", cells(extractor), extractor.width)),
        fact(
            "Head",
            format!(
                "{} hidden units with ReLU, dropout {}, softmax over {}",
                model.architecture.hidden,
                training.dropout,
                model.classes.join(", ")
            ),
        ),
        fact("Training images", training.images.to_string()),
        fact("Epochs", training.epochs.to_string()),
        fact("Batch size", training.batch_size.to_string()),
        fact("Optimiser", format!("Adam, learning rate {}", training.learning_rate)),
        fact("Loss", loss(model)),
        fact("Seed", training.seed.to_string()),
        fact("Out of distribution", ood_rates.to_owned()),
    ];
    if files.seeds > 1 {
        facts.push(fact("Heads trained", format!("{}; the first is the model", files.seeds)));
    }
    let last = files.history.last().map_or_else(Vec::new, |epoch| {
        vec![
            ("Training loss".to_owned(), epoch.loss),
            ("Training accuracy".to_owned(), epoch.accuracy),
            ("Validation loss".to_owned(), epoch.val_loss),
            ("Validation accuracy".to_owned(), epoch.val_accuracy),
        ]
    });
    Model { facts, weights: model.weights.clone(), seeds: files.seeds, last }
}

/// Returns the weights of the frozen backbone as text.
fn weights(extractor: &Extractor) -> String {
    match extractor.weights.as_str() {
        IMAGENET_FINGERPRINT => "ImageNet weights".to_owned(),
        other => {
            format!("weights with fingerprint {}", other.chars().take(12).collect::<String>())
        }
    }
}

/// Returns the loss as text. For several outputs, Keras averages the binary cross-entropies.
fn loss(model: &model::Model) -> String {
    let loss = model.training.loss;
    match model.classes.len() {
        0..=2 => format!("binary cross-entropy on {loss}"),
        n => {
            format!("mean of {n} binary cross-entropies, each class against the rest, on {loss}")
        }
    }
}

/// Returns the cells of the last feature maps that the head pools, as text.
fn cells(extractor: &Extractor) -> String {
    let all = extractor.side / 32;
    match extractor.pooling {
        Pooling::Tutorial => {
            format!("the upper left 4 × 4 of {all} × {all} cells, as in the tutorial")
        }
        Pooling::Global => format!("all {all} × {all} cells"),
    }
}

/// Returns the calibration of the out-of-fold probabilities.
pub fn calibration(c: &CrossValidation) -> Calibration {
    let calibration = &c.calibration;
    let score = |(name, before): (&String, &Option<f64>)| {
        let words = MORE.iter().find(|(key, _)| key == name).map_or(name.as_str(), |(_, w)| w);
        (words.to_owned(), *before, calibration.after.get(name).copied().flatten())
    };
    Calibration {
        temperature: calibration.temperature,
        worthwhile: calibration.worthwhile().is_some(),
        scores: calibration.before.iter().map(score).collect(),
    }
}
