//! Tests of downloads against a local HTTP server.
//!
use super::*;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tempfile::TempDir;

const BODY: &[u8] = b"0123456789";
const MD5: &str = "781e5e245d69b566979b86e28d23f2c7";

/// Server on 127.0.0.1 that handles the n-th request with `reply`, closes the connection, and
/// records the requests.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(reply: impl Fn(usize, &str, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for (n, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap().to_lowercase();
                seen.lock().unwrap().push(head.clone());
                reply(n, &head, &mut stream);
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        Server { url, requests }
    }

    /// Server of `BODY` with support for ranges.
    fn with_ranges() -> Self {
        Self::start(|_, head, stream| match range_of(head) {
            None => send(stream, "200 OK", "", BODY),
            Some(from) if from < BODY.len() => {
                let range = format!("Content-Range: bytes {from}-9/10\r\n");
                send(stream, "206 Partial Content", &range, &BODY[from..]);
            }
            Some(_) => send(stream, "416 No", "Content-Range: bytes */10\r\n", b""),
        })
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn range_of(head: &str) -> Option<usize> {
    head.split("range: bytes=").nth(1)?.split('-').next()?.parse().ok()
}

fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}

struct Case {
    folder: TempDir,
}

impl Case {
    fn new() -> Self {
        Case { folder: tempfile::tempdir().unwrap() }
    }

