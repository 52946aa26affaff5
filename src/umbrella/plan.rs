//! The stages of a profile and their states: what `cxr run` and `cxr status`
//! share.

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

/// The stages of the profile, each after those it reads from.
pub fn stages(ctx: &Context) -> Result<Vec<&'static Entry>, Failure> {
    let profile = &ctx.config.profile;
    let wanted = ctx.config.stages().usage()?;
    if wanted.is_empty() {
        let empty = format_args!("the profile `{profile}` runs no stage");
        let hint = format!("list its stages as `stages = [...]` in `[profile.{profile}]`");
        return Err(Failure::usage(empty).hint(hint));
    }
    let nodes: Vec<Node<'_>> = STAGES.iter().map(Entry::node).collect();
    let names = order(&nodes, &wanted).usage()?;
    Ok(names.into_iter().map(|n| find(n).expect("ordered from the registry")).collect())
}

/// What is known of a stage without running it.
#[derive(Debug)]
pub struct State {
    /// The stage.
    pub stage: &'static Entry,
    /// Why it has to run; none if it is fresh.
    pub reasons: Vec<Reason>,
    /// The key of its last execution; `None` if it never ran.
    pub key: Option<String>,
    /// Why its last execution answered no; none if it answered yes or never ran.
    pub missed: Vec<String>,
    /// Settings that were given when it was last run by hand, and that are kept.
    pub hand: Hand,
    /// The files that it would read, if they can be listed.
    pub inputs: Vec<Input>,
    /// Why its settings or inputs cannot be used.
    pub problem: Option<Failure>,
}

/// How the files of a stage are compared with its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// By their hashes; those of files whose size, times and inode are unchanged are
    /// known from the last time.
    Known,
    /// By their hashes, of which every one is computed.
    Rehash,
}

impl Compare {
    /// `--rehash`, of `cxr status` and `cxr run`.
    pub fn arg() -> Arg {
        Arg::new("rehash")
            .long("rehash")
            .action(ArgAction::SetTrue)
            .help("Read every file again, also where size, times and inode are unchanged")
    }

    /// The choice of the user.
    pub fn from_matches(matches: &ArgMatches) -> Self {
        if matches.get_flag("rehash") { Self::Rehash } else { Self::Known }
    }
}

/// Settings of a stage that were given when it was last run by hand, and that differ from
/// the pipeline file: `cxr run` keeps them.
#[derive(Debug, Default, Clone)]
pub struct Hand {
    /// The settings; `seed` is one of them.
    pub kept: Table,
    /// What the pipeline file says in their place.
    file: Table,
}

impl Hand {
    /// What is kept of the record in `folder`. `--set`, and `--seed` of `cxr run`, beat it.
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
            // Not of this version, or edited: what the file says works.
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

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The settings with what the pipeline file says: `epochs = 40 (pipeline: 25)`.
    pub fn text(&self) -> String {
        let line = |(key, value): (&String, &Value)| match self.file.get(key) {
            Some(other) => format!("{key} = {value} (pipeline: {other})"),
            None => format!("{key} = {value}"),
        };
        self.kept.iter().map(line).collect::<Vec<_>>().join(", ")
    }
}

/// The state of a stage, its predecessors left aside. What was given to it by hand is
/// dropped if it is `forced`.
///
/// # Errors
/// For files that cannot be read.
pub fn state(
    ctx: &Context,
    stage: &'static Entry,
    forced: bool,
    compare: Compare,
) -> Result<State, Failure> {
    let known = |reasons, problem| State {
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
        known(vec![Reason::Unreadable(failure.error.to_string())], Some(failure))
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
    Ok(State { key, missed, hand, inputs: wanted.inputs, ..known(reasons, None) })
}

/// The state of every stage in order: its own reasons, and that a stage it reads
/// from is stale.
///
/// # Errors
/// For files that cannot be read.
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
            // What it reads may be there by then; its settings stay as they are.
            state.problem = state.problem.filter(|problem| problem.kind == Kind::Usage);
        }
        states.push(state);
    }
    Ok(states)
}
