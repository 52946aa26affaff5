//! Files made to do harm, through whole programs: each ends in an error with a way out,
//! in bounded memory, and touches nothing but its target. What a single reader refuses
//! stands in the tests of its module, and in `fuzz/`.
#![cfg(target_os = "linux")]

use std::io::{Cursor, Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cxr::artifact::MAX_FILE;
use serde_json::json;
use zip::write::{SimpleFileOptions, ZipWriter};

use cxr::classifier::figure_name;

use crate::support::{Sandbox, random_weights, trained};

/// How a program ended.
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

/// More than any program of these tests has reason to hold at once.
const MEMORY: u64 = 600 << 20;

/// Runs a command line to its end, watching its memory.
fn run(sandbox: &Sandbox, line: &str) -> Ended {
    let program = sandbox.cxr(line);
    let mut command = Command::new(program.get_program());
    command.args(program.get_args()).current_dir(sandbox.path(""));
    for (key, value) in program.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    // As on a terminal: nothing is left out that would steer one.
    command.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let reader = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = reader(Box::new(child.stdout.take().unwrap()));
    let stderr = reader(Box::new(child.stderr.take().unwrap()));
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let code = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) << 10);
        if let Some(status) = child.try_wait().unwrap() {
            break status.code().unwrap_or(-1);
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    assert!(peak < MEMORY, "`{line}` took {} MiB\n{stderr}", peak >> 20);
    Ended { code, stdout, stderr }
}

/// Runs a command line that must fail, saying `why` and a way out.
fn refused(sandbox: &Sandbox, line: &str, why: &str) -> Ended {
    let ended = run(sandbox, line);
    assert_eq!(ended.code, 1, "`{line}`: {}", ended.stderr);
    assert!(ended.stderr.contains(why), "`{line}`: {}", ended.stderr);
    assert!(ended.stderr.contains("hint:"), "`{line}`: {}", ended.stderr);
    ended
}

/// A file of so many bytes that takes no room on the disk.
fn sparse(path: &Path, bytes: u64) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().set_len(bytes).unwrap();
}

fn image(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images").join(name))
        .unwrap()
}

/// Images of two classes.
fn images() -> Sandbox {
    let sandbox = Sandbox::new().with_weights(random_weights());
    for (path, name) in [
        ("covid/a.jpg", "grey.jpg"),
        ("covid/b.png", "rgb.png"),
        ("normal/c.jpg", "rgb_420.jpg"),
        ("normal/d.png", "grey.png"),
    ] {
        sandbox.write(&format!("dataset/{path}"), image(name));
    }
    sandbox
}

fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn archives_that_reach_out_replace_nothing() {
    let sandbox = Sandbox::new();
    let image = ("train/NORMAL/a.jpeg", &b"image"[..]);
    sandbox.write("good.zip", pack(&[image]));
    sandbox.ok("cxr-fetch normal --zip good.zip");
    let good = sandbox.tree("dataset");
    let victim = sandbox.write("victim", "mine");

    let absolute = victim.display().to_string();
    sandbox.write("absolute.zip", pack(&[image, (&absolute, b"x")]));
    sandbox.write("above.zip", pack(&[image, ("train/NORMAL/../../../../victim", b"x")]));
    sandbox.write("windows.zip", pack(&[image, ("train\\NORMAL\\..\\..\\victim", b"x")]));
    // The second name becomes the first one's.
    let mut twice = pack(&[image, ("train/NORMAL/b.jpeg", b"other")]);
    for at in 0..twice.len() - 6 {
        if &twice[at..at + 6] == b"b.jpeg" {
            twice[at] = b'a';
        }
    }
    sandbox.write("twice.zip", twice);
    let mut linked = ZipWriter::new(Cursor::new(Vec::new()));
    linked.add_symlink("train", absolute, SimpleFileOptions::default()).unwrap();
    linked.start_file("train/NORMAL/a.jpeg", SimpleFileOptions::default()).unwrap();
    sandbox.write("linked.zip", linked.finish().unwrap().into_inner());
    // 200 MB that say they are ten bytes.
    let mut lying = pack(&[("train/NORMAL/a.jpeg", &vec![0; 200 << 20])]);
    let central = lying.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    lying[central + 24..central + 28].copy_from_slice(&10u32.to_le_bytes());
    sandbox.write("lying.zip", lying);
    sparse(&sandbox.path("empty.zip"), 100 << 30);

    for (name, why) in [
        ("absolute", "is not a plain relative path"),
        ("above", "is not a plain relative path"),
        ("windows", "is not a plain relative path"),
        ("twice", ""),
        ("linked", "is a symbolic link"),
        ("lying", "larger than"),
        ("empty", "is not a usable ZIP archive"),
    ] {
        refused(&sandbox, &format!("cxr-fetch normal --force --zip {name}.zip"), why);
    }
    assert_eq!(sandbox.tree("dataset"), good);
    assert_eq!(sandbox.read("victim"), "mine");
}

