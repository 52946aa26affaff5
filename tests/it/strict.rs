//! The profile `strict` from end to end, on phantoms: what it promises of the figures.

use std::collections::BTreeMap;

use crate::support::{Sandbox, random_weights};

/// As few images and rounds as show that every stage does its part.
const CONFIG: &str = "
[phantom]
images = 9
[sample-normal]
count = 9
[profile.strict.extract]
rotations = 1
[train]
epochs = 4
batch-size = 4
[evaluate]
resamples = 50
[crossval]
folds = 3
repeats = 2
[explain]
occlude = 0
[audit]
folds = 3
resamples = 50
shuffles = 20
";

#[test]
fn strict_figures_are_of_other_patients_and_of_normals_only() {
    let sandbox = Sandbox::new().with_weights(random_weights());
    sandbox.write("pipeline.toml", CONFIG);
    for line in ["cxr-phantom", "cxr-build-covid", "cxr-sample-normal"] {
        sandbox.ok(line);
    }
    // A normal image that is pneumonia by its name, and one image under two names.
    let normal = sandbox.tree("dataset/normal");
    let image = |end: &str| &normal.iter().find(|(name, _)| name.ends_with(end)).unwrap().1;
    sandbox.write("dataset/normal/person7_virus_12.jpeg", image("jpeg"));
    sandbox.write("dataset/normal/twin.png", image("png"));
    sandbox.ok("cxr run --profile strict");

    let artifact = |name: &str| sandbox.path(format!("artifacts/strict/{name}"));
    let selection_log = sandbox.read(artifact("preprocess/selection.csv"));
    let dropped: Vec<&str> =
        selection_log.lines().filter(|line| line.contains("dropped")).collect();
    assert!(matches!(dropped[..], [line] if line.contains("person7_virus_12")), "{selection_log}");

    let index = sandbox.read(artifact("preprocess/index.csv"));
    let paths: Vec<String> = csv::Reader::from_reader(index.as_bytes())
        .deserialize::<BTreeMap<String, String>>()
        .map(|row| row.unwrap().remove("path").unwrap())
        .collect();
    let groups: BTreeMap<String, String> = csv::Reader::from_path(artifact("link/groups.csv"))
        .unwrap()
        .deserialize::<BTreeMap<String, String>>()
        .map(|row| row.unwrap())
        .map(|mut row| (row.remove("path").unwrap(), row.remove("group").unwrap()))
        .collect();
    let twin = &groups["normal/twin.png"];
    assert!(groups.values().filter(|group| *group == twin).count() > 1, "{groups:?}");

    let split = sandbox.json(artifact("split/split.json"));
    assert_eq!((&split["groups"]["by"], &split["groups"]["both"]), (&"link".into(), &0.into()));
    let side = |name: &str| -> Vec<&String> {
        let rows = split[name].as_array().unwrap().iter();
        rows.map(|row| &groups[&paths[row.as_u64().unwrap() as usize]]).collect()
    };
    let (train, test) = (side("train"), side("test"));
    assert!(!test.is_empty() && test.iter().all(|group| !train.contains(group)));
    let validation = side("validation");
    let elsewhere = |group: &&String| train.contains(group) || test.contains(group);
    assert!(!validation.is_empty() && !validation.iter().any(elsewhere), "{validation:?}");
    let history = sandbox.read(artifact("train/history.csv"));
    assert_eq!(history.lines().count(), 5, "{history}");
    let findings = sandbox.json(artifact("audit/audit.json"))["findings"].to_string();
    assert!(!findings.contains("validation-is-test"), "{findings}");
    // The model is trained as the heads of the cross-validation: on the images as they are.
    let all: ndarray::Array2<f32> =
        ndarray_npy::read_npy(artifact("extract/features.npy")).unwrap();
    let augmented: ndarray::Array3<f32> =
        ndarray_npy::read_npy(artifact("extract/augmented.npy")).unwrap();
    let rows = split["train"].as_array().unwrap().iter();
    let rows: Vec<usize> = rows.map(|row| row.as_u64().unwrap() as usize).collect();
    assert_eq!(augmented, all.select(ndarray::Axis(0), &rows).insert_axis(ndarray::Axis(0)));

    let crossval = sandbox.json(artifact("crossval/crossval.json"));
    assert_eq!(crossval["grouped_by"], "link");
    let audit = sandbox.json(artifact("audit/audit.json"));
    assert_eq!((&audit["folds_from"], &audit["grouped_by"]), (&"crossval".into(), &"link".into()));
    let page = sandbox.read(artifact("report/report.html"));
    assert!(
        page.contains("Cross-validation")
            && !page.contains("in both the training and the test set</strong>")
    );
    assert!(page.contains("These heads and the final model are trained without augmentation"));
    assert!(page.contains("An image is predicted as covid if its probability of covid reaches"));
    assert!(page.contains("(threshold for covid "), "each image shows the threshold");
    assert!(
        page.contains("of other patients for validation") && !page.contains("figures to believe")
    );
    sandbox.ok("cxr status --profile strict --check");
}
