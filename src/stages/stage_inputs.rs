//! Inputs that several stages read from earlier stages, checked for consistency. Errors have a
//! hint with the command that makes the input again.

use std::path::{Path, PathBuf};

use ndarray::{Array, Array2, Axis, Dimension};

use crate::artifact::array::read_array;
use crate::artifact::features::Features;
use crate::artifact::groups::{Grouping, read_groups};
use crate::artifact::index::{Index, alone};
use crate::artifact::model::Model;
use crate::artifact::split::Split;
use crate::artifact::{ArtifactError, Document};
use crate::backbone;
use crate::classifier::{self, Assembled, ModelError};
use crate::cli::{Context, Failure, ResultExt, hinted, in_range, shell_word};
use crate::io::npy::Reader;
use crate::io::staging::recover;
use crate::io::tensor::is_plausible;
use crate::pipeline::{Input, Job, Lineage};

/// Files of `cxr-link` that `grouping` needs.
pub fn links(ctx: &Context, grouping: Grouping) -> impl Iterator<Item = Input> {
    grouping.files().iter().map(|name| ctx.input("link", name))
}

/// Finds the table `path` of a setting, relative to the current folder, or else to `folder`,
/// which holds the images of the table.
///
/// # Errors
/// If the file is in neither folder.
pub fn table_file(ctx: &Context, path: &str, folder: &Path) -> Result<PathBuf, Failure> {
    let given = ctx.paths.expand(path);
    let in_folder = folder.join(&given);
    let missing = || {
        let error = format!("there is no `{}`", given.display());
        match given.is_absolute() {
            true => Failure::new(error),
            false => Failure::new(format!("{error}, nor `{}`", in_folder.display())),
        }
    };
    [&given, &in_folder].into_iter().find(|path| path.exists()).cloned().ok_or_else(missing)
}

/// Reads the index of the images.
///
/// # Errors
/// If `index.csv` is missing or malformed.
pub fn index(ctx: &Context) -> Result<Index, Failure> {
    ctx.read("preprocess", "index.csv", Index::read)
}

/// Reads the split.
///
/// # Errors
/// If `split.json` is missing, malformed, or made from another index.
pub fn split(ctx: &Context, job: &Job, index: &Index) -> Result<Split, Failure> {
    let hash = &job.inputs()["preprocess/index.csv"];
    ctx.read("split", "split.json", |path| Split::read_for(path, hash, index.rows.len()))
}

/// Opens the model in `bundle`, else the model of the profile. `rate` is the out-of-distribution
/// false-positive rate, from 0 to 1; `old_flag` is the value of its former flag.
///
/// # Errors
/// If the model cannot be read, `rate` is out of range, or the flags contradict each other.
pub fn model(
    ctx: &Context,
    bundle: Option<&Path>,
    rate: f64,
    old_flag: Option<&str>,
) -> Result<Assembled, Failure> {
    if let Some(value) = old_flag {
        let error = Failure::usage("`--false-alarms` is now `--ood-false-positive-rate`");
        return Err(error.hint(format_args!("`--ood-false-positive-rate {value}`")));
    }
    in_range("ood-false-positive-rate", rate, 0.0..=1.0)?;
    if bundle.is_some() && ctx.globals.artifacts.is_some() {
        let error = "`--artifacts` has no effect with `--bundle`, which holds the whole model";
        return Err(Failure::usage(error).hint("give only one of the two flags"));
    }
    classifier::open(bundle, &ctx.paths, rate).map_err(|error| match error {
        ModelError::Artifact(ArtifactError::Changed { path, stage, record }) => {
            let error = ArtifactError::Changed { path, stage: stage.clone(), record };
            ctx.unusable(&stage, error)
        }
        error => hinted(ModelError::hint)(error),
    })
}

/// Reads the description of the features.
///
/// # Errors
/// If `features.json` is missing, malformed, or made from another split.
pub fn features(ctx: &Context, job: &Job) -> Result<Features, Failure> {
    let features = ctx.read("extract", "features.json", Features::read)?;
    if features.split != job.inputs()["split/split.json"] {
        let error = Failure::new("the features were made from another split");
        return Err(error.hint(ctx.rerun("extract")));
    }
    Ok(features)
}

/// Reads an array of `cxr-extract`.
///
/// # Errors
/// If the file is missing or malformed, or its shape is not `shape`.
pub fn array<D: Dimension>(
    ctx: &Context,
    name: &str,
    shape: &[usize],
) -> Result<Array<f32, D>, Failure> {
    ctx.read("extract", name, |path| read_array("array of features", path, shape))
}

/// Reads the features of all images `[images, width]`.
///
/// # Errors
/// See [`array()`]; also if a value is not finite or not below 1e10.
pub fn table(ctx: &Context, index: &Index, features: &Features) -> Result<Array2<f32>, Failure> {
    let shape = [index.rows.len(), features.extractor.width];
    let table: Array2<f32> = array(ctx, "features.npy", &shape)?;
    let invalid = table.axis_iter(Axis(0)).position(|row| !row.iter().all(|v| is_plausible(*v)));
    match invalid {
        Some(row) => {
            let path = &index.rows[row].path;
            let error = Failure::new(format_args!(
                "the features of `{path}` are not finite numbers below 1e10"
            ));
            Err(error.hint(ctx.rerun("extract")))
        }
        None => Ok(table),
    }
}

