//! Reasons for a stage to run again, from the comparison of its record with the present settings
//! and files.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Input;
use crate::artifact::record::Record;
use crate::artifact::{ArtifactError, Document};
use crate::io::atomic::FileError;
use crate::io::staging::{RECORD, recover};
use crate::io::stat::StatCache;

/// Present settings and inputs of a stage.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Output folder.
    pub folder: PathBuf,
    /// Settings.
    pub params: Value,
    /// Seed; `None` if the stage makes no random choices.
    pub seed: Option<u64>,
    /// Files that the stage reads.
    pub inputs: Vec<Input>,
}

/// Reason for a stage to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The stage has no record.
    NeverRun,
    /// The record cannot be read.
    BadRecord(String),
    /// The version of the program has changed: old, new.
    Program(String, &'static str),
    /// A setting has changed: key, old value, new value.
    Param(String, String, String),
    /// The seed has changed: old (`None` if not recorded), new.
    Seed(Option<u64>, u64),
    /// An input is new.
    InputAdded(String),
    /// An input no longer exists.
    InputRemoved(String),
    /// The content of an input has changed.
    InputChanged(String),
    /// An input is not a file.
    InputNoFile(String),
    /// An output is not a file.
    OutputNoFile(String),
    /// An output no longer exists.
    OutputMissing(String),
    /// The content of an output has changed.
    OutputChanged(String),
    /// The settings or inputs cannot be used.
    Unreadable(String),
    /// The user gave `--force`.
    Forced,
    /// A stage that it depends on has to run first.
    After(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRun => write!(f, "never run"),
            Self::BadRecord(why) => write!(f, "record unreadable: {why}"),
            Self::Program(old, new) => write!(f, "program {old} -> {new}"),
            Self::Param(key, old, new) => write!(f, "params.{key} {old} -> {new}"),
            Self::Seed(Some(old), new) => write!(f, "seed {old} -> {new}"),
            Self::Seed(None, new) => write!(f, "seed none -> {new}"),
            Self::InputAdded(name) => write!(f, "input {name} added"),
            Self::InputRemoved(name) => write!(f, "input {name} removed"),
            Self::InputChanged(name) => write!(f, "input {name} changed"),
            Self::InputNoFile(name) => write!(f, "input {name} is not a file"),
            Self::OutputNoFile(name) => write!(f, "output {name} is not a file"),
            Self::OutputMissing(name) => write!(f, "output {name} missing"),
            Self::OutputChanged(name) => write!(f, "output {name} changed"),
            Self::Unreadable(why) => write!(f, "{why}"),
            Self::Forced => write!(f, "forced"),
            Self::After(stage) => write!(f, "after {stage}"),
        }
    }
}

/// Reasons in one line: the first three, and the number of further reasons.
pub fn summary(reasons: &[Reason]) -> String {
    let shown: Vec<_> = reasons.iter().take(3).map(ToString::to_string).collect();
    let more = reasons.len().saturating_sub(shown.len());
    let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
    shown.join(", ") + &rest
}

/// Compares the record of a stage with its present settings and files. Returns the reasons to
/// run (none if the stage is fresh) and the record, if it exists. Files are compared by hash;
/// `stats` supplies the hashes of files whose size and times are unchanged.
///
/// # Errors
/// If a file cannot be read.
pub fn examine(
    wanted: &Wanted,
    stats: &mut StatCache,
) -> Result<(Vec<Reason>, Option<Record>), FileError> {
    recover(&wanted.folder)?;
    let record = match Record::read(&wanted.folder.join(RECORD)) {
        Ok(record) => record,
        Err(ArtifactError::Missing { .. }) => return Ok((vec![Reason::NeverRun], None)),
        Err(e) => return Ok((vec![Reason::BadRecord(e.to_string())], None)),
    };
    let mut reasons = Vec::new();
    let program = env!("CARGO_PKG_VERSION");
    if record.program != program {
        reasons.push(Reason::Program(record.program.clone(), program));
    }
    if let Some(seed) = wanted.seed
        && record.seed != Some(seed)
    {
        reasons.push(Reason::Seed(record.seed, seed));
    }
    compare_params("", &record.params, &wanted.params, &mut reasons);
    compare_inputs(&record, wanted, stats, &mut reasons)?;
    compare_outputs(&record, &wanted.folder, stats, &mut reasons)?;
    Ok((reasons, Some(record)))
}

fn compare_params(prefix: &str, old: &Value, new: &Value, reasons: &mut Vec<Reason>) {
    if let (Value::Object(a), Value::Object(b)) = (old, new) {
        let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
        for key in keys {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            let side = |table: &serde_json::Map<_, _>| table.get(key).cloned().unwrap_or_default();
            compare_params(&path, &side(a), &side(b), reasons);
        }
    } else if old != new {
        let shown = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        reasons.push(Reason::Param(prefix.to_owned(), shown(old), shown(new)));
    }
}

fn compare_inputs(
    record: &Record,
    wanted: &Wanted,
    stats: &mut StatCache,
    reasons: &mut Vec<Reason>,
) -> Result<(), FileError> {
    let there = wanted.inputs.iter().filter(|i| i.path.exists());
    let (here, other): (Vec<&Input>, Vec<&Input>) = there.partition(|i| i.path.is_file());
    reasons.extend(other.iter().map(|i| Reason::InputNoFile(i.name.clone())));
    let now = Input::hashes(&here, stats)?;
    for (name, hash) in &now {
        match record.inputs.get(name) {
            None => reasons.push(Reason::InputAdded(name.clone())),
            Some(then) if then != hash => reasons.push(Reason::InputChanged(name.clone())),
            Some(_) => {}
        }
    }
    let is_there = |name: &str| now.contains_key(name) || other.iter().any(|i| i.name == name);
    let gone = record.inputs.keys().filter(|name| !is_there(name));
    reasons.extend(gone.cloned().map(Reason::InputRemoved));
    Ok(())
}

