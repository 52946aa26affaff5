//! Body of the stage commands: `cxr-train` becomes `cxr train`.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Replaces this process by `cxr <stage>` with the same arguments. `cxr` is taken from the
/// folder of this program, behind symlinks, else from `PATH`.
pub fn start(stage: &str) -> ExitCode {
    let name = format!("cxr{}", env::consts::EXE_SUFFIX);
    let beside = env::current_exe().map(|own| own.with_file_name(&name));
    let program = beside.ok().filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name));
    let mut command = Command::new(&program);
    command.arg(stage).args(env::args_os().skip(1));
    match replace(&mut command) {
        Ok(code) => code,
        Err(error) => {
            let text = format!(
                "error: cannot run `{}`\n  caused by: {error}\n\nhint: keep `cxr-{stage}` in the \
                 folder of `cxr`, or put `cxr` on PATH\n",
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
