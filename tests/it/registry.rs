//! What must hold for every stage in the registry, so that a new one cannot be
//! forgotten anywhere.

use std::path::{Path, PathBuf};

use cxr::cli::{Context, Flag, Globals, Ui};
use cxr::pipeline::order::order;
use cxr::stages::{Entry, STAGES, known};

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

/// The source text of a stage, its unit tests included.
fn source(stage: &Entry) -> String {
    let module = stage.name.replace('-', "_");
    let single = root(&format!("src/stages/{module}.rs"));
    let folder = root(&format!("src/stages/{module}"));
    let files = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    let files = files.map(walkdir::DirEntry::into_path).filter(|path| path.is_file());
    let files = files.chain(single.is_file().then_some(single));
    files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn a_stage_declares_exactly_the_global_flags_that_it_reads() {
    for stage in STAGES {
        let source = source(stage);
        let reads = |words: &[&str]| words.iter().any(|word| source.contains(word));
        let uses = |flag: Flag| stage.uses.contains(&flag);
        let name = stage.name;
        assert_eq!(uses(Flag::Seed), reads(&["ctx.seed"]), "{name}: --seed");
        // `explain` reads no file there: it only shortens the paths given with `--image`.
        let dataset = reads(&["ctx.paths.dataset", "= \"{dataset}/"]) && name != "explain";
        assert_eq!(uses(Flag::Dataset), dataset, "{name}: --dataset");
        // The inputs of a job are hashed in parallel.
        let parallel = ["Self::begin(", "par_iter", "rayon::", "Classifier::new", "verify::"];
        assert_eq!(uses(Flag::Threads), reads(&parallel), "{name}: --threads");
        for flag in [Flag::Config, Flag::Profile, Flag::Artifacts] {
            assert!(uses(flag), "{name}: --{}", flag.name());
        }
    }
    for shared in ["src/stages/stage_inputs.rs", "src/stages/output_folder.rs"] {
        let source = text(shared);
        assert!(!source.contains("ctx.seed") && !source.contains("paths.dataset"), "{shared}");
    }
}

#[test]
fn a_global_flag_that_a_stage_does_not_use_is_refused_with_a_way_out() {
    let sandbox = Sandbox::new();
    for stage in STAGES {
        let name = stage.name;
        let help = sandbox.ok(&format!("cxr {name} --help"));
        for flag in Flag::ALL {
            let offered = help.contains(&format!("--{}", flag.name()));
            assert_eq!(offered, stage.uses.contains(&flag), "{name} --{}:\n{help}", flag.name());
            if !offered {
                for line in [format!("--{} 7", flag.name()), format!("--{}=7", flag.name())] {
                    let text = sandbox.transcript(&format!("cxr {name} {line}"));
                    let refused = format!("error: `cxr {name}` does not take `--{}`", flag.name());
                    assert!(text.contains("exit: 2") && text.contains(&refused), "{text}");
                }
            }
        }
    }
    insta::assert_snapshot!(sandbox.transcript("cxr-evaluate --dataset other"), @r"
    $ cxr-evaluate --dataset other
    exit: 2
    --- stdout
    --- stderr
    error: `cxr evaluate` does not take `--dataset`: it reads no image files from a dataset folder

    hint: to run the trained model on other images: `cxr predict other`
    hint: to train and evaluate on other images: `cxr run --dataset other --artifacts DIR`
    ");
    let text = sandbox.transcript("cxr compare a b --seed 3");
    assert!(text.contains("hint: to run the whole pipeline with this seed: `cxr run --seed 3`"));
    // Before the command no flag was ever read.
    for line in ["cxr --profile demo run", "cxr diff a b --profile demo", "cxr --quiet run"] {
        assert!(sandbox.transcript(line).contains("exit: 2"), "{line}");
    }
}

/// The other folder or seed makes the stage read or write other files, or the same files
/// under another key.
#[test]
fn a_global_flag_that_a_stage_offers_changes_what_it_would_do() {
    let sandbox = Sandbox::new();
    for class in ["covid", "normal"] {
        sandbox.write(&format!("one/{class}/a.png"), "");
        sandbox.write(&format!("one/{class}/selection.csv"), "");
    }
    sandbox.write("two/covid/b.png", "");
    for image in 1..=25 {
        let name = format!("one/sources/chest_xray/train/NORMAL/IM-{image:04}-0001.jpeg");
        sandbox.write(&name, "");
    }
    let weights = sandbox.write("weights.safetensors", "");
    let one = Globals {
        dataset: Some(sandbox.path("one")),
        artifacts: Some(sandbox.path("a")),
        seed: Some(1),
        ..Globals::default()
    };
    let wanted = |globals: &Globals, stage: &Entry| {
        let ctx = Context::new(globals.clone(), Ui::new(globals), &known(), None).unwrap();
        let of = |result: Result<cxr::pipeline::stale::Wanted, cxr::cli::Failure>| {
            result.map(|w| (w.folder, w.seed, w.inputs)).map_err(|e| format!("{:#}", e.error))
        };
        // The weights of this machine, or none, are no part of the question.
        let mut settings = toml::Table::new();
        if (stage.defaults)().contains_key("weights") {
            settings.insert("weights".into(), weights.display().to_string().into());
        }
        (of((stage.wanted)(&ctx, &settings)), (stage.folder)(&ctx).ok())
    };
    for stage in STAGES {
        let changed = |other: &Globals| {
            format!("{:?}", wanted(&one, stage)) != format!("{:?}", wanted(other, stage))
        };
        let seed = Globals { seed: Some(2), ..one.clone() };
        assert_eq!(changed(&seed), stage.uses.contains(&Flag::Seed), "{}: --seed", stage.name);
        let dataset = Globals { dataset: Some(sandbox.path("two")), ..one.clone() };
        // What `cxr fetch` writes depends on its subcommand.
        let declared = stage.uses.contains(&Flag::Dataset) && stage.name != "fetch";
        assert_eq!(changed(&dataset), declared, "{}: --dataset", stage.name);
    }
}
