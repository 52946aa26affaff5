//! Images to explain: the requested images, then the test images, the worst errors first.

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Array4};

use super::super::stage_inputs;
use super::{Settings, scaled, stack};
use crate::artifact::explanation::Line;
use crate::artifact::index::{Index, IndexRow};
use crate::artifact::model::Model;
use crate::artifact::split::Split;
use crate::cli::{Context, Failure, shell_word};
use crate::head::Head;
use crate::io::decimal::widen;
use crate::io::hash;
use crate::io::npy::{NpyError, Reader};
use crate::metrics::predicted;
use crate::pipeline::Job;

/// Returns the row of the image `given`: its path in the dataset, or the path of its file,
/// absolute or from the current folder.
///
/// # Errors
/// If `given` is not an image of the index.
pub fn find(index: &Index, dataset: &Path, given: &Path) -> Result<usize, Failure> {
    let given = &*given.to_string_lossy();
    let row = |path: &str| index.rows.iter().position(|row| row.path == path);
    let below = |file: &Path, dataset: &Path| {
        let parts: Vec<&str> = file
            .strip_prefix(dataset)
            .ok()?
            .iter()
            .map(|part| part.to_str())
            .collect::<Option<_>>()?;
        row(&parts.join("/"))
    };
    let (file, folder) = (std::path::absolute(given), std::path::absolute(dataset));
    let by_path = || below(file.as_ref().ok()?, folder.as_ref().ok()?);
    let by_canonical_path =
        || below(&Path::new(given).canonicalize().ok()?, &dataset.canonicalize().ok()?);
    // The dataset may have been moved: compares the end of the path and the content.
    let by_content = || {
        let hash = hash::file(Path::new(given)).ok()?;
        let same = |row: &IndexRow| row.hash == hash && Path::new(given).ends_with(&row.path);
        index.rows.iter().position(same)
    };
    let plain = given.strip_prefix("./").unwrap_or(given);
    let found = row(plain).or_else(by_path).or_else(by_canonical_path).or_else(by_content);
    found.ok_or_else(|| {
        let failure = Failure::usage(format_args!("`{given}` is not an image of this dataset"));
        match Path::new(given).is_file() {
            true => failure.hint(format_args!(
                "to predict and explain any image: `cxr predict {} --saliency DIR`",
                shell_word(given)
            )),
            false => failure.hint(
                "give the `path` of an image in `index.csv`, such as `covid/x.jpg`, or the path of \
                 its file",
            ),
        }
    })
}

/// An image to explain.
pub struct Image {
    /// Row of the index.
    pub row: usize,
    /// Index of the predicted class.
    pub predicted: usize,
    /// Probability of each class.
    probabilities: Vec<f32>,
    /// Input of the head.
    pub features: Array1<f32>,
    /// True if a figure is made.
    pub shown: bool,
    path: String,
}

/// Images of the index, and the model.
pub struct Images {
    pub model: Model,
    pub head: Head,
    index: Index,
    split: Split,
    features: Array2<f32>,
    images: Reader<u8>,
}

impl Images {
    /// Reads the artifacts and checks that they belong together.
    pub fn read(ctx: &Context, job: &Job) -> Result<Self, Failure> {
        let index = stage_inputs::index(ctx)?;
        let split = stage_inputs::split(ctx, job, &index)?;
        let model = stage_inputs::trained(ctx, job)?;
        let head = ctx.read("train", "model.safetensors", |path| model.head(path))?;
        let description = stage_inputs::features(ctx, job)?;
        if description.extractor != model.extractor || model.classes != index.classes {
            let error = Failure::new("the model was trained on other features or classes");
            return Err(error.hint(ctx.rerun("train")));
        }
        let features = stage_inputs::table(ctx, &index, &description)?;
        let images = stage_inputs::images(ctx, &index)?;
        if images.shape()[1] != model.extractor.side {
            let error = Failure::new("the model was trained on images of another size");
            return Err(error.hint(ctx.rerun("train")));
        }
        Ok(Self { model, head, index, split, features, images })
    }

    /// Height and width of an image in pixels.
    pub fn side(&self) -> usize {
        self.model.extractor.side
    }

