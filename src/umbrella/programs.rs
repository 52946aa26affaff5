//! Finding and starting the stages' programs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::cli::{Failure, Globals, Ui};

/// The program `cxr-<name>`: beside this one, else on `PATH`.
pub fn find(name: &str) -> Result<PathBuf, Failure> {
    let file = format!("cxr-{name}{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe().ok().and_then(|p| Some(p.parent()?.to_owned()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = own.into_iter().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(&file)).find(|p| p.is_file()).ok_or_else(|| {
        Failure::new(format_args!("there is no program `{file}` beside `cxr` or on PATH"))
            .hint("build every program with `cargo build --release`")
    })
}

/// Becomes the program, so that its exit code and signals are its own.
pub fn replace(program: &PathBuf, args: &[OsString]) -> ExitCode {
    let mut command = Command::new(program);
    command.args(args);
    #[cfg(unix)]
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    #[cfg(not(unix))]
    let error = match command.status() {
        Ok(status) => return ExitCode::from(status.code().unwrap_or(1) as u8),
        Err(error) => error,
    };
    let error = anyhow::Error::from(error).context(format!("cannot run `{}`", program.display()));
    Ui::new(&Globals::default()).failure(&error.into())
}
