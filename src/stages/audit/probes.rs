//! Training and evaluation of all probes.

use std::collections::BTreeMap;
use std::convert::Infallible;

use ndarray::{Array2, Axis};

use super::super::stage_inputs;
use super::Settings;
use super::data::Data;
use super::folds::scored_folds;
use super::heads::Heads;
use super::images::Images;
use crate::audit::{Kernel, LUNG_FREE, Probe, max_auc_null};
use crate::cli::{Context, Failure};
use crate::image::Part;

/// Probes by name.
pub type Probes = BTreeMap<String, Probe>;

/// Returns all probes on all images of the audit, and the permutation null of the best probe
/// without lungs. With folds of `cxr crossval`, the probe `model` uses its predictions.
pub fn evaluate(
    ctx: &Context,
    data: &Data,
    images: &Images,
    settings: &Settings,
) -> Result<(Probes, Option<f64>), Failure> {
    let kernels = kernels(ctx, data, images)?;
    let mut probes = kernel_probes(images, &kernels);
    probes.extend(region_probes(ctx, data, images));
    let model = match data.assignment.runs(&images.rows) {
        Some(runs) if images.folds.is_ok() => images.evaluation.evaluate(&scored_folds(&runs)),
        _ => heads(ctx, data, images).probe(&data.features),
    };
    probes.insert("model".to_owned(), model);
    let shuffled = match &images.folds {
        Ok(folds) => {
            let kernel = feature_kernel(&data.features, images);
            images.evaluation.shuffled(&kernel, folds, settings.shuffles)
        }
        Err(reason) => Probe::undefined(images.rows.len(), reason),
    };
    probes.insert("shuffled".to_owned(), shuffled);
    let null = permutation_null(data, images, &kernels, settings.shuffles);
    Ok((probes, null))
}

/// Permutation null of the best probe without lungs; none without folds or permutations. For
/// the border, a kernel classifier replaces the heads, whose training would take minutes.
fn permutation_null(
    data: &Data,
    images: &Images,
    kernels: &BTreeMap<&str, Kernel>,
    shuffles: usize,
) -> Option<f64> {
    let folds = images.folds.as_ref().ok()?;
    let border =
        data.region_features(Part::Border).map(|features| feature_kernel(&features, images));
    let null_aucs = |(name, _): (&str, &str)| {
        let kernel = if name == "border" { border.as_ref() } else { kernels.get(name) };
        Some(images.evaluation.permutation_aucs(kernel?, folds, shuffles))
    };
    max_auc_null(&LUNG_FREE.into_iter().filter_map(null_aucs).collect::<Vec<_>>())
}

/// Gaussian kernel of `features` `[images of the index, width]`.
fn feature_kernel(features: &Array2<f32>, images: &Images) -> Kernel {
    Kernel::gaussian(&features.select(Axis(0), &images.rows).mapv(f64::from))
}

/// Returns the probes trained and tested within each source that has several classes.
pub fn evaluate_by_source(
    ctx: &Context,
    data: &Data,
    images: &Images,
    settings: &Settings,
) -> Result<BTreeMap<String, Probes>, Failure> {
    let mut within = BTreeMap::new();
    for (source, images) in images.by_source(&data.index, &data.assignment, settings, ctx.seed) {
        if images.evaluation.classes > 1 {
            let mut probes = kernel_probes(&images, &kernels(ctx, data, &images)?);
            probes.extend(region_probes(ctx, data, &images));
            let model = heads(ctx, data, &images).probe(&data.features);
            probes.insert("model".to_owned(), model);
            within.insert(source, probes);
        }
    }
    Ok(within)
}

fn heads<'a>(ctx: &Context, data: &'a Data, images: &'a Images) -> Heads<'a> {
    Heads { model: &data.model, images, seed: ctx.seed }
}

/// Probes of the border and the centre, with the model's backbone and retrained heads.
fn region_probes(ctx: &Context, data: &Data, images: &Images) -> Probes {
    let probe = |(name, part): (&str, Part)| {
        let probe = match data.region_features(part) {
            Some(features) => heads(ctx, data, images).probe(&features),
            None => Probe::undefined(images.rows.len(), "`cxr extract` was run without `masks`"),
        };
        (name.to_owned(), probe)
    };
    [("border", Part::Border), ("centre", Part::Centre)].into_iter().map(probe).collect()
}

/// Kernels of the probes that do not use the backbone.
fn kernels(
    ctx: &Context,
    data: &Data,
    images: &Images,
) -> Result<BTreeMap<&'static str, Kernel>, Failure> {
    let mut reader = stage_inputs::images(ctx, &data.index)?;
    let (borders, thumbnails) = images.pixels(&mut reader)?;
    let inputs = [
        ("attributes", images.attributes(&data.index)),
        ("border-pixels", borders),
        ("thumbnail", thumbnails),
    ];
    Ok(inputs.map(|(name, inputs)| (name, Kernel::gaussian(&inputs))).into())
}

/// Probes that do not use the backbone.
fn kernel_probes(images: &Images, kernels: &BTreeMap<&str, Kernel>) -> Probes {
    let targets = images.evaluation.targets();
    let probe = |(name, kernel): (&&str, &Kernel)| {
        let scores = |_, folds: &[usize]| Ok::<_, Infallible>(kernel.out_of_fold(&targets, folds));
        ((*name).to_owned(), images.probe(scores))
    };
    kernels.iter().map(probe).collect()
}
