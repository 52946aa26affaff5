use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::artifact::explanation::Explanation;

/// What is said of explanations.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Where the pictures are.
    pub folder: PathBuf,
    /// All figures.
    #[serde(flatten)]
    pub explanation: Explanation,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { films, outside, even, by_class, pictures, .. } = &self.explanation;
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        writeln!(
            f,
            "Grad-CAM of {films} films, {} pictures in {}",
            pictures.len(),
            self.folder.display()
        )?;
        match outside {
            Some(outside) => writeln!(
                f,
                "{} of the heat lies outside the centre of the films; spread evenly it would be {}",
                percent(*outside),
                percent(*even)
            )?,
            None => writeln!(f, "there is no heat on any film")?,
        }
        for (class, outside) in by_class {
            writeln!(f, "  taken for {class}: {}", percent(*outside))?;
        }
        if let Some(region) = self.explanation.pooled_region() {
            writeln!(f, "{region}")?;
        }
        for (name, what) in pictures {
            writeln!(f, "  {name}  {what}")?;
        }
        Ok(())
    }
}
