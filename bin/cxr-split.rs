//! `cxr-split`: runs `cxr split`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("split")
}
