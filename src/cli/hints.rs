//! Adaptation of hints to the flags of the command that was typed.
//!
//! A hint of a stage names its own flags, as in "`--epochs 40`". Under `cxr run` the same
//! setting is `--set train.epochs=40`. A hint with a flag that the command does not have is
//! dropped.

use clap::Command;
use toml::{Table, Value};

use super::Flag;
use crate::pipeline::config::SHARED;

/// Start of a flag in a hint.
const START: &str = "`--";

/// Returns true if `command` and its subcommands have every flag in `hint`.
pub fn is_for(command: &Command, hint: &str) -> bool {
    let mut flags = hint.split(START).skip(1).map(flag_name);
    flags.all(|flag| has_flag(command, flag))
}

fn has_flag(command: &Command, flag: &str) -> bool {
    flag == "help"
        || command.get_arguments().any(|argument| argument.get_long() == Some(flag))
        || command.get_subcommands().any(|below| has_flag(below, flag))
}

/// Rewrites a hint of `stage`, whose settings are `settings`, with the flags of `cxr run`.
pub fn for_run(hint: &str, stage: &str, settings: &Table) -> String {
    let mut parts = hint.split(START);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (given, rest) = part.split_once('`').unwrap_or((part, ""));
        let flag = flag_name(given);
        let value = given[flag.len()..].trim_start_matches([' ', '=']);
        text += &match settings.get(flag) {
            _ if SHARED.contains(&flag) || Flag::ALL.iter().any(|f| f.name() == flag) => {
                format!("`--{given}`")
            }
            Some(Value::Boolean(_)) if value.is_empty() => format!("`--set {stage}.{flag}=true`"),
            Some(_) if value.is_empty() => format!("`--set {stage}.{flag}=…`"),
            Some(_) => format!("`--set {stage}.{flag}={value}`"),
            None => format!("`cxr {stage} --{given}`"),
        };
        text += rest;
    }
    text
}

/// Name of the flag at the start of `text`.
fn flag_name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    #[test]
    fn flags_of_a_stage_become_settings_of_a_run() {
        let settings: Table =
            "hold-out = \"\"\nvalidation = 0.0\npositive = \"\"\nkeep = false".parse().unwrap();
        let run = |hint| for_run(hint, "split", &settings);
        assert_eq!(
            run("give `--hold-out 'a b'` or `--hold-out c`, say"),
            "give `--set split.hold-out='a b'` or `--set split.hold-out=c`, say"
        );
        assert_eq!(
            run("`--validation` is such as 0.1"),
            "`--set split.validation=…` is such as 0.1"
        );
        assert_eq!(run("`--keep` does"), "`--set split.keep=true` does");
        assert_eq!(run("`--positive a`, `--seed`"), "`--positive a`, `--seed`");
        assert_eq!(run("with `--force`"), "with `cxr split --force`");
        assert_eq!(run("run `cxr fetch weights --from x`"), "run `cxr fetch weights --from x`");
    }

    #[test]
    fn hints_with_unknown_flags_are_dropped() {
        let below = Command::new("b").arg(Arg::new("zip").long("zip"));
        let command = Command::new("a").arg(Arg::new("output").long("output")).subcommand(below);
        for hint in [
            "no flag",
            "`--output x`",
            "`--help` lists them",
            "keep it: `--zip FILE`",
            "`cxr run --seed 3`",
        ] {
            assert!(is_for(&command, hint), "{hint}");
        }
        assert!(!is_for(&command, "`--output x` or `--artifacts`"));
    }
}
