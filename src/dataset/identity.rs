//! Patient identity of an image, from its metadata, path or file name.

use std::fmt;

use super::phantom::is_phantom;

/// Evidence for an identity, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Patient ID in a table, or in a path of a data set whose folders or files are named by
    /// patient.
    PatientId,
    /// Patient number in a file name of the Kaggle set.
    KaggleName,
    /// File names that differ only in day, view, or image number of one case. Weaker: inferred
    /// from naming habits, not from a record.
    NameSeries,
}

impl Evidence {
    /// Returns the stable text used in tables.
    pub fn text(self) -> &'static str {
        match self {
            Self::PatientId => "patient id",
            Self::KaggleName => "kaggle name",
            Self::NameSeries => "name series",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Patient identity: images with equal keys show the same patient.
///
/// Keys begin with their origin (`cohen:311a`, `kaggle:IM-0240`, `kaggle:person1102`,
/// `name:lancet-case2`), so that IDs of different sources never collide. Images without an
/// identity are of unknown patients, not of one patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Origin and ID.
    pub key: String,
    /// Evidence for the identity.
    pub evidence: Evidence,
}

/// Returns the identity for a patient ID of the covid-chestxray-dataset. IDs are text (`311a`)
/// and compared without regard to case.
pub fn from_patient_id(id: &str) -> Option<Identity> {
    from_id("cohen", id)
}

/// Returns the identity for a patient ID of any other table.
pub fn from_table_id(id: &str) -> Option<Identity> {
    from_id("metadata", id)
}

/// Cells for an unknown patient.
const UNKNOWN: [&str; 8] = ["", "?", "-", "na", "n/a", "nan", "none", "unknown"];

fn from_id(origin: &str, id: &str) -> Option<Identity> {
    let id = id.trim().to_lowercase();
    let known = !UNKNOWN.contains(&id.as_str());
    known.then(|| Identity { key: format!("{origin}:{id}"), evidence: Evidence::PatientId })
}

/// Public data set with the patient ID in its paths.
struct PathConvention {
    /// Name of the data set in the column `source`; empty for a convention of many data sets.
    source: &'static str,
    /// Origin in keys.
    origin: &'static str,
    /// Returns the patient ID for the folders, outermost first, and the file name without
    /// extension.
    patient: fn(&[&str], &str) -> Option<String>,
}

/// Path conventions that are unique to a data set.
const PATH_CONVENTIONS: [PathConvention; 4] = [
    // train/patient00001/study1/view1_frontal.jpg; also joined by `_` or `-`.
    PathConvention {
        source: "CheXpert",
        origin: "chexpert",
        patient: |folders, stem| {
            let in_name = stem.split(['_', '-']).next().filter(|_| stem.contains("study"));
            let mut parts = folders.iter().copied().chain(in_name);
            parts.find(|part| is_prefixed_number(part, "patient", 5..=6)).map(str::to_owned)
        },
    },
    // files/p10/p10000032/s50414267/02aa804e-….jpg
    PathConvention {
        source: "MIMIC-CXR",
        origin: "mimic",
        patient: |folders, _| {
            let part = folders.iter().find(|part| is_prefixed_number(part, "p1", 7..=7))?;
            Some((*part).to_owned())
        },
    },
    // 00000001_000.png: patients up to 00030805. Three zeros exclude dates (19…, 20…).
    PathConvention {
        source: "NIH ChestX-ray14",
        origin: "nih",
        patient: |_, stem| {
            let (patient, follow_up) = stem.split_once('_')?;
            let known = is_prefixed_number(patient, "000", 5..=5)
                && is_prefixed_number(follow_up, "", 3..=3);
            known.then(|| patient.to_owned())
        },
    },
    // sub-S03044_ses-E06155_run-1_bp-chest_vp-pa_cr.png: Brain Imaging Data Structure (BIDS),
    // used by BIMCV.
    PathConvention {
        source: "",
        origin: "bids",
        patient: |_, stem| {
            let label = stem.strip_prefix("sub-")?.split('_').next()?;
            let is_label = !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric());
            (is_label && stem.contains('_')).then(|| format!("sub-{label}"))
        },
    },
];

