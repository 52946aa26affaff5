//! `cxr-phantom`, and the builders on what it draws.

use crate::support::Sandbox;

fn names(sandbox: &Sandbox, folder: &str) -> Vec<String> {
    sandbox.tree(folder).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn phantoms_pass_through_both_builders() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.ok("cxr-phantom --images 4"), @"
    dataset/sources: synthetic images
      covid-chestxray-dataset           5  COVID-19, PA and AP
      chest_xray                        4  normal, 1 with other pneumonia
    ");
    insta::assert_snapshot!(sandbox.ok("cxr-build-covid"), @"
    dataset/covid: 4 images, synthetic
      rows of the source                7
      kept                              4  of 3 patients
      dropped                           3
        other view                      2
        finding not labelled            1
    ");
    insta::assert_snapshot!(sandbox.ok("cxr-sample-normal --count 4"), @"
    dataset/normal: 4 images, synthetic
      rows of the source                5
      kept                              4  of 3 patients
      dropped                           1
        pneumonia                       1
    ");
    for (image, bytes) in sandbox.tree("dataset/normal") {
        if image.starts_with("phantom-") {
            let drawn = sandbox.path(format!("dataset/sources/chest_xray/train/NORMAL/{image}"));
            assert_eq!(std::fs::read(drawn).unwrap(), bytes);
        }
    }
    let header = |class: &str| {
        let selection_log = sandbox.read(format!("dataset/{class}/selection.csv"));
        selection_log.lines().next().unwrap().to_owned()
    };
    assert_eq!(header("covid"), header("normal"));
}

#[test]
fn images_depend_on_the_seed_and_not_on_the_threads() {
    let sandbox = Sandbox::new();
    sandbox.ok("cxr-phantom --images 2 --threads 1 --output one");
    sandbox.ok("cxr-phantom --images 2 --threads 2 --output two");
    sandbox.ok("cxr-phantom --images 2 --seed 7 --output other");
    let images = |folder: &str| {
        let files = sandbox.tree(folder).into_iter();
        files.filter(|(name, _)| name != "record.json").collect::<Vec<_>>()
    };
    assert_eq!(images("one"), images("two"));
    assert_ne!(images("one"), images("other"));
}

#[test]
fn a_rerun_replaces_its_own_images_and_leaves_foreign_folders_alone() {
    let sandbox = Sandbox::new();
    sandbox.ok("cxr-phantom --images 3 --output sources");
    sandbox.write("sources/notes.txt", "mine");
    sandbox.ok("cxr-phantom --images 1 --output sources --shortcut marker");
    insta::assert_snapshot!(names(&sandbox, "sources").join("\n"), @"
    chest_xray/train/NORMAL/phantom-IM-0001-0001.jpeg
    chest_xray/train/PNEUMONIA/phantom-person1_bacteria_0.png
    covid-chestxray-dataset/images/phantom-0001-day0.jpeg
    covid-chestxray-dataset/images/phantom-0002-day0.jpeg
    covid-chestxray-dataset/metadata.csv
    notes.txt
    record.json
    ");
    sandbox.write("real/covid-chestxray-dataset/metadata.csv", "real");
    insta::assert_snapshot!(sandbox.transcript("cxr-phantom --output real"), @"
    $ cxr-phantom --output real
    exit: 1
    --- stdout
    --- stderr
    error: `real` is not empty and was not made by `cxr-phantom`

    hint: choose another folder with `--output`, or write to this one with `--force`
    ");
    assert_eq!(sandbox.read("real/covid-chestxray-dataset/metadata.csv"), "real");
    assert!(sandbox.transcript("cxr-phantom --images 0").contains("exit: 2"));
}
