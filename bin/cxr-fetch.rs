//! `cxr-fetch`: runs `cxr fetch`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("fetch")
}
