//! Training, batch by batch, as Keras' `fit` does it.

use ndarray::Axis;

use super::batch::Batch;
use super::optimizer::Adam;
use super::{FitError, FitInputs, FitSettings, Head};
use crate::io::tensor::check_weights;
use crate::rng::{Rng, derive};

/// One line of the history, measured as Keras reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Mean over the epoch's batches, each before its step and with dropout.
    pub loss: f32,
    /// Share of films classified right, measured as `loss`.
    pub accuracy: f32,
    /// On the validation films after the epoch's last step, without dropout.
    pub val_loss: Option<f32>,
    /// On the validation films after the epoch's last step.
    pub val_accuracy: Option<f32>,
}

/// A trained head and one [`Epoch`] for each pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The head after the last step.
    pub head: Head,
    /// What each epoch measured.
    pub history: Vec<Epoch>,
}

/// Trains a head; `on_epoch` is told each epoch's number, from 0, and measures.
///
/// Equals Keras 3 given the same initial weights, order and dropout. Those come
/// from streams derived from `seed`: the same inputs, settings and seed give the
/// same head, at any number of threads.
///
/// # Errors
///
/// [`FitError`] when the inputs do not fit together or are not finite, make no
/// batch, a setting is out of range, or the training diverges.
pub fn fit(
    inputs: &FitInputs,
    settings: &FitSettings,
    seed: u64,
    on_epoch: impl FnMut(usize, &Epoch),
) -> Result<Fitted, FitError> {
    settings.check()?;
    inputs.check(settings.batch_size)?;
    let [mut initial, mut shuffle, mut dropout] = ["initial", "shuffle", "dropout"]
        .map(|purpose| Rng::new(derive(seed, "train", purpose, 0)));
    let head = Head::new(inputs.bank.dim().2, settings.hidden, inputs.classes, || initial.f64());
    let order = |order: &mut Vec<usize>| shuffle.shuffle(order);
    let keep = || dropout.f32() >= settings.dropout;
    train(head, inputs, settings, order, keep, on_epoch)
}

/// [`fit`] from given initial weights: `reorder` changes the films' order before
/// each epoch, `keep` says whether a hidden unit survives dropout.
fn train(
    mut head: Head,
    inputs: &FitInputs,
    settings: &FitSettings,
    mut reorder: impl FnMut(&mut Vec<usize>),
    mut keep: impl FnMut() -> bool,
    mut on_epoch: impl FnMut(usize, &Epoch),
) -> Result<Fitted, FitError> {
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
        let features = inputs.bank.index_axis(Axis(0), number % inputs.bank.dim().0);
        reorder(&mut order);
        let (mut losses, mut hits) = (Vec::new(), 0);
        for films in order.chunks_exact(batch_size) {
            let labels: Vec<usize> = films.iter().map(|&film| inputs.labels[film]).collect();
            let batch =
                Batch::new(features.select(Axis(0), films).view(), &labels, inputs.classes)?;
            let mask: Option<Vec<f32>> = (dropout > 0.0).then(|| {
                let scale = 1.0 / (1.0 - dropout);
                (0..batch_size * hidden).map(|_| if keep() { scale } else { 0.0 }).collect()
            });
            let step = batch.backward(&head, mask, loss)?;
            adam.step(head.parameters_mut(), &step.gradients);
            losses.push(step.loss);
            hits += step.hits;
        }
        let seen = losses.len() * batch_size;
        let measured = validation.as_ref().map(|batch| batch.measure(&head, loss)).transpose()?;
        let epoch = Epoch {
            loss: losses.iter().sum::<f32>() / losses.len() as f32,
            accuracy: hits as f32 / seen as f32,
            val_loss: measured.map(|(loss, _)| loss),
            val_accuracy: measured.map(|(_, accuracy)| accuracy),
        };
        check_converges(number, &epoch, &mut head)?;
        on_epoch(number, &epoch);
        history.push(epoch);
    }
    Ok(Fitted { head, history })
}

