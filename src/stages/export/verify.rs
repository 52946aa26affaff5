//! Whether the library that a file is for says of images what `cxr-predict` says.

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

/// The environment variable that names the Python programs to try, as `PATH` does.
const PYTHON: &str = "CXR_PYTHON";
/// Probabilities may differ by so much.
pub const TOLERANCE: f64 = 1e-5;
/// Images that are compared, at most.
const IMAGES: usize = 64;
/// Images that are made where there are none.
const MADE: usize = 8;
/// What the script ends with where its library is missing.
const MISSING: i32 = 77;

/// What was compared.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// The library and its version.
    pub library: String,
    /// Images compared.
    pub images: usize,
    /// Whether they are the profile's own; else they were made up.
    pub own: bool,
    /// The largest difference of a probability.
    pub difference: f64,
}

impl Verified {
    /// Whether the file does as `cxr-predict` does.
    pub fn agrees(&self) -> bool {
        // Written so that NaN does not agree.
        self.difference <= TOLERANCE
    }
}

/// What the script says.
#[derive(Deserialize)]
struct Answer {
    library: String,
    classes: Option<Vec<String>>,
    probabilities: Vec<Vec<f64>>,
}

/// Runs the file on images by its library, and the classifier on the same.
///
/// # Errors
/// If no Python has the library, or it cannot load or run the file.
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
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (script, array) = (folder.path().join("verify.py"), folder.path().join("images.npy"));
    crate::io::atomic::write(&script, include_bytes!("verify.py"))?;
    let side = bundle.manifest.model.extractor.side;
    let mut out = Writer::<u8>::create(&array, &[side, side, 3])?;
    images.iter().try_for_each(|image| out.push(image))?;
    out.finish()?;
    let args = [script.as_os_str(), kind.as_ref(), file.as_os_str(), array.as_os_str()];
    let answer = ask(package, &args.map(OsString::from))?;

    let extractor = &bundle.manifest.model.extractor;
    let engine = Engine::from_env().usage()?;
    let classifier = Classifier::new(weights, bundle.head.clone(), extractor, engine);
    let expected = classifier.judge(&images).probabilities.mapv(f64::from);
    let classes = &bundle.manifest.model.classes;
    let shape = answer.probabilities.iter().all(|image| image.len() == classes.len());
    if !shape || answer.probabilities.len() != images.len() {
        return Err(Failure::new("the library gives other numbers of images or classes"));
    }
    if answer.classes.as_ref().is_some_and(|named| named != classes) {
        return Err(Failure::new("the library finds other classes in the file"));
    }
    let pairs = expected.axis_iter(Axis(0)).zip(&answer.probabilities);
    let differences =
        pairs.flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>());
    let difference = differences.fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most });
    Ok(Verified { library: answer.library, images: images.len(), own, difference })
}

/// The profile's images, spread over all of them, or made up; and which.
fn images(ctx: &Context, bundle: &Bundle) -> Result<(Vec<Vec<u8>>, bool), Failure> {
    let side = bundle.manifest.model.extractor.side;
    let path = ctx.artifact("preprocess", "images.npy");
    if let Ok(mut reader) = Reader::<u8>::open(&path, &[Some(side), Some(side), Some(3)])
        && reader.rows() > 0
    {
        let (rows, n) = (reader.rows(), reader.rows().min(IMAGES));
        let images = (0..n).map(|i| reader.read(i * rows / n..i * rows / n + 1));
        return Ok((images.collect::<Result<_, _>>()?, true));
    }
    // From smooth to rough, dark to bright.
    let mut rng = Rng::new(ctx.seed);
    let mut image = |i: usize| -> Vec<u8> {
        let (base, noise) = (28 * i, (MADE - i) as f64 * 28.0);
        let level = |rng: &mut Rng| (base as f64 + rng.uniform(0.0, noise)).min(255.0) as u8;
        (0..side * side * 3).map(|_| level(&mut rng)).collect()
    };
    Ok(((0..MADE).map(&mut image).collect(), false))
}

/// The answer of the first Python that has the library.
fn ask(package: &str, args: &[OsString]) -> Result<Answer, Failure> {
    let named = env::var_os(PYTHON).unwrap_or_default();
    let named = env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    let found = ["python3", "python"].map(Into::into);
    for python in named.chain(found) {
        let mut command = Command::new(&python);
        command.args(args).stdin(Stdio::null());
        let output = match command.output() {
            Ok(output) => output,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => {
                return Err(e)
                    .context(format!("cannot run `{}`", python.display()))
                    .hint(format_args!("{PYTHON} names programs, such as `/usr/bin/python3`"));
            }
        };
        if output.status.code() == Some(MISSING) {
            continue;
        }
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim_end().lines().next_back().unwrap_or("it says nothing");
            let failure = Failure::new(format_args!("the library cannot run the file: {last}"));
            return Err(failure.hint(format_args!("it was tried with `{}`", python.display())));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        // Libraries talk before the answer.
        let last = text.trim_end().lines().next_back().unwrap_or_default();
        return serde_json::from_str(last).context("the library's answer is not understood");
    }
    let failure = Failure::new(format_args!("no python3 here has `{package}` to check the file"));
    Err(failure
        .hint(format_args!("`python3 -m venv venv && venv/bin/pip install {package}`"))
        .hint(format_args!("then `{PYTHON}=venv/bin/python cxr export … --verify`")))
}
