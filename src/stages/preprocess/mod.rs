//! `cxr-preprocess`: images of a data set as one array and one table.

mod arranged;
mod joined;
mod patients;
mod summary;

use std::path::PathBuf;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::arranged::Arranged;
use self::patients::Patients;
use self::summary::Summary;
use super::check::{Check, Listed};
use super::stage_inputs::table_file;
use super::{Stage, uses};
use crate::artifact::index::{Index, IndexRow};
use crate::artifact::provenance::{Provenance, ProvenanceError};
use crate::artifact::selection::{self, SelectionRow};
use crate::cli::ui::one_line;
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, in_range};
use crate::dataset::dicom::PatientIdFormat;
use crate::dataset::images::{self, Candidate, ConstantImages, ImagesError, UnusableImage};
use crate::dataset::layout::{Choice, Layout};
use crate::dataset::metadata::MetadataError;
use crate::dataset::patient_table::Columns;
use crate::dataset::{kaggle, masks};
use crate::image::{Depth, Tags};
use crate::io::{hash, npy};
use crate::pipeline::{Input, Job};

/// Height and width of the input images of VGG16.
const SIDE: usize = 224;
/// Maximum number of images whose pixels are in memory: 38 MB.
const BATCH: usize = 256;
/// Maximum number of printed warnings of unusable files, and of images with notes; the selection
/// log contains all.
const SHOWN: usize = 10;

/// `cxr-preprocess`.
#[derive(Debug)]
pub struct Preprocess;

/// Treatment of segmentation masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Masks {
    /// Masks are excluded.
    LeaveOut,
    /// Masks are treated as images.
    Keep,
}

crate::settings! {
    /// Settings of `cxr-preprocess`: `[preprocess]` in `pipeline.toml`.
    pub struct Settings {
        /// Table of images and patients, for images without a selection log: its path from the current folder or the dataset
        metadata: String = String::new(),
        /// Column of the image files in this table [default: found by its name]
        file_column: String = String::new(),
        /// Column of the patients in this table [default: found by its name]
        patient_column: String = String::new(),
        /// Exclude images of the normal class whose Kaggle file names indicate pneumonia
        normal_only: bool = false,
        /// Form of the DICOM patient IDs in the output: `hashed`, `plain` or `none`
        patients: Patients = Patients::Hashed,
        /// File with the secret key of the hashes; without a key, IDs can be found by trying
        patient_key: String = String::new(),
        /// Maximum proportion of unusable files, from 0 to 1
        max_skipped: f64 = 0.05,
        /// Images whose pixels are all equal: `exclude` them as unusable, or `keep` them, with a note
        constant: ConstantImages = ConstantImages::Exclude,
        /// Stop at the first unusable file
        fail_first: bool = false,
        /// Follow symbolic links to files outside the dataset folder
        follow_links: bool = false,
        /// Top-level folders of the dataset: classes (`class-folders`), parts such as `train` with class folders inside (`part-folders`), or detected (`auto`)
        layout: Choice = Choice::Auto,
        /// Segmentation masks among the images: `leave-out` or `keep`
        masks: Masks = Masks::LeaveOut,
        /// White level of PNG, TIFF and JPEG above 8 bits: all bits of the `file`, the largest value (`range`), or 8 to 16 bits
        depth: Depth = Depth::File,
    }
}

/// Arguments of `cxr-preprocess`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

