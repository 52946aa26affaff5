//! `cxr-export`: the trained model as one file, for `cxr-predict` or for others.

mod verify;

use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use self::verify::{TOLERANCE, Verified, verify};
use super::{Stage, upstream, uses};
use crate::backbone::Weights;
use crate::classifier::{Assembled, Bundle, ModelError, Reference, backbone};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, hinted};
use crate::io::atomic::FileError;
use crate::io::{atomic, hash, safetensors};
use crate::pipeline::Input;

/// The stage.
#[derive(Debug)]
pub struct Export;

crate::settings! {
    /// Settings of `cxr-export`: `[export]` in `pipeline.toml`.
    pub struct Settings {
        /// Out-of-distribution false-positive rate: proportion of images exchangeable with the training images that a bundle may flag
        ood_false_positive_rate: f64 = 0.05,
        /// File of weights [default: `CXR_WEIGHTS`, else what `cxr fetch weights` fetched]
        weights: String = String::new(),
    }
}

/// What a file can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// For `cxr predict`: the head and all that is known of the model
    Bundle,
    /// ONNX, opset 17: images [n, 224, 224, 3] of 8 bits in, preprocessing included
    Onnx,
    /// Keras 3's archive of the tutorial's model: images [n, 224, 224, 3] from 0 to 1 in
    Keras,
    /// The same as the older whole-model HDF5, which the tutorial saved
    H5,
    /// Every tensor by Keras' names, the backbone's and the head's
    Safetensors,
}

/// Arguments of `cxr-export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kind of file
    format: Format,
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Export the model of a bundle [default: the profile's trained model]
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Put the backbone into a bundle, 59 MB; else it is named by its hash
    #[arg(long)]
    embed: bool,
    /// Run the file by its own library, found through python3, and compare with cxr
    #[arg(long)]
    verify: bool,
    /// The former name of `--ood-false-positive-rate`, refused with a hint
    #[arg(long, hide = true, value_name = "RATE")]
    false_alarms: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

impl Stage for Export {
    const NAME: &'static str = "export";
    const ABOUT: &'static str = "Write the trained model as one file, for cxr or for others";
    const READS: &'static str = "what `cxr run` made, or a bundle; the weights of VGG16";
    const WRITES: &'static str = "a bundle, ONNX, .keras, .h5 or safetensors, where --output says";
    const AFTER: &'static [&'static str] = &["train", "evaluate", "crossval", "audit", "report"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr export bundle --output covid.cxr", "For `cxr predict --bundle covid.cxr`"),
        ("cxr export bundle --embed --output covid.cxr", "With the backbone, for any machine"),
        ("cxr export onnx --output covid.onnx --verify", "And see that ONNX Runtime agrees"),
        ("cxr export h5 --bundle covid.cxr --output covid.model.h5", "As the tutorial saved it"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(_: &Context, _: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(Vec::new())
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        if args.embed && args.format != Format::Bundle {
            return Err(Failure::usage("`--embed` is for bundles: other files hold the backbone"));
        }
        if args.verify && !args.format.has_library() {
            return Err(Failure::usage("`--verify` is for `onnx`, `keras` and `h5`"));
        }
        if !args.format.opens(&args.output) {
            ctx.ui.warn(format_args!(
                "Keras will not open `{}`: it goes by names that end in `.keras` or `.h5`",
                args.output.display()
            ));
        }
        let hint = hinted(ModelError::hint);
        let Assembled { mut bundle, missing } = upstream::model(
            ctx,
            args.bundle.as_deref(),
            settings.ood_false_positive_rate,
            args.false_alarms.as_deref(),
        )?;
        for (stage, what) in &missing {
            ctx.ui.note(format_args!("left out {what}: run `cxr {stage}` first"));
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
            bytes: std::fs::metadata(&args.output).context("cannot read what was written")?.len(),
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
    /// Whether its library opens a file of this name; Keras goes by names.
    fn opens(self, path: &Path) -> bool {
        let name = path.to_string_lossy();
        match self {
            Self::Keras => name.ends_with(".keras"),
            Self::H5 => name.ends_with(".h5") || name.ends_with(".hdf5"),
            _ => true,
        }
    }

    /// Whether a library other than `cxr` runs such files.
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
    /// How an image is called, in words.
    decision: String,
    /// What the audit says, if there was one.
    audit: Option<String>,
    /// The out-of-distribution score's limit and rates, if it is known.
    out_of_distribution: Option<Reference>,
    /// What the file's own library says of images.
    verified: Option<Verified>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, bytes, blake3, classes, decision, audit, verified, .. } = self;
        let score = self.out_of_distribution.as_ref();
        writeln!(f, "{}: {bytes} bytes, BLAKE3 {}", path.display(), &blake3[..16])?;
        writeln!(f, "  classes  {}", classes.join(", "))?;
        writeln!(f, "  decision {decision}")?;
        writeln!(f, "  audit    {}", audit.as_deref().unwrap_or("there was none"))?;
        let rates = score.map_or("no score".to_owned(), Reference::rates);
        writeln!(f, "  out of distribution: {rates}")?;
        if let Some(verified) = verified {
            let Verified { library, images, own, difference } = verified;
            let images = format!("{images} {}", if *own { "images" } else { "made-up images" });
            let verdict = if verified.agrees() { "agrees" } else { "does NOT agree" };
            writeln!(
                f,
                "  verified {library} {verdict} on {images}: largest difference {difference:.1e}, \
                 allowed {TOLERANCE:.0e}"
            )?;
        }
        Ok(())
    }
}
