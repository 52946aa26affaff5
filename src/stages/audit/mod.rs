//! `cxr-audit`: asks how well the class is predicted without the lungs.
//!
//! Probes that see file attributes, the rim of a thumbnail, or the film with its
//! centre blacked out are tested on the same folds as the model. One that comes
//! near the model shows that its score needs no lungs.

mod data;
mod deals;
mod films;
mod heads;
mod probes;
mod summary;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use self::data::Data;
use self::films::Films;
use self::summary::Summary;
use super::check::Check;
use super::{Stage, upstream, uses};
use crate::artifact::Document;
use crate::artifact::audit::Audit;
use crate::artifact::groups::Grouping;
use crate::audit::{Condition, Verdict};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, in_range};
use crate::pipeline::Input;

/// The stage.
#[derive(Debug)]
pub struct AuditStage;

/// Who deals the films into folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Dealer {
    /// The audit itself, once.
    Audit,
    /// The cross-validation, whose predictions are the model's then.
    Crossval,
}

crate::settings! {
    /// Settings of `cxr-audit`: `[audit]` in `pipeline.toml`.
    pub struct Settings {
        /// Who deals the films into folds: the `audit` itself, or `crossval`, whose predictions are then the model's
        dealt_by: Dealer = Dealer::Audit,
        /// Folds that the audit deals, with no patient in two
        folds: usize = 5,
        /// What tells which films show one person where the audit deals: `patient`, their ids, or `link`, what cxr-link found
        groups: Grouping = Grouping::Patient,
        /// Most films to audit; of more, patients are drawn
        films: usize = 1000,
        /// Resamples of patients for the intervals; 0 for none
        resamples: usize = 1000,
        /// Times that the labels are shuffled among the patients, to tell what luck reaches
        shuffles: usize = 200,
        /// Exit with code 3 if a figure is so: `border-auc>0.8`, `cramers-v>=0.9`; repeatable
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
    const ABOUT: &'static str = "Ask how well the class is predicted without the lungs";
    const READS: &'static str = "index.csv, images.npy, split.json, features.npy, masked.npy, model.json, explain.json; \
         crossval.json and its predictions.csv with `dealt-by = \"crossval\"`";
    const WRITES: &'static str = "audit.json";
    const AFTER: &'static [&'static str] =
        &["preprocess", "link", "split", "extract", "train", "crossval", "explain"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-audit --profile tutorial", "What the tutorial's model may have learnt instead"),
        (
            "cxr-audit --fail-if 'border-auc>0.8'",
            "In CI: exit code 3 if the border tells the class",
        ),
        ("cxr-audit --fail-if 'attributes-auc>0.7' --fail-if 'cramers-v>0.5'", "Several of them"),
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
        match settings.dealt_by {
            Dealer::Audit => {
                inputs.extend(upstream::links(ctx, settings.groups));
            }
            Dealer::Crossval => {
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
        let films = Films::draw(&data.index, &data.deals, &settings, ctx.seed);
        let (probes, luck) = probes::on_all(ctx, &data, &films, &settings)?;
        let dealer = settings.dealt_by.to_possible_value().expect("every dealer has a name");
        let audit = Audit {
            schema: Audit::SCHEMA.to_owned(),
            films: films.rows.len(),
            groups: films.groups(),
            grouped_by: data.deals.grouped_by,
            folds: films.fold_count(),
            repeats: films.repeats(),
            dealt_by: dealer.get_name().to_owned(),
            within_source: probes::within_source(ctx, &data, &films, &settings)?,
            cramers_v: films.cramers_v(),
            verdict: Verdict::of(&probes, luck),
            findings: data.findings(ctx, &films, &probes)?,
            heat: data.heat(),
            luck,
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
        in_range("films", self.films, 1..=1_000_000)?;
        in_range("resamples", self.resamples, 0..=100_000)?;
        in_range("shuffles", self.shuffles, 0..=100_000)
    }

    fn conditions(&self) -> Result<Vec<Condition>, Failure> {
        let conditions: Result<_, _> = self.fail_if.iter().map(|text| text.parse()).collect();
        conditions.usage().hint("write it as in `--fail-if 'border-auc>0.8'`")
    }
}
