//! The head's layers: Dense ReLU, dropout in training, Dense softmax.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::ops::softmax;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// A fully connected layer, `x · kernel + bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// `[inputs, units]`, as Keras keeps it.
    pub kernel: Array2<f32>,
    /// `[units]`.
    pub bias: Array1<f32>,
}

impl Dense {
    /// Keras' initial layer: kernel uniform in ±sqrt(6 / (inputs + units)) (Glorot
    /// and Bengio 2010), zero bias. `uniform` draws from [0, 1).
    fn glorot_uniform(inputs: usize, units: usize, uniform: &mut impl FnMut() -> f64) -> Self {
        let limit = (6.0 / (inputs + units) as f64).sqrt();
        let draw = || ((2.0 * uniform() - 1.0) * limit) as f32;
        Self {
            kernel: Array2::from_shape_simple_fn((inputs, units), draw),
            bias: Array1::zeros(units),
        }
    }
}

/// A classifier of feature vectors: hidden Dense with ReLU, output Dense with
/// softmax. Any number of inputs, hidden units and classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Features to hidden units, `dense_1` in files.
    pub hidden: Dense,
    /// Hidden units to one logit a class, `dense_2` in files.
    pub output: Dense,
}

const STANDARD: &str = "a head's arrays are in standard layout";

impl Head {
    /// An untrained head; `uniform` draws from [0, 1).
    pub(super) fn new(
        inputs: usize,
        hidden: usize,
        classes: usize,
        mut uniform: impl FnMut() -> f64,
    ) -> Self {
        let first = Dense::glorot_uniform(inputs, hidden, &mut uniform);
        Self { hidden: first, output: Dense::glorot_uniform(hidden, classes, &mut uniform) }
    }

    /// Length of the feature vectors it takes.
    pub fn inputs(&self) -> usize {
        self.hidden.kernel.nrows()
    }

    /// Number of classes it tells apart.
    pub fn classes(&self) -> usize {
        self.output.kernel.ncols()
    }

    /// Class probabilities `[n, classes]` of features `[n, inputs]`; each row sums
    /// to 1. NaN in a film's features gives NaN probabilities.
    ///
    /// # Panics
    ///
    /// When the features are not [`Head::inputs`] wide.
    pub fn predict(&self, features: ArrayView2<f32>) -> Array2<f32> {
        assert_eq!(features.ncols(), self.inputs(), "features as wide as the head's inputs");
        let shape = (features.nrows(), self.classes());
        if features.is_empty() {
            return Array2::zeros(shape);
        }
        let probabilities =
            || softmax(&self.logits(&matrix(features)?)?, 1)?.flatten_all()?.to_vec1();
        let values = probabilities().expect("f32 tensors on the CPU whose shapes fit");
        Array2::from_shape_vec(shape, values).expect("a probability for each row and class")
    }

    /// How the logit of `class` changes with each of a film's `features` `[inputs]`.
    ///
    /// # Panics
    ///
    /// When the features are not [`Head::inputs`] long, or there is no such class.
    pub fn gradient(&self, features: ArrayView1<f32>, class: usize) -> Array1<f32> {
        let sums = features.dot(&self.hidden.kernel) + &self.hidden.bias;
        let mut units = self.output.kernel.column(class).to_owned();
        units.zip_mut_with(&sums, |unit, sum| *unit *= f32::from(u8::from(*sum > 0.0)));
        self.hidden.kernel.dot(&units)
    }

    /// Logits `[n, classes]` of features `[n, inputs]`.
    pub(super) fn logits(&self, features: &Tensor) -> Result<Tensor> {
        forward(&self.variables()?, features, None)
    }

    /// The parameters in the order of [`Head::parameters_mut`], for candle to
    /// differentiate by.
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

    /// The parameters, row by row: hidden kernel and bias, output kernel and bias.
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

/// Logits `[n, classes]` of `features` `[n, inputs]`. `dropout` `[n, hidden]`
/// multiplies the hidden units: 0, or what makes up for those that are 0.
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

/// A copy as a candle tensor.
pub(super) fn matrix(values: ArrayView2<f32>) -> Result<Tensor> {
    Tensor::from_vec(values.iter().copied().collect(), values.dim(), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array, array};

    #[test]
    fn glorot_fills_the_interval_and_nothing_beyond() {
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
    fn the_gradient_is_the_slope_of_the_logit() {
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
                    let logits = head.logits(&matrix(moved.view()).unwrap()).unwrap();
                    logits.to_vec2::<f32>().unwrap()[0][class]
                };
                let expected = (logit(1e-3) - logit(-1e-3)) / 2e-3;
                assert!((slope - expected).abs() < 1e-3, "{slope} {expected}");
            }
        }
    }

    #[test]
    fn no_films_no_probabilities() {
        let head = Head::new(5, 4, 3, || 0.5);
        assert_eq!(head.predict(Array::zeros((0, 5)).view()).dim(), (0, 3));
    }

    #[test]
    fn nan_features_do_not_look_like_an_answer() {
        let head = Head::new(3, 4, 2, || 0.7);
        let p = head.predict(array![[f32::NAN, 0.0, 0.0], [1.0, 1.0, 1.0]].view());
        assert!(p.row(0).iter().all(|p| p.is_nan()));
        assert!(p.row(1).iter().all(|p| p.is_finite()));
    }
}