#[test]
fn weights_that_lie_are_refused() {
    let sandbox = Sandbox::new();
    let safetensors = |header: &str, data: usize| {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
    };
    let tensor = |shape: &str, offsets: &str| {
        format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}"#)
    };
    let overlapping =
        format!(r#"{{"a":{},"b":{}}}"#, tensor("[2]", "[0,8]"), tensor("[2]", "[4,12]"));
    let absurd = format!(r#"{{"a":{}}}"#, tensor("[4611686018427387904,4]", "[0,0]"));
    let beyond = format!(r#"{{"a":{}}}"#, tensor("[2]", "[18446744073709551608,0]"));
    sandbox.write("overlapping", safetensors(&overlapping, 12));
    sandbox.write("absurd", safetensors(&absurd, 0));
    sandbox.write("beyond", safetensors(&beyond, 8));
    sandbox.write("deep", safetensors(&r#"{"a":"#.repeat(1 << 20), 0));
    sandbox.write("header", [&u64::MAX.to_le_bytes()[..7], b"\0{"].concat());
    // A model with an initializer whose numbers lie elsewhere.
    let elsewhere = b"\x08\x07\x3a\x29\x2a\x27\x10\x01\x42\x01a\x6a\x1c\x0a\x08location\x12\x10\
                      ../../etc/passwd\x70\x01";
    sandbox.write("elsewhere", elsewhere);
    sandbox.write("bomb.whl", pack(&[("model.h5", &vec![0; 200 << 20])]));
    // Chunks that were never written, of a gigabyte: the file has a kilobyte.
    let mut file = hdf5_pure::FileBuilder::new();
    let data = file.create_dataset("a");
    data.with_f32_data(&[0.0; 64]).with_shape(&[64]).with_chunks(&[64]).with_deflate(6);
    let mut huge = file.finish().unwrap();
    let mut changed = 0;
    for at in 0..huge.len() - 8 {
        if huge[at..at + 8] == 64u64.to_le_bytes() {
            huge[at..at + 8].copy_from_slice(&(1u64 << 28).to_le_bytes());
            changed += 1;
        }
    }
    assert!(changed > 0);
    sandbox.write("chunk.h5", huge);
    sparse(&sandbox.path("sparse"), 100 << 30);
    for name in [
        "overlapping",
        "absurd",
        "beyond",
        "deep",
        "header",
        "elsewhere",
        "bomb.whl",
        "chunk.h5",
        "sparse",
        "/dev/zero",
    ] {
        refused(&sandbox, &format!("cxr-fetch weights --allow-unknown --from {name}"), "");
    }
    assert!(!sandbox.path("cache/cxr/vgg16_imagenet_notop.safetensors").exists());
}

#[test]
fn a_metadata_file_names_and_fills_nothing_but_its_class() {
    let sandbox = Sandbox::new();
    sandbox.write("source/images/a.png", "image");
    sandbox.write("source/images/=a.png", "image");
    sandbox.write("source/images/\u{1b}[2J.png", "image");
    sandbox.write("secret.png", "secret");
    let header = "patientid,finding,view,filename\n";
    let names = [
        "a.png",
        "../../secret.png",
        "/etc/passwd",
        "..\\..\\secret.png",
        "c:\\secret.png",
        "c:a.png",
        "//server/share/a.png",
        "=a.png",
        "\u{1b}[2J.png",
        "CON",
        ".",
        "..",
    ];
    let rows: String = names.iter().map(|name| format!("1,COVID-19,PA,{name}\n")).collect();
    let field = "x".repeat(10 << 20);
    let formula = "=HYPERLINK(\"\"http://x\"\")";
    let table = format!("{header}{rows}1,COVID-19,PA,{field}\n1,\"{formula}\",PA,a.png\n");
    sandbox.write("source/metadata.csv", table);
    let ended = run(&sandbox, "cxr-build-covid --source source");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let files: Vec<_> = sandbox.tree("dataset").into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, ["covid/a.png", "covid/record.json", "covid/selection.csv"]);
    let selection_log = sandbox.read("dataset/covid/selection.csv");
    assert!(
        selection_log.contains(",\"'=HYPERLINK(") && !selection_log.contains(",\"=HYPERLINK"),
        "a formula"
    );
    let good = sandbox.tree("dataset");

    let build = "cxr-build-covid --source source --metadata";
    sandbox.write("nul.csv", format!("{header}1,COVID-19,PA,a.png\0.jpg\n"));
    refused(&sandbox, &format!("{build} nul.csv"), "it holds binary data");
    sandbox.write("ragged.csv", format!("{header}{}", "1\n1,,,,,,\n".repeat(500_000)));
    refused(&sandbox, &format!("{build} ragged.csv"), "more rows");
    sandbox.write("wide.csv", format!("{header}{}", ",".repeat(15 << 20)));
    refused(&sandbox, &format!("{build} wide.csv"), "");
    sparse(&sandbox.path("sparse.csv"), 100 << 30);
    for endless in ["/dev/zero", "sparse.csv"] {
        refused(&sandbox, &format!("{build} {endless}"), "cannot read");
    }
    // What it says of images is shown, but steers no terminal.
    sandbox.write("steering.csv", format!("{header}1,\u{1b}]0;owned\u{7}\u{9b}2J,PA,a.png\n"));
    let ended = refused(&sandbox, &format!("{build} steering.csv"), "owned");
    assert!(!ended.stderr.contains("\u{1b}]") && !ended.stderr.contains('\u{9b}'));
    assert_eq!(sandbox.tree("dataset"), good, "the good set stays");
}

#[test]
fn links_that_leave_the_dataset_are_followed_on_request_only() {
    let sandbox = images();
    let outside = sandbox.write("outside/x.png", image("grey.png"));
    symlink(&outside, sandbox.path("dataset/covid/out.png")).unwrap();
    symlink(sandbox.path("outside"), sandbox.path("dataset/covid/folder")).unwrap();
    symlink("/dev/zero", sandbox.path("dataset/covid/zero.png")).unwrap();
    let ended = refused(&sandbox, "cxr-preprocess", "a link to a target outside the folder");
    assert!(ended.stderr.contains("`--follow-links`"), "{}", ended.stderr);
    sandbox.ok("cxr-preprocess --max-skipped 0.5");
    let index = "artifacts/tutorial/preprocess/index.csv";
    assert!(!sandbox.read(index).contains("out.png") && !sandbox.read(index).contains("folder"));
    // The device is no image even then.
    sandbox.ok("cxr-preprocess --follow-links --max-skipped 0.2");
    assert!(sandbox.read(index).contains("covid/out.png"));
    assert!(sandbox.read(index).contains("covid/folder/x.png"));

    let good = sandbox.tree("artifacts");
    symlink(sandbox.path("outside"), sandbox.path("dataset/viral")).unwrap();
    let why = "the class folder `dataset/viral` is a link to a target outside the dataset";
    refused(&sandbox, "cxr-preprocess", why);
    assert_eq!(sandbox.tree("artifacts"), good);
    // The dataset itself is where the user says it is.
    symlink(sandbox.path("dataset"), sandbox.path("named")).unwrap();
    refused(&sandbox, "cxr-preprocess --dataset named", "`named/viral` is a link");
    sandbox.ok("cxr-preprocess --dataset named --follow-links --max-skipped 0.2");

    let images = format!("cxr-predict {}", sandbox.path("dataset/covid").display());
    let ended = run(trained(), &images);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("is a link to a target outside the folder").count(), 3);
    let ended = run(trained(), "cxr-predict /dev/zero");
    assert!(ended.code == 1 && ended.stderr.contains("`/dev/zero`"), "{}", ended.stderr);
    let ended = run(trained(), &format!("{images} --follow-links"));
    assert!(ended.stdout.contains("covid/out.png"), "{}", ended.stderr);
}

/// A PNG of so many zeros, 16-bit RGBA if `deep`, else one bit a pixel.
fn png(side: u32, deep: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    let (depth, colour) = match deep {
        true => (png::BitDepth::Sixteen, png::ColorType::Rgba),
        false => (png::BitDepth::One, png::ColorType::Grayscale),
    };
    encoder.set_depth(depth);
    encoder.set_color(colour);
    let row = vec![0; if deep { 8 * side as usize } else { side.div_ceil(8) as usize }];
    let mut writer = encoder.write_header().unwrap();
    let mut rows = writer.stream_writer().unwrap();
    for _ in 0..side {
        rows.write_all(&row).unwrap();
    }
    rows.finish().unwrap();
    drop(writer);
    bytes
}

#[test]
fn pictures_that_unpack_to_gigabytes_are_no_images() {
    let sandbox = images();
    sandbox.ok("cxr-preprocess");
    let good = sandbox.tree("artifacts");
    sandbox.write("dataset/covid/bomb.png", png(60_000, false));
    sandbox.write("dataset/covid/deep.png", png(8_192, true));
    let mut jpeg = image("grey.jpg");
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    sandbox.write("dataset/covid/bomb.jpg", jpeg);
    let mut gif = image("palette.gif");
    gif[6..10].copy_from_slice(&[0xff; 4]);
    sandbox.write("dataset/covid/bomb.gif", gif);
    let mut webp = image("rgb.webp");
    let at = webp.windows(4).position(|w| w == b"VP8L" || w == b"VP8 ").unwrap();
    webp[at + 9..at + 13].copy_from_slice(&[0xff, 0xff, 0xff, 0x0f]);
    sandbox.write("dataset/covid/bomb.webp", webp);
    // A TIFF of one strip that says it holds, and starts at, four billion bytes.
    let mut tiff = image("grey.tif");
    let directory = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    let entries = u16::from_le_bytes(tiff[directory..directory + 2].try_into().unwrap());
    for entry in 0..usize::from(entries) {
        let at = directory + 2 + 12 * entry;
        let tag = u16::from_le_bytes(tiff[at..at + 2].try_into().unwrap());
        if matches!(tag, 273 | 278 | 279) {
            tiff[at + 8..at + 12].copy_from_slice(&[0xff; 4]);
        }
    }
    sandbox.write("dataset/covid/strips.tif", tiff);
    sparse(&sandbox.path("dataset/covid/sparse.png"), (1 << 29) + 1);
    let ended = run(&sandbox, "cxr-preprocess --threads 2");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    for name in
        ["bomb.png", "deep.png", "bomb.jpg", "bomb.gif", "bomb.webp", "strips.tif", "sparse.png"]
    {
        assert!(ended.stderr.contains(&format!("excluded `covid/{name}`")), "{}", ended.stderr);
    }
    assert!(ended.stderr.contains("7 of 11 files are unusable"), "{}", ended.stderr);
    assert_eq!(sandbox.tree("artifacts"), good);
}

/// Large pictures that are images are unpacked one after another.
#[test]
fn many_large_images_take_the_memory_of_one() {
    let sandbox = images();
    // 8192 x 8192 pixels of one colour, without loss.
    let webp = b"RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0\x2f\xff\xdf\xff\x07\x07\x50\x8a\x2a\xd4\xa3\xff\
                 \x81\x88\xe8\x7f\0\0";
    for i in 0..4 {
        sandbox.write(&format!("dataset/covid/{i}.webp"), webp);
    }
    let ended = run(&sandbox, "cxr-preprocess --threads 4 --constant keep");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(sandbox.read("artifacts/tutorial/preprocess/index.csv").contains(",8192,8192,"));
}

#[test]
fn artifacts_that_lie_are_refused() {
    let sandbox = images();
    sandbox.ok("cxr-preprocess");
    let folder = sandbox.path("artifacts/tutorial/preprocess");
    // They are then the user's own, which no hash protects.
    std::fs::remove_file(folder.join("record.json")).unwrap();
    let images = std::fs::read(folder.join("images.npy")).unwrap();
    for shape in ["(4611686018427387904, 224, 224, 3)", "(3, 224, 224, 3, 18446744073709551615)"] {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        let lying = [&images[..10], header.as_bytes(), &images[128..]].concat();
        std::fs::write(folder.join("images.npy"), lying).unwrap();
        refused(&sandbox, "cxr-link", "is not a usable .npy file");
    }
    std::fs::write(folder.join("images.npy"), &images).unwrap();
    let index = std::fs::read(folder.join("index.csv")).unwrap();
    std::fs::remove_file(folder.join("index.csv")).unwrap();
    symlink("/dev/zero", folder.join("index.csv")).unwrap();
    refused(&sandbox, "cxr-split", "cannot read");
    std::fs::remove_file(folder.join("index.csv")).unwrap();
    sparse(&folder.join("index.csv"), MAX_FILE + 1);
    refused(&sandbox, "cxr-split --method image", "");
    std::fs::write(folder.join("index.csv"), index).unwrap();
    sandbox.ok("cxr-split --test-size 0.5");

    // A document of nothing but brackets, and one of a hundred gigabytes.
    let split = sandbox.path("artifacts/tutorial/split/split.json");
    std::fs::remove_file(split.with_file_name("record.json")).unwrap();
    for open in ["[", "{\"a\":", "{\"schema\":"] {
        std::fs::write(&split, open.repeat(1 << 20)).unwrap();
        refused(&sandbox, "cxr-extract", "is not a usable split");
    }
}

#[test]
fn a_record_makes_no_later_run_remove_files_elsewhere() {
    let sandbox = images();
    let victim = sandbox.write("victim", "mine");
    let linked = sandbox.write("elsewhere/victim", "mine");
    sandbox.ok("cxr-preprocess");
    let folder = sandbox.path("artifacts/tutorial/preprocess");
    let record = folder.join("record.json");
    let mut hostile = sandbox.json("artifacts/tutorial/preprocess/record.json");
    let sum = blake3::hash(b"mine").to_hex().to_string();
    hostile["outputs"]["../../../victim"] = json!(sum);
    hostile["outputs"][victim.to_str().unwrap()] = json!(sum);
    std::fs::write(&record, hostile.to_string()).unwrap();
    run(&sandbox, "cxr clean");
    std::fs::write(&record, hostile.to_string()).unwrap();
    sandbox.ok("cxr-preprocess");
    assert!(victim.exists());
    // Through a link in the stage's own folder.
    let mut hostile = sandbox.json("artifacts/tutorial/preprocess/record.json");
    hostile["outputs"]["link/victim"] = json!(sum);
    symlink(linked.parent().unwrap(), folder.join("link")).unwrap();
    std::fs::write(&record, hostile.to_string()).unwrap();
    sandbox.ok("cxr-preprocess");
    std::fs::write(&record, hostile.to_string()).unwrap();
    run(&sandbox, "cxr clean");
    assert!(linked.exists());
    // A publication that only seems to have been cut off.
    let ready = "artifacts/tutorial/.preprocess.ready";
    sandbox
        .write(&format!("{ready}/.obsolete.json"), json!(["../../../victim", victim]).to_string());
    sandbox.ok("cxr-preprocess");
    assert!(!sandbox.path(ready).exists() && victim.exists());
}

#[test]
fn a_pipeline_file_is_small_and_flat() {
    let sandbox = images();
    sandbox.write("deep.toml", format!("a = {}", "[".repeat(1 << 19)));
    sandbox.write("dotted.toml", format!("{}a = 1", "a.".repeat(1 << 18)));
    sandbox.write("tables.toml", format!("a = {}", "{a=".repeat(1 << 17)));
    sparse(&sandbox.path("sparse.toml"), 1 << 30);
    for name in ["deep.toml", "dotted.toml", "tables.toml", "sparse.toml", "/dev/zero"] {
        let ended = run(&sandbox, &format!("cxr-preprocess --config {name}"));
        assert_eq!(ended.code, 2, "{name}: {}", ended.stderr);
        assert!(ended.stderr.len() < 10_000, "{name}: {} bytes of error", ended.stderr.len());
    }
    assert!(!sandbox.path("artifacts").exists());
}

/// Writes the trained model as a bundle.
fn export(to: &Path) {
    let sandbox = Sandbox::new();
    for (name, bytes) in trained().tree("artifacts") {
        sandbox.write(&format!("artifacts/{name}"), bytes);
    }
    sandbox.ok(&format!("cxr-export bundle --output {}", to.display()));
}

#[test]
fn a_bundle_that_lies_judges_no_image() {
    let sandbox = images();
    export(&sandbox.path("m.cxr"));
    let bytes = std::fs::read(sandbox.path("m.cxr")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    // With another manifest, whose hash is right.
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut header = header.clone();
        let text = header["__metadata__"]["bundle"].as_str().unwrap();
        let mut manifest: serde_json::Value = serde_json::from_str(text).unwrap();
        change(&mut manifest);
        let text = manifest.to_string();
        header["__metadata__"]["blake3"] = blake3::hash(text.as_bytes()).to_hex().as_str().into();
        header["__metadata__"]["bundle"] = text.into();
        let header = header.to_string();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes[8 + length..]].concat()
    };
    let image = "dataset/covid/a.jpg";
    let good = run(
        trained(),
        &format!(
            "cxr-predict {} --bundle {}",
            sandbox.path(image).display(),
            sandbox.path("m.cxr").display()
        ),
    );
    assert_eq!(good.code, 0, "{}", good.stderr);
    let set = |pointer: &'static str, value: serde_json::Value| {
        with(&|manifest| *manifest.pointer_mut(pointer).unwrap() = value.clone())
    };
    let huge = json!(1u64 << 62);
    for (name, bytes) in [
        ("side", set("/model/extractor/side", huge.clone())),
        ("width", set("/model/extractor/width", huge.clone())),
        ("hidden", set("/model/architecture/hidden", huge.clone())),
        ("images", set("/out_of_distribution/images", huge)),
        ("weights", set("/model/weights", json!("../../../etc/passwd"))),
        ("classes", set("/model/classes", json!(["\u{1b}[2J", "=cmd()"]))),
        ("tensors", set("/tensors", json!({"../../x": "00"}))),
        (
            "deep",
            with(&|m| {
                *m = serde_json::from_str(&format!("{}{}", "[".repeat(120), "]".repeat(120)))
                    .unwrap()
            }),
        ),
        ("cut", bytes[..bytes.len() / 2].to_vec()),
    ] {
        sandbox.write(name, bytes);
        refused(&sandbox, &format!("cxr-predict {image} --bundle {name}"), "");
    }
    sparse(&sandbox.path("sparse"), 100 << 30);
    // What it wants, this program cannot do.
    for (name, pointer, value) in [
        ("scale", "/model/extractor/scale", "caffe"),
        ("net", "/model/extractor/backbone", "resnet50"),
        ("method", "/out_of_distribution/method", "mahalanobis"),
    ] {
        sandbox.write(name, set(pointer, json!(value)));
        refused(&sandbox, &format!("cxr-predict {image} --bundle {name}"), value);
    }
    for endless in ["sparse", "/dev/zero"] {
        refused(&sandbox, &format!("cxr-predict {image} --bundle {endless}"), "cannot read");
    }
}

