//! What the tests over commands share.
#![allow(dead_code, reason = "not every helper is used by every test")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use assert_cmd::Command;
use cxr::artifact::features::Extractor;
use cxr::backbone::Pooling;
use tempfile::TempDir;

/// The folder of real images, weights and reference arrays. Tests that call this are marked
/// `#[cfg_attr(not(shared), ignore = "needs ../shared")]`.
pub fn shared() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    path.canonicalize().expect("it is there")
}

/// An empty folder to work in, and the programs run in it.
pub struct Sandbox {
    dir: TempDir,
    weights: Option<PathBuf>,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder"), weights: None }
    }

    /// The same with this file of weights.
    pub fn with_weights(self, weights: &Path) -> Self {
        Self { weights: Some(weights.to_owned()), ..self }
    }

    /// A path inside the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, with its folders.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The text of a file.
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// A JSON file.
    pub fn json(&self, name: impl AsRef<Path>) -> serde_json::Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// The program `program` (`cxr-train`) with arguments split at blanks, in
    /// the folder, untouched by the user's environment.
    pub fn cxr(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let program = words.next().expect("a program");
        let mut command = Command::new(programs().join(program));
        command.args(words).current_dir(self.dir.path());
        command.env("NO_COLOR", "1").env("XDG_CACHE_HOME", self.path("cache"));
        command.env_remove("CXR_WEIGHTS").env_remove("CXR_LOG");
        command.envs(self.weights.iter().map(|path| ("CXR_WEIGHTS", path)));
        command
    }

    /// Runs a command line that must succeed; returns its stdout.
    pub fn ok(&self, line: &str) -> String {
        let output = self.cxr(line).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{line}` failed:\n{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command line; returns exit code, stdout and stderr in one text,
    /// with the folder's name replaced by `[DIR]`, for snapshots.
    pub fn transcript(&self, line: &str) -> String {
        let output = self.cxr(line).output().unwrap();
        let text = format!(
            "$ {line}\nexit: {}\n--- stdout\n{}--- stderr\n{}",
            output.status.code().map_or("killed".into(), |c| c.to_string()),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        text.replace(&*self.dir.path().to_string_lossy(), "[DIR]")
    }

    /// Every file below `name` with its bytes, sorted.
    pub fn tree(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let root = self.path(name);
        let mut files = Vec::new();
        for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                let path = entry.path().strip_prefix(&root).unwrap().display().to_string();
                files.push((path, std::fs::read(entry.path()).unwrap()));
            }
        }
        files
    }
}

/// A model trained on twelve synthetic images with random weights, made once, with its
/// images in `dataset/` and its artifacts in `artifacts/tutorial/`. To be read only.
pub fn trained() -> &'static Sandbox {
    static TRAINED: OnceLock<Sandbox> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let sandbox = Sandbox::new().with_weights(random_weights());
        for line in [
            "cxr-phantom --images 6 --output sources",
            "cxr-build-covid --source sources/covid-chestxray-dataset",
            "cxr-sample-normal --source sources/chest_xray --count 6",
            "cxr-preprocess",
            "cxr-split --test-size 0.34",
            "cxr-extract --rotations 1 --masks=false",
            "cxr-train --epochs 20 --batch-size 4",
            "cxr-evaluate --resamples 20",
        ] {
            sandbox.ok(line);
        }
        sandbox
    })
}

/// A Python that has `library` (`onnxruntime`, `keras`, `pydicom`): one of `CXR_PYTHON`, that of
/// the benchmarks, `python3`, or one made with pip below `target/`.
pub fn python(library: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let own = target.join("verify").join(library);
    let named = std::env::var_os("CXR_PYTHON").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = std::env::split_paths(&named).collect();
    let venvs = [target.join("peers/venv"), own.clone()].map(|venv| venv.join("bin/python"));
    candidates.extend(venvs.into_iter().chain(["python3".into()]));
    let run = |program: &Path, args: &[&str]| {
        let output = std::process::Command::new(program).args(args).output();
        output.is_ok_and(|output| output.status.success())
    };
    let code =
        format!("import importlib.util, sys; sys.exit(not importlib.util.find_spec('{library}'))");
    let has = |python: &PathBuf| run(python, &["-c", &code]);
    if let Some(python) = candidates.iter().find(|python| has(python)) {
        return python.clone();
    }
    let python = own.join("bin/python");
    let packages: &[&str] = match library {
        "keras" => &["tensorflow-cpu", "keras"],
        "pydicom" => &["pydicom", "numpy"],
        _ => &[library],
    };
    let folder = own.display().to_string();
    let made = run(Path::new("python3"), &["-m", "venv", &folder])
        && run(&python, &[&["-m", "pip", "install", "-q"], packages].concat());
    assert!(made, "cannot install {library}");
    python
}

/// A file of weights of VGG16's shapes with small random numbers, made once:
/// enough for all that does not depend on what the net has learnt.
pub fn random_weights() -> &'static Path {
    static FILE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = FILE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.safetensors");
        std::fs::write(&path, vgg16_bytes()).unwrap();
        (dir, path)
    });
    path
}

fn vgg16_bytes() -> Vec<u8> {
    let blocks = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)];
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    let (mut channels, mut state) = (3, 1u32);
    for (block, (layers, out)) in blocks.into_iter().enumerate() {
        for layer in 1..=layers {
            let name = format!("block{}_conv{layer}", block + 1);
            let scale = (2.0 / (9 * channels) as f32).sqrt();
            for (part, shape) in [("kernel", vec![3, 3, channels, out]), ("bias", vec![out])] {
                let start = data.len();
                for _ in 0..shape.iter().product() {
                    state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                    let uniform = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
                    data.extend((uniform * 3.5 * scale).to_le_bytes());
                }
                let tensor = serde_json::json!({
                    "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]
                });
                header.insert(format!("{name}.{part}"), tensor);
            }
            channels = out;
        }
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

/// An array of a `.npz` file, flat, in C order.
pub fn npz<T: cxr::io::npy::Element>(path: &Path, name: &str) -> Vec<T> {
    let file = std::fs::File::open(path).unwrap();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let member = dir.path().join("member.npy");
    let mut out = std::fs::File::create(&member).unwrap();
    std::io::copy(&mut archive.by_name(&format!("{name}.npy")).unwrap(), &mut out).unwrap();
    for rank in 0..5 {
        let shape = vec![None; rank];
        if let Ok(mut reader) = cxr::io::npy::Reader::<T>::open(&member, &shape) {
            let rows = reader.rows();
            return reader.read(0..rows).unwrap();
        }
    }
    panic!("{name} in {} is no usable array", path.display())
}

/// The folder of the built programs.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_cxr")).parent().expect("a folder").to_owned()
}

/// What the features of tests say of how they were made: `width` numbers an image.
pub fn extractor(width: usize) -> Extractor {
    Extractor {
        backbone: "vgg16".into(),
        weights: "d9".into(),
        pooling: Pooling::Tutorial,
        side: 224,
        scale: "rgb / 255".into(),
        width,
    }
}
