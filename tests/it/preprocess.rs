//! `cxr-preprocess`.

use std::path::Path;

use crate::support::{Sandbox, shared};

const OUT: &str = "artifacts/tutorial/preprocess";

/// An image of `tests/golden/images`.
fn image(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images").join(name);
    std::fs::read(path).unwrap()
}

/// A dataset of two classes with two images each.
fn dataset() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("dataset/covid/a.jpg", image("grey.jpg"));
    sandbox.write("dataset/covid/b.png", image("rgba.png"));
    sandbox.write("dataset/normal/IM-0240-0001.jpeg", image("rgb_420.jpg"));
    sandbox.write("dataset/normal/deep/er/person1_bacteria_2.jpeg", image("grey.jpg"));
    sandbox
}

/// The table `name` without its header, cells by column.
fn table(sandbox: &Sandbox, name: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let text = sandbox.read(format!("{OUT}/{name}"));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let position = |column: &&str| header.iter().position(|h| h == *column).unwrap();
    let positions: Vec<_> = columns.iter().map(position).collect();
    let cells = |row: csv::StringRecord| positions.iter().map(|&p| row[p].to_owned()).collect();
    reader.records().map(|row| cells(row.unwrap())).collect()
}

#[test]
fn images_of_any_kind_become_one_array_and_one_table() {
    let sandbox = dataset();
    sandbox.write("dataset/covid/.DS_Store", "junk");
    sandbox.write("dataset/covid/__MACOSX/._a.jpg", "junk");
    sandbox.write("dataset/covid/README.md", "junk");
    sandbox.write("dataset/sources/x/y.jpg", image("grey.jpg"));
    sandbox.write("dataset/viral/cmyk.tif", image("cmyk.jpg"));
    sandbox.write("dataset/viral/grey16.jpg", image("grey16.png"));
    insta::assert_snapshot!(sandbox.transcript("cxr-preprocess"), @r"
    $ cxr-preprocess
    exit: 0
    --- stdout
    6 images read, 0 unusable files excluded
    class   images  patients  unknown
    covid        2         0        2
    normal       2         2        0
    viral        2         0        2
    --- stderr
    ");
    let columns = ["row", "path", "class", "patient", "source", "width", "height", "mode"];
    let rows: Vec<_> =
        table(&sandbox, "index.csv", &columns).iter().map(|row| row.join(" ")).collect();
    assert_eq!(
        rows,
        [
            "0 covid/a.jpg covid   22 13 L",
            "1 covid/b.png covid   22 13 RGBA",
            "2 normal/IM-0240-0001.jpeg normal kaggle:IM-0240 chest_xray 22 13 RGB",
            "3 normal/deep/er/person1_bacteria_2.jpeg normal kaggle:person1 chest_xray 22 13 L",
            "4 viral/cmyk.tif viral   22 13 CMYK",
            "5 viral/grey16.jpg viral   22 13 L16",
        ]
    );
    let bytes = &table(&sandbox, "index.csv", &["bytes", "hash"])[0];
    let grey = image("grey.jpg");
    assert_eq!(bytes[0], grey.len().to_string());
    assert_eq!(bytes[1], blake3::hash(&grey).to_string());
    let images = std::fs::read(sandbox.path(format!("{OUT}/images.npy"))).unwrap();
    assert_eq!(images.len(), 128 + 6 * 224 * 224 * 3);
    let image = |row: usize| &images[128 + row * 224 * 224 * 3..][..224 * 224 * 3];
    assert_eq!(image(0), image(3));
    assert!(image(0).chunks(3).all(|rgb| rgb[0] == rgb[1] && rgb[1] == rgb[2]));
    assert!(image(1).chunks(3).any(|rgb| rgb[0] != rgb[1]));
}

#[test]
fn depth_says_which_value_of_16_bits_is_white() {
    let sandbox = dataset();
    let deep = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/odd_raster/holds12.png");
    sandbox.write("dataset/covid/deep.png", std::fs::read(deep).unwrap());
    let brightest_and_notes = |options: &str| {
        sandbox.ok(&format!("cxr-preprocess {options}"));
        let images = std::fs::read(sandbox.path(format!("{OUT}/images.npy"))).unwrap();
        // Behind a.jpg and b.png.
        let levels = &images[128 + 2 * 224 * 224 * 3..][..224 * 224 * 3];
        let notes = table(&sandbox, "selection.csv", &["path", "notes"]).remove(2);
        assert_eq!(notes[0], "covid/deep.png");
        (*levels.iter().max().unwrap(), notes[1].clone())
    };
    let (brightest, notes) = brightest_and_notes("");
    assert_eq!(brightest, 15);
    assert!(notes.starts_with("the values range from 0 to 3990 and use 12 of 16 bits"), "{notes}");
    assert_eq!(brightest_and_notes("--depth 12"), (249, String::new()));
    assert_eq!(brightest_and_notes("--depth range"), (255, String::new()));
    let text = sandbox.transcript("cxr-preprocess --depth 7");
    assert!(text.contains("a number of bits from 8 to 16, not `7`"), "{text}");
}

#[test]
fn an_image_that_its_depth_makes_black_is_left_out_with_the_way_to_read_it() {
    let sandbox = dataset();
    let levels = |x, y| image::Luma([(8 * x + y) as u16]);
    image::ImageBuffer::<image::Luma<u16>, Vec<u16>>::from_fn(30, 20, levels)
        .save(sandbox.path("dataset/covid/deep.png"))
        .unwrap();
    let text = sandbox.transcript("cxr-preprocess --max-skipped 0.5");
    let reason = "every pixel has the same level (the values range from 0 to 251 and use 8 of 16 \
                  bits: the image is dark, see the setting `depth` (\"8\" or \"range\"))";
    assert!(text.contains(&format!("excluded `covid/deep.png`: {reason}")), "{text}");
    let text = sandbox.transcript("cxr-preprocess --depth 8");
    assert!(text.contains("5 images read, 0 unusable files excluded"), "{text}");
}

#[test]
fn unusable_files_are_named_counted_and_entered_in_the_selection_log() {
    let sandbox = dataset();
    sandbox.ok("cxr-preprocess");
    let before = sandbox.tree("artifacts");
    sandbox.write("dataset/covid/empty.jpg", "");
    sandbox.write("dataset/covid/text.png", "no image at all");
    let truncated = image("rgb_420.jpg");
    sandbox.write("dataset/normal/truncated.jpg", &truncated[..truncated.len() / 2]);

    insta::assert_snapshot!(sandbox.transcript("cxr-preprocess"), @r"
    $ cxr-preprocess
    exit: 1
    --- stdout
    --- stderr
    warning: excluded `covid/empty.jpg`: the file is empty
    warning: excluded `covid/text.png`: not an image: the content has no known format
    warning: excluded `normal/truncated.jpg`: truncated JPEG: the file ends before the picture does
    error: 3 of 7 files are unusable, the maximum proportion is 0.05

    hint: remove or repair the files, or allow more: `--max-skipped 0.43`
    ");
    insta::assert_snapshot!(sandbox.transcript("cxr-preprocess --fail-first"), @r"
    $ cxr-preprocess --fail-first
    exit: 1
    --- stdout
    --- stderr
    error: cannot use `dataset/covid/empty.jpg`
      caused by: the file is empty

    hint: without `--fail-first`, unusable files are excluded and listed in `selection.csv`
    ");
    assert_eq!(sandbox.tree("artifacts"), before, "failures leave the last good output");

    let summary = sandbox.ok("cxr-preprocess --max-skipped 0.43 --json");
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!((&summary["images"], &summary["skipped"]), (&4.into(), &3.into()));
    assert_eq!(summary["warnings"].as_array().unwrap().len(), 3);
    let selection_log: Vec<_> = table(&sandbox, "selection.csv", &["path", "status", "reason"])
        .iter()
        .map(|row| row.join(" | "))
        .collect();
    assert_eq!(
        selection_log,
        [
            "covid/a.jpg | kept | ",
            "covid/b.png | kept | ",
            "covid/empty.jpg | dropped | the file is empty",
            "covid/text.png | dropped | not an image: the content has no known format",
            "normal/IM-0240-0001.jpeg | kept | ",
            "normal/deep/er/person1_bacteria_2.jpeg | kept | ",
            "normal/truncated.jpg | dropped | truncated JPEG: the file ends before the picture does",
        ]
    );
    assert_eq!(table(&sandbox, "index.csv", &["row"]).len(), 4);
}

#[test]
fn pneumonia_among_normals_is_left_out_where_that_is_asked() {
    let sandbox = dataset();
    let image = std::fs::read(sandbox.path("dataset/covid/a.jpg")).unwrap();
    for name in ["person1_virus_6.jpeg", "train-PNEUMONIA-person2_bacteria_3.jpeg"] {
        sandbox.write(&format!("dataset/normal/{name}"), &image);
    }
    let paths = || table(&sandbox, "index.csv", &["path"]).concat();
    sandbox.ok("cxr-preprocess");
    assert!(paths().iter().any(|path| path.contains("person1_virus_6")), "as the tutorial does");
    let text = sandbox.ok("cxr-preprocess --normal-only --max-skipped 0");
    assert!(text.contains("also excluded: pneumonia by file name, in the normal class"), "{text}");
    assert!(!paths().iter().any(|path| path.starts_with("normal/") && path.contains("person")));
    let selection_log = table(&sandbox, "selection.csv", &["path", "status", "reason"]);
    let left_out: Vec<_> = selection_log.iter().filter(|row| row[1] == "dropped").collect();
    assert!(left_out.iter().any(|row| row[0] == "normal/person1_virus_6.jpeg"), "{left_out:?}");
    assert!(left_out.iter().all(|row| row[2].starts_with("pneumonia by its file name")));
    let mut sorted = selection_log.clone();
    sorted.sort();
    assert_eq!(selection_log, sorted);

    std::fs::remove_file(sandbox.path("dataset/normal/IM-0240-0001.jpeg")).unwrap();
    let text = sandbox.transcript("cxr-preprocess --normal-only");
    assert!(text.contains("exit: 1") && text.contains("all images of the class `normal` are"));
}

#[test]
fn a_selection_log_beats_metadata_and_metadata_beats_names() {
    let sandbox = dataset();
    let header = "row,file,finding,view,modality,patient,evidence,source,status,reason,image";
    let row = "1,x.jpg,COVID-19,PA,X-ray,cohen:7,patient id,covid-chestxray-dataset,kept,,a.jpg";
    sandbox.write("dataset/covid/selection.csv", format!("{header}\n{row}\n"));
    sandbox.write(
        "metadata.csv",
        "patientid,finding,filename\n8,COVID-19,a.jpg\n311a,COVID-19,b.png\n9,x,IM-0240-0001.jpeg\n",
    );
    let origins = |line: &str| {
        sandbox.ok(line);
        table(&sandbox, "index.csv", &["patient", "source"])
    };
    let cohen = |patient: &str| [patient, "covid-chestxray-dataset"].map(str::to_owned).to_vec();
    let kaggle = |patient: &str| [patient, "chest_xray"].map(str::to_owned).to_vec();
    let unknown = vec![String::new(); 2];
    let by_name = [kaggle("kaggle:IM-0240"), kaggle("kaggle:person1")];
    let found = origins("cxr-preprocess");
    assert_eq!(found[..2], [cohen("cohen:7"), unknown]);
    assert_eq!(found[2..], by_name);
    let found = origins("cxr-preprocess --metadata metadata.csv");
    assert_eq!(found[..2], [cohen("cohen:7"), cohen("cohen:311a")]);
    assert_eq!(found[2..], [cohen("cohen:9"), by_name[1].clone()]);

    sandbox.write("dataset/covid/selection.csv", "no,selection log\n1,2\n");
    let text = sandbox.transcript("cxr-preprocess");
    assert!(text.contains("exit: 1"), "{text}");
    assert!(text.contains("`dataset/covid/selection.csv` is not a usable selection log"), "{text}");
}

#[test]
fn datasets_that_cannot_be_used_are_named() {
    let sandbox = Sandbox::new();
    let error = |line: &str| {
        let text = sandbox.transcript(line);
        assert!(text.contains("exit: 1"), "{text}");
        text.split_once("error: ").unwrap().1.lines().next().unwrap().to_owned()
    };
    assert_eq!(error("cxr-preprocess"), "there is no dataset folder `dataset`");
    sandbox.write("dataset/README.md", "nothing here yet");
    assert_eq!(error("cxr-preprocess"), "`dataset` contains no class folder");
    sandbox.write("dataset/covid/a.jpg", image("grey.jpg"));
    sandbox.write("dataset/normal/README.md", "nothing here yet");
    assert_eq!(error("cxr-preprocess"), "the class folder `dataset/normal` contains no images");
    sandbox.write("dataset/normal/a.jpg", "");
    let all = "cxr-preprocess --max-skipped 1";
    assert_eq!(error(all), "no file of the class `normal` is usable");
    sandbox.write("dataset/normal/a.jpg", image("grey.jpg"));
    sandbox.write("file", "");
    let text = error("cxr-preprocess --artifacts file");
    assert!(text.starts_with("cannot create `file"), "{text}");
    let text = sandbox.transcript("cxr-preprocess --max-skipped 2");
    assert!(text.contains("exit: 2") && text.contains("expected 0 to 1"), "{text}");
}

#[test]
fn a_single_class_is_read_with_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.write("dataset/covid/a.jpg", image("grey.jpg"));
    let text = sandbox.transcript("cxr-preprocess");
    assert!(text.contains("exit: 0"), "{text}");
    assert!(text.contains("warning: all images are of one class, `covid`"), "{text}");
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn the_tutorials_images_are_indexed_in_its_order_at_any_number_of_threads() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let dataset = shared.join("data/tutorial/dataset");
    let run = |threads: usize| {
        sandbox.ok(&format!("cxr-preprocess --dataset {} --threads {threads}", dataset.display()));
        sandbox.tree(OUT)
    };
    assert_eq!(run(1), run(2));
    let reference = std::fs::read_to_string(shared.join("reference/split.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&reference).unwrap();
    let expected: Vec<_> =
        reference["paths"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    let paths = table(&sandbox, "index.csv", &["path"]).concat();
    assert_eq!(paths, expected);
}

/// A dataset of six images named as CheXpert names them.
fn chexpert() -> Sandbox {
    let sandbox = Sandbox::new();
    for (i, class) in ["effusion", "normal"].into_iter().enumerate() {
        for patient in 0..3 {
            let patient = format!("patient{:05}", 2 * patient + i);
            sandbox.write(
                &format!("dataset/{class}/{patient}/study1/view1_frontal.jpg"),
                image("grey.jpg"),
            );
        }
    }
    sandbox
}

#[test]
fn a_table_of_patients_is_joined_by_path_and_its_matches_are_counted() {
    let sandbox = chexpert();
    let patients = |line: &str| {
        sandbox.ok(line);
        table(&sandbox, "index.csv", &["patient"]).concat()
    };
    let by_path = patients("cxr-preprocess");
    assert_eq!(by_path[..2], ["chexpert:patient00000", "chexpert:patient00002"]);
    let row =
        |i: usize| format!("CheXpert-v1.0/train/patient{i:05}/study1/view1_frontal.jpg;{i}\n");
    let rows = |n: usize| (0..n).map(row).collect::<String>();
    sandbox.write("train.csv", format!("Path;Patient ID\n{}", rows(9)));
    let text = sandbox.transcript("cxr-preprocess --metadata train.csv");
    let line = "6 of 6 images match a row (6 of 9 rows)";
    assert!(text.contains(&format!("`train.csv`: {line}")), "{text}");
    assert!(text.contains("patient table: 6 of 6 images, 6 of 9 rows matched"), "{text}");
    assert!(text.contains("warning: `train.csv`: the columns are separated by semicolons"));
    let by_table = table(&sandbox, "index.csv", &["patient"]).concat();
    let expected = ["0", "2", "4", "1", "3", "5"].map(|id| format!("metadata:{id}"));
    assert_eq!(by_table, expected);

    // Of bare names nothing follows.
    sandbox.write("names.csv", "filename,patient\nview1_frontal.jpg,1\nview1_frontal.jpg,2\n");
    let text = sandbox.transcript("cxr-preprocess --metadata names.csv");
    assert!(text.contains("0 of 6 images match a row"), "{text}");
    assert!(text.contains("6 images match rows of several patients equally well"), "{text}");
    assert_eq!(patients("cxr-preprocess --metadata names.csv"), by_path);
    sandbox.write("one.csv", "filename,patient\nview1_frontal.jpg,1\n");
    let text = sandbox.transcript("cxr-preprocess --metadata one.csv");
    assert!(text.contains("6 images share a row with an image of the same name"), "{text}");
    // Half of the images are missing from the table, which lies in the dataset.
    sandbox.write("dataset/few.csv", format!("Path;Patient ID\n{}", rows(2)));
    let output = sandbox.ok("cxr-preprocess --metadata few.csv --json");
    let summary: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(summary["metadata"]["images_matched"], 2);
    assert_eq!(summary["metadata"]["rows_matched"], 2);
    assert!(summary["warnings"].to_string().contains("more than half"), "{summary}");
    let text = sandbox.transcript("cxr-preprocess --metadata none.csv");
    assert!(text.contains("error: there is no `none.csv`, nor `dataset/none.csv`"), "{text}");
    let text = sandbox.transcript("cxr-preprocess --metadata few.csv --patient-column who");
    assert!(text.contains("has no column `who`") && text.contains("--patient-column"), "{text}");
}

#[test]
fn images_of_one_level_are_left_out_or_kept_with_a_note() {
    let sandbox = dataset();
    image::GrayImage::from_pixel(30, 20, image::Luma([9]))
        .save(sandbox.path("dataset/covid/flat.png"))
        .unwrap();
    let flat = crate::part10::image().bytes(0x7fe0_0010, "OW", &[7; 2 * 16 * 24]);
    sandbox.write("dataset/normal/flat.dcm", flat.file());
    let text = sandbox.transcript("cxr-preprocess --max-skipped 0.5");
    let reason = "every pixel has the same level";
    assert!(text.contains("4 images read, 2 unusable files excluded"), "{text}");
    assert!(text.contains(&format!("warning: excluded `covid/flat.png`: {reason}")), "{text}");
    let selection_log = table(&sandbox, "selection.csv", &["path", "status", "reason", "notes"]);
    for path in ["covid/flat.png", "normal/flat.dcm"] {
        assert!(selection_log.contains(&[path, "dropped", reason, ""].map(str::to_owned).to_vec()));
    }
    let text = sandbox.transcript("cxr-preprocess --constant keep");
    let note = "all pixels have the same level";
    assert!(text.contains("6 images read, 0 unusable files excluded"), "{text}");
    assert!(text.contains("2 decoded with notes"), "{text}");
    let selection_log = table(&sandbox, "selection.csv", &["path", "status", "reason", "notes"]);
    for path in ["covid/flat.png", "normal/flat.dcm"] {
        assert!(selection_log.contains(&[path, "kept", "", note].map(str::to_owned).to_vec()));
    }
    let flat = sandbox.path("dataset/covid/flat.png");
    let text = crate::support::trained().transcript(&format!("cxr-predict {}", flat.display()));
    assert!(text.contains("exit: 1") && text.contains(reason), "{text}");
    let line = format!("cxr-predict --constant keep {}", flat.display());
    let text = crate::support::trained().transcript(&line);
    assert!(text.contains("exit: 0") && text.contains(note), "{text}");
}
