//! `cxr-report`: one page for people, and the model card, from what the stages
//! before it left.

mod images;
mod judged;
mod origin;
mod positive;
mod provenance;
mod recipe;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::images::Pictures;
use super::check::Check;
use super::upstream::optional;
use super::{Stage, uses};
use crate::artifact::audit::Audit;
use crate::artifact::crossval::CrossValidation;
use crate::artifact::explanation::Explanation;
use crate::artifact::features::Features;
use crate::artifact::groups::Linked;
use crate::artifact::index::Index;
use crate::artifact::metrics::Metrics;
use crate::artifact::model::Model;
use crate::artifact::predictions::Predictions;
use crate::artifact::selection::{self, SelectionRow};
use crate::artifact::selection_log;
use crate::artifact::split::Split;
use crate::artifact::{Document, MAX_DOCUMENT, history, read_bytes, read_csv};
use crate::classifier::Bundle;
use crate::cli::{Context, Failure, Flag, Outcome, in_range};
use crate::io::atomic;
use crate::io::staging::RECORD;
use crate::pipeline::{Input, Lineage};
use crate::report::{self, Estimate, Judged, LeftOut, Page};

/// The stage.
#[derive(Debug)]
pub struct Report;

crate::settings! {
    /// Settings of `cxr-report`: `[report]` in `pipeline.toml`.
    pub struct Settings {
        /// Most images in the image browser; those that the model believes in least come first
        images: usize = 400,
        /// Quality of the images' pictures, as of JPEG, 1 to 100
        quality: u8 = 80,
    }
}

/// Arguments of `cxr-report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

/// The stages that a report tells of, in the order of the pipeline.
const TOLD: [&str; 14] = [
    "fetch",
    "phantom",
    "build-covid",
    "sample-normal",
    "preprocess",
    "link",
    "split",
    "extract",
    "train",
    "crossval",
    "evaluate",
    "explain",
    "audit",
    "plot",
];

/// The figures that stand in the page, as `cxr-plot` names them.
const FIGURES: [&str; 9] = [
    "history",
    "history-seeds",
    "crossval",
    "confusion",
    "roc",
    "precision-recall",
    "calibration",
    "scores",
    "audit",
];

/// The stage that read the data set: its class folders may hold selection logs.
const READER: &str = "preprocess";

/// Default of `ood-false-positive-rate` of `cxr-export`.
const OOD_RATE: f64 = 0.05;

impl Stage for Report {
    const NAME: &'static str = "report";
    const ABOUT: &'static str =
        "Write the page that tells people what was done and how far to trust it";
    const READS: &'static str = "what the other stages wrote, as far as they have run";
    const WRITES: &'static str = "report.html, MODEL_CARD.md; pipeline.toml, which makes it again";
    const AFTER: &'static [&'static str] = &TOLD;
    const USES: &'static [Flag] = uses!(Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        (
            "cxr-report --profile tutorial",
            "Open artifacts/tutorial/report/report.html in a browser",
        ),
        ("cxr-report --images 50 --quality 60", "A small one, to send by mail"),
        (
            "cxr-report --images 0",
            "Without pictures of images, where they must not leave the house",
        ),
    ];
    const SHOW: bool = true;
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        let mut inputs = vec![ctx.input("preprocess", "index.csv")];
        let mut optional = Vec::new();
        if settings.images > 0 {
            optional.extend([
                ctx.input("preprocess", "images.npy"),
                ctx.input("explain", "explain.csv"),
                ctx.input("explain", "saliency.npy"),
            ]);
        }
        let files = [
            ("preprocess", "selection.csv"),
            ("link", "link.json"),
            ("split", "split.json"),
            ("extract", "features.json"),
            ("train", "model.json"),
            ("train", "history.csv"),
            ("train", "seeds.csv"),
            ("evaluate", "metrics.json"),
            ("evaluate", "predictions.csv"),
            ("crossval", "crossval.json"),
            ("crossval", "predictions.csv"),
            ("explain", "explain.json"),
            ("audit", "audit.json"),
        ];
        optional.extend(files.map(|(stage, file)| ctx.input(stage, file)));
        // Of the out-of-distribution score.
        optional.push(ctx.input("extract", "features.npy"));
        if settings.images == 0 {
            optional.push(ctx.input("preprocess", "images.npy"));
        }
        optional.extend(FIGURES.map(|figure| ctx.input("plot", &format!("{figure}.svg"))));
        optional.extend(TOLD.map(|stage| ctx.input(stage, RECORD)));
        let dataset = ctx.paths_of(READER).map(|paths| paths.dataset).unwrap_or_default();
        for class in folders(&dataset)? {
            for file in [selection_log::FILE, RECORD] {
                let path = dataset.join(&class).join(file);
                optional.push(Input::file(format!("dataset/{class}/{file}"), path));
            }
        }
        inputs.extend(optional.into_iter().filter(|input| input.path.exists()));
        Ok(inputs)
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let job = Self::begin(ctx, &settings)?;
        let mut lineage = ctx.lineage(&TOLD);
        positive::leave_out_others(ctx, &mut lineage)?;
        let files = Files::read(ctx, &lineage)?;
        let page = page(ctx, &settings, &lineage, &files)?;
        let html = report::html(&page)?;
        atomic::write(&job.path("report.html")?, html.as_bytes())?;
        atomic::write(&job.path("pipeline.toml")?, page.recipe.as_bytes())?;
        atomic::write(&job.path("MODEL_CARD.md")?, report::model_card(&page)?.as_bytes())?;
        job.publish()?;
        let summary = Summary {
            judged: page.judged.first().map(line).unwrap_or_default(),
            verdict: page.audit.as_ref().map(|audit| audit.text.clone()).unwrap_or_default(),
            findings: page.audit.map_or(0, |audit| audit.findings.len()),
            images: page.browser.len(),
            bytes: html.len(),
            path: relative(Self::folder(ctx, &settings).join("report.html")),
        };
        Ok(Outcome::new(&summary).headline(summary.path.display()))
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("images", self.images, 0..=100_000)?;
        in_range("quality", self.quality, 1..=100)
    }
}

