//! `cxr-audit`: asks how well the class is predicted without the lungs.
//!
//! Probes that see file attributes, the rim of a thumbnail, or the film with its
//! centre blacked out are tested on the same folds as the model. One that comes
//! near the model shows that its score needs no lungs.

mod films;
mod heads;
mod summary;

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, Axis};

use self::films::Films;
use self::heads::Heads;
use self::summary::Summary;
use super::Stage;
use crate::artifact::Document;
use crate::artifact::array::read_array;
use crate::artifact::audit::Audit;
use crate::artifact::explanation::Explanation;
use crate::artifact::features::Features;
use crate::artifact::index::Index;
use crate::artifact::model::Model;
use crate::artifact::split::Split;
use crate::audit::{Condition, Finding, Kernel, Probe, Verdict, finding};
use crate::backbone::Pooling;
use crate::cli::{Context, Failure, Outcome, ResultExt};
use crate::dataset::identity::KaggleName;
use crate::image::Part;
use crate::io::npy::Reader;
use crate::pipeline::{Input, Job};

/// The stage.
#[derive(Debug)]
pub struct AuditStage;

crate::settings! {
    /// Settings of `cxr-audit`: `[audit]` in `pipeline.toml`.
    pub struct Settings {
        /// Folds that each probe is tested on in turn, with no patient in two
        folds: usize = 5,
        /// Most films to audit; of more, patients are drawn
        films: usize = 1000,
        /// Resamples of patients for the intervals; 0 for none
        resamples: usize = 1000,
        /// Times that the labels are shuffled
        shuffles: usize = 40,
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
    const READS: &'static str =
        "index.csv, images.npy, split.json, features.npy, masked.npy, model.json, explain.json";
    const WRITES: &'static str = "audit.json";
    const AFTER: &'static [&'static str] = &["preprocess", "split", "extract", "train", "explain"];
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-audit --profile tutorial", "What the tutorial's model may have learnt instead"),
        (
            "cxr-audit --fail-if 'border-auc>0.8'",
            "In CI: exit code 3 if the border tells the class",
        ),
        ("cxr-audit --fail-if 'attributes-auc>0.7' --fail-if 'cramers-v>0.5'", "Several of them"),
    ];
    const SHOW: bool = true;
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, _: &Settings) -> Result<Vec<Input>, Failure> {
        let mut inputs = vec![
            ctx.input("preprocess", "index.csv"),
            ctx.input("preprocess", "images.npy"),
            ctx.input("split", "split.json"),
            ctx.input("extract", "features.json"),
            ctx.input("extract", "features.npy"),
            ctx.input("train", "model.json"),
        ];
        let optional = [ctx.input("extract", "masked.npy"), ctx.input("explain", "explain.json")];
        inputs.extend(optional.into_iter().filter(|input| input.path.exists()));
        Ok(inputs)
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        let conditions = settings.conditions()?;
        let job = Self::begin(ctx, &settings)?;
        let data = Data::read(ctx, &job)?;
        let films = Films::draw(&data.index, &settings, ctx.seed);
        let probes = probe(ctx, &data, &films, &settings)?;
        let audit = Audit {
            schema: Audit::SCHEMA.to_owned(),
            films: films.rows.len(),
            folds: films.fold_count(),
            within_source: within_source(ctx, &data, &films, &settings)?,
            cramers_v: films.cramers_v(),
            verdict: Verdict::of(&probes),
            findings: data.findings(ctx, &films, &probes)?,
            probes,
        };
        let figures = audit.figures();
        let met = conditions.iter().map(|condition| condition.met(&figures));
        let met: Vec<String> =
            met.collect::<Result<Vec<_>, _>>().usage()?.into_iter().flatten().collect();
        audit.write(&job.path("audit.json")?)?;
        job.publish()?;
        met.iter().for_each(|met| ctx.ui.warn(met));
        let outcome = Outcome::new(&Summary { audit, met: met.clone() });
        Ok(if met.is_empty() { outcome } else { outcome.answer_no() })
    }
}

impl Settings {
    fn conditions(&self) -> Result<Vec<Condition>, Failure> {
        if self.films == 0 {
            return Err(Failure::usage("`films` is 0, expected at least 1"));
        }
        let conditions: Result<_, _> = self.fail_if.iter().map(|text| text.parse()).collect();
        conditions.usage().hint("write it as in `--fail-if 'border-auc>0.8'`")
    }
}

/// What is audited.
struct Data {
    index: Index,
    split: Split,
    description: Features,
    features: Array2<f32>,
    /// The features of each part of [`Features::masks`].
    masked: Array3<f32>,
    model: Model,
    explanation: Option<Explanation>,
}

impl Data {
    fn read(ctx: &Context, job: &Job) -> Result<Self, Failure> {
        let index = ctx.read("preprocess", "index.csv", Index::read)?;
        let hash = &job.inputs()["preprocess/index.csv"];
        let films = index.rows.len();
        let split = ctx.read("split", "split.json", |path| Split::read_for(path, hash, films))?;
        let description = ctx.read("extract", "features.json", Features::read)?;
        let width = description.extractor.width;
        let features = ctx.read("extract", "features.npy", |path| {
            read_array("table of features", path, &[films, width])
        })?;
        let masked = match description.masks.len() {
            0 => Array3::zeros((0, films, width)),
            masks => ctx.read("extract", "masked.npy", |path| {
                read_array("table of features", path, &[masks, films, width])
            })?,
        };
        let model = ctx.read("train", "model.json", Model::read)?;
        let explained = ctx.artifact("explain", "explain.json").exists();
        let explanation = explained
            .then(|| ctx.read("explain", "explain.json", Explanation::read))
            .transpose()?;
        Ok(Self { index, split, description, features, masked, model, explanation })
    }

