//! Files over HTTP(S): resumed where they were cut off, checked before they are
//! put in place.

use super::checksum::Checksum;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::{Agent, Body};

/// How often a download that was cut off is taken up again in one call.
const ATTEMPTS: usize = 3;

/// What to download, and how patient to be.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// An `http:` or `https:` address. Redirects are followed, from `https:` to
    /// `https:` only.
    pub url: &'a str,
    /// The value of the `Authorization` header; redirects do not get it.
    pub authorization: Option<&'a str>,
    /// What the whole file must hash to.
    pub checksum: Option<&'a Checksum>,
    /// The largest file that is accepted, in bytes.
    pub max_bytes: u64,
    /// How long the source may take to answer, from name lookup through all
    /// redirects to the headers; and how long it may stall after that.
    pub patience: Duration,
}

impl<'a> Request<'a> {
    /// A request that waits 8 seconds for an answer.
    pub fn new(url: &'a str, max_bytes: u64) -> Self {
        let patience = Duration::from_secs(8);
        Request { url, authorization: None, checksum: None, max_bytes, patience }
    }
}

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source did not answer in time.
    #[error("no answer from `{url}` within {patience:?}")]
    Silent {
        /// The address asked for.
        url: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The source cannot be reached, or does not speak HTTP.
    #[error("cannot reach `{url}`")]
    Unreachable {
        /// The address asked for.
        url: String,
        /// What went wrong.
        source: Box<ureq::Error>,
    },
    /// The source answered that it will not.
    #[error("`{url}` answered {status}")]
    Status {
        /// The address asked for.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// The source stopped before the end, again and again. The part that came
    /// is kept, and the next call goes on from there.
    #[error("`{url}` stopped after {got} bytes{}", expected.map(|n| format!(" of {n}")).unwrap_or_default())]
    Interrupted {
        /// The address asked for.
        url: String,
        /// Bytes on disk.
        got: u64,
        /// Bytes announced, if they were.
        expected: Option<u64>,
    },
    /// The file is larger than [`Request::max_bytes`].
    #[error("`{url}` is larger than {limit} bytes")]
    TooLarge {
        /// The address asked for.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The whole file came, but it is another one. It is deleted.
    #[error("`{url}` is not the expected file: {got}, expected {expected}")]
    Checksum {
        /// The address asked for.
        url: String,
        /// The checksum asked for.
        expected: Checksum,
        /// The checksum found.
        got: Checksum,
    },
    /// The file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Downloads a file to `target`, through `target` + `.part`, which a failed
/// call leaves behind and the next one takes up. Both calls at once into one
/// target must be kept apart by the caller.
///
/// `progress` is told the bytes on disk and, once known, the bytes in all.
///
/// # Errors
///
/// See [`enum@Error`]; `target` is touched only on success.
pub fn download(
    request: &Request,
    target: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), Error> {
    let part = part_of(target);
    let agent = agent(request);
    let mut interrupted = None;
    for _ in 0..ATTEMPTS {
        let have = fs::metadata(&part).map_or(0, |metadata| metadata.len());
        let response = answer(&agent, request, have)?;
        let write = |source| Error::Write { path: part.clone(), source };
        let (start, total) = match response.status() {
            StatusCode::OK => (0, length(response.headers())),
            StatusCode::PARTIAL_CONTENT if first_byte(response.headers()) == Some(have) => {
                (have, length(response.headers()).map(|rest| have + rest))
            }
            // What is on disk is no beginning of the file, or all of it.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                if whole_length(response.headers()) == Some(have) {
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
        let got = receive(request, &mut body, &mut file, &part, start, total, progress)?;
        if got.complete {
            file.sync_all().map_err(write)?;
            return finish(request, &part, target);
        }
        interrupted = Some((got.bytes, total));
    }
    let (got, expected) = interrupted.unwrap_or((0, None));
    Err(Error::Interrupted { url: request.url.into(), got, expected })
}

/// The file that holds the beginning of `target` until the end has come.
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
        // A compressed body could be neither measured nor resumed.
        .accept_encoding("identity")
        .user_agent(concat!("cxr/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(patience)
        .timeout_connect(patience)
        .timeout_recv_response(patience)
        .timeout_per_read(patience)
        .build()
        .new_agent()
}

/// The answer to the request, from byte `have` on. Each phase and redirect has
/// its own timeout in ureq; the whole is timed here, from outside.
fn answer(agent: &Agent, request: &Request, have: u64) -> Result<Response<Body>, Error> {
    let mut get = agent.get(request.url);
    if have > 0 {
        get = get.header(header::RANGE, format!("bytes={have}-"));
    }
    if let Some(authorization) = request.authorization {
        get = get.header(header::AUTHORIZATION, authorization);
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more to an answer that comes too late.
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

/// Copies the body to the end of the file.
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

/// Checks the part and puts it in place.
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
    #[expect(clippy::disallowed_methods, reason = "the part is whole and flushed")]
    fs::rename(part, target).map_err(|source| Error::Write { path: target.into(), source })
}

/// `Content-Length`.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The first byte of `Content-Range: bytes 5-9/10`.
fn first_byte(headers: &HeaderMap) -> Option<u64> {
    content_range(headers)?.split('-').next()?.parse().ok()
}

/// The length of the whole in `Content-Range: bytes */10`.
fn whole_length(headers: &HeaderMap) -> Option<u64> {
    content_range(headers)?.split('/').nth(1)?.parse().ok()
}

fn content_range(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")
}

#[cfg(test)]
mod tests;
