//! `cxr-sample-normal`, on real images and on a tree as Kaggle's archive comes out.

use crate::support::{Sandbox, shared};

fn images(sandbox: &Sandbox, folder: &str) -> Vec<String> {
    let names = sandbox.tree(folder).into_iter().map(|(name, _)| name);
    names.filter(|name| name != "selection.csv" && name != "record.json").collect()
}

fn unzipped() -> Sandbox {
    let sandbox = Sandbox::new();
    for file in [
        "train/NORMAL/IM-0240-0001.jpeg",
        "train/NORMAL/IM-0240-0002.jpeg",
        "train/NORMAL/NORMAL2-IM-0995-0001-0001.jpeg",
        "train/NORMAL/same.jpeg",
        "train/PNEUMONIA/person1_bacteria_2.jpeg",
        "train/PNEUMONIA/person378_virus_761.jpeg",
        "train/PNEUMONIA/same.jpeg",
        "test/NORMAL/IM-0001-0001.jpeg",
        "chest_xray/train/NORMAL/IM-0240-0001.jpeg",
        "__MACOSX/train/NORMAL/._IM-0240-0001.jpeg",
    ] {
        sandbox.write(&format!("dataset/sources/chest_xray/{file}"), file);
    }
    sandbox
}

#[test]
fn normal_images_only_are_drawn() {
    let sandbox = unzipped();
    insta::assert_snapshot!(sandbox.ok("cxr-sample-normal --count 3"), @"
    dataset/normal: 3 images
      rows of the source               10
      kept                              3  of 2 patients, 1 without patient ID
      dropped                           7
        pneumonia                       3
        archive leftover                1
        nested copy                     1
        not sampled                     1
        other split                     1
    ");
    insta::assert_snapshot!(sandbox.read("dataset/normal/selection.csv"), @"
    row,file,finding,view,modality,patient,evidence,sex,age,source,status,reason,image
    1,__MACOSX/train/NORMAL/._IM-0240-0001.jpeg,No Finding,AP,X-ray,,,,,chest_xray,dropped,archive leftover,
    2,chest_xray/train/NORMAL/IM-0240-0001.jpeg,No Finding,AP,X-ray,kaggle:IM-0240,kaggle name,,,chest_xray,dropped,nested copy,
    3,test/NORMAL/IM-0001-0001.jpeg,No Finding,AP,X-ray,kaggle:IM-0001,kaggle name,,,chest_xray,dropped,other split,
    4,train/NORMAL/IM-0240-0001.jpeg,No Finding,AP,X-ray,kaggle:IM-0240,kaggle name,,,chest_xray,dropped,not sampled,
    5,train/NORMAL/IM-0240-0002.jpeg,No Finding,AP,X-ray,kaggle:IM-0240,kaggle name,,,chest_xray,kept,,IM-0240-0002.jpeg
    6,train/NORMAL/NORMAL2-IM-0995-0001-0001.jpeg,No Finding,AP,X-ray,kaggle:IM-0995,kaggle name,,,chest_xray,kept,,NORMAL2-IM-0995-0001-0001.jpeg
    7,train/NORMAL/same.jpeg,No Finding,AP,X-ray,,,,,chest_xray,kept,,same.jpeg
    8,train/PNEUMONIA/person1_bacteria_2.jpeg,Pneumonia/Bacterial,AP,X-ray,kaggle:person1,kaggle name,,,chest_xray,dropped,pneumonia,
    9,train/PNEUMONIA/person378_virus_761.jpeg,Pneumonia/Viral,AP,X-ray,kaggle:person378,kaggle name,,,chest_xray,dropped,pneumonia,
    10,train/PNEUMONIA/same.jpeg,Pneumonia,AP,X-ray,,,,,chest_xray,dropped,pneumonia,
    ");
}

/// The first `count` of `random.seed(42); random.shuffle(range(7))` are 1 3 4 2 6 0 5.
#[test]
fn the_tutorial_draws_pneumonia_too() {
    let sandbox = unzipped();
    let text = sandbox.transcript("cxr-sample-normal --as-tutorial --count 5");
    assert!(text.contains("warning: 2 of the 5 images are pneumonia"), "{text}");
    let expected = [
        "IM-0240-0002.jpeg",
        "NORMAL2-IM-0995-0001-0001.jpeg",
        "person1_bacteria_2.jpeg",
        "train-NORMAL-same.jpeg",
        "train-PNEUMONIA-same.jpeg",
    ];
    assert_eq!(images(&sandbox, "dataset/normal"), expected);
    assert_eq!(
        sandbox.read("dataset/normal/train-PNEUMONIA-same.jpeg"),
        "train/PNEUMONIA/same.jpeg"
    );
}

/// The 60 normal images of the machine, drawn as Python's reference says.
#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn real_images_are_drawn_as_python_draws() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let source = shared.join("data/chest_xray");
    sandbox.ok(&format!("cxr-sample-normal --count 25 --seed 42 --source {}", source.display()));
    let reference =
        std::fs::read_to_string(shared.join("reference/python_shuffle_seed42.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&reference).unwrap();
    let case = reference.as_array().unwrap().iter().find(|case| case["n"] == 60).unwrap();
    let entries = source.join("train/NORMAL").read_dir().unwrap();
    let mut all: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    assert_eq!(all.len(), 60);
    let first = case["first"].as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as usize);
    let mut expected: Vec<_> = first.map(|i| all[i].clone()).collect();
    expected.sort();
    assert_eq!(images(&sandbox, "dataset/normal"), expected);
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn another_seed_draws_other_images_and_the_former_ones_go() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let source = shared.join("data/chest_xray");
    let draw = |seed: u64| {
        sandbox.ok(&format!("cxr-sample-normal --seed {seed} --source {}", source.display()));
        images(&sandbox, "dataset/normal")
    };
    let (first, second) = (draw(1), draw(2));
    assert!(first.len() == 25 && second.len() == 25 && first != second);
    assert_eq!(draw(1), first);
}

#[test]
fn too_few_images_are_an_error_with_a_way_out() {
    let sandbox = unzipped();
    insta::assert_snapshot!(sandbox.transcript("cxr-sample-normal --count 9"), @"
    $ cxr-sample-normal --count 9
    exit: 1
    --- stdout
    --- stderr
    error: cannot sample 9 images: `train/NORMAL` of `dataset/sources/chest_xray` has 4

    hint: sample fewer with `--count 4`
    ");
    let error = |flags: &str| sandbox.transcript(&format!("cxr-sample-normal {flags}"));
    assert!(error("--split val").contains("`val/NORMAL` of `dataset/sources/chest_xray` has 0"));
    assert!(error("--source nowhere").contains("`nowhere` does not exist or is not a folder"));
    assert!(error("--count 0").contains("exit: 2"));
    assert!(!sandbox.path("dataset/normal").exists());
}
