//! What several stages read of those before them, checked to belong together. What
//! does not comes with the command that makes it anew.

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

/// The files of `cxr-link` that `grouping` rests on.
pub fn links(ctx: &Context, grouping: Grouping) -> impl Iterator<Item = Input> {
    grouping.files().iter().map(|name| ctx.input("link", name))
}

/// Where the table `path`, as a setting names it, is: a path from the current folder, or
/// else one from `beside`, the folder whose images it tells of.
///
/// # Errors
/// If it is in neither place.
pub fn table_file(ctx: &Context, path: &str, beside: &Path) -> Result<PathBuf, Failure> {
    let named = ctx.paths.expand(path);
    let below = beside.join(&named);
    let missing = || {
        let error = format!("there is no `{}`", named.display());
        match named.is_absolute() {
            true => Failure::new(error),
            false => Failure::new(format!("{error}, nor `{}`", below.display())),
        }
    };
    [&named, &below].into_iter().find(|path| path.exists()).cloned().ok_or_else(missing)
}

/// The films.
pub fn index(ctx: &Context) -> Result<Index, Failure> {
    ctx.read("preprocess", "index.csv", Index::read)
}

/// The split, which must be of this index.
pub fn split(ctx: &Context, job: &Job, index: &Index) -> Result<Split, Failure> {
    let hash = &job.inputs()["preprocess/index.csv"];
    ctx.read("split", "split.json", |path| Split::read_for(path, hash, index.rows.len()))
}

/// The trained model: what `bundle` holds, else the profile's own, with the
/// out-of-distribution false-positive rate `rate`; `former` is the flag by which the
/// rate was given before it was renamed.
pub fn model(
    ctx: &Context,
    bundle: Option<&Path>,
    rate: f64,
    former: Option<&str>,
) -> Result<Assembled, Failure> {
    if let Some(value) = former {
        let error = Failure::usage("`--false-alarms` is now `--ood-false-positive-rate`");
        return Err(error.hint(format_args!("`--ood-false-positive-rate {value}`")));
    }
    in_range("ood-false-positive-rate", rate, 0.0..=1.0)?;
    if bundle.is_some() && ctx.globals.artifacts.is_some() {
        let error = "`--artifacts` has no effect with `--bundle`, which holds the whole model";
        return Err(Failure::usage(error).hint("give one of them"));
    }
    classifier::open(bundle, &ctx.paths, rate).map_err(hinted(ModelError::hint))
}

/// What the features are, which must be of the split that the job reads.
pub fn features(ctx: &Context, job: &Job) -> Result<Features, Failure> {
    let features = ctx.read("extract", "features.json", Features::read)?;
    if features.split != job.inputs()["split/split.json"] {
        let error = Failure::new("the features were made from another split");
        return Err(error.hint(ctx.rerun("extract")));
    }
    Ok(features)
}

/// An array of features of the shape `shape`.
pub fn array<D: Dimension>(
    ctx: &Context,
    name: &str,
    shape: &[usize],
) -> Result<Array<f32, D>, Failure> {
    ctx.read("extract", name, |path| read_array("array of features", path, shape))
}

/// The features of every film, `[films, width]`, all of them finite and below 1e10.
pub fn table(ctx: &Context, index: &Index, features: &Features) -> Result<Array2<f32>, Failure> {
    let shape = [index.rows.len(), features.extractor.width];
    let table: Array2<f32> = array(ctx, "features.npy", &shape)?;
    let broken = table.axis_iter(Axis(0)).position(|film| !film.iter().all(|v| is_plausible(*v)));
    match broken {
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

/// The trained model, which must be of the files that the job reads: another split may test
/// on films that it has learnt from.
pub fn trained(ctx: &Context, job: &Job) -> Result<Model, Failure> {
    let model = ctx.read("train", "model.json", Model::read)?;
    let other =
        |(name, hash): &(&String, &String)| job.inputs().get(*name).is_some_and(|now| now != *hash);
    if let Some((name, _)) = model.inputs.iter().find(other) {
        let error = Failure::new(format_args!("the model was trained from another `{name}`"));
        return Err(error.hint(ctx.rerun("train")));
    }
    Ok(model)
}

/// An artifact that need not be there; none of a stage whose files do not belong to the
/// others.
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

/// The file of the backbone's weights: the one `wanted`, else the one that this
/// machine has.
pub fn weights_file(ctx: &Context, wanted: &str) -> Result<PathBuf, Failure> {
    if !wanted.is_empty() {
        return Ok(ctx.paths.expand(wanted));
    }
    backbone::weights_file().map_err(|error| {
        let hint = error.hint();
        Failure::from(error).hint(hint)
    })
}

/// The pixels of every film, `[films, side, side, 3]`.
pub fn images(ctx: &Context, index: &Index) -> Result<Reader<u8>, Failure> {
    let path = ctx.artifact("preprocess", "images.npy");
    let images = Reader::<u8>::open(&path, &[None, None, Some(3)]).hint(ctx.rerun("preprocess"))?;
    let films = index.rows.len();
    match *images.shape() {
        [rows, side, width, _] if rows == films && side == width && side > 0 && side % 32 == 0 => {
            Ok(images)
        }
        ref shape => {
            let error =
                format!("`images.npy` has the shape {shape:?}, expected [{films}, 224, 224, 3]");
            Err(Failure::new(error).hint(ctx.rerun("preprocess")))
        }
    }
}

/// The person on every film, where known.
pub fn persons(
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

/// The group of every film: its person, or, where nobody knows whom it shows, one of
/// its own.
pub fn groups(
    ctx: &Context,
    job: &Job,
    index: &Index,
    by: Grouping,
) -> Result<Vec<String>, Failure> {
    let persons = persons(ctx, job, index, by)?.into_iter().zip(&index.rows);
    Ok(persons.map(|(person, row)| person.unwrap_or_else(|| alone(&row.path))).collect())
}

/// The position of the positive class: `wanted`, else the default of
/// [`positive`](crate::dataset::positive::positive()).
pub fn positive(wanted: &str, classes: &[String]) -> Result<usize, Failure> {
    crate::dataset::positive::positive(wanted, classes).map_err(|error| {
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
