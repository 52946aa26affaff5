use std::ops::Range;

use ndarray::{Array2, Array4, ArrayView3, Axis, s};

/// Occlusion sensitivity (Zeiler and Fergus 2014): how much the score of a class
/// falls when a patch of the film is covered with the film's mean level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occlusion {
    /// Patches along each side of the film.
    pub grid: usize,
    /// Films that are scored at once.
    pub batch: usize,
}

impl Occlusion {
    /// The fall of `score` for each patch, `[grid, grid]`; below 0 where covering
    /// helps the class. `score` takes films `[n, height, width, channels]` and
    /// gives a number each; it sees `film` itself first.
    ///
    /// # Panics
    /// If the grid has no patch, or more than the film has pixels along a side.
    pub fn map<E>(
        &self,
        film: ArrayView3<f32>,
        mut score: impl FnMut(&Array4<f32>) -> Result<Vec<f32>, E>,
    ) -> Result<Array2<f32>, E> {
        let (height, width, _) = film.dim();
        assert!((1..=height.min(width)).contains(&self.grid), "a patch has pixels");
        let mean = film.mean().expect("a film has pixels");
        let covered = |patch: usize| {
            let mut covered = film.to_owned();
            let (y, x) = (patch / self.grid, patch % self.grid);
            let (rows, cols) = (self.span(y, height), self.span(x, width));
            covered.slice_mut(s![rows, cols, ..]).fill(mean);
            covered
        };
        let whole = score(&film.to_owned().insert_axis(Axis(0)))?[0];
        let patches: Vec<usize> = (0..self.grid * self.grid).collect();
        let mut falls = Vec::with_capacity(patches.len());
        for patches in patches.chunks(self.batch.max(1)) {
            let films: Vec<_> = patches.iter().map(|patch| covered(*patch)).collect();
            let views: Vec<_> = films.iter().map(|film| film.view()).collect();
            let films = ndarray::stack(Axis(0), &views).expect("films of one shape");
            falls.extend(score(&films)?.into_iter().map(|score| whole - score));
        }
        let shape = (self.grid, self.grid);
        Ok(Array2::from_shape_vec(shape, falls).expect("a score for each patch"))
    }

    /// The pixels of patch `i` along a side of `length`.
    fn span(&self, i: usize, length: usize) -> Range<usize> {
        i * length / self.grid..(i + 1) * length / self.grid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};
    use std::convert::Infallible;

    #[test]
    fn the_patch_that_matters_is_found() {
        let mut film = Array3::zeros((5, 5, 3));
        film.slice_mut(s![3.., ..2, ..]).fill(1.0);
        let mut calls = Vec::new();
        // The score is the sum over the last rows of the first columns.
        let heat = Occlusion { grid: 2, batch: 3 }.map(film.view(), |films| {
            calls.push(films.len_of(Axis(0)));
            let of = |film: ArrayView3<f32>| film.slice(s![3.., ..2, 0]).sum();
            Ok::<_, Infallible>(films.outer_iter().map(of).collect())
        });
        let mean = 4.0 / 25.0;
        let heat = heat.unwrap();
        assert!((heat[[1, 0]] - 4.0 * (1.0 - mean)).abs() < 1e-6, "{heat}");
        assert_eq!((heat[[0, 0]], heat[[0, 1]], heat[[1, 1]]), (0.0, 0.0, 0.0));
        assert_eq!(calls, [1, 3, 1]);
        let odd = Occlusion { grid: 2, batch: 9 };
        assert_eq!([odd.span(0, 5), odd.span(1, 5)], [0..2, 2..5]);
    }

    #[test]
    fn an_error_is_handed_on() {
        let film = Array3::zeros((2, 2, 3));
        let failed = Occlusion { grid: 1, batch: 1 }.map(film.view(), |_| Err("no"));
        assert_eq!(failed, Err("no"));
        let kept = Occlusion { grid: 1, batch: 1 }.map(film.view(), |_| Ok::<_, ()>(vec![0.5]));
        assert_eq!(kept, Ok(array![[0.0]]));
    }
}
