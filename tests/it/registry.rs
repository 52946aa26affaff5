//! What must hold for every stage in the registry, so that a new one cannot be
//! forgotten anywhere.

use std::path::{Path, PathBuf};

use cxr::pipeline::order::order;
use cxr::stages::STAGES;

use crate::support::Sandbox;

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(root(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn every_stage_has_its_program_its_file_and_its_tests() {
    let manifest = text("Cargo.toml");
    for stage in STAGES {
        let (name, module) = (stage.name, stage.name.replace('-', "_"));
        let program = text(&format!("bin/cxr-{name}.rs"));
        assert!(program.contains(&format!("launcher::start(\"{name}\")")), "{name}: {program}");
        assert!(program.lines().count() <= 7, "{name}: the launcher holds logic");
        assert!(manifest.contains(&format!("path = \"bin/cxr-{name}.rs\"")), "{name}: no [[bin]]");
        let file = root(&format!("src/stages/{module}.rs")).exists();
        assert!(file || root(&format!("src/stages/{module}/mod.rs")).exists(), "{name}: no file");
        assert!(root(&format!("tests/it/{module}.rs")).exists(), "{name}: no tests");
    }
}

#[test]
fn every_stage_reads_from_stages_before_it() {
    let names: Vec<String> = STAGES.iter().map(|s| s.name.to_owned()).collect();
    let nodes: Vec<_> = STAGES.iter().map(|s| s.node()).collect();
    for stage in STAGES {
        let unknown = stage.after.iter().find(|a| !names.iter().any(|n| n == **a));
        assert_eq!(unknown, None, "{}", stage.name);
    }
    assert_eq!(
        order(&nodes, &names).unwrap(),
        names,
        "the registry is in the order of the pipeline"
    );
}

#[test]
fn the_pipeline_file_holds_every_key_with_its_default() {
    let file: toml::Table = text("pipeline.toml").parse().unwrap();
    for stage in STAGES {
        let mut defaults = (stage.defaults)();
        for shared in cxr::pipeline::config::SHARED {
            if let Some(default) = defaults.remove(shared) {
                assert_eq!(file.get(shared), Some(&default), "{shared} at the top");
            }
        }
        let written = file.get(stage.name).and_then(toml::Value::as_table).cloned();
        assert_eq!(written.unwrap_or_default(), defaults, "[{}] in pipeline.toml", stage.name);
    }
}

#[test]
fn the_readme_holds_the_table_of_stages() {
    let mut table = String::from("| command | reads | writes |\n|---|---|---|\n");
    for stage in STAGES {
        // A bare `<class>` would be taken for HTML.
        let cell = |text: &str| text.replace('<', "\\<");
        let (reads, writes) = (cell(stage.reads), cell(stage.writes));
        table += &format!("| `cxr-{}` | {reads} | {writes} |\n", stage.name);
    }
    let readme = text("README.md");
    let (start, end) = ("<!-- stages: from the registry -->\n", "<!-- end of stages -->");
    let (before, rest) = readme.split_once(start).expect("a marker before the table");
    let (inside, after) = rest.split_once(end).expect("a marker after the table");
    if inside != table && std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(root("README.md"), [before, start, &table, end, after].concat()).unwrap();
        return;
    }
    assert_eq!(inside, table, "run the tests with UPDATE_README=1 to rewrite it");
}

#[test]
fn every_program_explains_itself() {
    let sandbox = Sandbox::new();
    for stage in STAGES {
        let help = sandbox.ok(&format!("cxr-{} --help", stage.name));
        assert!(
            help.contains("Examples:") && help.contains("--artifacts"),
            "{}:\n{help}",
            stage.name
        );
        assert!(help.starts_with(stage.about), "{}:\n{help}", stage.name);
        assert!(!stage.examples.is_empty() && !stage.about.ends_with('.'), "{}", stage.name);
        let same = sandbox.ok(&format!("cxr {} --version", stage.name));
        assert_eq!(same, sandbox.ok(&format!("cxr-{} --version", stage.name)));
    }
}