    /// Folder with the part of an earlier download.
    fn with_part(bytes: &[u8]) -> Self {
        let case = Case::new();
        let part = part_of(&case.target());
        OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(part)
            .and_then(|mut file| file.write_all(bytes))
            .unwrap();
        case
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    fn get(&self, server: &Server) -> Result<(), Error> {
        self.run(&Request::new(&server.url, 1000))
    }

    fn run(&self, request: &Request) -> Result<(), Error> {
        download(request, &self.target(), &mut |_, _| ())
    }

    fn assert_done(&self) {
        assert_eq!(fs::read(self.target()).unwrap(), BODY);
        assert!(!part_of(&self.target()).exists());
    }
}

#[test]
fn downloads_report_progress_and_verify_the_checksum() {
    let server = Server::with_ranges();
    let case = Case::new();
    let checksum = Checksum::Md5(MD5.into());
    let request = Request { checksum: Some(&checksum), ..Request::new(&server.url, 10) };
    let mut seen = Vec::new();
    download(&request, &case.target(), &mut |at, of| seen.push((at, of))).unwrap();
    case.assert_done();
    assert_eq!((seen[0], seen[seen.len() - 1]), ((0, Some(10)), (10, Some(10))));
    let head = &server.requests()[0];
    assert!(head.contains("accept-encoding: identity"), "{head}");
    assert!(!head.contains("range:"), "{head}");
}

#[test]
fn parts_are_resumed() {
    let server = Server::with_ranges();
    let case = Case::with_part(b"0123");
    case.get(&server).unwrap();
    case.assert_done();
    assert_eq!(range_of(&server.requests()[0]), Some(4));
}

#[test]
fn complete_parts_need_no_download() {
    let server = Server::with_ranges();
    let case = Case::with_part(BODY);
    case.get(&server).unwrap();
    case.assert_done();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn too_long_parts_are_dropped() {
    let server = Server::with_ranges();
    let case = Case::with_part(b"something else entirely");
    case.get(&server).unwrap();
    case.assert_done();
    assert_eq!(range_of(&server.requests()[1]), None);
}

#[test]
fn servers_without_ranges_start_over() {
    let server = Server::start(|_, _, stream| send(stream, "200 OK", "", BODY));
    let case = Case::with_part(b"xxxx");
    case.get(&server).unwrap();
    case.assert_done();
}

#[test]
fn wrong_ranges_are_not_appended() {
    let server = Server::start(|n, _, stream| match n {
        0 => send(stream, "206 Partial Content", "Content-Range: bytes 2-9/10\r\n", &BODY[2..]),
        _ => send(stream, "200 OK", "", BODY),
    });
    let case = Case::with_part(b"0123");
    case.get(&server).unwrap();
    case.assert_done();
}

#[test]
fn interrupted_bodies_are_resumed_in_the_same_call() {
    let server = Server::start(|n, head, stream| match n {
        0 => drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123")),
        _ => {
            let from = range_of(head).unwrap();
            let range = format!("Content-Range: bytes {from}-9/10\r\n");
            send(stream, "206 Partial Content", &range, &BODY[from..]);
        }
    });
    let case = Case::new();
    case.get(&server).unwrap();
    case.assert_done();
    assert_eq!(range_of(&server.requests()[1]), Some(4));
}

#[test]
fn parts_are_kept_after_repeated_interruptions() {
    let server = Server::start(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123");
    });
    let case = Case::new();
    let error = case.get(&server).unwrap_err();
    assert!(error.to_string().ends_with("stopped after 4 bytes of 10"), "{error}");
    assert_eq!(server.requests().len(), ATTEMPTS);
    assert_eq!(fs::read(part_of(&case.target())).unwrap(), b"0123");
    assert!(!case.target().exists());
}

#[test]
fn files_with_a_wrong_checksum_are_deleted() {
    let server = Server::with_ranges();
    let case = Case::with_part(b"other");
    let checksum = Checksum::Md5(MD5.into());
    let request = Request { checksum: Some(&checksum), ..Request::new(&server.url, 1000) };
    let error = case.run(&request).unwrap_err();
    assert!(matches!(error, Error::Checksum { .. }), "{error}");
    assert_eq!(fs::read_dir(case.folder.path()).unwrap().count(), 0);
    // No part is left that could affect the next call.
    case.run(&request).unwrap();
    case.assert_done();
}

#[test]
fn redirects_are_followed_without_the_authorization() {
    let real = Server::with_ranges();
    let location = format!("Location: {}\r\n", real.url);
    let server = Server::start(move |_, _, stream| send(stream, "302 Found", &location, b""));
    let case = Case::with_part(b"01");
    let request =
        Request { authorization: Some("Basic c2VjcmV0"), ..Request::new(&server.url, 1000) };
    case.run(&request).unwrap();
    case.assert_done();
    assert!(server.requests()[0].contains("authorization: basic c2vjcmv0"));
    let head = &real.requests()[0];
    assert!(!head.contains("authorization"), "{head}");
    assert_eq!(range_of(head), Some(2));
}

#[test]
fn circular_redirects_are_errors() {
    let server =
        Server::start(|_, _, stream| send(stream, "302 Found", "Location: /again\r\n", b""));
    let Err(Error::Unreachable { source, .. }) = Case::new().get(&server) else { panic!() };
    assert!(matches!(*source, ureq::Error::TooManyRedirects), "{source}");
}

#[test]
fn http_errors_are_reported() {
    let server = Server::start(|_, _, stream| send(stream, "404 Not Found", "", b"sorry"));
    let case = Case::new();
    let error = case.get(&server).unwrap_err().to_string();
    assert!(error.ends_with("returned status 404 Not Found"), "{error}");
    assert_eq!(fs::read_dir(case.folder.path()).unwrap().count(), 0);
}

#[test]
fn too_large_files_are_refused_with_and_without_announced_length() {
    let announced = Server::with_ranges();
    let silent = Server::start(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789");
    });
    for server in [announced, silent] {
        let error = Case::new().run(&Request::new(&server.url, 9)).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
}

#[test]
fn silent_servers_time_out() {
    // The server accepts the connection and sends nothing.
    let server = Server::start(|_, _, _| thread::sleep(Duration::from_secs(60)));
    let patience = Duration::from_millis(300);
    let begun = Instant::now();
    let error = Case::new().run(&Request { patience, ..Request::new(&server.url, 9) }).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn endless_redirects_time_out() {
    // Each response is in time, but not their sum.
    let server = Server::start(|_, _, stream| {
        thread::sleep(Duration::from_millis(200));
        send(stream, "302 Found", "Location: /again\r\n", b"");
    });
    let patience = Duration::from_millis(500);
    let error = Case::new().run(&Request { patience, ..Request::new(&server.url, 9) }).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
}

#[test]
fn closed_ports_are_unreachable() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}/file");
    let error = Case::new().run(&Request::new(&url, 9)).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let error = Case::new().run(&Request::new("no address", 9)).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[test]
fn unwritable_folders_are_reported() {
    let server = Server::with_ranges();
    let target = Path::new("/proc/nowhere/file");
    let error = download(&Request::new(&server.url, 100), target, &mut |_, _| ()).unwrap_err();
    assert_eq!(error.to_string(), "cannot write `/proc/nowhere/file.part`");
}
