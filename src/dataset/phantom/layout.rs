//! File paths and metadata of phantoms, in the layouts of the two real sources.

use super::{Condition, Encoding, Image};

/// Value of the column `source` for phantoms of every class.
pub const SOURCE: &str = "phantom";

/// Prefix of the file names of phantoms.
const PREFIX: &str = "phantom-";

/// Header of the covid-chestxray-dataset in June 2020, with its unnamed last column.
const HEADER: &str = "patientid,offset,sex,age,finding,survival,intubated,intubation_present,went_icu,\
    in_icu,needed_supplemental_O2,extubated,temperature,pO2_saturation,leukocyte_count,neutrophil_count,\
    lymphocyte_count,view,modality,date,location,folder,filename,doi,url,license,clinical_notes,other_notes,";

/// Returns whether a file name is that of a phantom.
pub fn is_phantom(name: &str) -> bool {
    name.starts_with(PREFIX)
}

impl Image {
    /// Returns the path relative to the folder of sources, with `/`. File names follow the real
    /// sources, so that they identify the patient.
    pub fn path(&self) -> String {
        let (patient, day) = (self.patient, self.day);
        let extension = match self.encoding {
            Encoding::Png => "png",
            Encoding::Jpeg(_) => "jpeg",
        };
        match self.condition {
            Condition::Covid => {
                format!("covid-chestxray-dataset/images/{PREFIX}{patient:04}-day{day}.{extension}")
            }
            Condition::Normal => {
                format!(
                    "chest_xray/train/NORMAL/{PREFIX}IM-{patient:04}-{:04}.{extension}",
                    day + 1
                )
            }
            Condition::Pneumonia => {
                format!(
                    "chest_xray/train/PNEUMONIA/{PREFIX}person{patient}_bacteria_{day}.{extension}"
                )
            }
        }
    }
}

/// Returns the `metadata.csv` of the COVID-19 images in `images`. As in the real file, two rows are
/// not usable: a CT volume and an unlabelled row.
pub fn metadata_csv(images: &[Image]) -> String {
    let row = |patient: usize,
               day: usize,
               finding: &str,
               view: &str,
               modality: &str,
               file: &str| {
        let blanks = ",".repeat(12);
        format!(
            "{PREFIX}{patient},{day},,,{finding}{blanks},{view},{modality},,,{file},,,,synthetic,,\n"
        )
    };
    let mut table = format!("{HEADER}\n");
    let covid = images.iter().filter(|image| image.condition == Condition::Covid);
    for image in covid {
        let path = image.path();
        let name = path.rsplit('/').next().unwrap_or(&path);
        let view = if image.from_the_front { "AP" } else { "PA" };
        let file = format!("images,{name}");
        table += &row(image.patient, image.day, "Pneumonia/Viral/COVID-19", view, "X-ray", &file);
    }
    table +=
        &row(9001, 0, "Pneumonia/Viral/COVID-19", "Axial", "CT", "volumes,phantom-9001.nii.gz");
    table += &row(9002, 0, "todo", "PA", "X-ray", "images,phantom-9002.png");
    table
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::{identity, metadata};
    use super::super::Plan;
    use super::*;

    #[test]
    fn the_table_parses_and_lists_every_covid_image() {
        let images = Plan { images: 9, seed: 42, marker: false }.images();
        let table =
            metadata::parse(metadata_csv(&images).as_bytes(), Path::new("metadata.csv")).unwrap();
        assert_eq!(table.notes, [""; 0]);
        let views: Vec<_> = table.rows.iter().map(|r| r.view.as_deref().unwrap()).collect();
        assert_eq!(views, [["PA"; 9].as_slice(), &["AP"; 2], &["Axial", "PA"]].concat());
        for (row, image) in table.rows.iter().zip(&images).take(11) {
            assert!(image.path().ends_with(row.filename.as_deref().unwrap()));
            assert_eq!(row.patient, Some(format!("phantom-{}", image.patient)));
            assert_eq!(row.modality.as_deref(), Some("X-ray"));
            assert_eq!(row.folder.as_deref(), Some("images"));
        }
    }

    #[test]
    fn names_are_distinct_and_identify_the_patient() {
        let images = Plan { images: 20, seed: 42, marker: false }.images();
        let mut paths: Vec<_> = images.iter().map(Image::path).collect();
        let keys: Vec<_> = paths
            .iter()
            .map(|p| identity::from_name(p.rsplit('/').next().unwrap()).unwrap().key)
            .collect();
        assert_eq!(keys[0], "name:phantom-0001");
        assert!(
            keys.contains(&"phantom:IM-0012".into()) && keys.contains(&"phantom:person1".into())
        );
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), images.len());
    }
}
