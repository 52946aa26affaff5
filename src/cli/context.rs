//! What a stage is given to work with.

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

/// The settings of stages that are paths.
const PATHS: [&str; 6] = ["source", "output", "metadata", "patient-key", "from", "weights"];

/// The most threads that can be asked for; the largest machines have as many cores.
const MAX_THREADS: usize = 1024;

/// The choices of the user, resolved: flags, then the profile, then the file.
#[derive(Debug, Clone)]
pub struct Context {
    /// The pipeline file with its profile.
    pub config: Config,
    /// Where files lie.
    pub paths: Paths,
    /// The seed that every random choice derives from: of the stage, in a stage's process,
    /// else of the pipeline. A stage that reads it declares [`Flag::Seed`].
    pub seed: u64,
    /// The seed of the pipeline, whatever was given to a stage by hand.
    pipeline_seed: u64,
    /// How to talk to the user.
    pub ui: Ui,
    /// The flags as given, to hand on to children.
    pub globals: Globals,
    uses: BTreeMap<&'static str, &'static [Flag]>,
    /// Settings that `cxr run` keeps of stages which were run by hand.
    hand: Table,
}

impl Context {
    /// Resolves the global flags and sets the number of threads. `known` are
    /// the stages, `stage` is the one whose process this is, if any.
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
            return Err(Failure::usage(format_args!("`artifacts` holds the placeholder `{name}`"))
                .hint("write the path without placeholders"));
        }
        let paths = Paths::new(&dataset, artifacts, &config.profile);
        apart(&paths, &known)?;
        // `cxr run --seed` is of the whole pipeline, `cxr train --seed` of one stage.
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

    /// The global flags that a stage uses; none of a stage that is not known.
    pub fn uses(&self, stage: &str) -> &'static [Flag] {
        self.uses.get(stage).copied().unwrap_or_default()
    }

    /// The same with the seed of a stage, if it has one.
    #[must_use]
    pub fn with_seed(&self, seed: Option<u64>) -> Self {
        Self { seed: seed.unwrap_or(self.seed), ..self.clone() }
    }

    /// The seed that `stage` uses if nobody runs it by hand: its own, else the pipeline's;
    /// none if it makes no random choices.
    ///
    /// # Errors
    /// For a seed in the pipeline file that is no number.
    pub fn seed_of(&self, stage: &str) -> Result<Option<u64>, Failure> {
        if !self.uses(stage).contains(&Flag::Seed) {
            return Ok(None);
        }
        Ok(Some(self.config.seed_of(stage).usage()?.unwrap_or(self.pipeline_seed)))
    }

    /// A stage's settings: `pipeline.toml`, then what is kept of its last run by hand, then
    /// its flags.
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

    /// Those of a stage's settings, its seed among them, that `pipeline.toml` has otherwise:
    /// they were given by hand.
    fn by_hand(&self, stage: &str, settings: &impl Serialize) -> Result<Table, Failure> {
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

    /// Starts a stage that writes to `folder`; an input that is not there comes
    /// with the command that makes it.
    pub fn job(
        &self,
        stage: &str,
        folder: &Path,
        settings: &impl Serialize,
        inputs: &[Input],
    ) -> Result<Job, Failure> {
        self.check_no_input_in(stage, folder, inputs)?;
        if let Some(gone) = inputs.iter().find(|i| !i.optional && !i.path.exists()) {
            let error = Failure::new(format_args!("there is no `{}`", gone.path.display()));
            return Err(match self.maker(gone) {
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
            .by_hand(self.by_hand(stage, settings)?)
            .on_dataset(dataset.then(|| self.paths.dataset_template()))
            .locked_in(&self.paths);
        self.verify(&job, inputs)?;
        Ok(job)
    }

    /// Refuses an output folder that holds inputs of the same stage: the files of the last
    /// execution are removed when they are not written again.
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
                "`{stage}` would read from `{}` and write to `{}`, which holds it",
                parent.display(),
                folder.display()
            ))
            .hint("name another folder with `--artifacts`")
            .hint("name another folder with `--dataset`")
            .hint("name another folder with `--output`")),
            None => Ok(()),
        }
    }

    /// Refuses files that are not what their stage wrote: a flipped bit is not
    /// data.
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

    /// The failure for an artifact of `stage` that cannot be used, with the command that
    /// makes it anew.
    pub fn unusable(&self, stage: &str, error: ArtifactError) -> Failure {
        let other_way = error.hint();
        let failure = Failure::from(error).hint(self.rerun(stage));
        other_way.into_iter().fold(failure, Failure::hint)
    }

    /// The paths with the data set that `stage` read when it last ran, which may be another
    /// than the one that is given now; none if that is not on record.
    pub fn paths_of(&self, stage: &str) -> Option<Paths> {
        let dataset = Record::find(&self.paths.stage(stage)).ok()??.dataset?;
        Some(Paths::new(&dataset, self.paths.artifacts.clone(), &self.paths.profile))
    }

    /// The stage that writes an input, and its name there; `None` for what comes
    /// from outside the pipeline.
    pub fn maker<'a>(&self, input: &'a Input) -> Option<(&'a str, &'a str)> {
        let (stage, file) = input.name.split_once('/')?;
        (self.artifact(stage, file) == input.path).then_some((stage, file))
    }

    /// The file `name` of the stage `stage`, as another stage's input.
    pub fn input(&self, stage: &str, name: &str) -> Input {
        Input::file(format!("{stage}/{name}"), self.artifact(stage, name))
    }

    /// The file `name` that the stage `stage` wrote.
    pub fn artifact(&self, stage: &str, name: &str) -> PathBuf {
        self.paths.stage(stage).join(name)
    }

    /// Reads an artifact of `stage` with `read`; what is missing or broken comes
    /// with the command that makes it anew.
    pub fn read<T>(
        &self,
        stage: &str,
        name: &str,
        read: impl FnOnce(&Path) -> Result<T, ArtifactError>,
    ) -> Result<T, Failure> {
        crate::io::staging::recover(&self.paths.stage(stage))?;
        read(&self.artifact(stage, name)).map_err(|error| self.unusable(stage, error))
    }

    /// Which of `stages` have files that belong together. Warns of each that does not, with
    /// the command that makes its files anew.
    pub fn lineage(&self, stages: &[&str]) -> Lineage {
        let lineage = Lineage::read(stages, |stage| self.paths.stage(stage));
        lineage.left_out().for_each(|(stage, why)| self.warn_left_out(stage, why));
        lineage
    }

    /// Warns that what `stage` wrote is left out, with the command that makes it anew.
    pub fn warn_left_out(&self, stage: &str, why: &str) {
        let rerun = self.rerun(stage);
        self.ui.warn(format_args!("what `cxr {stage}` wrote is left out: {why}; {rerun} anew"));
    }

    /// How many bytes of features may be kept: `cache-limit`, in mebibytes.
    pub fn cache_limit(&self) -> Result<u64, Failure> {
        let limit: u64 = self.config.value("cache-limit").usage()?.unwrap_or(4096);
        Ok(limit.saturating_mul(1 << 20))
    }

    /// The hint that names the command which makes the files of `stage`.
    pub fn rerun(&self, stage: &str) -> String {
        let set = self.config.set_for(stage);
        let mut command = match set.is_empty() {
            true => format!("run `cxr {stage}"),
            // A stage takes its settings as flags of its own; `cxr run` takes those of all.
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
        command + "` to make it"
    }
}

