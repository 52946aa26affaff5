//! `cxr-split`: split of the images into training, validation and test set.

mod copied;

use std::collections::BTreeSet;
use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use self::copied::copied;
use super::check::{Check, Listed};
use super::{Stage, stage_inputs, uses};
use crate::artifact::groups::Grouping;
use crate::artifact::index::{Index, IndexRow};
use crate::artifact::{Document, split};
use crate::cli::ui::one_line;
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, shell_word};
use crate::dataset::split::{
    ClassOrder, Copies, PublishedSplit, SplitError, TrainTest, copies, given, has_published_split,
    hold_out, leaks, set_aside, stratified_group_split, train_test_split,
};
use crate::dataset::words;
use crate::pipeline::Input;

/// `cxr-split`.
pub struct Split;

/// Unit that is assigned to training or test set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Single images, as in the tutorial; a patient may be in both training and test set.
    Image,
    /// All images of a patient together.
    Group,
    /// The test set is the images of one source.
    Source,
    /// The test set is the images in `<class>/<folder>/` or `<part>/<class>/`.
    Folder,
}

/// Use of the parts of a data set, such as `train/` and `test/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Parts {
    /// The parts are the split if `method` is `image`.
    Keep,
    /// The parts are mixed, and all images are split anew.
    New,
}

/// Order in which the classes are sampled in a split by image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Stratify {
    /// The order of scikit-learn with one-hot labels, as in the tutorial.
    OneHot,
    /// The order of scikit-learn with class labels.
    Labels,
}

crate::settings! {
    /// Settings of `cxr-split`: `[split]` in `pipeline.toml`.
    pub struct Settings {
        /// Unit of the split: `image`, or `group` (all images of a patient); or the held-out test set: `source`, or `folder`
        method: Method = Method::Image,
        /// Source of the patient groups: `patient` (patient IDs) or `link` (patient linkage by cxr-link)
        groups: Grouping = Grouping::Patient,
        /// Source or folder of the test set, with `--method source` or `folder`
        hold_out: String = String::new(),
        /// Use of the data set's parts, such as `train/` and `test/`, with `--method image`: `keep` them as the split, or split all images anew (`new`)
        parts: Parts = Parts::Keep,
        /// Proportion of test images, above 0 and below 1
        test_size: f64 = 0.2,
        /// Proportion of the training images for validation, from 0 to 0.5, by patient; 0: validation on the test images
        validation: f64 = 0.0,
        /// Form of the labels in scikit-learn's stratified split, which decides the order of the classes
        stratify: Stratify = Stratify::OneHot,
    }
}

/// Arguments of `cxr-split`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

