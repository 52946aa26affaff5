//! Patients of images by a table of any data set, joined by path.
//!
//! A row belongs to the image whose path ends most like the row's path. CheXpert's
//! table names `CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg`: its file
//! name is that of 191,000 images, so that only the folders tell. No patient is
//! assigned where the table leaves a choice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::demographics;
use super::identity::{self, Evidence, Identity};
use super::metadata::{MetadataError, normalised};
use super::words;
use crate::io::bounded;
use crate::io::table::{self, Table};

/// Largest table that is read. That of MIMIC-CXR has 56 MB.
pub const MAX_BYTES: u64 = 256 << 20;

/// Most rows that are read. MIMIC-CXR has 377,110.
pub const MAX_ROWS: usize = 4_000_000;

/// Names of the column of image files, compared by letters and digits alone, the most
/// telling first: ieee8023, CheXpert, CheXpert Plus, NIH, PadChest, MIMIC-CXR, BIMCV.
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

/// Names of the column of patients, compared likewise.
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

/// Names of the column of sexes.
const SEX_COLUMNS: [&str; 4] = ["sex", "gender", "patientsex", "patientgender"];

/// Names of the column of ages, in years.
const AGE_COLUMNS: [&str; 2] = ["age", "patientage"];

/// Extensions of image files. What follows another dot is part of the name, as in
/// DICOM's UIDs.
const EXTENSIONS: [&str; 11] =
    ["jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp", "gif", "dcm", "dicom", "jp2"];

/// The columns to use; an empty name is recognised.
#[derive(Debug, Clone, Copy, Default)]
pub struct Columns<'a> {
    /// The column of image files.
    pub file: &'a str,
    /// The column of patients.
    pub patient: &'a str,
}

/// A table of images and patients.
#[derive(Debug)]
pub struct PatientTable {
    rows: Vec<Row>,
    /// Rows by [`stem`] of their file name.
    by_stem: HashMap<String, Vec<usize>>,
    /// Whether it is a version of the covid-chestxray-dataset's `metadata.csv`.
    pub is_cohen: bool,
    /// What had to be forgiven while reading, for the user to know.
    pub notes: Vec<String>,
}

#[derive(Debug)]
struct Row {
    /// The parts of the path in lower case, the file name last.
    path: Vec<String>,
    known: Known,
}

/// What a row says of the patient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The patient's key, if known.
    pub patient: Option<String>,
    /// `F` or `M`; empty if unknown.
    pub sex: &'static str,
    /// In years; empty if unknown.
    pub age: String,
}

/// What the table says of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// No row has its name.
    None,
    /// A row is its own.
    Row(Known),
    /// Rows of several patients fit it equally well.
    SeveralPatients,
    /// The row that fits it fits other images equally well.
    SeveralImages,
}