/// Returns whether `part` is `prefix` followed by a number of digits in the range `digits`.
fn is_prefixed_number(part: &str, prefix: &str, digits: std::ops::RangeInclusive<usize>) -> bool {
    part.strip_prefix(prefix).is_some_and(|number| {
        digits.contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Returns the data set whose convention `path` follows (may be empty), and the patient.
fn match_convention(path: &str) -> Option<(&'static str, Identity)> {
    let mut folders: Vec<&str> = path.split('/').collect();
    let name = folders.pop()?;
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    PATH_CONVENTIONS.iter().find_map(|convention| {
        let key = format!("{}:{}", convention.origin, (convention.patient)(&folders, stem)?);
        Some((convention.source, Identity { key, evidence: Evidence::PatientId }))
    })
}

/// Returns the identity for a path with `/` between folders: by a data set's path convention,
/// otherwise by [`from_name`].
pub fn from_path(path: &str) -> Option<Identity> {
    let name = path.rsplit('/').next().unwrap_or_default();
    match_convention(path).map(|(_, identity)| identity).or_else(|| from_name(name))
}

/// Returns the name of the data set whose path convention `path` follows; empty if there is none.
pub fn source_from_path(path: &str) -> &'static str {
    match_convention(path).map_or("", |(source, _)| source)
}

/// Returns the identity for a file name: by the Kaggle pattern, otherwise by name series.
pub fn from_name(name: &str) -> Option<Identity> {
    match KaggleName::parse(name) {
        Some(parsed) => {
            let origin = if is_phantom(name) { "phantom" } else { "kaggle" };
            let key = format!("{origin}:{}", parsed.patient_key());
            Some(Identity { key, evidence: Evidence::KaggleName })
        }
        None => name_series(name).map(|series| Identity {
            key: format!("name:{series}"),
            evidence: Evidence::NameSeries,
        }),
    }
}

/// Pathogen in a Kaggle file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pathogen {
    /// `person1_bacteria_2.jpeg`
    Bacteria,
    /// `person378_virus_761.jpeg`
    Virus,
}

/// Parsed file name of the Kaggle set (Kermany et al. 2018), after an optional prefix that ends
/// in a hyphen (`NORMAL2-`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KaggleName {
    /// `IM-0240-0001.jpeg`, `NORMAL2-IM-0995-0001-0001.jpeg`: the first number is the patient.
    Normal {
        /// Patient number with leading zeros.
        patient: String,
    },
    /// `person1102_bacteria_3043.jpeg`. One number occurs with both pathogens and in several
    /// splits. All are treated as one patient: at worst, different patients are kept together.
    Pneumonia {
        /// Number after `patient`.
        patient: String,
        /// Bacteria or virus.
        pathogen: Pathogen,
    },
}

impl KaggleName {
    /// Parses a file name; `None` for other patterns and for DICOM: viewers export
    /// `IM-0001-0001.dcm` for any patient.
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        if extension.eq_ignore_ascii_case("dcm") {
            return None;
        }
        let after = |mark: &str| {
            let (prefix, rest) = stem.split_once(mark)?;
            (prefix.is_empty() || prefix.ends_with('-')).then_some(rest)
        };
        if let Some(rest) = after("IM-") {
            let numbers: Vec<_> = rest.split('-').collect();
            let normal = (2..=3).contains(&numbers.len()) && numbers.iter().all(|n| is_number(n));
            return normal.then(|| Self::Normal { patient: numbers[0].into() });
        }
        let parts: Vec<_> = after("person")?.split('_').collect();
        let &[patient, pathogen, number] = parts.as_slice() else {
            return None;
        };
        let pathogen = match pathogen {
            "bacteria" => Pathogen::Bacteria,
            "virus" => Pathogen::Virus,
            _ => return None,
        };
        let is_valid = is_number(patient) && is_number(number);
        is_valid.then(|| Self::Pneumonia { patient: patient.into(), pathogen })
    }

    fn patient_key(&self) -> String {
        match self {
            Self::Normal { patient } => format!("IM-{patient}"),
            Self::Pneumonia { patient, .. } => format!("person{patient}"),
        }
    }
}

