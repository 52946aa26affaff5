//! Whether a film is unlike those that the head was trained on.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

/// Training films that are kept to compare with, at most.
const MOST: usize = 2000;

/// Where the nearest of few films is a matter of luck, of many a near-duplicate.
const NEIGHBOUR: usize = 3;

/// The distance of a film to the training films: that of its features, scaled to
/// length 1, to the k-th nearest training film's, 0 to 2 (Sun, Ming, Zhu & Li 2022,
/// Out-of-Distribution Detection with Deep Nearest Neighbors, ICML).
///
/// The limit comes from the training films: each one's distance to those of other
/// patients, of which the conformal quantile is taken (Bates, Candès, Lei, Romano &
/// Sesia 2023, Testing for outliers with conformal p-values), so that of films like
/// these, but of new patients, about [`Reference::false_alarms`] lie beyond it. It
/// reads the features that the head reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Novelty {
    /// The limit and how it was found.
    pub reference: Reference,
    /// Features of training films, scaled to length 1, `[films, width]`.
    pub films: Array2<f32>,
}

/// How distances are taken and judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// `k-nearest-neighbour`.
    pub method: String,
    /// Which neighbour counts, from 1.
    pub k: usize,
    /// Training films compared with.
    pub films: usize,
    /// The share of films like the training films beyond `limit`; more than was
    /// asked for where there are too few films to tell.
    pub false_alarms: f64,
    /// A film farther than this is unlike the training films.
    pub limit: f64,
}

/// What [`Novelty`] says of a film.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Novel {
    /// Its distance to the training films.
    pub distance: f64,
    /// Whether it is unlike them.
    pub unlike: bool,
}

impl Reference {
    /// The only [`Self::method`] there is.
    const METHOD: &str = "k-nearest-neighbour";

    /// Fails if this program would judge films otherwise.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { method, k, films, false_alarms, limit } = self;
        match () {
            () if method != Self::METHOD => {
                Err(format!("unlike films are told by `{method}`, not by `{}`", Self::METHOD))
            }
            () if !(0.0..=1.0).contains(false_alarms) => {
                Err(format!("{false_alarms} is no share of false alarms"))
            }
            () if !(0.0..=2.0).contains(limit) => Err(format!("{limit} is no limit of distances")),
            () if *k != NEIGHBOUR || films < k => {
                Err(format!("the neighbour {k} of {films} films, not {NEIGHBOUR}"))
            }
            () => Ok(()),
        }
    }
}

impl Novelty {
    /// From the `features` `[films, width]` of training films and the `patients` on
    /// them, each unknown one a patient of their own. None if no film has `k`
    /// neighbours of other patients.
    ///
    /// # Panics
    /// If there is not a patient for each film, or `false_alarms` is not 0 to 1.
    pub fn fit(
        features: ArrayView2<f32>,
        patients: &[Option<String>],
        false_alarms: f64,
    ) -> Option<Self> {
        assert_eq!(features.nrows(), patients.len(), "a patient for each film");
        assert!((0.0..=1.0).contains(&false_alarms), "a share, not {false_alarms}");
        // Evenly spread over the films, whatever their order.
        let kept = features.nrows().min(MOST);
        let rows: Vec<usize> = (0..kept).map(|i| i * features.nrows() / kept).collect();
        let mut films = features.select(Axis(0), &rows);
        films.rows_mut().into_iter().for_each(|mut film| {
            let scaled = unit(film.view());
            film.assign(&scaled);
        });
        let cosines = films.dot(&films.t());
        let mut distances = Vec::with_capacity(rows.len());
        for (i, cosines) in cosines.outer_iter().enumerate() {
            let same = |j: usize| i == j || same(&patients[rows[i]], &patients[rows[j]]);
            let others = (0..rows.len()).filter(|j| !same(*j)).map(|j| distance(cosines[j]));
            distances.extend(kth(others.collect()));
        }
        let n = distances.len();
        if n == 0 {
            return None;
        }
        distances.sort_by(f64::total_cmp);
        let wanted = ((n + 1) as f64 * (1.0 - false_alarms)).ceil() as usize;
        let rank = wanted.clamp(1, n);
        let reference = Reference {
            method: Reference::METHOD.to_owned(),
            k: NEIGHBOUR,
            films: rows.len(),
            false_alarms: 1.0 - rank as f64 / (n + 1) as f64,
            limit: distances[rank - 1],
        };
        Some(Self { reference, films })
    }

