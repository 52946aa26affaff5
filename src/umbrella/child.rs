//! A stage as a child process, and the user's wish to stop it.

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

/// What a stage left when it ended.
pub struct Finished {
    /// Its exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// Its JSON document.
    pub document: Vec<u8>,
    /// What it said on stderr, unless that went straight to ours.
    pub messages: String,
    /// How long it ran.
    pub took: Duration,
}

impl Child {
    /// Starts the stage `name` with the choices of `ctx`. One that runs `alone`
    /// talks to the user directly; the messages of others are collected, so that
    /// they do not mix.
    pub fn start(
        ctx: &Context,
        name: &str,
        hand: &Hand,
        threads: usize,
        alone: bool,
    ) -> Result<Self, Failure> {
        listen();
        let mut globals = ctx.globals.clone();
        globals.threads = Some(threads);
        let mut set = ctx.config.set_for(name);
        // As a flag it would count as given by hand to the stage.
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
        command.stderr(if alone { Stdio::inherit() } else { Stdio::piped() });
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

    /// Waits for its end.
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

/// Whether the user asked to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// The process ids of the running children.
fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands Ctrl-C and SIGTERM on to the children, who clean up and end.
fn listen() {
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
