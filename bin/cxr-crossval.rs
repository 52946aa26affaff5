//! `cxr-crossval`: runs `cxr crossval`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("crossval")
}
