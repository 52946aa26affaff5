//! `cxr-build-covid`: the films of one class from the covid-chestxray-dataset.

use std::path::PathBuf;

use super::check::Check;
use super::collected::{Collected, Force};
use super::upstream::table_file;
use super::{Stage, uses};
use crate::artifact::ledger::{self, Ledger, LedgerRow, Status};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, settings};
use crate::dataset::metadata::{self, Metadata, MetadataError, Row};
use crate::dataset::selection::{Criteria, Judged, select, tally};
use crate::dataset::{identity, phantom};
use crate::io::atomic;
use crate::pipeline::Input;

/// The collection, as ledgers and indices name it.
const SOURCE: &str = "covid-chestxray-dataset";

settings! {
    /// Settings of `cxr-build-covid`: `[build-covid]` in `pipeline.toml`.
    pub struct Settings {
        /// Folder of the collection, with `metadata.csv` and `images/`
        source: String = "{dataset}/sources/covid-chestxray-dataset".into(),
        /// Another `metadata.csv`: a path, or a name in the source
        metadata: String = String::new(),
        /// Findings to keep, or `any`
        finding: Vec<String> = vec!["COVID-19".into()],
        /// Views to keep, each in full, or `any`
        view: Vec<String> = vec!["PA".into()],
        /// Modalities to keep, or `any`
        modality: Vec<String> = vec!["X-ray".into()],
        /// Folder for the films
        output: String = "{dataset}/covid".into(),
    }
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    force: Force,
}

/// The stage.
#[derive(Debug)]
pub struct BuildCovid;

impl Stage for BuildCovid {
    const NAME: &'static str = "build-covid";
    const ABOUT: &'static str = "Select the COVID-19 films from the covid-chestxray-dataset";
    const READS: &'static str = "metadata.csv, in any of its versions, and images/";
    const WRITES: &'static str = "dataset/covid/: the films, ledger.csv";
    const AFTER: &'static [&'static str] = &["fetch", "phantom"];
    const USES: &'static [Flag] = uses!(Dataset, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr build-covid --source covid-chestxray-dataset", "The PA X-rays of COVID-19"),
        ("cxr build-covid --view 'PA,AP,AP Supine'", "Views from the front too"),
        ("cxr build-covid --finding any --output dataset/all", "Every PA X-ray with a finding"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        let source = Source::open(ctx, settings)?;
        let films = source.judged(settings).into_iter().filter_map(|judged| {
            Some(Input::file(format!("source/{}", judged.row.filename.as_ref()?), judged.film?))
        });
        let table = Input::file("source/metadata.csv", &source.table);
        Ok([table].into_iter().chain(films).collect())
    }

    fn folder(ctx: &Context, settings: &Settings) -> PathBuf {
        ctx.paths.expand(&settings.output)
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        let (folder, source) =
            (Self::folder(check.ctx, settings), check.ctx.paths.expand(&settings.source));
        check.expect(Force::NO.claim_apart(&folder, &source, Self::NAME));
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        let folder = Self::folder(ctx, &settings);
        args.force.claim_apart(&folder, &ctx.paths.expand(&settings.source), Self::NAME)?;
        let source = Source::open(ctx, &settings)?;
        for note in &source.metadata.notes {
            ctx.ui.warn(format_args!("`{}`: {note}", source.table.display()));
        }
        let judged = source.judged(&settings);
        if !judged.iter().any(|j| j.verdict.kept()) {
            return Err(source.nothing_selected(&judged, &settings));
        }
        let job = Self::begin(ctx, &settings)?;
        for judged in &judged {
            if let (Some(film), Some(name)) = (&judged.film, &judged.row.filename) {
                atomic::copy(film, &job.path(name)?)?;
            }
        }
        let ledger = Ledger { rows: judged.iter().map(entry).collect(), notes: Vec::new() };
        ledger.write(&job.path(ledger::FILE)?)?;
        job.publish()?;
        Ok(Outcome::new(&Collected::new(folder, &ledger)))
    }
}

/// The collection on disk.
struct Source {
    table: PathBuf,
    metadata: Metadata,
    root: PathBuf,
    images: PathBuf,
}