/// Reads the trained model.
///
/// # Errors
/// If `model.json` is missing, malformed, or made from other inputs than those of the job: with
/// another split, test images may be training images of the model.
pub fn trained(ctx: &Context, job: &Job) -> Result<Model, Failure> {
    let model = ctx.read("train", "model.json", Model::read)?;
    let differs =
        |(name, hash): &(&String, &String)| job.inputs().get(*name).is_some_and(|now| now != *hash);
    if let Some((name, _)) = model.inputs.iter().find(differs) {
        let error = Failure::new(format_args!("the model was trained from another `{name}`"));
        return Err(error.hint(ctx.rerun("train")));
    }
    Ok(model)
}

/// Reads an artifact if it exists and was made from the current inputs (`lineage`).
///
/// # Errors
/// If the file exists and `read` fails.
pub fn optional<T>(
    ctx: &Context,
    lineage: &Lineage,
    stage: &str,
    name: &str,
    read: impl FnOnce(&Path) -> Result<T, ArtifactError>,
) -> Result<Option<T>, Failure> {
    if !lineage.belongs(stage) {
        return Ok(None);
    }
    recover(&ctx.paths.stage(stage))?;
    ctx.artifact(stage, name).exists().then(|| ctx.read(stage, name, read)).transpose()
}

/// Path of the backbone's weights: the setting `path`, else `CXR_WEIGHTS`, else the user's cache.
///
/// # Errors
/// If `path` is empty and no weights are found.
pub fn weights_file(ctx: &Context, path: &str) -> Result<PathBuf, Failure> {
    if !path.is_empty() {
        return Ok(ctx.paths.expand(path));
    }
    backbone::weights_file().map_err(|error| {
        let hint = error.hint();
        Failure::from(error).hint(hint)
    })
}

/// Opens the pixels of all images, u8 `[images, side, side, 3]`.
///
/// # Errors
/// If `images.npy` is missing or its shape does not fit the index.
pub fn images(ctx: &Context, index: &Index) -> Result<Reader<u8>, Failure> {
    let path = ctx.artifact("preprocess", "images.npy");
    let images = Reader::<u8>::open(&path, &[None, None, Some(3)]).hint(ctx.rerun("preprocess"))?;
    let count = index.rows.len();
    match *images.shape() {
        [rows, side, width, _] if rows == count && side == width && side > 0 && side % 32 == 0 => {
            Ok(images)
        }
        ref shape => {
            let error =
                format!("`images.npy` has the shape {shape:?}, expected [{count}, 224, 224, 3]");
            Err(Failure::new(error).hint(ctx.rerun("preprocess")))
        }
    }
}

/// Patient of each image; none if unknown.
///
/// # Errors
/// If `groups.csv` is needed and missing, malformed, or made from another index.
pub fn patients(
    ctx: &Context,
    job: &Job,
    index: &Index,
    by: Grouping,
) -> Result<Vec<Option<String>>, Failure> {
    match by {
        Grouping::Patient => Ok(index.patients()),
        Grouping::Link => {
            let hash = &job.inputs()["preprocess/index.csv"];
            let read = |path: &Path| read_groups(path, hash, index.rows.len());
            Ok(ctx.read("link", "groups.csv", read)?.into_iter().map(Some).collect())
        }
    }
}

/// Group of each image: its patient. An image of an unknown patient is a group of its own.
///
/// # Errors
/// See [`patients`].
pub fn groups(
    ctx: &Context,
    job: &Job,
    index: &Index,
    by: Grouping,
) -> Result<Vec<String>, Failure> {
    let patients = patients(ctx, job, index, by)?.into_iter().zip(&index.rows);
    Ok(patients.map(|(patient, row)| patient.unwrap_or_else(|| alone(&row.path))).collect())
}

/// Index of the positive class: `name`, else the default of
/// [`positive`](crate::dataset::positive::positive()).
///
/// # Errors
/// If there is no class `name`, or `name` is empty and there is no default.
pub fn positive(name: &str, classes: &[String]) -> Result<usize, Failure> {
    crate::dataset::positive::positive(name, classes).map_err(|error| {
        let choices: Vec<String> =
            classes.iter().map(|class| format!("`--positive {}`", shell_word(class))).collect();
        let (last, others) = choices.split_last().expect("an index has a class");
        let choices = match others {
            [] => last.clone(),
            others => format!("{} or {last}", others.join(", ")),
        };
        Err::<(), _>(error)
            .usage()
            .hint(format_args!("give {choices}, or set `positive` at the top of `pipeline.toml`"))
            .expect_err("it is an error")
    })
}
