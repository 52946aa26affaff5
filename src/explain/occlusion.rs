//! Occlusion sensitivity.
//!
use std::ops::Range;

use ndarray::{Array2, Array4, ArrayView3, Axis, s};

/// Occlusion sensitivity (Zeiler and Fergus 2014): decrease of a class's score when a patch of
/// the image is covered with the mean level of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occlusion {
    /// Number of patches along each side.
    pub grid: usize,
    /// Number of images per call of the scorer.
    pub batch: usize,
}

impl Occlusion {
    /// Returns the decrease of `score` per patch, `[grid, grid]`; negative if covering
    /// increases the score. `score` receives images `[n, height, width, channels]` and returns
    /// one score each; the first call has the unchanged `image`.
    ///
    /// # Errors
    /// Errors of `score`.
    ///
    /// # Panics
    /// If `grid` is 0 or exceeds the number of pixels along a side.
    pub fn map<E>(
        &self,
        image: ArrayView3<f32>,
        mut score: impl FnMut(&Array4<f32>) -> Result<Vec<f32>, E>,
    ) -> Result<Array2<f32>, E> {
        let (height, width, _) = image.dim();
        assert!((1..=height.min(width)).contains(&self.grid), "1 to side patches along a side");
        let mean = image.mean().expect("the image is not empty");
        let cover = |patch: usize| {
            let mut covered = image.to_owned();
            let (y, x) = (patch / self.grid, patch % self.grid);
            let (rows, cols) = (self.patch_range(y, height), self.patch_range(x, width));
            covered.slice_mut(s![rows, cols, ..]).fill(mean);
            covered
        };
        let uncovered_score = score(&image.to_owned().insert_axis(Axis(0)))?[0];
        let patches: Vec<usize> = (0..self.grid * self.grid).collect();
        let mut decreases = Vec::with_capacity(patches.len());
        for patches in patches.chunks(self.batch.max(1)) {
            let images: Vec<_> = patches.iter().map(|patch| cover(*patch)).collect();
            let views: Vec<_> = images.iter().map(|image| image.view()).collect();
            let images = ndarray::stack(Axis(0), &views).expect("equal shapes");
            decreases.extend(score(&images)?.into_iter().map(|score| uncovered_score - score));
        }
        let shape = (self.grid, self.grid);
        Ok(Array2::from_shape_vec(shape, decreases).expect("one score per patch"))
    }

    /// Pixel range of patch `i` along a side of `length` pixels.
    fn patch_range(&self, i: usize, length: usize) -> Range<usize> {
        i * length / self.grid..(i + 1) * length / self.grid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};
    use std::convert::Infallible;

    #[test]
    fn decisive_patch_has_the_highest_value() {
        let mut image = Array3::zeros((5, 5, 3));
        image.slice_mut(s![3.., ..2, ..]).fill(1.0);
        let mut calls = Vec::new();
        // Score: the sum over the last rows of the first columns.
        let saliency = Occlusion { grid: 2, batch: 3 }.map(image.view(), |images| {
            calls.push(images.len_of(Axis(0)));
            let score = |image: ArrayView3<f32>| image.slice(s![3.., ..2, 0]).sum();
            Ok::<_, Infallible>(images.outer_iter().map(score).collect())
        });
        let mean = 4.0 / 25.0;
        let saliency = saliency.unwrap();
        assert!((saliency[[1, 0]] - 4.0 * (1.0 - mean)).abs() < 1e-6, "{saliency}");
        assert_eq!((saliency[[0, 0]], saliency[[0, 1]], saliency[[1, 1]]), (0.0, 0.0, 0.0));
        assert_eq!(calls, [1, 3, 1]);
        let odd = Occlusion { grid: 2, batch: 9 };
        assert_eq!([odd.patch_range(0, 5), odd.patch_range(1, 5)], [0..2, 2..5]);
    }

    #[test]
    fn scorer_errors_are_returned() {
        let image = Array3::zeros((2, 2, 3));
        let failed = Occlusion { grid: 1, batch: 1 }.map(image.view(), |_| Err("no"));
        assert_eq!(failed, Err("no"));
        let unchanged =
            Occlusion { grid: 1, batch: 1 }.map(image.view(), |_| Ok::<_, ()>(vec![0.5]));
        assert_eq!(unchanged, Ok(array![[0.0]]));
    }
}
