//! Figures to test with: one of each kind, and the odd ones.

use super::*;
use crate::metrics::{Estimate, Rate};

const ON: &str = "test set, 42 images";

/// Numbers from 0 to 1 without an obvious pattern.
fn noise(seed: usize) -> impl Iterator<Item = f64> {
    (1..).map(move |i| ((i + 31 * seed) as f64 * 12.9898).sin().abs().fract())
}

fn epochs(seed: usize, count: usize) -> Epochs {
    let curve = |start: f64, end: f64, jitter: f64, salt: usize| -> Vec<f64> {
        let value = |(i, noise): (usize, f64)| {
            end + (start - end) * (-(i as f64) / 6.0).exp() + jitter * (noise - 0.5)
        };
        noise(7 * seed + salt).take(count).enumerate().map(value).collect()
    };
    let tenths = |values: Vec<f64>| values.iter().map(|v| (v * 10.0).round() / 10.0).collect();
    Epochs {
        train_loss: curve(0.8, 0.45, 0.06, 1),
        val_loss: curve(0.7, 0.41, 0.03, 2),
        train_acc: curve(0.45, 0.85, 0.1, 3),
        val_acc: tenths(curve(0.5, 0.93, 0.1, 4)),
    }
}

fn estimate(value: f64, low: f64, high: f64) -> Estimate {
    Estimate { value: Some(value), low: Some(low), high: Some(high), ..Estimate::default() }
}

fn history(epochs: Epochs) -> History {
    History { title: "Training Loss and Accuracy on COVID-19 Dataset".into(), epochs }
}

fn confusion(classes: &[&str], counts: &[&[u64]]) -> Confusion {
    let rate = |(i, row): (usize, &&[u64])| Rate::new(row[i], row.iter().sum());
    Confusion {
        on: ON.into(),
        classes: classes.iter().map(|&class| class.into()).collect(),
        counts: counts.iter().map(|row| row.to_vec()).collect(),
        sensitivity: counts.iter().enumerate().map(rate).collect(),
    }
}

/// Of so many classes, most of them predicted right.
fn many_classes(count: usize) -> Confusion {
    let row = |i: usize| (0..count).map(|j| if i == j { 20 } else { (i * j % 3) as u64 }).collect();
    let counts: Vec<Vec<u64>> = (0..count).map(row).collect();
    let counts: Vec<&[u64]> = counts.iter().map(Vec::as_slice).collect();
    let names: Vec<String> = (0..count).map(|i| format!("finding of kind {i}")).collect();
    confusion(&names.iter().map(String::as_str).collect::<Vec<_>>(), &counts)
}

fn seeds(count: usize) -> Seeds {
    Seeds { runs: (0..count).map(|i| Run { seed: 42 + i as u64, epochs: epochs(i, 25) }).collect() }
}

fn class_curve(class: &str, shape: impl Fn(f64) -> f64, area: Estimate) -> ClassCurve {
    let points: Vec<_> = (0..=20).map(|i| f64::from(i) / 20.0).map(|x| (x, shape(x))).collect();
    let band = points.iter().map(|&(x, y)| (x, (y - 0.1).max(0.0), (y + 0.06).min(1.0)));
    ClassCurve {
        class: class.into(),
        band: band.collect(),
        area,
        operating: Some(points[5]),
        prevalence: 0.3,
        points,
    }
}

fn roc() -> Roc {
    let curve = class_curve("covid", |x| x.powf(0.2), estimate(0.83, 0.76, 0.9));
    Roc { on: ON.into(), curves: vec![curve], mean: None }
}

fn roc_of(classes: &[&str]) -> Roc {
    let curve = |(i, class): (usize, &&str)| {
        let power = 0.1 + 0.05 * i as f64;
        class_curve(class, |x| x.powf(power), estimate(1.0 / (1.0 + power), 0.7, 0.95))
    };
    let curves = classes.iter().enumerate().map(curve).collect();
    Roc { on: ON.into(), curves, mean: Some(estimate(0.86, 0.8, 0.92)) }
}

fn precision_recall() -> PrecisionRecall {
    let curve = class_curve("covid", |x| 1.0 - 0.7 * x.powi(4), estimate(0.86, 0.8, 0.92));
    PrecisionRecall { on: ON.into(), curves: vec![curve], mean: None }
}

