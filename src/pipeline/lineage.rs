//! Consistency of the files of several stages, by the hashes in their records. A report must not
//! mix results of different models.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::artifact::Document;
use crate::artifact::record::Record;
use crate::io::hash;
use crate::io::staging::{RECORD, recover};

/// Stages of a profile whose files are consistent with the stages that they depend on.
///
/// A stage is consistent if every file that it read from another stage is unchanged, and that
/// stage is consistent. A stage is also consistent without a record, or if the folder that it
/// read was removed: nothing contradicts it.
#[derive(Debug, Default)]
pub struct Lineage {
    /// Reason for each inconsistent stage, by name.
    left_out: BTreeMap<String, String>,
}

impl Lineage {
    /// Reads the records of `stages`; `folder` returns the folder of a stage.
    pub fn read<S: AsRef<str>>(stages: &[S], folder: impl Fn(&str) -> PathBuf) -> Self {
        let record = |stage: &str| {
            let folder = folder(stage);
            recover(&folder).ok()?;
            Record::read(&folder.join(RECORD)).ok()
        };
        let names = stages.iter().map(AsRef::as_ref);
        let records: BTreeMap<&str, Record> =
            names.filter_map(|name| Some((name, record(name)?))).collect();
        let hash_now = |stage: &str, file: &str| {
            let written = records.get(stage).and_then(|record| record.outputs.get(file));
            written.cloned().or_else(|| hash::file(&folder(stage).join(file)).ok())
        };
        let mut known = BTreeMap::new();
        for stage in records.keys() {
            inconsistency(stage, &records, &hash_now, &mut known);
        }
        let left_out = known.into_iter().filter_map(|(stage, why)| Some((stage, why?)));
        Self { left_out: left_out.collect() }
    }

    /// Returns true if `stage` is consistent.
    pub fn belongs(&self, stage: &str) -> bool {
        !self.left_out.contains_key(stage)
    }

    /// Marks `stage` as inconsistent for another reason.
    pub fn leave_out(&mut self, stage: &str, why: String) {
        self.left_out.insert(stage.to_owned(), why);
    }

    /// Names of the inconsistent stages, with the reasons.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, &str)> {
        self.left_out.iter().map(|(stage, why)| (stage.as_str(), why.as_str()))
    }
}

/// Returns the reason why `stage` is inconsistent, `None` if it is consistent. Adds the result to
/// `known`, also for the stages that it depends on.
fn inconsistency(
    stage: &str,
    records: &BTreeMap<&str, Record>,
    hash_now: &impl Fn(&str, &str) -> Option<String>,
    known: &mut BTreeMap<String, Option<String>>,
) -> Option<String> {
    if let Some(why) = known.get(stage) {
        return why.clone();
    }
    // Records that depend on each other in a cycle are not an inconsistency.
    known.insert(stage.to_owned(), None);
    let mut why = None;
    for (name, read) in records.get(stage).into_iter().flat_map(|record| &record.inputs) {
        let Some((origin, file)) = name.split_once('/') else { continue };
        if origin == stage {
            continue;
        }
        why = match hash_now(origin, file) {
            Some(now) if now != *read => Some(format!("it was made from another `{name}`")),
            None if records.contains_key(origin) => {
                Some(format!("it was made from `{name}`, which no longer exists"))
            }
            _ => inconsistency(origin, records, hash_now, known)
                .map(|_| format!("it was made from `{name}`, which is left out, too")),
        };
        if why.is_some() {
            break;
        }
    }
    known.insert(stage.to_owned(), why.clone());
    why
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::atomic::write;
    use crate::pipeline::{Input, Job};
    use std::path::Path;

    const STAGES: [&str; 3] = ["train", "evaluate", "plot"];

    /// Runs a stage that reads files of other stages and writes a file.
    fn run(dir: &Path, stage: &str, from: &[(&str, &str)], text: &str) {
        let inputs: Vec<Input> = from
            .iter()
            .map(|(stage, file)| Input::file(format!("{stage}/{file}"), dir.join(stage).join(file)))
            .collect();
        let job = Job::begin(stage, &dir.join(stage), &text, None, &inputs).unwrap();
        write(&job.path("out").unwrap(), text.as_bytes()).unwrap();
        job.publish().unwrap();
    }

    fn left_out(dir: &Path) -> Vec<(String, String)> {
        let lineage = Lineage::read(&STAGES, |stage| dir.join(stage));
        lineage.left_out().map(|(stage, why)| (stage.to_owned(), why.to_owned())).collect()
    }

    #[test]
    fn a_stage_with_a_changed_input_is_left_out_with_its_dependents() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        run(dir, "train", &[], "a");
        run(dir, "evaluate", &[("train", "out")], "b");
        run(dir, "plot", &[("evaluate", "out")], "c");
        assert_eq!(left_out(dir), []);
        run(dir, "train", &[], "another");
        let expected = [
            ("evaluate", "it was made from another `train/out`"),
            ("plot", "it was made from `evaluate/out`, which is left out, too"),
        ];
        assert_eq!(left_out(dir), expected.map(|(stage, why)| (stage.into(), why.into())));
        run(dir, "evaluate", &[("train", "out")], "b");
        assert_eq!(left_out(dir), [], "evaluate wrote the same bytes, so plot is unchanged");
    }

    #[test]
    fn stages_without_a_record_are_consistent() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        run(dir, "train", &[], "a");
        run(dir, "evaluate", &[("train", "out")], "b");
        run(dir, "train", &[], "a");
        std::fs::remove_file(dir.join("train/record.json")).unwrap();
        assert_eq!(left_out(dir), [], "the file itself is unchanged");
        write(&dir.join("train/out"), b"other").unwrap();
        assert_eq!(left_out(dir)[0].1, "it was made from another `train/out`");
        std::fs::remove_file(dir.join("train/out")).unwrap();
        assert_eq!(left_out(dir), [], "nothing contradicts it");
        write(&dir.join("plot/out"), b"by hand").unwrap();
        assert!(Lineage::read(&STAGES, |stage| dir.join(stage)).belongs("plot"));
    }
}
