//! Comparison of an exported file, run by its own library, with `cxr-predict`.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use ndarray::Axis;
use serde::{Deserialize, Serialize};

use super::Format;
use crate::backbone::Weights;
use crate::classifier::{Bundle, Classifier};
use crate::cli::{Context, Failure, ResultExt};
use crate::conv::Engine;
use crate::io::npy::{Reader, Writer};
use crate::rng::Rng;

/// Environment variable with paths of Python programs, separated as in `PATH`, tried in order.
const PYTHON: &str = "CXR_PYTHON";
/// Maximum difference of probabilities.
pub const TOLERANCE: f64 = 1e-5;
/// Maximum number of compared images.
const MAX_IMAGES: usize = 64;
/// Number of random images if the profile has no images.
const RANDOM_IMAGES: usize = 8;
/// Exit code of the script if its library is missing.
const LIBRARY_MISSING: i32 = 77;

/// Result of the comparison.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// Name and version of the library.
    pub library: String,
    /// Number of compared images.
    pub images: usize,
    /// Whether the images are those of the profile; if not, random images.
    pub own: bool,
    /// Maximum absolute difference of the probabilities; NaN if one is NaN.
    pub difference: f64,
}

impl Verified {
    /// Returns whether the probabilities are equal within [`TOLERANCE`].
    pub fn agrees(&self) -> bool {
        // False for NaN.
        self.difference <= TOLERANCE
    }
}

/// Output of the script.
#[derive(Deserialize)]
struct ScriptOutput {
    library: String,
    classes: Option<Vec<String>>,
    probabilities: Vec<Vec<f64>>,
}

/// Runs the exported file with its library and the classifier on the same images, and compares
/// the probabilities.
///
/// # Errors
/// If no Python has the library, the library cannot load or run the file, or its classes differ.
pub fn verify(
    ctx: &Context,
    format: Format,
    file: &Path,
    bundle: &Bundle,
    weights: &Weights,
) -> Result<Verified, Failure> {
    let (kind, package) = match format {
        Format::Onnx => ("onnx", "onnxruntime"),
        _ => ("keras", "tensorflow keras"),
    };
    let (images, own) = images(ctx, bundle)?;
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    let (script, array) = (folder.path().join("verify.py"), folder.path().join("images.npy"));
    crate::io::atomic::write(&script, include_bytes!("verify.py"))?;
    let side = bundle.manifest.model.extractor.side;
    let mut out = Writer::<u8>::create(&array, &[side, side, 3])?;
    images.iter().try_for_each(|image| out.push(image))?;
    out.finish()?;
    let args = [script.as_os_str(), kind.as_ref(), file.as_os_str(), array.as_os_str()];
    let output = run_script(package, &args.map(OsString::from))?;

    let extractor = &bundle.manifest.model.extractor;
    let engine = Engine::from_env().usage()?;
    let classifier = Classifier::new(weights, bundle.head.clone(), extractor, engine);
    let expected = classifier.predict(&images).probabilities.mapv(f64::from);
    let classes = &bundle.manifest.model.classes;
    let same_width = output.probabilities.iter().all(|image| image.len() == classes.len());
    if !same_width || output.probabilities.len() != images.len() {
        return Err(Failure::new(
            "the number of images or classes in the library's output differs",
        ));
    }
    if output.classes.as_ref().is_some_and(|names| names != classes) {
        return Err(Failure::new("the classes in the file differ from those of the model"));
    }
    let pairs = expected.axis_iter(Axis(0)).zip(&output.probabilities);
    let differences =
        pairs.flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>());
    let difference = differences.fold(0.0, |max, d| if d > max || d.is_nan() { d } else { max });
    Ok(Verified { library: output.library, images: images.len(), own, difference })
}

/// Returns images of the profile, evenly spaced, and true; without such images random ones, and
/// false.
fn images(ctx: &Context, bundle: &Bundle) -> Result<(Vec<Vec<u8>>, bool), Failure> {
    let side = bundle.manifest.model.extractor.side;
    let path = ctx.artifact("preprocess", "images.npy");
    if let Ok(mut reader) = Reader::<u8>::open(&path, &[Some(side), Some(side), Some(3)])
        && reader.rows() > 0
    {
        let (rows, n) = (reader.rows(), reader.rows().min(MAX_IMAGES));
        let images = (0..n).map(|i| reader.read(i * rows / n..i * rows / n + 1));
        return Ok((images.collect::<Result<_, _>>()?, true));
    }
    // Noise from strong to weak, levels from dark to bright.
    let mut rng = Rng::new(ctx.seed);
    let mut image = |i: usize| -> Vec<u8> {
        let (base, noise) = (28 * i, (RANDOM_IMAGES - i) as f64 * 28.0);
        let level = |rng: &mut Rng| (base as f64 + rng.uniform(0.0, noise)).min(255.0) as u8;
        (0..side * side * 3).map(|_| level(&mut rng)).collect()
    };
    Ok(((0..RANDOM_IMAGES).map(&mut image).collect(), false))
}

/// Runs the script with the first Python that has the library.
fn run_script(package: &str, args: &[OsString]) -> Result<ScriptOutput, Failure> {
    let requested = env::var_os(PYTHON).unwrap_or_default();
    let requested = env::split_paths(&requested).filter(|path| !path.as_os_str().is_empty());
    let defaults = ["python3", "python"].map(Into::into);
    for python in requested.chain(defaults) {
        let mut command = Command::new(&python);
        command.args(args).stdin(Stdio::null());
        let output = match command.output() {
            Ok(output) => output,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => {
                return Err(e)
                    .context(format!("cannot run `{}`", python.display()))
                    .hint(format_args!("{PYTHON} lists programs, such as `/usr/bin/python3`"));
            }
        };
        if output.status.code() == Some(LIBRARY_MISSING) {
            continue;
        }
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let last = stderr.trim_end().lines().next_back().unwrap_or("no error message");
            let failure = Failure::new(format_args!("the library cannot run the file: {last}"));
            return Err(failure.hint(format_args!("the program was `{}`", python.display())));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        // Libraries print messages before the JSON line.
        let last = text.trim_end().lines().next_back().unwrap_or_default();
        return serde_json::from_str(last).context("the script's output is malformed");
    }
    let failure = Failure::new(format_args!("no python3 has `{package}`, required by `--verify`"));
    Err(failure
        .hint(format_args!("`python3 -m venv venv && venv/bin/pip install {package}`"))
        .hint(format_args!("then `{PYTHON}=venv/bin/python cxr export … --verify`")))
}
