//! The frozen network over the images whose features are not stored, and the arrays of
//! the features of all images.

use super::WIDTH;
use super::films::{Film, Source, View, load};
use super::store::Store;
use crate::backbone::Vgg16;
use crate::cli::{Context, Failure};
use crate::image::Part;
use crate::io::npy::Writer;
use crate::io::tensor::is_plausible;
use crate::pipeline::Job;

/// Numbers that the rows of `bank.npy` may take in memory while it is written.
const BLOCK: usize = 1 << 24;

/// An extraction under way.
pub struct Extraction<'a> {
    pub source: Source,
    pub net: Vgg16,
    /// Images that go through the network at once.
    pub batch: usize,
    pub store: Store<'a>,
}

impl Extraction<'_> {
    /// Stores the features of `films`, image by image, so that a run that is stopped
    /// keeps what it has computed. Returns the number of views that went through the
    /// network.
    pub fn compute(&mut self, ctx: &Context, films: &[&Film]) -> Result<usize, Failure> {
        let views: usize = films.iter().map(|film| film.views.len()).sum();
        let bar = ctx.ui.progress("extract", views, "images");
        let Self { source, net, batch, store } = self;
        pooled(source, net, *batch, films, |film, features| {
            bar.add(film.views.len());
            store.put(film, &features)
        })?;
        Ok(views)
    }

    /// Returns the features of `film`. They are computed again if another process has
    /// pruned the cache meanwhile.
    fn features(&mut self, film: &Film) -> Result<Vec<f32>, Failure> {
        if let Some(features) = self.store.get(film) {
            return Ok(features);
        }
        let mut found = Vec::new();
        pooled(&mut self.source, &self.net, self.batch, &[film], |_, features| {
            found = features;
            Ok(())
        })?;
        self.store.put_in_scratch(film, &found)?;
        Ok(found)
    }

    /// Writes `masked.npy`.
    pub fn write_masked(&mut self, job: &Job, films: &[&Film]) -> Result<(), Failure> {
        let mut out = Writer::<f32>::create(&job.path("masked.npy")?, &[films.len(), WIDTH])?;
        for part in 0..Part::ALL.len() {
            let mut rows = Vec::with_capacity(films.len() * WIDTH);
            for film in films {
                rows.extend_from_slice(&self.features(film)?[part * WIDTH..][..WIDTH]);
            }
            out.push(&rows)?;
        }
        out.finish()?;
        Ok(())
    }

    /// Writes `features.npy` and `bank.npy`.
    pub fn write(&mut self, job: &Job, films: &[&Film], rotations: usize) -> Result<(), Failure> {
        let mut out = Writer::<f32>::create(&job.path("features.npy")?, &[WIDTH])?;
        for film in films {
            out.push(&self.features(film)?[..WIDTH])?;
        }
        out.finish()?;
        let train = self.source.split.train.clone();
        let mut out = Writer::<f32>::create(&job.path("bank.npy")?, &[train.len(), WIDTH])?;
        let block = (BLOCK / (train.len() * WIDTH)).clamp(1, rotations);
        for first in (0..rotations).step_by(block) {
            let mut bank = vec![Vec::new(); block.min(rotations - first)];
            for &row in &train {
                let features = self.features(films[row])?;
                let rotated = features.chunks_exact(WIDTH).skip(1 + first);
                bank.iter_mut().zip(rotated).for_each(|(bank, row)| bank.extend(row));
            }
            out.push(&bank.concat())?;
        }
        out.finish()?;
        Ok(())
    }
}

/// Runs the views of `films` through the network in batches; calls `done` with the
/// features of each image, in order.
fn pooled(
    source: &mut Source,
    net: &Vgg16,
    batch: usize,
    films: &[&Film],
    mut done: impl FnMut(&Film, Vec<f32>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut views: Vec<(&Film, View)> = Vec::new();
    for film in films {
        views.extend(film.views.iter().map(|view| (*film, *view)));
    }
    let mut features = Vec::new();
    for batch in views.chunks(batch) {
        let pooled = net.pooled(load(source, batch)?.view());
        for ((film, _), row) in batch.iter().zip(pooled.rows()) {
            if !row.iter().all(|value| is_plausible(*value)) {
                let path = &source.index.rows[film.row].path;
                let error = format!(
                    "the features of `{path}` overflow: they are not finite numbers below 1e10"
                );
                return Err(Failure::new(error).hint(
                    "the weights are not those of a trained network: name others with `--weights`",
                ));
            }
            features.extend(row);
            if features.len() == film.len() {
                done(film, std::mem::take(&mut features))?;
            }
        }
    }
    Ok(())
}
