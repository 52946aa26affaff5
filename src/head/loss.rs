//! Binary cross-entropy of the softmax outputs, as computed by Keras.

use candle_core::Tensor;
use candle_nn::ops::softmax;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Variant of the binary cross-entropy, averaged over images and outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Sigmoid of each logit. Keras 3 on TensorFlow computes this for
    /// `loss="binary_crossentropy"` after `activation="softmax"`: the activation attaches its
    /// logits to the returned tensor, and the loss uses them. Each logit is then fitted to the
    /// log-odds of its class. With two classes their difference, the input of the softmax, is
    /// twice the log-odds, so the probabilities are overconfident.
    #[default]
    Logits,
    /// Softmax probabilities, clipped to [1e-7, 1 - 1e-7]; the gradient of clipped values is 0.
    /// Keras computes this if the logits are not available.
    Probabilities,
}

/// Unknown name of a [`Loss`].
#[derive(Debug, Error, PartialEq, Eq)]
#[error("unknown loss `{0}`, expected `logits` or `probabilities`")]
pub struct UnknownLoss(String);

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logits => "logits",
            Self::Probabilities => "probabilities",
        })
    }
}

impl FromStr for Loss {
    type Err = UnknownLoss;

    fn from_str(text: &str) -> Result<Self, UnknownLoss> {
        match text {
            "logits" => Ok(Self::Logits),
            "probabilities" => Ok(Self::Probabilities),
            other => Err(UnknownLoss(other.to_owned())),
        }
    }
}

/// `epsilon()` of Keras.
const CLIP: f32 = 1e-7;

impl Loss {
    /// Mean loss (a scalar) of `logits` `[n, classes]`; `targets` are one-hot, same shape.
    pub(super) fn mean(self, logits: &Tensor, targets: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Self::Logits => {
                // max(z, 0) - z y + ln(1 + e^-|z|), which cannot overflow.
                let tail = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
                ((logits.relu()? - (logits * targets)?)? + tail)?.mean_all()
            }
            Self::Probabilities => {
                let p = softmax(logits, 1)?;
                let inside = p.ge(CLIP)?.mul(&p.le(1.0 - CLIP)?)?;
                let p = inside.where_cond(&p, &p.clamp(CLIP, 1.0 - CLIP)?.detach())?;
                let likelihood =
                    ((targets * p.log()?)? + ((1.0 - targets)? * (1.0 - p)?.log()?)?)?;
                likelihood.mean_all()?.neg()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    const LOGITS: [[f32; 3]; 3] = [[0.3, -1.2, 2.0], [40.0, -40.0, 0.0], [-3.0, 0.5, 0.4]];
    const TARGETS: [[f32; 3]; 3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];

    /// Loss and its gradient with respect to the logits.
    fn evaluate(loss: Loss) -> (f32, Vec<Vec<f32>>) {
        let logits = Var::new(&LOGITS, &Device::Cpu).unwrap();
        let mean = loss.mean(&logits, &Tensor::new(&TARGETS, &Device::Cpu).unwrap()).unwrap();
        let gradient = mean.backward().unwrap().remove(&logits).unwrap();
        (mean.to_scalar().unwrap(), gradient.to_vec2().unwrap())
    }

    #[test]
    fn names_round_trip() {
        for loss in [Loss::Logits, Loss::Probabilities] {
            assert_eq!(loss.to_string().parse(), Ok(loss));
            assert_eq!(serde_json::to_value(loss).unwrap(), loss.to_string());
        }
        let error = "hinge".parse::<Loss>().unwrap_err();
        assert_eq!(error.to_string(), "unknown loss `hinge`, expected `logits` or `probabilities`");
    }

    #[test]
    fn the_logits_loss_applies_the_sigmoid() {
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        let (mean, gradient) = evaluate(Loss::Logits);
        let mut sum = 0.0;
        for (i, j) in (0..9).map(|c| (c / 3, c % 3)) {
            let (z, y) = (f64::from(LOGITS[i][j]), f64::from(TARGETS[i][j]));
            sum += if y == 1.0 { (1.0 + (-z).exp()).ln() } else { (1.0 + z.exp()).ln() };
            assert!(
                (f64::from(gradient[i][j]) - (sigmoid(z) - y) / 9.0).abs() < 1e-7,
                "gradient {i} {j}"
            );
        }
        assert!((f64::from(mean) - sum / 9.0).abs() < 1e-5, "{mean}");
    }

    #[test]
    fn clipped_probabilities_have_no_gradient() {
        let (mean, gradient) = evaluate(Loss::Probabilities);
        assert_eq!(gradient[1], [0.0; 3]);
        assert!(gradient[0].iter().chain(&gradient[2]).all(|g| g.abs() > 1e-3));
        let mut sum = 0.0;
        for (z, y) in LOGITS.iter().zip(TARGETS) {
            let total: f64 = z.iter().map(|z| f64::from(*z).exp()).sum();
            for (z, y) in z.iter().zip(y) {
                let p = (f64::from(*z).exp() / total).clamp(f64::from(CLIP), f64::from(1.0 - CLIP));
                sum -= if y == 1.0 { p.ln() } else { (1.0 - p).ln() };
            }
        }
        assert!((f64::from(mean) - sum / 9.0).abs() < 1e-5, "{mean} {}", sum / 9.0);
    }
}
