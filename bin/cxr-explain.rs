//! `cxr-explain`: runs `cxr explain`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("explain")
}
