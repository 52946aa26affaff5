//! `cxr-phantom`: runs `cxr phantom`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("phantom")
}
