use ndarray::ArrayView2;

use super::{Undefined, finite, pairwise_sum, predicted, summation::mean};

/// The mean squared distance between the probability of the positive class and
/// what came true, 0 the best and 1 the worst (Brier 1950). Both are `[films]`.
/// Equals scikit-learn's `brier_score_loss`.
pub fn brier(truth: &[bool], probabilities: &[f64]) -> Result<f64, Undefined> {
    assert_eq!(truth.len(), probabilities.len(), "a probability for each film");
    finite(probabilities)?;
    let both_ways = |(t, p): (&bool, &f64)| {
        let (t, p) = (f64::from(u8::from(*t)), *p);
        ((1.0 - t) - (1.0 - p)).powi(2) + (t - p).powi(2)
    };
    let squares: Vec<f64> = truth.iter().zip(probabilities).map(both_ways).collect();
    if squares.is_empty() { Err(Undefined::NoFilms) } else { Ok(0.5 * mean(&squares)) }
}

/// The squared distance summed over all classes, 0 to 2 (for two classes 0 to 1,
/// as [`brier`]). `truth` is `[films]`, `probabilities` `[films, classes]`. Equals
/// scikit-learn's `brier_score_loss` of a matrix.
pub fn brier_multiclass(truth: &[usize], probabilities: ArrayView2<f64>) -> Result<f64, Undefined> {
    assert_eq!(truth.len(), probabilities.nrows(), "a row of probabilities for each film");
    finite(probabilities)?;
    let square = |(&t, row): (&usize, ndarray::ArrayView1<f64>)| {
        let distance = |(class, p): (usize, &f64)| (f64::from(u8::from(class == t)) - p).powi(2);
        row.iter().enumerate().map(distance).sum()
    };
    let squares: Vec<f64> = truth.iter().zip(probabilities.outer_iter()).map(square).collect();
    let scale = if probabilities.ncols() < 3 { 0.5 } else { 1.0 };
    if squares.is_empty() { Err(Undefined::NoFilms) } else { Ok(scale * mean(&squares)) }
}

/// The mean of `-ln p` over the films, `p` being the probability given to the
/// true class, kept at least the epsilon of `f64` away from 0 and 1. `truth` is
/// `[films]`, `probabilities` `[films, classes]`. Equals scikit-learn's `log_loss`.
pub fn log_loss(truth: &[usize], probabilities: ArrayView2<f64>) -> Result<f64, Undefined> {
    assert_eq!(truth.len(), probabilities.nrows(), "a row of probabilities for each film");
    finite(probabilities)?;
    let surprise = |(i, &t): (usize, &usize)| {
        -probabilities[[i, t]].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
    };
    let surprises: Vec<f64> = truth.iter().enumerate().map(surprise).collect();
    if surprises.is_empty() { Err(Undefined::NoFilms) } else { Ok(mean(&surprises)) }
}

/// The films whose confidence falls into one of the equal parts of 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Number of films, at least 1.
    pub films: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that was named rightly.
    pub accuracy: f64,
}

/// The reliability diagram: films put into `bins` equal parts by the probability
/// of their most probable class, empty parts left out. `truth` is `[films]`,
/// `probabilities` `[films, classes]` between 0 and 1.
pub fn reliability(
    truth: &[usize],
    probabilities: ArrayView2<f64>,
    bins: usize,
) -> Result<Vec<Bin>, Undefined> {
    assert_eq!(truth.len(), probabilities.nrows(), "a row of probabilities for each film");
    assert!(bins > 0, "films need a bin");
    finite(probabilities)?;
    let mut members = vec![(vec![], 0); bins];
    for (i, (&t, named)) in truth.iter().zip(predicted(probabilities)).enumerate() {
        let confidence = probabilities[[i, named]];
        let (confidences, right) =
            &mut members[((confidence * bins as f64) as usize).min(bins - 1)];
        confidences.push(confidence);
        *right += usize::from(named == t);
    }
    let filled = members.into_iter().filter(|(confidences, _)| !confidences.is_empty());
    Ok(filled
        .map(|(confidences, right)| Bin {
            films: confidences.len(),
            confidence: mean(&confidences),
            accuracy: right as f64 / confidences.len() as f64,
        })
        .collect())
}

/// The expected calibration error (Guo et al. 2017): the distance between
/// confidence and accuracy in the parts of [`reliability`], averaged over films.
pub fn expected_calibration_error(
    truth: &[usize],
    probabilities: ArrayView2<f64>,
    bins: usize,
) -> Result<f64, Undefined> {
    if truth.is_empty() {
        return Err(Undefined::NoFilms);
    }
    let weighted = |bin: &Bin| bin.films as f64 * (bin.confidence - bin.accuracy).abs();
    let errors: Vec<f64> = reliability(truth, probabilities, bins)?.iter().map(weighted).collect();
    Ok(pairwise_sum(&errors) / truth.len() as f64)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr2};

    use super::*;
    use crate::metrics::golden::{Golden, assert_close};

    #[test]
    fn equals_scikit_learn() {
        for case in Golden::load().predictions {
            let p = case.probabilities();
            assert_close(log_loss(&case.y, p.view()).unwrap(), case.number("log_loss"), 1e-15);
            assert_close(
                brier_multiclass(&case.y, p.view()).unwrap(),
                case.number("brier_multiclass"),
                1e-15,
            );
            let ece = expected_calibration_error(&case.y, p.view(), 15).unwrap();
            assert_close(ece, case.number("ece_15"), 1e-14);
            if case.classes == 2 {
                let covid: Vec<bool> = case.y.iter().map(|y| *y == 0).collect();
                assert_eq!(brier(&covid, &p.column(0).to_vec()), Ok(case.number("brier")));
            }
        }
    }

    #[test]
    fn a_bin_holds_its_films() {
        let p = arr2(&[[1.0, 0.0], [0.9, 0.1], [0.35, 0.65], [0.5, 0.5]]);
        let bins = reliability(&[0, 1, 1, 0], p.view(), 2).unwrap();
        assert_eq!(bins.len(), 1);
        assert_eq!((bins[0].films, bins[0].accuracy), (4, 0.75));
        assert_close(bins[0].confidence, 3.05 / 4.0, 1e-15);
        assert_eq!(reliability(&[0, 1, 1, 0], p.view(), 10).unwrap().len(), 3);
    }

    #[test]
    fn a_certain_mistake_is_finite() {
        let loss = log_loss(&[1], arr2(&[[1.0, 0.0]]).view()).unwrap();
        assert_close(loss, -f64::EPSILON.ln(), 1e-12);
    }

    #[test]
    fn says_what_is_undefined() {
        let none = Array2::zeros((0, 2));
        assert_eq!(brier(&[], &[]), Err(Undefined::NoFilms));
        assert_eq!(brier_multiclass(&[], none.view()), Err(Undefined::NoFilms));
        assert_eq!(log_loss(&[], none.view()), Err(Undefined::NoFilms));
        assert_eq!(expected_calibration_error(&[], none.view(), 15), Err(Undefined::NoFilms));
        assert_eq!(brier(&[true], &[f64::NAN]), Err(Undefined::NotFinite));
        assert_eq!(log_loss(&[0], arr2(&[[f64::NAN, 0.5]]).view()), Err(Undefined::NotFinite));
    }
}