impl Stage for Preprocess {
    const NAME: &'static str = "preprocess";
    const ABOUT: &'static str = "Decode the images and resize them to 224 x 224 pixels";
    const READS: &'static str = "dataset/<class>/ or dataset/<part>/<class>/: images in DICOM, as a PACS exports it, \
                                 JPEG, PNG, TIFF, BMP, WebP or GIF";
    const WRITES: &'static str = "images.npy, index.csv, selection.csv";
    const AFTER: &'static [&'static str] = &["build-covid", "sample-normal"];
    const USES: &'static [Flag] = uses!(Dataset, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-preprocess --dataset dataset", "Every folder of `dataset` is a class"),
        ("cxr-preprocess --dataset chest_xray", "With parts: `chest_xray/train/<class>/`"),
        ("cxr-preprocess --metadata train.csv", "Read the patient of each image from a table"),
        ("cxr-preprocess --patient-key ~/key", "Hash DICOM patient IDs with this key"),
        ("cxr-preprocess --max-skipped 0.2", "Accept up to 20 % unusable files"),
        ("cxr-preprocess --fail-first", "Stop at the first unusable file"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(Sources::list(ctx, settings)?.inputs(ctx, settings))
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
        if let Some(images) = check.images {
            let bytes = images as u64 * (SIDE * SIDE * 3) as u64;
            check.room(&check.ctx.paths.stage(Self::NAME), bytes);
        }
    }

    fn listed(ctx: &Context, settings: &Settings) -> Option<Listed> {
        let images = Sources::list(ctx, settings).ok()?.images;
        let row = |image: Candidate| {
            let Candidate { path, class, part, .. } = image;
            IndexRow { path, class, part, ..IndexRow::default() }
        };
        Some(Listed { index: Index::new(images.into_iter().map(row).collect()), read: false })
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let sources = Sources::list(ctx, &settings)?;
        let columns = Columns { file: &settings.file_column, patient: &settings.patient_column };
        let table = sources.metadata.as_deref().map(|path| (path, columns));
        let provenance =
            Provenance::read(&ctx.paths.dataset, &sources.selection_logs, table, &sources.images);
        let provenance = provenance.map_err(|error| {
            let hint = match &error {
                ProvenanceError::Metadata(MetadataError::MissingColumns { .. }) => {
                    "give the columns with `--file-column` and `--patient-column`"
                }
                _ => "repair the file, or remove it if its patients are not needed",
            };
            Failure::from(error).hint(hint)
        })?;
        provenance.notes.iter().for_each(|note| ctx.ui.warn(note));
        let mut arranged = Arranged::new(&sources.layout, &sources.images);
        arranged.warn(ctx);
        let naming = patients::naming(ctx, &settings)?;
        // `begin` would list the data set again.
        let inputs = sources.inputs(ctx, &settings);
        let job = ctx.job(Self::NAME, &Self::folder(ctx, &settings), &settings, &inputs)?;
        drop(inputs);
        let Images { rows, mut selection_log, skipped, beside_dicom, with_notes, masks, patients } =
            Reader { ctx, settings: &settings, provenance: &provenance, naming: &naming }
                .read_all(&sources.images, &job)?;
        if beside_dicom > 0 {
            ctx.ui.warn(format_args!(
                "{beside_dicom} images below a DICOMDIR are excluded, because they are not DICOM \
                 and may belong to a viewer; move radiographs to another folder"
            ));
        }
        let no_images = selection_log.len() - rows.len() - skipped - masks;
        arranged.left_out(ctx, &sources.left_out, masks);
        selection_log.extend(sources.left_out.iter().map(left_out_row));
        selection_log.sort_by(|a, b| a.path.cmp(&b.path));
        let index = Index::new(rows);
        check(&settings, &index, &sources.images, skipped, no_images + masks)?;
        index.write(&job.path("index.csv")?)?;
        selection::write(&job.path("selection.csv")?, &selection_log)?;
        patients.warn(ctx, &naming);
        if let Some(joined) = &provenance.joined {
            joined::warn(ctx, joined, sources.metadata.as_deref());
        }
        if let [class] = index.classes.as_slice() {
            ctx.ui.warn(format_args!(
                "all images are of one class, `{class}`: training needs at least two classes"
            ));
        }
        job.publish()?;
        let counts = summary::Counts { skipped, no_images, with_notes };
        let folder = Self::folder(ctx, &settings);
        let mut summary = Summary::new(folder, &index, counts, arranged);
        summary.metadata = provenance.joined;
        Ok(Outcome::new(&summary))
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("max-skipped", self.max_skipped, 0.0..=1.0)
    }
}

