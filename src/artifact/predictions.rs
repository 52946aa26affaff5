//! `evaluate/predictions.csv`: a line per film that was judged. Columns: `path,
//! patient, truth, predicted`, then `p_<class>` for each class; what follows them, as
//! in `crossval/predictions.csv`, is not read here.

use std::path::Path;

use super::index::alone;
use super::{ArtifactError, MAX_FILE, read_bytes};
use crate::io::atomic;

/// The films judged, and what the model said of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// The classes' names, in the order of the probabilities.
    pub classes: Vec<String>,
    /// A row per film.
    pub rows: Vec<Prediction>,
}

/// What the model said of one film.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Relative to the dataset folder.
    pub path: String,
    /// Who is on it; empty if unknown.
    pub patient: String,
    /// The true class, as a position in `classes`.
    pub truth: usize,
    /// The predicted class, as a position in `classes`.
    pub predicted: usize,
    /// A probability per class.
    pub probabilities: Vec<f64>,
}

impl Predictions {
    pub(super) const KIND: &'static str = "table of predictions";

    /// Writes `predictions.csv`, whole or not at all.
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
            out.write_record(&line).expect("a vector takes every byte");
        }
        Ok(atomic::write(path, &out.into_inner().expect("a vector takes every byte"))?)
    }

    /// The patient of every film; a film of an unknown one is on its own.
    pub fn patients(&self) -> Vec<String> {
        let group = |row: &Prediction| match row.patient.as_str() {
            "" => alone(&row.path),
            patient => patient.to_owned(),
        };
        self.rows.iter().map(group).collect()
    }

    /// Reads `predictions.csv`.
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
            return Err("its columns are not path, patient, truth, predicted, p_<class>…".into());
        }
        let class = |name: &str| name.strip_prefix("p_").map(str::to_owned);
        let classes: Vec<String> = header.iter().skip(4).map_while(class).collect();
        if classes.is_empty() {
            return Err("the column after `predicted` is no `p_<class>`".into());
        }
        let position = |name: &str| {
            classes
                .iter()
                .position(|c| c == name)
                .ok_or(format!("`{name}` is not one of its classes"))
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
    fn predictions_come_back_to_the_last_bit() {
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
    fn malformed_tables_are_named() {
        let parse = |text: &str| Predictions::parse(text.as_bytes()).unwrap_err();
        assert!(parse("a,b\n1,2\n").contains("its columns"));
        assert!(parse("path,patient,truth,predicted,group\n").contains("is no `p_<class>`"));
        let head = "path,patient,truth,predicted,p_a,p_b\n";
        assert_eq!(parse(&format!("{head}x,,a,c,0.5,0.5\n")), "`c` is not one of its classes");
        assert_eq!(parse(&format!("{head}x,,a,b,0.5,NaN\n")), "`NaN` is not a probability");
        assert!(parse(&format!("{head}x,,a,b,0.5\n")).contains("fields"));
    }
}
