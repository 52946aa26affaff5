//! `cxr-report`: runs `cxr report`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("report")
}
