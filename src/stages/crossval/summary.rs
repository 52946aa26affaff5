//! Printed summary of a cross-validation.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::artifact::crossval::{CrossValidation, Spread};
use crate::metrics::Estimate;

/// Summary of a cross-validation.
#[derive(Debug, Serialize)]
pub struct Summary(pub CrossValidation);

/// Printed metrics with their labels.
const SHOWN: [(&str, &str); 6] = [
    ("accuracy", "acc"),
    ("balanced_accuracy", "balanced acc"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("roc_auc", "roc auc"),
    ("expected_calibration_error", "calibration err"),
];

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(CrossValidation { images, groups, folds, repeats, seeds, threshold, .. }) = self;
        let Self(CrossValidation { pooled, across_folds, calibration, grouped_by, .. }) = self;
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        writeln!(
            f,
            "{images} images in {groups} groups (by {grouped_by}), {folds} folds, {repeats} \
             repeat{}, {seeds} head{} per fold, trained on unrotated images",
            plural(*repeats),
            plural(*seeds)
        )?;
        let digits = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.4}"));
        writeln!(f, "{:15}  pooled  95 % interval     mean of folds  sd", "")?;
        for (key, name) in SHOWN {
            let (Estimate { value, low, high, .. }, folds) = (&pooled[key], &across_folds[key]);
            let interval = format!("{} to {}", digits(*low), digits(*high));
            let (value, mean, sd) = (digits(*value), digits(folds.mean), digits(folds.sd));
            writeln!(f, "{name:15}  {value:6}  {interval:16}  {mean:13}  {sd}")?;
        }
        if let Some(Spread { min, max, .. }) = &threshold.chosen {
            let (rule, min, max) = (&threshold.rule, digits(*min), digits(*max));
            writeln!(f, "threshold by {rule}, chosen on training folds: {min} to {max}")?;
        }
        let Some(temperature) = calibration.temperature else {
            return write!(f, "temperature undefined: {}", calibration.undefined);
        };
        let scaled = |name: &str| {
            let value = |scores: &BTreeMap<String, Option<f64>>| digits(scores[name]);
            format!("{}, scaled {}", value(&calibration.before), value(&calibration.after))
        };
        let (error, loss) = (scaled("expected_calibration_error"), scaled("log_loss"));
        writeln!(f, "temperature {temperature:.2}: calibration error {error}; log loss {loss}")?;
        match calibration.worthwhile() {
            Some(_) => {
                write!(f, "the temperature lowers the log loss of folds that did not fit it")?
            }
            None => write!(
                f,
                "the temperature does not lower the log loss of folds that did not fit it: \
                 a bundle does not use it"
            )?,
        }
        match calibration.unscaled {
            0 => Ok(()),
            n => write!(f, "\nfolds without a temperature: {n} of {}", folds * repeats * seeds),
        }
    }
}
