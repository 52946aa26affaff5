//! Images of the image browser with their saliency maps.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::super::stage_inputs;
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

/// Predictions of one image, averaged over the runs.
struct PredictionSummary {
    row: usize,
    predicted: usize,
    /// Mean probability of the predicted class.
    confidence: f64,
    /// Mean probability of the true class.
    true_probability: f64,
    /// Number of wrong predictions, and of all predictions.
    wrong: (usize, usize),
}

/// Images of the browser, and mean images by predicted class.
pub struct Pictures {
    /// Evaluated images by increasing probability of the true class.
    pub browser: Vec<Image>,
    means: Vec<Mean>,
}

impl Pictures {
    /// Reads pixels and saliency maps of the evaluated images; empty without `images.npy`.
    ///
    /// # Errors
    /// If an artifact is invalid or cannot be read.
    pub fn read(
        ctx: &Context,
        settings: &Settings,
        lineage: &Lineage,
        files: &Files,
    ) -> Result<Self, Failure> {
        let predictions = files.out_of_fold.as_ref().or(files.predictions.as_ref());
        let pixels = ctx.artifact("preprocess", "images.npy");
        let (Some(predictions), true) = (predictions, settings.images > 0 && pixels.exists())
        else {
            return Ok(Self { browser: Vec::new(), means: Vec::new() });
        };
        let mut summaries = summarise(&files.index, predictions);
        summaries.sort_by(|a, b| {
            a.true_probability.total_cmp(&b.true_probability).then(a.row.cmp(&b.row))
        });
        summaries.truncate(settings.images);
        let saliency =
            optional(ctx, lineage, "explain", "saliency.npy", read_saliency)?.unwrap_or_default();
        let mut images = Images::open(ctx, &files.index)?;
        let pixels = summaries.iter().map(|image| images.read(image.row));
        let pixels: Vec<Vec<u8>> = pixels.collect::<Result<_, _>>()?;
        let browser = summaries
            .par_iter()
            .zip(&pixels)
            .map(|(summary, pixels)| {
                let picture = jpeg(pixels, images.side, settings.quality);
                image(files, predictions, summary, picture, &saliency)
            })
            .collect();
        let means = means(&files.index, &mut images, &saliency, settings.quality)?;
        Ok(Self { browser, means })
    }

    /// Returns the summary of the Grad-CAM maps.
    pub fn explained(&self, explanation: &Explanation, files: &Files) -> Explained {
        let (pooled, all) = explanation.pooled();
        let classes = files.index.classes.iter();
        let by_class =
            classes.filter_map(|class| Some((class.clone(), *explanation.by_class.get(class)?)));
        Explained {
            images: explanation.images,
            cells: explanation.cells,
            pooled: pooled as f64 / all.max(1) as f64,
            pooled_region: explanation.pooled_region().unwrap_or_default(),
            outside: explanation.outside,
            even: explanation.even,
            by_class: by_class.collect(),
            means: self.means.clone(),
        }
    }
}

/// Summarises the predictions of each image over all runs. The class with the most predictions
/// is the predicted class; of equal counts, the first.
fn summarise(index: &Index, predictions: &Predictions) -> Vec<PredictionSummary> {
    let mut by_image: BTreeMap<&str, Vec<&Prediction>> = BTreeMap::new();
    for row in &predictions.rows {
        by_image.entry(&row.path).or_default().push(row);
    }
    let summary = |image: &crate::artifact::index::IndexRow| {
        let runs = by_image.get(image.path.as_str())?;
        let truth = runs[0].truth;
        let mean = |class: usize| {
            runs.iter().map(|run| run.probabilities[class]).sum::<f64>() / runs.len() as f64
        };
        let votes = |class: usize| runs.iter().filter(|run| run.predicted == class).count();
        let predicted = (0..predictions.classes.len()).rev().max_by_key(|class| votes(*class))?;
        Some(PredictionSummary {
            row: image.row,
            predicted,
            confidence: mean(predicted),
            true_probability: mean(truth),
            wrong: (runs.len() - votes(truth), runs.len()),
        })
    };
    index.rows.iter().filter_map(summary).collect()
}

fn image(
    files: &Files,
    predictions: &Predictions,
    summary: &PredictionSummary,
    picture: String,
    saliency: &BTreeMap<String, ImageSaliency>,
) -> Image {
    let row = &files.index.rows[summary.row];
    let predicted = &predictions.classes[summary.predicted];
    let leaked = files.split.as_ref().is_some_and(|split| {
        split.test.contains(&summary.row) && split.leaking.contains(&row.patient)
    });
    // The map explains the model, whose prediction can differ from the cross-validation's.
    let saliency = saliency.get(&row.path).filter(|saliency| saliency.predicted == *predicted);
    Image {
        path: row.path.clone(),
        truth: row.class.clone(),
        predicted: predicted.clone(),
        confidence: summary.confidence,
        wrong: summary.wrong,
        patient: row.patient.clone(),
        leaked,
        source: row.source.clone(),
        size: (row.width, row.height),
        picture,
        saliency: saliency.map_or_else(String::new, |saliency| png(&saliency.cells)),
        outside: saliency.and_then(|saliency| saliency.outside),
    }
}

/// Returns the mean image and the mean saliency map of each predicted class. Each map is
/// divided by its maximum first.
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
            let max = saliency.cells.iter().copied().fold(0.0, f32::max);
            let scaled = if max > 0.0 { &saliency.cells / max } else { saliency.cells.clone() };
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

/// Resized images, the input of the network.
struct Images {
    reader: Reader<u8>,
    side: usize,
}

impl Images {
    fn open(ctx: &Context, index: &Index) -> Result<Self, Failure> {
        let reader = stage_inputs::images(ctx, index)?;
        let side = reader.shape()[1];
        Ok(Self { reader, side })
    }

    fn read(&mut self, row: usize) -> Result<Vec<u8>, Failure> {
        Ok(self.reader.read(row..row + 1)?)
    }
}

/// Encodes an image as a JPEG data URI.
fn jpeg(pixels: &[u8], side: usize, quality: u8) -> String {
    let bytes = encode::jpeg(pixels, side, quality);
    format!("data:image/jpeg;base64,{}", BASE64.encode(bytes))
}

/// Encodes a saliency map as a PNG data URI.
fn png(saliency: &Array2<f32>) -> String {
    let cells: Vec<f32> = saliency.iter().copied().collect();
    let bytes = encode::png(&saliency_rgba(&cells), saliency.len_of(Axis(0)));
    format!("data:image/png;base64,{}", BASE64.encode(bytes))
}
