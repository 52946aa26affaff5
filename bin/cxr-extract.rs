//! `cxr-extract`: runs `cxr extract`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("extract")
}
