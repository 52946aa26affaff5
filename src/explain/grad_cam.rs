//! Grad-CAM for a head on pooled features.
//!
use ndarray::{Array2, ArrayView1, ArrayView3};

/// Returns the Grad-CAM map (Selvaraju et al. 2017) of one class, `[rows, cols]`, values of at
/// least 0. `maps` `[rows, cols, channels]` is the output of the last convolution and ReLU;
/// `gradient` `[channels]` is the gradient of the class's logit with respect to the pooled
/// features.
///
/// Between `maps` and the pooled features are a max pool and a mean. Both preserve the sum of
/// the gradients of a channel. The channel weight, the mean gradient over all cells, therefore
/// needs no backpropagation: it is `gradient / (rows * cols)`. The result equals Keras'
/// Grad-CAM without scaling.
///
/// # Panics
/// If the number of gradients differs from the number of channels.
pub fn grad_cam(maps: ArrayView3<f32>, gradient: ArrayView1<f32>) -> Array2<f32> {
    let (rows, cols, channels) = maps.dim();
    assert_eq!(channels, gradient.len(), "one gradient per channel");
    let weights = &gradient / (rows * cols) as f32;
    Array2::from_shape_fn((rows, cols), |(y, x)| {
        let cell = maps.slice(ndarray::s![y, x, ..]);
        cell.dot(&weights).max(0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array3, array};

    #[test]
    fn map_is_high_where_channels_with_positive_gradient_are_strong() {
        let mut maps = Array3::zeros((2, 2, 2));
        maps[[0, 0, 0]] = 8.0;
        maps[[1, 1, 1]] = 4.0;
        let saliency = grad_cam(maps.view(), Array1::from(vec![0.5, -1.0]).view());
        assert_eq!(saliency, array![[1.0, 0.0], [0.0, 0.0]]);
    }
}