impl Stage for Split {
    const NAME: &'static str = "split";
    const ABOUT: &'static str = "Split the images into training, validation and test set";
    const READS: &'static str = "index.csv; groups.csv with `groups = \"link\"`";
    const WRITES: &'static str = "split.json";
    const AFTER: &'static [&'static str] = &["preprocess", "link"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-split --profile tutorial", "As in the tutorial: by image"),
        ("cxr-split --method group", "No patient in both training and test set"),
        ("cxr-split --method group --groups link", "The same for patients with two IDs"),
        ("cxr-split --method source --hold-out chest_xray", "Test on another hospital's images"),
        ("cxr-split --method folder --hold-out test", "Test on `<class>/test/`"),
        ("cxr-split --parts new", "Mix the parts `train` and `test` of the data set"),
        ("cxr-split --method group --validation 0.1", "Validation on other patients"),
        ("cxr-split --test-size 0.3 --seed 7", "Another random split"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        let mut inputs = vec![ctx.input("preprocess", "index.csv")];
        inputs.extend(stage_inputs::links(ctx, settings.groups));
        Ok(inputs)
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.two_classes();
        check.expect(settings.check());
        let listed = check.listed.as_ref();
        let result = listed.map(|listed| settings.try_split(listed, check.ctx.seed));
        check.expect(result.unwrap_or_else(|| settings.check_hold_out()));
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let job = Self::begin(ctx, &settings)?;
        let index = stage_inputs::index(ctx)?;
        if let [class] = index.classes.as_slice() {
            return Err(Failure::new(format_args!("all images are of one class, `{class}`"))
                .hint("the dataset needs at least two class folders"));
        }
        let hash = &job.inputs()["preprocess/index.csv"];
        let patients = stage_inputs::patients(ctx, &job, &index, settings.groups)?;
        let explain = |error| explain(error, &index, &settings);
        let given = published_split(&index, &settings).transpose().map_err(explain)?;
        let with_validation =
            |split| Rows::with_validation(split, &index, &patients, &settings, ctx.seed);
        let rows = match &given {
            Some(given) if !given.validation.is_empty() => Ok(Rows::from_published(given)),
            Some(given) => with_validation(given.sides.clone()),
            None => new_split(&index, &patients, &settings, ctx.seed).and_then(with_validation),
        };
        let rows = rows.map_err(explain)?;
        let mut summary = Summary::new(&index, &patients, &rows, &settings, ctx.seed);
        if let Some(given) = &given {
            "parts".clone_into(&mut summary.method);
            report_kept_parts(ctx, given);
        } else {
            report_mixed_parts(ctx, &index, settings.method);
        }
        summary.warn(ctx);

        let document = split::Split {
            schema: split::Split::SCHEMA.to_owned(),
            method: summary.method.clone(),
            seed: ctx.seed,
            test_size: settings.test_size,
            validation_size: settings.validation,
            train: rows.train,
            validation: rows.validation,
            test: rows.test,
            groups: summary.groups.clone(),
            leaking: summary.leaking.clone(),
            unknown: summary.unknown,
            copies: Some(summary.copies.clone()),
            index: hash.clone(),
        };
        document.write(&job.path("split.json")?)?;
        job.publish()?;
        Ok(Outcome::new(&summary))
    }
}

/// Returns the split that the data set was published with, if it is to be kept.
fn published_split(
    index: &Index,
    settings: &Settings,
) -> Option<Result<PublishedSplit, SplitError>> {
    let parts: Vec<_> = index.rows.iter().map(|image| words::part(&image.part)).collect();
    let kept = settings.method == Method::Image && settings.parts == Parts::Keep;
    let classes: Vec<&str> = index.rows.iter().map(|image| image.class.as_str()).collect();
    (kept && has_published_split(&parts)).then(|| given(&classes, &parts))
}

/// Reports that the parts of the data set are the split.
fn report_kept_parts(ctx: &Context, given: &PublishedSplit) {
    let sets = match given.test_is_validation {
        true => "no part is a test set, so the validation part is the test set",
        false if given.validation.is_empty() => "its parts are training and test set",
        false => "its parts are training, validation and test set",
    };
    ctx.ui.note(format_args!(
        "the split of the data set is kept: {sets}; `--parts new` splits all images anew"
    ));
    let unused = given.others.len();
    if unused > 0 {
        ctx.ui.warn(format_args!(
            "{} in other parts {} not used",
            counted(unused, "image", "images"),
            if unused == 1 { "is" } else { "are" }
        ));
    }
}

/// Reports that the split mixes the parts of the data set.
fn report_mixed_parts(ctx: &Context, index: &Index, method: Method) {
    let parts: BTreeSet<&str> = index.rows.iter().map(|image| image.part.as_str()).collect();
    let named: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    if parts.len() < 2 || method == Method::Folder {
        return;
    }
    let first = shell_word(named[0]);
    ctx.ui.note(format_args!(
        "the parts of the data set ({}) are mixed; `--method folder --hold-out {first}` keeps one \
         of them as the test set",
        named.join(", ")
    ));
}

