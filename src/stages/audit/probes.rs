//! Which probes are asked.

use std::collections::BTreeMap;
use std::convert::Infallible;

use ndarray::{Array2, Axis};

use super::super::upstream;
use super::Settings;
use super::data::Data;
use super::deals::judged;
use super::films::Films;
use super::heads::Heads;
use crate::audit::{Kernel, LUNG_FREE, Probe, best_by_luck};
use crate::cli::{Context, Failure};
use crate::image::Part;

/// Probes by name.
pub type Probes = BTreeMap<String, Probe>;

/// Every probe on all films of the audit, and what the best of those without lungs reaches
/// by luck. The model is what the cross-validation says, where that dealt the films.
pub fn on_all(
    ctx: &Context,
    data: &Data,
    films: &Films,
    settings: &Settings,
) -> Result<(Probes, Option<f64>), Failure> {
    let kernels = kernels(ctx, data, films)?;
    let mut probes = without_net(films, &kernels);
    probes.extend(through_net(ctx, data, films));
    let model = match data.deals.runs(&films.rows) {
        Some(runs) if films.folds.is_ok() => films.judge.judge(&judged(&runs)),
        _ => heads(ctx, data, films).probe(&data.features),
    };
    probes.insert("model".to_owned(), model);
    let shuffled = match &films.folds {
        Ok(deals) => {
            films.judge.shuffled(&of_features(&data.features, films), deals, settings.shuffles)
        }
        Err(reason) => Probe::undefined(films.rows.len(), reason),
    };
    probes.insert("shuffled".to_owned(), shuffled);
    let luck = luck(data, films, &kernels, settings.shuffles);
    Ok((probes, luck))
}

/// What the best of the probes without lungs reaches by luck. Of the border's features a
/// kernel classifier stands for the heads, which would take minutes.
fn luck(
    data: &Data,
    films: &Films,
    kernels: &BTreeMap<&str, Kernel>,
    shuffles: usize,
) -> Option<f64> {
    let deals = films.folds.as_ref().ok()?;
    let border = data.part(Part::Border).map(|features| of_features(&features, films));
    let by_luck = |(name, _): (&str, &str)| {
        let kernel = if name == "border" { border.as_ref() } else { kernels.get(name) };
        Some(films.judge.by_luck(kernel?, deals, shuffles))
    };
    best_by_luck(&LUNG_FREE.into_iter().filter_map(by_luck).collect::<Vec<_>>())
}

/// The kernel of `features` `[films of the index, width]`.
fn of_features(features: &Array2<f32>, films: &Films) -> Kernel {
    Kernel::gaussian(&features.select(Axis(0), &films.rows).mapv(f64::from))
}

/// The probes on the films of each source that holds several classes, learnt from these
/// alone.
pub fn within_source(
    ctx: &Context,
    data: &Data,
    films: &Films,
    settings: &Settings,
) -> Result<BTreeMap<String, Probes>, Failure> {
    let mut within = BTreeMap::new();
    for (source, films) in films.by_source(&data.index, &data.deals, settings, ctx.seed) {
        if films.judge.classes > 1 {
            let mut probes = without_net(&films, &kernels(ctx, data, &films)?);
            probes.extend(through_net(ctx, data, &films));
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

/// The probes of parts of the films, through the same net and head as the model.
fn through_net(ctx: &Context, data: &Data, films: &Films) -> Probes {
    let probe = |(name, part): (&str, Part)| {
        let probe = match data.part(part) {
            Some(features) => heads(ctx, data, films).probe(&features),
            None => Probe::undefined(films.rows.len(), "`cxr extract` was run without `masks`"),
        };
        (name.to_owned(), probe)
    };
    [("border", Part::Border), ("centre", Part::Centre)].into_iter().map(probe).collect()
}

/// What the probes that need no net see.
fn kernels(
    ctx: &Context,
    data: &Data,
    films: &Films,
) -> Result<BTreeMap<&'static str, Kernel>, Failure> {
    let mut images = upstream::images(ctx, &data.index)?;
    let (rims, thumbnails) = films.pixels(&mut images)?;
    let inputs = [
        ("attributes", films.attributes(&data.index)),
        ("border-pixels", rims),
        ("thumbnail", thumbnails),
    ];
    Ok(inputs.map(|(name, inputs)| (name, Kernel::gaussian(&inputs))).into())
}

/// The probes that need no net.
fn without_net(films: &Films, kernels: &BTreeMap<&str, Kernel>) -> Probes {
    let targets = films.judge.targets();
    let probe = |(name, kernel): (&&str, &Kernel)| {
        let scores = |_, folds: &[usize]| Ok::<_, Infallible>(kernel.out_of_fold(&targets, folds));
        ((*name).to_owned(), films.probe(scores))
    };
    kernels.iter().map(probe).collect()
}
