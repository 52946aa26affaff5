//! Shared code of the stage commands: `cxr-train` runs `cxr train`.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Replaces this process with `cxr <stage>` and the same arguments. Uses the `cxr` in the folder
/// of this program (symbolic links resolved), else the one on `PATH`.
pub fn start(stage: &str) -> ExitCode {
    let name = format!("cxr{}", env::consts::EXE_SUFFIX);
    let sibling = env::current_exe().map(|own| own.with_file_name(&name));
    let program = sibling.ok().filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name));
    let mut command = Command::new(&program);
    command.arg(stage).args(env::args_os().skip(1));
    match replace(&mut command) {
        Ok(code) => code,
        Err(error) => {
            let text = format!(
                "error: cannot run `{}`\n  caused by: {error}\n\nhint: put `cxr-{stage}` in the \
                 folder of `cxr`, or add `cxr` to PATH\n",
                program.display()
            );
            let _ = io::stderr().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

#[cfg(unix)]
fn replace(command: &mut Command) -> io::Result<ExitCode> {
    Err(std::os::unix::process::CommandExt::exec(command))
}

#[cfg(not(unix))]
fn replace(command: &mut Command) -> io::Result<ExitCode> {
    let code = command.status()?.code().unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
