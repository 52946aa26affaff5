//! Stages of a profile and their states, shared by `cxr run` and `cxr status`.

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches};
use toml::{Table, Value};

use crate::artifact::Document;
use crate::artifact::record::Record;
use crate::cli::{Context, Failure, Kind, ResultExt};
use crate::io::staging::{RECORD, recover};
use crate::io::stat::StatCache;
use crate::pipeline::Input;
use crate::pipeline::config::{self, SEED};
use crate::pipeline::order::{Node, order};
use crate::pipeline::stale::{self, Reason};
use crate::stages::{Entry, STAGES, find};

/// Returns the stages of the profile, each after the stages that it depends on.
///
/// # Errors
/// If the profile has no stages, or names an unknown one.
pub fn stages(ctx: &Context) -> Result<Vec<&'static Entry>, Failure> {
    let profile = &ctx.config.profile;
    let wanted = ctx.config.stages().usage()?;
    if wanted.is_empty() {
        let empty = format_args!("the profile `{profile}` has no stages");
        let hint = format!("list its stages as `stages = [...]` in `[profile.{profile}]`");
        return Err(Failure::usage(empty).hint(hint));
    }
    let nodes: Vec<Node<'_>> = STAGES.iter().map(Entry::node).collect();
    let names = order(&nodes, &wanted).usage()?;
    Ok(names.into_iter().map(|n| find(n).expect("ordered from the registry")).collect())
}

/// State of a stage, determined without running it.
#[derive(Debug)]
pub struct State {
    /// Stage.
    pub stage: &'static Entry,
    /// Reasons to run the stage; empty if it is fresh.
    pub reasons: Vec<Reason>,
    /// Key of the last execution; `None` if the stage never ran.
    pub key: Option<String>,
    /// Conditions that the last execution did not meet (exit code 3).
    pub missed: Vec<String>,
    /// Overrides that are kept.
    pub hand: Hand,
    /// Files that the stage would read, if they can be listed.
    pub inputs: Vec<Input>,
    /// Error in the settings or inputs.
    pub problem: Option<Failure>,
}

/// Method of comparing the files of a stage with its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// By hash; a file whose size, times and inode are unchanged is not hashed again.
    Known,
    /// By hash; every file is hashed again.
    Rehash,
}

impl Compare {
    /// The flag `--rehash` of `cxr status` and `cxr run`.
    pub fn arg() -> Arg {
        Arg::new("rehash")
            .long("rehash")
            .action(ArgAction::SetTrue)
            .help("Hash every file again, even if its size, times and inode are unchanged")
    }

    /// Reads the flag.
    pub fn from_matches(matches: &ArgMatches) -> Self {
        if matches.get_flag("rehash") { Self::Rehash } else { Self::Known }
    }
}

/// Overrides of a stage: settings of its last run on its own (`cxr train --epochs 6`) that
/// differ from the pipeline file. `cxr run` keeps them.
#[derive(Debug, Default, Clone)]
pub struct Hand {
    /// Settings, including `seed`.
    pub kept: Table,
    /// Settings of the pipeline file.
    file: Table,
}

impl Hand {
    /// Reads the overrides from the record in `folder`. `--set`, and `--seed` of `cxr run`, take
    /// precedence.
    fn read(ctx: &Context, stage: &Entry, folder: &Path) -> Self {
        let Ok(record) = Record::read(&folder.join(RECORD)) else { return Self::default() };
        let explicit = |key: &str| {
            ctx.config.is_set(stage.name, key) || key == SEED && ctx.globals.seed.is_some()
        };
        let kept: Table = record.hand.into_iter().filter(|(key, _)| !explicit(key)).collect();
        if kept.is_empty() {
            return Self::default();
        }
        if (stage.wanted)(ctx, &kept).is_err_and(|failure| failure.kind == Kind::Usage) {
            // The record is of another version or was edited; the file's settings work.
            return Self::default();
        }
        let mut file: Table = ctx.config.settings(stage.name, Table::new()).unwrap_or_default();
        if let Ok(Some(seed)) = ctx.seed_of(stage.name) {
            file.extend(i64::try_from(seed).map(|seed| (SEED.to_owned(), seed.into())));
        }
        let differs = |(key, value): &(String, Value)| {
            file.get(key).is_none_or(|other| !config::same(other, value))
        };
        Self { kept: kept.into_iter().filter(differs).collect(), file }
    }

    /// Returns true if there are no overrides.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Overrides with the values of the pipeline file: `epochs = 40 (pipeline: 25)`.
    pub fn text(&self) -> String {
        let line = |(key, value): (&String, &Value)| match self.file.get(key) {
            Some(other) => format!("{key} = {value} (pipeline: {other})"),
            None => format!("{key} = {value}"),
        };
        self.kept.iter().map(line).collect::<Vec<_>>().join(", ")
    }
}

/// Determines the state of a stage without regard to its predecessors. Drops the overrides if
/// `forced`.
///
/// # Errors
/// If a file cannot be read.
pub fn state(
    ctx: &Context,
    stage: &'static Entry,
    forced: bool,
    compare: Compare,
) -> Result<State, Failure> {
    let new_state = |reasons, problem| State {
        stage,
        reasons,
        key: None,
        missed: Vec::new(),
        hand: Hand::default(),
        inputs: Vec::new(),
        problem,
    };
    let unusable = |failure: Failure| {
        let failure = failure.for_run(stage.name, &(stage.defaults)());
        new_state(vec![Reason::Unreadable(failure.error.to_string())], Some(failure))
    };
    let folder = match (stage.folder)(ctx) {
        Ok(folder) => folder,
        Err(failure) => return Ok(unusable(failure)),
    };
    if let Err(error) = recover(&folder) {
        return Ok(unusable(error.into()));
    }
    let hand = if forced { Hand::default() } else { Hand::read(ctx, stage, &folder) };
    let wanted = match (stage.wanted)(ctx, &hand.kept) {
        Ok(wanted) => wanted,
        Err(failure) => return Ok(State { hand, ..unusable(failure) }),
    };
    let mut stats = match compare {
        Compare::Known => StatCache::open(&wanted.folder),
        Compare::Rehash => StatCache::rehash(&wanted.folder),
    };
    let (mut reasons, record) = stale::examine(&wanted, &mut stats)?;
    stats.save();
    if forced {
        reasons.push(Reason::Forced);
    }
    let key = record.as_ref().map(Record::key);
    let missed = record.map(|r| r.missed).unwrap_or_default();
    Ok(State { key, missed, hand, inputs: wanted.inputs, ..new_state(reasons, None) })
}

/// Determines the state of every stage, in order. A stage is also stale if one that it depends
/// on is stale.
///
/// # Errors
/// If a file cannot be read.
pub fn states(
    ctx: &Context,
    stages: &[&'static Entry],
    forced: &[&str],
    compare: Compare,
) -> Result<Vec<State>, Failure> {
    let mut states: Vec<State> = Vec::new();
    for stage in stages {
        let mut state = state(ctx, stage, forced.contains(&stage.name), compare)?;
        let stale = |s: &&State| stage.after.contains(&s.stage.name) && !s.reasons.is_empty();
        if let Some(before) = states.iter().find(stale) {
            state.reasons.retain(|r| !matches!(r, Reason::Unreadable(_)));
            state.reasons.push(Reason::After(before.stage.name.to_owned()));
            // The missing inputs may exist by then; wrong settings stay wrong.
            state.problem = state.problem.filter(|problem| problem.kind == Kind::Usage);
        }
        states.push(state);
    }
    Ok(states)
}
