//! The net over the films that the cache lacks, and the arrays of them all.

use super::WIDTH;
use super::films::{Film, Source, View, load};
use crate::backbone::Vgg16;
use crate::cli::{Context, Failure};
use crate::image::Part;
use crate::io::cache::{Cache, Entry};
use crate::io::npy::Writer;
use crate::pipeline::Job;

/// Numbers that the rows of `bank.npy` may take in memory while it is written.
const BLOCK: usize = 1 << 24;

/// Puts the features of `todo` in the cache, film by film, so that what is done
/// stays done. Returns the number of images that went through the net.
pub fn compute(
    ctx: &Context,
    source: &mut Source,
    net: &Vgg16,
    batch: usize,
    todo: &[&Film],
    cache: &Cache,
) -> Result<usize, Failure> {
    let mut views: Vec<(&Film, View)> = Vec::new();
    for film in todo {
        views.extend(film.views.iter().map(|view| (*film, *view)));
    }
    let bar = ctx.ui.progress("extract", views.len(), "images");
    let mut features = Vec::new();
    for batch in views.chunks(batch) {
        let pooled = net.pooled(load(source, batch)?.view());
        for ((film, _), row) in batch.iter().zip(pooled.rows()) {
            features.extend(row);
            if features.len() == film.len() {
                cache.put(&film.key, &features)?;
                features.clear();
            }
        }
        bar.add(batch.len());
    }
    Ok(views.len())
}

/// The features of a film, which were put in the cache.
fn kept(source: &Source, film: &Film, cache: &Cache) -> Result<Vec<f32>, Failure> {
    match cache.get(&film.key, film.len())? {
        Entry::Hit(features) => Ok(features),
        _ => {
            let path = &source.index.rows[film.row].path;
            Err(Failure::new(format!("the features of `{path}` vanished from the cache"))
                .hint("run it again, and let nothing clear the cache meanwhile"))
        }
    }
}

/// Writes `masked.npy` from the cache.
pub fn write_masked(
    job: &Job,
    source: &Source,
    films: &[&Film],
    cache: &Cache,
) -> Result<(), Failure> {
    let mut out = Writer::<f32>::create(&job.path("masked.npy")?, &[films.len(), WIDTH])?;
    for part in 0..Part::ALL.len() {
        let mut rows = Vec::with_capacity(films.len() * WIDTH);
        for film in films {
            rows.extend_from_slice(&kept(source, film, cache)?[part * WIDTH..][..WIDTH]);
        }
        out.push(&rows)?;
    }
    out.finish()?;
    Ok(())
}

/// Writes `features.npy` and `bank.npy` from the cache.
pub fn write(
    job: &Job,
    source: &Source,
    films: &[&Film],
    rotations: usize,
    cache: &Cache,
) -> Result<(), Failure> {
    let mut out = Writer::<f32>::create(&job.path("features.npy")?, &[WIDTH])?;
    for film in films {
        out.push(&kept(source, film, cache)?[..WIDTH])?;
    }
    out.finish()?;
    let train = &source.split.train;
    let mut out = Writer::<f32>::create(&job.path("bank.npy")?, &[train.len(), WIDTH])?;
    let block = (BLOCK / (train.len() * WIDTH)).clamp(1, rotations);
    for first in (0..rotations).step_by(block) {
        let mut bank = vec![Vec::new(); block.min(rotations - first)];
        for &row in train {
            let features = kept(source, films[row], cache)?;
            let rotated = features.chunks_exact(WIDTH).skip(1 + first);
            bank.iter_mut().zip(rotated).for_each(|(bank, row)| bank.extend(row));
        }
        out.push(&bank.concat())?;
    }
    out.finish()?;
    Ok(())
}
