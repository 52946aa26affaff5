//! Out-of-distribution detection.

mod statistics;

use ndarray::{Array1, Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use self::statistics::{NAMES, statistics};
use crate::metrics::Rate;

/// Rank k of the neighbour: with k = 1, a near-duplicate would decide.
const NEIGHBOUR: usize = 3;

/// Lower bound of the scales; below it, rounding errors would dominate.
const MIN_SCALE: f64 = 1e-3;

/// Out-of-distribution score of an image: the largest of four deviations from the training
/// images, each divided by its scale.
///
/// - `features`: Euclidean distance of the head's input features, scaled to length 1, to the
///   k-th nearest training image, 0 to 2 (Sun, Ming, Zhu & Li 2022, Out-of-Distribution
///   Detection with Deep Nearest Neighbors, ICML).
/// - `brightness`, `contrast` and `sharpness`: absolute difference of an image statistic from
///   the median of the training images.
///
/// The limit is a conformal quantile of the training images' own scores, each compared with
/// images of other patients (Bates, Candès, Lei, Romano & Sesia 2023, Testing for outliers with
/// conformal p-values). Among images of new patients that are exchangeable with the training
/// images, a proportion of about [`Reference::false_positive_rate`] exceeds the limit. Nothing
/// is guaranteed for images of another hospital, device or period.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfDistribution {
    /// Limit and its derivation.
    pub reference: Reference,
    /// Features of the training images, scaled to length 1, `[images, width]`.
    pub features: Array2<f32>,
}

/// Parameters of the score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// `k-nearest-neighbour and image statistics`.
    pub method: String,
    /// Rank of the neighbour, from 1.
    pub k: usize,
    /// Number of training images.
    pub images: usize,
    /// Expected proportion of images above `limit`, among images exchangeable with the training
    /// images. Higher than requested if there are too few training images.
    pub false_positive_rate: f64,
    /// Images with a higher score are out of distribution.
    pub limit: f64,
    /// Deviations `features`, `brightness`, `contrast` and `sharpness`, in this order.
    pub parts: Vec<Part>,
    /// Proportion of test images above the limit, without patients of the training set; none if
    /// their features are unknown.
    pub measured: Option<Rate>,
}

/// Deviation from the training images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Name of the deviation.
    pub name: String,
    /// Origin of the deviation: 0 for a distance, else the median.
    pub centre: f64,
    /// Deviation that corresponds to a score of 1.
    pub scale: f64,
}

/// Out-of-distribution score of one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OodScore {
    /// Score, at least 0; NaN if undefined.
    pub score: f64,
    /// Whether the score is above the limit.
    pub is_out: bool,
    /// Name of the largest deviation.
    pub part: &'static str,
}

/// Names of the parts, in order.
const PARTS: [&str; 4] = ["features", NAMES[0], NAMES[1], NAMES[2]];

/// Features and statistics of images.
#[derive(Debug, Clone, Default)]
pub struct ImageStatistics {
    /// Features `[images, width]`.
    pub features: Array2<f32>,
    /// Brightness, contrast and sharpness per image.
    statistics: Vec<[f64; 3]>,
}

impl ImageStatistics {
    /// Returns an empty collection for features of `width` columns.
    pub fn new(width: usize) -> Self {
        Self { features: Array2::zeros((0, width)), statistics: Vec::new() }
    }

    /// Adds an image with features `[width]` and pixels `[side, side, 3]`.
    ///
    /// # Panics
    /// If the number of features or pixels does not match.
    pub fn push(&mut self, features: ArrayView1<f32>, pixels: &[u8], side: usize) {
        self.features.push_row(features).expect("equal widths");
        self.statistics.push(statistics(pixels, side));
    }
}

impl Reference {
    /// Only supported [`Self::method`].
    const METHOD: &str = "k-nearest-neighbour and image statistics";