/// What the model was judged to be, in a line.
fn line(judged: &Judged) -> String {
    let figure = |e: &Estimate| {
        let name = e.name.to_lowercase().replace("area under the roc curve", "auc");
        let interval =
            e.low.zip(e.high).map_or(String::new(), |(l, h)| format!(" ({l:.2} to {h:.2})"));
        Some(format!("{name} {:.2}{interval}", e.value?))
    };
    let figures: Vec<String> = judged.headline.iter().filter_map(figure).collect();
    format!("{}, {} images: {}", judged.on, judged.images, figures.join(", "))
}

/// The class folders of a dataset, sorted; none if it is not there.
fn folders(dataset: &Path) -> Result<Vec<String>, Failure> {
    if !dataset.is_dir() {
        return Ok(Vec::new());
    }
    let mut folders = Vec::new();
    for entry in atomic::at("read", dataset, std::fs::read_dir(dataset))? {
        let entry = atomic::at("read", dataset, entry)?;
        if entry.path().is_dir() {
            folders.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    folders.sort();
    Ok(folders)
}

/// A path as seen from the working folder, where it lies below it.
fn relative(path: PathBuf) -> PathBuf {
    let below = std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or(path)
}

/// What the stages left, as far as they have run.
struct Files {
    index: Index,
    selection: Option<Vec<SelectionRow>>,
    split: Option<Split>,
    linked: Option<Linked>,
    model: Option<Model>,
    history: Vec<history::Epoch>,
    /// Heads of other seeds.
    seeds: usize,
    metrics: Option<Metrics>,
    predictions: Option<Predictions>,
    crossval: Option<CrossValidation>,
    out_of_fold: Option<Predictions>,
    explanation: Option<Explanation>,
    audit: Option<Audit>,
    /// What the features and their augmentation are.
    features: Option<Features>,
}

impl Files {
    fn read(ctx: &Context, lineage: &Lineage) -> Result<Self, Failure> {
        let csv = |path: &Path| read_csv::<serde_json::Map<_, _>>("table of seeds", path);
        Ok(Self {
            index: ctx.read("preprocess", "index.csv", Index::read)?,
            selection: optional(ctx, lineage, "preprocess", "selection.csv", selection::read)?,
            split: optional(ctx, lineage, "split", "split.json", Split::read)?,
            linked: optional(ctx, lineage, "link", "link.json", Linked::read)?,
            model: optional(ctx, lineage, "train", "model.json", Model::read)?,
            history: optional(ctx, lineage, "train", "history.csv", |path| {
                read_csv("history", path)
            })?
            .unwrap_or_default(),
            seeds: optional(ctx, lineage, "train", "seeds.csv", csv)?
                .map_or(1, |seeds| seeds.len()),
            metrics: optional(ctx, lineage, "evaluate", "metrics.json", Metrics::read)?,
            predictions: optional(ctx, lineage, "evaluate", "predictions.csv", Predictions::read)?,
            crossval: optional(ctx, lineage, "crossval", "crossval.json", CrossValidation::read)?,
            out_of_fold: optional(ctx, lineage, "crossval", "predictions.csv", Predictions::read)?,
            explanation: optional(ctx, lineage, "explain", "explain.json", Explanation::read)?,
            audit: optional(ctx, lineage, "audit", "audit.json", Audit::read)?,
            features: optional(ctx, lineage, "extract", "features.json", Features::read)?,
        })
    }
}

fn page(
    ctx: &Context,
    settings: &Settings,
    lineage: &Lineage,
    files: &Files,
) -> Result<Page, Failure> {
    let mut figures = std::collections::BTreeMap::new();
    for name in FIGURES {
        let text = |path: &Path| {
            read_bytes("figure", path, MAX_DOCUMENT)
                .map(|svg| String::from_utf8_lossy(&svg).into_owned())
        };
        if let Some(svg) = optional(ctx, lineage, "plot", &format!("{name}.svg"), text)? {
            figures.insert(name.to_owned(), svg);
        }
    }
    let pictures = Pictures::read(ctx, settings, lineage, files)?;
    let (decision, threshold) = judged::decision(files);
    let (stages, recipe) = provenance::stages(ctx, settings, lineage)?;
    let positive = files.crossval.as_ref().map(|c| &c.positive);
    let positive = positive.or(files.metrics.as_ref().map(|m| &m.positive));
    Ok(Page {
        profile: ctx.config.profile.clone(),
        as_tutorial: recipe.is_tutorial(ctx),
        about: recipe.about(ctx)?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: provenance::seed(&stages),
        classes: files.index.classes.clone(),
        positive: positive.cloned().unwrap_or_default(),
        judged: judged::judged(files),
        audit: files.audit.as_ref().map(judged::audit),
        sources: origin::sources(ctx, &files.index)?,
        left_out: left_out(ctx, lineage),
        images: origin::images(files),
        doubts: origin::doubts(files),
        split: origin::split(files),
        linked: files.linked.as_ref().map(origin::linked),
        model: files.model.as_ref().map(|model| judged::model(model, files, &rates(ctx))),
        calibration: files.crossval.as_ref().map(judged::calibration),
        figures,
        explained: files.explanation.as_ref().map(|e| pictures.explained(e, files)),
        decision,
        threshold,
        browser: pictures.browser,
        stages,
        recipe: recipe.file,
        commands: recipe.commands,
    })
}

/// The stages whose files are of another run.
fn left_out(ctx: &Context, lineage: &Lineage) -> Vec<LeftOut> {
    let left_out = lineage.left_out().map(|(stage, why)| LeftOut {
        stage: stage.to_owned(),
        why: why.to_owned(),
        command: format!("cxr {stage} --profile {}", ctx.config.profile),
    });
    left_out.collect()
}

/// The out-of-distribution false-positive rates of the model as `cxr export` would write
/// it by default.
fn rates(ctx: &Context) -> String {
    let score = Bundle::assemble(&ctx.paths, OOD_RATE).ok();
    let score = score.and_then(|assembled| assembled.bundle.out_of_distribution);
    score.map_or_else(|| "no score".to_owned(), |score| score.reference.rates())
}

#[derive(Debug, Serialize)]
struct Summary {
    /// The headline figures with their intervals; empty if nothing was judged.
    judged: String,
    /// What the audit says; empty without one.
    verdict: String,
    /// What else it found.
    findings: usize,
    /// Images in the image browser.
    images: usize,
    /// Size of the page.
    bytes: usize,
    path: PathBuf,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in [&self.judged, &self.verdict] {
            if !line.is_empty() {
                writeln!(f, "{line}")?;
            }
        }
        let megabytes = self.bytes as f64 / 1e6;
        write!(f, "report of {megabytes:.1} MB, {} images", self.images)?;
        if self.findings > 0 {
            write!(f, ", {} more reasons for caution", self.findings)?;
        }
        write!(f, ": {}", self.path.display())
    }
}
