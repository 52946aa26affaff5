//! Configuration, paths, seed and user interface of a command.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{Failure, Flag, FromRun, Globals, Known, ResultExt, Ui, hinted, in_range, shell_word};
use crate::artifact::ArtifactError;
use crate::artifact::record::Record;
use crate::io::place::real;
use crate::pipeline::config::{self, Config, ConfigError};
use crate::pipeline::paths::{PLACEHOLDERS, placeholders};
use crate::pipeline::{Input, Job, Lineage, Paths};

/// Settings of stages that are paths.
const PATHS: [&str; 6] = ["source", "output", "metadata", "patient-key", "from", "weights"];

/// Maximum of `threads`; the largest machines have as many cores.
const MAX_THREADS: usize = 1024;

/// Resolved choices of the user: flags override the profile, which overrides the file.
#[derive(Debug, Clone)]
pub struct Context {
    /// Pipeline file with the chosen profile.
    pub config: Config,
    /// Folders of the profile.
    pub paths: Paths,
    /// Seed of every random choice: of the stage in a stage's process, else of the pipeline. A
    /// stage that uses the seed declares [`Flag::Seed`].
    pub seed: u64,
    /// Seed of the pipeline, without overrides of a stage.
    pipeline_seed: u64,
    /// Output to the user.
    pub ui: Ui,
    /// Flags as given, passed on to child processes.
    pub globals: Globals,
    uses: BTreeMap<&'static str, &'static [Flag]>,
    /// Overrides of stages that `cxr run` keeps.
    hand: Table,
}

impl Context {
    /// Resolves the global flags and starts the threads. `known` are all stages, `stage` is the
    /// stage of this process, if any.
    ///
    /// # Errors
    /// If a flag or the pipeline file is wrong, or the threads cannot be started.
    pub fn new(
        globals: Globals,
        ui: Ui,
        known: &[Known],
        stage: Option<&str>,
    ) -> Result<Self, Failure> {
        let profile = globals.profile.as_deref();
        let uses: BTreeMap<_, _> = known.iter().map(|stage| (stage.name, stage.uses)).collect();
        let known: Vec<_> = known.iter().map(|s| (s.name, s.keys())).collect();
        let FromRun { set, hand } = globals.from_run.clone().unwrap_or_default();
        let set = [set, globals.set.clone()].concat();
        let config = Config::load(globals.config.as_deref(), profile, &set, &known);
        let config = config.map_err(hinted(ConfigError::hint)).usage()?;
        let hand = config::parse_set(&hand, &known).map_err(hinted(ConfigError::hint)).usage()?;
        let value = |flag: Option<PathBuf>, key: &str| -> Result<String, Failure> {
            let flag = flag.map(|p| p.to_string_lossy().into_owned());
            Ok(flag.or(config.value(key).usage()?).unwrap_or_else(|| key.to_owned()))
        };
        let artifacts = PathBuf::from(value(globals.artifacts.clone(), "artifacts")?);
        let dataset = value(globals.dataset.clone(), "dataset")?;
        check_template("dataset", &dataset)?;
        if let Some(name) = placeholders(&artifacts.to_string_lossy()).next() {
            return Err(Failure::usage(format_args!(
                "`artifacts` contains the placeholder `{name}`"
            ))
            .hint("write the path without placeholders"));
        }
        let paths = Paths::new(&dataset, artifacts, &config.profile);
        check_overlap(&paths, &known)?;
        // `cxr run --seed` sets the seed of the pipeline, `cxr train --seed` that of the stage.
        let flag = globals.seed.filter(|_| stage.is_none());
        let pipeline_seed = flag.or(config.value("seed").usage()?).unwrap_or(42);
        let own = match stage {
            Some(stage) => config::seed_in(&hand, stage).or(config.seed_of(stage).usage()?),
            None => None,
        };
        let seed = globals.seed.or(own).unwrap_or(pipeline_seed);
        let threads = globals.threads.or(config.value("threads").usage()?).unwrap_or(0);
        in_range("threads", threads, 0..=MAX_THREADS)?;
        start_threads(threads)?;
        Ok(Self { config, paths, seed, pipeline_seed, ui, globals, uses, hand })
    }

