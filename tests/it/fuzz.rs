//! The fuzz targets on stable Rust: they reach their readers, which take the seeds and
//! what a little damage makes of them.

#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "libFuzzer calls the rest")]
mod targets;

use std::path::Path;

use cxr::artifact::audit::Audit;
use cxr::artifact::crossval::CrossValidation;
use cxr::artifact::explanation::Explanation;
use cxr::artifact::features::Features;
use cxr::artifact::groups::Linked;
use cxr::artifact::index::Index;
use cxr::artifact::metrics::Metrics;
use cxr::artifact::model::Model;
use cxr::artifact::predictions::Predictions;
use cxr::artifact::record::Record;
use cxr::artifact::selection_log::SelectionLog;
use cxr::artifact::split::Split;
use cxr::artifact::{ArtifactError, Document};
use cxr::classifier::Bundle;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use targets::TARGETS;

#[test]
fn every_target_is_a_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    let programs: Vec<_> =
        manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")).collect();
    assert_eq!(programs, names.iter().map(|name| format!("{name}.rs\"")).collect::<Vec<_>>());
    for name in names {
        let text = std::fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("seed(\"{name}\")")), "{name}");
        assert!(text.contains(&format!("cxr_fuzz::{name}(bytes)")), "{name}");
    }
}

#[test]
fn every_target_takes_its_seeds_whole_and_damaged() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(seeds.len() > 1, "{}", target.name);
        for seed in &seeds {
            (target.run)(seed);
        }
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
        let cases = (prop::sample::select(seeds), changes, any::<prop::sample::Index>());
        let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
        let damaged = TestRunner::new(config).run(&cases, |(mut bytes, changes, end)| {
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            // One in two is cut off.
            if end.index(2) == 0 {
                bytes.truncate(end.index(bytes.len()) + 1);
            }
            (target.run)(&bytes);
            Ok(())
        });
        damaged.unwrap_or_else(|error| panic!("{}: {error}", target.name));
    }
}

#[test]
fn files_of_earlier_programs_are_read() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    fn read<T: Document>(seeds: &Path, name: &str) -> Result<(), ArtifactError> {
        T::read(&seeds.join("artifacts").join(name)).map(drop)
    }
    read::<Audit>(&seeds, "audit.json").unwrap();
    read::<CrossValidation>(&seeds, "crossval.json").unwrap();
    read::<Explanation>(&seeds, "explain.json").unwrap();
    read::<Features>(&seeds, "features.json").unwrap();
    read::<Linked>(&seeds, "link.json").unwrap();
    read::<Metrics>(&seeds, "metrics.json").unwrap();
    read::<Model>(&seeds, "model.json").unwrap();
    read::<Record>(&seeds, "record.json").unwrap();
    read::<Split>(&seeds, "split.json").unwrap();
    Index::read(&seeds.join("artifacts/index.csv")).unwrap();
    SelectionLog::read(&seeds.join("artifacts/selection.csv")).unwrap();
    Predictions::read(&seeds.join("artifacts/predictions.csv")).unwrap();
    Bundle::read(&seeds.join("bundle/model.cxr")).unwrap();
}
