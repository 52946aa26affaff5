//! Fuzz targets: readers of foreign bytes, the properties that they must have, and seeds.
//!
//! Each public function is the target of the same name. The programs in `fuzz_targets/` pass
//! them to libFuzzer. `tests/it/fuzz.rs` includes this file and runs every target on its
//! seeds, unchanged and damaged, with stable Rust.

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
use cxr::artifact::metrics::Metrics;
use cxr::artifact::model::Model;
use cxr::artifact::predictions::Predictions;
use cxr::artifact::record::Record;
use cxr::artifact::selection_log::SelectionLog;
use cxr::artifact::split::Split;
use cxr::artifact::{Document, read_csv, write_csv};
use cxr::backbone::Weights;
use cxr::classifier::{Bundle, ImportedModel};
use cxr::dataset::dicom::PatientIdFormat;
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

/// Fuzz target of one reader.
pub struct Target {
    /// Name of the target and of its program.
    pub name: &'static str,
    /// Reads any bytes. Panics if a property of the reader is violated.
    pub run: fn(&[u8]),
    /// Returns the initial corpus: inputs that are valid, with few exceptions.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets, by name.
pub const TARGETS: &[Target] = &[
    Target { name: "bundle", run: bundle, seeds: bundle_seeds },
    Target { name: "csv", run: csv, seeds: csv_seeds },
    Target { name: "dicom", run: dicom, seeds: dicom_seeds },
    Target { name: "hdf5", run: hdf5, seeds: hdf5_seeds },
    Target { name: "image", run: image, seeds: image_seeds },
    Target { name: "json", run: json, seeds: json_seeds },
    Target { name: "keras", run: keras, seeds: keras_seeds },
    Target { name: "npy", run: npy, seeds: npy_seeds },
    Target { name: "onnx", run: onnx, seeds: onnx_seeds },
    Target { name: "safetensors", run: safetensors, seeds: safetensors_seeds },
    Target { name: "toml", run: toml, seeds: toml_seeds },
    Target { name: "zip", run: zip, seeds: zip_seeds },
];

/// Writes the seeds of a target to its corpus. libFuzzer calls this before it reads the corpus.
pub fn seed(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a known target");
    let corpus = package_root().join("fuzz/corpus").join(name);
    fs::create_dir_all(&corpus).expect("the fuzz folder can be written to");
    for seed in (target.seeds)() {
        let path = corpus.join(format!("seed-{}", &hash::bytes(&seed)[..16]));
        fs::write(path, seed).expect("the corpus can be written to");
    }
}

/// Root folder of the main package.
fn package_root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    if own.ends_with("fuzz") { own.join("..") } else { own.to_owned() }
}

