//! Layers of the head: dense with ReLU, dropout in training, dense with softmax.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::ops::softmax;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// Fully connected layer, `x · kernel + bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Kernel, `[inputs, units]`, as in Keras.
    pub kernel: Array2<f32>,
    /// Bias, `[units]`.
    pub bias: Array1<f32>,
}

impl Dense {
    /// Creates a layer as Keras initialises it: kernel uniform in ±sqrt(6 / (inputs + units))
    /// (Glorot and Bengio 2010), bias 0. `uniform` returns random numbers in [0, 1).
    fn glorot_uniform(inputs: usize, units: usize, uniform: &mut impl FnMut() -> f64) -> Self {
        let limit = (6.0 / (inputs + units) as f64).sqrt();
        let sample = || ((2.0 * uniform() - 1.0) * limit) as f32;
        Self {
            kernel: Array2::from_shape_simple_fn((inputs, units), sample),
            bias: Array1::zeros(units),
        }
    }
}

/// Classifier of feature vectors: a hidden dense layer with ReLU and an output dense layer with
/// softmax.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Hidden layer, `dense_1` in files.
    pub hidden: Dense,
    /// Output layer with one logit per class, `dense_2` in files.
    pub output: Dense,
}

const STANDARD: &str = "a head's arrays are in standard layout";

impl Head {
    /// Creates an untrained head; `uniform` returns random numbers in [0, 1).
    pub(super) fn new(
        inputs: usize,
        hidden: usize,
        classes: usize,
        mut uniform: impl FnMut() -> f64,
    ) -> Self {
        let first = Dense::glorot_uniform(inputs, hidden, &mut uniform);
        Self { hidden: first, output: Dense::glorot_uniform(hidden, classes, &mut uniform) }
    }

    /// Number of input features.
    pub fn inputs(&self) -> usize {
        self.hidden.kernel.nrows()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.output.kernel.ncols()
    }

    /// Predicts class probabilities `[n, classes]` from features `[n, inputs]`. Each row sums
    /// to 1. The probabilities of an image with a NaN feature are NaN.
    ///
    /// # Panics
    ///
    /// If the number of features is not [`Head::inputs`].
    pub fn predict(&self, features: ArrayView2<f32>) -> Array2<f32> {
        assert_eq!(
            features.ncols(),
            self.inputs(),
            "the number of features must equal the head's inputs"
        );
        let shape = (features.nrows(), self.classes());
        if features.is_empty() {
            return Array2::zeros(shape);
        }
        let probabilities =
            || softmax(&self.logits(&to_tensor(features)?)?, 1)?.flatten_all()?.to_vec1();
        let values = probabilities().expect("f32 tensors on the CPU whose shapes fit");
        Array2::from_shape_vec(shape, values).expect("one probability per row and class")
    }

    /// Gradient `[inputs]` of the logit of `class` with respect to the `features` `[inputs]`.
    ///
    /// # Panics
    ///
    /// If the number of features is not [`Head::inputs`], or `class` is not below
    /// [`Head::classes`].
    pub fn gradient(&self, features: ArrayView1<f32>, class: usize) -> Array1<f32> {
        let sums = features.dot(&self.hidden.kernel) + &self.hidden.bias;
        let mut units = self.output.kernel.column(class).to_owned();
        units.zip_mut_with(&sums, |unit, sum| *unit *= f32::from(u8::from(*sum > 0.0)));
        self.hidden.kernel.dot(&units)
    }

    /// Computes logits `[n, classes]` from features `[n, inputs]`, without dropout.
    pub(super) fn logits(&self, features: &Tensor) -> Result<Tensor> {
        forward(&self.variables()?, features, None)
    }

    /// Parameters as candle variables, in the order of [`Head::parameters_mut`].
    pub(super) fn variables(&self) -> Result<[Var; 4]> {
        let variable = |shape: &[usize], values: Option<&[f32]>| {
            Var::from_slice(values.expect(STANDARD), shape, &Device::Cpu)
        };
        let Self { hidden, output } = self;
        Ok([
            variable(hidden.kernel.shape(), hidden.kernel.as_slice())?,
            variable(hidden.bias.shape(), hidden.bias.as_slice())?,
            variable(output.kernel.shape(), output.kernel.as_slice())?,
            variable(output.bias.shape(), output.bias.as_slice())?,
        ])
    }

    /// Parameters in row-major order: hidden kernel, hidden bias, output kernel, output bias.
    pub(super) fn parameters_mut(&mut self) -> [&mut [f32]; 4] {
        [
            self.hidden.kernel.as_slice_mut(),
            self.hidden.bias.as_slice_mut(),
            self.output.kernel.as_slice_mut(),
            self.output.bias.as_slice_mut(),
        ]
        .map(|values| values.expect(STANDARD))
    }
}

