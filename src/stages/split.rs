//! `cxr-split`: splits the images into training, validation and test.

mod copied;

use std::collections::BTreeSet;
use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use self::copied::copied;
use super::check::{Check, Listed};
use super::{Stage, upstream, uses};
use crate::artifact::groups::Grouping;
use crate::artifact::index::{Index, IndexRow};
use crate::artifact::{Document, split};
use crate::cli::{Context, Failure, Flag, Outcome, ResultExt, shell_word};
use crate::dataset::split::{
    ClassOrder, Copies, Given, SplitError, TrainTest, copies, given, hold_out, is_given, leaks,
    set_aside, stratified_group_split, train_test_split,
};
use crate::dataset::words;
use crate::pipeline::Input;

/// `cxr-split`.
pub struct Split;

/// What is dealt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Single images; one patient's may stand on both sides. The tutorial does so.
    Image,
    /// All images of a patient together.
    Group,
    /// The images of one source test, all others train.
    Source,
    /// The images in `<class>/<folder>/` or `<part>/<class>/` test, all others train: a
    /// test set of one's own.
    Folder,
}

/// What becomes of the parts in which a data set comes, such as `train/` and `test/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Parts {
    /// They are the split, unless `method` asks for another one than by image.
    Keep,
    /// All images are split anew.
    New,
}

/// The order in which the classes draw in a split by image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Stratify {
    /// As scikit-learn does with one-hot labels, the tutorial's way.
    OneHot,
    /// As scikit-learn does with plain labels.
    Labels,
}

