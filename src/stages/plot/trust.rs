//! Figures on the validity of the performance: seeds, cross-validation and shortcut audit.

use std::collections::BTreeMap;

use super::{Drawn, curves_of, optional};
use crate::artifact::audit::Audit;
use crate::artifact::crossval::CrossValidation;
use crate::artifact::history::{Epoch, SeedEpoch};
use crate::artifact::{Document, read_csv};
use crate::audit::{LUNG_FREE, PROBES, Probe};
use crate::cli::{Context, Failure};
use crate::metrics::Estimate;
use crate::pipeline::Lineage;
use crate::plot::{self, FoldScores, Run, Seeds};

/// Plotted metrics of the cross-validation: key in the artifacts, label.
const MEASURES: [(&str, &str); 5] = [
    ("accuracy", "accuracy"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("roc_auc", "AUC"),
    ("average_precision", "average precision"),
];
/// Maximum number of plotted seeds.
const MAX_SEEDS: usize = 30;

/// Returns the figures of the artifacts that exist.
///
/// # Errors
/// If an artifact is invalid or cannot be read.
pub fn figures<'a>(
    ctx: &Context,
    lineage: &Lineage,
    crossval: Option<&CrossValidation>,
) -> Result<Vec<Drawn<'a>>, Failure> {
    let histories: Option<Vec<SeedEpoch>> =
        optional(ctx, lineage, "train", "histories.csv", |path| {
            read_csv("table of histories", path)
        })?;
    let audit = optional(ctx, lineage, "audit", "audit.json", Audit::read)?;
    let mut figures: Vec<Drawn> = Vec::new();
    if let Some(histories) = histories {
        figures.push(("history-seeds".to_owned(), Ok(Box::new(seeds(&histories)))));
    }
    if let Some(crossval) = crossval {
        figures.push(("crossval".to_owned(), Ok(Box::new(fold_scores(crossval)))));
    }
    if let Some(audit) = audit {
        let drawn = shortcuts(&audit).map(|figure| Box::new(figure) as _);
        figures.push(("audit".to_owned(), drawn));
    }
    Ok(figures)
}

fn seeds(histories: &[SeedEpoch]) -> Seeds {
    let mut by_seed: BTreeMap<u64, Vec<Epoch>> = BTreeMap::new();
    for epoch in histories {
        by_seed.entry(epoch.seed).or_default().push(epoch.epoch());
    }
    let run = |(seed, epochs): (u64, Vec<Epoch>)| Run { seed, epochs: curves_of(&epochs) };
    Seeds { runs: by_seed.into_iter().take(MAX_SEEDS).map(run).collect() }
}

/// Returns the scores of the folds of all runs, and of the pooled predictions.
fn fold_scores(crossval: &CrossValidation) -> plot::CrossValidation {
    let measure = |(name, words): &(&str, &str)| {
        let pooled = crossval.pooled.get(*name)?.clone();
        pooled.value?;
        let fold = |fold: &crate::artifact::crossval::Fold| {
            fold.scores.get(*name).copied().flatten().unwrap_or(f64::NAN)
        };
        Some(FoldScores {
            measure: (*words).to_owned(),
            folds: crossval.by_fold.iter().map(fold).collect(),
            all: pooled,
        })
    };
    let runs = crossval.repeats * crossval.seeds;
    let each = if runs == 1 { "predicted once" } else { &format!("{runs} predictions each") };
    plot::CrossValidation {
        on: format!("{} images, {each}", crossval.images),
        measures: MEASURES.iter().filter_map(measure).collect(),
    }
}

fn shortcuts(audit: &Audit) -> Result<plot::Audit, String> {
    let estimate = |probe: &Probe| {
        let interval = |end: Option<f64>| probe.low.and(probe.high).and(end);
        let (low, high) = (interval(probe.low), interval(probe.high));
        Some(Estimate { value: Some(probe.auc?), low, high, ..Estimate::default() })
    };
    let undefined = |probe: &Probe| format!("the model has no AUC: {}", probe.undefined);
    let model = audit.probes.get("model").ok_or("the audit has no probe of the model")?;
    let probe = |(name, words): &(&str, &str)| {
        let auc = audit.probes.get(*name).and_then(estimate)?;
        let lung_free = LUNG_FREE.iter().any(|(free, _)| free == name);
        Some(plot::Probe { name: (*words).to_owned(), auc, lung_free })
    };
    let probes = PROBES.iter().filter(|(name, _)| *name != "model");
    Ok(plot::Audit {
        model: estimate(model).ok_or_else(|| undefined(model))?,
        probes: probes.filter_map(probe).collect(),
    })
}
