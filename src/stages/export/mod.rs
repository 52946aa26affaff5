//! `cxr-export`: the trained model as one file, for `cxr-predict` or other software.

mod verify;

use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use self::verify::{TOLERANCE, Verified, verify};
use super::{Stage, stage_inputs, uses};
use crate::backbone::Weights;
use crate::classifier::{Assembled, Bundle, ModelError, Reference, backbone};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, hinted};
use crate::io::atomic::FileError;
use crate::io::{atomic, hash, safetensors};
use crate::pipeline::Input;

/// `cxr-export`.
#[derive(Debug)]
pub struct Export;

crate::settings! {
    /// Settings of `cxr-export`: `[export]` in `pipeline.toml`.
    pub struct Settings {
        /// Out-of-distribution false-positive rate: accepted proportion of in-distribution images that are flagged, from 0 to 1
        ood_false_positive_rate: f64 = 0.05,
        /// Weights file [default: `CXR_WEIGHTS`, else the file of `cxr fetch weights`]
        weights: String = String::new(),
    }
}

/// File format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Bundle for `cxr predict`: head, settings, metrics and audit result of the model
    Bundle,
    /// ONNX, opset 17; input: u8 images [n, 224, 224, 3], preprocessing included
    Onnx,
    /// Keras 3 archive of the tutorial's model; input: images [n, 224, 224, 3] from 0 to 1
    Keras,
    /// The same model in Keras' older HDF5 format, as saved by the tutorial
    H5,
    /// All tensors of backbone and head, with Keras' names
    Safetensors,
}

