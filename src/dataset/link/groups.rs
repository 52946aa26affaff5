//! Groups of linked images, one per patient.

use std::collections::{BTreeMap, BTreeSet};

use super::union_find::UnionFind;
use super::{Image, Kind, Link};

/// Images grouped by patient: the connected components of the links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// Group name of each image: the group's patient keys joined by `+`, or the path of the
    /// group's first image if no patient is known.
    pub of: Vec<String>,
    /// Evidence that links each image to its group; empty for unlinked images.
    pub evidence: Vec<BTreeSet<Kind>>,
}

/// Group with images of several classes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Conflict {
    /// Name of the group.
    pub group: String,
    /// Number of images per class.
    pub classes: BTreeMap<String, usize>,
    /// Whether copies of one image are in different classes. Otherwise the images may have been
    /// taken at different times.
    pub same_image: bool,
}

impl Groups {
    /// Groups `images` by `links` (union-find).
    pub fn new(images: &[Image<'_>], links: &[Link]) -> Self {
        let mut sets = UnionFind::new(images.len());
        let mut evidence = vec![BTreeSet::new(); images.len()];
        for link in links {
            sets.join(link.a, link.b);
            evidence[link.a].insert(link.kind);
            evidence[link.b].insert(link.kind);
        }
        let set_of: Vec<usize> = (0..images.len()).map(|row| sets.find(row)).collect();
        let mut patients: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        for (image, set) in images.iter().zip(&set_of) {
            let known = Some(image.patient).filter(|patient| !patient.is_empty());
            patients.entry(*set).or_default().extend(known);
        }
        let name = |set: &usize| match &patients[set] {
            ids if ids.is_empty() => format!("image:{}", images[*set].path),
            ids => ids.iter().copied().collect::<Vec<_>>().join("+"),
        };
        Self { of: set_of.iter().map(name).collect(), evidence }
    }

    /// Number of groups.
    pub fn count(&self) -> usize {
        self.of.iter().collect::<BTreeSet<_>>().len()
    }

    /// Returns the sorted patient keys of each group with several patient keys.
    pub fn merged(&self, images: &[Image<'_>]) -> Vec<Vec<String>> {
        let mut ids: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (image, group) in images.iter().zip(&self.of) {
            let known = Some(image.patient).filter(|patient| !patient.is_empty());
            ids.entry(group).or_default().extend(known.map(str::to_owned));
        }
        ids.into_values().filter(|ids| ids.len() > 1).map(|ids| ids.into_iter().collect()).collect()
    }

    /// Returns the groups with images of several classes, ordered by name.
    pub fn conflicts(&self, images: &[Image<'_>], links: &[Link]) -> Vec<Conflict> {
        let mut classes: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
        for (image, group) in images.iter().zip(&self.of) {
            *classes.entry(group).or_default().entry(image.class.to_owned()).or_default() += 1;
        }
        let crosses_classes = |link: &&Link| {
            link.kind.is_same_image() && images[link.a].class != images[link.b].class
        };
        let with_copies: BTreeSet<&str> =
            links.iter().filter(crosses_classes).map(|l| self.of[l.a].as_str()).collect();
        let mixed = classes.into_iter().filter(|(_, classes)| classes.len() > 1);
        mixed
            .map(|(group, classes)| Conflict {
                group: group.to_owned(),
                classes,
                same_image: with_copies.contains(group),
            })
            .collect()
    }
}