/// Fails if the losses of `epoch`, the `number`-th from 0, or the weights after it are not
/// finite, or a weight is beyond what any training ends in.
fn check_converges(number: usize, epoch: &Epoch, head: &mut Head) -> Result<(), FitError> {
    let bad = head.parameters_mut().into_iter().find_map(|p| check_weights(p).err());
    let losses = [Some(epoch.loss), epoch.val_loss];
    if bad.is_none() && losses.into_iter().flatten().all(f32::is_finite) {
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

    /// A case of tests/golden/head.json, made by Keras with head.py beside it.
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
            let labels: Vec<usize> = first.iter().map(|&film| golden.y[film]).collect();
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
                bank: x.view().insert_axis(Axis(0)),
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

    /// Three rotations of 20 films of two classes that one feature tells apart.
    fn films() -> (Array3<f32>, Vec<usize>) {
        let labels: Vec<usize> = (0..20).map(|film| film % 2).collect();
        let bank = Array3::from_shape_fn((3, 20, 6), |(rotation, film, feature)| {
            let noise = ((rotation * 131 + film * 17 + feature * 29) % 23) as f32 / 23.0;
            if feature == 0 { noise + 2.0 * labels[film] as f32 } else { noise }
        });
        (bank, labels)
    }

    fn fit_films(settings: &FitSettings, seed: u64) -> Fitted {
        let (bank, labels) = films();
        let inputs = FitInputs { bank: bank.view(), labels: &labels, classes: 2, validation: None };
        fit(&inputs, settings, seed, |_, _| ()).unwrap()
    }

    #[test]
    fn learns_what_can_be_learnt() {
        let settings = FitSettings { epochs: 60, learning_rate: 0.01, ..FitSettings::default() };
        let fitted = fit_films(&settings, 1);
        let (bank, labels) = films();
        let p = fitted.head.predict(bank.index_axis(Axis(0), 0));
        let hits = p.rows().into_iter().zip(&labels).filter(|(p, label)| p[**label] > 0.5).count();
        assert_eq!(hits, 20);
        assert!(fitted.history[59].loss < 0.6 * fitted.history[0].loss);
        assert_eq!(fitted.history[59].val_loss, None);
    }

    #[test]
    fn the_seed_is_all_that_is_random() {
        let settings = FitSettings { epochs: 3, ..FitSettings::default() };
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let many = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
        let fitted = fit_films(&settings, 7);
        assert_eq!(fitted, alone.install(|| fit_films(&settings, 7)));
        assert_eq!(fitted, many.install(|| fit_films(&settings, 7)));
        assert_ne!(fitted, fit_films(&settings, 8));
    }

    #[test]
    fn each_epoch_sees_its_rotation() {
        let settings = FitSettings { epochs: 4, dropout: 0.0, ..FitSettings::default() };
        let (bank, labels) = films();
        let losses = |rotations: &[usize]| {
            let bank = bank.select(Axis(0), rotations);
            let inputs =
                FitInputs { bank: bank.view(), labels: &labels, classes: 2, validation: None };
            fit(&inputs, &settings, 3, |_, _| ()).unwrap().history
        };
        assert_eq!(losses(&[0, 1, 2]), losses(&[0, 1, 2, 0]));
        assert_ne!(losses(&[0, 1, 2]), losses(&[0, 1, 2, 1]));
        assert_ne!(losses(&[0, 1, 2]), losses(&[0]));
    }

    #[test]
    fn a_training_that_diverges_is_an_error() {
        let (bank, labels) = films();
        let inputs = FitInputs { bank: bank.view(), labels: &labels, classes: 2, validation: None };
        for loss in [Loss::Logits, Loss::Probabilities] {
            let settings = FitSettings { learning_rate: 1e30, loss, ..FitSettings::default() };
            let error = fit(&inputs, &settings, 0, |_, _| ()).unwrap_err();
            assert!(matches!(error, FitError::Diverged { epoch: 1, .. }), "{error}");
        }
    }

    #[test]
    fn tells_each_epoch() {
        let (bank, labels) = films();
        let inputs = FitInputs { bank: bank.view(), labels: &labels, classes: 2, validation: None };
        let mut told = Vec::new();
        let fitted = fit(&inputs, &FitSettings::default(), 0, |number, epoch| {
            told.push((number, epoch.clone()))
        });
        assert_eq!(told, fitted.unwrap().history.into_iter().enumerate().collect::<Vec<_>>());
    }
}