fn compare_outputs(
    record: &Record,
    folder: &Path,
    stats: &mut StatCache,
    reasons: &mut Vec<Reason>,
) -> Result<(), FileError> {
    let (there, gone): (Vec<_>, Vec<_>) =
        record.outputs.iter().partition(|(name, _)| folder.join(name).exists());
    let (here, other): (Vec<_>, Vec<_>) =
        there.into_iter().partition(|(name, _)| folder.join(name).is_file());
    reasons.extend(other.into_iter().map(|(name, _)| Reason::OutputNoFile(name.clone())));
    reasons.extend(gone.into_iter().map(|(name, _)| Reason::OutputMissing(name.clone())));
    let paths: Vec<PathBuf> = here.iter().map(|(name, _)| folder.join(name)).collect();
    let hashes = stats.hashes(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let changed = here.into_iter().zip(hashes).filter(|((_, then), now)| *then != now);
    reasons.extend(changed.map(|((name, _), _)| Reason::OutputChanged(name.clone())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::atomic::write;
    use crate::pipeline::Job;

    /// Runs a stage with `epochs` on one input.
    fn run(dir: &Path) -> Wanted {
        write(&dir.join("in/a.png"), b"image").unwrap();
        let wanted = Wanted {
            folder: dir.join("train"),
            params: serde_json::json!({"epochs": 25, "mode": "x"}),
            seed: Some(42),
            inputs: Input::folder("in", &dir.join("in")).unwrap(),
        };
        let job = Job::begin("train", &wanted.folder, &wanted.params, wanted.seed, &wanted.inputs)
            .unwrap();
        write(&job.path("model").unwrap(), b"weights").unwrap();
        job.publish().unwrap();
        wanted
    }

    fn reason_texts(wanted: &Wanted) -> Vec<String> {
        let (reasons, _) = examine(wanted, &mut StatCache::default()).unwrap();
        reasons.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_unchanged_stage_is_fresh() {
        let dir = tempfile::tempdir().unwrap();
        assert!(reason_texts(&run(dir.path())).is_empty());
    }

    #[test]
    fn a_recorded_seed_of_a_stage_without_random_choices_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = Wanted { seed: None, ..run(dir.path()) };
        assert!(reason_texts(&wanted).is_empty(), "a record that has a seed, as older ones do");
    }

    #[test]
    fn every_change_is_a_reason_with_old_and_new_value() {
        let dir = tempfile::tempdir().unwrap();
        let mut wanted = run(dir.path());
        wanted.params["epochs"] = 30.into();
        wanted.params["mode"] = "y".into();
        wanted.seed = Some(7);
        write(&dir.path().join("in/b.png"), b"new").unwrap();
        write(&dir.path().join("in/a.png"), b"other").unwrap();
        wanted.inputs = Input::folder("in", &dir.path().join("in")).unwrap();
        write(&wanted.folder.join("model"), b"flipped").unwrap();
        let expected = [
            "seed 42 -> 7",
            "params.epochs 25 -> 30",
            "params.mode x -> y",
            "input in/a.png changed",
            "input in/b.png added",
            "output model changed",
        ];
        assert_eq!(reason_texts(&wanted), expected);
        std::fs::remove_file(wanted.folder.join("model")).unwrap();
        wanted.inputs.clear();
        assert!(reason_texts(&wanted).contains(&"input in/a.png removed".to_owned()));
        assert!(reason_texts(&wanted).contains(&"output model missing".to_owned()));
    }

    #[test]
    fn a_stage_is_fresh_without_an_optional_input_that_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        // Reading a folder fails for every user, as an unreadable file would.
        let unreadable = Input::file("in/b.png", dir.path());
        let mut wanted = run(dir.path());
        wanted.inputs.push(unreadable.clone().optional());
        let begin = |wanted: &Wanted| {
            Job::begin("train", &wanted.folder, &wanted.params, wanted.seed, &wanted.inputs)
        };
        let job = begin(&wanted).unwrap();
        assert_eq!(job.inputs().keys().collect::<Vec<_>>(), ["in/a.png"]);
        let stats = &mut StatCache::default();
        let hashes = Input::hashes(&wanted.inputs.iter().collect::<Vec<_>>(), stats).unwrap();
        assert_eq!(&hashes, job.inputs());
        *wanted.inputs.last_mut().unwrap() = unreadable;
        assert!(begin(&wanted).is_err());
    }

    #[test]
    fn a_folder_in_place_of_a_file_is_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = run(dir.path());
        for file in ["in/a.png", "train/model"] {
            std::fs::remove_file(dir.path().join(file)).unwrap();
            std::fs::create_dir(dir.path().join(file)).unwrap();
        }
        assert_eq!(
            reason_texts(&wanted),
            ["input in/a.png is not a file", "output model is not a file"]
        );
    }

    #[test]
    fn a_broken_or_missing_record_is_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = run(dir.path());
        write(&wanted.folder.join(RECORD), b"{").unwrap();
        assert!(reason_texts(&wanted)[0].starts_with("record unreadable: "));
        std::fs::remove_file(wanted.folder.join(RECORD)).unwrap();
        assert_eq!(reason_texts(&wanted), ["never run"]);
    }

    #[test]
    fn long_lists_are_shortened() {
        let reasons: Vec<_> = (0..5).map(|i| Reason::InputAdded(format!("{i}"))).collect();
        assert_eq!(summary(&reasons), "input 0 added, input 1 added, input 2 added, and 2 more");
    }
}
