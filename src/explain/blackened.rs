//! Effect of black regions on the predictions.
//!
use std::ops::AddAssign;

use ndarray::{ArrayViewMut3, s};
use serde::{Deserialize, Serialize};

/// Region of an image: under the cells that the head pools, or the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// Pixels of the pooled cells, the upper left of the image.
    Pooled,
    /// All other pixels.
    Unpooled,
}

impl Region {
    /// Sets the pixels of the region in `image` `[side, side, channels]` to 0. The head pools
    /// the upper left `pooled` x `pooled` of `cells` x `cells` cells.
    pub fn blacken(self, mut image: ArrayViewMut3<f32>, (pooled, cells): (usize, usize)) {
        let (height, width, _) = image.dim();
        let (bottom, right) = (height * pooled / cells, width * pooled / cells);
        match self {
            Self::Pooled => image.slice_mut(s![..bottom, ..right, ..]).fill(0.0),
            Self::Unpooled => {
                image.slice_mut(s![bottom.., .., ..]).fill(0.0);
                image.slice_mut(s![..bottom, right.., ..]).fill(0.0);
            }
        }
    }
}

/// Change of the probability of the predicted class when a region is black, over all images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Mean absolute change, 0 to 1.
    pub mean: f64,
    /// Largest absolute change, 0 to 1.
    pub largest: f64,
    /// Number of images whose predicted class changes.
    pub changed: usize,
    /// Number of images.
    pub images: usize,
}

impl AddAssign<(f64, bool)> for Effect {
    /// Adds one image: the absolute change, and whether the predicted class changes.
    fn add_assign(&mut self, (change, changed): (f64, bool)) {
        self.images += 1;
        self.mean += (change - self.mean) / self.images as f64;
        self.largest = self.largest.max(change);
        self.changed += usize::from(changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn regions_partition_the_image() {
        let image = Array3::from_elem((14, 14, 3), 1.0);
        let black = |region: Region| {
            let mut image = image.clone();
            region.blacken(image.view_mut(), (4, 7));
            image.mapv(|level| 1.0 - level)
        };
        let (pooled, unpooled) = (black(Region::Pooled), black(Region::Unpooled));
        assert_eq!(pooled.sum(), 3.0 * 64.0);
        assert_eq!(pooled[[7, 7, 0]] + pooled[[8, 7, 0]], 1.0);
        assert_eq!(&pooled + &unpooled, image);
    }

    #[test]
    fn effects_are_averaged() {
        let mut effect = Effect::default();
        for image in [(0.2, false), (0.6, true), (0.1, false)] {
            effect += image;
        }
        assert!((effect.mean - 0.3).abs() < 1e-12);
        assert_eq!((effect.largest, effect.changed, effect.images), (0.6, 1, 3));
    }
}
