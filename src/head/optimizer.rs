//! Adam with a decaying learning rate, as in Keras.

/// Adam (Kingma and Ba 2015) as in Keras 3: the bias corrections are part of the step size, so
/// epsilon is added to the square root of the uncorrected second moment.
pub(super) struct Adam<const N: usize> {
    learning_rate: f32,
    decay: f32,
    steps: u32,
    /// Running means of the gradient and of the squared gradient, per parameter.
    moments: [(Vec<f32>, Vec<f32>); N],
}

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
/// 1 - beta, rounded once as Keras does.
const KEEP_1: f32 = 0.1;
const KEEP_2: f32 = 0.001;
const EPSILON: f32 = 1e-7;

impl<const N: usize> Adam<N> {
    /// Creates an optimizer for `N` groups of parameters with the given `sizes`. The learning
    /// rate of step `t`, from 0, is `learning_rate / (1 + t * decay)`, as `InverseTimeDecay`
    /// of Keras.
    pub(super) fn new(learning_rate: f32, decay: f32, sizes: [usize; N]) -> Self {
        let moments = sizes.map(|n| (vec![0.0; n], vec![0.0; n]));
        Self { learning_rate, decay, steps: 0, moments }
    }

    /// Updates each group of parameters with its gradients.
    pub(super) fn step(&mut self, parameters: [&mut [f32]; N], gradients: &[Vec<f32>; N]) {
        let rate = self.learning_rate / (1.0 + self.steps as f32 * self.decay);
        self.steps += 1;
        let t = self.steps as f32;
        let alpha = rate * (1.0 - BETA_2.powf(t)).sqrt() / (1.0 - BETA_1.powf(t));
        for ((parameters, gradients), (first, second)) in
            parameters.into_iter().zip(gradients).zip(&mut self.moments)
        {
            for (((p, g), m), v) in parameters.iter_mut().zip(gradients).zip(first).zip(second) {
                *m += (g - *m) * KEEP_1;
                *v += (g * g - *v) * KEEP_2;
                *p -= *m * alpha / (v.sqrt() + EPSILON);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epsilon_is_added_to_the_uncorrected_moment() {
        let mut adam = Adam::new(0.01, 0.0, [2, 1]);
        let (mut a, mut b) = ([1.0, 1.0], [1.0]);
        adam.step([&mut a, &mut b], &[vec![5.0, -1e-5], vec![0.0]]);
        // The first step equals the learning rate, but is smaller if epsilon is not negligible
        // compared with sqrt(0.001) times the gradient.
        let small = 0.01 / (1.0 + 1e-7 / (0.001f32.sqrt() * 1e-5));
        assert!((a[0] - 0.99).abs() < 1e-6 && (a[1] - 1.0 - small).abs() < 1e-6, "{a:?}");
        assert_eq!(b, [1.0]);
    }

    #[test]
    fn the_learning_rate_decays_with_the_steps() {
        // With a constant gradient, each step equals the learning rate.
        let mut adam = Adam::new(0.01, 0.5, [1]);
        let mut value = [0.0f32];
        for rate in [0.01, 0.01 / 1.5, 0.01 / 2.0, 0.01 / 2.5] {
            let before = value[0];
            adam.step([&mut value], &[vec![2.0]]);
            assert!(
                (before - value[0] - rate).abs() < 1e-6,
                "{} against {rate}",
                before - value[0]
            );
        }
    }
}
