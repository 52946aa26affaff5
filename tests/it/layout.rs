//! Data sets as they are downloaded: trees of folders in the layout of public sets, with
//! synthetic images.

use std::io::Cursor;

use image::{GrayImage, ImageFormat, Luma};
use serde_json::{Value, json};

use crate::support::Sandbox;

const INDEX: &str = "artifacts/tutorial/preprocess/index.csv";
const LOG: &str = "artifacts/tutorial/preprocess/selection.csv";
const SPLIT: &str = "artifacts/tutorial/split/split.json";

fn png(level: impl Fn(u32, u32) -> u8) -> Vec<u8> {
    let image = GrayImage::from_fn(24, 24, |x, y| Luma([level(x, y)]));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// An image with many levels of grey, another for each number.
fn radiograph(number: u32) -> Vec<u8> {
    png(|x, y| (x * 9 + y + number * 13 % 31) as u8)
}

/// An image with two levels, another for each number.
fn mask(number: u32) -> Vec<u8> {
    png(|x, y| if x > 3 + number % 9 && y > 7 { 255 } else { 0 })
}

/// Writes each of `paths`, a mask if its path says so.
fn dataset(paths: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    for (i, path) in paths.iter().enumerate() {
        let i = i as u32;
        sandbox.write(path, if path.contains("mask") { mask(i) } else { radiograph(i) });
    }
    sandbox
}

/// The cells of `columns` of a table, joined by blanks, a line for each row.
fn table(sandbox: &Sandbox, path: &str, columns: &[&str]) -> Vec<String> {
    let text = sandbox.read(path);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let at = |column: &&str| header.iter().position(|name| name == *column).unwrap();
    let at: Vec<usize> = columns.iter().map(at).collect();
    let line = |row: csv::StringRecord| at.iter().map(|i| row[*i].to_owned()).collect::<Vec<_>>();
    reader.records().map(|row| line(row.unwrap()).join(" ")).collect()
}

fn summary(sandbox: &Sandbox, line: &str) -> Value {
    serde_json::from_str(&sandbox.ok(&format!("{line} --json"))).unwrap()
}

/// Kaggle's chest_xray as `unzip` leaves it.
fn kaggle() -> Sandbox {
    let mut paths = Vec::new();
    for (part, images) in [("train", 4), ("test", 2), ("val", 1)] {
        for i in 0..images {
            paths.push(format!("archive/chest_xray/{part}/NORMAL/IM-{part}-{i}.jpeg"));
            paths.push(format!("archive/chest_xray/{part}/PNEUMONIA/person{i}_virus_{i}.jpeg"));
        }
    }
    let sandbox = dataset(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    for path in &paths {
        let copy = path.replacen("chest_xray/", "chest_xray/chest_xray/", 1);
        sandbox.write(&copy, std::fs::read(sandbox.path(path)).unwrap());
        let macosx = path.replacen("archive/", "archive/__MACOSX/", 1).replace("/IM", "/._IM");
        sandbox.write(&macosx, "Mac OS X");
    }
    sandbox.write("archive/chest_xray/train/.DS_Store", "Mac OS X");
    sandbox
}

#[test]
fn kaggles_folder_has_two_classes_in_three_parts_which_are_the_split() {
    let sandbox = kaggle();
    let line = "cxr-preprocess --dataset archive";
    let text = sandbox.transcript(line);
    for expected in [
        "exit: 0",
        "14 images read, 0 unusable files excluded",
        "parts of the data set: `test`, `train`, `val`",
        "14 also excluded: nested copy of the data set",
        "`archive` has the parts `test`, `train`, `val`, with the classes `NORMAL`, \
         `PNEUMONIA`",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let rows = table(&sandbox, INDEX, &["class", "part", "path"]);
    assert_eq!(rows.len(), 14);
    assert_eq!(rows[0], "NORMAL test chest_xray/test/NORMAL/IM-test-0.jpeg");

    let text = sandbox.transcript("cxr-split");
    assert!(text.contains("the split of the data set is kept"), "{text}");
    assert!(text.contains("its parts are training, validation and test set"), "{text}");
    assert!(text.contains("14 images split by parts"), "{text}");
    let split = sandbox.json(SPLIT);
    assert_eq!(split["method"], json!("parts"));
    let part_of = |row: &Value| rows[row.as_u64().unwrap() as usize].split(' ').nth(1).unwrap();
    for (side, part, images) in
        [("train", "train", 8), ("validation", "val", 2), ("test", "test", 4)]
    {
        let side = split[side].as_array().unwrap();
        assert_eq!(side.len(), images);
        assert!(side.iter().all(|row| part_of(row) == part));
    }
    // The patients of training and test have the same numbers in this set.
    assert_eq!(split["leaking"], json!(["kaggle:person0", "kaggle:person1"]));

    let count = |line: &str| {
        let summary = summary(&sandbox, line);
        (summary["method"].clone(), summary["train"].clone(), summary["test"].clone())
    };
    assert_eq!(count("cxr-split --parts new"), (json!("image"), json!(11), json!(3)));
    let (method, train, _) = count("cxr-split --method group --test-size 0.3");
    assert_eq!((method, train.as_u64() < Some(14)), (json!("group"), true));
    let held_out = count("cxr-split --method folder --hold-out val");
    assert_eq!(held_out, (json!("folder"), json!(12), json!(2)));
    let text = sandbox.transcript("cxr-split --method folder --hold-out x");
    assert!(text.contains("`--hold-out test` or `--hold-out train` or `--hold-out val`"));
}

#[test]
fn folders_are_classes_where_that_is_said() {
    let sandbox = kaggle();
    let line = "cxr-preprocess --dataset archive/chest_xray/chest_xray --layout class-folders";
    let summary = summary(&sandbox, line);
    let names: Vec<_> = summary["classes"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(names, ["test", "train", "val"]);
    assert_eq!(summary["parts"], json!([]));
}

#[test]
fn folds_are_parts_and_unequal_guesses_are_warned_of() {
    let sandbox = dataset(&[
        "dataset/fold1/covid/1.png",
        "dataset/fold1/normal/2.png",
        "dataset/fold2/covid/3.png",
        "dataset/fold2/normal/4.png",
    ]);
    sandbox.ok("cxr-preprocess");
    let rows = table(&sandbox, INDEX, &["class", "part", "source"]);
    assert_eq!(rows, ["covid fold1 ", "normal fold1 ", "covid fold2 ", "normal fold2 "]);
    sandbox.ok("cxr-split --method folder --hold-out fold2");
    assert_eq!(sandbox.json(SPLIT)["test"], json!([2, 3]));

    let sandbox = dataset(&[
        "dataset/north/a/1.png",
        "dataset/north/b/2.png",
        "dataset/south/a/3.png",
        "dataset/south/b/4.png",
    ]);
    let text = sandbox.transcript("cxr-preprocess");
    assert!(text.contains("this is a guess") && text.contains("--layout class-folders"), "{text}");
    assert_eq!(table(&sandbox, INDEX, &["class", "source"])[3], "b south");
    let plain = summary(&sandbox, "cxr-preprocess --layout class-folders");
    assert_eq!(plain["classes"][1]["name"], json!("south"));
}

#[test]
fn parts_and_kinds_of_files_are_no_classes() {
    for paths in [
        ["dataset/train/1.png", "dataset/test/2.png"],
        ["dataset/images/1.png", "dataset/masks/1.png"],
        ["dataset/images_001/images/1.png", "dataset/images_002/images/2.png"],
    ] {
        let sandbox = dataset(&paths);
        let text = sandbox.transcript("cxr-preprocess");
        assert!(text.contains("exit: 1") && text.contains("do not have class names"), "{text}");
        assert!(text.contains("hint: put every image into a class folder"), "{text}");
        sandbox.ok("cxr-preprocess --layout class-folders --masks keep");
    }
}

#[test]
fn masks_beside_the_images_are_left_out_and_named() {
    let radiography = [
        "dataset/COVID/images/COVID-1.png",
        "dataset/COVID/masks/COVID-1.png",
        "dataset/Normal/images/Normal-1.png",
        "dataset/Normal/masks/Normal-1.png",
        "dataset/Viral Pneumonia/images/VP-1.png",
        "dataset/Viral Pneumonia/masks/VP-1.png",
    ];
    let shenzhen = [
        "dataset/normal/CHNCXR_0001_0.png",
        "dataset/normal/CHNCXR_0001_0_mask.png",
        "dataset/tb/CHNCXR_0327_1.png",
        "dataset/tb/CHNCXR_0327_1_mask.png",
    ];
    let qu_ex = [
        "dataset/Train/COVID-19/images/1.png",
        "dataset/Train/COVID-19/lung masks/1.png",
        "dataset/Train/COVID-19/infection masks/1.png",
        "dataset/Train/Normal/images/2.png",
        "dataset/Train/Normal/lung masks/2.png",
        "dataset/Test/COVID-19/images/3.png",
        "dataset/Test/COVID-19/lung masks/3.png",
        "dataset/Test/Normal/images/4.png",
    ];
    for (paths, images) in [(&radiography[..], 3), (&shenzhen[..], 2), (&qu_ex[..], 4)] {
        let sandbox = dataset(paths);
        let masks = paths.len() - images;
        let text = sandbox.transcript("cxr-preprocess");
        assert!(text.contains(&format!("warning: {masks} segmentation masks")), "{text}");
        assert!(text.contains(&format!("{masks} also excluded: a mask by its")), "{text}");
        let kept = table(&sandbox, INDEX, &["path"]);
        assert!(kept.len() == images && !kept.iter().any(|path| path.contains("mask")));
        let log = table(&sandbox, LOG, &["status", "reason"]);
        assert_eq!(log.iter().filter(|line| line.starts_with("dropped a mask by")).count(), masks);
        let all = summary(&sandbox, "cxr-preprocess --masks keep");
        assert_eq!(all["images"], json!(paths.len()));
    }
}

#[test]
fn two_levels_of_grey_make_a_mask_beside_a_namesake_only() {
    let sandbox = Sandbox::new();
    for (i, class) in ["covid", "normal"].iter().enumerate() {
        let i = i as u32;
        sandbox.write(&format!("dataset/{class}/x/1.png"), radiograph(i));
        sandbox.write(&format!("dataset/{class}/y/1.png"), mask(i));
    }
    sandbox.write("dataset/covid/x/binary.png", mask(7));
    sandbox.write("dataset/covid/x/1_lung.png", mask(8));
    let text = sandbox.transcript("cxr-preprocess");
    assert!(text.contains("warning: 3 segmentation masks are excluded"), "{text}");
    assert_eq!(
        table(&sandbox, INDEX, &["path"]),
        ["covid/x/1.png", "covid/x/binary.png", "normal/x/1.png"]
    );
    let log = table(&sandbox, LOG, &["path", "status", "reason", "notes"]);
    let note = "covid/x/binary.png kept  it has two levels of grey only, as a mask has";
    assert!(log.contains(&note.to_owned()), "{log:?}");
    assert!(
        log.iter().any(|line| line.starts_with("normal/y/1.png dropped a mask by its two levels"))
    );

    // A class may be called so; without images it is none.
    let sandbox = dataset(&["dataset/mask/1.png", "dataset/no mask/2.png"]);
    assert_eq!(summary(&sandbox, "cxr-preprocess")["images"], json!(2));
    let sandbox = dataset(&["dataset/covid/masks/1.png", "dataset/normal/2.png"]);
    let text = sandbox.transcript("cxr-preprocess");
    assert!(text.contains("all images of the class `covid` are excluded: a mask by its folder"));
    assert!(text.contains("`--masks keep`"), "{text}");
}

#[test]
fn copies_in_validation_are_told_from_those_in_training() {
    let sandbox = Sandbox::new();
    for (i, class) in ["covid", "normal"].iter().enumerate() {
        let i = 10 * i as u32;
        for (part, number) in [("train", 0), ("train", 1), ("val", 2), ("val", 3), ("test", 4)] {
            let path = format!("dataset/{part}/{class}/{number}.png");
            sandbox.write(&path, radiograph(i + number));
        }
        sandbox.write(&format!("dataset/test/{class}/5.png"), radiograph(i + 3));
    }
    sandbox.ok("cxr-preprocess");
    let text = sandbox.transcript("cxr-split");
    assert!(
        text.contains("2 of 4 test images are also in the validation set, byte for byte"),
        "{text}"
    );
    assert!(!text.contains("in the training set"), "{text}");
    let copies = &sandbox.json(SPLIT)["copies"];
    assert_eq!(copies["in_training"], json!([]));
    assert_eq!(copies["in_validation"].as_array().unwrap().len(), 2);
    let text = sandbox.transcript("cxr-split --parts new");
    let note = "the parts of the data set (test, train, val) are mixed; `--method folder \
                --hold-out test` keeps one of them as the test set";
    assert!(text.contains(note), "{text}");
}

#[test]
fn copies_in_training_and_in_several_classes_are_warned_of_and_reported() {
    let sandbox = Sandbox::new();
    for i in 0..10 {
        for class in ["covid", "normal"] {
            let number = if class == "covid" { i / 2 } else { 40 + i };
            sandbox.write(&format!("dataset/{class}/{i}.png"), radiograph(number % 31));
        }
    }
    sandbox.write("dataset/normal/9.png", radiograph(0));
    sandbox.ok("cxr-preprocess");
    let text = sandbox.transcript("cxr-split");
    let split = sandbox.json(SPLIT);
    let copied = split["copies"]["in_training"].as_array().unwrap().len();
    assert!(copied > 0, "{split}");
    let line =
        format!("warning: {copied} of 4 test images are also in the training set, byte for byte: ");
    assert!(text.contains(&line), "{text}");
    assert!(text.contains(&format!("test images with a copy in the training set: {copied}")));
    assert_eq!(split["copies"]["in_classes"], json!([[0, 1, 19]]));
    let line = "warning: 1 file is in several classes, byte for byte, so one of the labels is \
                wrong: covid/0.png = covid/1.png = normal/9.png";
    assert!(text.contains(line), "{text}");

    sandbox.ok("cxr-report --images 0");
    let page = sandbox.read("artifacts/tutorial/report/report.html");
    assert!(
        page.contains("test images are also in the training set</strong>, byte for byte"),
        "no copies"
    );
    assert!(page.contains("1 file is in several classes</strong>"), "no classes");
}

#[cfg(target_os = "linux")]
#[test]
fn an_image_that_cannot_be_read_is_left_out_and_counted() {
    let sandbox = dataset(&["dataset/a/1.png", "dataset/a/2.png", "dataset/b/3.png"]);
    // It opens and gives no byte, to root either.
    std::os::unix::fs::symlink("/proc/self/mem", sandbox.path("dataset/a/0.png")).unwrap();
    let line = "cxr-preprocess --follow-links --max-skipped 0.5";
    let text = sandbox.transcript(line);
    assert!(text.contains("exit: 0"), "{text}");
    assert!(text.contains("warning: excluded `a/0.png`: the file cannot be read"), "{text}");
    assert!(text.contains("3 images read, 1 unusable files excluded"), "{text}");
    assert_eq!(table(&sandbox, LOG, &["status", "reason"])[0], "dropped the file cannot be read");
}
