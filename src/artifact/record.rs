//! `record.json`: what a stage read and wrote when it last succeeded.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Document;
use crate::io::{hash, place};

/// One successful execution of a stage. It lies beside the outputs and is
/// written last: the outputs are complete when it is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `cxr.record/1`.
    pub schema: String,
    /// The stage's name.
    pub stage: String,
    /// The version of the program.
    pub program: String,
    /// The settings it ran with.
    pub params: serde_json::Value,
    /// The pipeline's seed; none if the stage makes no random choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// BLAKE3 of every file read, by name.
    pub inputs: BTreeMap<String, String>,
    /// BLAKE3 of every file written, by name relative to the stage's folder.
    pub outputs: BTreeMap<String, String>,
    /// Those of its settings that were given by hand and that `pipeline.toml` had
    /// otherwise, `seed` among them. `cxr run` keeps them.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub hand: toml::Table,
    /// Why it answered no, exit code 3: a sentence for each wanted figure that was
    /// missed. It still stands when the stage is fresh.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
}

impl Document for Record {
    const KIND: &'static str = "record";
    const SCHEMA: &'static str = "cxr.record/1";

    fn check(&self) -> Result<(), String> {
        // A later run removes what it does not write again.
        match self.outputs.keys().find(|name| !place::is_plain(Path::new(name))) {
            Some(name) => Err(format!("the output `{name}` is no file of its folder")),
            None => Ok(()),
        }
    }
}

impl Record {
    /// The key of this execution: equal keys, equal files. BLAKE3 of stage,
    /// program version, settings, seed, and the names and hashes of the inputs.
    pub fn key(&self) -> String {
        let covered =
            serde_json::json!([self.stage, self.program, self.params, self.seed, self.inputs]);
        hash::bytes(covered.to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_files_of_the_records_folder() {
        let with = |name: &str| Record {
            schema: Record::SCHEMA.into(),
            stage: "train".into(),
            program: "0".into(),
            params: serde_json::Value::Null,
            seed: Some(42),
            inputs: [].into(),
            outputs: [(name.to_owned(), "00".to_owned())].into(),
            hand: toml::Table::new(),
            missed: Vec::new(),
        };
        assert_eq!(with("a/b.png").check(), Ok(()));
        for name in ["../x", "/etc/passwd", "a/../../x", "", "."] {
            assert!(with(name).check().is_err(), "{name}");
        }
    }
}
