//! Patient linkage: which images show the same patient.
//!
//! Images are linked by what is on record ([`by_record`]: patient ids, names of the
//! Kaggle set, equal files) and by near-duplicate detection ([`by_picture`]): coarse
//! descriptors give candidate pairs, each is aligned by an affine map, and the
//! correlation after that decides. So a copy is found though it was cropped, bordered,
//! mirrored, inverted, rotated a little or written on. [`Groups`] joins all links.

mod align;
mod groups;
mod neighbours;
mod thumbnail;
mod union_find;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rayon::prelude::*;

pub use align::Relation;
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
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The one.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// What it rests on.
    pub kind: Kind,
    /// The id, the hash, or how alike the pictures are.
    pub detail: String,
    /// How one image shows what the other shows, if they were aligned.
    pub relation: Option<Relation>,
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
                links.push(Link { a, b: row, kind, detail, relation: None });
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

/// Links images that show the same picture: of each image the `neighbours` nearest
/// others are aligned with it, and a correlation of at least `least` links them. Of
/// files that are equal by hash only the first is compared; an image of one level is
/// not.
pub fn by_picture(
    films: &[Film<'_>],
    thumbnails: &[Thumbnail],
    neighbours: usize,
    least: f64,
) -> Vec<Link> {
    let mut seen = BTreeSet::new();
    let is_first = |row: &usize| films[*row].hash.is_empty() || seen.insert(films[*row].hash);
    let rows: Vec<usize> = (0..films.len()).filter(is_first).collect();
    let pictures: Vec<&Thumbnail> = rows.iter().map(|row| &thumbnails[*row]).collect();
    let link = |candidate: neighbours::Candidate| {
        let (a, b) = (candidate.a, candidate.b);
        let relation = align::align(pictures[a], pictures[b], &candidate)?;
        let (a, b) = (rows[a.min(b)], rows[a.max(b)]);
        (relation.correlation >= least).then(|| Link {
            a,
            b,
            kind: Kind::NearDuplicate,
            detail: relation.detail(),
            relation: Some(relation),
        })
    };
    let candidates = neighbours::candidates(&pictures, neighbours);
    candidates.into_par_iter().filter_map(link).collect()
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

    /// A thumbnail of coarse and fine shapes, from a seed, in a window of the picture.
    fn shapes(seed: u64, window: [f64; 4], mirrored: bool) -> Thumbnail {
        let mut rng = crate::rng::Rng::new(seed);
        let mut wave =
            |most: f64| [rng.uniform(-most, most), rng.uniform(-most, most), rng.uniform(0.0, 6.0)];
        let waves: Vec<[f64; 3]> =
            (0..40).map(|i| wave(if i % 4 == 0 { 15.0 } else { 60.0 })).collect();
        let [left, top, right, bottom] = window;
        let level = |i: usize| {
            let (x, y) = ((i % 128) as f64 / 128.0, (i / 128) as f64 / 128.0);
            let x = if mirrored { 1.0 - x } else { x };
            let (x, y) = (left + x * (right - left), top + y * (bottom - top));
            let sum: f64 = waves.iter().map(|[u, v, phase]| (u * x + v * y + phase).sin()).sum();
            [(128.0 + 12.0 * sum).clamp(0.0, 255.0) as u8; 3]
        };
        Thumbnail::new(&(0..128 * 128).flat_map(level).collect::<Vec<_>>(), 128)
    }

    const WHOLE: [f64; 4] = [0.0, 0.0, 1.0, 1.0];

    #[test]
    fn the_same_picture_in_two_files_joins_two_patient_ids() {
        let films = [
            film("covid/a", "cohen:78", "1"),
            film("covid/b", "cohen:5", "2"),
            film("covid/c", "cohen:201", "3"),
        ];
        let thumbnails =
            [shapes(1, WHOLE, false), shapes(2, WHOLE, false), shapes(1, WHOLE, false)];
        let links = by_picture(&films, &thumbnails, 10, 0.88);
        assert_eq!(links.len(), 1);
        assert_eq!((links[0].a, links[0].b, &*links[0].detail), (0, 2, "correlation 1.0000"));
        assert_eq!(links[0].relation.unwrap().text(), "same");
        let groups = Groups::new(&films, &links);
        assert_eq!(groups.of, ["cohen:201+cohen:78", "cohen:5", "cohen:201+cohen:78"]);
        assert_eq!(groups.merged(&films), [["cohen:201", "cohen:78"]]);
        assert_eq!(groups.conflicts(&films, &links), []);
    }

    #[test]
    fn a_cropped_and_mirrored_copy_is_found_among_strangers() {
        let paths: Vec<String> = (0..40).map(|i| format!("x/{i}")).collect();
        let films: Vec<_> = paths.iter().map(|path| film(path, "", "")).collect();
        let mut thumbnails: Vec<_> = (0..40).map(|i| shapes(i, WHOLE, false)).collect();
        thumbnails[20] = shapes(7, [0.1, 0.02, 0.97, 0.95], true);
        let links = by_picture(&films, &thumbnails, 10, 0.88);
        assert_eq!(links.len(), 1, "{links:?}");
        let relation = links[0].relation.unwrap();
        assert_eq!((links[0].a, links[0].b, &*relation.text()), (7, 20, "mirrored cropped"));
        // 0.87 of the width and 0.93 of the height.
        assert!((relation.coverage - 0.87 * 0.93).abs() < 0.01, "{relation:?}");
        assert!(relation.correlation > 0.95, "{relation:?}");
    }

    proptest! {
        /// Against a search through all films that can be reached by links.
        #[test]
        fn groups_are_the_connected_films(pairs in prop::collection::vec((0..40usize, 0..40usize), 0..40)) {
            let paths: Vec<String> = (0..40).map(|i| format!("x/{i}")).collect();
            let films: Vec<_> = paths.iter().map(|path| film(path, "", "")).collect();
            let link = |&(a, b): &(usize, usize)| Link { a: a.min(b), b: a.max(b), kind: Kind::NearDuplicate, detail: String::new(), relation: None };
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
