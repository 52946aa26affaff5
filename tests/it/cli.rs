//! What every program shares: help, versions, wrong arguments, pipeline files.

use crate::support::Sandbox;

#[test]
fn an_unknown_command_is_a_usage_error_with_a_suggestion() {
    let text = Sandbox::new().transcript("cxr rum");
    assert!(text.contains("exit: 2") && text.contains("'run'"), "{text}");
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

    hint: the project's own `pipeline.toml` shows every key; `--help` lists the flags
    ");
    insta::assert_snapshot!(sandbox.transcript("cxr run --config nowhere.toml"), @r"
    $ cxr run --config nowhere.toml
    exit: 2
    --- stdout
    --- stderr
    error: cannot read the pipeline file `nowhere.toml`
      caused by: No such file or directory (os error 2)

    hint: the project's own `pipeline.toml` shows every key; `--help` lists the flags
    ");
}
