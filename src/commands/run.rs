//! `cxr run`: runs the stale stages of a profile as child processes, independent stages in
//! parallel.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde::Serialize;
use serde_json::Value;

use super::child::{Child, Finished, interrupted};
use super::plan::{self, Compare};
use super::{check, select, status};
use crate::cli::{Context, Failure, Kind, Outcome, ResultExt, set_args};
use crate::io::staging;
use crate::pipeline::owner::{LockError, RunLock};
use crate::pipeline::schedule::Schedule;
use crate::pipeline::stale::summary;
use crate::stages::Entry;

/// Arguments of `cxr run`.
pub fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new("run")
        .about("Run the stages of a profile whose settings, inputs or outputs changed, in order")
        .arg(flag("dry-run", "Show what would run and why; run nothing"))
        .arg(status::check_arg())
        .arg(Compare::arg())
        .args(select::args())
        .arg(
            Arg::new("force")
                .long("force")
                .value_name("STAGE")
                .action(ArgAction::Append)
                .help(
                    "Run this stage even if it is fresh, with the settings of the pipeline: its \
                     overrides are dropped; may be repeated",
                ),
        )
        .args(set_args())
        .arg(flag("keep-going", "After a failure, run the stages that do not depend on it"))
        .arg(
            Arg::new("jobs")
                .long("jobs")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("Maximum number of parallel stages [default: the number of threads]"),
        )
        .arg(
            Arg::new("lock-timeout")
                .long("lock-timeout")
                .value_name("SECONDS")
                .value_parser(value_parser!(u64))
                .default_value("600")
                .help("Time to wait for another run in the same artifacts folder"),
        )
        .after_help(
            "Examples:\n  \
             # The tutorial on your images: dataset/covid, dataset/normal\n  cxr run --profile tutorial\n  \
             # The whole pipeline on synthetic images\n  cxr run --profile demo\n  \
             # Show what would run, and why\n  cxr run --dry-run\n  \
             # Train again, and evaluate\n  cxr run --force train\n  \
             # Change the number of epochs for this run\n  cxr run --set train.epochs=40\n  \
             # Choose the positive class\n  cxr run --positive pneumonia",
        )
}

#[derive(Debug, Serialize)]
struct Summary {
    profile: String,
    /// Name, state, reasons and JSON document of each stage.
    stages: Vec<Line>,
    #[serde(skip)]
    shown: String,
}

