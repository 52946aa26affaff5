//! Patient IDs, sex and age of images from a table of any data set, joined by path.
//!
//! A row belongs to the image with the longest common path suffix. Example: CheXpert has
//! `CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg`; 191,000 images have this file
//! name and differ in their folders only. Ambiguous rows assign no patient.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::demographics;
use super::identity::{self, Evidence, Identity};
use super::metadata::{MetadataError, normalised};
use super::words;
use crate::io::bounded;
use crate::io::table::{self, Table};

/// Maximum file size in bytes. MIMIC-CXR's table has 56 MB.
pub const MAX_BYTES: u64 = 256 << 20;

/// Maximum number of rows. MIMIC-CXR has 377,110.
pub const MAX_ROWS: usize = 4_000_000;

/// Names of the column of image files, by decreasing priority: ieee8023, CheXpert,
/// CheXpert Plus, NIH, PadChest, MIMIC-CXR, BIMCV. Only letters and digits are compared.
const FILE_COLUMNS: [&str; 22] = [
    "path",
    "filepath",
    "imagepath",
    "pathtoimage",
    "imgpath",
    "dicompath",
    "jpgpath",
    "relativepath",
    "filename",
    "imagefilename",
    "file",
    "imageindex",
    "imageid",
    "imagename",
    "imgname",
    "image",
    "img",
    "dicomid",
    "dicomfilename",
    "sopinstanceuid",
    "imageuid",
    "filenames",
];

/// Names of the column of patient IDs.
const PATIENT_COLUMNS: [&str; 10] = [
    "patientid",
    "patient",
    "subjectid",
    "subject",
    "participantid",
    "participant",
    "deidpatientid",
    "personid",
    "patientuid",
    "patientnumber",
];

/// Names of the column of sex.
const SEX_COLUMNS: [&str; 4] = ["sex", "gender", "patientsex", "patientgender"];

/// Names of the column of age in years.
const AGE_COLUMNS: [&str; 2] = ["age", "patientage"];

/// Extensions of image files. Other text after a dot is part of the name, as in DICOM UIDs.
const EXTENSIONS: [&str; 11] =
    ["jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp", "gif", "dcm", "dicom", "jp2"];

/// Names of the columns to use; empty names are detected.
#[derive(Debug, Clone, Copy, Default)]
pub struct Columns<'a> {
    /// Column of image files.
    pub file: &'a str,
    /// Column of patient IDs.
    pub patient: &'a str,
}

/// Table of images and patients.
#[derive(Debug)]
pub struct PatientTable {
    rows: Vec<Row>,
    /// Row indices by the [`stem`] of the file name.
    by_stem: HashMap<String, Vec<usize>>,
    /// Whether the table is a version of the covid-chestxray-dataset's `metadata.csv`.
    pub is_cohen: bool,
    /// Notes for the user about irregularities of the file.
    pub notes: Vec<String>,
}

#[derive(Debug)]
struct Row {
    /// Path components in lower case, the file name last.
    path: Vec<String>,
    known: Known,
}

/// Patient data of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Patient key, if known.
    pub patient: Option<String>,
    /// `F` or `M`; empty if unknown.
    pub sex: &'static str,
    /// Age in years; empty if unknown.
    pub age: String,
}

/// Result of the join for one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// No row matches.
    None,
    /// One row matches, or several rows of one patient.
    Row(Known),
    /// Rows of several patients match equally well.
    SeveralPatients,
    /// The matching row matches other images equally well.
    SeveralImages,
}

/// Counts of the join.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct JoinCounts {
    /// Rows with a file name.
    pub rows: usize,
    /// Rows assigned to an image.
    pub rows_matched: usize,
    /// All images.
    pub images: usize,
    /// Images with a matching row.
    pub images_matched: usize,
    /// Images that match rows of several patients.
    pub of_several_patients: usize,
    /// Images whose matching row also matches other images.
    pub of_shared_rows: usize,
}

impl PatientTable {
    /// Reads the table at `path`.
    ///
    /// # Errors
    /// See [`MetadataError`].
    pub fn read(path: &Path, columns: Columns<'_>) -> Result<Self, MetadataError> {
        let bytes = bounded::read(path, MAX_BYTES)
            .map_err(|source| MetadataError::of_reading(path, source))?;
        Self::parse(&bytes, path, columns)
    }