/// Computes logits `[n, classes]` from `features` `[n, inputs]`. The mask `dropout`
/// `[n, hidden]` multiplies the hidden units: 0 or 1 / (1 - dropout rate).
pub(super) fn forward(
    [hidden_kernel, hidden_bias, output_kernel, output_bias]: &[Var; 4],
    features: &Tensor,
    dropout: Option<&Tensor>,
) -> Result<Tensor> {
    let sums = features.matmul(hidden_kernel)?.broadcast_add(hidden_bias)?;
    // Not candle's `relu`, which turns NaN into 0.
    let mut hidden = sums.mul(&sums.gt(0.0)?.to_dtype(DType::F32)?)?;
    if let Some(mask) = dropout {
        hidden = hidden.mul(mask)?;
    }
    hidden.matmul(output_kernel)?.broadcast_add(output_bias)
}

/// Copies an array to a candle tensor.
pub(super) fn to_tensor(values: ArrayView2<f32>) -> Result<Tensor> {
    Tensor::from_vec(values.iter().copied().collect(), values.dim(), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array, array};

    #[test]
    fn initial_kernels_are_uniform_in_the_glorot_interval() {
        let mut state = 0u64;
        let mut uniform = || {
            state += 1;
            (state as f64 * 0.618_033_988_749_895).fract()
        };
        let head = Head::new(512, 64, 2, &mut uniform);
        for (dense, limit) in
            [(&head.hidden, (6.0f32 / 576.0).sqrt()), (&head.output, (6.0f32 / 66.0).sqrt())]
        {
            let largest = dense.kernel.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            assert!(largest <= limit && largest > 0.95 * limit, "{largest} in ±{limit}");
            assert!(dense.kernel.mean().unwrap().abs() < 0.05 * limit);
            assert!(dense.bias.iter().all(|b| *b == 0.0));
        }
    }

    #[test]
    fn predict_is_softmax_over_relu() {
        let head = Head {
            hidden: Dense { kernel: array![[1.0, -1.0], [0.0, 2.0]], bias: array![0.5, 0.0] },
            output: Dense {
                kernel: array![[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]],
                bias: array![0.0, 0.0, 1.0],
            },
        };
        // Hidden [2.5, 0] and [0.5, 1]; logits [2.5, 0, -1.5] and [0.5, 2, 0.5].
        let p = head.predict(array![[2.0, 0.5], [0.0, 0.5]].view());
        for (row, logits) in p.rows().into_iter().zip([[2.5f32, 0.0, -1.5], [0.5, 2.0, 0.5]]) {
            let sum: f32 = logits.iter().map(|z| z.exp()).sum();
            for (p, z) in row.iter().zip(logits) {
                assert!((p - z.exp() / sum).abs() < 1e-6, "{p} for logit {z}");
            }
        }
    }

    #[test]
    fn the_gradient_equals_finite_differences() {
        let mut state = 0.0f64;
        let head = Head::new(6, 9, 3, || {
            state += 0.618_033_988_749_895;
            state.fract()
        });
        let features = array![[0.3f32, -0.2, 0.9, 0.1, -0.6, 0.4]];
        for class in 0..3 {
            let gradient = head.gradient(features.row(0), class);
            for (i, slope) in gradient.iter().enumerate() {
                let logit = |step: f32| {
                    let mut moved = features.clone();
                    moved[[0, i]] += step;
                    let logits = head.logits(&to_tensor(moved.view()).unwrap()).unwrap();
                    logits.to_vec2::<f32>().unwrap()[0][class]
                };
                let expected = (logit(1e-3) - logit(-1e-3)) / 2e-3;
                assert!((slope - expected).abs() < 1e-3, "{slope} {expected}");
            }
        }
    }

    #[test]
    fn predictions_of_no_images_are_empty() {
        let head = Head::new(5, 4, 3, || 0.5);
        assert_eq!(head.predict(Array::zeros((0, 5)).view()).dim(), (0, 3));
    }

    #[test]
    fn nan_features_give_nan_probabilities() {
        let head = Head::new(3, 4, 2, || 0.7);
        let p = head.predict(array![[f32::NAN, 0.0, 0.0], [1.0, 1.0, 1.0]].view());
        assert!(p.row(0).iter().all(|p| p.is_nan()));
        assert!(p.row(1).iter().all(|p| p.is_finite()));
    }
}