/// Returns the common part of the file names of one patient's images, for three naming habits:
///
/// - words for day and view at the end: `ryct.2020200034.fig5-day0`, `-day4`; `x-PA`, `x-L`
/// - a letter after a case number: `lancet-case2a`, `lancet-case2b`
/// - Eurorad's case, figure and panel: `16745_2_1`, `16745_2_2`
///
/// In the covid-chestxray-dataset (June 2020, 751 rows), they find 53 series, each of one patient
/// ID only. Figure panels with letters (`…gr2_lrg-a`, `…fig2a`) are not joined: in 9 of 94 such
/// figures, the panels show different patients.
fn name_series(name: &str) -> Option<String> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_lowercase();
    let common = eurorad_figure(&stem)
        .or_else(|| lettered_case(&stem))
        .unwrap_or_else(|| strip_day_and_view(&stem));
    (common != stem && common.chars().any(char::is_alphanumeric)).then(|| common.to_string())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn eurorad_figure(stem: &str) -> Option<&str> {
    let (figure, panel) = stem.rsplit_once('_')?;
    let (case, number) = figure.split_once('_')?;
    (case.len() == 5 && [case, number, panel].into_iter().all(is_number)).then_some(figure)
}

fn lettered_case(stem: &str) -> Option<&str> {
    let case = stem.strip_suffix(|c: char| c.is_ascii_lowercase())?;
    let label = case.trim_end_matches(|c: char| c.is_ascii_digit());
    (label.len() < case.len() && label.ends_with("case")).then_some(case)
}

