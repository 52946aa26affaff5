//! Flags that hints name: the ones of the command that was typed.
//!
//! A stage hints at its own flags, as in "`--epochs 40`". Under `cxr run` the same setting is
//! given as `--set train.epochs=40`, and a command that does not take a flag has no use for a
//! hint that names it.

use clap::Command;
use toml::{Table, Value};

use super::Flag;
use crate::pipeline::config::SHARED;

/// The start of a flag in a hint.
const START: &str = "`--";

/// Whether `command`, or a command below it, takes every flag that `hint` gives.
pub fn is_for(command: &Command, hint: &str) -> bool {
    let mut flags = hint.split(START).skip(1).map(name);
    flags.all(|flag| takes(command, flag))
}

fn takes(command: &Command, flag: &str) -> bool {
    flag == "help"
        || command.get_arguments().any(|argument| argument.get_long() == Some(flag))
        || command.get_subcommands().any(|below| takes(below, flag))
}

/// A hint of `stage`, whose settings are `settings`, with flags as `cxr run` takes them.
pub fn for_run(hint: &str, stage: &str, settings: &Table) -> String {
    let mut parts = hint.split(START);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (given, rest) = part.split_once('`').unwrap_or((part, ""));
        let flag = name(given);
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

/// The name of the flag that `text` begins with.
fn name(text: &str) -> &str {
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
    fn a_hint_names_flags_of_the_command() {
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
