//! Training and evaluation of all probes.

use std::collections::BTreeMap;
use std::convert::Infallible;

use ndarray::{Array2, Axis};

use super::super::upstream;
use super::Settings;
use super::data::Data;
use super::films::Films;
use super::folds::scored_folds;
use super::heads::Heads;
use crate::audit::{Kernel, LUNG_FREE, Probe, best_by_luck};
use crate::cli::{Context, Failure};
use crate::image::Part;

/// Probes by name.
pub type Probes = BTreeMap<String, Probe>;

/// Returns all probes on all images of the audit, and the permutation null of the best probe
/// without lungs. With folds of `cxr crossval`, the probe `model` uses its predictions.
pub fn evaluate(
    ctx: &Context,
    data: &Data,
    films: &Films,
    settings: &Settings,
) -> Result<(Probes, Option<f64>), Failure> {
    let kernels = kernels(ctx, data, films)?;
    let mut probes = kernel_probes(films, &kernels);
    probes.extend(region_probes(ctx, data, films));
    let model = match data.assignment.runs(&films.rows) {
        Some(runs) if films.folds.is_ok() => films.evaluation.judge(&scored_folds(&runs)),
        _ => heads(ctx, data, films).probe(&data.features),
    };
    probes.insert("model".to_owned(), model);
    let shuffled = match &films.folds {
        Ok(folds) => {
            let kernel = feature_kernel(&data.features, films);
            films.evaluation.shuffled(&kernel, folds, settings.shuffles)
        }
        Err(reason) => Probe::undefined(films.rows.len(), reason),
    };
    probes.insert("shuffled".to_owned(), shuffled);
    let null = permutation_null(data, films, &kernels, settings.shuffles);
    Ok((probes, null))
}

/// Permutation null of the best probe without lungs; none without folds or permutations. For
/// the border, a kernel classifier replaces the heads, whose training would take minutes.
fn permutation_null(
    data: &Data,
    films: &Films,
    kernels: &BTreeMap<&str, Kernel>,
    shuffles: usize,
) -> Option<f64> {
    let folds = films.folds.as_ref().ok()?;
    let border =
        data.region_features(Part::Border).map(|features| feature_kernel(&features, films));
    let null_aucs = |(name, _): (&str, &str)| {
        let kernel = if name == "border" { border.as_ref() } else { kernels.get(name) };
        Some(films.evaluation.by_luck(kernel?, folds, shuffles))
    };
    best_by_luck(&LUNG_FREE.into_iter().filter_map(null_aucs).collect::<Vec<_>>())
}

/// Gaussian kernel of `features` `[images of the index, width]`.
fn feature_kernel(features: &Array2<f32>, films: &Films) -> Kernel {
    Kernel::gaussian(&features.select(Axis(0), &films.rows).mapv(f64::from))
}

/// Returns the probes trained and tested within each source that has several classes.
pub fn evaluate_by_source(
    ctx: &Context,
    data: &Data,
    films: &Films,
    settings: &Settings,
) -> Result<BTreeMap<String, Probes>, Failure> {
    let mut within = BTreeMap::new();
    for (source, films) in films.by_source(&data.index, &data.assignment, settings, ctx.seed) {
        if films.evaluation.classes > 1 {
            let mut probes = kernel_probes(&films, &kernels(ctx, data, &films)?);
            probes.extend(region_probes(ctx, data, &films));
            let model = heads(ctx, data, &films).probe(&data.features);
            probes.insert("model".to_owned(), model);
            within.insert(source, probes);
        }
    }
    Ok(within)
}

fn heads<'a>(ctx: &Context, data: &'a Data, films: &'a Films) -> Heads<'a> {
    Heads { model: &data.model, films, seed: ctx.seed }
}

/// Probes of the border and the centre, with the model's backbone and retrained heads.
fn region_probes(ctx: &Context, data: &Data, films: &Films) -> Probes {
    let probe = |(name, part): (&str, Part)| {
        let probe = match data.region_features(part) {
            Some(features) => heads(ctx, data, films).probe(&features),
            None => Probe::undefined(films.rows.len(), "`cxr extract` was run without `masks`"),
        };
        (name.to_owned(), probe)
    };
    [("border", Part::Border), ("centre", Part::Centre)].into_iter().map(probe).collect()
}

/// Kernels of the probes that do not use the backbone.
fn kernels(
    ctx: &Context,
    data: &Data,
    films: &Films,
) -> Result<BTreeMap<&'static str, Kernel>, Failure> {
    let mut reader = upstream::images(ctx, &data.index)?;
    let (borders, thumbnails) = films.pixels(&mut reader)?;
    let inputs = [
        ("attributes", films.attributes(&data.index)),
        ("border-pixels", borders),
        ("thumbnail", thumbnails),
    ];
    Ok(inputs.map(|(name, inputs)| (name, Kernel::gaussian(&inputs))).into())
}

/// Probes that do not use the backbone.
fn kernel_probes(films: &Films, kernels: &BTreeMap<&str, Kernel>) -> Probes {
    let targets = films.evaluation.targets();
    let probe = |(name, kernel): (&&str, &Kernel)| {
        let scores = |_, folds: &[usize]| Ok::<_, Infallible>(kernel.out_of_fold(&targets, folds));
        ((*name).to_owned(), films.probe(scores))
    };
    kernels.iter().map(probe).collect()
}