/// Input files of the stage.
struct Sources {
    images: Vec<Candidate>,
    /// Excluded files with their reasons.
    left_out: Vec<(Candidate, &'static str)>,
    layout: Layout,
    selection_logs: Vec<PathBuf>,
    metadata: Option<PathBuf>,
}

impl Sources {
    fn list(ctx: &Context, settings: &Settings) -> Result<Self, Failure> {
        let dataset = &ctx.paths.dataset;
        let options = images::Options {
            follow_links: settings.follow_links,
            layout: settings.layout,
            keep_masks: settings.masks == Masks::Keep,
        };
        let images::Listing { candidates, layout } =
            images::list(dataset, &options).map_err(|error| {
            let hint = match error {
                ImagesError::Missing { .. } | ImagesError::NoClass { .. } => {
                    "give a folder that contains a folder of images for each class with \
                     `--dataset`, or create one with `cxr build-covid` and `cxr sample-normal`"
                }
                ImagesError::EmptyClass { .. } => "add images, or remove the folder",
                ImagesError::Leaves { .. } => {
                    "if you trust the target of the link, follow it with `--follow-links`"
                }
                ImagesError::Formula { .. } => {
                    "rename the folder: spreadsheets would run its name in tables of the images"
                }
                ImagesError::Control { .. } => "rename the folder",
                ImagesError::NotClasses { .. } => {
                    "put every image into a class folder, such as `train/normal/x.png`; or give \
                     the folder that contains the class folders with `--dataset`; or treat these \
                     folders as classes with `--layout class-folders`"
                }
                ImagesError::TooMany { .. } => "give a folder that contains only images",
                ImagesError::Unlistable { .. } => "check the permissions",
            };
            Failure::from(error).hint(hint)
        })?;
        let selection_logs = Provenance::selection_logs(dataset, &candidates);
        let (mut images, mut left_out) = (Vec::new(), Vec::new());
        for image in candidates {
            let misfiled = settings.normal_only && kaggle::misfiled(image.class(), &image.path);
            match image.exclusion {
                Some(exclusion) => left_out.push((image, exclusion.text())),
                None if misfiled => left_out.push((image, MISFILED)),
                None => images.push(image),
            }
        }
        let has_images = |class: &str| images.iter().any(|image| image.class() == class);
        let excluded = left_out
            .iter()
            .find(|(image, _)| !image.class().is_empty() && !has_images(image.class()));
        if let Some((image, reason)) = excluded {
            let class = image.class();
            let error = format!("all images of the class `{class}` are excluded: {reason}");
            return Err(Failure::new(error).hint(match image.exclusion {
                Some(exclusion) if exclusion.is_mask() => {
                    "add images, remove the folder, or treat masks as images with `--masks keep`"
                }
                Some(_) => "add images, or remove the folder",
                None => "add images of healthy patients",
            }));
        }
        let metadata = Some(&settings.metadata).filter(|path| !path.is_empty());
        let metadata = metadata.map(|path| table_file(ctx, path, dataset)).transpose();
        let metadata =
            metadata.hint("give a path from the current folder or from the dataset folder")?;
        Ok(Self { images, left_out, layout, selection_logs, metadata })
    }

