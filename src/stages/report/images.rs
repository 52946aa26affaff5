//! The images of the browser, their pictures and their saliency.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::super::upstream;
use super::{Files, Settings, optional};
use crate::artifact::explanation::{Explanation, ImageSaliency, read_saliency};
use crate::artifact::index::Index;
use crate::artifact::predictions::{Prediction, Predictions};
use crate::cli::{Context, Failure};
use crate::image::encode;
use crate::io::npy::Reader;
use crate::pipeline::Lineage;
use crate::plot::saliency_rgba;
use crate::report::{Explained, Image, Mean};

/// What the predictions of one image come to.
struct Said {
    row: usize,
    predicted: usize,
    /// Mean probability of the predicted class, and of the true one.
    confidence: f64,
    belief: f64,
    /// Wrong predictions, of so many.
    wrong: (usize, usize),
}

/// The images of the browser, and the means of those explained.
pub struct Pictures {
    /// The images that were judged, those least believed first.
    pub browser: Vec<Image>,
    means: Vec<Mean>,
}

impl Pictures {
    /// Reads pixels and saliency of the images that were judged.
    pub fn read(
        ctx: &Context,
        settings: &Settings,
        lineage: &Lineage,
        files: &Files,
    ) -> Result<Self, Failure> {
        let judged = files.out_of_fold.as_ref().or(files.predictions.as_ref());
        let pixels = ctx.artifact("preprocess", "images.npy");
        let (Some(judged), true) = (judged, settings.images > 0 && pixels.exists()) else {
            return Ok(Self { browser: Vec::new(), means: Vec::new() });
        };
        let mut said = said(&files.index, judged);
        said.sort_by(|a, b| a.belief.total_cmp(&b.belief).then(a.row.cmp(&b.row)));
        said.truncate(settings.images);
        let saliency =
            optional(ctx, lineage, "explain", "saliency.npy", read_saliency)?.unwrap_or_default();
        let mut images = Images::open(ctx, &files.index)?;
        let pixels = said.iter().map(|image| images.read(image.row));
        let pixels: Vec<Vec<u8>> = pixels.collect::<Result<_, _>>()?;
        let browser = said
            .par_iter()
            .zip(&pixels)
            .map(|(said, pixels)| {
                let picture = jpeg(pixels, images.side, settings.quality);
                image(files, judged, said, picture, &saliency)
            })
            .collect();
        let means = means(&files.index, &mut images, &saliency, settings.quality)?;
        Ok(Self { browser, means })
    }

    /// Grad-CAM, summed up.
    pub fn explained(&self, explanation: &Explanation, files: &Files) -> Explained {
        let (pooled, of) = explanation.pooled();
        let classes = files.index.classes.iter();
        let by_class =
            classes.filter_map(|class| Some((class.clone(), *explanation.by_class.get(class)?)));
        Explained {
            images: explanation.images,
            cells: explanation.cells,
            pooled: pooled as f64 / of.max(1) as f64,
            pooled_region: explanation.pooled_region().unwrap_or_default(),
            outside: explanation.outside,
            even: explanation.even,
            by_class: by_class.collect(),
            means: self.means.clone(),
        }
    }
}

/// What is said of each image in one or several runs, by the class that most name.
fn said(index: &Index, judged: &Predictions) -> Vec<Said> {
    let mut of_image: BTreeMap<&str, Vec<&Prediction>> = BTreeMap::new();
    for row in &judged.rows {
        of_image.entry(&row.path).or_default().push(row);
    }
    let sum_up = |image: &crate::artifact::index::IndexRow| {
        let runs = of_image.get(image.path.as_str())?;
        let truth = runs[0].truth;
        let mean = |class: usize| {
            runs.iter().map(|run| run.probabilities[class]).sum::<f64>() / runs.len() as f64
        };
        let votes = |class: usize| runs.iter().filter(|run| run.predicted == class).count();
        // The first of equals.
        let predicted = (0..judged.classes.len()).rev().max_by_key(|class| votes(*class))?;
        Some(Said {
            row: image.row,
            predicted,
            confidence: mean(predicted),
            belief: mean(truth),
            wrong: (runs.len() - votes(truth), runs.len()),
        })
    };
    index.rows.iter().filter_map(sum_up).collect()
}

fn image(
    files: &Files,
    judged: &Predictions,
    said: &Said,
    picture: String,
    saliency: &BTreeMap<String, ImageSaliency>,
) -> Image {
    let row = &files.index.rows[said.row];
    let predicted = &judged.classes[said.predicted];
    let leaked = files.split.as_ref().is_some_and(|split| {
        split.test.contains(&said.row) && split.leaking.contains(&row.patient)
    });
    // Saliency tells of the model; heads of a cross-validation may say something else.
    let saliency = saliency.get(&row.path).filter(|saliency| saliency.predicted == *predicted);
    Image {
        path: row.path.clone(),
        truth: row.class.clone(),
        predicted: predicted.clone(),
        confidence: said.confidence,
        wrong: said.wrong,
        patient: row.patient.clone(),
        leaked,
        source: row.source.clone(),
        size: (row.width, row.height),
        picture,
        saliency: saliency.map_or_else(String::new, |saliency| png(&saliency.cells)),
        outside: saliency.and_then(|saliency| saliency.outside),
    }
}

/// The mean image and saliency of the images taken for each class.
fn means(
    index: &Index,
    images: &mut Images,
    saliency: &BTreeMap<String, ImageSaliency>,
    quality: u8,
) -> Result<Vec<Mean>, Failure> {
    let mut means = Vec::new();
    for class in &index.classes {
        let mut n_images = 0;
        let mut pixels = vec![0.0_f64; images.side * images.side * 3];
        let mut sum: Option<Array2<f32>> = None;
        for row in &index.rows {
            let Some(saliency) =
                saliency.get(&row.path).filter(|saliency| saliency.predicted == *class)
            else {
                continue;
            };
            let image = images.read(row.row)?;
            pixels.iter_mut().zip(image).for_each(|(sum, level)| *sum += f64::from(level));
            let most = saliency.cells.iter().copied().fold(0.0, f32::max);
            let scaled = if most > 0.0 { &saliency.cells / most } else { saliency.cells.clone() };
            sum = Some(sum.map_or_else(|| scaled.clone(), |sum| sum + &scaled));
            n_images += 1;
        }
        let Some(sum) = sum else { continue };
        let pixels: Vec<u8> = pixels.iter().map(|p| (p / n_images as f64).round() as u8).collect();
        let picture = jpeg(&pixels, images.side, quality);
        means.push(Mean { class: class.clone(), images: n_images, picture, saliency: png(&sum) });
    }
    Ok(means)
}

/// The images as the net sees them.
struct Images {
    reader: Reader<u8>,
    side: usize,
}

impl Images {
    fn open(ctx: &Context, index: &Index) -> Result<Self, Failure> {
        let reader = upstream::images(ctx, index)?;
        let side = reader.shape()[1];
        Ok(Self { reader, side })
    }

    fn read(&mut self, row: usize) -> Result<Vec<u8>, Failure> {
        Ok(self.reader.read(row..row + 1)?)
    }
}

fn jpeg(pixels: &[u8], side: usize, quality: u8) -> String {
    let bytes = encode::jpeg(pixels, side, quality);
    format!("data:image/jpeg;base64,{}", BASE64.encode(bytes))
}

fn png(saliency: &Array2<f32>) -> String {
    let cells: Vec<f32> = saliency.iter().copied().collect();
    let bytes = encode::png(&saliency_rgba(&cells), saliency.len_of(Axis(0)));
    format!("data:image/png;base64,{}", BASE64.encode(bytes))
}