    /// Parses the bytes of a table; `path` is used in error messages only.
    ///
    /// # Errors
    /// [`MetadataError::NotCsv`] or [`MetadataError::MissingColumns`].
    pub fn parse(bytes: &[u8], path: &Path, columns: Columns<'_>) -> Result<Self, MetadataError> {
        let not_csv = |e: table::NotATable| MetadataError::NotCsv { path: path.into(), why: e.0 };
        let mut table = Table::parse(bytes).map_err(not_csv)?;
        let header: Vec<String> = table.header.iter().map(|name| normalised(name)).collect();
        let is_cohen = ["patientid", "finding", "filename"]
            .iter()
            .all(|name| header.iter().any(|column| column == name));
        let file = column_index(&header, columns.file, &FILE_COLUMNS);
        let patient = column_index(&header, columns.patient, &PATIENT_COLUMNS);
        let sex = column_index(&header, "", &SEX_COLUMNS);
        let age = column_index(&header, "", &AGE_COLUMNS);
        let mut missing = Vec::new();
        if file.is_none() {
            missing.push(if columns.file.is_empty() { "path" } else { columns.file }.to_owned());
        }
        if patient.is_none() && !columns.patient.is_empty() {
            missing.push(columns.patient.to_owned());
        }
        if !missing.is_empty() {
            let found = header.into_iter().filter(|column| !column.is_empty()).collect();
            return Err(MetadataError::MissingColumns { path: path.into(), missing, found });
        }
        let mut rows: Vec<Row> = Vec::new();
        let read = table.for_each_row(MAX_ROWS, |_, record| {
            let Some(file) = table::cell(record, file) else { return };
            let known = match table::cell(record, patient) {
                Some(id) if is_cohen => identity::from_patient_id(id),
                Some(id) => identity::from_table_id(id),
                // CheXpert's table has no column of patients.
                None if patient.is_none() => identity_from_path(file),
                None => None,
            };
            let path = components(file);
            if !path.is_empty() {
                rows.push(Row {
                    path,
                    known: Known {
                        patient: known.map(|identity| identity.key),
                        sex: table::cell(record, sex).map_or("", demographics::sex),
                        age: table::cell(record, age).map_or_else(String::new, demographics::age),
                    },
                });
            }
        });
        read.map_err(not_csv)?;
        if patient.is_none() && rows.iter().all(|row| row.known.patient.is_none()) {
            let found = header.into_iter().filter(|column| !column.is_empty()).collect();
            let missing = vec!["patient".to_owned()];
            return Err(MetadataError::MissingColumns { path: path.into(), missing, found });
        }
        let mut by_stem: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, row) in rows.iter().enumerate() {
            by_stem.entry(stem(row.name()).to_owned()).or_default().push(i);
        }
        Ok(Self { rows, by_stem, is_cohen, notes: table.notes })
    }

    /// Joins the images at `paths`, relative to the dataset folder with `/`, with the rows.
    /// Returns the result for each image, in order, and the counts.
    ///
    /// A row matches an image of the same file name or, if there is no such row, of the same file
    /// name without extension; case is ignored. The rows with the longest common path suffix
    /// win. A row never matches if the first differing folders differ in digits only
    /// (`patient00001`, `patient00002`).
    pub fn join(&self, paths: &[&str]) -> (Vec<Match>, JoinCounts) {
        let best: Vec<(usize, Vec<usize>)> =
            paths.iter().map(|path| self.best_rows(&components(path))).collect();
        // Lengths of the common suffix with each image of a row, by row.
        let mut suffixes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (length, rows) in &best {
            rows.iter().for_each(|row| suffixes.entry(*row).or_default().push(*length));
        }
        let mut matched_rows: BTreeSet<usize> = BTreeSet::new();
        let mut match_image = |(length, rows): &(usize, Vec<usize>)| {
            let Some(first) = rows.first() else { return Match::None };
            let mut known = self.rows[*first].known.clone();
            for other in rows.iter().map(|row| &self.rows[*row].known) {
                if other.patient != known.patient {
                    return Match::SeveralPatients;
                }
                if (other.sex, &other.age) != (known.sex, &known.age) {
                    (known.sex, known.age) = ("", String::new());
                }
            }
            let longest = suffixes[first].iter().max().expect("this image has the row");
            match suffixes[first].iter().filter(|suffix| *suffix == longest).count() {
                _ if length < longest => Match::None,
                1 => {
                    matched_rows.extend(rows.iter());
                    Match::Row(known)
                }
                _ => Match::SeveralImages,
            }
        };
        let matches: Vec<Match> = best.iter().map(&mut match_image).collect();
        let count = |wanted: fn(&Match) -> bool| matches.iter().filter(|m| wanted(m)).count();
        let counts = JoinCounts {
            rows: self.rows.len(),
            rows_matched: matched_rows.len(),
            images: paths.len(),
            images_matched: count(|m| matches!(m, Match::Row(_))),
            of_several_patients: count(|m| *m == Match::SeveralPatients),
            of_shared_rows: count(|m| *m == Match::SeveralImages),
        };
        (matches, counts)
    }

    /// Returns the length of the longest common path suffix, and the rows that have it.
    fn best_rows(&self, image: &[String]) -> (usize, Vec<usize>) {
        let name = image.last().map_or("", String::as_str);
        let candidates = self.by_stem.get(stem(name)).map_or(&[][..], Vec::as_slice);
        let exact = candidates.iter().any(|row| self.rows[*row].name() == name);
        let matches = |row: &&usize| !exact || self.rows[**row].name() == name;
        let mut best = (0, Vec::new());
        for row in candidates.iter().filter(matches) {
            match common_suffix(&self.rows[*row].path, image) {
                Some(length) if length > best.0 => best = (length, vec![*row]),
                Some(length) if length == best.0 => best.1.push(*row),
                _ => {}
            }
        }
        best
    }
}