    fn inputs(&self, ctx: &Context, settings: &Settings) -> Vec<Input> {
        let images = self.images.iter().filter(|image| image.objection.is_none());
        // An unreadable file is excluded like a corrupt file, not an error of the stage.
        let images = images
            .map(|image| Input::file(format!("dataset/{}", image.path), &image.file).optional());
        let selection_logs = self.selection_logs.iter().map(|path| {
            let relative = path.strip_prefix(&ctx.paths.dataset);
            let relative = relative.expect("selection logs are in class folders");
            Input::file(format!("dataset/{}", relative.to_string_lossy()), path)
        });
        let metadata = self.metadata.iter().map(|path| Input::file("metadata.csv", path));
        let key = patients::key(ctx, settings).map(|path| Input::file("patient-key", path));
        images.chain(selection_logs).chain(metadata).chain(key).collect()
    }
}

/// Exclusion reason of images excluded by [`Settings::normal_only`].
const MISFILED: &str = "pneumonia by its file name, in the normal class";

fn dropped_row(image: &Candidate, reason: String) -> SelectionRow {
    SelectionRow::dropped(image.path.clone(), image.class.clone(), reason)
}

fn left_out_row((image, reason): &(Candidate, &'static str)) -> SelectionRow {
    dropped_row(image, (*reason).to_owned())
}

/// Index, selection log and counts of all images.
#[derive(Default)]
struct Images {
    rows: Vec<IndexRow>,
    /// One row per candidate.
    selection_log: Vec<SelectionRow>,
    /// Number of unusable candidates.
    skipped: usize,
    /// Number of non-DICOM images below a DICOMDIR.
    beside_dicom: usize,
    /// Number of images with notes of the decoder.
    with_notes: usize,
    /// Number of candidates that are masks by their pixels.
    masks: usize,
    patients: patients::Seen,
}

/// A decoded image.
struct Converted {
    /// Row of the index, with row number 0.
    row: IndexRow,
    /// Notes of the decoder.
    notes: Vec<String>,
    /// Levels `[SIDE, SIDE, 3]`.
    pixels: Vec<u8>,
    patients: patients::Seen,
}

/// Reason why a candidate is not an image of the index.
struct Refusal {
    reason: String,
    /// Whether the file is not an image.
    no_image: bool,
    /// Whether the file is a non-DICOM image below a DICOMDIR.
    beside_dicom: bool,
    /// Whether the file is a mask.
    mask: bool,
}

/// Reader of images.
struct Reader<'a> {
    ctx: &'a Context,
    settings: &'a Settings,
    provenance: &'a Provenance,
    naming: &'a PatientIdFormat,
}

impl Reader<'_> {
    /// Reads every image, in parallel and in batches, into `images.npy`.
    fn read_all(&self, candidates: &[Candidate], job: &Job) -> Result<Images, Failure> {
        let mut writer = npy::Writer::<u8>::create(&job.path("images.npy")?, &[SIDE, SIDE, 3])?;
        let mut images = Images::default();
        let progress = self.ctx.ui.progress("reading", candidates.len(), "images");
        for batch in candidates.chunks(BATCH) {
            let convert = |image| {
                let converted = self.read(image);
                progress.add(1);
                converted
            };
            let converted: Vec<_> = batch.par_iter().map(convert).collect();
            for (image, converted) in batch.iter().zip(converted) {
                match converted {
                    Ok(Converted { row, notes, pixels, patients }) => {
                        writer.push(&pixels)?;
                        images.patients += patients;
                        images.rows.push(IndexRow { row: images.rows.len(), ..row });
                        if !notes.is_empty() {
                            images.with_notes += 1;
                            if images.with_notes <= SHOWN {
                                let (path, notes) = (one_line(&image.path), notes.join("; "));
                                progress.ui().warn(format_args!("`{path}`: {notes}"));
                            }
                        }
                        images.selection_log.push(SelectionRow::kept(
                            image.path.clone(),
                            image.class.clone(),
                            &notes,
                        ));
                    }
                    Err(Refusal { reason, mask: true, .. }) => {
                        images.masks += 1;
                        images.selection_log.push(dropped_row(image, reason));
                    }
                    Err(Refusal { reason, no_image: true, beside_dicom, .. }) => {
                        images.beside_dicom += usize::from(beside_dicom);
                        images.selection_log.push(dropped_row(image, reason));
                    }
                    Err(Refusal { reason, .. }) if self.settings.fail_first => {
                        return Err(Failure::new(reason).hint(
                            "without `--fail-first`, unusable files are excluded and listed in \
                             `selection.csv`",
                        ))
                        .context(format!("cannot use `{}`", one_line(image.file.display())));
                    }
                    Err(Refusal { reason, .. }) => {
                        images.skipped += 1;
                        if images.skipped <= SHOWN {
                            let path = one_line(&image.path);
                            progress.ui().warn(format_args!("excluded `{path}`: {reason}"));
                        }
                        images.selection_log.push(dropped_row(image, reason));
                    }
                }
            }
        }
        drop(progress);
        if images.skipped > SHOWN {
            self.ctx.ui.warn(format_args!("excluded {} more files", images.skipped - SHOWN));
        }
        if images.with_notes > SHOWN {
            self.ctx.ui.warn(format_args!(
                "{} more images have notes: see the column `notes` of `selection.csv`",
                images.with_notes - SHOWN
            ));
        }
        writer.finish()?;
        Ok(images)
    }

