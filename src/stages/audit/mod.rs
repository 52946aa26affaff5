//! `cxr-audit`: shortcut probes, which predict the class without the lungs.
//!
//! Probes see file attributes, the border of a thumbnail, or the image with its centre blacked
//! out. They are tested on the same folds as the model. If a probe performs nearly as well as
//! the model, the data cannot show that the model uses the lungs.

mod data;
mod folds;
mod heads;
mod images;
mod probes;
mod summary;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use self::data::Data;
use self::images::Images;
use self::summary::Summary;
use super::check::Check;
use super::{Stage, stage_inputs, uses};
use crate::artifact::Document;
use crate::artifact::audit::Audit;
use crate::artifact::groups::Grouping;
use crate::audit::{Condition, Verdict};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, in_range};
use crate::pipeline::Input;

/// `cxr-audit`.
#[derive(Debug)]
pub struct AuditStage;

/// Source of the fold assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum FoldSource {
    /// The audit, with one repeat.
    Audit,
    /// `cxr crossval`, whose predictions then evaluate the model.
    Crossval,
}

crate::settings! {
    /// Settings of `cxr-audit`: `[audit]` in `pipeline.toml`.
    pub struct Settings {
        /// Source of the fold assignment: `audit`, or `crossval`, whose predictions then evaluate the model
        folds_from: FoldSource = FoldSource::Audit,
        /// Number of folds with `folds-from = "audit"`; all images of a patient are in one fold
        folds: usize = 5,
        /// Source of the patient groups with `folds-from = "audit"`: `patient` (patient IDs) or `link` (patient linkage by cxr-link)
        groups: Grouping = Grouping::Patient,
        /// Maximum number of images; larger datasets are sampled by patient
        images: usize = 1000,
        /// Bootstrap resamples of patients for the confidence intervals; 0: no intervals
        resamples: usize = 1000,
        /// Permutations of the labels between patients for the null distribution of the AUC
        shuffles: usize = 200,
        /// Exit with code 3 if a condition holds, such as `border-auc>0.8` or `cramers-v>=0.9`; repeatable
        fail_if: Vec<String> = Vec::new(),
    }
}

/// Arguments of `cxr-audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

impl Stage for AuditStage {
    const NAME: &'static str = "audit";
    const ABOUT: &'static str = "Test whether shortcuts predict the class without the lungs";
    const READS: &'static str = "index.csv, images.npy, split.json, features.npy, masked.npy, model.json, explain.json; \
         crossval.json and its predictions.csv with `folds-from = \"crossval\"`";
    const WRITES: &'static str = "audit.json";
    const AFTER: &'static [&'static str] =
        &["preprocess", "link", "split", "extract", "train", "crossval", "explain"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-audit --profile tutorial", "Shortcuts in the tutorial's data"),
        (
            "cxr-audit --fail-if 'border-auc>0.8'",
            "In CI: exit with code 3 if the border predicts the class",
        ),
        ("cxr-audit --fail-if 'attributes-auc>0.7' --fail-if 'cramers-v>0.5'", "Two conditions"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        let mut inputs = vec![
            ctx.input("preprocess", "index.csv"),
            ctx.input("preprocess", "images.npy"),
            ctx.input("split", "split.json"),
            ctx.input("extract", "features.json"),
            ctx.input("extract", "features.npy"),
            ctx.input("train", "model.json"),
        ];
        match settings.folds_from {
            FoldSource::Audit => {
                inputs.extend(stage_inputs::links(ctx, settings.groups));
            }
            FoldSource::Crossval => {
                let files = ["crossval.json", "predictions.csv"];
                inputs.extend(files.iter().map(|name| ctx.input("crossval", name)));
            }
        }
        let optional = [ctx.input("extract", "masked.npy"), ctx.input("explain", "explain.json")];
        inputs.extend(optional.into_iter().filter(|input| input.path.exists()));
        Ok(inputs)
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
        check.expect(settings.conditions());
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let conditions = settings.conditions()?;
        let mut job = Self::begin(ctx, &settings)?;
        let data = Data::read(ctx, &job, &settings)?;
        let images = Images::sample(&data.index, &data.assignment, &settings, ctx.seed);
        let (probes, max_auc_null) = probes::evaluate(ctx, &data, &images, &settings)?;
        let fold_source =
            settings.folds_from.to_possible_value().expect("every variant has a name");
        let audit = Audit {
            schema: Audit::SCHEMA.to_owned(),
            images: images.rows.len(),
            groups: images.groups(),
            grouped_by: data.assignment.grouped_by,
            folds: images.fold_count(),
            repeats: images.repeats(),
            folds_from: fold_source.get_name().to_owned(),
            within_source: probes::evaluate_by_source(ctx, &data, &images, &settings)?,
            cramers_v: images.cramers_v(),
            verdict: Verdict::of(&probes, max_auc_null),
            findings: data.findings(ctx, &images, &probes)?,
            saliency: data.saliency(),
            max_auc_null,
            probes,
        };
        let figures = audit.figures();
        let met = conditions.iter().map(|condition| condition.met(&figures));
        let met: Vec<String> =
            met.collect::<Result<Vec<_>, _>>().usage()?.into_iter().flatten().collect();
        audit.write(&job.path("audit.json")?)?;
        job.answer(&met);
        job.publish()?;
        met.iter().for_each(|met| ctx.ui.warn(met));
        let verdict = audit.verdict.text.clone();
        let outcome = Outcome::new(&Summary { audit, met: met.clone() }).headline(verdict);
        Ok(if met.is_empty() { outcome } else { outcome.answer_no() })
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("folds", self.folds, 2..=1000)?;
        in_range("images", self.images, 1..=1_000_000)?;
        in_range("resamples", self.resamples, 0..=100_000)?;
        in_range("shuffles", self.shuffles, 0..=100_000)
    }

    fn conditions(&self) -> Result<Vec<Condition>, Failure> {
        let conditions: Result<_, _> = self.fail_if.iter().map(|text| text.parse()).collect();
        conditions.usage().hint("write a condition such as `--fail-if 'border-auc>0.8'`")
    }
}