    /// Checks that this version computes the score in the same way.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { method, k, images, false_positive_rate, limit, parts, .. } = self;
        let names: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
        let is_finite = |part: &Part| part.centre.is_finite() && part.scale.is_normal();
        match () {
            () if method != Self::METHOD => Err(format!(
                "the out-of-distribution score is `{method}`, expected `{}`",
                Self::METHOD
            )),
            () if !(0.0..=1.0).contains(false_positive_rate) => Err(format!(
                "{false_positive_rate} is not an out-of-distribution false-positive rate"
            )),
            () if !(limit.is_finite() && *limit >= 0.0) => {
                Err(format!("{limit} is not a limit of out-of-distribution scores"))
            }
            () if names != PARTS || !parts.iter().all(|p| is_finite(p) && p.scale > 0.0) => {
                Err("the parts of the out-of-distribution score are not usable".to_owned())
            }
            () if *k != NEIGHBOUR || images < k => Err(format!(
                "the out-of-distribution score has k = {k} of {images} images, expected {NEIGHBOUR}"
            )),
            () => Ok(()),
        }
    }

    /// Returns the expected and the measured false-positive rate as text.
    pub fn rates(&self) -> String {
        let expected = 100.0 * self.false_positive_rate;
        let text = format!(
            "expected false-positive rate {expected:.1} % of images exchangeable with the \
             training images"
        );
        match self.measured.as_ref().and_then(|rate| Some((rate, rate.value?))) {
            None => format!("{text}; not measured on test images"),
            Some((Rate { low, high, hits, of, .. }, value)) => format!(
                "{text}; measured on the test images {:.1} % ({hits} of {of}, 95 % interval \
                 {:.1} to {:.1} %)",
                100.0 * value,
                100.0 * low,
                100.0 * high
            ),
        }
    }
}

impl OutOfDistribution {
    /// Fits the score to training images and their `patients`; images without a patient ID
    /// count as separate patients. None if no image has `k` neighbours of other patients.
    ///
    /// # Panics
    /// If the number of patients differs from the number of images, or `rate` is not between 0
    /// and 1.
    pub fn fit(images: &ImageStatistics, patients: &[Option<String>], rate: f64) -> Option<Self> {
        assert_eq!(images.features.nrows(), patients.len(), "one patient per image");
        assert!((0.0..=1.0).contains(&rate), "the rate must be 0 to 1, got {rate}");
        let n = patients.len();
        let mut features = images.features.clone();
        features.rows_mut().into_iter().for_each(|mut image| {
            let scaled = normalise(image.view());
            image.assign(&scaled);
        });
        // Deviations of the images with at least k neighbours of other patients.
        let cosines = features.dot(&features.t());
        let mut deviations: Vec<[f64; 4]> = Vec::with_capacity(n);
        for (i, cosines) in cosines.outer_iter().enumerate() {
            let is_excluded = |j: usize| i == j || is_same_patient(&patients[i], &patients[j]);
            let others = (0..n).filter(|j| !is_excluded(*j)).map(|j| distance(cosines[j]));
            if let Some(distance) = kth_smallest(others.collect()) {
                let [a, b, c] = images.statistics[i];
                deviations.push([distance, a, b, c]);
            }
        }
        if deviations.is_empty() {
            return None;
        }
        let centres: [f64; 4] = std::array::from_fn(|part| match part {
            0 => 0.0,
            _ => quantile(deviations.iter().map(|d| d[part]).collect(), 0.5).0,
        });
        let parts: Vec<Part> = (0..4)
            .map(|part| {
                let distances =
                    deviations.iter().map(|d| (d[part] - centres[part]).abs()).collect();
                let scale = quantile(distances, rate).0.max(MIN_SCALE);
                Part { name: PARTS[part].to_owned(), centre: centres[part], scale }
            })
            .collect();
        let scores = deviations.iter().map(|deviation| largest(&parts, *deviation).0).collect();
        let (limit, false_positive_rate) = quantile(scores, rate);
        let reference = Reference {
            method: Reference::METHOD.to_owned(),
            k: NEIGHBOUR,
            images: n,
            false_positive_rate,
            limit,
            parts,
            measured: None,
        };
        // Features that are not finite give no finite limit.
        reference.limit.is_finite().then_some(Self { reference, features })
    }

