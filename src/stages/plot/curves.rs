//! Figures of predictions: of the positive one of two classes, or of each of several
//! classes against the rest. Every number is read, none is computed.

use super::Drawing;
use super::evaluated::Evaluated;
use crate::artifact::curves::CalibrationBin;
use crate::artifact::metrics::ClassMetrics;
use crate::metrics::Estimate;
use crate::plot::{
    Bin, Calibration, ClassBins, ClassCurve, ClassScores, Confusion, MOST_CLASSES, PrecisionRecall,
    Roc, Scores,
};

/// Least images of a class, and of the rest, for a curve over thresholds.
const LEAST_OF_CLASS: usize = 5;
/// Least images for a calibration figure.
const LEAST_CALIBRATION: usize = 20;

/// Draws a figure, or says why it would say nothing.
pub type Curve = fn(&Evaluated) -> Result<Drawing<'static>, String>;

/// Refuses figures of more classes than have room.
fn room(of: &Evaluated) -> Result<(), String> {
    match of.predictions.classes.len() {
        0..=MOST_CLASSES => Ok(()),
        classes => Err(format!(
            "there are {classes} classes, and the figure has room for {MOST_CLASSES}: the report's \
             table and the JSON have each class against the rest"
        )),
    }
}

/// Classes with enough images, and with a curve.
fn classes<'a>(
    of: &'a Evaluated,
    curve: impl Fn(&'a str, &'a ClassMetrics) -> Option<ClassCurve>,
) -> Result<Vec<ClassCurve>, String> {
    room(of)?;
    let mut curves = Vec::new();
    let mut reason = "no class has a curve".to_owned();
    for class in of.drawn() {
        let (name, metrics) = of.class(class);
        let rest = of.images.saturating_sub(metrics.images);
        if metrics.images < LEAST_OF_CLASS {
            reason = format!("`{name}` has {} images, fewer than {LEAST_OF_CLASS}", metrics.images);
        } else if rest < LEAST_OF_CLASS {
            reason = format!("{rest} images are not of `{name}`, fewer than {LEAST_OF_CLASS}");
        } else {
            curves.extend(curve(name, metrics));
        }
    }
    if curves.is_empty() { Err(reason) } else { Ok(curves) }
}

fn prevalence(of: &Evaluated, metrics: &ClassMetrics) -> f64 {
    metrics.images as f64 / of.images.max(1) as f64
}

/// Mean over all classes of a score of each, where there are more than two.
fn mean(of: &Evaluated, name: &str) -> Option<Estimate> {
    of.scores.get(name).cloned()
}

/// Sensitivity against false positive rate.
pub fn roc(of: &Evaluated) -> Result<Drawing<'static>, String> {
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
            prevalence: prevalence(of, metrics),
        })
    };
    let curves = classes(of, curve)?;
    Ok(Box::new(Roc { on: of.on.clone(), curves, mean: mean(of, "macro_roc_auc") }))
}

/// Precision against sensitivity.
pub fn precision_recall(of: &Evaluated) -> Result<Drawing<'static>, String> {
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
            prevalence: prevalence(of, metrics),
        })
    };
    let curves = classes(of, curve)?;
    let mean = mean(of, "macro_average_precision");
    Ok(Box::new(PrecisionRecall { on: of.on.clone(), curves, mean }))
}

/// Observed proportion against predicted probability.
pub fn calibration(of: &Evaluated) -> Result<Drawing<'static>, String> {
    room(of)?;
    if of.images < LEAST_CALIBRATION {
        return Err(format!("there are {} images, fewer than {LEAST_CALIBRATION}", of.images));
    }
    let bin = |bin: &CalibrationBin| Bin {
        from: bin.from,
        to: bin.to,
        predicted: bin.predicted.unwrap_or(0.0),
        observed: bin.observed,
    };
    let drawn = of.drawn();
    let class = |class: &usize| {
        let (name, metrics) = of.class(*class);
        ClassBins { class: name.to_owned(), bins: metrics.calibration.iter().map(bin).collect() }
    };
    let brier = match drawn[..] {
        [one] => of.class(one).1.brier.clone(),
        _ => mean(of, "macro_brier").unwrap_or_default(),
    };
    let classes = drawn.iter().map(class).collect();
    Ok(Box::new(Calibration { on: of.on.clone(), classes, brier }))
}

/// The predicted probabilities of each class.
pub fn scores(of: &Evaluated) -> Result<Drawing<'static>, String> {
    room(of)?;
    let (names, rows) = (&of.predictions.classes, &of.predictions.rows);
    let two = names.len() <= 2;
    let class = |class: usize| {
        let column = if two { of.positive } else { class };
        let of_class = |is_class: bool| {
            let rows = rows.iter().filter(move |row| (row.truth == class) == is_class);
            rows.map(|row| row.probabilities[column]).collect::<Vec<_>>()
        };
        let hits = rows.iter().filter(|row| row.truth == class && row.predicted == column);
        ClassScores {
            class: names[class].clone(),
            scores: of_class(true),
            rest: if two { Vec::new() } else { of_class(false) },
            predicted: hits.count(),
        }
    };
    // The positive class comes first.
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|class| two && *class != of.positive);
    Ok(Box::new(Scores {
        on: of.on.clone(),
        positive: two.then(|| names[of.positive].clone()),
        classes: order.into_iter().map(class).collect(),
        threshold: of.threshold,
    }))
}

/// True against predicted class.
pub fn confusion(of: &Evaluated) -> Result<Drawing<'static>, String> {
    let classes = &of.predictions.classes;
    Ok(Box::new(Confusion {
        on: of.on.clone(),
        classes: classes.clone(),
        counts: of.confusion.rows().to_vec(),
        sensitivity: (0..classes.len()).map(|class| of.class(class).1.sensitivity).collect(),
    }))
}
