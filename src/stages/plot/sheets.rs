//! Sheets of images: samples of each class, and those that the model believes in least.

use std::collections::BTreeMap;

use super::super::upstream;
use super::{Drawing, Drawn, optional};
use crate::artifact::Document;
use crate::artifact::explanation::{Explanation, ImageSaliency, read_saliency};
use crate::artifact::index::{Index, IndexRow};
use crate::artifact::predictions::{Prediction, Predictions};
use crate::classifier::picture_name;
use crate::cli::{Context, Failure};
use crate::io::npy::Reader;
use crate::pipeline::Lineage;
use crate::plot::{Overlay, Pixels, Sheet, Tile};

/// Images on the sheet of a class.
const SAMPLES: usize = 10;
/// Images on the sheet of those least believed.
const WORST: usize = 8;

/// An image on a sheet.
struct Shown {
    rgb: Vec<u8>,
    /// The image under its saliency.
    saliency: Option<Vec<u8>>,
    caption: Vec<String>,
}

/// A sheet, before it is drawn.
pub struct Contacts {
    name: String,
    title: String,
    subtitle: String,
    images: Vec<Shown>,
}

impl Contacts {
    /// The sheet of images of `side` pixels.
    pub fn figure(&self, side: usize) -> Drawn<'_> {
        if self.images.is_empty() {
            return (self.name.clone(), Err("no image was judged".to_owned()));
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

/// The sheets of images, as the net sees them: one per class, then the least believed.
pub struct Images<'a> {
    index: Index,
    predictions: &'a Predictions,
    picker: Picker,
    /// Sheets that were made.
    made: usize,
}

impl<'a> Images<'a> {
    /// Opens the images, if images were preprocessed.
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
        let reader = upstream::images(ctx, &index)?;
        let side = reader.shape()[1];
        let explanation = optional(ctx, lineage, "explain", "explain.json", Explanation::read)?;
        let saliency =
            optional(ctx, lineage, "explain", "saliency.npy", read_saliency)?.unwrap_or_default();
        let picker = Picker { reader, pooled: explanation.map(|e| e.pooled()), saliency, side };
        Ok(Some(Self { index, predictions, picker, made: 0 }))
    }

    /// Width and height of an image in pixels.
    pub fn side(&self) -> usize {
        self.picker.side
    }

    /// The next sheets, at most `most`; none after the last.
    pub fn next(&mut self, most: usize) -> Result<Option<Vec<Contacts>>, Failure> {
        let all = self.index.classes.len() + 1;
        let sheets = self.made..(self.made + most).min(all);
        self.made = sheets.end;
        if sheets.is_empty() {
            return Ok(None);
        }
        sheets.map(|sheet| self.sheet(sheet)).collect::<Result<_, _>>().map(Some)
    }

    fn sheet(&mut self, sheet: usize) -> Result<Contacts, Failure> {
        let Self { index, predictions, picker, .. } = self;
        let Some(class) = index.classes.get(sheet) else {
            let images = least_believed(index, predictions)
                .map(|(image, said)| picker.judged(image, said, &predictions.classes))
                .collect::<Result<_, _>>()?;
            return Ok(Contacts {
                name: "least-believed".into(),
                title: "The images that the model believes in least".into(),
                subtitle: "Of the test images, those whose true class has the least probability"
                    .into(),
                images,
            });
        };
        let images: Vec<&IndexRow> = index.rows.iter().filter(|r| r.class == *class).collect();
        let step = images.len().div_ceil(SAMPLES).max(1);
        let shown = images.iter().step_by(step).map(|image| picker.sample(image));
        let shown: Vec<Shown> = shown.collect::<Result<_, _>>()?;
        Ok(Contacts {
            name: samples_name(class),
            title: format!("Images of the class {class}"),
            subtitle: format!("{} of {} images, as the net sees them", shown.len(), images.len()),
            images: shown,
        })
    }
}

/// The test images by how little the model believes in their true class.
fn least_believed<'a>(
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
    let belief = |image: &Prediction| image.probabilities[image.truth];
    images.sort_by(|a, b| belief(a.1).total_cmp(&belief(b.1)).then(a.0.row.cmp(&b.0.row)));
    images.into_iter().take(WORST)
}

/// Reads images and lays their saliency over them.
struct Picker {
    reader: Reader<u8>,
    pooled: Option<(usize, usize)>,
    saliency: BTreeMap<String, ImageSaliency>,
    side: usize,
}

impl Picker {
    fn sample(&mut self, image: &IndexRow) -> Result<Shown, Failure> {
        let size = format!("{} × {} pixels", image.width, image.height);
        let patient = if image.patient.is_empty() { "unknown person" } else { &image.patient };
        let caption = vec![file(&image.path), patient.to_owned(), size];
        Ok(Shown { rgb: self.reader.read(image.row..image.row + 1)?, saliency: None, caption })
    }

    fn judged(
        &mut self,
        image: &IndexRow,
        said: &Prediction,
        classes: &[String],
    ) -> Result<Shown, Failure> {
        let rgb = self.reader.read(image.row..image.row + 1)?;
        let (truth, named) = (&classes[said.truth], &classes[said.predicted]);
        let probability = said.probabilities[said.predicted];
        let result = if truth == named { "rightly" } else { "wrongly" };
        let says = format!("{truth}, {result} taken for {named}, probability {probability:.2}");
        let saliency =
            self.saliency.get(&image.path).filter(|saliency| saliency.predicted == *named);
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
        Ok(Shown { saliency, rgb, caption: vec![file(&image.path), says] })
    }
}

/// The file's name without its folder.
fn file(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// The stem of the files of a class: no two classes share one, since a hash follows
/// where a character is replaced.
fn samples_name(class: &str) -> String {
    format!("samples-{}", picture_name(class))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_classes_share_a_sheet() {
        assert_eq!(samples_name("covid"), "samples-covid");
        let classes = ["a b", "a,b", "a-b", "a/b", "a;b", "a", "-a", ".a", "a ", "ä b"];
        let names: BTreeSet<String> = classes.iter().map(|class| samples_name(class)).collect();
        assert_eq!(names.len(), classes.len(), "{names:?}");
        let fit = |c: char| c.is_alphanumeric() || "._-".contains(c);
        assert!(names.iter().all(|name| name.chars().all(fit)), "{names:?}");
    }
}