/// Strips words for day and view from the end: `-day4`, `-day-4`, `-day6-1`,
/// `-3-days`, `-12-hours`, `-admission`, `-on-admission`, `-prior`, `-pa`, `-ap`, `-aps`, `-l`.
fn strip_day_and_view(stem: &str) -> &str {
    let mut rest = stem;
    while let Some((before, last)) = rest.rsplit_once('-') {
        let (earlier, middle) = before.rsplit_once('-').unwrap_or(("", before));
        rest = match last {
            "days" | "hours" if is_number(middle) => earlier,
            "admission" if middle == "on" => earlier,
            "admission" | "prior" | "pa" | "ap" | "aps" | "l" => before,
            _ if last.strip_prefix("day").is_some_and(is_number) => before,
            _ if is_number(last) && middle == "day" => earlier,
            _ if is_number(last) && middle.strip_prefix("day").is_some_and(is_number) => earlier,
            _ => break,
        };
    }
    rest
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::metadata;
    use super::*;

    fn key(name: &str) -> Option<String> {
        from_name(name).map(|identity| identity.key)
    }

    #[test]
    fn kaggle_names_give_the_patient() {
        let known = [
            ("IM-0240-0001.jpeg", "kaggle:IM-0240"),
            ("IM-0033-0001-0001.jpeg", "kaggle:IM-0033"),
            ("NORMAL2-IM-0995-0001-0001.jpeg", "kaggle:IM-0995"),
            ("person1102_bacteria_3043.jpeg", "kaggle:person1102"),
            ("person1102_virus_2215.jpeg", "kaggle:person1102"),
            ("phantom-IM-0240-0001.jpeg", "phantom:IM-0240"),
        ];
        for (name, expected) in known {
            let identity = from_name(name).unwrap();
            assert_eq!(
                (identity.key.as_str(), identity.evidence),
                (expected, Evidence::KaggleName)
            );
        }
        for name in [
            "kaggle_1.jpeg",
            "IM-0240.jpeg",
            "IM-x-0001.jpeg",
            "person1_fungus_2.jpeg",
            "DIM-1-2.jpeg",
            "IM-0001-0001.dcm",
        ] {
            assert_eq!(key(name), None, "{name}");
        }
        let pathogen = |name| match KaggleName::parse(name) {
            Some(KaggleName::Pneumonia { pathogen, .. }) => Some(pathogen),
            _ => None,
        };
        assert_eq!(pathogen("person1102_bacteria_3043.jpeg"), Some(Pathogen::Bacteria));
        assert_eq!(pathogen("person1290_virus_2215.jpeg"), Some(Pathogen::Virus));
        assert_eq!(pathogen("IM-0240-0001.jpeg"), None);
    }

    #[test]
    fn paths_of_public_data_sets_give_the_patient() {
        let key = |path: &str| from_path(path).map(|identity| identity.key);
        let known = [
            ("effusion/patient00001/study1/view1_frontal.jpg", "chexpert:patient00001", "CheXpert"),
            ("effusion/patient00001_study1_view1_frontal.jpg", "chexpert:patient00001", "CheXpert"),
            ("normal/p10/p10000032/s50414267/02aa-9f.jpg", "mimic:p10000032", "MIMIC-CXR"),
            ("hernia/00000001_000.png", "nih:00000001", "NIH ChestX-ray14"),
            ("covid/sub-S03044_ses-E06155_vp-pa_cr.png", "bids:sub-S03044", ""),
            ("train/NORMAL/IM-0240-0001.jpeg", "kaggle:IM-0240", ""),
        ];
        for (path, expected, source) in known {
            assert_eq!(key(path).as_deref(), Some(expected), "{path}");
            assert_eq!(source_from_path(path), source, "{path}");
        }
        for path in [
            "covid/patient1/1.png",
            "patient00001.png",
            "covid/p10/1.png",
            "covid/20200312_001.png",
            "covid/sub-.png",
            "covid/sub-1.png",
        ] {
            assert_eq!(key(path), None, "{path}");
        }
    }

    #[test]
    fn patient_ids_are_text() {
        let key = |id| from_patient_id(id).map(|identity| identity.key);
        assert_eq!(key(" 311A "), Some("cohen:311a".into()));
        assert_eq!(key("97"), Some("cohen:97".into()));
        assert_eq!((key(" "), key("?")), (None, None));
        assert_eq!(key("Unknown"), None);
    }

    #[test]
    fn name_series_have_one_key() {
        let series = [
            &["lancet-case2a.jpg", "lancet-case2b.jpg"][..],
            &["ryct.2020200034.fig5-day0.jpeg", "ryct.2020200034.fig5-day4.jpeg"],
            &["chlamydia-pneumonia-L.png", "chlamydia-pneumonia-PA.png"],
            &["p-58-day-10.jpg", "p-58-day-3.jpg", "p-58-prior.jpg"],
            &["x-day6-1.jpg", "x-day6-2.jpg", "x-day1.jpg"],
            &["y-12-hours.jpg", "y-3-days.jpg", "y-admission.jpg", "y-l-on-admission.jpg"],
            &["16745_2_1.PNG", "16745_2_2.PNG"],
        ];
        for names in series {
            let keys: BTreeSet<_> = names.iter().map(|name| key(name)).collect();
            assert!(keys.len() == 1 && !keys.contains(&None), "{names:?}: {keys:?}");
        }
        assert_eq!(key("lancet-case2a.jpg"), Some("name:lancet-case2".into()));
        assert_ne!(key("16745_2_1.PNG"), key("16745_3_1.png"));
        let unrelated = [
            "gr2_lrg-a.jpg",
            "radiol.2020201160.fig2a.jpeg",
            "day1.png",
            "-PA.png",
            "image-1.png",
            "a.png",
        ];
        for name in unrelated {
            assert_eq!(key(name), None, "{name}");
        }
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs ../shared")]
    fn no_name_series_of_the_published_set_joins_two_patient_ids() {
        let path = crate::testing::shared("data/cohen/metadata.csv");
        let mut patients: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut images: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in metadata::read(&path).unwrap().rows {
            let (patient, image) = (row.patient.unwrap(), row.filename.unwrap());
            if let Some(series) = key(&image) {
                patients.entry(series.clone()).or_default().insert(patient);
                images.entry(series).or_default().insert(image);
            }
        }
        let wrong: Vec<_> = patients.iter().filter(|(_, ids)| ids.len() > 1).collect();
        assert_eq!(wrong, [] as [(&String, &BTreeSet<String>); 0]);
        assert_eq!(images.values().filter(|images| images.len() > 1).count(), 53);
    }
}
