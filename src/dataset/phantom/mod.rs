//! Phantoms: synthetic chest radiographs, for tests and for a first run without data.
//!
//! Phantoms have a body, lungs, ribs, spine, heart, diaphragm and vessels, the word SYNTHETIC in
//! their pixels and `phantom-` in their file names. Classes differ in the lungs only: size,
//! format, colour, body, pose, exposure and noise have the same distributions in every class. A
//! model can therefore only use the lungs, unless a shortcut is planted. Phantoms of different
//! classes are independent, not matched pairs: with matched pairs, cross-validated accuracy falls
//! below chance, because the counterpart of a test image has the other label.

mod anatomy;
mod disease;
mod layout;
mod noise;
mod radiograph;
mod text;

pub use self::radiograph::{Encoding, Image};
pub use disease::Condition;
pub use layout::{SOURCE, is_phantom, metadata_csv};

use crate::rng::{Rng, derive};
use noise::uniform;

/// Number of images of successive patients; 1.7 on average.
const IMAGES_PER_PATIENT: [usize; 6] = [1, 2, 1, 3, 1, 2];

/// Parameters of a set of phantoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Number of PA images of COVID-19, and of normal images. In addition, a quarter as many
    /// images of another pneumonia, and an eighth as many AP images of COVID-19.
    pub images: usize,
    /// Random seed.
    pub seed: u64,
    /// Whether to plant a shortcut: a bright square in a corner of the COVID-19 images.
    pub marker: bool,
}