crate::settings! {
    /// Settings of `cxr-split`: `[split]` in `pipeline.toml`.
    pub struct Settings {
        /// What is dealt: single images, or all images of a patient together; or what is held out
        method: Method = Method::Image,
        /// What tells which images show one patient: `patient`, their ids, or `link`, what cxr-link found
        groups: Grouping = Grouping::Patient,
        /// The source or the folder to test on, with `--method source` or `folder`
        hold_out: String = String::new(),
        /// Whether a data set that comes in parts, `train/` and `test/`, is split as it comes, with `--method image`
        parts: Parts = Parts::Keep,
        /// Share of images to test on
        test_size: f64 = 0.2,
        /// Proportion of the training images to set aside for validation, patient by patient; 0: the test images validate too
        validation: f64 = 0.0,
        /// Form of the labels that scikit-learn would get; decides which class draws first
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
    const ABOUT: &'static str = "Split the images into training, validation and test";
    const READS: &'static str = "index.csv; groups.csv with `groups = \"link\"`";
    const WRITES: &'static str = "split.json";
    const AFTER: &'static [&'static str] = &["preprocess", "link"];
    const USES: &'static [Flag] = uses!(Seed, Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-split --profile tutorial", "As the tutorial does: image by image"),
        ("cxr-split --method group", "No patient on both sides"),
        ("cxr-split --method group --groups link", "Nor a patient under two ids"),
        ("cxr-split --method source --hold-out chest_xray", "Test on another hospital's images"),
        ("cxr-split --method folder --hold-out test", "Test on `<class>/test/`"),
        ("cxr-split --parts new", "Mix the parts `train` and `test` of the data set"),
        ("cxr-split --method group --validation 0.1", "Validation on patients of its own"),
        ("cxr-split --test-size 0.3 --seed 7", "Another draw"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, settings: &Settings) -> Result<Vec<Input>, Failure> {
        let mut inputs = vec![ctx.input("preprocess", "index.csv")];
        inputs.extend(upstream::links(ctx, settings.groups));
        Ok(inputs)
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.two_classes();
        check.expect(settings.check());
        let listed = check.listed.as_ref();
        let tried = listed.map(|listed| settings.try_on(listed, check.ctx.seed));
        check.expect(tried.unwrap_or_else(|| settings.check_hold_out()));
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let job = Self::begin(ctx, &settings)?;
        let index = upstream::index(ctx)?;
        if let [class] = index.classes.as_slice() {
            return Err(Failure::new(format_args!("all images are of one class, `{class}`"))
                .hint("the dataset needs a folder for each class, two at least"));
        }
        let hash = &job.inputs()["preprocess/index.csv"];
        let patients = upstream::patients(ctx, &job, &index, settings.groups)?;
        let explain = |error| explain(error, &index, &settings);
        let given = as_given(&index, &settings).transpose().map_err(explain)?;
        let sides = match &given {
            Some(given) if !given.validation.is_empty() => Ok(Rows::of_given(given)),
            Some(given) => Rows::of(given.sides.clone(), &index, &patients, &settings, ctx.seed),
            None => draw(&index, &patients, &settings, ctx.seed)
                .and_then(|sides| Rows::of(sides, &index, &patients, &settings, ctx.seed)),
        };
        let sides = sides.map_err(explain)?;
        let mut summary = Summary::new(&index, &patients, &sides, &settings, ctx.seed);
        if let Some(given) = &given {
            "parts".clone_into(&mut summary.method);
            state_parts(ctx, given);
        } else {
            state_mixed_parts(ctx, &index, settings.method);
        }
        summary.warn(ctx);

        let document = split::Split {
            schema: split::Split::SCHEMA.to_owned(),
            method: summary.method.clone(),
            seed: ctx.seed,
            test_size: settings.test_size,
            validation_size: settings.validation,
            train: sides.train,
            validation: sides.validation,
            test: sides.test,
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

/// The split in which the data set comes, if it is to be kept.
fn as_given(index: &Index, settings: &Settings) -> Option<Result<Given, SplitError>> {
    let parts: Vec<_> = index.rows.iter().map(|image| words::part(&image.part)).collect();
    let kept = settings.method == Method::Image && settings.parts == Parts::Keep;
    let classes: Vec<&str> = index.rows.iter().map(|image| image.class.as_str()).collect();
    (kept && is_given(&parts)).then(|| given(&classes, &parts))
}

/// States that the parts of the data set are the split.
fn state_parts(ctx: &Context, given: &Given) {
    let test = match given.test_is_validation {
        true => "its validation part, in want of a test part, is the test",
        false if given.validation.is_empty() => "its parts are training and test",
        false => "its parts are training, validation and test",
    };
    ctx.ui.note(format_args!(
        "the data set comes with a split, which is kept: {test}; `--parts new` splits anew"
    ));
    let unused = given.others.len();
    if unused > 0 {
        let verb = if unused == 1 { "is" } else { "are" };
        ctx.ui.warn(format_args!(
            "{} of other parts {verb} neither trained on, validated on nor tested",
            counted(unused, "image", "images")
        ));
    }
}

/// States that the parts of the data set are mixed by this split.
fn state_mixed_parts(ctx: &Context, index: &Index, method: Method) {
    let parts: BTreeSet<&str> = index.rows.iter().map(|image| image.part.as_str()).collect();
    let named: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    if parts.len() < 2 || method == Method::Folder {
        return;
    }
    let first = shell_word(named[0]);
    ctx.ui.note(format_args!(
        "the parts of the data set ({}) are mixed; `--method folder --hold-out {first}` tests on \
         one of them",
        named.join(", ")
    ));
}

/// The hint to a test size that cannot be.
const TEST_SIZE: &str = "`--test-size` is the proportion of images to test on, such as 0.2";

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        if self.test_size > 0.0 && self.test_size < 1.0 {
            return Ok(());
        }
        Err(SplitError::TestShare(self.test_size)).hint(TEST_SIZE).usage()
    }

    /// Whether something is named to hold out, if the method holds out.
    fn check_hold_out(&self) -> Result<(), Failure> {
        match self.method {
            Method::Source | Method::Folder if self.hold_out.is_empty() => {
                let hint = "name the source or the folder to test on with `--hold-out NAME`";
                Err(SplitError::NothingHeldOut).hint(hint).usage()
            }
            _ => Ok(()),
        }
    }

    /// Whether the listed images can be split, as far as that can be told without patients
    /// and, of images that have not been read, without sources.
    fn try_on(&self, listed: &Listed, seed: u64) -> Result<(), Failure> {
        let Listed { index, read } = listed;
        let known = match self.method {
            Method::Image | Method::Folder => true,
            Method::Source => *read,
            Method::Group => false,
        };
        // Settings that are wrong, and a data set of one class, are told of elsewhere.
        if !known || index.classes.len() < 2 || self.check().is_err() {
            return self.check_hold_out();
        }
        let given = as_given(index, self).map(|given| given.map(drop));
        let tried = given.unwrap_or_else(|| draw(index, &[], self, seed).map(drop));
        tried.map_err(|error| explain(error, index, self))
    }
}

/// The rows to train, validate and test on.
struct Rows {
    train: Vec<usize>,
    validation: Vec<usize>,
    test: Vec<usize>,
}

impl Rows {
    /// The parts in which the data set comes, its own validation part among them.
    fn of_given(given: &Given) -> Self {
        let TrainTest { train, test } = given.sides.clone();
        Self { train, validation: given.validation.clone(), test }
    }

    /// The test rows, beside the rows to train on.
    fn train_test(&self) -> TrainTest {
        TrainTest { train: self.train.clone(), test: self.test.clone() }
    }

    /// The test rows, beside the rows to validate on.
    fn validation_test(&self) -> TrainTest {
        TrainTest { train: self.validation.clone(), test: self.test.clone() }
    }

    /// Sets a part of the training rows aside, if a validation part is wanted.
    fn of(
        whole: TrainTest,
        index: &Index,
        patients: &[Option<String>],
        settings: &Settings,
        seed: u64,
    ) -> Result<Self, SplitError> {
        let TrainTest { train, test } = whole;
        if settings.validation == 0.0 {
            return Ok(Self { train, validation: Vec::new(), test });
        }
        let classes: Vec<&str> = index.rows.iter().map(|image| image.class.as_str()).collect();
        let groups = groups(patients);
        let (train, validation) = set_aside(&train, &classes, &groups, settings.validation, seed)?;
        Ok(Self { train, validation, test })
    }
}

/// The group of each image; an image of an unknown patient is a group of its own.
fn groups(patients: &[Option<String>]) -> Vec<(Option<String>, Option<usize>)> {
    let group =
        |(i, patient): (usize, &Option<String>)| (patient.clone(), patient.is_none().then_some(i));
    patients.iter().enumerate().map(group).collect()
}

fn draw(
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
            let side = |image| named.is_some() && side_of(image, settings.method) == named;
            hold_out(&classes, &index.rows.iter().map(side).collect::<Vec<_>>())
        }
    }
}