impl Row {
    fn name(&self) -> &str {
        self.path.last().expect("rows have a path")
    }
}

/// Returns the number of components in the common suffix, with the file names taken as equal;
/// `None` if the first differing folders are those of two patients.
fn common_suffix(row: &[String], image: &[String]) -> Option<usize> {
    let folders = |path: &[String]| path[..path.len() - 1].to_vec();
    let (row, image) = (folders(row), folders(image));
    let equal = row.iter().rev().zip(image.iter().rev()).take_while(|(a, b)| a == b).count();
    let differing = |path: &[String]| path.len().checked_sub(equal + 1).map(|i| path[i].clone());
    match (differing(&row), differing(&image)) {
        (Some(a), Some(b)) if words::differ_in_digits_only(&a, &b) => None,
        _ => Some(equal + 1),
    }
}

fn identity_from_path(path: &str) -> Option<Identity> {
    let identity = identity::from_path(&path.replace('\\', "/"))?;
    (identity.evidence == Evidence::PatientId).then_some(identity)
}

/// Returns the index of the column `wanted` or, if `wanted` is empty, of the first column in
/// `known` that exists.
fn column_index(header: &[String], wanted: &str, known: &[&str]) -> Option<usize> {
    let alphanumeric = |name: &str| {
        name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
    };
    let find = |name: &str| header.iter().position(|column| alphanumeric(column) == name);
    match wanted {
        "" => known.iter().find_map(|name| find(name)),
        wanted => find(&alphanumeric(wanted)),
    }
}

/// Splits a path with `/` or `\` into components in lower case.
fn components(path: &str) -> Vec<String> {
    let parts = path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".");
    parts.map(str::to_lowercase).collect()
}

