//! Figures to test with: one of each kind, and the odd ones.

use super::*;

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
    Estimate { value, low, high }
}

fn history(epochs: Epochs) -> History {
    History { title: "Training Loss and Accuracy on COVID-19 Dataset".into(), epochs }
}

fn confusion(classes: &[&str], counts: &[&[u64]]) -> Confusion {
    Confusion {
        classes: classes.iter().map(|&class| class.into()).collect(),
        counts: counts.iter().map(|row| row.to_vec()).collect(),
    }
}

fn seeds(count: usize) -> Seeds {
    Seeds { runs: (0..count).map(|i| Run { seed: 42 + i as u64, epochs: epochs(i, 25) }).collect() }
}

fn roc() -> Roc {
    let curve: Vec<_> = (0..=20).map(|i| f64::from(i) / 20.0).map(|x| (x, x.powf(0.2))).collect();
    Roc {
        positive: "covid".into(),
        band: Some(
            curve.iter().map(|&(x, y)| (x, y - 0.1 * (1.0 - x), (y + 0.08).min(1.0))).collect(),
        ),
        curve,
        auc: estimate(0.83, 0.76, 0.9),
        operating: Some((0.1, 0.63)),
    }
}

fn precision_recall() -> PrecisionRecall {
    let curve: Vec<_> =
        (0..=20).map(|i| f64::from(i) / 20.0).map(|x| (x, 1.0 - 0.7 * x.powi(4))).collect();
    PrecisionRecall {
        positive: "covid".into(),
        band: Some(curve.iter().map(|&(x, y)| (x, y - 0.1, (y + 0.06).min(1.0))).collect()),
        curve,
        average: estimate(0.86, 0.8, 0.92),
        prevalence: 0.3,
        operating: Some((0.7, 0.83)),
    }
}

fn calibration() -> Calibration {
    let bin = |i: usize| {
        let predicted = (i as f64 + 0.5) / 10.0;
        let observed = predicted.powf(1.5);
        Bin {
            from: i as f64 / 10.0,
            to: (i + 1) as f64 / 10.0,
            count: [90, 60, 30, 12, 0, 9, 14, 31, 44, 110][i],
            predicted,
            observed: estimate(observed, observed - 0.4 * observed * (1.0 - observed), observed),
        }
    };
    Calibration {
        positive: "covid".into(),
        bins: (0..10).map(bin).collect(),
        summary: vec![("Brier score".into(), 0.083)],
    }
}

fn scores() -> Scores {
    let class = |class: &str, scores: Vec<f64>| ClassScores { class: class.into(), scores };
    Scores {
        positive: "covid".into(),
        threshold: 0.5,
        classes: vec![
            class("covid", noise(1).take(120).map(|v| 1.0 - v * v).collect()),
            class("normal", noise(2).take(280).map(|v| v * v * v).collect()),
        ],
    }
}

fn fold_scores(measure: &str, folds: &[f64], all: Estimate) -> FoldScores {
    FoldScores { measure: measure.into(), folds: folds.to_vec(), all }
}

fn crossval() -> CrossValidation {
    CrossValidation {
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

/// A grey ramp in the shape of a film.
static FILM: [u8; 40 * 30 * 3] = {
    let mut film = [0; 40 * 30 * 3];
    let mut at = 0;
    while at < film.len() {
        film[at] = (at / 3 % 40 * 6) as u8;
        at += 1;
    }
    film
};

fn sheet(count: usize, heat: bool) -> Sheet<'static> {
    let film = Pixels { width: 40, height: 30, rgb: &FILM };
    let tile = |i: usize| Tile {
        film,
        heat: heat.then_some(film),
        caption: vec![format!("patient {i}"), "normal/NORMAL2-IM-0995-0001-0001.jpeg".into()],
    };
    Sheet {
        name: if heat { "errors".into() } else { "samples-covid".into() },
        title: "Samples of covid".into(),
        subtitle: format!("{count} of 25 films"),
        tiles: (0..count).map(tile).collect(),
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
        Box::new(Roc {
            positive: LONG.into(),
            band: None,
            curve: vec![(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)],
            operating: None,
            ..roc()
        }),
        Box::new(PrecisionRecall {
            positive: LONG.into(),
            band: None,
            curve: vec![(0.0, 1.0), (1.0, 1.0)],
            ..precision_recall()
        }),
        Box::new(Calibration { positive: LONG.into(), bins: vec![], summary: vec![] }),
        Box::new(Scores {
            positive: LONG.into(),
            threshold: 1.0,
            classes: vec![
                ClassScores { class: LONG.into(), scores: vec![0.0, 1.0] },
                ClassScores { class: "b".into(), scores: vec![] },
                ClassScores { class: "c".into(), scores: vec![0.5; 4000] },
            ],
        }),
        Box::new(CrossValidation {
            measures: vec![fold_scores(LONG, &[1.0; 50], estimate(1.0, 1.0, 1.0))],
        }),
        Box::new(Audit {
            model: estimate(0.2, 0.0, 0.9),
            probes: vec![probe(LONG, estimate(0.1, 0.0, 0.3), true)],
        }),
        Box::new(Audit { model: estimate(1.0, 1.0, 1.0), probes: vec![] }),
        Box::new(sheet(0, false)),
        Box::new(sheet(1, true)),
    ];
    for count in [0, 1, 2, 5, 30] {
        figures.push(Box::new(seeds(count)));
    }
    figures
}
