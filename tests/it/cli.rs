//! What every program shares: help, versions, wrong arguments, pipeline files.

use cxr::pipeline::config::Config;
use proptest::prelude::{ProptestConfig, proptest};
use toml::{Table, Value};

use crate::support::Sandbox;

#[test]
fn an_unknown_command_is_a_usage_error_with_a_suggestion() {
    let text = Sandbox::new().transcript("cxr rum");
    assert!(text.contains("exit: 2") && text.contains("'run'"), "{text}");
}

#[test]
fn usage_lines_name_the_command_as_it_is_typed() {
    let sandbox = Sandbox::new();
    for command in cxr::commands::command().get_subcommands() {
        let name = command.get_name();
        let line = format!("cxr {name}");
        let usage = format!("Usage: {line} ");
        let help = sandbox.ok(&format!("{line} --help"));
        assert!(help.contains(&usage), "{name}:\n{help}");
        let refused = sandbox.transcript(&format!("{line} --no-such-flag"));
        assert!(refused.contains("exit: 2") && refused.contains(&usage), "{name}:\n{refused}");
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let line = format!("{line} {}", below.get_name());
            let help = sandbox.ok(&format!("{line} --help"));
            assert!(help.contains(&format!("Usage: {line} ")), "{line}:\n{help}");
        }
    }
    for stage in cxr::stages::STAGES {
        let help = sandbox.ok(&format!("cxr-{} --help", stage.name));
        assert!(help.contains(&format!("Usage: cxr {} ", stage.name)), "{}:\n{help}", stage.name);
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    let sandbox = Sandbox::new();
    assert!(sandbox.ok("cxr --help").contains("classifiers"));
    assert_eq!(sandbox.ok("cxr --version"), format!("cxr {}\n", env!("CARGO_PKG_VERSION")));
    assert!(sandbox.ok("cxr run --help").contains("--artifacts"));
}

#[test]
fn a_wrong_pipeline_file_is_named_with_its_key() {
    let sandbox = Sandbox::new();
    sandbox.write("pipeline.toml", "sed = 1\n");
    insta::assert_snapshot!(sandbox.transcript("cxr run"), @r"
    $ cxr run
    exit: 2
    --- stdout
    --- stderr
    error: unknown key `sed` in `pipeline.toml`; did you mean `seed`?

    hint: the `pipeline.toml` of the project lists every key; `--help` lists the flags
    ");
    sandbox.write("pipeline.toml", "profile = \"strict\"\n");
    insta::assert_snapshot!(sandbox.transcript("cxr run"), @r#"
    $ cxr run
    exit: 2
    --- stdout
    --- stderr
    error: `profile` in `pipeline.toml` is not a table of profiles

    hint: to choose a profile, write `default-profile = "strict"`, or give `--profile strict`
    "#);
    sandbox.write("pipeline.toml", "[evaluate]\npositive = \"normal\"\n");
    insta::assert_snapshot!(sandbox.transcript("cxr status"), @r#"
    $ cxr status
    exit: 2
    --- stdout
    --- stderr
    error: `evaluate.positive` in `pipeline.toml` is one setting for all stages

    hint: write `positive = "normal"` at the top of the file, or in a profile
    "#);
    insta::assert_snapshot!(sandbox.transcript("cxr run --config nowhere.toml"), @r"
    $ cxr run --config nowhere.toml
    exit: 2
    --- stdout
    --- stderr
    error: cannot read the pipeline file `nowhere.toml`
      caused by: No such file or directory (os error 2)

    hint: the `pipeline.toml` of the project lists every key; `--help` lists the flags
    ");
}

/// The stages with the keys of their tables.
fn known() -> Vec<(&'static str, Table)> {
    cxr::stages::known().iter().map(|stage| (stage.name, stage.keys())).collect()
}

/// Values of every type of TOML, and of every sign.
fn odd_values() -> Vec<Value> {
    let text = "a = \"x\"\nb = \"\"\nc = 0\nd = -1\ne = 9223372036854775807\nf = 1.5\ng = nan\n\
                h = inf\ni = true\nj = 1979-05-27T07:32:00Z\nk = []\nl = [1, \"x\"]\nm = [\"x\"]\n\
                n = [{x = 1}]\no = {}\np = {x = {y = 1}}\nq = {epochs = \"x\"}";
    text.parse::<Table>().unwrap().into_iter().map(|(_, value)| value).collect()
}

/// The paths of all tables and values in a table.
fn paths(table: &Table) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (key, value) in table {
        all.push(vec![key.clone()]);
        let below = value.as_table().map(paths).unwrap_or_default();
        all.extend(below.into_iter().map(|rest| [vec![key.clone()], rest].concat()));
    }
    all
}

fn replaced(mut root: Table, path: &[String], value: &Value) -> Table {
    let (last, tables) = path.split_last().unwrap();
    let inner = tables.iter().fold(&mut root, |table, key| table[key].as_table_mut().unwrap());
    inner.insert(last.clone(), value.clone());
    root
}

#[test]
fn no_toml_panics_the_configuration_reader_and_wrong_types_are_errors() {
    let known = known();
    let whole: Table = cxr::pipeline::config::BUILT_IN.parse().unwrap();
    let (mut refused, mut read) = (0, 0);
    // Every key of the built-in file and every table of it as a value of every type; and
    // unknown keys beside them.
    for mut path in paths(&whole) {
        for misspelt in [false, true] {
            if misspelt {
                path.last_mut().unwrap().push('x');
            }
            for value in odd_values() {
                let file = replaced(whole.clone(), &path, &value);
                let text = file.to_string();
                let used = Config::parse("p.toml", &text, None, &[], &known).and_then(|config| {
                    for key in ["dataset", "artifacts", "about", "positive"] {
                        config.value::<String>(key)?;
                    }
                    for key in ["seed", "threads", "cache-limit"] {
                        config.value::<u64>(key)?;
                    }
                    config.stages()?;
                    known.iter().try_for_each(|(stage, _)| {
                        config.seed_of(stage)?;
                        config.settings::<Table>(stage, Table::new()).map(drop)
                    })
                });
                match used {
                    Ok(()) => read += 1,
                    Err(error) => {
                        refused += 1;
                        assert!(!error.to_string().is_empty() && !error.hint().is_empty());
                        let named = error.to_string();
                        let key = path.last().unwrap();
                        let known_reason = ["no profile", key.as_str()];
                        let known_reason = known_reason.iter().any(|word| named.contains(word));
                        assert!(known_reason, "{path:?} = {value}: {named}");
                    }
                }
            }
        }
    }
    assert!(refused > 10 * read && read > 100, "{refused} refused, {read} read");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_text_panics_the_configuration_reader(text in "\\PC*", key in "[a-z.]{0,12}", value in "\\PC{0,12}") {
        let known = known();
        let _ = Config::parse("p.toml", &text, None, &[], &known);
        let _ = Config::parse("p.toml", &format!("{key} = {value}"), None, &[], &known);
        let _ = Config::parse("p.toml", &format!("[{key}]\n{value}"), None, &[], &known);
        let _ = Config::parse("p.toml", "", None, &[format!("{key}={value}"), text], &known);
    }
}
