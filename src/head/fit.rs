//! Training of the head in batches, as `Model.fit` of Keras.

use ndarray::Axis;

use super::batch::Batch;
use super::optimizer::Adam;
use super::{FitError, FitInputs, FitSettings, Head};
use crate::io::tensor::check_weights;
use crate::rng::{Rng, derive};

/// Loss and accuracy of one epoch, as in the history of Keras.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Mean training loss over the batches, each before its step and with dropout.
    pub loss: f32,
    /// Training accuracy over the same batches, 0 to 1.
    pub accuracy: f32,
    /// Validation loss after the last step, without dropout.
    pub val_loss: Option<f32>,
    /// Validation accuracy after the last step, without dropout, 0 to 1.
    pub val_accuracy: Option<f32>,
}

/// Trained head with its training history.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedHead {
    /// Head after the last step.
    pub head: Head,
    /// Loss and accuracy of each epoch.
    pub history: Vec<Epoch>,
}

/// Trains a head. Calls `on_epoch` after each epoch with its number, from 0.
///
/// Equals Keras 3 if initial weights, order of images and dropout are the same. Here these are
/// random, derived from `seed`: the same inputs, settings and seed give the same head with any
/// number of threads.
///
/// # Errors
///
/// If a setting is out of range, the shapes of the inputs differ, a feature is not finite, there
/// are fewer images than one batch, or the training diverges.
pub fn fit(
    inputs: &FitInputs,
    settings: &FitSettings,
    seed: u64,
    on_epoch: impl FnMut(usize, &Epoch),
) -> Result<FittedHead, FitError> {
    settings.check()?;
    inputs.check(settings.batch_size)?;
    let [mut initial, mut shuffle, mut dropout] = ["initial", "shuffle", "dropout"]
        .map(|purpose| Rng::new(derive(seed, "train", purpose, 0)));
    let head =
        Head::new(inputs.augmented.dim().2, settings.hidden, inputs.classes, || initial.f64());
    let reorder = |order: &mut Vec<usize>| shuffle.shuffle(order);
    let keep_unit = || dropout.f32() >= settings.dropout;
    train(head, inputs, settings, reorder, keep_unit, on_epoch)
}

/// [`fit`] with given initial weights. `reorder` changes the order of the images before each
/// epoch; `keep_unit` returns false if dropout sets a hidden unit to 0.
fn train(
    mut head: Head,
    inputs: &FitInputs,
    settings: &FitSettings,
    mut reorder: impl FnMut(&mut Vec<usize>),
    mut keep_unit: impl FnMut() -> bool,
    mut on_epoch: impl FnMut(usize, &Epoch),
) -> Result<FittedHead, FitError> {
    let FitSettings { batch_size, hidden, dropout, learning_rate, loss, .. } = *settings;
    let decay = learning_rate / settings.epochs as f32;
    let mut adam = Adam::new(learning_rate, decay, head.parameters_mut().map(|p| p.len()));
    let validation = match inputs.validation {
        Some((features, labels)) => Some(Batch::new(features, labels, inputs.classes)?),
        None => None,
    };
    let mut order: Vec<usize> = (0..inputs.labels.len()).collect();
    let mut history = Vec::with_capacity(settings.epochs);
    for number in 0..settings.epochs {
        let features = inputs.augmented.index_axis(Axis(0), number % inputs.augmented.dim().0);
        reorder(&mut order);
        let (mut losses, mut correct) = (Vec::new(), 0);
        for images in order.chunks_exact(batch_size) {
            let labels: Vec<usize> = images.iter().map(|&image| inputs.labels[image]).collect();
            let batch =
                Batch::new(features.select(Axis(0), images).view(), &labels, inputs.classes)?;
            let mask: Option<Vec<f32>> = (dropout > 0.0).then(|| {
                let scale = 1.0 / (1.0 - dropout);
                (0..batch_size * hidden).map(|_| if keep_unit() { scale } else { 0.0 }).collect()
            });
            let step = batch.backward(&head, mask, loss)?;
            adam.step(head.parameters_mut(), &step.gradients);
            losses.push(step.loss);
            correct += step.correct;
        }
        let images = losses.len() * batch_size;
        let validated = validation.as_ref().map(|batch| batch.evaluate(&head, loss)).transpose()?;
        let epoch = Epoch {
            loss: losses.iter().sum::<f32>() / losses.len() as f32,
            accuracy: correct as f32 / images as f32,
            val_loss: validated.map(|(loss, _)| loss),
            val_accuracy: validated.map(|(_, accuracy)| accuracy),
        };
        check_convergence(number, &epoch, &mut head)?;
        on_epoch(number, &epoch);
        history.push(epoch);
    }
    Ok(FittedHead { head, history })
}

/// Largest plausible loss. Cross-entropy of clipped probabilities is at most 16; of logits it
/// exceeds this value only if the weights have diverged.
const MAX_LOSS: f32 = 1e4;

