//! Holds the layer table of `src/lib.rs`: modules use lower layers only.

use std::collections::BTreeSet;
use std::path::Path;

const LAYERS: &[&[&str]] = &[
    &["conv", "metrics", "image", "io", "rng"],
    &["backbone", "head", "dataset", "explain", "plot", "report", "audit"],
    &["pipeline", "artifact", "classifier"],
    &["cli"],
    &["stages"],
    &["commands"],
];

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|l| l.contains(&module));
    found.unwrap_or_else(|| panic!("`{module}` is in no layer"))
}

/// Every `crate::<module>` that a source text names.
fn uses(text: &str) -> BTreeSet<&str> {
    let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
    code.flat_map(|l| l.split("crate::").skip(1))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        .filter(|m| !m.is_empty() && m.chars().all(|c| c.is_lowercase() || c == '_'))
        .filter(|m| !["settings", "testing"].contains(m))
        .collect()
}

#[test]
fn modules_use_lower_layers_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = BTreeSet::new();
    for entry in walkdir::WalkDir::new(&src).sort_by_file_name() {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(&src).unwrap();
        let text = match path.extension() {
            Some(e)
                if e == "rs" && ![Path::new("lib.rs"), Path::new("testing.rs")].contains(&path) =>
            {
                std::fs::read_to_string(entry.path()).unwrap()
            }
            _ => continue,
        };
        let own = path.iter().next().unwrap().to_str().unwrap();
        seen.insert(own.to_owned());
        for other in uses(&text).into_iter().filter(|m| *m != own) {
            let (from, to) = (layer(own), layer(other));
            let sibling_ok = from == to && from == layer("pipeline");
            assert!(to < from || sibling_ok, "{}: `{own}` uses `{other}`", path.display());
        }
        if own == "stages" && path != Path::new("stages/mod.rs") {
            let other = uses(&text).contains("stages") && text.contains("crate::stages::");
            let allowed = text.matches("crate::stages::").count()
                == text.matches("crate::stages::Stage").count();
            assert!(!other || allowed, "{}: a stage uses a stage", path.display());
        }
    }
    assert_eq!(seen.len(), LAYERS.iter().map(|l| l.len()).sum::<usize>());
}