    /// Reads one image.
    fn read(&self, image: &Candidate) -> Result<Converted, Refusal> {
        if let Some(objection) = image.objection {
            let reason = objection.to_owned();
            return Err(Refusal { reason, no_image: false, beside_dicom: false, mask: false });
        }
        let Settings { constant, depth, .. } = *self.settings;
        let opened = images::open(&image.file, image.in_file_set, constant, depth);
        let images::Opened { bytes, image: decoded, .. } = &opened.map_err(|error| {
            let no_image = error.is_not_a_radiograph();
            let beside_dicom = matches!(error, UnusableImage::NotDicomInFileSet { picture: true });
            Refusal {
                // `{:#}` appends the causes.
                reason: format!("{:#}", anyhow::Error::from(error)),
                no_image,
                beside_dicom,
                mask: false,
            }
        })?;
        let samples = decoded.pixels.as_slice_memory_order().unwrap_or_default();
        let has_two_levels = masks::has_two_levels(samples);
        if image.has_namesake && has_two_levels {
            let reason = masks::BY_PIXELS.to_owned();
            return Err(Refusal { reason, no_image: false, beside_dicom: false, mask: true });
        }
        let tags = decoded.tags.as_deref();
        let patient = tags.and_then(|tags| tags.patient.as_ref());
        let patient_key = tags.map(|_| self.naming.of(patient));
        let patients = patients::Seen::of(patient, patient_key.as_deref(), image.name());
        let origin = self.provenance.of(image, patient_key);
        let tag = |value: fn(&Tags) -> &'static str| tags.map_or("", value).to_owned();
        let row = IndexRow {
            row: 0,
            path: image.path.clone(),
            class: image.class().to_owned(),
            patient: origin.patient,
            source: arranged::source(origin.source, image),
            width: decoded.width() as u32,
            height: decoded.height() as u32,
            mode: decoded.mode.to_owned(),
            bytes: bytes.len() as u64,
            hash: hash::bytes(bytes),
            modality: tag(|tags| tags.modality),
            view: tag(|tags| tags.view),
            laterality: tag(|tags| tags.laterality),
            photometric: tag(|tags| tags.photometric),
            part: image.part.clone(),
            sex: origin.sex.to_owned(),
            age: origin.age,
        };
        let pixels = decoded.to_rgb(SIDE, SIDE).into_raw_vec_and_offset().0;
        let two_levels = has_two_levels.then(|| masks::TWO_LEVELS.to_owned());
        let notes = decoded.notes.iter().cloned().chain(two_levels).collect();
        Ok(Converted { row, notes, pixels, patients })
    }
}

/// Fails if too many files are unusable, or all files of a class.
fn check(
    settings: &Settings,
    index: &Index,
    images: &[Candidate],
    skipped: usize,
    no_images: usize,
) -> Result<(), Failure> {
    let all = images.len() - no_images;
    let proportion = skipped as f64 / all as f64;
    if proportion > settings.max_skipped {
        let limit = settings.max_skipped;
        let failure = Failure::new(format_args!(
            "{skipped} of {all} files are unusable, the maximum proportion is {limit}"
        ));
        // Rounded up, so that the value in the hint is sufficient.
        let limit = (proportion * 100.0).ceil() / 100.0;
        let failure = failure.hint(format_args!(
            "remove or repair the files, or allow more: `--max-skipped {limit}`"
        ));
        return Err(match images.iter().any(|image| image.objection == Some(images::LEAVES)) {
            true => failure.hint("`--follow-links` follows links to files outside the dataset"),
            false => failure,
        });
    }
    let read = |class: &str| index.classes.binary_search_by(|c| c.as_str().cmp(class)).is_ok();
    match images.iter().map(Candidate::class).find(|class| !read(class)) {
        Some(class) => Err(Failure::new(format_args!("no file of the class `{class}` is usable"))
            .hint("add images, or remove the folder")),
        None => Ok(()),
    }
}
