//! Figures of predictions: of the positive class of two classes, or of each of several classes
//! against the rest. All values are stored estimates.

use super::Drawing;
use super::evaluated::Evaluated;
use crate::artifact::curves::CalibrationBin;
use crate::artifact::metrics::ClassMetrics;
use crate::metrics::Estimate;
use crate::plot::{
    Bin, Calibration, ClassBins, ClassCurve, ClassScores, Confusion, MOST_CLASSES, PrecisionRecall,
    Roc, Scores,
};

/// Minimum number of images of a class, and of the rest, for a curve over thresholds.
const MIN_OF_CLASS: usize = 5;
/// Minimum number of images for a calibration curve.
const MIN_CALIBRATION: usize = 20;

/// Function that returns a figure, or the reason why it is omitted.
pub type Curve = fn(&Evaluated) -> Result<Drawing<'static>, String>;

/// Refuses figures of more than [`MOST_CLASSES`] classes.
fn check_classes(evaluated: &Evaluated) -> Result<(), String> {
    match evaluated.predictions.classes.len() {
        0..=MOST_CLASSES => Ok(()),
        classes => Err(format!(
            "there are {classes} classes, more than {MOST_CLASSES}: the report's table and the JSON \
             have each class against the rest"
        )),
    }
}

/// The curves of a figure.
struct ClassCurves {
    curves: Vec<ClassCurve>,
    /// Evaluated images, and the classes that have no curve.
    on: String,
    /// True if every class to draw has a curve.
    is_complete: bool,
}

/// Returns the curves of the classes with enough images.
fn class_curves<'a>(
    evaluated: &'a Evaluated,
    curve: impl Fn(&'a str, &'a ClassMetrics) -> Option<ClassCurve>,
) -> Result<ClassCurves, String> {
    check_classes(evaluated)?;
    let (mut curves, mut omitted) = (Vec::new(), Vec::new());
    let mut reason = "no class has a curve".to_owned();
    for class in evaluated.drawn() {
        let (name, metrics) = evaluated.class(class);
        let rest = evaluated.images.saturating_sub(metrics.images);
        let has_curves = curves.len();
        if metrics.images < MIN_OF_CLASS {
            reason = format!("`{name}` has {} images, fewer than {MIN_OF_CLASS}", metrics.images);
        } else if rest < MIN_OF_CLASS {
            reason = format!("{rest} images are not of `{name}`, fewer than {MIN_OF_CLASS}");
        } else {
            curves.extend(curve(name, metrics));
        }
        if curves.len() == has_curves {
            omitted.push(name);
        }
    }
    let on = match &omitted[..] {
        _ if curves.is_empty() => return Err(reason),
        [] => evaluated.on.clone(),
        [name] => format!("{}, without a curve for {name}", evaluated.on),
        names => format!("{}, without curves for {} classes", evaluated.on, names.len()),
    };
    Ok(ClassCurves { curves, on, is_complete: omitted.is_empty() })
}

fn prevalence(evaluated: &Evaluated, metrics: &ClassMetrics) -> f64 {
    metrics.images as f64 / evaluated.images.max(1) as f64
}

/// Returns a macro-averaged metric; `None` for two classes.
fn macro_average(evaluated: &Evaluated, name: &str) -> Option<Estimate> {
    evaluated.scores.get(name).cloned()
}

/// Plots sensitivity against false positive rate.
pub fn roc(evaluated: &Evaluated) -> Result<Drawing<'static>, String> {
    let curve = |class: &str, metrics: &ClassMetrics| {
        let roc = metrics.roc.as_ref()?;
        let points = || roc.fpr.iter().copied();
        let intervals = roc.low.iter().zip(&roc.high);
        let specificity = metrics.specificity.value;
        Some(ClassCurve {
            class: class.to_owned(),
            points: points().zip(roc.tpr.iter().copied()).collect(),
            band: points().zip(intervals).map(|(x, (low, high))| (x, *low, *high)).collect(),
            area: metrics.roc_auc.clone(),
            operating: specificity.map(|s| 1.0 - s).zip(metrics.sensitivity.value),
            prevalence: prevalence(evaluated, metrics),
        })
    };
    let ClassCurves { curves, on, is_complete } = class_curves(evaluated, curve)?;
    // The mean is of all classes, so it would not describe some of the curves.
    let mean = macro_average(evaluated, "macro_roc_auc").filter(|_| is_complete);
    Ok(Box::new(Roc { on, curves, mean }))
}

