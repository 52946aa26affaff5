//! Forward and backward pass of one batch of images.

use candle_core::{Device, Result, Tensor};
use ndarray::ArrayView2;

use super::mlp::{forward, to_tensor};
use super::{Head, Loss};

/// Images that the head processes together.
pub(super) struct Batch<'a> {
    features: Tensor,
    targets: Tensor,
    labels: &'a [usize],
}

/// Loss, number of correct predictions and gradients of a batch before the optimizer step.
pub(super) struct Step {
    pub(super) loss: f32,
    pub(super) correct: usize,
    /// In the order of [`Head::parameters_mut`].
    pub(super) gradients: [Vec<f32>; 4],
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        features: ArrayView2<f32>,
        labels: &'a [usize],
        classes: usize,
    ) -> Result<Self> {
        let mut targets = vec![0f32; labels.len() * classes];
        for (image, label) in labels.iter().enumerate() {
            targets[image * classes + label] = 1.0;
        }
        let targets = Tensor::from_vec(targets, (labels.len(), classes), &Device::Cpu)?;
        Ok(Self { features: to_tensor(features)?, targets, labels })
    }

    /// Computes loss, correct predictions and gradients; `mask` multiplies the hidden units.
    pub(super) fn backward(&self, head: &Head, mask: Option<Vec<f32>>, loss: Loss) -> Result<Step> {
        let shape = (self.labels.len(), head.hidden.bias.len());
        let mask = mask.map(|mask| Tensor::from_vec(mask, shape, &Device::Cpu)).transpose()?;
        let variables = head.variables()?;
        let logits = forward(&variables, &self.features, mask.as_ref())?;
        let value = loss.mean(&logits, &self.targets)?;
        let mut store = value.backward()?;
        let mut gradients: [Vec<f32>; 4] = Default::default();
        for (gradient, variable) in gradients.iter_mut().zip(&variables) {
            let tensor = store.remove(variable).expect("the loss depends on every parameter");
            *gradient = tensor.flatten_all()?.to_vec1()?;
        }
        Ok(Step { loss: value.to_scalar()?, correct: self.count_correct(&logits)?, gradients })
    }

    /// Computes loss and accuracy without dropout.
    pub(super) fn evaluate(&self, head: &Head, loss: Loss) -> Result<(f32, f32)> {
        let logits = head.logits(&self.features)?;
        let value = loss.mean(&logits, &self.targets)?.to_scalar()?;
        Ok((value, self.count_correct(&logits)? as f32 / self.labels.len() as f32))
    }

    /// Number of images that are correctly classified.
    fn count_correct(&self, logits: &Tensor) -> Result<usize> {
        let classes: Vec<u32> = logits.argmax(1)?.to_vec1()?;
        Ok(classes
            .iter()
            .zip(self.labels)
            .filter(|(class, label)| **class as usize == **label)
            .count())
    }
}
