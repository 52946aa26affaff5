use super::*;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tempfile::TempDir;

const BODY: &[u8] = b"0123456789";
const MD5: &str = "781e5e245d69b566979b86e28d23f2c7";

/// A server on 127.0.0.1 that answers the n-th request with what `reply` makes
/// of it, then closes the connection; it notes the requests.
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

    /// A server of `BODY` that knows ranges.
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

    /// A folder in which the beginning of an earlier download lies.
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
fn a_file_comes_whole_with_progress_and_checksum() {
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
fn a_part_is_taken_up() {
    let server = Server::with_ranges();
    let case = Case::with_part(b"0123");
    case.get(&server).unwrap();
    case.assert_done();
    assert_eq!(range_of(&server.requests()[0]), Some(4));
}

#[test]
fn a_part_that_is_all_needs_no_more() {
    let server = Server::with_ranges();
    let case = Case::with_part(BODY);
    case.get(&server).unwrap();
    case.assert_done();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_part_that_is_too_long_is_dropped() {
    let server = Server::with_ranges();
    let case = Case::with_part(b"something else entirely");
    case.get(&server).unwrap();
    case.assert_done();
    assert_eq!(range_of(&server.requests()[1]), None);
}

#[test]
fn a_server_without_ranges_starts_over() {
    let server = Server::start(|_, _, stream| send(stream, "200 OK", "", BODY));
    let case = Case::with_part(b"xxxx");
    case.get(&server).unwrap();
    case.assert_done();
}

#[test]
fn a_range_other_than_asked_for_is_not_appended() {
    let server = Server::start(|n, _, stream| match n {
        0 => send(stream, "206 Partial Content", "Content-Range: bytes 2-9/10\r\n", &BODY[2..]),
        _ => send(stream, "200 OK", "", BODY),
    });
    let case = Case::with_part(b"0123");
    case.get(&server).unwrap();
    case.assert_done();
}

#[test]
fn a_body_cut_off_is_taken_up_in_the_same_call() {
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
fn a_body_cut_off_again_and_again_is_kept_for_later() {
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
fn a_wrong_file_is_deleted() {
    let server = Server::with_ranges();
    let case = Case::with_part(b"other");
    let checksum = Checksum::Md5(MD5.into());
    let request = Request { checksum: Some(&checksum), ..Request::new(&server.url, 1000) };
    let error = case.run(&request).unwrap_err();
    assert!(matches!(error, Error::Checksum { .. }), "{error}");
    assert_eq!(fs::read_dir(case.folder.path()).unwrap().count(), 0);
    // Nothing is left that could spoil the next try.
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
fn redirects_in_a_circle_end() {
    let server =
        Server::start(|_, _, stream| send(stream, "302 Found", "Location: /again\r\n", b""));
    let Err(Error::Unreachable { source, .. }) = Case::new().get(&server) else { panic!() };
    assert!(matches!(*source, ureq::Error::TooManyRedirects), "{source}");
}

#[test]
fn refusals_are_named() {
    let server = Server::start(|_, _, stream| send(stream, "404 Not Found", "", b"sorry"));
    let case = Case::new();
    let error = case.get(&server).unwrap_err().to_string();
    assert!(error.ends_with("answered 404 Not Found"), "{error}");
    assert_eq!(fs::read_dir(case.folder.path()).unwrap().count(), 0);
}

#[test]
fn too_large_a_file_is_refused_announced_or_not() {
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
fn a_source_that_does_not_answer_is_given_up() {
    // It accepts the connection and says nothing.
    let server = Server::start(|_, _, _| thread::sleep(Duration::from_secs(60)));
    let patience = Duration::from_millis(300);
    let begun = Instant::now();
    let error = Case::new().run(&Request { patience, ..Request::new(&server.url, 9) }).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_source_that_redirects_for_ever_is_given_up_in_time() {
    // Each answer is prompt enough; together they are not.
    let server = Server::start(|_, _, stream| {
        thread::sleep(Duration::from_millis(200));
        send(stream, "302 Found", "Location: /again\r\n", b"");
    });
    let patience = Duration::from_millis(500);
    let error = Case::new().run(&Request { patience, ..Request::new(&server.url, 9) }).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
}

#[test]
fn nobody_listening_is_unreachable() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}/file");
    let error = Case::new().run(&Request::new(&url, 9)).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let error = Case::new().run(&Request::new("no address", 9)).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let server = Server::with_ranges();
    let target = Path::new("/proc/nowhere/file");
    let error = download(&Request::new(&server.url, 100), target, &mut |_, _| ()).unwrap_err();
    assert_eq!(error.to_string(), "cannot write `/proc/nowhere/file.part`");
}
