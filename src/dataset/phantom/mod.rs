//! Synthetic chest films, for tests and for a first run without data.
//!
//! They look like films (body, lungs, ribs, spine, heart, diaphragm, vessels)
//! and carry the word SYNTHETIC in their pixels and `phantom-` in their names,
//! all of them alike. What tells the classes apart lies in the lungs alone: size,
//! format, colour, body, pose, exposure and noise are drawn from the same
//! distributions in every class. So a model that does well has read lungs, unless a
//! shortcut was planted. They are drawn, not matched film by film: in a set of matched
//! pairs, whoever leaves out a film learns from its counterpart of the other class,
//! and guesses worse than chance.

mod anatomy;
mod disease;
mod film;
mod layout;
mod noise;
mod text;

pub use disease::Condition;
pub use film::{Encoding, Film};
pub use layout::{SOURCE, is_phantom, metadata_csv};

use crate::rng::{Rng, derive};
use noise::between;

/// Films of successive patients; on average 1.7.
const FILMS_PER_PATIENT: [usize; 6] = [1, 2, 1, 3, 1, 2];

/// A set of phantoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Films of COVID-19 (PA) and as many without a finding; a quarter as
    /// many of another pneumonia, an eighth of COVID-19 taken from the front (AP).
    pub films: usize,
    /// Seed of everything.
    pub seed: u64,
    /// Plants a shortcut: a bright mark in a corner of the COVID-19 films.
    pub marker: bool,
}

impl Plan {
    /// The films of the set, by condition, patient and day.
    pub fn films(&self) -> Vec<Film> {
        let mut films = Vec::new();
        let groups = [
            ("covid", Condition::Covid, self.films, false),
            ("covid from the front", Condition::Covid, self.films.div_ceil(8), true),
            ("normal", Condition::Normal, self.films, false),
            ("pneumonia", Condition::Pneumonia, self.films.div_ceil(4), false),
        ];
        let mut patients = [0; 3];
        for (group, condition, count, from_the_front) in groups {
            let pattern = FILMS_PER_PATIENT.into_iter().cycle();
            let days = pattern.flat_map(|n| (0..n).map(|day| 3 * day)).take(count);
            for (i, day) in days.enumerate() {
                let patient = &mut patients[condition as usize];
                *patient += usize::from(day == 0);
                let seed =
                    |purpose: &str, item: usize| derive(self.seed, "phantom", purpose, item as u64);
                let mut shape = Rng::new(seed(&format!("{group} shape"), i));
                let width = between(&mut shape, 440.0, 700.0);
                let height = width * between(&mut shape, 0.86, 1.08);
                let quality = 80 + shape.index(16) as u8;
                films.push(Film {
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
                    film_seed: seed(&format!("{group} film"), i),
                });
            }
        }
        films
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::metrics::ks_two_sample;

    fn of(films: &[Film], condition: Condition) -> Vec<&Film> {
        films.iter().filter(|f| f.condition == condition && !f.from_the_front).collect()
    }

    #[test]
    fn nothing_but_the_lungs_depends_on_the_class() {
        let films = Plan { films: 1000, seed: 42, marker: false }.films();
        let [covid, normal] = [Condition::Covid, Condition::Normal].map(|c| of(&films, c));
        let persons = |films: &[&Film]| -> Vec<_> {
            films.iter().map(|f| (f.patient, f.day, f.marker)).collect()
        };
        assert_eq!(persons(&covid), persons(&normal));
        let alike = |what: &str, value: fn(&Film) -> f64| {
            let of = |films: &[&Film]| films.iter().map(|f| value(f)).collect::<Vec<_>>();
            let p = ks_two_sample(&of(&covid), &of(&normal)).unwrap().p_value;
            assert!(p > 0.01, "{what}: p = {p}");
        };
        alike("width", |f| f64::from(f.width));
        alike("aspect", |f| f64::from(f.height) / f64::from(f.width));
        alike("colour", |f| f64::from(u8::from(f.colour)));
        alike("encoding", |f| match f.encoding {
            Encoding::Png => 0.0,
            Encoding::Jpeg(quality) => f64::from(quality),
        });
        let shapes = |films: &[&Film]| -> Vec<_> { films.iter().map(|f| f.width).collect() };
        assert_ne!(shapes(&covid), shapes(&normal), "not matched film by film");
        let seeds: BTreeSet<_> = films.iter().map(|f| f.film_seed).collect();
        assert_eq!(seeds.len(), films.len());
    }

    #[test]
    fn patients_have_one_to_three_films() {
        let films = Plan { films: 20, seed: 42, marker: false }.films();
        let covid = of(&films, Condition::Covid);
        let bodies: BTreeSet<_> = covid.iter().map(|f| (f.patient, f.body_seed)).collect();
        assert_eq!(bodies.len(), 12, "20 films as 1 2 1 3 1 2 1 2 1 3 1 2");
    }

    #[test]
    fn the_planted_marker_changes_its_corner_of_covid_films_only() {
        let films = |marker| Plan { films: 1, seed: 1, marker }.films();
        for (plain, marked) in films(false).into_iter().zip(films(true)) {
            let (a, b) = (plain.render(), marked.render());
            let differing = a.enumerate_pixels().filter(|&(x, y, p)| b.get_pixel(x, y) != p);
            let outside = differing.clone().filter(|&(x, y, _)| x.max(y) > a.width() / 8).count();
            assert_eq!(outside, 0);
            assert_eq!(differing.count() > 0, marked.condition == Condition::Covid);
        }
    }

    #[test]
    fn films_are_told_apart_by_their_lungs() {
        let films = Plan { films: 4, seed: 3, marker: false }.films();
        // Mean level of a lung's outer middle field against its inner upper one.
        let shade = |film: &Film| {
            let image = film.render();
            let mean = |x: f32, y: f32| {
                let (w, h) = (film.width as f32, film.height as f32);
                let cells = (0..40)
                    .flat_map(|i| (0..40).map(move |j| (i as f32 / 400.0, j as f32 / 400.0)));
                let levels = cells.map(|(i, j)| {
                    image.get_pixel(((x + i) * w) as u32, ((y + j) * h) as u32).0[0] as f32
                });
                levels.sum::<f32>() / 1600.0
            };
            mean(0.18, 0.45) + mean(0.72, 0.45) - mean(0.30, 0.25) - mean(0.60, 0.25)
        };
        let mean = |condition| {
            let films = of(&films, condition);
            films.iter().map(|f| shade(f)).sum::<f32>() / films.len() as f32
        };
        let (covid, normal) = (mean(Condition::Covid), mean(Condition::Normal));
        assert!(covid > normal + 20.0, "{covid} {normal}");
    }

    #[test]
    fn stored_films_are_what_they_claim() {
        for film in (Plan { films: 4, seed: 5, marker: false }).films() {
            let bytes = film.encode();
            let format = match film.encoding {
                Encoding::Png => image::ImageFormat::Png,
                Encoding::Jpeg(_) => image::ImageFormat::Jpeg,
            };
            assert_eq!(image::guess_format(&bytes).unwrap(), format);
            let decoded = image::load_from_memory(&bytes).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (film.width, film.height));
            assert_eq!(decoded.color().has_color(), film.colour);
        }
    }
}
