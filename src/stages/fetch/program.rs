//! External programs that use the network, with a timeout for the connection.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Maximum time until a program is connected.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(9);

/// Number of output lines in an error message.
const LAST_LINES: usize = 4;

/// Reason why a program failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not installed.
    #[error("the program `{program}` is not installed")]
    NotInstalled {
        /// Name of the program.
        program: String,
    },
    /// The program cannot be started or waited for.
    #[error("cannot run `{program}`")]
    Run {
        /// Name of the program.
        program: String,
        /// Error of the system.
        source: io::Error,
    },
    /// The program was not connected in time and was stopped.
    #[error("`{program}` did not connect within {timeout:?}")]
    TimedOut {
        /// Name of the program.
        program: String,
        /// Maximum time until the connection.
        timeout: Duration,
    },
    /// The program failed.
    #[error("`{program}` failed: {output}")]
    Failed {
        /// Name of the program.
        program: String,
        /// Last lines of the output.
        output: String,
    },
}

/// Runs a program to its end. Stops the program after nine seconds if `connected` has returned
/// true for none of its output lines.
///
/// `on_line` gets every line of stdout and stderr.
///
/// # Errors
/// See [`enum@Error`].
pub fn run(
    command: Command,
    connected: impl Fn(&str) -> bool,
    on_line: impl FnMut(&str),
) -> Result<(), Error> {
    run_within(CONNECT_TIMEOUT, command, connected, on_line)
}

fn run_within(
    timeout: Duration,
    mut command: Command,
    connected: impl Fn(&str) -> bool,
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
    let deadline = Instant::now() + timeout;
    let (mut is_connected, mut last) = (false, VecDeque::new());
    loop {
        let line = if is_connected {
            lines.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        };
        match line {
            Ok(line) => {
                is_connected |= connected(&line);
                on_line(&line);
                if last.len() == LAST_LINES {
                    last.pop_front();
                }
                last.push_back(line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                stop(&mut child);
                return Err(Error::TimedOut { program, timeout });
            }
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => {
            let output = last.into_iter().collect::<Vec<_>>().join("; ");
            Err(Error::Failed { program, output })
        }
        Err(source) => Err(Error::Run { program, source }),
    }
}

/// Sends the lines of a pipe. Lines end with `\n`, or with `\r` in progress output.
fn forward(pipe: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let pipe = BufReader::new(pipe.expect("stdout and stderr are piped"));
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

/// Sends SIGTERM, so that the program can remove its files, and after one second SIGKILL.
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
    fn lines_of_stdout_and_stderr_are_passed_on() {
        let mut lines = Vec::new();
        let script = "echo out; sleep 0.1; printf '10%%\\r20%%\\n' >&2";
        run(shell(script), |_| false, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["out", "10%", "20%"]);
    }

    #[test]
    fn error_has_the_last_lines_of_output() {
        let error = run(shell("seq 9; exit 3"), |_| false, |_| ()).unwrap_err();
        assert_eq!(error.to_string(), "`sh` failed: 6; 7; 8; 9");
    }

    #[test]
    fn program_that_does_not_connect_is_stopped() {
        let timeout = Duration::from_millis(200);
        let script = "while :; do echo waiting; sleep 0.05; done";
        let error = run_within(timeout, shell(script), |l| l == "connected", |_| ()).unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        // No timeout once the program is connected.
        let script = "echo connected; sleep 0.5";
        run_within(timeout, shell(script), |l| l == "connected", |_| ()).unwrap();
    }

    #[test]
    fn error_names_a_missing_program() {
        let error = run(Command::new("cxr-no-such-program"), |_| true, |_| ()).unwrap_err();
        assert_eq!(error.to_string(), "the program `cxr-no-such-program` is not installed");
    }
}
