//! Printed summary of the saliency maps.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::artifact::explanation::Explanation;

/// Summary of the saliency maps.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Folder of the figures.
    pub folder: PathBuf,
    /// All results.
    #[serde(flatten)]
    pub explanation: Explanation,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { images, outside, even, by_class, pictures, .. } = &self.explanation;
        let percent = |proportion: f64| format!("{:.0} %", 100.0 * proportion);
        writeln!(
            f,
            "Grad-CAM of {images} images, {} figures in {}",
            pictures.len(),
            self.folder.display()
        )?;
        match outside {
            Some(outside) => writeln!(
                f,
                "{} of the saliency is outside the centre of the images; uniform saliency would have {}",
                percent(*outside),
                percent(*even)
            )?,
            None => writeln!(f, "no image has positive saliency")?,
        }
        for (class, outside) in by_class {
            writeln!(f, "  predicted as {class}: {}", percent(*outside))?;
        }
        if let Some(region) = self.explanation.pooled_region() {
            writeln!(f, "{region}")?;
        }
        for (name, caption) in pictures {
            writeln!(f, "  {name}  {caption}")?;
        }
        Ok(())
    }
}
