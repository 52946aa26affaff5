//! Downloads over HTTP(S): resumed after interruptions, and verified before the target is
//! written.

use super::checksum::Checksum;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::{Agent, Body};

/// Number of attempts per call for an interrupted download.
const ATTEMPTS: usize = 3;

/// Address, limits and timeouts of a download.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Address, `http:` or `https:`. Redirects are followed, but from `https:` only to
    /// `https:`.
    pub url: &'a str,
    /// Value of the `Authorization` header; not sent to redirects.
    pub authorization: Option<&'a str>,
    /// Expected checksum of the file.
    pub checksum: Option<&'a Checksum>,
    /// Largest accepted file in bytes.
    pub max_bytes: u64,
    /// Timeout for the response, from name lookup over all redirects to the headers; then the
    /// timeout of every read.
    pub patience: Duration,
}

impl<'a> Request<'a> {
    /// Creates a request with a timeout of 8 seconds.
    pub fn new(url: &'a str, max_bytes: u64) -> Self {
        let patience = Duration::from_secs(8);
        Request { url, authorization: None, checksum: None, max_bytes, patience }
    }
}

/// Reason why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server did not respond in time.
    #[error("no response from `{url}` within {patience:?}")]
    Silent {
        /// Requested address.
        url: String,
        /// Timeout.
        patience: Duration,
    },
    /// The server cannot be reached, or does not speak HTTP.
    #[error("cannot reach `{url}`")]
    Unreachable {
        /// Requested address.
        url: String,
        /// Cause.
        source: Box<ureq::Error>,
    },
    /// The server refused the request.
    #[error("`{url}` returned status {status}")]
    Status {
        /// Requested address.
        url: String,
        /// HTTP status.
        status: StatusCode,
    },
    /// The server closed the connection early in every attempt. The part received is kept, and
    /// the next call resumes.
    #[error("`{url}` stopped after {got} bytes{}", expected.map(|n| format!(" of {n}")).unwrap_or_default())]
    Interrupted {
        /// Requested address.
        url: String,
        /// Bytes received.
        got: u64,
        /// Announced bytes; none if not announced.
        expected: Option<u64>,
    },
    /// The file is larger than [`Request::max_bytes`].
    #[error("`{url}` is larger than {limit} bytes")]
    TooLarge {
        /// Requested address.
        url: String,
        /// Limit in bytes.
        limit: u64,
    },
    /// The file was received but has another checksum. It is deleted.
    #[error("`{url}` is not the expected file: {got}, expected {expected}")]
    Checksum {
        /// Requested address.
        url: String,
        /// Expected checksum.
        expected: Checksum,
        /// Checksum of the file.
        got: Checksum,
    },
    /// The file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
}

/// Downloads a file to `target`, through `target` + `.part`. A failed call leaves the part, and
/// the next call resumes it. The caller must prevent concurrent downloads to the same target.
///
/// `progress` receives the bytes received and, if known, the total.
///
/// # Errors
///
/// See [`enum@Error`]; `target` is written on success only.
pub fn download(
    request: &Request,
    target: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), Error> {
    let part = part_of(target);
    let agent = agent(request);
    let mut interrupted = None;
    for _ in 0..ATTEMPTS {
        let part_bytes = fs::metadata(&part).map_or(0, |metadata| metadata.len());
        let response = send_request(&agent, request, part_bytes)?;
        let write = |source| Error::Write { path: part.clone(), source };
        let (start, total) = match response.status() {
            StatusCode::OK => (0, length(response.headers())),
            StatusCode::PARTIAL_CONTENT if first_byte(response.headers()) == Some(part_bytes) => {
                (part_bytes, length(response.headers()).map(|rest| part_bytes + rest))
            }
            // The part is either complete or not the beginning of the file.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if part_bytes > 0 => {
                if whole_length(response.headers()) == Some(part_bytes) {
                    return finish(request, &part, target);
                }
                fs::remove_file(&part).map_err(write)?;
                continue;
            }
            status => return Err(Error::Status { url: request.url.into(), status }),
        };
        let mut file = OpenOptions::new()
            .create(true)
            .append(start > 0)
            .write(true)
            .truncate(start == 0)
            .open(&part)
            .map_err(write)?;
        let mut body = response.into_body().into_reader();
        let received = receive(request, &mut body, &mut file, &part, start, total, progress)?;
        if received.complete {
            file.sync_all().map_err(write)?;
            return finish(request, &part, target);
        }
        interrupted = Some((received.bytes, total));
    }
    let (got, expected) = interrupted.unwrap_or((0, None));
    Err(Error::Interrupted { url: request.url.into(), got, expected })
}

