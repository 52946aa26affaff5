//! Programs that reach out to the network, given up when they do not get through.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to get through to its source.
const PATIENCE: Duration = Duration::from_secs(9);

/// How many of a program's last lines an error repeats.
const LAST_LINES: usize = 4;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not installed.
    #[error("the program `{program}` is not installed")]
    NotInstalled {
        /// Its name.
        program: String,
    },
    /// It cannot be started or waited for.
    #[error("cannot run `{program}`")]
    Run {
        /// Its name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It did not get through to its source in time and was stopped.
    #[error("`{program}` did not get through within {patience:?}")]
    Silent {
        /// Its name.
        program: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// It failed.
    #[error("`{program}` failed: {said}")]
    Failed {
        /// Its name.
        program: String,
        /// Its last lines.
        said: String,
    },
}

/// Runs a program to its end. If none of the lines it prints shows that it
/// `got_through` to its source within nine seconds, it is stopped.
///
/// `on_line` sees every line of its stdout and stderr.
///
/// # Errors
/// See [`enum@Error`].
pub fn run(
    command: Command,
    got_through: impl Fn(&str) -> bool,
    on_line: impl FnMut(&str),
) -> Result<(), Error> {
    run_within(PATIENCE, command, got_through, on_line)
}

fn run_within(
    patience: Duration,
    mut command: Command,
    got_through: impl Fn(&str) -> bool,
    mut on_line: impl FnMut(&str),
) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NotInstalled { program });
        }
        Err(source) => return Err(Error::Run { program, source }),
        Ok(child) => child,
    };
    let (sender, lines) = mpsc::channel();
    forward(child.stdout.take(), sender.clone());
    forward(child.stderr.take(), sender);
    let deadline = Instant::now() + patience;
    let (mut through, mut last) = (false, VecDeque::new());
    loop {
        let line = if through {
            lines.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        };
        match line {
            Ok(line) => {
                through |= got_through(&line);
                on_line(&line);
                if last.len() == LAST_LINES {
                    last.pop_front();
                }
                last.push_back(line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                stop(&mut child);
                return Err(Error::Silent { program, patience });
            }
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => {
            let said = last.into_iter().collect::<Vec<_>>().join("; ");
            Err(Error::Failed { program, said })
        }
        Err(source) => Err(Error::Run { program, source }),
    }
}

/// Sends the lines of a pipe, which end in `\n` or, where progress is shown, `\r`.
fn forward(pipe: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let pipe = BufReader::new(pipe.expect("it was asked for"));
    thread::spawn(move || {
        for chunk in pipe.split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&chunk).into_owned();
            for line in text.split('\r').map(str::trim).filter(|line| !line.is_empty()) {
                if lines.send(line.to_owned()).is_err() {
                    return;
                }
            }
        }
    });
}

/// Asks the program to end, so that it can clear up, then makes it.
fn stop(child: &mut Child) {
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    for _ in 0..20 {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_of_both_pipes_are_seen() {
        let mut lines = Vec::new();
        let script = "echo out; sleep 0.1; printf '10%%\\r20%%\\n' >&2";
        run(shell(script), |_| false, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["out", "10%", "20%"]);
    }

    #[test]
    fn a_failure_repeats_the_last_lines() {
        let error = run(shell("seq 9; exit 3"), |_| false, |_| ()).unwrap_err();
        assert_eq!(error.to_string(), "`sh` failed: 6; 7; 8; 9");
    }

    #[test]
    fn a_program_that_does_not_get_through_is_stopped() {
        let patience = Duration::from_millis(200);
        let script = "while :; do echo waiting; sleep 0.05; done";
        let error = run_within(patience, shell(script), |l| l == "through", |_| ()).unwrap_err();
        assert!(matches!(error, Error::Silent { .. }), "{error}");
        // Once through, it may take its time.
        let script = "echo through; sleep 0.5";
        run_within(patience, shell(script), |l| l == "through", |_| ()).unwrap();
    }

    #[test]
    fn what_is_not_installed_is_named() {
        let error = run(Command::new("cxr-no-such-program"), |_| true, |_| ()).unwrap_err();
        assert_eq!(error.to_string(), "the program `cxr-no-such-program` is not installed");
    }
}
