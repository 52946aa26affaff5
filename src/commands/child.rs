//! Stages as child processes, and their interruption by the user.

use std::collections::BTreeSet;
use std::io;
use std::process::{self, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use toml::Table;

use super::plan::Hand;
use crate::cli::{Context, Failure, FromRun, ResultExt};
use crate::pipeline::config::{SEED, to_items};

/// A running stage.
pub struct Child {
    process: process::Child,
    started: Instant,
}

/// Result of a stage that has ended.
pub struct Finished {
    /// Exit code; `None` if the process was killed.
    pub code: Option<i32>,
    /// JSON document from stdout.
    pub document: Vec<u8>,
    /// Captured stderr; empty if stderr was inherited.
    pub messages: String,
    /// Run time.
    pub took: Duration,
}

impl Child {
    /// Starts the stage `name` with the flags of `ctx`. Unless `inherit_stderr` is set, its
    /// messages are captured, so that those of parallel stages do not mix.
    ///
    /// # Errors
    /// If the process cannot be started, or the user has interrupted the run.
    pub fn start(
        ctx: &Context,
        name: &str,
        hand: &Hand,
        threads: usize,
        inherit_stderr: bool,
    ) -> Result<Self, Failure> {
        forward_signals();
        let mut globals = ctx.globals.clone();
        globals.threads = Some(threads);
        let mut set = ctx.config.set_for(name);
        // As a flag, the seed would count as an override of this stage.
        if let Some(seed) = globals.seed.take().and_then(|seed| i64::try_from(seed).ok()) {
            set.insert(SEED.to_owned(), seed.into());
        }
        let kept = Table::from_iter([(name.to_owned(), hand.kept.clone().into())]);
        let from_run = FromRun { set: to_items(&set), hand: to_items(&kept) };
        let program = std::env::current_exe().context("cannot find the program `cxr`")?;
        let mut command = process::Command::new(program);
        command
            .arg(name)
            .args(globals.to_args(ctx.uses(name)))
            .arg("--json")
            .arg("--from-run")
            .arg(serde_json::to_string(&from_run).expect("strings serialise"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command.stderr(if inherit_stderr { Stdio::inherit() } else { Stdio::piped() });
        if ctx.ui.quiet() {
            command.arg("--quiet");
        }
        command.args((0..ctx.ui.verbosity()).map(|_| "-v"));
        let mut running = running();
        if interrupted() {
            return Err(Failure::new("interrupted"));
        }
        let process = command.spawn().context("cannot start the program")?;
        running.insert(process.id());
        Ok(Self { process, started: Instant::now() })
    }

    /// Waits until the process ends.
    pub fn wait(self) -> Finished {
        let id = self.process.id();
        let output = self.process.wait_with_output();
        running().remove(&id);
        let (code, document, messages) = match output {
            Ok(o) => (o.status.code(), o.stdout, String::from_utf8_lossy(&o.stderr).into_owned()),
            Err(e) => (Some(1), Vec::new(), e.to_string()),
        };
        Finished { code, document, messages, took: self.started.elapsed() }
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Returns true after Ctrl-C or SIGTERM.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Process ids of the running children.
fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forwards Ctrl-C and SIGTERM to the children, which clean up and exit.
fn forward_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let stop = || {
            let running = running();
            INTERRUPTED.store(true, Ordering::SeqCst);
            for id in running.iter() {
                let _ = interrupt(*id);
            }
        };
        crate::cli::on_interrupt(stop);
    });
}

fn interrupt(id: u32) -> io::Result<()> {
    let pid = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::kill_process(pid, rustix::process::Signal::INT)?)
}
