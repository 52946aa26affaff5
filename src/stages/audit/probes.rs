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
use crate::audit::{Kernel, Probe};
use crate::cli::{Context, Failure};
use crate::image::Part;

/// Probes by name.
pub type Probes = BTreeMap<String, Probe>;

/// Every probe on all films of the audit. The model is what the cross-validation says,
/// where that dealt the films.
pub fn on_all(
    ctx: &Context,
    data: &Data,
    films: &Films,
    settings: &Settings,
) -> Result<Probes, Failure> {
    let mut probes = without_net(ctx, data, films)?;
    probes.extend(through_net(ctx, data, films));
    let model = match data.deals.runs(&films.rows) {
        Some(runs) if films.folds.is_ok() => films.judge.judge(&judged(&runs)),
        _ => heads(ctx, data, films).probe(&data.features),
    };
    probes.insert("model".to_owned(), model);
    let features = data.features.select(Axis(0), &films.rows).mapv(f64::from);
    let shuffled = match films.folds.as_deref() {
        Ok([folds, ..]) => {
            films.judge.shuffled(&Kernel::gaussian(&features), folds, settings.shuffles)
        }
        Ok([]) => Probe::undefined(films.rows.len(), "there are no folds"),
        Err(reason) => Probe::undefined(films.rows.len(), reason),
    };
    probes.insert("shuffled".to_owned(), shuffled);
    Ok(probes)
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
            let mut probes = without_net(ctx, data, &films)?;
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

/// The probes that need no net.
fn without_net(ctx: &Context, data: &Data, films: &Films) -> Result<Probes, Failure> {
    let mut images = upstream::images(ctx, &data.index)?;
    let (rims, thumbnails) = films.pixels(&mut images)?;
    let inputs = [
        ("attributes", films.attributes(&data.index)),
        ("border-pixels", rims),
        ("thumbnail", thumbnails),
    ];
    let probe = |(name, inputs): (&str, Array2<f64>)| {
        let kernel = Kernel::gaussian(&inputs);
        let targets = films.judge.targets();
        let probe =
            films.probe(|_, folds| Ok::<_, Infallible>(kernel.out_of_fold(&targets, folds)));
        (name.to_owned(), probe)
    };
    Ok(inputs.into_iter().map(probe).collect())
}