/// How the images and the rows came together.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct JoinCounts {
    /// Rows that name a file.
    pub rows: usize,
    /// Rows that belong to an image.
    pub rows_matched: usize,
    /// Images.
    pub images: usize,
    /// Images with a row of their own.
    pub images_matched: usize,
    /// Images that rows of several patients fit.
    pub of_several_patients: usize,
    /// Images whose row fits other images too.
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

    /// Parses the bytes of a table; `path` is only named in errors.
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
        let file = position(&header, columns.file, &FILE_COLUMNS);
        let patient = position(&header, columns.patient, &PATIENT_COLUMNS);
        let sex = position(&header, "", &SEX_COLUMNS);
        let age = position(&header, "", &AGE_COLUMNS);
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
                Some(id) => identity::from_other_id(id),
                // Such as CheXpert's, whose table has no column of patients.
                None if patient.is_none() => identity_by_path(file),
                None => None,
            };
            let path = parts(file);
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

    /// Joins the images at `paths`, relative to the dataset folder with `/`, with the
    /// rows. Returns a match for each image, in their order.
    ///
    /// A row fits an image whose file name is equal, or equal but for the extension
    /// where no name is equal, without regard to case. Of the rows that fit, those with
    /// the longest common path suffix count. A row is out of the question if the first
    /// folder that differs differs in digits only (`patient00001`, `patient00002`).
    pub fn join(&self, paths: &[&str]) -> (Vec<Match>, JoinCounts) {
        let best: Vec<(usize, Vec<usize>)> =
            paths.iter().map(|path| self.best_rows(&parts(path))).collect();
        // The images of each row, with the length of the common suffix.
        let mut claims: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (length, rows) in &best {
            rows.iter().for_each(|row| claims.entry(*row).or_default().push(*length));
        }
        let mut matched_rows: BTreeSet<usize> = BTreeSet::new();
        let mut of = |(length, rows): &(usize, Vec<usize>)| {
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
            let longest = claims[first].iter().max().expect("this image claims the row");
            match claims[first].iter().filter(|claim| *claim == longest).count() {
                _ if length < longest => Match::None,
                1 => {
                    matched_rows.extend(rows.iter());
                    Match::Row(known)
                }
                _ => Match::SeveralImages,
            }
        };
        let matches: Vec<Match> = best.iter().map(&mut of).collect();
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

    /// The length of the longest common path suffix, and the rows that have it.
    fn best_rows(&self, image: &[String]) -> (usize, Vec<usize>) {
        let name = image.last().map_or("", String::as_str);
        let of_stem = self.by_stem.get(stem(name)).map_or(&[][..], Vec::as_slice);
        let exact = of_stem.iter().any(|row| self.rows[*row].name() == name);
        let fits = |row: &&usize| !exact || self.rows[**row].name() == name;
        let mut best = (0, Vec::new());
        for row in of_stem.iter().filter(fits) {
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

/// The parts of the common suffix, the file name taken as equal; `None` if the first
/// folders that differ are those of two patients.
fn common_suffix(row: &[String], image: &[String]) -> Option<usize> {
    let folders = |path: &[String]| path[..path.len() - 1].to_vec();
    let (row, image) = (folders(row), folders(image));
    let equal = row.iter().rev().zip(image.iter().rev()).take_while(|(a, b)| a == b).count();
    let at = |path: &[String]| path.len().checked_sub(equal + 1).map(|i| path[i].clone());
    match (at(&row), at(&image)) {
        (Some(a), Some(b)) if words::differ_in_digits(&a, &b) => None,
        _ => Some(equal + 1),
    }
}

fn identity_by_path(path: &str) -> Option<Identity> {
    let identity = identity::from_path(&path.replace('\\', "/"))?;
    (identity.evidence == Evidence::PatientId).then_some(identity)
}

/// The position of the column `wanted`, or of the first of `known` that there is.
fn position(header: &[String], wanted: &str, known: &[&str]) -> Option<usize> {
    let bare = |name: &str| {
        name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
    };
    let find = |name: &str| header.iter().position(|column| bare(column) == name);
    match wanted {
        "" => known.iter().find_map(|name| find(name)),
        wanted => find(&bare(wanted)),
    }
}

/// The parts of a path in lower case; Windows' separators too.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".");
    parts.map(str::to_lowercase).collect()
}

/// A file name, in lower case, without the extension of an image.
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

    /// A row without sex and age.
    fn bare(of: Match) -> Match {
        match of {
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
        let matches: Vec<Match> = matches.into_iter().map(bare).collect();
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
        // One of the two is named by its folder, so the other is not meant.
        let rows = "patient,file\n3,covid\\a.png\n";
        let (matches, _) = table(rows).join(&["covid/a.png", "normal/a.png"]);
        assert_eq!(matches, [patient("metadata:3"), Match::None]);
    }

    #[test]
    fn tables_of_public_sets_are_understood() {
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
    fn columns_can_be_named_and_missing_ones_are() {
        let parse = |file, patient| {
            let columns = Columns { file, patient };
            let text = "patientId,Target\n0004cfab,0\n";
            PatientTable::parse(text.as_bytes(), Path::new("t.csv"), columns)
        };
        // RSNA's, whose files are named by the patient.
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