    /// Global flags that a stage uses; empty for an unknown stage.
    pub fn uses(&self, stage: &str) -> &'static [Flag] {
        self.uses.get(stage).copied().unwrap_or_default()
    }

    /// Returns a copy with another seed, if one is given.
    #[must_use]
    pub fn with_seed(&self, seed: Option<u64>) -> Self {
        Self { seed: seed.unwrap_or(self.seed), ..self.clone() }
    }

    /// Seed of `stage` without overrides: its own, else the pipeline's; `None` if the stage makes
    /// no random choices.
    ///
    /// # Errors
    /// If the seed in the pipeline file is not a number.
    pub fn seed_of(&self, stage: &str) -> Result<Option<u64>, Failure> {
        if !self.uses(stage).contains(&Flag::Seed) {
            return Ok(None);
        }
        Ok(Some(self.config.seed_of(stage).usage()?.unwrap_or(self.pipeline_seed)))
    }

    /// Settings of a stage, from `pipeline.toml`, its overrides and its flags; the last wins.
    ///
    /// # Errors
    /// If a setting is wrong.
    pub fn settings<S: DeserializeOwned>(
        &self,
        stage: &str,
        flags: &impl Serialize,
    ) -> Result<S, Failure> {
        let mut hand = self.hand.get(stage).and_then(Value::as_table).cloned().unwrap_or_default();
        hand.remove(config::SEED);
        hand.extend(Table::try_from(flags).expect("flags serialise"));
        let merged = self.config.merged(stage, hand);
        for key in PATHS {
            if let Some(path) = merged.get(key).and_then(Value::as_str) {
                check_template(&format!("{stage}.{key}"), path)?;
            }
        }
        self.config.typed(stage, merged).usage()
    }

    /// Overrides: settings of a stage, including its seed, that differ from `pipeline.toml`.
    fn overrides(&self, stage: &str, settings: &impl Serialize) -> Result<Table, Failure> {
        let own = Table::try_from(settings).expect("settings serialise");
        let file: Table = self.config.settings(stage, Table::new()).usage()?;
        let differs = |(key, value): &(String, Value)| {
            file.get(key).is_none_or(|other| !config::same(other, value))
        };
        let mut hand: Table = own.into_iter().filter(differs).collect();
        if let Some(seed) = self.seed_of(stage)?
            && seed != self.seed
            && let Ok(own) = i64::try_from(self.seed)
        {
            hand.insert(config::SEED.to_owned(), own.into());
        }
        Ok(hand)
    }

    /// Starts a stage that writes to `folder`.
    ///
    /// # Errors
    /// If an input is missing (with a hint that creates it), in `folder`, or differs from the
    /// record of its stage, or if a file cannot be read or written.
    pub fn job(
        &self,
        stage: &str,
        folder: &Path,
        settings: &impl Serialize,
        inputs: &[Input],
    ) -> Result<Job, Failure> {
        self.check_no_input_in(stage, folder, inputs)?;
        if let Some(missing) = inputs.iter().find(|i| !i.optional && !i.path.exists()) {
            let error = Failure::new(format_args!("there is no `{}`", missing.path.display()));
            return Err(match self.maker(missing) {
                Some((stage, _)) => error.hint(self.rerun(stage)),
                None => error,
            });
        }
        let seed = self.uses(stage).contains(&Flag::Seed).then_some(self.seed);
        let dataset = self.uses(stage).contains(&Flag::Dataset);
        let job = Job::begin(stage, folder, settings, seed, inputs)
            .hint(
                "check that the files are readable, the folder is writable and the disk has room",
            )?
            .by_hand(self.overrides(stage, settings)?)
            .on_dataset(dataset.then(|| self.paths.dataset_template()))
            .locked_in(&self.paths);
        self.verify(&job, inputs)?;
        Ok(job)
    }

    /// Refuses an output folder that contains inputs of the same stage: publishing removes files
    /// of the last execution that were not written again.
    fn check_no_input_in(
        &self,
        stage: &str,
        folder: &Path,
        inputs: &[Input],
    ) -> Result<(), Failure> {
        let folder = real(folder);
        let parents: BTreeSet<&Path> = inputs.iter().filter_map(|i| i.path.parent()).collect();
        match parents.into_iter().find(|parent| real(parent).starts_with(&folder)) {
            Some(parent) => Err(Failure::new(format_args!(
                "`{stage}` would read from `{}` and write to `{}`, which contains it",
                parent.display(),
                folder.display()
            ))
            .hint("choose another folder with `--artifacts`")
            .hint("choose another folder with `--dataset`")
            .hint("choose another folder with `--output`")),
            None => Ok(()),
        }
    }

    /// Refuses inputs that differ from the record of the stage that wrote them.
    fn verify(&self, job: &Job, inputs: &[Input]) -> Result<(), Failure> {
        let mut records = BTreeMap::new();
        for input in inputs {
            let Some((stage, file)) = self.maker(input) else { continue };
            if !records.contains_key(stage) {
                let record = Record::find(&self.paths.stage(stage));
                records.insert(stage, record.map_err(|error| self.unusable(stage, error))?);
            }
            if let Some(record) = &records[stage]
                && let Some(now) = job.inputs().get(&input.name)
            {
                let checked = record.check_output(&self.paths.stage(stage), file, now);
                checked.map_err(|error| self.unusable(stage, error))?;
            }
        }
        Ok(())
    }

    /// Failure for an unusable artifact of `stage`, with the command that creates it again.
    pub fn unusable(&self, stage: &str, error: ArtifactError) -> Failure {
        let more_hint = error.hint();
        let failure = Failure::from(error).hint(self.rerun(stage));
        more_hint.into_iter().fold(failure, Failure::hint)
    }

    /// Paths with the data set of the last run of `stage`, which may differ from the present
    /// one; `None` if not recorded.
    pub fn paths_of(&self, stage: &str) -> Option<Paths> {
        let dataset = Record::find(&self.paths.stage(stage)).ok()??.dataset?;
        Some(Paths::new(&dataset, self.paths.artifacts.clone(), &self.paths.profile))
    }

    /// Stage that writes an input, and the file name in the stage's folder; `None` for a file
    /// from outside the pipeline.
    pub fn maker<'a>(&self, input: &'a Input) -> Option<(&'a str, &'a str)> {
        let (stage, file) = input.name.split_once('/')?;
        (self.artifact(stage, file) == input.path).then_some((stage, file))
    }

    /// File `name` of the stage `stage`, as input of another stage.
    pub fn input(&self, stage: &str, name: &str) -> Input {
        Input::file(format!("{stage}/{name}"), self.artifact(stage, name))
    }

    /// Path of the file `name` of the stage `stage`.
    pub fn artifact(&self, stage: &str, name: &str) -> PathBuf {
        self.paths.stage(stage).join(name)
    }

    /// Reads the artifact `name` of `stage` with `read`.
    ///
    /// # Errors
    /// If the artifact is missing or malformed, with the command that creates it again.
    pub fn read<T>(
        &self,
        stage: &str,
        name: &str,
        read: impl FnOnce(&Path) -> Result<T, ArtifactError>,
    ) -> Result<T, Failure> {
        crate::io::staging::recover(&self.paths.stage(stage))?;
        read(&self.artifact(stage, name)).map_err(|error| self.unusable(stage, error))
    }

    /// Determines which of `stages` have consistent files. Warns of every other stage, with the
    /// command that creates its files again.
    pub fn lineage(&self, stages: &[&str]) -> Lineage {
        let lineage = Lineage::read(stages, |stage| self.paths.stage(stage));
        lineage.left_out().for_each(|(stage, why)| self.warn_left_out(stage, why));
        lineage
    }

    /// Warns that the output of `stage` is left out, with the command that creates it again.
    pub fn warn_left_out(&self, stage: &str, why: &str) {
        let rerun = self.rerun(stage);
        self.ui.warn(format_args!("the output of `cxr {stage}` is left out: {why}; {rerun} again"));
    }

    /// Size limit of the feature cache in bytes, from `cache-limit` in MiB.
    ///
    /// # Errors
    /// If `cache-limit` is not a number.
    pub fn cache_limit(&self) -> Result<u64, Failure> {
        let limit: u64 = self.config.value("cache-limit").usage()?.unwrap_or(4096);
        Ok(limit.saturating_mul(1 << 20))
    }

    /// Hint with the command that creates the files of `stage`.
    pub fn rerun(&self, stage: &str) -> String {
        let set = self.config.set_for(stage);
        let mut command = match set.is_empty() {
            true => format!("run `cxr {stage}"),
            // `cxr run` takes `--set`, a stage does not.
            false => format!("run `cxr run --until {stage}"),
        };
        command += &format!(" --profile {}", shell_word(&self.config.profile));
        for (flag, path) in [
            (Flag::Dataset, &self.globals.dataset),
            (Flag::Artifacts, &self.globals.artifacts),
            (Flag::Config, &self.globals.config),
        ] {
            if let Some(path) = path.as_ref().filter(|_| self.uses(stage).contains(&flag)) {
                command += &format!(" --{} {}", flag.name(), shell_word(path.display()));
            }
        }
        for item in config::to_items(&set) {
            command += &format!(" --set {}", shell_word(item));
        }
        command + "` to create it"
    }
}