/// Returns the path of the partial download of `target`.
pub fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn agent(request: &Request) -> Agent {
    let patience = Some(request.patience);
    Agent::config_builder()
        .http_status_as_error(false)
        .https_only(request.url.starts_with("https:"))
        // A compressed body has no known length and cannot be resumed.
        .accept_encoding("identity")
        .user_agent(concat!("cxr/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(patience)
        .timeout_connect(patience)
        .timeout_recv_response(patience)
        .timeout_per_read(patience)
        .build()
        .new_agent()
}

/// Requests the file from byte `have` on. ureq applies its timeouts to each phase and redirect;
/// the timeout of the whole is applied here.
fn send_request(
    agent: &Agent,
    request: &Request,
    part_bytes: u64,
) -> Result<Response<Body>, Error> {
    let mut get = agent.get(request.url);
    if part_bytes > 0 {
        get = get.header(header::RANGE, format!("bytes={part_bytes}-"));
    }
    if let Some(authorization) = request.authorization {
        get = get.header(header::AUTHORIZATION, authorization);
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // The receiver is gone after the timeout.
        let _ = sender.send(get.call());
    });
    let url = request.url.to_owned();
    match receiver.recv_timeout(request.patience) {
        Err(_) | Ok(Err(ureq::Error::Timeout(_))) => {
            Err(Error::Silent { url, patience: request.patience })
        }
        Ok(Err(source)) => Err(Error::Unreachable { url, source: Box::new(source) }),
        Ok(Ok(response)) => Ok(response),
    }
}

struct Received {
    bytes: u64,
    complete: bool,
}

/// Appends the body to the file.
fn receive(
    request: &Request,
    body: &mut dyn Read,
    file: &mut File,
    part: &Path,
    start: u64,
    total: Option<u64>,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Received, Error> {
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = start;
    loop {
        progress(bytes, total);
        if bytes.max(total.unwrap_or(0)) > request.max_bytes {
            return Err(Error::TooLarge { url: request.url.into(), limit: request.max_bytes });
        }
        match body.read(&mut buffer) {
            Ok(0) => return Ok(Received { bytes, complete: total.is_none_or(|n| n == bytes) }),
            Ok(read) => {
                file.write_all(&buffer[..read])
                    .map_err(|source| Error::Write { path: part.into(), source })?;
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(Received { bytes, complete: false }),
        }
    }
}

/// Verifies the part and renames it to the target.
fn finish(request: &Request, part: &Path, target: &Path) -> Result<(), Error> {
    let write = |source| Error::Write { path: part.into(), source };
    if let Some(expected) = request.checksum {
        let got = expected.same_of(part).map_err(write)?;
        if got != *expected {
            fs::remove_file(part).map_err(write)?;
            let (url, expected) = (request.url.into(), expected.clone());
            return Err(Error::Checksum { url, expected, got });
        }
    }
    #[expect(clippy::disallowed_methods, reason = "the part is complete and flushed")]
    fs::rename(part, target).map_err(|source| Error::Write { path: target.into(), source })
}

/// Value of `Content-Length`.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// First byte in `Content-Range: bytes 5-9/10`.
fn first_byte(headers: &HeaderMap) -> Option<u64> {
    content_range(headers)?.split('-').next()?.parse().ok()
}

/// Total length in `Content-Range: bytes */10`.
fn whole_length(headers: &HeaderMap) -> Option<u64> {
    content_range(headers)?.split('/').nth(1)?.parse().ok()
}

fn content_range(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")
}

#[cfg(test)]
mod tests;
