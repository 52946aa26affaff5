//! Sheets of images: samples of each class, and the test images with the lowest predicted
//! probability of the true class.

use std::collections::BTreeMap;

use super::super::stage_inputs;
use super::{Drawing, Drawn, optional};
use crate::artifact::Document;
use crate::artifact::explanation::{Explanation, ImageSaliency, read_saliency};
use crate::artifact::index::{Index, IndexRow};
use crate::artifact::predictions::{Prediction, Predictions};
use crate::classifier::figure_name;
use crate::cli::{Context, Failure};
use crate::io::npy::Reader;
use crate::pipeline::Lineage;
use crate::plot::{Overlay, Pixels, Sheet, Tile};

/// Number of images on the sheet of a class.
const SAMPLES: usize = 10;
/// Number of images on the sheet of the lowest probabilities.
const WORST: usize = 8;

/// Image on a sheet.
struct Shown {
    rgb: Vec<u8>,
    /// Image under its saliency map.
    saliency: Option<Vec<u8>>,
    caption: Vec<String>,
}

/// Sheet with the pixels of its images.
pub struct Contacts {
    name: String,
    title: String,
    subtitle: String,
    images: Vec<Shown>,
}

impl Contacts {
    /// Returns file stem and figure; `side` is width and height of an image in pixels.
    pub fn figure(&self, side: usize) -> Drawn<'_> {
        if self.images.is_empty() {
            return (self.name.clone(), Err("there are no predictions of the images".to_owned()));
        }
        let tiles = self.images.iter().map(|image| Tile {
            image: Pixels { width: side, height: side, rgb: &image.rgb },
            saliency: image.saliency.as_deref().map(Overlay::pixels),
            caption: image.caption.clone(),
        });
        let sheet: Drawing<'_> = Box::new(Sheet {
            name: self.name.clone(),
            title: self.title.clone(),
            subtitle: self.subtitle.clone(),
            tiles: tiles.collect(),
        });
        (self.name.clone(), Ok(sheet))
    }
}

/// Sheets of the resized images: one per class, then the lowest probabilities of the true
/// class.
pub struct Images<'a> {
    index: Index,
    predictions: &'a Predictions,
    reader: ImageReader,
    /// Number of returned sheets.
    returned: usize,
}

impl<'a> Images<'a> {
    /// Opens the images; `None` without `index.csv` or `images.npy`.
    ///
    /// # Errors
    /// If an artifact is invalid or cannot be read.
    pub fn read(
        ctx: &Context,
        lineage: &Lineage,
        predictions: &'a Predictions,
    ) -> Result<Option<Self>, Failure> {
        let Some(index) = optional(ctx, lineage, "preprocess", "index.csv", Index::read)? else {
            return Ok(None);
        };
        if !ctx.artifact("preprocess", "images.npy").exists() {
            return Ok(None);
        }
        let pixels = stage_inputs::images(ctx, &index)?;
        let side = pixels.shape()[1];
        let explanation = optional(ctx, lineage, "explain", "explain.json", Explanation::read)?;
        let saliency =
            optional(ctx, lineage, "explain", "saliency.npy", read_saliency)?.unwrap_or_default();
        let pooled = explanation.map(|e| e.pooled());
        let reader = ImageReader { pixels, pooled, saliency, side };
        Ok(Some(Self { index, predictions, reader, returned: 0 }))
    }

    /// Returns width and height of an image in pixels.
    pub fn side(&self) -> usize {
        self.reader.side
    }

    /// Returns the next sheets, at most `max`; none after the last.
    ///
    /// # Errors
    /// If the images cannot be read.
    pub fn next(&mut self, max: usize) -> Result<Option<Vec<Contacts>>, Failure> {
        let all = self.index.classes.len() + 1;
        let sheets = self.returned..(self.returned + max).min(all);
        self.returned = sheets.end;
        if sheets.is_empty() {
            return Ok(None);
        }
        sheets.map(|sheet| self.sheet(sheet)).collect::<Result<_, _>>().map(Some)
    }