/// Returns an error if a loss of `epoch` (`number` counts from 0) is not finite or implausibly
/// large, or a weight is.
fn check_convergence(number: usize, epoch: &Epoch, head: &mut Head) -> Result<(), FitError> {
    let bad = head.parameters_mut().into_iter().find_map(|p| check_weights(p).err());
    let losses = [Some(epoch.loss), epoch.val_loss];
    if bad.is_none() && losses.into_iter().flatten().all(|loss| loss <= MAX_LOSS) {
        return Ok(());
    }
    let weights = bad.map_or("are finite".to_owned(), |bad| format!("hold {:?}", bad.value));
    Err(FitError::Diverged { epoch: number + 1, loss: epoch.loss, weights })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{Dense, Loss};
    use ndarray::{Array1, Array2, Array3, Axis};
    use serde::Deserialize;

    /// Case of tests/golden/head.json, computed by Keras with tests/golden/head.py.
    #[derive(Deserialize)]
    struct Golden {
        loss: Loss,
        x: Vec<Vec<f32>>,
        y: Vec<usize>,
        test_x: Vec<Vec<f32>>,
        test_y: Vec<usize>,
        batch_size: usize,
        learning_rate: f32,
        orders: Vec<Vec<usize>>,
        initial: Parameters,
        first_loss: f32,
        first_gradients: Parameters,
        history: History,
        trained: Parameters,
        probabilities: Vec<Vec<f32>>,
        tolerance: f32,
    }

    #[derive(Deserialize)]
    struct Parameters {
        #[serde(rename = "dense_1.kernel")]
        hidden_kernel: Vec<Vec<f32>>,
        #[serde(rename = "dense_1.bias")]
        hidden_bias: Vec<f32>,
        #[serde(rename = "dense_2.kernel")]
        output_kernel: Vec<Vec<f32>>,
        #[serde(rename = "dense_2.bias")]
        output_bias: Vec<f32>,
    }

    #[derive(Deserialize)]
    struct History {
        loss: Vec<f32>,
        accuracy: Vec<f32>,
        val_loss: Vec<f32>,
        val_accuracy: Vec<f32>,
    }

    impl Parameters {
        fn head(&self) -> Head {
            let dense = |kernel, bias: &[f32]| Dense {
                kernel: rows(kernel),
                bias: Array1::from(bias.to_vec()),
            };
            Head {
                hidden: dense(&self.hidden_kernel, &self.hidden_bias),
                output: dense(&self.output_kernel, &self.output_bias),
            }
        }
    }

    fn rows(rows: &[Vec<f32>]) -> Array2<f32> {
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
    }

    fn goldens() -> Vec<Golden> {
        serde_json::from_str(include_str!("../../tests/golden/head.json")).unwrap()
    }

    #[track_caller]
    fn assert_near<'a>(
        got: impl IntoIterator<Item = &'a f32>,
        want: impl IntoIterator<Item = &'a f32>,
        tolerance: f32,
    ) {
        let (got, want): (Vec<_>, Vec<_>) = (got.into_iter().collect(), want.into_iter().collect());
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(&want) {
            assert!(
                (*got - *want).abs() <= tolerance * want.abs().max(1.0),
                "{got} against {want}"
            );
        }
    }

    #[test]
    fn loss_and_gradient_equal_keras() {
        for golden in goldens() {
            let first = &golden.orders[0][..golden.batch_size];
            let (x, head) = (rows(&golden.x), golden.initial.head());
            let labels: Vec<usize> = first.iter().map(|&image| golden.y[image]).collect();
            let batch =
                Batch::new(x.select(Axis(0), first).view(), &labels, head.classes()).unwrap();
            let step = batch.backward(&head, None, golden.loss).unwrap();
            assert_near([&step.loss], [&golden.first_loss], golden.tolerance);
            let mut want = golden.first_gradients.head();
            for (got, want) in step.gradients.iter().zip(want.parameters_mut()) {
                assert_near(got, &*want, golden.tolerance);
            }
        }
    }

    #[test]
    fn epochs_equal_keras() {
        for golden in goldens() {
            let head = golden.initial.head();
            let (x, test_x) = (rows(&golden.x), rows(&golden.test_x));
            let inputs = FitInputs {
                augmented: x.view().insert_axis(Axis(0)),
                labels: &golden.y,
                classes: head.classes(),
                validation: Some((test_x.view(), &golden.test_y)),
            };
            let settings = FitSettings {
                epochs: golden.orders.len(),
                batch_size: golden.batch_size,
                learning_rate: golden.learning_rate,
                hidden: head.hidden.bias.len(),
                dropout: 0.0,
                loss: golden.loss,
            };
            let mut orders = golden.orders.iter();
            let reorder = |order: &mut Vec<usize>| order.clone_from(orders.next().unwrap());
            let mut fitted =
                train(head, &inputs, &settings, reorder, || unreachable!(), |_, _| ()).unwrap();
            let column =
                |get: fn(&Epoch) -> f32| fitted.history.iter().map(get).collect::<Vec<_>>();
            assert_near(&column(|e| e.loss), &golden.history.loss, 10.0 * golden.tolerance);
            assert_near(&column(|e| e.accuracy), &golden.history.accuracy, 1e-6);
            assert_near(
                &column(|e| e.val_loss.unwrap()),
                &golden.history.val_loss,
                10.0 * golden.tolerance,
            );
            assert_near(&column(|e| e.val_accuracy.unwrap()), &golden.history.val_accuracy, 1e-6);
            assert_near(
                &fitted.head.predict(test_x.view()),
                &rows(&golden.probabilities),
                10.0 * golden.tolerance,
            );
            let mut want = golden.trained.head();
            for (got, want) in fitted.head.parameters_mut().into_iter().zip(want.parameters_mut()) {
                assert_near(&*got, &*want, 10.0 * golden.tolerance);
            }
        }
    }

    /// Features of 20 images with 3 rotations; feature 0 separates the two classes.
    fn data() -> (Array3<f32>, Vec<usize>) {
        let labels: Vec<usize> = (0..20).map(|image| image % 2).collect();
        let augmented = Array3::from_shape_fn((3, 20, 6), |(rotation, image, feature)| {
            let noise = ((rotation * 131 + image * 17 + feature * 29) % 23) as f32 / 23.0;
            if feature == 0 { noise + 2.0 * labels[image] as f32 } else { noise }
        });
        (augmented, labels)
    }

    /// Inputs for two classes without a validation set.
    fn inputs<'a>(augmented: &'a Array3<f32>, labels: &'a [usize]) -> FitInputs<'a> {
        FitInputs { augmented: augmented.view(), labels, classes: 2, validation: None }
    }

    fn fit_data(settings: &FitSettings, seed: u64) -> FittedHead {
        let (augmented, labels) = data();
        let inputs = inputs(&augmented, &labels);
        fit(&inputs, settings, seed, |_, _| ()).unwrap()
    }

    #[test]
    fn training_separates_the_classes() {
        let settings = FitSettings { epochs: 60, learning_rate: 0.01, ..FitSettings::default() };
        let fitted = fit_data(&settings, 1);
        let (augmented, labels) = data();
        let p = fitted.head.predict(augmented.index_axis(Axis(0), 0));
        let correct =
            p.rows().into_iter().zip(&labels).filter(|(p, label)| p[**label] > 0.5).count();
        assert_eq!(correct, 20);
        assert!(fitted.history[59].loss < 0.6 * fitted.history[0].loss);
        assert_eq!(fitted.history[59].val_loss, None);
    }

    #[test]
    fn training_depends_on_the_seed_but_not_on_the_thread_count() {
        let settings = FitSettings { epochs: 3, ..FitSettings::default() };
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let five_threads = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
        let fitted = fit_data(&settings, 7);
        assert_eq!(fitted, one_thread.install(|| fit_data(&settings, 7)));
        assert_eq!(fitted, five_threads.install(|| fit_data(&settings, 7)));
        assert_ne!(fitted, fit_data(&settings, 8));
    }

    #[test]
    fn epochs_cycle_through_the_rotations() {
        let settings = FitSettings { epochs: 4, dropout: 0.0, ..FitSettings::default() };
        let (augmented, labels) = data();
        let losses = |rotations: &[usize]| {
            let augmented = augmented.select(Axis(0), rotations);
            let inputs = inputs(&augmented, &labels);
            fit(&inputs, &settings, 3, |_, _| ()).unwrap().history
        };
        assert_eq!(losses(&[0, 1, 2]), losses(&[0, 1, 2, 0]));
        assert_ne!(losses(&[0, 1, 2]), losses(&[0, 1, 2, 1]));
        assert_ne!(losses(&[0, 1, 2]), losses(&[0]));
    }

    #[test]
    fn diverging_training_is_an_error() {
        let (augmented, labels) = data();
        let inputs = inputs(&augmented, &labels);
        for loss in [Loss::Logits, Loss::Probabilities] {
            let settings = FitSettings { learning_rate: 1e30, loss, ..FitSettings::default() };
            let error = fit(&inputs, &settings, 0, |_, _| ()).unwrap_err();
            assert!(matches!(error, FitError::Diverged { epoch: 1, .. }), "{error}");
        }
    }

    #[test]
    fn on_epoch_receives_each_epoch() {
        let (augmented, labels) = data();
        let inputs = inputs(&augmented, &labels);
        let mut reported = Vec::new();
        let fitted = fit(&inputs, &FitSettings::default(), 0, |number, epoch| {
            reported.push((number, epoch.clone()))
        });
        assert_eq!(reported, fitted.unwrap().history.into_iter().enumerate().collect::<Vec<_>>());
    }
}
