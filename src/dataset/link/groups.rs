use std::collections::{BTreeMap, BTreeSet};

use super::union_find::UnionFind;
use super::{Film, Kind, Link};

/// Films by person, as far as links tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// The name of each film's group: its patient ids joined by `+`, else the
    /// path of its first film.
    pub of: Vec<String>,
    /// What ties each film to others of its group; empty for a film alone.
    pub evidence: Vec<BTreeSet<Kind>>,
}

/// A group whose films are of several classes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Conflict {
    /// The group.
    pub group: String,
    /// Films of each class.
    pub classes: BTreeMap<String, usize>,
    /// Whether one and the same film stands in two classes, rather than films
    /// that a person may have had at different times.
    pub same_film: bool,
}

impl Groups {
    /// Joins `films` by `links` (union-find).
    pub fn new(films: &[Film<'_>], links: &[Link]) -> Self {
        let mut sets = UnionFind::new(films.len());
        let mut evidence = vec![BTreeSet::new(); films.len()];
        for link in links {
            sets.join(link.a, link.b);
            evidence[link.a].insert(link.kind);
            evidence[link.b].insert(link.kind);
        }
        let set_of: Vec<usize> = (0..films.len()).map(|row| sets.find(row)).collect();
        let mut persons: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        for (film, set) in films.iter().zip(&set_of) {
            let known = Some(film.patient).filter(|patient| !patient.is_empty());
            persons.entry(*set).or_default().extend(known);
        }
        let name = |set: &usize| match &persons[set] {
            ids if ids.is_empty() => format!("film:{}", films[*set].path),
            ids => ids.iter().copied().collect::<Vec<_>>().join("+"),
        };
        Self { of: set_of.iter().map(name).collect(), evidence }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.of.iter().collect::<BTreeSet<_>>().len()
    }

    /// The groups that hold several patient ids, each with its ids, sorted.
    pub fn merged(&self, films: &[Film<'_>]) -> Vec<Vec<String>> {
        let mut ids: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (film, group) in films.iter().zip(&self.of) {
            let known = Some(film.patient).filter(|patient| !patient.is_empty());
            ids.entry(group).or_default().extend(known.map(str::to_owned));
        }
        ids.into_values().filter(|ids| ids.len() > 1).map(|ids| ids.into_iter().collect()).collect()
    }

    /// The groups of several classes, by name.
    pub fn conflicts(&self, films: &[Film<'_>], links: &[Link]) -> Vec<Conflict> {
        let mut classes: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
        for (film, group) in films.iter().zip(&self.of) {
            *classes.entry(group).or_default().entry(film.class.to_owned()).or_default() += 1;
        }
        let same =
            |link: &&Link| link.kind.is_of_the_film() && films[link.a].class != films[link.b].class;
        let torn: BTreeSet<&str> =
            links.iter().filter(same).map(|l| self.of[l.a].as_str()).collect();
        let several = classes.into_iter().filter(|(_, classes)| classes.len() > 1);
        several
            .map(|(group, classes)| Conflict {
                group: group.to_owned(),
                classes,
                same_film: torn.contains(group),
            })
            .collect()
    }
}