    /// The features of the films with a part kept.
    fn part(&self, part: Part) -> Option<Array2<f32>> {
        let at = self.description.masks.iter().position(|masked| *masked == part)?;
        Some(self.masked.index_axis(Axis(0), at).to_owned())
    }

    /// What is known without a probe, and what the probes show.
    fn findings(
        &self,
        ctx: &Context,
        films: &Films,
        probes: &BTreeMap<String, Probe>,
    ) -> Result<Vec<Finding>, Failure> {
        let rows = &self.index.rows;
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let normal = |class: &str| class.to_lowercase().contains("normal");
        let pneumonia = |path: &str| {
            matches!(KaggleName::parse(&name(path)), Some(KaggleName::Pneumonia { .. }))
        };
        let mut findings = Vec::new();
        for class in self.index.classes.iter().filter(|class| normal(class)) {
            let of_class = rows.iter().filter(|row| row.class == *class);
            let named = of_class.clone().filter(|row| pneumonia(&row.path)).count();
            findings.extend(finding::pneumonia(class, named, of_class.count()));
        }
        findings.extend(films.cramers_v().and_then(finding::source_is_class));
        let leaking = |row: &&usize| self.split.leaking.contains(&rows[**row].patient);
        let leaks = self.split.test.iter().filter(leaking).count();
        findings.extend(finding::leaks(&self.split.leaking, leaks, self.split.test.len()));
        let unknown = rows.iter().filter(|row| row.patient.is_empty()).count();
        findings.extend(finding::unknown_patients(unknown, rows.len()));
        // Every model of `cxr-train` is validated on the test films.
        if self.model.inputs.contains_key("split/split.json") {
            findings.push(finding::validation_is_test());
        }
        for class in &self.index.classes {
            let tested = self.split.test.iter().filter(|row| rows[**row].class == *class).count();
            findings.extend(finding::few_test_films(class, tested));
        }
        if self.description.extractor.pooling == Pooling::Tutorial {
            let cells = self.description.extractor.side / 32;
            findings.extend(finding::blind(cells.min(4).pow(2), cells.pow(2)));
        }
        let heat = self.explanation.as_ref().and_then(|e| Some((e.outside?, e.even)));
        findings.extend(heat.and_then(|(outside, even)| finding::heat_outside(outside, even)));
        findings.extend(probes.get("shuffled").and_then(finding::not_chance));
        ctx.ui.note(format_args!("{} findings", findings.len()));
        Ok(findings)
    }
}

/// Every probe on all films of the audit.
fn probe(
    ctx: &Context,
    data: &Data,
    films: &Films,
    settings: &Settings,
) -> Result<BTreeMap<String, Probe>, Failure> {
    let mut probes = cheap(ctx, data, films)?;
    let heads = Heads { model: &data.model, films, seed: ctx.seed };
    let border = data.part(Part::Border);
    let centre = data.part(Part::Centre);
    let seen =
        [("model", Some(&data.features)), ("border", border.as_ref()), ("centre", centre.as_ref())];
    for (name, features) in seen {
        let probe = match features {
            Some(features) => heads.probe(features),
            None => Probe::undefined(films.rows.len(), "`cxr extract` was run without `masks`"),
        };
        probes.insert(name.to_owned(), probe);
    }
    let features = data.features.select(Axis(0), &films.rows).mapv(f64::from);
    let shuffled = films.with_folds(|folds| {
        films.judge.shuffled(&Kernel::gaussian(&features), folds, settings.shuffles)
    });
    probes.insert("shuffled".to_owned(), shuffled);
    Ok(probes)
}

/// The probes that need no net.
fn cheap(ctx: &Context, data: &Data, films: &Films) -> Result<BTreeMap<String, Probe>, Failure> {
    let path = ctx.artifact("preprocess", "images.npy");
    let mut images =
        Reader::<u8>::open(&path, &[None, None, Some(3)]).hint(ctx.rerun("preprocess"))?;
    if images.rows() != data.index.rows.len() {
        let error = Failure::new("`images.npy` and `index.csv` differ in their number of films");
        return Err(error.hint(ctx.rerun("preprocess")));
    }
    let (rims, thumbnails) = films.pixels(&mut images)?;
    let inputs = [
        ("attributes", films.attributes(&data.index)),
        ("border-pixels", rims),
        ("thumbnail", thumbnails),
    ];
    let probe = |(name, inputs): (&str, Array2<f64>)| {
        let probe = films.with_folds(|folds| {
            let scores = Kernel::gaussian(&inputs).out_of_fold(&films.judge.targets(), folds);
            films.judge.judge(scores.view())
        });
        (name.to_owned(), probe)
    };
    Ok(inputs.into_iter().map(probe).collect())
}

/// The cheap probes on the films of each source that holds several classes.
fn within_source(
    ctx: &Context,
    data: &Data,
    films: &Films,
    settings: &Settings,
) -> Result<BTreeMap<String, BTreeMap<String, Probe>>, Failure> {
    let mut within = BTreeMap::new();
    for (source, films) in films.by_source(&data.index, settings, ctx.seed) {
        if films.judge.classes > 1 {
            within.insert(source, cheap(ctx, data, &films)?);
        }
    }
    Ok(within)
}
