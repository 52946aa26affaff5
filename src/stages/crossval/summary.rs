use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::artifact::crossval::{CrossValidation, Spread};
use crate::metrics::Estimate;

/// What is said of a cross-validation.
#[derive(Debug, Serialize)]
pub struct Summary(pub CrossValidation);

/// The scores on the screen, and what they are called there.
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
        let Self(CrossValidation { films, groups, folds, repeats, seeds, threshold, .. }) = self;
        let Self(CrossValidation { pooled, across_folds, calibration, grouped_by, .. }) = self;
        let heads = if *seeds == 1 { "head" } else { "heads" };
        writeln!(
            f,
            "{films} films of {groups} groups (by {grouped_by}), {folds} folds, dealt {repeats} \
             times, {seeds} {heads} each, trained on upright films"
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
            return write!(f, "no temperature: {}", calibration.undefined);
        };
        let scaled = |name: &str| {
            let of = |of: &BTreeMap<String, Option<f64>>| digits(of[name]);
            format!("{}, scaled {}", of(&calibration.before), of(&calibration.after))
        };
        let (error, loss) = (scaled("expected_calibration_error"), scaled("log_loss"));
        writeln!(f, "temperature {temperature:.2}: calibration error {error}; log loss {loss}")?;
        match calibration.worthwhile() {
            Some(_) => {
                write!(f, "the temperature lowers the log loss of folds it was not fitted on")?
            }
            None => write!(
                f,
                "the temperature does not lower the log loss of folds it was not fitted on: \
                 a bundle goes without"
            )?,
        }
        match calibration.unscaled {
            0 => Ok(()),
            n => write!(f, "\nno temperature fits {n} of {} folds", folds * repeats * seeds),
        }
    }
}