/// Plots precision against sensitivity.
pub fn precision_recall(evaluated: &Evaluated) -> Result<Drawing<'static>, String> {
    let curve = |class: &str, metrics: &ClassMetrics| {
        let curve = metrics.precision_recall.as_ref()?;
        let points = curve.recall.iter().zip(&curve.precision);
        // The last point, at recall 0, has no interval.
        let intervals = curve.recall.iter().zip(curve.low.iter().zip(&curve.high));
        let band = intervals.zip(&curve.thresholds).filter(|(_, threshold)| threshold.is_some());
        let band = band.map(|((x, (low, high)), _)| (*x, *low, *high));
        Some(ClassCurve {
            class: class.to_owned(),
            points: points.rev().map(|(recall, precision)| (*recall, *precision)).collect(),
            band: band.rev().collect(),
            area: metrics.average_precision.clone(),
            operating: metrics.sensitivity.value.zip(metrics.ppv.value),
            prevalence: prevalence(evaluated, metrics),
        })
    };
    let ClassCurves { curves, on, is_complete } = class_curves(evaluated, curve)?;
    let mean = macro_average(evaluated, "macro_average_precision").filter(|_| is_complete);
    Ok(Box::new(PrecisionRecall { on, curves, mean }))
}

/// Plots observed proportion against predicted probability.
pub fn calibration(evaluated: &Evaluated) -> Result<Drawing<'static>, String> {
    check_classes(evaluated)?;
    if evaluated.images < MIN_CALIBRATION {
        return Err(format!("there are {} images, fewer than {MIN_CALIBRATION}", evaluated.images));
    }
    let bin = |bin: &CalibrationBin| Bin {
        from: bin.from,
        to: bin.to,
        predicted: bin.predicted.unwrap_or(0.0),
        observed: bin.observed,
    };
    let drawn = evaluated.drawn();
    let class = |class: &usize| {
        let (name, metrics) = evaluated.class(*class);
        ClassBins { class: name.to_owned(), bins: metrics.calibration.iter().map(bin).collect() }
    };
    let brier = match drawn[..] {
        [one] => evaluated.class(one).1.brier.clone(),
        _ => macro_average(evaluated, "macro_brier").unwrap_or_default(),
    };
    let classes = drawn.iter().map(class).collect();
    Ok(Box::new(Calibration { on: evaluated.on.clone(), classes, brier }))
}

/// Plots the predicted probabilities by true class.
pub fn scores(evaluated: &Evaluated) -> Result<Drawing<'static>, String> {
    check_classes(evaluated)?;
    let (names, rows) = (&evaluated.predictions.classes, &evaluated.predictions.rows);
    let two = names.len() <= 2;
    let class = |class: usize| {
        let column = if two { evaluated.positive } else { class };
        let probabilities = |in_class: bool| {
            let rows = rows.iter().filter(move |row| (row.truth == class) == in_class);
            rows.map(|row| row.probabilities[column]).collect::<Vec<_>>()
        };
        let hits = rows.iter().filter(|row| row.truth == class && row.predicted == column);
        ClassScores {
            class: names[class].clone(),
            scores: probabilities(true),
            rest: if two { Vec::new() } else { probabilities(false) },
            predicted: hits.count(),
        }
    };
    // The positive class comes first.
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|class| two && *class != evaluated.positive);
    Ok(Box::new(Scores {
        on: evaluated.on.clone(),
        positive: two.then(|| names[evaluated.positive].clone()),
        classes: order.into_iter().map(class).collect(),
        threshold: evaluated.threshold,
    }))
}

/// Plots the confusion matrix.
pub fn confusion(evaluated: &Evaluated) -> Result<Drawing<'static>, String> {
    let classes = &evaluated.predictions.classes;
    Ok(Box::new(Confusion {
        on: evaluated.on.clone(),
        classes: classes.clone(),
        counts: evaluated.confusion.rows().to_vec(),
        sensitivity: (0..classes.len()).map(|class| evaluated.class(class).1.sensitivity).collect(),
    }))
}
