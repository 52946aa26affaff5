//! Images to extract, and the views of each image: unrotated, rotated or masked.

use ndarray::{Array4, ArrayViewMut3, Axis};
use rayon::prelude::*;

use super::super::stage_inputs;
use super::{Axes, Settings, WIDTH};
use crate::artifact::index::Index;
use crate::artifact::split::Split;
use crate::cli::{Context, Failure};
use crate::image::{Part, Plane, rotate, scale};
use crate::io::hash;
use crate::io::npy::{NpyError, Reader};
use crate::pipeline::Job;

/// One input of the backbone, made from an image.
#[derive(Debug, Clone, Copy)]
pub enum View {
    Unrotated,
    /// Rotated by this angle in degrees.
    Rotated(f64),
    /// Unrotated, black except for this region.
    Masked(Part),
}

/// An image to extract, with its views.
pub struct Image {
    /// Row of the index.
    pub row: usize,
    /// Key of the features in the cache.
    pub key: String,
    pub views: Vec<View>,
}

impl Image {
    /// Number of feature values of all views.
    pub fn len(&self) -> usize {
        WIDTH * self.views.len()
    }

    pub fn is_masked(&self) -> bool {
        matches!(self.views[0], View::Masked(_))
    }
}

/// Images with their index and split.
pub struct Source {
    pub index: Index,
    pub split: Split,
    images: Reader<u8>,
    /// Height and width of an image in pixels.
    pub side: usize,
    plane: Plane,
}

impl Source {
    /// Opens the artifacts and checks that they belong together.
    pub fn open(ctx: &Context, job: &Job, axes: Axes) -> Result<Self, Failure> {
        let index = stage_inputs::index(ctx)?;
        let split = stage_inputs::split(ctx, job, &index)?;
        let plane = match axes {
            Axes::HeightWidth => Plane::HeightWidth,
            Axes::WidthChannel => Plane::WidthChannel,
        };
        let images = stage_inputs::images(ctx, &index)?;
        Ok(Self { side: images.shape()[1], index, split, images, plane })
    }

    /// Reads the pixels of the image `row`, `[side, side, 3]`.
    fn pixels(&mut self, row: usize) -> Result<Vec<u8>, NpyError> {
        self.images.read(row..row + 1)
    }

    /// Returns all images with their views. The key of an image is a hash of its pixels, its
    /// views, and the `version` of program and backbone. The masked views of an image are a
    /// separate entry after it, with its own key.
    pub fn images(
        &mut self,
        settings: &Settings,
        seed: u64,
        version: &str,
    ) -> Result<Vec<Image>, NpyError> {
        let mut rotations = vec![0; self.index.rows.len()];
        self.split.train.iter().for_each(|&row| rotations[row] = settings.rotations);
        let mut images = Vec::new();
        for (row, n) in rotations.into_iter().enumerate() {
            let pixels = blake3::hash(&self.pixels(row)?);
            let angles = settings.angles(seed, &pixels, n);
            let plane = (n > 0).then_some(self.plane);
            let key = cache_key(&format!("{version} {pixels} {plane:?} {angles:?}"));
            let rotated = angles.into_iter().map(View::Rotated);
            let views = [View::Unrotated].into_iter().chain(rotated).collect();
            images.push(Image { row, key, views });
            if settings.masks {
                let views = Part::ALL.map(View::Masked).to_vec();
                let key = cache_key(&format!("{version} {pixels} {views:?}"));
                images.push(Image { row, key, views });
            }
        }
        Ok(images)
    }
}

/// Key of a cache entry. The number is the version of the entry format.
fn cache_key(determinants: &str) -> String {
    hash::bytes(format!("2 {determinants}").as_bytes())
}

/// Computes the input batch of the backbone, `[views, side, side, 3]`.
pub fn load(source: &mut Source, batch: &[(&Image, View)]) -> Result<Array4<f32>, NpyError> {
    let mut pixels_by_row: Vec<(usize, Vec<u8>)> = Vec::new();
    for (image, _) in batch {
        if pixels_by_row.last().is_none_or(|(row, _)| *row != image.row) {
            pixels_by_row.push((image.row, source.pixels(image.row)?));
        }
    }
    let (side, plane) = (source.side, source.plane);
    let render = |(mut out, (image, view)): (ArrayViewMut3<f32>, &(&Image, View))| {
        let position = pixels_by_row.binary_search_by_key(&image.row, |(row, _)| *row);
        let pixels = &pixels_by_row[position.expect("every row of the batch was read")].1;
        let out = out.as_slice_mut().expect("standard layout");
        match view {
            View::Unrotated => scale(pixels, out),
            View::Rotated(degrees) => rotate(pixels, side, *degrees, plane, out),
            View::Masked(part) => {
                scale(pixels, out);
                part.keep(out, side);
            }
        }
    };
    let mut inputs = Array4::zeros((batch.len(), side, side, 3));
    inputs.axis_iter_mut(Axis(0)).into_par_iter().zip(batch).for_each(render);
    Ok(inputs)
}