    /// Returns the score of an image with `features` `[width]` and `pixels` `[side, side, 3]`.
    /// If a feature is NaN, the image is out of distribution.
    ///
    /// # Panics
    /// If the number of features or pixels does not match.
    pub fn score(&self, features: ArrayView1<f32>, pixels: &[u8], side: usize) -> OodScore {
        self.score_statistics(features, statistics(pixels, side))
    }

    fn score_statistics(&self, features: ArrayView1<f32>, [a, b, c]: [f64; 3]) -> OodScore {
        let image = normalise(features);
        let cosines = self.features.outer_iter().map(|other| other.dot(&image));
        let distance = kth_smallest(cosines.map(distance).collect()).unwrap_or(f64::NAN);
        let (score, part) = largest(&self.reference.parts, [distance, a, b, c]);
        // Not `score > limit`: NaN is out of distribution.
        let is_in = score <= self.reference.limit;
        OodScore { score, is_out: !is_in, part }
    }

    /// Returns the proportion of `images` that are out of distribution.
    pub fn measure(&self, images: &ImageStatistics) -> Rate {
        let rows = images.features.outer_iter().zip(&images.statistics);
        let out = rows
            .filter(|(features, statistics)| self.score_statistics(*features, **statistics).is_out);
        Rate::new(out.count() as u64, images.statistics.len() as u64)
    }
}

/// Returns the largest scaled deviation and its name; NaN is the largest.
fn largest(parts: &[Part], deviations: [f64; 4]) -> (f64, &'static str) {
    let scaled = parts.iter().zip(deviations).map(|(p, value)| (value - p.centre).abs() / p.scale);
    let with_names = scaled.zip(PARTS);
    with_names.max_by(|a, b| a.0.total_cmp(&b.0)).expect("there are four parts")
}

/// Returns the conformal quantile of `values` and the probability, at most `rate`, that a new
/// exchangeable value exceeds it. With too few values: the largest, and a higher probability.
fn quantile(mut values: Vec<f64>, rate: f64) -> (f64, f64) {
    let n = values.len();
    values.sort_by(f64::total_cmp);
    let rank = (((n + 1) as f64 * (1.0 - rate)).ceil() as usize).clamp(1, n);
    (values[rank - 1], 1.0 - rank as f64 / (n + 1) as f64)
}

fn is_same_patient(a: &Option<String>, b: &Option<String>) -> bool {
    a.is_some() && a == b
}

/// Scales to length 1; zeros stay zeros.
fn normalise(features: ArrayView1<f32>) -> Array1<f32> {
    let length = features.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let scale = if length == 0.0 { 0.0 } else { 1.0 / length };
    features.mapv(|x| (f64::from(x) * scale) as f32)
}

/// Distance of two unit vectors with this cosine.
fn distance(cosine: f32) -> f64 {
    if cosine.is_nan() { f64::NAN } else { (2.0 - 2.0 * f64::from(cosine)).max(0.0).sqrt() }
}