#[derive(Debug, Serialize)]
struct Line {
    stage: &'static str,
    /// `fresh`, `stale` (not run), `ran`, `failed` or `skipped`.
    state: &'static str,
    reasons: Vec<String>,
    #[serde(skip_serializing_if = "Value::is_null")]
    result: Value,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Runs the stale stages. The first failure sets the exit code and ends the run, with
/// `--keep-going` after the stages that do not depend on the failed one.
///
/// # Errors
/// If the plan is wrong, the lock is taken, a stage fails or does not meet its condition, or the
/// user interrupts.
pub fn run(ctx: &Context, matches: &ArgMatches) -> Result<Outcome, Failure> {
    let all = plan::stages(ctx)?;
    let chosen = select::choose(&all, matches)?;
    let forced: Vec<&str> =
        matches.get_many::<String>("force").into_iter().flatten().map(String::as_str).collect();
    for name in &forced {
        select::named(&chosen, name)?;
    }
    select::check_settings(&all, matches)?;
    if matches.get_flag("check") || matches.get_flag("dry-run") {
        return show_plan(ctx, &chosen, &forced, matches);
    }
    let timeout = Duration::from_secs(*matches.get_one("lock-timeout").expect("it has a default"));
    let _lock = RunLock::acquire(&ctx.paths.artifacts, timeout, |owner| {
        ctx.ui.note(format_args!("waiting for {owner}"));
    })
    .map_err(|e| {
        let busy = matches!(e, LockError::Busy { .. });
        let failure = Failure::from(e);
        failure.hint(if busy {
            "wait until the other run ends, or choose another folder with `--artifacts`"
        } else {
            "check that the folder can be written to and the disk has room, or choose another \
             folder with `--artifacts`"
        })
    })?;
    staging::sweep_files(&ctx.paths.artifacts);
    for stage in &all {
        // Removes temporary files of killed stages; a stage without a folder has none.
        let _ = (stage.folder)(ctx).map(|folder| staging::sweep(&folder));
    }
    let threads = rayon::current_num_threads();
    let jobs = matches.get_one::<u64>("jobs").map_or(threads, |n| *n as usize);
    let compare = Compare::from_matches(matches);
    let states = plan::states(ctx, &chosen, &forced, compare)?;
    for note in check::all(ctx, &states)? {
        ctx.ui.note(note);
    }
    let mut run = Run::new(ctx, &chosen, forced, jobs, threads, matches.get_flag("keep-going"));
    run.compare = compare;
    run.execute()
}

/// Prints the plan of the run, for `--dry-run` and `--check`.
fn show_plan(
    ctx: &Context,
    chosen: &[&'static Entry],
    forced: &[&str],
    matches: &ArgMatches,
) -> Result<Outcome, Failure> {
    let mut shown = String::new();
    let mut lines: Vec<Line> = Vec::new();
    let mut failed = false;
    let states = plan::states(ctx, chosen, forced, Compare::from_matches(matches))?;
    for state in &states {
        let name = state.stage.name;
        let fresh = state.reasons.is_empty();
        let mut text = match fresh {
            true if state.missed.is_empty() => "fresh".into(),
            true => format!("fresh, but condition not met: {}", state.missed.join("; ")),
            false => format!("would run: {}", summary(&state.reasons)),
        };
        if !state.hand.is_empty() {
            text += &format!("; overrides: {}", state.hand.text());
        }
        failed |= !fresh || !state.missed.is_empty();
        shown += &format!("{name:14} {text}\n");
        lines.push(Line {
            stage: name,
            state: if fresh { "fresh" } else { "stale" },
            reasons: state.reasons.iter().map(ToString::to_string).collect(),
            result: Value::Null,
        });
    }
    // `--check` is about the existing files only; a dry run also checks that the plan can work.
    if !matches.get_flag("check")
        && let Err(failure) = check::all(ctx, &states)
    {
        ctx.ui.note(shown.trim_end());
        return Err(failure);
    }
    let outcome =
        Outcome::new(&Summary { profile: ctx.config.profile.clone(), stages: lines, shown });
    Ok(if matches.get_flag("check") && failed { outcome.answer_no() } else { outcome })
}

/// Run in progress.
struct Run<'a> {
    ctx: &'a Context,
    stages: BTreeMap<&'static str, &'static Entry>,
    schedule: Schedule<'static>,
    forced: Vec<&'a str>,
    jobs: usize,
    threads: usize,
    keep_going: bool,
    compare: Compare,
    lines: Vec<Line>,
    shown: String,
    failure: Option<Failure>,
}

impl<'a> Run<'a> {
    fn new(
        ctx: &'a Context,
        chosen: &[&'static Entry],
        forced: Vec<&'a str>,
        jobs: usize,
        threads: usize,
        keep_going: bool,
    ) -> Self {
        Self {
            ctx,
            stages: chosen.iter().map(|s| (s.name, *s)).collect(),
            schedule: Schedule::new(chosen.iter().map(|s| s.node())),
            forced,
            jobs,
            threads,
            keep_going,
            compare: Compare::Known,
            lines: Vec::new(),
            shown: String::new(),
            failure: None,
        }
    }

    fn execute(mut self) -> Result<Outcome, Failure> {
        let started = Instant::now();
        let (send, receive) = mpsc::channel();
        loop {
            while self.may_start()
                && let Some(name) = self.schedule.next()
            {
                if let Some(child) = self.start(name)? {
                    let send = send.clone();
                    // The receiver outlives the loop, so sending cannot fail.
                    let wait = move || drop(send.send((name, child.wait())));
                    thread::Builder::new().spawn(wait).context("cannot start a thread")?;
                }
            }
            if self.schedule.running() == 0 {
                break;
            }
            let (name, finished) = receive.recv().expect("this thread holds a sender");
            self.finish(name, finished);
        }
        if interrupted() {
            return Err(Failure { kind: Kind::Interrupted, ..Failure::new("interrupted") }
                .hint("finished stages are kept: run the same command to continue"));
        }
        match self.failure {
            Some(failure) => Err(failure),
            None => {
                let (ran, n) = (self.count("ran"), self.lines.len());
                let seconds = started.elapsed().as_secs_f64();
                let profile = self.ctx.config.profile.clone();
                self.ctx.ui.note(format_args!(
                    "profile `{profile}`: {ran} of {n} stages ran, {} fresh, {seconds:.1} s",
                    n - ran
                ));
                Ok(Outcome::new(&Summary { profile, stages: self.lines, shown: self.shown }))
            }
        }
    }

    fn may_start(&self) -> bool {
        // A stage that does not meet its condition has written its files: the run continues.
        let failed = self.failure.as_ref().is_some_and(|f| f.kind != Kind::No);
        let open = !failed || self.keep_going;
        open && !interrupted() && self.schedule.running() < self.jobs
    }

    fn count(&self, state: &str) -> usize {
        self.lines.iter().filter(|l| l.state == state).count()
    }

    /// Starts a stage, unless it is fresh.
    fn start(&mut self, name: &'static str) -> Result<Option<Child>, Failure> {
        let stage = self.stages[name];
        let forced = self.forced.contains(&name);
        let state = plan::state(self.ctx, stage, forced, self.compare)?;
        let plan::State { reasons, missed, hand, .. } = state;
        let reason_texts = reasons.iter().map(ToString::to_string).collect();
        if reasons.is_empty() {
            self.ctx.ui.note(format_args!("{name:14} fresh"));
            self.note_overrides(name, &hand);
            missed.iter().for_each(|missed| self.ctx.ui.warn(missed));
            if !missed.is_empty() && self.failure.is_none() {
                self.failure = Some(Failure::stage(name, Some(3)));
            }
            self.lines.push(Line {
                stage: name,
                state: "fresh",
                reasons: reason_texts,
                result: Value::Null,
            });
            self.schedule.done(name);
            return Ok(None);
        }
        self.ctx.ui.detail(format_args!("{name:14} {}", summary(&reasons)));
        self.note_overrides(name, &hand);
        let parallel = self.jobs.min(self.schedule.running() + self.schedule.ready_count());
        let threads = (self.threads / parallel.max(1)).max(1);
        let inherit_stderr = self.schedule.running() == 0;
        self.schedule.start(name);
        self.lines.push(Line {
            stage: name,
            state: "failed",
            reasons: reason_texts,
            result: Value::Null,
        });
        let child = Child::start(self.ctx, name, &hand, threads, inherit_stderr);
        match child.context(format!("cannot run the stage `{name}`")) {
            Ok(child) => Ok(Some(child)),
            Err(failure) => {
                self.fail(name, failure);
                Ok(None)
            }
        }
    }

    /// Notes the overrides that are kept, and how to drop them.
    fn note_overrides(&self, name: &str, hand: &plan::Hand) {
        if !hand.is_empty() {
            self.ctx.ui.note(format_args!(
                "{:14} overrides kept: {}; `cxr run --force {name}` drops them",
                "",
                hand.text()
            ));
        }
    }

    fn finish(&mut self, name: &'static str, finished: Finished) {
        if !finished.messages.is_empty() {
            self.ctx.ui.pass_on(&finished.messages);
        }
        let document: Value = serde_json::from_slice(&finished.document).unwrap_or_default();
        let has_result = matches!(finished.code, Some(0 | 3)) && document.is_object();
        if !has_result {
            return self.fail(name, Failure::stage(name, finished.code));
        }
        let headline = document["headline"].as_str().unwrap_or_default();
        let seconds = finished.took.as_secs_f64();
        self.ctx.ui.note(format_args!("{name:14} {seconds:6.1} s  {headline}"));
        if self.stages[name].show {
            self.shown += &format!("{}\n", document["text"].as_str().unwrap_or_default());
        }
        let line = self.lines.iter_mut().find(|l| l.stage == name).expect("it was started");
        (line.state, line.result) = ("ran", document);
        self.schedule.done(name);
        if finished.code == Some(3) && self.failure.is_none() {
            self.failure = Some(Failure::stage(name, finished.code));
        }
    }

    fn fail(&mut self, name: &'static str, failure: Failure) {
        for skipped in self.schedule.fail(name) {
            self.ctx.ui.note(format_args!("{skipped:14} skipped: {name} failed"));
            let reasons = vec![format!("{name} failed")];
            self.lines.push(Line {
                stage: skipped,
                state: "skipped",
                reasons,
                result: Value::Null,
            });
        }
        if self.failure.as_ref().is_none_or(|f| f.kind == Kind::No) {
            self.failure = Some(failure);
        }
    }
}
