//! `cxr-split`.

use serde_json::json;

use crate::support::{Sandbox, shared};

/// An `index.csv` of images named by class and patient.
fn index(images: &[(&str, &str)]) -> String {
    let mut text = "row,path,class,patient,source,width,height,mode,bytes,hash\n".to_owned();
    for (row, (class, patient)) in images.iter().enumerate() {
        text += &format!("{row},{class}/{row:03}.png,{class},{patient},test,10,10,L,5,{row}\n");
    }
    text
}

fn sandbox(images: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("artifacts/tutorial/preprocess/index.csv", index(images));
    sandbox
}

/// Twenty images of each class, two of each patient.
fn pairs() -> Sandbox {
    let patients: Vec<String> = (0..40).map(|i| format!("p{}", i / 2)).collect();
    let class = |i: usize| if i < 20 { "covid" } else { "normal" };
    let images: Vec<_> = patients.iter().enumerate().map(|(i, p)| (class(i), p.as_str())).collect();
    sandbox(&images)
}

const SPLIT: &str = "artifacts/tutorial/split/split.json";

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn the_tutorials_images_are_split_as_scikit_learn_does() {
    let shared = shared();
    let reference = std::fs::read_to_string(shared.join("reference/split.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&reference).unwrap();
    let paths = reference["paths"].as_array().unwrap().iter().map(|p| p.as_str().unwrap());
    let images: Vec<_> = paths.map(|path| (path.split_once('/').unwrap().0, "")).collect();
    let sandbox = sandbox(&images);
    sandbox.ok("cxr-split");
    let split = sandbox.json(SPLIT);
    assert_eq!((&split["train"], &split["test"]), (&reference["train"], &reference["test"]));
    assert_eq!((&split["method"], &split["seed"]), (&json!("image"), &json!(42)));
    assert_eq!(split["unknown"], json!(50));
}

#[test]
fn patients_on_both_sides_are_named_unless_they_stay_together() {
    let sandbox = pairs();
    insta::assert_snapshot!(sandbox.transcript("cxr-split"), @r"
    $ cxr-split
    exit: 0
    --- stdout
    40 images split by image, seed 42
    class    train    test
    covid       16       4
    normal      16       4
    all         32       8
    patients in both training and test set: 4
    --- stderr
    warning: 4 patients are in both the training and the test set, with 4 of 8 test images: p15, p17, p5, p8
    ");
    let split = sandbox.json(SPLIT);
    let test: Vec<u64> = serde_json::from_value(split["test"].clone()).unwrap();
    let torn = |p: u64| test.contains(&(2 * p)) != test.contains(&(2 * p + 1));
    assert_eq!((0..20).filter(|p| torn(*p)).collect::<Vec<_>>(), [5, 8, 15, 17]);
    assert_eq!(split["leaking"], json!(["p15", "p17", "p5", "p8"]));

    insta::assert_snapshot!(sandbox.transcript("cxr-split --method group"), @r"
    $ cxr-split --method group
    exit: 0
    --- stdout
    40 images split by group, seed 42
    class    train    test
    covid       16       4
    normal      16       4
    all         32       8
    patients in both training and test set: 0, of 16 in training and 4 in test
    --- stderr
    ");
    let split = sandbox.json(SPLIT);
    assert_eq!((&split["leaking"], &split["method"]), (&json!([]), &json!("group")));
    assert_eq!(split["test"].as_array().unwrap().len(), 8);
}

#[test]
fn images_of_unknown_patients_are_groups_of_their_own() {
    let images: Vec<_> =
        (0..20).map(|i| (if i % 2 == 0 { "covid" } else { "normal" }, "")).collect();
    let sandbox = sandbox(&images);
    let text = sandbox.transcript("cxr-split --method group");
    assert!(text.contains("warning: 20 images have no patient ID"), "{text}");
    assert_eq!(sandbox.json(SPLIT)["test"].as_array().unwrap().len(), 4);
}

#[test]
fn validation_takes_whole_patients_and_leaves_the_test_as_it_was() {
    let sandbox = pairs();
    let rows = |split: &serde_json::Value, part: &str| -> Vec<u64> {
        serde_json::from_value(split[part].clone()).unwrap()
    };
    for method in ["image", "group"] {
        sandbox.ok(&format!("cxr-split --method {method}"));
        let before = sandbox.json(SPLIT);
        assert_eq!(
            (&before["schema"], rows(&before, "validation").len()),
            (&json!("cxr.split/2"), 0)
        );
        let said = sandbox.ok(&format!("cxr-split --method {method} --validation 0.25"));
        assert!(said.contains("train  validation    test"), "{said}");
        let split = sandbox.json(SPLIT);
        assert_eq!(split["validation_size"], json!(0.25));
        assert_eq!(rows(&split, "test"), rows(&before, "test"), "{method}");
        assert_eq!(split["leaking"], before["leaking"], "{method}");
        let (train, validation) = (rows(&split, "train"), rows(&split, "validation"));
        assert!((6..=10).contains(&validation.len()), "{method}: {validation:?}");
        let mut both = [train.clone(), validation.clone()].concat();
        let mut all = rows(&before, "train");
        both.sort_unstable();
        all.sort_unstable();
        assert_eq!(both, all, "{method}");
        // Images 2 p and 2 p + 1 are of one patient.
        assert!(validation.iter().all(|row| !train.contains(&(row ^ 1))), "{method}");
    }
    let text = sandbox.transcript("cxr-split --validation 0.7");
    assert!(text.contains("exit: 2") && text.contains("expected 0 to 0.5"), "{text}");
}

#[test]
fn a_seed_gives_one_split_and_another_seed_another() {
    let (a, b) = (pairs(), pairs());
    a.ok("cxr-split --threads 1");
    b.ok("cxr-split --threads 2");
    let split = "artifacts/tutorial/split";
    assert_eq!(a.tree(split), b.tree(split));
    b.ok("cxr-split --seed 43");
    assert_ne!(a.json(SPLIT)["test"], b.json(SPLIT)["test"]);
    b.ok("cxr-split --stratify labels");
    assert_ne!(a.json(SPLIT)["test"], b.json(SPLIT)["test"]);
}

#[test]
fn the_json_summary_holds_the_warnings() {
    let output = pairs().ok("cxr-split --json");
    let summary: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(summary["schema"], json!("cxr.split-summary/1"));
    assert_eq!(
        summary["classes"][1],
        json!({ "name": "normal", "train": 16, "validation": 0, "test": 4 })
    );
    assert!(summary["warnings"][0].as_str().unwrap().starts_with("4 patients are in"));
}

#[test]
fn what_cannot_be_split_is_refused_and_the_last_split_stays() {
    let sandbox = pairs();
    sandbox.ok("cxr-split");
    let before = sandbox.read(SPLIT);
    insta::assert_snapshot!(sandbox.transcript("cxr-split --test-size 1.5"), @r"
    $ cxr-split --test-size 1.5
    exit: 2
    --- stdout
    --- stderr
    error: `test-size` is 1.5, expected more than 0 and less than 1

    hint: `--test-size` is the proportion of test images, such as 0.2
    ");
    insta::assert_snapshot!(sandbox.transcript("cxr-split --test-size 0.02"), @r"
    $ cxr-split --test-size 0.02
    exit: 1
    --- stdout
    --- stderr
    error: the test set has too few images: 1, expected at least 1 for each of 2 classes

    hint: add images, or change `--test-size`
    ");
    let refused = |images: &[(&str, &str)], flags: &str| {
        sandbox.write("artifacts/tutorial/preprocess/index.csv", index(images));
        sandbox.transcript(&format!("cxr-split{flags}"))
    };
    insta::assert_snapshot!(refused(&[("covid", "a"), ("covid", "b")], ""), @r"
    $ cxr-split
    exit: 1
    --- stdout
    --- stderr
    error: all images are of one class, `covid`

    hint: the dataset needs at least two class folders
    ");
    insta::assert_snapshot!(refused(&[("covid", "a"), ("covid", "b"), ("normal", "c")], ""), @r"
    $ cxr-split
    exit: 1
    --- stdout
    --- stderr
    error: class `normal` has too few images: 1, expected at least 2

    hint: add images of this class, or remove its folder
    ");
    let one_patient = [("covid", "a"), ("covid", "a"), ("normal", "c"), ("normal", "d")];
    insta::assert_snapshot!(refused(&one_patient, " --method group --test-size 0.5"), @r"
    $ cxr-split --method group --test-size 0.5
    exit: 1
    --- stdout
    --- stderr
    error: no split by group has every class in both training and test set

    hint: add images of more patients, try another `--seed`, or split by image with `--method image`: patients may then be in both training and test set
    ");
    assert_eq!(sandbox.read(SPLIT), before);
}

#[test]
fn a_missing_or_broken_index_comes_with_the_command_that_makes_it() {
    insta::assert_snapshot!(Sandbox::new().transcript("cxr-split"), @r"
    $ cxr-split
    exit: 1
    --- stdout
    --- stderr
    error: there is no `artifacts/tutorial/preprocess/index.csv`

    hint: run `cxr preprocess --profile tutorial` to create it
    ");
    let sandbox = sandbox(&[]);
    insta::assert_snapshot!(sandbox.transcript("cxr-split"), @r"
    $ cxr-split
    exit: 1
    --- stdout
    --- stderr
    error: `artifacts/tutorial/preprocess/index.csv` is not a usable index: the table has no images

    hint: run `cxr preprocess --profile tutorial` to create it
    ");
}

#[test]
fn a_source_or_a_folder_is_held_out_whole() {
    let sandbox = Sandbox::new();
    let mut text = index(&[]);
    for row in 0..12 {
        let class = ["covid", "normal"][row / 6];
        let (folder, source) = if row % 3 == 0 { ("external/", "b") } else { ("", "a") };
        let path = format!("{class}/{folder}{row:02}.png");
        text += &format!("{row},{path},{class},p{},{source},10,10,L,5,{row}\n", row / 2);
    }
    sandbox.write("artifacts/tutorial/preprocess/index.csv", text);
    for line in ["--method source --hold-out b", "--method folder --hold-out external"] {
        let text = sandbox.transcript(&format!("cxr-split {line}"));
        assert!(text.contains("warning: 4 patients are in both"), "{text}");
        let split = sandbox.json(SPLIT);
        assert_eq!(split["test"], json!([0, 3, 6, 9]));
        assert_eq!(split["leaking"], json!(["p0", "p1", "p3", "p4"]));
        assert_eq!(
            split["groups"],
            json!({ "by": "patient", "train": 6, "validation": 0, "test": 4, "both": 4 })
        );
    }
    insta::assert_snapshot!(sandbox.transcript("cxr-split --method source --hold-out c"), @r"
    $ cxr-split --method source --hold-out c
    exit: 2
    --- stdout
    --- stderr
    error: the test set is empty: no image is held out

    hint: give `--hold-out a` or `--hold-out b`
    ");
}

#[test]
fn linked_groups_stay_together_and_must_fit_the_index() {
    let sandbox = pairs();
    let hash = blake3::hash(
        &std::fs::read(sandbox.path("artifacts/tutorial/preprocess/index.csv")).unwrap(),
    );
    let linked = |hash: &str| {
        let document = json!({
            "schema": "cxr.link/2", "images": 40, "groups": 10, "links": {}, "merged": [],
            "conflicts": [], "index": hash,
        });
        sandbox.write("artifacts/tutorial/link/link.json", document.to_string());
    };
    let row = |i: usize| format!("{i},x/{i},x,g{},\n", i / 4);
    let rows: String = (0..40).map(row).collect();
    sandbox.write(
        "artifacts/tutorial/link/groups.csv",
        format!("row,path,class,group,evidence\n{rows}"),
    );
    linked(hash.to_hex().as_str());
    sandbox.ok("cxr-split --method group --groups link");
    let split = sandbox.json(SPLIT);
    let test: Vec<usize> = serde_json::from_value(split["test"].clone()).unwrap();
    assert!((0..10).all(|g| [0, 4].contains(&test.iter().filter(|row| *row / 4 == g).count())));
    assert_eq!(split["leaking"], json!([]));
    assert_eq!(
        split["groups"],
        json!({ "by": "link", "train": 8, "validation": 0, "test": 2, "both": 0 })
    );
    linked("other");
    let text = sandbox.transcript("cxr-split --method group --groups link");
    assert!(
        text.contains(
            "groups.csv` is not a usable table of groups: the file was made from another `index.csv`"
        ),
        "{text}"
    );
    assert!(text.contains("hint: run `cxr link --profile tutorial`"), "{text}");
}