/// What an image may be held out by: its source, its part, or its folder below the
/// class's.
fn side_of(image: &IndexRow, method: Method) -> Option<&str> {
    match method {
        Method::Source => Some(&image.source),
        _ if !image.part.is_empty() => Some(&image.part),
        _ => image.path.split('/').nth(1).filter(|_| image.path.matches('/').count() > 1),
    }
}

/// The error with a way out.
fn explain(error: SplitError, index: &Index, settings: &Settings) -> Failure {
    let hint = match error {
        SplitError::TestShare(_) | SplitError::GroupTestShare(_) => {
            return Err::<(), _>(error).hint(TEST_SIZE).usage().expect_err("it is an error");
        }
        SplitError::ValidationShare(_) => {
            return Err::<(), _>(error)
                .hint("`--validation` is a proportion of the training images, such as 0.1")
                .usage()
                .expect_err("it is an error");
        }
        SplitError::NoValidation => {
            "add images of more patients, or validate on the test images with `--validation 0`"
        }
        SplitError::TooFewImages { .. } => "add images of this class, or take its folder away",
        SplitError::TooSmall { .. } => "add images, or change `--test-size`",
        SplitError::TooFewGroups { .. } | SplitError::OneSided => {
            "add images of more patients, try another `--seed`, or accept patients on both sides \
             with `--method image`"
        }
        SplitError::NothingHeldOut => {
            let mut sides: Vec<_> =
                index.rows.iter().filter_map(|image| side_of(image, settings.method)).collect();
            sides.sort_unstable();
            sides.dedup();
            sides.retain(|side| !side.is_empty());
            let choice = |side: &&str| format!("`--hold-out {}`", shell_word(side));
            let choices: Vec<_> = sides.iter().map(choice).collect();
            let hint = match (choices.is_empty(), settings.method) {
                (true, Method::Source) => "the source of no image is known: `--method folder` \
                                           holds out a folder of each class"
                    .to_owned(),
                (true, _) => "no class folder holds folders of images".to_owned(),
                (false, _) => format!("give {}", choices.join(" or ")),
            };
            return Err::<(), _>(error).hint(hint).usage().expect_err("it is an error");
        }
        SplitError::AllHeldOut { .. } => "add images of this class from elsewhere",
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
    /// Groups on both sides.
    leaking: Vec<String>,
    /// Test images of those groups.
    leaking_test_images: usize,
    /// Number of groups in both validation and test.
    validated_and_tested: usize,
    /// Images of unknown patients.
    unknown: usize,
    /// Images whose files are equal byte for byte.
    copies: Copies,
    /// What is said of them.
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
        sides: &Rows,
        settings: &Settings,
        seed: u64,
    ) -> Self {
        let leaks = leaks(patients, &sides.train_test());
        let hashes: Vec<&str> = index.rows.iter().map(|image| image.hash.as_str()).collect();
        let classes: Vec<&str> = index.rows.iter().map(|image| image.class.as_str()).collect();
        let copies = copies(&hashes, &classes, &sides.train, &sides.validation, &sides.test);
        let of_class = |rows: &[usize], class: &str| {
            rows.iter().filter(|row| index.rows[**row].class == class).count()
        };
        let class = |name: &String| Class {
            name: name.clone(),
            train: of_class(&sides.train, name),
            validation: of_class(&sides.validation, name),
            test: of_class(&sides.test, name),
        };
        let method = settings.method.to_possible_value().expect("every method has a name");
        // An image of an unknown patient is a group of its own.
        let groups_of = |rows: &[usize]| {
            let known: BTreeSet<_> =
                rows.iter().filter_map(|row| patients[*row].as_ref()).collect();
            known.len() + rows.iter().filter(|row| patients[**row].is_none()).count()
        };
        Self {
            method: method.get_name().to_owned(),
            groups: split::GroupCount {
                by: settings.groups.to_string(),
                train: groups_of(&sides.train),
                validation: groups_of(&sides.validation),
                test: groups_of(&sides.test),
                both: leaks.len(),
            },
            seed,
            train: sides.train.len(),
            validation: sides.validation.len(),
            test: sides.test.len(),
            classes: index.classes.iter().map(class).collect(),
            leaking: leaks.iter().map(|leak| leak.group.clone()).collect(),
            leaking_test_images: leaks.iter().map(|leak| leak.test.len()).sum(),
            validated_and_tested: self::leaks(patients, &sides.validation_test()).len(),
            unknown: index.rows.iter().filter(|image| image.patient.is_empty()).count(),
            copied: copied(index, sides, &copies),
            copies,
        }
    }

    fn warn(&self, ctx: &Context) {
        const SHOWN: usize = 12;
        for Class { name, .. } in self.classes.iter().filter(|class| class.test == 0) {
            ctx.ui.warn(format_args!(
                "no image of `{name}` is tested: how well it is told apart stays unknown"
            ));
        }
        if !self.leaking.is_empty() {
            let named = self.leaking.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>();
            let more = match self.leaking.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            ctx.ui.warn(format_args!(
                "{} on both sides, so {} of {} test images show someone the model learns from: {}{more}",
                counted(self.leaking.len(), "patient stands", "patients stand"),
                self.leaking_test_images,
                self.test,
                named.join(", "),
            ));
        }
        self.copied.iter().for_each(|copied| ctx.ui.warn(copied));
        if self.unknown > 0 && self.groups.by == Grouping::Patient.to_string() {
            ctx.ui.warn(format_args!(
                "{} no known patient: whether {} on both sides cannot be told",
                counted(self.unknown, "image has", "images have"),
                if self.unknown == 1 { "they stand" } else { "those stand" },
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
        write!(f, "patients on both sides: {}", self.leaking.len())?;
        if self.leaking.is_empty() {
            let split::GroupCount { train, validation, test, .. } = self.groups;
            write!(f, ", of {train} in training")?;
            if self.validation > 0 {
                write!(f, ", {validation} in validation")?;
            }
            write!(f, " and {test} in test")?;
        }
        if self.validated_and_tested > 0 {
            write!(f, "\npatients in both validation and test: {}", self.validated_and_tested)?;
        }
        let Copies { in_training, in_validation, in_classes } = &self.copies;
        if !in_training.is_empty() {
            write!(f, "\ntest images whose file is in training too: {}", in_training.len())?;
        }
        if !in_validation.is_empty() {
            write!(f, "\ntest images whose file is in validation too: {}", in_validation.len())?;
        }
        if !in_classes.is_empty() {
            write!(f, "\nfiles that are in several classes: {}", in_classes.len())?;
        }
        Ok(())
    }
}

fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
