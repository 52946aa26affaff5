//! The stages of a profile and their states: what `cxr run` and `cxr status`
//! share.

use clap::{Arg, ArgAction, ArgMatches};

use crate::artifact::record::Record;
use crate::cli::{Context, Failure, Kind, ResultExt};
use crate::io::stat::StatCache;
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

/// The state of a stage, its predecessors left aside.
pub fn state(ctx: &Context, stage: &'static Entry, compare: Compare) -> Result<State, Failure> {
    let wanted = match (stage.wanted)(ctx) {
        Ok(wanted) => wanted,
        Err(failure) if failure.kind == Kind::Usage => return Err(failure),
        Err(failure) => {
            let reasons = vec![Reason::Unreadable(failure.error.to_string())];
            return Ok(State { stage, reasons, key: None, missed: Vec::new() });
        }
    };
    let mut stats = match compare {
        Compare::Known => StatCache::open(&wanted.folder),
        Compare::Rehash => StatCache::rehash(&wanted.folder),
    };
    let (reasons, record) = stale::examine(&wanted, &mut stats)?;
    stats.save();
    let key = record.as_ref().map(Record::key);
    Ok(State { stage, reasons, key, missed: record.map(|r| r.missed).unwrap_or_default() })
}

/// The state of every stage in order: its own reasons, and that a stage it reads
/// from is stale.
pub fn states(
    ctx: &Context,
    stages: &[&'static Entry],
    compare: Compare,
) -> Result<Vec<State>, Failure> {
    let mut states: Vec<State> = Vec::new();
    for stage in stages {
        let mut state = state(ctx, stage, compare)?;
        let stale = |s: &&State| stage.after.contains(&s.stage.name) && !s.reasons.is_empty();
        if let Some(before) = states.iter().find(stale) {
            state.reasons.retain(|r| !matches!(r, Reason::Unreadable(_)));
            state.reasons.push(Reason::After(before.stage.name.to_owned()));
        }
        states.push(state);
    }
    Ok(states)
}