fn class_bins(class: &str, power: f64) -> ClassBins {
    let bin = |i: usize| {
        let predicted = (i as f64 + 0.5) / 10.0;
        let count = [90, 60, 30, 12, 0, 9, 14, 31, 44, 110][i];
        let hits = (predicted.powf(power) * count as f64).round() as u64;
        let (from, to) = (i as f64 / 10.0, (i + 1) as f64 / 10.0);
        Bin { from, to, predicted, observed: Rate::new(hits, count) }
    };
    ClassBins { class: class.into(), bins: (0..10).map(bin).collect() }
}

fn calibration() -> Calibration {
    let (classes, brier) = (vec![class_bins("covid", 1.5)], estimate(0.083, 0.061, 0.107));
    Calibration { on: ON.into(), classes, brier }
}

fn class_scores(class: &str, scores: Vec<f64>) -> ClassScores {
    let predicted = scores.iter().filter(|score| **score >= 0.5).count();
    ClassScores { class: class.into(), scores, rest: vec![], predicted }
}

fn scores() -> Scores {
    Scores {
        on: ON.into(),
        positive: Some("covid".into()),
        threshold: Threshold::One(0.5),
        classes: vec![
            class_scores("covid", noise(1).take(120).map(|v| 1.0 - v * v).collect()),
            class_scores("normal", noise(2).take(280).map(|v| v * v * v).collect()),
        ],
    }
}

fn scores_of(classes: &[&str]) -> Scores {
    let class = |(i, class): (usize, &&str)| ClassScores {
        rest: noise(20 - i).take(80).map(|v| v * v * v).collect(),
        ..class_scores(class, noise(i).take(40).map(|v| 1.0 - v * v).collect())
    };
    Scores {
        on: ON.into(),
        positive: None,
        threshold: Threshold::Argmax,
        classes: classes.iter().enumerate().map(class).collect(),
    }
}

fn fold_scores(measure: &str, folds: &[f64], all: Estimate) -> FoldScores {
    FoldScores { measure: measure.into(), folds: folds.to_vec(), all }
}

fn crossval() -> CrossValidation {
    CrossValidation {
        on: "209 images, 5 predictions each".into(),
        measures: vec![
            fold_scores("accuracy", &[0.9, 0.85, 0.9, 0.95, 0.9], estimate(0.9, 0.85, 0.95)),
            fold_scores("sensitivity", &[1.0, 1.0, 1.0, 0.8, f64::NAN], estimate(0.95, 0.81, 1.0)),
            fold_scores("AUC", &[0.96, 0.92, 0.99, 1.0, 0.94], estimate(0.96, 0.93, 0.99)),
        ],
    }
}

fn probe(name: &str, auc: Estimate, lung_free: bool) -> Probe {
    Probe { name: name.into(), auc, lung_free }
}

fn audit() -> Audit {
    Audit {
        model: estimate(0.95, 0.9, 0.99),
        probes: vec![
            probe("border of 2 pixels", estimate(0.98, 0.94, 1.0), true),
            probe("file attributes", estimate(0.99, 0.96, 1.0), true),
            probe("shuffled labels", estimate(0.46, 0.31, 0.61), false),
        ],
    }
}

/// A grey ramp in the shape of an image.
static IMAGE: [u8; 40 * 30 * 3] = {
    let mut image = [0; 40 * 30 * 3];
    let mut at = 0;
    while at < image.len() {
        image[at] = (at / 3 % 40 * 6) as u8;
        at += 1;
    }
    image
};

fn sheet(count: usize, saliency: bool) -> Sheet<'static> {
    let image = Pixels { width: 40, height: 30, rgb: &IMAGE };
    let tile = |i: usize| Tile {
        image,
        saliency: saliency.then_some(image),
        caption: vec![format!("patient {i}"), "normal/NORMAL2-IM-0995-0001-0001.jpeg".into()],
    };
    Sheet {
        name: if saliency { "errors".into() } else { "samples-covid".into() },
        title: "Samples of covid".into(),
        subtitle: format!("{count} of 25 images"),
        tiles: (0..count).map(tile).collect(),
    }
}

fn saliency(cells: usize, pooled: usize) -> Saliency<'static> {
    let overlay = |label: &str| Overlay {
        label: label.into(),
        note: "Grad-CAM of covid, probability 0.93, at the last convolution".into(),
        cells,
        saliency: noise(cells).take(cells * cells).map(|value| (value - 0.2) as f32).collect(),
        pooled: (pooled, cells),
    };
    Saliency {
        name: "saliency".into(),
        title: "covid/patient-7.png".into(),
        subtitle: "covid predicted as covid, probability 0.93".into(),
        image: Pixels { width: 40, height: 30, rgb: &IMAGE },
        centre: (0.15, 0.85),
        overlays: vec![overlay("Grad-CAM"), overlay("occlusion")],
    }
}