    fn sheet(&mut self, sheet: usize) -> Result<Contacts, Failure> {
        let Self { index, predictions, reader, .. } = self;
        let Some(class) = index.classes.get(sheet) else {
            let images = lowest_probabilities(index, predictions)
                .map(|(image, prediction)| {
                    reader.predicted(image, prediction, &predictions.classes)
                })
                .collect::<Result<_, _>>()?;
            return Ok(Contacts {
                name: "least-believed".into(),
                title: "Images with the lowest probability of their class".into(),
                subtitle: "The lowest probability first".into(),
                images,
            });
        };
        let images: Vec<&IndexRow> = index.rows.iter().filter(|r| r.class == *class).collect();
        let step = images.len().div_ceil(SAMPLES).max(1);
        let shown = images.iter().step_by(step).map(|image| reader.sample(image));
        let shown: Vec<Shown> = shown.collect::<Result<_, _>>()?;
        Ok(Contacts {
            name: samples_name(class),
            title: format!("Images of the class {class}"),
            subtitle: format!(
                "{} of {} images, as resized for the network",
                shown.len(),
                images.len()
            ),
            images: shown,
        })
    }
}

/// Returns the test images with the lowest probabilities of the true class, the lowest first.
fn lowest_probabilities<'a>(
    index: &'a Index,
    predictions: &'a Predictions,
) -> impl Iterator<Item = (&'a IndexRow, &'a Prediction)> {
    let rows: BTreeMap<&str, &IndexRow> =
        index.rows.iter().map(|row| (row.path.as_str(), row)).collect();
    let mut images: Vec<_> = predictions
        .rows
        .iter()
        .filter_map(|image| Some((*rows.get(image.path.as_str())?, image)))
        .collect();
    let true_probability = |image: &Prediction| image.probabilities[image.truth];
    images.sort_by(|a, b| {
        true_probability(a.1).total_cmp(&true_probability(b.1)).then(a.0.row.cmp(&b.0.row))
    });
    images.into_iter().take(WORST)
}

/// Reader of images, with their saliency maps.
struct ImageReader {
    pixels: Reader<u8>,
    /// Number of cells along a side: pooled by the head, and all.
    pooled: Option<(usize, usize)>,
    saliency: BTreeMap<String, ImageSaliency>,
    side: usize,
}

impl ImageReader {
    fn sample(&mut self, image: &IndexRow) -> Result<Shown, Failure> {
        let size = format!("{} × {} pixels", image.width, image.height);
        let patient = if image.patient.is_empty() { "unknown patient" } else { &image.patient };
        let caption = vec![file_name(&image.path), patient.to_owned(), size];
        Ok(Shown { rgb: self.pixels.read(image.row..image.row + 1)?, saliency: None, caption })
    }

    fn predicted(
        &mut self,
        image: &IndexRow,
        prediction: &Prediction,
        classes: &[String],
    ) -> Result<Shown, Failure> {
        let rgb = self.pixels.read(image.row..image.row + 1)?;
        let (truth, predicted) = (&classes[prediction.truth], &classes[prediction.predicted]);
        let probability = prediction.probabilities[prediction.predicted];
        let result = if truth == predicted { "correctly" } else { "wrongly" };
        let caption = format!("{truth}, {result} predicted as {predicted} ({probability:.2})");
        let saliency =
            self.saliency.get(&image.path).filter(|saliency| saliency.predicted == *predicted);
        let saliency = saliency.zip(self.pooled).map(|(saliency, pooled)| {
            let overlay = Overlay {
                label: String::new(),
                note: String::new(),
                cells: saliency.cells.nrows(),
                saliency: saliency.cells.iter().copied().collect(),
                pooled,
            };
            overlay.over(Pixels { width: self.side, height: self.side, rgb: &rgb })
        });
        Ok(Shown { saliency, rgb, caption: vec![file_name(&image.path), caption] })
    }
}

/// Returns the file name without its folder.
fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// Returns the file stem of the sheet of a class. It is unique: a hash is added if a character
/// is replaced.
fn samples_name(class: &str) -> String {
    format!("samples-{}", figure_name(class))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn sheets_of_different_classes_have_different_names() {
        assert_eq!(samples_name("covid"), "samples-covid");
        let classes = ["a b", "a,b", "a-b", "a/b", "a;b", "a", "-a", ".a", "a ", "ä b"];
        let names: BTreeSet<String> = classes.iter().map(|class| samples_name(class)).collect();
        assert_eq!(names.len(), classes.len(), "{names:?}");
        let is_allowed = |c: char| c.is_alphanumeric() || "._-".contains(c);
        assert!(names.iter().all(|name| name.chars().all(is_allowed)), "{names:?}");
    }
}
