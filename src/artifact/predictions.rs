//! `evaluate/predictions.csv`: one row per evaluated image. Columns:
//! `path, patient, truth, predicted`, then `p_<class>` per class. Further columns, as in
//! `crossval/predictions.csv`, are ignored.

use std::path::Path;

use super::index::alone;
use super::{ArtifactError, MAX_FILE, read_bytes};
use crate::io::atomic;

/// Predictions of a set of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// Class names in the order of the probabilities.
    pub classes: Vec<String>,
    /// One row per image.
    pub rows: Vec<Prediction>,
}

/// Prediction of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Path relative to the dataset folder.
    pub path: String,
    /// Patient ID; empty if unknown.
    pub patient: String,
    /// True class as a position in `classes`.
    pub truth: usize,
    /// Predicted class as a position in `classes`.
    pub predicted: usize,
    /// One probability per class, 0 to 1.
    pub probabilities: Vec<f64>,
}

impl Predictions {
    pub(super) const KIND: &'static str = "table of predictions";

    /// Writes `predictions.csv` atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ArtifactError> {
        let mut out = csv::Writer::from_writer(Vec::new());
        let fixed = ["path", "patient", "truth", "predicted"].map(str::to_owned);
        let header = fixed.into_iter().chain(self.classes.iter().map(|c| format!("p_{c}")));
        let lines = self.rows.iter().map(|r| {
            let class = |k: usize| self.classes[k].clone();
            let fixed = [r.path.clone(), r.patient.clone(), class(r.truth), class(r.predicted)];
            fixed.into_iter().chain(r.probabilities.iter().map(f64::to_string)).collect()
        });
        for line in std::iter::once(header.collect::<Vec<_>>()).chain(lines) {
            out.write_record(&line).expect("writing to memory");
        }
        Ok(atomic::write(path, &out.into_inner().expect("writing to memory"))?)
    }

    /// Returns the patient of every image; an image without patient ID is a group of its own.
    pub fn patients(&self) -> Vec<String> {
        let group = |row: &Prediction| match row.patient.as_str() {
            "" => alone(&row.path),
            patient => patient.to_owned(),
        };
        self.rows.iter().map(group).collect()
    }

    /// Reads `predictions.csv`.
    ///
    /// # Errors
    /// See [`ArtifactError`].
    pub fn read(path: &Path) -> Result<Self, ArtifactError> {
        let bytes = read_bytes(Self::KIND, path, MAX_FILE)?;
        Self::parse(&bytes).map_err(|reason| ArtifactError::Malformed {
            kind: Self::KIND,
            path: path.to_owned(),
            reason,
        })
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers().map_err(|e| e.to_string())?.clone();
        if header.iter().take(4).ne(["path", "patient", "truth", "predicted"]) {
            return Err("the columns are not path, patient, truth, predicted, p_<class>…".into());
        }
        let class = |name: &str| name.strip_prefix("p_").map(str::to_owned);
        let classes: Vec<String> = header.iter().skip(4).map_while(class).collect();
        if classes.is_empty() {
            return Err("the column after `predicted` is not `p_<class>`".into());
        }
        let position = |name: &str| {
            classes
                .iter()
                .position(|c| c == name)
                .ok_or(format!("`{name}` is not among the classes"))
        };
        let mut rows = Vec::new();
        for line in reader.records() {
            let line = line.map_err(|e| e.to_string())?;
            let number = |text: &str| match text.parse::<f64>() {
                Ok(p) if (0.0..=1.0).contains(&p) => Ok(p),
                _ => Err(format!("`{text}` is not a probability")),
            };
            let probabilities = line.iter().skip(4).take(classes.len()).map(number);
            rows.push(Prediction {
                path: line[0].to_owned(),
                patient: line[1].to_owned(),
                truth: position(&line[2])?,
                predicted: position(&line[3])?,
                probabilities: probabilities.collect::<Result<_, _>>()?,
            });
        }
        Ok(Self { classes, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_survive_a_round_trip_exactly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("predictions.csv");
        let row = Prediction {
            path: "covid/a, b.png".into(),
            patient: String::new(),
            truth: 0,
            predicted: 1,
            probabilities: vec![0.1 + 0.2, f64::from(0.7f32)],
        };
        let all = Predictions { classes: vec!["covid".into(), "normal".into()], rows: vec![row] };
        all.write(&path).unwrap();
        assert_eq!(Predictions::read(&path).unwrap(), all);
    }

    #[test]
    fn malformed_tables_are_refused() {
        let parse = |text: &str| Predictions::parse(text.as_bytes()).unwrap_err();
        assert!(parse("a,b\n1,2\n").contains("the columns"));
        assert!(parse("path,patient,truth,predicted,group\n").contains("is not `p_<class>`"));
        let head = "path,patient,truth,predicted,p_a,p_b\n";
        assert_eq!(parse(&format!("{head}x,,a,c,0.5,0.5\n")), "`c` is not among the classes");
        assert_eq!(parse(&format!("{head}x,,a,b,0.5,NaN\n")), "`NaN` is not a probability");
        assert!(parse(&format!("{head}x,,a,b,0.5\n")).contains("fields"));
    }
}
