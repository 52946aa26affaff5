//! What each fuzz target does with its bytes, what must hold of them whatever
//! they are, and what it starts from.
//!
//! The programs in `fuzz_targets/` hand these functions to libFuzzer. The tests of
//! the main package include this file, so that on stable Rust, too, every target
//! takes its seeds and what a little damage makes of them.
//!
//! Each function is the target of its name.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use cxr::artifact::array::read_array;
use cxr::artifact::audit::Audit;
use cxr::artifact::crossval::{CrossValidation, read_runs};
use cxr::artifact::explanation::{Explanation, Line};
use cxr::artifact::features::Features;
use cxr::artifact::groups::{GroupRow, Linked};
use cxr::artifact::history::Epoch;
use cxr::artifact::index::Index;
use cxr::artifact::ledger::Ledger;
use cxr::artifact::metrics::Metrics;
use cxr::artifact::model::Model;
use cxr::artifact::predictions::Predictions;
use cxr::artifact::record::Record;
use cxr::artifact::split::Split;
use cxr::artifact::{Document, read_csv, write_csv};
use cxr::backbone::Weights;
use cxr::classifier::{Bundle, Imported};
use cxr::dataset::dicom::Naming;
use cxr::dataset::{identity, metadata, patient_table, source};
use cxr::head::Head;
use cxr::image::{MAX_PIXELS, decode};
use cxr::io::archive::{Archive, Limits};
use cxr::io::npy::{Element, Reader};
use cxr::io::safetensors::View;
use cxr::io::tensor::Tensor;
use cxr::io::{checkpoint, hash, hdf5, keras, onnx, safetensors};
use cxr::pipeline::Config;
use ndarray::{Ix1, Ix2, Ix3};
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// A reader of foreign bytes.
pub struct Target {
    /// The name of its program.
    pub name: &'static str,
    /// Reads bytes; panics if what must hold does not.
    pub run: fn(&[u8]),
    /// Bytes that it reads without an error, or most of them.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "bundle", run: bundle, seeds: bundles },
    Target { name: "csv", run: csv, seeds: tables },
    Target { name: "dicom", run: dicom, seeds: dicoms },
    Target { name: "hdf5", run: hdf5, seeds: hdf5s },
    Target { name: "image", run: image, seeds: images },
    Target { name: "json", run: json, seeds: documents },
    Target { name: "keras", run: keras, seeds: models },
    Target { name: "npy", run: npy, seeds: arrays },
    Target { name: "onnx", run: onnx, seeds: onnxs },
    Target { name: "safetensors", run: safetensors, seeds: safetensorses },
    Target { name: "toml", run: toml, seeds: pipelines },
    Target { name: "zip", run: zip, seeds: archives },
];

/// Puts the seeds of a target into its corpus; libFuzzer calls this before it reads it.
pub fn seed(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let corpus = root().join("fuzz/corpus").join(name);
    fs::create_dir_all(&corpus).expect("the fuzz folder can be written to");
    for seed in (target.seeds)() {
        let path = corpus.join(format!("seed-{}", &hash::bytes(&seed)[..16]));
        fs::write(path, seed).expect("the corpus can be written to");
    }
}

/// The folder of the main package.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    if own.ends_with("fuzz") { own.join("..") } else { own.to_owned() }
}