/// Hint to an invalid test size.
const TEST_SIZE: &str = "`--test-size` is the proportion of test images, such as 0.2";

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        if !(self.test_size > 0.0 && self.test_size < 1.0) {
            return Err(SplitError::TestSize(self.test_size)).hint(TEST_SIZE).usage();
        }
        if matches!(self.method, Method::Image | Method::Group) && !self.hold_out.is_empty() {
            let method = self.method.to_possible_value().expect("every method has a name");
            let error = format!(
                "`hold-out` is `{}`, but the method `{}` holds out no source or folder",
                one_line(&self.hold_out),
                method.get_name()
            );
            return Err(Failure::usage(error).hint("use `--method source` or `--method folder`"));
        }
        Ok(())
    }

    /// Fails if the method holds out a source or folder and none is given.
    fn check_hold_out(&self) -> Result<(), Failure> {
        match self.method {
            Method::Source | Method::Folder if self.hold_out.is_empty() => {
                let hint = "give the source or folder of the test set with `--hold-out NAME`";
                Err(SplitError::EmptyTestSet).hint(hint).usage()
            }
            _ => Ok(()),
        }
    }

    /// Splits the listed images on trial. Skipped if the method needs patients, or if it needs
    /// sources and the images have not been read.
    fn try_split(&self, listed: &Listed, seed: u64) -> Result<(), Failure> {
        let Listed { index, read } = listed;
        let known = match self.method {
            Method::Image | Method::Folder => true,
            Method::Source => *read,
            Method::Group => false,
        };
        // Invalid settings and a data set of one class are reported elsewhere.
        if !known || index.classes.len() < 2 || self.check().is_err() {
            return self.check_hold_out();
        }
        let given = published_split(index, self).map(|given| given.map(drop));
        let result = given.unwrap_or_else(|| new_split(index, &[], self, seed).map(drop));
        result.map_err(|error| explain(error, index, self))
    }
}

/// Rows of the index in training, validation and test set.
struct Rows {
    train: Vec<usize>,
    validation: Vec<usize>,
    test: Vec<usize>,
}

impl Rows {
    /// Returns the split of the data set, with its validation part.
    fn from_published(given: &PublishedSplit) -> Self {
        let TrainTest { train, test } = given.sides.clone();
        Self { train, validation: given.validation.clone(), test }
    }

    /// Returns training and test rows.
    fn train_test(&self) -> TrainTest {
        TrainTest { train: self.train.clone(), test: self.test.clone() }
    }

    /// Returns validation rows (as `train`) and test rows.
    fn validation_test(&self) -> TrainTest {
        TrainTest { train: self.validation.clone(), test: self.test.clone() }
    }

    /// Splits the validation set off the training rows, if its proportion is above 0.
    fn with_validation(
        split: TrainTest,
        index: &Index,
        patients: &[Option<String>],
        settings: &Settings,
        seed: u64,
    ) -> Result<Self, SplitError> {
        let TrainTest { train, test } = split;
        if settings.validation == 0.0 {
            return Ok(Self { train, validation: Vec::new(), test });
        }
        let classes: Vec<&str> = index.rows.iter().map(|image| image.class.as_str()).collect();
        let groups = groups(patients);
        let (train, validation) = set_aside(&train, &classes, &groups, settings.validation, seed)?;
        Ok(Self { train, validation, test })
    }
}

/// Returns the group of each image; an image without patient ID is a group of its own.
fn groups(patients: &[Option<String>]) -> Vec<(Option<String>, Option<usize>)> {
    let group =
        |(i, patient): (usize, &Option<String>)| (patient.clone(), patient.is_none().then_some(i));
    patients.iter().enumerate().map(group).collect()
}

/// Splits the images into training and test set by the settings' method.
fn new_split(
    index: &Index,
    patients: &[Option<String>],
    settings: &Settings,
    seed: u64,
) -> Result<TrainTest, SplitError> {
    let classes: Vec<&str> = index.rows.iter().map(|image| image.class.as_str()).collect();
    match settings.method {
        Method::Image => {
            let order = match settings.stratify {
                Stratify::OneHot => ClassOrder::OneHot,
                Stratify::Labels => ClassOrder::Labels,
            };
            train_test_split(&classes, settings.test_size, seed, order)
        }
        Method::Group => {
            stratified_group_split(&classes, &groups(patients), settings.test_size, seed)
        }
        Method::Source | Method::Folder => {
            let named = Some(settings.hold_out.as_str()).filter(|name| !name.is_empty());
            let is_held_out =
                |image| named.is_some() && hold_out_name(image, settings.method) == named;
            hold_out(&classes, &index.rows.iter().map(is_held_out).collect::<Vec<_>>())
        }
    }
}

