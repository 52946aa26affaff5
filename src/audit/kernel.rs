//! Kernel classifier of the cheap probes.
//!
use ndarray::{Array1, Array2, Axis};

use super::cholesky;

/// Ridge added to the diagonal of the kernel matrix, whose entries are 1.
const RIDGE: f64 = 0.1;

/// Kernel ridge regression of one-hot classes with a Gaussian kernel on standardised inputs.
/// Holds the kernel matrix `[images, images]`. The solution is in closed form: no random start,
/// no tuning.
#[derive(Debug, Clone)]
pub struct Kernel(Array2<f64>);

impl Kernel {
    /// Returns the kernel exp(-|a - b|² / 2d) of inputs `[images, columns]`, where d is the
    /// number of non-constant columns. Each of these is standardised to mean 0 and variance 1.
    pub fn gaussian(inputs: &Array2<f64>) -> Self {
        let columns: Vec<Array1<f64>> =
            inputs.axis_iter(Axis(1)).filter_map(|column| standardise(column.to_owned())).collect();
        let mut z = Array2::zeros((inputs.nrows(), columns.len()));
        for (mut target, column) in z.axis_iter_mut(Axis(1)).zip(&columns) {
            target.assign(column);
        }
        let products = z.dot(&z.t());
        let squares = products.diag();
        let scale = 2.0 * columns.len().max(1) as f64;
        let value = |(i, j)| (-(squares[i] + squares[j] - 2.0 * products[[i, j]]) / scale).exp();
        Self(Array2::from_shape_fn(products.dim(), value))
    }

    /// Returns cross-validated predictions of `targets` `[images, k]`: each image is predicted
    /// from the images of all other `folds`. If all inputs are equal, predicts 0.
    ///
    /// # Panics
    /// If the kernel, the targets and the folds differ in their number of images.
    pub fn out_of_fold(&self, targets: &Array2<f64>, folds: &[usize]) -> Array2<f64> {
        let images = self.0.nrows();
        assert_eq!(
            (images, images),
            (targets.nrows(), folds.len()),
            "one target and one fold per image"
        );
        let mut predicted = Array2::zeros(targets.dim());
        if self.0.iter().all(|value| *value == 1.0) {
            return predicted;
        }
        for fold in 0..folds.iter().max().map_or(0, |last| last + 1) {
            let (test, train): (Vec<_>, Vec<_>) =
                (0..images).partition(|image| folds[*image] == fold);
            let submatrix = |rows: &[usize], columns: &[usize]| {
                let shape = (rows.len(), columns.len());
                Array2::from_shape_fn(shape, |(i, j)| self.0[[rows[i], columns[j]]])
            };
            let ridge = Array2::from_diag_elem(train.len(), RIDGE);
            // Weights of the training images in each prediction. With them, many targets cost
            // hardly more than one.
            let weights =
                cholesky::solve(submatrix(&train, &train) + ridge, submatrix(&train, &test));
            let predictions = weights.t().dot(&targets.select(Axis(0), &train));
            for (image, prediction) in test.iter().zip(predictions.rows()) {
                predicted.row_mut(*image).assign(&prediction);
            }
        }
        predicted
    }
}

/// Standardises to mean 0 and variance 1. None if the values are constant.
fn standardise(column: Array1<f64>) -> Option<Array1<f64>> {
    let centred = &column - column.mean()?;
    let deviation = (&centred * &centred).mean()?.sqrt();
    (deviation > 1e-9).then(|| centred / deviation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn kernel_uses_standardised_columns() {
        // The second column does not vary. The first has variance 800/9.
        let kernel = Kernel::gaussian(&array![[10.0, 3.0], [30.0, 3.0], [10.0, 3.0]]);
        let difference = 20.0 / (800.0f64 / 9.0).sqrt();
        assert!((kernel.0[[0, 1]] - (-difference * difference / 2.0).exp()).abs() < 1e-12);
        assert_eq!(kernel.0[[0, 2]], 1.0);
    }

    #[test]
    fn predictions_do_not_depend_on_targets_of_the_same_fold() {
        let inputs = Array2::from_shape_fn((12, 3), |(i, j)| ((5 * i + j) as f64).sin());
        let kernel = Kernel::gaussian(&inputs);
        let folds: Vec<usize> = (0..12).map(|i| i % 3).collect();
        let targets = Array2::from_shape_fn((12, 1), |(i, _)| if i < 6 { 1.0 } else { -1.0 });
        let before = kernel.out_of_fold(&targets, &folds);
        let mut changed = targets.clone();
        (0..12).filter(|i| folds[*i] == 1).for_each(|i| changed[[i, 0]] *= -9.0);
        let after = kernel.out_of_fold(&changed, &folds);
        for i in 0..12 {
            assert_eq!(before[[i, 0]] == after[[i, 0]], folds[i] == 1, "image {i}");
        }
    }

    #[test]
    fn constant_inputs_predict_zero() {
        let kernel = Kernel::gaussian(&Array2::from_elem((6, 2), 7.0));
        let targets = array![[1.0], [1.0], [1.0], [-1.0], [-1.0], [1.0]];
        let predicted = kernel.out_of_fold(&targets, &[0, 1, 0, 1, 0, 1]);
        assert!(predicted.iter().all(|p| *p == 0.0), "{predicted}");
    }
}