/// One figure of each kind.
pub fn usual() -> Vec<Box<dyn Figure>> {
    vec![
        Box::new(history(epochs(1, 25))),
        Box::new(seeds(4)),
        Box::new(confusion(&["covid", "normal"], &[&[5, 0], &[1, 4]])),
        Box::new(roc()),
        Box::new(precision_recall()),
        Box::new(calibration()),
        Box::new(scores()),
        Box::new(crossval()),
        Box::new(audit()),
        Box::new(sheet(7, false)),
        Box::new(saliency(7, 5)),
    ]
}

/// Little data, much data, long names, nothing at all.
pub fn edges() -> Vec<Box<dyn Figure>> {
    const LONG: &str = "bacterial pneumonia of unknown origin & <other> findings";
    let diverged = Epochs { val_loss: vec![0.5, f64::NAN, 120.0], ..epochs(2, 3) };
    let mut figures: Vec<Box<dyn Figure>> = vec![
        Box::new(history(Epochs::default())),
        Box::new(history(epochs(1, 1))),
        Box::new(history(epochs(1, 2))),
        Box::new(History { title: LONG.repeat(3), epochs: diverged }),
        Box::new(confusion(&["covid"], &[&[5]])),
        Box::new(confusion(&["covid", LONG, "x"], &[&[105, 3, 20], &[0, 0, 0], &[1, 0, 1234]])),
        Box::new(many_classes(13)),
        Box::new(many_classes(60)),
        Box::new(Roc {
            curves: vec![ClassCurve {
                class: LONG.into(),
                band: vec![],
                points: vec![(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)],
                area: Estimate::without_interval(1.0, "too few errors"),
                operating: None,
                prevalence: 0.5,
            }],
            ..roc()
        }),
        Box::new(roc_of(&["bacterial", "covid", "normal"])),
        Box::new(roc_of(&[LONG; 12])),
        Box::new(PrecisionRecall {
            curves: vec![ClassCurve {
                class: LONG.into(),
                band: vec![],
                points: vec![(0.0, 1.0), (1.0, 1.0)],
                area: Estimate::without_interval(1.0, "too few errors"),
                operating: None,
                prevalence: 1.0,
            }],
            ..precision_recall()
        }),
        Box::new(PrecisionRecall {
            on: LONG.into(),
            curves: roc_of(&["bacterial", LONG, "normal"]).curves,
            mean: Some(estimate(0.9, 0.8, 0.95)),
        }),
        Box::new(Calibration {
            on: ON.into(),
            classes: vec![ClassBins { class: LONG.into(), bins: vec![] }],
            brier: Estimate::default(),
        }),
        Box::new(Calibration {
            classes: (0..4).map(|i| class_bins(LONG, 0.5 + f64::from(i) / 3.0)).collect(),
            ..calibration()
        }),
        Box::new(Scores {
            positive: Some(LONG.into()),
            threshold: Threshold::One(1.0),
            classes: vec![
                class_scores(LONG, vec![0.0, 1.0]),
                class_scores("b", vec![]),
                class_scores("c", vec![0.5; 4000]),
            ],
            ..scores()
        }),
        Box::new(scores_of(&["bacterial", LONG, "normal"])),
        Box::new(scores_of(&[LONG; 12])),
        Box::new(Scores { threshold: Threshold::PerFold(0.31, 0.62), ..scores() }),
        Box::new(CrossValidation {
            on: LONG.into(),
            measures: vec![fold_scores(LONG, &[1.0; 50], Estimate::without_interval(1.0, ""))],
        }),
        Box::new(Audit {
            model: estimate(0.2, 0.0, 0.9),
            probes: vec![probe(LONG, estimate(0.1, 0.0, 0.3), true)],
        }),
        Box::new(Audit { model: estimate(1.0, 1.0, 1.0), probes: vec![] }),
        Box::new(sheet(0, false)),
        Box::new(sheet(1, true)),
        Box::new(Saliency { title: LONG.repeat(3), subtitle: LONG.repeat(3), ..saliency(4, 4) }),
    ];
    for count in [0, 1, 2, 5, 30] {
        figures.push(Box::new(seeds(count)));
    }
    figures
}