    /// Returns the requested images, then the test images by ascending probability of the true
    /// class.
    pub fn choose(&self, dataset: &Path, settings: &Settings) -> Result<Vec<Image>, Failure> {
        let probabilities = self.head.predict(self.features.view());
        let predictions = predicted(probabilities.mapv(widen).view());
        let labels = self.index.labels();
        let image = |row: usize, shown: bool| Image {
            row,
            predicted: predictions[row],
            probabilities: probabilities.row(row).to_vec(),
            features: self.features.row(row).to_owned(),
            shown,
            path: self.index.rows[row].path.clone(),
        };
        let find = |path: &PathBuf| find(&self.index, dataset, path);
        let requested: Vec<usize> = settings.image.iter().map(find).collect::<Result<_, _>>()?;
        let mut test: Vec<usize> =
            self.split.test.iter().copied().filter(|row| !requested.contains(row)).collect();
        let true_class = |row: &usize| probabilities[[*row, labels[*row]]];
        test.sort_by(|a, b| true_class(a).total_cmp(&true_class(b)).then(a.cmp(b)));
        test.truncate(settings.images);
        let errors = test.iter().filter(|row| predictions[**row] != labels[**row]).count();
        let shown = errors.min(settings.errors);
        let test = test.iter().enumerate().map(|(rank, row)| image(*row, rank < shown));
        Ok(requested.iter().map(|row| image(*row, true)).chain(test).collect())
    }

    /// Reads the inputs of the backbone, `[images, side, side, 3]`.
    pub fn load(&mut self, images: &[Image]) -> Result<Array4<f32>, NpyError> {
        let side = self.side();
        let mut inputs = Vec::with_capacity(images.len());
        for image in images {
            inputs.push(scaled(&self.images.read(image.row..image.row + 1)?, side));
        }
        Ok(stack(&inputs))
    }

    /// Path of the image in the dataset.
    pub fn path<'a>(&self, image: &'a Image) -> &'a str {
        &image.path
    }

    /// Caption with true class, predicted class and probability.
    pub fn caption(&self, image: &Image) -> String {
        let (class, predicted) =
            (&self.index.rows[image.row].class, &self.model.classes[image.predicted]);
        let probability = image.probabilities[image.predicted];
        format!("{class}, predicted as {predicted} with probability {probability:.2}")
    }

    /// Row of `explain.csv`.
    pub fn csv_row(&self, image: &Image, outside: Option<f64>) -> Line {
        Line {
            path: image.path.clone(),
            class: self.index.rows[image.row].class.clone(),
            predicted: self.model.classes[image.predicted].clone(),
            probability: image.probabilities[image.predicted],
            outside,
            pooled_black: None,
            unpooled_black: None,
        }
    }
}

impl Image {
    /// Probability of the predicted class.
    pub fn probability(&self) -> f64 {
        f64::from(self.probabilities[self.predicted])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_is_found_by_every_path_to_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let dataset = dir.path().join("data");
        let file = dataset.join("covid/a,b.png");
        crate::io::atomic::write(&file, b"x").unwrap();
        crate::io::atomic::write(&dataset.join("other.png"), b"x").unwrap();
        std::os::unix::fs::symlink(&dataset, dir.path().join("link")).unwrap();
        let (path, hash) = ("covid/a,b.png".to_owned(), hash::bytes(b"x"));
        let index = Index::new(vec![IndexRow { path, hash, ..IndexRow::default() }]);
        let found = |given: &str| find(&index, &dataset, given.as_ref());
        let absolute = file.display().to_string();
        let linked = dir.path().join("link/covid/a,b.png").display().to_string();
        // Relative to the current folder.
        let here = std::env::current_dir().unwrap();
        let up = "../".repeat(here.components().count() - 1);
        let relative = format!("{up}{}", &absolute[1..]);
        for given in ["covid/a,b.png", "./covid/a,b.png", &absolute, &linked, &relative] {
            assert_eq!(found(given).ok(), Some(0), "{given}");
        }
        let elsewhere = dir.path().join("elsewhere");
        assert_eq!(find(&index, &elsewhere, absolute.as_ref()).ok(), Some(0));
        crate::io::atomic::write(&elsewhere.join("covid/a,b.png"), b"another").unwrap();
        assert!(found(&elsewhere.join("covid/a,b.png").display().to_string()).is_err());
        let other = found(&dataset.join("other.png").display().to_string()).unwrap_err();
        assert!(other.hints[0].contains("`cxr predict "), "{:?}", other.hints);
        let none = found("covid/none.png").unwrap_err();
        assert_eq!(none.kind.code(), 2);
        assert!(none.hints[0].contains("`index.csv`"), "{:?}", none.hints);
    }
}
