use ndarray::{Array2, ArrayView1, ArrayView3};

/// Grad-CAM (Selvaraju et al. 2017) of one class: heat `[rows, cols]`, at least 0,
/// from a film's `maps` `[rows, cols, channels]` after the last convolution's ReLU
/// and the `gradient` `[channels]` of the class's logit by the pooled features.
///
/// Between maps and features lie a max pool, which hands each gradient to one
/// cell, and a mean, which spreads it evenly over the cells it reads: whichever
/// cells these are, the gradients of a channel add up to `gradient`, so its
/// weight, their mean over all cells, is known without going back. Equals Keras'
/// Grad-CAM, not scaled.
///
/// # Panics
/// If there is not one gradient a channel.
pub fn grad_cam(maps: ArrayView3<f32>, gradient: ArrayView1<f32>) -> Array2<f32> {
    let (rows, cols, channels) = maps.dim();
    assert_eq!(channels, gradient.len(), "a gradient for each channel");
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
    fn heat_is_where_channels_that_speak_for_the_class_are_strong() {
        let mut maps = Array3::zeros((2, 2, 2));
        maps[[0, 0, 0]] = 8.0;
        maps[[1, 1, 1]] = 4.0;
        let heat = grad_cam(maps.view(), Array1::from(vec![0.5, -1.0]).view());
        assert_eq!(heat, array![[1.0, 0.0], [0.0, 0.0]]);
    }
}
