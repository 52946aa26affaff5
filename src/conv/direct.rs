//! Convolution, ReLU and pooling by definition: the reference for the fast kernels.

use ndarray::{Array3, ArrayView1, ArrayView3, ArrayView4, Axis, NdFloat, s};
use rayon::prelude::*;

use super::Extent;

/// Top left corner of size `keep` of the 3x3 SAME convolution (zero padding) of `input`
/// [rows, cols, in] with `kernel` [3, 3, in, out], plus `bias` `[out]`.
///
/// # Panics
/// If the numbers of channels differ or `keep` is larger than the map.
pub fn conv3x3<T: NdFloat>(
    input: ArrayView3<T>,
    kernel: ArrayView4<T>,
    bias: ArrayView1<T>,
    keep: Extent,
) -> Array3<T> {
    let (rows, cols, _) = input.dim();
    assert!(keep.rows <= rows && keep.cols <= cols, "the kept corner is larger than the map");
    let mut output = Array3::zeros((keep.rows, keep.cols, bias.len()));
    output.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(y, mut row)| {
        for (x, mut cell) in row.axis_iter_mut(Axis(0)).enumerate() {
            cell.assign(&bias);
            // `y + ky` and `x + kx` are indices into the map padded by one zero.
            for (ky, kx) in (0..9).map(|tap| (tap / 3, tap % 3)) {
                if (1..=rows).contains(&(y + ky)) && (1..=cols).contains(&(x + kx)) {
                    let pixel = input.slice(s![y + ky - 1, x + kx - 1, ..]);
                    let taps = kernel.slice(s![ky, kx, .., ..]);
                    for (&value, taps) in pixel.iter().zip(taps.rows()) {
                        cell.scaled_add(value, &taps);
                    }
                }
            }
        }
    });
    output
}

/// Replaces each value by `max(x, 0)`; NaN stays NaN.
pub fn relu<T: NdFloat>(map: &mut Array3<T>) {
    map.mapv_inplace(|x| if x < T::zero() { T::zero() } else { x });
}

/// Maximum of each 2x2 window (stride 2) of `map` [rows, cols, channels]. An odd last row
/// or column is dropped. The maximum is NaN if the window contains NaN.
pub fn max_pool2x2<T: NdFloat>(map: ArrayView3<T>) -> Array3<T> {
    let (rows, cols, channels) = map.dim();
    Array3::from_shape_fn((rows / 2, cols / 2, channels), |(y, x, c)| {
        let window = map.slice(s![2 * y..2 * y + 2, 2 * x..2 * x + 2, c]);
        window.fold(T::neg_infinity(), |max, &x| if x > max || x.is_nan() { x } else { max })
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array3, Array4, array};

    use super::*;

    #[test]
    fn a_kernel_with_only_the_center_tap_copies_the_map() {
        let input = Array3::from_shape_fn((3, 4, 1), |(y, x, _)| (10 * y + x) as f64);
        let mut kernel = Array4::zeros((3, 3, 1, 1));
        kernel[[1, 1, 0, 0]] = 1.0;
        let bias = Array1::from_elem(1, 0.5);
        let keep = Extent { rows: 3, cols: 4 };
        assert_eq!(conv3x3(input.view(), kernel.view(), bias.view(), keep), input + 0.5);
    }

    #[test]
    fn padding_is_zero() {
        let input = Array3::<f32>::ones((3, 3, 2));
        let kernel = Array4::ones((3, 3, 2, 1));
        let bias = Array1::zeros(1);
        let output = conv3x3(input.view(), kernel.view(), bias.view(), Extent::square(2));
        assert_eq!(output, array![[[8.0], [12.0]], [[12.0], [18.0]]]);
    }

    #[test]
    fn relu_and_pooling_keep_nan() {
        let mut map = array![[[f32::NAN], [1.0], [-1.0], [2.0]], [[3.0], [-4.0], [0.5], [0.0]]];
        relu(&mut map);
        assert_eq!(map[[0, 2, 0]], 0.0);
        let pooled = max_pool2x2(map.view());
        assert!(pooled[[0, 0, 0]].is_nan());
        assert_eq!(pooled[[0, 1, 0]], 2.0);
    }
}
