//! `cxr-export`: runs `cxr export`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("export")
}
