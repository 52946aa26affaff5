//! `cxr-audit`: runs `cxr audit`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("audit")
}