/// Returns a file of the main package.
fn read_file(name: &str) -> Vec<u8> {
    fs::read(package_root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Returns all files of a folder of the main package.
fn read_folder(folder: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(package_root().join(folder)).expect("the folder exists");
    files.map(|file| fs::read(file.expect("a folder entry").path()).expect("a file")).collect()
}

/// Writes the bytes to a file in the temporary folder of this thread. The next call with the
/// same name replaces the file.
fn write_temporary(name: &str, bytes: &[u8]) -> PathBuf {
    thread_local! {
        static FOLDER: TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    let path = FOLDER.with(|folder| folder.path().join(name));
    fs::create_dir_all(path.parent().expect("a parent folder")).expect("a temporary folder");
    fs::write(&path, bytes).expect("a temporary file");
    path
}

/// Splits off the first byte, which selects the reader of the rest.
fn split_selector(bytes: &[u8]) -> Option<(u8, &[u8])> {
    bytes.split_first().map(|(first, rest)| (*first, rest))
}

/// Inverse of [`split_selector`].
fn with_selector(selector: u8, bytes: &[u8]) -> Vec<u8> {
    [&[selector], bytes].concat()
}

/// Asserts that every tensor has as many values as its shape states.
fn check_lengths(tensors: &[Tensor]) {
    for tensor in tensors {
        assert_eq!(tensor.data.len(), tensor.shape.iter().product::<usize>(), "{}", tensor.name);
    }
}

fn seed_tensors() -> Vec<Tensor> {
    let tensor = |name: &str, shape: &[usize]| Tensor {
        name: name.into(),
        shape: shape.into(),
        data: (0..shape.iter().product()).map(|i| i as f32).collect(),
    };
    vec![tensor("a", &[]), tensor("b/kernel", &[2, 3]), tensor("c", &[0, 4])]
}

pub fn npy(bytes: &[u8]) {
    fn check<T: Element>(path: &Path, row: &[Option<usize>]) {
        if let Ok(mut reader) = Reader::<T>::open(path, row) {
            let count: usize = reader.shape().iter().product();
            let rows = reader.rows();
            assert_eq!(reader.read(0..rows).expect("`open` checked the length").len(), count);
            assert!(reader.read(rows..rows).expect("an empty range").is_empty());
        }
    }
    let path = write_temporary("x.npy", bytes);
    for rank in 0..4 {
        check::<u8>(&path, &vec![None; rank]);
        check::<f32>(&path, &vec![None; rank]);
    }
    let _ = read_array::<Ix1>("array", &path, &[2]);
    let _ = read_array::<Ix2>("array", &path, &[2, 3]);
    let _ = read_array::<Ix3>("array", &path, &[2, 1, 3]);
}

fn npy_seeds() -> Vec<Vec<u8>> {
    let npy_bytes = |descr: &str, shape: &str, length: usize| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        [b"\x93NUMPY\x01\x00v\x00", header.as_bytes(), &vec![1; length]].concat()
    };
    vec![
        npy_bytes("<f4", "(2,)", 8),
        npy_bytes("<f4", "(2, 3)", 24),
        npy_bytes("<f4", "(2, 1, 3)", 24),
        npy_bytes("|u1", "(1, 2, 2, 3)", 12),
        npy_bytes("|u1", "(0, 4)", 0),
        npy_bytes("|b1", "(3,)", 3),
        npy_bytes("<i8", "()", 8),
    ]
}

pub fn safetensors(bytes: &[u8]) {
    if let Ok(tensors) = safetensors::read(bytes) {
        check_lengths(&tensors);
        let metadata = safetensors::metadata(bytes).expect("`read` has read the header");
        let written = safetensors::write(&tensors, &metadata);
        let again = safetensors::read(&written).expect("written tensors");
        assert_eq!(written, safetensors::write(&again, &metadata));
        assert_eq!(safetensors::metadata(&written).expect("`write` writes a header"), metadata);
    }
    if let Ok(head) = Head::from_safetensors(bytes) {
        assert_eq!(head.to_safetensors(), {
            let again = Head::from_safetensors(&head.to_safetensors()).expect("a written head");
            again.to_safetensors()
        });
    }
    let _ = Weights::from_safetensors(bytes);
}

fn safetensors_seeds() -> Vec<Vec<u8>> {
    let metadata = BTreeMap::from([("source".to_owned(), "a seed".to_owned())]);
    let mut head = safetensors::read(MODEL).expect("a valid seed");
    head.retain(|tensor| tensor.name.starts_with("dense"));
    vec![
        safetensors::write(&seed_tensors(), &metadata),
        safetensors::write(&head, &BTreeMap::new()),
    ]
}

pub fn hdf5(bytes: &[u8]) {
    if let Ok(tensors) = hdf5::read(bytes.to_vec()) {
        check_lengths(&tensors);
    }
}

/// Keras model in the HDF5 format (`.h5`) with the model configuration `config` (JSON).
fn keras_h5_bytes(config: &str) -> Vec<u8> {
    use hdf5::write::{Attribute, Tree, write};
    let tensors = seed_tensors();
    let leaf = |index: usize| Tree { datasets: vec![(&tensors[index]).into()], ..Tree::default() };
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
    write(&mut bytes, root).expect("a valid seed");
    bytes
}

fn hdf5_seeds() -> Vec<Vec<u8>> {
    let mut file = hdf5_pure::FileBuilder::new();
    let chunked = file.create_dataset("chunked");
    chunked.with_f32_data(&[1.0; 24]).with_shape(&[4, 6]).with_chunks(&[2, 3]).with_deflate(6);
    let chunked = file.finish().expect("a valid seed");
    vec![keras_h5_bytes("{}"), chunked, read_file("tests/golden/keras.h5")]
}

pub fn keras(bytes: &[u8]) {
    let Some((kind, rest)) = split_selector(bytes) else { return };
    let file = match kind % 2 {
        0 => rest.to_vec(),
        // A mutated archive would fail at its checksums, so the archive is built around the
        // mutated configuration.
        _ => zip_bytes(&[("config.json", rest), ("model.weights.h5", &keras_h5_bytes("{}"))]),
    };
    let path = write_temporary("x.keras", &file);
    let _ = keras::config(&path);
    if let Ok(tensors) = checkpoint::read(&path) {
        check_lengths(&tensors);
    }
    let _ = ImportedModel::read(&path);
}

fn keras_seeds() -> Vec<Vec<u8>> {
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
    let h5 = keras_h5_bytes(&config);
    let archive = zip_bytes(&[("config.json", config.as_bytes()), ("model.weights.h5", &h5)]);
    vec![
        with_selector(1, config.as_bytes()),
        with_selector(0, &archive),
        with_selector(0, &h5),
        with_selector(0, &onnx_seeds()[0]),
        with_selector(0, &safetensors_seeds()[0]),
    ]
}

pub fn onnx(bytes: &[u8]) {
    if let Ok(tensors) = onnx::read(bytes) {
        check_lengths(&tensors);
    }
}

fn onnx_seeds() -> Vec<Vec<u8>> {
    // Models with one initializer: `a` with 1 value as raw data; `b` with 2 values as packed
    // floats; `c` with its data in an external file.
    vec![
        b"\x08\x07\x3a\x0f\x2a\x0d\x08\x01\x10\x01\x42\x01a\x4a\x04\x00\x00\x00\x40".to_vec(),
        b"\x08\x07\x3a\x14\x2a\x12\x0a\x01\x02\x10\x01\x42\x01b\x22\x08\x00\x00\x00\x40\x00\x00\x80\x3f".to_vec(),
        b"\x08\x07\x3a\x0b\x2a\x09\x08\x01\x10\x01\x42\x01c\x70\x01".to_vec(),
    ]
}

/// Tables; the selector of `csv` is the index.
const TABLES: [&str; 8] = [
    "metadata.csv",
    "index.csv",
    "selection.csv",
    "predictions.csv",
    "runs.csv",
    "groups.csv",
    "history.csv",
    "explain.csv",
];

pub fn csv(bytes: &[u8]) {
    let Some((kind, rest)) = split_selector(bytes) else { return };
    if kind % 8 == 0 {
        return check_metadata(rest);
    }
    let path = write_temporary("x.csv", rest);
    let again = path.with_file_name("again.csv");
    match kind % 8 {
        1 => {
            let Ok(index) = Index::read(&path) else { return };
            assert!(index.labels().iter().all(|label| *label < index.classes.len()));
            index.write(&again).expect("a table that was read");
            assert_eq!(Index::read(&again).expect("a written table"), index);
        }
        2 => {
            let Ok(selection_log) = SelectionLog::read(&path) else { return };
            let counts = selection_log.counts();
            assert_eq!(counts.rows, counts.kept + counts.dropped.values().sum::<usize>());
            if !selection_log.rows.is_empty() {
                selection_log.write(&again).expect("a table that was read");
                // The first `write` escapes spreadsheet formulas, so only the second round trip is
                // the identity.
                let escaped = SelectionLog::read(&again).expect("a written table");
                escaped.write(&again).expect("a table that was read");
                assert_eq!(SelectionLog::read(&again).expect("a written table"), escaped);
            }
        }
        3 => {
            let Ok(predictions) = Predictions::read(&path) else { return };
            predictions.write(&again).expect("a table that was read");
            assert_eq!(Predictions::read(&again).expect("a written table"), predictions);
        }
        4 => {
            let index = include_bytes!("../seeds/artifacts/index.csv");
            fs::write(&again, index).expect("a temporary file");
            let _ = read_runs(&path, &Index::read(&again).expect("a valid seed"));
        }
        5 => check_rows::<GroupRow>(&path, &again),
        6 => drop(read_csv::<Epoch>("history", &path)),
        _ => drop(read_csv::<Line>("table of explanations", &path)),
    }
}

/// Asserts that rows that were read and written are read as the same rows.
fn check_rows<T>(path: &Path, again: &Path)
where
    T: serde::de::DeserializeOwned + serde::Serialize + Default + PartialEq + std::fmt::Debug,
{
    let Ok(rows) = read_csv::<T>("table", path) else { return };
    write_csv(again, &rows).expect("rows that were read");
    assert_eq!(read_csv::<T>("table", again).expect("written rows"), rows);
}

/// Asserts that no file name in the table resolves to a path outside the source folder.
fn check_metadata(bytes: &[u8]) {
    let columns = patient_table::Columns::default();
    if let Ok(table) = patient_table::PatientTable::parse(bytes, Path::new("x.csv"), columns) {
        let paths = ["covid/a.jpg", "normal/a.jpg", "patient00001/study1/view1_frontal.jpg"];
        let (matches, counts) = table.join(&paths);
        assert_eq!((matches.len(), counts.images), (paths.len(), paths.len()));
        assert!(counts.rows_matched <= counts.rows);
    }
    let Ok(metadata) = metadata::parse(bytes, Path::new("metadata.csv")) else { return };
    let folder = package_root().join("fuzz/seeds").canonicalize().expect("the folder exists");
    for row in &metadata.rows {
        if let Some(name) = &row.filename {
            let _ = identity::from_name(name);
            if let Ok(path) = source::image(&folder, &folder.join("artifacts"), name) {
                assert!(path.starts_with(&folder), "{name}");
            }
        }
        let _ = row.patient.as_deref().and_then(identity::from_patient_id);
    }
}

fn csv_seeds() -> Vec<Vec<u8>> {
    let seed = |(i, name): (usize, &&str)| {
        with_selector(i as u8, &read_file(&format!("fuzz/seeds/artifacts/{name}")))
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

fn toml_seeds() -> Vec<Vec<u8>> {
    let custom = b"default-profile = \"mine\"\nseed = 7\n[train]\nepochs = 3\n[profile.mine]\n\
        about = 'x'\nstages = [\"split\"]\ndataset = \"d\"\n[profile.mine.split]\ntest-size = 0.5\n";
    vec![read_file("pipeline.toml"), custom.to_vec()]
}

/// Documents; the selector of `json` is the index.
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
    /// Asserts that a document that was read and written is read as the same document.
    fn document<T: Document + PartialEq + std::fmt::Debug>(path: &Path) -> Option<T> {
        let document = T::read(path).ok()?;
        let again = path.with_file_name("again.json");
        document.write(&again).expect("a document that was read");
        let reread = T::read(&again).expect("a written document");
        assert_eq!(reread.to_json(), document.to_json());
        Some(document)
    }
    let Some((kind, rest)) = split_selector(bytes) else { return };
    let path = write_temporary("x.json", rest);
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

fn json_seeds() -> Vec<Vec<u8>> {
    let seed = |(i, name): (usize, &&str)| {
        with_selector(i as u8, &read_file(&format!("fuzz/seeds/artifacts/{name}")))
    };
    DOCUMENTS.iter().enumerate().map(seed).collect()
}

pub fn image(bytes: &[u8]) {
    if let Ok(image) = decode(bytes) {
        assert!((image.height() * image.width()) as u64 <= MAX_PIXELS);
        assert_eq!(image.to_rgb(8, 8).dim(), (8, 8, 3));
    }
}

fn image_seeds() -> Vec<Vec<u8>> {
    ["images", "odd_raster", "lossless_jpeg"]
        .iter()
        .flat_map(|folder| read_folder(&format!("tests/golden/{folder}")))
        .collect()
}

/// As [`image`]. Also asserts that patient names from the header have no control characters.
pub fn dicom(bytes: &[u8]) {
    image(bytes);
    let Some(tags) = decode(bytes).ok().and_then(|image| image.tags) else { return };
    for naming in [PatientIdFormat::Hashed(None), PatientIdFormat::Plain, PatientIdFormat::None] {
        assert!(!naming.of(tags.patient.as_ref()).contains(char::is_control));
    }
    let _ = tags.patient.is_some_and(|patient| patient.is_named_in("covid/image.dcm"));
}

fn dicom_seeds() -> Vec<Vec<u8>> {
    read_folder("tests/golden/dicom")
}

const LIMITS: Limits = Limits { entries: 100, bytes: 4 << 20, ratio: 100 };

/// Asserts that extraction writes only files and folders, only below the target folder, and not
/// more bytes than the limits allow.
pub fn zip(bytes: &[u8]) {
    let path = write_temporary("zip/x.zip", bytes);
    let folder = path.parent().expect("a parent folder");
    let target = folder.join("into");
    let _ = fs::remove_dir_all(&target);
    let Ok(mut archive) = Archive::open(&path, LIMITS) else { return };
    let names = archive.names().to_vec();
    for name in &names {
        if let Ok(bytes) = archive.read(name, 1 << 20) {
            assert!(bytes.len() <= 1 << 20);
        }
    }
    let plan = names.iter().map(|name| (name.clone(), name.into())).collect();
    let _ = archive.extract(&plan, &target, &mut |_| {});
    let mut extracted_bytes = 0;
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.expect("a folder entry");
        let kind = entry.file_type();
        assert!(kind.is_dir() || kind.is_file(), "{}", entry.path().display());
        if kind.is_file() && entry.path() != path {
            assert!(entry.path().starts_with(&target), "{}", entry.path().display());
            extracted_bytes += entry.metadata().expect("the file exists").len();
        }
    }
    // Each file may have one byte too many: only that byte shows that the file is too large.
    assert!(extracted_bytes <= LIMITS.bytes + names.len() as u64);
}

/// ZIP archive with these files, alternately stored and deflated.
fn zip_bytes(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (i, (name, bytes)) in files.iter().enumerate() {
        let method = [CompressionMethod::Stored, CompressionMethod::Deflated][i % 2];
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).expect("a valid seed");
        zip.write_all(bytes).expect("a valid seed");
    }
    zip.finish().expect("a valid seed").into_inner()
}

fn zip_seeds() -> Vec<Vec<u8>> {
    vec![
        zip_bytes(&[("a.txt", b"hello"), ("folder/b.bin", &[0; 4000])]),
        zip_bytes(&[("../a", b"x")]),
        zip_bytes(&[("/etc/x", b"x"), ("c:\\x", b"y")]),
        zip_bytes(&[]),
    ]
}

pub fn bundle(bytes: &[u8]) {
    let Some((kind, rest)) = split_selector(bytes) else { return };
    let file = match (kind % 2, std::str::from_utf8(rest)) {
        (0, _) => rest.to_vec(),
        (_, Err(_)) => return,
        // A mutated bundle would fail at the hash of its manifest, so the bundle is built around
        // the mutated manifest.
        (_, Ok(text)) => {
            let hash = hash::bytes(text.as_bytes());
            let metadata = [("blake3".to_owned(), hash), ("bundle".to_owned(), text.to_owned())];
            let tensors = safetensors::read(MODEL).expect("a valid seed");
            safetensors::write(&tensors, &metadata.into())
        }
    };
    let path = write_temporary("x.cxr", &file);
    if let Ok(bundle) = Bundle::read(&path) {
        let _ = bundle.properties();
        let again = path.with_file_name("again.cxr");
        bundle.write(&again).expect("a bundle that was read");
        Bundle::read(&again).expect("a written bundle");
    }
}

const MODEL: &[u8] = include_bytes!("../seeds/bundle/model.cxr");

fn bundle_seeds() -> Vec<Vec<u8>> {
    let manifest = safetensors::metadata(MODEL).expect("a valid seed").remove("bundle");
    vec![with_selector(0, MODEL), with_selector(1, manifest.expect("a manifest").as_bytes())]
}
