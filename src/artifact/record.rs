//! `record.json`: inputs, settings and outputs of the last successful run of a stage.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Document;
use crate::io::{hash, place};

/// Successful run of a stage. Written last into the folder of the outputs: if the record
/// exists, the outputs are complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `cxr.record/1`.
    pub schema: String,
    /// Name of the stage.
    pub stage: String,
    /// Version of the program.
    pub program: String,
    /// Settings of the run.
    pub params: serde_json::Value,
    /// Seed of the pipeline; none if the stage is deterministic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// BLAKE3 hash of every file read, by name.
    pub inputs: BTreeMap<String, String>,
    /// BLAKE3 hash of every file written, by name relative to the stage's folder.
    pub outputs: BTreeMap<String, String>,
    /// Settings from the command line that differ from `pipeline.toml`, including `seed`.
    /// `cxr run` keeps them.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub hand: toml::Table,
    /// Explanations of the failed gates (exit code 3). They remain valid while the stage is up
    /// to date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
}

impl Document for Record {
    const KIND: &'static str = "record";
    const SCHEMA: &'static str = "cxr.record/1";

    fn check(&self) -> Result<(), String> {
        // A later run deletes outputs that it does not write again.
        match self.outputs.keys().find(|name| !place::is_plain(Path::new(name))) {
            Some(name) => Err(format!("the output `{name}` is outside the folder")),
            None => Ok(()),
        }
    }
}

impl Record {
    /// Returns the cache key: runs with equal keys write equal files. BLAKE3 hash of stage,
    /// program version, settings, seed, and names and hashes of the inputs.
    pub fn key(&self) -> String {
        let key_parts =
            serde_json::json!([self.stage, self.program, self.params, self.seed, self.inputs]);
        hash::bytes(key_parts.to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_outside_the_folder_are_refused() {
        let record_with_output = |name: &str| Record {
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
        assert_eq!(record_with_output("a/b.png").check(), Ok(()));
        for name in ["../x", "/etc/passwd", "a/../../x", "", "."] {
            assert!(record_with_output(name).check().is_err(), "{name}");
        }
    }
}