/// Returns the name by which an image can be held out: its source, its part, or its folder inside
/// the class folder.
fn hold_out_name(image: &IndexRow, method: Method) -> Option<&str> {
    match method {
        Method::Source => Some(&image.source),
        _ if !image.part.is_empty() => Some(&image.part),
        _ => image.path.split('/').nth(1).filter(|_| image.path.matches('/').count() > 1),
    }
}

/// Returns the error with a hint.
fn explain(error: SplitError, index: &Index, settings: &Settings) -> Failure {
    let hint = match error {
        SplitError::TestSize(_) | SplitError::GroupTestSize(_) => {
            return Err::<(), _>(error).hint(TEST_SIZE).usage().expect_err("it is an error");
        }
        SplitError::ValidationSize(_) => {
            return Err::<(), _>(error)
                .hint("`--validation` is a proportion of the training images, such as 0.1")
                .usage()
                .expect_err("it is an error");
        }
        SplitError::NoValidation => {
            "add images of more patients, or validate on the test images with `--validation 0`"
        }
        SplitError::TooFewImages { .. } => "add images of this class, or remove its folder",
        SplitError::SetTooSmall { .. } => "add images, or change `--test-size`",
        SplitError::TooFewGroups { .. } | SplitError::NoGroupSplit => {
            "add images of more patients, try another `--seed`, or split by image with `--method \
             image`: patients may then be in both training and test set"
        }
        SplitError::EmptyTestSet => {
            let rows = index.rows.iter();
            let mut names: Vec<_> =
                rows.filter_map(|image| hold_out_name(image, settings.method)).collect();
            names.sort_unstable();
            names.dedup();
            names.retain(|name| !name.is_empty());
            let choice = |name: &&str| format!("`--hold-out {}`", shell_word(name));
            let choices: Vec<_> = names.iter().map(choice).collect();
            let hint = match (choices.is_empty(), settings.method) {
                (true, Method::Source) => "no image has a known source; `--method folder` holds \
                                           out a folder of each class"
                    .to_owned(),
                (true, _) => "no class folder contains folders of images".to_owned(),
                (false, _) => format!("give {}", choices.join(" or ")),
            };
            return Err::<(), _>(error).hint(hint).usage().expect_err("it is an error");
        }
        SplitError::AllHeldOut { .. } => "add images of this class from other sources or folders",
        SplitError::NoImages | SplitError::FoldCount(_) => return error.into(),
    };
    Failure::from(error).hint(hint)
}

#[derive(Debug, Serialize)]
struct Summary {
    method: String,
    seed: u64,
    train: usize,
    validation: usize,
    test: usize,
    groups: split::GroupCount,
    classes: Vec<Class>,
    /// Groups in both training and test set.
    leaking: Vec<String>,
    /// Number of test images of these groups.
    leaking_test_images: usize,
    /// Number of groups in both validation and test set.
    validated_and_tested: usize,
    /// Number of images without patient ID.
    unknown: usize,
    /// Images whose files are equal byte for byte.
    copies: Copies,
    /// Warnings of copies.
    #[serde(skip)]
    copied: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Class {
    name: String,
    train: usize,
    validation: usize,
    test: usize,
}

impl Summary {
    fn new(
        index: &Index,
        patients: &[Option<String>],
        rows: &Rows,
        settings: &Settings,
        seed: u64,
    ) -> Self {
        let leaks = leaks(patients, &rows.train_test());
        let hashes: Vec<&str> = index.rows.iter().map(|image| image.hash.as_str()).collect();
        let classes: Vec<&str> = index.rows.iter().map(|image| image.class.as_str()).collect();
        let copies = copies(&hashes, &classes, &rows.train, &rows.validation, &rows.test);
        let count_class = |rows: &[usize], class: &str| {
            rows.iter().filter(|row| index.rows[**row].class == class).count()
        };
        let class = |name: &String| Class {
            name: name.clone(),
            train: count_class(&rows.train, name),
            validation: count_class(&rows.validation, name),
            test: count_class(&rows.test, name),
        };
        let method = settings.method.to_possible_value().expect("every method has a name");
        // An image without patient ID is a group of its own.
        let count_groups = |rows: &[usize]| {
            let known: BTreeSet<_> =
                rows.iter().filter_map(|row| patients[*row].as_ref()).collect();
            known.len() + rows.iter().filter(|row| patients[**row].is_none()).count()
        };
        Self {
            method: method.get_name().to_owned(),
            groups: split::GroupCount {
                by: settings.groups.to_string(),
                train: count_groups(&rows.train),
                validation: count_groups(&rows.validation),
                test: count_groups(&rows.test),
                both: leaks.len(),
            },
            seed,
            train: rows.train.len(),
            validation: rows.validation.len(),
            test: rows.test.len(),
            classes: index.classes.iter().map(class).collect(),
            leaking: leaks.iter().map(|leak| leak.group.clone()).collect(),
            leaking_test_images: leaks.iter().map(|leak| leak.test.len()).sum(),
            validated_and_tested: self::leaks(patients, &rows.validation_test()).len(),
            unknown: index.rows.iter().filter(|image| image.patient.is_empty()).count(),
            copied: copied(index, rows, &copies),
            copies,
        }
    }

