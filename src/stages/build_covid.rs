//! `cxr-build-covid`: selection of the COVID-19 images from the covid-chestxray-dataset.

use std::path::PathBuf;

use super::check::Check;
use super::output_folder::{Force, OutputSummary};
use super::stage_inputs::table_file;
use super::{Stage, uses};
use crate::artifact::selection_log::{self, SelectionLog, SelectionLogRow, Status};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, settings};
use crate::dataset::metadata::{self, Metadata, MetadataError, Row};
use crate::dataset::selection::{SelectedRow, SelectionCriteria, select, tally};
use crate::dataset::{identity, phantom};
use crate::io::atomic;
use crate::pipeline::Input;

/// Name of the collection in the selection log and the index.
const SOURCE: &str = "covid-chestxray-dataset";

settings! {
    /// Settings of `cxr-build-covid`: `[build-covid]` in `pipeline.toml`.
    pub struct Settings {
        /// Folder of the collection, with `metadata.csv` and `images/`
        source: String = "{dataset}/sources/covid-chestxray-dataset".into(),
        /// Path of another `metadata.csv`, from the current folder or the source
        metadata: String = String::new(),
        /// Findings to keep, or `any`
        finding: Vec<String> = vec!["COVID-19".into()],
        /// Views to keep, compared as whole strings (`AP` does not match `AP Supine`), or `any`
        view: Vec<String> = vec!["PA".into()],
        /// Modalities to keep, or `any`
        modality: Vec<String> = vec!["X-ray".into()],
        /// Output folder for the images
        output: String = "{dataset}/covid".into(),
    }
}

/// Arguments of `cxr-build-covid`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    force: Force,
}

/// `cxr-build-covid`.
#[derive(Debug)]
pub struct BuildCovid;

impl Stage for BuildCovid {
    const NAME: &'static str = "build-covid";
    const ABOUT: &'static str = "Select the COVID-19 images from the covid-chestxray-dataset";
    const READS: &'static str = "metadata.csv of any version, and images/";
    const WRITES: &'static str = "dataset/covid/: the images, selection.csv";
    const AFTER: &'static [&'static str] = &["fetch", "phantom"];
    const USES: &'static [Flag] = uses!(Dataset, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr build-covid --source covid-chestxray-dataset", "The PA X-rays with COVID-19"),
        ("cxr build-covid --view 'PA,AP,AP Supine'", "Also AP views"),
        ("cxr build-covid --finding any --output dataset/all", "Every PA X-ray with a finding"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        let source = Source::open(ctx, settings)?;
        let images = source.select(settings).into_iter().filter_map(|candidate| {
            let name = candidate.row.filename.as_ref()?;
            Some(Input::file(format!("source/{name}"), candidate.image?))
        });
        let table = Input::file("source/metadata.csv", &source.table);
        Ok([table].into_iter().chain(images).collect())
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
        let candidates = source.select(&settings);
        if !candidates.iter().any(|candidate| candidate.verdict.kept()) {
            return Err(source.nothing_selected(&candidates, &settings));
        }
        let job = Self::begin(ctx, &settings)?;
        for candidate in &candidates {
            if let (Some(image), Some(name)) = (&candidate.image, &candidate.row.filename) {
                atomic::copy(image, &job.path(name)?)?;
            }
        }
        let rows = candidates.iter().map(log_row).collect();
        let selection_log = SelectionLog { rows, notes: Vec::new() };
        selection_log.write(&job.path(selection_log::FILE)?)?;
        job.publish()?;
        Ok(Outcome::new(&OutputSummary::new(folder, &selection_log)))
    }
}

/// The collection in its folder.
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
                .hint("give the path of a table in the current folder or in the source")?,
        };
        let source_hint = "give the folder of the collection with `--source`, \
            or download it with `cxr fetch covid`";
        let metadata = metadata::read(&table);
        let metadata = match metadata {
            Err(e @ MetadataError::Missing { .. }) => Err(e).hint(source_hint),
            other => other.hint("use `metadata.csv` from a clone of the collection"),
        }?;
        let images = folder.join("images");
        let root = folder.canonicalize().ok().filter(|_| images.is_dir());
        let no_images = || Failure::new(format_args!("there is no folder `{}`", images.display()));
        let root = root.ok_or_else(no_images).hint(source_hint)?;
        Ok(Self { images: root.join("images"), table, metadata, root })
    }

    /// Applies the criteria of `settings` to all rows.
    fn select(&self, settings: &Settings) -> Vec<SelectedRow<'_>> {
        let list = |names: &[String]| match names {
            [any] if any.eq_ignore_ascii_case("any") => Vec::new(),
            names => names.to_vec(),
        };
        let criteria = SelectionCriteria {
            findings: list(&settings.finding),
            views: list(&settings.view),
            modalities: list(&settings.modality),
        };
        select(&self.metadata, &criteria, &self.root, &self.images)
    }

    /// Error if no row was kept, with the available values of the column that excluded the rows.
    fn nothing_selected(&self, candidates: &[SelectedRow<'_>], settings: &Settings) -> Failure {
        use crate::dataset::verdict::{Reason::*, Verdict};
        let not_dropped_for = |reasons: &[_]| {
            let dropped = |c: &&SelectedRow<'_>| matches!(c.verdict, Verdict::Dropped(r) if reasons.contains(&r));
            candidates.iter().filter(|c| !dropped(c)).map(|c| c.row).collect::<Vec<_>>()
        };
        let with_finding = not_dropped_for(&[Unlabelled, OtherFinding]);
        let matching = not_dropped_for(&[
            Unlabelled,
            OtherFinding,
            NoView,
            OtherView,
            NoModality,
            OtherModality,
            OtherFolder,
        ]);
        let failure = Failure::new(format_args!(
            "none of the {} rows of `{}` is an image with finding {}, view {} and modality {}",
            candidates.len(),
            self.table.display(),
            quoted(&settings.finding),
            quoted(&settings.view),
            quoted(&settings.modality),
        ));
        if with_finding.is_empty() {
            let labelled = not_dropped_for(&[Unlabelled]);
            return failure.hint(format_args!(
                "choose a `--finding` of the file: {}",
                choices(&labelled, |row| row.finding.as_deref()),
            ));
        }
        if matching.is_empty() {
            let views = choices(&with_finding, |row| row.view.as_deref());
            let modalities = choices(&with_finding, |row| row.modality.as_deref());
            let rows = with_finding.len();
            return failure.hint(format_args!(
                "the {rows} rows with the finding have the views {views} and the modalities {modalities}; \
                 `--view any` and `--modality any` select all"
            ));
        }
        let (rows, images) = (matching.len(), self.images.display());
        failure.hint(format_args!("{rows} rows match, but none has a usable file in `{images}`"))
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

/// Lists the values of a column with their counts, in descending order.
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

/// Row of the selection log.
fn log_row(candidate: &SelectedRow<'_>) -> SelectionLogRow {
    let row = candidate.row;
    let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
    let file = text(&row.filename);
    let source = if phantom::is_phantom(&file) { phantom::SOURCE } else { SOURCE };
    let from_id = row.patient.as_deref().and_then(identity::from_patient_id);
    let identity = from_id.or_else(|| identity::from_name(&file));
    SelectionLogRow {
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
        image: String::new(),
        file: file.clone(),
    }
    .identified(identity)
    .with_status(candidate.verdict, &file)
}
