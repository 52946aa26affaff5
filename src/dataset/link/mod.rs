//! Which films show one person.
//!
//! Films are linked by what is on record of them ([`by_record`]: patient ids,
//! names of the Kaggle set, equal files) and by what is on them ([`by_picture`]:
//! one film in two files). [`Groups`] joins all links.

mod candidates;
mod groups;
mod thumbnail;
mod union_find;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rayon::prelude::*;

pub use candidates::{FARTHEST, near_pairs};
pub use groups::{Conflict, Groups};
pub use thumbnail::Thumbnail;

use super::identity::{Evidence, KaggleName, from_name};

/// What is on record of a film.
#[derive(Debug, Clone, Copy)]
pub struct Film<'a> {
    /// Relative to the dataset folder.
    pub path: &'a str,
    /// Its class.
    pub class: &'a str,
    /// Who is on it, with origin (`cohen:97`); empty if unknown.
    pub patient: &'a str,
    /// A hash of its file.
    pub hash: &'a str,
}

/// What a link rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The same identity on record.
    Identity(Evidence),
    /// The same file.
    SameFile,
    /// The same film in another file.
    NearDuplicate,
}

impl Kind {
    /// The text in tables; scripts may rely on it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Identity(evidence) => evidence.text(),
            Self::SameFile => "same file",
            Self::NearDuplicate => "near duplicate",
        }
    }

    /// Whether both are one film, not only one person.
    pub fn is_of_the_film(self) -> bool {
        matches!(self, Self::SameFile | Self::NearDuplicate)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Two films of one person, as rows with `a < b`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The one.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// What it rests on.
    pub kind: Kind,
    /// The id, the hash, or how alike the pictures are.
    pub detail: String,
}