    fn warn(&self, ctx: &Context) {
        const SHOWN: usize = 12;
        for Class { name, .. } in self.classes.iter().filter(|class| class.test == 0) {
            ctx.ui.warn(format_args!(
                "the test set has no image of `{name}`: performance on this class is unknown"
            ));
        }
        if !self.leaking.is_empty() {
            let named = self.leaking.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>();
            let more = match self.leaking.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            ctx.ui.warn(format_args!(
                "{} in both the training and the test set, with {} of {} test images: {}{more}",
                counted(self.leaking.len(), "patient is", "patients are"),
                self.leaking_test_images,
                self.test,
                named.join(", "),
            ));
        }
        self.copied.iter().for_each(|copied| ctx.ui.warn(copied));
        if self.unknown > 0 && self.groups.by == Grouping::Patient.to_string() {
            ctx.ui.warn(format_args!(
                "{} no patient ID; each is treated as a separate patient, so leakage may be \
                 underestimated",
                counted(self.unknown, "image has", "images have"),
            ));
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, seed, train, validation, test, .. } = self;
        writeln!(f, "{} images split by {method}, seed {seed}", train + validation + test)?;
        let width = self.classes.iter().map(|c| c.name.chars().count()).max().unwrap_or(0).max(5);
        let line =
            |f: &mut fmt::Formatter<'_>, name: &str, [train, validation, test]: [&str; 3]| {
                let middle = match self.validation {
                    0 => String::new(),
                    _ => format!("  {validation:>10}"),
                };
                writeln!(f, "{name:width$}  {train:>6}{middle}  {test:>6}")
            };
        line(f, "class", ["train", "validation", "test"])?;
        for Class { name, train, validation, test } in &self.classes {
            let counts = [train, validation, test].map(ToString::to_string);
            line(f, name, counts.each_ref().map(String::as_str))?;
        }
        let counts = [train, validation, test].map(ToString::to_string);
        line(f, "all", counts.each_ref().map(String::as_str))?;
        write!(f, "patients in both training and test set: {}", self.leaking.len())?;
        if self.leaking.is_empty() {
            let split::GroupCount { train, validation, test, .. } = self.groups;
            write!(f, ", of {train} in training")?;
            if self.validation > 0 {
                write!(f, ", {validation} in validation")?;
            }
            write!(f, " and {test} in test")?;
        }
        if self.validated_and_tested > 0 {
            write!(f, "\npatients in both validation and test set: {}", self.validated_and_tested)?;
        }
        let Copies { in_training, in_validation, in_classes } = &self.copies;
        if !in_training.is_empty() {
            write!(f, "\ntest images with a copy in the training set: {}", in_training.len())?;
        }
        if !in_validation.is_empty() {
            write!(f, "\ntest images with a copy in the validation set: {}", in_validation.len())?;
        }
        if !in_classes.is_empty() {
            write!(f, "\nfiles with copies in several classes: {}", in_classes.len())?;
        }
        Ok(())
    }
}

fn counted(n: usize, singular: &str, plural: &str) -> String {
    format!("{n} {}", if n == 1 { singular } else { plural })
}
