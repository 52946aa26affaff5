//! The films to extract, and the views of each that the net is shown.

use ndarray::{Array4, ArrayViewMut3, Axis};
use rayon::prelude::*;

use super::super::upstream;
use super::{Axes, Settings, WIDTH};
use crate::artifact::index::Index;
use crate::artifact::split::Split;
use crate::cli::{Context, Failure};
use crate::image::{Part, Plane, rotate, scale};
use crate::io::hash;
use crate::io::npy::{NpyError, Reader};
use crate::pipeline::Job;

/// A film as the net is shown it.
#[derive(Debug, Clone, Copy)]
pub enum View {
    Upright,
    /// By so many degrees.
    Rotated(f64),
    /// A part of it, upright.
    Masked(Part),
}

/// A film to extract, and how.
pub struct Film {
    pub row: usize,
    pub key: String,
    pub views: Vec<View>,
}

impl Film {
    /// Numbers that its views make.
    pub fn len(&self) -> usize {
        WIDTH * self.views.len()
    }

    pub fn is_masked(&self) -> bool {
        matches!(self.views[0], View::Masked(_))
    }
}

/// What is extracted: films, and which of them train.
pub struct Source {
    pub index: Index,
    pub split: Split,
    images: Reader<u8>,
    pub side: usize,
    plane: Plane,
}

impl Source {
    /// Opens the artifacts and checks that they belong together.
    pub fn open(ctx: &Context, job: &Job, axes: Axes) -> Result<Self, Failure> {
        let index = upstream::index(ctx)?;
        let split = upstream::split(ctx, job, &index)?;
        let plane = match axes {
            Axes::HeightWidth => Plane::HeightWidth,
            Axes::WidthChannel => Plane::WidthChannel,
        };
        let images = upstream::images(ctx, &index)?;
        Ok(Self { side: images.shape()[1], index, split, images, plane })
    }

    /// The pixels of a film.
    fn pixels(&mut self, row: usize) -> Result<Vec<u8>, NpyError> {
        self.images.read(row..row + 1)
    }

    /// Every film with the views that are wanted of it, and its key: a hash of
    /// these, its pixels, and the `version` of all that computes its features.
    /// Masked views are a film of their own, after the film, with their own key.
    pub fn films(
        &mut self,
        settings: &Settings,
        seed: u64,
        version: &str,
    ) -> Result<Vec<Film>, NpyError> {
        let mut rotations = vec![0; self.index.rows.len()];
        self.split.train.iter().for_each(|&row| rotations[row] = settings.rotations);
        let mut films = Vec::new();
        for (row, n) in rotations.into_iter().enumerate() {
            let pixels = blake3::hash(&self.pixels(row)?);
            let angles = settings.angles(seed, &pixels, n);
            let plane = (n > 0).then_some(self.plane);
            let key = cache_key(&format!("{version} {pixels} {plane:?} {angles:?}"));
            let rotated = angles.into_iter().map(View::Rotated);
            films.push(Film {
                row,
                key,
                views: [View::Upright].into_iter().chain(rotated).collect(),
            });
            if settings.masks {
                let views = Part::ALL.map(View::Masked).to_vec();
                let key = cache_key(&format!("{version} {pixels} {views:?}"));
                films.push(Film { row, key, views });
            }
        }
        Ok(films)
    }
}

/// The key of an entry of the cache. The number is that of the format of entries: those
/// of another format are not looked up.
fn cache_key(determinants: &str) -> String {
    hash::bytes(format!("2 {determinants}").as_bytes())
}

/// The batch as the net takes it, `[n, side, side, 3]`.
pub fn load(source: &mut Source, batch: &[(&Film, View)]) -> Result<Array4<f32>, NpyError> {
    let mut films: Vec<(usize, Vec<u8>)> = Vec::new();
    for (film, _) in batch {
        if films.last().is_none_or(|(row, _)| *row != film.row) {
            films.push((film.row, source.pixels(film.row)?));
        }
    }
    let (side, plane) = (source.side, source.plane);
    let view = |(mut out, (film, view)): (ArrayViewMut3<f32>, &(&Film, View))| {
        let at = films.binary_search_by_key(&film.row, |(row, _)| *row);
        let pixels = &films[at.expect("every film of the batch was read")].1;
        let out = out.as_slice_mut().expect("one image of an array in standard layout");
        match view {
            View::Upright => scale(pixels, out),
            View::Rotated(degrees) => rotate(pixels, side, *degrees, plane, out),
            View::Masked(part) => {
                scale(pixels, out);
                part.keep(out, side);
            }
        }
    };
    let mut images = Array4::zeros((batch.len(), side, side, 3));
    images.axis_iter_mut(Axis(0)).into_par_iter().zip(batch).for_each(view);
    Ok(images)
}