impl Source {
    fn open(ctx: &Context, settings: &Settings) -> Result<Self, Failure> {
        let folder = ctx.paths.expand(&settings.source);
        let table = match settings.metadata.as_str() {
            "" => folder.join("metadata.csv"),
            path => table_file(ctx, path, &folder)
                .hint("name a table that is in the current folder or in the source")?,
        };
        let elsewhere = "name the folder of the collection with `--source`, \
            or fetch it with `cxr fetch covid`";
        let metadata = metadata::read(&table);
        let metadata = match metadata {
            Err(e @ MetadataError::Missing { .. }) => Err(e).hint(elsewhere),
            other => other.hint("take `metadata.csv` from a clone of the collection"),
        }?;
        let images = folder.join("images");
        let root = folder.canonicalize().ok().filter(|_| images.is_dir());
        let no_images = || Failure::new(format_args!("there is no folder `{}`", images.display()));
        let root = root.ok_or_else(no_images).hint(elsewhere)?;
        Ok(Self { images: root.join("images"), table, metadata, root })
    }

    fn judged(&self, settings: &Settings) -> Vec<Judged<'_>> {
        let list = |wanted: &[String]| match wanted {
            [any] if any.eq_ignore_ascii_case("any") => Vec::new(),
            names => names.to_vec(),
        };
        let criteria = Criteria {
            findings: list(&settings.finding),
            views: list(&settings.view),
            modalities: list(&settings.modality),
        };
        select(&self.metadata, &criteria, &self.root, &self.images)
    }

    /// Why no row was kept, and what there is to choose from.
    fn nothing_selected(&self, judged: &[Judged<'_>], settings: &Settings) -> Failure {
        use crate::dataset::verdict::{Reason::*, Verdict};
        let passed = |stoppers: &[_]| {
            let stopped =
                |j: &&Judged<'_>| matches!(j.verdict, Verdict::Dropped(r) if stoppers.contains(&r));
            judged.iter().filter(|j| !stopped(j)).map(|j| j.row).collect::<Vec<_>>()
        };
        let of_finding = passed(&[Unlabelled, OtherFinding]);
        let of_words = passed(&[
            Unlabelled,
            OtherFinding,
            NoView,
            OtherView,
            NoModality,
            OtherModality,
            OtherFolder,
        ]);
        let failure = Failure::new(format_args!(
            "none of the {} rows of `{}` is a film of the finding {}, the view {} and the modality {}",
            judged.len(),
            self.table.display(),
            quoted(&settings.finding),
            quoted(&settings.view),
            quoted(&settings.modality),
        ));
        if of_finding.is_empty() {
            let labelled = passed(&[Unlabelled]);
            return failure.hint(format_args!(
                "`--finding` takes what the file holds: {}",
                choices(&labelled, |row| row.finding.as_deref()),
            ));
        }
        if of_words.is_empty() {
            let views = choices(&of_finding, |row| row.view.as_deref());
            let modalities = choices(&of_finding, |row| row.modality.as_deref());
            let rows = of_finding.len();
            return failure.hint(format_args!(
                "the {rows} rows of the finding have the views {views} and the modalities {modalities}; \
                 `--view any` and `--modality any` take all"
            ));
        }
        let (rows, images) = (of_words.len(), self.images.display());
        failure.hint(format_args!("{rows} rows match, but `{images}` has a usable file for none"))
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

/// The values of a column, the most frequent first.
fn choices<'a>(rows: &[&'a Row], column: impl Fn(&'a Row) -> Option<&'a str>) -> String {
    let counted = tally(rows.iter().map(|row| column(row)));
    let shown: Vec<_> =
        counted.iter().take(12).map(|(name, n)| format!("`{name}` ({n})")).collect();
    match (shown.len(), counted.len()) {
        (0, _) => "none".into(),
        (n, all) if n < all => format!("{} and {} more", shown.join(", "), all - n),
        _ => shown.join(", "),
    }
}

fn entry(judged: &Judged<'_>) -> LedgerRow {
    let row = judged.row;
    let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
    let file = text(&row.filename);
    let source = if phantom::is_phantom(&file) { phantom::SOURCE } else { SOURCE };
    let from_id = row.patient.as_deref().and_then(identity::from_patient_id);
    let identity = from_id.or_else(|| identity::from_name(&file));
    LedgerRow {
        row: row.number,
        finding: text(&row.finding),
        view: text(&row.view),
        modality: text(&row.modality),
        patient: String::new(),
        evidence: String::new(),
        sex: text(&row.sex),
        age: text(&row.age),
        source: source.into(),
        status: Status::Dropped,
        reason: String::new(),
        film: String::new(),
        file: file.clone(),
    }
    .identified(identity)
    .judged(judged.verdict, &file)
}
