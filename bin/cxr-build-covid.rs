//! `cxr-build-covid`: runs `cxr build-covid`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("build-covid")
}