/// Links films of one patient id, of one patient's number in Kaggle names, and
/// of one file: each to the first of its kind, in the order of the films.
pub fn by_record(films: &[Film<'_>]) -> Vec<Link> {
    let mut first: BTreeMap<(Kind, String), usize> = BTreeMap::new();
    let mut links = Vec::new();
    for (row, film) in films.iter().enumerate() {
        for (kind, detail) in marks(film) {
            let a = *first.entry((kind, detail.clone())).or_insert(row);
            if a < row {
                links.push(Link { a, b: row, kind, detail });
            }
        }
    }
    links
}

/// What on record ties a film to others.
fn marks(film: &Film<'_>) -> Vec<(Kind, String)> {
    let evidence = match film.patient.split_once(':') {
        Some(("kaggle", _)) => Evidence::KaggleName,
        Some(("name", _)) => Evidence::NameSeries,
        _ => Evidence::PatientId,
    };
    let name = film.path.rsplit('/').next().unwrap_or_default();
    let kaggle = KaggleName::parse(name).and_then(|_| from_name(name)).map(|identity| identity.key);
    let known = [
        (Kind::Identity(evidence), film.patient.to_owned()),
        (Kind::Identity(Evidence::KaggleName), kaggle.unwrap_or_default()),
        (Kind::SameFile, film.hash.to_owned()),
    ];
    let mut marks: Vec<_> = known.into_iter().filter(|(_, mark)| !mark.is_empty()).collect();
    marks.dedup();
    marks
}

/// Links films whose pictures are one: perceptual hashes at most `distance` bits
/// apart, confirmed by a correlation of at least `least`. Of equal files, which
/// `films` tell, only the first is looked at; so are films of one grey not at all.
///
/// # Panics
///
/// When `distance` is above [`FARTHEST`].
pub fn by_picture(
    films: &[Film<'_>],
    thumbnails: &[Thumbnail],
    distance: u32,
    least: f64,
) -> Vec<Link> {
    let mut seen = BTreeSet::new();
    let (mut rows, mut hashes) = (Vec::new(), Vec::new());
    for (row, film) in films.iter().enumerate() {
        let original = film.hash.is_empty() || seen.insert(film.hash);
        if let Some(hash) = thumbnails[row].hash().filter(|_| original) {
            rows.push(row);
            hashes.push(hash);
        }
    }
    let confirm = |(i, j): (usize, usize)| {
        let (a, b) = (rows[i], rows[j]);
        let correlation = thumbnails[a].correlation(&thumbnails[b]);
        let detail =
            format!("correlation {correlation:.4}, {} bits", (hashes[i] ^ hashes[j]).count_ones());
        (correlation >= least).then_some(Link { a, b, kind: Kind::NearDuplicate, detail })
    };
    near_pairs(&hashes, distance).into_par_iter().filter_map(confirm).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn film<'a>(path: &'a str, patient: &'a str, hash: &'a str) -> Film<'a> {
        Film { path, class: path.split('/').next().unwrap(), patient, hash }
    }

    #[test]
    fn records_link_films_and_name_their_evidence() {
        let films = [
            film("covid/a.png", "cohen:97", "1"),
            film("covid/b.png", "cohen:178", "2"),
            film("covid/c.png", "cohen:97", "3"),
            film("normal/IM-0001-0001.jpeg", "kaggle:IM-0001", "4"),
            film("normal/IM-0001-0002.jpeg", "", "5"),
            film("normal/copy.png", "", "2"),
            film("normal/d.png", "", "6"),
        ];
        let links = by_record(&films);
        let told: Vec<_> =
            links.iter().map(|l| (l.a, l.b, l.kind.text(), l.detail.as_str())).collect();
        assert_eq!(
            told,
            [
                (0, 2, "patient id", "cohen:97"),
                (3, 4, "kaggle name", "kaggle:IM-0001"),
                (1, 5, "same file", "2")
            ]
        );
        let groups = Groups::new(&films, &links);
        assert_eq!(
            groups.of,
            [
                "cohen:97",
                "cohen:178",
                "cohen:97",
                "kaggle:IM-0001",
                "kaggle:IM-0001",
                "cohen:178",
                "film:normal/d.png"
            ]
        );
        assert_eq!(groups.count(), 4);
        assert_eq!(groups.evidence[1], BTreeSet::from([Kind::SameFile]));
        assert!(groups.evidence[6].is_empty());
        assert_eq!(groups.merged(&films), [] as [Vec<String>; 0]);
        let classes = BTreeMap::from([("covid".into(), 1), ("normal".into(), 1)]);
        assert_eq!(
            groups.conflicts(&films, &links),
            [Conflict { group: "cohen:178".into(), classes, same_film: true }]
        );
    }

    #[test]
    fn one_film_in_two_files_joins_two_patient_ids() {
        let shades = |seed: usize| -> Thumbnail {
            let pixel = |i: usize| [((i % 64) * (i / 64 + seed * 37) / (seed + 7) % 251) as u8; 3];
            Thumbnail::new(&(0..64 * 64).flat_map(pixel).collect::<Vec<_>>(), 64)
        };
        let films = [
            film("covid/a", "cohen:78", "1"),
            film("covid/b", "cohen:5", "2"),
            film("covid/c", "cohen:201", "3"),
        ];
        let thumbnails = [shades(1), shades(2), shades(1)];
        let links = by_picture(&films, &thumbnails, 6, 0.9);
        assert_eq!(links.len(), 1);
        assert_eq!(
            (links[0].a, links[0].b, links[0].detail.as_str()),
            (0, 2, "correlation 1.0000, 0 bits")
        );
        let groups = Groups::new(&films, &links);
        assert_eq!(groups.of, ["cohen:201+cohen:78", "cohen:5", "cohen:201+cohen:78"]);
        assert_eq!(groups.merged(&films), [["cohen:201", "cohen:78"]]);
        assert_eq!(groups.conflicts(&films, &links), []);
    }

    proptest! {
        /// Against a search through all films that can be reached by links.
        #[test]
        fn groups_are_the_connected_films(pairs in prop::collection::vec((0..40usize, 0..40usize), 0..40)) {
            let paths: Vec<String> = (0..40).map(|i| format!("x/{i}")).collect();
            let films: Vec<_> = paths.iter().map(|path| film(path, "", "")).collect();
            let link = |&(a, b): &(usize, usize)| Link { a: a.min(b), b: a.max(b), kind: Kind::NearDuplicate, detail: String::new() };
            let groups = Groups::new(&films, &pairs.iter().map(link).collect::<Vec<_>>());
            for start in 0..40 {
                let mut reached = BTreeSet::from([start]);
                loop {
                    let before = reached.len();
                    for &(a, b) in &pairs {
                        if reached.contains(&a) || reached.contains(&b) {
                            reached.extend([a, b]);
                        }
                    }
                    if reached.len() == before { break }
                }
                for other in 0..40 {
                    prop_assert_eq!(groups.of[start] == groups.of[other], reached.contains(&other));
                }
                prop_assert_eq!(&groups.of[start], &format!("film:x/{}", reached.first().unwrap()));
            }
        }
    }
}
