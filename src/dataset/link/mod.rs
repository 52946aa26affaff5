//! Patient linkage and near-duplicate detection.
//!
//! [`link_by_record`] links images by patient ID, file name of the Kaggle set, and file hash.
//! [`link_near_duplicates`] detects near-duplicates: coarse descriptors give candidate pairs, which are
//! aligned by an affine map and accepted by their correlation. Copies are found if they are
//! cropped, framed, mirrored, inverted, slightly rotated or annotated. [`Groups`] joins all links.

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

/// Recorded data of an image.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// Path relative to the dataset folder.
    pub path: &'a str,
    /// Name of the class.
    pub class: &'a str,
    /// Patient key with origin (`cohen:97`); empty if unknown.
    pub patient: &'a str,
    /// Hash of the file; empty if unknown.
    pub hash: &'a str,
}

/// Evidence for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Equal identities.
    Identity(Evidence),
    /// Equal files.
    SameFile,
    /// The same image in different files.
    NearDuplicate,
}

impl Kind {
    /// Returns the stable text used in tables.
    pub fn text(self) -> &'static str {
        match self {
            Self::Identity(evidence) => evidence.text(),
            Self::SameFile => "same file",
            Self::NearDuplicate => "near duplicate",
        }
    }

    /// Returns whether the link joins copies of one image, not only images of one patient.
    pub fn is_same_image(self) -> bool {
        matches!(self, Self::SameFile | Self::NearDuplicate)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Link between two images of one patient, with `a < b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Row of the first image.
    pub a: usize,
    /// Row of the second image.
    pub b: usize,
    /// Evidence for the link.
    pub kind: Kind,
    /// The patient key, the hash, or the similarity of the images.
    pub detail: String,
    /// Relation of the images, for near-duplicates.
    pub relation: Option<Relation>,
}

/// Links images with the same patient ID, the same patient number in Kaggle file names, or the
/// same file hash. Each image is linked to the first image with the same value, in row order.
pub fn link_by_record(images: &[Image<'_>]) -> Vec<Link> {
    let mut first: BTreeMap<(Kind, String), usize> = BTreeMap::new();
    let mut links = Vec::new();
    for (row, image) in images.iter().enumerate() {
        for (kind, detail) in link_keys(image) {
            let a = *first.entry((kind, detail.clone())).or_insert(row);
            if a < row {
                links.push(Link { a, b: row, kind, detail, relation: None });
            }
        }
    }
    links
}

/// Returns the keys that link an image to others, without empty keys.
fn link_keys(image: &Image<'_>) -> Vec<(Kind, String)> {
    let evidence = match image.patient.split_once(':') {
        Some(("kaggle", _)) => Evidence::KaggleName,
        Some(("name", _)) => Evidence::NameSeries,
        _ => Evidence::PatientId,
    };
    let name = image.path.rsplit('/').next().unwrap_or_default();
    let kaggle = KaggleName::parse(name).and_then(|_| from_name(name)).map(|identity| identity.key);
    let keys = [
        (Kind::Identity(evidence), image.patient.to_owned()),
        (Kind::Identity(Evidence::KaggleName), kaggle.unwrap_or_default()),
        (Kind::SameFile, image.hash.to_owned()),
    ];
    let mut keys: Vec<_> = keys.into_iter().filter(|(_, key)| !key.is_empty()).collect();
    keys.dedup();
    keys
}

/// Links near-duplicates: each image is aligned with its `neighbours` nearest images, and pairs
/// with a correlation of at least `least` are linked. Of files with equal hashes, only the first
/// is compared. Constant images are not compared.
pub fn link_near_duplicates(
    images: &[Image<'_>],
    thumbnails: &[Thumbnail],
    neighbours: usize,
    least: f64,
) -> Vec<Link> {
    let mut seen = BTreeSet::new();
    let is_first = |row: &usize| images[*row].hash.is_empty() || seen.insert(images[*row].hash);
    let rows: Vec<usize> = (0..images.len()).filter(is_first).collect();
    let thumbnails: Vec<&Thumbnail> = rows.iter().map(|row| &thumbnails[*row]).collect();
    let link = |candidate: neighbours::Candidate| {
        let (a, b) = (candidate.a, candidate.b);
        let relation = align::align(thumbnails[a], thumbnails[b], &candidate)?;
        let (a, b) = (rows[a.min(b)], rows[a.max(b)]);
        (relation.correlation >= least).then(|| Link {
            a,
            b,
            kind: Kind::NearDuplicate,
            detail: relation.detail(),
            relation: Some(relation),
        })
    };
    let candidates = neighbours::candidates(&thumbnails, neighbours);
    candidates.into_par_iter().filter_map(link).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn image<'a>(path: &'a str, patient: &'a str, hash: &'a str) -> Image<'a> {
        Image { path, class: path.split('/').next().unwrap(), patient, hash }
    }

    #[test]
    fn records_link_images_with_their_evidence() {
        let images = [
            image("covid/a.png", "cohen:97", "1"),
            image("covid/b.png", "cohen:178", "2"),
            image("covid/c.png", "cohen:97", "3"),
            image("normal/IM-0001-0001.jpeg", "kaggle:IM-0001", "4"),
            image("normal/IM-0001-0002.jpeg", "", "5"),
            image("normal/copy.png", "", "2"),
            image("normal/d.png", "", "6"),
        ];
        let links = link_by_record(&images);
        let rows: Vec<_> =
            links.iter().map(|l| (l.a, l.b, l.kind.text(), l.detail.as_str())).collect();
        assert_eq!(
            rows,
            [
                (0, 2, "patient id", "cohen:97"),
                (3, 4, "kaggle name", "kaggle:IM-0001"),
                (1, 5, "same file", "2")
            ]
        );
        let groups = Groups::new(&images, &links);
        assert_eq!(
            groups.of,
            [
                "cohen:97",
                "cohen:178",
                "cohen:97",
                "kaggle:IM-0001",
                "kaggle:IM-0001",
                "cohen:178",
                "image:normal/d.png"
            ]
        );
        assert_eq!(groups.count(), 4);
        assert_eq!(groups.evidence[1], BTreeSet::from([Kind::SameFile]));
        assert!(groups.evidence[6].is_empty());
        assert_eq!(groups.merged(&images), [] as [Vec<String>; 0]);
        let classes = BTreeMap::from([("covid".into(), 1), ("normal".into(), 1)]);
        assert_eq!(
            groups.conflicts(&images, &links),
            [Conflict { group: "cohen:178".into(), classes, same_image: true }]
        );
    }

    /// A thumbnail of random coarse and fine shapes, cropped to a window of the image.
    fn shapes(seed: u64, window: [f64; 4], mirrored: bool) -> Thumbnail {
        let mut rng = crate::rng::Rng::new(seed);
        let mut wave =
            |max: f64| [rng.uniform(-max, max), rng.uniform(-max, max), rng.uniform(0.0, 6.0)];
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
    fn the_same_image_in_two_files_joins_two_patient_ids() {
        let images = [
            image("covid/a", "cohen:78", "1"),
            image("covid/b", "cohen:5", "2"),
            image("covid/c", "cohen:201", "3"),
        ];
        let thumbnails =
            [shapes(1, WHOLE, false), shapes(2, WHOLE, false), shapes(1, WHOLE, false)];
        let links = link_near_duplicates(&images, &thumbnails, 10, 0.88);
        assert_eq!(links.len(), 1);
        assert_eq!((links[0].a, links[0].b, &*links[0].detail), (0, 2, "correlation 1.0000"));
        assert_eq!(links[0].relation.unwrap().text(), "same");
        let groups = Groups::new(&images, &links);
        assert_eq!(groups.of, ["cohen:201+cohen:78", "cohen:5", "cohen:201+cohen:78"]);
        assert_eq!(groups.merged(&images), [["cohen:201", "cohen:78"]]);
        assert_eq!(groups.conflicts(&images, &links), []);
    }

    #[test]
    fn a_cropped_and_mirrored_copy_is_found_among_unrelated_images() {
        let paths: Vec<String> = (0..40).map(|i| format!("x/{i}")).collect();
        let images: Vec<_> = paths.iter().map(|path| image(path, "", "")).collect();
        let mut thumbnails: Vec<_> = (0..40).map(|i| shapes(i, WHOLE, false)).collect();
        thumbnails[20] = shapes(7, [0.1, 0.02, 0.97, 0.95], true);
        let links = link_near_duplicates(&images, &thumbnails, 10, 0.88);
        assert_eq!(links.len(), 1, "{links:?}");
        let relation = links[0].relation.unwrap();
        assert_eq!((links[0].a, links[0].b, &*relation.text()), (7, 20, "mirrored cropped"));
        // 0.87 of the width and 0.93 of the height.
        assert!((relation.coverage - 0.87 * 0.93).abs() < 0.01, "{relation:?}");
        assert!(relation.correlation > 0.95, "{relation:?}");
    }

    proptest! {
        /// Compared with a breadth-first search over links.
        #[test]
        fn groups_are_the_connected_components(pairs in prop::collection::vec((0..40usize, 0..40usize), 0..40)) {
            let paths: Vec<String> = (0..40).map(|i| format!("x/{i}")).collect();
            let images: Vec<_> = paths.iter().map(|path| image(path, "", "")).collect();
            let link = |&(a, b): &(usize, usize)| Link { a: a.min(b), b: a.max(b), kind: Kind::NearDuplicate, detail: String::new(), relation: None };
            let groups = Groups::new(&images, &pairs.iter().map(link).collect::<Vec<_>>());
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
                prop_assert_eq!(&groups.of[start], &format!("image:x/{}", reached.first().unwrap()));
            }
        }
    }
}