    /// How far a film with these `features` `[width]` is. What has no distance, such
    /// as NaN, is unlike.
    ///
    /// # Panics
    /// If the features are not as wide as the training films'.
    pub fn of(&self, features: ArrayView1<f32>) -> Novel {
        let film = unit(features);
        let cosines = self.films.outer_iter().map(|other| other.dot(&film));
        let distance = kth(cosines.map(distance).collect()).unwrap_or(f64::NAN);
        // Written so that NaN is unlike.
        let like = distance <= self.reference.limit;
        Novel { distance, unlike: !like }
    }
}

fn same(a: &Option<String>, b: &Option<String>) -> bool {
    a.is_some() && a == b
}

/// Of length 1; zeros stay zeros.
fn unit(features: ArrayView1<f32>) -> Array1<f32> {
    let length = features.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let scale = if length == 0.0 { 0.0 } else { 1.0 / length };
    features.mapv(|x| (f64::from(x) * scale) as f32)
}

/// Between points of the unit sphere whose angle has this cosine.
fn distance(cosine: f32) -> f64 {
    if cosine.is_nan() { f64::NAN } else { (2.0 - 2.0 * f64::from(cosine)).max(0.0).sqrt() }
}

/// The [`NEIGHBOUR`]-th least; NaN counts as farthest.
fn kth(mut distances: Vec<f64>) -> Option<f64> {
    (distances.len() >= NEIGHBOUR)
        .then(|| *distances.select_nth_unstable_by(NEIGHBOUR - 1, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Films of two kinds around different directions.
    fn films(rng: &mut Rng, n: usize, far: bool) -> Array2<f32> {
        Array2::from_shape_fn((n, 16), |(_, j)| {
            let base = if far { j < 4 } else { j >= 8 };
            f32::from(u8::from(base)) + 0.3 * rng.f32()
        })
    }

    fn unknown(n: usize) -> Vec<Option<String>> {
        vec![None; n]
    }

    #[test]
    fn new_films_of_the_same_kind_alarm_at_the_stated_rate_and_others_always() {
        let mut rng = Rng::new(7);
        let novelty = Novelty::fit(films(&mut rng, 400, false).view(), &unknown(400), 0.1).unwrap();
        let stated = novelty.reference.false_alarms;
        assert!((0.095..=0.1).contains(&stated), "{stated}");
        let alarms = |films: Array2<f32>| {
            let unlike = films.outer_iter().filter(|film| novelty.of(*film).unlike).count();
            unlike as f64 / films.nrows() as f64
        };
        let share = alarms(films(&mut rng, 2000, false));
        assert!((0.05..0.16).contains(&share), "{share}");
        assert_eq!(alarms(films(&mut rng, 50, true)), 1.0);
        // The length of the features says nothing.
        assert!(alarms(films(&mut rng, 500, false) * 9.0) < 0.2);
    }

    #[test]
    fn films_of_one_patient_do_not_vouch_for_each_other() {
        let mut rng = Rng::new(3);
        let single = films(&mut rng, 30, false);
        let twins = ndarray::concatenate![Axis(0), single, single, single, single];
        let patients = |i: usize| Some(format!("p{}", i % 30));
        let limit =
            |patients: Vec<_>| Novelty::fit(twins.view(), &patients, 0.05).unwrap().reference.limit;
        assert!(limit((0..120).map(patients).collect()) > 0.05);
        assert!(limit(unknown(120)) < 1e-3);
    }

    #[test]
    fn too_few_films_state_the_rate_they_can_hold() {
        let mut rng = Rng::new(1);
        let fit = |n, rng: &mut Rng| Novelty::fit(films(rng, n, false).view(), &unknown(n), 0.05);
        assert!(fit(NEIGHBOUR, &mut rng).is_none());
        let reference = fit(9, &mut rng).unwrap().reference;
        assert!((reference.false_alarms - 0.1).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_compared_is_unlike() {
        let mut rng = Rng::new(1);
        let novelty = Novelty::fit(films(&mut rng, 50, false).view(), &unknown(50), 0.05).unwrap();
        assert!(novelty.of(Array1::from_elem(16, f32::NAN).view()).unlike);
        assert!(novelty.of(Array1::zeros(16).view()).unlike);
    }
}
