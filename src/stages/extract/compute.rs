//! Computation of the features that are not stored, and the output arrays.

use super::WIDTH;
use super::images::{Image, Source, View, load};
use super::store::Store;
use crate::backbone::Vgg16;
use crate::cli::{Context, Failure};
use crate::image::Part;
use crate::io::npy::Writer;
use crate::io::tensor::is_plausible;
use crate::pipeline::Job;

/// Maximum number of values of `augmented.npy` in memory while the file is written.
const BLOCK: usize = 1 << 24;

/// State of an extraction.
pub struct Extraction<'a> {
    pub source: Source,
    pub net: Vgg16,
    /// Number of views per forward pass.
    pub batch: usize,
    pub store: Store<'a>,
}

impl Extraction<'_> {
    /// Computes and stores the features of `images`, image by image, so that a stopped run can
    /// resume. Returns the number of computed views.
    pub fn compute(&mut self, ctx: &Context, images: &[&Image]) -> Result<usize, Failure> {
        let views: usize = images.iter().map(|image| image.views.len()).sum();
        let bar = ctx.ui.progress("extracting", views, "views");
        let Self { source, net, batch, store } = self;
        pooled(source, net, *batch, images, |image, features| {
            bar.add(image.views.len());
            store.put(image, &features)
        })?;
        Ok(views)
    }

    /// Returns the features of `image`. Computes them again if another process has pruned the
    /// cache since.
    fn features(&mut self, image: &Image) -> Result<Vec<f32>, Failure> {
        if let Some(features) = self.store.get(image) {
            return Ok(features);
        }
        let mut computed = Vec::new();
        pooled(&mut self.source, &self.net, self.batch, &[image], |_, features| {
            computed = features;
            Ok(())
        })?;
        self.store.put_in_scratch(image, &computed)?;
        Ok(computed)
    }

    /// Writes `masked.npy`, f32 `[regions, images, width]`.
    pub fn write_masked(&mut self, job: &Job, images: &[&Image]) -> Result<(), Failure> {
        let mut out = Writer::<f32>::create(&job.path("masked.npy")?, &[images.len(), WIDTH])?;
        for part in 0..Part::ALL.len() {
            let mut rows = Vec::with_capacity(images.len() * WIDTH);
            for image in images {
                rows.extend_from_slice(&self.features(image)?[part * WIDTH..][..WIDTH]);
            }
            out.push(&rows)?;
        }
        out.finish()?;
        Ok(())
    }

    /// Writes `features.npy`, f32 `[images, width]`, and `augmented.npy`, f32 `[rotations, training
    /// images, width]`.
    pub fn write(&mut self, job: &Job, images: &[&Image], rotations: usize) -> Result<(), Failure> {
        let mut out = Writer::<f32>::create(&job.path("features.npy")?, &[WIDTH])?;
        for image in images {
            out.push(&self.features(image)?[..WIDTH])?;
        }
        out.finish()?;
        let train = self.source.split.train.clone();
        let mut out = Writer::<f32>::create(&job.path("augmented.npy")?, &[train.len(), WIDTH])?;
        let block = (BLOCK / (train.len() * WIDTH)).clamp(1, rotations);
        for first in (0..rotations).step_by(block) {
            let mut rows = vec![Vec::new(); block.min(rotations - first)];
            for &row in &train {
                let features = self.features(images[row])?;
                let rotated = features.chunks_exact(WIDTH).skip(1 + first);
                rows.iter_mut().zip(rotated).for_each(|(rows, row)| rows.extend(row));
            }
            out.push(&rows.concat())?;
        }
        out.finish()?;
        Ok(())
    }
}

/// Runs the views of `images` through the backbone in batches; calls `done` with the features of
/// each image, in order.
fn pooled(
    source: &mut Source,
    net: &Vgg16,
    batch: usize,
    images: &[&Image],
    mut done: impl FnMut(&Image, Vec<f32>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut views: Vec<(&Image, View)> = Vec::new();
    for image in images {
        views.extend(image.views.iter().map(|view| (*image, *view)));
    }
    let mut features = Vec::new();
    for batch in views.chunks(batch) {
        let pooled = net.pooled(load(source, batch)?.view());
        for ((image, _), row) in batch.iter().zip(pooled.rows()) {
            if !row.iter().all(|value| is_plausible(*value)) {
                let path = &source.index.rows[image.row].path;
                let error = format!(
                    "the features of `{path}` overflow: they are not finite numbers below 1e10"
                );
                return Err(Failure::new(error).hint(
                    "the weights may not be those of a trained network: choose others with `--weights`",
                ));
            }
            features.extend(row);
            if features.len() == image.len() {
                done(image, std::mem::take(&mut features))?;
            }
        }
    }
    Ok(())
}
