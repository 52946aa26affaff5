//! Which stages' files belong together: those that were made from one another, by the
//! hashes on their records. What the report says of a model must be of this very model.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::artifact::Document;
use crate::artifact::record::Record;
use crate::io::hash;
use crate::io::staging::{RECORD, recover};

/// The stages of a profile, by whether their files belong to those of the stages before.
///
/// A stage belongs if every file of another stage that it read is still what that stage
/// has, and that stage belongs too. A stage without a record, and one whose source folder
/// was removed, have nothing that contradicts them, and belong.
#[derive(Debug, Default)]
pub struct Lineage {
    /// Why a stage does not belong, by its name.
    left_out: BTreeMap<String, String>,
}

impl Lineage {
    /// Reads the records of `stages`, whose folders are `folder` of their names.
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
            why_not(stage, &records, &hash_now, &mut known);
        }
        let left_out = known.into_iter().filter_map(|(stage, why)| Some((stage, why?)));
        Self { left_out: left_out.collect() }
    }

    /// Whether the files of `stage` belong to the others.
    pub fn belongs(&self, stage: &str) -> bool {
        !self.left_out.contains_key(stage)
    }

    /// Leaves out `stage` for a reason that no record tells.
    pub fn leave_out(&mut self, stage: &str, why: String) {
        self.left_out.insert(stage.to_owned(), why);
    }

    /// The stages that do not belong, by name, with the reason.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, &str)> {
        self.left_out.iter().map(|(stage, why)| (stage.as_str(), why.as_str()))
    }
}

/// Why `stage` does not belong, none if it does; entered into `known`, as are the stages
/// that it reads from.
fn why_not(
    stage: &str,
    records: &BTreeMap<&str, Record>,
    hash_now: &impl Fn(&str, &str) -> Option<String>,
    known: &mut BTreeMap<String, Option<String>>,
) -> Option<String> {
    if let Some(why) = known.get(stage) {
        return why.clone();
    }
    // Records that read from each other in a circle are no reason.
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
                Some(format!("it was made from `{name}`, which is gone"))
            }
            _ => why_not(origin, records, hash_now, known)
                .map(|_| format!("it was made from `{name}`, which does not belong either")),
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

    /// Runs a stage that reads a file of another and writes one of its own.
    fn ran(dir: &Path, stage: &str, from: &[(&str, &str)], text: &str) {
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
    fn what_was_made_from_another_file_is_left_out_and_all_that_follows() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        ran(dir, "train", &[], "a");
        ran(dir, "evaluate", &[("train", "out")], "b");
        ran(dir, "plot", &[("evaluate", "out")], "c");
        assert_eq!(left_out(dir), []);
        ran(dir, "train", &[], "another");
        let expected = [
            ("evaluate", "it was made from another `train/out`"),
            ("plot", "it was made from `evaluate/out`, which does not belong either"),
        ];
        assert_eq!(left_out(dir), expected.map(|(stage, why)| (stage.into(), why.into())));
        ran(dir, "evaluate", &[("train", "out")], "b");
        assert_eq!(left_out(dir), [], "the same figures of another model: plot is as it would be");
    }

    #[test]
    fn a_file_that_is_gone_is_another_and_a_folder_without_a_record_belongs() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        ran(dir, "train", &[], "a");
        ran(dir, "evaluate", &[("train", "out")], "b");
        ran(dir, "train", &[], "a");
        std::fs::remove_file(dir.join("train/record.json")).unwrap();
        assert_eq!(left_out(dir), [], "the file itself is as it was");
        write(&dir.join("train/out"), b"other").unwrap();
        assert_eq!(left_out(dir)[0].1, "it was made from another `train/out`");
        std::fs::remove_file(dir.join("train/out")).unwrap();
        assert_eq!(left_out(dir), [], "nothing contradicts it");
        write(&dir.join("plot/out"), b"by hand").unwrap();
        assert!(Lineage::read(&STAGES, |stage| dir.join(stage)).belongs("plot"));
    }
}
