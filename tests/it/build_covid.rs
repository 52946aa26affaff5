//! `cxr-build-covid`, on real metadata and on hostile ones.

use std::path::Path;

use crate::support::{Sandbox, shared};

/// A source of two images and one that is not there.
fn source() -> Sandbox {
    let sandbox = Sandbox::new();
    let table = "patientid,finding,view,modality,folder,filename\n\
        1,COVID-19,PA,X-ray,images,a.png\n\
        2,\"COVID-19, ARDS\",PA,X-ray,images,b.png\n\
        2,COVID-19,PA,X-ray,images,gone.png\n\
        3,SARS,AP,X-ray,images,a.png\n";
    sandbox.write("source/metadata.csv", table);
    sandbox.write("source/images/a.png", "image a");
    sandbox.write("source/images/b.png", "image b");
    sandbox
}

fn names(sandbox: &Sandbox, folder: &str) -> Vec<String> {
    sandbox.tree(folder).into_iter().map(|(name, _)| name).collect()
}

/// Kept images of a real version of the metadata.
fn kept(sandbox: &Sandbox, cohen: &Path, version: &str) -> serde_json::Value {
    let line = format!(
        "cxr-build-covid --json --source {0} --metadata {0}/{version} --output out",
        cohen.display()
    );
    let counts: serde_json::Value = serde_json::from_str(&sandbox.ok(&line)).unwrap();
    let dropped: u64 =
        counts["dropped"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(counts["rows"].as_u64().unwrap(), counts["kept"].as_u64().unwrap() + dropped);
    counts
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn the_file_of_11_march_selects_the_tutorials_25_images() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let images = shared.join("data/tutorial/dataset/covid");
    std::fs::create_dir(sandbox.path("source")).unwrap();
    std::fs::create_dir(sandbox.path("source/images")).unwrap();
    for entry in images.read_dir().unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), sandbox.path("source/images").join(entry.file_name())).unwrap();
    }
    let table = shared.join("data/cohen/metadata-history/2020-03-11.csv");
    let text =
        sandbox.ok(&format!("cxr-build-covid --source source --metadata {}", table.display()));
    insta::assert_snapshot!(text, @"
    dataset/covid: 25 images
      rows of the source               49
      kept                             25  of 12 patients
      dropped                          24
        other finding                  12
        other view                     12
    ");
    let built = sandbox.tree("dataset/covid").into_iter();
    let built = built.filter(|(name, _)| name != "selection.csv" && name != "record.json");
    assert_eq!(built.collect::<Vec<_>>(), sandbox.tree("source/images"));
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn every_version_of_the_metadata_is_built() {
    let shared = shared();
    let (sandbox, cohen) = (Sandbox::new(), shared.join("data/cohen"));
    let images = |version: &str| {
        let counts = kept(&sandbox, &cohen, version);
        (counts["rows"].as_u64().unwrap(), counts["kept"].as_u64().unwrap())
    };
    assert_eq!(images("metadata-history/2020-03-11.csv"), (49, 18));
    assert_eq!(images("metadata-history/2020-03-14.csv"), (68, 19));
    assert_eq!(images("metadata-history/2020-03-28.csv"), (207, 70));
    assert_eq!(images("metadata-history/2020-04-01.csv"), (279, 82));
    assert_eq!(images("metadata-history/not-utf8.csv"), (751, 149));
    assert_eq!(images("metadata.csv"), (751, 149));
    // Counted by Python's csv: of the 149 rows kept, 128 have a sex and 107 an age.
    let selection_log = csv::Reader::from_path(sandbox.path("out/selection.csv")).unwrap();
    let rows = selection_log.into_deserialize::<std::collections::BTreeMap<String, String>>();
    let rows: Vec<_> = rows.map(Result::unwrap).filter(|row| row["status"] == "kept").collect();
    let known = |column: &str| rows.iter().filter(|row| !row[column].is_empty()).count();
    assert_eq!((rows.len(), known("sex"), known("age")), (149, 128, 107));
    let june = sandbox.tree("out").into_iter().filter(|(name, _)| !name.ends_with(".json"));
    let june: Vec<_> = june.map(|(name, _)| name).collect();
    assert_eq!(images("metadata-history/2020-10-schema.csv"), (751, 149));
    let october = names(&sandbox, "out");
    assert_eq!(october.into_iter().filter(|n| n != "record.json").collect::<Vec<_>>(), june);
}

#[test]
fn the_selection_log_holds_every_row() {
    let sandbox = source();
    sandbox.ok("cxr-build-covid --source source");
    insta::assert_snapshot!(sandbox.read("dataset/covid/selection.csv"), @r#"
    row,file,finding,view,modality,patient,evidence,sex,age,source,status,reason,image
    1,a.png,COVID-19,PA,X-ray,cohen:1,patient id,,,covid-chestxray-dataset,kept,,a.png
    2,b.png,"COVID-19, ARDS",PA,X-ray,cohen:2,patient id,,,covid-chestxray-dataset,kept,,b.png
    3,gone.png,COVID-19,PA,X-ray,cohen:2,patient id,,,covid-chestxray-dataset,dropped,no file,
    4,a.png,SARS,AP,X-ray,cohen:3,patient id,,,covid-chestxray-dataset,dropped,other finding,
    "#);
}

#[test]
fn a_failed_run_keeps_the_former_set_and_a_good_one_replaces_it() {
    let sandbox = source();
    sandbox.ok("cxr-build-covid --source source");
    sandbox.write("dataset/covid/notes.txt", "mine");
    let before = sandbox.tree("dataset");
    let text = sandbox.transcript("cxr-build-covid --source source --finding Influenza");
    assert!(text.contains("exit: 1"), "{text}");
    assert_eq!(sandbox.tree("dataset"), before);
    sandbox.ok("cxr-build-covid --source source --finding ARDS");
    assert_eq!(
        names(&sandbox, "dataset/covid"),
        ["b.png", "notes.txt", "record.json", "selection.csv"]
    );
}

#[test]
fn a_folder_of_the_user_is_left_alone_unless_forced() {
    let sandbox = source();
    sandbox.write("dataset/covid/mine.png", "mine");
    let text = sandbox.transcript("cxr-build-covid --source source");
    assert!(text.contains("`dataset/covid` is not empty and was not made by"), "{text}");
    assert_eq!(names(&sandbox, "dataset/covid"), ["mine.png"]);
    sandbox.ok("cxr-build-covid --source source --force");
    assert_eq!(sandbox.read("dataset/covid/mine.png"), "mine");
    assert_eq!(sandbox.read("dataset/covid/a.png"), "image a");
}

#[test]
fn selecting_nothing_names_what_there_is() {
    let sandbox = source();
    insta::assert_snapshot!(sandbox.transcript("cxr-build-covid --source source --finding COVID"), @"
    $ cxr-build-covid --source source --finding COVID
    exit: 1
    --- stdout
    --- stderr
    error: none of the 4 rows of `source/metadata.csv` is an image with finding `COVID`, view `PA` and modality `X-ray`

    hint: choose a `--finding` of the file: `COVID-19` (2), `COVID-19, ARDS` (1), `SARS` (1)
    ");
    let hint = |flags: &str| {
        let text = sandbox.transcript(&format!("cxr-build-covid --source source {flags}"));
        text.split("hint: ").nth(1).unwrap().to_owned()
    };
    insta::assert_snapshot!(hint("--view L"), @"the 3 rows with the finding have the views `PA` (3) and the modalities `X-ray` (3); `--view any` and `--modality any` select all");
    std::fs::remove_dir_all(sandbox.path("source/images")).unwrap();
    std::fs::create_dir(sandbox.path("source/images")).unwrap();
    assert!(
        hint("").starts_with("3 rows match, but none has a usable file in `[DIR]/source/images`"),
        "{}",
        hint("")
    );
}

#[test]
fn an_unusable_source_is_named() {
    let sandbox = source();
    let error = |flags: &str| {
        let text = sandbox.transcript(&format!("cxr-build-covid {flags}"));
        assert!(text.contains("exit: 1") && text.contains("hint: "), "{text}");
        text
    };
    assert!(
        error("").contains("`dataset/sources/covid-chestxray-dataset/metadata.csv` does not exist")
    );
    sandbox.write("page.csv", "<html>");
    assert!(error("--source source --metadata page.csv").contains("it looks like a web page"));
    sandbox.write("other.csv", "id,label\n1,2\n");
    let text = error("--source source --metadata other.csv");
    assert!(
        text.contains("no column `patientid`, `finding`, `filename`; it has `id`, `label`"),
        "{text}"
    );
    assert!(!sandbox.path("dataset").exists());
}

#[cfg(unix)]
#[test]
fn no_name_and_no_link_leads_out_of_the_source() {
    let sandbox = source();
    let secret = sandbox.write("secret.png", "secret");
    std::os::unix::fs::symlink(&secret, sandbox.path("source/images/link.png")).unwrap();
    sandbox.write("source/images/record.json", "{}");
    let mut table = "patientid,finding,view,filename\n1,COVID-19,PA,a.png\n".to_owned();
    let absolute = secret.display().to_string();
    let hostile = ["../../secret.png", &absolute, "link.png", "..", "record.json", "images/a.png"];
    for name in hostile {
        table += &format!("2,COVID-19,PA,{name}\n");
    }
    sandbox.write("source/metadata.csv", table);
    insta::assert_snapshot!(sandbox.ok("cxr-build-covid --source source"), @"
    dataset/covid: 1 images
      rows of the source                7
      kept                              1  of 1 patients
      dropped                           6
        outside the source tree         5
        not an image                    1
    ");
    assert_eq!(
        names(&sandbox, "dataset"),
        ["covid/a.png", "covid/record.json", "covid/selection.csv"]
    );
    assert_eq!(sandbox.read("secret.png"), "secret");
}

#[test]
fn a_table_that_excel_has_saved_is_found_in_the_source_and_read() {
    let sandbox = source();
    let table = sandbox.read("source/metadata.csv").replace("\"COVID-19, ARDS\"", "COVID-19");
    let tabs = format!("\u{feff}{}", table.replace(',', "\t").replace('\n', "\r\n"));
    let bytes: Vec<u8> = tabs.encode_utf16().flat_map(u16::to_le_bytes).collect();
    sandbox.write("source/metadata.tsv", bytes);
    let line = "cxr-build-covid --source source --output out --metadata";
    let text = sandbox.transcript(&format!("{line} metadata.tsv"));
    assert!(text.contains("exit: 0"), "{text}");
    let note = "warning: `source/metadata.tsv`: ";
    assert!(text.contains(&format!("{note}read as UTF-16LE")), "{text}");
    assert!(text.contains(&format!("{note}the columns are separated by tabs")), "{text}");
    assert!(names(&sandbox, "out").contains(&"b.png".to_owned()));
    // A table in the current folder stands first.
    sandbox.write("metadata.tsv", table.replace(",b.png", ",gone.png"));
    sandbox.ok(&format!("{line} metadata.tsv"));
    assert!(!names(&sandbox, "out").contains(&"b.png".to_owned()));
    let text = sandbox.transcript(&format!("{line} other.tsv"));
    assert!(text.contains("error: there is no `other.tsv`, nor `source/other.tsv`"), "{text}");
}