impl Plan {
    /// Returns the phantoms of the set, by condition, patient and day.
    pub fn images(&self) -> Vec<Image> {
        let mut images = Vec::new();
        let groups = [
            ("covid", Condition::Covid, self.images, false),
            ("covid from the front", Condition::Covid, self.images.div_ceil(8), true),
            ("normal", Condition::Normal, self.images, false),
            ("pneumonia", Condition::Pneumonia, self.images.div_ceil(4), false),
        ];
        let mut patients = [0; 3];
        for (group, condition, count, from_the_front) in groups {
            let pattern = IMAGES_PER_PATIENT.into_iter().cycle();
            let days = pattern.flat_map(|n| (0..n).map(|day| 3 * day)).take(count);
            for (i, day) in days.enumerate() {
                let patient = &mut patients[condition as usize];
                *patient += usize::from(day == 0);
                let seed =
                    |purpose: &str, item: usize| derive(self.seed, "phantom", purpose, item as u64);
                let mut shape = Rng::new(seed(&format!("{group} shape"), i));
                let width = uniform(&mut shape, 440.0, 700.0);
                let height = width * uniform(&mut shape, 0.86, 1.08);
                let quality = 80 + shape.index(16) as u8;
                images.push(Image {
                    condition,
                    patient: *patient,
                    day,
                    from_the_front,
                    width: width as u32,
                    height: height as u32,
                    colour: shape.index(4) == 0,
                    encoding: if shape.index(3) == 0 {
                        Encoding::Png
                    } else {
                        Encoding::Jpeg(quality)
                    },
                    marker: self.marker && condition == Condition::Covid,
                    body_seed: seed(&format!("{group} body"), *patient),
                    // Names of purposes are part of the seeds: renaming one changes the images.
                    image_seed: seed(&format!("{group} film"), i),
                });
            }
        }
        images
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::metrics::ks_two_sample;

    fn with_condition(images: &[Image], condition: Condition) -> Vec<&Image> {
        images.iter().filter(|f| f.condition == condition && !f.from_the_front).collect()
    }

    #[test]
    fn only_the_lungs_depend_on_the_class() {
        let images = Plan { images: 1000, seed: 42, marker: false }.images();
        let [covid, normal] =
            [Condition::Covid, Condition::Normal].map(|c| with_condition(&images, c));
        let patients = |images: &[&Image]| -> Vec<_> {
            images.iter().map(|f| (f.patient, f.day, f.marker)).collect()
        };
        assert_eq!(patients(&covid), patients(&normal));
        let assert_same_distribution = |name: &str, value: fn(&Image) -> f64| {
            let values = |images: &[&Image]| images.iter().map(|f| value(f)).collect::<Vec<_>>();
            let p = ks_two_sample(&values(&covid), &values(&normal)).unwrap().p_value;
            assert!(p > 0.01, "{name}: p = {p}");
        };
        assert_same_distribution("width", |f| f64::from(f.width));
        assert_same_distribution("aspect", |f| f64::from(f.height) / f64::from(f.width));
        assert_same_distribution("colour", |f| f64::from(u8::from(f.colour)));
        assert_same_distribution("encoding", |f| match f.encoding {
            Encoding::Png => 0.0,
            Encoding::Jpeg(quality) => f64::from(quality),
        });
        let widths = |images: &[&Image]| -> Vec<_> { images.iter().map(|f| f.width).collect() };
        assert_ne!(widths(&covid), widths(&normal), "not matched pairs");
        let seeds: BTreeSet<_> = images.iter().map(|f| f.image_seed).collect();
        assert_eq!(seeds.len(), images.len());
    }

    #[test]
    fn patients_have_one_to_three_images() {
        let images = Plan { images: 20, seed: 42, marker: false }.images();
        let covid = with_condition(&images, Condition::Covid);
        let bodies: BTreeSet<_> = covid.iter().map(|f| (f.patient, f.body_seed)).collect();
        assert_eq!(bodies.len(), 12, "20 images as 1 2 1 3 1 2 1 2 1 3 1 2");
    }

    #[test]
    fn the_planted_marker_changes_one_corner_of_covid_images_only() {
        let images = |marker| Plan { images: 1, seed: 1, marker }.images();
        for (plain, marked) in images(false).into_iter().zip(images(true)) {
            let (a, b) = (plain.render(), marked.render());
            let differing = a.enumerate_pixels().filter(|&(x, y, p)| b.get_pixel(x, y) != p);
            let outside = differing.clone().filter(|&(x, y, _)| x.max(y) > a.width() / 8).count();
            assert_eq!(outside, 0);
            assert_eq!(differing.count() > 0, marked.condition == Condition::Covid);
        }
    }

    #[test]
    fn classes_differ_in_the_lungs() {
        let images = Plan { images: 4, seed: 3, marker: false }.images();
        // Mean level of the outer middle fields of both lungs, minus the inner upper fields.
        let contrast = |image: &Image| {
            let pixels = image.render();
            let mean = |x: f32, y: f32| {
                let (w, h) = (image.width as f32, image.height as f32);
                let cells = (0..40)
                    .flat_map(|i| (0..40).map(move |j| (i as f32 / 400.0, j as f32 / 400.0)));
                let levels = cells.map(|(i, j)| {
                    pixels.get_pixel(((x + i) * w) as u32, ((y + j) * h) as u32).0[0] as f32
                });
                levels.sum::<f32>() / 1600.0
            };
            mean(0.18, 0.45) + mean(0.72, 0.45) - mean(0.30, 0.25) - mean(0.60, 0.25)
        };
        let mean = |condition| {
            let images = with_condition(&images, condition);
            images.iter().map(|f| contrast(f)).sum::<f32>() / images.len() as f32
        };
        let (covid, normal) = (mean(Condition::Covid), mean(Condition::Normal));
        assert!(covid > normal + 20.0, "{covid} {normal}");
    }

    #[test]
    fn encoded_images_have_the_stated_format_size_and_colour() {
        for image in (Plan { images: 4, seed: 5, marker: false }).images() {
            let bytes = image.encode();
            let format = match image.encoding {
                Encoding::Png => ::image::ImageFormat::Png,
                Encoding::Jpeg(_) => ::image::ImageFormat::Jpeg,
            };
            assert_eq!(::image::guess_format(&bytes).unwrap(), format);
            let decoded = ::image::load_from_memory(&bytes).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (image.width, image.height));
            assert_eq!(decoded.color().has_color(), image.colour);
        }
    }
}