fn read(name: &str) -> Vec<u8> {
    fs::read(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// All files of a folder of the main package.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(root().join(folder)).expect("a folder of the tests");
    files.map(|file| fs::read(file.expect("a file").path()).expect("a file")).collect()
}

/// A file with these bytes, in a folder of this thread; there is one at a time.
fn on_disk(name: &str, bytes: &[u8]) -> PathBuf {
    thread_local! {
        static FOLDER: TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    let path = FOLDER.with(|folder| folder.path().join(name));
    fs::create_dir_all(path.parent().expect("it has a folder")).expect("a temporary folder");
    fs::write(&path, bytes).expect("a temporary file");
    path
}

/// The first byte, which says what the others are taken for.
fn choice(bytes: &[u8]) -> Option<(u8, &[u8])> {
    bytes.split_first().map(|(first, rest)| (*first, rest))
}

fn seed_of(choice: u8, bytes: &[u8]) -> Vec<u8> {
    [&[choice], bytes].concat()
}

fn whole(tensors: &[Tensor]) {
    for tensor in tensors {
        assert_eq!(tensor.data.len(), tensor.shape.iter().product::<usize>(), "{}", tensor.name);
    }
}

fn tensors() -> Vec<Tensor> {
    let tensor = |name: &str, shape: &[usize]| Tensor {
        name: name.into(),
        shape: shape.into(),
        data: (0..shape.iter().product()).map(|i| i as f32).collect(),
    };
    vec![tensor("a", &[]), tensor("b/kernel", &[2, 3]), tensor("c", &[0, 4])]
}

pub fn npy(bytes: &[u8]) {
    fn rows<T: Element>(path: &Path, row: &[Option<usize>]) {
        if let Ok(mut reader) = Reader::<T>::open(path, row) {
            let count: usize = reader.shape().iter().product();
            let rows = reader.rows();
            assert_eq!(reader.read(0..rows).expect("its length was checked").len(), count);
            assert!(reader.read(rows..rows).expect("nothing to read").is_empty());
        }
    }
    let path = on_disk("x.npy", bytes);
    for rank in 0..4 {
        rows::<u8>(&path, &vec![None; rank]);
        rows::<f32>(&path, &vec![None; rank]);
    }
    let _ = read_array::<Ix1>("array", &path, &[2]);
    let _ = read_array::<Ix2>("array", &path, &[2, 3]);
    let _ = read_array::<Ix3>("array", &path, &[2, 1, 3]);
}

fn arrays() -> Vec<Vec<u8>> {
    let written = |descr: &str, shape: &str, length: usize| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        [b"\x93NUMPY\x01\x00v\x00", header.as_bytes(), &vec![1; length]].concat()
    };
    vec![
        written("<f4", "(2,)", 8),
        written("<f4", "(2, 3)", 24),
        written("<f4", "(2, 1, 3)", 24),
        written("|u1", "(1, 2, 2, 3)", 12),
        written("|u1", "(0, 4)", 0),
        written("|b1", "(3,)", 3),
        written("<i8", "()", 8),
    ]
}

pub fn safetensors(bytes: &[u8]) {
    if let Ok(tensors) = safetensors::read(bytes) {
        whole(&tensors);
        let metadata = safetensors::metadata(bytes).expect("the header was read");
        let written = safetensors::write(&tensors, &metadata);
        let again = safetensors::read(&written).expect("what was written is read");
        assert_eq!(written, safetensors::write(&again, &metadata));
        assert_eq!(safetensors::metadata(&written).expect("it has a header"), metadata);
    }
    if let Ok(head) = Head::from_safetensors(bytes) {
        assert_eq!(head.to_safetensors(), {
            let again = Head::from_safetensors(&head.to_safetensors()).expect("it was written");
            again.to_safetensors()
        });
    }
    let _ = Weights::from_safetensors(bytes);
}

fn safetensorses() -> Vec<Vec<u8>> {
    let metadata = BTreeMap::from([("source".to_owned(), "a seed".to_owned())]);
    let mut head = safetensors::read(MODEL).expect("a seed");
    head.retain(|tensor| tensor.name.starts_with("dense"));
    vec![safetensors::write(&tensors(), &metadata), safetensors::write(&head, &BTreeMap::new())]
}

pub fn hdf5(bytes: &[u8]) {
    if let Ok(tensors) = hdf5::read(bytes.to_vec()) {
        whole(&tensors);
    }
}

/// A whole-model file of Keras' older format, with `config` for its layers.
fn keras_h5(config: &str) -> Vec<u8> {
    use hdf5::write::{Attribute, Tree, write};
    let tensors = tensors();
    let leaf = |at: usize| Tree { datasets: vec![(&tensors[at]).into()], ..Tree::default() };
    let layer = View { name: "kernel:0".into(), ..(&tensors[1]).into() };
    let root = Tree {
        attributes: vec![
            ("model_config".into(), Attribute::Text(config.into())),
            ("layer_names".into(), Attribute::Texts(vec!["dense".into(), "flatten".into()])),
        ],
        datasets: Vec::new(),
        groups: vec![
            ("dense".into(), Tree { datasets: vec![layer], ..Tree::default() }),
            ("flatten".into(), leaf(0)),
        ],
    };
    let mut bytes = Vec::new();
    write(&mut bytes, root).expect("a seed");
    bytes
}

fn hdf5s() -> Vec<Vec<u8>> {
    let mut file = hdf5_pure::FileBuilder::new();
    let chunked = file.create_dataset("chunked");
    chunked.with_f32_data(&[1.0; 24]).with_shape(&[4, 6]).with_chunks(&[2, 3]).with_deflate(6);
    let chunked = file.finish().expect("a seed");
    vec![keras_h5("{}"), chunked, read("tests/golden/keras.h5")]
}

pub fn keras(bytes: &[u8]) {
    let Some((kind, rest)) = choice(bytes) else { return };
    let file = match kind % 2 {
        0 => rest.to_vec(),
        // A configuration in an archive, whose checksums no chance would mend.
        _ => pack(&[("config.json", rest), ("model.weights.h5", &keras_h5("{}"))]),
    };
    let path = on_disk("x.keras", &file);
    let _ = keras::config(&path);
    if let Ok(tensors) = checkpoint::read(&path) {
        whole(&tensors);
    }
    let _ = Imported::read(&path);
}

fn models() -> Vec<Vec<u8>> {
    let layer = |class: &str, config: &str| {
        format!(r#"{{"class_name":"{class}","config":{{"name":"x",{config}}}}}"#)
    };
    let layers = [
        layer("InputLayer", r#""batch_shape":[null,224,224,3]"#),
        layer("AveragePooling2D", r#""pool_size":[4,4]"#),
        layer("Flatten", r#""data_format":"channels_last""#),
        layer("Dense", r#""activation":"relu""#),
        layer("Dropout", r#""rate":0.5"#),
        layer("Dense", r#""activation":"softmax""#),
    ];
    let config =
        format!(r#"{{"class_name":"Functional","config":{{"layers":[{}]}}}}"#, layers.join(","));
    let h5 = keras_h5(&config);
    let archive = pack(&[("config.json", config.as_bytes()), ("model.weights.h5", &h5)]);
    vec![
        seed_of(1, config.as_bytes()),
        seed_of(0, &archive),
        seed_of(0, &h5),
        seed_of(0, &onnxs()[0]),
        seed_of(0, &safetensorses()[0]),
    ]
}

pub fn onnx(bytes: &[u8]) {
    if let Ok(tensors) = onnx::read(bytes) {
        whole(&tensors);
    }
}

fn onnxs() -> Vec<Vec<u8>> {
    // Models of one initializer: `a`, [1], 2.0, raw; `b`, [2], packed, a list of floats.
    vec![
        b"\x08\x07\x3a\x0f\x2a\x0d\x08\x01\x10\x01\x42\x01a\x4a\x04\x00\x00\x00\x40".to_vec(),
        b"\x08\x07\x3a\x14\x2a\x12\x0a\x01\x02\x10\x01\x42\x01b\x22\x08\x00\x00\x00\x40\x00\x00\x80\x3f".to_vec(),
        b"\x08\x07\x3a\x0b\x2a\x09\x08\x01\x10\x01\x42\x01c\x70\x01".to_vec(),
    ]
}

/// The tables in the order of their choice.
const TABLES: [&str; 8] = [
    "metadata.csv",
    "index.csv",
    "ledger.csv",
    "predictions.csv",
    "runs.csv",
    "groups.csv",
    "history.csv",
    "explain.csv",
];

pub fn csv(bytes: &[u8]) {
    let Some((kind, rest)) = choice(bytes) else { return };
    if kind % 8 == 0 {
        return metadata_csv(rest);
    }
    let path = on_disk("x.csv", rest);
    let again = path.with_file_name("again.csv");
    match kind % 8 {
        1 => {
            let Ok(index) = Index::read(&path) else { return };
            assert!(index.labels().iter().all(|label| *label < index.classes.len()));
            index.write(&again).expect("it was read");
            assert_eq!(Index::read(&again).expect("it was written"), index);
        }
        2 => {
            let Ok(ledger) = Ledger::read(&path) else { return };
            let counts = ledger.counts();
            assert_eq!(counts.rows, counts.kept + counts.dropped.values().sum::<usize>());
            if !ledger.rows.is_empty() {
                ledger.write(&again).expect("it was read");
                // Formulas are no longer any.
                let inert = Ledger::read(&again).expect("it was written");
                inert.write(&again).expect("it was read");
                assert_eq!(Ledger::read(&again).expect("it was written"), inert);
            }
        }
        3 => {
            let Ok(predictions) = Predictions::read(&path) else { return };
            predictions.write(&again).expect("it was read");
            assert_eq!(Predictions::read(&again).expect("it was written"), predictions);
        }
        4 => {
            let films = include_bytes!("../seeds/artifacts/index.csv");
            fs::write(&again, films).expect("a temporary file");
            let _ = read_runs(&path, &Index::read(&again).expect("a seed"));
        }
        5 => rows::<GroupRow>(&path, &again),
        6 => drop(read_csv::<Epoch>("history", &path)),
        _ => drop(read_csv::<Line>("table of explanations", &path)),
    }
}

fn rows<T>(path: &Path, again: &Path)
where
    T: serde::de::DeserializeOwned + serde::Serialize + Default + PartialEq + std::fmt::Debug,
{
    let Ok(rows) = read_csv::<T>("table", path) else { return };
    write_csv(again, &rows).expect("they were read");
    assert_eq!(read_csv::<T>("table", again).expect("they were written"), rows);
}

/// No name leads to a file outside the source.
fn metadata_csv(bytes: &[u8]) {
    let columns = patient_table::Columns::default();
    if let Ok(table) = patient_table::PatientTable::parse(bytes, Path::new("x.csv"), columns) {
        let paths = ["covid/a.jpg", "normal/a.jpg", "patient00001/study1/view1_frontal.jpg"];
        let (matches, counts) = table.join(&paths);
        assert_eq!((matches.len(), counts.images), (paths.len(), paths.len()));
        assert!(counts.rows_matched <= counts.rows);
    }
    let Ok(metadata) = metadata::parse(bytes, Path::new("metadata.csv")) else { return };
    let folder = root().join("fuzz/seeds").canonicalize().expect("it is there");
    for row in &metadata.rows {
        if let Some(name) = &row.filename {
            let _ = identity::from_name(name);
            if let Ok(path) = source::film(&folder, &folder.join("artifacts"), name) {
                assert!(path.starts_with(&folder), "{name}");
            }
        }
        let _ = row.patient.as_deref().and_then(identity::from_patient_id);
    }
}

fn tables() -> Vec<Vec<u8>> {
    let seed = |(i, name): (usize, &&str)| {
        seed_of(i as u8, &read(&format!("fuzz/seeds/artifacts/{name}")))
    };
    TABLES.iter().enumerate().map(seed).collect()
}

pub fn toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let known: Vec<_> = cxr::stages::known().iter().map(|s| (s.name, s.keys())).collect();
    if let Ok(config) = Config::parse("pipeline.toml", text, None, &[], &known) {
        let _ = config.stages();
        for (stage, _) in &known {
            let _ = config.settings::<::toml::Table>(stage, ::toml::Table::new());
        }
        let _ = config.value::<PathBuf>("dataset");
        let _ = config.value::<u64>("seed");
    }
}

fn pipelines() -> Vec<Vec<u8>> {
    let own = b"default-profile = \"mine\"\nseed = 7\n[train]\nepochs = 3\n[profile.mine]\n\
        about = 'x'\nstages = [\"split\"]\ndataset = \"d\"\n[profile.mine.split]\ntest-size = 0.5\n";
    vec![read("pipeline.toml"), own.to_vec()]
}

/// The documents in the order of their choice.
const DOCUMENTS: [&str; 9] = [
    "record.json",
    "split.json",
    "metrics.json",
    "model.json",
    "features.json",
    "audit.json",
    "crossval.json",
    "link.json",
    "explain.json",
];

pub fn json(bytes: &[u8]) {
    fn document<T: Document + PartialEq + std::fmt::Debug>(path: &Path) -> Option<T> {
        let document = T::read(path).ok()?;
        let again = path.with_file_name("again.json");
        document.write(&again).expect("it was read");
        let back = T::read(&again).expect("it was written");
        assert_eq!(back.to_json(), document.to_json());
        Some(document)
    }
    let Some((kind, rest)) = choice(bytes) else { return };
    let path = on_disk("x.json", rest);
    match kind % 9 {
        0 => drop(document::<Record>(&path).map(|record| record.key())),
        1 => drop(document::<Split>(&path)),
        2 => drop(document::<Metrics>(&path)),
        3 => drop(document::<Model>(&path).map(|model| model.fit_settings())),
        4 => drop(document::<Features>(&path)),
        5 => drop(document::<Audit>(&path).map(|audit| audit.figures())),
        6 => drop(document::<CrossValidation>(&path).map(|c| c.calibration.worthwhile())),
        7 => drop(document::<Linked>(&path)),
        _ => drop(document::<Explanation>(&path).map(|explanation| explanation.pooled_region())),
    }
}

fn documents() -> Vec<Vec<u8>> {
    let seed = |(i, name): (usize, &&str)| {
        seed_of(i as u8, &read(&format!("fuzz/seeds/artifacts/{name}")))
    };
    DOCUMENTS.iter().enumerate().map(seed).collect()
}

pub fn image(bytes: &[u8]) {
    if let Ok(film) = decode(bytes) {
        assert!((film.height() * film.width()) as u64 <= MAX_PIXELS);
        assert_eq!(film.to_rgb(8, 8).dim(), (8, 8, 3));
    }
}

fn images() -> Vec<Vec<u8>> {
    ["films", "odd_raster", "lossless_jpeg"]
        .iter()
        .flat_map(|folder| files(&format!("tests/golden/{folder}")))
        .collect()
}

/// As [`image`]; what the header says of the patient is text, whichever name it gets.
pub fn dicom(bytes: &[u8]) {
    image(bytes);
    let Some(tags) = decode(bytes).ok().and_then(|film| film.tags) else { return };
    for naming in [Naming::Hashed(None), Naming::Plain, Naming::None] {
        assert!(!naming.of(tags.patient.as_ref()).contains(char::is_control));
    }
    let _ = tags.patient.is_some_and(|patient| patient.is_named_in("covid/film.dcm"));
}

fn dicoms() -> Vec<Vec<u8>> {
    files("tests/golden/dicom")
}

const ARCHIVE: Limits = Limits { entries: 100, bytes: 4 << 20, ratio: 100 };

/// Nothing is written but below the folder named, and no more than the limits.
pub fn zip(bytes: &[u8]) {
    let path = on_disk("zip/x.zip", bytes);
    let folder = path.parent().expect("it has a folder");
    let into = folder.join("into");
    let _ = fs::remove_dir_all(&into);
    let Ok(mut archive) = Archive::open(&path, ARCHIVE) else { return };
    let names = archive.names().to_vec();
    for name in &names {
        if let Ok(bytes) = archive.read(name, 1 << 20) {
            assert!(bytes.len() <= 1 << 20);
        }
    }
    let plan = names.iter().map(|name| (name.clone(), name.into())).collect();
    let _ = archive.extract(&plan, &into, &mut |_| {});
    let mut unpacked = 0;
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.expect("it can be listed");
        let kind = entry.file_type();
        assert!(kind.is_dir() || kind.is_file(), "{}", entry.path().display());
        if kind.is_file() && entry.path() != path {
            assert!(entry.path().starts_with(&into), "{}", entry.path().display());
            unpacked += entry.metadata().expect("it is there").len();
        }
    }
    // One byte of each file tells that it is too large.
    assert!(unpacked <= ARCHIVE.bytes + names.len() as u64);
}

fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (i, (name, bytes)) in files.iter().enumerate() {
        let method = [CompressionMethod::Stored, CompressionMethod::Deflated][i % 2];
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).expect("a seed");
        zip.write_all(bytes).expect("a seed");
    }
    zip.finish().expect("a seed").into_inner()
}

fn archives() -> Vec<Vec<u8>> {
    vec![
        pack(&[("a.txt", b"hello"), ("folder/b.bin", &[0; 4000])]),
        pack(&[("../a", b"x")]),
        pack(&[("/etc/x", b"x"), ("c:\\x", b"y")]),
        pack(&[]),
    ]
}

pub fn bundle(bytes: &[u8]) {
    let Some((kind, rest)) = choice(bytes) else { return };
    let file = match (kind % 2, std::str::from_utf8(rest)) {
        (0, _) => rest.to_vec(),
        (_, Err(_)) => return,
        // A manifest with its own hash, which no chance would mend.
        (_, Ok(text)) => {
            let sum = hash::bytes(text.as_bytes());
            let metadata = [("blake3".to_owned(), sum), ("bundle".to_owned(), text.to_owned())];
            let tensors = safetensors::read(MODEL).expect("a seed");
            safetensors::write(&tensors, &metadata.into())
        }
    };
    let path = on_disk("x.cxr", &file);
    if let Ok(bundle) = Bundle::read(&path) {
        let _ = bundle.properties();
        let again = path.with_file_name("again.cxr");
        bundle.write(&again).expect("it was read");
        Bundle::read(&again).expect("it was written");
    }
}

const MODEL: &[u8] = include_bytes!("../seeds/bundle/model.cxr");

fn bundles() -> Vec<Vec<u8>> {
    let manifest = safetensors::metadata(MODEL).expect("a seed").remove("bundle");
    vec![seed_of(0, MODEL), seed_of(1, manifest.expect("it has one").as_bytes())]
}
