//! Proportion of a saliency map outside the image centre.
//!
use ndarray::{Array2, ArrayView2};

use crate::image::centre;

/// Returns the proportion, 0 to 1, of `saliency` `[rows, cols]` outside the [`centre`] of an image
/// of `side` pixels. Negative values count as 0. None if no value is positive.
pub fn outside_centre(saliency: ArrayView2<f32>, side: usize) -> Option<f64> {
    let (rows, cols) = saliency.dim();
    let (mut all, mut inside) = (0.0, 0.0);
    for ((y, x), &saliency) in saliency.indexed_iter() {
        let saliency = f64::from(saliency.max(0.0));
        all += saliency;
        inside += saliency * proportion_inside(y, rows, side) * proportion_inside(x, cols, side);
    }
    (all > 0.0).then(|| 1.0 - inside / all)
}

/// Returns [`outside_centre`] of a map that is uniform over the upper left `seen` x `seen` of
/// `cells` x `cells` cells, and 0 elsewhere.
pub fn uniform_outside_centre(seen: usize, cells: usize, side: usize) -> f64 {
    let saliency =
        Array2::from_shape_fn((cells, cells), |(y, x)| f32::from(u8::from(y.max(x) < seen)));
    outside_centre(saliency.view(), side).unwrap_or(0.0)
}

/// Proportion of cell `i` of `cells` along a side that lies in the centre.
fn proportion_inside(i: usize, cells: usize, side: usize) -> f64 {
    let cell = side as f64 / cells as f64;
    let (start, end) = (i as f64 * cell, (i + 1) as f64 * cell);
    let centre = centre(side);
    let inside = end.min(centre.end as f64) - start.max(centre.start as f64);
    inside.max(0.0) / cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_weighted_by_their_area_outside() {
        // 14 cells of 16 pixels; the centre is 28 to 196, cells 1.75 to 12.25.
        let outside = |y, x| {
            let mut saliency = Array2::zeros((14, 14));
            saliency[[y, x]] = 3.0;
            outside_centre(saliency.view(), 224)
        };
        assert_eq!(outside(7, 7), Some(0.0));
        assert_eq!(outside(0, 7), Some(1.0));
        assert_eq!(outside(1, 7), Some(0.75));
        assert_eq!(outside(1, 12), Some(1.0 - 0.25 * 0.25));
        assert_eq!(outside_centre(Array2::zeros((2, 2)).view(), 224), None);
        assert_eq!(outside_centre(Array2::from_elem((2, 2), -1.0).view(), 224), None);
    }

    #[test]
    fn uniform_map_is_outside_in_proportion_to_area() {
        assert!((uniform_outside_centre(7, 7, 224) - 0.4375).abs() < 1e-12);
        let tutorial = 1.0 - (100.0 / 128.0f64).powi(2);
        assert!((uniform_outside_centre(4, 7, 224) - tutorial).abs() < 1e-12);
    }
}
