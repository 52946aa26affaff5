//! `cxr-link`: runs `cxr link`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("link")
}