#[test]
fn outputs_replace_links_and_not_what_they_lead_to() {
    let sandbox = images();
    let victim = sandbox.write("victim", "mine");
    symlink(&victim, sandbox.path("m.cxr")).unwrap();
    export(&sandbox.path("m.cxr"));
    assert!(!sandbox.path("m.cxr").is_symlink(), "the bundle stands in place of the link");
    // A folder that is named may be a link; a picture in it that is one is replaced.
    let image = sandbox.path("dataset/covid/a.jpg");
    let picture = format!("real/{}.png", figure_name(&image));
    sandbox.write("real/other", "");
    symlink(&victim, sandbox.path(&picture)).unwrap();
    symlink(sandbox.path("real"), sandbox.path("saliency")).unwrap();
    let saliency = sandbox.path("saliency");
    let line = format!("cxr-predict {} --saliency {}", image.display(), saliency.display());
    let ended = run(trained(), &line);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(sandbox.path(&picture).is_file() && !sandbox.path(&picture).is_symlink());
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "mine");
}

#[test]
fn names_are_text_in_every_output() {
    let sandbox = Sandbox::new().with_weights(random_weights());
    let hostile = "<img src=x onerror=alert(1)>";
    for i in 0..6 {
        sandbox
            .write(&format!("dataset/{hostile}/{i}\"><script>alert(1)<b>.png"), image("rgb.png"));
        sandbox.write(&format!("dataset/normal/{i}.png"), image("grey.png"));
    }
    for line in [
        "cxr-preprocess",
        "cxr-split --test-size 0.34",
        "cxr-extract --rotations 1 --masks=false",
        "cxr-train --epochs 2 --batch-size 4",
        "cxr-evaluate --resamples 20 --positive normal",
        "cxr-explain",
        "cxr-plot",
        "cxr-report",
    ] {
        let ended = run(&sandbox, line);
        assert_eq!(ended.code, 0, "`{line}`: {}", ended.stderr);
    }
    let mut texts = 0;
    for (name, bytes) in sandbox.tree("artifacts") {
        if [".html", ".svg", ".md"].iter().any(|kind| name.ends_with(kind)) {
            let text = String::from_utf8(bytes).unwrap();
            assert!(!text.contains("<img src=x") && !text.contains("<script>alert"), "{name}");
            texts += usize::from(text.contains("img src=x"));
        }
    }
    assert!(texts > 2, "the names stand in {texts} texts");

    // What steers terminals, and what spreadsheets run.
    sandbox.write("dataset/normal/\u{1b}[2J.png", image("grey.png"));
    let ended = run(&sandbox, "cxr-preprocess --max-skipped 0.5");
    assert!(ended.stderr.contains("\\u001b[2J.png`: the name contains control characters"));
    assert!(!ended.stderr.contains("\u{1b}[2J"), "{}", ended.stderr);
    // A name that looks like a line of its own.
    let forged = "x\n  0.0000    1.0000  normal    no      none   y.png";
    sandbox.write(&format!("images/{forged}"), image("grey.png"));
    sandbox.write("images/z\nerror: w", "no image");
    let ended = run(trained(), &format!("cxr-predict {}", sandbox.path("images").display()));
    assert_eq!((ended.code, ended.stdout.lines().count()), (1, 2), "{}", ended.stdout);
    assert!(ended.stdout.contains("x\\u000a  0.0000"), "{}", ended.stdout);
    assert!(ended.stderr.contains("z\\u000aerror: w`: not an image"), "{}", ended.stderr);
    sandbox.write("dataset/=cmd()/a.png", image("grey.png"));
    refused(&sandbox, "cxr-preprocess", "begins like a formula");
}
