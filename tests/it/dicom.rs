//! Images as a PACS exports them, through `cxr-preprocess` and `cxr-predict`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cxr::artifact::index::{Index, IndexRow};
use cxr::image::DecodeError;
use serde_json::Value;

use crate::part10::{Part10, element, image, sequence};
use crate::support::{Sandbox, python, trained};

const OUT: &str = "artifacts/tutorial/preprocess";
const MODALITY: u32 = 0x0008_0060;
const LOGO: &[u8] = include_bytes!("../golden/images/rgb_420.jpg");
const NAME: u32 = 0x0010_0010;
const PATIENT: u32 = 0x0010_0020;
const VIEW: u32 = 0x0018_5101;

/// An image of a patient, unlike that of any other number.
fn of(id: &str) -> Part10 {
    image().text(PATIENT, "LO", id).text(NAME, "PN", "Zauberflo^Tamino").text(VIEW, "CS", "PA")
}

fn slice() -> Part10 {
    of("1001").text(MODALITY, "CS", "CT")
}

fn report() -> Part10 {
    let class = "1.2.840.10008.5.1.4.1.1.88.11";
    Part10::new(class).text(MODALITY, "CS", "SR").text(PATIENT, "LO", "1001")
}

fn directory() -> Part10 {
    Part10::new("1.2.840.10008.1.3.10")
}

/// Two classes as exported: numbered folders, no extensions, and what lies between.
fn export() -> Sandbox {
    let sandbox = Sandbox::new();
    for class in ["covid", "normal"] {
        sandbox.write(&format!("dataset/{class}/DICOMDIR"), directory().file());
        sandbox.write(&format!("dataset/{class}/A/1/SR000001"), report().file());
        sandbox.write(&format!("dataset/{class}/A/2/CT000001"), slice().file());
        // The viewer on a hospital's CD; its logo would pass for an image.
        sandbox.write(&format!("dataset/{class}/AUTORUN.INF"), "[autorun]");
        sandbox.write(&format!("dataset/{class}/VIEWER/logo.jpg"), LOGO);
    }
    let inverted = of("1002").text(0x0028_0004, "CS", "MONOCHROME1").text(VIEW, "CS", "AP Supine");
    sandbox.write("dataset/covid/A/1/IM000001", of("1001").file());
    sandbox.write("dataset/covid/A/1/IM000002", inverted.file());
    sandbox.write("dataset/covid/A/2/IM-0001-0001.dcm", of("").file());
    sandbox.write("dataset/normal/A/1/IM000001", of("1003").text(0x0020_0062, "CS", "L").file());
    sandbox.write("dataset/normal/A/2/IM000001", of("1001").file());
    sandbox.write("dataset/normal/A/2/IM-0001-0001.dcm", of("Anonymous").file());
    sandbox
}

fn index(sandbox: &Sandbox) -> Vec<IndexRow> {
    Index::read(&sandbox.path(OUT).join("index.csv")).unwrap().rows
}