/// Starts the thread pool of this process; 0 for a thread per core.
fn start_threads(threads: usize) -> Result<(), Failure> {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        // Without a source: the pool is there already. The first call of a process
        // decides; tests share one.
        Err(error) if error.source().is_some() => {
            let wanted = if threads == 0 { "threads".into() } else { format!("{threads} threads") };
            Err(error)
                .context(format!("cannot start {wanted}"))
                .hint("take fewer `--threads`")
                .hint("raise the limits of memory and processes (`ulimit -v`, `ulimit -u`)")
        }
        _ => Ok(()),
    }
}

/// Refuses a path with a placeholder that is not known, or that is not a whole part of it.
fn check_template(key: &str, path: &str) -> Result<(), Failure> {
    let known = |name: &&str| PLACEHOLDERS.contains(name);
    let Some(name) =
        placeholders(path).find(|name| !known(name) || !path.split('/').any(|p| p == *name))
    else {
        return Ok(());
    };
    let known = PLACEHOLDERS.join("`, `");
    Err(Failure::usage(format_args!("`{key}` holds the placeholder `{name}`: `{path}`"))
        .hint(format_args!("known are `{known}`, each a whole part of the path between `/`")))
}

/// Refuses artifacts inside the dataset, where they would be a class, and a dataset inside
/// the folder of a stage, where the stage would remove it.
fn apart(paths: &Paths, known: &[(&str, Table)]) -> Result<(), Failure> {
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
        .hint("name folders apart from each other")
        .hint("name another folder of artifacts with `--artifacts`")
        .hint("name another data set with `--dataset`"))
}