/// Arguments of `cxr-export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File format
    format: Format,
    /// Output file
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Export the model of a bundle [default: the profile's trained model]
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Include the backbone in the bundle (59 MB), not only its hash
    #[arg(long)]
    embed: bool,
    /// Run the file with ONNX Runtime or Keras, through python3, and compare the probabilities with those of cxr
    #[arg(long)]
    verify: bool,
    /// Former name of `--ood-false-positive-rate`, rejected with a hint
    #[arg(long, hide = true, value_name = "RATE")]
    false_alarms: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

impl Stage for Export {
    const NAME: &'static str = "export";
    const ABOUT: &'static str = "Export the trained model as one file";
    const READS: &'static str = "the artifacts of `cxr run`, or a bundle; the weights of VGG16";
    const WRITES: &'static str = "the file of --output: a bundle, ONNX, .keras, .h5 or safetensors";
    const AFTER: &'static [&'static str] = &["train", "evaluate", "crossval", "audit", "report"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr export bundle --output covid.cxr", "For `cxr predict --bundle covid.cxr`"),
        ("cxr export bundle --embed --output covid.cxr", "With the backbone included"),
        ("cxr export onnx --output covid.onnx --verify", "ONNX, compared with ONNX Runtime"),
        ("cxr export h5 --bundle covid.cxr --output covid.model.h5", "The tutorial's file format"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(_: &Context, _: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(Vec::new())
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        if args.embed && args.format != Format::Bundle {
            return Err(Failure::usage("`--embed` is for bundles: other files have the backbone"));
        }
        if args.verify && !args.format.has_library() {
            return Err(Failure::usage("`--verify` is for `onnx`, `keras` and `h5`"));
        }
        if !args.format.opens(&args.output) {
            ctx.ui.warn(format_args!(
                "Keras cannot open `{}`: `keras` files must end in `.keras`, `h5` files in `.h5`",
                args.output.display()
            ));
        }
        let hint = hinted(ModelError::hint);
        let Assembled { mut bundle, missing } = stage_inputs::model(
            ctx,
            args.bundle.as_deref(),
            settings.ood_false_positive_rate,
            args.false_alarms.as_deref(),
        )?;
        for (stage, content) in &missing {
            ctx.ui.note(format_args!("not in the export: {content}; run `cxr {stage}` first"));
        }
        let weights = if args.format != Format::Bundle || args.embed {
            let file = Some(settings.weights.as_str()).filter(|path| !path.is_empty());
            let backbone = backbone(&mut bundle, file.map(Path::new)).map_err(&hint)?;
            backbone.check(&bundle).map_err(&hint)?;
            Some(backbone.weights)
        } else {
            bundle.weights = None;
            None
        };
        write(&mut bundle, args.format, weights.as_ref(), &args.output)
            .hint("name another file with `--output`")?;
        let verified = match weights {
            Some(weights) if args.verify => {
                let verified = verify(ctx, args.format, &args.output, &bundle, &weights);
                Some(verified.context(format!("`{}` is written", args.output.display()))?)
            }
            _ => None,
        };
        let agrees = verified.as_ref().is_none_or(Verified::agrees);
        let summary = Summary {
            format: args.format,
            bytes: std::fs::metadata(&args.output).context("cannot read the output file")?.len(),
            blake3: hash::file(&args.output)?,
            path: args.output,
            classes: bundle.manifest.model.classes.clone(),
            decision: bundle.manifest.decision.to_string(),
            audit: bundle.manifest.audit.as_ref().map(|audit| audit.verdict.text.clone()),
            out_of_distribution: bundle.manifest.out_of_distribution.clone(),
            verified,
        };
        let outcome = Outcome::new(&summary);
        Ok(if agrees { outcome } else { outcome.answer_no() })
    }
}

impl Format {
    /// Returns whether the format's library opens a file of this name; Keras checks the extension.
    fn opens(self, path: &Path) -> bool {
        let name = path.to_string_lossy();
        match self {
            Self::Keras => name.ends_with(".keras"),
            Self::H5 => name.ends_with(".h5") || name.ends_with(".hdf5"),
            _ => true,
        }
    }

    /// Returns whether `verify` can run files of this format.
    fn has_library(self) -> bool {
        matches!(self, Self::Onnx | Self::Keras | Self::H5)
    }
}

fn write(
    bundle: &mut Bundle,
    format: Format,
    weights: Option<&Weights>,
    path: &Path,
) -> Result<(), FileError> {
    let Some(weights) = weights.filter(|_| format != Format::Bundle) else {
        bundle.weights = weights.cloned();
        return bundle.write(path);
    };
    let bundle = &*bundle;
    atomic::write_with(path, |out| match format {
        Format::Onnx => bundle.write_onnx(weights, out),
        Format::Keras => bundle.write_keras(weights, out),
        Format::H5 => bundle.write_h5(weights, out),
        Format::Bundle | Format::Safetensors => {
            let tensors = [weights.views(), bundle.head.views().to_vec()].concat();
            safetensors::write_to(out, &tensors, &bundle.properties())
        }
    })
}

#[derive(Debug, Serialize)]
struct Summary {
    format: Format,
    path: PathBuf,
    bytes: u64,
    blake3: String,
    classes: Vec<String>,
    /// Decision rule as text.
    decision: String,
    /// Audit result as text; none without an audit.
    audit: Option<String>,
    /// Limit and rates of the out-of-distribution score; none if unknown.
    out_of_distribution: Option<Reference>,
    /// Comparison with the library of the format.
    verified: Option<Verified>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, bytes, blake3, classes, decision, audit, verified, .. } = self;
        let score = self.out_of_distribution.as_ref();
        writeln!(f, "{}: {bytes} bytes, BLAKE3 {}", path.display(), &blake3[..16])?;
        writeln!(f, "  classes  {}", classes.join(", "))?;
        writeln!(f, "  decision {decision}")?;
        writeln!(f, "  audit    {}", audit.as_deref().unwrap_or("none"))?;
        let rates = score.map_or("no score".to_owned(), Reference::rates);
        writeln!(f, "  out of distribution: {rates}")?;
        if let Some(verified) = verified {
            let Verified { library, images, own, difference } = verified;
            let images = format!("{images} {}", if *own { "images" } else { "random images" });
            let result = if verified.agrees() { "agrees" } else { "does NOT agree" };
            writeln!(
                f,
                "  verified {library} {result} on {images}: maximum difference of the \
                 probabilities {difference:.1e}, allowed {TOLERANCE:.0e}"
            )?;
        }
        Ok(())
    }
}