#[test]
fn a_tree_of_dicom_is_taken_as_it_is_exported() {
    let sandbox = export();
    insta::assert_snapshot!(sandbox.transcript("cxr-preprocess --max-skipped 0"), @r"
    $ cxr-preprocess --max-skipped 0
    exit: 0
    --- stdout
    6 images read, 0 unusable files excluded
    10 also excluded: files of DICOM exports that are not images
    class   images  patients  unknown
    covid        3         2        1
    normal       3         2        1
    --- stderr
    warning: 2 images below a DICOMDIR are excluded, because they are not DICOM and may belong to a viewer; move radiographs to another folder
    warning: the patient IDs are hashed without a key: anyone who can list the IDs can identify the patients; give a file of secret bytes with `--patient-key`
    ");
    let rows = index(&sandbox);
    let said: Vec<_> = rows
        .iter()
        .map(|r| [&r.path, &r.mode, &r.modality, &r.view, &r.laterality, &r.photometric])
        .map(|cells| cells.map(String::as_str).join(" "))
        .collect();
    assert_eq!(
        said,
        [
            "covid/A/1/IM000001 L12 DX PA  MONOCHROME2",
            "covid/A/1/IM000002 L12 DX AP  MONOCHROME1",
            "covid/A/2/IM-0001-0001.dcm L12 DX PA  MONOCHROME2",
            "normal/A/1/IM000001 L12 DX PA L MONOCHROME2",
            "normal/A/2/IM-0001-0001.dcm L12 DX PA  MONOCHROME2",
            "normal/A/2/IM000001 L12 DX PA  MONOCHROME2",
        ]
    );
    // One patient in two classes, and two file names and an anonymised ID that name no patient.
    let patients: Vec<_> = rows.iter().map(|row| row.patient.as_str()).collect();
    assert_eq!((patients[2], patients[4]), ("", ""));
    assert_eq!(patients[0], patients[5]);
    let known: BTreeSet<_> = patients.iter().filter(|p| !p.is_empty()).collect();
    assert_eq!(known.len(), 3);
    assert!(known.iter().all(|p| p.starts_with("dicom:") && p.len() == 6 + 16), "{known:?}");
    let selection_log = sandbox.read(format!("{OUT}/selection.csv"));
    for line in [
        "covid/A/1/SR000001,covid,dropped,not a radiograph: a structured report",
        "covid/A/2/CT000001,covid,dropped,not a radiograph: a CT slice",
        "normal/DICOMDIR,normal,dropped,not a radiograph: a DICOMDIR (list of files)",
        "normal/VIEWER/logo.jpg,normal,dropped,not a radiograph: non-DICOM file below a DICOMDIR",
    ] {
        assert!(selection_log.contains(line), "{line}\n{selection_log}");
    }
    sandbox.ok("cxr-link");
    let groups = sandbox.read("artifacts/tutorial/link/groups.csv");
    assert!(groups.contains(patients[0]) && !groups.contains("kaggle"), "{groups}");
}

#[test]
fn patients_are_called_as_asked() {
    let sandbox = export();
    let first = |line: &str| {
        sandbox.ok(line);
        index(&sandbox)[0].patient.clone()
    };
    let hashed = first("cxr-preprocess");
    assert_eq!(first("cxr-preprocess --patients plain"), "dicom:1001");
    assert_eq!(first("cxr-preprocess --patients none"), "");
    sandbox.write("key", [1; 32]);
    let keyed = first("cxr-preprocess --patient-key key");
    assert!(keyed != hashed && keyed.starts_with("dicom:"), "{keyed}");
    let text = sandbox.transcript("cxr-preprocess --patient-key key");
    assert!(!text.contains("without a key"), "{text}");
    // The key is an input like the images.
    let config = "[preprocess]\npatient-key = \"key\"\n";
    sandbox.write("pipeline.toml", config);
    sandbox.ok("cxr-preprocess");
    let status = || sandbox.transcript("cxr status");
    let line = |text: &str| text.lines().find(|l| l.contains("preprocess")).unwrap().to_owned();
    assert!(!line(&status()).contains("stale"), "{}", status());
    sandbox.write("key", [2; 32]);
    assert!(line(&status()).contains("stale"), "{}", status());
    assert_ne!(first("cxr-preprocess"), keyed);

    sandbox.write("key", "short");
    let text = sandbox.transcript("cxr-preprocess");
    assert!(text.contains("exit: 1") && text.contains("fewer than 16 bytes"), "{text}");
    let text = sandbox.transcript("cxr-preprocess --patient-key gone");
    assert!(text.contains("exit: 1") && text.contains("hint: create a key with"), "{text}");
}

#[test]
fn a_selection_log_beats_the_header() {
    let sandbox = export();
    let header = "row,file,finding,view,modality,patient,evidence,source,status,reason,image";
    let row = "1,x,x,PA,X-ray,cohen:7,patient id,ours,kept,,x.dcm";
    sandbox.write("dataset/covid/selection.csv", format!("{header}\n{row}\n"));
    sandbox.write("dataset/covid/x.dcm", of("1001").file());
    sandbox.ok("cxr-preprocess");
    let rows = index(&sandbox);
    let row = rows.iter().find(|row| row.path == "covid/x.dcm").unwrap();
    assert_eq!((row.patient.as_str(), row.source.as_str()), ("cohen:7", "ours"));
}

#[test]
fn paths_that_name_patients_are_warned_of() {
    let sandbox = export();
    let warning = "images contain the patient's name or ID";
    assert!(!sandbox.transcript("cxr-preprocess").contains(warning));
    sandbox.write("dataset/covid/Zauberflo_Tamino/1", of("1001").file());
    sandbox.write("dataset/normal/1001/1", of("1001").file());
    let text = sandbox.transcript("cxr-preprocess");
    assert!(text.contains(&format!("the paths of 2 {warning}")), "{text}");
    assert!(!text.contains("Tamino") && !text.contains("tamino"), "{text}");
}

/// An image with `mark` in every element that may hold something personal, and around.
fn marked(mark: &str) -> Part10 {
    let inner = element(0x0010_0010, "PN", mark.as_bytes());
    let codes =
        [element(0x0008_0100, "SH", mark.as_bytes()), element(0x0008_0104, "LO", mark.as_bytes())];
    let mut image = image()
        .raw(
            0x0040_0275,
            sequence(
                0x0040_0275,
                "SQ",
                &[inner.clone(), sequence(0x0040_0008, "SQ", std::slice::from_ref(&inner))],
            ),
        )
        .raw(0x0054_0220, sequence(0x0054_0220, "SQ", &[codes.concat()]))
        .raw(0x0009_1002, sequence(0x0009_1002, "UN", &[]))
        .raw(0x0009_1003, element(0x0009_1003, "UN", mark.as_bytes()));
    for (tag, vr) in [
        (0x0008_0014, "UI"),
        (0x0008_0018, "UI"),
        (0x0008_0020, "DA"),
        (0x0008_0050, "SH"),
        (0x0008_0080, "LO"),
        (0x0008_0081, "ST"),
        (0x0008_0090, "PN"),
        (0x0008_1010, "SH"),
        (0x0008_1030, "LO"),
        (0x0008_103e, "LO"),
        (0x0008_1048, "PN"),
        (0x0008_1070, "PN"),
        (0x0009_0010, "LO"),
        (0x0009_1001, "LT"),
        (0x0010_0010, "PN"),
        (0x0010_0020, "LO"),
        (0x0010_0021, "LO"),
        (0x0010_0030, "DA"),
        (0x0010_0040, "CS"),
        (0x0010_1000, "LO"),
        (0x0010_1001, "PN"),
        (0x0010_1040, "LO"),
        (0x0010_2154, "SH"),
        (0x0010_21b0, "LT"),
        (0x0010_4000, "LT"),
        (0x0018_1000, "LO"),
        (0x0018_1030, "LO"),
        (0x0018_5101, "CS"),
        (0x0020_000d, "UI"),
        (0x0020_000e, "UI"),
        (0x0020_0010, "SH"),
        (0x0020_0060, "CS"),
        (0x0020_0062, "CS"),
        (0x0020_4000, "LT"),
        (0x0028_1050, "DS"),
        (0x0028_1051, "DS"),
        (0x0028_1055, "LO"),
        (0x0028_1056, "CS"),
        (0x0032_1060, "LO"),
        (0x0032_4000, "LT"),
        (0x0040_0254, "LO"),
        (0x2050_0020, "CS"),
    ] {
        image = image.text(tag, vr, mark);
    }
    image
}

#[test]
fn nothing_personal_is_written_or_said() {
    let mark = "QZMARKQZ";
    let sandbox = Sandbox::new();
    let marked = marked(mark);
    let files = [
        marked.clone(),
        marked.clone().text(0x0028_0004, "CS", mark),
        marked.clone().text(MODALITY, "CS", mark),
        marked.clone().text(0x0028_0008, "IS", "4"),
        marked.clone().text(MODALITY, "CS", "CT"),
        marked.clone().packed("1.2.QZMARKQZ"),
        marked.clone().packed("1.2.840.10008.1.2.QZMARKQZ"),
        marked.clone().bytes(0x7fe0_0010, "OW", mark.as_bytes()),
        marked.clone().without(0x7fe0_0010),
    ];
    for class in ["covid", "normal"] {
        for (i, file) in files.iter().enumerate() {
            sandbox.write(&format!("dataset/{class}/{i}.dcm"), file.file());
        }
    }
    let mut said = sandbox.transcript("cxr-preprocess --max-skipped 1 -v");
    said += &sandbox.transcript("cxr-preprocess --max-skipped 1 --json --patients none");
    let said_of_one = sandbox.transcript("cxr-preprocess --fail-first");
    let rows = index(&sandbox);
    assert_eq!((rows.len(), rows[0].view.as_str()), (2, "OTHER"));
    let folder = sandbox.path("dataset/covid");
    let folder = folder.display();
    let predicted = trained().transcript(&format!("cxr-predict -v {folder} {folder}/4.dcm"));
    assert!(predicted.contains("0.dcm") && predicted.contains("skipped `"), "{predicted}");
    let json = trained().transcript(&format!("cxr-predict --json -v {folder}"));
    for text in [said, said_of_one, predicted, json] {
        assert!(!text.to_uppercase().contains(mark), "{text}");
    }
    for (path, bytes) in sandbox.tree("artifacts") {
        let found = bytes.windows(mark.len()).any(|w| w.eq_ignore_ascii_case(mark.as_bytes()));
        assert!(!found, "{path}");
    }
}

#[test]
fn predict_skips_what_is_no_image_unless_it_is_named() {
    let sandbox = export();
    let folder = sandbox.path("dataset/covid");
    let folder = folder.display().to_string();
    let text = trained().transcript(&format!("cxr-predict --format csv {folder}"));
    assert!(text.starts_with(&format!("$ cxr-predict --format csv {folder}\nexit: 0")), "{text}");
    assert_eq!(text.matches("dataset/covid/A/").count(), 3, "{text}");
    assert!(text.contains("5 files of DICOM exports are not images"), "{text}");
    let text = trained().transcript(&format!("cxr-predict {folder}/A/2/CT000001"));
    assert!(text.contains("exit: 1"), "{text}");
    assert!(text.contains("not a radiograph: a CT slice"), "{text}");
}

/// The files that come with pydicom itself.
fn pydicoms_files(python: &Path) -> Vec<PathBuf> {
    let code = "import pydicom, pathlib; print(pathlib.Path(pydicom.__file__).parent)";
    let output = Command::new(python).args(["-c", code]).output().unwrap();
    let package = String::from_utf8(output.stdout).unwrap();
    let files = Path::new(package.trim()).join("data/test_files");
    let walk = walkdir::WalkDir::new(files).sort_by_file_name().into_iter();
    let files = walk.map(|entry| entry.unwrap()).filter(|entry| entry.file_type().is_file());
    files.map(walkdir::DirEntry::into_path).collect()
}

/// The bytes with another modality, which is no image otherwise.
fn of_other_modality(mut bytes: Vec<u8>) -> Vec<u8> {
    for start in [&b"\x08\0\x60\0CS\x02\0"[..], b"\x08\0\x60\0\x02\0\0\0", b"\0\x08\0\x60CS\0\x02"]
    {
        if let Some(at) = bytes.windows(start.len()).position(|w| w == start) {
            bytes[at + start.len()..at + start.len() + 2].copy_from_slice(b"OT");
        }
    }
    bytes
}

#[test]
#[ignore = "installs pydicom with pip if it is not there"]
fn pydicoms_own_files_look_as_pydicom_shows_them() {
    let python = python("pydicom");
    let files = pydicoms_files(&python);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dicom.py");
    let output = Command::new(&python).arg(script).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut equal, mut others, mut refused) = (0, Vec::new(), BTreeSet::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let shown: Value = serde_json::from_str(line).unwrap();
        let path = Path::new(shown["file"].as_str().unwrap());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let decoded = cxr::image::decode(&of_other_modality(std::fs::read(path).unwrap()));
        match (decoded, shown["levels"].as_str()) {
            (Ok(image), Some(levels)) => {
                let levels = levels.as_bytes().chunks_exact(2);
                let levels = levels.map(|hex| str::from_utf8(hex).unwrap());
                let levels: Vec<_> =
                    levels.map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect();
                assert_eq!(image.pixels.len(), levels.len(), "{name}");
                let off = image.pixels.iter().zip(levels).map(|(a, b)| a.abs_diff(b)).max();
                // Decoders of packings with loss round differently. A range without
                // outliers, or one that replaces a window, is ours, and a note says so.
                match off <= Some(2) {
                    true => equal += 1,
                    false => others.push(format!("{name}: {}", image.notes.join("; "))),
                }
            }
            (Err(DecodeError::NotARadiograph { .. }), _) => {}
            (Err(DecodeError::Unsupported { what, .. }), Some(_)) => {
                refused.insert(what);
            }
            (Err(error), Some(_)) => panic!("{name}: {error}"),
            // What pydicom lacks a library for.
            (_, None) => {}
        }
    }
    let is_stated = |file: &&String| {
        ["are outliers", "the range of the values is used"].iter().any(|note| file.contains(note))
    };
    let unexplained: Vec<_> = others.iter().filter(|file| !is_stated(file)).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    assert!(equal >= 45 && others.len() <= 4, "{equal} files are equal, not {others:#?}");
    let known = [
        "12-bit samples with lossy",
        "JPEG-LS in colour",
        "colours of more",
        "several frames",
        "other than 8",
    ];
    let unknown: Vec<_> =
        refused.iter().filter(|what| !known.iter().any(|k| what.contains(k))).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn doubts_about_a_decoding_are_named_counted_and_reported() {
    let sandbox = Sandbox::new();
    let beside =
        |image: Part10| image.text(0x0028_1050, "DS", "90000").text(0x0028_1051, "DS", "9");
    for class in ["covid", "normal"] {
        sandbox.write(&format!("dataset/{class}/sound.dcm"), image().file());
        for i in 0..6 {
            sandbox.write(&format!("dataset/{class}/{i}.dcm"), beside(image()).file());
        }
    }
    let note = "the window shows at most two levels of the values: the range of the values is used";
    let text = sandbox.transcript("cxr-preprocess --patients none");
    assert!(text.contains("12 decoded with notes: see the column `notes`"), "{text}");
    assert!(text.contains(&format!("warning: `covid/0.dcm`: {note}")), "{text}");
    assert_eq!(text.matches(note).count(), 10, "{text}");
    assert!(text.contains("warning: 2 more images have notes"), "{text}");
    let selection_log = sandbox.read(format!("{OUT}/selection.csv"));
    assert!(selection_log.starts_with("path,class,status,reason,notes\n"), "{selection_log}");
    assert!(
        selection_log.contains(&format!("covid/0.dcm,covid,kept,,{note}\n")),
        "{selection_log}"
    );
    assert!(selection_log.contains("covid/sound.dcm,covid,kept,,\n"), "{selection_log}");
    let json: Value = serde_json::from_str(&sandbox.ok("cxr-preprocess --json")).unwrap();
    assert_eq!((&json["images"], &json["with_notes"]), (&14.into(), &12.into()));

    sandbox.ok("cxr-report");
    let page = sandbox.read("artifacts/tutorial/report/report.html");
    assert!(page.contains("12 images decoded with notes"), "{page}");
    assert!(page.contains("covid&#x2f;0.dcm</th>") && page.contains(note), "{page}");
    assert!(!page.contains("sound.dcm</th>"), "{page}");
    let card = sandbox.read("artifacts/tutorial/report/MODEL_CARD.md");
    assert!(card.contains("12 images decoded with notes"), "{card}");

    let folder = sandbox.path("dataset/covid");
    let [sound, odd] = ["sound", "0"].map(|name| folder.join(name).with_extension("dcm"));
    let images = format!("{} {}", sound.display(), odd.display());
    let text = trained().transcript(&format!("cxr-predict --format csv {images}"));
    assert!(text.contains(&format!("warning: `{}`: {note}", odd.display())), "{text}");
    assert!(
        text.contains(
            "path,decision,p_covid,p_normal,ood_score,ood_part,out_of_distribution,audit,notes"
        ),
        "{text}"
    );
    assert!(text.contains(&format!("none,{note}\n")), "{text}");
    assert!(text.contains("1 decoded with notes"), "{text}");
    let json = trained().ok(&format!("cxr-predict --json {images}"));
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[0]["notes"], serde_json::json!([]));
    assert_eq!(rows[1]["notes"], serde_json::json!([note]));
}