/// Starts the thread pool of this process; 0 starts one thread per core.
fn start_threads(threads: usize) -> Result<(), Failure> {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        // An error without source means that the pool exists, as in tests, which share it.
        Err(error) if error.source().is_some() => {
            let wanted = if threads == 0 { "threads".into() } else { format!("{threads} threads") };
            Err(error)
                .context(format!("cannot start {wanted}"))
                .hint("use fewer `--threads`")
                .hint("raise the limits of memory and processes (`ulimit -v`, `ulimit -u`)")
        }
        _ => Ok(()),
    }
}

/// Refuses a path with a placeholder that is unknown or not a whole path component.
fn check_template(key: &str, path: &str) -> Result<(), Failure> {
    let known = |name: &&str| PLACEHOLDERS.contains(name);
    let Some(name) =
        placeholders(path).find(|name| !known(name) || !path.split('/').any(|p| p == *name))
    else {
        return Ok(());
    };
    let known = PLACEHOLDERS.join("`, `");
    Err(Failure::usage(format_args!(
        "`{key}` contains the unusable placeholder `{name}`: `{path}`"
    ))
    .hint(format_args!("use `{known}`, each as a whole part of the path between `/`")))
}

/// Refuses artifacts inside the dataset, where they would be a class, and a dataset inside
/// the folder of a stage, which would remove it.
fn check_overlap(paths: &Paths, known: &[(&str, Table)]) -> Result<(), Failure> {
    let (dataset, artifacts) = (real(&paths.dataset), real(&paths.artifacts));
    let hidden = |below: &Path| below.to_string_lossy().starts_with('.');
    let within = artifacts.strip_prefix(&dataset).is_ok_and(|below| !hidden(below));
    let stage = known.iter().map(|(name, _)| real(&paths.stage(name)));
    let cache = real(&paths.features_cache());
    let crossing = stage.chain([cache]).find(|folder| {
        dataset.starts_with(folder)
            || folder.strip_prefix(&dataset).is_ok_and(|below| !within && !hidden(below))
    });
    let wrong = match crossing {
        _ if within => format!(
            "the artifacts folder `{}` is inside the dataset folder `{}`",
            paths.artifacts.display(),
            paths.dataset.display()
        ),
        Some(folder) => format!(
            "the dataset folder `{}` and `{}`, where artifacts are written, overlap",
            paths.dataset.display(),
            folder.display()
        ),
        None => return Ok(()),
    };
    Err(Failure::usage(wrong)
        .hint("choose folders that do not contain each other")
        .hint("choose another artifacts folder with `--artifacts`")
        .hint("choose another data set with `--dataset`"))
}
