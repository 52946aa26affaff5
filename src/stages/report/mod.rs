//! `cxr-report`: HTML report and model card from the outputs of the other stages.

mod images;
mod origin;
mod performance;
mod positive;
mod provenance;
mod recipe;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::images::Pictures;
use super::check::Check;
use super::stage_inputs::optional;
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
use crate::report::{self, Estimate, LeftOut, Page, Performance};

/// `cxr-report`.
#[derive(Debug)]
pub struct Report;

crate::settings! {
    /// Settings of `cxr-report`: `[report]` in `pipeline.toml`.
    pub struct Settings {
        /// Maximum number of images in the image browser; images with the lowest probability of the true class are kept
        images: usize = 400,
        /// JPEG quality of the images, 1 to 100
        quality: u8 = 80,
    }
}

/// Arguments of `cxr-report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

/// Stages of the report, in the order of the pipeline.
const REPORTED: [&str; 14] = [
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

/// Figures of the report, by their names in `cxr-plot`.
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

/// Stage that reads the data set, whose class folders can contain selection logs.
const READER: &str = "preprocess";

/// Default of `ood-false-positive-rate` of `cxr-export`.
const OOD_RATE: f64 = 0.05;

impl Stage for Report {
    const NAME: &'static str = "report";
    const ABOUT: &'static str = "Write an HTML report and a model card";
    const READS: &'static str = "the outputs of the stages that have run";
    const WRITES: &'static str = "report.html, MODEL_CARD.md; pipeline.toml, which reproduces them";
    const AFTER: &'static [&'static str] = &REPORTED;
    const USES: &'static [Flag] = uses!(Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        (
            "cxr-report --profile tutorial",
            "Open artifacts/tutorial/report/report.html in a browser",
        ),
        ("cxr-report --images 50 --quality 60", "Write a small report, to send by e-mail"),
        ("cxr-report --images 0", "Leave out the images, for confidential data"),
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
        // Input of the out-of-distribution score.
        optional.push(ctx.input("extract", "features.npy"));
        if settings.images == 0 {
            optional.push(ctx.input("preprocess", "images.npy"));
        }
        optional.extend(FIGURES.map(|figure| ctx.input("plot", &format!("{figure}.svg"))));
        optional.extend(REPORTED.map(|stage| ctx.input(stage, RECORD)));
        let dataset = ctx.paths_of(READER).map(|paths| paths.dataset).unwrap_or_default();
        for class in class_folders(&dataset)? {
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
        let mut lineage = ctx.lineage(&REPORTED);
        positive::leave_out_others(ctx, &mut lineage)?;
        let files = Files::read(ctx, &lineage)?;
        let page = page(ctx, &settings, &lineage, &files)?;
        let html = report::html(&page)?;
        atomic::write(&job.path("report.html")?, html.as_bytes())?;
        atomic::write(&job.path("pipeline.toml")?, page.recipe.as_bytes())?;
        atomic::write(&job.path("MODEL_CARD.md")?, report::model_card(&page)?.as_bytes())?;
        job.publish()?;
        let summary = Summary {
            performance: page.performance.first().map(summarise).unwrap_or_default(),
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

/// Returns the headline metrics with their intervals, in a line.
fn summarise(performance: &Performance) -> String {
    let describe = |e: &Estimate| {
        let name = e.name.to_lowercase().replace("area under the roc curve", "auc");
        let interval =
            e.low.zip(e.high).map_or(String::new(), |(l, h)| format!(" ({l:.2} to {h:.2})"));
        Some(format!("{name} {:.2}{interval}", e.value?))
    };
    let metrics: Vec<String> = performance.headline.iter().filter_map(describe).collect();
    format!("{}, {} images: {}", performance.on, performance.images, metrics.join(", "))
}

/// Returns the names of the class folders of a dataset, sorted; none if it does not exist.
fn class_folders(dataset: &Path) -> Result<Vec<String>, Failure> {
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

/// Returns a path below the working folder as a relative path; other paths are unchanged.
fn relative(path: PathBuf) -> PathBuf {
    let relative = std::env::current_dir()
        .ok()
        .and_then(|working| path.strip_prefix(working).ok().map(Path::to_owned));
    relative.unwrap_or(path)
}

/// Outputs of the stages that have run.
struct Files {
    index: Index,
    selection: Option<Vec<SelectionRow>>,
    split: Option<Split>,
    linked: Option<Linked>,
    model: Option<Model>,
    history: Vec<history::Epoch>,
    /// Number of trained heads, one per seed.
    seeds: usize,
    metrics: Option<Metrics>,
    predictions: Option<Predictions>,
    crossval: Option<CrossValidation>,
    out_of_fold: Option<Predictions>,
    explanation: Option<Explanation>,
    audit: Option<Audit>,
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
    let (decision, threshold) = performance::decision(files);
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
        performance: performance::performance(files),
        audit: files.audit.as_ref().map(performance::audit),
        sources: origin::sources(ctx, &files.index)?,
        left_out: left_out(ctx, lineage),
        images: origin::images(files),
        doubts: origin::doubts(files),
        split: origin::split(files),
        linked: files.linked.as_ref().map(origin::linked),
        model: files.model.as_ref().map(|model| performance::model(model, files, &rates(ctx))),
        calibration: files.crossval.as_ref().map(performance::calibration),
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

/// Returns the stages whose files are of another run.
fn left_out(ctx: &Context, lineage: &Lineage) -> Vec<LeftOut> {
    let left_out = lineage.left_out().map(|(stage, why)| LeftOut {
        stage: stage.to_owned(),
        why: why.to_owned(),
        command: format!("cxr {stage} --profile {}", ctx.config.profile),
    });
    left_out.collect()
}

/// Returns the out-of-distribution false-positive rates of the bundle that `cxr export` writes
/// by default, as text.
fn rates(ctx: &Context) -> String {
    let score = Bundle::assemble(&ctx.paths, OOD_RATE).ok();
    let score = score.and_then(|assembled| assembled.bundle.out_of_distribution);
    score.map_or_else(|| "no score".to_owned(), |score| score.reference.rates())
}

#[derive(Debug, Serialize)]
struct Summary {
    /// Headline metrics with their intervals; empty without an evaluation.
    performance: String,
    /// Audit result; empty without an audit.
    verdict: String,
    /// Number of other findings of the audit.
    findings: usize,
    /// Number of images in the image browser.
    images: usize,
    /// Size of `report.html` in bytes.
    bytes: usize,
    path: PathBuf,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in [&self.performance, &self.verdict] {
            if !line.is_empty() {
                writeln!(f, "{line}")?;
            }
        }
        let megabytes = self.bytes as f64 / 1e6;
        write!(f, "report of {megabytes:.1} MB, {} images", self.images)?;
        if self.findings > 0 {
            write!(f, ", {} other limitations", self.findings)?;
        }
        write!(f, ": {}", self.path.display())
    }
}