/// Returns the [`NEIGHBOUR`]-th smallest distance; NaN is the largest.
fn kth_smallest(mut distances: Vec<f64>) -> Option<f64> {
    (distances.len() >= NEIGHBOUR)
        .then(|| *distances.select_nth_unstable_by(NEIGHBOUR - 1, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Two kinds of images: features around different directions, smooth grey levels.
    fn images(rng: &mut Rng, n: usize, far: bool) -> ImageStatistics {
        let mut images = ImageStatistics::new(16);
        for _ in 0..n {
            let base = |j: usize| f32::from(u8::from(if far { j < 4 } else { j >= 8 }));
            let features = Array1::from_shape_fn(16, |j| base(j) + 0.3 * rng.f32());
            images.push(features.view(), &levels(rng, 1.0, 1), 32);
        }
        images
    }

    /// Image `[32, 32, 3]` with levels times `gain`, averaged over `blur` columns.
    fn levels(rng: &mut Rng, gain: f64, blur: usize) -> Vec<u8> {
        let (offset, phase) = (rng.uniform(90.0, 110.0), rng.uniform(0.0, 6.0));
        let noise: Vec<f64> = (0..32 * 32).map(|_| rng.uniform(-15.0, 15.0)).collect();
        let level = |i: usize| {
            let (x, y) = ((i % 32) as f64, (i / 32) as f64);
            offset + 40.0 * (x / 6.0 + phase).sin() + 30.0 * (y / 8.0).cos() + noise[i]
        };
        let mean = |i: usize| {
            let columns = i % 32..(i % 32 + blur).min(32);
            let n = columns.len() as f64;
            columns.map(|x| level(i / 32 * 32 + x)).sum::<f64>() / n
        };
        (0..32 * 32).flat_map(|i| [(gain * mean(i)).clamp(0.0, 255.0) as u8; 3]).collect()
    }

    fn unknown(n: usize) -> Vec<Option<String>> {
        vec![None; n]
    }

    #[test]
    fn false_positive_rate_is_as_expected_and_other_images_are_flagged() {
        let mut rng = Rng::new(7);
        let score =
            OutOfDistribution::fit(&images(&mut rng, 400, false), &unknown(400), 0.1).unwrap();
        let expected = score.reference.false_positive_rate;
        assert!((0.095..=0.1).contains(&expected), "{expected}");
        let measured = score.measure(&images(&mut rng, 2000, false));
        assert!((0.05..0.16).contains(&measured.value.unwrap()), "{measured:?}");
        assert_eq!(score.measure(&images(&mut rng, 50, true)).value, Some(1.0));
        // Features are normalised: their length has no effect.
        let mut longer = images(&mut rng, 500, false);
        longer.features *= 9.0;
        assert!(score.measure(&longer).value.unwrap() < 0.2);
        let reference = Reference { measured: Some(measured), ..score.reference };
        assert!(reference.rates().contains(&format!("({} of 2000, 95 % interval", measured.hits)));
    }

    #[test]
    fn darkened_and_blurred_images_are_flagged() {
        let mut rng = Rng::new(2);
        let training = images(&mut rng, 100, false);
        let score = OutOfDistribution::fit(&training, &unknown(100), 0.05).unwrap();
        for (gain, blur) in [(0.4, 1), (1.0, 3)] {
            let pixels = levels(&mut rng, gain, blur);
            let result = score.score(training.features.row(0), &pixels, 32);
            let is_expected = (result.part == "sharpness") == (blur > 1);
            assert!(result.is_out && result.part != "features" && is_expected, "{result:?}");
        }
        let mut is_out =
            || score.score(training.features.row(0), &levels(&mut rng, 1.0, 1), 32).is_out;
        assert!((0..40).filter(|_| is_out()).count() < 8);
    }

    #[test]
    fn images_of_one_patient_are_not_compared_with_each_other() {
        let mut rng = Rng::new(3);
        let single = images(&mut rng, 30, false);
        let mut repeated = ImageStatistics::new(16);
        for i in 0..120 {
            repeated.push(single.features.row(i % 30), &levels(&mut rng, 1.0, 1), 32);
        }
        let scale = |patients: Vec<_>| {
            OutOfDistribution::fit(&repeated, &patients, 0.05).unwrap().reference.parts[0].scale
        };
        assert!(scale((0..120).map(|i| Some(format!("p{}", i % 30))).collect()) > 0.05);
        assert_eq!(scale(unknown(120)), MIN_SCALE);
    }

    #[test]
    fn too_few_images_state_the_rate_they_can_hold() {
        let mut rng = Rng::new(1);
        let fit =
            |n, rng: &mut Rng| OutOfDistribution::fit(&images(rng, n, false), &unknown(n), 0.05);
        assert!(fit(NEIGHBOUR, &mut rng).is_none());
        let reference = fit(9, &mut rng).unwrap().reference;
        assert!((reference.false_positive_rate - 0.1).abs() < 1e-12);
    }

    #[test]
    fn images_with_undefined_features_are_out_of_distribution() {
        let mut rng = Rng::new(1);
        let score =
            OutOfDistribution::fit(&images(&mut rng, 50, false), &unknown(50), 0.05).unwrap();
        let pixels = levels(&mut rng, 1.0, 1);
        for features in [Array1::from_elem(16, f32::NAN), Array1::zeros(16)] {
            let result = score.score(features.view(), &pixels, 32);
            assert!(result.is_out && result.part == "features", "{result:?}");
        }
    }
}