/// Returns a file name, given in lower case, without an image extension.
fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, extension)) if EXTENSIONS.contains(&extension) => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> PatientTable {
        let columns = Columns::default();
        PatientTable::parse(text.as_bytes(), Path::new("table.csv"), columns).unwrap()
    }

    fn patient(key: &str) -> Match {
        Match::Row(Known { patient: Some(key.to_owned()), ..Known::default() })
    }

    /// The result without sex and age.
    fn without_demographics(result: Match) -> Match {
        match result {
            Match::Row(known) => Match::Row(Known { patient: known.patient, ..Known::default() }),
            other => other,
        }
    }

    const CHEXPERT: &str = "Path,Sex,Age,Frontal/Lateral,AP/PA\n\
        CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg,F,68,Frontal,AP\n\
        CheXpert-v1.0/train/patient00002/study1/view1_frontal.jpg,F,87,Frontal,AP\n\
        CheXpert-v1.0/train/patient00002/study2/view1_frontal.jpg,F,87,Frontal,AP\n";

    #[test]
    fn a_table_of_paths_is_joined_by_path() {
        let paths = [
            "effusion/patient00002/study1/view1_frontal.jpg",
            "effusion/patient00002/study2/view1_frontal.png",
            "normal/patient00001/study1/view1_frontal.jpg",
            "normal/patient00003/study1/view1_frontal.jpg",
            "normal/view1_frontal.jpg",
        ];
        let (matches, counts) = table(CHEXPERT).join(&paths);
        let Match::Row(first) = &matches[0] else { panic!("{matches:?}") };
        assert_eq!((first.sex, first.age.as_str()), ("F", "87"));
        let matches: Vec<Match> = matches.into_iter().map(without_demographics).collect();
        let (one, two) = (patient("chexpert:patient00001"), patient("chexpert:patient00002"));
        assert_eq!(matches, [two.clone(), two, one, Match::None, Match::SeveralPatients]);
        let expected = JoinCounts {
            rows: 3,
            rows_matched: 3,
            images: 5,
            images_matched: 3,
            of_several_patients: 1,
            of_shared_rows: 0,
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn a_name_of_two_patients_or_two_images_gives_no_patient() {
        let rows =
            "patient_id;filename\n1;view1_frontal.jpg\n2;view1_frontal.jpg\n3;a.png\n3;b.png\n";
        let paths = ["covid/view1_frontal.jpg", "covid/a.png", "normal/a.png", "normal/b.png"];
        let (matches, counts) = table(rows).join(&paths);
        let shared = Match::SeveralImages;
        assert_eq!(
            matches,
            [Match::SeveralPatients, shared.clone(), shared, patient("metadata:3")]
        );
        assert_eq!((counts.images_matched, counts.rows_matched), (1, 1));
        // The folder makes the row unambiguous.
        let rows = "patient,file\n3,covid\\a.png\n";
        let (matches, _) = table(rows).join(&["covid/a.png", "normal/a.png"]);
        assert_eq!(matches, [patient("metadata:3"), Match::None]);
    }

    #[test]
    fn tables_of_public_data_sets_are_joined() {
        let one = |text: &str, path: &str| table(text).join(&[path]).0.remove(0);
        let nih = "Image Index,Finding Labels,Follow-up #,Patient ID\n00000001_000.png,Cardiomegaly,0,1\n";
        assert_eq!(one(nih, "cardiomegaly/00000001_000.png"), patient("metadata:1"));
        let mimic = "dicom_id,subject_id,study_id\n02aa804e-bde0afdd,10000032,50414267\n";
        let path = "normal/p10/p10000032/s50414267/02aa804e-bde0afdd.jpg";
        assert_eq!(one(mimic, path), patient("metadata:10000032"));
        let padchest = "ImageID,StudyDate_DICOM,PatientID\n2168_00-014-160.png,2014,8398\n";
        assert_eq!(one(padchest, "normal/2168_00-014-160.PNG"), patient("metadata:8398"));
        let bids = "participant\tfilepath\nsub-S03\tsub-S03/ses-E1/mod-rx/sub-S03_cr.png\n";
        assert_eq!(one(bids, "covid/sub-S03_cr.png"), patient("metadata:sub-s03"));
        let cohen = "patientid,finding,filename\n311A,COVID-19,a.jpg\n";
        assert_eq!(one(cohen, "covid/a.jpg"), patient("cohen:311a"));
        let uid = "SOPInstanceUID,PatientID\n1.2.840.1,7\n1.2.840.2,8\n";
        assert_eq!(one(uid, "a/1.2.840.2.dcm"), patient("metadata:8"));
        let blank = "file,patient\na.png,unknown\n";
        assert_eq!(one(blank, "a/a.png"), Match::Row(Known::default()));
    }

    #[test]
    fn columns_can_be_given_and_missing_columns_are_errors() {
        let parse = |file, patient| {
            let columns = Columns { file, patient };
            let text = "patientId,Target\n0004cfab,0\n";
            PatientTable::parse(text.as_bytes(), Path::new("t.csv"), columns)
        };
        // RSNA's files are named by the patient.
        let (matches, _) = parse("patientId", "patientId").unwrap().join(&["a/0004cfab.dcm"]);
        assert_eq!(matches, [patient("metadata:0004cfab")]);
        let error = |file, patient| parse(file, patient).unwrap_err().to_string();
        assert_eq!(error("", ""), "`t.csv` has no column `path`; it has `patientid`, `target`");
        assert!(error("Target", "who").contains("no column `who`"));
        let none =
            PatientTable::parse(b"file,age\na.png,1\n", Path::new("t.csv"), Columns::default());
        assert!(none.unwrap_err().to_string().contains("no column `patient`"));
    }
}
